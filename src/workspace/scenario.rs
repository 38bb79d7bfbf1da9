//! A scenario: what a person is and does at which times, and what must have come of it. `scenarios/*.yaml` become
//! these types (see `scenario_reader`), and `engine::scenario` plays them in virtual time.

use crate::finding::Place;
use crate::model::value::ValueMap;
use crate::model::{Event, Timestamp};

/// One test of a workspace.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it shows, in the author's words.
    pub name: String,
    /// The file, relative to the workspace.
    pub path: String,
    pub place: Place,
    /// When virtual time begins; `2026-01-01T00:00:00Z` where the file is silent.
    pub start: Timestamp,
    /// The person; `someone` where the file is silent.
    pub user_id: String,
    /// What is so at the start: an `identify` with the traits, then `Subscribed` and `Consent Given` events, all at
    /// `start`. Never empty: the person is known.
    pub given: Vec<Event>,
    /// In the order of the file, times never running backwards.
    pub steps: Vec<ScenarioStep>,
}

/// One thing that happens or is expected. What is due before `at` is done by then; what is due at `at` itself comes
/// before an expectation, and after an event.
#[derive(Debug, Clone)]
pub struct ScenarioStep {
    pub at: Timestamp,
    pub place: Place,
    pub action: Action,
}

#[derive(Debug, Clone)]
pub enum Action {
    /// Something arrives: received at the step's `at`; its `timestamp` may be earlier (`happened:`).
    Event(Event),
    /// The person clicks a link in the newest e-mail that the step of this id sent.
    Click {
        step: String,
        url: String,
    },
    Expect(Expectation),
}

/// What must be so at one moment. What is not named is not looked at.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// Segments by name.
    pub member_of: Vec<Named>,
    pub not_member_of: Vec<Named>,
    /// Journeys by name: a run of it is (not) under way.
    pub waiting: Vec<Named>,
    pub not_waiting: Vec<Named>,
    /// All effects decided since the last expectation with `sent`, in order; `Some(vec![])` says that there were none.
    pub sent: Option<Vec<ExpectedEffect>>,
    /// Traits and computes by name; `Value::Null` says that it is missing.
    pub traits: ValueMap,
    /// Where `sent` and `traits` stand in the file.
    pub sent_place: Option<Place>,
    pub traits_place: Option<Place>,
}

/// A name of the workspace and where the scenario says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub place: Place,
}

/// One effect as a scenario describes it; what is not described is not compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedEffect {
    pub place: Place,
    pub kind: ExpectedKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ExpectedKind {
    /// `{ email: TEMPLATE, to: ADDRESS }`.
    Email { template: String, to: Option<String> },
    /// `{ webhook: DESTINATION }`.
    Webhook { destination: String },
    /// `{ audience: NAME, action: add|remove }`.
    Audience { audience: String, add: Option<bool> },
}
