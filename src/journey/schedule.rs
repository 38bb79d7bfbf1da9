//! Cron schedules in a time zone: five fields, on the wall clock of the zone.
//!
//! The `cron` crate reads and steps the wall clock; we map it to instants. A time that the clock skips in spring comes
//! up at the first instant after the gap; a time that it shows twice in autumn comes up once, the first time. A
//! schedule of every hour (`*` or `*/n` in the hour field) follows elapsed time instead: it skips with the clock in
//! spring and comes up in both hours in autumn.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::model::Timestamp;

/// A cron schedule in a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// As written, five fields: `0 9 * * MON`.
    pub expression: String,
    pub zone: Tz,
    /// On the wall clock, which is given to it as if it were UTC.
    wall: Box<cron::Schedule>,
    every_hour: bool,
}

/// The longest stretch of wall-clock time that any zone repeats.
const LONGEST_FOLD: TimeDelta = TimeDelta::hours(3);

impl Schedule {
    /// Reads five fields: minute, hour, day of the month, month, day of the week (1 or MON is Monday, 7 or 0 Sunday).
    ///
    /// # Errors
    /// In a marketer's words, where a field cannot be read or the schedule never comes up.
    pub fn parse(expression: &str, zone: Tz) -> Result<Self, String> {
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "a schedule has five fields (minute, hour, day, month, day of the week); here are {}",
                fields.len()
            ));
        };
        let weekdays = weekday_field(weekday)?;
        if *day != "*" && weekdays != "*" {
            return Err("a schedule names days of the month or days of the week, not both".to_owned());
        }
        let six = format!("0 {minute} {hour} {day} {month} {weekdays}");
        let wall = cron::Schedule::from_str(&six).map_err(|_| format!("`{expression}` is not a schedule"))?;
        let every_hour = hour.starts_with('*');
        let schedule = Self { expression: fields.join(" "), zone, wall: Box::new(wall), every_hour };
        if schedule.next_after(Timestamp(0)).is_none() {
            return Err(format!("`{expression}` never comes up"));
        }
        Ok(schedule)
    }

    /// The first instant after `after` at which the schedule comes up; `None` past the year 2100.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.to_utc();
        let local = self.zone.from_utc_datetime(&after.naive_utc()).naive_local();
        // Wall-clock times before the present one can only come up again where the clock was set back.
        let start = if self.every_hour { local.checked_sub_signed(LONGEST_FOLD)? } else { local };
        let mut earliest: Option<DateTime<Utc>> = None;
        for wall in self.wall.after(&start.and_utc()) {
            let (first, second) = self.instants(wall.naive_utc());
            for instant in [first, second].into_iter().flatten().filter(|instant| *instant > after) {
                earliest = Some(earliest.map_or(instant, |known| known.min(instant)));
            }
            // Later wall-clock times come up for the first time later than this one.
            if first.is_some_and(|first| first > after) {
                break;
            }
        }
        earliest.map(|instant| Timestamp(instant.timestamp_millis()))
    }

    /// When the zone's clock shows this time: the first and, for schedules of every hour, the second time.
    fn instants(&self, wall: NaiveDateTime) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        match self.zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(at) => (Some(at.to_utc()), None),
            MappedLocalTime::Ambiguous(first, second) => {
                (Some(first.to_utc()), self.every_hour.then(|| second.to_utc()))
            }
            MappedLocalTime::None if self.every_hour => (None, None),
            MappedLocalTime::None => (first_valid(self.zone, wall), None),
        }
    }
}

/// The first instant at which the clock of the zone shows this time; where it skips it, the first after the gap.
#[must_use]
pub fn first_valid(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
    if let Some(at) = zone.from_local_datetime(&wall).earliest() {
        return Some(at.to_utc());
    }
    // Gaps begin and end on whole minutes in all zones of today; a day is the longest that ever was.
    let minutes = 24 * 60 + 1;
    let start = wall.with_second_and_below_cleared()?;
    (1..=minutes).find_map(|minute| {
        let later = start.checked_add_signed(TimeDelta::minutes(minute))?;
        zone.from_local_datetime(&later).earliest().map(|at| at.to_utc())
    })
}

/// Clears what is below the minute.
trait WholeMinute: Sized {
    fn with_second_and_below_cleared(self) -> Option<Self>;
}

impl WholeMinute for NaiveDateTime {
    fn with_second_and_below_cleared(self) -> Option<Self> {
        use chrono::Timelike;
        self.with_second(0)?.with_nanosecond(0)
    }
}

const DAYS: [&str; 7] = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

