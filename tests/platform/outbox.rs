//! Effects between decision and outcome: each is taken once, in its time, and only while it may be.

use std::collections::BTreeMap;

use tidewater::engine::transition::{EffectConsent, Lifted, Origin};
use tidewater::engine::{Effect, EffectBody};
use tidewater::lang::rules::MessageClass;
use tidewater::model::value::ValueMap;
use tidewater::model::{ConsentKey, EffectId, Entry, EntryBody, Offset, ProfileId, RunId, Target, Timestamp, Value};
use tidewater::store::Database;
use tidewater::store::dead_letters::Selection;
use tidewater::store::home::{Drop, Hold};
use tidewater::store::journal::{Append, Deny};
use tidewater::store::outbox::{DomainRoom, Domains, OutboxStatus, OutboxUpdate, Room};
use tidewater::store::state::ShardCommit;

use crate::databases::{TestDatabase, on_both_databases};

on_both_databases!(
    the_oldest_that_are_due_are_taken_first,
    consent_and_expiry_are_looked_at_when_taking,
    an_effect_goes_through_its_states,
    what_failed_is_sent_again_and_what_shall_not_leave_is_dropped,
    an_audience_change_waits_for_the_one_before_and_holds_up_nobody_else,
    claims_side_by_side_never_take_one_effect_twice,
    many_are_looked_at_and_told_of_in_one_transaction,
    journeys_take_turns_however_much_one_of_them_has_waiting,
    what_is_beyond_a_domains_limit_is_put_aside_and_comes_back,
    of_two_audience_changes_of_one_instant_the_first_leaves_first,
    what_waited_before_there_were_turns_gets_its_turn,
    of_an_audience_update_that_is_dropped_the_person_hears,
    nothing_is_taken_while_sending_is_held,
    what_was_denied_by_time_stays_denied_by_entry,
);

fn effect(id: u128, decided_at: i64) -> Effect {
    Effect {
        id: EffectId(id),
        profile: ProfileId(id),
        destination: "crm".to_owned(),
        origin: Some(Origin { journey: "welcome".to_owned(), run: RunId(id), step: "hello".to_owned() }),
        consent: None,
        decided_at: Timestamp(decided_at),
        expires_at: None,
        body: EffectBody::Webhook { body: Value::from("hello"), variables: ValueMap::new() },
    }
}

async fn decide(store: &Database, effects: Vec<Effect>) {
    let commit = ShardCommit { effects, ..ShardCommit::empty(ProfileId(1).shard(), Offset(1)) };
    store.commit(&[commit]).await.unwrap();
}

async fn update(store: &Database, id: u128, status: OutboxStatus, not_before: Option<i64>, detail: Option<&str>) {
    let update = OutboxUpdate {
        effect: EffectId(id),
        status,
        not_before: not_before.map(Timestamp),
        detail: detail.map(str::to_owned),
        at: Timestamp(500),
    };
    store.append(&Append { outbox: vec![update], ..Append::default() }).await.unwrap();
}

async fn taken(store: &Database, now: i64, limit: usize) -> Vec<u128> {
    let claim = store.claim("crm", Timestamp(now), &Room::of(limit)).await.unwrap();
    claim.taken.iter().map(|claimed| claimed.effect.id.0).collect()
}

async fn the_oldest_that_are_due_are_taken_first(database: TestDatabase) {
    let store = database.open().await;
    let elsewhere = Effect { destination: "email".to_owned(), ..effect(9, 1) };
    decide(&store, vec![effect(1, 30), effect(2, 10), effect(3, 20), effect(4, 900), elsewhere]).await;
    assert_eq!(store.outbox_open().await.unwrap(), 5);
    assert_eq!(store.outbox_busy(Timestamp(100)).await.unwrap(), 4);
    assert_eq!(taken(&store, 100, 2).await, [2, 3]);
    let claim = store.claim("crm", Timestamp(100), &Room::of(10)).await.unwrap();
    assert_eq!(claim.taken.iter().map(|one| one.effect.clone()).collect::<Vec<_>>(), [effect(1, 30)]);
    assert_eq!(claim.next, Some(Timestamp(900)));
    let claim = store.claim("crm", Timestamp(900), &Room::of(10)).await.unwrap();
    assert_eq!((claim.taken.len(), claim.next), (1, None));
    assert_eq!(taken(&store, 1_000, 10).await, []);
    assert_eq!(store.outbox_open().await.unwrap(), 5, "taken is not done");
}

