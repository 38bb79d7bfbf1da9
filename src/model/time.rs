//! Time as data: instants in milliseconds, exact spans, and moments that are ordered even when instants tie.

use std::fmt;
use std::ops::{Add, Sub};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::id::Offset;

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Earlier than every instant that an event can carry.
    pub const MIN: Self = Self(i64::MIN / 4);
    /// Later than every instant that an event can carry.
    pub const MAX: Self = Self(i64::MAX / 4);

    /// Reads an RFC 3339 instant (`2026-03-01T09:00:00Z`), or a bare date as its midnight in UTC.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(instant.timestamp_millis()));
        }
        let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(Self(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()))
    }

    /// The same instant for calendars; instants outside chrono's years are pressed to its ends.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        let fallback = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp_millis(self.0).unwrap_or(fallback)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC; milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0.rem_euclid(1000) == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        f.write_str(&self.to_utc().to_rfc3339_opts(format, true))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;

    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// An exact length of time in milliseconds, never negative in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Span {
    pub const SECOND: Self = Self(1_000);
    pub const MINUTE: Self = Self(60_000);
    pub const HOUR: Self = Self(3_600_000);
    pub const DAY: Self = Self(86_400_000);
    pub const WEEK: Self = Self(7 * 86_400_000);

    /// `n` times this span, pressed to the largest that can be held.
    #[must_use]
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }
}

impl fmt::Display for Span {
    /// The largest unit that divides the span: `90 days`, `1 hour`, `1500 milliseconds`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (Self::DAY, "day"),
            (Self::HOUR, "hour"),
            (Self::MINUTE, "minute"),
            (Self::SECOND, "second"),
            (Self(1), "millisecond"),
        ];
        for (unit, name) in units {
            if self.0 % unit.0 == 0 && (self.0 != 0 || unit.0 == 1) {
                let n = self.0 / unit.0;
                let plural = if n == 1 { "" } else { "s" };
                return write!(f, "{n} {name}{plural}");
            }
        }
        Ok(())
    }
}

/// When something happened and where it stands in the journal. Ties of time are broken by offset, so that
/// "since the last" has one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
pub struct Moment {
    pub at: Timestamp,
    pub offset: Offset,
}

impl Serialize for Moment {
    /// At rest without names: most of a profile is moments. Read in both forms.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return (self.at, self.offset).serialize(serializer);
        }
        let mut named = serializer.serialize_struct("Moment", 2)?;
        named.serialize_field("at", &self.at)?;
        named.serialize_field("offset", &self.offset)?;
        named.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_they_are_read() {
        let text = "2026-03-01T09:00:00Z";
        assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        assert_eq!(Timestamp::parse("2026-03-01").unwrap().to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(Timestamp::parse("1 March"), None);
    }

    #[test]
    fn a_moment_has_no_names_at_rest_and_is_read_with_them() {
        #[derive(Serialize)]
        struct Named {
            at: Timestamp,
            offset: Offset,
        }
        let moment = Moment { at: Timestamp(7), offset: Offset(8) };
        let named = Named { at: moment.at, offset: moment.offset };
        assert_eq!(rmp_serde::to_vec_named(&moment).unwrap(), [0x92, 7, 8]);
        let old = rmp_serde::to_vec_named(&named).unwrap();
        assert_eq!(rmp_serde::from_slice::<Moment>(&old).unwrap(), moment);
        assert_eq!(rmp_serde::from_slice::<Moment>(&[0x92, 7, 8]).unwrap(), moment);
        assert_eq!(serde_json::to_string(&moment).unwrap(), serde_json::to_string(&named).unwrap());
    }

    #[test]
    fn spans_read_as_an_author_would_say_them() {
        assert_eq!(Span::DAY.times(90).to_string(), "90 days");
        assert_eq!(Span::HOUR.to_string(), "1 hour");
        assert_eq!(Span(1500).to_string(), "1500 milliseconds");
    }
}
