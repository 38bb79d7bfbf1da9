//! Lengths of time as authors write them.

use crate::model::Span;

/// The exact span of one unit; months and years have none.
#[must_use]
pub fn unit_span(unit: &str) -> Option<Span> {
    match unit.strip_suffix('s').unwrap_or(unit) {
        "second" => Some(Span::SECOND),
        "minute" => Some(Span::MINUTE),
        "hour" => Some(Span::HOUR),
        "day" => Some(Span::DAY),
        "week" => Some(Span::WEEK),
        _ => None,
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
        let unit = unit_span(words.next()?)?;
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
