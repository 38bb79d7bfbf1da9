//! An engine with faults: some entries and wakes trip it for good, some events only the first time that they come.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tidewater::engine::{Engine, Profile, Sound, Transition};
use tidewater::model::{Entry, EntryBody, Offset, ProfileId, Skipped, Timestamp};
use tidewater::workspace::Program;

/// Ids of messages that trip it begin with this.
pub const TRIPPING: char = 'x';
/// Ids of messages on which it stumbles once.
pub const STUMBLING: char = 's';
/// Whose wakes trip it now and then.
const SLEEPLESS: &str = "eve";

/// How the panics of these faults begin, and those of actors that are let go of when their process dies.
const EXPECTED: [&str; 2] = ["the engine ", "there is no reactor running"];

/// What it failed on for good, over all lives.
#[derive(Debug, Default)]
pub struct Faulty {
    pub tripped: Mutex<BTreeSet<(ProfileId, Skipped)>>,
    stumbled: Mutex<BTreeSet<Offset>>,
}

/// Whether a wake trips the engine.
pub fn is_sleepless(profile: ProfileId, at: Timestamp) -> bool {
    profile == ProfileId::from_identifier("user_id", SLEEPLESS) && at.0 % 3 == 0
}

/// Whether an entry trips it.
pub fn trips(entry: &Entry) -> bool {
    matches!(&entry.body, EntryBody::Event(event) if event.message_id.starts_with(TRIPPING))
}

impl Faulty {
    /// Its faults are expected, and there are thousands of them: what they would print is left out.
    pub fn quietly() {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            let loud = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let is_expected = |text: &str| EXPECTED.iter().any(|begin| text.starts_with(begin));
                if !panic.payload_as_str().is_some_and(is_expected) {
                    loud(panic);
                }
            }));
        });
    }

    fn trip(&self, profile: ProfileId, over: Skipped) -> ! {
        self.tripped.lock().unwrap().insert((profile, over));
        panic!("the engine tripped");
    }

    /// Trips over the wakes up to an instant, on a copy: whoever is to be woken is left alone.
    fn look_at_wakes(&self, profile: &Profile, program: &Program, up_to: Timestamp) {
        let mut ahead = profile.clone();
        while let Some(at) = ahead.wake().filter(|at| *at <= up_to && ahead.merged_into().is_none()) {
            if is_sleepless(profile.id(), at) {
                self.trip(profile.id(), Skipped::Wake(at));
            }
            Sound.fire(&mut ahead, program, at);
        }
    }
}

impl Engine for Faulty {
    fn apply(&self, profile: &mut Profile, program: &Program, entry: &Entry) -> Transition {
        self.look_at_wakes(profile, program, Timestamp(entry.received_at.0 - 1));
        if trips(entry) {
            self.trip(profile.id(), Skipped::Entry(entry.offset));
        }
        let is_stumbling = matches!(&entry.body, EntryBody::Event(event) if event.message_id.starts_with(STUMBLING));
        assert!(!is_stumbling || !self.stumbled.lock().unwrap().insert(entry.offset), "the engine stumbled");
        Sound.apply(profile, program, entry)
    }

    fn fire(&self, profile: &mut Profile, program: &Program, up_to: Timestamp) -> Transition {
        self.look_at_wakes(profile, program, up_to);
        Sound.fire(profile, program, up_to)
    }
}
