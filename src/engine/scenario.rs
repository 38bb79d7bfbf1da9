//! Plays a scenario: what a person does, in virtual time, and what must have come of it.

use serde::Serialize;

use crate::finding::Place;
use crate::model::platform_event::EMAIL_CLICKED;
use crate::model::value::ValueMap;
use crate::model::{Event, ProfileId, Timestamp, Value};
use crate::workspace::Program;
use crate::workspace::scenario::{Action, Expectation, ExpectedEffect, ExpectedKind, Scenario};

use super::explain::fact_of;
use super::profile::Profile;
use super::timeline::Timeline;
use super::transition::{Effect, EffectBody, Fact};

/// What came of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioReport {
    pub name: String,
    pub path: String,
    /// Empty where it passed.
    pub failures: Vec<Failure>,
    /// What happened, a line each.
    pub story: Vec<String>,
}

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub place: Place,
    /// When, in virtual time.
    pub at: String,
    pub message: String,
}

impl ScenarioReport {
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Plays one scenario against a program.
#[must_use]
pub fn run(program: &Program, scenario: &Scenario) -> ScenarioReport {
    let profile = ProfileId::from_identifier("user_id", &scenario.user_id);
    let mut player =
        Player { program, timeline: Timeline::new(program, profile, scenario.start), seen: 0, failures: Vec::new() };
    for event in &scenario.given {
        player.timeline.event(scenario.start, event.clone());
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        match &step.action {
            Action::Event(event) => player.timeline.event(step.at, event.clone()),
            Action::Click { step: email, url } => player.click(step.at, email, url, index, step.place),
            Action::Expect(expectation) => player.expect(step.at, expectation),
        }
    }
    let story = story(&player.timeline);
    ScenarioReport { name: scenario.name.clone(), path: scenario.path.clone(), failures: player.failures, story }
}

struct Player<'a> {
    program: &'a Program,
    timeline: Timeline<'a>,
    /// Number of effects that earlier expectations have looked at.
    seen: usize,
    failures: Vec<Failure>,
}

impl Player<'_> {
    fn fail(&mut self, at: Timestamp, place: Place, message: String) {
        self.failures.push(Failure { place, at: at.to_string(), message });
    }

    /// The person clicks in the newest mail of that step.
    fn click(&mut self, at: Timestamp, step: &str, url: &str, index: usize, place: Place) {
        self.timeline.advance(at);
        let newest = self.timeline.effects().filter(|effect| is_mail_of(effect, step)).last();
        let Some((effect, origin)) = newest.and_then(|effect| Some((effect.id, effect.origin.clone()?))) else {
            self.fail(at, place, format!("no e-mail of the step `{step}` was sent by then, so nobody can click in it"));
            return;
        };
        let properties: ValueMap = [
            ("effect_id", effect.to_string()),
            ("channel", "email".to_owned()),
            ("journey", origin.journey),
            ("run_id", origin.run.to_string()),
            ("step", origin.step),
            ("url", url.to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::Text(value)))
        .collect();
        self.timeline.event(at, Event::of_platform(EMAIL_CLICKED, format!("click:{index}"), at, properties));
    }

    fn expect(&mut self, at: Timestamp, wanted: &Expectation) {
        self.timeline.advance(at);
        let is_in = |profile: &Profile, name: &str| profile.memberships().any(|(segment, _)| segment == name);
        let waits = |profile: &Profile, name: &str| profile.runs().iter().any(|run| run.journey == name);
        let checks = [
            (&wanted.member_of, true, "to be in the segment", &is_in as &dyn Fn(&Profile, &str) -> bool),
            (&wanted.not_member_of, false, "not to be in the segment", &is_in),
            (&wanted.waiting, true, "to be under way in the journey", &waits),
            (&wanted.not_waiting, false, "not to be under way in the journey", &waits),
        ];
        for (names, expected, what, holds) in checks {
            for named in names {
                if holds(self.timeline.profile(), &named.name) != expected {
                    self.fail(at, named.place, format!("expected the person {what} `{}`", named.name));
                }
            }
        }
        self.expect_traits(at, wanted);
        let decided: Vec<Effect> = self.timeline.effects().skip(self.seen).cloned().collect();
        if let Some(sent) = &wanted.sent {
            self.expect_sent(at, sent, &decided, wanted.sent_place);
            self.seen += decided.len();
        }
    }

    fn expect_traits(&mut self, at: Timestamp, wanted: &Expectation) {
        for (name, value) in &wanted.traits {
            let found = fact_of(self.timeline.profile(), self.program, name, at).unwrap_or_default();
            if found != *value
                && let Some(place) = wanted.traits_place
            {
                let message = format!("expected `{name}` to be {}, but it is {}", shown(value), shown(&found));
                self.fail(at, place, message);
            }
        }
    }

    fn expect_sent(&mut self, at: Timestamp, wanted: &[ExpectedEffect], decided: &[Effect], place: Option<Place>) {
        for (index, expected) in wanted.iter().enumerate() {
            match decided.get(index) {
                Some(effect) if matches(effect, &expected.kind) => {}
                Some(effect) => {
                    let message = format!("expected {}, but {} was sent", described(&expected.kind), named(effect));
                    self.fail(at, expected.place, message);
                }
                None => {
                    let message = format!("expected {}, but nothing more was sent", described(&expected.kind));
                    self.fail(at, expected.place, message);
                }
            }
        }
        for effect in decided.iter().skip(wanted.len()) {
            if let Some(place) = place {
                self.fail(at, place, format!("{} was sent, which is not expected here", named(effect)));
            }
        }
    }
}

