//! TW309: journeys that start each other again without limit. One that starts itself is TW305.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::finding::{Code, Finding};
use crate::journey::graph::{Journey, ReEntry};

use super::parts::Checked;
use super::starts::{cause, started_by};

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    // Where one of them may not start again at once, the circle ends there.
    let journeys: Vec<&Journey> =
        checked.program.journeys.iter().filter(|journey| journey.re_entry == ReEntry::Always).collect();
    let started = started_by(&journeys, checked);
    let mut told = vec![false; journeys.len()];
    for start in 0..journeys.len() {
        if told[start] {
            continue;
        }
        let Some(circle) = circle_through(start, &started) else { continue };
        circle.iter().for_each(|index| told[*index] = true);
        findings.push(finding(&circle, &journeys, checked));
    }
}

/// The shortest circle of two or more that goes through this journey.
fn circle_through(start: usize, started: &[BTreeSet<usize>]) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(from) = open.pop_front() {
        for &to in &started[from] {
            if to == from || came_from.contains_key(&to) {
                continue;
            }
            came_from.insert(to, from);
            if to != start {
                open.push_back(to);
                continue;
            }
            let mut circle = vec![start];
            let mut at = from;
            while at != start {
                circle.push(at);
                at = came_from[&at];
            }
            circle[1..].reverse();
            return Some(circle);
        }
    }
    None
}

fn finding(circle: &[usize], journeys: &[&Journey], checked: &Checked<'_>) -> Finding {
    let first = journeys[circle[0]];
    let names: Vec<&str> = circle.iter().chain(&circle[..1]).map(|index| journeys[*index].name.as_str()).collect();
    let message = format!("journeys start each other again and again: {}", names.join(" → "));
    let mut finding = Finding::new(Code::JourneyCircle, first.place, message);
    for (position, from) in circle.iter().enumerate() {
        let (from, to) = (journeys[*from], journeys[circle[(position + 1) % circle.len()]]);
        if let Some(cause) = cause(from, to, checked) {
            finding = finding.label(from.place, format!("this {cause}, by which `{}` enters", to.name));
        }
    }
    finding.help("give one of them `re_entry: never`, or `re_entry: after 7 days`")
}
