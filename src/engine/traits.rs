//! Traits that sources send and journeys set.

use std::collections::BTreeSet;

use crate::lang::eval::holds;
use crate::lang::rules::TraitIndex;
use crate::model::value::ValueMap;
use crate::model::{Moment, SortedMap, Timestamp, Value};

use super::ends::Source;
use super::turn::Turn;
use super::view::ZONE_TRAITS;

/// A declared trait and what it held.
pub(super) type Known = (TraitIndex, Option<Value>);

impl Turn<'_> {
    /// Takes the traits of an `identify`. A value older than what we hold changes nothing; `null` clears.
    pub(super) fn take_traits(&mut self, traits: &ValueMap) {
        let before = self.declared_values(traits.keys());
        for (name, value) in traits {
            set_trait(&mut self.profile.traits, &mut self.profile.trait_times, name, value, self.moment);
        }
        if ZONE_TRAITS.iter().any(|name| traits.contains_key(*name)) {
            self.dirty_all();
        }
        self.mark_changed(&before);
    }

    /// A run sets one declared trait, whose name may reach into an object (`address.city`).
    pub(super) fn set_declared(&mut self, index: TraitIndex, value: &Value) {
        let name = &self.program.rules.traits[index.at()].name;
        let is_whole = self.profile.traits.contains_key(name);
        let top = if is_whole { name.clone() } else { name.split('.').next().unwrap_or(name).to_owned() };
        let before = self.declared_values([&top, name]);
        self.profile.trait_times.insert(top, Moment { at: self.now, offset: self.moment.offset });
        set_path(&mut self.profile.traits, name, value);
        self.has_written |= self.mark_changed(&before);
    }

    /// The values of the declared traits that setting these names may change.
    pub(super) fn declared_values<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Vec<Known> {
        let readers = &self.program.rules.readers;
        let concerned = names.into_iter().filter_map(|name| readers.traits_of_name.get(name)).flatten();
        let concerned: BTreeSet<TraitIndex> = concerned.copied().collect();
        concerned.into_iter().map(|index| (index, self.declared_value(index).cloned())).collect()
    }

    fn declared_value(&self, index: TraitIndex) -> Option<&Value> {
        Value::lookup(&self.profile.traits, &self.program.rules.traits[index.at()].name)
    }

    /// Marks the segments that read a trait whose value is another than before. False where there is none.
    pub(super) fn mark_changed(&mut self, before: &[Known]) -> bool {
        self.profile.slots.0 = None;
        self.calendar = self.profile.calendar(self.program);
        self.profile.ends.touch(Source::Dates);
        let mut changed = false;
        for (index, old) in before {
            if self.declared_value(*index) != old.as_ref() {
                changed = true;
                self.settle_holds_of(*index);
                for segment in &self.program.rules.readers.segments_of_trait[index.at()] {
                    self.dirty(*segment);
                }
            }
        }
        if changed {
            self.mirror_all();
        }
        changed
    }

    /// A state of a trait begins or ends when the trait is set, at the moment at which it was.
    fn settle_holds_of(&mut self, index: TraitIndex) {
        let rules = &self.program.rules;
        for index in &rules.readers.holds_of_trait[index.at()] {
            let hold = &rules.holds[index.at()];
            self.profile.ends.touch(Source::Hold(*index));
            if !holds(&hold.state, &self.view()) {
                self.profile.held.remove(&hold.key);
            } else if !self.profile.held.contains_key(&hold.key) {
                let since = self.set_at(hold.subject);
                self.profile.held.insert(hold.key, since);
            }
        }
    }

    /// After a deploy or a merge: every state is as the traits say, since they were last set where nothing else is known.
    pub(super) fn settle_holds(&mut self) {
        for index in 0..self.program.rules.traits.len() {
            self.settle_holds_of(TraitIndex(index as u32));
        }
    }

    /// When a trait was last set.
    fn set_at(&self, index: TraitIndex) -> Timestamp {
        let name = &self.program.rules.traits[index.at()].name;
        let head = name.split('.').next().unwrap_or(name);
        let times = &self.profile.trait_times;
        times.get(name).or_else(|| times.get(head)).map_or(self.moment.at, |moment| moment.at)
    }
}

fn set_trait(traits: &mut ValueMap, times: &mut SortedMap<String, Moment>, name: &str, value: &Value, moment: Moment) {
    if times.get(name).is_some_and(|known| *known > moment) {
        return;
    }
    times.insert(name.to_owned(), moment);
    if value.is_null() {
        traits.remove(name);
    } else {
        traits.insert(name.to_owned(), value.clone());
    }
}

/// Writes where [`Value::lookup`] reads: a name that itself holds the dots wins over a path. `null` clears.
fn set_path(map: &mut ValueMap, path: &str, value: &Value) {
    let inner = path.split_once('.').filter(|_| !map.contains_key(path));
    match (inner, value) {
        (None, Value::Null) => {
            map.remove(path);
        }
        (None, _) => {
            map.insert(path.to_owned(), value.clone());
        }
        (Some((head, rest)), Value::Null) => {
            if let Some(Value::Map(inner)) = map.get_mut(head) {
                set_path(inner, rest, value);
            }
        }
        (Some((head, rest)), _) => {
            let inner = map.or_default(head.to_owned());
            if !matches!(inner, Value::Map(_)) {
                *inner = Value::Map(ValueMap::new());
            }
            if let Value::Map(inner) = inner {
                set_path(inner, rest, value);
            }
        }
    }
}
