//! Constants, computes and scores.

use crate::finding::{Code, Finding, Locate};
use crate::lang::check::{Around, Kind};
use crate::lang::compile::Compiler;
use crate::lang::names::{Properties, type_at};
use crate::lang::rules::*;
use crate::lang::syntax::*;
use crate::lang::write::{key_of, write_condition, write_selector};

use super::{Declared, FormulaOf, Source, duplicate, is_new};

impl Compiler {
    pub(super) fn declare_constant(&mut self, item: ConstantItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(item.name.span);
        if self.names.traits.contains_key(&item.name.text) || self.names.computes.contains_key(&item.name.text) {
            findings.push(duplicate("trait", &item.name.text, place));
            return;
        }
        let value = match item.value {
            ConstantForm::One(literal) => ConstantValue::One(literal.value),
            ConstantForm::List(list) => ConstantValue::List(list.into_iter().map(|literal| literal.value).collect()),
            ConstantForm::Duration(WindowItem { kind: WindowKind::Length { number, unit }, .. }) => {
                ConstantValue::Duration(number, unit)
            }
            ConstantForm::Duration(_) => return,
        };
        if self.rules.constants.contains_key(&item.name.text) {
            let message = format!("there is another constant named `{}`", item.name.text);
            let finding = Finding::new(Code::DuplicateName, place, message);
            findings.push(finding.help("give one of them another name, or take one out"));
            return;
        }
        self.rules.constants.insert(item.name.text, Constant { value, place });
    }

    /// Enters the name, so that others may refer to it whatever the order.
    pub(super) fn reserve_compute(
        &mut self,
        name: &Word,
        formula: FormulaOf,
        source: Source,
        declared: &mut Declared,
        findings: &mut Vec<Finding>,
    ) {
        let place = source.place(name.span);
        if self.names.traits.contains_key(&name.text) || self.rules.constants.contains_key(&name.text) {
            findings.push(duplicate("compute", &name.text, place));
            return;
        }
        let index = ComputeIndex(self.rules.computes.len() as u32);
        if !is_new(&mut self.names.computes, "compute", name, index, place, findings) {
            return;
        }
        let kind = Some(ValueType::Number);
        self.rules.computes.push(Compute { name: name.text.clone(), formula: Formula::Number(0.0), kind, place });
        declared.computes.push((formula, index, source));
    }

    /// What kind of value each compute gives: known from how it is written, before any is checked.
    pub(super) fn kinds_of_computes(&mut self, declared: &Declared) {
        for (formula, index, _) in &declared.computes {
            let kind = match formula {
                FormulaOf::Compute(FormulaItem::Broken) => None,
                FormulaOf::Compute(FormulaItem::Aggregate(aggregate)) => self.kind_of_aggregate(aggregate),
                FormulaOf::Compute(FormulaItem::Name(name)) => match self.names.traits.get(&name.text) {
                    Some(index) => Some(self.rules.traits[index.at()].kind.clone()),
                    None => Some(ValueType::Number),
                },
                _ => Some(ValueType::Number),
            };
            self.rules.computes[index.at()].kind = kind;
        }
    }

    fn kind_of_aggregate(&self, aggregate: &AggregateItem) -> Option<ValueType> {
        let MeasureItem::Values { kind, property } = &aggregate.measure else { return Some(ValueType::Number) };
        if *kind == ValueKind::UniqueCount {
            return Some(ValueType::Number);
        }
        let SelectorItem::Event(event) = &aggregate.of.selector else { return None };
        match self.names.properties(&self.rules, &event.text) {
            Properties::Declared(properties) => match type_at(properties, &property.text).ok()?.kind.clone() {
                ValueType::Money { .. } => Some(ValueType::Number),
                kind => Some(kind),
            },
            Properties::Platform(_) => Some(ValueType::Text),
            Properties::Open => None,
        }
    }

    pub(super) fn formula_of(&mut self, formula: &FormulaOf, source: &Source, findings: &mut Vec<Finding>) -> Formula {
        match formula {
            FormulaOf::Compute(item) => self.formula(item, false, source, findings),
            FormulaOf::Score(terms) => {
                Formula::Score(terms.iter().map(|term| self.term(term, source, findings)).collect())
            }
        }
    }

    /// `in_sum`: the parts of a sum must be numbers.
    fn formula(&mut self, item: &FormulaItem, in_sum: bool, source: &Source, findings: &mut Vec<Finding>) -> Formula {
        match item {
            FormulaItem::Broken => Formula::Number(0.0),
            FormulaItem::Number(number) => Formula::Number(*number),
            FormulaItem::Name(name) => self.named_part(name, in_sum, source, findings),
            FormulaItem::Aggregate(item) => {
                let kind = self.kind_of_aggregate(item);
                if in_sum && !matches!(kind, None | Some(ValueType::Number | ValueType::Money { .. })) {
                    let MeasureItem::Values { property, .. } = &item.measure else { return Formula::Number(0.0) };
                    findings.push(not_a_number(&property.text, source.place(property.span)));
                }
                Formula::Aggregate(self.aggregate(item, source, findings))
            }
            FormulaItem::Sum { left, sign, right } => Formula::Arithmetic {
                sign: *sign,
                left: Box::new(self.formula(left, true, source, findings)),
                right: Box::new(self.formula(right, true, source, findings)),
            },
        }
    }

