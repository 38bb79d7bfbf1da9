//! Who reads what: an event touches only the rules that read it or something that it changed.

use std::collections::{BTreeMap, BTreeSet};

use super::order::Node;
use super::rules::*;
use super::shared::Shared;
use super::window::Window;

/// The index of a finished set of rules.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    /// By event name, without those that take any activity.
    pub of_event: BTreeMap<String, Keepers>,
    pub of_any_activity: Keepers,
    /// Segments that read the thing, through computes too; by the thing's index.
    pub segments_of_trait: Vec<Vec<SegmentIndex>>,
    pub segments_of_aggregate: Vec<Vec<SegmentIndex>>,
    pub segments_of_trail: Vec<Vec<SegmentIndex>>,
    pub segments_of_recall: Vec<Vec<SegmentIndex>>,
    pub segments_of_segment: Vec<Vec<SegmentIndex>>,
    pub segments_of_date: Vec<Vec<SegmentIndex>>,
    pub segments_of_hold: Vec<Vec<SegmentIndex>>,
    pub segments_of_rank: Vec<Vec<SegmentIndex>>,
    pub segments_of_journey: BTreeMap<String, Vec<SegmentIndex>>,
    /// Segments that ask what a person agrees to; of whom the account says something; that name a list of user ids.
    pub segments_of_consent: Vec<SegmentIndex>,
    pub segments_of_account: Vec<SegmentIndex>,
    pub segments_of_user_id: Vec<SegmentIndex>,
    /// Place of each segment in an order in which each stands after those that it names.
    pub segment_rank: Vec<u32>,
    pub segment_of_name: BTreeMap<String, SegmentIndex>,
    /// Traits that setting a name may change: `address` holds `address.city`.
    pub traits_of_name: BTreeMap<String, Vec<TraitIndex>>,
    pub holds_of_trait: Vec<Vec<HoldIndex>>,
    /// Only of traits that a question about dates names.
    pub dates_of_trait: BTreeMap<TraitIndex, Vec<DateIndex>>,
    pub sequences_of_recall: Vec<Vec<SequenceIndex>>,
    pub trail_of_key: BTreeMap<u64, TrailIndex>,
    pub aggregate_of_key: BTreeMap<u64, AggregateIndex>,
    pub recall_of_key: BTreeMap<u64, RecallIndex>,
    pub hold_of_key: BTreeMap<u64, HoldIndex>,
    pub rank_of_key: BTreeMap<u64, RankIndex>,
    /// Of each trail, all `at least n … in last D` of segments and journeys: when one can end by time alone.
    pub windows_of_trail: Vec<Vec<(u32, Window)>>,
    pub windows_of_recall: Vec<Vec<Window>>,
    pub windows_of_hold: Vec<Vec<Window>>,
    /// What each compute is worked out from, through other computes too.
    pub reads_of_compute: Vec<Reads>,
}

/// What is kept of an event.
#[derive(Debug, Clone, Default)]
pub struct Keepers {
    pub trails: Vec<TrailIndex>,
    pub aggregates: Vec<AggregateIndex>,
    pub recalls: Vec<RecallIndex>,
}

/// Builds the index. `order` has each segment and compute after those that it names.
pub(super) fn index(rules: &Rules, shared: &Shared, order: &[Node]) -> Readers {
    let mut readers = Readers {
        segments_of_trait: vec![Vec::new(); rules.traits.len()],
        segments_of_aggregate: vec![Vec::new(); rules.aggregates.len()],
        segments_of_trail: vec![Vec::new(); rules.trails.len()],
        segments_of_recall: vec![Vec::new(); rules.recalls.len()],
        segments_of_segment: vec![Vec::new(); rules.segments.len()],
        segments_of_date: vec![Vec::new(); rules.dates.len()],
        segments_of_hold: vec![Vec::new(); rules.holds.len()],
        segments_of_rank: vec![Vec::new(); rules.ranks.len()],
        segment_rank: vec![0; rules.segments.len()],
        segment_of_name: rules
            .segments
            .iter()
            .enumerate()
            .map(|(at, segment)| (segment.name.clone(), SegmentIndex(at as u32)))
            .collect(),
        holds_of_trait: vec![Vec::new(); rules.traits.len()],
        sequences_of_recall: vec![Vec::new(); rules.recalls.len()],
        windows_of_trail: vec![Vec::new(); rules.trails.len()],
        windows_of_recall: vec![Vec::new(); rules.recalls.len()],
        windows_of_hold: vec![Vec::new(); rules.holds.len()],
        ..Readers::default()
    };
    note_keepers(rules, &mut readers);
    note_keys(rules, &mut readers);
    for (trail, at_least, window) in &shared.windows {
        readers.windows_of_trail[trail.at()].push((*at_least, *window));
    }
    for (recall, window) in &shared.recall_windows {
        readers.windows_of_recall[recall.at()].push(*window);
    }
    for (hold, window) in &shared.hold_windows {
        readers.windows_of_hold[hold.at()].push(*window);
    }
    note_segments(rules, order, &mut readers);
    readers
}

