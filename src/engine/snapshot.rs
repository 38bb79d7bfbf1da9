//! A profile as bytes: see [`packed`]. Earlier forms stay readable.

use crate::model::packed::{self, PackedError};

use super::profile::Profile;

/// Equal profiles give equal bytes.
#[must_use]
pub fn encode(profile: &Profile) -> Vec<u8> {
    packed::pack(profile)
}

/// Reads what [`encode`] wrote, of this or an earlier form.
///
/// # Errors
/// See [`PackedError`].
pub fn decode(bytes: &[u8]) -> Result<Profile, PackedError> {
    packed::unpack(bytes)
}
