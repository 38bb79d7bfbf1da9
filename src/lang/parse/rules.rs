//! Rules: conditions joined by `and` and `or`.

use crate::lang::condition::Operator;
use crate::lang::lex::Kind;
use crate::lang::syntax::*;

use super::cursor::Cursor;

pub(super) const CONDITION: &str = "a condition such as `country is \"US\"` or `did \"Order Completed\"`";

impl Cursor<'_> {
    /// Conditions joined by `and` and `or`, as written; that the two are not mixed is checked afterwards.
    pub(super) fn chain(&mut self) -> Expr {
        let start = self.start();
        let (mut parts, mut joints) = (Vec::new(), Vec::new());
        loop {
            parts.push(self.part());
            // Entries of a score stand one below the other: the next one ends this.
            if self.peek().is_none() || self.sees_any(&[")", "}", "add", "subtract"]) {
                break;
            }
            if self.take(&["and"]) {
                joints.push(Joint::And);
            } else if self.take(&["or"]) {
                joints.push(Joint::Or);
            } else {
                break;
            }
        }
        let span = self.span_from(start);
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                Expr { kind: ExprKind::Chain { parts, joints }, span }
            }
        }
    }

    /// One condition and what must follow it; what cannot be read is skipped up to the next joint.
    fn part(&mut self) -> Expr {
        let start = self.start();
        let read = self.condition().and_then(|condition| {
            let is_followed =
                self.peek().is_none_or(|next| matches!(next.text, "and" | "or" | ")" | "}" | "add" | "subtract"));
            if is_followed { Some(condition) } else { self.expected("`and` or `or`") }
        });
        read.unwrap_or_else(|| {
            self.skip_condition();
            Expr { kind: ExprKind::Broken, span: self.span_from(start) }
        })
    }

    pub(super) fn condition(&mut self) -> Option<Expr> {
        self.deeper(|cursor| {
            let start = cursor.start();
            let kind = cursor.condition_kind()?;
            Some(Expr { kind, span: cursor.span_from(start) })
        })
    }

    fn condition_kind(&mut self) -> Option<ExprKind> {
        let not = self.peek().map(|token| token.span());
        if self.take(&["not"]) {
            let inner = Box::new(self.condition()?);
            return Some(ExprKind::Not { inner, not: not.unwrap_or_default() });
        }
        if self.sees(&["("]) {
            return self.group().map(|inner| ExprKind::Group(Box::new(inner)));
        }
        if self.sees(&["did"]) {
            return self.did().map(|did| ExprKind::Did(Box::new(did)));
        }
        if self.sees(&["in"]) {
            return self.membership();
        }
        if let Some(read) = self.sentence() {
            return read;
        }
        self.comparison()
    }

    pub(super) fn group(&mut self) -> Option<Expr> {
        self.symbol("(")?;
        let inner = self.chain();
        if !self.take(&[")"]) {
            return self.expected("`and`, `or` or `)`");
        }
        Some(inner)
    }

    /// `in segment x`, `in list x`, `in journey x`.
    fn membership(&mut self) -> Option<ExprKind> {
        if self.take(&["in", "segment"]) {
            return self.name("the segment's name").map(ExprKind::InSegment);
        }
        if self.take(&["in", "list"]) {
            return self.name("the list's name").map(ExprKind::InList);
        }
        if self.take(&["in", "journey"]) {
            return self.name_or_text("the journey's name").map(ExprKind::InJourney);
        }
        self.take(&["in"]);
        self.unknown_word("`segment`, `list` or `journey`", &["segment", "list", "journey"])
    }

    /// Names of files (journeys, templates) often hold a hyphen, and then stand in quotes.
    fn name_or_text(&mut self, what: &str) -> Option<Word> {
        if self.sees_text() { self.text(what) } else { self.name(what) }
    }

    /// Conditions that begin with a word of their own; `None` where the word is a name here.
    fn sentence(&mut self) -> Option<Option<ExprKind>> {
        let next = self.peek_at(1);
        let follows = |text: &str| next.is_some_and(|token| token.text == text);
        let next_kind = next.map(|token| token.kind);
        let after_next = self.peek_at(2).map(|token| token.text);
        Some(match self.peek()?.text {
            "agrees" if follows("to") => self.agrees(),
            "got" if follows("email") => self.got(),
            "random" if next_kind == Some(Kind::Number) => self.random(),
            "anniversary" if follows("of") => self.anniversary(),
            "first" | "last" if next_kind == Some(Kind::Text) || follows("any") => self.edge(),
            "any" | "all" if after_next == Some("(") => self.items(),
            "count" if follows("of") => self.items(),
            _ => return None,
        })
    }

    fn agrees(&mut self) -> Option<ExprKind> {
        self.take(&["agrees", "to"]);
        let matter = self.name("a topic or purpose")?;
        let channel = if self.take(&["by"]) { Some(self.name("a channel such as `email`")?) } else { None };
        Some(ExprKind::Agrees { matter, channel })
    }

    fn got(&mut self) -> Option<ExprKind> {
        self.take(&["got", "email"]);
        let template = self.name_or_text("the template's name")?;
        let window = if self.sees_window() { Some(self.past_window()?) } else { None };
        Some(ExprKind::Got { template, window })
    }

    fn random(&mut self) -> Option<ExprKind> {
        self.take(&["random"]);
        let percent = self.number()?;
        self.symbol("%")?;
        let seed = if self.take(&["seed"]) { Some(self.text("the seed in double quotes")?) } else { None };
        Some(ExprKind::Random { percent, seed })
    }

    fn anniversary(&mut self) -> Option<ExprKind> {
        self.take(&["anniversary", "of"]);
        let subject = self.name("a trait that holds a date")?;
        self.take(&["is"]);
        let test = if self.sees(&["in", "next"]) || self.sees_this() {
            self.date_test()?
        } else {
            return self.expected("`in next 7 days`, `today` or `this month`");
        };
        Some(ExprKind::Anniversary { subject, test })
    }

    /// `last "Order Completed" in last 30 days had revenue > 100`.
    fn edge(&mut self) -> Option<ExprKind> {
        let is_first = self.sees(&["first"]);
        self.advance();
        let selector = self.selector()?;
        let window = if self.sees_window() { Some(self.past_window()?) } else { None };
        self.word("had")?;
        let filter = Some(Box::new(self.one_or_group()?));
        Some(ExprKind::Edge { is_first, of: Occurrences { selector, filter, window } })
    }

    /// `any products (…)`, `all products (…)`, `count of products (…) >= 2`.
    fn items(&mut self) -> Option<ExprKind> {
        let is_count = self.take(&["count", "of"]);
        let is_any = self.sees(&["any"]);
        if !is_count {
            self.advance();
        }
        let subject = self.name("a list such as `products`")?;
        let condition = if self.sees(&["("]) { Some(Box::new(self.deeper(Self::group)?)) } else { None };
        let quantifier = match (is_count, is_any) {
            (true, _) => self.count_comparison()?,
            (false, true) => QuantifierItem::Any,
            (false, false) => QuantifierItem::All,
        };
        Some(ExprKind::Items { quantifier, subject, condition })
    }

    fn count_comparison(&mut self) -> Option<QuantifierItem> {
        let operator = if self.take(&["is"]) {
            if self.take(&["not"]) { Operator::IsNot } else { Operator::Is }
        } else {
            match self.operator() {
                Some(operator) => operator,
                None => return self.expected("a comparison such as `>= 2`"),
            }
        };
        let (number, span) = self.number()?;
        let value = Literal { value: crate::model::Value::Number(number), span };
        Some(QuantifierItem::Count { operator, value })
    }

    /// `where` takes one comparison, or parentheses.
    pub(super) fn where_clause(&mut self) -> Option<Expr> {
        self.word("where")?;
        self.one_or_group()
    }

    fn one_or_group(&mut self) -> Option<Expr> {
        let start = self.start();
        if self.sees(&["("]) {
            let inner = self.deeper(Self::group)?;
            return Some(Expr { kind: ExprKind::Group(Box::new(inner)), span: self.span_from(start) });
        }
        if self.sees(&["not"]) {
            return self.condition();
        }
        let kind = match self.sentence() {
            Some(kind) => kind?,
            None => self.comparison()?,
        };
        Some(Expr { kind, span: self.span_from(start) })
    }

    pub(super) fn selector(&mut self) -> Option<SelectorItem> {
        if self.take(&["any", "activity"]) {
            return Some(SelectorItem::AnyActivity);
        }
        self.text("an event in double quotes, or `any activity`").map(SelectorItem::Event)
    }
}