async fn lift(store: &Database, lifted: Vec<(ProfileId, Lifted)>) {
    store.commit(&[ShardCommit { lifted, ..ShardCommit::empty(ProfileId(1).shard(), Offset(60)) }]).await.unwrap();
}

async fn consent_and_expiry_are_looked_at_when_taking(database: TestDatabase) {
    let store = database.open().await;
    let key = ConsentKey::Topic { topic: "news".to_owned(), channel: "email".to_owned() };
    let about = Some(EffectConsent { key: key.clone(), class: MessageClass::Marketing });
    let with_consent = |id| Effect { consent: about.clone(), ..effect(id, 10) };
    let expiring = |id, at| Effect { expires_at: Some(Timestamp(at)), ..effect(id, 10) };
    decide(&store, vec![with_consent(1), with_consent(2), effect(3, 10), expiring(4, 100), expiring(5, 101)]).await;
    let deny = |id, key: &ConsentKey, entry| Deny { profile: ProfileId(id), key: key.clone(), entry: Offset(entry) };
    let other = ConsentKey::Purpose("ads".to_owned());
    // 1 withdraws; 2 withdraws something else; 3 needs no consent.
    let denies = vec![deny(1, &key, 50), deny(2, &other, 50), deny(3, &key, 50)];
    store.append(&Append { denies, ..Append::default() }).await.unwrap();
    let claim = store.claim("crm", Timestamp(100), &Room::of(10)).await.unwrap();
    let ids = |effects: &[Effect]| effects.iter().map(|one| one.id.0).collect::<Vec<_>>();
    // 2 is marketing: its turn comes after those that need no consent.
    assert_eq!(claim.taken.iter().map(|one| one.effect.id.0).collect::<Vec<_>>(), [3, 5, 2]);
    assert_eq!(ids(&claim.suppressed), [1]);
    assert_eq!(ids(&claim.expired), [4]);
    // Left to the caller to report, they stand where they stood.
    assert_eq!(store.effect(EffectId(1)).await.unwrap(), Some((with_consent(1), OutboxStatus::Ready)));
    // Agreed to again, it may go.
    lift(&store, vec![(ProfileId(1), Lifted { key, up_to: Offset(60) })]).await;
    assert_eq!(taken(&store, 100, 10).await, [1]);
}

async fn an_effect_goes_through_its_states(database: TestDatabase) {
    let store = database.open().await;
    decide(&store, vec![effect(1, 10), effect(2, 20), effect(3, 30)]).await;
    assert_eq!(store.claim("crm", Timestamp(100), &Room::of(1)).await.unwrap().taken[0].attempts, 0);
    assert_eq!(store.taken("crm").await.unwrap().len(), 1);
    assert_eq!(store.taken("email").await.unwrap(), []);
    // Another try later.
    update(&store, 1, OutboxStatus::Ready, Some(700), Some("503")).await;
    assert_eq!(store.taken("crm").await.unwrap(), []);
    assert_eq!(taken(&store, 699, 10).await, [2, 3]);
    let claim = store.claim("crm", Timestamp(700), &Room::of(10)).await.unwrap();
    assert_eq!(claim.taken.iter().map(|one| (one.effect.id.0, one.attempts)).collect::<Vec<_>>(), [(1, 1)]);
    update(&store, 1, OutboxStatus::Sent, None, None).await;
    update(&store, 2, OutboxStatus::Failed, None, Some("410: gone")).await;
    update(&store, 3, OutboxStatus::Unknown, None, Some("silence")).await;
    assert_eq!(store.outbox_open().await.unwrap(), 0);
    assert_eq!(taken(&store, 10_000, 10).await, []);
    let failed = store.outbox(Some(OutboxStatus::Failed), 10).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].effect.clone(), failed[0].attempts), (effect(2, 20), 1));
    assert_eq!((failed[0].detail.as_deref(), failed[0].updated_at), (Some("410: gone"), Timestamp(500)));
    let newest_first: Vec<_> = store.outbox(None, 2).await.unwrap().iter().map(|item| item.effect.id.0).collect();
    assert_eq!(newest_first, [3, 2]);
}

