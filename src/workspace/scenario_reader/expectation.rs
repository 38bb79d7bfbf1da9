//! What must be so: `expect:` of a scenario.

use crate::finding::{Code, Finding};
use crate::journey::form::{Form, Key, Shape, Way, Words};
use crate::journey::reader;
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::workspace::scenario::{Expectation, ExpectedEffect, ExpectedKind, Named};

use super::{ONE_OR_MANY, Reader, values};

pub(super) static EXPECT: Form = Form::of(
    "an `expect`",
    &[
        Key::optional("in", ONE_OR_MANY, "Segments in which the person is."),
        Key::optional("not_in", ONE_OR_MANY, "Segments in which the person is not."),
        Key::optional("waiting", ONE_OR_MANY, "Journeys of which a run is under way."),
        Key::optional("not_waiting", ONE_OR_MANY, "Journeys of which no run is under way."),
        Key::optional("sent", Shape::List(&Shape::Map(&EFFECT)), "All that was sent since the last `sent`, in order."),
        Key::optional("traits", Shape::Values, "Traits and computes; `null` says that one is missing."),
    ],
);

static EFFECT: Form = Form::choosing(
    "an effect",
    &[],
    "an effect is an `email`, a `webhook` or an `audience`",
    &[
        Way::with(
            Key::required("email", Shape::Text, "The template of an e-mail."),
            &[Key::optional("to", Shape::Text, "The address to which it goes.")],
        ),
        Way::of(Key::required("webhook", Shape::Text, "The channel that is called.")),
        Way::with(
            Key::required("audience", Shape::Text, "The audience that is changed."),
            &[Key::optional(
                "action",
                Shape::Word(&Words::of(&["add", "remove"])),
                "What becomes of the person in it.",
            )],
        ),
    ],
);

impl Reader<'_> {
    pub(super) fn expectation(&mut self, node: &Node) -> Expectation {
        let mut expected = Expectation {
            member_of: self.names(node.get("in"), Code::UnknownSegment),
            not_member_of: self.names(node.get("not_in"), Code::UnknownSegment),
            waiting: self.names(node.get("waiting"), Code::BadScenario),
            not_waiting: self.names(node.get("not_waiting"), Code::BadScenario),
            ..Expectation::default()
        };
        if let Some(node) = node.get("sent") {
            expected.sent_place = Some(node.place);
            expected.sent = effects(node);
        }
        if let Some(node) = node.get("traits") {
            expected.traits_place = Some(node.place);
            expected.traits = values(node);
            self.check_traits(node);
        }
        let says_nothing = |(key, value): &(Scalar, Node)| key.text != "sent" && is_empty(value);
        if matches!(node.kind, NodeKind::Map(_)) && node.entries().iter().all(says_nothing) {
            let message = "this expects nothing, so it can never fail";
            self.findings.push(Finding::new(Code::BadScenario, node.first_key(), message));
        }
        expected
    }

    /// Names of segments, or of journeys.
    fn names(&mut self, node: Option<&Node>, code: Code) -> Vec<Named> {
        let mut names = Vec::new();
        for item in node.map(reader::items).unwrap_or_default() {
            let Some(scalar) = reader::text(item) else { continue };
            if let Some(program) = self.program {
                if code == Code::UnknownSegment {
                    let segments = program.rules.segments.iter().map(|segment| segment.name.as_str());
                    self.check_name(scalar, code, "segment", segments);
                } else {
                    let journeys = program.journeys.iter().map(|journey| journey.name.as_str());
                    self.check_name(scalar, code, "journey", journeys);
                }
            }
            names.push(Named { name: scalar.text.clone(), place: scalar.place });
        }
        names
    }

    fn check_traits(&mut self, node: &Node) {
        let Some(program) = self.program else { return };
        for (name, _) in node.entries() {
            let traits = program.rules.traits.iter().map(|declared| declared.name.as_str());
            let computes = program.rules.computes.iter().map(|compute| compute.name.as_str());
            self.check_name(name, Code::UnknownTrait, "trait or compute", traits.chain(computes));
        }
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.is_null(),
        NodeKind::List(items) => items.is_empty(),
        NodeKind::Map(entries) => entries.is_empty(),
    }
}

/// Nothing where something cannot be read, so that a scenario does not fail over it.
fn effects(node: &Node) -> Option<Vec<ExpectedEffect>> {
    let NodeKind::List(items) = &node.kind else { return None };
    Some(items.iter().filter_map(effect).collect())
}

fn effect(node: &Node) -> Option<ExpectedEffect> {
    let (key, value) = reader::chosen(node, &EFFECT)?;
    let name = reader::text(value)?.text.clone();
    let text = |key: &str| node.get(key).and_then(reader::text).map(|scalar| scalar.text.clone());
    let kind = match key.text.as_str() {
        "email" => ExpectedKind::Email { template: name, to: text("to") },
        "webhook" => ExpectedKind::Webhook { destination: name },
        _ => ExpectedKind::Audience { audience: name, add: text("action").map(|action| action == "add") },
    };
    Some(ExpectedEffect { place: node.place, kind })
}
