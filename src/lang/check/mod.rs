//! A rule as written to a condition: names are resolved, types compared, meaning looked at.

mod events;
mod kinds;
mod operands;
mod sequences;
mod values;
mod windows;

use crate::finding::{Code, Finding, Locate, Place, Span};
use crate::model::Value;

use super::compile::Compiler;
use super::rules::*;
use super::syntax::*;

pub(super) use kinds::Kind;
pub(super) use operands::{Around, EventScope, Scope};

/// Walks a rule. Goes on after a finding, with a condition that is never used.
pub(super) struct Checker<'a> {
    pub(super) compiler: &'a mut Compiler,
    pub(super) scope: Scope<'a>,
    pub(super) text: &'a str,
    pub(super) locate: &'a dyn Locate,
    pub(super) findings: Vec<Finding>,
}

/// Stands for a condition that has a finding.
const NOTHING: Condition = Condition::All(Vec::new());

impl Checker<'_> {
    pub(super) fn place(&self, span: Span) -> Place {
        self.locate.place(span)
    }

    fn finding(&self, code: Code, span: Span, message: impl Into<String>) -> Finding {
        Finding::new(code, self.place(span), message)
    }

    fn report(&mut self, finding: Finding) -> Condition {
        self.findings.push(finding);
        NOTHING
    }

    /// Checks with other names in scope.
    fn inside<T>(&mut self, scope: Scope<'_>, check: impl FnOnce(&mut Checker<'_>) -> T) -> T {
        let mut inner =
            Checker { compiler: self.compiler, scope, text: self.text, locate: self.locate, findings: Vec::new() };
        let result = check(&mut inner);
        let findings = inner.findings;
        self.findings.extend(findings);
        result
    }

    pub(super) fn condition(&mut self, expr: &Expr) -> Condition {
        if self.scope.is_event() && self.is_about_the_customer(expr) {
            return NOTHING;
        }
        match &expr.kind {
            ExprKind::Broken => NOTHING,
            ExprKind::Group(inner) => self.condition(inner),
            ExprKind::Chain { parts, joints } => self.chain(expr, parts, joints),
            ExprKind::Not { inner, not } => self.negation(inner, *not),
            ExprKind::InSegment(name) => self.in_segment(name).map_or(NOTHING, Condition::InSegment),
            ExprKind::InList(name) => self.in_list(name),
            ExprKind::InJourney(name) => {
                let place = self.place(name.span);
                self.compiler.journeys_named.push((name.text.clone(), place));
                Condition::InJourney(name.text.clone())
            }
            ExprKind::Agrees { matter, channel } => self.agrees(matter, channel.as_ref()),
            ExprKind::Random { percent, seed } => self.random(*percent, seed.as_ref()),
            ExprKind::Got { template, window } => self.got(template, window.as_ref()),
            ExprKind::Edge { is_first, of } => self.edge(*is_first, of),
            ExprKind::Did(did) => self.did(did, expr.span),
            ExprKind::Anniversary { subject, test } => self.date(subject, test, true),
            ExprKind::Items { quantifier, subject, condition } => self.items(quantifier, subject, condition.as_deref()),
            ExprKind::Test { subject, test } => self.test(subject, test, expr.span),
        }
    }

    /// In a `where`: reports what asks about the customer rather than the event.
    fn is_about_the_customer(&mut self, expr: &Expr) -> bool {
        let (message, help) = match &expr.kind {
            ExprKind::Did(_) | ExprKind::Edge { .. } | ExprKind::Got { .. } => {
                ("`where` looks at one event; this asks for another", "put it outside the `where`")
            }
            ExprKind::InSegment(_)
            | ExprKind::InList(_)
            | ExprKind::InJourney(_)
            | ExprKind::Agrees { .. }
            | ExprKind::Random { .. }
            | ExprKind::Anniversary { .. } => {
                ("`where` looks at the event, not at the customer", "put it outside the `where`")
            }
            _ => return false,
        };
        let finding = self.finding(Code::TypeMismatch, expr.span, message);
        self.findings.push(finding.help(help));
        true
    }

    fn chain(&mut self, expr: &Expr, parts: &[Expr], joints: &[Joint]) -> Condition {
        if joints.contains(&Joint::And) && joints.contains(&Joint::Or) {
            let finding = self.mixed(expr, parts, joints);
            self.findings.push(finding);
        }
        let is_any = joints.contains(&Joint::Or);
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match (self.condition(part), is_any) {
                (Condition::All(inner), false) | (Condition::Any(inner), true) => flat.extend(inner),
                (other, _) => flat.push(other),
            }
        }
        if is_any { Condition::Any(flat) } else { Condition::All(flat) }
    }

    /// `a and b or c`: the fix puts the parentheses where the words bind anyway.
    fn mixed(&self, expr: &Expr, parts: &[Expr], joints: &[Joint]) -> Finding {
        let mut groups: Vec<Vec<&str>> = vec![Vec::new()];
        for (index, part) in parts.iter().enumerate() {
            if index > 0 && joints[index - 1] == Joint::Or {
                groups.push(Vec::new());
            }
            if let Some(group) = groups.last_mut() {
                group.push(&self.text[part.span.start..part.span.end]);
            }
        }
        let written: Vec<String> = groups
            .iter()
            .map(|group| if group.len() > 1 { format!("({})", group.join(" and ")) } else { group.concat() })
            .collect();
        let written = written.join(" or ");
        let place = self.place(expr.span);
        let finding = Finding::new(Code::AndOrMixed, place, "`and` and `or` are mixed without parentheses")
            .help(format!("say which belong together; as it stands it means `{written}`"));
        // A rule that is folded over lines of a YAML file cannot be replaced as one piece; neither can one with comments,
        // which would be lost, or with a part that could not be read.
        let is_whole = place.span.end - place.span.start == expr.span.end - expr.span.start;
        let is_plain = !self.text[expr.span.start..expr.span.end].contains('#')
            && !parts.iter().any(|part| matches!(part.kind, ExprKind::Broken));
        if is_whole && is_plain { finding.fix(place, written) } else { finding }
    }

    fn negation(&mut self, inner: &Expr, not: Span) -> Condition {
        if let ExprKind::Test { subject, test } = &inner.kind {
            let rest = &self.text[inner.span.start..inner.span.end];
            let place = self.place(Span::new(not.start, inner.span.end));
            let what = &subject.text;
            let help = match test {
                Test::Truth => format!("write `not ({rest})`, or `{what} is false`"),
                Test::Compare { operator: Operator::Is, .. } => {
                    format!("write `not ({rest})`, or `is not` to leave out who has no {what}")
                }
                _ => format!("write `not ({rest})`"),
            };
            let finding = Finding::new(Code::NotBeforeComparison, place, "`not` stands directly before a comparison")
                .help(help)
                .fix(place, format!("not ({rest})"));
            self.findings.push(finding);
        }
        Condition::Not(Box::new(self.condition(inner)))
    }

    /// The segment of this name, or a finding.
    pub(super) fn in_segment(&mut self, name: &Word) -> Option<SegmentIndex> {
        let place = self.place(name.span);
        match self.compiler.segment(&name.text, place) {
            Ok(found) => found,
            Err(finding) => {
                self.findings.push(finding);
                None
            }
        }
    }

    fn in_list(&mut self, name: &Word) -> Condition {
        let names = &self.compiler.names;
        if let Some(index) = names.lists.get(&name.text) {
            return Condition::InList(*index);
        }
        if names.is_broken("list", &name.text) {
            return NOTHING;
        }
        let finding = names.unknown("list", &name.text, names.lists.keys(), self.place(name.span));
        self.report(finding)
    }

    fn agrees(&mut self, matter: &Word, channel: Option<&Word>) -> Condition {
        let names = &self.compiler.names;
        if let Some(topic) = names.topics.get(&matter.text) {
            let declared = &self.compiler.rules.topics[*topic];
            let asked = channel.map_or_else(
                || declared.channels.first().map_or("email", String::as_str).to_owned(),
                |channel| channel.text.clone(),
            );
            let condition = Condition::Agrees(Matter::Topic { topic: *topic, channel: asked.clone() });
            if declared.channels.contains(&asked) {
                return condition;
            }
            let span = channel.map_or(matter.span, |channel| channel.span);
            let message = format!("the topic `{}` is not sent by {asked}", matter.text);
            let finding = self.finding(Code::TopicNotOnChannel, span, message);
            let channels = declared.channels.join(", ");
            return self.report(finding.help(format!("it is sent by {channels}")));
        }
        if let Some(purpose) = names.purposes.get(&matter.text) {
            return Condition::Agrees(Matter::Purpose(*purpose));
        }
        if names.is_broken("topic", &matter.text) || names.is_broken("purpose", &matter.text) {
            return NOTHING;
        }
        let place = self.place(matter.span);
        let finding = names.unknown("topic", &matter.text, names.topics.keys().chain(names.purposes.keys()), place);
        self.report(finding)
    }

    fn random(&mut self, (percent, span): (f64, Span), seed: Option<&Word>) -> Condition {
        if !(percent > 0.0 && percent < 100.0) {
            let finding = self.finding(Code::TypeMismatch, span, "a share must lie between 0% and 100%");
            return self.report(finding.help("such as `random 5%`"));
        }
        let seed = seed.map_or_else(|| self.compiler.owner.clone(), |seed| seed.text.clone());
        Condition::Random { seed, percent }
    }

    /// `got email "cart-reminder" in last 7 days`: one of our own events, said shortly.
    fn got(&mut self, template: &Word, window: Option<&WindowItem>) -> Condition {
        let place = self.place(template.span);
        self.compiler.templates_named.push((template.text.clone(), place));
        let filter = Condition::Compare {
            operand: Operand::Property("template".to_owned()),
            operator: Operator::Is,
            value: Value::from(template.text.as_str()),
        };
        let selector = Selector::Named(crate::model::platform_event::EMAIL_SENT.to_owned());
        let period = window.map_or(Period::Ever, |window| self.last(window));
        self.happened(selector, Some(filter), TrailKind::Each, 1, period)
    }
}
