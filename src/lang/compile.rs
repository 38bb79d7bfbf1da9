//! Rule files to [`Rules`]: every item is read, names are gathered, then conditions are checked against them.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Locate, Place, SourceId, Span};
use crate::model::id::hash_parts;

use super::check::{Checker, Scope};
use super::declare::Declared;
use super::names::Names;
use super::parse::{ITEM_WORDS, cut, parse_item, parse_rule};
use super::readers;
use super::rules::{Condition, Rules, Selector, Trail, TrailIndex};
use super::write::{write_condition, write_selector};

/// A rule file.
#[derive(Debug, Clone, Copy)]
pub struct RuleFile<'a> {
    pub source: SourceId,
    pub text: &'a str,
}

/// What rules take from `tidewater.yaml`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Worth of one unit of each currency in a common one.
    pub rates: BTreeMap<String, f64>,
    pub default_country: Option<String>,
    /// Names of the channels, for `audience_sync … to NAME`.
    pub destinations: BTreeSet<String>,
}

/// Compiles a workspace's rules, and the rule strings of its journeys against them.
#[derive(Debug)]
pub struct Compiler {
    pub(super) rules: Rules,
    pub(super) names: Names,
    pub(super) settings: Settings,
    /// Conditions with the same selector and filter share a trail.
    trails: BTreeMap<u64, TrailIndex>,
    windows: BTreeSet<(TrailIndex, u32, i64)>,
}

/// Bytes of a piece of a file as bytes of the file.
struct Shifted {
    source: SourceId,
    by: usize,
}

impl Locate for Shifted {
    fn place(&self, span: Span) -> Place {
        Place { source: self.source, span: Span::new(span.start + self.by, span.end + self.by) }
    }
}

impl Compiler {
    /// Reads, names and checks all rule files. Findings are in the order of the files; after one it goes on, and what
    /// is declared with a mistake counts as declared.
    #[must_use]
    pub fn new(files: &[RuleFile<'_>], settings: &Settings) -> (Self, Vec<Finding>) {
        let mut compiler = Self {
            rules: Rules::default(),
            names: Names::default(),
            settings: settings.clone(),
            trails: BTreeMap::new(),
            windows: BTreeSet::new(),
        };
        let mut findings = Vec::new();
        let mut declared = Declared::default();
        for file in files {
            for piece in cut(file.text) {
                let locate = Shifted { source: file.source, by: piece.start };
                match parse_item(piece.text, &locate) {
                    Ok(item) => compiler.declare(item, &piece, file.source, &mut declared, &mut findings),
                    Err(finding) => {
                        compiler.note_broken(piece.text);
                        findings.push(finding);
                    }
                }
            }
        }
        compiler.check_declared(&declared, &mut findings);
        findings.sort_by_key(|finding| finding.place);
        (compiler, findings)
    }

    /// A rule of a journey: over the profile, `since entry` and, where an event begins the journey, `entry.x`.
    ///
    /// # Errors
    /// The findings, each at its place in the journey file.
    pub fn journey_condition(
        &mut self,
        text: &str,
        locate: &dyn Locate,
        entry_event: Option<&str>,
    ) -> Result<Condition, Vec<Finding>> {
        self.rule(text, locate, Scope::Journey { entry_event })
    }

    /// A rule over a profile.
    ///
    /// # Errors
    /// The findings.
    pub fn profile_condition(&mut self, text: &str, locate: &dyn Locate) -> Result<Condition, Vec<Finding>> {
        self.rule(text, locate, Scope::Profile)
    }

    /// A rule over the properties of an event.
    ///
    /// # Errors
    /// The findings.
    pub fn event_filter(&mut self, text: &str, locate: &dyn Locate, event: &str) -> Result<Condition, Vec<Finding>> {
        self.rule(text, locate, Scope::Event(Some(event)))
    }

    fn rule(&mut self, text: &str, locate: &dyn Locate, scope: Scope<'_>) -> Result<Condition, Vec<Finding>> {
        let expr = parse_rule(text, locate).map_err(|finding| vec![finding])?;
        let mut checker = Checker { compiler: self, scope, text, locate, findings: Vec::new() };
        let condition = checker.condition(&expr);
        if checker.findings.is_empty() { Ok(condition) } else { Err(checker.findings) }
    }

    /// Whether an event of this name can come.
    ///
    /// # Errors
    /// What to tell its author, with the nearest name.
    pub fn check_event(&self, name: &str, place: Place) -> Result<(), Finding> {
        self.names.check_event(name, place)
    }

    /// The index of a segment, or a finding with the nearest name; `None` where its own declaration is broken.
    ///
    /// # Errors
    /// What to tell its author.
    pub fn segment(&self, name: &str, place: Place) -> Result<Option<super::rules::SegmentIndex>, Finding> {
        match self.names.segments.get(name) {
            Some(index) => Ok(Some(*index)),
            None if self.names.is_broken("segment", name) => Ok(None),
            None => Err(self.names.unknown_segment(name, place)),
        }
    }

    /// Whether a declaration of this kind and name is there but could not be read.
    #[must_use]
    pub fn is_broken(&self, kind: &'static str, name: &str) -> bool {
        self.names.is_broken(kind, name)
    }

    /// The tables so far; `readers` is filled by [`Compiler::finish`].
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The finished tables.
    #[must_use]
    pub fn finish(mut self) -> Rules {
        self.rules.readers = readers::index(&self.rules, &self.windows);
        self.rules
    }

    /// The trail of these events, which from now on keeps at least `keep` moments.
    pub(super) fn trail(&mut self, selector: Selector, filter: Option<Condition>, keep: u32) -> TrailIndex {
        let key = trail_key(&selector, filter.as_ref());
        let index = *self.trails.entry(key).or_insert_with(|| {
            self.rules.trails.push(Trail { key, selector, filter, keep });
            TrailIndex((self.rules.trails.len() - 1) as u32)
        });
        let trail = &mut self.rules.trails[index.at()];
        trail.keep = trail.keep.max(keep);
        index
    }

    pub(super) fn window(&mut self, trail: TrailIndex, at_least: u32, span: crate::model::Span) {
        self.windows.insert((trail, at_least, span.0));
    }

    /// Remembers the name that a piece with a mistake seems to declare, so that its use is no second finding.
    fn note_broken(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let Some(kind) = words.next().and_then(|word| ITEM_WORDS.iter().find(|known| **known == word)) else { return };
        let rest = text.trim_start()[kind.len()..].trim_start();
        let name = match rest.chars().next() {
            Some(quote @ ('"' | '`' | '“')) => {
                let close = if quote == '“' { '”' } else { quote };
                rest[quote.len_utf8()..].split(close).next().unwrap_or_default()
            }
            _ => rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).next().unwrap_or_default(),
        };
        self.names.broken.insert((kind, name.to_owned()));
    }
}

fn trail_key(selector: &Selector, filter: Option<&Condition>) -> u64 {
    let filter = filter.map(write_condition).unwrap_or_default();
    (hash_parts("trail", &[write_selector(selector).as_bytes(), filter.as_bytes()]) >> 64) as u64
}
