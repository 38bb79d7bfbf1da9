//! Conditions as their author would write them. What is said can be read again, and means the same.

use crate::model::{Span, Value};

use super::rules::*;
use super::window::{CalendarUnit, DateTest, Window};

/// A condition of a segment, in the language.
#[must_use]
pub fn say(condition: &Condition, rules: &Rules) -> String {
    Saying { rules, in_where: false }.condition(condition)
}

/// `did "X" at least 3 times in last 7 days`, or `did not`.
#[must_use]
pub fn say_did(trail: TrailIndex, at_least: u32, period: Period, holds: bool, rules: &Rules) -> String {
    Saying { rules, in_where: false }.did(trail, at_least, period, holds)
}

/// A value as it stands in a rule.
#[must_use]
pub fn say_value(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        other => other.to_string(),
    }
}

#[derive(Clone, Copy)]
struct Saying<'r> {
    rules: &'r Rules,
    /// Bare names are properties, traits are `profile.x`.
    in_where: bool,
}

impl Saying<'_> {
    fn condition(self, condition: &Condition) -> String {
        match condition {
            Condition::All(parts) => self.chain(parts, " and "),
            Condition::Any(parts) => self.chain(parts, " or "),
            Condition::Not(inner) => self.not(inner),
            Condition::Did { trail, at_least, period } => self.did(*trail, *at_least, *period, true),
            Condition::Recall { recall, filter, at_least, period } => {
                self.recall(*recall, filter, *at_least, *period, true)
            }
            Condition::Sequence(index) => self.sequence(&self.rules.sequences[index.at()], true),
            Condition::InSegment(index) => format!("in segment {}", name(&self.rules.segments[index.at()].name)),
            Condition::InList(index) => format!("in list {}", name(&self.rules.lists[index.at()].name)),
            Condition::InJourney(journey) => format!("in journey {}", quoted(journey)),
            Condition::Agrees(Matter::Topic { topic, channel }) => {
                format!("agrees to {} by {channel}", name(&self.rules.topics[*topic].name))
            }
            Condition::Agrees(Matter::Purpose(purpose)) => {
                format!("agrees to {}", name(&self.rules.purposes[*purpose].name))
            }
            Condition::Random { seed, percent } => format!("random {percent}% seed {}", quoted(seed)),
            Condition::Rank(index) => self.rank(&self.rules.ranks[index.at()]),
            Condition::Date(index) => self.date(&self.rules.dates[index.at()]),
            Condition::Held { hold, length } => {
                let hold = &self.rules.holds[hold.at()];
                let subject = name(&self.rules.traits[hold.subject.at()].name);
                let state = self.state(&hold.state);
                format!("{subject} has been {state} for at least {}", length_of(*length))
            }
            comparison => self.comparison(comparison),
        }
    }

    fn chain(self, parts: &[Condition], joint: &str) -> String {
        let parts: Vec<String> = parts
            .iter()
            .map(|part| match part {
                Condition::All(_) | Condition::Any(_) => format!("({})", self.condition(part)),
                part => self.condition(part),
            })
            .collect();
        parts.join(joint)
    }

    fn not(self, inner: &Condition) -> String {
        match inner {
            Condition::Did { trail, at_least, period } => self.did(*trail, *at_least, *period, false),
            Condition::Recall { recall, filter, at_least, period }
                if !matches!(self.rules.recalls[recall.at()].keep, RecallKeep::Newest | RecallKeep::Oldest) =>
            {
                self.recall(*recall, filter, *at_least, *period, false)
            }
            Condition::Sequence(index) => self.sequence(&self.rules.sequences[index.at()], false),
            Condition::InSegment(_) | Condition::InList(_) | Condition::InJourney(_) => {
                format!("not {}", self.condition(inner))
            }
            other => format!("not ({})", self.condition(other)),
        }
    }

    fn comparison(self, condition: &Condition) -> String {
        let values = |values: &[Value]| values.iter().map(say_value).collect::<Vec<_>>().join(", ");
        match condition {
            Condition::Compare { operand, operator, value } => {
                format!("{} {} {}", self.operand(operand), say_operator(*operator), say_value(value))
            }
            Condition::CompareWith { operand, operator, other } => {
                format!("{} {} {}", self.operand(operand), say_operator(*operator), self.operand(other))
            }
            Condition::OneOf { operand, values: list, negated } => {
                let not = if *negated { " not" } else { "" };
                format!("{}{not} in ({})", self.operand(operand), values(list))
            }
            Condition::Matches { operand, pattern } => {
                format!("{} matches {}", self.operand(operand), quoted(&pattern.text))
            }
            Condition::Has { operand, values: list, all } => {
                format!("{} has {} ({})", self.operand(operand), if *all { "all" } else { "any" }, values(list))
            }
            Condition::IsSet(operand) => format!("{} is set", self.operand(operand)),
            Condition::IsMissing(operand) => format!("{} is missing", self.operand(operand)),
            Condition::Items { operand, quantifier, condition } => {
                let inner = Saying { in_where: true, ..self }.condition(condition);
                let list = self.operand(operand);
                match quantifier {
                    Quantifier::Any => format!("any {list} ({inner})"),
                    Quantifier::All => format!("all {list} ({inner})"),
                    Quantifier::Count { operator, value } => {
                        format!("count of {list} ({inner}) {} {value}", say_operator(*operator))
                    }
                }
            }
            // The others are said by `condition`.
            _ => String::new(),
        }
    }

    fn operand(self, operand: &Operand) -> String {
        let fact = |fact: &str| if self.in_where { format!("profile.{fact}") } else { name(fact) };
        match operand {
            Operand::Trait(index) => fact(&self.rules.traits[index.at()].name),
            Operand::Compute(index) => fact(&self.rules.computes[index.at()].name),
            Operand::Property(path) | Operand::Item(path) => name(path),
            Operand::Account(path) => format!("account.{path}"),
            Operand::EntryProperty(path) => format!("entry.{path}"),
            Operand::Step { step, path } => format!("{}.{path}", alias(*step)),
        }
    }

    /// What stands behind `has been`.
    fn state(self, state: &Condition) -> String {
        match state {
            Condition::Compare { operator: Operator::Is, value, .. } => say_value(value),
            Condition::Compare { operator: Operator::IsNot, value, .. } => format!("not {}", say_value(value)),
            Condition::Compare { operator, value, .. } => format!("{} {}", say_operator(*operator), say_value(value)),
            other => {
                let said = self.comparison(other);
                said.find(" not in (")
                    .or_else(|| said.find(" in ("))
                    .map_or(said.clone(), |at| said[at + 1..].to_owned())
            }
        }
    }

    fn did(self, index: TrailIndex, at_least: u32, period: Period, holds: bool) -> String {
        let trail = &self.rules.trails[index.at()];
        let often = match (trail.kind, at_least) {
            (TrailKind::First, _) => " for the first time".to_owned(),
            (TrailKind::Days, n) => format!(" on at least {n} days"),
            (TrailKind::Each, 0 | 1) => String::new(),
            (TrailKind::Each, n) => format!(" at least {n} times"),
        };
        let dates = match trail.dates {
            (None, None) => String::new(),
            (Some(from), None) => format!(" since \"{from}\""),
            (None, Some(until)) => format!(" before \"{until}\""),
            (Some(from), Some(until)) => format!(" between \"{from}\" and \"{until}\""),
        };
        let filter = self.filter(&[trail.filter.as_ref()]);
        let not = if holds { "" } else { " not" };
        format!("did{not} {}{filter}{often}{dates}{}", selector(&trail.selector), self.period(period))
    }

    fn period(self, period: Period) -> String {
        match period {
            Period::Ever => String::new(),
            Period::Last(window) => format!(" {window}"),
            Period::SinceLast(other) => {
                format!(" since last {}", selector(&self.rules.trails[other.at()].selector))
            }
            Period::SinceEntry => " since entry".to_owned(),
        }
    }

    /// ` where …` of all that these ask.
    fn filter(self, filters: &[Option<&Condition>]) -> String {
        let inner = Saying { in_where: true, ..self };
        let flat = filters.iter().flatten().flat_map(|filter| match filter {
            Condition::All(parts) => parts.as_slice(),
            other => std::slice::from_ref(*other),
        });
        let parts: Vec<&Condition> = flat.collect();
        match parts.as_slice() {
            [] => String::new(),
            [only] if !matches!(only, Condition::All(_) | Condition::Any(_)) => {
                format!(" where {}", inner.condition(only))
            }
            [only] => format!(" where ({})", inner.condition(only)),
            several => {
                let several: Vec<Condition> = several.iter().map(|part| (*part).clone()).collect();
                format!(" where ({})", inner.chain(&several, " and "))
            }
        }
    }

    fn recall(self, index: RecallIndex, filter: &Condition, at_least: u32, period: Period, holds: bool) -> String {
        let recall = &self.rules.recalls[index.at()];
        let (event, period) = (selector(&recall.selector), self.period(period));
        let edge = match recall.keep {
            RecallKeep::Newest => Some("last"),
            RecallKeep::Oldest => Some("first"),
            RecallKeep::All | RecallKeep::Window(_) => None,
        };
        if let Some(edge) = edge {
            let had = Saying { in_where: true, ..self }.condition(filter);
            return format!("{edge} {event}{period} had ({had})");
        }
        let often = if at_least > 1 { format!(" at least {at_least} times") } else { String::new() };
        let not = if holds { "" } else { " not" };
        format!("did{not} {event}{}{often}{period}", self.filter(&[recall.filter.as_ref(), Some(filter)]))
    }

    fn sequence(self, sequence: &Sequence, holds: bool) -> String {
        let mut said = format!("did{} ", if holds { "" } else { " not" });
        for (index, step) in sequence.steps.iter().enumerate() {
            let recall = &self.rules.recalls[step.recall.at()];
            if index > 0 {
                said.push_str(if step.negated { " then did not " } else { " then " });
            }
            said.push_str(&selector(&recall.selector));
            said.push_str(&self.filter(&[recall.filter.as_ref(), step.filter.as_ref()]));
            if index == 0 {
                said.push_str(&format!(" {}", sequence.window));
            }
            if let Some(within) = step.within {
                said.push_str(&format!(" within {within}"));
            }
            if is_named(sequence, index) {
                said.push_str(&format!(" as {}", alias(index)));
            }
        }
        if let Some(by) = &sequence.by {
            said.push_str(&format!(" by {}", name(by)));
        }
        if let Some(within) = sequence.all_within {
            said.push_str(&format!(" all within {within}"));
        }
        said
    }

    fn date(self, question: &DateQuestion) -> String {
        let subject = name(&self.rules.traits[question.subject.at()].name);
        let test = match question.test {
            DateTest::Past(window) => window.to_string(),
            DateTest::Ago(window) => format!("more than {} ago", length_of(window)),
            DateTest::Soon(span) => format!("in next {}", in_hours(span)),
            DateTest::Days(days) => format!("in next {days} days"),
            DateTest::Months(months) => format!("in next {months} months"),
            DateTest::This(unit) => Window::This(unit).to_string(),
        };
        match question.test {
            _ if question.is_anniversary => format!("anniversary of {subject} {test}"),
            DateTest::This(_) | DateTest::Past(Window::This(_)) => format!("{subject} is {test}"),
            _ => format!("{subject} {test}"),
        }
    }

    fn rank(self, rank: &Rank) -> String {
        let standing = match rank.standing {
            Standing::Top(percent) => format!("in top {percent}%"),
            Standing::Bottom(percent) => format!("in bottom {percent}%"),
            Standing::AboveMedian => "above median".to_owned(),
            Standing::BelowMedian => "below median".to_owned(),
        };
        let of = rank.population.map(|index| format!(" of segment {}", name(&self.rules.segments[index.at()].name)));
        let clock = |minute: u32| format!("at \"{:02}:{:02}\"", minute / 60, minute % 60);
        let refreshed = match rank.refreshed {
            Refreshed::Hourly => "hourly".to_owned(),
            Refreshed::Daily { minute } => format!("daily {}", clock(minute)),
            Refreshed::Weekly { minute } => format!("weekly {}", clock(minute)),
        };
        format!("{} {standing}{} refreshed {refreshed}", self.operand(&rank.operand), of.unwrap_or_default())
    }
}

