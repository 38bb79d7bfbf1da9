//! Segments mirrored to an ad platform, and audiences that journeys fill: what the far side should hold, and what it
//! was told. The far side is told once segments are settled: in the middle of a turn a person may have a new address
//! and not have left the segment yet, and what was handed on cannot be called back.

use std::collections::BTreeMap;

use crate::lang::rules::{AudienceSync, MessageClass, SegmentIndex};
use crate::model::{ConsentKey, EffectId, Span, Value};

use super::consent::{is_suppressed, purpose_allows};
use super::profile::AudienceChange;
use super::transition::{Effect, EffectBody, EffectConsent, Origin};
use super::turn::Turn;
use crate::lang::eval::View;

/// An audience update that could not leave for this long is dropped as expired.
const EXPIRES_AFTER: Span = Span::DAY.times(7);

/// Changes of one profile whose outcome is waited for: of older ones we believe what they said.
pub(super) const UNDER_WAY: usize = 32;

impl Turn<'_> {
    /// After a change of membership.
    pub(super) fn mirror_segment(&mut self, segment: SegmentIndex) {
        self.mirror_where(|sync| sync.segment == Some(segment));
    }

    /// After a change of consent.
    pub(super) fn mirror_purpose(&mut self, purpose: &str) {
        let index = self.program.rules.purposes.iter().position(|declared| declared.name == purpose);
        if index.is_some() {
            self.mirror_where(|sync| sync.purpose == index);
        }
    }

    /// After a change of traits: the far side may know the person by something that is no longer so.
    pub(super) fn mirror_all(&mut self) {
        self.mirror_where(|_| true);
    }

    fn mirror_where(&mut self, concerned: impl Fn(&AudienceSync) -> bool) {
        let program = self.program;
        for (index, sync) in program.rules.audience_syncs.iter().enumerate() {
            if concerned(sync) {
                self.unmirrored.insert(index);
            }
        }
    }

    /// Tells the far side what the changes since the last time come to.
    pub(super) fn mirror_changes(&mut self) {
        while let Some(audience) = self.unmirrored.pop_first() {
            self.mirror(audience, None);
        }
    }

    /// Takes out of an audience what was told of a profile that is merged into this one, and is not known of this one.
    /// From here on only what is told of this one is kept in line.
    pub(super) fn take_out(&mut self, audience: &str, told: BTreeMap<String, String>) {
        let program = self.program;
        let Some(sync) = program.rules.audience_syncs.iter().find(|sync| sync.name == audience) else { return };
        let ours = self.profile.audiences.get(audience).map(|state| &state.sent);
        let is_ours = |name: &String, value: &String| ours.is_some_and(|ours| ours.get(name) == Some(value));
        let stale: BTreeMap<_, _> = told.into_iter().filter(|(name, value)| !is_ours(name, value)).collect();
        if !stale.is_empty() {
            self.tell(sync, false, stale, None);
        }
    }

    /// A journey chose the profile for a manual audience, or let it go. Returns the last effect decided, if any.
    pub(super) fn choose(&mut self, audience: usize, add: bool, origin: &Origin) -> Option<EffectId> {
        let name = self.program.rules.audience_syncs[audience].name.clone();
        self.profile.audiences.or_default(name).chosen = add;
        self.mirror(audience, Some(origin))
    }

    /// Brings what the far side was told in line with what it should hold.
    fn mirror(&mut self, audience: usize, origin: Option<&Origin>) -> Option<EffectId> {
        let sync = &self.program.rules.audience_syncs[audience];
        let wanted = if self.belongs(sync) { self.identifiers(sync) } else { BTreeMap::new() };
        let sent = self.profile.audiences.get(&sync.name).map(|state| state.sent.clone()).unwrap_or_default();
        if wanted == sent {
            return None;
        }
        let mut last = None;
        if !sent.is_empty() {
            last = Some(self.tell(sync, false, sent, origin));
        }
        if !wanted.is_empty() {
            last = Some(self.tell(sync, true, wanted.clone(), origin));
        }
        self.profile.audiences.or_default(sync.name.clone()).sent = wanted;
        last
    }

    fn belongs(&self, sync: &AudienceSync) -> bool {
        let chosen = match sync.segment {
            Some(segment) => self.profile.memberships.contains_key(&self.program.rules.segments[segment.at()].name),
            None => self.profile.audiences.get(&sync.name).is_some_and(|state| state.chosen),
        };
        let purpose = sync.purpose.map(|index| &self.program.rules.purposes[index]);
        chosen && !is_suppressed(self.profile) && purpose.is_none_or(|purpose| purpose_allows(self.profile, purpose))
    }

    fn identifiers(&self, sync: &AudienceSync) -> BTreeMap<String, String> {
        let view = self.view();
        let mut found = BTreeMap::new();
        for index in &sync.identifiers {
            if let Some(Value::Text(value)) = view.trait_value(*index).filter(|value| **value != Value::from("")) {
                found.insert(self.program.rules.traits[index.at()].name.clone(), value.clone());
            }
        }
        found
    }

    pub(super) fn tell(
        &mut self,
        sync: &AudienceSync,
        add: bool,
        identifiers: BTreeMap<String, String>,
        origin: Option<&Origin>,
    ) -> EffectId {
        let state = self.profile.audiences.or_default(sync.name.clone());
        state.changes += 1;
        let change = state.changes;
        state.under_way.insert(change, AudienceChange { add, identifiers: identifiers.clone() });
        if state.under_way.len() > UNDER_WAY {
            state.under_way.pop_first();
        }
        let id = EffectId::of_audience(self.profile.id, &sync.name, change);
        // Taking someone out needs nobody's consent.
        let consent = sync.purpose.filter(|_| add).map(|index| EffectConsent {
            key: ConsentKey::Purpose(self.program.rules.purposes[index].name.clone()),
            class: MessageClass::Marketing,
        });
        self.out.effects.push(Effect {
            id,
            profile: self.profile.id,
            destination: sync.destination.clone(),
            origin: origin.cloned(),
            consent,
            decided_at: self.now,
            expires_at: add.then_some(self.now + EXPIRES_AFTER),
            body: EffectBody::Audience { audience: sync.name.clone(), add, identifiers, change },
        });
        id
    }
}
