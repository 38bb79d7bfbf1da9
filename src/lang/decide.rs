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

/// What a declared trait holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    Missing,
    Bool(bool),
    Number(f64),
    Text(u32),
    /// A list or an object.
    Other,
}

/// The declared traits of a profile, by [`TraitIndex`].
#[derive(Debug, Clone, PartialEq)]
pub struct Slots(Vec<Slot>);

impl Slots {
    #[must_use]
    pub fn of(traits: &ValueMap, rules: &Rules) -> Self {
        let slot = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Slot::Missing,
            Some(Value::Bool(value)) => Slot::Bool(*value),
            Some(Value::Number(number)) => Slot::Number(*number),
            Some(Value::Text(text)) => Slot::Text(rules.texts.find(text)),
            Some(Value::List(_) | Value::Map(_)) => Slot::Other,
        };
        Self(rules.traits.iter().map(|declared| slot(Value::lookup(traits, &declared.name))).collect())
    }

    fn get(&self, index: u32) -> Slot {
        self.0.get(index as usize).copied().unwrap_or(Slot::Missing)
    }
}

/// A condition, ready to be asked.
#[derive(Debug, Clone)]
pub struct Decider {
    operations: Vec<Operation>,
    entry: u32,
    /// Numbers of the texts of all `in (…)`.
    texts: Vec<u32>,
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

#[derive(Debug, Clone, Copy)]
enum Test {
    Number {
        slot: u32,
        operator: Operator,
        value: f64,
    },
    Text {
        slot: u32,
        text: u32,
        negated: bool,
    },
    Texts {
        slot: u32,
        from: u32,
        to: u32,
        negated: bool,
    },
    Bool {
        slot: u32,
        value: bool,
        negated: bool,
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
        Self { operations: Vec::new(), entry: NO, texts: Vec::new(), asked: Vec::new() }
    }
}

impl Decider {
    /// Whether the condition holds of these traits, and of what the view knows beside them.
    #[must_use]
    pub fn holds(&self, slots: &Slots, view: &dyn View) -> bool {
        let mut at = self.entry;
        while let Some(operation) = self.operations.get(at as usize) {
            at = if self.passes(operation.test, slots, view) { operation.then } else { operation.otherwise };
        }
        at == YES
    }

    fn passes(&self, test: Test, slots: &Slots, view: &dyn View) -> bool {
        match test {
            Test::Number { slot, operator, value } => match slots.get(slot) {
                Slot::Number(found) => match operator {
                    Operator::Is => found == value,
                    Operator::IsNot => found != value,
                    Operator::Less => found < value,
                    Operator::LessOrEqual => found <= value,
                    Operator::Greater => found > value,
                    _ => found >= value,
                },
                Slot::Missing => false,
                _ => operator == Operator::IsNot,
            },
            Test::Text { slot, text, negated } => match slots.get(slot) {
                Slot::Text(found) => (found == text) != negated,
                Slot::Missing => false,
                _ => negated,
            },
            Test::Texts { slot, from, to, negated } => match slots.get(slot) {
                Slot::Text(found) => self.texts[from as usize..to as usize].contains(&found) != negated,
                Slot::Missing => false,
                _ => negated,
            },
            Test::Bool { slot, value, negated } => match slots.get(slot) {
                Slot::Bool(found) => (found == value) != negated,
                Slot::Missing => false,
                _ => negated,
            },
            Test::IsSet { slot } => slots.get(slot) != Slot::Missing,
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
            Condition::IsMissing(Operand::Trait(index)) => self.push(Test::IsSet { slot: index.0 }, otherwise, then),
            other => {
                let test = self.test(other, texts);
                self.push(test, then, otherwise)
            }
        }
    }

    fn push(&mut self, test: Test, then: u32, otherwise: u32) -> u32 {
        self.operations.push(Operation { test, then, otherwise });
        (self.operations.len() - 1) as u32
    }

    fn test(&mut self, condition: &Condition, texts: &mut Texts) -> Test {
        let plain = match condition {
            Condition::Compare { operand: Operand::Trait(index), operator, value } => {
                compared(*index, *operator, value, texts)
            }
            Condition::OneOf { operand: Operand::Trait(index), values, negated } => {
                self.one_of(*index, values, *negated, texts)
            }
            Condition::IsSet(Operand::Trait(index)) => Some(Test::IsSet { slot: index.0 }),
            _ => None,
        };
        plain.unwrap_or_else(|| {
            self.asked.push(condition.clone());
            Test::Ask((self.asked.len() - 1) as u32)
        })
    }

    fn one_of(&mut self, index: TraitIndex, values: &[Value], negated: bool, texts: &mut Texts) -> Option<Test> {
        let named: Option<Vec<&str>> = values.iter().map(Value::as_text).collect();
        let from = self.texts.len() as u32;
        self.texts.extend(named?.into_iter().map(|text| texts.number(text)));
        Some(Test::Texts { slot: index.0, from, to: self.texts.len() as u32, negated })
    }
}

fn compared(index: TraitIndex, operator: Operator, value: &Value, texts: &mut Texts) -> Option<Test> {
    let slot = index.0;
    let is_equality = matches!(operator, Operator::Is | Operator::IsNot);
    let negated = operator == Operator::IsNot;
    let is_order =
        matches!(operator, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual);
    match value {
        Value::Number(value) if is_equality || is_order => Some(Test::Number { slot, operator, value: *value }),
        Value::Text(text) if is_equality => Some(Test::Text { slot, text: texts.number(text), negated }),
        Value::Bool(value) if is_equality => Some(Test::Bool { slot, value: *value, negated }),
        _ => None,
    }
}