async fn an_audience_change_waits_for_the_one_before_and_holds_up_nobody_else(database: TestDatabase) {
    let store = database.open().await;
    let change = |id, person, decided_at| Effect {
        profile: ProfileId(person),
        body: EffectBody::Audience { audience: "vip".to_owned(), add: true, identifiers: BTreeMap::new(), change: 1 },
        ..effect(id, decided_at)
    };
    // Two people whose first change is to be tried again later, with a second change behind it; then a third person.
    decide(&store, vec![change(1, 1, 10), change(2, 2, 10), change(3, 1, 20), change(4, 2, 20), change(5, 3, 30)])
        .await;
    assert_eq!(taken(&store, 15, 2).await, [1, 2]);
    for id in [1, 2] {
        update(&store, id, OutboxStatus::Ready, Some(900), Some("503")).await;
    }
    assert_eq!(taken(&store, 100, 2).await, [5]);
    assert_eq!(taken(&store, 100, 2).await, []);
    assert_eq!(taken(&store, 900, 10).await, [1, 2]);
    update(&store, 1, OutboxStatus::Sent, None, None).await;
    assert_eq!(taken(&store, 900, 10).await, [3]);
}

/// Two handles on one database, as two processes would have, each with claims under way at once.
async fn claims_side_by_side_never_take_one_effect_twice(database: TestDatabase) {
    const EFFECTS: u128 = 300;
    let stores = [database.open().await, database.open().await];
    decide(&stores[0], (1..=EFFECTS).map(|id| effect(id, 10)).collect()).await;
    let mut claimers = tokio::task::JoinSet::new();
    for claimer in 0..6 {
        let store = stores[claimer % 2].clone();
        claimers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let more = taken(&store, 100, 7).await;
                // An empty claim may only mean that others hold the rest just now.
                if more.is_empty() && store.outbox(Some(OutboxStatus::Ready), 1).await.unwrap().is_empty() {
                    return mine;
                }
                mine.extend(more);
            }
        });
    }
    let mut times: BTreeMap<u128, u32> = BTreeMap::new();
    for id in claimers.join_all().await.into_iter().flatten() {
        *times.entry(id).or_default() += 1;
    }
    assert_eq!(times.len(), EFFECTS as usize);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
}

async fn what_failed_is_sent_again_and_what_shall_not_leave_is_dropped(database: TestDatabase) {
    let store = database.open().await;
    let old = Effect { expires_at: Some(Timestamp(500)), ..effect(4, 10) };
    let elsewhere = Effect { destination: "email".to_owned(), ..effect(5, 10) };
    decide(&store, vec![effect(1, 10), effect(2, 10), effect(3, 10), old, elsewhere]).await;
    for (id, status) in [
        (1, OutboxStatus::Failed),
        (2, OutboxStatus::Unknown),
        (3, OutboxStatus::Sent),
        (4, OutboxStatus::Failed),
        (5, OutboxStatus::Failed),
    ] {
        update(&store, id, status, None, Some("503")).await;
    }
    let at_crm = Selection { destination: Some("crm".to_owned()), ..Selection::default() };
    // What was sent stays sent, and what is too old stays where it is.
    assert_eq!(store.retry_effects(&at_crm, Timestamp(600)).await.unwrap(), 2);
    assert_eq!(store.retry_effects(&at_crm, Timestamp(600)).await.unwrap(), 0, "they are ready already");
    assert_eq!(taken(&store, 599, 10).await, [] as [u128; 0]);
    let claim = store.claim("crm", Timestamp(600), &Room::of(1)).await.unwrap();
    assert_eq!((claim.taken[0].effect.id.0, claim.taken[0].attempts), (1, 0), "as if it had not been tried");
    // 1 is under way, 2 waits, 4 failed for good.
    assert_eq!(store.drop_effects(&at_crm, Timestamp(700)).await.unwrap(), 2);
    assert_eq!(taken(&store, 800, 10).await, [] as [u128; 0]);
    let one = Selection { effects: vec![EffectId(5)], ..Selection::default() };
    assert_eq!(store.drop_effects(&one, Timestamp(700)).await.unwrap(), 1);
    let dropped = Selection { statuses: vec![OutboxStatus::Dropped], ..Selection::default() };
    let dropped = store.outbox_of(&dropped, 10).await.unwrap();
    assert_eq!(dropped.iter().map(|item| item.effect.id.0).collect::<Vec<_>>(), [2, 4, 5]);
    assert!(dropped.iter().all(|item| item.detail.as_deref() == Some("dropped, by hand")));
}

