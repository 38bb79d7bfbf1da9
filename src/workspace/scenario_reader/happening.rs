//! What happens in a scenario: events from sources, consent, clicks.

use crate::finding::{Code, Finding};
use crate::journey::form::{Form, Key, Shape, Way};
use crate::journey::graph::StepKind;
use crate::journey::reader::{self, unknown};
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::model::value::ValueMap;
use crate::model::{Event, EventKind, Timestamp, Value, platform_event};
use crate::workspace::scenario::Action;

use super::expectation::EXPECT;
use super::{Reader, values};

/// All that a step may do.
pub(super) static WAYS: [Way; 11] = [
    Way::of(Key::required("track", Shape::Either(&Shape::Text, &Shape::Map(&TRACK)), "An event comes.")),
    Way::of(Key::required("identify", Shape::Map(&IDENTIFY), "Traits come.")),
    Way::of(Key::required("page", Shape::Map(&PAGE), "A page is viewed.")),
    Way::of(Key::required("screen", Shape::Map(&SCREEN), "A screen is viewed.")),
    Way::of(Key::required("group", Shape::Map(&GROUP), "The person is put into a group.")),
    Way::of(Key::required("subscribe", Shape::Text, "The person subscribes to this topic.")),
    Way::of(Key::required("unsubscribe", Shape::Text, "The person unsubscribes from this topic.")),
    Way::of(Key::required("agree", Shape::Text, "The person agrees to this purpose.")),
    Way::of(Key::required("refuse", Shape::Text, "The person refuses this purpose.")),
    Way::of(Key::required(
        "click",
        Shape::Either(&Shape::Text, &Shape::Map(&CLICK)),
        "A link of the newest e-mail of this step is clicked.",
    )),
    Way::of(Key::required("expect", Shape::Map(&EXPECT), "What must be so.")),
];

static TRACK: Form = Form::of(
    "a `track`",
    &[
        Key::required("event", Shape::Text, "The event's name."),
        Key::optional("properties", Shape::Values, "Its properties."),
        Key::optional("happened", Shape::Text, "When it happened, if earlier than it comes."),
    ],
);
static IDENTIFY: Form = Form::of("an `identify`", &[Key::required("traits", Shape::Values, "The person's traits.")]);
static PAGE: Form = Form::of("a `page`", &VIEWED);
static SCREEN: Form = Form::of("a `screen`", &VIEWED);
static VIEWED: [Key; 2] = [
    Key::optional("name", Shape::Text, "What was viewed."),
    Key::optional("properties", Shape::Values, "Its properties."),
];
static GROUP: Form = Form::of(
    "a `group`",
    &[
        Key::required("group_id", Shape::Text, "The group's id."),
        Key::optional("traits", Shape::Values, "The group's traits."),
    ],
);
static CLICK: Form = Form::of(
    "a `click`",
    &[
        Key::required("step", Shape::Text, "The `id` of an e-mail step."),
        Key::optional("url", Shape::Text, "The address of the link."),
    ],
);