fn is_mail_of(effect: &Effect, step: &str) -> bool {
    matches!(effect.body, EffectBody::Email { .. }) && effect.origin.as_ref().is_some_and(|origin| origin.step == step)
}

fn matches(effect: &Effect, expected: &ExpectedKind) -> bool {
    match (&effect.body, expected) {
        (EffectBody::Email { template, to, .. }, ExpectedKind::Email { template: wanted, to: address }) => {
            template == wanted && address.as_ref().is_none_or(|address| address == to)
        }
        (EffectBody::Webhook { .. }, ExpectedKind::Webhook { destination }) => effect.destination == *destination,
        (EffectBody::Audience { audience, add, .. }, ExpectedKind::Audience { audience: wanted, add: action }) => {
            audience == wanted && action.is_none_or(|action| action == *add)
        }
        _ => false,
    }
}

fn described(expected: &ExpectedKind) -> String {
    match expected {
        ExpectedKind::Email { template, to: None } => format!("the e-mail `{template}`"),
        ExpectedKind::Email { template, to: Some(to) } => format!("the e-mail `{template}` to {to}"),
        ExpectedKind::Webhook { destination } => format!("a webhook to `{destination}`"),
        ExpectedKind::Audience { audience, add } => {
            let action = match add {
                Some(true) => "an addition to",
                Some(false) => "a removal from",
                None => "a change of",
            };
            format!("{action} the audience `{audience}`")
        }
    }
}

/// An effect in words.
#[must_use]
pub fn named(effect: &Effect) -> String {
    match &effect.body {
        EffectBody::Email { template, to, .. } => format!("the e-mail `{template}` to {to}"),
        EffectBody::Webhook { .. } => format!("a webhook to `{}`", effect.destination),
        EffectBody::Audience { audience, add: true, .. } => format!("an addition to the audience `{audience}`"),
        EffectBody::Audience { audience, add: false, .. } => format!("a removal from the audience `{audience}`"),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "missing".to_owned(),
        Value::Text(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

/// What happened, a line each, for people who ask why.
fn story(timeline: &Timeline<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, transition) in timeline.happened() {
        for change in &transition.memberships {
            let verb = if change.entered { "entered" } else { "left" };
            lines.push(format!("{}  {verb} the segment `{}`", change.at, change.segment));
        }
        for fact in &transition.facts {
            match fact {
                Fact::RunStarted { journey, at, .. } => lines.push(format!("{at}  began the journey `{journey}`")),
                Fact::RunEnded { journey, at, reason, .. } => {
                    lines.push(format!("{at}  ended the journey `{journey}` ({})", reason.replace('_', " ")));
                }
                Fact::Saturated { what, at } => lines.push(format!("{at}  stopped: too many {what}")),
                Fact::GoalReached { journey, at, .. } => lines.push(format!("{at}  reached the goal of `{journey}`")),
                _ => {}
            }
        }
        for effect in &transition.effects {
            lines.push(format!("{at}  {} was sent", named(effect)));
        }
    }
    lines
}