/// The day-of-week field in the `cron` crate's own numbers, where 1 is Sunday.
fn weekday_field(field: &str) -> Result<String, String> {
    let mut days = BTreeSet::new();
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => match step.parse::<usize>() {
                Ok(step) if step > 0 => (range, step),
                _ => return Err(format!("`{item}` is not a step of days")),
            },
            None => (item, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if item.contains('/') => (weekday(range)?, 6),
            None => (weekday(range)?, weekday(range)?),
        };
        // `FRI-MON` goes over the end of the week.
        let length = (last + 7 - first) % 7;
        days.extend((0..=length).step_by(step).map(|day| (first + day) % 7));
    }
    if days.len() == 7 {
        return Ok("*".to_owned());
    }
    let numbers: Vec<String> = days.iter().map(|day| ((day + 1) % 7 + 1).to_string()).collect();
    Ok(numbers.join(","))
}

/// A day of the week, 0 for Monday.
fn weekday(name: &str) -> Result<usize, String> {
    if let Ok(number) = name.parse::<usize>() {
        return if number <= 7 { Ok((number + 6) % 7) } else { Err(format!("`{name}` is not a day of the week")) };
    }
    let upper = name.to_uppercase();
    DAYS.iter()
        .position(|day| upper == *day)
        .ok_or_else(|| format!("`{name}` is not a day of the week; write MON, TUE, WED, THU, FRI, SAT or SUN"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(expression: &str, zone: Tz, after: &str) -> String {
        let schedule = Schedule::parse(expression, zone).unwrap();
        schedule.next_after(Timestamp::parse(after).unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_time_that_the_clock_skips_comes_up_after_the_gap() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(next("30 2 * * *", berlin, "2027-03-27T12:00:00Z"), "2027-03-28T01:00:00Z");
        assert_eq!(next("30 2 * * *", berlin, "2027-03-28T01:00:00Z"), "2027-03-29T00:30:00Z");
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_comes_up_once() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(next("30 2 * * *", berlin, "2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(next("30 2 * * *", berlin, "2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn every_half_hour_goes_on_through_both_hours() {
        let berlin = chrono_tz::Europe::Berlin;
        let mut at = Timestamp::parse("2026-10-24T23:59:00Z").unwrap();
        let schedule = Schedule::parse("*/30 * * * *", berlin).unwrap();
        let mut seen = Vec::new();
        for _ in 0..5 {
            at = schedule.next_after(at).unwrap();
            seen.push(at.0 % 86_400_000 / 60_000);
        }
        assert_eq!(seen, [0, 30, 60, 90, 120]);
    }

    #[test]
    fn one_is_monday_and_ranges_go_over_the_end_of_the_week() {
        let utc = chrono_tz::UTC;
        assert_eq!(next("0 9 * * 1", utc, "2026-01-01T00:00:00Z"), "2026-01-05T09:00:00Z");
        assert_eq!(next("0 9 * * MON", utc, "2026-01-05T09:00:00Z"), "2026-01-12T09:00:00Z");
        assert_eq!(next("0 9 * * 0", utc, "2026-01-01T00:00:00Z"), "2026-01-04T09:00:00Z");
        assert_eq!(next("0 9 * * SAT-MON", utc, "2026-01-04T10:00:00Z"), "2026-01-05T09:00:00Z");
    }

    #[test]
    fn what_cannot_be_read_or_never_comes_up_is_an_error() {
        for bad in ["", "0 9 * *", "61 9 * * *", "0 9 31 2 *", "0 9 * * 8", "0 9 1 * MON", "a b c d e", "0 9 * * MON/0"]
        {
            assert!(Schedule::parse(bad, chrono_tz::UTC).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Another implementation agrees, also where clocks change.
        #[test]
        fn croner_agrees(
            minute in 0_u32..60, hour in 0_u32..24, weekday in proptest::option::of(1_u32..8),
            zone in prop::sample::select(vec![
                chrono_tz::Europe::Berlin, chrono_tz::America::New_York, chrono_tz::Australia::Sydney, chrono_tz::UTC,
            ]),
            start in 1_767_225_600_i64..1_893_456_000,
        ) {
            let weekday = weekday.map_or("*".to_owned(), |day| day.to_string());
            let expression = format!("{minute} {hour} * * {weekday}");
            let schedule = Schedule::parse(&expression, zone).unwrap();
            let oracle = croner::Cron::from_str(&expression).unwrap();
            let after = zone.timestamp_opt(start, 0).unwrap();
            let expected = oracle.find_next_occurrence(&after, false).unwrap();
            let got = schedule.next_after(Timestamp(start * 1000)).unwrap();
            prop_assert_eq!(got.0, expected.timestamp_millis(), "{} in {} after {}", expression, zone, after);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Schedule::parse(&text, chrono_tz::UTC);
        }
    }
}
