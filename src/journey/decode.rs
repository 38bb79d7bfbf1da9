//! Journey documents to checked journeys. Collects all findings of a document.

mod context;
mod enter;
mod flow;
mod messages;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use crate::finding::{Code, Finding, did_you_mean};

use super::graph::{Goal, Journey};
use super::reader::{self, Fields};
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

fn journey(document: &Node, context: &mut Context<'_, '_>) -> Option<Journey> {
    let mut fields = Fields::of(document, "a journey", context.findings)?;
    if let Some((key, _)) = fields.take_with_key("broadcast") {
        context.findings.push(
            Finding::new(Code::NotYet, key.place, "broadcasts are not carried out yet")
                .help("a journey that enters on a `schedule` reaches everyone whom a rule selects"),
        );
        return None;
    }
    let name = fields.require("journey", context.findings).and_then(|node| context.name(node));
    let title = fields.take("title").and_then(|node| reader::text(node, "`title`", context.findings));
    context.topic = fields.take("topic").and_then(|node| context.topic(node));
    fields.not_yet(&["holdout", "quiet_hours", "frequency_cap"], context.findings);
    if let Some(node) = fields.take("on_edit") {
        on_edit(node, context);
    }
    let enter = fields.require("enter", context.findings).and_then(|node| enter::decode(node, context));
    let by_segment = enter.as_ref().is_some_and(|entry| matches!(entry.enter, super::graph::Enter::Segment(_)));
    let exit = fields.take("exit").map(|node| enter::exit(node, by_segment, context)).unwrap_or_default();
    let goal = fields.take("goal").and_then(|node| goal(node, context));
    let drafts = fields.require("steps", context.findings).map(|node| steps::list(node, "", context));
    fields.finish(context.findings);
    let steps = flow::lay_out(drafts?, context);
    let (name, enter) = (name?, enter?);
    Some(Journey {
        name: name.text.clone(),
        title: title.map(|title| title.text.clone()),
        topic: context.topic,
        enter: enter.enter,
        when: enter.when,
        existing: enter.existing,
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

/// A changed journey carries its runs on at the step of the same id. The other ways are not there yet.
fn on_edit(node: &Node, context: &mut Context<'_, '_>) {
    let Some(scalar) = reader::text(node, "`on_edit`", context.findings) else { return };
    match scalar.text.as_str() {
        "follow" => {}
        "pin" | "restart" => context.findings.push(
            Finding::new(Code::NotYet, scalar.place, format!("`on_edit: {}` is not carried out yet", scalar.text))
                .help("`follow` carries a run on at the step of the same id"),
        ),
        other => {
            let message = format!("`on_edit` is `follow`; this is `{other}`");
            let finding = Finding::new(Code::WrongShape, scalar.place, message);
            context.findings.push(match did_you_mean(other, ["follow"]) {
                Some(near) => finding.fix(scalar.place, near),
                None => finding,
            });
        }
    }
}

/// `goal: { event: Order Completed, where: …, within: 7 days }`.
fn goal(node: &Node, context: &mut Context<'_, '_>) -> Option<Goal> {
    let mut fields = Fields::of(node, "a goal", context.findings)?;
    let event = fields.require("event", context.findings).and_then(|node| context.event(node));
    let filter = fields.take("where").and_then(|node| context.filter(node, event.as_deref()));
    let within = fields.take("within").and_then(|node| reader::span(node, "`within`", context.findings));
    fields.finish(context.findings);
    Some(Goal { event: event?, filter, within })
}
