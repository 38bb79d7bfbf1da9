//! Constants, computes and scores.

use crate::lang::lex::Kind;
use crate::lang::syntax::*;

use super::cursor::Cursor;

const FORMULA: &str = "a count, sum or other fact such as `count of \"Order Completed\"`, a trait, or a number";

impl Cursor<'_> {
    /// `constant big_order = 100`, `= ("a", "b")`, `= 30 days`.
    pub(super) fn constant(&mut self) -> Option<ConstantItem> {
        let name = self.name("the constant's name")?;
        self.symbol("=")?;
        let value = if self.sees(&["("]) {
            ConstantForm::List(self.literals()?)
        } else if self.sees_length() {
            ConstantForm::Duration(self.window()?)
        } else {
            ConstantForm::One(self.literal()?)
        };
        Some(ConstantItem { name, value })
    }

    /// `compute NAME = FORMULA`.
    pub(super) fn compute(&mut self) -> Option<ComputeItem> {
        let name = self.name("the compute's name")?;
        if !self.take(&["="]) {
            self.expected::<()>("`=`");
            return Some(ComputeItem { name, formula: FormulaItem::Broken });
        }
        let formula = self.formula().unwrap_or(FormulaItem::Broken);
        Some(ComputeItem { name, formula })
    }

    /// Sums of products, as in school: `*` and `/` bind tighter than `+` and `-`.
    fn formula(&mut self) -> Option<FormulaItem> {
        self.signed(&[("+", ArithmeticItem::Add), ("-", ArithmeticItem::Subtract)], |cursor| {
            cursor.signed(&[("*", ArithmeticItem::Multiply), ("/", ArithmeticItem::Divide)], Self::factor)
        })
    }

    fn signed(
        &mut self,
        signs: &[(&str, ArithmeticItem)],
        read: impl Fn(&mut Self) -> Option<FormulaItem>,
    ) -> Option<FormulaItem> {
        let mut left = read(self)?;
        // A long sum nests to the left: bounded like everything that nests.
        let mut terms = 0;
        while let Some((word, sign)) = signs.iter().find(|(word, _)| self.sees(&[word])) {
            terms += 1;
            if terms > crate::model::limit::RULE_DEPTH {
                return self.expected("a shorter sum: give its parts names of their own");
            }
            self.take(&[word]);
            let right = Box::new(read(self)?);
            left = FormulaItem::Sum { left: Box::new(left), sign: *sign, right };
        }
        Some(left)
    }

    fn factor(&mut self) -> Option<FormulaItem> {
        if self.take(&["("]) {
            let inner = self.deeper(Self::formula)?;
            self.symbol(")")?;
            return Some(inner);
        }
        if self.sees_number() {
            return self.number().map(|(number, _)| FormulaItem::Number(number));
        }
        if let Some(measure) = self.measure() {
            return measure.and_then(|measure| {
                let of = self.occurrences()?;
                Some(FormulaItem::Aggregate(Box::new(AggregateItem { measure, of })))
            });
        }
        if self.peek_at(1).is_some_and(|next| next.text == "of") {
            return self.unknown_word(FORMULA, &["count", "sum", "average", "min", "max"]);
        }
        self.name(FORMULA).map(FormulaItem::Name)
    }

    /// How an aggregate begins; `None` where none does, `Some(None)` where it has a mistake.
    fn measure(&mut self) -> Option<Option<MeasureItem>> {
        const AMOUNTS: &[(&str, AmountKind)] = &[
            ("sum", AmountKind::Sum),
            ("average", AmountKind::Average),
            ("min", AmountKind::Min),
            ("max", AmountKind::Max),
        ];
        if self.take(&["count", "of"]) {
            return Some(Some(MeasureItem::Count));
        }
        if self.sees_any(&["count", "sum", "average"]) && self.sees_kind(1, Kind::Text) {
            self.advance();
            return Some(self.expected("`of`"));
        }
        if let Some((_, kind)) = AMOUNTS.iter().find(|(word, _)| self.take(&[word, "of"])) {
            return Some(self.amount(*kind));
        }
        let kind = if self.take(&["unique", "count", "of"]) {
            ValueKind::UniqueCount
        } else if self.take(&["most", "frequent"]) {
            ValueKind::MostFrequent
        } else if self.sees_name_after("latest") || self.sees_name_after("last") {
            self.advance();
            ValueKind::Latest
        } else if self.sees_name_after("earliest") || self.sees_name_after("first") {
            self.advance();
            ValueKind::Earliest
        } else {
            return None;
        };
        Some(self.measured_values(kind))
    }

    /// `latest category from …` begins an aggregate; `latest + 1` is a trait of that name.
    fn sees_name_after(&mut self, word: &str) -> bool {
        self.sees(&[word]) && self.peek_at(2).is_some_and(|token| token.text == "from")
    }

    fn amount(&mut self, kind: AmountKind) -> Option<MeasureItem> {
        let property = self.name("the property to take, such as `revenue`")?;
        let currency = if self.take(&["as"]) { Some(self.name("a currency such as `EUR`")?) } else { None };
        self.word("from")?;
        Some(MeasureItem::Amount { kind, property, currency })
    }

    fn measured_values(&mut self, kind: ValueKind) -> Option<MeasureItem> {
        let property = self.name("the property to take, such as `category`")?;
        self.word("from")?;
        Some(MeasureItem::Values { kind, property })
    }

    /// `"Order Completed" where … in last 30 days`.
    pub(super) fn occurrences(&mut self) -> Option<Occurrences> {
        let selector = self.selector()?;
        let (mut filter, mut window) = (None, None);
        loop {
            if self.sees(&["where"]) {
                filter = Some(Box::new(self.where_clause()?));
            } else if self.sees_window() {
                window = Some(self.past_window()?);
            } else {
                return Some(Occurrences { selector, filter, window });
            }
        }
    }

    /// `score NAME { add 5 when … }`.
    pub(super) fn score(&mut self) -> Option<ScoreItem> {
        let name = self.name("the score's name")?;
        self.symbol("{")?;
        let mut terms = Vec::new();
        while !self.take(&["}"]) {
            if self.peek().is_none() {
                self.expected::<()>("`}`");
                break;
            }
            match self.term() {
                Some(term) => terms.push(term),
                None => self.skip_entry(|cursor| cursor.sees_any(&["add", "subtract"])),
            }
        }
        Some(ScoreItem { name, terms })
    }

    fn term(&mut self) -> Option<TermItem> {
        let sign = if self.take(&["add"]) {
            1.0
        } else if self.take(&["subtract"]) {
            -1.0
        } else {
            return self.unknown_word("`add` or `subtract`", &["add", "subtract"]);
        };
        let points = sign * self.number()?.0;
        if self.take(&["when"]) {
            let condition = self.chain();
            return Some(TermItem::When { points, condition });
        }
        if !self.take(&["for", "each"]) {
            return self.expected("`when` and a condition, or `for each` and an event");
        }
        let of = self.occurrences()?;
        let comma = self.take(&[","]);
        let cap = if self.take(&["capped", "at"]) {
            Some(self.number()?.0)
        } else if comma {
            return self.expected("`capped at` and a number");
        } else {
            None
        };
        Some(TermItem::ForEach { points, of, cap })
    }
}
