//! What a customer keeps its profile in: as the engine works on it, or as it was saved.
//!
//! Of those that are live, most are so for the sake of what may come: nothing happens to them now. As the engine works on it a
//! profile is many times larger than packed, and whenever it is saved it is packed anyway. So what was saved is all that
//! is kept of it until the next thing happens.

use std::ops::{Add, Sub};

use crate::engine::{Profile, snapshot};
use crate::model::packed::PackedError;
use crate::model::weight::Weight;

pub(super) enum Kept {
    /// Boxed, so that one at rest has no room for it.
    AtWork(Box<Profile>),
    /// The snapshot that goes to the store.
    AtRest(Box<[u8]>),
}

/// What a customer takes of memory, beside its actor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: usize,
    /// Of them, its packed state; 0 while it is worked on.
    pub(super) packed: usize,
}

impl Size {
    pub(super) fn is_at_work(self) -> bool {
        self.packed == 0 && self.bytes > 0
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, packed: self.packed + other.packed }
    }
}

impl Sub for Size {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, packed: self.packed - other.packed }
    }
}

impl Kept {
    pub(super) fn size(&self) -> Size {
        match self {
            Self::AtWork(profile) => Size { bytes: size_of::<Profile>() + profile.held(), packed: 0 },
            Self::AtRest(snapshot) => Size { bytes: snapshot.len(), packed: snapshot.len() },
        }
    }

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
