//! The steps as the author nests them: a tree of drafts, which `flow` lays out as a table.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Place, did_you_mean};
use crate::journey::graph::{EmailStep, Wait, WebhookStep};
use crate::journey::reader::{self, Fields, wrong_shape};
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::lang::rules::{Condition, SegmentIndex, TraitIndex, ValueType};
use crate::model::{Span, Value};

use super::context::Context;
use super::messages;

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

const KINDS: [&str; 9] =
    ["wait", "wait_until", "branch", "random_split", "email", "webhook", "audience_sync", "update_profile", "exit"];

/// Steps of the design that this version does not carry out.
const LATER: [&str; 6] = ["sms", "push", "onsite", "files", "track", "holdout"];

/// A list of steps; `path` says where it stands, such as `2.then.`. Steps that cannot be read are left out.
pub(super) fn list(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Vec<Draft> {
    let NodeKind::List(nodes) = &node.kind else {
        if !node.is_null() {
            context.findings.push(wrong_shape(node, "steps are a list, each beginning with `- `"));
        }
        return Vec::new();
    };
    nodes.iter().enumerate().filter_map(|(index, node)| step(node, &format!("{path}{index}"), context)).collect()
}

fn step(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<Draft> {
    if let Some(scalar) = node.as_scalar() {
        return bare(scalar, path, context);
    }
    let mut fields = Fields::of(node, "a step", context.findings)?;
    let id = fields.take("id").and_then(|node| context.name(node)).map(|id| id.text.clone());
    fields.not_yet(&LATER, context.findings);
    let Some((name, key, value)) = fields.one_of(&KINDS, context.findings) else {
        fields.finish_without(&format!("a step says what to do: {}", KINDS.join(", ")), context.findings);
        return None;
    };
    fields.finish(context.findings);
    let id = id.unwrap_or_else(|| path.to_owned());
    let kind = kind_of(name, value, path, context)?;
    Some(Draft { id, place: key.place, kind })
}

/// A step of one word: only `exit` needs nothing further.
fn bare(scalar: &Scalar, path: &str, context: &mut Context<'_, '_>) -> Option<Draft> {
    if scalar.text == "exit" {
        return Some(Draft { id: path.to_owned(), place: scalar.place, kind: DraftKind::Exit });
    }
    let finding = if KINDS.contains(&scalar.text.as_str()) {
        Finding::new(Code::WrongShape, scalar.place, format!("`{}` says nothing further", scalar.text))
            .help(format!("write `{}: …`", scalar.text))
    } else {
        let finding = Finding::new(Code::UnknownKey, scalar.place, format!("`{}` is not a step", scalar.text));
        match did_you_mean(&scalar.text, KINDS) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("steps are: {}", KINDS.join(", "))),
        }
    };
    context.findings.push(finding);
    None
}

fn kind_of(name: &str, node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    match name {
        "wait" => wait(node, context).map(DraftKind::Wait),
        "wait_until" => wait_until(node, path, context),
        "branch" => branch(node, path, context),
        "random_split" => random_split(node, path, context),
        "email" => messages::email(node, context).map(DraftKind::Email),
        "webhook" => messages::webhook(node, context).map(DraftKind::Webhook),
        "audience_sync" => audience_sync(node, context),
        "update_profile" => update_profile(node, context).map(DraftKind::UpdateProfile),
        _ => {
            if !node.is_null() {
                context.findings.push(wrong_shape(node, "`exit` has nothing behind it"));
            }
            Some(DraftKind::Exit)
        }
    }
}

fn wait(node: &Node, context: &mut Context<'_, '_>) -> Option<Wait> {
    if !matches!(node.kind, NodeKind::Map(_)) {
        return reader::span(node, "`wait`", context.findings).map(Wait::For);
    }
    let mut fields = Fields::of(node, "a wait", context.findings)?;
    fields.not_yet(&["until"], context.findings);
    let days = fields.take("days");
    let at = fields.require("at", context.findings);
    fields.finish(context.findings);
    let days = match days {
        Some(node) => reader::whole(node, "`days`", 0..=3650, context.findings)?,
        None => 0,
    };
    let at_minute = time_of_day(at?, context)?;
    Some(Wait::Calendar { days, at_minute })
}

/// `"10:00"`, as minutes since midnight.
fn time_of_day(node: &Node, context: &mut Context<'_, '_>) -> Option<u32> {
    let scalar = reader::text(node, "`at`", context.findings)?;
    let minutes = scalar.text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60 && scalar.text.len() <= 5).then_some(hour * 60 + minute)
    });
    if minutes.is_none() {
        let message = format!("`{}` is not a time of day", scalar.text);
        context.push(Code::WrongShape, scalar.place, message, "write hours and minutes, such as `\"10:00\"`");
    }
    minutes
}

fn wait_until(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let mut fields = Fields::of(node, "a `wait_until`", context.findings)?;
    let what = fields.one_of(&["clicked", "event", "segment", "when"], context.findings);
    if what.is_none() {
        let message = "a `wait_until` says what it waits for: `clicked`, `event`, `segment` or `when`";
        context.findings.push(Finding::new(Code::MissingKey, fields.place(), message));
    }
    let is_event = matches!(what, Some(("event", _, _)));
    let filter = fields.take_with_key("where");
    if let Some((key, _)) = filter.filter(|_| !is_event) {
        context.push(Code::UnknownKey, key.place, "`where` goes with `event`", "a rule on the person is `when`");
    }
    let until = what.and_then(|(name, _, node)| until(name, node, filter.map(|(_, node)| node), context));
    let up_to = fields.require("up_to", context.findings);
    let up_to = up_to.and_then(|node| reader::span(node, "`up_to`", context.findings));
    let mut arm = |name: &'static str, context: &mut Context<'_, '_>| match fields.take(name) {
        Some(node) => list(node, &format!("{path}.{name}."), context),
        None => Vec::new(),
    };
    let (then, timeout) = (arm("then", context), arm("timeout", context));
    fields.finish(context.findings);
    Some(DraftKind::WaitUntil { until: until?, up_to: up_to?, then, timeout })
}