fn note_keepers(rules: &Rules, readers: &mut Readers) {
    for (index, trail) in rules.trails.iter().enumerate() {
        keepers_of(&trail.selector, readers).trails.push(TrailIndex(index as u32));
    }
    for (index, aggregate) in rules.aggregates.iter().enumerate() {
        keepers_of(&aggregate.selector, readers).aggregates.push(AggregateIndex(index as u32));
    }
    for (index, recall) in rules.recalls.iter().enumerate() {
        keepers_of(&recall.selector, readers).recalls.push(RecallIndex(index as u32));
    }
}

fn keepers_of<'a>(selector: &Selector, readers: &'a mut Readers) -> &'a mut Keepers {
    match selector {
        Selector::Named(name) => readers.of_event.entry(name.clone()).or_default(),
        Selector::AnyActivity => &mut readers.of_any_activity,
    }
}

fn note_keys(rules: &Rules, readers: &mut Readers) {
    let numbered = |length: usize| 0..length as u32;
    readers.trail_of_key =
        rules.trails.iter().map(|it| it.key).zip(numbered(rules.trails.len()).map(TrailIndex)).collect();
    readers.aggregate_of_key =
        rules.aggregates.iter().map(|it| it.key).zip(numbered(rules.aggregates.len()).map(AggregateIndex)).collect();
    readers.recall_of_key =
        rules.recalls.iter().map(|it| it.key).zip(numbered(rules.recalls.len()).map(RecallIndex)).collect();
    readers.hold_of_key = rules.holds.iter().map(|it| it.key).zip(numbered(rules.holds.len()).map(HoldIndex)).collect();
    readers.rank_of_key = rules.ranks.iter().map(|it| it.key).zip(numbered(rules.ranks.len()).map(RankIndex)).collect();
    for (index, declared) in rules.traits.iter().enumerate() {
        let head = declared.name.split('.').next().unwrap_or(&declared.name);
        for name in BTreeSet::from([head, declared.name.as_str()]) {
            readers.traits_of_name.entry(name.to_owned()).or_default().push(TraitIndex(index as u32));
        }
    }
    for (index, hold) in rules.holds.iter().enumerate() {
        readers.holds_of_trait[hold.subject.at()].push(HoldIndex(index as u32));
    }
    for (index, date) in rules.dates.iter().enumerate() {
        readers.dates_of_trait.entry(date.subject).or_default().push(DateIndex(index as u32));
    }
    for (index, sequence) in rules.sequences.iter().enumerate() {
        let recalls: BTreeSet<RecallIndex> = sequence.steps.iter().map(|step| step.recall).collect();
        for recall in recalls {
            readers.sequences_of_recall[recall.at()].push(SequenceIndex(index as u32));
        }
    }
}

fn note_segments(rules: &Rules, order: &[Node], readers: &mut Readers) {
    // What each compute reads, in the order in which each stands after those that it names.
    let mut of_computes: Vec<Reads> = vec![Reads::default(); rules.computes.len()];
    let mut rank = 0;
    for node in order {
        match node {
            Node::Compute(index) => {
                let mut reads = Reads::default();
                reads.formula(&rules.computes[index.at()].formula, rules, &of_computes);
                of_computes[index.at()] = reads;
            }
            Node::Segment(index) => {
                let mut reads = Reads::default();
                reads.condition(&rules.segments[index.at()].condition, rules, &of_computes);
                reads.enter(*index, readers);
                readers.segment_rank[index.at()] = rank;
                rank += 1;
            }
        }
    }
    readers.reads_of_compute = of_computes;
}

/// All that a condition or compute depends on, through computes but not through segments.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    pub traits: BTreeSet<TraitIndex>,
    pub computes: BTreeSet<ComputeIndex>,
    pub aggregates: BTreeSet<AggregateIndex>,
    pub trails: BTreeSet<TrailIndex>,
    pub recalls: BTreeSet<RecallIndex>,
    pub segments: BTreeSet<SegmentIndex>,
    pub dates: BTreeSet<DateIndex>,
    pub holds: BTreeSet<HoldIndex>,
    pub ranks: BTreeSet<RankIndex>,
    pub lists: BTreeSet<ListIndex>,
    pub journeys: BTreeSet<String>,
    pub topics: BTreeSet<usize>,
    pub purposes: BTreeSet<usize>,
    pub account: bool,
    pub user_id: bool,
}

impl Rules {
    /// What a condition of these rules depends on.
    #[must_use]
    pub fn reads(&self, condition: &Condition) -> Reads {
        let mut reads = Reads::default();
        reads.condition(condition, self, &self.readers.reads_of_compute);
        reads
    }
}

