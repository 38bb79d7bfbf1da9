//! A profile as bytes: a version byte, then JSON. Old versions stay readable.

use super::profile::Profile;

const VERSION: u8 = 1;

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot is empty")]
    Empty,
    #[error("the snapshot is of version {0}, which this program does not know; a newer program wrote it")]
    UnknownVersion(u8),
    #[error("the snapshot is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
}

/// Equal profiles give equal bytes.
#[must_use]
pub fn encode(profile: &Profile) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // A profile holds only maps with text or whole-number keys and finite numbers: it always has a JSON form.
    if let Err(error) = serde_json::to_writer(&mut bytes, profile) {
        unreachable!("a profile has a JSON form: {error}");
    }
    bytes
}

/// Reads what [`encode`] wrote, of this or an earlier version.
pub fn decode(bytes: &[u8]) -> Result<Profile, SnapshotError> {
    match bytes.split_first() {
        None => Err(SnapshotError::Empty),
        Some((&VERSION, body)) => Ok(serde_json::from_slice(body)?),
        Some((&version, _)) => Err(SnapshotError::UnknownVersion(version)),
    }
}
