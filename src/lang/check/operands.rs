//! What a name means where it stands.

use crate::finding::{Code, Finding, Place, did_you_mean};
use crate::lang::names::{Properties, type_at};
use crate::lang::rules::*;
use crate::lang::syntax::Word;

use super::{Checker, Kind};

/// What bare names mean in a rule.
#[derive(Clone, Copy)]
pub(in crate::lang) enum Scope<'a> {
    /// Traits and computes of the profile.
    Profile,
    /// The same, and what belongs to a run: `since entry`, `entry.x` of this event if one begins it.
    Journey { entry_event: Option<&'a str> },
    /// Properties of an event, in a `where`.
    Event(EventScope<'a>),
    /// Properties of the objects of a list; what else may be named is as around it.
    Item { properties: Option<&'a [PropertyDeclaration]>, around: &'a Scope<'a> },
}

#[derive(Clone, Copy)]
pub(in crate::lang) struct EventScope<'a> {
    /// `None` for any activity.
    pub(in crate::lang) event: Option<&'a str>,
    pub(in crate::lang) around: Around<'a>,
    /// Names of the earlier steps of a sequence, and their events.
    pub(in crate::lang) earlier: &'a [Earlier],
}

/// An event named by `as`, in a step of a sequence.
pub(in crate::lang) struct Earlier {
    pub(in crate::lang) alias: String,
    pub(in crate::lang) step: usize,
    pub(in crate::lang) event: Option<String>,
}

/// What a `where` may name beside the event.
#[derive(Clone, Copy)]
pub(in crate::lang) enum Around<'a> {
    /// Nothing: what is counted is kept as a number, and the event forgotten.
    Nothing,
    Profile,
    Journey {
        entry_event: Option<&'a str>,
    },
}

impl<'a> Scope<'a> {
    pub(super) fn is_event(&self) -> bool {
        matches!(self, Self::Event(_) | Self::Item { around: Scope::Event(_), .. })
    }

    pub(super) fn around(&self) -> Around<'a> {
        match self {
            Self::Profile => Around::Profile,
            Self::Journey { entry_event } => Around::Journey { entry_event: *entry_event },
            Self::Event(event) => event.around,
            Self::Item { around, .. } => around.around(),
        }
    }

    fn earlier(&self) -> &'a [Earlier] {
        match self {
            Self::Event(event) => event.earlier,
            Self::Item { around, .. } => around.earlier(),
            _ => &[],
        }
    }
}

