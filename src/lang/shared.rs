//! What conditions share: the same need asked for twice is kept once.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Timestamp;

use super::rules::*;
use super::window::Window;
use super::write::{key_of, write_condition, write_selector};

/// Where each need already is in the tables, by its key.
#[derive(Debug, Default)]
pub(super) struct Shared {
    trails: BTreeMap<u64, TrailIndex>,
    aggregates: BTreeMap<u64, AggregateIndex>,
    recalls: BTreeMap<u64, RecallIndex>,
    sequences: BTreeMap<u64, SequenceIndex>,
    holds: BTreeMap<u64, HoldIndex>,
    dates: BTreeMap<(TraitIndex, super::window::DateTest, bool), DateIndex>,
    ranks: BTreeMap<u64, RankIndex>,
    /// All `at least n … in last D`: when one can end by time alone.
    pub(super) windows: BTreeSet<(TrailIndex, u32, Window)>,
    pub(super) recall_windows: BTreeSet<(RecallIndex, Window)>,
    pub(super) hold_windows: BTreeSet<(HoldIndex, Window)>,
}

/// The index of a key, after adding what it stands for to the table where it is new.
macro_rules! intern {
    ($known:expr, $table:expr, $index:ident, $key:expr, $new:expr) => {
        *$known.entry($key).or_insert_with(|| {
            $table.push($new);
            $index(($table.len() - 1) as u32)
        })
    };
}

impl Shared {
    /// The trail of these events, which from now on keeps at least `keep` moments.
    pub(super) fn trail(
        &mut self,
        rules: &mut Rules,
        selector: Selector,
        filter: Option<Condition>,
        dates: (Option<Timestamp>, Option<Timestamp>),
        kind: TrailKind,
        keep: u32,
    ) -> TrailIndex {
        let what = filter.as_ref().map(write_condition).unwrap_or_default();
        let extent = format!("{dates:?} {kind:?}");
        let key = key_of("trail", &[&write_selector(&selector), &what, &extent]);
        let new = Trail { key, selector, filter, dates, kind, keep };
        let index = intern!(self.trails, rules.trails, TrailIndex, key, new);
        let trail = &mut rules.trails[index.at()];
        trail.keep = trail.keep.max(keep);
        index
    }

    pub(super) fn recall(
        &mut self,
        rules: &mut Rules,
        selector: Selector,
        filter: Option<Condition>,
        paths: Vec<String>,
        keep: RecallKeep,
    ) -> RecallIndex {
        let what = filter.as_ref().map(write_condition).unwrap_or_default();
        let key = key_of("recall", &[&write_selector(&selector), &what, &format!("{paths:?} {keep:?}")]);
        let index =
            intern!(self.recalls, rules.recalls, RecallIndex, key, Recall { key, selector, filter, paths, keep });
        if let RecallKeep::Window(window) = keep {
            self.recall_windows.insert((index, window));
        }
        index
    }

    pub(super) fn aggregate(&mut self, rules: &mut Rules, new: Aggregate) -> AggregateIndex {
        intern!(self.aggregates, rules.aggregates, AggregateIndex, new.key, new)
    }

    pub(super) fn sequence(&mut self, rules: &mut Rules, new: Sequence) -> SequenceIndex {
        intern!(self.sequences, rules.sequences, SequenceIndex, new.key, new)
    }

    pub(super) fn hold(&mut self, rules: &mut Rules, new: Hold, length: Window) -> HoldIndex {
        let index = intern!(self.holds, rules.holds, HoldIndex, new.key, new);
        self.hold_windows.insert((index, length));
        index
    }

    pub(super) fn date(&mut self, rules: &mut Rules, new: DateQuestion) -> DateIndex {
        let key = (new.subject, new.test, new.is_anniversary);
        intern!(self.dates, rules.dates, DateIndex, key, new)
    }

    pub(super) fn rank(&mut self, rules: &mut Rules, new: Rank) -> RankIndex {
        intern!(self.ranks, rules.ranks, RankIndex, new.key, new)
    }
}
