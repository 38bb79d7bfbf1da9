//! The platform over a real store: it stops in the middle and goes on as if nothing had been, persons become one, time
//! moves, and what cannot be taken is refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tidewater::actors::{Carrier, Clock, Performing, Placement, Platform, Refused, StartWith, WAITING_LIMIT};
use tidewater::channels::Outcome;
use tidewater::channels::breaker::Contact;
use tidewater::engine::Sound;
use tidewater::engine::{Effect, snapshot};
use tidewater::model::value::ValueMap;
use tidewater::model::{ConsentChange, ConsentKey, ConsentSource, ConsentState, Event, ProfileId, Span, Timestamp};
use tidewater::store::Database;
use tidewater::store::outbox::OutboxStatus;
use tidewater::workspace::Program;

use crate::shop;

/// Notes the ids of the effects that it was given, in order. Says of each what `answer` says.
struct Notes {
    ids: Mutex<Vec<String>>,
    answer: fn(u32) -> Outcome,
}

impl Notes {
    fn taking_all() -> Arc<Self> {
        Arc::new(Self { ids: Mutex::default(), answer: |_| Outcome::Sent { detail: String::new() } })
    }

    fn ids(&self) -> Vec<String> {
        self.ids.lock().unwrap().clone()
    }
}

impl Carrier for Notes {
    fn at_once(&self) -> usize {
        8
    }

    fn perform(self: Arc<Self>, effect: Effect, attempts: u32, _: Arc<Program>) -> Performing {
        Box::pin(async move {
            self.ids.lock().unwrap().push(effect.id.to_string());
            (self.answer)(attempts)
        })
    }
}

fn noon() -> Timestamp {
    Timestamp::parse("2026-03-02T12:00:00Z").unwrap()
}

fn address(dir: &Path) -> String {
    format!("sqlite://{}/tidewater.db", dir.display())
}

/// A platform, and the database that it stands on.
struct Running {
    platform: Platform,
    store: Database,
}

