//! Stretches of time that end now, and dates seen from now. Both come down to one thing: from when until when something
//! is true, so that the engine knows the very instant at which time alone changes an answer.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::model::{Span, Timestamp, Value};

/// A stretch of time up to now: `in last 30 days`, `in last 2 months`, `today`, `this week`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Window {
    /// `(now - span, now]`.
    Exact(Span),
    /// This many calendar months: what happened on 5 March at noon is out of `in last 1 month` on 5 April at noon. A
    /// month without that day ends it at the month's own end.
    Months(u32),
    This(CalendarUnit),
}

/// A stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CalendarUnit {
    Day,
    Week,
    Month,
    Year,
}

/// Whose calendar: the zone, and the day on which a week begins (0 is Monday).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    pub zone: Tz,
    pub week_starts: u8,
}

const YEAR_1000: i64 = -30_610_224_000_000;
const YEAR_9000: i64 = 221_845_392_000_000;

impl Default for Calendar {
    fn default() -> Self {
        Self { zone: Tz::UTC, week_starts: 0 }
    }
}

impl Window {
    /// The first instant at which what happened `at` is no longer in the window. Never earlier for a later `at`.
    #[must_use]
    pub fn end(self, at: Timestamp, calendar: Calendar) -> Timestamp {
        match self {
            Self::Exact(span) => at + span,
            Self::Months(months) => {
                let wall = calendar.wall(at);
                let month_start = wall.date().with_day(1).unwrap_or(wall.date()) + Months::new(months);
                let day = month_start.with_day(wall.day());
                // 31 January and a month: all of February is within it.
                day.map_or_else(
                    || calendar.start_of(month_start + Months::new(1)),
                    |day| calendar.instant(day.and_time(wall.time())),
                )
            }
            Self::This(unit) => calendar.start_of(calendar.next_start(unit, calendar.date(at))),
        }
    }

    /// About how long it is: months are of 30 days.
    #[must_use]
    pub fn about(self) -> Span {
        match self {
            Self::Exact(span) => span,
            Self::Months(months) => Span::DAY.times(30 * i64::from(months)),
            Self::This(CalendarUnit::Day) => Span::DAY,
            Self::This(CalendarUnit::Week) => Span::WEEK,
            Self::This(CalendarUnit::Month) => Span::DAY.times(30),
            Self::This(CalendarUnit::Year) => Span::DAY.times(365),
        }
    }

    /// Whether all that this window holds lies in the other as well, as far as can be told.
    #[must_use]
    pub fn lies_in(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exact(short), Self::Exact(long)) => short <= long,
            (Self::Months(short), Self::Months(long)) => short <= long,
            (one, other) => one == other,
        }
    }

    /// Whether what happened `at` is in the window now.
    #[must_use]
    pub fn holds(self, at: Timestamp, now: Timestamp, calendar: Calendar) -> bool {
        now < self.end(at, calendar)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(span) => write!(f, "in last {span}"),
            Self::Months(months) if months % 12 == 0 => write!(f, "in last {} years", months / 12),
            Self::Months(months) => write!(f, "in last {months} months"),
            Self::This(CalendarUnit::Day) => f.write_str("today"),
            Self::This(CalendarUnit::Week) => f.write_str("this week"),
            Self::This(CalendarUnit::Month) => f.write_str("this month"),
            Self::This(CalendarUnit::Year) => f.write_str("this year"),
        }
    }
}

impl Calendar {
    fn wall(self, at: Timestamp) -> NaiveDateTime {
        // Calendars have ends: what is said to lie beyond them is pressed into them.
        let at = Timestamp(at.0.clamp(YEAR_1000, YEAR_9000));
        at.to_utc().with_timezone(&self.zone).naive_local()
    }

    /// The calendar day of an instant.
    #[must_use]
    pub fn date(self, at: Timestamp) -> NaiveDate {
        self.wall(at).date()
    }

