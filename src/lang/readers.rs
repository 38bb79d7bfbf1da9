//! Who reads what, and in which order segments are looked at.

use std::collections::BTreeSet;

use crate::model::Span;

use super::rules::*;

/// Builds the index of a finished set of rules. `windows` are all `at least n … in last D`, journeys' ones included.
pub(super) fn index(rules: &Rules, windows: &BTreeSet<(TrailIndex, u32, i64)>) -> Readers {
    let mut readers = Readers {
        segments_of_trait: vec![Vec::new(); rules.traits.len()],
        segments_of_compute: vec![Vec::new(); rules.computes.len()],
        segments_of_trail: vec![Vec::new(); rules.trails.len()],
        segments_of_segment: vec![Vec::new(); rules.segments.len()],
        windows_of_trail: vec![Vec::new(); rules.trails.len()],
        segment_rank: vec![0; rules.segments.len()],
        ..Readers::default()
    };
    for (index, trail) in rules.trails.iter().enumerate() {
        let index = TrailIndex(index as u32);
        readers.trail_of_key.insert(trail.key, index);
        match &trail.selector {
            Selector::Named(name) => readers.trails_of_event.entry(name.clone()).or_default().push(index),
            Selector::AnyActivity => readers.trails_of_any_activity.push(index),
        }
    }
    for (index, compute) in rules.computes.iter().enumerate() {
        let index = ComputeIndex(index as u32);
        readers.compute_of_key.insert(compute.key, index);
        match &compute.selector {
            Selector::Named(name) => readers.computes_of_event.entry(name.clone()).or_default().push(index),
            Selector::AnyActivity => readers.computes_of_any_activity.push(index),
        }
    }
    for (trail, at_least, span) in windows {
        readers.windows_of_trail[trail.at()].push((*at_least, Span(*span)));
    }
    for (index, segment) in rules.segments.iter().enumerate() {
        note_reads(&segment.condition, SegmentIndex(index as u32), &mut readers);
    }
    for (rank, segment) in in_order(rules).into_iter().enumerate() {
        readers.segment_rank[segment.at()] = rank as u32;
    }
    readers
}

fn note(list: &mut Vec<SegmentIndex>, reader: SegmentIndex) {
    if !list.contains(&reader) {
        list.push(reader);
    }
}

fn note_reads(condition: &Condition, reader: SegmentIndex, readers: &mut Readers) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            for part in parts {
                note_reads(part, reader, readers);
            }
        }
        Condition::Not(inner) => note_reads(inner, reader, readers),
        Condition::Compare { operand, .. }
        | Condition::OneOf { operand, .. }
        | Condition::IsSet(operand)
        | Condition::IsMissing(operand) => match operand {
            Operand::Trait(index) => note(&mut readers.segments_of_trait[index.at()], reader),
            Operand::Compute(index) => note(&mut readers.segments_of_compute[index.at()], reader),
            Operand::Property(_) | Operand::EntryProperty(_) => {}
        },
        Condition::Did { trail, period, .. } => {
            note(&mut readers.segments_of_trail[trail.at()], reader);
            if let Period::SinceLast(other) = period {
                note(&mut readers.segments_of_trail[other.at()], reader);
            }
        }
        Condition::InSegment(index) => note(&mut readers.segments_of_segment[index.at()], reader),
    }
}

/// The segments that a condition names directly.
pub(super) fn segments_named(condition: &Condition, found: &mut Vec<SegmentIndex>) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| segments_named(part, found)),
        Condition::Not(inner) => segments_named(inner, found),
        Condition::InSegment(index) => found.push(*index),
        _ => {}
    }
}

/// Segments, each after those that it names. Circles are findings by now; they are cut anywhere.
fn in_order(rules: &Rules) -> Vec<SegmentIndex> {
    let mut order = Vec::with_capacity(rules.segments.len());
    let mut visited = vec![false; rules.segments.len()];
    for index in 0..rules.segments.len() {
        visit(SegmentIndex(index as u32), rules, &mut visited, &mut order);
    }
    order
}

/// Depth first, with a stack of our own: a chain of ten thousand segments must not exhaust the thread's.
fn visit(root: SegmentIndex, rules: &Rules, visited: &mut [bool], order: &mut Vec<SegmentIndex>) {
    let mut stack = vec![(root, false)];
    while let Some((segment, is_done)) = stack.pop() {
        if is_done {
            order.push(segment);
            continue;
        }
        if std::mem::replace(&mut visited[segment.at()], true) {
            continue;
        }
        stack.push((segment, true));
        let mut named = Vec::new();
        segments_named(&rules.segments[segment.at()].condition, &mut named);
        stack.extend(named.into_iter().filter(|next| !visited[next.at()]).map(|next| (next, false)));
    }
}

/// A circle among segments that name each other, as the list of those on it, if there is one through `start`.
pub(super) fn circle_through(start: SegmentIndex, rules: &Rules) -> Option<Vec<SegmentIndex>> {
    let mut seen = BTreeSet::new();
    let mut paths = vec![vec![start]];
    while let Some(path) = paths.pop() {
        let mut named = Vec::new();
        segments_named(&rules.segments[path[path.len() - 1].at()].condition, &mut named);
        for next in named {
            if next == start {
                return Some(path);
            }
            if seen.insert(next) {
                let mut longer = path.clone();
                longer.push(next);
                paths.push(longer);
            }
        }
    }
    None
}
