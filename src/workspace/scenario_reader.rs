//! Reads `scenarios/*.yaml`; see `docs/scenarios.md`.

mod expectation;
mod happening;

use crate::finding::{Code, Finding, Place};
use crate::journey::form::{self, Form, Key, Shape};
use crate::journey::reader;
use crate::journey::yaml::{Node, NodeKind};
use crate::lang::duration::parse_span;
use crate::model::value::ValueMap;
use crate::model::{Event, EventKind, Span, Timestamp, Value, platform_event};

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

/// A document of a scenario file.
pub(super) static SCENARIO: Form = Form::of(
    "a scenario",
    &[
        Key::required("scenario", Shape::Text, "What it shows, in a few words."),
        Key::optional("start", Shape::Text, "The instant at which it begins: `2026-03-02T09:00:00Z`."),
        Key::optional("given", Shape::Map(&GIVEN), "Who the person is, and what is so at the start."),
        Key::required(
            "steps",
            Shape::List(&Shape::Map(&STEP)),
            "What happens and what is expected, in the order of time.",
        ),
    ],
);

static GIVEN: Form = Form::of(
    "`given`",
    &[
        Key::optional("user_id", Shape::Text, "The person's id; `someone` unless said."),
        Key::optional("traits", Shape::Values, "The person's traits."),
        Key::optional("subscribed", ONE_OR_MANY, "Topics to which the person has subscribed."),
        Key::optional("unsubscribed", ONE_OR_MANY, "Topics from which the person has unsubscribed."),
        Key::optional("agreed", ONE_OR_MANY, "Purposes to which the person has agreed."),
        Key::optional("refused", ONE_OR_MANY, "Purposes that the person has refused."),
    ],
);

/// A name, or a list of them.
pub(super) const ONE_OR_MANY: Shape = Shape::Either(&Shape::Text, &Shape::List(&Shape::Text));

static STEP: Form = Form::choosing(
    "a step",
    &[Key::required("at", Shape::Text, "An instant, or the time from the start: `1 hour 30 minutes`.")],
    "a step says what happens: track, identify, page, screen, group, subscribe, unsubscribe, agree, refuse, click, expect",
    &happening::WAYS,
);

/// Reads one document.
pub(super) fn read(
    document: &Node,
    path: &str,
    program: Option<&Program>,
    findings: &mut Vec<Finding>,
) -> Option<Scenario> {
    form::check(document, &SCENARIO, findings);
    let name = document.get("scenario").and_then(reader::text);
    let start = match document.get("start") {
        Some(node) => instant(node, findings),
        None => Timestamp::parse(START),
    };
    let (given, steps) = (document.get("given"), document.get("steps"));
    let (name, start) = (name?, start?);
    let mut reader = Reader { start, user_id: "someone".to_owned(), program, findings, events: 0 };
    let given = reader.given(given);
    let steps = reader.steps(steps?);
    let user_id = reader.user_id;
    Some(Scenario { name: name.text.clone(), path: path.to_owned(), place: name.place, start, user_id, given, steps })
}

fn instant(node: &Node, findings: &mut Vec<Finding>) -> Option<Timestamp> {
    let scalar = reader::text(node)?;
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
        if let Some(scalar) = node.and_then(|node| node.get("user_id")).and_then(reader::text) {
            self.user_id.clone_from(&scalar.text);
        }
        let mut identify = self.event(EventKind::Identify, platform_event::IDENTIFIED, at);
        identify.traits = node.and_then(|node| node.get("traits")).map(values).unwrap_or_default();
        let mut events = vec![identify];
        let lists = [
            ("subscribed", platform_event::SUBSCRIBED, "topic"),
            ("unsubscribed", platform_event::UNSUBSCRIBED, "topic"),
            ("agreed", platform_event::CONSENT_GIVEN, "purpose"),
            ("refused", platform_event::CONSENT_WITHDRAWN, "purpose"),
        ];
        for (key, event, property) in lists {
            let Some(node) = node.and_then(|node| node.get(key)) else { continue };
            for item in reader::items(node) {
                events.extend(self.consent(item, event, property, at));
            }
        }
        events
    }

    fn steps(&mut self, node: &Node) -> Vec<ScenarioStep> {
        let NodeKind::List(nodes) = &node.kind else { return Vec::new() };
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
        let at = node.get("at").and_then(|node| self.time(node));
        let (name, value) = reader::chosen(node, &STEP)?;
        let at = at?;
        let action = match name.text.as_str() {
            "expect" => Action::Expect(self.expectation(value)),
            "click" => self.click(value)?,
            name => Action::Event(self.happening(name, value, at)?),
        };
        Some((at, node.first_key(), action))
    }

    /// An instant, or spans from the start: `1 hour 1 minute`.
    fn time(&mut self, node: &Node) -> Option<Timestamp> {
        let scalar = reader::text(node)?;
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
}

/// A map of values.
fn values(node: &Node) -> ValueMap {
    match node.to_value() {
        Value::Map(values) => values,
        _ => ValueMap::new(),
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
