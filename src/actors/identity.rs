//! Which profile an event belongs to. A cache in front of the identity index, and the rules of joining.
//!
//! The sequencer is the only one who asks, one group at a time: what one event of a group changes, the next one sees.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::intake::{UNWANTED, unwanted};
use crate::model::{Event, EventKind, ProfileId};
use crate::store::identity::{ErasedIdentifier, Identifier, IdentityChange};
use crate::store::journal::Mistake;
use crate::store::{Journal, StoreError};

use super::words::Words;

const USER_ID: &str = "user_id";
const ANONYMOUS_ID: &str = "anonymous_id";

/// Identifiers held in memory at most; beyond it the cache starts anew.
const REMEMBERED: usize = 200_000;

/// Where an event goes, and what that changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolution {
    pub(super) profile: ProfileId,
    pub(super) changes: Vec<IdentityChange>,
    /// A profile that turned out to be the same person: it is handed over to `profile` first.
    pub(super) merged: Option<ProfileId>,
}

/// Why an event belongs to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// It names nobody.
    Nameless,
    /// It names somebody who was erased and is not to be known again.
    Unwanted,
}

impl Unresolved {
    /// The code and the mistake of its row in the quarantine.
    pub(super) fn told(self) -> (&'static str, Mistake) {
        let nameless = || Mistake::of_all("the event names nobody: it has neither `userId` nor `anonymousId`");
        match self {
            Self::Nameless => ("invalid", nameless()),
            Self::Unwanted => (UNWANTED, unwanted()),
        }
    }
}

/// The user ids of a profile, as far as they are known here.
#[derive(Debug, Default)]
struct Users {
    /// A list, as nearly all have one.
    ids: Vec<String>,
    is_complete: bool,
}

/// Identifiers by kind, then value: asked for with texts that nobody has to own.
#[derive(Debug)]
struct ByName<T>(HashMap<String, HashMap<String, T>>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Copy> ByName<T> {
    fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }

    fn get(&self, kind: &str, value: &str) -> Option<T> {
        self.0.get(kind)?.get(value).copied()
    }

    fn insert(&mut self, Identifier { kind, value }: Identifier, thing: T) {
        self.0.entry(kind).or_default().insert(value, thing);
    }

    fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.0.values_mut().for_each(|things| things.retain(|_, thing| is_kept(thing)));
    }
}

/// The identity index as the sequencer sees it.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    known: ByName<ProfileId>,
    users: HashMap<ProfileId, Users>,
    /// Merges of this process: loser to winner.
    merged: HashMap<ProfileId, ProfileId>,
    /// Profiles of people who were erased; `None` until the store was asked.
    erased: Option<HashSet<ProfileId>>,
    /// Of identifiers that nobody has: what became of who had them.
    former: ByName<ErasedIdentifier>,
    pub(super) words: Words,
}

impl Resolver {
    /// Forgets everything: what a failed append would have changed never happened.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// These profiles are of a person who was erased just now.
    pub(super) fn erase(&mut self, lineage: &[ProfileId]) {
        let gone: HashSet<&ProfileId> = lineage.iter().collect();
        self.known.retain(|profile| !gone.contains(profile));
        self.users.retain(|profile, _| !gone.contains(profile));
        self.erased.get_or_insert_default().extend(lineage);
    }

    /// Whether what comes for this profile comes for somebody who was erased.
    pub(super) fn is_erased(&self, profile: ProfileId) -> bool {
        self.erased.as_ref().is_some_and(|erased| erased.contains(&profile))
    }

