//! Whom people mean when they name a customer: never somebody else, and never nobody.

use serde_json::{Value as Json, json};
use tidewater::model::ProfileId;

use crate::served::{API_KEY, API_KEY_SETTING, Served, answer};

/// A digest, as some systems name their users by: it looks as the id of a profile does.
const DIGEST: &str = "900150983cd24fb0d6963f7d28e17f72";

async fn identify(served: &Served, user: &str) -> String {
    let (status, _) = served.post("/v1/identify", &json!({"userId": user, "traits": {"plan": "pro"}})).await;
    assert_eq!(status, 200);
    let found = served.store.find_profile_by("user_id", user).await.unwrap().unwrap();
    served.platform.settle().await;
    found.to_string()
}

async fn post(served: &Served, who: &str, what: &str, body: Json) -> (u16, Json) {
    let who = url::form_urlencoded::byte_serialize(who.as_bytes()).collect::<String>().replace('+', "%20");
    let url = format!("{}/api/v1/profiles/{who}/{what}", served.url);
    answer(served.client.post(url).bearer_auth(API_KEY).body(body.to_string())).await
}

#[actix_web::test]
async fn a_user_id_that_looks_like_the_id_of_a_profile_names_its_user() {
    let served = Served::start("", API_KEY_SETTING).await;
    let profile = identify(&served, DIGEST).await;
    assert_ne!(profile, DIGEST);
    for name in [DIGEST.to_owned(), format!("user_id:{DIGEST}"), profile.clone(), format!("profile:{profile}")] {
        let (status, said) = post(&served, &name, "consent", json!({"everything": true, "state": "withdrawn"})).await;
        assert_eq!((status, &said["profile"]), (200, &json!(profile)), "{name}");
        let (status, shown) = served.get(&format!("/api/v1/profiles/{name}")).await;
        assert_eq!((status, &shown["profile"]), (200, &json!(profile)), "{name}");
    }
    let (status, receipt) = post(&served, DIGEST, "erase", json!({})).await;
    assert_eq!(status, 200, "{receipt}");
    let profile: ProfileId = profile.parse().unwrap();
    assert!(served.store.is_erased(profile).await.unwrap(), "the person themselves");
    let (status, again) = post(&served, &format!("profile:{profile}"), "erase", json!({})).await;
    assert_eq!(status, 404);
    assert!(again["message"].as_str().unwrap().contains("was erased"), "{again}");
    served.stop().await;
}

#[actix_web::test]
async fn who_is_not_there_is_not_erased_and_who_could_be_two_is_asked_for() {
    let served = Served::start("", API_KEY_SETTING).await;
    let first = identify(&served, "ada").await;
    // Somebody's user id is the id of another's profile.
    let second = identify(&served, &first).await;
    for nobody in [DIGEST, "nobody", "user_id:nobody", "anonymous_id:ada", "profile:ada", "profile:00ff", ""] {
        for (what, body) in [("erase", json!({})), ("consent", json!({"everything": true, "state": "withdrawn"}))] {
            let (status, said) = post(&served, nobody, what, body).await;
            assert_eq!(status, 404, "{nobody}: {said}");
        }
    }
    let (_, said) = post(&served, DIGEST, "erase", json!({})).await;
    assert!(said["message"].as_str().unwrap().contains("`user_id:…`"), "it says what to do: {said}");
    let (status, said) = post(&served, &first, "erase", json!({})).await;
    assert_eq!((status, &said["code"]), (409, &json!("ambiguous")));
    let message = said["message"].as_str().unwrap();
    assert!(message.contains(&format!("`user_id:{first}`")) && message.contains("`profile:"), "{message}");
    assert_eq!(served.store.erasures().await.unwrap(), [], "nobody was erased");
    let (_, shown) = served.get(&format!("/api/v1/profiles/user_id:{first}")).await;
    assert_eq!(shown["profile"], json!(second));
    let (_, shown) = served.get(&format!("/api/v1/profiles/profile:{first}")).await;
    assert_eq!(shown["profile"], json!(first));
    served.stop().await;
}

#[actix_web::test]
async fn a_bare_user_id_may_hold_anything() {
    let served = Served::start("", API_KEY_SETTING).await;
    for name in ["auth0|5f7c", "auth0:5f7c", "a/b c+d", "user:7:x", "ü"] {
        let profile = identify(&served, name).await;
        let (status, said) = post(&served, name, "consent", json!({"everything": true, "state": "withdrawn"})).await;
        assert_eq!((status, &said["profile"]), (200, &json!(profile)), "{name}");
    }
    served.stop().await;
}