/// Whether a later step looks back at this one.
fn is_named(sequence: &Sequence, index: usize) -> bool {
    let mut named = false;
    for filter in sequence.steps.iter().filter_map(|step| step.filter.as_ref()) {
        filter.walk(&mut |part| {
            named |=
                part.operands().iter().any(|operand| matches!(operand, Operand::Step { step, .. } if *step == index));
        });
    }
    named
}

/// `a` for the first step, `b` for the second.
fn alias(step: usize) -> String {
    match u8::try_from(step) {
        Ok(step @ 0..26) => char::from(b'a' + step).to_string(),
        _ => format!("step_{step}"),
    }
}

fn selector(selector: &Selector) -> String {
    match selector {
        Selector::Named(name) => quoted(name),
        Selector::AnyActivity => "any activity".to_owned(),
    }
}

/// `30 days`, of a window that looks back.
fn length_of(window: Window) -> String {
    match window {
        Window::Exact(span) => span.to_string(),
        Window::This(CalendarUnit::Day) => "1 day".to_owned(),
        window => window.to_string().trim_start_matches("in last ").to_owned(),
    }
}

/// Not in days: looking forward, those are of the calendar.
fn in_hours(span: Span) -> String {
    let units = [(Span::HOUR, "hours"), (Span::MINUTE, "minutes"), (Span::SECOND, "seconds")];
    let unit = units.iter().find(|(unit, _)| span.0 % unit.0 == 0);
    unit.map_or_else(|| span.to_string(), |(unit, name)| format!("{} {name}", span.0 / unit.0))
}

/// How a comparison is written.
#[must_use]
pub fn say_operator(operator: Operator) -> &'static str {
    match operator {
        Operator::Is => "is",
        Operator::IsNot => "is not",
        Operator::IsAnyCase => "is any case",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Contains => "contains",
        Operator::StartsWith => "starts with",
        Operator::EndsWith => "ends with",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A name, between backticks where it would not be one without.
fn name(name: &str) -> String {
    let mut parts = name.split('.');
    let is_bare = parts.all(|part| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part.chars().all(|character| character.is_alphanumeric() || character == '_')
    });
    if is_bare && !super::parse::is_reserved(name) { name.to_owned() } else { format!("`{name}`") }
}
