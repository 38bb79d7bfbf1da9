//! Rule files to [`Rules`]: every item is read, names are gathered, then conditions are checked against them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::finding::{Finding, Locate, Place, SourceId, Span};

use super::check::{Around, Checker, EventScope, Scope};
use super::decide::Decider;
use super::declare::Declared;
use super::names::Names;
use super::order::Node;
use super::parse::{ITEM_WORDS, cut, parse_item, parse_rule};
use super::readers;
use super::rules::*;
use super::window::{Calendar, Window};

/// A rule file.
#[derive(Debug, Clone, Copy)]
pub struct RuleFile<'a> {
    pub source: SourceId,
    pub text: &'a str,
}

/// What rules take from `tidewater.yaml` and the workspace's other files.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Worth of one unit of each currency in a common one.
    pub rates: BTreeMap<String, f64>,
    pub default_country: Option<String>,
    /// Names of the channels, for `audience_sync … to NAME`.
    pub destinations: BTreeSet<String>,
    /// Where dates that a rule names are.
    pub calendar: Calendar,
    /// Files that lists may name, by path.
    pub files: BTreeMap<String, Arc<str>>,
}

/// Compiles a workspace's rules, and the rule strings of its journeys against them.
#[derive(Debug)]
pub struct Compiler {
    pub(super) rules: Rules,
    pub(super) names: Names,
    pub(super) settings: Settings,
    /// What is being checked: the seed of a `random` that names none.
    pub(super) owner: String,
    /// Journeys and templates that rules name; known only once those are read.
    pub(super) journeys_named: Vec<(String, Place)>,
    pub(super) templates_named: Vec<(String, Place)>,
    /// Segments and computes, each after those that it names.
    pub(super) order: Vec<Node>,
    shared: super::shared::Shared,
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
            rules: Rules { week_starts: settings.calendar.week_starts, ..Rules::default() },
            names: Names::default(),
            settings: settings.clone(),
            owner: String::new(),
            journeys_named: Vec::new(),
            templates_named: Vec::new(),
            order: Vec::new(),
            shared: super::shared::Shared::default(),
        };
        let mut findings = Vec::new();
        let mut declared = Declared::default();
        for file in files {
            for piece in cut(file.text) {
                let locate = Shifted { source: file.source, by: piece.start };
                let (item, mistakes) = parse_item(piece.text, &locate);
                findings.extend(mistakes);
                match item {
                    Some(item) => compiler.declare(item, &piece, file.source, &mut declared, &mut findings),
                    None => compiler.note_broken(piece.text),
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

    /// A rule over the properties of an event, and `profile.x` and `entry.x` beside it.
    ///
    /// # Errors
    /// The findings.
    pub fn event_filter(
        &mut self,
        text: &str,
        locate: &dyn Locate,
        event: &str,
        entry_event: Option<&str>,
    ) -> Result<Condition, Vec<Finding>> {
        let around = Around::Journey { entry_event };
        self.rule(text, locate, Scope::Event(EventScope { event: Some(event), around, earlier: &[] }))
    }

    fn rule(&mut self, text: &str, locate: &dyn Locate, scope: Scope<'_>) -> Result<Condition, Vec<Finding>> {
        let expr = parse_rule(text, locate)?;
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
        for segment in &mut self.rules.segments {
            segment.decider = Decider::compile(&segment.condition, &mut self.rules.texts);
        }
        self.rules.readers = readers::index(&self.rules, &self.shared, &self.order);
        self.rules
    }

    /// Journeys that rules name, to be looked up once journeys are read.
    #[must_use]
    pub fn journeys_named(&self) -> &[(String, Place)] {
        &self.journeys_named
    }

    /// E-mail templates that rules name.
    #[must_use]
    pub fn templates_named(&self) -> &[(String, Place)] {
        &self.templates_named
    }

    /// Whose randomness a `random` without a seed is, from here on.
    pub fn set_owner(&mut self, name: &str) {
        name.clone_into(&mut self.owner);
    }

    pub(super) fn calendar(&self) -> Calendar {
        self.settings.calendar
    }

    pub(super) fn trail(
        &mut self,
        selector: Selector,
        filter: Option<Condition>,
        dates: (Option<crate::model::Timestamp>, Option<crate::model::Timestamp>),
        kind: TrailKind,
        keep: u32,
    ) -> TrailIndex {
        self.shared.trail(&mut self.rules, selector, filter, dates, kind, keep)
    }

    pub(super) fn recall(
        &mut self,
        selector: Selector,
        filter: Option<Condition>,
        paths: Vec<String>,
        keep: RecallKeep,
    ) -> RecallIndex {
        self.shared.recall(&mut self.rules, selector, filter, paths, keep)
    }

    pub(super) fn window(&mut self, trail: TrailIndex, at_least: u32, window: Window) {
        self.shared.windows.insert((trail, at_least, window));
    }

    pub(super) fn recall_window(&mut self, recall: RecallIndex, window: Window) {
        self.shared.recall_windows.insert((recall, window));
    }

    pub(super) fn add_aggregate(&mut self, aggregate: Aggregate) -> AggregateIndex {
        self.shared.aggregate(&mut self.rules, aggregate)
    }

    pub(super) fn sequence(&mut self, sequence: Sequence) -> SequenceIndex {
        self.shared.sequence(&mut self.rules, sequence)
    }

    pub(super) fn hold(&mut self, hold: Hold, length: Window) -> HoldIndex {
        self.shared.hold(&mut self.rules, hold, length)
    }

    pub(super) fn date(&mut self, question: DateQuestion) -> DateIndex {
        self.shared.date(&mut self.rules, question)
    }

    pub(super) fn rank(&mut self, rank: Rank) -> RankIndex {
        self.shared.rank(&mut self.rules, rank)
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
