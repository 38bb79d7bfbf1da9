//! `enter:` and `exit:`: what starts a run, and what ends it early.

use crate::finding::{Code, Finding};
use crate::journey::graph::{DEFAULT_IGNORE_OLDER_THAN, Enter, Existing, ReEntry, Schedule};
use crate::journey::reader::{self, Fields};
use crate::journey::yaml::{Node, Scalar};
use crate::lang::rules::Condition;
use crate::model::Span;

use super::context::Context;

/// All that stands under `enter:`.
pub(super) struct Entry {
    pub enter: Enter,
    pub when: Option<Condition>,
    pub existing: Existing,
    pub re_entry: ReEntry,
    pub ignore_older_than: Option<Span>,
}

const KINDS: [&str; 3] = ["event", "segment", "schedule"];

pub(super) fn decode(node: &Node, context: &mut Context<'_, '_>) -> Option<Entry> {
    let mut fields = Fields::of(node, "the entry rule", context.findings)?;
    fields.not_yet(&["trait", "from", "date", "before", "at", "api", "journey"], context.findings);
    let kind = fields.one_of(&KINDS, context.findings);
    if kind.is_none() {
        let message = "the entry rule says what starts a run: `event`, `segment` or `schedule`";
        context.findings.push(Finding::new(Code::MissingKey, fields.place(), message));
    }
    let kind_name = kind.map(|(name, _, _)| name);
    let enter = kind.and_then(|(name, _, node)| match name {
        "event" => event(node, &mut fields, context),
        "segment" => context.segment(node).map(Enter::Segment),
        _ => schedule(node, &mut fields, context),
    });
    refuse_strangers(&mut fields, kind_name, context);
    let when = fields.take("when").and_then(|node| context.condition(node));
    let existing = fields.take("existing").and_then(|node| existing(node, context)).unwrap_or_default();
    let default = if kind_name == Some("schedule") { ReEntry::Always } else { ReEntry::Never };
    let re_entry = fields.take("re_entry").and_then(|node| re_entry(node, context)).unwrap_or(default);
    let ignore_older_than = match fields.take("ignore_older_than") {
        Some(node) => ignore_older_than(node, context),
        None => Some(DEFAULT_IGNORE_OLDER_THAN),
    };
    fields.finish(context.findings);
    Some(Entry { enter: enter?, when, existing, re_entry, ignore_older_than })
}

fn event(node: &Node, fields: &mut Fields<'_>, context: &mut Context<'_, '_>) -> Option<Enter> {
    let name = context.event(node);
    context.entry_event.clone_from(&name);
    let filter = fields.take("where").and_then(|node| context.filter(node, name.as_deref()));
    let key = fields.take("key").and_then(|node| reader::text(node, "`key`", context.findings));
    let name = name?;
    if let Some(key) = key {
        check_key(&name, key, context);
    }
    Some(Enter::Event { name, filter, key: key.map(|key| key.text.clone()) })
}

/// The key must be a property that the event's declaration names, where it has one.
fn check_key(event: &str, key: &Scalar, context: &mut Context<'_, '_>) {
    let Some(declared) = context.rules().events.iter().find(|declared| declared.name == event) else { return };
    let root = key.text.split('.').next().unwrap_or_default();
    if declared.properties.iter().any(|property| property.name == key.text || property.name == root) {
        return;
    }
    let message = format!("`{event}` has no property `{}`", key.text);
    let known = declared.properties.iter().map(|property| property.name.as_str());
    let finding = reader::unknown(Code::UnknownProperty, key.place, message, &key.text, known);
    context.findings.push(finding);
}

fn schedule(node: &Node, fields: &mut Fields<'_>, context: &mut Context<'_, '_>) -> Option<Enter> {
    let scalar = reader::text(node, "`schedule`", context.findings)?;
    let to = fields.take("to").and_then(|node| context.profile_condition(node));
    match Schedule::parse(&scalar.text, context.known.zone) {
        Ok(schedule) => Some(Enter::Schedule { schedule, to }),
        Err(message) => {
            let help = "such as `0 9 * * MON`: at 9:00 every Monday, in the workspace's time zone";
            context.push(Code::BadSchedule, scalar.place, message, help);
            None
        }
    }
}

/// Keys that belong to another kind of entry than the one given.
fn refuse_strangers(fields: &mut Fields<'_>, kind: Option<&str>, context: &mut Context<'_, '_>) {
    for (key, owner) in [("where", "event"), ("key", "event"), ("to", "schedule"), ("existing", "segment")] {
        if kind == Some(owner) {
            continue;
        }
        if let Some((scalar, _)) = fields.take_with_key(key) {
            let message = format!("`{key}` goes with an entry by `{owner}`");
            let help = match key {
                "existing" => "it says what becomes of people who are in the segment already",
                _ => "a further condition on the person is `when`",
            };
            context.push(Code::UnknownKey, scalar.place, message, help);
        }
    }
}

fn existing(node: &Node, context: &mut Context<'_, '_>) -> Option<Existing> {
    let scalar = reader::text(node, "`existing`", context.findings)?;
    match scalar.text.as_str() {
        "skip" => Some(Existing::Skip),
        "enter" => Some(Existing::Enter),
        other => {
            let message = format!("`existing` is `skip` or `enter`; this is `{other}`");
            context.findings.push(Finding::new(Code::WrongShape, scalar.place, message));
            None
        }
    }
}

fn re_entry(node: &Node, context: &mut Context<'_, '_>) -> Option<ReEntry> {
    let scalar = reader::text(node, "`re_entry`", context.findings)?;
    match scalar.text.as_str() {
        "never" => return Some(ReEntry::Never),
        "always" => return Some(ReEntry::Always),
        _ => {}
    }
    let span = scalar.text.strip_prefix("after ").and_then(|rest| crate::lang::duration::parse_span(rest.trim()));
    if span.is_none_or(|span| span <= Span(0)) {
        let message = format!("`re_entry` is `never`, `always` or `after 7 days`; this is `{}`", scalar.text);
        context.findings.push(Finding::new(Code::WrongShape, scalar.place, message));
        return None;
    }
    span.map(ReEntry::After)
}

fn ignore_older_than(node: &Node, context: &mut Context<'_, '_>) -> Option<Span> {
    if node.as_scalar().is_some_and(|scalar| scalar.text == "never") {
        return None;
    }
    reader::span(node, "`ignore_older_than`", context.findings).or(Some(DEFAULT_IGNORE_OLDER_THAN))
}

/// All that stands under `exit:`.
#[derive(Default)]
pub(super) struct Exit {
    pub when: Option<Condition>,
    pub on_leave: bool,
}

pub(super) fn exit(node: &Node, by_segment: bool, context: &mut Context<'_, '_>) -> Exit {
    let Some(mut fields) = Fields::of(node, "the exit rule", context.findings) else { return Exit::default() };
    let when = fields.take("when").and_then(|node| context.condition(node));
    let on_leave_node = fields.take("on_leave");
    let on_leave =
        on_leave_node.and_then(|node| reader::boolean(node, "`on_leave`", context.findings)).unwrap_or(false);
    if let Some(node) = on_leave_node.filter(|_| on_leave && !by_segment) {
        let message = "`on_leave` ends a run when the person leaves the entry segment, and this journey has none";
        context.push(Code::WrongShape, node.place, message, "enter by `segment`, or say `when:` under `exit:`");
    }
    fields.finish(context.findings);
    Exit { when, on_leave }
}
