//! Values at rest: MessagePack (<https://msgpack.org>, fields by name) in an LZ4 block, behind a checksum that tells
//! damage from data.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | [`FORMAT`] |
//! | 4 | CRC-32 (ISO-HDLC) of all that follows, little-endian |
//! | 4 | length of the MessagePack, little-endian |
//! | … | the MessagePack as one LZ4 block |

use serde::Serialize;
use serde::de::DeserializeOwned;

const FORMAT: u8 = 2;
/// What came before: this byte, then JSON.
const JSON: u8 = 1;
const HEAD: usize = 5;

/// Why a value cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackedError {
    #[error("it is empty")]
    Empty,
    #[error("it is of format {0}, which this program does not know; a newer program wrote it")]
    UnknownFormat(u8),
    #[error("it is damaged: its checksum is wrong")]
    Damaged,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

impl PackedError {
    fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Equal values give equal bytes.
#[must_use]
pub fn pack<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // What is packed holds only maps, lists, texts and finite numbers: it always has a form, and memory takes it.
    let plain = match rmp_serde::to_vec_named(value) {
        Ok(plain) => plain,
        Err(error) => unreachable!("what is packed has a MessagePack form: {error}"),
    };
    let mut packed = vec![FORMAT, 0, 0, 0, 0];
    packed.extend(lz4_flex::block::compress_prepend_size(&plain));
    let sum = crc32fast::hash(&packed[HEAD..]);
    packed[1..HEAD].copy_from_slice(&sum.to_le_bytes());
    packed
}

/// Reads what [`pack`] wrote, of this or an earlier format.
///
/// # Errors
/// See [`PackedError`]. Nothing is made of damaged bytes.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PackedError> {
    match bytes {
        [] => Err(PackedError::Empty),
        [JSON, json @ ..] | json @ [b'[' | b'{', ..] => serde_json::from_slice(json).map_err(PackedError::unreadable),
        [FORMAT, a, b, c, d, body @ ..] => {
            if crc32fast::hash(body) != u32::from_le_bytes([*a, *b, *c, *d]) {
                return Err(PackedError::Damaged);
            }
            let plain = lz4_flex::block::decompress_size_prepended(body).map_err(PackedError::unreadable)?;
            rmp_serde::from_slice(&plain).map_err(PackedError::unreadable)
        }
        [FORMAT, ..] => Err(PackedError::Damaged),
        [other, ..] => Err(PackedError::UnknownFormat(*other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ProfileId, Value};

    fn sample() -> Vec<(ProfileId, Option<String>, Value, i128)> {
        vec![
            (ProfileId(7), Some("ada".to_owned()), Value::Number(0.1), i128::MAX),
            (ProfileId(8), None, Value::Null, -1),
        ]
    }

    #[test]
    fn what_was_packed_comes_back() {
        assert_eq!(unpack::<Vec<(ProfileId, Option<String>, Value, i128)>>(&pack(&sample())).unwrap(), sample());
    }

    #[test]
    fn what_was_written_as_json_is_read() {
        assert_eq!(unpack::<Vec<u64>>(b"[1,2]").unwrap(), [1, 2]);
        assert_eq!(unpack::<Vec<u64>>(b"\x01[1,2]").unwrap(), [1, 2]);
    }

    #[test]
    fn no_bit_may_flip_and_no_byte_be_missing() {
        let packed = pack(&sample());
        for bit in 8..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                matches!(unpack::<Vec<(ProfileId, Option<String>, Value, i128)>>(&flipped), Err(PackedError::Damaged)),
                "bit {bit}"
            );
        }
        for length in 0..packed.len() {
            assert!(unpack::<Vec<(ProfileId, Option<String>, Value, i128)>>(&packed[..length]).is_err());
        }
        let unknown = unpack::<Vec<u64>>(&[9, 1, 2]).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "it is of format 9, which this program does not know; a newer program wrote it"
        );
    }
}
