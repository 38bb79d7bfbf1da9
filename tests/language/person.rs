//! One person before the engine, for tests: events at minutes from the start, time that goes on, and what came of it.

use tidewater::engine::{self, Effect, EffectBody, Fact, Profile, StepOutcome, Transition};
use tidewater::model::event::PLATFORM_SOURCE;
use tidewater::model::value::ValueMap;
use tidewater::model::{Entry, EntryBody, Event, EventKind, Offset, ProfileId, Target, Timestamp};
use tidewater::workspace::{self, Program};

const START: i64 = 1_767_225_600_000;

const SETTINGS: &str = "channels:\n  email: { host: localhost, security: none, from: a@b.example }\n  \
                        meta: { kind: audience, url: 'https://meta.example/' }\n";

const RULES: &str = r#"
event "Cart" { item: text, n: number }
event "Order" { order_id: text, revenue: number }
trait email: text
trait plan: text
trait mark: text
trait address.city: text
compute spent = sum of revenue from "Order"
compute orders_recent = count of "Order" in last 1 day
segment free = plan is "free"
segment marked = mark is "yes"
segment shopping = did "Cart" in last 60 minutes
segment buyers = did "Order" at least 2 times
topic news channels email marketing opt_in
topic orders channels email transactional
purpose ads opt_in
audience_sync buyers_on_meta = members of buyers to meta using (email) purpose ads
audience_sync free_on_meta = members of free to meta using (email)
"#;

/// An instant, in minutes from the start of the test.
pub fn minute(minutes: i64) -> Timestamp {
    Timestamp(START + minutes * 60_000)
}

/// The fixture's rules, more of them, and journey files.
pub fn program(rules: &str, journeys: &str) -> Program {
    let files = [
        ("tidewater.yaml", SETTINGS.to_owned()),
        ("rules/all.tide", format!("{RULES}{rules}")),
        ("journeys/all.yaml", journeys.to_owned()),
        ("templates/hello.html", "<title>Hi</title><a href=\"{{ unsubscribe_url }}\">x</a>".to_owned()),
    ];
    let files = files.into_iter().filter(|(_, text)| !text.is_empty());
    let loaded = workspace::compile(files.map(|(path, text)| (path.to_owned(), text)).collect(), &|_| None);
    let errors: Vec<_> = loaded.findings.iter().filter(|finding| finding.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    (*loaded.program.expect("a program")).clone()
}

/// Properties or traits, written as JSON.
pub fn map(json: &str) -> ValueMap {
    serde_json::from_str(json).expect("an object")
}

pub fn track(name: &str, properties: &str) -> Event {
    Event {
        message_id: String::new(),
        kind: EventKind::Track,
        name: name.to_owned(),
        source: "shop".to_owned(),
        timestamp: Timestamp::MAX,
        user_id: None,
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties: map(properties),
        traits: ValueMap::new(),
        context: ValueMap::new(),
    }
}

pub fn identify(traits: &str) -> Event {
    Event { kind: EventKind::Identify, name: "Identified".to_owned(), traits: map(traits), ..track("", "{}") }
}

pub fn platform(name: &str, properties: &str) -> Event {
    Event { kind: EventKind::Platform, source: PLATFORM_SOURCE.to_owned(), ..track(name, properties) }
}

/// The same event as it happened earlier than it arrives.
pub fn happened(event: Event, minutes: i64) -> Event {
    Event { timestamp: minute(minutes), ..event }
}

pub struct Person {
    pub program: Program,
    pub profile: Profile,
    pub offset: u64,
}

impl Person {
    pub fn new(name: &str, program: Program) -> Self {
        Self { program, profile: Profile::new(ProfileId::from_identifier("user_id", name)), offset: 0 }
    }

    /// An event arrives; one without a `message_id` gets its own.
    pub fn event(&mut self, minutes: i64, mut event: Event) -> Transition {
        if event.message_id.is_empty() {
            event.message_id = format!("{}:{}", self.profile.id(), self.offset + 1);
        }
        event.timestamp = event.timestamp.min(minute(minutes));
        self.entry(minutes, EntryBody::Event(event))
    }

    /// The next entry of the journal.
    pub fn entry(&mut self, minutes: i64, body: EntryBody) -> Transition {
        self.offset += 1;
        let target = Target::Profile(self.profile.id());
        let entry = Entry { offset: Offset(self.offset), received_at: minute(minutes), target, body };
        engine::apply(&mut self.profile, &self.program, &entry)
    }

    /// Time goes on to the start of that minute, which belongs to it.
    pub fn until(&mut self, minutes: i64) -> Transition {
        engine::fire(&mut self.profile, &self.program, minute(minutes))
    }

    /// Time goes on to the last millisecond before that minute.
    pub fn until_just_before(&mut self, minutes: i64) -> Transition {
        engine::fire(&mut self.profile, &self.program, Timestamp(minute(minutes).0 - 1))
    }

    pub fn segments(&self) -> Vec<&str> {
        self.profile.memberships().map(|(name, _)| name).collect()
    }

    /// The steps at which the runs of a journey wait.
    pub fn waits(&self, journey: &str) -> Vec<&str> {
        self.profile.runs().iter().filter(|run| run.journey == journey).map(|run| run.step.as_str()).collect()
    }
}

/// Steps whose e-mails were decided, in order.
pub fn mails(transition: &Transition) -> Vec<&str> {
    let is_mail = |effect: &&Effect| matches!(effect.body, EffectBody::Email { .. });
    let steps = transition.effects.iter().filter(is_mail).filter_map(|effect| effect.origin.as_ref());
    steps.map(|origin| origin.step.as_str()).collect()
}

/// What audiences were told, in order: `+audience value` or `-audience value`.
pub fn told(transition: &Transition) -> Vec<String> {
    let mut lines = Vec::new();
    for effect in &transition.effects {
        if let EffectBody::Audience { audience, add, identifiers, .. } = &effect.body {
            let values: Vec<&str> = identifiers.values().map(String::as_str).collect();
            lines.push(format!("{}{audience} {}", if *add { '+' } else { '-' }, values.join(" ")));
        }
    }
    lines
}

/// Journeys that ended, each with its reason.
pub fn ended(transition: &Transition) -> Vec<(&str, &str)> {
    let ends = transition.facts.iter().filter_map(|fact| match fact {
        Fact::RunEnded { journey, reason, .. } => Some((journey.as_str(), reason.as_str())),
        _ => None,
    });
    ends.collect()
}

/// Journeys that began.
pub fn began(transition: &Transition) -> Vec<&str> {
    let starts = transition.facts.iter().filter_map(|fact| match fact {
        Fact::RunStarted { journey, .. } => Some(journey.as_str()),
        _ => None,
    });
    starts.collect()
}

/// What happened at a step, in order.
pub fn outcomes<'a>(transition: &'a Transition, wanted: &str) -> Vec<&'a StepOutcome> {
    let steps = transition.facts.iter().filter_map(|fact| match fact {
        Fact::Step { step, outcome, .. } if step == wanted => Some(outcome),
        _ => None,
    });
    steps.collect()
}