    /// Asks the store for what the events of a group name and is not known yet: one query for all identifiers, and one
    /// for each profile that two of them may join.
    pub(super) async fn prepare(&mut self, journal: &dyn Journal, events: &[&Event]) -> Result<(), StoreError> {
        if self.known.len() > REMEMBERED {
            self.forget();
        }
        let is_anyone_erased = match &self.erased {
            Some(erased) => !erased.is_empty(),
            None => {
                let erased: HashSet<ProfileId> = journal.erased_profiles().await?.into_iter().collect();
                !self.erased.insert(erased).is_empty()
            }
        };
        let named = events.iter().flat_map(|event| identifiers(event));
        let unknown: BTreeSet<(&str, &str)> =
            named.filter(|(kind, value)| self.known.get(kind, value).is_none()).collect();
        if !unknown.is_empty() {
            let unknown: Vec<Identifier> = unknown.into_iter().map(|(kind, value)| identifier(kind, value)).collect();
            for (identifier, profile) in journal.find_profiles(&unknown).await? {
                self.known.insert(identifier, profile);
            }
            let is_stranger = |one: &Identifier| self.known.get(&one.kind, &one.value).is_none();
            let strangers: Vec<Identifier> =
                unknown.into_iter().filter(|one| is_anyone_erased && is_stranger(one)).collect();
            if !strangers.is_empty() {
                for (identifier, erased) in journal.erased_identifiers(&strangers).await? {
                    self.former.insert(identifier, erased);
                }
            }
        }
        for profile in self.joinable(events) {
            let ids = journal.identifiers_of(profile).await?;
            let ids = ids.into_iter().filter(|id| id.kind == USER_ID).map(|id| id.value).collect();
            self.users.insert(profile, Users { ids, is_complete: true });
        }
        Ok(())
    }

    /// Profiles whose user ids decide whether an event joins them to another.
    fn joinable(&self, events: &[&Event]) -> BTreeSet<ProfileId> {
        let mut found = BTreeSet::new();
        for event in events.iter().filter(|event| event.user_id.is_some()) {
            let ours = event.user_id.as_deref().and_then(|id| self.lookup(USER_ID, id));
            let others = [
                event.anonymous_id.as_deref().and_then(|id| self.lookup(ANONYMOUS_ID, id)),
                event.previous_id.as_deref().and_then(|id| self.lookup(USER_ID, id)),
                event.previous_id.as_deref().and_then(|id| self.lookup(ANONYMOUS_ID, id)),
            ];
            found.extend(others.into_iter().flatten().filter(|other| Some(*other) != ours));
        }
        found.retain(|profile| !self.users.get(profile).is_some_and(|users| users.is_complete));
        found
    }

    /// The profile that news for `profile` go to, as far as this process knows.
    pub(super) fn surviving(&self, mut profile: ProfileId) -> ProfileId {
        while let Some(winner) = self.merged.get(&profile) {
            profile = *winner;
        }
        profile
    }

    /// Decides on an event that [`Self::prepare`] was told of.
    pub(super) fn resolve(&mut self, event: &Event) -> Result<Resolution, Unresolved> {
        if self.is_unwanted(event) {
            return Err(Unresolved::Unwanted);
        }
        let found = match (&event.user_id, &event.anonymous_id, &event.previous_id) {
            (Some(user), _, Some(previous)) if event.kind == EventKind::Alias => {
                let is_user = self.lookup(USER_ID, previous).is_some();
                let kind = if is_user { USER_ID } else { ANONYMOUS_ID };
                Some(self.join(user, kind, previous))
            }
            (Some(user), Some(anonymous), _) => Some(self.join(user, ANONYMOUS_ID, anonymous)),
            (Some(user), None, _) => Some(self.alone(USER_ID, user)),
            (None, Some(anonymous), _) => Some(self.alone(ANONYMOUS_ID, anonymous)),
            (None, None, _) => None,
        };
        found.ok_or(Unresolved::Nameless)
    }

    fn is_unwanted(&self, event: &Event) -> bool {
        let is_unwanted = |(kind, value): (&str, &str)| {
            let former = self.former.get(kind, value).filter(|_| self.known.get(kind, value).is_none());
            former.is_some_and(|former| former.is_suppressed)
        };
        identifiers(event).any(is_unwanted)
    }

