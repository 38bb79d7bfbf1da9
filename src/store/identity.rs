//! The identity index: which identifier belongs to which profile. A projection of the journal.

use std::collections::HashMap;

use crate::model::ProfileId;

use super::{Store, StoreError};

/// A typed key of a person, such as (`user_id`, `u1`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// `user_id` or `anonymous_id`.
    pub kind: String,
    pub value: String,
}

/// A change of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityChange {
    /// A new identifier of a profile.
    Add { identifier: Identifier, profile: ProfileId },
    /// All identifiers of `loser` belong to `winner` from now on, and late news for the loser go there too.
    Merge { loser: ProfileId, winner: ProfileId },
}

impl Store {
    /// The profiles of those identifiers that are known.
    pub async fn find_profiles(
        &self,
        _identifiers: &[Identifier],
    ) -> Result<HashMap<Identifier, ProfileId>, StoreError> {
        unimplemented!()
    }

    /// All identifiers of a profile, sorted.
    pub async fn identifiers_of(&self, _profile: ProfileId) -> Result<Vec<Identifier>, StoreError> {
        unimplemented!()
    }

    /// The profile that this one was merged into, at the end of the chain; itself if it was not.
    pub async fn surviving_profile(&self, _profile: ProfileId) -> Result<ProfileId, StoreError> {
        unimplemented!()
    }
}