fn until(name: &str, node: &Node, filter: Option<&Node>, context: &mut Context<'_, '_>) -> Option<DraftUntil> {
    match name {
        "clicked" => {
            let scalar = reader::text(node, "`clicked`", context.findings)?;
            Some(DraftUntil::Clicked(scalar.text.clone(), scalar.place))
        }
        "event" => {
            let name = context.event(node);
            let filter = filter.and_then(|node| context.filter(node, name.as_deref()));
            Some(DraftUntil::Event { name: name?, filter })
        }
        "segment" => context.segment(node).map(DraftUntil::Segment),
        _ => context.condition(node).map(DraftUntil::When),
    }
}

fn branch(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let NodeKind::List(nodes) = &node.kind else {
        context.findings.push(wrong_shape(node, "a `branch` is a list of `if` and `else`"));
        return None;
    };
    let mut arms = Vec::new();
    let mut otherwise = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let Some(mut fields) = Fields::of(node, "an arm of a branch", context.findings) else { continue };
        let kind = fields.one_of(&["if", "else"], context.findings);
        match kind {
            Some(("if", _, rule)) => {
                let condition = context.condition(rule);
                let then = fields.require("then", context.findings);
                let then = then.map(|node| list(node, &format!("{path}.{index}."), context)).unwrap_or_default();
                arms.extend(condition.map(|condition| (condition, then)));
            }
            Some((_, key, steps)) => {
                if index + 1 < nodes.len() {
                    let message = "`else` is the last arm: those after it are never taken";
                    context.findings.push(Finding::new(Code::WrongShape, key.place, message));
                }
                otherwise = list(steps, &format!("{path}.else."), context);
            }
            None => {
                let message = "an arm of a branch begins with `if` or `else`";
                context.findings.push(Finding::new(Code::MissingKey, fields.place(), message));
            }
        }
        fields.finish(context.findings);
    }
    if !nodes
        .iter()
        .any(|node| matches!(&node.kind, NodeKind::Map(keys) if keys.iter().any(|(key, _)| key.text == "if")))
    {
        context.findings.push(Finding::new(Code::MissingKey, node.place, "a `branch` has at least one `if`"));
    }
    Some(DraftKind::Branch { arms, otherwise })
}

fn random_split(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let NodeKind::Map(entries) = &node.kind else {
        context.findings.push(wrong_shape(node, "a `random_split` is a map of arms, each with `share` and `steps`"));
        return None;
    };
    let mut arms = Vec::new();
    let mut readable = true;
    for (name, node) in entries {
        let Some(mut fields) = Fields::of(node, "an arm of a split", context.findings) else {
            readable = false;
            continue;
        };
        let share = fields.require("share", context.findings).and_then(|node| share(node, context));
        let steps = fields.take("steps");
        let steps = steps.map(|node| list(node, &format!("{path}.{}.", name.text), context)).unwrap_or_default();
        fields.finish(context.findings);
        match share {
            Some(share) => arms.push((name.text.clone(), share, steps)),
            None => readable = false,
        }
    }
    let total: u64 = arms.iter().map(|(_, share, _)| u64::from(*share)).sum();
    if readable && total != 10_000 {
        let message = format!("the shares of this split add up to {}%, not to 100%", hundredths(total));
        let place = entries.first().map_or(node.place, |(name, _)| name.place);
        context.findings.push(Finding::new(Code::SharesNotWhole, place, message));
        return None;
    }
    readable.then_some(DraftKind::RandomSplit { arms })
}

fn hundredths(share: u64) -> String {
    let text = format!("{}.{:02}", share / 100, share % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `50%` or `33.33%`, in hundredths of a percent.
fn share(node: &Node, context: &mut Context<'_, '_>) -> Option<u32> {
    let scalar = reader::text(node, "a share", context.findings)?;
    let share = scalar.text.strip_suffix('%').and_then(|number| {
        let (whole, part) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part) {
            return None;
        }
        let share = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
        (share <= 10_000).then_some(share)
    });
    if share.is_none() {
        let message = format!("`{}` is not a share", scalar.text);
        context.push(Code::WrongShape, scalar.place, message, "write a percentage, such as `50%` or `33.34%`");
    }
    share
}

fn audience_sync(node: &Node, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let mut fields = Fields::of(node, "an `audience_sync`", context.findings)?;
    let action = fields.one_of(&["add", "remove"], context.findings);
    if action.is_none() {
        let message = "an `audience_sync` says `add` or `remove` and the audience";
        context.findings.push(Finding::new(Code::MissingKey, fields.place(), message));
    }
    fields.finish(context.findings);
    let (name, _, node) = action?;
    Some(DraftKind::AudienceSync { audience: context.audience(node)?, add: name == "add" })
}

fn update_profile(node: &Node, context: &mut Context<'_, '_>) -> Option<Vec<(TraitIndex, Value)>> {
    let NodeKind::Map(entries) = &node.kind else {
        context.findings.push(wrong_shape(node, "`update_profile` is a map of traits and values"));
        return None;
    };
    let mut updates = BTreeMap::new();
    for (name, node) in entries {
        let Some(index) = context.trait_of(&name.text, name.place) else { continue };
        if let Some(value) = trait_value(index, node, context) {
            updates.insert(index, value);
        }
    }
    Some(updates.into_iter().collect())
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