    /// The instant at which a wall clock shows this: the first where it shows it twice, the next where it never does.
    #[must_use]
    pub fn instant(self, wall: NaiveDateTime) -> Timestamp {
        // Gaps are at most a day long (a zone that changes its side of the date line).
        for minutes in 0..=24 * 60 {
            let Some(shifted) = wall.checked_add_signed(TimeDelta::minutes(minutes)) else { break };
            if let Some(instant) = self.zone.from_local_datetime(&shifted).earliest() {
                return Timestamp(instant.timestamp_millis());
            }
        }
        Timestamp(wall.and_utc().timestamp_millis())
    }

    /// The first instant of a day.
    #[must_use]
    pub fn start_of(self, day: NaiveDate) -> Timestamp {
        self.instant(day.and_time(NaiveTime::MIN))
    }

    /// The first day of the stretch after the one that holds `day`.
    fn next_start(self, unit: CalendarUnit, day: NaiveDate) -> NaiveDate {
        match unit {
            CalendarUnit::Day => day + Days::new(1),
            CalendarUnit::Week => self.this_start(unit, day) + Days::new(7),
            CalendarUnit::Month => self.this_start(unit, day) + Months::new(1),
            CalendarUnit::Year => self.this_start(unit, day) + Months::new(12),
        }
    }

    /// The first day of the stretch that holds `day`.
    fn this_start(self, unit: CalendarUnit, day: NaiveDate) -> NaiveDate {
        let first = day.with_day(1).unwrap_or(day);
        match unit {
            CalendarUnit::Day => day,
            CalendarUnit::Week => {
                let since = (day.weekday().num_days_from_monday() + 7 - u32::from(self.week_starts)) % 7;
                day - Days::new(u64::from(since))
            }
            CalendarUnit::Month => first,
            CalendarUnit::Year => first.with_month(1).unwrap_or(first),
        }
    }
}

/// A question about a date that a profile holds, seen from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DateTest {
    /// `in last D`: it has come, and is not longer ago.
    Past(Window),
    /// `more than D ago`.
    Ago(Window),
    /// `in next 2 hours`.
    Soon(Span),
    /// `in next 7 days`: today and six more.
    Days(u32),
    /// `in next 2 months`.
    Months(u32),
    /// `today`, `this week`.
    This(CalendarUnit),
}

impl DateTest {
    /// From when until when (excluded) the answer is yes for this date.
    #[must_use]
    pub fn interval(self, date: When, calendar: Calendar) -> (Timestamp, Timestamp) {
        let (at, day) = (date.instant(calendar), date.day(calendar));
        let after = |days: u32| calendar.start_of(day.checked_add_days(Days::new(days.into())).unwrap_or(day));
        let before = |earlier: Option<NaiveDate>| calendar.start_of(earlier.unwrap_or(day));
        match self {
            Self::Past(window) => (at, window.end(at, calendar)),
            Self::Ago(window) => (window.end(at, calendar), Timestamp::MAX),
            Self::Soon(span) => (at - span, at),
            Self::Days(days) => {
                (before(day.checked_sub_days(Days::new(u64::from(days) - u64::from(days > 0)))), after(1))
            }
            Self::Months(months) => (before(day.checked_sub_months(Months::new(months))), after(1)),
            Self::This(unit) => {
                (calendar.start_of(calendar.this_start(unit, day)), calendar.start_of(calendar.next_start(unit, day)))
            }
        }
    }

    /// The stretches of time around now in which the answer is yes: one, or for an anniversary one a year.
    pub fn intervals(
        self,
        date: When,
        is_anniversary: bool,
        now: Timestamp,
        calendar: Calendar,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let years = if is_anniversary { -1..=2 } else { 0..=0 };
        let this_year = calendar.date(now).year();
        years.filter_map(move |offset| {
            let date = if is_anniversary { When::Day(date.day(calendar).in_year(this_year + offset)?) } else { date };
            Some(self.interval(date, calendar))
        })
    }
}

