//! Two profiles that turn out to be one person. The loser hands over its state and forwards what still comes; the
//! winner takes it in. Each half is one entry, so each happens once.

use crate::model::{EffectId, EntryBody, ProfileId, Snapshot, SortedMap};

use super::aggregates::AggregateState;
use super::audiences::UNDER_WAY;
use super::consent::{set_consent, stricter};
use super::observe::{note_event, note_moment};
use super::profile::{Consent, Profile, Run};
use super::snapshot;
use super::transition::{Fact, MembershipChange, Relay};
use super::turn::Turn;

impl Turn<'_> {
    /// The loser's half. Its memberships end here: it is nobody any more.
    pub(super) fn hand_over(&mut self, winner: ProfileId) {
        let body = EntryBody::Absorb { loser: self.profile.id, snapshot: Snapshot(snapshot::encode(self.profile)) };
        self.out.relays.push(Relay { id: format!("merge:{}", self.profile.id), to: winner, body });
        for (segment, _) in std::mem::take(&mut self.profile.memberships) {
            self.out.memberships.push(MembershipChange { segment, entered: false, at: self.now, cause: self.cause });
        }
        let (id, applied, clock) = (self.profile.id, self.profile.applied, self.profile.clock);
        *self.profile = Profile { applied, clock, merged_into: Some(winner), ..Profile::new(id) };
        self.calendar = self.profile.calendar(self.program);
    }

    /// The winner's half.
    pub(super) fn absorb(&mut self, loser: ProfileId, Snapshot(lost): &Snapshot) {
        let Ok(lost) = snapshot::decode(lost) else {
            self.out.facts.push(Fact::Saturated { what: format!("unreadable state of {loser}"), at: self.now });
            return;
        };
        let before = self.declared_values(lost.trait_times.keys());
        self.absorb_traits(&lost);
        self.mark_changed(&before);
        self.absorb_behaviour(&lost);
        self.absorb_consent(&lost.consents);
        if self.profile.user_id.is_none() {
            self.profile.user_id.clone_from(&lost.user_id);
        }
        for (name, value) in lost.account {
            self.profile.account.or_insert_with(name, || value);
        }
        self.profile.seen.join(lost.seen);
        self.absorb_audiences(loser, lost.audiences);
        self.absorb_starts(lost.starts);
        self.profile.goals.extend(lost.goals);
        self.absorb_runs(lost.runs);
        self.dirty_all();
        self.mirror_all();
        self.settle_segments();
    }

    /// Of two values of a trait the one set later stays.
    fn absorb_traits(&mut self, lost: &Profile) {
        for (name, moment) in &lost.trait_times {
            if self.profile.trait_times.get(name).is_some_and(|ours| ours >= moment) {
                continue;
            }
            self.profile.trait_times.insert(name.clone(), *moment);
            match lost.traits.get(name) {
                Some(value) => self.profile.traits.insert(name.clone(), value.clone()),
                None => self.profile.traits.remove(name),
            };
        }
    }

    fn absorb_behaviour(&mut self, lost: &Profile) {
        let program = self.program;
        let (rules, calendar) = (&program.rules, self.profile.calendar(program));
        self.profile.ends.forget();
        // What no rule asks for any more is forgotten here.
        for (key, theirs) in &lost.trails {
            let Some(index) = rules.readers.trail_of_key.get(key) else { continue };
            let ours = self.profile.trails.or_default(*key);
            for moment in theirs {
                note_moment(&rules.trails[index.at()], ours, *moment, calendar);
            }
        }
        for (key, theirs) in &lost.aggregates {
            let Some(index) = rules.readers.aggregate_of_key.get(key) else { continue };
            let aggregate = &rules.aggregates[index.at()];
            let ours = self.profile.aggregates.or_insert_with(*key, || AggregateState::empty(aggregate));
            if ours.add_up(&aggregate.measure, theirs) {
                let what = self.aggregate_name(*index);
                self.out.facts.push(Fact::Saturated { what, at: self.now });
            }
        }
        for (key, theirs) in &lost.recalls {
            let Some(index) = rules.readers.recall_of_key.get(key) else { continue };
            let ours = self.profile.recalls.or_default(*key);
            for event in theirs {
                note_event(&rules.recalls[index.at()], ours, event.clone());
            }
        }
        // The standing of the winner stays: it was worked out of what the winner had.
        for (key, theirs) in &lost.held {
            let since = self.profile.held.or_insert_with(*key, || *theirs);
            *since = (*since).min(*theirs);
        }
        self.settle_holds();
    }

    fn absorb_consent(&mut self, theirs: &[Consent]) {
        for said in theirs {
            let ours = self.profile.consents.iter().find(|consent| consent.key == said.key);
            let strict = ours.map_or_else(|| said.clone(), |ours| stricter(ours, said));
            self.profile.consents.retain(|consent| consent.key != said.key);
            set_consent(&mut self.profile.consents, strict);
            self.lift(said.key.clone());
        }
    }

    /// What the far side holds of the loser it holds of the winner now: the same person.
    fn absorb_audiences(&mut self, loser: ProfileId, theirs: SortedMap<String, super::profile::AudienceState>) {
        for (name, lost) in theirs {
            let ours = self.profile.audiences.or_default(name.clone());
            ours.chosen |= lost.chosen;
            let under_way = lost.under_way.into_iter();
            ours.inherited.extend(under_way.map(|(nth, change)| (EffectId::of_audience(loser, &name, nth), change)));
            ours.inherited.extend(lost.inherited);
            while ours.inherited.len() > UNDER_WAY {
                ours.inherited.pop_first();
            }
            if ours.sent.is_empty() {
                ours.sent = lost.sent;
            } else {
                self.take_out(&name, lost.sent);
            }
        }
    }

    fn absorb_starts(&mut self, theirs: SortedMap<String, SortedMap<String, super::profile::Started>>) {
        for (journey, by_key) in theirs {
            let ours = self.profile.starts.or_default(journey);
            for (key, lost) in by_key {
                let started = ours.or_default(key);
                started.times += lost.times;
                started.last = started.last.max(lost.last);
            }
        }
    }

    /// At most one run a journey and key: the winner's stays.
    fn absorb_runs(&mut self, theirs: Vec<Run>) {
        for run in theirs {
            let is_double = self.profile.runs.iter().any(|ours| ours.journey == run.journey && ours.key == run.key);
            if is_double {
                self.out.facts.push(Fact::RunEnded {
                    run: run.id,
                    journey: run.journey,
                    at: self.now,
                    reason: "merged".to_owned(),
                });
            } else {
                self.profile.runs.push(run);
            }
        }
    }
}
