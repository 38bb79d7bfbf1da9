//! The oracle: what must hold after every run, judged from outside and by a replay from zero through the engine alone.

use std::collections::{BTreeMap, BTreeSet};

use tidewater::engine::backfill::{self, Past};
use tidewater::engine::{Effect, Profile, Skips, Transition, snapshot};
use tidewater::lang::rules::MessageClass;
use tidewater::model::{EffectId, Entry, EntryBody, Offset, ProfileId, Target, Timestamp};
use tidewater::store::outbox::OutboxStatus;
use tidewater::workspace::Program;

use super::run::Outcome;

pub fn check(outcome: &Outcome) {
    every_accepted_event_counts_once(outcome);
    a_replay_from_zero_agrees(outcome);
    effects_are_carried_out_as_promised(outcome);
    nothing_leaves_after_a_withdrawal(outcome);
}

fn every_accepted_event_counts_once(outcome: &Outcome) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, message) in outcome.durable.history.values() {
        *times.entry(message).or_default() += 1;
    }
    for id in &outcome.acked {
        assert_eq!(times.get(id.as_str()), Some(&1), "{id} was accepted, and counts once: {}", story(outcome, id));
    }
    for id in &outcome.sent {
        assert!(times.get(id.as_str()).is_none_or(|times| *times == 1), "{id} counts at most once");
    }
    assert!(outcome.durable.poison.is_empty(), "nothing was set aside");
}

/// What the journal tells of a message, for a failing seed.
fn story(outcome: &Outcome, message: &str) -> String {
    let mut lines = vec![String::new()];
    for entry in &outcome.durable.journal {
        let told = match &entry.body {
            EntryBody::Event(event) if event.message_id == message => format!("{} {:?}", event.name, event.user_id),
            EntryBody::MergeAway { winner } => format!("goes to {winner}"),
            EntryBody::Absorb { loser, .. } => format!("takes in {loser}"),
            _ => continue,
        };
        let counts = outcome.durable.history.get(&entry.offset).map(|(profile, _)| profile.to_string());
        lines.push(format!("{} {:?} {told}, counts for {counts:?}", entry.offset.0, entry.target));
    }
    lines.join("\n")
}

/// The engine alone, over the whole journal, in its order.
#[derive(Default)]
struct Replay {
    profiles: BTreeMap<ProfileId, Profile>,
    effects: BTreeMap<EffectId, Effect>,
    changes: BTreeSet<(ProfileId, String, Timestamp, bool)>,
    /// What counted, for whom.
    counted: Vec<(ProfileId, Past)>,
    /// Who was merged into whom, by which entry.
    merges: BTreeMap<ProfileId, (ProfileId, Offset)>,
}

impl Replay {
    fn note(&mut self, profile: ProfileId, transition: Transition) {
        self.effects.extend(transition.effects.into_iter().map(|effect| (effect.id, effect)));
        let changes = transition.memberships.into_iter();
        self.changes.extend(changes.map(|change| (profile, change.segment, change.at, change.entered)));
        for entry in transition.released {
            self.count(profile, &entry);
        }
    }

    fn count(&mut self, profile: ProfileId, entry: &Entry) {
        self.counted.extend(Past::of(entry).map(|past| (profile, past)));
    }

    /// Everything that ever counted for a profile or one that became part of it.
    fn past(&self, owner: ProfileId) -> Vec<Past> {
        let of_owner = |(profile, past): &(ProfileId, Past)| {
            let (mut at, mut joined) = (*profile, Offset(0));
            while at != owner {
                let (winner, merge) = self.merges.get(&at)?;
                (at, joined) = (*winner, joined.max(*merge));
            }
            Some(Past { joined, ..past.clone() })
        };
        self.counted.iter().filter_map(of_owner).collect()
    }

    fn fill(&mut self, id: ProfileId, profile: &mut Profile, program: &Program) {
        while backfill::is_unfilled(profile) {
            let filled = backfill::fill(profile, program, &self.past(id));
            self.note(id, filled);
        }
    }
}