trait Anniversary: Sized {
    fn in_year(self, year: i32) -> Option<Self>;
}

impl Anniversary for NaiveDate {
    /// 29 February counts on the 28th in other years.
    fn in_year(self, year: i32) -> Option<Self> {
        self.with_year(year).or_else(|| self.with_day(28)?.with_year(year))
    }
}

/// A date or an instant, as a trait holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Day(NaiveDate),
    Instant(Timestamp),
}

impl When {
    /// Reads `2026-03-31` or an RFC 3339 instant, between the years 1000 and 9000: calendars have ends.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let text = value.as_text()?;
        let (when, year) = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(day) => (Self::Day(day), day.year()),
            Err(_) => {
                let at = Timestamp::parse(text)?;
                (Self::Instant(at), at.to_utc().year())
            }
        };
        (1000..9000).contains(&year).then_some(when)
    }

    fn day(self, calendar: Calendar) -> NaiveDate {
        match self {
            Self::Day(day) => day,
            Self::Instant(at) => calendar.date(at),
        }
    }

    /// The instant, or the first of the day.
    #[must_use]
    pub fn instant(self, calendar: Calendar) -> Timestamp {
        match self {
            Self::Day(day) => calendar.start_of(day),
            Self::Instant(at) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    const BERLIN: Calendar = Calendar { zone: Tz::Europe__Berlin, week_starts: 0 };

    #[test]
    fn months_end_on_the_same_day_or_at_the_end_of_a_shorter_month() {
        let end = |text: &str| Window::Months(1).end(at(text), Calendar::default()).to_string();
        assert_eq!(end("2026-03-05T12:00:00Z"), "2026-04-05T12:00:00Z");
        for day in ["2026-01-29T10:00:00Z", "2026-01-31T09:00:00Z"] {
            assert_eq!(end(day), "2026-03-01T00:00:00Z");
        }
    }

    #[test]
    fn today_and_this_week_end_at_midnight_where_the_customer_is() {
        let end = |unit, text: &str| Window::This(unit).end(at(text), BERLIN).to_string();
        // 23:30 in Berlin, and half an hour later; the clock goes forward on 29 March 2026.
        assert_eq!(end(CalendarUnit::Day, "2026-03-28T22:30:00Z"), "2026-03-28T23:00:00Z");
        assert_eq!(end(CalendarUnit::Day, "2026-03-28T23:30:00Z"), "2026-03-29T22:00:00Z");
        assert_eq!(end(CalendarUnit::Week, "2026-03-25T12:00:00Z"), "2026-03-29T22:00:00Z");
        let from_sunday = Calendar { week_starts: 6, ..BERLIN };
        let week = Window::This(CalendarUnit::Week).end(at("2026-03-25T12:00:00Z"), from_sunday);
        assert_eq!(week.to_string(), "2026-03-28T23:00:00Z");
    }

    #[test]
    fn next_seven_days_are_today_and_six_more() {
        let date = When::of(&Value::from("2026-03-10")).unwrap();
        let (from, to) = DateTest::Days(7).interval(date, BERLIN);
        assert_eq!((from.to_string(), to.to_string()), ("2026-03-03T23:00:00Z".into(), "2026-03-10T23:00:00Z".into()));
    }

    #[test]
    fn the_anniversary_of_29_february_is_the_28th() {
        let born = When::of(&Value::from("2004-02-29")).unwrap();
        let today = |now: &str| {
            let now = at(now);
            let test = DateTest::This(CalendarUnit::Day);
            test.intervals(born, true, now, Calendar::default()).any(|(from, to)| from <= now && now < to)
        };
        assert!(today("2026-02-28T12:00:00Z") && !today("2026-03-01T12:00:00Z"));
        assert!(today("2028-02-29T12:00:00Z") && !today("2028-02-28T12:00:00Z"));
    }
}
