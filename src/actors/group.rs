//! One group commit in the making: many requests become entries with offsets, and everything that stands or falls with
//! them.

use crate::engine::consent_of_event;
use crate::engine::transition::Relay;
use crate::model::{
    ConsentChange, ConsentKey, ConsentState, Deploy, Entry, EntryBody, Event, Offset, ProfileId, Target, Timestamp,
};
use crate::store::identity::Identifier;
use crate::store::journal::{Append, Deny, Erasure, JournalHead, Quarantined, Retried};
use crate::store::outbox::OutboxUpdate;
use crate::store::quarantine::NOTHING;
use crate::store::{Journal, StoreError};

use super::identity::{Resolution, Resolver, Unresolved};
use super::words::Words;

/// What the sequencer is asked to make durable.
#[derive(Debug, Clone)]
pub(super) enum Request {
    /// Events of a source, to be given to profiles.
    Source {
        events: Vec<Event>,
        quarantined: Vec<Quarantined>,
    },
    /// What is tried again out of the quarantine.
    Retry(Retry),
    /// Events of the platform for known profiles, and what they say about effects.
    Platform {
        events: Vec<(ProfileId, Event)>,
        outbox: Vec<OutboxUpdate>,
    },
    /// A person's word on consent that came by no event.
    Consent(ProfileId, ConsentChange),
    /// A person is to be forgotten; where they are suppressed, for good.
    Erase {
        profile: ProfileId,
        is_suppressed: bool,
    },
    Relays(Vec<Relay>),
    /// A schedule of this name came up at `at`; this is what it says to everyone.
    ScheduleFired {
        schedule: String,
        at: Timestamp,
        body: EntryBody,
    },
    Deploy(Deploy),
}

/// What is tried again out of the quarantine, and what becomes of its rows: both are durable together.
#[derive(Debug, Clone, Default)]
pub struct Retry {
    /// Events that intake takes now, to be given to profiles, each with the id of its row.
    pub events: Vec<(String, Event)>,
    /// What the engine failed on, each for its profile.
    pub entries: Vec<(ProfileId, EntryBody)>,
    /// What is wrong with some of the events that are taken.
    pub noted: Vec<Quarantined>,
    /// Whether somebody changed the events before: what is wrong with them says nothing of their rows.
    pub is_mended: bool,
    pub rows: Retried,
}

impl Request {
    /// About how many entries it makes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Source { events, quarantined } => events.len() + quarantined.len(),
            Self::Retry(retry) => retry.events.len() + retry.entries.len() + retry.rows.refused.len(),
            Self::Platform { events, outbox } => events.len().max(outbox.len()),
            Self::Relays(relays) => relays.len(),
            Self::Consent(..) | Self::Erase { .. } | Self::ScheduleFired { .. } | Self::Deploy(_) => 1,
        }
    }
}

impl Request {
    /// Whether nothing else may be in its group: who comes after it is resolved by what it leaves.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Erase { .. })
    }
}

/// A group, and where each of its requests ends in it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) append: Append,
    pub(super) ends: Vec<End>,
}

/// The end of a request in its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// Of its last entry.
    pub(super) offset: Offset,
    /// Rows for the quarantine up to here.
    pub(super) quarantined: usize,
}

/// Turns requests into a group that continues the journal at `head`.
pub(super) async fn build(
    journal: &dyn Journal,
    resolver: &mut Resolver,
    head: JournalHead,
    received_at: Timestamp,
    requests: Vec<Request>,
) -> Result<Group, StoreError> {
    let mut events: Vec<&Event> = Vec::new();
    for request in &requests {
        match request {
            Request::Source { events: of_source, .. } => events.extend(of_source),
            Request::Retry(retry) => events.extend(retry.events.iter().map(|(_, event)| event)),
            _ => {}
        }
    }
    resolver.prepare(journal, &events).await?;
    let words = std::mem::take(&mut resolver.words);
    let mut maker = Maker { append: Append::default(), last: head.offset, received_at, words };
    let mut ends = Vec::with_capacity(requests.len());
    for request in requests {
        match request {
            Request::Source { events, quarantined } => {
                maker.append.quarantined.extend(quarantined);
                for event in events {
                    maker.source_event(resolver, event);
                }
            }
            Request::Retry(Retry { events, entries, noted, is_mended, rows }) => {
                maker.append.quarantined.extend(noted);
                maker.append.retried.taken.extend(rows.taken);
                maker.append.retried.refused.extend(rows.refused);
                for (id, event) in events {
                    maker.event_again(resolver, id, event, is_mended);
                }
                for (profile, body) in entries {
                    match body {
                        EntryBody::Event(event) => {
                            let profile = reached(journal, resolver, profile).await?;
                            maker.event_for(resolver, profile, event);
                        }
                        EntryBody::Consent(change) => {
                            let profile = reached(journal, resolver, profile).await?;
                            maker.consent(resolver, profile, change);
                        }
                        // What was handed over goes to whom it was promised.
                        body => maker.push(Target::Profile(profile), body),
                    }
                }
            }
            Request::Platform { events, outbox } => {
                maker.append.outbox.extend(outbox);
                for (profile, event) in events {
                    maker.event_for(resolver, profile, event);
                }
            }
            Request::Consent(profile, change) => {
                maker.consent(resolver, reached(journal, resolver, profile).await?, change);
            }
            Request::Erase { profile, is_suppressed } => {
                let profile = reached(journal, resolver, profile).await?;
                if !resolver.is_erased(profile) {
                    let lineage = journal.lineage(profile).await?;
                    resolver.erase(&lineage);
                    maker.erase(lineage, is_suppressed);
                }
            }
            Request::Relays(relays) => {
                for relay in relays {
                    // What was handed over goes to whom it was promised, who may wait for it.
                    let is_promised = matches!(relay.body, EntryBody::Absorb { .. } | EntryBody::Skip(_));
                    let to = if is_promised { relay.to } else { resolver.surviving(relay.to) };
                    if is_promised || !resolver.is_erased(to) {
                        if let Some((key, state)) = consent_of(&relay.body) {
                            maker.words.forget(to, &key);
                            maker.deny(to, key, state);
                        }
                        maker.push(Target::Profile(to), relay.body);
                    }
                    maker.append.relayed.push(relay.id);
                }
            }
            Request::ScheduleFired { schedule, at, body } => {
                maker.append.schedules_fired.push((schedule, at));
                maker.push(Target::Everyone, body);
            }
            Request::Deploy(deploy) => maker.push(Target::Everyone, EntryBody::Deploy(deploy)),
        }
        ends.push(End { offset: maker.last, quarantined: maker.append.quarantined.len() });
    }
    resolver.words = maker.words;
    Ok(Group { append: maker.append, ends })
}

