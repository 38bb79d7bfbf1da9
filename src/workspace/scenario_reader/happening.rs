//! What happens in a scenario: events from sources, consent, clicks.

use crate::finding::{Code, Finding};
use crate::journey::graph::StepKind;
use crate::journey::reader::{self, Fields, unknown};
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::model::{Event, EventKind, Timestamp, Value, platform_event};
use crate::workspace::scenario::Action;

use super::Reader;

/// All that a step may do.
pub(super) const KINDS: [&str; 11] =
    ["track", "identify", "page", "screen", "group", "subscribe", "unsubscribe", "agree", "refuse", "click", "expect"];

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
            _ => self.call(name, node, at),
        }
    }

    fn track(&mut self, node: &Node, at: Timestamp) -> Option<Event> {
        if let NodeKind::Scalar(_) = node.kind {
            let name = self.event_name(node)?;
            return Some(self.event(EventKind::Track, &name, at));
        }
        let mut fields = Fields::of(node, "a `track`", self.findings)?;
        let name = fields.require("event", self.findings).and_then(|node| self.event_name(node));
        let properties = fields.take("properties").map(|node| self.values(node, "`properties`")).unwrap_or_default();
        let happened = fields.take("happened").and_then(|node| self.time(node));
        fields.finish(self.findings);
        let mut event = self.event(EventKind::Track, &name?, happened.unwrap_or(at).min(at));
        event.properties = properties;
        Some(event)
    }

    fn event_name(&mut self, node: &Node) -> Option<String> {
        let scalar = reader::text(node, "an event", self.findings)?;
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
        let mut fields = Fields::of(node, "an `identify`", self.findings)?;
        let traits = fields.require("traits", self.findings).map(|node| self.values(node, "`traits`"));
        fields.finish(self.findings);
        let mut event = self.event(EventKind::Identify, platform_event::IDENTIFIED, at);
        event.traits = traits?;
        Some(event)
    }

    /// `page`, `screen` and `group`.
    fn call(&mut self, name: &str, node: &Node, at: Timestamp) -> Option<Event> {
        let (kind, event_name, what) = match name {
            "page" => (EventKind::Page, platform_event::PAGE_VIEWED, "a `page`"),
            "screen" => (EventKind::Screen, platform_event::SCREEN_VIEWED, "a `screen`"),
            _ => (EventKind::Group, platform_event::GROUPED, "a `group`"),
        };
        let mut fields = Fields::of(node, what, self.findings)?;
        let mut event = self.event(kind, event_name, at);
        if kind == EventKind::Group {
            let id = fields.require("group_id", self.findings);
            let id = id.and_then(|node| reader::text(node, "`group_id`", self.findings));
            event.group_id = id.map(|id| id.text.clone());
            event.traits = fields.take("traits").map(|node| self.values(node, "`traits`")).unwrap_or_default();
            if let Some(id) = &event.group_id {
                event.properties.insert("group_id".to_owned(), Value::from(id.as_str()));
            }
        } else {
            event.properties =
                fields.take("properties").map(|node| self.values(node, "`properties`")).unwrap_or_default();
            if let Some(name) = fields.take("name").and_then(|node| reader::text(node, "`name`", self.findings)) {
                event.properties.insert("name".to_owned(), Value::from(name.text.as_str()));
            }
        }
        fields.finish(self.findings);
        Some(event)
    }

    /// A word on a topic or purpose.
    pub(super) fn consent(&mut self, node: &Node, event: &str, property: &str, at: Timestamp) -> Option<Event> {
        let scalar = reader::text(node, "a name", self.findings)?;
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
        let (step, url) = if let NodeKind::Map(_) = node.kind {
            let mut fields = Fields::of(node, "a `click`", self.findings)?;
            let step = fields.require("step", self.findings);
            let step = step.and_then(|node| reader::text(node, "`step`", self.findings));
            let url = fields.take("url").and_then(|node| reader::text(node, "`url`", self.findings));
            fields.finish(self.findings);
            (step?, url)
        } else {
            (reader::text(node, "a step", self.findings)?, None)
        };
        if let Some(program) = self.program {
            let steps = program.journeys.iter().flat_map(|journey| &journey.steps);
            let mails = steps.filter(|step| matches!(step.kind, StepKind::Email { .. })).map(|step| step.id.as_str());
            self.check_name(step, Code::UnknownStep, "e-mail step", mails);
        }
        let url = url.map_or_else(|| "https://shop.example/".to_owned(), |url| url.text.clone());
        Some(Action::Click { step: step.text.clone(), url })
    }
}
