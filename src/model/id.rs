//! Identifiers of the platform. Those of profiles, runs and effects are hashes, so that a replay decides on the same.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::limit::SHARDS;

/// Position of an entry in the journal; the first is 1, so that 0 means "nothing yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub u64);

/// One of the fixed partitions that profiles are spread over, `0..SHARDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u16);

/// The `messageId` of an event: what a source repeats when it sends the same event again.
pub type MessageId = String;

/// Hashes labelled parts into 128 bits. Each part is preceded by its length, so that no two lists of parts collide.
#[must_use]
pub fn hash_parts(label: &str, parts: &[&[u8]]) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update((label.len() as u64).to_be_bytes());
    hasher.update(label.as_bytes());
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut head = [0_u8; 16];
    head.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(head)
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:032x})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(InvalidId(text.to_owned()));
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidId(text.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    return serializer.collect_str(self);
                }
                serializer.serialize_bytes(&self.0.to_be_bytes())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    return text.parse().map_err(serde::de::Error::custom);
                }
                deserializer.deserialize_bytes(Bytes).map(|bytes| Self(u128::from_be_bytes(bytes)))
            }
        }
    };
}

/// Reads the bytes of an id.
struct Bytes;

impl serde::de::Visitor<'_> for Bytes {
    type Value = [u8; 16];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the 16 bytes of an id")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; 16], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

hash_id!(
    /// The one id of a customer's profile, whatever identifiers the customer is known by.
    ProfileId
);
hash_id!(
    /// One passage of a profile through a journey.
    RunId
);
hash_id!(
    /// Something to be done in the world, decided once. Not a function of time, version or attempt.
    EffectId
);

/// A text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: expected 32 hexadecimal digits")]
pub struct InvalidId(pub String);

impl ProfileId {
    /// The id of the profile that begins with this identifier, such as (`user_id`, `u1`).
    #[must_use]
    pub fn from_identifier(kind: &str, value: &str) -> Self {
        Self(hash_parts("profile", &[kind.as_bytes(), value.as_bytes()]))
    }

    /// The id of the profile that begins with an identifier of somebody who was erased by this entry: somebody new.
    #[must_use]
    pub fn after_erasure(kind: &str, value: &str, erasure: Offset) -> Self {
        Self(hash_parts("profile after an erasure", &[kind.as_bytes(), value.as_bytes(), &erasure.0.to_be_bytes()]))
    }

    /// The partition that the profile belongs to, for good: that of its first byte, so that the profiles of one are neighbours in
    /// every order by profile.
    #[must_use]
    pub fn shard(self) -> ShardId {
        const { assert!(SHARDS == 256, "as many as a byte has values") };
        ShardId((self.0 >> 120) as u16)
    }
}

impl RunId {
    /// `occasion` tells one entry from the next: the offset of the entry that began the run, or its key.
    #[must_use]
    pub fn new(profile: ProfileId, journey: &str, key: &str, occasion: u64) -> Self {
        Self(hash_parts(
            "run",
            &[&profile.0.to_be_bytes(), journey.as_bytes(), key.as_bytes(), &occasion.to_be_bytes()],
        ))
    }
}

impl EffectId {
    /// The effect of one visit of a run to a step.
    #[must_use]
    pub fn of_step(run: RunId, step: &str, visit: u32) -> Self {
        Self(hash_parts("effect", &[&run.0.to_be_bytes(), step.as_bytes(), &visit.to_be_bytes()]))
    }

    /// The effect of the `nth` change of a profile's membership in a mirrored audience.
    #[must_use]
    pub fn of_audience(profile: ProfileId, audience: &str, nth: u64) -> Self {
        Self(hash_parts("audience", &[&profile.0.to_be_bytes(), audience.as_bytes(), &nth.to_be_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_written_and_read() {
        let id = ProfileId::from_identifier("user_id", "u1");
        assert_eq!(id.to_string().parse::<ProfileId>(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ProfileId>(&json).unwrap(), id);
        assert!("+0000000000000000000000000000001".parse::<ProfileId>().is_err());
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(hash_parts("x", &[b"ab", b"c"]), hash_parts("x", &[b"a", b"bc"]));
    }
}