/// More than one statement holds, with every kind of news among them.
async fn many_are_looked_at_and_told_of_in_one_transaction(database: TestDatabase) {
    const EFFECTS: u128 = 301;
    let store = database.open().await;
    let key = ConsentKey::Topic { topic: "news".to_owned(), channel: "email".to_owned() };
    let consent = EffectConsent { key: key.clone(), class: MessageClass::Marketing };
    let asks = |id| Effect { consent: Some(consent.clone()), ..effect(id, 10) };
    decide(&store, (1..=EFFECTS).map(asks).collect()).await;
    // All are refused, some of them twice, and all but every third are lifted again.
    let refused = |id: u128| {
        let word = |entry| Deny { profile: ProfileId(id), key: key.clone(), entry: Offset(entry) };
        if id.is_multiple_of(2) { vec![word(60), word(50)] } else { vec![word(50)] }
    };
    store.append(&Append { denies: (1..=EFFECTS).flat_map(refused).collect(), ..Append::default() }).await.unwrap();
    let lifted = (1..=EFFECTS).map(|id| {
        let up_to = Offset(if id.is_multiple_of(3) { 49 } else { 60 });
        (ProfileId(id), Lifted { key: key.clone(), up_to })
    });
    lift(&store, lifted.collect()).await;
    let claim = store.claim("crm", Timestamp(100), &Room::of(1_000)).await.unwrap();
    let suppressed: Vec<_> = claim.suppressed.iter().map(|effect| effect.id.0).collect();
    assert_eq!(suppressed, (1..=EFFECTS).filter(|id| id.is_multiple_of(3)).collect::<Vec<_>>());
    assert_eq!(claim.taken.len() + suppressed.len(), EFFECTS as usize);
    let news = |id: u128, status, not_before: Option<i64>| OutboxUpdate {
        effect: EffectId(id),
        status,
        not_before: not_before.map(Timestamp),
        detail: id.is_multiple_of(5).then(|| format!("why {id}")),
        at: Timestamp(200 + id as i64),
    };
    let taken: Vec<u128> = claim.taken.iter().map(|one| one.effect.id.0).collect();
    let mut outbox = Vec::new();
    for id in &taken {
        // Even ones are to be tried again; odd ones too, until what is said after it says that they were sent.
        outbox.push(news(*id, OutboxStatus::Ready, Some(1_000 + *id as i64)));
        if id % 2 == 1 {
            outbox.push(news(*id, OutboxStatus::Sent, None));
        }
    }
    store.append(&Append { outbox, ..Append::default() }).await.unwrap();
    for item in store.outbox(None, 1_000).await.unwrap().iter().filter(|item| taken.contains(&item.effect.id.0)) {
        let id = item.effect.id.0;
        assert_eq!(item.status, if id % 2 == 1 { OutboxStatus::Sent } else { OutboxStatus::Ready }, "{id}");
        assert_eq!(item.detail, id.is_multiple_of(5).then(|| format!("why {id}")));
        assert_eq!(item.updated_at, Timestamp(200 + id as i64));
    }
    let next = store.claim("crm", Timestamp(1_000), &Room::of(1)).await.unwrap();
    assert_eq!(next.next, Some(Timestamp(1_002)), "each waits for its own instant");
}

fn of_journey(journey: &str, id: u128, decided_at: i64, class: MessageClass) -> Effect {
    let key = ConsentKey::Topic { topic: journey.to_owned(), channel: "email".to_owned() };
    Effect {
        origin: Some(Origin { journey: journey.to_owned(), run: RunId(id), step: "hello".to_owned() }),
        consent: Some(EffectConsent { key, class }),
        ..effect(id, decided_at)
    }
}

async fn journeys_take_turns_however_much_one_of_them_has_waiting(database: TestDatabase) {
    let store = database.open().await;
    let campaign = |id| of_journey("campaign", id, 10, MessageClass::Marketing);
    decide(&store, (1..=2_000).map(campaign).collect()).await;
    let late = vec![
        of_journey("birthday", 3_001, 90, MessageClass::Marketing),
        of_journey("welcome", 3_002, 95, MessageClass::Marketing),
        of_journey("order", 3_003, 99, MessageClass::Transactional),
        of_journey("order", 3_004, 99, MessageClass::Transactional),
    ];
    decide(&store, late).await;
    // The order's confirmations go first; then each journey has its turn, though the campaign has waited longer.
    assert_eq!(taken(&store, 100, 6).await, [3_003, 3_004, 3_001, 1, 3_002, 2]);
    // One at a time as well, since each claim goes on after the lane that was served last.
    let late = [("birthday", 3_005), ("welcome", 3_006), ("birthday", 3_007)];
    let late = late.map(|(journey, id)| of_journey(journey, id, 99, MessageClass::Marketing));
    decide(&store, late.into()).await;
    let (mut served, mut order) = (None, Vec::new());
    for _ in 0..6 {
        let claim = store.claim("crm", Timestamp(100), &Room { served, ..Room::of(1) }).await.unwrap();
        served = claim.served;
        order.extend(claim.taken.iter().map(|one| one.effect.id.0));
    }
    assert_eq!(order, [3_005, 3, 3_006, 3_007, 4, 5]);
    // An empty claim forgets nothing.
    let nothing = store.claim("email", Timestamp(100), &Room { served: served.clone(), ..Room::of(1) }).await.unwrap();
    assert_eq!(nothing.served, served);
}

