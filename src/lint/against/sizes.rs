//! TW704, TW705 and TW706: segments that hold nobody or everybody.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding, Sources};
use crate::workspace::Program;

use super::super::text::{Region, Token};
use super::{Answers, Questions, counted};

pub(super) fn check(questions: &Questions, answers: &Answers, findings: &mut Vec<Finding>) {
    let profiles = answers.profiles;
    if profiles == 0 {
        return;
    }
    for (name, place) in questions.segments.iter().filter(|(name, _)| answers.deployed.contains(name)) {
        let members = answers.members.get(name).copied().unwrap_or(0);
        let entered = answers.entered.get(name).copied().unwrap_or(0);
        let all = counted(profiles);
        findings.extend(match (members, entered) {
            (0, 0) => {
                let message = format!("nobody is in segment `{name}`, and nobody ever was; there are {all} profiles");
                let help = "look at what its rule asks for; `tidewater profile show` tells what we know of a person";
                Some(Finding::new(Code::EmptySegment, *place, message).help(help))
            }
            (0, entered) => {
                let message = format!("nobody is in segment `{name}` now; it was entered {} times", counted(entered));
                Some(Finding::new(Code::EmptiedSegment, *place, message))
            }
            (members, _) if members >= profiles && profiles > 1 => {
                let message = format!("everybody is in segment `{name}`: all {all} profiles");
                let help = "look at what its rule leaves out: as it is, it selects nothing";
                Some(Finding::new(Code::EverybodyIn, *place, message).help(help))
            }
            _ => None,
        });
    }
}

/// The segments that mean the same in both programs, whatever their layout and comments: their own words are the same,
/// and those of all that they name.
#[must_use]
pub fn as_deployed(here: (&Program, &Sources), deployed: (&Program, &Sources)) -> BTreeSet<String> {
    let (ours, theirs) = (declarations(here), declarations(deployed));
    let mut named_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, words) in &ours {
        for word in words.iter().map(String::as_str).filter(|word| word != name && ours.contains_key(word)) {
            named_by.entry(word).or_default().push(name);
        }
    }
    let mut changed: BTreeSet<&str> =
        ours.iter().filter(|(name, words)| theirs.get(*name) != Some(words)).map(|(name, _)| *name).collect();
    let mut to_follow: Vec<&str> = changed.iter().copied().collect();
    while let Some(name) = to_follow.pop() {
        let users = named_by.get(name).into_iter().flatten();
        to_follow.extend(users.filter(|user| changed.insert(user)));
    }
    let segments = here.0.rules.segments.iter().map(|segment| segment.name.as_str());
    segments.filter(|name| !changed.contains(name)).map(str::to_owned).collect()
}

/// The words of all that rules can name, by name. Two declarations of one name count as one.
fn declarations<'a>((program, sources): (&'a Program, &'a Sources)) -> BTreeMap<&'a str, Vec<String>> {
    let rules = &program.rules;
    let segments = rules.segments.iter().map(|segment| (segment.name.as_str(), segment.place));
    let computes = rules.computes.iter().map(|compute| (compute.name.as_str(), compute.place));
    let constants = rules.constants.iter().map(|(name, constant)| (name.as_str(), constant.place));
    let lists = rules.lists.iter().map(|list| (list.name.as_str(), list.place));
    let mut words: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, place) in segments.chain(computes).chain(constants).chain(lists) {
        let found = Region::from(place, sources).words();
        words.entry(name).or_default().extend(found.iter().map(|(token, _)| written(token)));
    }
    for list in &rules.lists {
        words.entry(&list.name).or_default().extend(list.members.iter().map(|member| format!("{member:?}")));
    }
    words
}

fn written(token: &Token<'_>) -> String {
    match token {
        Token::Word(word) => (*word).to_owned(),
        Token::Number(number) => number.to_string(),
        Token::Quoted(text) => format!("\"{text}\""),
        Token::Sign(sign) => sign.to_string(),
    }
}
