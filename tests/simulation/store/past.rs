//! Whose a profile's past is, after merges.

use tidewater::engine::backfill::{Past, Wanted};
use tidewater::model::{EntryBody, Offset, ProfileId, Target};

use super::Durable;

impl Durable {
    pub fn survivor(&self, mut profile: ProfileId) -> ProfileId {
        while let Some(winner) = self.merged.get(&profile) {
            profile = *winner;
        }
        profile
    }

    /// What counted for a profile, or for one that was merged into it before.
    pub(super) fn past(&self, profile: ProfileId, wanted: &Wanted) -> Vec<Past> {
        let mut found = Vec::new();
        for entry in self.journal.iter().filter(|entry| entry.offset < wanted.before) {
            let (Some((counts_for, _)), Some(event)) = (self.history.get(&entry.offset), entry.body.event()) else {
                continue;
            };
            let is_named = wanted.names.as_ref().is_none_or(|names| names.contains(&event.name));
            if let (true, Some(joined)) = (is_named, self.joined(*counts_for, profile)) {
                let (offset, received_at, event) = (entry.offset, entry.received_at, event.into_owned());
                found.push(Past { offset, joined, received_at, event });
            }
        }
        found
    }

    /// The entry by which one profile became part of another; 0 where they are one from the start.
    fn joined(&self, profile: ProfileId, owner: ProfileId) -> Option<Offset> {
        let (mut at, mut joined) = (profile, Offset(0));
        while at != owner {
            let merge = self.journal.iter().find(|entry| {
                entry.target == Target::Profile(at) && matches!(entry.body, EntryBody::MergeAway { .. })
            })?;
            (at, joined) = (*self.merged.get(&at)?, joined.max(merge.offset));
        }
        Some(joined)
    }
}