impl std::ops::Deref for Running {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

async fn start_on(dir: &Path, files: Vec<(String, String)>, clock: &Clock, crm: &Arc<Notes>) -> Running {
    let carriers: BTreeMap<String, Arc<dyn Carrier>> = [("crm".to_owned(), crm.clone() as Arc<dyn Carrier>)].into();
    start_with(dir, files, clock, carriers).await
}

async fn start_with(
    dir: &Path,
    files: Vec<(String, String)>,
    clock: &Clock,
    carriers: BTreeMap<String, Arc<dyn Carrier>>,
) -> Running {
    let (program, config) = shop::compiled(files);
    let store = Database::open(&address(dir)).await.unwrap();
    let with = StartWith {
        program,
        config,
        backing: store.clone().into(),
        clock: clock.clone(),
        placement: Placement::Threads,
        engine: Arc::new(Sound),
        waiting_limit: WAITING_LIMIT,
    };
    Running { platform: Platform::start_with(with, carriers).await.unwrap(), store }
}

async fn start(dir: &Path, clock: &Clock, crm: &Arc<Notes>) -> Running {
    start_on(dir, shop::files("http://127.0.0.1:9/"), clock, crm).await
}

async fn take(platform: &Platform, events: Vec<Event>) {
    platform.ingest(events, Vec::new()).await.unwrap();
}

/// Every profile's state, by id, without the marks of how far the journal was read.
async fn states(store: &Database) -> BTreeMap<String, serde_json::Value> {
    let mut all = BTreeMap::new();
    for shard in 0..tidewater::model::limit::SHARDS {
        let ids = store.profiles_of_shard(tidewater::model::ShardId(shard), None, u64::MAX >> 1).await.unwrap();
        for saved in store.load_profiles(&ids).await.unwrap() {
            let profile = snapshot::decode(&saved.snapshot).unwrap();
            let mut value = serde_json::to_value(&profile).unwrap();
            let fields = value.as_object_mut().unwrap();
            for mark in ["applied", "clock"] {
                fields.remove(mark);
            }
            all.insert(saved.id.to_string(), value);
        }
    }
    all
}

async fn profile_of(store: &Database, kind: &str, value: &str) -> ProfileId {
    store.find_profile_by(kind, value).await.unwrap().expect("a profile of this name")
}

#[actix_rt::test]
async fn after_a_crash_the_state_is_the_same_and_nothing_is_done_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, crm) = (Clock::virtual_from(noon()), Notes::taking_all());
    let platform = start(dir.path(), &clock, &crm).await;
    for n in 0..40 {
        let user = format!("user-{}", n % 7);
        take(&platform, vec![shop::order(&format!("o{n}"), &user)]).await;
    }
    // Accepted, and perhaps not applied: the crash comes at once.
    platform.abort().await;

    let platform = start(dir.path(), &clock, &crm).await;
    platform.settle().await;
    let after = states(&platform.store).await;
    assert_eq!(
        platform.store.message_counts().await.unwrap().iter().filter(|(id, _)| id.starts_with("m-o")).count(),
        40
    );
    assert_eq!(platform.store.outbox(Some(OutboxStatus::Sent), 100).await.unwrap().len(), 40);
    platform.stop().await;

    // The same journal, applied by a platform that was never interrupted.
    let quiet = tempfile::tempdir().unwrap();
    let other = Notes::taking_all();
    let platform = start(quiet.path(), &Clock::virtual_from(noon()), &other).await;
    for n in 0..40 {
        let user = format!("user-{}", n % 7);
        take(&platform, vec![shop::order(&format!("o{n}"), &user)]).await;
    }
    platform.settle().await;
    let undisturbed = states(&platform.store).await;
    platform.stop().await;
    assert_eq!(after.keys().collect::<Vec<_>>(), undisturbed.keys().collect::<Vec<_>>());
    let orders = |states: &BTreeMap<String, serde_json::Value>| -> Vec<_> {
        states
            .values()
            .map(|state| (state["computes"].clone(), state["memberships"].as_object().map(|m| m.len())))
            .collect()
    };
    assert_eq!(orders(&after), orders(&undisturbed));
    // Effects are called by what they are about, so both platforms decided on the same ones.
    assert_eq!(other.ids().len(), 40);
}

#[actix_rt::test]
async fn a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, crm) = (Clock::virtual_from(noon()), Notes::taking_all());
    let platform = start(dir.path(), &clock, &crm).await;
    let added = shop::track("a1", "Product Added", Some("ada"), None, &[("product_id", "p1")]);
    take(&platform, vec![added.clone(), shop::order("o1", "bob")]).await;
    platform.settle().await;
    let before = states(&platform.store).await;
    platform.stop().await;
    let platform = start(dir.path(), &clock, &crm).await;
    // The source did not hear the answer and sends it again.
    take(&platform, vec![added, shop::order("o1", "bob")]).await;
    platform.settle().await;
    assert_eq!(states(&platform.store).await, before);
    assert_eq!(crm.ids().len(), 1);
    platform.stop().await;
}

#[actix_rt::test]
async fn a_visitor_who_turns_out_to_be_known_becomes_one_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, crm) = (Clock::virtual_from(noon()), Notes::taking_all());
    let platform = start(dir.path(), &clock, &crm).await;
    take(&platform, vec![shop::order("o1", "ada")]).await;
    take(&platform, vec![shop::track("m2", "Order Completed", None, Some("visitor"), &[("order_id", "o2")])]).await;
    platform.settle().await;
    let visitor = profile_of(&platform.store, "anonymous_id", "visitor").await;
    take(&platform, vec![shop::track("m3", "Product Added", Some("ada"), Some("visitor"), &[])]).await;
    platform.settle().await;
    let ada = profile_of(&platform.store, "user_id", "ada").await;
    assert_eq!(profile_of(&platform.store, "anonymous_id", "visitor").await, ada);
    let saved = platform.store.load_profiles(&[ada, visitor]).await.unwrap();
    for row in saved {
        let profile = snapshot::decode(&row.snapshot).unwrap();
        if row.id == visitor {
            assert_eq!(profile.merged_into(), Some(ada));
        } else {
            let value = serde_json::to_value(&profile).unwrap();
            let counts: Vec<_> = value["aggregates"].as_object().unwrap().values().cloned().collect();
            assert_eq!(counts, [serde_json::json!({ "count": 2 })], "both orders count");
        }
    }
    assert_eq!(crm.ids().len(), 2, "no order is told twice");
    platform.stop().await;
}

