//! A map that is small, and one of very many: a sorted list of pairs, in one piece and with little room to spare.
//!
//! A `BTreeMap` takes room for eleven pairs from the first on. Here a customer has a dozen maps of a few pairs each, and an event
//! three; there are a hundred thousand of either in memory at once.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// In the order of its keys, each of which it holds once. To find takes steps as many as the size has digits; to insert
/// moves what stands behind, so this is for maps that are small or come in order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

impl<K, V> SortedMap<K, V> {
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of the piece in which its pairs lie.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.capacity() * size_of::<(K, V)>()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator + Clone {
        self.0.iter().map(pair as fn(&(K, V)) -> (&K, &V))
    }

    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.0.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn retain(&mut self, mut stays: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| stays(key, value));
    }
}

fn pair<K, V>((key, value): &(K, V)) -> (&K, &V) {
    (key, value)
}

impl<K: Ord, V> SortedMap<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &self.0[at].1)
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &mut self.0[at].1)
    }

    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The value that stood there before, if any.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.put(at, key, value);
                None
            }
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    /// The value that stands there, or `make` put there.
    pub fn or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.put(at, key, make());
            at
        });
        &mut self.0[at].1
    }

    /// The value that stands there, or one of nothing put there.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.or_insert_with(key, V::default)
    }

    fn put(&mut self, at: usize, key: K, value: V) {
        if self.0.len() == self.0.capacity() {
            // Not twice as many, as a `Vec` would by itself.
            self.0.reserve_exact(1 + self.0.len() / 4);
        }
        self.0.insert(at, (key, value));
    }

    /// Of pairs in any order; of several with one key the last stays.
    fn of(mut pairs: Vec<(K, V)>) -> Self {
        if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
            pairs.reverse();
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            pairs.dedup_by(|(later, _), (first, _)| later == first);
        }
        pairs.shrink_to_fit();
        Self(pairs)
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        Self::of(pairs.into_iter().collect())
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(pairs: [(K, V); N]) -> Self {
        Self::of(pairs.into())
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, pairs: T) {
        let mut all = std::mem::take(&mut self.0);
        all.extend(pairs);
        *self = Self::of(all);
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(pair)
    }
}

impl<'a, K, V> IntoIterator for &'a mut SortedMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = std::iter::Map<std::slice::IterMut<'a, (K, V)>, fn(&'a mut (K, V)) -> (&'a K, &'a mut V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }
}

impl<K: Ord + Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for SortedMap<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("the map has this key")
    }
}

impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for SortedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

struct Pairs<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Pairs<K, V> {
    type Value = SortedMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<SortedMap<K, V>, A::Error> {
        let mut pairs = Vec::with_capacity(entries.size_hint().unwrap_or_default().min(64));
        while let Some(entry) = entries.next_entry()? {
            pairs.push(entry);
        }
        Ok(SortedMap::of(pairs))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_btree_map_does(
            first in proptest::collection::vec((0_u8..20, any::<u16>()), 0..30),
            then in proptest::collection::vec((0_u8..20, any::<u16>(), 0_u8..4), 0..30),
        ) {
            let mut ours: SortedMap<u8, u16> = first.iter().copied().collect();
            let mut other: BTreeMap<u8, u16> = first.iter().copied().collect();
            for (key, value, what) in then {
                match what {
                    0 => prop_assert_eq!(ours.insert(key, value), other.insert(key, value)),
                    1 => prop_assert_eq!(ours.remove(&key), other.remove(&key)),
                    2 => prop_assert_eq!(&*ours.or_default(key), &*other.entry(key).or_default()),
                    _ => {
                        ours.extend([(key, value), (value as u8 % 20, 7)]);
                        other.extend([(key, value), (value as u8 % 20, 7)]);
                    }
                }
                prop_assert_eq!(ours.get(&key), other.get(&key));
                prop_assert!(ours.iter().eq(other.iter()));
            }
            let (json, expected) = (serde_json::to_string(&ours).unwrap(), serde_json::to_string(&other).unwrap());
            prop_assert_eq!(&json, &expected);
            prop_assert_eq!(serde_json::from_str::<SortedMap<u8, u16>>(&json).unwrap(), ours);
        }
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_counts() {
        let read: SortedMap<String, u8> = serde_json::from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap();
        assert!(read.iter().eq([(&"a".to_owned(), &2), (&"b".to_owned(), &3)]));
    }

    #[test]
    fn there_is_little_room_to_spare() {
        let mut map = SortedMap::new();
        for key in 0..100 {
            map.insert(key, ());
            assert!(map.0.capacity() <= 1 + map.len() * 5 / 4, "{} for {}", map.0.capacity(), map.len());
        }
    }
}