impl Reader<'_> {
    /// An event that arrives at this time.
    pub(super) fn happening(&mut self, name: &str, node: &Node, at: Timestamp) -> Option<Event> {
        match name {
            "subscribe" => self.consent(node, platform_event::SUBSCRIBED, "topic", at),
            "unsubscribe" => self.consent(node, platform_event::UNSUBSCRIBED, "topic", at),
            "agree" => self.consent(node, platform_event::CONSENT_GIVEN, "purpose", at),
            "refuse" => self.consent(node, platform_event::CONSENT_WITHDRAWN, "purpose", at),
            "track" => self.track(node, at),
            "identify" => self.identify(node, at),
            _ => Some(self.call(name, node, at)),
        }
    }

    fn track(&mut self, node: &Node, at: Timestamp) -> Option<Event> {
        if let NodeKind::Scalar(_) = node.kind {
            let name = self.event_name(node)?;
            return Some(self.event(EventKind::Track, &name, at));
        }
        let name = node.get("event").and_then(|node| self.event_name(node));
        let happened = node.get("happened").and_then(|node| self.time(node));
        let mut event = self.event(EventKind::Track, &name?, happened.unwrap_or(at).min(at));
        event.properties = values_of(node, "properties");
        Some(event)
    }

    fn event_name(&mut self, node: &Node) -> Option<String> {
        let scalar = reader::text(node)?;
        if let Some(program) = self.program {
            let names = program.rules.events.iter().map(|event| event.name.as_str());
            if platform_event::find(&scalar.text).is_some_and(|event| !event.from_sources) {
                let message = format!("`{}` is reported by the platform; it cannot be sent", scalar.text);
                self.findings.push(Finding::new(Code::BadScenario, scalar.place, message));
                return None;
            }
            let ours = platform_event::ALL.iter().map(|event| event.name);
            self.check_name(scalar, Code::UnknownEvent, "event", names.chain(ours));
        }
        Some(scalar.text.clone())
    }

    /// Reports a name that is not among the known ones.
    pub(super) fn check_name<'n>(
        &mut self,
        scalar: &Scalar,
        code: Code,
        what: &str,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        if !known.clone().any(|name| name == scalar.text) {
            let message = format!("no {what} is called `{}`", scalar.text);
            self.findings.push(unknown(code, scalar.place, message, &scalar.text, known));
        }
    }

    fn identify(&mut self, node: &Node, at: Timestamp) -> Option<Event> {
        let mut event = self.event(EventKind::Identify, platform_event::IDENTIFIED, at);
        event.traits = node.get("traits").map(values)?;
        Some(event)
    }

    /// `page`, `screen` and `group`.
    fn call(&mut self, name: &str, node: &Node, at: Timestamp) -> Event {
        let (kind, event_name) = match name {
            "page" => (EventKind::Page, platform_event::PAGE_VIEWED),
            "screen" => (EventKind::Screen, platform_event::SCREEN_VIEWED),
            _ => (EventKind::Group, platform_event::GROUPED),
        };
        let mut event = self.event(kind, event_name, at);
        event.traits = values_of(node, "traits");
        event.properties = values_of(node, "properties");
        for key in ["name", "group_id"] {
            if let Some(scalar) = node.get(key).and_then(reader::text) {
                event.properties.insert(key.to_owned(), Value::from(scalar.text.as_str()));
            }
        }
        event.group_id = node.get("group_id").and_then(reader::text).map(|id| id.text.clone());
        event
    }

    /// A word on a topic or purpose.
    pub(super) fn consent(&mut self, node: &Node, event: &str, property: &str, at: Timestamp) -> Option<Event> {
        let scalar = reader::text(node)?;
        if let Some(program) = self.program {
            let topics = program.rules.topics.iter().map(|topic| topic.name.as_str());
            let purposes = program.rules.purposes.iter().map(|purpose| purpose.name.as_str());
            if property == "topic" {
                self.check_name(scalar, Code::UnknownTopic, "topic", topics);
            } else {
                self.check_name(scalar, Code::UnknownTopic, "purpose", purposes);
            }
        }
        let mut said = self.event(EventKind::Track, event, at);
        said.properties.insert(property.to_owned(), Value::from(scalar.text.as_str()));
        if property == "topic" {
            said.properties.insert("channel".to_owned(), Value::from("email"));
        }
        Some(said)
    }

    /// `click: reminder` or `{ step: reminder, url: … }`.
    pub(super) fn click(&mut self, node: &Node) -> Option<Action> {
        let step = if matches!(node.kind, NodeKind::Map(_)) { node.get("step")? } else { node };
        let step = reader::text(step)?;
        let url = node.get("url").and_then(reader::text);
        if let Some(program) = self.program {
            let steps = program.journeys.iter().flat_map(|journey| &journey.steps);
            let mails = steps.filter(|step| matches!(step.kind, StepKind::Email { .. })).map(|step| step.id.as_str());
            self.check_name(step, Code::UnknownStep, "e-mail step", mails);
        }
        let url = url.map_or_else(|| "https://shop.example/".to_owned(), |url| url.text.clone());
        Some(Action::Click { step: step.text.clone(), url })
    }
}

/// The values below a key, if it is there.
fn values_of(node: &Node, key: &str) -> ValueMap {
    node.get(key).map(values).unwrap_or_default()
}
