//! A rule as written: what is asked of a customer.

use crate::finding::Span;
use crate::lang::condition::Operator;
use crate::lang::rules::{Refreshed, Standing};

use super::{Literal, Occurrences, SelectorItem, SpanItem, WindowItem, Word};

/// A rule as written.
#[derive(Debug, Clone)]
pub(in crate::lang) struct Expr {
    pub(in crate::lang) kind: ExprKind,
    pub(in crate::lang) span: Span,
}

#[derive(Debug, Clone)]
pub(in crate::lang) enum ExprKind {
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
    /// `first|last "X" [in last D] had (…)`.
    Edge {
        is_first: bool,
        of: Occurrences,
    },
    InSegment(Word),
    InList(Word),
    InJourney(Word),
    /// `agrees to newsletter [by sms]`.
    Agrees {
        matter: Word,
        channel: Option<Word>,
    },
    /// `got email "cart-reminder" [in last D]`.
    Got {
        template: Word,
        window: Option<WindowItem>,
    },
    /// `random 5% seed "q1"`.
    Random {
        percent: (f64, Span),
        seed: Option<Word>,
    },
    /// `anniversary of birthday in next 7 days`.
    Anniversary {
        subject: Word,
        test: DateItem,
    },
    /// `any products (…)`, `all products (…)`, `count of products (…) >= 2`.
    Items {
        quantifier: QuantifierItem,
        subject: Word,
        condition: Option<Box<Expr>>,
    },
    Test {
        subject: Word,
        test: Test,
    },
    Broken,
}

#[derive(Debug, Clone)]
pub(in crate::lang) enum QuantifierItem {
    Any,
    All,
    Count { operator: Operator, value: Literal },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lang) enum Joint {
    And,
    Or,
}

#[derive(Debug, Clone)]
pub(in crate::lang) struct DidExpr {
    pub(in crate::lang) negated: bool,
    pub(in crate::lang) selector: SelectorItem,
    pub(in crate::lang) filter: Option<Expr>,
    pub(in crate::lang) times: Option<(Frequency, Span)>,
    pub(in crate::lang) period: Option<(PeriodItem, Span)>,
    pub(in crate::lang) alias: Option<Word>,
    pub(in crate::lang) steps: Vec<StepItem>,
    pub(in crate::lang) all_within: Option<SpanItem>,
    pub(in crate::lang) key: Option<Word>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lang) enum Frequency {
    AtLeast(u32),
    AtMost(u32),
    Exactly(u32),
    OnDays(u32),
    FirstTime,
}

#[derive(Debug, Clone)]
pub(in crate::lang) enum PeriodItem {
    Last(WindowItem),
    SinceEntry,
    SinceLast(SelectorItem),
    /// From the first date (included) to the second (excluded).
    Dates {
        from: Option<Literal>,
        until: Option<Literal>,
    },
}

/// `then [did] [not] "X" [where …] [within D] [as a]`.
#[derive(Debug, Clone)]
pub(in crate::lang) struct StepItem {
    pub(in crate::lang) negated: bool,
    pub(in crate::lang) selector: SelectorItem,
    pub(in crate::lang) filter: Option<Expr>,
    pub(in crate::lang) within: Option<SpanItem>,
    pub(in crate::lang) alias: Option<Word>,
    pub(in crate::lang) span: Span,
}

#[derive(Debug, Clone)]
pub(in crate::lang) enum Test {
    /// A name alone: true where it is a `bool` that is true.
    Truth,
    IsSet,
    IsMissing,
    Compare {
        operator: Operator,
        value: ValueItem,
    },
    OneOf {
        values: ValuesItem,
        negated: bool,
    },
    Matches(Literal),
    Has {
        values: ValuesItem,
        all: bool,
    },
    Date(DateItem),
    /// `has been "free" for at least 30 days`.
    HasBeen {
        state: Box<Test>,
        length: WindowItem,
    },
    /// `in top 10% of segment buyers refreshed daily at "03:00"`, `above median`.
    Rank(RankItem),
}

#[derive(Debug, Clone)]
pub(in crate::lang) enum ValueItem {
    Literal(Literal),
    /// A constant, or another trait or property.
    Name(Word),
}

#[derive(Debug, Clone)]
pub(in crate::lang) enum ValuesItem {
    Written(Vec<Literal>),
    Named(Word),
}

#[derive(Debug, Clone)]
pub(in crate::lang) enum DateItem {
    Last(WindowItem),
    Ago(WindowItem),
    Next(WindowItem),
}

#[derive(Debug, Clone)]
pub(in crate::lang) struct RankItem {
    pub(in crate::lang) standing: Standing,
    pub(in crate::lang) population: Option<Word>,
    pub(in crate::lang) refreshed: Refreshed,
    pub(in crate::lang) span: Span,
}