#[actix_rt::test]
async fn a_window_ends_at_its_instant_though_nothing_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, crm) = (Clock::virtual_from(noon()), Notes::taking_all());
    let platform = start(dir.path(), &clock, &crm).await;
    take(&platform, vec![shop::track("m1", "Product Added", Some("ada"), None, &[("product_id", "p1")])]).await;
    platform.settle().await;
    let ada = profile_of(&platform.store, "user_id", "ada").await;
    let added = platform.store.profile_history(ada, 10).await.unwrap();
    assert!(!added.is_empty());
    let (_, received) = (0, platform.store.journal_head().await.unwrap().received_at);
    clock.set(received + Span::HOUR - Span(1));
    platform.settle().await;
    assert!(crm.ids().is_empty(), "the hour is not over");
    // The machine was busy: time is told late, and what it brings is dated by the rule.
    clock.advance(Span::MINUTE.times(7));
    platform.settle().await;
    assert_eq!(crm.ids().len(), 1);
    let changes = platform.store.membership_history(ada, 10).await.unwrap();
    let entered = changes.iter().find(|change| change.segment == "cart_abandoner").unwrap();
    assert_eq!((entered.entered, entered.at), (true, received + Span::HOUR));
    platform.stop().await;
}

#[actix_rt::test]
async fn what_is_to_be_tried_again_waits_for_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_from(noon());
    let crm = Arc::new(Notes {
        ids: Mutex::default(),
        answer: |attempts| match attempts {
            0 => Outcome::RetryAt { after: Span::MINUTE, reason: "busy".to_owned(), contact: Contact::Answered },
            _ => Outcome::Sent { detail: String::new() },
        },
    });
    let platform = start(dir.path(), &clock, &crm).await;
    take(&platform, vec![shop::order("o1", "ada")]).await;
    platform.settle().await;
    platform.settle().await;
    assert_eq!(crm.ids().len(), 1);
    assert_eq!(platform.store.outbox_open().await.unwrap(), 1);
    clock.advance(Span::MINUTE.times(2));
    platform.settle().await;
    let ids = crm.ids();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert_eq!(platform.store.outbox_open().await.unwrap(), 0);
    platform.stop().await;
}

#[actix_rt::test]
async fn an_edited_rule_is_deployed_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, crm) = (Clock::virtual_from(noon()), Notes::taking_all());
    let platform = start(dir.path(), &clock, &crm).await;
    take(&platform, vec![shop::order("o1", "ada"), shop::order("o2", "ada"), shop::order("o3", "bob")]).await;
    platform.settle().await;
    platform.stop().await;
    let mut files = shop::files("http://127.0.0.1:9/");
    files[1].1.push_str("segment loyal = orders >= 2\n");
    for _ in 0..2 {
        let platform = start_on(dir.path(), files.clone(), &clock, &crm).await;
        platform.settle().await;
        let ada = profile_of(&platform.store, "user_id", "ada").await;
        let loyal = platform.store.segment_members("loyal", None, 10).await.unwrap();
        assert_eq!(loyal.iter().map(|member| member.profile).collect::<Vec<_>>(), [ada]);
        platform.stop().await;
    }
    let store = Database::open(&address(dir.path())).await.unwrap();
    let entries = store.read_journal(tidewater::model::Offset(0), 1_000).await.unwrap();
    let deploys = entries.iter().filter(|entry| matches!(entry.body, tidewater::model::EntryBody::Deploy(_)));
    assert_eq!(deploys.count(), 2, "one for the first rules, one for the edited ones");
    assert_eq!(crm.ids().len(), 3);
}

