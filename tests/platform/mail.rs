//! E-mail over real SMTP: what arrives, and what becomes of every answer that a server can give.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use proptest::prelude::*;

use tidewater::channels::Outcome;
use tidewater::channels::email::Email;
use tidewater::channels::email::catcher::{MailCatcher, Script, Stage};
use tidewater::engine::transition::{EffectConsent, Origin};
use tidewater::engine::{Effect, EffectBody};
use tidewater::lang::rules::MessageClass;
use tidewater::model::value::ValueMap;
use tidewater::model::{ConsentKey, EffectId, ProfileId, RunId, Timestamp, Value};
use tidewater::privacy::links::Signer;
use tidewater::workspace::Program;
use tidewater::workspace::config::{EmailConfig, Limits, Secret, SmtpSecurity};
use tidewater::workspace::load::compile;

const HTML: &str = "<p>Hi {{ first_name }} &amp; all</p><a href=\"https://shop.example/x?a=1&b=2\">Shop</a> \
                    <a href='javascript:alert(1)'>no</a> <a href=\"{{ unsubscribe_url }}\">Leave</a>";

fn program() -> Arc<Program> {
    let files = [
        ("tidewater.yaml", "sources: { s: key }\n"),
        ("templates/hello.html", HTML),
        ("templates/hello.txt", "Hi {{ first_name }}\n.\nA line with a dot above. {{ unsubscribe_url }}"),
        ("templates/only-html.html", "<h1>Hi {{ first_name }}</h1><p>Grüße</p>"),
    ];
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let loaded = compile(files, &|_| None);
    loaded.program.unwrap_or_else(|| panic!("{:#?}", loaded.findings))
}

fn links() -> Arc<Signer> {
    Arc::new(Signer::new(b"secret of the test", "https://t.example"))
}

fn settings(port: u16) -> EmailConfig {
    EmailConfig {
        host: "127.0.0.1".to_owned(),
        port,
        security: SmtpSecurity::None,
        user: None,
        password: None,
        from: "The Shop <hello@shop.example>".to_owned(),
        reply_to: Some("care@shop.example".to_owned()),
        connections: 4,
        limits: Limits::default(),
    }
}

fn email(port: u16) -> Email {
    Email::new(&settings(port), links()).unwrap()
}

fn effect(n: u128, class: MessageClass, to: &str, subject: &str, first_name: &str) -> Effect {
    let variables: ValueMap = [("first_name".to_owned(), Value::from(first_name))].into();
    Effect {
        id: EffectId(n),
        profile: ProfileId(1),
        destination: "email".to_owned(),
        origin: Some(Origin { journey: "j".to_owned(), run: RunId(2), step: "s".to_owned() }),
        consent: Some(EffectConsent {
            key: ConsentKey::Topic { topic: "news".to_owned(), channel: "email".to_owned() },
            class,
        }),
        decided_at: Timestamp(0),
        expires_at: None,
        body: EffectBody::Email {
            to: to.to_owned(),
            template: "hello".to_owned(),
            subject: subject.to_owned(),
            variables,
        },
    }
}

fn marketing(n: u128) -> Effect {
    effect(n, MessageClass::Marketing, "ada@example.com", "Hi {{ first_name }}", "Ada & Zoë")
}

fn transactional(n: u128) -> Effect {
    effect(n, MessageClass::Transactional, "ada@example.com", "Hi", "Ada")
}

