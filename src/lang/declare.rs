//! Declarations to tables: names first, then what refers to them.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Locate, Place, SourceId, Span, did_you_mean};
use crate::model::id::hash_parts;

use super::check::{Checker, Scope};
use super::compile::Compiler;
use super::names::{Properties, type_at};
use super::parse::Piece;
use super::readers::circle_through;
use super::rules::*;
use super::syntax::*;
use super::write::{write_condition, write_selector};

/// What must wait until all names are known: the item, its text, and where it stands.
#[derive(Default)]
pub(super) struct Declared {
    computes: Vec<(ComputeItem, Source)>,
    segments: Vec<(SegmentItem, SegmentIndex, Source)>,
    audiences: Vec<(AudienceItem, Source)>,
}

/// The text that an item's spans count in, and where that text begins.
#[derive(Clone)]
struct Source {
    text: String,
    id: SourceId,
    start: usize,
}

impl Locate for Source {
    fn place(&self, span: Span) -> Place {
        Place { source: self.id, span: Span::new(span.start + self.start, span.end + self.start) }
    }
}

impl Compiler {
    /// Takes an item in: what needs no other names goes to the tables at once.
    pub(super) fn declare(
        &mut self,
        item: Item,
        piece: &Piece<'_>,
        id: SourceId,
        declared: &mut Declared,
        findings: &mut Vec<Finding>,
    ) {
        let source = Source { text: piece.text.to_owned(), id, start: piece.start };
        match item {
            Item::Event(event) => self.declare_event(event, &source, findings),
            Item::Trait(item) => self.declare_trait(item, &source, findings),
            Item::Topic(topic) => self.declare_topic(topic, &source, findings),
            Item::Purpose(purpose) => {
                let place = source.place(purpose.name.span);
                let index = self.rules.purposes.len();
                if is_new(&mut self.names.purposes, "purpose", &purpose.name, index, place, findings) {
                    let PurposeItem { name, title, opt_in } = purpose;
                    self.rules.purposes.push(Purpose { name: name.text, title, opt_in, place });
                }
            }
            Item::Compute(compute) => declared.computes.push((compute, source)),
            Item::Segment(segment) => {
                let place = source.place(segment.name.span);
                let index = SegmentIndex(self.rules.segments.len() as u32);
                if is_new(&mut self.names.segments, "segment", &segment.name, index, place, findings) {
                    self.rules.segments.push(Segment {
                        name: segment.name.text.clone(),
                        title: segment.title.clone(),
                        condition: Condition::Any(Vec::new()),
                        place,
                    });
                    declared.segments.push((segment, index, source));
                }
            }
            Item::Audience(audience) => declared.audiences.push((audience, source)),
        }
    }

    /// Checks what refers to names, now that all are known.
    pub(super) fn check_declared(&mut self, declared: &Declared, findings: &mut Vec<Finding>) {
        for (compute, source) in &declared.computes {
            self.declare_compute(compute, source, findings);
        }
        for (segment, index, source) in &declared.segments {
            let mut checker = Checker {
                compiler: self,
                scope: Scope::Profile,
                text: &source.text,
                locate: source,
                findings: Vec::new(),
            };
            let condition = checker.condition(&segment.rule);
            findings.append(&mut checker.findings);
            self.rules.segments[index.at()].condition = condition;
        }
        self.find_circles(declared, findings);
        for (audience, source) in &declared.audiences {
            self.declare_audience(audience, source, findings);
        }
    }

    fn declare_event(&mut self, event: EventItem, source: &Source, findings: &mut Vec<Finding>) {
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
        let properties = properties(&event.properties, source, findings);
        self.rules.events.push(EventDeclaration { name: event.name.text, strict: event.strict, properties, place });
    }

