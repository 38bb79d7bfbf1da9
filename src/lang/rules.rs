//! The compiled form of all rules of a workspace: flat tables, and conditions over indexes into them.

use std::collections::BTreeMap;

use crate::finding::Place;
use crate::model::{Span, Value};

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

/// All that the rule files of a workspace declare, checked. Tables are in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub events: Vec<EventDeclaration>,
    pub traits: Vec<TraitDeclaration>,
    pub computes: Vec<Compute>,
    pub segments: Vec<Segment>,
    pub topics: Vec<Topic>,
    pub purposes: Vec<Purpose>,
    pub audience_syncs: Vec<AudienceSync>,
    /// What must be remembered of events so that conditions can be answered; equal needs share one trail.
    pub trails: Vec<Trail>,
    pub readers: Readers,
}

/// Who reads what: an event touches only the rules that read it or a trait that it changed.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    /// By event name, without those that take any activity.
    pub trails_of_event: BTreeMap<String, Vec<TrailIndex>>,
    pub computes_of_event: BTreeMap<String, Vec<ComputeIndex>>,
    pub trails_of_any_activity: Vec<TrailIndex>,
    pub computes_of_any_activity: Vec<ComputeIndex>,
    /// Segments whose condition names the trait, compute, trail or segment directly; indexed by that index.
    pub segments_of_trait: Vec<Vec<SegmentIndex>>,
    pub segments_of_compute: Vec<Vec<SegmentIndex>>,
    pub segments_of_trail: Vec<Vec<SegmentIndex>>,
    pub segments_of_segment: Vec<Vec<SegmentIndex>>,
    /// Place of each segment in an order in which each stands after those that it names.
    pub segment_rank: Vec<u32>,
    pub trail_of_key: BTreeMap<u64, TrailIndex>,
    pub compute_of_key: BTreeMap<u64, ComputeIndex>,
    /// Of each trail, all `at least n … in last D` of segments and journeys: when one can end by time alone.
    pub windows_of_trail: Vec<Vec<(u32, Span)>>,
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
    pub pii: bool,
    pub place: Place,
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

/// The newest moments at which matching events happened. All conditions on the same events share one.
#[derive(Debug, Clone)]
pub struct Trail {
    /// Stable over edits of the workspace: a hash of what is selected, not of its place or use.
    pub key: u64,
    pub selector: Selector,
    /// Over [`Operand::Property`] only.
    pub filter: Option<Condition>,
    /// How many moments its users need, the newest first.
    pub keep: u32,
}

/// `compute orders_90d = count of "Order Completed" in last 90 days`: a trait that the engine keeps.
#[derive(Debug, Clone)]
pub struct Compute {
    pub name: String,
    /// Stable over edits: a hash of the definition.
    pub key: u64,
    pub aggregate: Aggregate,
    pub selector: Selector,
    pub filter: Option<Condition>,
    /// `in last D`; without it, all time.
    pub window: Option<Span>,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Aggregate {
    Count,
    /// Sum of a numeric property. Events without it, or in a currency without a rate, add nothing.
    Sum {
        property: String,
        conversion: Option<Conversion>,
    },
    /// The property's value in the latest event (by moment) that has it.
    Latest {
        property: String,
    },
}

/// `sum of revenue as EUR`: how amounts become one currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// The property that names the amount's currency.
    pub currency_property: String,
    pub to: String,
    /// Factor from each currency to `to`; `to` itself is 1.
    pub rates: BTreeMap<String, f64>,
}

impl Compute {
    /// What kind of value conditions compare it as; `None` where the latest property's declaration does not say.
    #[must_use]
    pub fn is_numeric(&self) -> bool {
        !matches!(self.aggregate, Aggregate::Latest { .. })
    }
}

/// `segment vip "Our best customers" = …`.
#[derive(Debug, Clone)]
pub struct Segment {
    pub name: String,
    pub title: Option<String>,
    pub condition: Condition,
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

/// A question about a profile (or, in a filter, about one event) with the answer yes or no.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// False where the operand is missing, whatever the operator.
    Compare {
        operand: Operand,
        operator: Operator,
        value: Value,
    },
    /// `in (…)` and `not in (…)`; false where the operand is missing, both ways.
    OneOf {
        operand: Operand,
        values: Vec<Value>,
        negated: bool,
    },
    IsSet(Operand),
    IsMissing(Operand),
    /// `did "X" at least n times` within a period. `did not` is [`Condition::Not`] around it.
    Did {
        trail: TrailIndex,
        at_least: u32,
        period: Period,
    },
    InSegment(SegmentIndex),
}

/// Where a comparison takes its value from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operand {
    Trait(TraitIndex),
    Compute(ComputeIndex),
    /// Of the event in a `where`; a dotted path reaches into objects.
    Property(String),
    /// Of the event on which the run began (`entry.x`).
    EntryProperty(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    Is,
    IsNot,
    /// Text without regard to case.
    IsAnyCase,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
}

/// The stretch of time that a `did` looks at. It always ends now, which belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Ever,
    /// `(now - span, now]`.
    Last(Span),
    /// `(newest moment of that trail, now]`; empty where there is none.
    SinceLast(TrailIndex),
    /// `(moment at which the run began, now]`; journeys only.
    SinceEntry,
}
