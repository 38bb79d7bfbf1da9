//! All tallies of one look at data: events and profiles go in, one by one.

use std::collections::BTreeMap;

use crate::lang::rules::Selector;
use crate::model::value::ValueMap;
use crate::model::{Event, Value};

use super::tally::Tally;

/// Where a rule takes a value from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) bearer: Bearer,
    /// Of a property or trait; a dotted path reaches into objects.
    pub(super) path: String,
    pub(super) reach: Reach,
}

/// What has the property or trait.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bearer {
    Event(Selector),
    Profile,
}

/// Which values of it are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Itself,
    /// It is a list.
    EachItem,
    /// It is a list of objects, and this path of each is meant.
    OfEachItem(String),
}

/// The tallies of all properties and traits that rules compare.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tallies(BTreeMap<Bearer, BTreeMap<(String, Reach), Tally>>);

impl Tallies {
    pub(super) fn of(&mut self, subject: &Subject) -> &mut Tally {
        let of_bearer = self.0.entry(subject.bearer.clone()).or_default();
        of_bearer.entry((subject.path.clone(), subject.reach.clone())).or_default()
    }

    pub(super) fn get(&self, subject: &Subject) -> Option<&Tally> {
        self.0.get(&subject.bearer)?.get(&(subject.path.clone(), subject.reach.clone()))
    }

    /// Names of the events whose properties are to be looked at.
    pub fn event_names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|bearer| match bearer {
            Bearer::Event(Selector::Named(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether what customers do is to be looked at, whatever its name.
    #[must_use]
    pub fn wants_any_activity(&self) -> bool {
        self.0.contains_key(&Bearer::Event(Selector::AnyActivity))
    }

    /// Whether traits are to be looked at.
    #[must_use]
    pub fn wants_traits(&self) -> bool {
        self.0.contains_key(&Bearer::Profile)
    }

    /// Takes in one event of the history.
    pub fn note_event(&mut self, event: &Event) {
        self.note(&Bearer::Event(Selector::Named(event.name.clone())), &event.properties);
        if event.is_activity() {
            self.note(&Bearer::Event(Selector::AnyActivity), &event.properties);
        }
    }

    /// Takes in the traits of one profile.
    pub fn note_traits(&mut self, traits: &ValueMap) {
        self.note(&Bearer::Profile, traits);
    }

    fn note(&mut self, bearer: &Bearer, values: &ValueMap) {
        for ((path, reach), tally) in self.0.get_mut(bearer).into_iter().flatten() {
            tally.note(&reached(Value::lookup(values, path), reach));
        }
    }
}

fn reached<'a>(found: Option<&'a Value>, reach: &Reach) -> Vec<&'a Value> {
    match (found, reach) {
        (None, _) => Vec::new(),
        (Some(value), Reach::Itself) => vec![value],
        (Some(Value::List(items)), Reach::EachItem) => items.iter().collect(),
        (Some(Value::List(items)), Reach::OfEachItem(path)) => {
            let part = |item: &'a Value| match item {
                Value::Map(map) => Value::lookup(map, path),
                _ => None,
            };
            items.iter().filter_map(part).collect()
        }
        (Some(_), _) => Vec::new(),
    }
}