    fn declare_trait(&mut self, item: TraitItem, source: &Source, findings: &mut Vec<Finding>) {
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
        self.rules.traits.push(TraitDeclaration { name: item.name.text, kind, one_of, clean, pii: item.pii, place });
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

    fn declare_topic(&mut self, topic: TopicItem, source: &Source, findings: &mut Vec<Finding>) {
        const CHANNELS: &[&str] = &["email", "sms", "push", "webhook", "onsite"];
        let place = source.place(topic.name.span);
        for channel in &topic.channels {
            if !CHANNELS.contains(&channel.text.as_str()) {
                let place = source.place(channel.span);
                let finding = Finding::new(Code::UnknownChannel, place, format!("unknown channel `{}`", channel.text));
                findings.push(finding.help(format!("a topic is sent by {}", CHANNELS.join(", "))));
            }
        }
        if let (false, Some(span)) = (topic.is_marketing, topic.opt_in) {
            let message = "a transactional topic is sent to everyone who did not refuse it";
            let finding = Finding::new(Code::TypeMismatch, source.place(span), message);
            findings.push(finding.help("leave out `opt_in`, or make it `marketing opt_in`"));
        }
        let index = self.rules.topics.len();
        if is_new(&mut self.names.topics, "topic", &topic.name, index, place, findings) {
            self.rules.topics.push(Topic {
                name: topic.name.text,
                title: topic.title,
                channels: topic.channels.into_iter().map(|channel| channel.text).collect(),
                class: if topic.is_marketing { MessageClass::Marketing } else { MessageClass::Transactional },
                opt_in: topic.opt_in.is_some(),
                place,
            });
        }
    }

    fn declare_compute(&mut self, item: &ComputeItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(item.name.span);
        if self.names.traits.contains_key(&item.name.text) {
            findings.push(duplicate("compute", &item.name.text, place));
            return;
        }
        let index = ComputeIndex(self.rules.computes.len() as u32);
        if !is_new(&mut self.names.computes, "compute", &item.name, index, place, findings) {
            return;
        }
        let mut checker =
            Checker { compiler: self, scope: Scope::Profile, text: &source.text, locate: source, findings: Vec::new() };
        let selector = checker.selector(&item.selector);
        let filter = item.filter.as_ref().map(|filter| checker.filter(filter, &selector));
        let window = item.window.as_ref().and_then(|window| checker.window(window));
        findings.append(&mut checker.findings);
        let aggregate = self.aggregate(&item.aggregate, &selector, source, findings);
        let key = compute_key(&aggregate, &selector, filter.as_ref(), window);
        let name = item.name.text.clone();
        self.rules.computes.push(Compute { name, key, aggregate, selector, filter, window, place });
    }

    fn aggregate(
        &self,
        item: &AggregateItem,
        selector: &Selector,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) -> Aggregate {
        match item {
            AggregateItem::Count => Aggregate::Count,
            AggregateItem::Latest { property } => {
                self.property(property, selector, source, findings);
                Aggregate::Latest { property: property.text.clone() }
            }
            AggregateItem::Sum { property, currency } => {
                let kind = self.property(property, selector, source, findings);
                let conversion = self.conversion(property, currency.as_ref(), kind.as_ref(), source, findings);
                Aggregate::Sum { property: property.text.clone(), conversion }
            }
        }
    }

    /// The declared type of a property that an aggregate takes; `None` where nothing is declared.
    fn property(
        &self,
        property: &Word,
        selector: &Selector,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) -> Option<ValueType> {
        let Selector::Named(event) = selector else { return None };
        let known = match self.names.properties(&self.rules, event) {
            Properties::Open => return None,
            Properties::Platform(names) if names.contains(&property.text.as_str()) => return Some(ValueType::Text),
            Properties::Platform(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            Properties::Declared(properties) => match type_at(properties, &property.text) {
                Ok(found) => return Some(found.kind.clone()),
                Err(known) => known,
            },
        };
        let place = source.place(property.span);
        let message = format!("`{event}` has no property `{}`", property.text);
        let finding = Finding::new(Code::UnknownProperty, place, message);
        findings.push(match did_you_mean(&property.text, known.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
            None => finding.help(format!("it has {}", known.join(", "))),
        });
        None
    }

    fn conversion(
        &self,
        property: &Word,
        currency: Option<&Word>,
        kind: Option<&ValueType>,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) -> Option<Conversion> {
        let name = &property.text;
        match (kind, currency) {
            (Some(ValueType::Money { currency: by }), Some(to)) => self.rates(by, to, source, findings),
            (Some(ValueType::Money { .. }), None) => {
                let place = source.place(property.span);
                let finding =
                    Finding::new(Code::MixedCurrencies, place, format!("`{name}` comes in several currencies"));
                let example = self.settings.rates.keys().next().map_or("EUR", String::as_str);
                findings.push(
                    finding.help(format!("say which one to add them up in: `sum of {name} as {example} from …`")),
                );
                None
            }
            (None | Some(ValueType::Number), None) => None,
            (None | Some(ValueType::Number), Some(to)) => {
                let place = source.place(to.span);
                let message = format!("`{name}` is not declared as an amount of money");
                let finding = Finding::new(Code::TypeMismatch, place, message);
                findings.push(finding.help("leave out `as …`, or declare the property as `money by currency`"));
                None
            }
            (Some(_), _) => {
                let place = source.place(property.span);
                let finding = Finding::new(Code::TypeMismatch, place, format!("`{name}` is not a number"));
                findings.push(finding.help("only numbers and amounts of money can be added up"));
                None
            }
        }
    }

    fn rates(&self, by: &str, to: &Word, source: &Source, findings: &mut Vec<Finding>) -> Option<Conversion> {
        let Some(unit) = self.settings.rates.get(&to.text).filter(|unit| **unit > 0.0) else {
            let place = source.place(to.span);
            let finding = Finding::new(Code::MixedCurrencies, place, format!("there is no rate for {}", to.text));
            findings.push(
                finding.help(format!("name the rates in `tidewater.yaml`: `rates: {{ {}: 1, USD: 0.92 }}`", to.text)),
            );
            return None;
        };
        let rates: BTreeMap<String, f64> =
            self.settings.rates.iter().map(|(currency, worth)| (currency.clone(), worth / unit)).collect();
        Some(Conversion { currency_property: by.to_owned(), to: to.text.clone(), rates })
    }

    fn declare_audience(&mut self, item: &AudienceItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(item.name.span);
        let index = self.rules.audience_syncs.len();
        if !is_new(&mut self.names.audiences, "audience_sync", &item.name, index, place, findings) {
            return;
        }
        let segment = item.segment.as_ref().and_then(|name| match self.segment(&name.text, source.place(name.span)) {
            Ok(index) => index,
            Err(finding) => {
                findings.push(finding);
                None
            }
        });
        if !self.settings.destinations.contains(&item.destination.text) {
            let place = source.place(item.destination.span);
            let message = format!("`tidewater.yaml` has no channel `{}`", item.destination.text);
            let finding = Finding::new(Code::UnknownChannel, place, message);
            findings.push(
                match did_you_mean(&item.destination.text, self.settings.destinations.iter().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
                    None => finding.help("add it under `channels:`"),
                },
            );
        }
        let mut identifiers = Vec::new();
        for name in &item.using {
            match self.names.traits.get(&name.text) {
                Some(index) => identifiers.push(*index),
                None if self.names.is_broken("trait", &name.text) => {}
                None => findings.push(self.names.unknown_trait(&name.text, source.place(name.span))),
            }
        }
        let purpose = item.purpose.as_ref().and_then(|name| {
            let found = self.names.purposes.get(&name.text).copied();
            if found.is_none() && !self.names.is_broken("purpose", &name.text) {
                let message = format!("unknown purpose `{}`", name.text);
                let finding = Finding::new(Code::UnknownTopic, source.place(name.span), message);
                findings.push(finding.help(format!("declare it: `purpose {} opt_in`", name.text)));
            }
            found
        });
        self.rules.audience_syncs.push(AudienceSync {
            name: item.name.text.clone(),
            segment,
            destination: item.destination.text.clone(),
            identifiers,
            purpose,
            place,
        });
    }

    fn find_circles(&self, declared: &Declared, findings: &mut Vec<Finding>) {
        let mut told = std::collections::BTreeSet::new();
        for (segment, index, source) in &declared.segments {
            if told.contains(index) {
                continue;
            }
            let Some(circle) = circle_through(*index, &self.rules) else { continue };
            told.extend(circle.iter().copied());
            let names: Vec<&str> = circle.iter().map(|index| self.rules.segments[index.at()].name.as_str()).collect();
            let message = match names.as_slice() {
                [one] => format!("segment `{one}` refers to itself"),
                _ => format!("segments refer to each other in a circle: {} → {}", names.join(" → "), names[0]),
            };
            let finding = Finding::new(Code::SegmentCycle, source.place(segment.name.span), message);
            findings.push(finding.help("take one of the references out"));
        }
    }
}

fn duplicate(kind: &str, name: &str, place: Place) -> Finding {
    Finding::new(Code::DuplicateName, place, format!("there is another {kind} or fact named `{name}`"))
        .help("give one of them another name")
}

/// Enters a name; a second one is a finding and is left out.
fn is_new<T>(
    names: &mut BTreeMap<String, T>,
    kind: &str,
    name: &Word,
    index: T,
    place: Place,
    findings: &mut Vec<Finding>,
) -> bool {
    if names.contains_key(&name.text) {
        let finding =
            Finding::new(Code::DuplicateName, place, format!("there is another {kind} named `{}`", name.text));
        findings.push(finding.help("give one of them another name, or take one out"));
        return false;
    }
    names.insert(name.text.clone(), index);
    true
}

fn properties(items: &[PropertyItem], source: &Source, findings: &mut Vec<Finding>) -> Vec<PropertyDeclaration> {
    let mut declared: Vec<PropertyDeclaration> = Vec::with_capacity(items.len());
    for item in items {
        if declared.iter().any(|property| property.name == item.name.text) {
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
    for item in items {
        if let TypeItem::Money(by) = &item.kind
            && !declared.iter().any(|property| property.name == by.text && property.kind == ValueType::Text)
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

/// The part of a definition that its state depends on. A change of rates alone keeps what was added up.
fn compute_key(
    aggregate: &Aggregate,
    selector: &Selector,
    filter: Option<&Condition>,
    window: Option<crate::model::Span>,
) -> u64 {
    let what = match aggregate {
        Aggregate::Count => "count".to_owned(),
        Aggregate::Latest { property } => format!("latest {property:?}"),
        Aggregate::Sum { property, conversion: None } => format!("sum {property:?}"),
        Aggregate::Sum { property, conversion: Some(conversion) } => {
            format!("sum {property:?} by {:?} as {:?}", conversion.currency_property, conversion.to)
        }
    };
    let filter = filter.map(write_condition).unwrap_or_default();
    let window = window.map_or(0, |window| window.0);
    let selector = write_selector(selector);
    let parts: [&[u8]; 4] = [what.as_bytes(), selector.as_bytes(), filter.as_bytes(), &window.to_be_bytes()];
    (hash_parts("compute", &parts) >> 64) as u64
}