const EVERY_MORNING: &str = "---
journey: every-morning
enter: { schedule: \"0 9 * * *\", re_entry: always }
steps:
  - id: tell
    webhook: { to: crm, body: { good: morning } }
";

#[actix_rt::test]
async fn a_schedule_comes_up_for_everyone_and_is_made_up_for_once_after_a_downtime() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, crm) = (Clock::virtual_from(noon()), Notes::taking_all());
    let mut files = shop::files("http://127.0.0.1:9/");
    files[2].1.push_str(EVERY_MORNING);
    let platform = start_on(dir.path(), files.clone(), &clock, &crm).await;
    for user in ["ada", "bob", "eve"] {
        take(&platform, vec![shop::track(user, "Signed Up", Some(user), None, &[])]).await;
    }
    platform.settle().await;
    assert!(crm.ids().is_empty(), "nine o'clock is over for today");
    clock.set(Timestamp::parse("2026-03-03T09:00:00Z").unwrap());
    platform.settle().await;
    assert_eq!(crm.ids().len(), 3);
    platform.stop().await;
    clock.set(Timestamp::parse("2026-03-06T11:00:00Z").unwrap());
    let platform = start_on(dir.path(), files, &clock, &crm).await;
    platform.settle().await;
    assert_eq!(crm.ids().len(), 6, "three mornings were missed, one is made up for");
    let fired = platform.store.schedules_fired().await.unwrap();
    assert_eq!(fired, [("every-morning".to_owned(), Timestamp::parse("2026-03-06T09:00:00Z").unwrap())]);
    platform.stop().await;
}

const NEWSLETTER: [(&str, &str); 2] = [("topic", "newsletter"), ("channel", "email")];

/// A word of Ada's on the newsletter, said now.
fn said(id: &str, name: &str) -> Event {
    shop::track(id, name, Some("ada"), None, &NEWSLETTER)
}

fn given(id: &str, at: Timestamp) -> ConsentChange {
    ConsentChange {
        id: id.to_owned(),
        key: ConsentKey::Topic { topic: "newsletter".to_owned(), channel: "email".to_owned() },
        state: ConsentState::Given,
        by: ConsentSource::Api,
        at,
        note: None,
        message: ValueMap::new(),
    }
}

/// Ada has agreed, by an event and by an entry, and a mail to her was tried once and is to be tried again in a minute.
async fn with_a_mail_that_waits(dir: &Path, clock: &Clock) -> (Running, Arc<Notes>) {
    let mail = Arc::new(Notes {
        ids: Mutex::default(),
        answer: |_| Outcome::RetryAt {
            after: Span::MINUTE,
            reason: "greylisted".to_owned(),
            contact: Contact::Answered,
        },
    });
    let mut files = shop::files("http://127.0.0.1:9/");
    files[0].1.push_str("\x20 email: { kind: smtp, host: 127.0.0.1, security: none, from: shop@example.com }\n");
    files[2].1.push_str(shop::WELCOME);
    files.push(("templates/hello.txt".to_owned(), "Hello\n".to_owned()));
    let carriers: BTreeMap<String, Arc<dyn Carrier>> = [("email".to_owned(), mail.clone() as Arc<dyn Carrier>)].into();
    let platform = start_with(dir, files, clock, carriers).await;
    let mut who = shop::track("i1", "Identified", Some("ada"), None, &[]);
    who.kind = tidewater::model::EventKind::Identify;
    who.traits.insert("email".to_owned(), "ada@example.com".into());
    take(&platform, vec![who, said("s1", "Subscribed")]).await;
    let ada = profile_of(&platform.store, "user_id", "ada").await;
    platform.consent(ada, given("w1", clock.now())).await.unwrap();
    take(&platform, vec![shop::track("u1", "Signed Up", Some("ada"), None, &[])]).await;
    platform.settle().await;
    assert_eq!(mail.ids().len(), 1, "the first try");
    (platform, mail)
}

