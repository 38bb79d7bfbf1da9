//! What decoding a journey carries along: the rules to look names up in, and the findings.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Place};
use crate::journey::broken_rule;
use crate::journey::reader::{self, unknown};
use crate::journey::scalar::ScalarPlaces;
use crate::journey::template;
use crate::journey::yaml::{Node, Scalar};
use crate::lang::compile::Compiler;
use crate::lang::rules::{Condition, Rules, SegmentIndex, TraitIndex};

use super::Known;

pub(super) struct Context<'a, 'f> {
    /// The whole file.
    pub text: &'a str,
    pub compiler: &'a mut Compiler,
    pub known: &'a Known,
    /// What templates may use.
    pub variables: BTreeSet<String>,
    /// The event that the journey enters by, for `entry.x`.
    pub entry_event: Option<String>,
    /// Index of the journey's topic.
    pub topic: Option<usize>,
    pub findings: &'f mut Vec<Finding>,
}

impl Context<'_, '_> {
    pub fn rules(&self) -> &Rules {
        self.compiler.rules()
    }

    /// A rule over the person, read in the journey.
    pub fn condition(&mut self, node: &Node) -> Option<Condition> {
        let scalar = reader::text(node)?;
        let places = ScalarPlaces::new(self.text, scalar);
        let entry_event = self.entry_event.clone();
        let read = self.compiler.journey_condition(&scalar.text, &places, entry_event.as_deref());
        self.read(scalar, read)
    }

    /// A rule over a profile that has no run yet.
    pub fn profile_condition(&mut self, node: &Node) -> Option<Condition> {
        let scalar = reader::text(node)?;
        let places = ScalarPlaces::new(self.text, scalar);
        let read = self.compiler.profile_condition(&scalar.text, &places);
        self.read(scalar, read)
    }

    /// A `where` over the properties of an event; nothing to be checked where the event itself is wrong.
    pub fn filter(&mut self, node: &Node, event: Option<&str>) -> Option<Condition> {
        let scalar = reader::text(node)?;
        let places = ScalarPlaces::new(self.text, scalar);
        let entry_event = self.entry_event.clone();
        let read = self.compiler.event_filter(&scalar.text, &places, event?, entry_event.as_deref());
        self.read(scalar, read)
    }

    fn read(&mut self, scalar: &Scalar, read: Result<Condition, Vec<Finding>>) -> Option<Condition> {
        match read {
            Ok(condition) => Some(condition),
            Err(findings) => {
                match broken_rule::cut_by_comment(self.text, scalar) {
                    Some(cut) => self.findings.push(cut),
                    None => self.findings.extend(findings),
                }
                None
            }
        }
    }

    /// The name of an event that is declared, by the rules or by the platform.
    pub fn event(&mut self, node: &Node) -> Option<String> {
        let scalar = reader::text(node)?;
        match self.compiler.check_event(&scalar.text, scalar.place) {
            Ok(()) => Some(scalar.text.clone()),
            Err(finding) => {
                self.findings.push(finding);
                None
            }
        }
    }

    pub fn segment(&mut self, node: &Node) -> Option<SegmentIndex> {
        let scalar = reader::text(node)?;
        match self.compiler.segment(&scalar.text, scalar.place) {
            Ok(index) => index,
            Err(finding) => {
                self.findings.push(finding);
                None
            }
        }
    }

    pub fn topic(&mut self, node: &Node) -> Option<usize> {
        let scalar = reader::text(node)?;
        let topics = self.rules().topics.iter().map(|topic| topic.name.as_str());
        let found = index_of(topics.clone(), &scalar.text);
        if found.is_none() && !self.compiler.is_broken("topic", &scalar.text) {
            let message = format!("no topic is called `{}`", scalar.text);
            let finding = unknown(Code::UnknownTopic, scalar.place, message, &scalar.text, topics);
            self.findings.push(finding);
        }
        found
    }

    pub fn audience(&mut self, node: &Node) -> Option<usize> {
        let scalar = reader::text(node)?;
        let audiences = self.rules().audience_syncs.iter().map(|audience| audience.name.as_str());
        let found = index_of(audiences.clone(), &scalar.text);
        if found.is_none() && !self.compiler.is_broken("audience_sync", &scalar.text) {
            let message = format!("no audience sync is called `{}`", scalar.text);
            let finding = unknown(Code::UnknownAudience, scalar.place, message, &scalar.text, audiences);
            self.findings.push(finding);
        }
        found
    }

    /// A trait that rules declare.
    pub fn trait_of(&mut self, name: &str, place: Place) -> Option<TraitIndex> {
        let traits = self.rules().traits.iter().map(|declared| declared.name.as_str());
        match index_of(traits.clone(), name) {
            Some(index) => u32::try_from(index).ok().map(TraitIndex),
            None if self.compiler.is_broken("trait", name) => None,
            None => {
                let computed = self.rules().computes.iter().any(|compute| compute.name == name);
                let finding = if computed {
                    Finding::new(Code::UnknownTrait, place, format!("`{name}` is computed, not a trait"))
                } else {
                    unknown(Code::UnknownTrait, place, format!("no trait is called `{name}`"), name, traits)
                };
                self.findings.push(finding);
                None
            }
        }
    }

    /// Checks a text that is a template.
    pub fn check_template(&mut self, scalar: &Scalar) {
        let places = ScalarPlaces::new(self.text, scalar);
        template::check(&scalar.text, &places, &self.variables, self.findings);
    }

    pub fn push(&mut self, code: Code, place: Place, message: impl Into<String>, help: &str) {
        self.findings.push(Finding::new(code, place, message).help(help));
    }
}

fn index_of<'n>(mut names: impl Iterator<Item = &'n str>, wanted: &str) -> Option<usize> {
    names.position(|name| name == wanted)
}
