//! A name and what it is compared with.

use crate::lang::condition::Operator;
use crate::lang::lex::Kind;
use crate::lang::rules::Standing;
use crate::lang::syntax::*;

use super::cursor::Cursor;
use super::rules::CONDITION;

const TEST_WORDS: &[&str] =
    &["is", "in", "not", "contains", "starts", "ends", "matches", "has", "above", "below", "more"];

/// Words that may follow a name that stands alone (`where is_gift in last 3 days`).
const FOLLOWERS: &[&str] = &[
    "and", "or", "where", "within", "as", "by", "then", "at", "all", "on", "for", "exactly", "once", "twice", "today",
    "this", "since", "before", "after", "between", "add", "subtract",
];

impl Cursor<'_> {
    pub(super) fn comparison(&mut self) -> Option<ExprKind> {
        if self.sees_text() {
            return self.expected("a name or `did` before the text");
        }
        let subject = self.name(CONDITION)?;
        let test = self.test()?;
        Some(ExprKind::Test { subject, test })
    }

    /// A symbol that compares.
    pub(super) fn operator(&mut self) -> Option<Operator> {
        let operator = match self.peek().filter(|token| token.kind == Kind::Symbol)?.text {
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "!=" => Operator::IsNot,
            "=" | "==" => Operator::Is,
            _ => return None,
        };
        self.advance();
        Some(operator)
    }

    fn test(&mut self) -> Option<Test> {
        if let Some(operator) = self.operator() {
            return self.compare(operator);
        }
        if self.take(&["is"]) {
            return self.is_test();
        }
        if self.take(&["contains"]) {
            return self.compare(Operator::Contains);
        }
        if self.take(&["starts"]) {
            self.word("with")?;
            return self.compare(Operator::StartsWith);
        }
        if self.take(&["ends"]) {
            self.word("with")?;
            return self.compare(Operator::EndsWith);
        }
        if self.take(&["matches"]) {
            return self.pattern();
        }
        if self.take(&["has"]) {
            return self.has_test();
        }
        if self.sees(&["more", "than"]) {
            return self.date_test().map(Test::Date);
        }
        if self.sees_any(&["above", "below"]) {
            return self.median();
        }
        if self.sees_any(&["in", "not"]) {
            return self.in_test();
        }
        if self.peek().is_some_and(|token| token.kind == Kind::Word && !FOLLOWERS.contains(&token.text)) {
            let what = "a comparison (`is`, `is not`, `in (…)`, `>`, `<=`, `contains`, `is set`)";
            return self.unknown_word(what, TEST_WORDS);
        }
        Some(Test::Truth)
    }

    fn compare(&mut self, operator: Operator) -> Option<Test> {
        let value = if !self.sees_literal() && self.sees_name() {
            ValueItem::Name(self.name("a value")?)
        } else {
            ValueItem::Literal(self.literal()?)
        };
        Some(Test::Compare { operator, value })
    }

    fn pattern(&mut self) -> Option<Test> {
        if !self.sees_text() {
            return self.expected("a pattern in double quotes, such as `\"^[A-Z]{2}[0-9]+$\"`");
        }
        self.literal().map(Test::Matches)
    }

    fn is_test(&mut self) -> Option<Test> {
        if self.take(&["set"]) {
            return Some(Test::IsSet);
        }
        if self.take(&["missing"]) {
            return Some(Test::IsMissing);
        }
        if self.take(&["not", "set"]) {
            return Some(Test::IsMissing);
        }
        if self.take(&["not", "missing"]) {
            return Some(Test::IsSet);
        }
        if self.take(&["any", "case"]) {
            return self.compare(Operator::IsAnyCase);
        }
        if self.take(&["before"]) {
            return self.compare(Operator::Less);
        }
        if self.take(&["after"]) {
            return self.compare(Operator::Greater);
        }
        if self.sees_this() || self.sees(&["in", "next"]) || self.sees(&["in", "last"]) || self.sees(&["more", "than"])
        {
            return self.date_test().map(Test::Date);
        }
        if self.sees(&["in"]) || self.sees(&["not", "in"]) {
            return self.in_test();
        }
        if self.take(&["not"]) {
            return self.compare(Operator::IsNot);
        }
        self.compare(Operator::Is)
    }

    /// `in ("US", "GB")`, `in next 7 days`, `in top 10% …`.
    fn in_test(&mut self) -> Option<Test> {
        let start = self.start();
        let negated = self.take(&["not"]);
        if !negated && (self.sees(&["in", "next"]) || self.sees(&["in", "last"])) {
            return self.date_test().map(Test::Date);
        }
        self.word("in")?;
        if !negated && self.sees_any(&["top", "bottom"]) && self.sees_kind(1, Kind::Number) {
            let is_top = self.sees(&["top"]);
            self.advance();
            let (percent, _) = self.number()?;
            self.symbol("%")?;
            let standing = if is_top { Standing::Top(percent) } else { Standing::Bottom(percent) };
            return self.rank(standing, start);
        }
        self.values().map(|values| Test::OneOf { values, negated })
    }

    fn values(&mut self) -> Option<ValuesItem> {
        if self.sees_name() {
            return self.name("values in parentheses").map(ValuesItem::Named);
        }
        if !self.sees(&["("]) {
            return self.expected("values in parentheses such as `(\"US\", \"GB\")`");
        }
        self.literals().map(ValuesItem::Written)
    }

    fn median(&mut self) -> Option<Test> {
        let start = self.start();
        let is_above = self.sees(&["above"]);
        self.advance();
        self.word("median")?;
        self.rank(if is_above { Standing::AboveMedian } else { Standing::BelowMedian }, start)
    }

    fn rank(&mut self, standing: Standing, start: usize) -> Option<Test> {
        let population = if self.take(&["of"]) {
            self.word("segment")?;
            Some(self.name("the segment's name")?)
        } else {
            None
        };
        let refreshed = self.refreshed()?;
        Some(Test::Rank(RankItem { standing, population, refreshed, span: self.span_from(start) }))
    }

    /// `has any (…)`, `has all (…)`, `has been "free" for at least 30 days`.
    fn has_test(&mut self) -> Option<Test> {
        if self.take(&["been"]) {
            return self.has_been();
        }
        let all = self.take(&["all"]);
        if !all && !self.take(&["any"]) {
            return self.unknown_word("`any (…)`, `all (…)` or `been`", &["any", "all", "been"]);
        }
        self.values().map(|values| Test::Has { values, all })
    }

    fn has_been(&mut self) -> Option<Test> {
        let state = if let Some(operator) = self.operator() {
            self.compare(operator)?
        } else if self.sees(&["in"]) || self.sees(&["not", "in"]) {
            self.in_test()?
        } else if self.take(&["not"]) {
            self.compare(Operator::IsNot)?
        } else {
            self.compare(Operator::Is)?
        };
        if !self.take(&["for", "at", "least"]) {
            return self.expected("`for at least` and a length of time");
        }
        Some(Test::HasBeen { state: Box::new(state), length: self.window()? })
    }
}
