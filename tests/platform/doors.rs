//! The doors from outside: every kind of call and of bad input, over real sockets and a real store.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use tidewater::engine::transition::Origin;
use tidewater::http::{Access, ROUTES};
use tidewater::model::{ConsentSource, EffectId, Entry, EntryBody, Offset, ProfileId, RunId};
use tidewater::privacy::links::{ClickLink, UnsubscribeLink};

use crate::served::{API_KEY, API_KEY_SETTING, Served, WRITE_KEY, answer};

const RULES: &str = r#"
event "Order Completed" strict { order_id: text required, revenue: number required }
event "Product Viewed" { product_id: text, price: number }
trait email: text clean (trim, lowercase, email) pii
trait country: text clean (country_code)
segment buyers "Who bought" = did "Order Completed"
topic newsletter "Weekly <news> & more" channels email marketing opt_in
"#;

/// Named as the segment is, so that one word fills the gaps of all paths.
const JOURNEY: (&str, &str) =
    ("journeys/buyers.yaml", "journey: buyers\nenter:\n  segment: buyers\nsteps:\n  - id: rest\n    wait: 1 day\n");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn post(served: &Served, path: &str) -> reqwest::RequestBuilder {
    served.client.post(format!("{}{path}", served.url)).basic_auth(WRITE_KEY, Some(""))
}

/// Names of the events in a profile's history, oldest first, and the profile itself.
async fn history(served: &Served, key: &str) -> (Vec<String>, Json) {
    served.platform.settle().await;
    let (status, profile) = served.get(&format!("/api/v1/profiles/{key}")).await;
    assert_eq!(status, 200, "{profile}");
    let events = profile["events"].as_array().unwrap().iter().rev();
    (events.map(|event| event["event"].as_str().unwrap().to_owned()).collect(), profile)
}

#[actix_web::test]
async fn every_call_is_answered_with_200_and_reaches_the_profile() {
    let served = Served::start(RULES, API_KEY_SETTING).await;
    let calls = [
        ("/v1/identify", json!({"anonymousId": "a1", "userId": "u1", "traits": {"email": " Ada@Example.com "}})),
        ("/v1/track", json!({"userId": "u1", "event": "Signed Up"})),
        ("/v1/page", json!({"anonymousId": "a1", "name": "Home"})),
        ("/v1/screen", json!({"userId": "u1", "name": "Cart"})),
        ("/v1/group", json!({"userId": "u1", "groupId": "acme"})),
        ("/v1/alias", json!({"userId": "u1", "previousId": "old-u1"})),
        ("/v1/t", json!({"userId": "u1", "event": "By Its Letter"})),
    ];
    for (path, body) in calls {
        assert_eq!(served.post(path, &body).await, (200, json!({"success": true})), "{path}");
    }
    for path in ["/v1/batch", "/v1/import"] {
        let body = json!({"batch": [{"type": "track", "userId": "u1", "event": format!("By {path}")}]});
        let expected = json!({"success": true, "accepted": 1, "rejected": []});
        assert_eq!(served.post(path, &body).await, (200, expected), "{path}");
    }
    let (events, profile) = history(&served, "user_id:u1").await;
    let expected = ["Identified", "Signed Up", "Page Viewed", "Screen Viewed", "Grouped", "Aliased", "By Its Letter"];
    for name in expected {
        assert_eq!(events.iter().filter(|event| *event == name).count(), 1, "{name} in {events:?}");
    }
    assert!(events.contains(&"By /v1/batch".to_owned()) && events.contains(&"By /v1/import".to_owned()));
    assert_eq!(profile["traits"]["email"], "ada@example.com");
    served.stop().await;
}

#[actix_web::test]
async fn the_write_key_may_come_in_the_header_or_in_the_body() {
    let served = Served::start(RULES, "").await;
    let event = |key: Json| json!({"userId": "u1", "event": "X", "writeKey": key}).to_string();
    let track = |request: reqwest::RequestBuilder| request.body(event(json!(WRITE_KEY)));
    let bare = || served.client.post(format!("{}/v1/track", served.url));
    assert_eq!(answer(track(bare())).await.0, 200);
    // A key in the header decides, whatever the body says.
    let (status, wrong) = answer(track(bare().basic_auth("nobody", Some("")))).await;
    assert_eq!((status, wrong["code"].as_str()), (401, Some("unknown_write_key")));
    assert_eq!(answer(bare().header("Authorization", "Basic !!!").body(event(json!(WRITE_KEY)))).await.0, 401);
    for key in [json!("nobody"), json!(null), json!("")] {
        assert_eq!(answer(bare().body(event(key.clone()))).await.0, 401, "{key}");
    }
    served.stop().await;
}

