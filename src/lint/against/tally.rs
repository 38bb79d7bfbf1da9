//! Counts the values that one property or trait has in data, as far as the rules' comparisons with it need. What it
//! keeps is bounded, however many events go by.

use std::collections::{BTreeMap, BTreeSet};

use crate::lang::eval::compare;
use crate::lang::rules::Operator;
use crate::model::Value;

use super::super::words::literal;

/// Different values that are counted, to show what is there instead: the first that come.
const SEEN: usize = 100;
/// Longest of them, in bytes.
const SEEN_BYTES: usize = 60;
/// Ways of writing one value that are told apart.
const SPELLINGS: usize = 16;

/// The values of one property or trait.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Events or profiles that were looked at.
    pub(super) looked_at: u64,
    /// Those of them that have a value.
    pub(super) present: u64,
    /// Of each value that a rule asks for, without regard to case and outer blanks: how often it is written which way.
    asked: BTreeMap<String, BTreeMap<String, u64>>,
    /// As rules would write them.
    seen: BTreeMap<String, u64>,
    /// Other comparisons that no value has met yet.
    unmet: Vec<(Operator, Value)>,
    /// The smallest and the largest.
    pub(super) numbers: Option<(f64, f64)>,
}

impl Tally {
    /// From now on looks for what meets this comparison; for `is not`, for the value that it leaves out.
    pub(super) fn look_for(&mut self, operator: Operator, value: &Value) {
        match operator {
            Operator::Is | Operator::IsNot => {
                self.asked.entry(folded(value)).or_default().insert(literal(value), 0);
            }
            Operator::IsAnyCase => drop(self.asked.entry(folded(value)).or_default()),
            _ if self.unmet.iter().any(|known| *known == (operator, value.clone())) => {}
            _ => self.unmet.push((operator, value.clone())),
        }
    }

    /// Takes in one event or profile with what it holds: the items, where a list is meant. What it holds twice counts
    /// once.
    pub(super) fn note(&mut self, found: &[&Value]) {
        self.looked_at += 1;
        let mut written = BTreeSet::new();
        for value in found.iter().filter(|value| !value.is_null()) {
            let literal = literal(value);
            if written.insert(literal.clone()) {
                self.note_value(value, &literal);
            }
        }
        self.present += u64::from(!written.is_empty());
    }

    fn note_value(&mut self, found: &Value, written: &str) {
        self.unmet.retain(|(operator, wanted)| !compare(found, *operator, wanted));
        if let Value::Number(number) = found {
            let (least, greatest) = self.numbers.unwrap_or((*number, *number));
            self.numbers = Some((least.min(*number), greatest.max(*number)));
        }
        if let Some(spellings) = self.asked.get_mut(&folded(found)) {
            count(spellings, written, SPELLINGS);
        }
        if written.len() <= SEEN_BYTES {
            count(&mut self.seen, written, SEEN);
        }
    }

    /// Whether anything met the comparison; for `is not`, whether the value that it leaves out was there.
    pub(super) fn is_met(&self, operator: Operator, value: &Value) -> bool {
        let wanted = literal(value);
        let spellings = || self.asked.get(&folded(value)).into_iter().flatten().filter(|(_, times)| **times > 0);
        match operator {
            Operator::Is | Operator::IsNot => spellings().any(|(written, _)| *written == wanted),
            Operator::IsAnyCase => spellings().any(|(written, _)| written.to_lowercase() == wanted.to_lowercase()),
            _ => !self.unmet.iter().any(|(unmet, wanted)| *unmet == operator && wanted == value),
        }
    }

    /// Other ways in which the value is written in data, the most frequent first.
    pub(super) fn other_spellings(&self, value: &Value) -> Vec<(&str, u64)> {
        most_frequent(self.asked.get(&folded(value)).into_iter().flatten())
    }

    /// What is there, as rules would write it, the most frequent first.
    pub(super) fn seen(&self) -> Vec<(&str, u64)> {
        most_frequent(&self.seen)
    }
}

fn folded(value: &Value) -> String {
    value.to_string().trim().to_lowercase()
}