impl Reads {
    /// The events that any of it is about.
    pub fn selectors<'r>(&self, rules: &'r Rules) -> impl Iterator<Item = &'r Selector> {
        let trails = self.trails.iter().map(|index| &rules.trails[index.at()].selector);
        let recalls = self.recalls.iter().map(|index| &rules.recalls[index.at()].selector);
        let aggregates = self.aggregates.iter().map(|index| &rules.aggregates[index.at()].selector);
        trails.chain(recalls).chain(aggregates).collect::<Vec<_>>().into_iter()
    }

    fn condition(&mut self, condition: &Condition, rules: &Rules, of_computes: &[Reads]) {
        condition.walk(&mut |part| {
            for operand in part.operands() {
                self.operand(operand, of_computes);
            }
            match part {
                Condition::Did { trail, period, .. } => {
                    self.trails.insert(*trail);
                    self.period(*period);
                }
                Condition::Recall { recall, period, .. } => {
                    self.recalls.insert(*recall);
                    self.period(*period);
                }
                Condition::Sequence(index) => {
                    for step in &rules.sequences[index.at()].steps {
                        self.recalls.insert(step.recall);
                        if let Some(filter) = &step.filter {
                            self.condition(filter, rules, of_computes);
                        }
                    }
                }
                Condition::Date(index) => {
                    self.dates.insert(*index);
                    self.traits.insert(rules.dates[index.at()].subject);
                }
                Condition::Held { hold, .. } => {
                    self.holds.insert(*hold);
                    self.traits.insert(rules.holds[hold.at()].subject);
                }
                Condition::InSegment(index) => {
                    self.segments.insert(*index);
                }
                Condition::InList(index) => {
                    self.lists.insert(*index);
                    match rules.lists[index.at()].by {
                        ListKey::Trait(index) => {
                            self.traits.insert(index);
                        }
                        ListKey::UserId => self.user_id = true,
                    }
                }
                Condition::InJourney(name) => {
                    self.journeys.insert(name.clone());
                }
                Condition::Agrees(Matter::Topic { topic, .. }) => {
                    self.topics.insert(*topic);
                }
                Condition::Agrees(Matter::Purpose(purpose)) => {
                    self.purposes.insert(*purpose);
                }
                Condition::Rank(index) => {
                    self.ranks.insert(*index);
                    self.operand(&rules.ranks[index.at()].operand, of_computes);
                }
                _ => {}
            }
        });
    }

    fn period(&mut self, period: Period) {
        if let Period::SinceLast(other) = period {
            self.trails.insert(other);
        }
    }

    fn operand(&mut self, operand: &Operand, of_computes: &[Reads]) {
        match operand {
            Operand::Trait(index) => {
                self.traits.insert(*index);
            }
            Operand::Compute(index) => {
                self.computes.insert(*index);
                if let Some(reads) = of_computes.get(index.at()) {
                    self.all_of(reads);
                }
            }
            Operand::Account(_) => self.account = true,
            _ => {}
        }
    }

    fn formula(&mut self, formula: &Formula, rules: &Rules, of_computes: &[Reads]) {
        formula.walk(&mut |part| match part {
            Formula::Operand(operand) => self.operand(operand, of_computes),
            Formula::Aggregate(index) => {
                self.aggregates.insert(*index);
            }
            Formula::Score(terms) => {
                for term in terms {
                    match term {
                        Term::When { condition, .. } => self.condition(condition, rules, of_computes),
                        Term::ForEach { count, .. } => {
                            self.aggregates.insert(*count);
                        }
                    }
                }
            }
            Formula::Number(_) | Formula::Arithmetic { .. } => {}
        });
    }

    fn all_of(&mut self, other: &Reads) {
        self.traits.extend(&other.traits);
        self.computes.extend(&other.computes);
        self.aggregates.extend(&other.aggregates);
        self.trails.extend(&other.trails);
        self.recalls.extend(&other.recalls);
        self.segments.extend(&other.segments);
        self.dates.extend(&other.dates);
        self.holds.extend(&other.holds);
        self.ranks.extend(&other.ranks);
        self.lists.extend(&other.lists);
        self.topics.extend(&other.topics);
        self.purposes.extend(&other.purposes);
        self.journeys.extend(other.journeys.iter().cloned());
        self.account |= other.account;
        self.user_id |= other.user_id;
    }

    /// Enters the segment with each thing that it reads.
    fn enter(&self, reader: SegmentIndex, readers: &mut Readers) {
        self.traits.iter().for_each(|index| readers.segments_of_trait[index.at()].push(reader));
        self.aggregates.iter().for_each(|index| readers.segments_of_aggregate[index.at()].push(reader));
        self.trails.iter().for_each(|index| readers.segments_of_trail[index.at()].push(reader));
        self.recalls.iter().for_each(|index| readers.segments_of_recall[index.at()].push(reader));
        self.segments.iter().for_each(|index| readers.segments_of_segment[index.at()].push(reader));
        self.dates.iter().for_each(|index| readers.segments_of_date[index.at()].push(reader));
        self.holds.iter().for_each(|index| readers.segments_of_hold[index.at()].push(reader));
        self.ranks.iter().for_each(|index| readers.segments_of_rank[index.at()].push(reader));
        for journey in &self.journeys {
            readers.segments_of_journey.entry(journey.clone()).or_default().push(reader);
        }
        for (reads, list) in [
            (!self.topics.is_empty() || !self.purposes.is_empty(), &mut readers.segments_of_consent),
            (self.account, &mut readers.segments_of_account),
            (self.user_id, &mut readers.segments_of_user_id),
        ] {
            if reads {
                list.push(reader);
            }
        }
    }
}