#[actix_web::test]
async fn a_bad_event_is_quarantined_and_its_neighbours_are_taken() {
    let served = Served::start(RULES, API_KEY_SETTING).await;
    let batch = json!({"batch": [
        {"type": "track", "userId": "u1", "event": "Order Completed", "properties": {"order_id": "o1", "revenue": 5}},
        {"type": "track", "userId": "u1", "event": "Order Completed", "properties": {"order_id": "o2", "revenue": "5"}},
        {"type": "track", "userId": "u1", "event": "Product Viewed", "properties": {"price": "9"}},
        {"type": "track", "event": "Nobody"},
        {"type": "identify", "userId": "u1", "traits": {"email": "not an address", "country": "germany"}},
    ]});
    let (status, body) = served.post("/v1/batch", &batch).await;
    assert_eq!((status, &body["success"], &body["accepted"]), (200, &json!(true), &json!(3)));
    let rejected = body["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected.iter().map(|one| (one["index"].as_u64(), one["path"].as_str())).collect();
    assert_eq!(places, [(Some(1), Some("properties.revenue")), (Some(3), Some("userId"))]);
    assert_eq!(rejected[0]["message"], "must be a number, got a text");
    let warnings = body["warnings"].as_array().unwrap();
    assert_eq!((&warnings[1]["index"], &warnings[1]["path"]), (&json!(4), &json!("traits.email")));

    let (events, profile) = history(&served, "user_id:u1").await;
    assert_eq!(events, ["Order Completed", "Product Viewed", "Identified"]);
    assert_eq!(profile["traits"], json!({"country": "DE"}));
    assert_eq!(profile["segments"][0]["segment"], "buyers");
    let (_, quarantine) = served.get("/api/v1/quarantine").await;
    let mut codes: Vec<_> =
        quarantine["quarantine"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["missing_id", "plan_breach", "plan_breach_kept", "trait_left_out"]);
    served.stop().await;
}

#[actix_web::test]
async fn the_largest_batch_that_comes_again_counts_once_also_where_two_of_them_take_turns() {
    let served =
        Served::start("event \"Order Completed\"\ncompute orders = count of \"Order Completed\"\n", API_KEY_SETTING)
            .await;
    let batch = |of: &str| {
        let event = |number| json!({"type": "track", "userId": "u1", "event": "Order Completed", "messageId": format!("{of}{number}")});
        json!({"batch": (0..2_500).map(event).collect::<Vec<_>>()})
    };
    for of in ["a", "b", "a", "b"] {
        assert_eq!(served.post("/v1/batch", &batch(of)).await.0, 200);
    }
    let (_, profile) = history(&served, "user_id:u1").await;
    assert_eq!(profile["computes"]["orders"], json!(5_000), "{}", profile["computes"]);
    served.stop().await;
}

#[actix_web::test]
async fn a_single_bad_event_is_answered_with_its_place() {
    let served = Served::start(RULES, "").await;
    let (status, body) = served.post("/v1/track", &json!({"userId": "u1"})).await;
    let expected = json!({"success": false, "code": "missing_event", "path": "event",
        "message": "`event` is missing: a track call must name what happened"});
    assert_eq!((status, body), (400, expected));
    let kept = served.store.quarantine(10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].1.source.as_str(), kept[0].1.code.as_str()), ("web", "missing_event"));
    served.stop().await;
}

#[actix_web::test]
async fn bodies_that_are_no_request_are_told_apart() {
    let served = Served::start(RULES, "").await;
    let (status, body) = answer(post(&served, "/v1/batch").body("{\"batch\": [\n  {\"type\": }]}")).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("invalid_json")));
    assert_eq!((body["line"].as_u64(), body["column"].as_u64()), (Some(2), Some(12)), "{body}");
    let (status, body) = answer(post(&served, "/v1/track").body("x".repeat(33 * 1024))).await;
    assert_eq!((status, body["code"].as_str()), (413, Some("too_large")));
    let (status, _) = answer(post(&served, "/v1/batch").body("x".repeat(5 * 1024 * 1024))).await;
    assert_eq!(status, 413);
    let (status, _) = answer(post(&served, "/v1/fly").body("{}")).await;
    assert_eq!(status, 404);
    let (status, body) = answer(post(&served, "/v1/track").header("Content-Encoding", "br").body("x")).await;
    assert_eq!((status, body["code"].as_str()), (415, Some("unknown_encoding")));
    served.stop().await;
}

