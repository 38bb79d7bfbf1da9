//! What is said of conditions is held against their answers for many customers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Form, Logic};
use crate::lang::compile::{Compiler, RuleFile, Settings};
use crate::lang::eval::{View, holds};
use crate::lang::rules::{
    AggregateIndex, Condition, HoldIndex, Rules, SegmentIndex, Selector, TrailIndex, TrailKind, TraitIndex,
};
use crate::lang::window::Calendar;
use crate::model::{Moment, Timestamp, Value, id::Offset};

const NOW: i64 = 1_000_000_000_000;
const DAY: i64 = 86_400_000;

/// A customer: what their traits are, how often the count counted, and when each trail's events happened.
#[derive(Debug, Clone)]
struct Customer<'r> {
    rules: &'r Rules,
    traits: Vec<Option<Value>>,
    count: f64,
    held_since: Timestamp,
    trails: Vec<Vec<Moment>>,
}

impl View for Customer<'_> {
    fn rules(&self) -> &Rules {
        self.rules
    }

    fn now(&self) -> Timestamp {
        Timestamp(NOW)
    }

    fn answers(&self, condition: &Condition) -> bool {
        holds(condition, self)
    }

    fn calendar(&self) -> Calendar {
        Calendar::default()
    }

    fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
        self.traits[index.at()].as_ref()
    }

    fn aggregate(&self, _: AggregateIndex) -> Option<Value> {
        Some(Value::Number(self.count))
    }

    fn trail(&self, index: TrailIndex) -> &[Moment] {
        self.trails.get(index.at()).map_or(&[], Vec::as_slice)
    }

    fn held_since(&self, index: HoldIndex) -> Option<Timestamp> {
        holds(&self.rules.holds[index.at()].state, self).then_some(self.held_since)
    }

    fn in_segment(&self, index: SegmentIndex) -> bool {
        holds(&self.rules.segments[index.at()].condition, self)
    }
}

const GROUND: &str = r#"event "A" {}
event "B" {}
trait score: number
trait plan: text one of ("x", "y", "z")
trait name: text
trait member: bool
compute times = count of "A"
"#;

fn question() -> impl Strategy<Value = String> {
    let sign = prop_oneof![Just("<"), Just("<="), Just(">"), Just(">="), Just("is"), Just("is not")];
    prop_oneof![
        1 => (sign.clone(), 0..4).prop_map(|(sign, n)| format!("score {sign} {n}")),
        1 => (sign, 0..3).prop_map(|(sign, n)| format!("times {sign} {n}")),
        1 => ("[xyz]", any::<bool>()).prop_map(|(v, is)| format!("plan {} \"{v}\"", if is { "is" } else { "is not" })),
        1 => ("[xyz]", "[xyz]", any::<bool>())
            .prop_map(|(a, b, not)| format!("plan {}in (\"{a}\", \"{b}\")", if not { "not " } else { "" })),
        1 => ("[ab]{1,2}", prop_oneof![Just("contains"), Just("starts with"), Just("is"), Just("is not")])
            .prop_map(|(text, word)| format!("name {word} \"{text}\"")),
        1 => prop_oneof![Just("score"), Just("plan"), Just("name"), Just("member")].prop_map(|n| format!("{n} is set")),
        1 => prop_oneof![Just("score"), Just("plan"), Just("name"), Just("member")].prop_map(|n| format!("{n} is missing")),
        1 => any::<bool>().prop_map(|is| format!("member is {is}")),
        1 => "[xyz]".prop_map(|v| format!("plan has been \"{v}\" for at least 2 days")),
        4 => did(),
    ]
}

fn did() -> impl Strategy<Value = String> {
    let within = proptest::sample::select(vec![
        "",
        " in last 2 days",
        " in last 5 days",
        " in last 1 month",
        " today",
        " this week",
        " this month",
        " this year",
        " since last \"B\"",
    ]);
    let what = proptest::sample::select(vec!["\"A\"", "\"B\"", "any activity"]);
    let often = proptest::sample::select(vec!["", " at least 2 times", " at most 1 time", " on at least 2 days"]);
    let often = prop_oneof![4 => often, 1 => Just(" for the first time")];
    (any::<bool>(), what, often, within).prop_map(|(not, what, often, within)| {
        let not = if not && !often.contains("most") { "not " } else { "" };
        format!("did {not}{what}{often}{within}")
    })
}

fn rule(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = if names.is_empty() {
        question().boxed()
    } else {
        prop_oneof![5 => question(), 1 => proptest::sample::select(names).prop_map(|n| format!("in segment {n}"))]
            .boxed()
    };
    leaf.prop_recursive(3, 12, 4, |inner| {
        let parts = || proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts().prop_map(|parts| format!("({})", parts.join(" and "))),
            parts().prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.clone().prop_map(|part| format!("not ({part})")),
        ]
    })
}

fn compile(rules: &str) -> Rules {
    let text = format!("{GROUND}{rules}");
    let files = [RuleFile { source: crate::finding::SourceId(0), text: &text }];
    let (compiler, findings) = Compiler::new(&files, &Settings::default());
    assert!(findings.is_empty(), "{text}: {findings:?}");
    compiler.finish()
}

