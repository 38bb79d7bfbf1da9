//! Events and traits.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Locate, did_you_mean};
use crate::lang::compile::Compiler;
use crate::lang::rules::*;
use crate::lang::syntax::*;

use super::{Source, duplicate, is_new};

/// Kinds of channel that can carry a person's data.
const CARRIERS: &[&str] = &["email", "sms", "push", "onsite", "webhook", "audience_sync", "files"];

impl Compiler {
    pub(super) fn declare_event(&mut self, event: EventItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(event.name.span);
        if crate::model::platform_event::find(&event.name.text).is_some() {
            let message = format!("`{}` is an event of Tidewater itself", event.name.text);
            let finding = Finding::new(Code::DuplicateName, place, message);
            findings.push(finding.help("it is declared already; use another name for yours"));
            return;
        }
        let index = self.rules.events.len();
        if !is_new(&mut self.names.events, "event", &event.name, index, place, findings) {
            return;
        }
        if event.is_broken {
            self.names.broken.insert(("event", event.name.text.clone()));
        }
        let properties = properties(&event.properties, source, findings);
        self.rules.events.push(EventDeclaration { name: event.name.text, strict: event.strict, properties, place });
    }

    pub(super) fn declare_trait(&mut self, item: TraitItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(item.name.span);
        if self.names.computes.contains_key(&item.name.text) {
            findings.push(duplicate("trait", &item.name.text, place));
            return;
        }
        let index = TraitIndex(self.rules.traits.len() as u32);
        if !is_new(&mut self.names.traits, "trait", &item.name, index, place, findings) {
            return;
        }
        let clean =
            item.clean.iter().filter_map(|(name, argument)| self.cleaner(name, argument.as_ref(), source, findings));
        let clean = clean.collect();
        let kind = value_type(&item.kind, source, findings);
        let one_of = item.one_of.map(|values| values.into_iter().map(|literal| literal.value).collect());
        let pii = item.pii.map(|pii| pii_of(pii, source, findings));
        self.rules.traits.push(TraitDeclaration { name: item.name.text, kind, one_of, clean, pii, place });
    }

    fn cleaner(
        &self,
        name: &Word,
        argument: Option<&Word>,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) -> Option<Cleaner> {
        const KNOWN: &[&str] = &["trim", "lowercase", "uppercase", "email", "phone", "country_code"];
        let default_country = match argument {
            Some(word) if word.text == "default_country" => self.settings.default_country.clone(),
            Some(word) => Some(word.text.to_uppercase()),
            None => self.settings.default_country.clone(),
        };
        Some(match name.text.as_str() {
            "trim" => Cleaner::Trim,
            "lowercase" => Cleaner::Lowercase,
            "uppercase" => Cleaner::Uppercase,
            "email" => Cleaner::Email,
            "phone" => Cleaner::Phone { default_country },
            "country_code" => Cleaner::CountryCode,
            other => {
                let place = source.place(name.span);
                let finding = Finding::new(Code::UnknownCleaner, place, format!("`{other}` is no way of cleaning"));
                findings.push(match did_you_mean(other, KNOWN.iter().copied()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
                    None => finding.help(format!("there are {}", KNOWN.join(", "))),
                });
                return None;
            }
        })
    }
}

fn pii_of(item: PiiItem, source: &Source, findings: &mut Vec<Finding>) -> Pii {
    for channel in item.channels.iter().flatten() {
        if !CARRIERS.contains(&channel.text.as_str()) {
            let place = source.place(channel.span);
            let finding =
                Finding::new(Code::UnknownChannel, place, format!("unknown kind of channel `{}`", channel.text));
            findings.push(match did_you_mean(&channel.text, CARRIERS.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
                None => finding.help(format!("there are {}", CARRIERS.join(", "))),
            });
        }
    }
    Pii { channels: item.channels.map(|channels| channels.into_iter().map(|channel| channel.text).collect()) }
}

fn properties(items: &[PropertyItem], source: &Source, findings: &mut Vec<Finding>) -> Vec<PropertyDeclaration> {
    let mut declared: Vec<PropertyDeclaration> = Vec::with_capacity(items.len());
    let mut names = BTreeSet::new();
    for item in items {
        if !names.insert(item.name.text.as_str()) {
            let place = source.place(item.name.span);
            let message = format!("the property `{}` is declared twice", item.name.text);
            findings.push(Finding::new(Code::DuplicateName, place, message));
            continue;
        }
        declared.push(PropertyDeclaration {
            name: item.name.text.clone(),
            kind: value_type(&item.kind, source, findings),
            required: item.required,
            one_of: item.one_of.as_ref().map(|values| values.iter().map(|literal| literal.value.clone()).collect()),
        });
    }
    let texts = declared.iter().filter(|property| property.kind == ValueType::Text);
    let texts: BTreeSet<&str> = texts.map(|property| property.name.as_str()).collect();
    for item in items {
        if let TypeItem::Money(by) = &item.kind
            && !texts.contains(by.text.as_str())
        {
            let place = source.place(by.span);
            let message =
                format!("`{}` names its currency in `{}`, which is not declared as a text", item.name.text, by.text);
            findings.push(Finding::new(Code::UnknownProperty, place, message).help(format!("add `{}: text`", by.text)));
        }
    }
    declared
}

fn value_type(item: &TypeItem, source: &Source, findings: &mut Vec<Finding>) -> ValueType {
    match item {
        TypeItem::Text => ValueType::Text,
        TypeItem::Number => ValueType::Number,
        TypeItem::Bool => ValueType::Bool,
        TypeItem::Date => ValueType::Date,
        TypeItem::Time => ValueType::Time,
        TypeItem::Money(by) => ValueType::Money { currency: by.text.clone() },
        TypeItem::List(inner) => ValueType::List(Box::new(value_type(inner, source, findings))),
        TypeItem::Object(inner) => ValueType::Object(properties(inner, source, findings)),
    }
}
