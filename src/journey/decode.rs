//! Journey documents to checked journeys. Collects all findings of a document.

mod context;
mod enter;
mod flow;
mod forks;
mod messages;
mod steps;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use crate::finding::{Code, Finding};

use super::form::{self, Form, Key, Shape, Words, notation};
use super::graph::{Goal, Journey};
use super::reader;
use super::yaml::Node;
use crate::lang::compile::Compiler;
use context::Context;

/// What journeys may name beside the rules.
#[derive(Debug, Clone)]
pub struct Known {
    /// Channels of `tidewater.yaml`.
    pub channels: BTreeMap<String, ChannelKind>,
    /// Names in `templates/`, each with the `<title>` of its HTML, which is the subject where a step has none.
    pub templates: BTreeMap<String, Option<String>>,
    pub zone: Tz,
}

/// What a channel of `tidewater.yaml` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    Smtp,
    Webhook,
    Audience,
}

impl ChannelKind {
    /// All kinds, as `kind:` names them.
    pub const NAMES: [&'static str; 3] = ["smtp", "webhook", "audience"];

    /// The kind of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "smtp" => Some(Self::Smtp),
            "webhook" => Some(Self::Webhook),
            "audience" => Some(Self::Audience),
            _ => None,
        }
    }

    /// The kind's name, as `kind:` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Webhook => "webhook",
            Self::Audience => "audience",
        }
    }
}

/// Reads one document of a journey file whose whole text is `text`. `None` where it is no usable journey; what is
/// wrong is in `findings`, which may also be the case where a journey comes back.
pub fn decode(
    document: &Node,
    text: &str,
    compiler: &mut Compiler,
    known: &Known,
    findings: &mut Vec<Finding>,
) -> Option<Journey> {
    let variables: BTreeSet<String> = super::template::known_variables(compiler.rules());
    let mut context = Context { text, compiler, known, variables, entry_event: None, topic: None, findings };
    journey(document, &mut context)
}

/// A document of a journey file.
pub static JOURNEY: Form = Form::of(
    "a journey",
    &[
        Key::required("journey", Shape::Written(&notation::NAME), "The name by which reports and commands know it."),
        Key::optional("title", Shape::Text, "A title for people."),
        Key::optional("topic", Shape::Text, "What its messages are about; consent is held per topic."),
        Key::optional(
            "on_edit",
            Shape::Word(&Words { now: &["follow"], later: &["pin", "restart"] }),
            "`follow` carries a run on at the step of the same id.",
        ),
        Key::required("enter", Shape::Map(&enter::ENTER), "What starts a run."),
        Key::optional("exit", Shape::Map(&enter::EXIT), "What ends a run early."),
        Key::optional("goal", Shape::Map(&GOAL), "What counts as success; it does not end the run."),
        Key::required(
            "steps",
            Shape::List(&steps::STEP),
            "What is done, one after the other, each beginning with `- `.",
        ),
        Key::later("holdout"),
        Key::later("quiet_hours"),
        Key::later("frequency_cap"),
    ],
);

static GOAL: Form = Form::of(
    "a goal",
    &[
        Key::required("event", Shape::Text, "The event that counts as success."),
        Key::optional("where", Shape::Text, "A rule over the properties of that event."),
        Key::optional("within", Shape::Written(&notation::SPAN), "How long after the beginning of the run it counts."),
    ],
);

fn journey(document: &Node, context: &mut Context<'_, '_>) -> Option<Journey> {
    if let Some((key, _)) = document.entry("broadcast") {
        context.findings.push(
            Finding::new(Code::NotYet, key.place, "broadcasts are not carried out yet")
                .help("a journey that enters on a `schedule` reaches everyone whom a rule selects"),
        );
        return None;
    }
    form::check(document, &JOURNEY, context.findings);
    let name = document.get("journey").and_then(reader::name);
    let title = document.get("title").and_then(reader::text);
    context.topic = document.get("topic").and_then(|node| context.topic(node));
    let enter = document.get("enter").and_then(|node| enter::decode(node, context));
    let by_segment = enter.as_ref().is_some_and(|entry| matches!(entry.enter, super::graph::Enter::Segment(_)));
    let exit = document.get("exit").map(|node| enter::exit(node, by_segment, context)).unwrap_or_default();
    let goal = document.get("goal").and_then(|node| goal(node, context));
    let drafts = document.get("steps").map(|node| steps::list(node, "", context));
    let steps = flow::lay_out(drafts?, context);
    let (name, enter) = (name?, enter?);
    Some(Journey {
        name: name.text.clone(),
        title: title.map(|title| title.text.clone()),
        topic: context.topic,
        enter: enter.enter,
        when: enter.when,
        existing: enter.existing,
        backfill: enter.backfill,
        re_entry: enter.re_entry,
        ignore_older_than: enter.ignore_older_than,
        exit_when: exit.when,
        exit_on_leave: exit.on_leave,
        goal,
        first: if steps.is_empty() { None } else { Some(0) },
        steps,
        place: name.place,
    })
}

/// `goal: { event: Order Completed, where: …, within: 7 days }`.
fn goal(node: &Node, context: &mut Context<'_, '_>) -> Option<Goal> {
    let event = node.get("event").and_then(|node| context.event(node));
    let filter = node.get("where").and_then(|node| context.filter(node, event.as_deref()));
    let within = node.get("within").and_then(reader::span);
    Some(Goal { event: event?, filter, within })
}