#[tokio::test]
async fn a_marketing_mail_arrives_whole() {
    let (catcher, program) = (MailCatcher::start().await.unwrap(), program());
    let outcome = email(catcher.addr().port()).perform(&marketing(7), 0, &program).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    let mails = catcher.messages();
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("hello@shop.example", &["ada@example.com".to_owned()][..]));
    assert_eq!(mail.subject, "Hi Ada & Zoë");
    let id = EffectId(7).to_string();
    assert_eq!(mail.header("Message-ID"), Some(format!("<{id}@shop.example>").as_str()));
    assert_eq!(mail.header("X-Tidewater-Effect"), Some(id.as_str()));
    assert_eq!(mail.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
    let leave = mail.header("List-Unsubscribe").unwrap().trim_matches(['<', '>']).to_owned();
    let token = leave.strip_prefix("https://t.example/u/").unwrap();
    let link = links().verify_unsubscribe(token).unwrap();
    assert_eq!((link.profile, link.topic.as_str(), link.channel.as_str()), (ProfileId(1), "news", "email"));
    let text = mail.text.as_deref().unwrap();
    assert!(text.contains("\n.\n") && text.contains("Ada & Zoë") && text.contains(&leave), "{text}");
    let html = mail.html.as_deref().unwrap();
    assert!(html.contains("Hi Ada &amp; Zoë &amp; all") && html.contains(&leave), "{html}");
    assert!(!html.contains("javascript:") && !html.contains("https://shop.example"), "{html}");
    let click = html.split("https://t.example/c/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(links().verify_click(click).unwrap().url, "https://shop.example/x?a=1&b=2");
}

#[tokio::test]
async fn a_transactional_mail_has_nothing_to_leave_and_html_becomes_text() {
    let (catcher, program) = (MailCatcher::start().await.unwrap(), program());
    let mut effect = transactional(8);
    if let EffectBody::Email { template, .. } = &mut effect.body {
        "only-html".clone_into(template);
    }
    let outcome = email(catcher.addr().port()).perform(&effect, 0, &program).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    let mail = catcher.messages().remove(0);
    assert_eq!(mail.header("List-Unsubscribe"), None);
    let text = mail.text.unwrap();
    assert!(text.contains("Hi Ada") && text.contains("Grüße") && !text.contains('<'), "{text}");
}

#[tokio::test]
async fn every_answer_at_every_stage_has_its_outcome() {
    let program = program();
    let stages = [Stage::Mail, Stage::Recipient, Stage::Data, Stage::Message];
    for stage in stages {
        for (line, is_final) in [("450 later", false), ("421 closing", false), ("550 never", true), ("554 no", true)] {
            let catcher = MailCatcher::start().await.unwrap();
            catcher.script(Script::Answer { stage, line: line.to_owned() });
            let channel = email(catcher.addr().port());
            let outcome = channel.perform(&marketing(1), 0, &program).await;
            match (&outcome, is_final) {
                (Outcome::Failed { reason }, true) | (Outcome::RetryAt { reason, .. }, false) => {
                    assert!(reason.contains(&line[4..]), "{stage:?} {line}: {reason}");
                }
                _ => panic!("{stage:?} {line}: {outcome:?}"),
            }
            assert!(catcher.messages().is_empty(), "{stage:?} {line}");
            // The next message gets a connection that works.
            let next = channel.perform(&marketing(2), 0, &program).await;
            assert!(matches!(next, Outcome::Sent { .. }), "{stage:?} {line}: {next:?}");
        }
    }
}

#[tokio::test]
async fn silence_before_the_message_is_tried_again_and_after_it_is_unknown() {
    let program = program();
    for stage in [Stage::Greeting, Stage::Mail, Stage::Recipient, Stage::Data] {
        let catcher = MailCatcher::start().await.unwrap();
        catcher.script(Script::HangUp { stage });
        let outcome = email(catcher.addr().port()).perform(&marketing(1), 0, &program).await;
        assert!(matches!(outcome, Outcome::RetryAt { .. }), "{stage:?}: {outcome:?}");
    }
    let catcher = MailCatcher::start().await.unwrap();
    let channel = email(catcher.addr().port());
    catcher.script(Script::HangUp { stage: Stage::Message });
    let outcome = channel.perform(&marketing(1), 0, &program).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    catcher.script(Script::HangUp { stage: Stage::Message });
    let outcome = channel.perform(&transactional(2), 0, &program).await;
    assert!(matches!(outcome, Outcome::RetryAt { .. }), "{outcome:?}");
    let outcome = channel.perform(&transactional(2), 1, &program).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    let ids: Vec<_> = catcher.messages().iter().map(|mail| mail.header("Message-ID").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 3, "the far side had them all: {ids:?}");
    assert_eq!(ids[1], ids[2], "the second try says that it is the same message");
}

#[tokio::test]
async fn nobody_at_home_and_a_broken_template() {
    let program = program();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outcome = email(port).perform(&marketing(1), 0, &program).await;
    assert!(matches!(outcome, Outcome::RetryAt { .. }), "{outcome:?}");
    let mut effect = marketing(2);
    if let EffectBody::Email { variables, .. } = &mut effect.body {
        variables.clear();
    }
    let outcome = email(port).perform(&effect, 0, &program).await;
    let Outcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("hello") && reason.contains("first_name") || reason.contains("line"), "{reason}");
}

