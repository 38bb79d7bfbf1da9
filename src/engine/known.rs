//! What a profile says, in the form in which segments ask for it. Made when it is asked for first. It says nothing that the rest
//! of the profile does not say, so profiles that differ in it alone are equal.

use crate::lang::decide::Slots;
use crate::lang::rules::SegmentIndex;
use crate::workspace::Program;

use super::profile::Profile;

/// Traits in slots; forgotten whenever traits or the program change.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownSlots(pub(crate) Option<Slots>);

impl PartialEq for KnownSlots {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A bit for each segment, set where the profile is in it; forgotten when the program changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownMembers(Option<Vec<u64>>);

impl PartialEq for KnownMembers {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

const BITS: usize = u64::BITS as usize;

impl KnownMembers {
    /// Another program tells segments apart in another way.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// Bytes that it takes.
    pub(super) fn room(&self) -> usize {
        self.0.as_ref().map_or(0, |bits| bits.capacity() * size_of::<u64>())
    }
}

impl Profile {
    /// Whether the profile is in a segment of the program that is in force for it.
    pub(super) fn is_member(&mut self, program: &Program, segment: SegmentIndex) -> bool {
        let memberships = &self.memberships;
        let bits = self.members.0.get_or_insert_with(|| {
            let mut bits = vec![0; program.rules.segments.len().div_ceil(BITS)];
            let known = memberships.keys().filter_map(|name| program.rules.readers.segment_of_name.get(name));
            known.for_each(|segment| bits[segment.at() / BITS] |= 1 << (segment.at() % BITS));
            bits
        });
        bits[segment.at() / BITS] >> (segment.at() % BITS) & 1 == 1
    }

    /// Notes in the bits what became of a membership.
    pub(super) fn note_member(&mut self, segment: SegmentIndex, is_in: bool) {
        let Some(bits) = &mut self.members.0 else { return };
        let bit = 1 << (segment.at() % BITS);
        if is_in {
            bits[segment.at() / BITS] |= bit;
        } else {
            bits[segment.at() / BITS] &= !bit;
        }
    }
}