#[actix_web::test]
async fn gzip_is_taken_and_bombs_are_not() {
    let served = Served::start(RULES, API_KEY_SETTING).await;
    let send = |body: Vec<u8>| answer(post(&served, "/v1/batch").header("Content-Encoding", "gzip").body(body));
    let good = json!({"batch": [{"type": "track", "userId": "u1", "event": "X"}]}).to_string();
    assert_eq!(send(gzip(good.as_bytes())).await.0, 200);
    assert_eq!(history(&served, "user_id:u1").await.0, ["X"]);
    let (status, body) = send(gzip(&vec![b' '; 100 * 1024 * 1024])).await;
    assert_eq!((status, body["code"].as_str()), (413, Some("too_large")));
    let (status, body) = send(good.clone().into_bytes()).await;
    assert_eq!((status, body["code"].as_str()), (400, Some("bad_gzip")));
    let mut cut = gzip(good.as_bytes());
    cut.truncate(cut.len() - 5);
    assert_eq!(send(cut).await.0, 400);
    assert_eq!(send(gzip(good.as_bytes())).await.0, 200, "the doors are as they were");
    served.stop().await;
}

#[actix_web::test]
async fn browsers_may_send_from_anywhere() {
    let served = Served::start(RULES, "").await;
    let url = format!("{}/v1/track", served.url);
    let asked = served.client.request(reqwest::Method::OPTIONS, &url).header("Origin", "https://shop.example");
    let asked = asked.header("Access-Control-Request-Method", "POST").send().await.unwrap();
    assert_eq!(asked.status(), 204);
    let allowed = asked.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
    let sent = post(&served, "/v1/track").header("Origin", "https://shop.example");
    let sent = sent.body(json!({"anonymousId": "a", "event": "X"}).to_string()).send().await.unwrap();
    assert_eq!((sent.status().as_u16(), sent.headers()["access-control-allow-origin"].to_str().unwrap()), (200, "*"));
    assert_eq!(sent.headers()["x-content-type-options"], "nosniff");
    served.stop().await;
}

/// A path of the route with something in each of its gaps.
fn filled(path: &str) -> String {
    path.replace("{call}", "track").replace("{key}", "user_id:u1").replace("{name}", "buyers").replace("{token}", "x.y")
}

/// Status of every route for a caller with this authorization.
async fn statuses(served: &Served, authorization: Option<&str>) -> Vec<(Access, String, u16)> {
    let mut all = Vec::new();
    for route in ROUTES {
        let url = format!("{}{}", served.url, filled(route.path));
        let method = reqwest::Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
        let mut request = served.client.request(method, url);
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        if route.path.starts_with("/v1/") {
            request = request.body(json!({"userId": "u1", "event": "X"}).to_string());
        }
        if route.path.ends_with("/consent") {
            request = request.body(json!({"everything": true, "state": "withdrawn"}).to_string());
        }
        if route.path.ends_with("/erase") {
            request = request.body(json!({"suppress": true}).to_string());
        }
        if route.path == "/api/v1/program" && route.method.as_str() == "POST" {
            let program = served.platform.program();
            request = request.body(json!({"version": program.version, "sources": program.sources}).to_string());
        }
        if route.path == "/api/v1/quarantine/retry" {
            request = request.body(json!({"all": true}).to_string());
        }
        let status = request.send().await.unwrap().status().as_u16();
        all.push((route.access, format!("{} {}", route.method, route.path), status));
    }
    all
}

#[actix_web::test]
async fn every_route_asks_for_what_the_table_says() {
    let served = Served::start_with(RULES, API_KEY_SETTING, &[JOURNEY]).await;
    assert_eq!(served.post("/v1/track", &json!({"userId": "u1", "event": "X"})).await.0, 200);
    served.platform.settle().await;
    let basic = "Basic dGVzdC13cml0ZS1rZXk6";
    let bearer = format!("Bearer {API_KEY}");
    let callers = [None, Some("Bearer wrong"), Some("Basic d3Jvbmc6"), Some(basic), Some(bearer.as_str())];
    for caller in callers {
        for (access, route, status) in statuses(&served, caller).await {
            let is_let_in = match access {
                Access::Open => true,
                Access::WriteKey => caller == Some(basic),
                Access::ApiKey => caller == Some(bearer.as_str()),
                // The token stands in the path, and this one is forged.
                Access::SignedLink => {
                    assert_eq!(status, 400, "{route} with {caller:?}");
                    continue;
                }
            };
            let shown = format!("{route} with {caller:?}: {status}");
            assert!(if is_let_in { (200..300).contains(&status) } else { status == 401 }, "{shown}");
        }
    }
    served.stop().await;
}

