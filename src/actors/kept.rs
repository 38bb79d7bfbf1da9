//! What a customer keeps its profile in: as the engine works on it, or as it was saved.
//!
//! Of those that are live, most are so for the sake of what may come: nothing happens to them now. As the engine works on it a
//! profile is many times larger than packed, and whenever it is saved it is packed anyway. So what was saved is all that
//! is kept of it until the next thing happens.

use crate::engine::{Profile, snapshot};
use crate::model::packed::PackedError;

pub(super) enum Kept {
    /// Boxed, so that one at rest has no room for it.
    AtWork(Box<Profile>),
    /// The snapshot that goes to the store.
    AtRest(Box<[u8]>),
}

impl Kept {
    /// Takes the profile out, to be worked on; it is to be put back.
    ///
    /// # Errors
    /// What was packed cannot be read any more.
    pub(super) fn take(&mut self) -> Result<Box<Profile>, PackedError> {
        match std::mem::replace(self, Self::AtRest(Box::default())) {
            Self::AtWork(profile) => Ok(profile),
            Self::AtRest(snapshot) => snapshot::decode(&snapshot).map(Box::new),
        }
    }
}
