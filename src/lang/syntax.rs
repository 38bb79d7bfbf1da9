//! The tree of a rule file: what the author wrote, with spans (bytes of the text that was parsed), before names mean
//! anything.

use crate::finding::Span;
use crate::model::{self, Value};

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    Event(EventItem),
    Trait(TraitItem),
    Compute(ComputeItem),
    Segment(SegmentItem),
    Topic(TopicItem),
    Purpose(PurposeItem),
    Audience(AudienceItem),
}

#[derive(Debug, Clone)]
pub(super) struct EventItem {
    pub(super) name: Word,
    pub(super) strict: bool,
    pub(super) properties: Vec<PropertyItem>,
}

#[derive(Debug, Clone)]
pub(super) struct PropertyItem {
    pub(super) name: Word,
    pub(super) kind: TypeItem,
    pub(super) required: bool,
    pub(super) one_of: Option<Vec<Literal>>,
}

#[derive(Debug, Clone)]
pub(super) enum TypeItem {
    Text,
    Number,
    Bool,
    Date,
    Time,
    Money(Word),
    List(Box<TypeItem>),
    Object(Vec<PropertyItem>),
}

#[derive(Debug, Clone)]
pub(super) struct TraitItem {
    pub(super) name: Word,
    pub(super) kind: TypeItem,
    pub(super) one_of: Option<Vec<Literal>>,
    pub(super) clean: Vec<(Word, Option<Word>)>,
    pub(super) pii: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ComputeItem {
    pub(super) name: Word,
    pub(super) aggregate: AggregateItem,
    pub(super) selector: SelectorItem,
    pub(super) filter: Option<Expr>,
    pub(super) window: Option<DurationItem>,
}

#[derive(Debug, Clone)]
pub(super) enum AggregateItem {
    Count,
    Sum { property: Word, currency: Option<Word> },
    Latest { property: Word },
}

#[derive(Debug, Clone)]
pub(super) struct SegmentItem {
    pub(super) name: Word,
    pub(super) title: Option<String>,
    pub(super) rule: Expr,
}

#[derive(Debug, Clone)]
pub(super) struct TopicItem {
    pub(super) name: Word,
    pub(super) title: Option<String>,
    pub(super) channels: Vec<Word>,
    pub(super) is_marketing: bool,
    pub(super) opt_in: Option<Span>,
}

#[derive(Debug, Clone)]
pub(super) struct PurposeItem {
    pub(super) name: Word,
    pub(super) title: Option<String>,
    pub(super) opt_in: bool,
}

#[derive(Debug, Clone)]
pub(super) struct AudienceItem {
    pub(super) name: Word,
    /// `None`: manual.
    pub(super) segment: Option<Word>,
    pub(super) destination: Word,
    pub(super) using: Vec<Word>,
    pub(super) purpose: Option<Word>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal {
    pub(super) value: Value,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct DurationItem {
    /// `None` for months and years, which have no exact length.
    pub(super) length: Option<model::Span>,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum SelectorItem {
    Event(Word),
    AnyActivity,
}

/// A rule as written.
#[derive(Debug, Clone)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum ExprKind {
    /// Two or more, with the joints between them.
    Chain {
        parts: Vec<Expr>,
        joints: Vec<Joint>,
    },
    Group(Box<Expr>),
    Not {
        inner: Box<Expr>,
        not: Span,
    },
    Did(Box<DidExpr>),
    InSegment(Word),
    Test {
        subject: Word,
        test: Test,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

#[derive(Debug, Clone)]
pub(super) struct DidExpr {
    pub(super) negated: bool,
    pub(super) selector: SelectorItem,
    pub(super) filter: Option<Expr>,
    pub(super) at_least: Option<(u32, Span)>,
    pub(super) window: Option<DurationItem>,
    pub(super) since: Option<(SinceItem, Span)>,
}

#[derive(Debug, Clone)]
pub(super) enum SinceItem {
    Entry,
    Last(SelectorItem),
}

#[derive(Debug, Clone)]
pub(super) enum Test {
    /// A name alone: true where it is a `bool` that is true.
    Truth,
    IsSet,
    IsMissing,
    Compare {
        operator: super::rules::Operator,
        value: Literal,
    },
    OneOf {
        values: Vec<Literal>,
        negated: bool,
    },
}
