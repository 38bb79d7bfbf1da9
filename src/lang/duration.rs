//! Lengths of time as authors write them.

use crate::model::Span;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// All units, as they are written; each may stand in the plural.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("second", Self::Second),
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("year", Self::Year),
    ];

    /// The unit of this name, in the singular or plural.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        let singular = word.strip_suffix('s').unwrap_or(word);
        Self::WORDS.iter().find(|(name, _)| *name == singular).map(|(_, unit)| *unit)
    }

    /// The exact span of one; months and years have none.
    #[must_use]
    pub fn span(self) -> Option<Span> {
        match self {
            Self::Second => Some(Span::SECOND),
            Self::Minute => Some(Span::MINUTE),
            Self::Hour => Some(Span::HOUR),
            Self::Day => Some(Span::DAY),
            Self::Week => Some(Span::WEEK),
            Self::Month | Self::Year => None,
        }
    }
}

/// Reads `90 days`, `1 hour`, and sums such as `1 hour 30 minutes`. `None` for anything else, and for what is longer
/// than ten thousand years.
#[must_use]
pub fn parse_span(text: &str) -> Option<Span> {
    let mut words = text.split_whitespace();
    let mut total: i64 = 0;
    let mut parts = 0;
    while let Some(number) = words.next() {
        let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
        let unit = Unit::find(words.next()?)?.span()?;
        total = total.checked_add(number.checked_mul(unit.0)?)?;
        parts += 1;
    }
    (parts > 0 && total <= Span::DAY.times(3_652_500).0).then_some(Span(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_nothing_else() {
        assert_eq!(parse_span("90 days"), Some(Span::DAY.times(90)));
        assert_eq!(parse_span("1 hour 30 minutes"), Some(Span::MINUTE.times(90)));
        for wrong in
            ["", "1", "days", "-1 days", "1 month", "1.5 hours", "99999999999999999999 days", "999999999999 days"]
        {
            assert_eq!(parse_span(wrong), None, "{wrong}");
        }
    }
}
