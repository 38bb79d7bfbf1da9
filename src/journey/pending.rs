//! Stands where `lang::compile` will stand; goes as soon as that is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding, Locate, SourceId, Span};
use crate::lang::rules::{Condition, Rules};

pub struct RuleFile<'a> {
    pub source: SourceId,
    pub text: &'a str,
}

#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub rates: BTreeMap<String, f64>,
    pub default_country: Option<String>,
    pub destinations: BTreeSet<String>,
}

pub struct Compiler {
    rules: Rules,
}

impl Compiler {
    pub fn new(files: &[RuleFile<'_>], _settings: &Settings) -> (Self, Vec<Finding>) {
        let findings = files.iter().map(|file| not_yet(&crate::finding::WholeFile(file.source))).collect();
        (Self { rules: Rules::default() }, findings)
    }

    pub fn journey_condition(
        &mut self,
        _text: &str,
        locate: &dyn Locate,
        _entry_event: Option<&str>,
    ) -> Result<Condition, Vec<Finding>> {
        Err(vec![not_yet(locate)])
    }

    pub fn profile_condition(&mut self, _text: &str, locate: &dyn Locate) -> Result<Condition, Vec<Finding>> {
        Err(vec![not_yet(locate)])
    }

    pub fn event_filter(&mut self, _text: &str, locate: &dyn Locate, _event: &str) -> Result<Condition, Vec<Finding>> {
        Err(vec![not_yet(locate)])
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn finish(self) -> Rules {
        self.rules
    }
}

fn not_yet(locate: &dyn Locate) -> Finding {
    Finding::new(Code::NotYet, locate.place(Span::new(0, 0)), "the rule language is not built in yet")
}

/// Reads "90 days", "1 hour".
pub fn parse_span(text: &str) -> Option<crate::model::Span> {
    let mut words = text.split_whitespace();
    let (number, unit) = (words.next()?.parse::<i64>().ok()?, words.next()?);
    let unit = match unit.trim_end_matches('s') {
        "second" => crate::model::Span::SECOND,
        "minute" => crate::model::Span::MINUTE,
        "hour" => crate::model::Span::HOUR,
        "day" => crate::model::Span::DAY,
        "week" => crate::model::Span::WEEK,
        _ => return None,
    };
    (number >= 0 && words.next().is_none()).then(|| unit.times(number))
}