    fn alone(&mut self, kind: &str, value: &str) -> Resolution {
        if let Some(profile) = self.lookup(kind, value) {
            return Resolution { profile, changes: Vec::new(), merged: None };
        }
        // Who has the identifier of somebody who was erased is somebody new.
        let profile = match self.former.get(kind, value) {
            None => ProfileId::from_identifier(kind, value),
            Some(former) => ProfileId::after_erasure(kind, value, former.erasure),
        };
        self.users.insert(profile, Users { ids: Vec::new(), is_complete: true });
        let change = self.add(kind, value, profile);
        Resolution { profile, changes: vec![change], merged: None }
    }

    /// An event that names a user and a second identifier.
    fn join(&mut self, user: &str, kind: &str, value: &str) -> Resolution {
        let ours = self.lookup(USER_ID, user);
        let theirs = self.lookup(kind, value);
        match (ours, theirs) {
            (_, None) => {
                let mut found = self.alone(USER_ID, user);
                let change = self.add(kind, value, found.profile);
                found.changes.push(change);
                found
            }
            (Some(ours), Some(theirs)) if ours == theirs => {
                Resolution { profile: ours, changes: Vec::new(), merged: None }
            }
            // Somebody else's device or name: it stays with them.
            (_, Some(theirs)) if !self.may_join(theirs, kind, value) => self.alone(USER_ID, user),
            // The visitor gets a name for the first time.
            (None, Some(theirs)) => {
                let change = self.add(USER_ID, user, theirs);
                Resolution { profile: theirs, changes: vec![change], merged: None }
            }
            (Some(winner), Some(loser)) => {
                self.merged.insert(loser, winner);
                let moved = self.users.remove(&loser).unwrap_or_default();
                self.users.entry(winner).or_default().ids.extend(moved.ids);
                Resolution {
                    profile: winner,
                    changes: vec![IdentityChange::Merge { loser, winner }],
                    merged: Some(loser),
                }
            }
        }
    }

    /// Whether a profile may become one with a user: it has no user id, or none but the one that an alias names.
    fn may_join(&self, profile: ProfileId, kind: &str, value: &str) -> bool {
        let Some(users) = self.users.get(&profile) else { return false };
        users.ids.iter().all(|id| kind == USER_ID && id == value) && users.is_complete
    }

    fn lookup(&self, kind: &str, value: &str) -> Option<ProfileId> {
        self.known.get(kind, value).map(|profile| self.surviving(profile))
    }

    fn add(&mut self, kind: &str, value: &str, profile: ProfileId) -> IdentityChange {
        let identifier = identifier(kind, value);
        self.known.insert(identifier.clone(), profile);
        if kind == USER_ID {
            let ids = &mut self.users.entry(profile).or_default().ids;
            ids.reserve_exact(1);
            ids.push(value.to_owned());
        }
        IdentityChange::Add { identifier, profile }
    }
}

fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier { kind: kind.to_owned(), value: value.to_owned() }
}

