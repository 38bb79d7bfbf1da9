//! The compiled form of all rules of a workspace: flat tables, and conditions over indexes into them.

use std::collections::BTreeMap;

use crate::finding::Place;
use crate::model::Value;

pub use super::condition::{Condition, Matter, Operand, Operator, Pattern, Period, Quantifier, Sequence, SequenceStep};
use super::decide::{Decider, Texts};
pub use super::memory::{
    Aggregate, AmountKind, Arithmetic, Compute, Conversion, DateQuestion, Formula, Hold, Measure, Rank, Recall,
    RecallKeep, Refreshed, Standing, Term, Trail, TrailKind, ValueKind,
};
pub use super::readers::Readers;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            #[must_use]
            pub fn at(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// Index into [`Rules::traits`].
    TraitIndex
);
index!(
    /// Index into [`Rules::computes`].
    ComputeIndex
);
index!(
    /// Index into [`Rules::segments`].
    SegmentIndex
);
index!(
    /// Index into [`Rules::trails`].
    TrailIndex
);

index!(
    /// Index into [`Rules::aggregates`].
    AggregateIndex
);
index!(
    /// Index into [`Rules::recalls`].
    RecallIndex
);
index!(
    /// Index into [`Rules::sequences`].
    SequenceIndex
);
index!(
    /// Index into [`Rules::holds`].
    HoldIndex
);
index!(
    /// Index into [`Rules::dates`].
    DateIndex
);
index!(
    /// Index into [`Rules::lists`].
    ListIndex
);
index!(
    /// Index into [`Rules::ranks`].
    RankIndex
);

/// All that the rule files of a workspace declare, checked. Tables are in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub events: Vec<EventDeclaration>,
    /// `identity { … }`, by identifier; empty where the workspace declares none.
    pub identity: BTreeMap<String, IdentifierRule>,
    pub traits: Vec<TraitDeclaration>,
    pub constants: BTreeMap<String, Constant>,
    pub computes: Vec<Compute>,
    pub segments: Vec<Segment>,
    pub lists: Vec<List>,
    pub topics: Vec<Topic>,
    pub purposes: Vec<Purpose>,
    pub audience_syncs: Vec<AudienceSync>,
    /// What must be kept so that conditions can be answered; equal needs share one.
    pub trails: Vec<Trail>,
    pub aggregates: Vec<Aggregate>,
    pub recalls: Vec<Recall>,
    pub sequences: Vec<Sequence>,
    pub holds: Vec<Hold>,
    pub dates: Vec<DateQuestion>,
    pub ranks: Vec<Rank>,
    /// Texts that segments compare traits with.
    pub texts: Texts,
    /// The day on which a week begins (0 is Monday).
    pub week_starts: u8,
    pub readers: Readers,
}

/// `event "Order Completed" strict { … }`: part of the tracking plan.
#[derive(Debug, Clone)]
pub struct EventDeclaration {
    pub name: String,
    /// Breaches are quarantined rather than kept and reported.
    pub strict: bool,
    pub properties: Vec<PropertyDeclaration>,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub struct PropertyDeclaration {
    pub name: String,
    pub kind: ValueType,
    pub required: bool,
    pub one_of: Option<Vec<Value>>,
}

/// What a trait or property may hold.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueType {
    Text,
    Number,
    Bool,
    /// `YYYY-MM-DD`, kept as text.
    Date,
    /// RFC 3339, kept as text in UTC.
    Time,
    /// A number whose currency is in the property of this name.
    Money {
        currency: String,
    },
    List(Box<ValueType>),
    Object(Vec<PropertyDeclaration>),
}

impl PartialEq for PropertyDeclaration {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.required == other.required
            && self.one_of == other.one_of
    }
}

/// `trait email: text clean (trim, lowercase, email) pii`.
#[derive(Debug, Clone)]
pub struct TraitDeclaration {
    /// May hold a dot (`address.city`) or spaces.
    pub name: String,
    pub kind: ValueType,
    pub one_of: Option<Vec<Value>>,
    pub clean: Vec<Cleaner>,
    pub pii: Option<Pii>,
    pub place: Place,
}