fn count(counts: &mut BTreeMap<String, u64>, written: &str, most: usize) {
    if let Some(times) = counts.get_mut(written) {
        *times += 1;
    } else if counts.len() < most {
        counts.insert(written.to_owned(), 1);
    }
}

fn most_frequent<'a>(counts: impl IntoIterator<Item = (&'a String, &'a u64)>) -> Vec<(&'a str, u64)> {
    let counts = counts.into_iter().filter(|(_, times)| **times > 0);
    let mut counts: Vec<(&str, u64)> = counts.map(|(written, times)| (written.as_str(), *times)).collect();
    counts.sort_by_key(|(written, times)| (std::cmp::Reverse(*times), *written));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(wanted: &[(Operator, Value)], found: &[Value]) -> Tally {
        let mut tally = Tally::default();
        wanted.iter().for_each(|(operator, value)| tally.look_for(*operator, value));
        found.iter().for_each(|value| tally.note(&[value]));
        tally
    }

    #[test]
    fn a_value_in_other_letters_is_not_met_and_is_told() {
        let usd = Value::from("usd");
        let found = [Value::from("USD"), Value::from("USD"), Value::from(" usd"), Value::from("EUR"), Value::Null];
        let tally = tally(&[(Operator::Is, usd.clone()), (Operator::IsAnyCase, usd.clone())], &found);
        assert_eq!((tally.looked_at, tally.present), (5, 4));
        assert!(!tally.is_met(Operator::Is, &usd) && tally.is_met(Operator::IsAnyCase, &usd));
        assert_eq!(tally.other_spellings(&usd), [("\"USD\"", 2), ("\" usd\"", 1)]);
        assert_eq!(tally.seen(), [("\"USD\"", 2), ("\" usd\"", 1), ("\"EUR\"", 1)]);
    }

    #[test]
    fn a_number_is_not_the_text_of_it() {
        let wanted = [(Operator::Is, Value::Number(5.0))];
        let texts = tally(&wanted, &[Value::from("5")]);
        assert!(!texts.is_met(Operator::Is, &wanted[0].1));
        assert_eq!(texts.other_spellings(&wanted[0].1), [("\"5\"", 1)]);
        assert!(tally(&wanted, &[Value::Number(5.0)]).is_met(Operator::Is, &wanted[0].1));
    }

    #[test]
    fn sizes_and_parts_are_looked_for_as_the_rules_mean_them() {
        let (fifty, shoe) = (Value::Number(50.0), Value::from("shoe"));
        let wanted = [(Operator::Greater, fifty.clone()), (Operator::Contains, shoe.clone())];
        let none = tally(&wanted, &[Value::Number(50.0), Value::Number(-2.0), Value::from("Shoes")]);
        assert!(!none.is_met(Operator::Greater, &fifty) && !none.is_met(Operator::Contains, &shoe));
        assert_eq!(none.numbers, Some((-2.0, 50.0)));
        let list = Value::List(vec![shoe.clone()]);
        let some = tally(&wanted, &[Value::Number(50.5), list]);
        assert!(some.is_met(Operator::Greater, &fifty) && some.is_met(Operator::Contains, &shoe));
    }

    #[test]
    fn what_one_event_holds_twice_counts_once() {
        let (shoe, hat) = (Value::from("shoe"), Value::from("hat"));
        let mut tally = tally(&[(Operator::Is, Value::from("Shoe"))], &[]);
        tally.note(&[&shoe, &hat, &shoe]);
        tally.note(&[]);
        assert_eq!((tally.looked_at, tally.present), (2, 1));
        assert_eq!(tally.other_spellings(&Value::from("Shoe")), [("\"shoe\"", 1)]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_is_counted_all_the_same() {
        let last = Value::from("value 99999");
        let found: Vec<Value> = (0..100_000).map(|number| Value::from(format!("value {number}"))).collect();
        let tally = tally(&[(Operator::Is, last.clone())], &found);
        assert!(tally.is_met(Operator::Is, &last));
        assert_eq!(tally.seen().len(), SEEN);
    }
}
