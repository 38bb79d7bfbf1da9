//! About how much memory a profile takes while it is worked on. Asked after every batch, so long lists are not gone through.

use crate::lang::eval::Recalled;
use crate::model::weight::Weight;
use crate::model::{Moment, Value};

use super::aggregates::AggregateState;
use super::profile::{AudienceState, Consent, GoalWatch, Profile, Run, Started};

/// A text in a long list, about.
const TEXT: usize = 16;
/// A list of identifiers that the far side of an audience knows, about.
const IDENTIFIERS: usize = 512;
/// One of a set of numbers, about.
const NUMBER: usize = 24;

impl Weight for Profile {
    fn held(&self) -> usize {
        let facts = self.user_id.held() + self.traits.held() + self.trait_times.held() + self.account.held();
        let past = self.trails.held() + self.aggregates.held() + self.recalls.held() + self.held.held();
        let places = self.memberships.held() + self.audiences.held() + self.consents.held() + self.ranks.len() * NUMBER;
        let journeys = self.runs.held() + self.starts.held() + self.goals.held();
        facts
            + past
            + places
            + journeys
            + self.seen.held()
            + self.parked.held()
            + self.ends.held()
            + self.members.room()
    }
}

impl Weight for AggregateState {
    fn held(&self) -> usize {
        match self {
            Self::Count(_) | Self::Sum(_) | Self::Mean(..) | Self::Extreme(_) => 0,
            Self::Value(_, value) => value.held(),
            Self::Tally(tally) => tally.room() + tally.len() * TEXT,
            Self::Amounts(amounts) => amounts.capacity() * size_of::<(Moment, i128)>(),
            Self::Values(values) => values.capacity() * (size_of::<(Moment, Value)>() + TEXT),
        }
    }
}

impl Weight for Recalled {
    fn held(&self) -> usize {
        self.values.capacity() * (size_of::<Value>() + TEXT)
    }
}

impl Weight for Run {
    fn held(&self) -> usize {
        let texts = self.journey.held() + self.key.held() + self.step.held();
        texts + self.entry.held() + self.visits.held() + self.arms.held()
    }
}

impl Weight for Started {
    fn held(&self) -> usize {
        0
    }
}

impl Weight for GoalWatch {
    fn held(&self) -> usize {
        self.journey.held()
    }
}

impl Weight for Consent {
    fn held(&self) -> usize {
        2 * TEXT
    }
}

impl Weight for AudienceState {
    fn held(&self) -> usize {
        (1 + self.under_way.len()) * IDENTIFIERS
    }
}
