//! The steps as the author nests them: a tree of drafts, which `flow` lays out as a table.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Place};
use crate::journey::form::{Form, Key, Shape, Way, Words, notation};
use crate::journey::graph::{EmailStep, Wait, WebhookStep};
use crate::journey::reader;
use crate::journey::yaml::{Node, NodeKind};
use crate::lang::rules::{Condition, SegmentIndex, TraitIndex, ValueType};
use crate::model::{Span, Value};

use super::context::Context;
use super::forks::{BRANCH_ARM, SPLIT_ARMS, branch, random_split};
use super::messages::{self, EMAIL, WEBHOOK};
use super::waits::{WAIT, WAIT_UNTIL, wait, wait_until};

/// A step with all that stands inside it.
pub(super) struct Draft {
    pub id: String,
    /// Where its kind is named, or its id.
    pub place: Place,
    pub kind: DraftKind,
}

pub(super) enum DraftKind {
    Wait(Wait),
    WaitUntil { until: DraftUntil, up_to: Span, then: Vec<Draft>, timeout: Vec<Draft> },
    Branch { arms: Vec<(Condition, Vec<Draft>)>, otherwise: Vec<Draft> },
    RandomSplit { arms: Vec<(String, u32, Vec<Draft>)> },
    Email(EmailStep),
    Webhook(WebhookStep),
    AudienceSync { audience: usize, add: bool },
    UpdateProfile(Vec<(TraitIndex, Value)>),
    Exit,
}

pub(super) enum DraftUntil {
    Event {
        name: String,
        filter: Option<Condition>,
    },
    Segment(SegmentIndex),
    When(Condition),
    /// The id of an e-mail step, looked up when all steps are known.
    Clicked(String, Place),
}

/// `exit` needs nothing further, so it may stand alone.
pub(super) static STEP: Shape = Shape::Either(&Shape::Word(&Words::of(&["exit"])), &Shape::Map(&STEP_FORM));

static STEP_FORM: Form = Form::choosing(
    "a step",
    &[
        Key::optional("id", Shape::Written(&notation::NAME), "The name by which reports and edits know this step."),
        Key::later("sms"),
        Key::later("push"),
        Key::later("onsite"),
        Key::later("files"),
        Key::later("track"),
        Key::later("holdout"),
    ],
    "a step says what to do: wait, wait_until, branch, random_split, email, webhook, audience_sync, update_profile, exit",
    &[
        Way::of(Key::required("wait", WAIT, "Waits that long, or until a time of day.")),
        Way::of(Key::required(
            "wait_until",
            Shape::Map(&WAIT_UNTIL),
            "Waits for something, but no longer than `up_to`.",
        )),
        Way::of(Key::required("branch", Shape::List(&BRANCH_ARM), "Takes the first arm whose rule holds.")),
        Way::of(Key::required(
            "random_split",
            Shape::Named(&SPLIT_ARMS),
            "Takes an arm by chance; shares add up to 100%.",
        )),
        Way::of(Key::required("email", Shape::Map(&EMAIL), "Sends an e-mail.")),
        Way::of(Key::required("webhook", Shape::Map(&WEBHOOK), "Calls a webhook channel.")),
        Way::of(Key::required(
            "audience_sync",
            Shape::Map(&AUDIENCE_SYNC),
            "Adds the person to an audience, or takes them out.",
        )),
        Way::of(Key::required(
            "update_profile",
            Shape::Values,
            "Writes traits, each with its value; `null` clears one.",
        )),
        Way::of(Key::optional("exit", Shape::Nothing, "Ends the run.")),
    ],
);

static AUDIENCE_SYNC: Form = Form::choosing(
    "an `audience_sync`",
    &[],
    "an `audience_sync` says `add` or `remove` and the audience",
    &[
        Way::of(Key::required("add", Shape::Text, "The audience to which the person is added.")),
        Way::of(Key::required("remove", Shape::Text, "The audience from which the person is taken out.")),
    ],
);