/// Personal data, and where it may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pii {
    /// Kinds of channel (`email`, `webhook`, `audience_sync`, …) that may carry it. Where none are named: what goes to
    /// the person themself, and audiences, which carry it hashed.
    pub channels: Option<Vec<String>>,
}

impl TraitDeclaration {
    /// Whether a channel of this kind may carry the trait.
    #[must_use]
    pub fn may_go_to(&self, channel: &str) -> bool {
        match &self.pii {
            None => true,
            Some(Pii { channels: None }) => channel != "webhook",
            Some(Pii { channels: Some(channels) }) => channels.iter().any(|known| known == channel),
        }
    }
}

/// One step of cleaning a trait's value; steps run from left to right. What cannot be cleaned is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleaner {
    Trim,
    Lowercase,
    Uppercase,
    /// A valid address, with its domain in lower case.
    Email,
    /// E.164; national numbers are of this country (ISO 3166 alpha-2), where one is given.
    Phone {
        default_country: Option<String>,
    },
    /// ISO 3166 alpha-2 in upper case, also from a country's English name.
    CountryCode,
}

/// Which events a condition or compute is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    Named(String),
    /// What the customer did: tracks, pages and screens from sources, never our own events.
    AnyActivity,
}

/// How an identifier joins profiles.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentifierRule {
    /// Place in the order in which identifiers decide.
    pub priority: usize,
    /// Most that one profile may have.
    pub limit: Option<u32>,
    /// Values that identify no one.
    pub ignore: Vec<String>,
    pub place: Place,
}

/// `constant big_order = 100`.
#[derive(Debug, Clone)]
pub struct Constant {
    pub value: ConstantValue,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ConstantValue {
    One(Value),
    List(Vec<Value>),
    Duration(u32, super::duration::Unit),
}

/// `list webinar_may "…" from "lists/webinar-may.csv" by email`: people named in a file.
#[derive(Debug, Clone)]
pub struct List {
    pub name: String,
    pub title: Option<String>,
    /// Path in the workspace.
    pub file: String,
    pub by: ListKey,
    /// As [`List::normal`] makes them.
    pub members: std::collections::BTreeSet<String>,
    pub place: Place,
}

/// What the file names people by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKey {
    UserId,
    Trait(TraitIndex),
}

impl List {
    /// The form in which identifiers of lists are compared: without blanks around, and without regard to case.
    #[must_use]
    pub fn normal(text: &str) -> String {
        text.trim().to_lowercase()
    }
}

/// `segment vip "Our best customers" = …`.
#[derive(Debug, Clone)]
pub struct Segment {
    pub name: String,
    pub title: Option<String>,
    pub condition: Condition,
    /// The same, as it is decided.
    pub decider: Decider,
    pub place: Place,
}

/// `topic newsletter "Weekly newsletter" channels email marketing opt_in`.
#[derive(Debug, Clone)]
pub struct Topic {
    pub name: String,
    pub title: Option<String>,
    pub channels: Vec<String>,
    pub class: MessageClass,
    /// Sent only to who asked for it. A transactional topic is never opt-in.
    pub opt_in: bool,
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageClass {
    Marketing,
    Transactional,
}

/// `purpose ads "Advertising partners" opt_in`.
#[derive(Debug, Clone)]
pub struct Purpose {
    pub name: String,
    pub title: Option<String>,
    pub opt_in: bool,
    pub place: Place,
}

/// `audience_sync lapsed_on_meta = members of lapsed_vip to meta using (email, phone) purpose ads`.
#[derive(Debug, Clone)]
pub struct AudienceSync {
    pub name: String,
    /// The mirrored segment; `None` where it is `manual`, filled by journeys only.
    pub segment: Option<SegmentIndex>,
    /// Name of the channel in `tidewater.yaml`.
    pub destination: String,
    /// Traits (such as `email`) whose hashed values identify the person there.
    pub identifiers: Vec<TraitIndex>,
    /// Index into [`Rules::purposes`].
    pub purpose: Option<usize>,
    pub place: Place,
}
