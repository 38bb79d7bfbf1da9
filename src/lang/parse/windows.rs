//! Stretches of time.

use crate::finding::Code;
use crate::lang::duration::Unit;
use crate::lang::lex::Kind;
use crate::lang::rules::Refreshed;
use crate::lang::syntax::*;
use crate::lang::window::CalendarUnit;

use super::cursor::Cursor;

const LENGTH: &str = "a length of time such as `7 days`";

impl Cursor<'_> {
    /// `today`, `this week`, `this month`, `this year`.
    pub(super) fn sees_this(&self) -> bool {
        self.sees(&["today"])
            || (self.sees(&["this"]) && self.peek_at(1).is_some_and(|token| calendar_unit(token.text).is_some()))
    }

    pub(super) fn sees_window(&self) -> bool {
        self.sees(&["in", "last"]) || self.sees_this()
    }

    pub(super) fn sees_length(&self) -> bool {
        self.sees_kind(0, Kind::Number) && self.peek_at(1).is_some_and(|token| Unit::find(token.text).is_some())
    }

    /// `in last 30 days`, `today`, `this week`.
    pub(super) fn past_window(&mut self) -> Option<WindowItem> {
        if self.take(&["in", "last"]) { self.window() } else { self.this() }
    }

    fn this(&mut self) -> Option<WindowItem> {
        let start = self.start();
        let unit = if self.take(&["today"]) {
            CalendarUnit::Day
        } else {
            self.word("this")?;
            let unit = self.peek().and_then(|token| calendar_unit(token.text));
            let Some(unit) = unit else {
                return self.unknown_word("`week`, `month` or `year`", &["week", "month", "year"]);
            };
            self.advance();
            unit
        };
        Some(WindowItem { kind: WindowKind::This(unit), span: self.span_from(start) })
    }

    /// `30 days`, `week`, or the name of a constant.
    pub(super) fn window(&mut self) -> Option<WindowItem> {
        let start = self.start();
        let kind = if self.sees_kind(0, Kind::Number) {
            let (number, _) = self.whole(LENGTH)?;
            WindowKind::Length { number, unit: self.unit()? }
        } else if let Some(unit) = self.peek().and_then(|token| Unit::find(token.text)) {
            self.advance();
            WindowKind::Length { number: 1, unit }
        } else if self.sees_name() {
            WindowKind::Named(self.name(LENGTH)?.text)
        } else {
            return self.expected(LENGTH);
        };
        Some(WindowItem { kind, span: self.span_from(start) })
    }

    fn unit(&mut self) -> Option<Unit> {
        let Some(unit) = self.peek().and_then(|token| Unit::find(token.text)) else {
            let plurals = ["minutes", "hours", "days", "weeks", "months", "years"];
            return self.unknown_word("`minutes`, `hours`, `days`, `weeks`, `months` or `years`", &plurals);
        };
        self.advance();
        Some(unit)
    }

    /// `2 hours`, where it must be exact.
    pub(super) fn exact_span(&mut self) -> Option<SpanItem> {
        let start = self.start();
        let (number, _) = self.whole(LENGTH)?;
        let unit = self.unit()?;
        let span = self.span_from(start);
        let length = unit.span().map(|unit| unit.times(number.into()));
        let problem = match length {
            Some(length) if length.0 > 0 => return Some(SpanItem { length, span }),
            Some(_) => "a length of time must be longer than nothing",
            None => "months and years have no exact length",
        };
        let finding = self.finding(Code::BadDuration, span, problem);
        self.report(finding.help("write hours or days, such as `12 hours` or `30 days`"));
        None
    }

    /// `in next 7 days`, `in last 30 days`, `today`, `this week`, `more than 30 days ago`.
    pub(super) fn date_test(&mut self) -> Option<DateItem> {
        if self.take(&["in", "next"]) {
            return self.window().map(DateItem::Next);
        }
        if self.take(&["more", "than"]) {
            let window = self.window()?;
            self.word("ago")?;
            return Some(DateItem::Ago(window));
        }
        if self.sees_this() {
            // Seen from a date, `today` has no past and no future.
            return self.this().map(DateItem::Next);
        }
        self.past_window().map(DateItem::Last)
    }

    /// `refreshed hourly`, `refreshed daily at "03:00"`, `refreshed weekly at "03:00"`.
    pub(super) fn refreshed(&mut self) -> Option<Refreshed> {
        if !self.take(&["refreshed"]) {
            return Some(Refreshed::Daily { minute: 0 });
        }
        if self.take(&["hourly"]) {
            return Some(Refreshed::Hourly);
        }
        let is_weekly = self.take(&["weekly"]);
        if !is_weekly && !self.take(&["daily"]) {
            return self.unknown_word("`hourly`, `daily` or `weekly`", &["hourly", "daily", "weekly"]);
        }
        let minute = if self.take(&["at"]) { self.time_of_day()? } else { 0 };
        Some(if is_weekly { Refreshed::Weekly { minute } } else { Refreshed::Daily { minute } })
    }

    /// Minutes since midnight.
    fn time_of_day(&mut self) -> Option<u32> {
        const TIME: &str = "a time of day such as `\"03:00\"`";
        let word = self.text(TIME)?;
        let minute = word.text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        });
        if minute.is_none() {
            let finding = self.finding(Code::Syntax, word.span, format!("`{}` is no time of day", word.text));
            self.report(finding.help("write it as `\"03:00\"`"));
        }
        minute
    }
}

fn calendar_unit(word: &str) -> Option<CalendarUnit> {
    Some(match word {
        "day" => CalendarUnit::Day,
        "week" => CalendarUnit::Week,
        "month" => CalendarUnit::Month,
        "year" => CalendarUnit::Year,
        _ => return None,
    })
}