async fn what_is_beyond_a_domains_limit_is_put_aside_and_comes_back(database: TestDatabase) {
    let store = database.open().await;
    let mail = |id: u128, domain: &str| Effect {
        body: EffectBody::Email {
            to: format!("someone{id}@{domain}"),
            template: "t".to_owned(),
            subject: "s".to_owned(),
            variables: ValueMap::new(),
        },
        ..effect(id, 10)
    };
    let mut mails: Vec<Effect> = (1..=400).map(|id| mail(id, "Big.example")).collect();
    mails.push(mail(401, "small.example"));
    decide(&store, mails).await;
    let claim = async |known: &[(&str, usize)], queues: &[&str]| {
        let known = known.iter().map(|(domain, room)| ((*domain).to_owned(), *room)).collect();
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        let domains = Domains { room: DomainRoom { known, others: 2 }, queues };
        let room = Room { domains: Some(domains), ..Room::of(4) };
        let claim = store.claim("crm", Timestamp(100), &room).await.unwrap();
        let ids: Vec<u128> = claim.taken.iter().map(|one| one.effect.id.0).collect();
        (ids, claim.aside.into_iter().collect::<Vec<_>>(), claim.drained)
    };
    // A domain that was not met before has room for two. What is beyond it steps aside in its hundreds.
    assert_eq!(claim(&[], &[]).await, (vec![1, 2], vec!["big.example".to_owned()], vec![]));
    // So the other domain is reached soon, and what stepped aside is not met again.
    assert_eq!(claim(&[("big.example", 0)], &[]).await, (vec![401], vec!["big.example".to_owned()], vec![]));
    assert_eq!(claim(&[("big.example", 0)], &[]).await, (vec![], vec![], vec![]));
    assert_eq!(store.queues("crm").await.unwrap(), ["big.example".to_owned()].into());
    assert_eq!(store.outbox(Some(OutboxStatus::Ready), 1_000).await.unwrap().len(), 398, "they are ready as before");
    // Where there is room again, its own queue is asked.
    let (ids, aside, drained) = claim(&[("big.example", 3)], &["big.example", "gone.example"]).await;
    assert_eq!((ids, aside), (vec![3, 4, 5], vec!["big.example".to_owned()]));
    assert_eq!(drained, ["gone.example"]);
    // What is tried again later stands in the queue of all until then.
    update(&store, 3, OutboxStatus::Ready, Some(90), Some("421")).await;
    assert_eq!(claim(&[("big.example", 1)], &[]).await.0, [3]);
    // Room that nobody limits takes everything.
    let queues = vec!["big.example".to_owned()];
    let domains = Domains { room: DomainRoom { known: BTreeMap::new(), others: usize::MAX }, queues };
    let all = store.claim("crm", Timestamp(100), &Room { domains: Some(domains), ..Room::of(500) }).await.unwrap();
    assert_eq!(all.taken.len(), 395);
    assert_eq!(store.queues("crm").await.unwrap(), [].into());
}

async fn of_two_audience_changes_of_one_instant_the_first_leaves_first(database: TestDatabase) {
    let store = database.open().await;
    let nth = |id, change| Effect {
        profile: ProfileId(1),
        body: EffectBody::Audience { audience: "vip".to_owned(), add: true, identifiers: BTreeMap::new(), change },
        ..effect(id, 10)
    };
    // Ids are hashes: they say nothing of the order.
    decide(&store, vec![nth(9, 1), nth(5, 2), nth(7, 3)]).await;
    for expected in [9, 5, 7] {
        assert_eq!(taken(&store, 100, 10).await, [expected]);
        assert_eq!(taken(&store, 100, 10).await, [] as [u128; 0], "while it is under way");
        update(&store, expected, OutboxStatus::Sent, None, None).await;
    }
}

