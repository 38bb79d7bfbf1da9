//! Segments: which of them a profile is in, now.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::lang::decide::Slots;
use crate::lang::rules::SegmentIndex;
use crate::model::Moment;
use crate::model::platform_event::{SEGMENT_ENTERED, SEGMENT_EXITED};

use super::transition::MembershipChange;
use super::turn::{Happening, SegmentChange, Turn};

impl Turn<'_> {
    /// Looks at all marked segments again, and at those that name one that changed, in order; then audiences are told.
    pub(super) fn settle_segments(&mut self) {
        while let Some(segment) = self.next_dirty() {
            let program = self.program;
            let declared = &program.rules.segments[segment.at()];
            let slots = self.profile.slots.0.take().unwrap_or_else(|| Slots::of(&self.profile.traits, &program.rules));
            let is_in = declared.decider.holds(&slots, &self.view());
            self.profile.slots.0 = Some(slots);
            let was_in = self.profile.is_member(program, segment);
            debug_assert_eq!(
                was_in,
                self.profile.memberships.contains_key(&declared.name),
                "the bits are what they say"
            );
            if is_in != was_in {
                self.change_membership(segment, is_in);
            }
        }
        self.mirror_changes();
    }

    /// After a deploy: a segment that is gone from the rules has no members any more.
    pub(super) fn leave_removed_segments(&mut self) {
        let known: BTreeSet<&str> = self.program.rules.segments.iter().map(|segment| segment.name.as_str()).collect();
        let removed: Vec<String> =
            self.profile.memberships.keys().filter(|name| !known.contains(name.as_str())).cloned().collect();
        for segment in removed {
            self.profile.memberships.remove(&segment);
            self.happen_here(SEGMENT_EXITED, &[("segment", &segment)]);
            self.out.memberships.push(MembershipChange { segment, entered: false, at: self.now, cause: self.cause });
        }
    }

    fn change_membership(&mut self, segment: SegmentIndex, entered: bool) {
        let name = &self.program.rules.segments[segment.at()].name;
        self.profile.note_member(segment, entered);
        if entered {
            self.profile.memberships.insert(name.clone(), self.now);
        } else {
            self.profile.memberships.remove(name);
        }
        self.out.memberships.push(MembershipChange { segment: name.clone(), entered, at: self.now, cause: self.cause });
        for dependant in &self.program.rules.readers.segments_of_segment[segment.at()] {
            self.dirty(*dependant);
        }
        self.mirror_segment(segment);
        self.happen(Happening {
            name: if entered { SEGMENT_ENTERED } else { SEGMENT_EXITED },
            properties: Cow::Owned([("segment".to_owned(), name.as_str().into())].into()),
            moment: Moment { at: self.now, offset: self.moment.offset },
            is_activity: false,
            segment: Some(SegmentChange { segment, entered }),
        });
    }
}
