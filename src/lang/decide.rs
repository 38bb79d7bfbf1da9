//! Conditions as flat code over slots: what segments are decided by.
//!
//! A declared trait is a slot of sixteen bytes; a text that some rule names is a number there, so that comparing it
//! touches no text. Comparisons become operations that say where to go on when they hold and when they do not:
//! nothing is called, nothing allocated, and what is decided is not looked at again. Questions that are about more than
//! a trait's value are asked of the [`View`].

use std::collections::BTreeMap;

use crate::model::Value;
use crate::model::value::ValueMap;

use super::eval::{View, holds};
use super::rules::{Condition, Operand, Operator, Rules, TraitIndex};

/// Texts that rules compare traits with, numbered.
#[derive(Debug, Clone, Default)]
pub struct Texts(BTreeMap<String, u32>);

/// A text that no rule names: it is like none that one does.
const UNNAMED: u32 = u32::MAX;

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.0.get(text) {
            return *number;
        }
        let number = self.0.len() as u32;
        self.0.insert(text.to_owned(), number);
        number
    }

    fn find(&self, text: &str) -> u32 {
        self.0.get(text).copied().unwrap_or(UNNAMED)
    }
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Missing,
    Bool,
    Number,
    Text,
    /// A list or an object.
    Other,
}

/// What a declared trait holds, as a number: a text's own, 0 or 1 of a bool.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot {
    kind: Kind,
    number: f64,
}

/// The declared traits of a profile, by [`TraitIndex`].
#[derive(Debug, Clone, PartialEq)]
pub struct Slots(Vec<Slot>);

impl Slots {
    #[must_use]
    pub fn of(traits: &ValueMap, rules: &Rules) -> Self {
        let slot = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Slot { kind: Kind::Missing, number: 0.0 },
            Some(Value::Bool(value)) => Slot { kind: Kind::Bool, number: f64::from(u8::from(*value)) },
            Some(Value::Number(number)) => Slot { kind: Kind::Number, number: *number },
            Some(Value::Text(text)) => Slot { kind: Kind::Text, number: f64::from(rules.texts.find(text)) },
            Some(Value::List(_) | Value::Map(_)) => Slot { kind: Kind::Other, number: 0.0 },
        };
        Self(rules.traits.iter().map(|declared| slot(Value::lookup(traits, &declared.name))).collect())
    }

    #[inline]
    fn get(&self, index: u32) -> Slot {
        self.0.get(index as usize).copied().unwrap_or(Slot { kind: Kind::Missing, number: 0.0 })
    }
}

/// A condition, ready to be asked.
#[derive(Debug, Clone)]
pub struct Decider {
    operations: Vec<Operation>,
    entry: u32,
    /// Numbers of the texts of all long `in (…)`, each in order.
    listed: Vec<u32>,
    asked: Vec<Condition>,
}

#[derive(Debug, Clone, Copy)]
struct Operation {
    test: Test,
    /// Where to go on: an operation, or the answer.
    then: u32,
    otherwise: u32,
}

const YES: u32 = u32::MAX;
const NO: u32 = u32::MAX - 1;
/// Texts of an `in (…)` that are compared one by one; more are looked up.
const ONE_BY_ONE: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Test {
    /// From `low` to `high`, both included. Another kind of value passes where it is `negated`, a missing one never.
    Range {
        slot: u32,
        kind: Kind,
        negated: bool,
        low: f64,
        high: f64,
    },
    /// One of [`Decider::listed`].
    Listed {
        slot: u32,
        negated: bool,
        from: u32,
        to: u32,
    },
    IsSet {
        slot: u32,
    },
    /// Index into [`Decider::asked`].
    Ask(u32),
}

impl Default for Decider {
    /// Nobody is in.
    fn default() -> Self {
        Self { operations: Vec::new(), entry: NO, listed: Vec::new(), asked: Vec::new() }
    }
}

impl Decider {
    /// Whether the condition holds of these traits, and of what the view knows beside them.
    #[must_use]
    pub fn holds(&self, slots: &Slots, view: &dyn View) -> bool {
        let mut at = self.entry;
        while let Some(operation) = self.operations.get(at as usize) {
            at = if self.passes(&operation.test, slots, view) { operation.then } else { operation.otherwise };
        }
        at == YES
    }

