//! Texts that are written in a certain way: names, lengths of time, shares, times of day.

use crate::finding::Code;
use crate::lang::duration::parse_span;
use crate::model::Span;

/// A way of writing a text, for the reader and for editors. A test holds the two together; they differ only for lengths
/// of time beyond ten thousand years and for accents that stand alone in a name, which only the reader refuses.
#[derive(Debug)]
pub struct Notation {
    /// What such a text is, in messages: `a length of time`.
    pub what: &'static str,
    /// The same as a regular expression that JSON Schema, JavaScript and Java read alike.
    pub pattern: &'static str,
    pub fits: fn(&str) -> bool,
    pub code: Code,
    /// How to write it.
    pub help: &'static str,
}

/// Numbers and units: `1 hour 30 minutes`.
macro_rules! spans {
    () => {
        r"(?=[\s\S]*[1-9])\s*\+?[0-9]+\s+(second|minute|hour|day|week)s?(\s+\+?[0-9]+\s+(second|minute|hour|day|week)s?)*\s*"
    };
}

pub static NAME: Notation = Notation {
    what: "a name",
    pattern: r"^[\p{L}\p{M}\p{N}_-]{1,100}$",
    fits: is_name,
    code: Code::WrongShape,
    help: "a name is made of letters, digits, `-` and `_`, at most 100 of them",
};

pub static SPAN: Notation = Notation {
    what: "a length of time",
    pattern: concat!("^", spans!(), "$"),
    fits: |text| span(text).is_some(),
    code: Code::BadDuration,
    help: "write a number and a unit, such as `30 minutes`, `1 hour`, `2 days`",
};

pub static MEMORY: Notation = Notation {
    what: "an amount of memory",
    pattern: r"^[1-9][0-9]{0,5} ?(MB|GB)$",
    fits: |text| memory(text).is_some(),
    code: Code::WrongShape,
    help: "write a whole number and `MB` or `GB`, such as `512 MB` or `2 GB`",
};

pub static SPAN_OR_NEVER: Notation = Notation {
    what: "a length of time or `never`",
    pattern: concat!("^(never|", spans!(), ")$"),
    fits: |text| text == NEVER || span(text).is_some(),
    code: Code::BadDuration,
    help: "write a number and a unit, such as `30 minutes`, or `never`",
};

pub static RE_ENTRY: Notation = Notation {
    what: "`never`, `always` or a time such as `after 7 days`",
    pattern: concat!("^(never|always|after ", spans!(), ")$"),
    fits: |text| matches!(text, NEVER | ALWAYS) || after(text).is_some(),
    code: Code::WrongShape,
    help: "whether a person may start again, and how long after the start of the last run",
};

pub static TIME_OF_DAY: Notation = Notation {
    what: "a time of day",
    pattern: "^([01]?[0-9]|2[0-3]):[0-5]?[0-9]$",
    fits: |text| minute_of_day(text).is_some(),
    code: Code::WrongShape,
    help: "write hours and minutes, such as `\"10:00\"`",
};

pub static SHARE: Notation = Notation {
    what: "a share",
    pattern: r"^(100(\.0{0,2})?|[0-9]{1,2}(\.[0-9]{0,2})?|0[0-9]{2}(\.[0-9]{0,2})?)%$",
    fits: |text| share(text).is_some(),
    code: Code::WrongShape,
    help: "write a percentage, such as `50%` or `33.34%`",
};

pub static RATE: Notation = Notation {
    what: "a rate",
    pattern: "^[1-9][0-9]{0,5} per (second|minute|hour|day)$",
    fits: |text| rate(text).is_some(),
    code: Code::WrongShape,
    help: "write a whole number and a unit, such as `100 per second` or `600 per hour`",
};

pub static COUNTRY: Notation = Notation {
    what: "the code of a country",
    pattern: "^[A-Z]{2}$",
    fits: |text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
    code: Code::BadConfig,
    help: "two capital letters, such as `GB`",
};

pub const NEVER: &str = "never";
pub const ALWAYS: &str = "always";

/// Bytes of an amount such as `512 MB`.
pub fn memory(text: &str) -> Option<usize> {
    let (digits, unit) = match (text.strip_suffix("MB"), text.strip_suffix("GB")) {
        (Some(digits), _) => (digits, 1_usize << 20),
        (_, Some(digits)) => (digits, 1 << 30),
        (None, None) => return None,
    };
    let digits = digits.strip_suffix(' ').unwrap_or(digits);
    let is_plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || digits.starts_with('0') {
        return None;
    }
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

/// `100 per second`: how many, and within which time.
#[must_use]
pub fn rate(text: &str) -> Option<(u32, Span)> {
    let (count, unit) = text.split_once(" per ")?;
    let per = match unit {
        "second" => Span::SECOND,
        "minute" => Span::MINUTE,
        "hour" => Span::HOUR,
        "day" => Span::DAY,
        _ => return None,
    };
    let is_plain = (1..=6).contains(&count.len()) && count.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || count.starts_with('0') {
        return None;
    }
    Some((count.parse().ok()?, per))
}

fn is_name(text: &str) -> bool {
    let fits = text.chars().all(|sign| sign.is_alphanumeric() || sign == '-' || sign == '_');
    fits && !text.is_empty() && text.chars().count() <= 100
}

/// A length of time that is longer than none.
#[must_use]
pub fn span(text: &str) -> Option<Span> {
    parse_span(text).filter(|span| *span > Span(0))
}

/// `after 7 days`.
#[must_use]
pub fn after(text: &str) -> Option<Span> {
    text.strip_prefix("after ").and_then(span)
}

/// `10:00`, as minutes since midnight.
#[must_use]
pub fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_short.then(|| text.parse::<u32>().ok())?
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// `50%` or `33.33%`, in hundredths of a percent.
#[must_use]
pub fn share(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let share = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
    (share <= 10_000).then_some(share)
}
