//! What must be so: `expect:` of a scenario.

use crate::finding::{Code, Finding};
use crate::journey::reader::{self, Fields, wrong_shape};
use crate::journey::yaml::{Node, NodeKind};
use crate::workspace::scenario::{Expectation, ExpectedEffect, ExpectedKind, Named};

use super::Reader;

impl Reader<'_> {
    pub(super) fn expectation(&mut self, node: &Node) -> Option<Expectation> {
        let mut fields = Fields::of(node, "an `expect`", self.findings)?;
        let mut expected = Expectation {
            member_of: self.names(fields.take("in"), Code::UnknownSegment),
            not_member_of: self.names(fields.take("not_in"), Code::UnknownSegment),
            waiting: self.names(fields.take("waiting"), Code::BadScenario),
            not_waiting: self.names(fields.take("not_waiting"), Code::BadScenario),
            ..Expectation::default()
        };
        if let Some(node) = fields.take("sent") {
            expected.sent_place = Some(node.place);
            expected.sent = self.effects(node);
        }
        if let Some(node) = fields.take("traits") {
            expected.traits_place = Some(node.place);
            expected.traits = self.values(node, "`traits`");
            self.check_traits(node);
        }
        let place = fields.place();
        fields.finish(self.findings);
        let nothing = expected.member_of.is_empty()
            && expected.not_member_of.is_empty()
            && expected.waiting.is_empty()
            && expected.not_waiting.is_empty()
            && expected.sent.is_none()
            && expected.traits.is_empty();
        if nothing {
            let message = "this expects nothing, so it can never fail";
            self.findings.push(Finding::new(Code::BadScenario, place, message));
        }
        Some(expected)
    }

    /// Names of segments, or of journeys.
    fn names(&mut self, node: Option<&Node>, code: Code) -> Vec<Named> {
        let mut names = Vec::new();
        for item in node.map(reader::items).unwrap_or_default() {
            let Some(scalar) = reader::text(item, "a name", self.findings) else { continue };
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
        let (Some(program), NodeKind::Map(entries)) = (self.program, &node.kind) else { return };
        for (name, _) in entries {
            let traits = program.rules.traits.iter().map(|declared| declared.name.as_str());
            let computes = program.rules.computes.iter().map(|compute| compute.name.as_str());
            self.check_name(name, Code::UnknownTrait, "trait or compute", traits.chain(computes));
        }
    }

    fn effects(&mut self, node: &Node) -> Option<Vec<ExpectedEffect>> {
        let NodeKind::List(items) = &node.kind else {
            self.findings.push(wrong_shape(node, "`sent` is a list of effects"));
            return None;
        };
        Some(items.iter().filter_map(|item| self.effect(item)).collect())
    }

    fn effect(&mut self, node: &Node) -> Option<ExpectedEffect> {
        let mut fields = Fields::of(node, "an effect", self.findings)?;
        let kind = fields.one_of(&["email", "webhook", "audience"], self.findings);
        let Some((name, _, value)) = kind else {
            fields.finish_without("an effect is an `email`, a `webhook` or an `audience`", self.findings);
            return None;
        };
        let scalar = reader::text(value, "a name", self.findings);
        let kind = match name {
            "email" => {
                let to = fields.take("to").and_then(|node| reader::text(node, "`to`", self.findings));
                let to = to.map(|to| to.text.clone());
                scalar.map(|scalar| ExpectedKind::Email { template: scalar.text.clone(), to })
            }
            "webhook" => scalar.map(|scalar| ExpectedKind::Webhook { destination: scalar.text.clone() }),
            _ => {
                let add = fields.take("action").and_then(|node| self.action(node));
                scalar.map(|scalar| ExpectedKind::Audience { audience: scalar.text.clone(), add })
            }
        };
        fields.finish(self.findings);
        Some(ExpectedEffect { place: node.place, kind: kind? })
    }

    fn action(&mut self, node: &Node) -> Option<bool> {
        match reader::text(node, "`action`", self.findings)?.text.as_str() {
            "add" => Some(true),
            "remove" => Some(false),
            _ => {
                self.findings.push(wrong_shape(node, "`action` is `add` or `remove`"));
                None
            }
        }
    }
}
