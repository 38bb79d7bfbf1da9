//! The engine alone, over a whole journal, in its order: what a platform that lived it must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewater::engine::backfill::{self, Past};
use tidewater::engine::{Effect, Profile, Skips, Transition, snapshot};
use tidewater::model::{EffectId, Entry, EntryBody, Offset, ProfileId, Target, Timestamp};
use tidewater::workspace::Program;

/// Where a replay begins anew, from what profiles would be saved as. It begins too early, as one after a crash does: what
/// was applied comes once more, and changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoints {
    Never,
    /// For everyone, after this entry.
    At(Offset),
    /// For whom an entry concerned, after each.
    Always,
}

/// What comes of a journal.
pub struct Replay {
    pub profiles: BTreeMap<ProfileId, Profile>,
    pub effects: BTreeMap<EffectId, Effect>,
    /// Who entered (true) or left which segment when.
    pub changes: BTreeSet<(ProfileId, String, Timestamp, bool)>,
    pub program: Arc<Program>,
    skips: Skips,
    /// What counted, for whom.
    counted: BTreeMap<ProfileId, Vec<Past>>,
    /// Who was merged into somebody, by which entry.
    losers: BTreeMap<ProfileId, BTreeMap<ProfileId, Offset>>,
    checkpoints: Checkpoints,
}

impl Replay {
    /// Applies all of it. `programs`: every one that was deployed, by version.
    pub fn of(journal: &[Entry], programs: &BTreeMap<String, Arc<Program>>, checkpoints: Checkpoints) -> Self {
        let mut replay = Self {
            profiles: BTreeMap::new(),
            effects: BTreeMap::new(),
            changes: BTreeSet::new(),
            program: programs.values().next().expect("a program").clone(),
            skips: Skips::of_journal(journal),
            counted: BTreeMap::new(),
            losers: BTreeMap::new(),
            checkpoints,
        };
        for entry in journal {
            replay.apply(entry, programs);
        }
        replay
    }

    fn apply(&mut self, entry: &Entry, programs: &BTreeMap<String, Arc<Program>>) {
        let before = self.program.clone();
        if let EntryBody::Deploy(deploy) = &entry.body {
            self.program = programs[&deploy.version].clone();
        }
        let concerned: Vec<ProfileId> = match entry.target {
            Target::Profile(profile) => vec![profile],
            // One of whom nothing came but what was passed over is not known yet.
            Target::Everyone => {
                let known = self.profiles.values().filter(|profile| profile.applied() > Offset(0));
                known.map(Profile::id).collect()
            }
        };
        for id in concerned {
            let mut profile = self.profiles.remove(&id).unwrap_or_else(|| Profile::new(id));
            if matches!(entry.body, EntryBody::Deploy(_)) {
                let fired = self.skips.fire(&mut profile, &before, Timestamp(entry.received_at.0 - 1));
                self.note(id, fired);
            }
            if let EntryBody::MergeAway { winner } = &entry.body {
                self.losers.entry(*winner).or_default().entry(id).or_insert(entry.offset);
            }
            let applied = self.skips.apply(&mut profile, &self.program, entry);
            if applied.recorded {
                self.count(id, entry);
            }
            self.note(id, applied);
            self.fill(id, &mut profile);
            if self.checkpoints == Checkpoints::Always {
                profile = self.reloaded(&profile, entry);
            }
            self.profiles.insert(id, profile);
        }
        if self.checkpoints == Checkpoints::At(entry.offset) {
            let reload = |(id, profile): (&ProfileId, &Profile)| (*id, self.reloaded(profile, entry));
            self.profiles = self.profiles.iter().map(reload).collect();
        }
    }

    /// What a replay that begins here makes of a profile. It may begin too early: what was applied changes nothing.
    fn reloaded(&self, profile: &Profile, entry: &Entry) -> Profile {
        let saved = snapshot::encode(profile);
        let mut loaded = snapshot::decode(&saved).expect("what was just written can be read");
        if loaded.applied() >= entry.offset {
            let again = self.skips.apply(&mut loaded, &self.program, entry);
            assert_eq!(again, Transition::default(), "an entry that was applied is applied again: {entry:?}");
        }
        assert!(snapshot::encode(&loaded) == saved, "what was saved of {} and what is loaded of it", profile.id());
        loaded
    }

    /// Lets time pass for everyone.
    #[allow(dead_code, reason = "the simulation asks for it")]
    pub fn pass(&mut self, up_to: Timestamp) {
        for id in self.profiles.keys().copied().collect::<Vec<_>>() {
            self.pass_for(id, up_to);
        }
    }

    /// Lets time pass for one.
    pub fn pass_for(&mut self, id: ProfileId, up_to: Timestamp) {
        let mut profile = self.profiles.remove(&id).expect("someone known");
        let fired = self.skips.fire(&mut profile, &self.program, up_to);
        self.note(id, fired);
        self.profiles.insert(id, profile);
    }

    fn note(&mut self, profile: ProfileId, transition: Transition) {
        self.effects.extend(transition.effects.into_iter().map(|effect| (effect.id, effect)));
        let changes = transition.memberships.into_iter();
        self.changes.extend(changes.map(|change| (profile, change.segment, change.at, change.entered)));
        for entry in transition.released {
            self.count(profile, &entry);
        }
    }

    fn count(&mut self, profile: ProfileId, entry: &Entry) {
        self.counted.entry(profile).or_default().extend(Past::of(entry));
    }

    /// Everything that ever counted for a profile or one that became part of it before.
    fn past(&self, owner: ProfileId, joined: Offset, found: &mut Vec<Past>) {
        let own = self.counted.get(&owner).into_iter().flatten();
        found.extend(own.map(|past| Past { joined, ..past.clone() }));
        for (loser, merge) in self.losers.get(&owner).into_iter().flatten() {
            self.past(*loser, joined.max(*merge), found);
        }
    }

    fn fill(&mut self, id: ProfileId, profile: &mut Profile) {
        while backfill::is_unfilled(profile) {
            let mut past = Vec::new();
            self.past(id, Offset(0), &mut past);
            let filled = backfill::fill(profile, &self.program.clone(), &past);
            self.note(id, filled);
        }
    }
}
