//! The commands as a newcomer types them: the real binary, its words and its exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;

fn tidewater(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidewater")).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn new_workspace() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("news").display().to_string();
    let made = tidewater(&["init", &path]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    (folder, path)
}

fn append(path: &str, file: &str, more: &str) {
    let file = Path::new(path).join(file);
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{before}{more}")).unwrap();
}

#[test]
fn a_new_workspace_lints_tests_and_is_laid_out() {
    let (_folder, path) = new_workspace();
    for command in [&["lint"][..], &["test"], &["fmt", "--check"]] {
        let mut arguments = command.to_vec();
        arguments.push(&path);
        let done = tidewater(&arguments);
        assert_eq!(done.status.code(), Some(0), "{command:?}\n{}{}", text(&done.stdout), text(&done.stderr));
    }
    assert_eq!(tidewater(&["init", &path]).status.code(), Some(1), "a folder in use is left alone");
}

#[test]
fn a_mistake_is_drawn_with_its_place_and_told_to_programs() {
    let (_folder, path) = new_workspace();
    append(&path, "rules/segments.tide", "segment loyal = did \"Artcle Read\" at least 3 times\n");
    let told = tidewater(&["lint", &path]);
    assert_eq!(told.status.code(), Some(1));
    let drawn = text(&told.stderr);
    assert!(drawn.contains("rules/segments.tide:7:21") && drawn.contains("TW101"), "{drawn}");
    assert!(drawn.contains("did you mean `Article Read`?") && !drawn.contains('\u{1b}'), "{drawn}");
    assert!(text(&told.stdout).contains("1 error"), "{}", text(&told.stdout));
    let json: Json = serde_json::from_slice(&tidewater(&["lint", &path, "--format", "json"]).stdout).unwrap();
    let errors: Vec<&Json> = json.as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
    assert_eq!(errors.len(), 1);
    assert_eq!((&errors[0]["at"]["line"], &errors[0]["at"]["column"]), (&Json::from(7), &Json::from(21)));
    let github = text(&tidewater(&["lint", &path, "--format", "github"]).stdout);
    assert!(github.contains("::error file=rules/segments.tide,line=7,col=21"), "{github}");
    let sarif: Json = serde_json::from_slice(&tidewater(&["lint", &path, "--format", "sarif"]).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["name"], "tidewater");
    // What a machine can know, a machine writes.
    assert!(tidewater(&["lint", &path, "--fix"]).status.success());
    assert!(
        std::fs::read_to_string(Path::new(&path).join("rules/segments.tide"))
            .unwrap()
            .contains("\"Article Read\" at least")
    );
}

#[test]
fn what_is_silenced_is_counted_and_told_to_programs() {
    let (_folder, path) = new_workspace();
    let strangers = "# tidewater: allow TW208 because the ads team wants strangers too\n\
                     segment strangers = did not \"Article Read\"\n";
    append(&path, "rules/segments.tide", strangers);
    append(&path, "tidewater.yaml", "\nlint:\n  severities:\n    TW208: error\n    TW209: off\n");
    let told = tidewater(&["lint", &path]);
    assert_eq!((told.status.code(), text(&told.stderr)), (Some(0), String::new()));
    assert!(text(&told.stdout).starts_with("no findings, 1 silenced in "), "{}", text(&told.stdout));
    let json: Json = serde_json::from_slice(&tidewater(&["lint", &path, "--format", "json"]).stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1, "{json}");
    assert_eq!((&json[0]["code"], &json[0]["severity"]), (&Json::from("TW208"), &Json::from("error")));
    assert_eq!(json[0]["suppressed"]["reason"], "the ads team wants strangers too");
    assert_eq!((&json[0]["suppressed"]["at"]["line"], &json[0]["at"]["line"]), (&Json::from(7), &Json::from(8)));
    assert_eq!(text(&tidewater(&["lint", &path, "--format", "github"]).stdout), "");
    append(&path, "rules/segments.tide", "segment others = did not \"Article Read\" in last 7 days\n");
    let sarif: Json = serde_json::from_slice(&tidewater(&["lint", &path, "--format", "sarif"]).stdout).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["suppressions"]), (2, &Json::Array(Vec::new())));
    let suppression = &results[1]["suppressions"][0];
    assert_eq!((&suppression["kind"], &suppression["status"]), (&Json::from("inSource"), &Json::from("accepted")));
    assert_eq!(suppression["justification"], "the ads team wants strangers too");
    assert_eq!(suppression["location"]["physicalLocation"]["region"]["startLine"], 7);
    // The other is an error here: for every command.
    for command in [&["lint"][..], &["test"]] {
        let done = tidewater(&[command, &[&path]].concat());
        assert_eq!(done.status.code(), Some(1), "{command:?}");
        assert!(text(&done.stderr).contains("error[TW208]"), "{command:?}: {}", text(&done.stderr));
    }
    let refused = tidewater(&["serve", "--workspace", &path, "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("the server does not start: 1 error"), "{}", text(&refused.stderr));
}

#[test]
fn a_broken_workspace_does_not_start() {
    let (_folder, path) = new_workspace();
    append(&path, "journeys/welcome.yaml", "  - wiat: 1 day\n");
    let refused = tidewater(&["serve", "--workspace", &path, "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(told.contains("did you mean `wait`?") && told.contains("the server does not start"), "{told}");
    assert!(!Path::new(&path).join("data").exists(), "nothing was opened");
}

#[test]
fn a_scenario_that_fails_says_where_and_what() {
    let (_folder, path) = new_workspace();
    append(
        &path,
        "scenarios/welcome.yaml",
        "---\nscenario: wrong\nsteps:\n  - at: 1 day\n    expect: { in: [avid_readers] }\n",
    );
    let failed = tidewater(&["test", &path, "--only", "wrong"]);
    assert_eq!(failed.status.code(), Some(1));
    let told = text(&failed.stdout);
    assert!(told.contains("avid_readers") && told.contains("0 scenarios passed, 1 failed"), "{told}");
    let json: Json = serde_json::from_slice(&tidewater(&["test", &path, "--format", "json"]).stdout).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&Json::from(4), &Json::from(1)));
}

#[test]
fn wrong_usage_and_missing_things_are_told() {
    assert_eq!(tidewater(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(tidewater(&["lint", "--explain", "TW999"]).status.code(), Some(1));
    assert!(text(&tidewater(&["lint", "--explain", "tw203"]).stdout).starts_with("# TW203"));
    let (_folder, path) = new_workspace();
    let none = tidewater(&["segment", "list", "--workspace", &path]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("tidewater serve"), "{}", text(&none.stderr));
}

#[test]
fn the_demo_does_the_main_job_and_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("demo").display().to_string();
    let done = tidewater(&["demo", "--once", "--customers", "40", "--format", "json", "--keep", &keep]);
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let told: Json = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["problems"], Json::Array(Vec::new()));
    assert!(told["mails"].as_u64().unwrap() > 20, "{told}");
    assert!(told["webhooks"].as_u64().unwrap() > 3 && told["webhooks"] == told["webhooks_verified"], "{told}");
    assert!(told["clicks"].as_u64().unwrap() > 0 && told["unsubscribed"].is_string(), "{told}");
    let journey =
        |name: &str| told["journeys"].as_array().unwrap().iter().find(|one| one["journey"] == name).unwrap().clone();
    assert!(journey("cart-recovery")["entered"].as_i64().unwrap() > 0);
    assert!(journey("welcome")["sent"].as_i64().unwrap() > 0);
    // The database stays, and the commands read it.
    let json = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--workspace", &keep, "--format", "json"]);
        let done = tidewater(&all);
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
        serde_json::from_slice::<Json>(&done.stdout).unwrap()
    };
    assert!(json(&["segment", "list"]).as_array().unwrap().len() > 3);
    let members = json(&["segment", "members", "reachable"]);
    let user = members[0]["identifiers"]["user_id"].as_str().unwrap().to_owned();
    let profile = json(&["profile", "show", &user]);
    assert_eq!(profile["user_id"], Json::from(user));
    assert!(profile["traits"]["email"].as_str().unwrap().ends_with("@example.com"));
    assert_eq!(json(&["report", "journey", "cart-recovery"]), journey("cart-recovery"));
    assert!(json(&["outbox", "list"]).as_array().unwrap().iter().all(|item| item["status"] != "taken"));
    json(&["quarantine", "list"]);
    // What was sent is not sent again, whoever asks.
    let all = json(&["outbox", "list", "--limit", "1000"]).as_array().unwrap().len();
    let sent = json(&["outbox", "list", "--limit", "1000", "--status", "sent"]);
    assert!(!sent.as_array().unwrap().is_empty() && sent.as_array().unwrap().len() <= all);
    let effect = sent[0]["effect"]["id"].as_str().unwrap();
    for command in ["retry", "drop"] {
        let refused = tidewater(&["outbox", command, effect, "--workspace", &keep]);
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
        assert!(text(&refused.stderr).contains("nothing was changed"), "{}", text(&refused.stderr));
    }
    assert_eq!(json(&["outbox", "retry", "--to", "nobody"])["would_change"], 0);
}

#[test]
fn the_schemas_for_editors_are_printed_as_they_are_kept() {
    for (file, kept) in [
        ("journey", include_str!("../../schemas/journey.schema.json")),
        ("scenario", include_str!("../../schemas/scenario.schema.json")),
        ("config", include_str!("../../schemas/tidewater.schema.json")),
    ] {
        let printed = tidewater(&["schema", file]);
        assert_eq!((printed.status.code(), text(&printed.stdout).as_str()), (Some(0), kept));
    }
}