#[actix_rt::test]
async fn a_withdrawn_consent_stops_what_is_already_queued() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_from(noon());
    let (platform, mail) = with_a_mail_that_waits(dir.path(), &clock).await;
    let ada = profile_of(&platform.store, "user_id", "ada").await;
    let mut no = said("s2", "Unsubscribed");
    (no.kind, no.user_id) = (tidewater::model::EventKind::Platform, None);
    platform.record(ada, no).await.unwrap();
    clock.advance(Span::MINUTE.times(2));
    platform.settle().await;
    assert_eq!(mail.ids().len(), 1, "there is no second try");
    let stopped = platform.store.outbox(Some(OutboxStatus::Suppressed), 10).await.unwrap();
    assert_eq!(stopped.len(), 1);
    let history = platform.store.profile_history(ada, 20).await.unwrap();
    assert!(history.iter().any(|item| item.event.name == "Email Suppressed"), "and the customer's history says so");
    platform.stop().await;
}

/// By the clock of a device, which is an hour behind, it was said before the yes.
#[actix_rt::test]
async fn a_withdrawal_takes_force_whatever_clock_it_was_said_by() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::virtual_from(noon());
    let (platform, mail) = with_a_mail_that_waits(dir.path(), &clock).await;
    let no = Event { timestamp: clock.now() - Span::HOUR, ..said("s2", "Unsubscribed") };
    take(&platform, vec![no, shop::track("u2", "Signed Up", Some("ada"), None, &[])]).await;
    clock.advance(Span::MINUTE.times(2));
    platform.settle().await;
    assert_eq!(mail.ids().len(), 1, "neither a second try nor another mail");
    take(&platform, vec![said("s3", "Subscribed"), shop::track("u3", "Signed Up", Some("ada"), None, &[])]).await;
    platform.settle().await;
    assert_eq!(mail.ids().len(), 2, "whoever agrees again gets mail again");
    platform.stop().await;
}

#[actix_rt::test]
async fn a_yes_that_comes_once_more_takes_no_withdrawal_back() {
    for by in ["an event", "an entry", "a yes of long ago"] {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::virtual_from(noon());
        let (platform, mail) = with_a_mail_that_waits(dir.path(), &clock).await;
        let ada = profile_of(&platform.store, "user_id", "ada").await;
        clock.advance(Span::SECOND);
        take(&platform, vec![said("s2", "Unsubscribed")]).await;
        clock.advance(Span::SECOND);
        // Whoever repeats a word without saying when it was said gives it a new time.
        match by {
            "an event" => take(&platform, vec![said("s1", "Subscribed")]).await,
            "an entry" => drop(platform.consent(ada, given("w1", clock.now())).await.unwrap()),
            _ => drop(platform.consent(ada, given("w0", noon() - Span::DAY)).await.unwrap()),
        }
        clock.advance(Span::MINUTE.times(2));
        platform.settle().await;
        assert_eq!(mail.ids().len(), 1, "{by}: there is no second try");
        take(&platform, vec![shop::track("u2", "Signed Up", Some("ada"), None, &[])]).await;
        platform.settle().await;
        assert_eq!(mail.ids().len(), 1, "{by}: and none of another mail");
        // A new word does, and is not taken back by a repeat of the withdrawal.
        take(&platform, vec![said("s3", "Subscribed"), said("s2", "Unsubscribed")]).await;
        take(&platform, vec![shop::track("u3", "Signed Up", Some("ada"), None, &[])]).await;
        platform.settle().await;
        assert_eq!(mail.ids().len(), 2, "{by}: whoever agrees again gets mail again");
        platform.stop().await;
    }
}

#[actix_rt::test]
async fn a_stopped_platform_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let platform = start(dir.path(), &Clock::virtual_from(noon()), &Notes::taking_all()).await;
    platform.stop().await;
    let refused = platform.ingest(vec![shop::order("o1", "ada")], Vec::new()).await;
    assert_eq!(refused, Err(Refused::Stopping));
    assert_eq!(platform.ready(), Err(Refused::Stopping));
}