/// A list of steps; `path` says where it stands, such as `2.then.`. Steps that cannot be read are left out.
pub(super) fn list(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Vec<Draft> {
    let NodeKind::List(nodes) = &node.kind else { return Vec::new() };
    nodes.iter().enumerate().filter_map(|(index, node)| step(node, &format!("{path}{index}"), context)).collect()
}

fn step(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<Draft> {
    if let Some(scalar) = node.as_scalar() {
        let is_exit = scalar.text == "exit";
        return is_exit.then(|| Draft { id: path.to_owned(), place: scalar.place, kind: DraftKind::Exit });
    }
    let (key, value) = reader::chosen(node, &STEP_FORM)?;
    let id = node.get("id").and_then(reader::name);
    let id = id.map_or_else(|| path.to_owned(), |id| id.text.clone());
    let kind = kind_of(&key.text, value, path, context)?;
    Some(Draft { id, place: key.place, kind })
}

fn kind_of(name: &str, node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    match name {
        "wait" => wait(node).map(DraftKind::Wait),
        "wait_until" => wait_until(node, path, context),
        "branch" => branch(node, path, context),
        "random_split" => random_split(node, path, context),
        "email" => messages::email(node, context).map(DraftKind::Email),
        "webhook" => messages::webhook(node, context).map(DraftKind::Webhook),
        "audience_sync" => audience_sync(node, context),
        "update_profile" => Some(DraftKind::UpdateProfile(update_profile(node, context))),
        _ => Some(DraftKind::Exit),
    }
}

fn audience_sync(node: &Node, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let (action, audience) = reader::chosen(node, &AUDIENCE_SYNC)?;
    Some(DraftKind::AudienceSync { audience: context.audience(audience)?, add: action.text == "add" })
}

fn update_profile(node: &Node, context: &mut Context<'_, '_>) -> Vec<(TraitIndex, Value)> {
    let mut updates = BTreeMap::new();
    for (name, node) in node.entries() {
        let Some(index) = context.trait_of(&name.text, name.place) else { continue };
        if let Some(value) = trait_value(index, node, context) {
            updates.insert(index, value);
        }
    }
    updates.into_iter().collect()
}

/// A literal that fits the trait.
fn trait_value(index: TraitIndex, node: &Node, context: &mut Context<'_, '_>) -> Option<Value> {
    if let NodeKind::Map(entries) = &node.kind
        && let [(key, _)] = entries.as_slice()
        && key.text == "rule"
    {
        let help = "write the value itself, or declare a `compute` in `rules/`";
        context.push(Code::NotYet, key.place, "values computed by a rule are not carried out yet", help);
        return None;
    }
    let value = node.to_value();
    let declared = &context.rules().traits[index.at()];
    let fits = matches!(
        (&declared.kind, &value),
        (_, Value::Null)
            | (ValueType::Text | ValueType::Date | ValueType::Time, Value::Text(_))
            | (ValueType::Number | ValueType::Money { .. }, Value::Number(_))
            | (ValueType::Bool, Value::Bool(_))
            | (ValueType::List(_), Value::List(_))
            | (ValueType::Object(_), Value::Map(_))
    );
    let finding = if !fits {
        let wanted = kind_name(&declared.kind);
        let message = format!("trait `{}` holds {wanted}; this is {}", declared.name, value.kind_name());
        let finding = Finding::new(Code::TypeMismatch, node.place, message);
        Some(if matches!(declared.kind, ValueType::Text) { finding.help("put quotes around it") } else { finding })
    } else {
        declared.one_of.as_ref().filter(|allowed| !value.is_null() && !allowed.contains(&value)).map(|allowed| {
            let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let message = format!("trait `{}` is one of {}; this is `{value}`", declared.name, list.join(", "));
            Finding::new(Code::NotOneOf, node.place, message)
        })
    };
    match finding {
        Some(finding) => {
            context.findings.push(finding);
            None
        }
        None => Some(value),
    }
}

fn kind_name(kind: &ValueType) -> &'static str {
    match kind {
        ValueType::Text => "a text",
        ValueType::Number => "a number",
        ValueType::Bool => "true or false",
        ValueType::Date => "a date",
        ValueType::Time => "a time",
        ValueType::Money { .. } => "an amount of money",
        ValueType::List(_) => "a list",
        ValueType::Object(_) => "an object",
    }
}
