//! Declarations to tables: names first, then what refers to them.

mod computes;
mod data;
mod people;

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, Locate, Place, SourceId, Span};

use super::check::{Checker, Scope};
use super::compile::Compiler;
use super::decide::Decider;
use super::order::{self, Node};
use super::parse::Piece;
use super::rules::*;
use super::syntax::*;

/// What must wait until all names are known: the item, its text, and where it stands.
#[derive(Default)]
pub(super) struct Declared {
    computes: Vec<(FormulaOf, ComputeIndex, Source)>,
    segments: Vec<(SegmentItem, SegmentIndex, Source)>,
    lists: Vec<(ListItem, Source)>,
    audiences: Vec<(AudienceItem, Source)>,
}

/// How the author wrote what a compute gives.
enum FormulaOf {
    Compute(FormulaItem),
    Score(Vec<TermItem>),
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
            Item::Identity(identifiers) => self.declare_identity(identifiers, &source, findings),
            Item::Trait(item) => self.declare_trait(item, &source, findings),
            Item::Constant(item) => self.declare_constant(item, &source, findings),
            Item::Topic(topic) => self.declare_topic(topic, &source, findings),
            Item::Purpose(purpose) => self.declare_purpose(purpose, &source, findings),
            Item::Compute(ComputeItem { name, formula }) => {
                self.reserve_compute(&name, FormulaOf::Compute(formula), source, declared, findings);
            }
            Item::Score(ScoreItem { name, terms }) => {
                self.reserve_compute(&name, FormulaOf::Score(terms), source, declared, findings);
            }
            Item::Segment(segment) => {
                let place = source.place(segment.name.span);
                let index = SegmentIndex(self.rules.segments.len() as u32);
                if is_new(&mut self.names.segments, "segment", &segment.name, index, place, findings) {
                    self.rules.segments.push(Segment {
                        name: segment.name.text.clone(),
                        title: segment.title.clone(),
                        condition: Condition::Any(Vec::new()),
                        decider: Decider::default(),
                        place,
                    });
                    declared.segments.push((segment, index, source));
                }
            }
            Item::List(list) => declared.lists.push((list, source)),
            Item::Audience(audience) => declared.audiences.push((audience, source)),
        }
    }

    /// Checks what refers to names, now that all are known.
    pub(super) fn check_declared(&mut self, declared: &Declared, findings: &mut Vec<Finding>) {
        self.kinds_of_computes(declared);
        for (list, source) in &declared.lists {
            self.declare_list(list, source, findings);
        }
        for (formula, index, source) in &declared.computes {
            self.rules.computes[index.at()].formula = self.formula_of(formula, source, findings);
        }
        for (segment, index, source) in &declared.segments {
            self.owner.clone_from(&segment.name.text);
            let mut checker = self.checker(source);
            let condition = checker.condition(&segment.rule);
            findings.append(&mut checker.findings);
            self.rules.segments[index.at()].condition = condition;
        }
        self.find_circles(findings);
        for (audience, source) in &declared.audiences {
            self.declare_audience(audience, source, findings);
        }
    }

    fn checker<'a>(&'a mut self, source: &'a Source) -> Checker<'a> {
        Checker { compiler: self, scope: Scope::Profile, text: &source.text, locate: source, findings: Vec::new() }
    }

    fn find_circles(&mut self, findings: &mut Vec<Finding>) {
        let order = order::in_order(&self.rules);
        for circle in &order.circles {
            let named = |node: &Node| match node {
                Node::Segment(index) => {
                    let segment = &self.rules.segments[index.at()];
                    (segment.name.as_str(), segment.place, "segment")
                }
                Node::Compute(index) => {
                    let compute = &self.rules.computes[index.at()];
                    (compute.name.as_str(), compute.place, "compute")
                }
            };
            let names: Vec<&str> = circle.iter().map(|node| named(node).0).collect();
            let (first, place, kind) = named(&circle[0]);
            let message = match names.as_slice() {
                [one] => format!("{kind} `{one}` refers to itself"),
                _ => format!("{kind}s refer to each other in a circle: {} → {first}", names.join(" → ")),
            };
            let finding = Finding::new(Code::SegmentCycle, place, message);
            findings.push(finding.help("take one of the references out"));
        }
        for index in &order.too_deep {
            let compute = &self.rules.computes[index.at()];
            let message = format!("`{}` is worked out over too many other computes", compute.name);
            let finding = Finding::new(Code::TooLarge, compute.place, message);
            findings.push(finding.help("name fewer computes of computes"));
        }
        self.order = order.nodes;
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