/// Whom a profile is part of by now. What a person says about consent must reach the profile that is asked when something
/// is sent; all else would be forwarded by the merged profile anyway.
async fn reached(journal: &dyn Journal, resolver: &Resolver, profile: ProfileId) -> Result<ProfileId, StoreError> {
    Ok(resolver.surviving(journal.surviving_profile(resolver.surviving(profile)).await?))
}

/// What an entry says about consent, if anything.
fn consent_of(body: &EntryBody) -> Option<(ConsentKey, ConsentState)> {
    match body {
        EntryBody::Event(event) => consent_of_event(&event.name, &event.properties),
        EntryBody::Consent(change) => Some((change.key.clone(), change.state)),
        _ => None,
    }
}

struct Maker {
    append: Append,
    last: Offset,
    received_at: Timestamp,
    words: Words,
}

impl Maker {
    fn push(&mut self, target: Target, body: EntryBody) {
        self.last = Offset(self.last.0 + 1);
        self.append.entries.push(Entry { offset: self.last, received_at: self.received_at, target, body });
    }

    fn source_event(&mut self, resolver: &mut Resolver, event: Event) {
        match resolver.resolve(&event) {
            Ok(found) => self.found(found, event),
            Err(why) => self.quarantine(&event, why),
        }
    }

    /// An event out of the quarantine: its row goes, or stays without it.
    fn event_again(&mut self, resolver: &mut Resolver, id: String, event: Event, is_mended: bool) {
        match resolver.resolve(&event) {
            Ok(found) => {
                self.append.retried.taken.push(id);
                self.found(found, event);
            }
            Err(_) if is_mended => {}
            Err(why) => {
                let (code, mistake) = why.told();
                if why == Unresolved::Unwanted {
                    self.append.retried.emptied.push(id.clone());
                }
                self.append.retried.refused.push((id, code.to_owned(), vec![mistake]));
            }
        }
    }

    fn found(&mut self, found: Resolution, event: Event) {
        self.append.identities.extend(found.changes);
        if let Some(loser) = found.merged {
            self.push(Target::Profile(loser), EntryBody::MergeAway { winner: found.profile });
            self.push(Target::Profile(found.profile), EntryBody::Expect { loser });
        }
        self.event(found.profile, event);
    }

    fn event(&mut self, profile: ProfileId, mut event: Event) {
        event.timestamp = event.timestamp.min(self.received_at);
        if let Some((key, state)) = consent_of_event(&event.name, &event.properties) {
            self.words.forget(profile, &key);
            self.deny(profile, key, state);
        }
        self.push(Target::Profile(profile), EntryBody::Event(event));
    }

    /// An event of the platform. What comes for somebody who was erased is nothing.
    fn event_for(&mut self, resolver: &Resolver, profile: ProfileId, event: Event) {
        let profile = resolver.surviving(profile);
        if !resolver.is_erased(profile) {
            self.event(profile, event);
        }
    }

    fn consent(&mut self, resolver: &Resolver, profile: ProfileId, mut change: ConsentChange) {
        if resolver.is_erased(profile) || self.words.is_repeat(profile, &change) {
            return;
        }
        change.at = change.at.min(self.received_at);
        self.deny(profile, change.key.clone(), change.state);
        self.push(Target::Profile(profile), EntryBody::Consent(change));
    }

    /// The profile itself stands first in its lineage, and is told last: by its entry the erasure is known.
    fn erase(&mut self, lineage: Vec<ProfileId>, is_suppressed: bool) {
        for profile in lineage.iter().rev() {
            self.push(Target::Profile(*profile), EntryBody::Erase);
        }
        self.append.erasures.push(Erasure { entry: self.last, at: self.received_at, lineage, is_suppressed });
    }

    /// What the next entry withdraws takes force with it. What an entry gives is for the customer to judge: it may be a repeat,
    /// or late.
    fn deny(&mut self, profile: ProfileId, key: ConsentKey, state: ConsentState) {
        if state == ConsentState::Withdrawn {
            self.append.denies.push(Deny { profile, key, entry: Offset(self.last.0 + 1) });
        }
    }

    fn quarantine(&mut self, event: &Event, why: Unresolved) {
        let (code, mistake) = why.told();
        let (payload, names) = match why {
            Unresolved::Nameless => {
                let names = Identifier::named(None, None, event.previous_id.clone());
                (serde_json::to_string(event).unwrap_or_default(), names)
            }
            // Of them nothing is kept, this included.
            Unresolved::Unwanted => (NOTHING.to_owned(), Vec::new()),
        };
        self.append.quarantined.push(Quarantined {
            source: event.source.clone(),
            received_at: self.received_at,
            code: code.to_owned(),
            mistakes: vec![mistake],
            call: None,
            payload,
            names,
        });
    }
}
