//! Reads `scenarios/*.yaml`; see `docs/scenarios.md`.

mod expectation;
mod happening;

use crate::finding::{Code, Finding, Place};
use crate::journey::reader::{self, Fields, wrong_shape};
use crate::journey::yaml::{Node, NodeKind};
use crate::lang::duration::parse_span;
use crate::model::value::ValueMap;
use crate::model::{Event, EventKind, Span, Timestamp, platform_event};

use super::program::Program;
use super::scenario::{Action, Scenario, ScenarioStep};

/// What reading a scenario carries along.
pub(super) struct Reader<'a> {
    pub start: Timestamp,
    pub user_id: String,
    /// To check names against; `None` where the program has errors of its own.
    pub program: Option<&'a Program>,
    pub findings: &'a mut Vec<Finding>,
    events: usize,
}

/// Where virtual time begins unless the file says otherwise.
const START: &str = "2026-01-01T00:00:00Z";

/// Reads one document.
pub(super) fn read(
    document: &Node,
    path: &str,
    program: Option<&Program>,
    findings: &mut Vec<Finding>,
) -> Option<Scenario> {
    let mut fields = Fields::of(document, "a scenario", findings)?;
    let name = fields.require("scenario", findings).and_then(|node| reader::text(node, "`scenario`", findings));
    let start = match fields.take("start") {
        Some(node) => instant(node, findings),
        None => Timestamp::parse(START),
    };
    let given = fields.take("given");
    let steps = fields.require("steps", findings);
    fields.finish(findings);
    let (name, start) = (name?, start?);
    let mut reader = Reader { start, user_id: "someone".to_owned(), program, findings, events: 0 };
    let given = reader.given(given);
    let steps = reader.steps(steps?);
    let user_id = reader.user_id;
    Some(Scenario { name: name.text.clone(), path: path.to_owned(), place: name.place, start, user_id, given, steps })
}

fn instant(node: &Node, findings: &mut Vec<Finding>) -> Option<Timestamp> {
    let scalar = reader::text(node, "`start`", findings)?;
    let instant = Timestamp::parse(&scalar.text);
    if instant.is_none() {
        let message = format!("`{}` is not an instant", scalar.text);
        findings.push(Finding::new(Code::BadScenario, scalar.place, message).help("such as `2026-03-02T09:00:00Z`"));
    }
    instant
}

impl Reader<'_> {
    /// An event of the person at this time.
    fn event(&mut self, kind: EventKind, name: &str, at: Timestamp) -> Event {
        self.events += 1;
        Event {
            message_id: format!("scenario-{}", self.events),
            kind,
            name: name.to_owned(),
            source: "scenario".to_owned(),
            timestamp: at,
            user_id: Some(self.user_id.clone()),
            anonymous_id: None,
            previous_id: None,
            group_id: None,
            properties: ValueMap::new(),
            traits: ValueMap::new(),
            context: ValueMap::new(),
        }
    }

    /// `given:`, as events at the start.
    fn given(&mut self, node: Option<&Node>) -> Vec<Event> {
        let at = self.start;
        let fields = node.and_then(|node| Fields::of(node, "`given`", self.findings));
        let Some(mut fields) = fields else {
            return vec![self.event(EventKind::Identify, platform_event::IDENTIFIED, at)];
        };
        if let Some(scalar) = fields.take("user_id").and_then(|node| reader::text(node, "`user_id`", self.findings)) {
            self.user_id.clone_from(&scalar.text);
        }
        let mut identify = self.event(EventKind::Identify, platform_event::IDENTIFIED, at);
        if let Some(node) = fields.take("traits") {
            identify.traits = self.values(node, "`traits`");
        }
        let mut events = vec![identify];
        let lists = [
            ("subscribed", platform_event::SUBSCRIBED, "topic"),
            ("unsubscribed", platform_event::UNSUBSCRIBED, "topic"),
            ("agreed", platform_event::CONSENT_GIVEN, "purpose"),
            ("refused", platform_event::CONSENT_WITHDRAWN, "purpose"),
        ];
        for (key, event, property) in lists {
            let Some(node) = fields.take(key) else { continue };
            for item in reader::items(node) {
                events.extend(self.consent(item, event, property, at));
            }
        }
        fields.finish(self.findings);
        events
    }

    fn steps(&mut self, node: &Node) -> Vec<ScenarioStep> {
        let NodeKind::List(nodes) = &node.kind else {
            self.findings.push(wrong_shape(node, "`steps` is a list"));
            return Vec::new();
        };
        let mut steps: Vec<ScenarioStep> = Vec::new();
        for node in nodes {
            let Some((at, place, action)) = self.step(node) else { continue };
            if steps.last().is_some_and(|before| at < before.at) || at < self.start {
                let message = format!("this step is at {at}, before what stands above it");
                let finding = Finding::new(Code::BadScenario, place, message);
                self.findings.push(finding.help("steps stand in the order of time; for a late event, add `happened:`"));
                continue;
            }
            steps.push(ScenarioStep { at, place, action });
        }
        steps
    }

    fn step(&mut self, node: &Node) -> Option<(Timestamp, Place, Action)> {
        let mut fields = Fields::of(node, "a step", self.findings)?;
        let place = fields.place();
        let at = fields.require("at", self.findings).and_then(|node| self.time(node));
        let Some((name, _, value)) = fields.one_of(&happening::KINDS, self.findings) else {
            let message = format!("a step says what happens: {}", happening::KINDS.join(", "));
            fields.finish_without(&message, self.findings);
            return None;
        };
        fields.finish(self.findings);
        let at = at?;
        let action = match name {
            "expect" => Action::Expect(self.expectation(value)?),
            "click" => self.click(value)?,
            _ => Action::Event(self.happening(name, value, at)?),
        };
        Some((at, place, action))
    }

    /// An instant, or spans from the start: `1 hour 1 minute`.
    fn time(&mut self, node: &Node) -> Option<Timestamp> {
        let scalar = reader::text(node, "`at`", self.findings)?;
        let time = Timestamp::parse(&scalar.text).or_else(|| {
            let words: Vec<&str> = scalar.text.split_whitespace().collect();
            let spans = words.chunks(2).map(|pair| parse_span(&pair.join(" ")));
            let sum = spans.sum_spans()?;
            Some(self.start + sum)
        });
        if time.is_none() {
            let message = format!("`{}` is not a time", scalar.text);
            let help = "write a time from the start, such as `1 hour 30 minutes`, or an instant";
            self.findings.push(Finding::new(Code::BadScenario, scalar.place, message).help(help));
        }
        time
    }

    /// A map of values.
    fn values(&mut self, node: &Node, what: &str) -> ValueMap {
        match node.to_value() {
            crate::model::Value::Map(values) => values,
            _ => {
                self.findings.push(wrong_shape(node, &format!("{what} is a map")));
                ValueMap::new()
            }
        }
    }
}

/// Adds spans up; nothing where one of them is none, or there are none.
trait SumSpans {
    fn sum_spans(self) -> Option<Span>;
}

impl<I: Iterator<Item = Option<Span>>> SumSpans for I {
    fn sum_spans(self) -> Option<Span> {
        self.reduce(|a, b| Some(Span(a?.0.saturating_add(b?.0))))?
    }
}
