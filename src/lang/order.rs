//! In which order segments and computes are looked at, and circles among them.

use super::rules::*;
use crate::model::limit::RULE_DEPTH;

/// What names others: a segment, or a compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Segment(SegmentIndex),
    Compute(ComputeIndex),
}

pub(super) struct Order {
    /// Each after those that it names. Circles are cut anywhere.
    pub(super) nodes: Vec<Node>,
    /// Each once.
    pub(super) circles: Vec<Vec<Node>>,
    /// Computes of computes, nested deeper than is evaluated.
    pub(super) too_deep: Vec<ComputeIndex>,
}

/// How far the search has come with a node.
#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    /// With the depth of computes below it.
    Done(usize),
}

/// Depth first, with a stack of our own: a chain of ten thousand segments must not exhaust the thread's.
pub(super) fn in_order(rules: &Rules) -> Order {
    let segments = rules.segments.len();
    let at = |node: Node| match node {
        Node::Segment(index) => index.at(),
        Node::Compute(index) => segments + index.at(),
    };
    let mut states = vec![State::New; segments + rules.computes.len()];
    let mut order = Order { nodes: Vec::with_capacity(states.len()), circles: Vec::new(), too_deep: Vec::new() };
    let all = (0..segments).map(|index| Node::Segment(SegmentIndex(index as u32)));
    let all = all.chain((0..rules.computes.len()).map(|index| Node::Compute(ComputeIndex(index as u32))));
    for root in all {
        if states[at(root)] != State::New {
            continue;
        }
        states[at(root)] = State::Open;
        let mut stack = vec![(root, named(root, rules), 0, 0)];
        while let Some((node, names, next, depth)) = stack.last_mut() {
            let Some(child) = names.get(*next).copied() else {
                let depth = *depth + usize::from(matches!(node, Node::Compute(_)));
                let node = *node;
                stack.pop();
                states[at(node)] = State::Done(if matches!(node, Node::Segment(_)) { 0 } else { depth });
                if let (Node::Compute(index), true) = (node, depth > RULE_DEPTH) {
                    order.too_deep.push(index);
                }
                order.nodes.push(node);
                if let Some((_, _, _, parent)) = stack.last_mut() {
                    *parent = (*parent).max(if matches!(node, Node::Segment(_)) { 0 } else { depth });
                }
                continue;
            };
            *next += 1;
            match states[at(child)] {
                State::Done(below) => *depth = (*depth).max(below),
                State::New => {
                    states[at(child)] = State::Open;
                    stack.push((child, named(child, rules), 0, 0));
                }
                State::Open => {
                    let start = stack.iter().position(|(open, ..)| *open == child).unwrap_or(0);
                    order.circles.push(stack[start..].iter().map(|(open, ..)| *open).collect());
                }
            }
        }
    }
    order
}

/// What a segment or compute names directly.
fn named(node: Node, rules: &Rules) -> Vec<Node> {
    let mut found = Vec::new();
    match node {
        Node::Segment(index) => in_condition(&rules.segments[index.at()].condition, rules, &mut found),
        Node::Compute(index) => rules.computes[index.at()].formula.walk(&mut |formula| match formula {
            Formula::Operand(Operand::Compute(index)) => found.push(Node::Compute(*index)),
            Formula::Score(terms) => {
                for term in terms {
                    if let Term::When { condition, .. } = term {
                        in_condition(condition, rules, &mut found);
                    }
                }
            }
            _ => {}
        }),
    }
    found
}

fn in_condition(condition: &Condition, rules: &Rules, found: &mut Vec<Node>) {
    condition.walk(&mut |part| {
        match part {
            Condition::InSegment(index) => found.push(Node::Segment(*index)),
            Condition::Sequence(index) => {
                for filter in rules.sequences[index.at()].steps.iter().filter_map(|step| step.filter.as_ref()) {
                    in_condition(filter, rules, found);
                }
            }
            _ => {}
        }
        for operand in part.operands() {
            if let Operand::Compute(index) = operand {
                found.push(Node::Compute(*index));
            }
        }
    });
}