    #[inline]
    fn passes(&self, test: &Test, slots: &Slots, view: &dyn View) -> bool {
        match *test {
            Test::Range { slot, kind, negated, low, high } => {
                let found = slots.get(slot);
                // Without a choice between the two: which of them it is cannot be foreseen, and costs more than both.
                let is_kind = found.kind == kind;
                let is_in = is_kind & (low <= found.number) & (found.number <= high);
                (is_in != negated) & (found.kind != Kind::Missing)
            }
            Test::Listed { slot, negated, from, to } => {
                let found = slots.get(slot);
                let listed = &self.listed[from as usize..to as usize];
                match found.kind {
                    Kind::Text => listed.binary_search(&(found.number as u32)).is_ok() != negated,
                    Kind::Missing => false,
                    _ => negated,
                }
            }
            Test::IsSet { slot } => slots.get(slot).kind != Kind::Missing,
            Test::Ask(index) => holds(&self.asked[index as usize], view),
        }
    }

    /// Compiles a condition; the texts that it compares traits with are numbered in `texts`.
    #[must_use]
    pub(super) fn compile(condition: &Condition, texts: &mut Texts) -> Self {
        let mut decider = Self::default();
        decider.entry = decider.emit(condition, YES, NO, texts);
        // Written from the end; read from the beginning.
        let last = decider.operations.len() as u32;
        let turned = |at: u32| if at >= NO { at } else { last - 1 - at };
        decider.operations.reverse();
        for operation in &mut decider.operations {
            (operation.then, operation.otherwise) = (turned(operation.then), turned(operation.otherwise));
        }
        decider.entry = turned(decider.entry);
        decider
    }

    /// Writes what decides the condition, after what comes later; returns where it begins.
    fn emit(&mut self, condition: &Condition, then: u32, otherwise: u32, texts: &mut Texts) -> u32 {
        match condition {
            Condition::All(parts) => {
                parts.iter().rev().fold(then, |next, part| self.emit(part, next, otherwise, texts))
            }
            Condition::Any(parts) => {
                parts.iter().rev().fold(otherwise, |next, part| self.emit(part, then, next, texts))
            }
            Condition::Not(inner) => self.emit(inner, otherwise, then, texts),
            Condition::IsSet(Operand::Trait(index)) => self.push(Test::IsSet { slot: index.0 }, then, otherwise),
            Condition::IsMissing(Operand::Trait(index)) => self.push(Test::IsSet { slot: index.0 }, otherwise, then),
            Condition::Compare { operand: Operand::Trait(index), operator, value } => {
                match compared(*index, *operator, value, texts) {
                    Some(test) => self.push(test, then, otherwise),
                    None => self.ask(condition, then, otherwise),
                }
            }
            Condition::OneOf { operand: Operand::Trait(index), values, negated } => self
                .one_of(*index, values, *negated, (then, otherwise), texts)
                .unwrap_or_else(|| self.ask(condition, then, otherwise)),
            other => self.ask(other, then, otherwise),
        }
    }

    fn push(&mut self, test: Test, then: u32, otherwise: u32) -> u32 {
        self.operations.push(Operation { test, then, otherwise });
        (self.operations.len() - 1) as u32
    }

    fn ask(&mut self, condition: &Condition, then: u32, otherwise: u32) -> u32 {
        self.asked.push(condition.clone());
        self.push(Test::Ask((self.asked.len() - 1) as u32), then, otherwise)
    }

    fn one_of(
        &mut self,
        index: TraitIndex,
        values: &[Value],
        negated: bool,
        (then, otherwise): (u32, u32),
        texts: &mut Texts,
    ) -> Option<u32> {
        let named: Option<Vec<&str>> = values.iter().map(Value::as_text).collect();
        let mut numbers: Vec<u32> = named?.into_iter().map(|text| texts.number(text)).collect();
        numbers.sort_unstable();
        if numbers.len() > ONE_BY_ONE || numbers.is_empty() {
            let from = self.listed.len() as u32;
            self.listed.extend(numbers);
            let test = Test::Listed { slot: index.0, negated, from, to: self.listed.len() as u32 };
            return Some(self.push(test, then, otherwise));
        }
        // In one of them: the first that fits decides. In none: each has to be another.
        let next = if negated { then } else { otherwise };
        Some(numbers.into_iter().rev().fold(next, |next, number| {
            let test = exactly(index, Kind::Text, f64::from(number), negated);
            if negated { self.push(test, next, otherwise) } else { self.push(test, then, next) }
        }))
    }
}