async fn what_waited_before_there_were_turns_gets_its_turn(database: TestDatabase) {
    let store = database.open().await;
    let of = |journey, id| of_journey(journey, id, 10, MessageClass::Marketing);
    decide(&store, vec![of("a", 1), of("a", 2), of("b", 3), effect(4, 90)]).await;
    store.close().await;
    database.tamper("DROP INDEX outbox_turn").await;
    for column in ["lane", "queue", "ordinal"] {
        database.tamper(&format!("ALTER TABLE outbox DROP COLUMN {column}")).await;
    }
    database.tamper("DELETE FROM seaql_migrations WHERE version = 'outbox_turns'").await;
    let store = database.open().await;
    assert_eq!(taken(&store, 100, 3).await, [4, 1, 3]);
    decide(&store, vec![of("b", 5)]).await;
    assert_eq!(taken(&store, 100, 3).await, [2, 5]);
}

async fn what_was_denied_by_time_stays_denied_by_entry(database: TestDatabase) {
    let store = database.open().await;
    let key = ConsentKey::Topic { topic: "news".to_owned(), channel: "email".to_owned() };
    let about = EffectConsent { key: key.clone(), class: MessageClass::Marketing };
    decide(&store, vec![Effect { consent: Some(about), ..effect(1, 10) }]).await;
    let (target, body) = (Target::Profile(ProfileId(1)), EntryBody::Erased);
    let entries = vec![Entry { offset: Offset(1), received_at: Timestamp(5), target, body }];
    let denies = vec![Deny { profile: ProfileId(1), key: key.clone(), entry: Offset(1) }];
    store.append(&Append { entries, denies, ..Append::default() }).await.unwrap();
    store.close().await;
    database.tamper("ALTER TABLE deny DROP COLUMN entry").await;
    database.tamper("ALTER TABLE deny ADD COLUMN at bigint NOT NULL DEFAULT 5").await;
    database.tamper("DELETE FROM seaql_migrations WHERE version = 'denied_by_entry'").await;
    let store = database.open().await;
    lift(&store, vec![(ProfileId(1), Lifted { key: key.clone(), up_to: Offset(0) })]).await;
    assert_eq!(store.claim("crm", Timestamp(100), &Room::of(10)).await.unwrap().suppressed.len(), 1);
    lift(&store, vec![(ProfileId(1), Lifted { key, up_to: Offset(2) })]).await;
    assert_eq!(taken(&store, 100, 10).await, [1]);
}

async fn of_an_audience_update_that_is_dropped_the_person_hears(database: TestDatabase) {
    let store = database.open().await;
    let change = Effect {
        body: EffectBody::Audience { audience: "vip".to_owned(), add: true, identifiers: BTreeMap::new(), change: 1 },
        ..effect(7, 10)
    };
    decide(&store, vec![change, effect(8, 10)]).await;
    assert_eq!(store.drop_effects(&Selection::default(), Timestamp(50)).await.unwrap(), 2);
    let relays = store.pending_relays(10).await.unwrap();
    let [relay] = relays.as_slice() else { panic!("{relays:?}") };
    let EntryBody::Event(event) = &relay.body else { panic!("{relay:?}") };
    assert_eq!((relay.to, event.name.as_str()), (ProfileId(7), "Audience Sync Dropped"));
    assert_eq!(event.properties["effect_id"], Value::from(EffectId(7).to_string().as_str()));
    assert_eq!(store.drop_effects(&Selection::default(), Timestamp(60)).await.unwrap(), 0);
    assert_eq!(store.pending_relays(10).await.unwrap().len(), 1);
}

async fn nothing_is_taken_while_sending_is_held(database: TestDatabase) {
    let store = database.open().await;
    decide(&store, vec![effect(1, 10), effect(2, 20), effect(3, 30)]).await;
    let hold = Hold { since: Timestamp(25), reason: "a copy".to_owned() };
    store.hold_sending(&hold).await.unwrap();
    assert_eq!(taken(&store, 100, 10).await, [] as [u128; 0]);
    assert_eq!(store.sending_hold().await.unwrap(), Some(hold));
    let dropped = store.resume_sending(Drop::DecidedBefore(Timestamp(20)), Timestamp(100)).await.unwrap();
    assert_eq!(dropped, Some(1));
    assert_eq!(taken(&store, 100, 10).await, [2, 3]);
    assert_eq!(store.resume_sending(Drop::Nothing, Timestamp(100)).await.unwrap(), None);
}