/// Customers at and between all values and times that the questions above name.
fn customers<'r>(rules: &'r Rules, seeds: &[u64]) -> Vec<Customer<'r>> {
    let one = |seed: u64| {
        let mut rest = seed;
        let mut pick = |n: u64| {
            let picked = rest % n;
            rest /= n;
            picked
        };
        let score = Some(pick(9)).filter(|n| *n < 8).map(|n| Value::Number(n as f64 / 2.0 - 0.5));
        let plan = ["x", "y", "z"].get(pick(4) as usize).map(|plan| Value::from(*plan));
        let name = ["a", "b", "ab", "ba", "aab", "c"].get(pick(7) as usize).map(|name| Value::from(*name));
        let member = [true, false].get(pick(3) as usize).map(|member| Value::from(*member));
        let mut by_event: BTreeMap<String, Vec<Moment>> = BTreeMap::new();
        for event in ["A", "B"] {
            let mut moments: Vec<Moment> = (0..pick(4))
                .map(|_| Moment { at: Timestamp(NOW - DAY / 24 - pick(16) as i64 * DAY / 2), offset: Offset(pick(64)) })
                .collect();
            moments.sort_by(|a, b| b.cmp(a));
            by_event.insert(event.to_owned(), moments);
        }
        let trails = rules.trails.iter().map(|trail| {
            let mut moments = match &trail.selector {
                Selector::Named(event) => by_event[event].clone(),
                Selector::AnyActivity => by_event.values().flatten().copied().collect(),
            };
            moments.sort_by(|a, b| b.cmp(a));
            match trail.kind {
                TrailKind::Each => {}
                TrailKind::Days => moments.dedup_by_key(|moment| Calendar::default().date(moment.at)),
                TrailKind::First => drop(moments.drain(..moments.len().saturating_sub(1))),
            }
            moments
        });
        let trails = trails.collect();
        let traits = vec![score, plan, name, member];
        Customer { rules, traits, count: pick(4) as f64, held_since: Timestamp(NOW - pick(4) as i64 * DAY), trails }
    };
    seeds.iter().map(|seed| one(*seed)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Where a contradiction is told nobody is, where a tautology is told everybody is, and two conditions of one form
    /// answer alike for everybody; a form that is negated answers the other way.
    #[test]
    fn what_is_said_of_conditions_is_true(
        one in rule(&[]),
        two in rule(&["one"]),
        three in rule(&["one", "two"]),
        seeds in proptest::collection::vec(any::<u64>(), 300),
    ) {
        let rules = compile(&format!("segment one = {one}\nsegment two = {two}\nsegment three = {three}\n"));
        let logic = Logic::new(&rules);
        let forms: Vec<Form> = rules.segments.iter().map(|segment| logic.form(&segment.condition)).collect();
        let never: Vec<bool> = forms.iter().map(|form| logic.conflict([form]).is_some()).collect();
        let always: Vec<bool> =
            forms.iter().map(|form| logic.conflict([&logic.negated(form.clone())]).is_some()).collect();
        for customer in customers(&rules, &seeds) {
            let answers: Vec<bool> = rules.segments.iter().map(|segment| holds(&segment.condition, &customer)).collect();
            for index in 0..3 {
                prop_assert!(!(never[index] && answers[index]), "{:?} never, but of {:?}", forms[index], customer);
                prop_assert!(!always[index] || answers[index], "{:?} always, not of {:?}", forms[index], customer);
                for other in 0..index {
                    if forms[index] == forms[other] {
                        prop_assert_eq!(answers[index], answers[other]);
                    }
                    if answers[index] && answers[other] {
                        prop_assert!(logic.conflict([&forms[index], &forms[other]]).is_none());
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// The same of two questions about events, which seldom meet above.
    #[test]
    fn what_is_said_of_two_events_is_true(
        one in did(),
        two in did(),
        seeds in proptest::collection::vec(any::<u64>(), 500),
    ) {
        let rules = compile(&format!("segment s = {one} and {two}\n"));
        let logic = Logic::new(&rules);
        let condition = &rules.segments[0].condition;
        let is_never = logic.conflict([&logic.form(condition)]).is_some();
        for customer in customers(&rules, &seeds) {
            prop_assert!(!is_never || !holds(condition, &customer), "{one} and {two}, of {customer:?}");
        }
    }
}

/// That little is missed: of conditions over one subject that nobody met, all are told.
#[test]
fn all_contradictions_over_one_value_are_found() {
    let tests = ["< 1", "<= 1", "> 1", ">= 1", "is 1", "is not 1", "> 2", "< 2", "is 2", "is missing", "is set"];
    let (mut told, mut seen) = (0, 0);
    for a in tests {
        for b in tests {
            for c in tests {
                let rules = compile(&format!("segment s = score {a} and (score {b} or score {c})\n"));
                let logic = Logic::new(&rules);
                let values = (0..8).map(|n| Some(Value::Number(f64::from(n) / 2.0))).chain([None]);
                let mut customers = values.map(|score| Customer {
                    rules: &rules,
                    traits: vec![score, None, None, None],
                    count: 0.0,
                    held_since: Timestamp(NOW),
                    trails: Vec::new(),
                });
                let condition = &rules.segments[0].condition;
                let is_empty = !customers.any(|customer| holds(condition, &customer));
                let is_told = logic.conflict([&logic.form(condition)]).is_some();
                assert_eq!(is_told, is_empty, "score {a} and (score {b} or score {c})");
                told += u32::from(is_told);
                seen += 1;
            }
        }
    }
    assert!(told > 100 && seen == 1331, "{told} of {seen}");
}