/// Kinds and values that an event names.
fn identifiers(event: &Event) -> impl Iterator<Item = (&str, &str)> {
    let alias = event.previous_id.as_deref().filter(|_| event.kind == EventKind::Alias);
    let named = [
        (USER_ID, event.user_id.as_deref()),
        (ANONYMOUS_ID, event.anonymous_id.as_deref()),
        (USER_ID, alias),
        (ANONYMOUS_ID, alias),
    ];
    named.into_iter().filter_map(|(kind, value)| Some((kind, value?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::model::value::ValueMap;

    fn event(user: Option<&str>, anonymous: Option<&str>) -> Event {
        Event {
            message_id: "m".to_owned(),
            kind: EventKind::Track,
            name: "Product Added".to_owned(),
            source: "shop".to_owned(),
            timestamp: Timestamp(0),
            user_id: user.map(str::to_owned),
            anonymous_id: anonymous.map(str::to_owned),
            previous_id: None,
            group_id: None,
            properties: ValueMap::new(),
            traits: ValueMap::new(),
            context: ValueMap::new(),
        }
    }

    #[test]
    fn a_visitor_who_signs_up_keeps_the_profile() {
        let mut resolver = Resolver::default();
        let visitor = resolver.resolve(&event(None, Some("a"))).unwrap().profile;
        let user = resolver.resolve(&event(Some("u"), Some("a"))).unwrap();
        assert_eq!((user.profile, user.merged, user.changes.len()), (visitor, None, 1));
        assert_eq!(resolver.resolve(&event(Some("u"), None)).unwrap().profile, visitor);
    }

    #[test]
    fn a_visitor_who_turns_out_to_be_a_known_user_is_merged_into_them() {
        let mut resolver = Resolver::default();
        let user = resolver.resolve(&event(Some("u"), None)).unwrap().profile;
        let visitor = resolver.resolve(&event(None, Some("a"))).unwrap().profile;
        let joined = resolver.resolve(&event(Some("u"), Some("a"))).unwrap();
        assert_eq!((joined.profile, joined.merged), (user, Some(visitor)));
        assert_eq!(joined.changes, [IdentityChange::Merge { loser: visitor, winner: user }]);
        assert_eq!(resolver.resolve(&event(None, Some("a"))).unwrap().profile, user);
        assert_eq!(resolver.surviving(visitor), user);
    }

    #[test]
    fn a_shared_device_stays_with_the_user_who_had_it_first() {
        let mut resolver = Resolver::default();
        let first = resolver.resolve(&event(Some("u"), Some("a"))).unwrap().profile;
        let second = resolver.resolve(&event(Some("v"), Some("a"))).unwrap();
        assert_ne!(second.profile, first);
        assert_eq!(second.merged, None);
        assert_eq!(resolver.resolve(&event(None, Some("a"))).unwrap().profile, first);
    }

    #[test]
    fn an_alias_joins_two_names_of_one_person() {
        let mut resolver = Resolver::default();
        let old = resolver.resolve(&event(Some("old"), None)).unwrap().profile;
        let new = resolver.resolve(&event(Some("new"), None)).unwrap().profile;
        let mut alias = event(Some("new"), None);
        alias.kind = EventKind::Alias;
        alias.previous_id = Some("old".to_owned());
        let joined = resolver.resolve(&alias).unwrap();
        assert_eq!((joined.profile, joined.merged), (new, Some(old)));
        assert_eq!(resolver.resolve(&event(Some("old"), None)).unwrap().profile, new);
    }

    #[test]
    fn who_comes_by_the_name_of_somebody_who_was_erased_is_somebody_new_or_nobody() {
        let mut resolver = Resolver::default();
        let visitor = resolver.resolve(&event(None, Some("a"))).unwrap().profile;
        let user = resolver.resolve(&event(Some("u"), None)).unwrap().profile;
        resolver.resolve(&event(Some("u"), Some("a"))).unwrap();
        let other = resolver.resolve(&event(Some("v"), None)).unwrap().profile;
        resolver.erase(&[user, visitor]);
        assert!(resolver.is_erased(visitor) && resolver.is_erased(user) && !resolver.is_erased(other));
        for (name, is_suppressed) in [("u", false), ("a", true)] {
            let kind = if name == "u" { USER_ID } else { ANONYMOUS_ID };
            let erasure = crate::model::Offset(9);
            resolver.former.insert(identifier(kind, name), ErasedIdentifier { erasure, is_suppressed });
        }
        let new = resolver.resolve(&event(Some("u"), None)).unwrap();
        assert!(![user, visitor, other].contains(&new.profile) && new.changes.len() == 1);
        assert_eq!(resolver.resolve(&event(Some("u"), None)).unwrap().profile, new.profile);
        assert_eq!(resolver.resolve(&event(None, Some("a"))), Err(Unresolved::Unwanted));
        assert_eq!(resolver.resolve(&event(Some("v"), Some("a"))), Err(Unresolved::Unwanted), "it names them too");
        assert_eq!(resolver.resolve(&event(Some("v"), None)).unwrap().profile, other);
    }

    #[test]
    fn an_event_without_a_name_belongs_to_nobody() {
        assert_eq!(Resolver::default().resolve(&event(None, None)), Err(Unresolved::Nameless));
    }
}