#[tokio::test]
async fn a_thousand_mails_over_one_channel_arrive_once_each() {
    let (catcher, program) = (MailCatcher::start().await.unwrap(), program());
    let channel = email(catcher.addr().port());
    let begun = std::time::Instant::now();
    for start in (0..1_000_u128).step_by(4) {
        let mails: Vec<Effect> = (start..start + 4).map(transactional).collect();
        let sends = mails.iter().map(|mail| channel.perform(mail, 0, &program));
        for outcome in futures_util::future::join_all(sends).await {
            assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
        }
    }
    println!("1000 mails in {:?}", begun.elapsed());
    let ids: BTreeSet<_> =
        catcher.messages().iter().map(|mail| mail.header("Message-ID").unwrap().to_owned()).collect();
    assert_eq!((ids.len(), catcher.messages().len()), (1_000, 1_000));
}

#[test]
fn no_trait_makes_a_header_or_a_recipient() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (catcher, program) = runtime.block_on(async { (MailCatcher::start().await.unwrap(), program()) });
    let channel = email(catcher.addr().port());
    let text = "(\r\nBcc: x@y.z|\n|\r|\0|,|;|<|>|@|\"|[a-zé ]){0,20}";
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    });
    let strategy =
        (text, text, prop_oneof![Just("ada@example.com".to_owned()), text.prop_map(|t| format!("a{t}@example.com"))]);
    runner
        .run(&strategy, |(subject, name, to)| {
            let before = catcher.messages().len();
            // The subject is a template, so what a trait says comes in by a variable.
            let mut effect = effect(1, MessageClass::Marketing, &to, "{{ s }}", &name);
            if let EffectBody::Email { variables, .. } = &mut effect.body {
                variables.insert("s".to_owned(), Value::from(subject));
            }
            let outcome = runtime.block_on(channel.perform(&effect, 0, &program));
            let mails = catcher.messages();
            if let Outcome::Sent { .. } = outcome {
                let mail = &mails[before];
                prop_assert_eq!(mail.to.len(), 1);
                let mut names: Vec<&str> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                let ours = [
                    "Content-Type",
                    "Date",
                    "From",
                    "List-Unsubscribe",
                    "List-Unsubscribe-Post",
                    "MIME-Version",
                    "Message-ID",
                    "Reply-To",
                    "Subject",
                    "To",
                    "X-Tidewater-Effect",
                ];
                prop_assert_eq!(names, ours);
            } else {
                prop_assert_eq!(mails.len(), before);
            }
            Ok(())
        })
        .unwrap();
}

/// aiosmtpd from PyPI: a mail server that is not ours.
struct RealServer {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl RealServer {
    fn start(certificate: Option<(&std::path::Path, &std::path::Path)>) -> Self {
        let python = std::env::var("TIDEWATER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platform/smtp_server.py");
        let mut command = Command::new(python);
        command.arg(script).stdout(Stdio::piped());
        if let Some((certificate, key)) = certificate {
            command.arg(certificate).arg(key);
        }
        let mut child = command.spawn().expect("python3 runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the server says its port; is it there? `pip install aiosmtpd`").unwrap();
        let port = first.parse().unwrap_or_else(|_| panic!("the server said `{first}`; `pip install aiosmtpd`"));
        Self { child, lines, port }
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_server_that_is_not_ours_lets_us_in_and_takes_mail() {
    let program = program();
    let mut server = RealServer::start(None);
    let mut config = settings(server.port);
    (config.user, config.password) = (Some("shop".to_owned()), Some(Secret::new("right password")));
    let outcome = Email::new(&config, links()).unwrap().perform(&marketing(9), 0, &program).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    let line = server.lines.next().unwrap().unwrap();
    let mail: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(mail["to"], serde_json::json!(["ada@example.com"]));
    assert_eq!(mail["user"], "shop");
    assert_eq!(mail["subject"], "Hi Ada & Zoë");
    assert!(mail["parts"][0].as_str().unwrap().contains("\n.\n"), "{mail}");

    config.password = Some(Secret::new("wrong password"));
    let outcome = Email::new(&config, links()).unwrap().perform(&marketing(10), 0, &program).await;
    let (Outcome::RetryAt { reason, .. } | Outcome::Failed { reason }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("does not let us in") && !reason.contains("wrong password"), "{reason}");
}

#[tokio::test]
async fn no_mail_leaves_over_tls_that_cannot_be_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = RealServer::start(Some((&certificate, &key)));
    let mut config = settings(server.port);
    "localhost".clone_into(&mut config.host);
    config.security = SmtpSecurity::StartTls;
    let outcome = Email::new(&config, links()).unwrap().perform(&marketing(11), 0, &program()).await;
    let Outcome::RetryAt { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(reason.to_lowercase().contains("cert"), "{reason}");
}
