//! A rule as written to a condition: names are resolved, types compared, meaning looked at.

use crate::finding::{Code, Finding, Locate, Place, Span, did_you_mean};
use crate::model::{Timestamp, Value};

use super::compile::Compiler;
use super::expected::not_yet;
use super::names::{Properties, type_at};
use super::rules::{Aggregate, Condition, Operand, Operator, Period, Selector, ValueType};
use super::syntax::*;

/// What bare names mean in a rule.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// Traits and computes of the profile.
    Profile,
    /// The same, and what belongs to a run: `since entry`, `entry.x` of this event if one begins it.
    Journey { entry_event: Option<&'a str> },
    /// Properties of the event in a `where`; `None` for any activity.
    Event(Option<&'a str>),
}

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
    fn place(&self, span: Span) -> Place {
        self.locate.place(span)
    }

    fn report(&mut self, finding: Finding) -> Condition {
        self.findings.push(finding);
        NOTHING
    }

    pub(super) fn condition(&mut self, expr: &Expr) -> Condition {
        match &expr.kind {
            ExprKind::Group(inner) => self.condition(inner),
            ExprKind::Chain { parts, joints } => self.chain(expr, parts, joints),
            ExprKind::Not { inner, not } => self.negation(inner, *not),
            ExprKind::InSegment(name) => self.in_segment(name),
            ExprKind::Did(did) => self.did(did, expr.span),
            ExprKind::Test { subject, test } => self.test(subject, test, expr.span),
        }
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
        // A rule that is folded over lines of a YAML file cannot be replaced as one piece.
        let is_whole = place.span.end - place.span.start == expr.span.end - expr.span.start;
        if is_whole { finding.fix(place, written) } else { finding }
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

    fn in_segment(&mut self, name: &Word) -> Condition {
        let place = self.place(name.span);
        if matches!(self.scope, Scope::Event(_)) {
            let finding = Finding::new(Code::TypeMismatch, place, "`where` looks at the event, not at the customer");
            return self.report(finding.help("put `in segment …` outside the `where`"));
        }
        match self.compiler.names.segments.get(&name.text) {
            Some(index) => Condition::InSegment(*index),
            None if self.compiler.names.is_broken("segment", &name.text) => NOTHING,
            None => {
                let finding = self.compiler.names.unknown_segment(&name.text, place);
                self.report(finding)
            }
        }
    }

    // --- did ---------------------------------------------------------------------------------------------------------

    fn did(&mut self, did: &DidExpr, span: Span) -> Condition {
        if matches!(self.scope, Scope::Event(_)) {
            let place = self.place(span);
            let finding = Finding::new(Code::TypeMismatch, place, "`where` looks at one event; `did` asks for another");
            return self.report(finding.help("put `did …` outside the `where`"));
        }
        let selector = self.selector(&did.selector);
        let filter = did.filter.as_ref().map(|filter| self.filter(filter, &selector));
        let at_least = self.times(did.at_least);
        let period = self.period(did, span);
        let trail = self.compiler.trail(selector, filter, at_least);
        if let Period::Last(length) = period {
            self.compiler.window(trail, at_least, length);
        }
        let condition = Condition::Did { trail, at_least, period };
        if did.negated { Condition::Not(Box::new(condition)) } else { condition }
    }

    fn times(&mut self, at_least: Option<(u32, Span)>) -> u32 {
        let Some((times, span)) = at_least else { return 1 };
        let most = crate::model::limit::MOMENTS_KEPT as u32;
        if times == 0 || times > most {
            let place = self.place(span);
            let message = format!("a number of times must lie between 1 and {most}");
            let finding = Finding::new(Code::BadDuration, place, message);
            self.findings.push(
                finding.help("everyone did everything at least 0 times; to ask for who did not, write `did not`"),
            );
        }
        times.clamp(1, most)
    }

    pub(super) fn selector(&mut self, item: &SelectorItem) -> Selector {
        match item {
            SelectorItem::AnyActivity => Selector::AnyActivity,
            SelectorItem::Event(name) => {
                let place = self.place(name.span);
                if let Err(finding) = self.compiler.names.check_event(&name.text, place) {
                    self.findings.push(finding);
                }
                Selector::Named(name.text.clone())
            }
        }
    }

    /// The `where` of a selector.
    pub(super) fn filter(&mut self, filter: &Expr, selector: &Selector) -> Condition {
        let event = match selector {
            Selector::Named(name) => Some(name.as_str()),
            Selector::AnyActivity => None,
        };
        let mut inner = Checker {
            compiler: self.compiler,
            scope: Scope::Event(event),
            text: self.text,
            locate: self.locate,
            findings: Vec::new(),
        };
        let condition = inner.condition(filter);
        let findings = inner.findings;
        self.findings.extend(findings);
        condition
    }

    pub(super) fn window(&mut self, window: &DurationItem) -> Option<crate::model::Span> {
        let place = self.place(window.span);
        match window.length {
            Some(length) if length.0 > 0 && length.0 < crate::model::Span::DAY.times(36_525).0 => return Some(length),
            Some(_) => {
                let message = "a window must be longer than nothing and shorter than a hundred years";
                self.findings.push(Finding::new(Code::BadDuration, place, message));
            }
            None => {
                let finding = Finding::new(Code::BadDuration, place, "months and years have no exact length");
                self.findings.push(finding.help("write days: `30 days`, `365 days`"));
            }
        }
        None
    }

    fn period(&mut self, did: &DidExpr, span: Span) -> Period {
        if did.window.is_some() && did.since.is_some() {
            let place = self.place(span);
            let finding = Finding::new(Code::BadDuration, place, "`in last` and `since` cannot stand together");
            self.findings.push(finding.help("write two conditions joined by `and`"));
        }
        match (&did.window, &did.since) {
            (Some(window), _) => self.window(window).map_or(Period::Ever, Period::Last),
            (None, Some((SinceItem::Entry, span))) => {
                if !matches!(self.scope, Scope::Journey { .. }) {
                    let place = self.place(*span);
                    let message = "`since entry` means something in a journey only";
                    self.findings.push(Finding::new(Code::SinceEntryOutside, place, message));
                }
                Period::SinceEntry
            }
            (None, Some((SinceItem::Last(selector), _))) => {
                let selector = self.selector(selector);
                Period::SinceLast(self.compiler.trail(selector, None, 1))
            }
            (None, None) => Period::Ever,
        }
    }

    // --- comparisons -------------------------------------------------------------------------------------------------

    fn test(&mut self, subject: &Word, test: &Test, span: Span) -> Condition {
        let Some((operand, kind)) = self.operand(subject) else { return NOTHING };
        match test {
            Test::IsSet => Condition::IsSet(operand),
            Test::IsMissing => Condition::IsMissing(operand),
            Test::Truth => self.truth(operand, &kind, subject, span),
            Test::Compare { operator, value } => {
                self.check_compare(&kind, *operator, value, subject);
                Condition::Compare { operand, operator: *operator, value: normal(&kind, &value.value) }
            }
            Test::OneOf { values, negated } => {
                for value in values {
                    self.check_compare(&kind, Operator::Is, value, subject);
                }
                let values = values.iter().map(|value| normal(&kind, &value.value)).collect();
                Condition::OneOf { operand, values, negated: *negated }
            }
        }
    }

    fn truth(&mut self, operand: Operand, kind: &Kind, subject: &Word, span: Span) -> Condition {
        if !matches!(kind.value, None | Some(ValueType::Bool)) {
            let place = self.place(span);
            let name = &subject.text;
            let finding = Finding::new(Code::Syntax, place, format!("`{name}` stands alone, without a comparison"));
            return self.report(
                finding.help(format!("write what it is compared with, as in `{name} is …`, or `{name} is set`")),
            );
        }
        Condition::Compare { operand, operator: Operator::Is, value: Value::Bool(true) }
    }

    fn operand(&mut self, name: &Word) -> Option<(Operand, Kind)> {
        let place = self.place(name.span);
        if let Some((_, what)) = [("profile.", "`profile.` in a `where`"), ("account.", "traits of accounts")]
            .iter()
            .find(|(prefix, _)| name.text.starts_with(prefix))
        {
            self.findings.push(not_yet(what, name.span, self.locate));
            return None;
        }
        if let Some(property) = name.text.strip_prefix("entry.") {
            return self.entry_operand(property, place);
        }
        if let Scope::Event(event) = self.scope {
            let kind = self.property_kind(event, &name.text, place)?;
            return Some((Operand::Property(name.text.clone()), kind));
        }
        let names = &self.compiler.names;
        if let Some(index) = names.traits.get(&name.text) {
            let declared = &self.compiler.rules.traits[index.at()];
            let kind = Kind { value: Some(declared.kind.clone()), one_of: declared.one_of.clone() };
            return Some((Operand::Trait(*index), kind));
        }
        if let Some(index) = names.computes.get(&name.text) {
            return Some((Operand::Compute(*index), self.compute_kind(index.at())));
        }
        if !names.is_broken("trait", &name.text) && !names.is_broken("compute", &name.text) {
            let finding = names.unknown_trait(&name.text, place);
            self.findings.push(finding);
        }
        None
    }

    fn entry_operand(&mut self, property: &str, place: Place) -> Option<(Operand, Kind)> {
        let Scope::Journey { entry_event } = self.scope else {
            let message = "`entry.` means something in a journey only";
            self.findings.push(Finding::new(Code::SinceEntryOutside, place, message));
            return None;
        };
        if entry_event.is_none() {
            let finding = Finding::new(Code::SinceEntryOutside, place, "this journey does not begin with an event");
            self.findings.push(finding.help("`entry.` names a property of the event on which a run began"));
            return None;
        }
        let kind = self.property_kind(entry_event, property, place)?;
        Some((Operand::EntryProperty(property.to_owned()), kind))
    }

    fn property_kind(&mut self, event: Option<&str>, path: &str, place: Place) -> Option<Kind> {
        let Some(event) = event else { return Some(Kind::default()) };
        let known: Vec<String> = match self.compiler.names.properties(&self.compiler.rules, event) {
            Properties::Open => return Some(Kind::default()),
            Properties::Declared(properties) => match type_at(properties, path) {
                Ok(found) => {
                    return Some(Kind { value: Some(found.kind.clone()), one_of: found.one_of.clone() });
                }
                Err(known) => known,
            },
            Properties::Platform(names) if names.contains(&path) => {
                return Some(Kind { value: Some(ValueType::Text), one_of: None });
            }
            Properties::Platform(names) => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let finding = Finding::new(Code::UnknownProperty, place, format!("`{event}` has no property `{path}`"));
        self.findings.push(match did_you_mean(path, known.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
            None if known.is_empty() => finding.help(format!("the declaration of `{event}` names no properties")),
            None => finding.help(format!("it has {}", known.join(", "))),
        });
        None
    }

    fn compute_kind(&self, index: usize) -> Kind {
        let compute = &self.compiler.rules.computes[index];
        let Aggregate::Latest { property } = &compute.aggregate else {
            return Kind { value: Some(ValueType::Number), one_of: None };
        };
        let Selector::Named(event) = &compute.selector else { return Kind::default() };
        match self.compiler.names.properties(&self.compiler.rules, event) {
            Properties::Declared(properties) => type_at(properties, property).map_or_else(
                |_| Kind::default(),
                |found| Kind { value: Some(found.kind.clone()), one_of: found.one_of.clone() },
            ),
            Properties::Platform(_) => Kind { value: Some(ValueType::Text), one_of: None },
            Properties::Open => Kind::default(),
        }
    }

    fn check_compare(&mut self, kind: &Kind, operator: Operator, literal: &Literal, subject: &Word) {
        let Some(value_type) = &kind.value else { return };
        let place = self.place(literal.span);
        let name = &subject.text;
        if let Some(problem) = mismatch(value_type, operator, &literal.value, name) {
            let finding = Finding::new(Code::TypeMismatch, place, problem.0);
            self.findings.push(finding.help(problem.1));
            return;
        }
        let is_equality = matches!(operator, Operator::Is | Operator::IsNot);
        if let Some(allowed) = &kind.one_of
            && is_equality
            && !allowed.contains(&literal.value)
        {
            let shown = literal.value.to_string();
            let texts: Vec<String> = allowed.iter().map(Value::to_string).collect();
            let message = format!("`{name}` is never `{shown}`");
            let finding = Finding::new(Code::NotOneOf, place, message);
            self.findings.push(match did_you_mean(&shown, texts.iter().map(String::as_str)) {
                Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, format!("\"{near}\"")),
                None => finding.help(format!("it is declared as one of {}", texts.join(", "))),
            });
        }
    }
}

/// What is known of an operand's values.
#[derive(Default)]
struct Kind {
    value: Option<ValueType>,
    one_of: Option<Vec<Value>>,
}

/// Why a value cannot be compared with what a name holds, and what to do about it.
fn mismatch(kind: &ValueType, operator: Operator, value: &Value, name: &str) -> Option<(String, String)> {
    let wrong =
        |what: &str, help: String| Some((format!("`{name}` is {what}, and this is {}", value.kind_name()), help));
    let is_order =
        matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual);
    let is_textual =
        matches!(operator, Operator::Contains | Operator::StartsWith | Operator::EndsWith | Operator::IsAnyCase);
    match (kind, value) {
        (ValueType::Number | ValueType::Money { .. }, Value::Number(_)) if !is_textual => None,
        (ValueType::Number | ValueType::Money { .. }, Value::Text(text)) if !is_textual => {
            let help = match text.parse::<f64>() {
                Ok(_) => format!("leave out the quotes: `{text}`"),
                Err(_) => "compare it with a number".to_owned(),
            };
            wrong("a number", help)
        }
        (ValueType::Number | ValueType::Money { .. }, _) => wrong("a number", "compare it with a number".to_owned()),
        (ValueType::Bool, Value::Bool(_)) if !is_textual && !is_order => None,
        (ValueType::Bool, _) => wrong("true or false", format!("write `{name} is true` or `{name} is false`")),
        (ValueType::Text, Value::Text(_)) if is_order => Some((
            format!("`{name}` is a text, and texts are neither smaller nor larger"),
            "compare it by `is`, `in (…)`, `contains` or `starts with`".to_owned(),
        )),
        (ValueType::Text, Value::Text(_)) => None,
        (ValueType::Text, _) => wrong("a text", format!("put it in double quotes: `\"{value}\"`")),
        (ValueType::Date | ValueType::Time, Value::Text(text)) if !is_textual => match Timestamp::parse(text) {
            Some(_) => None,
            None => {
                Some((format!("`{name}` is a date, and `{text}` is none"), "write it as `\"2026-03-31\"`".to_owned()))
            }
        },
        (ValueType::Date | ValueType::Time, _) => {
            wrong("a date", "compare it with a date such as `\"2026-03-31\"`".to_owned())
        }
        (ValueType::List(inner), _) if operator == Operator::Contains => mismatch(inner, Operator::Is, value, name),
        (ValueType::List(_), _) => wrong("a list", format!("write `{name} contains …`")),
        (ValueType::Object(_), _) => wrong("an object", format!("name one of its parts, as in `{name}.part`")),
    }
}

/// The value in the form in which values of this type are kept.
fn normal(kind: &Kind, value: &Value) -> Value {
    match (&kind.value, value) {
        (Some(ValueType::Time), Value::Text(text)) => {
            Timestamp::parse(text).map_or_else(|| value.clone(), |at| Value::from(at.to_string()))
        }
        _ => value.clone(),
    }
}