#[actix_web::test]
async fn without_a_key_in_the_settings_there_is_no_management() {
    let served = Served::start(RULES, "").await;
    for authorization in [None, Some("Bearer "), Some("Bearer x")] {
        for (access, route, status) in statuses(&served, authorization).await {
            assert!(access != Access::ApiKey || status == 403, "{route} with {authorization:?}: {status}");
        }
    }
    served.stop().await;
}

#[actix_web::test]
async fn management_reads_what_is_there_and_says_what_is_not() {
    let served = Served::start_with(RULES, API_KEY_SETTING, &[JOURNEY]).await;
    for user in ["u1", "u2", "u3"] {
        let properties = json!({"order_id": "o", "revenue": 1});
        let body = json!({"userId": user, "event": "Order Completed", "properties": properties});
        assert_eq!(served.post("/v1/track", &body).await.0, 200);
    }
    served.platform.settle().await;
    let (_, segments) = served.get("/api/v1/segments").await;
    assert_eq!(segments["segments"], json!([{"segment": "buyers", "title": "Who bought", "members": 3}]));
    let (_, first) = served.get("/api/v1/segments/buyers/members?limit=2").await;
    assert_eq!(first["members"].as_array().unwrap().len(), 2);
    let (_, rest) =
        served.get(&format!("/api/v1/segments/buyers/members?limit=2&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!((rest["members"].as_array().unwrap().len(), &rest["next"]), (1, &Json::Null));
    let by_id = format!("/api/v1/profiles/{}", rest["members"][0]["profile"].as_str().unwrap());
    assert_eq!(served.get(&by_id).await.1["segments"][0]["segment"], "buyers");
    let (_, report) = served.get("/api/v1/journeys/buyers/report").await;
    assert_eq!(
        (&report["entered"], &report["waiting"], &report["steps"][0]["step"]),
        (&json!(3), &json!(3), &json!("rest"))
    );
    for missing in ["profiles/user_id:nobody", "profiles/nonsense", "segments/none/members", "journeys/none/report"] {
        assert_eq!(served.get(&format!("/api/v1/{missing}")).await.0, 404, "{missing}");
    }
    assert_eq!(served.get("/api/v1/profiles/00000000000000000000000000000000").await.0, 404);
    assert_eq!(served.get("/api/v1/segments/buyers/members?after=x").await.0, 400);
    served.stop().await;
}

/// Path of a link, without the address of the server that it was made for.
fn path(url: &str) -> String {
    url::Url::parse(url).unwrap().path().to_owned()
}

async fn profile_of(served: &Served, user: &str) -> ProfileId {
    assert_eq!(served.post("/v1/identify", &json!({"userId": user})).await.0, 200);
    served.platform.settle().await;
    served.store.find_profile_by("user_id", user).await.unwrap().unwrap()
}

fn origin() -> Option<Origin> {
    Some(Origin { journey: "welcome".into(), run: RunId(7), step: "mail".into() })
}

/// Each token that differs from this one in a single character.
fn forgeries(path: &str) -> Vec<String> {
    let (start, token) = path.rsplit_once('/').unwrap();
    let mut forged: Vec<String> = (0..token.len())
        .map(|at| {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{start}/{}{other}{}", &token[..at], &token[at + 1..])
        })
        .collect();
    forged.extend([format!("{start}/{}", &token[..token.len() - 2]), format!("{start}/x"), format!("{start}/x.x")]);
    forged
}

#[actix_web::test]
async fn an_unsubscribe_link_asks_and_only_a_post_acts() {
    let served = Served::start(RULES, API_KEY_SETTING).await;
    let profile = profile_of(&served, "u1").await;
    let link = UnsubscribeLink {
        profile,
        topic: "newsletter".into(),
        channel: "email".into(),
        effect: EffectId(3),
        origin: origin(),
    };
    let path = path(&served.platform.links().unsubscribe_url(&link));
    let url = format!("{}{path}", served.url);
    for method in [reqwest::Method::GET, reqwest::Method::HEAD, reqwest::Method::GET] {
        let page = served.client.request(method.clone(), &url).send().await.unwrap();
        assert_eq!((page.status().as_u16(), page.headers()["referrer-policy"].to_str().unwrap()), (200, "no-referrer"));
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");
        let html = page.text().await.unwrap();
        assert!(method == reqwest::Method::HEAD || html.contains("Weekly &lt;news&gt; &amp; more"), "{html}");
        assert!(!html.contains("<news>"), "{html}");
    }
    for nothing in ["", "List-Unsubscribe=Later", "x=One-Click"] {
        assert_eq!(served.client.post(&url).body(nothing).send().await.unwrap().status(), 400, "{nothing:?}");
    }
    let (events, shown) = history(&served, "user_id:u1").await;
    assert_eq!((events, &shown["consents"]), (vec!["Identified".to_owned()], &json!([])));

    for forged in forgeries(&path) {
        let post = served.client.post(format!("{}{forged}", served.url)).body("List-Unsubscribe=One-Click");
        assert_eq!(post.send().await.unwrap().status(), 400, "{forged}");
    }
    let click = served.client.get(format!("{}{}", served.url, path.replace("/u/", "/c/")));
    assert_eq!(click.send().await.unwrap().status(), 400, "an unsubscribe token is no click token");

    let form = [("List-Unsubscribe", "One-Click")];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let done = served.client.post(&url).header("Content-Type", "application/x-www-form-urlencoded").body(body);
    assert_eq!(done.send().await.unwrap().status(), 200);
    let (events, shown) = history(&served, "user_id:u1").await;
    assert_eq!(events, ["Identified", "Unsubscribed"]);
    assert_eq!(
        (&shown["consents"][0]["about"], &shown["consents"][0]["state"]),
        (&json!("newsletter/email"), &json!("withdrawn"))
    );
    let properties = &shown["events"][0]["properties"];
    assert_eq!((&properties["journey"], &properties["step"]), (&json!("welcome"), &json!("mail")));
    assert_eq!((&properties["by"], &shown["events"][0]["source"]), (&json!("link"), &json!("tidewater")));
    let journal = served.store.read_journal(Offset(0), 100).await.unwrap();
    let is_withdrawal =
        |entry: &&Entry| matches!(&entry.body, EntryBody::Consent(word) if word.by == ConsentSource::Link);
    assert_eq!(journal.iter().filter(is_withdrawal).count(), 1, "it is an entry of its own");
    let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let again = served.client.post(&url).header("Content-Type", "multipart/form-data; boundary=b").body(parts);
    assert_eq!(again.send().await.unwrap().status(), 200, "mail programs may send parts, and twice");
    let journal = served.store.read_journal(Offset(0), 100).await.unwrap();
    assert_eq!(journal.iter().filter(is_withdrawal).count(), 1, "the same once more is nothing");
    served.stop().await;
}

#[actix_web::test]
async fn a_click_is_noted_and_leads_only_where_we_signed() {
    let served = Served::start(RULES, API_KEY_SETTING).await;
    let profile = profile_of(&served, "u1").await;
    let links = served.platform.links().clone();
    let link = |url: &str| ClickLink { profile, effect: EffectId(3), origin: origin(), url: url.to_owned() };
    let path_to = |url: &str| path(&links.click_url(&link(url)));
    let good = path_to("https://shop.example/a?b=1&c=ü");
    for method in [reqwest::Method::HEAD, reqwest::Method::GET] {
        let sent = served.client.request(method, format!("{}{good}", served.url)).send().await.unwrap();
        let target = sent.headers()["location"].to_str().unwrap();
        assert_eq!((sent.status().as_u16(), target), (302, "https://shop.example/a?b=1&c=%C3%BC"));
    }
    for bad in ["javascript:alert(1)", "data:text/html,x", "//evil.example", "ftp://shop.example", "https://"] {
        let sent = served.client.get(format!("{}{}", served.url, path_to(bad))).send().await.unwrap();
        assert_eq!((sent.status().as_u16(), sent.headers().get("location")), (400, None), "{bad}");
    }
    for forged in forgeries(&good) {
        let sent = served.client.get(format!("{}{forged}", served.url)).send().await.unwrap();
        assert_eq!((sent.status().as_u16(), sent.headers().get("location")), (400, None), "{forged}");
    }
    let (events, shown) = history(&served, "user_id:u1").await;
    assert_eq!(events, ["Identified", "Email Clicked"], "HEAD and forged links are no clicks");
    assert_eq!(shown["events"][0]["properties"]["url"], "https://shop.example/a?b=1&c=%C3%BC");
    assert_eq!(shown["events"][0]["properties"]["effect_id"], EffectId(3).to_string());
    served.stop().await;
}

#[actix_web::test]
async fn a_platform_that_has_stopped_takes_nothing_and_says_so() {
    let served = Served::start(RULES, "").await;
    let get = |path: &str| served.client.get(format!("{}{path}", served.url));
    assert_eq!(answer(get("/readyz")).await, (200, json!({"status": "ready"})));
    let profile = profile_of(&served, "u1").await;
    let link = UnsubscribeLink {
        profile,
        topic: "newsletter".into(),
        channel: "email".into(),
        effect: EffectId(3),
        origin: None,
    };
    let unsubscribe = path(&served.platform.links().unsubscribe_url(&link));
    served.platform.stop().await;
    assert_eq!(answer(get("/healthz")).await.0, 200);
    assert_eq!(answer(get("/readyz")).await.0, 503);
    let sent = post(&served, "/v1/track").body(json!({"userId": "u1", "event": "X"}).to_string()).send().await.unwrap();
    assert_eq!(sent.status(), 503);
    assert!(sent.headers().contains_key("retry-after"));
    let wish = served.client.post(format!("{}{unsubscribe}", served.url)).body("List-Unsubscribe=One-Click");
    let page = wish.send().await.unwrap();
    assert_eq!(page.status(), 503, "a wish that is not kept is not confirmed");
    served.stop().await;
}

#[actix_web::test]
async fn a_word_on_consent_by_the_management_api_is_checked_kept_and_taken_once() {
    let served = Served::start(RULES, API_KEY_SETTING).await;
    let profile = profile_of(&served, "u1").await;
    let say = async |who: &str, body: Json| {
        let url = format!("{}/api/v1/profiles/{who}/consent", served.url);
        answer(served.client.post(url).bearer_auth(API_KEY).body(body.to_string())).await
    };
    for (bad, why) in [
        (json!({"topic": "nonsense", "state": "given"}), "there is no topic `nonsense`"),
        (json!({"topic": "newsletter", "channel": "pigeon", "state": "given"}), "is not sent by `pigeon`"),
        (json!({"purpose": "nonsense", "state": "given"}), "there is no purpose `nonsense`"),
        (json!({"state": "given"}), "say one of"),
        (json!({"topic": "newsletter", "everything": true, "state": "withdrawn"}), "say one of"),
        (json!({"everything": true, "state": "given"}), "can only be withdrawn"),
        (json!({"topic": "newsletter", "state": "given", "at": "yesterday"}), "is no instant"),
        (json!({"topic": "newsletter", "state": "perhaps"}), "perhaps"),
    ] {
        let (status, answer) = say("user_id:u1", bad.clone()).await;
        assert_eq!(status, 400, "{bad}");
        assert!(answer["message"].as_str().unwrap().contains(why), "{bad}: {answer}");
    }
    assert_eq!(say("user_id:nobody", json!({"everything": true, "state": "withdrawn"})).await.0, 404);
    let given = json!({"topic": "newsletter", "state": "given", "id": "form-1", "note": "text of May"});
    for _ in 0..2 {
        let (status, answer) = say("user_id:u1", given.clone()).await;
        assert_eq!((status, &answer["about"]), (200, &json!("newsletter/email")), "{answer}");
    }
    assert_eq!(say(&profile.to_string(), json!({"everything": true, "state": "withdrawn"})).await.0, 200);
    let (events, shown) = history(&served, "user_id:u1").await;
    assert_eq!(events, ["Identified", "Subscribed", "Suppressed"], "the same word twice is one");
    let properties = &shown["events"][1]["properties"];
    assert_eq!((&properties["by"], &properties["note"]), (&json!("api"), &json!("text of May")));
    let said = |place: usize| (shown["consents"][place]["about"].clone(), shown["consents"][place]["state"].clone());
    assert_eq!((said(0), said(1)), ((json!("newsletter/email"), json!("given")), (json!("*"), json!("withdrawn"))));
    served.stop().await;
}
