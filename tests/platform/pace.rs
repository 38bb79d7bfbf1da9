//! How fast channels go, and what they do about a far side that is slow, busy or gone: the whole platform, with real
//! servers on the other end and a clock that the test moves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidewater::actors::{Carrier, Clock, Performing, Placement, Platform, StartWith, WAITING_LIMIT};
use tidewater::channels::Outcome;
use tidewater::channels::webhook::catcher::{HookCatcher, HookScript};
use tidewater::engine::{Effect, Sound};
use tidewater::model::{Event, EventKind, Span, Timestamp};
use tidewater::store::Database;
use tidewater::store::outbox::OutboxStatus;
use tidewater::workspace::Program;
use tidewater::workspace::config::{DomainLimits, Limits, Rate};

use crate::shop;

struct Shop {
    platform: Platform,
    store: Database,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Shop {
    /// With the channels of the settings, or with one carrier in place of them.
    async fn open(files: Vec<(String, String)>, carrier: Option<(&str, Arc<dyn Carrier>)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (program, config) = shop::compiled(files);
        let store = Database::open(&format!("sqlite://{}/t.db", folder.path().display())).await.unwrap();
        let clock = Clock::virtual_from(Timestamp::parse("2026-03-02T12:00:00Z").unwrap());
        let (backing, placement) = (store.clone().into(), Placement::Threads);
        let (engine, waiting_limit) = (Arc::new(Sound), WAITING_LIMIT);
        let with = StartWith { program, config, backing, clock: clock.clone(), placement, engine, waiting_limit };
        let platform = match carrier {
            None => Platform::start(with).await,
            Some((name, carrier)) => Platform::start_with(with, [(name.to_owned(), carrier)].into()).await,
        };
        Self { platform: platform.unwrap(), store, clock, _folder: folder }
    }

    async fn take(&self, events: Vec<Event>) {
        self.platform.ingest(events, Vec::new()).await.unwrap();
    }

    async fn take_orders(&self, count: usize) {
        self.take((0..count).map(|n| shop::order(&format!("o{n}"), &format!("user-{n}"))).collect()).await;
        self.platform.settle().await;
    }

    async fn pass(&self, span: Span) {
        self.clock.advance(span);
        self.platform.settle().await;
    }

    /// Waits until those who look from outside see whether the far side is silent.
    async fn is_told_silent(&self, is_silent: bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            let told: Vec<String> =
                self.store.silences().await.unwrap().into_iter().map(|(channel, _)| channel).collect();
            if told == if is_silent { vec!["crm".to_owned()] } else { vec![] } {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{told:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn is_holding(&self) -> bool {
        self.platform.reading().holding.get("crm").copied().unwrap_or_default()
    }
}

/// The shop whose channel `crm` has further settings.
fn files(url: &str, further: &str) -> Vec<(String, String)> {
    let mut files = shop::files(url);
    files[0].1.push_str(further);
    files
}

#[actix_rt::test]
async fn a_channel_keeps_its_rate_and_what_waits_for_it_stays_in_the_store() {
    let catcher = HookCatcher::start().await.unwrap();
    let shop = Shop::open(files(&catcher.url(), "\x20   limits: { rate: 2 per second }\n"), None).await;
    shop.take_orders(7).await;
    assert_eq!(catcher.requests().len(), 2);
    let waiting = shop.store.outbox(Some(OutboxStatus::Ready), 10).await.unwrap();
    assert_eq!(waiting.len(), 5);
    assert!(waiting.iter().all(|item| item.attempts == 0), "nobody tried what had to wait");
    // The journal's clock ran a little ahead of ours.
    shop.pass(Span(1_400)).await;
    assert_eq!(catcher.requests().len(), 4);
    shop.pass(Span::HOUR).await;
    assert_eq!(catcher.requests().len(), 6, "an hour of rest is not saved up");
    shop.pass(Span(1_400)).await;
    assert_eq!((catcher.requests().len(), shop.store.outbox_open().await.unwrap()), (7, 0));
    shop.platform.stop().await;
}

#[actix_rt::test]
async fn a_far_side_that_is_gone_is_left_alone_and_costs_nobody_an_attempt() {
    let catcher = HookCatcher::start().await.unwrap();
    (0..6).for_each(|_| catcher.script(HookScript::HangUp));
    let shop = Shop::open(files(&catcher.url(), "\x20   requests_at_once: 1\n"), None).await;
    shop.take_orders(20).await;
    assert_eq!(catcher.requests().len(), 5, "after five that met silence nobody is sent");
    assert!(shop.is_holding());
    shop.is_told_silent(true).await;
    let untried = shop.store.outbox(Some(OutboxStatus::Ready), 50).await.unwrap();
    assert_eq!(untried.iter().filter(|item| item.attempts == 0).count(), 15);
    shop.pass(Span::SECOND.times(16)).await;
    assert_eq!(catcher.requests().len(), 6, "one goes to see");
    shop.pass(Span::SECOND.times(20)).await;
    assert_eq!(catcher.requests().len(), 6, "the pause has grown");
    shop.pass(Span::SECOND.times(15)).await;
    assert!(!shop.is_holding(), "the next one is answered");
    shop.is_told_silent(false).await;
    shop.pass(Span::MINUTE.times(2)).await;
    assert_eq!(shop.store.outbox_open().await.unwrap(), 0);
    assert_eq!(catcher.requests().len(), 20 + 6, "each arrived, and no more were tried than met silence");
    shop.platform.stop().await;
}

#[actix_rt::test]
async fn a_busy_far_side_says_when_it_is_called_again() {
    let catcher = HookCatcher::start().await.unwrap();
    let headers = vec![("retry-after".to_owned(), "3600".to_owned())];
    catcher.script(HookScript::Answer { status: 429, headers, body: String::new() });
    let shop = Shop::open(files(&catcher.url(), ""), None).await;
    shop.take_orders(1).await;
    shop.pass(Span::MINUTE.times(59)).await;
    assert_eq!(catcher.requests().len(), 1);
    shop.pass(Span::MINUTE.times(2)).await;
    assert_eq!((catcher.requests().len(), shop.store.outbox_open().await.unwrap()), (2, 0));
    shop.platform.stop().await;
}

const SLOW: &str = "---
journey: tell-the-slow-one
enter: { event: Order Completed, key: order_id, re_entry: always }
steps:
  - id: tell
    webhook: { to: slow, body: { order: \"{{ entry.order_id }}\" } }
";

#[actix_rt::test]
async fn a_host_that_does_not_answer_delays_no_other() {
    let (quick, slow) = (HookCatcher::start().await.unwrap(), HookCatcher::start().await.unwrap());
    (0..100).for_each(|_| slow.script(HookScript::Delay(Duration::from_secs(3_600))));
    let mut files = shop::files(&quick.url());
    let second = shop::settings(&slow.url()).split_once("channels:\n").unwrap().1.replace("crm", "slow");
    files[0].1.push_str(&second);
    files[2].1.push_str(SLOW);
    let shop = Shop::open(files, None).await;
    shop.take((0..50).map(|n| shop::order(&format!("o{n}"), "ada")).collect()).await;
    while quick.requests().len() < 50 || slow.requests().len() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Those that were begun are still under way when everything else has arrived; the rest are not begun.
    let open = shop.store.outbox(Some(OutboxStatus::Taken), 200).await.unwrap();
    assert_eq!(open.iter().filter(|item| item.effect.destination == "slow").count(), 8);
    shop.platform.abort().await;
}

/// Notes to whom mail went.
struct Postman {
    to: Mutex<Vec<String>>,
    limits: Limits,
}

impl Carrier for Postman {
    fn at_once(&self) -> usize {
        4
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn perform(self: Arc<Self>, effect: Effect, _: u32, _: Arc<Program>) -> Performing {
        self.to.lock().unwrap().push(effect.body.domain().unwrap());
        Box::pin(async { Outcome::Sent { detail: String::new() } })
    }
}

#[actix_rt::test]
async fn a_domain_with_a_limit_holds_up_no_other() {
    let rate = Some(Rate { count: 2, per: Span::MINUTE });
    let limits = Limits { rate: None, per_domain: Some(DomainLimits { rate, at_once: None }) };
    let postman = Arc::new(Postman { to: Mutex::default(), limits });
    let mut files = shop::files("http://127.0.0.1:9/");
    files[0].1.push_str("\x20 email: { kind: smtp, host: 127.0.0.1, security: none, from: shop@example.com }\n");
    files[2].1.push_str(shop::WELCOME);
    files.push(("templates/hello.txt".to_owned(), "Hello\n".to_owned()));
    let shop = Shop::open(files, Some(("email", postman.clone()))).await;
    let about = [("topic", "newsletter"), ("channel", "email")];
    for n in 0..60 {
        let user = format!("user-{n}");
        let domain = if n < 57 { "big.example".to_owned() } else { format!("own-{n}.example") };
        let mut who = shop::track(&format!("i{n}"), "Identified", Some(&user), None, &[]);
        who.kind = EventKind::Identify;
        who.traits.insert("email".to_owned(), format!("someone-{n}@{domain}").as_str().into());
        let yes = shop::track(&format!("s{n}"), "Subscribed", Some(&user), None, &about);
        shop.take(vec![who, yes, shop::track(&format!("u{n}"), "Signed Up", Some(&user), None, &[])]).await;
    }
    shop.platform.settle().await;
    let arrived = || {
        let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
        postman.to.lock().unwrap().iter().for_each(|domain| *arrived.entry(domain.clone()).or_default() += 1);
        arrived
    };
    for own in ["own-57.example", "own-58.example", "own-59.example"] {
        assert_eq!(arrived().get(own), Some(&1), "{:?}", arrived());
    }
    let mut before = arrived()["big.example"];
    assert!((1..=2).contains(&before), "{before}");
    for _ in 0..5 {
        // The journal's clock ran ahead of ours by as many milliseconds as it has groups.
        shop.pass(Span::SECOND.times(31)).await;
        assert_eq!(arrived()["big.example"], before + 1, "one each half minute");
        before += 1;
    }
    assert_eq!(shop.store.queues("email").await.unwrap(), ["big.example".to_owned()].into());
    assert_eq!(shop.store.outbox_open().await.unwrap() as usize, 57 - before);
    shop.platform.stop().await;
}
