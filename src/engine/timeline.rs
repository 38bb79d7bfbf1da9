//! One profile in virtual time: events come, wakes and schedules are fired at their instants, effects succeed at once.
//! A year takes milliseconds, and every decision is the one that the live platform would take, by the same functions.

use std::collections::{BTreeMap, VecDeque};

use crate::journey::graph::Enter;
use crate::model::limit::FOLLOW_UPS;
use crate::model::platform_event::{AUDIENCE_SYNCED, EMAIL_SENT, WEBHOOK_SENT};
use crate::model::value::ValueMap;
use crate::model::{Entry, EntryBody, Event, Offset, ProfileId, Target, Timestamp};
use crate::workspace::Program;

use super::profile::Profile;
use super::transition::{Effect, EffectBody, Fact, Transition};
use super::{apply, fire};

/// A profile, its program, and how far time has come.
pub struct Timeline<'a> {
    program: &'a Program,
    profile: Profile,
    start: Timestamp,
    now: Timestamp,
    offset: Offset,
    /// The last instant of each journey's schedule that was fired.
    fired: BTreeMap<String, Timestamp>,
    /// What came of it all, in order, each with its instant.
    happened: Vec<(Timestamp, Transition)>,
}

impl<'a> Timeline<'a> {
    /// A profile of which nothing is known, at `start`.
    #[must_use]
    pub fn new(program: &'a Program, profile: ProfileId, start: Timestamp) -> Self {
        Self {
            program,
            profile: Profile::new(profile),
            start,
            now: start,
            offset: Offset(0),
            fired: BTreeMap::new(),
            happened: Vec::new(),
        }
    }

    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Everything so far: instants and transitions.
    #[must_use]
    pub fn happened(&self) -> &[(Timestamp, Transition)] {
        &self.happened
    }

    /// Effects in the order in which they were decided.
    pub fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.happened.iter().flat_map(|(_, transition)| &transition.effects)
    }

    /// An event arrives at `at`: after all that is due before, and before what is due at that very instant.
    pub fn event(&mut self, at: Timestamp, event: Event) {
        self.advance(Timestamp(at.0.saturating_sub(1)));
        self.now = self.now.max(at);
        self.entry(EntryBody::Event(event));
    }

    /// Time goes on to `to`: wakes and schedules up to and including it, in order.
    pub fn advance(&mut self, to: Timestamp) {
        while let Some((at, journey)) = self.next_schedule(to) {
            self.wakes(at);
            self.now = self.now.max(at);
            self.fired.insert(journey.clone(), at);
            self.entry(EntryBody::ScheduleFired { journey, at });
        }
        self.wakes(to);
        self.now = self.now.max(to);
    }

    /// The next journey whose schedule comes up by `to`, and when.
    fn next_schedule(&self, to: Timestamp) -> Option<(Timestamp, String)> {
        let due = self.program.journeys.iter().filter_map(|journey| {
            let Enter::Schedule { schedule, .. } = &journey.enter else { return None };
            let last = self.fired.get(&journey.name).copied().unwrap_or(self.start);
            schedule.next_after(last).map(|at| (at, journey.name.clone()))
        });
        due.filter(|(at, _)| *at <= to).min()
    }

    /// Fires wakes up to `to`, one instant at a time, so that each is followed by what comes of it.
    fn wakes(&mut self, to: Timestamp) {
        while let Some(at) = self.profile.wake().filter(|at| *at <= to) {
            let transition = fire(&mut self.profile, self.program, at);
            self.now = self.now.max(at);
            self.note(transition);
        }
    }

    fn entry(&mut self, body: EntryBody) {
        let transition = self.apply(body);
        self.note(transition);
    }

    fn apply(&mut self, body: EntryBody) -> Transition {
        self.offset = Offset(self.offset.0 + 1);
        let entry =
            Entry { offset: self.offset, received_at: self.now, target: Target::Profile(self.profile.id()), body };
        apply(&mut self.profile, self.program, &entry)
    }

    /// Keeps a transition, and lets each of its effects succeed at once. A journey that starts itself by its own mail
    /// would go on for ever, as it takes no time here: it is cut off, and the story says so.
    fn note(&mut self, transition: Transition) {
        let mut outcomes = VecDeque::new();
        self.keep(transition, &mut outcomes);
        for _ in 0..FOLLOW_UPS {
            let Some(outcome) = outcomes.pop_front() else { return };
            let transition = self.apply(EntryBody::Event(outcome));
            self.keep(transition, &mut outcomes);
        }
        if !outcomes.is_empty() {
            let cut = Fact::Saturated { what: "outcomes of one moment".to_owned(), at: self.now };
            self.happened.push((self.now, Transition { facts: vec![cut], ..Transition::default() }));
        }
    }

    fn keep(&mut self, transition: Transition, outcomes: &mut VecDeque<Event>) {
        outcomes.extend(transition.effects.iter().map(|effect| success(effect, self.now)));
        self.happened.push((self.now, transition));
    }
}

/// The event that tells of an effect's success, as the channels report it.
#[must_use]
pub fn success(effect: &Effect, at: Timestamp) -> Event {
    let name = match effect.body {
        EffectBody::Email { .. } => EMAIL_SENT,
        EffectBody::Webhook { .. } => WEBHOOK_SENT,
        EffectBody::Audience { .. } => AUDIENCE_SYNCED,
    };
    let mut properties = ValueMap::new();
    properties.insert("effect_id".to_owned(), effect.id.to_string().into());
    properties.insert("channel".to_owned(), effect.body.kind().into());
    if let Some(origin) = &effect.origin {
        properties.insert("journey".to_owned(), origin.journey.as_str().into());
        properties.insert("run_id".to_owned(), origin.run.to_string().into());
        properties.insert("step".to_owned(), origin.step.as_str().into());
    }
    if let EffectBody::Email { template, .. } = &effect.body {
        properties.insert("template".to_owned(), template.as_str().into());
    }
    Event::of_platform(name, format!("{}:sent", effect.id), at, properties)
}
