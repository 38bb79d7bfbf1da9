//! Stretches of time as written, made exact.

use crate::finding::Code;
use crate::lang::duration::Unit;
use crate::lang::rules::*;
use crate::lang::syntax::*;
use crate::lang::window::{DateTest, Window};
use crate::model::Span;

use super::Checker;

/// No window is longer than a hundred years.
const LONGEST: Span = Span::DAY.times(36_525);

impl Checker<'_> {
    /// A stretch that looks back.
    pub(in crate::lang) fn window(&mut self, item: &WindowItem) -> Option<Window> {
        if let WindowKind::This(unit) = item.kind {
            return Some(Window::This(unit));
        }
        let (number, unit) = self.length(item)?;
        Some(match unit.span() {
            Some(span) => Window::Exact(span.times(number.into())),
            None => Window::Months(number * months(unit)),
        })
    }

    /// Number and unit of a length of time, a constant's where one is named.
    fn length(&mut self, item: &WindowItem) -> Option<(u32, Unit)> {
        let (number, unit) = match &item.kind {
            WindowKind::Length { number, unit } => (*number, *unit),
            WindowKind::Named(name) => self.duration_constant(name, item)?,
            WindowKind::This(_) => {
                let finding = self.finding(Code::BadDuration, item.span, "this is no length of time");
                self.findings.push(finding.help("write one such as `30 days`"));
                return None;
            }
        };
        let length = unit.span().unwrap_or(Span::DAY.times(i64::from(months(unit)) * 31)).times(number.into());
        if length.0 <= 0 || length.0 > LONGEST.0 {
            let message = "a stretch of time must be longer than nothing and shorter than a hundred years";
            let finding = self.finding(Code::BadDuration, item.span, message);
            self.findings.push(finding);
            return None;
        }
        Some((number, unit))
    }

    fn duration_constant(&mut self, name: &str, item: &WindowItem) -> Option<(u32, Unit)> {
        match self.compiler.rules.constants.get(name).map(|constant| constant.value.clone()) {
            Some(ConstantValue::Duration(number, unit)) => return Some((number, unit)),
            Some(_) => {
                let finding = self.finding(Code::BadDuration, item.span, format!("`{name}` is no length of time"));
                self.findings.push(finding.help(format!("declare it as one: `constant {name} = 30 days`")));
            }
            None if self.compiler.names.is_broken("constant", name) => {}
            None => {
                let place = self.place(item.span);
                let rules = &self.compiler.rules;
                let finding = self.compiler.names.unknown("constant", name, rules.constants.keys(), place);
                self.findings.push(finding.help(format!(
                    "write a length of time such as `7 days`, or declare it: `constant {name} = 7 days`"
                )));
            }
        }
        None
    }

    /// `in last D` as a period; all time where it could not be read.
    pub(super) fn last(&mut self, item: &WindowItem) -> Period {
        self.window(item).map_or(Period::Ever, Period::Last)
    }

    pub(super) fn date_question(&mut self, item: &DateItem) -> Option<DateTest> {
        match item {
            DateItem::Last(window) => self.window(window).map(DateTest::Past),
            DateItem::Ago(window) => self.window(window).map(DateTest::Ago),
            DateItem::Next(window) => {
                if let WindowKind::This(unit) = window.kind {
                    return Some(DateTest::This(unit));
                }
                let (number, unit) = self.length(window)?;
                Some(match unit {
                    Unit::Second | Unit::Minute | Unit::Hour => {
                        DateTest::Soon(unit.span().unwrap_or_default().times(number.into()))
                    }
                    Unit::Day => DateTest::Days(number),
                    Unit::Week => DateTest::Days(number * 7),
                    Unit::Month | Unit::Year => DateTest::Months(number * months(unit)),
                })
            }
        }
    }
}

fn months(unit: Unit) -> u32 {
    match unit {
        Unit::Month => 1,
        Unit::Year => 12,
        _ => 0,
    }
}
