//! The outbox: how effects come into it, whose turn it is, and what became of them.

use std::collections::BTreeMap;

use tidewater::engine::transition::{AUDIENCE_SYNC, Relay};
use tidewater::engine::{Effect, EffectBody};
use tidewater::lang::rules::MessageClass;
use tidewater::model::{ConsentKey, EffectId, EntryBody, Offset, Timestamp};
use tidewater::store::dead_letters::{DROPPABLE, DROPPED, RETRIABLE};
use tidewater::store::outbox::{Claim, Claimed, OutboxItem, OutboxStatus, OutboxUpdate, Room};
use tidewater::store::outcome::event_of;

use super::super::script::{Hand, Verb};
use super::Durable;

impl Durable {
    /// Decides about effects; returns those that it was about.
    pub fn by_hand(&mut self, hand: &Hand, now: Timestamp) -> Vec<EffectId> {
        let Hand { verb, destination } = *hand;
        let (mut decided, mut dropped) = (Vec::new(), Vec::new());
        for item in self.outbox.values_mut() {
            let is_meant = item.effect.destination == destination;
            let is_in_time = item.effect.expires_at.is_none_or(|at| at > now);
            let change = match verb {
                Verb::Retry if is_meant && RETRIABLE.contains(&item.status) && is_in_time => {
                    (item.attempts, item.status) = (0, OutboxStatus::Ready);
                    self.not_before.insert(item.effect.id, now);
                    self.queues.remove(&item.effect.id);
                    "to be sent again, by hand"
                }
                Verb::Drop if is_meant && DROPPABLE.contains(&item.status) => {
                    item.status = OutboxStatus::Dropped;
                    if item.effect.body.kind() == AUDIENCE_SYNC {
                        dropped.push(item.effect.clone());
                    }
                    DROPPED
                }
                _ => continue,
            };
            (item.detail, item.updated_at) = (Some(change.to_owned()), now);
            decided.push(item.effect.id);
        }
        // The people concerned by updates of audiences hear of it.
        for (ordinal, effect) in dropped.into_iter().enumerate() {
            let body = EntryBody::Event(event_of(&effect, OutboxStatus::Dropped, Some(DROPPED.to_owned()), now));
            let relay = Relay { id: format!("dropped:{}:{}", effect.id, now.0), to: effect.profile, body };
            self.hand_on(Offset(0), ordinal, &relay);
        }
        decided
    }

    pub(super) fn update(&mut self, update: &OutboxUpdate) {
        let Some(item) = self.outbox.get_mut(&update.effect) else { return };
        if item.status == OutboxStatus::Dropped {
            return;
        }
        (item.status, item.detail, item.updated_at) = (update.status, update.detail.clone(), update.at);
        self.queues.remove(&update.effect);
        if let Some(not_before) = update.not_before {
            self.not_before.insert(update.effect, not_before);
        }
    }

    pub(super) fn decide(&mut self, effect: &Effect) {
        if let Some(known) = self.outbox.get(&effect.id) {
            // Decided once more after an erasure has concealed whom it tells of.
            let is_concealed = self.erased.contains(&effect.profile);
            let body = if is_concealed { effect.body.clone().concealed() } else { effect.body.clone() };
            let same = Effect { body, ..effect.clone() };
            assert!(known.effect == *effect || known.effect == same, "an effect is decided once: {effect:?}");
            return;
        }
        let item = OutboxItem {
            effect: effect.clone(),
            status: OutboxStatus::Ready,
            attempts: 0,
            detail: None,
            updated_at: effect.decided_at,
            waits: None,
        };
        self.outbox.insert(effect.id, item);
        self.not_before.insert(effect.id, effect.decided_at);
    }

    fn is_behind(&self, effect: &Effect) -> bool {
        effect.body.kind() == "audience_sync"
            && self.outbox.values().any(|item| {
                item.effect.profile == effect.profile
                    && item.effect.destination == effect.destination
                    && is_open(item)
                    && (item.effect.decided_at, item.effect.body.ordinal()) < (effect.decided_at, effect.body.ordinal())
            })
    }

