//! Which messages a profile has had: by that, and by nothing else, a repeat is known. Kept for days, as a source may come again
//! long after an answer was lost, and of as many messages as several of the largest batches have.

use std::collections::BTreeMap;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::id::hash_parts;
use crate::model::limit::{DEDUPE_DAYS, DEDUPE_MESSAGES};
use crate::model::weight::Weight;
use crate::model::{Span, Timestamp};

/// Fingerprints of messages by the day (UTC, since 1970) on which they were received; of one day, in the order of their coming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen(BTreeMap<i64, Prints>);

/// Each the first [`BYTES`] bytes of a hash: of ten thousand, one in thirty thousand million messages is taken for another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Prints(Vec<u64>);

/// Bytes of a fingerprint at rest.
const BYTES: usize = 6;

/// The day of what was kept before days were.
const LONG_AGO: i64 = i64::MIN;

impl Seen {
    /// Notes a message that was received `at`; false where it is known already.
    pub(super) fn is_first(&mut self, message_id: &str, at: Timestamp) -> bool {
        let print = print((hash_parts("message", &[message_id.as_bytes()]) >> 64) as u64);
        if self.0.values().rev().any(|day| day.0.contains(&print)) {
            return false;
        }
        let today = at.0.div_euclid(Span::DAY.0);
        // A version that knew no days kept few: they have theirs from now on.
        if let Some(old) = self.0.remove(&LONG_AGO) {
            self.0.entry(today).or_default().0.splice(0..0, old.0);
        }
        self.0.entry(today).or_default().0.push(print);
        self.0 = self.0.split_off(&(today - DEDUPE_DAYS));
        self.let_go();
        true
    }

    /// Lets the oldest go beyond what is kept; some at once, so that not each message moves all of them.
    fn let_go(&mut self) {
        let count: usize = self.0.values().map(|day| day.0.len()).sum();
        if count <= DEDUPE_MESSAGES + DEDUPE_MESSAGES / 16 {
            return;
        }
        let mut surplus = count - DEDUPE_MESSAGES;
        while let Some(mut oldest) = self.0.first_entry() {
            let Prints(prints) = oldest.get_mut();
            if prints.len() > surplus {
                prints.drain(..surplus);
                break;
            }
            surplus -= prints.len();
            oldest.remove();
        }
    }

    /// Takes in what another profile has had, who is the same person. Which of one day's came later nobody knows: they take
    /// turns, so that what came last for either is kept.
    pub(super) fn join(&mut self, other: Self) {
        for (day, theirs) in other.0 {
            let ours = self.0.entry(day).or_default();
            *ours = Prints(alternating(&ours.0, &theirs.0));
        }
        self.let_go();
    }
}

impl Weight for Seen {
    fn held(&self) -> usize {
        self.0.values().map(|day| day.0.capacity() * size_of::<u64>()).sum()
    }
}

impl Seen {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn print(hash: u64) -> u64 {
    hash >> (64 - 8 * BYTES)
}

/// Both lists as one, aligned at their ends.
fn alternating(ours: &[u64], theirs: &[u64]) -> Vec<u64> {
    let (mut ours, mut theirs) = (ours.iter().rev(), theirs.iter().rev());
    let mut both = Vec::with_capacity(ours.len() + theirs.len());
    while ours.len() + theirs.len() > 0 {
        both.extend(ours.next());
        both.extend(theirs.next());
    }
    both.reverse();
    both
}

impl Serialize for Prints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|print| print.to_le_bytes().into_iter().take(BYTES)).collect();
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Prints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(PrintsVisitor)
    }
}

struct PrintsVisitor;

impl Visitor<'_> for PrintsVisitor {
    type Value = Prints;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fingerprints")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Prints, E> {
        let print = |bytes: &[u8]| bytes.iter().rev().fold(0, |print, byte| print << 8 | u64::from(*byte));
        Ok(Prints(bytes.chunks_exact(BYTES).map(print).collect()))
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(SeenVisitor)
    }
}

/// A day, or a whole hash as it was kept before days were.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Hash(u64),
    Day(i64, Prints),
}

struct SeenVisitor;

impl<'de> Visitor<'de> for SeenVisitor {
    type Value = Seen;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the messages of each day")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Seen, A::Error> {
        let mut seen = BTreeMap::<i64, Prints>::new();
        while let Some(element) = elements.next_element()? {
            match element {
                Element::Hash(hash) => seen.entry(LONG_AGO).or_default().0.push(print(hash)),
                Element::Day(day, prints) => {
                    seen.insert(day, prints);
                }
            }
        }
        Ok(Seen(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::packed;

    const NOON: Timestamp = Timestamp(Span::DAY.0 * 20_000 + Span::HOUR.0 * 12);

    fn noted(messages: std::ops::Range<usize>, at: Timestamp) -> Seen {
        let mut seen = Seen::default();
        for message in messages {
            assert!(seen.is_first(&format!("m{message}"), at), "{message}");
        }
        seen
    }

    #[test]
    fn a_repeat_is_known_for_thirty_days_and_among_ten_thousand() {
        let mut seen = noted(0..DEDUPE_MESSAGES, NOON);
        let month = NOON + Span::DAY.times(30);
        assert!((0..DEDUPE_MESSAGES).all(|message| !seen.is_first(&format!("m{message}"), month)), "a month later");
        assert!(seen.is_first("new", month + Span::DAY) && seen.is_first("m0", month + Span::DAY), "let go");
        let mut seen = noted(0..3 * DEDUPE_MESSAGES, NOON);
        assert!((2 * DEDUPE_MESSAGES..3 * DEDUPE_MESSAGES).all(|message| !seen.is_first(&format!("m{message}"), NOON)));
        assert!(seen.held() < 2 * 8 * 17 * DEDUPE_MESSAGES / 16, "and no more than that is kept");
    }

    #[test]
    fn what_either_of_two_people_had_last_is_known_of_both() {
        let (mut ours, theirs) = (noted(0..DEDUPE_MESSAGES, NOON), noted(50_000..50_000 + DEDUPE_MESSAGES, NOON));
        ours.join(theirs);
        let is_known = |message: usize| !ours.clone().is_first(&format!("m{message}"), NOON);
        assert!(is_known(DEDUPE_MESSAGES - 1) && is_known(50_000 + DEDUPE_MESSAGES - 1) && !is_known(0));
    }

    #[test]
    fn at_rest_it_is_small_and_what_was_kept_before_days_is_read() {
        let mut seen = noted(0..1_000, NOON);
        seen.is_first("later", NOON + Span::DAY);
        let packed = packed::pack(&seen);
        assert_eq!(packed::unpack::<Seen>(&packed).unwrap(), seen);
        assert!(packed.len() < 1_001 * BYTES + 100, "{}", packed.len());
        let hash = (hash_parts("message", &[b"m7"]) >> 64) as u64;
        let mut old: Seen = packed::unpack(&packed::pack(&[hash])).unwrap();
        assert!(!old.is_first("m7", NOON), "known");
        assert!(old.is_first("m8", NOON) && !old.is_first("m7", NOON + Span::DAY.times(29)));
    }
}