fn a_replay_from_zero_agrees(outcome: &Outcome) {
    let skips = Skips::of_journal(&outcome.durable.journal);
    let mut replay = Replay::default();
    let mut program = outcome.programs.values().next().expect("a program");
    for entry in &outcome.durable.journal {
        let before = program;
        if let EntryBody::Deploy(deploy) = &entry.body {
            program = &outcome.programs[&deploy.version];
        }
        let concerned: Vec<ProfileId> = match entry.target {
            Target::Profile(profile) => vec![profile],
            Target::Everyone => replay.profiles.keys().copied().collect(),
        };
        for id in concerned {
            let mut profile = replay.profiles.remove(&id).unwrap_or_else(|| Profile::new(id));
            if matches!(entry.body, EntryBody::Deploy(_)) {
                let fired = skips.fire(&mut profile, before, Timestamp(entry.received_at.0 - 1));
                replay.note(id, fired);
            }
            if let EntryBody::MergeAway { winner } = &entry.body {
                replay.merges.entry(id).or_insert((*winner, entry.offset));
            }
            let applied = skips.apply(&mut profile, program, entry);
            if applied.recorded {
                replay.count(id, entry);
            }
            replay.note(id, applied);
            replay.fill(id, &mut profile, program);
            replay.profiles.insert(id, profile);
        }
    }
    for (id, mut profile) in std::mem::take(&mut replay.profiles) {
        let fired = skips.fire(&mut profile, program, outcome.end);
        replay.note(id, fired);
        replay.profiles.insert(id, profile);
    }
    let kept: BTreeMap<ProfileId, String> =
        outcome.durable.profiles.iter().map(|(id, saved)| (*id, text(&saved.snapshot))).collect();
    let replayed: BTreeMap<ProfileId, String> =
        replay.profiles.iter().map(|(id, profile)| (*id, text(&snapshot::encode(profile)))).collect();
    for (id, replayed) in &replayed {
        assert_eq!(kept.get(id), Some(replayed), "the saved state of {id} and that of a replay from zero");
    }
    assert_eq!(kept.len(), replayed.len(), "who is known");
    for (id, saved) in &outcome.durable.profiles {
        assert_eq!(saved.wake, replay.profiles[id].wake(), "the wake of {id}");
        assert!(saved.wake.is_none_or(|wake| wake > outcome.end), "every wake that was due was fired");
    }
    let decided: Vec<&Effect> = outcome.durable.outbox.values().map(|item| &item.effect).collect();
    assert_eq!(decided, replay.effects.values().collect::<Vec<_>>(), "effects, by id");
    let changes: BTreeSet<_> = outcome.durable.changes.keys().cloned().collect();
    assert_eq!(changes, replay.changes, "changes of memberships");
    let members = replay.profiles.iter().flat_map(|(id, profile)| {
        profile.memberships().map(|(segment, since)| ((*id, segment.to_owned()), since)).collect::<Vec<_>>()
    });
    assert_eq!(outcome.durable.memberships, members.collect(), "memberships");
}

fn text(snapshot: &[u8]) -> String {
    String::from_utf8_lossy(snapshot).into_owned()
}

fn effects_are_carried_out_as_promised(outcome: &Outcome) {
    let receipts = outcome.world.receipts.lock().unwrap();
    let mut taken: BTreeMap<EffectId, usize> = BTreeMap::new();
    for receipt in receipts.iter() {
        let item = outcome.durable.outbox.get(&receipt.effect.id);
        assert!(item.is_some_and(|item| item.effect == receipt.effect), "what leaves was decided: {receipt:?}");
        *taken.entry(receipt.effect.id).or_default() += usize::from(receipt.is_taken);
    }
    for item in outcome.durable.outbox.values() {
        let times = taken.get(&item.effect.id).copied().unwrap_or_default();
        let is_marketing = item.effect.consent.as_ref().is_some_and(|consent| consent.class == MessageClass::Marketing);
        assert!(!is_marketing || times <= 1, "a marketing message leaves once at most: {item:?}");
        match item.status {
            OutboxStatus::Sent => assert!(times >= 1, "what counts as sent has arrived: {item:?}"),
            OutboxStatus::Ready | OutboxStatus::Taken => panic!("nothing is left lying: {item:?}"),
            OutboxStatus::Dropped => panic!("nobody dropped anything: {item:?}"),
            OutboxStatus::Failed | OutboxStatus::Unknown | OutboxStatus::Suppressed | OutboxStatus::Expired => {}
        }
    }
}

fn nothing_leaves_after_a_withdrawal(outcome: &Outcome) {
    let durable = &outcome.durable;
    for (user, place) in &outcome.withdrawn {
        let person = durable.survivor(durable.identities[&("user_id".to_owned(), user.clone())]);
        for (effect, claimed) in outcome.world.claims.lock().unwrap().iter() {
            let effect = &durable.outbox[effect].effect;
            let is_theirs = durable.survivor(effect.profile) == person && effect.consent.is_some();
            // A merge that comes later may join somebody who had not withdrawn: until then they are two people.
            let is_same = effect.profile == person;
            assert!(!(is_theirs && is_same && claimed > place), "{user} withdrew, and {effect:?} left all the same");
        }
    }
}