    /// The effects that may be taken, in the order of their turns, and when the next of the others becomes ready.
    fn turns(&self, destination: &str, now: Timestamp, room: &Room) -> (Vec<EffectId>, Option<Timestamp>) {
        let waiting = |item: &&OutboxItem| item.effect.destination == destination && item.status == OutboxStatus::Ready;
        let mut lanes: BTreeMap<String, Vec<(Timestamp, EffectId)>> = BTreeMap::new();
        let mut next: Option<Timestamp> = None;
        let asked = room.domains.as_ref().map(|domains| domains.queues.as_slice()).unwrap_or_default();
        let is_looked_at = |id: &EffectId| self.queues.get(id).is_none_or(|queue| asked.contains(queue));
        for item in self.outbox.values().filter(waiting) {
            let at = self.not_before[&item.effect.id];
            if at > now {
                next = Some(next.map_or(at, |next| next.min(at)));
            } else if !self.is_behind(&item.effect) && is_looked_at(&item.effect.id) {
                lanes.entry(lane(&item.effect)).or_default().push((at, item.effect.id));
            }
        }
        let mut turns = Vec::new();
        for (lane, mut due) in lanes {
            due.sort_unstable();
            let is_over = room.served.as_ref().is_some_and(|served| lane <= *served);
            let urgency = lane.starts_with('1');
            turns.extend(due.into_iter().enumerate().map(|(turn, (_, id))| (urgency, turn, is_over, lane.clone(), id)));
        }
        turns.sort();
        (turns.into_iter().map(|(.., id)| id).collect(), next)
    }

    pub(super) fn claim(&mut self, destination: &str, now: Timestamp, room: &Room) -> Claim {
        let (turns, next) = self.turns(destination, now, room);
        let mut claim = Claim { next, served: room.served.clone(), ..Claim::default() };
        if let Some(domains) = &room.domains {
            let is_empty = |queue: &&String| !turns.iter().any(|id| self.queues.get(id) == Some(*queue));
            claim.drained = domains.queues.iter().filter(is_empty).cloned().collect();
        }
        let mut domains = room.domains.as_ref().map(|domains| domains.room.clone());
        for id in turns {
            if claim.taken.len() + claim.suppressed.len() + claim.expired.len() >= room.effects {
                break;
            }
            let effect = self.outbox[&id].effect.clone();
            if self.erased.contains(&effect.profile) && !effect.body.is_removal() {
                claim.suppressed.push(effect);
                continue;
            }
            let person = self.survivor(effect.profile);
            let is_refused =
                |key: &ConsentKey| self.denies.get(&(person, key.clone())).is_some_and(|(denied, _)| *denied);
            let reaches_the_person =
                matches!(&effect.body, EffectBody::Email { .. } | EffectBody::Audience { add: true, .. });
            let is_erased = self.erased.contains(&effect.profile);
            let is_denied = !is_erased && effect.consent.as_ref().is_some_and(|consent| is_refused(&consent.key))
                || (!is_erased && reaches_the_person && is_refused(&ConsentKey::Everything));
            if is_denied {
                claim.suppressed.push(effect);
                continue;
            }
            if effect.expires_at.is_some_and(|at| at <= now) {
                claim.expired.push(effect);
                continue;
            }
            if let (Some(domains), Some(domain)) = (&mut domains, effect.body.domain()) {
                let left = domains.known.entry(domain.clone()).or_insert(domains.others);
                if *left == 0 {
                    self.queues.insert(id, domain.clone());
                    claim.aside.insert(domain);
                    continue;
                }
                *left -= 1;
            }
            if let Some(item) = self.outbox.get_mut(&id) {
                claim.served = Some(lane(&effect));
                claim.taken.push(Claimed { effect, attempts: item.attempts });
                (item.status, item.attempts, item.updated_at) = (OutboxStatus::Taken, item.attempts + 1, now);
            }
        }
        claim
    }
}

/// Whether an effect may still leave.
pub(super) fn is_open(item: &OutboxItem) -> bool {
    matches!(item.status, OutboxStatus::Ready | OutboxStatus::Taken)
}

/// As the store's: what is transactional, or asks nobody's consent, before the rest, each journey by itself.
fn lane(effect: &Effect) -> String {
    let is_marketing = effect.consent.as_ref().is_some_and(|consent| consent.class == MessageClass::Marketing);
    let journey = effect.origin.as_ref().map_or("", |origin| origin.journey.as_str());
    format!("{}{journey}", u8::from(is_marketing))
}
