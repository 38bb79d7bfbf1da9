//! `enter:` and `exit:`: what starts a run, and what ends it early.

use crate::finding::Code;
use crate::journey::form::{Form, Key, Shape, Way, Words, notation};
use crate::journey::graph::{Backfill, DEFAULT_IGNORE_OLDER_THAN, Enter, Existing, ReEntry, Schedule};
use crate::journey::reader;
use crate::journey::yaml::{Node, Scalar};
use crate::lang::rules::Condition;
use crate::model::Span;

use super::context::Context;

/// All that stands under `enter:`.
pub(super) struct Entry {
    pub enter: Enter,
    pub when: Option<Condition>,
    pub existing: Existing,
    pub backfill: Backfill,
    pub re_entry: ReEntry,
    pub ignore_older_than: Option<Span>,
}

pub(super) static ENTER: Form = Form::choosing(
    "the entry rule",
    &[
        Key::optional("when", Shape::Text, "A rule over the person that must hold as well."),
        Key::optional(
            "re_entry",
            Shape::Written(&notation::RE_ENTRY),
            "Whether a person may start again: `never`, `always` or `after 7 days`.",
        ),
        Key::optional(
            "ignore_older_than",
            Shape::Written(&notation::SPAN_OR_NEVER),
            "An event that happened longer ago than this starts nothing; `1 hour` unless said.",
        ),
        Key::later("trait"),
        Key::later("from"),
        Key::later("date"),
        Key::later("before"),
        Key::later("at"),
        Key::later("api"),
        Key::later("journey"),
    ],
    "the entry rule says what starts a run: `event`, `segment` or `schedule`",
    &[
        Way::with(
            Key::required("event", Shape::Text, "A run starts each time this event comes."),
            &[
                Key::optional("where", Shape::Text, "A rule over the properties of the event."),
                Key::optional("key", Shape::Text, "A property: each of its values has a run of its own."),
            ],
        ),
        Way::with(
            Key::required("segment", Shape::Text, "A run starts each time a person enters this segment."),
            &[
                Key::optional(
                    "existing",
                    Shape::Word(&Words::of(&["skip", "enter"])),
                    "What becomes of people who are in the segment when the journey is first deployed.",
                ),
                Key::optional(
                    "backfill",
                    Shape::Word(&Words::of(&["skip", "trigger"])),
                    "Whether people start whom an edit of the rules puts into the segment.",
                ),
            ],
        ),
        Way::with(
            Key::required("schedule", Shape::Text, "Minute, hour, day, month, day of the week: `0 9 * * MON`."),
            &[Key::optional("to", Shape::Text, "A rule: for whom a run starts.")],
        ),
    ],
);

pub(super) static EXIT: Form = Form::of(
    "the exit rule",
    &[
        Key::optional("when", Shape::Text, "A rule over the person that ends the run as soon as it holds."),
        Key::optional("on_leave", Shape::Bool, "Whether leaving the entry segment ends the run."),
    ],
);

pub(super) fn decode(node: &Node, context: &mut Context<'_, '_>) -> Option<Entry> {
    let (kind, value) = reader::chosen(node, &ENTER)?;
    let enter = match kind.text.as_str() {
        "event" => event(value, node, context),
        "segment" => context.segment(value).map(Enter::Segment),
        _ => schedule(value, node, context),
    };
    let when = node.get("when").and_then(|node| context.condition(node));
    let existing = node.get("existing").and_then(existing).unwrap_or_default();
    let backfill = node.get("backfill").and_then(backfill).unwrap_or_default();
    let default = if kind.text == "schedule" { ReEntry::Always } else { ReEntry::Never };
    let re_entry = node.get("re_entry").and_then(re_entry).unwrap_or(default);
    let ignore_older_than = match node.get("ignore_older_than").and_then(reader::text) {
        Some(scalar) if scalar.text == notation::NEVER => None,
        Some(scalar) => notation::span(&scalar.text),
        None => Some(DEFAULT_IGNORE_OLDER_THAN),
    };
    Some(Entry { enter: enter?, when, existing, backfill, re_entry, ignore_older_than })
}

fn event(name: &Node, rule: &Node, context: &mut Context<'_, '_>) -> Option<Enter> {
    let name = context.event(name);
    context.entry_event.clone_from(&name);
    let filter = rule.get("where").and_then(|node| context.filter(node, name.as_deref()));
    let key = rule.get("key").and_then(reader::text);
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

fn schedule(schedule: &Node, rule: &Node, context: &mut Context<'_, '_>) -> Option<Enter> {
    let scalar = reader::text(schedule)?;
    let to = rule.get("to").and_then(|node| context.profile_condition(node));
    match Schedule::parse(&scalar.text, context.known.zone) {
        Ok(schedule) => Some(Enter::Schedule { schedule, to }),
        Err(message) => {
            let help = "such as `0 9 * * MON`: at 9:00 every Monday, in the workspace's time zone";
            context.push(Code::BadSchedule, scalar.place, message, help);
            None
        }
    }
}

fn existing(node: &Node) -> Option<Existing> {
    match reader::text(node)?.text.as_str() {
        "skip" => Some(Existing::Skip),
        "enter" => Some(Existing::Enter),
        _ => None,
    }
}

fn backfill(node: &Node) -> Option<Backfill> {
    match reader::text(node)?.text.as_str() {
        "skip" => Some(Backfill::Skip),
        "trigger" => Some(Backfill::Trigger),
        _ => None,
    }
}

fn re_entry(node: &Node) -> Option<ReEntry> {
    match reader::text(node)?.text.as_str() {
        notation::NEVER => Some(ReEntry::Never),
        notation::ALWAYS => Some(ReEntry::Always),
        text => notation::after(text).map(ReEntry::After),
    }
}

/// All that stands under `exit:`.
#[derive(Default)]
pub(super) struct Exit {
    pub when: Option<Condition>,
    pub on_leave: bool,
}

pub(super) fn exit(node: &Node, by_segment: bool, context: &mut Context<'_, '_>) -> Exit {
    let when = node.get("when").and_then(|node| context.condition(node));
    let on_leave_node = node.get("on_leave");
    let on_leave = on_leave_node.and_then(reader::boolean).unwrap_or(false);
    if let Some(node) = on_leave_node.filter(|_| on_leave && !by_segment) {
        let message = "`on_leave` ends a run when the person leaves the entry segment, and this journey has none";
        context.push(Code::WrongShape, node.place, message, "enter by `segment`, or say `when:` under `exit:`");
    }
    Exit { when, on_leave }
}
