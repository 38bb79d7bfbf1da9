//! The tree of a rule file: what the author wrote, with spans (bytes of the text that was parsed), before names mean
//! anything. What could not be read is `Broken`: it was told of, and nothing more is said of it.

mod rule;

use crate::finding::Span;
use crate::model::{self, Value};

pub(super) use self::rule::*;
use super::duration::Unit;
use super::window::CalendarUnit;

/// A name or a text and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    Event(EventItem),
    Identity(Vec<IdentifierItem>),
    Trait(TraitItem),
    Constant(ConstantItem),
    Compute(ComputeItem),
    Score(ScoreItem),
    Segment(SegmentItem),
    List(ListItem),
    Topic(TopicItem),
    Purpose(PurposeItem),
    Audience(AudienceItem),
}

#[derive(Debug, Clone)]
pub(super) struct EventItem {
    pub(super) name: Word,
    pub(super) strict: bool,
    pub(super) properties: Vec<PropertyItem>,
    /// A property could not be read: what others there are is not known.
    pub(super) is_broken: bool,
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

/// `email limit 3, ignore ("test@example.com")`.
#[derive(Debug, Clone)]
pub(super) struct IdentifierItem {
    pub(super) name: Word,
    pub(super) limit: Option<(f64, Span)>,
    pub(super) ignore: Vec<Literal>,
}

#[derive(Debug, Clone)]
pub(super) struct TraitItem {
    pub(super) name: Word,
    pub(super) kind: TypeItem,
    pub(super) one_of: Option<Vec<Literal>>,
    pub(super) clean: Vec<(Word, Option<Word>)>,
    pub(super) pii: Option<PiiItem>,
}

/// `pii`, or `pii for (email, webhook)`.
#[derive(Debug, Clone, Default)]
pub(super) struct PiiItem {
    pub(super) channels: Option<Vec<Word>>,
}

#[derive(Debug, Clone)]
pub(super) struct ConstantItem {
    pub(super) name: Word,
    pub(super) value: ConstantForm,
}

#[derive(Debug, Clone)]
pub(super) enum ConstantForm {
    One(Literal),
    List(Vec<Literal>),
    Duration(WindowItem),
}

#[derive(Debug, Clone)]
pub(super) struct ComputeItem {
    pub(super) name: Word,
    pub(super) formula: FormulaItem,
}

/// What a compute works out.
#[derive(Debug, Clone)]
pub(super) enum FormulaItem {
    Number(f64),
    Name(Word),
    Aggregate(Box<AggregateItem>),
    Sum { left: Box<FormulaItem>, sign: ArithmeticItem, right: Box<FormulaItem> },
    Broken,
}

pub(super) use super::rules::Arithmetic as ArithmeticItem;

#[derive(Debug, Clone)]
pub(super) struct AggregateItem {
    pub(super) measure: MeasureItem,
    pub(super) of: Occurrences,
}

#[derive(Debug, Clone)]
pub(super) enum MeasureItem {
    Count,
    /// `sum`, `average`, `min`, `max`: of amounts.
    Amount {
        kind: AmountKind,
        property: Word,
        currency: Option<Word>,
    },
    /// `latest`, `earliest`, `most frequent`, `unique count`: of values.
    Values {
        kind: ValueKind,
        property: Word,
    },
}

pub(super) use super::rules::{AmountKind, ValueKind};

/// Which events, and of when.
#[derive(Debug, Clone)]
pub(super) struct Occurrences {
    pub(super) selector: SelectorItem,
    pub(super) filter: Option<Box<Expr>>,
    pub(super) window: Option<WindowItem>,
}

#[derive(Debug, Clone)]
pub(super) struct ScoreItem {
    pub(super) name: Word,
    pub(super) terms: Vec<TermItem>,
}

#[derive(Debug, Clone)]
pub(super) enum TermItem {
    When { points: f64, condition: Expr },
    ForEach { points: f64, of: Occurrences, cap: Option<f64> },
}

#[derive(Debug, Clone)]
pub(super) struct SegmentItem {
    pub(super) name: Word,
    pub(super) title: Option<String>,
    pub(super) rule: Expr,
}

/// `list webinar_may "…" from "lists/webinar-may.csv" by email`.
#[derive(Debug, Clone)]
pub(super) struct ListItem {
    pub(super) name: Word,
    pub(super) title: Option<String>,
    pub(super) file: Word,
    pub(super) by: Word,
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

/// A stretch of time as written, or the name of a constant that holds one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WindowItem {
    pub(super) kind: WindowKind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum WindowKind {
    Length { number: u32, unit: Unit },
    This(CalendarUnit),
    Named(String),
}

/// A length of time that is exact: `within 2 hours`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpanItem {
    pub(super) length: model::Span,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum SelectorItem {
    Event(Word),
    AnyActivity,
}
