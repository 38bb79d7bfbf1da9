//! `wait` and `wait_until`.

use crate::journey::form::{Form, Key, Shape, Way, notation};
use crate::journey::graph::Wait;
use crate::journey::reader;
use crate::journey::yaml::{Node, NodeKind};

use super::context::Context;
use super::steps::{DraftKind, DraftUntil, STEP, list};

pub(super) const WAIT: Shape = Shape::Either(&Shape::Written(&notation::SPAN), &Shape::Map(&WAIT_FORM));

static WAIT_FORM: Form = Form::of(
    "a wait",
    &[
        Key::optional("days", Shape::Whole { from: 0, to: 3650 }, "How many calendar days on; 0 unless said."),
        Key::required("at", Shape::Written(&notation::TIME_OF_DAY), "The time of day, such as `\"10:00\"`."),
        Key::later("until"),
    ],
);

pub(super) static WAIT_UNTIL: Form = Form::choosing(
    "a `wait_until`",
    &[
        Key::required("up_to", Shape::Written(&notation::SPAN), "How long to wait at most."),
        Key::optional("then", Shape::List(&STEP), "What is done when it comes."),
        Key::optional("timeout", Shape::List(&STEP), "What is done when it has not come."),
    ],
    "a `wait_until` says what it waits for: `clicked`, `event`, `segment` or `when`",
    &[
        Way::of(Key::required("clicked", Shape::Text, "The `id` of an e-mail step: a click on a link in it.")),
        Way::with(
            Key::required("event", Shape::Text, "An event."),
            &[Key::optional("where", Shape::Text, "A rule over the properties of the event.")],
        ),
        Way::of(Key::required("segment", Shape::Text, "A segment that the person enters, or is in already.")),
        Way::of(Key::required("when", Shape::Text, "A rule over the person that comes to hold.")),
    ],
);

pub(super) fn wait(node: &Node) -> Option<Wait> {
    if !matches!(node.kind, NodeKind::Map(_)) {
        return reader::span(node).map(Wait::For);
    }
    let days = node.get("days").map_or(Some(0), reader::whole)?;
    let at_minute = notation::minute_of_day(&node.get("at").and_then(reader::text)?.text)?;
    Some(Wait::Calendar { days, at_minute })
}

pub(super) fn wait_until(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let until = reader::chosen(node, &WAIT_UNTIL);
    let until = until.and_then(|(key, value)| until_of(&key.text, value, node.get("where"), context));
    let up_to = node.get("up_to").and_then(reader::span);
    let mut arm = |name: &str| match node.get(name) {
        Some(node) => list(node, &format!("{path}.{name}."), context),
        None => Vec::new(),
    };
    let (then, timeout) = (arm("then"), arm("timeout"));
    Some(DraftKind::WaitUntil { until: until?, up_to: up_to?, then, timeout })
}

fn until_of(name: &str, node: &Node, filter: Option<&Node>, context: &mut Context<'_, '_>) -> Option<DraftUntil> {
    match name {
        "clicked" => {
            let scalar = reader::text(node)?;
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