    fn named_part(&mut self, name: &Word, in_sum: bool, source: &Source, findings: &mut Vec<Finding>) -> Formula {
        let place = source.place(name.span);
        if let Some(constant) = self.rules.constants.get(&name.text) {
            if let ConstantValue::One(value) = &constant.value
                && let Some(number) = value.as_number()
            {
                return Formula::Number(number);
            }
            findings.push(not_a_number(&name.text, place));
            return Formula::Number(0.0);
        }
        let mut checker = self.checker(source);
        let found = checker.fact(&name.text, place);
        findings.append(&mut checker.findings);
        let Some((operand, kind)) = found else { return Formula::Number(0.0) };
        if in_sum && !matches!(kind.value, None | Some(ValueType::Number)) {
            findings.push(not_a_number(&name.text, place));
        }
        Formula::Operand(operand)
    }

    fn term(&mut self, term: &TermItem, source: &Source, findings: &mut Vec<Finding>) -> Term {
        match term {
            TermItem::When { points, condition } => {
                let mut checker = self.checker(source);
                let condition = checker.condition(condition);
                findings.append(&mut checker.findings);
                Term::When { points: *points, condition }
            }
            TermItem::ForEach { points, of, cap } => {
                let item = AggregateItem { measure: MeasureItem::Count, of: of.clone() };
                Term::ForEach { points: *points, count: self.aggregate(&item, source, findings), cap: *cap }
            }
        }
    }

    fn aggregate(&mut self, item: &AggregateItem, source: &Source, findings: &mut Vec<Finding>) -> AggregateIndex {
        let mut checker = self.checker(source);
        let selector = checker.selector(&item.of.selector);
        let filter = item.of.filter.as_ref().map(|filter| checker.filter(filter, &selector, Around::Nothing, &[]));
        let window = item.of.window.as_ref().and_then(|window| checker.window(window));
        findings.append(&mut checker.findings);
        let measure = self.measure(&item.measure, &selector, source, findings);
        let filter_text = filter.as_ref().map(write_condition).unwrap_or_default();
        let window_text = window.map(|window| format!("{window:?}")).unwrap_or_default();
        let key =
            key_of("aggregate", &[&measure_text(&measure), &write_selector(&selector), &filter_text, &window_text]);
        self.add_aggregate(Aggregate { key, measure, selector, filter, window })
    }

    fn measure(
        &mut self,
        item: &MeasureItem,
        selector: &Selector,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) -> Measure {
        match item {
            MeasureItem::Count => Measure::Count,
            MeasureItem::Values { kind, property } => {
                self.property(property, selector, source, findings);
                Measure::Values { kind: *kind, property: property.text.clone() }
            }
            MeasureItem::Amount { kind, property, currency } => {
                let known = self.property(property, selector, source, findings);
                let conversion = known.and_then(|known| {
                    self.conversion(*kind, property, currency.as_ref(), known.value, source, findings)
                });
                Measure::Amount { kind: *kind, property: property.text.clone(), conversion }
            }
        }
    }

    fn property(
        &mut self,
        property: &Word,
        selector: &Selector,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) -> Option<Kind> {
        let Selector::Named(event) = selector else { return Some(Kind::default()) };
        let mut checker = self.checker(source);
        let kind = checker.property_kind(Some(event), &property.text, source.place(property.span));
        findings.append(&mut checker.findings);
        kind
    }

    fn conversion(
        &self,
        kind: AmountKind,
        property: &Word,
        currency: Option<&Word>,
        known: Option<ValueType>,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) -> Option<Conversion> {
        let name = &property.text;
        let of = match kind {
            AmountKind::Sum => "sum",
            AmountKind::Average => "average",
            AmountKind::Min => "min",
            AmountKind::Max => "max",
        };
        match (known, currency) {
            (Some(ValueType::Money { currency: by }), Some(to)) => self.rates(&by, to, source, findings),
            (Some(ValueType::Money { .. }), None) => {
                let place = source.place(property.span);
                let finding =
                    Finding::new(Code::MixedCurrencies, place, format!("`{name}` comes in several currencies"));
                let example = self.settings.rates.keys().next().map_or("EUR", String::as_str);
                findings
                    .push(finding.help(format!("say which one to reckon in: `{of} of {name} as {example} from …`")));
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
                findings.push(not_a_number(name, source.place(property.span)));
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
        let rates = self.settings.rates.iter().map(|(currency, worth)| (currency.clone(), worth / unit)).collect();
        Some(Conversion { currency_property: by.to_owned(), to: to.text.clone(), rates })
    }
}

fn not_a_number(name: &str, place: crate::finding::Place) -> Finding {
    Finding::new(Code::TypeMismatch, place, format!("`{name}` is not a number"))
        .help("only numbers and amounts of money can be reckoned with")
}

/// What of a measure its state depends on. A change of rates alone keeps what was added up.
fn measure_text(measure: &Measure) -> String {
    match measure {
        Measure::Count => "count".to_owned(),
        Measure::Values { kind, property } => format!("{kind:?} {property:?}"),
        Measure::Amount { kind, property, conversion: None } => format!("{kind:?} {property:?}"),
        Measure::Amount { kind, property, conversion: Some(conversion) } => {
            format!("{kind:?} {property:?} by {:?} as {:?}", conversion.currency_property, conversion.to)
        }
    }
}
