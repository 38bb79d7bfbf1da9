//! `did …`: what happened, how often, when, and in which order.

use crate::finding::{Code, Span};
use crate::lang::syntax::*;

use super::cursor::Cursor;

impl Cursor<'_> {
    pub(super) fn did(&mut self) -> Option<DidExpr> {
        self.word("did")?;
        let negated = self.take(&["not"]);
        let selector = self.selector()?;
        let mut did = DidExpr {
            negated,
            selector,
            filter: None,
            times: None,
            period: None,
            alias: None,
            steps: Vec::new(),
            all_within: None,
            key: None,
        };
        while self.did_clause(&mut did)? {}
        Some(did)
    }

    /// Takes one clause of a `did`; false where there is none.
    fn did_clause(&mut self, did: &mut DidExpr) -> Option<bool> {
        let start = self.start();
        if self.sees(&["where"]) {
            let filter = self.where_clause()?;
            self.once(did.filter.replace(filter).is_none(), "where", start)?;
        } else if let Some(times) = self.frequency() {
            let times = times?;
            let span = self.span_from(start);
            self.once(did.times.replace((times, span)).is_none(), "the number of times", start)?;
        } else if let Some(period) = self.period() {
            let period = period?;
            let span = self.span_from(start);
            self.one_period(did.period.replace((period, span)).is_none(), start)?;
        } else if self.take(&["as"]) {
            did.alias = Some(self.name("a name for this event")?);
        } else if self.take(&["by"]) {
            did.key = Some(self.name("the property that must be the same, such as `order_id`")?);
        } else if self.take(&["all", "within"]) {
            did.all_within = Some(self.exact_span()?);
        } else if self.sees(&["then"]) {
            let step = self.step()?;
            did.steps.push(step);
        } else {
            return Some(false);
        }
        Some(true)
    }

    fn once(&mut self, is_first: bool, what: &str, start: usize) -> Option<()> {
        if is_first {
            return Some(());
        }
        let span = self.span_from(start);
        let finding = self.finding(Code::Syntax, span, format!("{what} stands twice in one condition"));
        self.report(finding.help("write two conditions joined by `and`"));
        Some(())
    }

    fn one_period(&mut self, is_first: bool, start: usize) -> Option<()> {
        if is_first {
            return Some(());
        }
        let span = self.span_from(start);
        let finding = self.finding(Code::BadDuration, span, "one condition looks at one stretch of time");
        self.report(finding.help("write two conditions joined by `and`"));
        Some(())
    }

    /// `at least 3 times`, `exactly once`, `on at least 3 days`, `for the first time`; `None` where there is none.
    fn frequency(&mut self) -> Option<Option<Frequency>> {
        if self.take(&["for", "the", "first", "time"]) {
            return Some(Some(Frequency::FirstTime));
        }
        if self.take(&["on", "at", "least"]) {
            return Some(self.days());
        }
        let of: fn(u32) -> Frequency = if self.take(&["at", "least"]) {
            Frequency::AtLeast
        } else if self.take(&["at", "most"]) {
            Frequency::AtMost
        } else if self.take(&["exactly"]) {
            Frequency::Exactly
        } else if self.sees_any(&["once", "twice"]) {
            Frequency::AtLeast
        } else {
            return None;
        };
        Some(self.times().map(of))
    }

    fn times(&mut self) -> Option<u32> {
        if self.take(&["once"]) {
            return Some(1);
        }
        if self.take(&["twice"]) {
            return Some(2);
        }
        let (number, _) = self.whole("a number of times such as `3 times`")?;
        if !self.take(&["times"]) && !self.take(&["time"]) {
            return self.unknown_word("`times`", &["times"]);
        }
        Some(number)
    }

    fn days(&mut self) -> Option<Frequency> {
        let (number, _) = self.whole("a number of days such as `3 days`")?;
        if !self.take(&["days"]) && !self.take(&["day"]) {
            return self.unknown_word("`days`", &["days"]);
        }
        Some(Frequency::OnDays(number))
    }

    /// The stretch of time that a `did` looks at; `None` where none is given.
    fn period(&mut self) -> Option<Option<PeriodItem>> {
        if self.sees_window() {
            return Some(self.past_window().map(PeriodItem::Last));
        }
        if self.take(&["since", "entry"]) {
            return Some(Some(PeriodItem::SinceEntry));
        }
        if self.take(&["since", "last"]) {
            return Some(self.selector().map(PeriodItem::SinceLast));
        }
        if self.take(&["since"]) || self.take(&["after"]) {
            return Some(self.date().map(|from| PeriodItem::Dates { from: Some(from), until: None }));
        }
        if self.take(&["before"]) {
            return Some(self.date().map(|until| PeriodItem::Dates { from: None, until: Some(until) }));
        }
        if self.take(&["between"]) {
            return Some(self.between());
        }
        None
    }

    fn between(&mut self) -> Option<PeriodItem> {
        let from = self.date()?;
        self.word("and")?;
        let until = self.date()?;
        Some(PeriodItem::Dates { from: Some(from), until: Some(until) })
    }

    fn date(&mut self) -> Option<Literal> {
        if !self.sees_text() {
            return self.expected("`last` and an event, `entry`, or a date such as `\"2026-03-31\"`");
        }
        self.literal()
    }

    fn step(&mut self) -> Option<StepItem> {
        let start = self.start();
        self.word("then")?;
        let did = self.take(&["did"]);
        let negated = self.take(&["not"]);
        if negated && !did {
            return self.not_without_did(start);
        }
        let selector = self.selector()?;
        let (mut filter, mut within, mut alias) = (None, None, None);
        loop {
            if self.sees(&["where"]) {
                filter = Some(self.where_clause()?);
            } else if self.take(&["within"]) {
                within = Some(self.exact_span()?);
            } else if self.take(&["as"]) {
                alias = Some(self.name("a name for this event")?);
            } else {
                return Some(StepItem { negated, selector, filter, within, alias, span: self.span_from(start) });
            }
        }
    }

    fn not_without_did<T>(&mut self, start: usize) -> Option<T> {
        let span: Span = self.span_from(start);
        let finding = self.finding(Code::Syntax, span, "`not` stands alone in a sequence");
        let place = finding.place;
        self.report(finding.help("write `then did not \"…\" within …`").fix(place, "then did not"));
        None
    }
}