fn exactly(index: TraitIndex, kind: Kind, number: f64, negated: bool) -> Test {
    Test::Range { slot: index.0, kind, negated, low: number, high: number }
}

fn compared(index: TraitIndex, operator: Operator, value: &Value, texts: &mut Texts) -> Option<Test> {
    let is_equality = matches!(operator, Operator::Is | Operator::IsNot);
    let negated = operator == Operator::IsNot;
    let range = |low, high| Some(Test::Range { slot: index.0, kind: Kind::Number, negated: false, low, high });
    match (value, operator) {
        (Value::Number(value), _) if is_equality => Some(exactly(index, Kind::Number, *value, negated)),
        (Value::Text(text), _) if is_equality => {
            Some(exactly(index, Kind::Text, f64::from(texts.number(text)), negated))
        }
        (Value::Bool(value), _) if is_equality => {
            Some(exactly(index, Kind::Bool, f64::from(u8::from(*value)), negated))
        }
        (Value::Number(value), Operator::Less) => range(f64::NEG_INFINITY, value.next_down()),
        (Value::Number(value), Operator::LessOrEqual) => range(f64::NEG_INFINITY, *value),
        (Value::Number(value), Operator::Greater) => range(value.next_up(), f64::INFINITY),
        (Value::Number(value), Operator::GreaterOrEqual) => range(*value, f64::INFINITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lang::rules::{AggregateIndex, TraitDeclaration, ValueType};
    use crate::lang::window::Calendar;
    use crate::model::Timestamp;

    struct Customer<'r> {
        rules: &'r Rules,
        traits: ValueMap,
    }

    impl View for Customer<'_> {
        fn rules(&self) -> &Rules {
            self.rules
        }

        fn now(&self) -> Timestamp {
            Timestamp(0)
        }

        fn answers(&self, condition: &Condition) -> bool {
            holds(condition, self)
        }

        fn calendar(&self) -> Calendar {
            Calendar::default()
        }

        fn trait_value(&self, index: TraitIndex) -> Option<&Value> {
            self.traits.get(&self.rules.traits[index.at()].name)
        }

        fn aggregate(&self, _: AggregateIndex) -> Option<Value> {
            None
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            prop::sample::select(&[-1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 1e300, f64::MAX][..]).prop_map(Value::Number),
            prop::sample::select(&["", "a", "b", "c", "d", "e", "f", "1"][..]).prop_map(Value::from),
            any::<bool>().prop_map(Value::Bool),
        ]
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let operand = || (0..3_u32).prop_map(|index| Operand::Trait(TraitIndex(index)));
        let operator = prop::sample::select(
            &[
                Operator::Is,
                Operator::IsNot,
                Operator::Less,
                Operator::LessOrEqual,
                Operator::Greater,
                Operator::GreaterOrEqual,
                Operator::Contains,
            ][..],
        );
        let leaf = prop_oneof![
            (operand(), operator, value()).prop_map(|(operand, operator, value)| Condition::Compare {
                operand,
                operator,
                value
            }),
            (operand(), prop::collection::vec(value(), 0..7), any::<bool>())
                .prop_map(|(operand, values, negated)| Condition::OneOf { operand, values, negated }),
            operand().prop_map(Condition::IsSet),
            operand().prop_map(Condition::IsMissing),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::All),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Condition::Any),
                inner.prop_map(|inner| Condition::Not(Box::new(inner))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_flat_code_says_what_the_tree_says(
            condition in condition(),
            held in prop::collection::vec(prop::option::of(prop_oneof![5 => value(), 1 => Just(Value::Null), 1 => Just(Value::List(Vec::new()))]), 3),
        ) {
            let declared = |name: &str| TraitDeclaration {
                name: name.to_owned(),
                kind: ValueType::Text,
                one_of: None,
                clean: Vec::new(),
                pii: None,
                place: crate::finding::Place { source: crate::finding::SourceId(0), span: crate::finding::Span::default() },
            };
            let names = ["p", "q", "r"];
            let mut rules = Rules { traits: names.iter().map(|name| declared(name)).collect(), ..Rules::default() };
            let decider = Decider::compile(&condition, &mut rules.texts);
            let held = names.iter().zip(held).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
            let customer = Customer { rules: &rules, traits: held.collect() };
            let slots = Slots::of(&customer.traits, &rules);
            prop_assert_eq!(decider.holds(&slots, &customer), holds(&condition, &customer));
        }
    }
}
