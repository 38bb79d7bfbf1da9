//! Comparisons of what a name holds.

use std::sync::Arc;

use crate::finding::{Code, Finding, Span, did_you_mean};
use crate::lang::rules::*;
use crate::lang::syntax::*;
use crate::lang::write::{key_of, write_condition};
use crate::model::Value;

use super::kinds::{Kind, mismatch, mismatch_of_two, normal};
use super::operands::Scope;
use super::{Checker, NOTHING};

/// A compiled pattern takes at most this much memory.
const PATTERN_BYTES: usize = 1 << 20;

impl Checker<'_> {
    pub(super) fn test(&mut self, subject: &Word, test: &Test, span: Span) -> Condition {
        if let Test::Date(item) = test {
            return self.date(subject, item, false);
        }
        let Some((operand, kind)) = self.operand(subject) else { return NOTHING };
        match test {
            Test::HasBeen { state, length } => self.has_been(operand, &kind, subject, state, length),
            Test::Rank(rank) => self.rank(operand, &kind, subject, rank),
            other => self.plain_test(operand, &kind, subject, other, span),
        }
    }

    /// A test of the value alone.
    fn plain_test(&mut self, operand: Operand, kind: &Kind, subject: &Word, test: &Test, span: Span) -> Condition {
        match test {
            Test::IsSet => Condition::IsSet(operand),
            Test::IsMissing => Condition::IsMissing(operand),
            Test::Compare { operator, value: ValueItem::Literal(value) } => {
                self.check_compare(kind, *operator, value, subject);
                Condition::Compare { operand, operator: *operator, value: normal(kind, &value.value) }
            }
            Test::Compare { operator, value: ValueItem::Name(name) } => {
                self.compare_with(operand, kind, *operator, subject, name)
            }
            Test::OneOf { values, negated } => {
                let values = self.values(kind, Operator::Is, values, subject);
                Condition::OneOf { operand, values, negated: *negated }
            }
            Test::Has { values, all } => {
                if !matches!(kind.value, None | Some(ValueType::List(_))) {
                    let message = format!("`{}` is not a list", subject.text);
                    let finding = self.finding(Code::TypeMismatch, subject.span, message);
                    return self.report(finding.help(format!("write `{} in (…)`", subject.text)));
                }
                let values = self.values(kind, Operator::Contains, values, subject);
                Condition::Has { operand, values, all: *all }
            }
            Test::Matches(literal) => self.matches(operand, kind, subject, literal),
            Test::Truth | Test::Date(_) | Test::HasBeen { .. } | Test::Rank(_) => {
                self.truth(operand, kind, subject, span)
            }
        }
    }

    fn truth(&mut self, operand: Operand, kind: &Kind, subject: &Word, span: Span) -> Condition {
        if !matches!(kind.value, None | Some(ValueType::Bool)) {
            let name = &subject.text;
            let finding = self.finding(Code::Syntax, span, format!("`{name}` stands alone, without a comparison"));
            return self.report(
                finding.help(format!("write what it is compared with, as in `{name} is …`, or `{name} is set`")),
            );
        }
        Condition::Compare { operand, operator: Operator::Is, value: Value::Bool(true) }
    }

    /// `price < a.price`, `lifetime_value >= big_order`.
    fn compare_with(
        &mut self,
        operand: Operand,
        kind: &Kind,
        operator: Operator,
        subject: &Word,
        name: &Word,
    ) -> Condition {
        if let Some(constant) = self.compiler.rules.constants.get(&name.text) {
            let ConstantValue::One(value) = constant.value.clone() else {
                let message = format!("`{}` is not one value", name.text);
                let finding = self.finding(Code::TypeMismatch, name.span, message);
                return self.report(finding.help(format!("for a list write `{} in {}`", subject.text, name.text)));
            };
            let literal = Literal { value, span: name.span };
            self.check_compare(kind, operator, &literal, subject);
            return Condition::Compare { operand, operator, value: normal(kind, &literal.value) };
        }
        if self.compiler.names.is_broken("constant", &name.text) {
            return NOTHING;
        }
        if self.is_unquoted_text(kind, subject, name) {
            return NOTHING;
        }
        let Some((other, other_kind)) = self.operand(name) else { return NOTHING };
        if let (Some(a), Some(b)) = (&kind.value, &other_kind.value)
            && let Some((message, help)) = mismatch_of_two((&subject.text, a), operator, (&name.text, b))
        {
            let finding = self.finding(Code::TypeMismatch, name.span, message);
            return self.report(finding.help(help));
        }
        Condition::CompareWith { operand, operator, other }
    }

    /// `plan is pro`: a word that names nothing, beside a text, is a text without its quotes.
    fn is_unquoted_text(&mut self, kind: &Kind, subject: &Word, name: &Word) -> bool {
        let is_known = match self.scope {
            Scope::Profile | Scope::Journey { .. } => {
                let names = &self.compiler.names;
                names.traits.contains_key(&name.text) || names.computes.contains_key(&name.text)
            }
            Scope::Event(_) | Scope::Item { .. } => {
                let before = self.findings.len();
                let is_known = self.operand(name).is_some();
                self.findings.truncate(before);
                is_known
            }
        };
        let is_text = matches!(kind.value, Some(ValueType::Text) | None);
        if is_known || !is_text || name.text.contains('.') {
            return false;
        }
        let quoted = format!("\"{}\"", name.text);
        let place = self.place(name.span);
        let message = format!("`{}` is compared with a name that is not declared: `{}`", subject.text, name.text);
        let finding = Finding::new(Code::UnknownTrait, place, message);
        self.findings.push(finding.help(format!("texts stand in double quotes: `{quoted}`")).fix(place, quoted));
        true
    }

    /// The values of a list, written or a constant's, each checked.
    fn values(&mut self, kind: &Kind, operator: Operator, values: &ValuesItem, subject: &Word) -> Vec<Value> {
        let literals = match values {
            ValuesItem::Written(literals) => literals.clone(),
            ValuesItem::Named(name) => match self.compiler.rules.constants.get(&name.text) {
                Some(Constant { value: ConstantValue::List(values), .. }) => {
                    values.iter().map(|value| Literal { value: value.clone(), span: name.span }).collect()
                }
                found => {
                    let is_other = found.is_some();
                    if !self.compiler.names.is_broken("constant", &name.text) {
                        self.no_list(name, is_other);
                    }
                    Vec::new()
                }
            },
        };
        for literal in &literals {
            self.check_compare(kind, operator, literal, subject);
        }
        literals.iter().map(|literal| normal(kind, &literal.value)).collect()
    }

    fn no_list(&mut self, name: &Word, is_other: bool) {
        let place = self.place(name.span);
        let text = &name.text;
        let help = format!("write values in parentheses, or declare them: `constant {text} = (\"a\", \"b\")`");
        let rules = &self.compiler.rules;
        let finding = if is_other {
            Finding::new(Code::TypeMismatch, place, format!("`{text}` is one value, not a list of them"))
        } else if self.compiler.names.segments.contains_key(text) {
            Finding::new(Code::TypeMismatch, place, format!("`{text}` is a segment, not a list of values"))
        } else {
            self.compiler.names.unknown("constant", text, rules.constants.keys(), place)
        };
        let finding = if finding.help.is_none() { finding.help(help) } else { finding };
        self.findings.push(finding);
    }

    fn check_compare(&mut self, kind: &Kind, operator: Operator, literal: &Literal, subject: &Word) {
        let Some(value_type) = &kind.value else { return };
        let place = self.place(literal.span);
        let name = &subject.text;
        if let Some((message, help)) = mismatch(value_type, operator, &literal.value, name) {
            self.findings.push(Finding::new(Code::TypeMismatch, place, message).help(help));
            return;
        }
        let is_equality = matches!(operator, Operator::Is | Operator::IsNot);
        if let Some(allowed) = &kind.one_of
            && is_equality
            && !allowed.contains(&literal.value)
        {
            let shown = literal.value.to_string();
            let texts: Vec<String> = allowed.iter().map(Value::to_string).collect();
            let finding = Finding::new(Code::NotOneOf, place, format!("`{name}` is never `{shown}`"));
            self.findings.push(match did_you_mean(&shown, texts.iter().map(String::as_str)) {
                Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, format!("\"{near}\"")),
                None => finding.help(format!("it is declared as one of {}", texts.join(", "))),
            });
        }
    }

    fn matches(&mut self, operand: Operand, kind: &Kind, subject: &Word, literal: &Literal) -> Condition {
        let Value::Text(text) = &literal.value else { return NOTHING };
        if !matches!(kind.value, None | Some(ValueType::Text)) {
            let message = format!("`{}` is not a text", subject.text);
            let finding = self.finding(Code::TypeMismatch, subject.span, message);
            return self.report(finding.help("patterns match texts"));
        }
        match regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES).build() {
            Ok(regex) => {
                let pattern = Pattern { text: text.clone(), regex: Arc::new(regex) };
                Condition::Matches { operand, pattern }
            }
            Err(error) => {
                let reason = match &error {
                    regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
                    other => other.to_string().lines().last().unwrap_or_default().replace("error: ", ""),
                };
                let finding =
                    self.finding(Code::BadPattern, literal.span, format!("this pattern cannot be used: {reason}"));
                self.report(finding.help(
                    "a pattern is a regular expression without look-around and back-references; `\\\\` stands for one backslash",
                ))
            }
        }
    }

    /// `any products (…)`.
    pub(super) fn items(&mut self, quantifier: &QuantifierItem, subject: &Word, condition: Option<&Expr>) -> Condition {
        let Some((operand, kind)) = self.operand(subject) else { return NOTHING };
        let properties = match &kind.value {
            None => None,
            Some(ValueType::List(inner)) => match inner.as_ref() {
                ValueType::Object(properties) => Some(properties.clone()),
                _ if condition.is_some() => {
                    let message = format!("the items of `{}` have no properties", subject.text);
                    let finding = self.finding(Code::TypeMismatch, subject.span, message);
                    return self.report(finding.help(format!("write `{} has any (…)`", subject.text)));
                }
                _ => None,
            },
            Some(_) => {
                let finding =
                    self.finding(Code::TypeMismatch, subject.span, format!("`{}` is not a list", subject.text));
                return self.report(finding.help("declare it as `list of { … }`, or compare it directly"));
            }
        };
        let around = self.scope;
        let scope = Scope::Item { properties: properties.as_deref(), around: &around };
        let inner = condition.map_or(NOTHING, |condition| self.inside(scope, |inner| inner.condition(condition)));
        let quantifier = match quantifier {
            QuantifierItem::Any => Quantifier::Any,
            QuantifierItem::All => Quantifier::All,
            QuantifierItem::Count { operator, value } => {
                Quantifier::Count { operator: *operator, value: value.value.as_number().unwrap_or_default() }
            }
        };
        Condition::Items { operand, quantifier, condition: Box::new(inner) }
    }

    /// A date that a trait holds, seen from now.
    pub(super) fn date(&mut self, subject: &Word, item: &DateItem, is_anniversary: bool) -> Condition {
        let Some((operand, kind)) = self.operand(subject) else { return NOTHING };
        let name = &subject.text;
        let Operand::Trait(index) = operand else {
            let finding = self.finding(Code::TypeMismatch, subject.span, format!("`{name}` is not a trait"));
            return self.report(finding.help(
                "dates that come nearer by themselves are looked at in traits only; compare others with `<` and `>`",
            ));
        };
        if !matches!(kind.value, Some(ValueType::Date | ValueType::Time)) {
            let finding = self.finding(Code::TypeMismatch, subject.span, format!("`{name}` is not a date"));
            return self.report(finding.help(format!("declare it as one: `trait {name}: date`")));
        }
        let Some(test) = self.date_question(item) else { return NOTHING };
        Condition::Date(self.compiler.date(DateQuestion { subject: index, test, is_anniversary }))
    }

    fn has_been(
        &mut self,
        operand: Operand,
        kind: &Kind,
        subject: &Word,
        state: &Test,
        length: &WindowItem,
    ) -> Condition {
        let Operand::Trait(index) = operand else {
            let message = format!("`{}` is not a trait", subject.text);
            let finding = self.finding(Code::TypeMismatch, subject.span, message);
            return self.report(finding.help("only for traits it is known how long they have been what they are"));
        };
        let state = self.plain_test(operand, kind, subject, state, subject.span);
        let Some(length) = self.window(length) else { return NOTHING };
        if !matches!(state, Condition::Compare { .. } | Condition::OneOf { .. }) {
            if state != NOTHING {
                let finding = self.finding(
                    Code::TypeMismatch,
                    subject.span,
                    "a state is compared with a value or a list of values",
                );
                self.findings
                    .push(finding.help(format!("such as `{} has been \"…\" for at least 30 days`", subject.text)));
            }
            return NOTHING;
        }
        let name = &self.compiler.rules.traits[index.at()].name;
        let key = key_of("hold", &[name, &write_condition(&state)]);
        let hold = self.compiler.hold(Hold { key, subject: index, state }, length);
        Condition::Held { hold, length }
    }

    /// `lifetime_value in top 10% of segment buyers refreshed daily at "03:00"`.
    fn rank(&mut self, operand: Operand, kind: &Kind, subject: &Word, rank: &RankItem) -> Condition {
        let name = match &operand {
            Operand::Trait(index) => self.compiler.rules.traits[index.at()].name.clone(),
            Operand::Compute(index) => self.compiler.rules.computes[index.at()].name.clone(),
            _ => {
                let finding =
                    self.finding(Code::TypeMismatch, subject.span, "customers are compared by a trait or compute");
                return self.report(finding);
            }
        };
        if !matches!(kind.value, Some(ValueType::Number)) {
            let finding = self.finding(Code::TypeMismatch, subject.span, format!("`{name}` is not a number"));
            return self.report(finding.help("only numbers have a top and a median"));
        }
        if let Standing::Top(percent) | Standing::Bottom(percent) = rank.standing
            && !(percent > 0.0 && percent < 100.0)
        {
            let finding = self.finding(Code::TypeMismatch, rank.span, "a share must lie between 0% and 100%");
            return self.report(finding);
        }
        let population = match &rank.population {
            Some(segment) => match self.in_segment(segment) {
                Some(index) => Some(index),
                None => return NOTHING,
            },
            None => None,
        };
        let of = rank.population.as_ref().map_or("", |segment| segment.text.as_str());
        let key = key_of("rank", &[&name, of, &format!("{:?} {:?}", rank.standing, rank.refreshed)]);
        let place = self.place(rank.span);
        Condition::Rank(self.compiler.rank(Rank {
            key,
            operand,
            standing: rank.standing,
            population,
            refreshed: rank.refreshed,
            place,
        }))
    }
}