impl Checker<'_> {
    /// The operand of this name and what is known of its values; `None` where something was told of it.
    pub(super) fn operand(&mut self, name: &Word) -> Option<(Operand, Kind)> {
        let place = self.place(name.span);
        let head = name.text.split_once('.');
        if let Some((head, rest)) = head {
            match head {
                "profile" => return self.profile_operand(rest, place),
                "account" => return self.account_operand(rest, place),
                "entry" => return self.entry_operand(rest, place),
                _ => {}
            }
            if let Some(earlier) = self.scope.earlier().iter().find(|earlier| earlier.alias == head) {
                let kind = self.property_kind(earlier.event.as_deref(), rest, place)?;
                return Some((Operand::Step { step: earlier.step, path: rest.to_owned() }, kind));
            }
        }
        match self.scope {
            Scope::Event(event) => {
                let kind = self.property_kind(event.event, &name.text, place)?;
                Some((Operand::Property(name.text.clone()), kind))
            }
            Scope::Item { properties, .. } => {
                let kind = self.item_kind(properties, &name.text, place)?;
                Some((Operand::Item(name.text.clone()), kind))
            }
            Scope::Profile | Scope::Journey { .. } => self.fact(&name.text, place),
        }
    }

    /// `profile.x` in a `where`: the trait, beside the event.
    fn profile_operand(&mut self, name: &str, place: Place) -> Option<(Operand, Kind)> {
        if matches!(self.scope.around(), Around::Nothing) {
            self.refuse_around(place);
            return None;
        }
        self.fact(name, place)
    }

    fn refuse_around(&mut self, place: Place) {
        let message = "what is added up here can look at the event alone";
        let finding = Finding::new(Code::TypeMismatch, place, message);
        self.findings.push(finding.help("compare with a value or a constant, or ask for it in a segment"));
    }

    fn account_operand(&mut self, path: &str, place: Place) -> Option<(Operand, Kind)> {
        if matches!(self.scope.around(), Around::Nothing) {
            self.refuse_around(place);
            return None;
        }
        Some((Operand::Account(path.to_owned()), Kind::default()))
    }

    /// A trait or compute.
    pub(in crate::lang) fn fact(&mut self, name: &str, place: Place) -> Option<(Operand, Kind)> {
        let names = &self.compiler.names;
        if let Some(index) = names.traits.get(name) {
            let declared = &self.compiler.rules.traits[index.at()];
            let kind = Kind { value: Some(declared.kind.clone()), one_of: declared.one_of.clone() };
            return Some((Operand::Trait(*index), kind));
        }
        if let Some(index) = names.computes.get(name) {
            let compute = &self.compiler.rules.computes[index.at()];
            let kind = Kind { value: compute.kind.clone(), one_of: None };
            return Some((Operand::Compute(*index), kind));
        }
        if !["trait", "compute", "score"].iter().any(|kind| names.is_broken(kind, name)) {
            let finding = names.unknown_trait(name, place);
            self.findings.push(finding);
        }
        None
    }

    fn entry_operand(&mut self, property: &str, place: Place) -> Option<(Operand, Kind)> {
        let Around::Journey { entry_event } = self.scope.around() else {
            let message = "`entry.` means something in a journey only";
            self.findings.push(Finding::new(Code::SinceEntryOutside, place, message));
            return None;
        };
        if entry_event.is_none() {
            let finding = Finding::new(Code::SinceEntryOutside, place, "this journey does not begin with an event");
            self.findings.push(finding.help("`entry.` names a property of the event on which a run began"));
            return None;
        }
        let kind = self.property_kind(entry_event, property, place)?;
        Some((Operand::EntryProperty(property.to_owned()), kind))
    }

    /// What is known of a property of an event.
    pub(in crate::lang) fn property_kind(&mut self, event: Option<&str>, path: &str, place: Place) -> Option<Kind> {
        let Some(event) = event else { return Some(Kind::default()) };
        let known: Vec<String> = match self.compiler.names.properties(&self.compiler.rules, event) {
            Properties::Open => return Some(Kind::default()),
            Properties::Declared(properties) => match type_at(properties, path) {
                Ok(found) => return Some(Kind { value: Some(found.kind.clone()), one_of: found.one_of.clone() }),
                Err(known) => known,
            },
            Properties::Platform(names) if names.contains(&path) => {
                return Some(Kind { value: Some(ValueType::Text), one_of: None });
            }
            Properties::Platform(names) => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        self.unknown_property(&format!("`{event}`"), path, &known, place);
        None
    }

    fn item_kind(&mut self, properties: Option<&[PropertyDeclaration]>, path: &str, place: Place) -> Option<Kind> {
        let Some(properties) = properties else { return Some(Kind::default()) };
        match type_at(properties, path) {
            Ok(found) => Some(Kind { value: Some(found.kind.clone()), one_of: found.one_of.clone() }),
            Err(known) => {
                self.unknown_property("an item of this list", path, &known, place);
                None
            }
        }
    }

    fn unknown_property(&mut self, owner: &str, path: &str, known: &[String], place: Place) {
        let finding = Finding::new(Code::UnknownProperty, place, format!("{owner} has no property `{path}`"));
        self.findings.push(match did_you_mean(path, known.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
            None if known.is_empty() => finding.help(format!("the declaration of {owner} names no properties")),
            None => finding.help(format!("it has {}", known.join(", "))),
        });
    }
}
