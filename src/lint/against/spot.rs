//! Where in the files a rule names an event or a value.

use crate::finding::{Place, Sources};
use crate::lang::rules::Selector;
use crate::model::Value;

use super::super::text::{Region, Token};

/// A rule as text, as far as lint can point into it.
pub(super) struct Spot<'s> {
    region: Region<'s>,
    words: Vec<(Token<'s>, Place)>,
}

impl<'s> Spot<'s> {
    /// The declaration of a rule file whose name stands at this place.
    pub(super) fn declaration(name: Place, sources: &'s Sources) -> Self {
        let region = Region::from(name, sources);
        Self { region, words: region.words() }
    }

    /// A journey, or a step of one. Its other rules stand in the same text, so lint does not point at values in it.
    pub(super) fn journey(place: Place, sources: &'s Sources) -> Self {
        Self { region: Region::from(place, sources), words: Vec::new() }
    }

    /// The place of the rule as a whole.
    pub(super) fn whole(&self) -> Place {
        self.region.whole()
    }

    /// Where the rule names this event.
    pub(super) fn event(&self, event: &str) -> Place {
        let named = self.words.iter().find(|(token, _)| *token == Token::Quoted(event)).map(|(_, place)| *place);
        named.or_else(|| self.region.find(event)).unwrap_or_else(|| self.whole())
    }

    /// Where the rule compares `operand` with this value, in what it says of these events where it is in their `where`.
    pub(super) fn value(&self, events: Option<&Selector>, operand: &str, value: &Value) -> Option<Place> {
        let event = events.and_then(|events| match events {
            Selector::Named(name) => Some(name.as_str()),
            Selector::AnyActivity => None,
        });
        let (mut of_event, mut of_operand) = (None, None);
        let mut nearest: Option<(usize, Place)> = None;
        for (index, (token, place)) in self.words.iter().enumerate() {
            if event.is_some_and(|event| *token == Token::Quoted(event)) {
                (of_event, of_operand) = (Some(index), None);
            }
            // `a.price` is the price of an earlier step.
            let names_operand =
                |word: &str| word.strip_suffix(operand).is_some_and(|head| head.is_empty() || head.ends_with('.'));
            if matches!(token, Token::Word(word) if names_operand(word)) && (event.is_none() || of_event.is_some()) {
                of_operand = Some(index);
            }
            let from = if event.is_some() { of_event } else { of_operand };
            if let (Some(from), Some(_)) = (from, of_operand)
                && says(token, value)
                && nearest.is_none_or(|(distance, _)| index - from < distance)
            {
                nearest = Some((index - from, *place));
            }
        }
        nearest.map(|(_, place)| place)
    }
}

/// Whether a rule that compares with this value says so by this word.
fn says(token: &Token<'_>, value: &Value) -> bool {
    match (token, value) {
        (Token::Quoted(text), Value::Text(wanted)) => text == wanted,
        (Token::Word(word), Value::Bool(wanted)) => *word == wanted.to_string(),
        (Token::Number(number), Value::Number(wanted)) => number == wanted,
        _ => false,
    }
}
