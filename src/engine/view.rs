//! A profile as conditions see it, at an instant, perhaps beside an event and within a run.

use crate::lang::Rules;
use crate::lang::eval::{Recalled, View, compute_value, holds};
use crate::lang::rules::{
    AggregateIndex, ComputeIndex, Condition, HoldIndex, Matter, RankIndex, RecallIndex, SegmentIndex, TrailIndex,
    TraitIndex,
};
use crate::lang::window::Calendar;
use crate::model::id::hash_parts;
use crate::model::value::ValueMap;
use crate::model::{Moment, Timestamp, Value};
use crate::workspace::Program;

use super::aggregates::{AggregateState, Instant};
use super::consent::{purpose_allows, topic_allows};
use super::profile::{Profile, Run};
use super::turn::Turn;

pub(super) struct ProfileView<'a> {
    pub(super) profile: &'a Profile,
    pub(super) program: &'a Program,
    pub(super) now: Timestamp,
    pub(super) calendar: Calendar,
    /// Properties of the event at hand, for filters.
    pub(super) properties: Option<&'a ValueMap>,
    pub(super) run: Option<&'a Run>,
}

impl<'a> ProfileView<'a> {
    /// The profile by itself.
    pub(super) fn new(profile: &'a Profile, program: &'a Program, now: Timestamp) -> Self {
        Self { profile, program, now, calendar: profile.calendar(program), properties: None, run: None }
    }
}

impl Turn<'_> {
    /// The profile as it is now.
    pub(super) fn view(&self) -> ProfileView<'_> {
        let Self { profile, program, now, calendar, .. } = self;
        ProfileView { profile, program, now: *now, calendar: *calendar, properties: None, run: None }
    }
}

impl Profile {
    /// The calendar of the customer: of the time zone that they told (a trait `time_zone` or `timezone`), else the
    /// workspace's.
    #[must_use]
    pub fn calendar(&self, program: &Program) -> Calendar {
        let told = ZONE_TRAITS.iter().find_map(|name| self.traits.get(*name)?.as_text()?.parse().ok());
        Calendar { zone: told.unwrap_or(program.time_zone), week_starts: program.rules.week_starts }
    }
}

/// Traits that tell a customer's time zone.
pub(super) const ZONE_TRAITS: [&str; 2] = ["time_zone", "timezone"];

impl View for ProfileView<'_> {
    fn rules(&self) -> &Rules {
        &self.program.rules
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn answers(&self, condition: &Condition) -> bool {
        holds(condition, self)
    }

    fn calendar(&self) -> Calendar {
        self.calendar
    }

    fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
        Value::lookup(&self.profile.traits, &self.program.rules.traits[index.at()].name)
    }

    fn account(&self, path: &str) -> Option<&Value> {
        Value::lookup(&self.profile.account, path)
    }

    fn user_id(&self) -> Option<&str> {
        self.profile.user_id.as_deref()
    }

    fn aggregate(&self, index: AggregateIndex) -> Option<Value> {
        let aggregate = &self.program.rules.aggregates[index.at()];
        let at = Instant { now: self.now, calendar: self.calendar() };
        match self.profile.aggregates.get(&aggregate.key) {
            Some(state) => state.worth(aggregate, at),
            None => AggregateState::empty(aggregate).worth(aggregate, at),
        }
    }

    fn trail(&self, index: TrailIndex) -> &[Moment] {
        self.profile.trails.get(&self.program.rules.trails[index.at()].key).map_or(&[], Vec::as_slice)
    }

    fn recalled(&self, index: RecallIndex) -> &[Recalled] {
        self.profile.recalls.get(&self.program.rules.recalls[index.at()].key).map_or(&[], Vec::as_slice)
    }

    fn held_since(&self, index: HoldIndex) -> Option<Timestamp> {
        self.profile.held.get(&self.program.rules.holds[index.at()].key).copied()
    }

    fn in_segment(&self, index: SegmentIndex) -> bool {
        self.profile.memberships.contains_key(&self.program.rules.segments[index.at()].name)
    }

    fn in_journey(&self, name: &str) -> bool {
        self.profile.runs.iter().any(|run| run.journey == name)
    }

    fn agrees(&self, matter: &Matter) -> bool {
        match matter {
            Matter::Topic { topic, channel } => topic_allows(self.profile, &self.program.rules.topics[*topic], channel),
            Matter::Purpose(index) => purpose_allows(self.profile, &self.program.rules.purposes[*index]),
        }
    }

    fn has_rank(&self, index: RankIndex) -> bool {
        self.profile.ranks.contains(&self.program.rules.ranks[index.at()].key)
    }

    fn draw(&self, seed: &str) -> f64 {
        let hash = hash_parts("random", &[&self.profile.id.0.to_be_bytes(), seed.as_bytes()]);
        // The upper 53 bits are all that a float can tell apart.
        (hash >> 75) as f64 / (1_u64 << 53) as f64 * 100.0
    }

    fn property(&self, path: &str) -> Option<&Value> {
        Value::lookup(self.properties?, path)
    }

    fn entry_property(&self, path: &str) -> Option<&Value> {
        Value::lookup(&self.run?.entry, path)
    }

    fn entered(&self) -> Option<Moment> {
        self.run.map(|run| run.entered)
    }
}

/// What a compute is worth at `now`.
pub(super) fn value_of(profile: &Profile, program: &Program, compute: ComputeIndex, now: Timestamp) -> Option<Value> {
    compute_value(&ProfileView::new(profile, program, now), compute)
}
