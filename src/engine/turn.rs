//! One turn of the engine: what one entry, or one wake, sets going, until the profile is at rest again.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};

use crate::lang::rules::SegmentIndex;
use crate::lang::window::Calendar;
use crate::model::limit::FOLLOW_UPS;
use crate::model::value::ValueMap;
use crate::model::{Moment, Timestamp};
use crate::workspace::Program;

use super::profile::Profile;
use super::transition::{Cause, Fact, Transition};

/// The profile, the program and the instant, and what is still to be done.
pub(super) struct Turn<'a> {
    pub(super) profile: &'a mut Profile,
    pub(super) program: &'a Program,
    /// Logical time: an entry's `received_at`, or the instant of the wake.
    pub(super) now: Timestamp,
    /// Where this stands: the event's own moment, or (now, last offset) for a wake.
    pub(super) moment: Moment,
    pub(super) cause: Cause,
    /// The customer's, by the traits as they are now.
    pub(super) calendar: Calendar,
    pub(super) out: Transition,
    /// Segments to look at again, by rank, so that each comes after those that it names.
    dirty: BTreeSet<(u32, SegmentIndex)>,
    /// Audiences (by index) that the far side may have to be told of once segments are settled.
    pub(super) unmirrored: BTreeSet<usize>,
    /// A run wrote a trait: runs that were looked at before it may be concerned.
    pub(super) has_written: bool,
    queue: VecDeque<Happening<'a>>,
    follow_ups: usize,
}

/// Something that happened, as rules and journeys see it: an event of a source, or one of our own.
#[derive(Debug)]
pub(super) struct Happening<'a> {
    pub(super) name: &'a str,
    pub(super) properties: Cow<'a, ValueMap>,
    pub(super) moment: Moment,
    pub(super) is_activity: bool,
    pub(super) segment: Option<SegmentChange>,
}

/// A change of membership that journeys may start or end by.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentChange {
    pub(super) segment: SegmentIndex,
    pub(super) entered: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        profile: &'a mut Profile,
        program: &'a Program,
        now: Timestamp,
        moment: Moment,
        cause: Cause,
    ) -> Self {
        let calendar = profile.calendar(program);
        Self {
            profile,
            program,
            now,
            moment,
            cause,
            calendar,
            out: Transition::default(),
            dirty: BTreeSet::new(),
            unmirrored: BTreeSet::new(),
            has_written: false,
            queue: VecDeque::new(),
            follow_ups: 0,
        }
    }

    /// Marks a segment to be looked at again.
    pub(super) fn dirty(&mut self, segment: SegmentIndex) {
        let rank = self.program.rules.readers.segment_rank.get(segment.at()).copied().unwrap_or(0);
        self.dirty.insert((rank, segment));
    }

    pub(super) fn dirty_all(&mut self) {
        for index in 0..self.program.rules.segments.len() {
            self.dirty(SegmentIndex(index as u32));
        }
    }

    pub(super) fn next_dirty(&mut self) -> Option<SegmentIndex> {
        self.dirty.pop_first().map(|(_, segment)| segment)
    }

    /// Lets something happen once what is under way is done.
    pub(super) fn happen(&mut self, happening: Happening<'a>) {
        self.queue.push_back(happening);
    }

    /// An event of our own, at this turn's moment.
    pub(super) fn happen_here(&mut self, name: &'static str, properties: &[(&str, &str)]) {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let moment = Moment { at: self.now, offset: self.moment.offset };
        self.happen(Happening { name, properties: Cow::Owned(properties), moment, is_activity: false, segment: None });
    }

    /// Works until nothing is left to do: each happening is observed, then segments settle, then runs are looked at.
    pub(super) fn run(&mut self) {
        // What happened counts before anything is looked at: a first event must not find its own profile empty.
        if self.queue.is_empty() {
            self.settle_segments();
            self.look_at_runs(None);
        }
        loop {
            let next = self.queue.pop_front();
            let is_done = next.is_none() && !std::mem::take(&mut self.has_written);
            if is_done || !self.may_go_on() {
                self.queue.clear();
                return;
            }
            match next {
                Some(happening) => {
                    self.observe(&happening, None);
                    self.settle_segments();
                    self.reach_goals(&happening);
                    self.look_at_runs(Some(&happening));
                    self.start_by(&happening);
                }
                None => {
                    self.settle_segments();
                    self.look_at_runs(None);
                }
            }
        }
    }

    /// Counts a follow-up; false once there are too many, which is reported once. That each segment changes once, as
    /// for someone new, is no runaway, however many segments there are.
    pub(super) fn may_go_on(&mut self) -> bool {
        let limit = FOLLOW_UPS + self.program.rules.segments.len();
        self.follow_ups += 1;
        if self.follow_ups == limit {
            self.out.facts.push(Fact::Saturated { what: "follow-ups of one entry".to_owned(), at: self.now });
        }
        self.follow_ups < limit
    }
}
