//! About how much memory things take: a bound on memory goes by it.

use std::sync::Arc;

use super::entry::{Entry, EntryBody};
use super::event::Event;
use super::sorted::SortedMap;
use super::time::{Moment, Timestamp};
use super::value::Value;

/// What a value holds beside its own place.
pub trait Weight {
    /// Bytes, about: the room of its lists and texts, without what the allocator adds.
    fn held(&self) -> usize;
}

macro_rules! hold_nothing {
    ($($kind:ty),*) => {
        $(impl Weight for $kind {
            fn held(&self) -> usize {
                0
            }
        })*
    };
}

hold_nothing!(u32, u64, i128, Moment, Timestamp);

impl Weight for String {
    fn held(&self) -> usize {
        self.capacity()
    }
}

impl Weight for Value {
    fn held(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::Text(text) => text.held(),
            Self::List(items) => items.held(),
            Self::Map(map) => map.held(),
        }
    }
}

impl<T: Weight> Weight for Option<T> {
    fn held(&self) -> usize {
        self.as_ref().map_or(0, Weight::held)
    }
}

impl<A: Weight, B: Weight> Weight for (A, B) {
    fn held(&self) -> usize {
        self.0.held() + self.1.held()
    }
}

impl<T: Weight> Weight for Vec<T> {
    fn held(&self) -> usize {
        self.capacity() * size_of::<T>() + self.iter().map(Weight::held).sum::<usize>()
    }
}

impl<K: Weight, V: Weight> Weight for SortedMap<K, V> {
    fn held(&self) -> usize {
        self.room() + self.iter().map(|(key, value)| key.held() + value.held()).sum::<usize>()
    }
}

impl Weight for Event {
    fn held(&self) -> usize {
        let texts = [&self.message_id, &self.name, &self.source].map(Weight::held).iter().sum::<usize>();
        let ids = [&self.user_id, &self.anonymous_id, &self.previous_id, &self.group_id].map(Weight::held);
        let maps = [&self.properties, &self.traits, &self.context].map(Weight::held);
        texts + ids.iter().chain(&maps).sum::<usize>()
    }
}

/// Of one that somebody else may hold as well: as if nobody did.
impl Weight for Arc<Entry> {
    fn held(&self) -> usize {
        size_of::<Entry>() + Entry::held(self)
    }
}

impl Weight for Entry {
    fn held(&self) -> usize {
        match &self.body {
            EntryBody::Event(event) => event.held(),
            EntryBody::Consent(change) => change.id.held() + change.note.held() + change.message.held(),
            EntryBody::Absorb { snapshot, .. } => snapshot.0.capacity(),
            EntryBody::ScheduleFired { journey, .. } => journey.held(),
            EntryBody::Deploy(deploy) => deploy.version.held() + deploy.unknown.held(),
            EntryBody::MergeAway { .. }
            | EntryBody::RankRefreshed { .. }
            | EntryBody::Expect { .. }
            | EntryBody::Erase
            | EntryBody::Erased
            | EntryBody::Skip(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::ValueMap;

    #[test]
    fn texts_and_rooms_count_however_deep_they_lie() {
        assert_eq!(Value::from(1.0).held(), 0);
        assert_eq!(Value::from("twelve bytes").held(), 12);
        let map: ValueMap = [("name".to_owned(), Value::List(vec![Value::from("ada"), Value::Null]))].into();
        let rooms = size_of::<(String, Value)>() + 2 * size_of::<Value>();
        assert_eq!(Value::Map(map).held(), rooms + "name".len() + "ada".len());
    }
}
