//! What the workspace declares, by name, so that rules can refer to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Code, Finding, Place, did_you_mean};
use crate::model::platform_event;

use super::rules::{ComputeIndex, ListIndex, PropertyDeclaration, Rules, SegmentIndex, TraitIndex, ValueType};

/// The names of a workspace. Those whose declaration has mistakes are in `broken`: they exist, and nothing is said of
/// their use.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) events: BTreeMap<String, usize>,
    pub(super) traits: BTreeMap<String, TraitIndex>,
    pub(super) computes: BTreeMap<String, ComputeIndex>,
    pub(super) segments: BTreeMap<String, SegmentIndex>,
    pub(super) lists: BTreeMap<String, ListIndex>,
    pub(super) topics: BTreeMap<String, usize>,
    pub(super) purposes: BTreeMap<String, usize>,
    pub(super) audiences: BTreeMap<String, usize>,
    pub(super) broken: BTreeSet<(&'static str, String)>,
}

/// What is known of the properties of an event.
pub(super) enum Properties<'a> {
    Declared(&'a [PropertyDeclaration]),
    /// One of our own: texts of these names.
    Platform(&'static [&'static str]),
    /// Anything may be there: no declaration, or any activity.
    Open,
}

impl Names {
    pub(super) fn is_broken(&self, kind: &'static str, name: &str) -> bool {
        self.broken.contains(&(kind, name.to_owned()))
    }

    /// Whether an event of this name can come; otherwise what to tell.
    pub(super) fn check_event(&self, name: &str, place: Place) -> Result<(), Finding> {
        let known = self.events.contains_key(name) || platform_event::find(name).is_some();
        if known || self.is_broken("event", name) {
            return Ok(());
        }
        let candidates =
            self.events.keys().map(String::as_str).chain(platform_event::ALL.iter().map(|event| event.name));
        let finding = Finding::new(Code::UnknownEvent, place, format!("unknown event `{name}`"));
        Err(match did_you_mean(name, candidates) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, format!("\"{near}\"")),
            None => finding.help(format!("declare it in a rule file: `event \"{name}\" {{ … }}`")),
        })
    }

    pub(super) fn properties<'a>(&self, rules: &'a Rules, event: &str) -> Properties<'a> {
        if self.is_broken("event", event) {
            return Properties::Open;
        }
        if let Some(index) = self.events.get(event) {
            return Properties::Declared(&rules.events[*index].properties);
        }
        platform_event::find(event).map_or(Properties::Open, |event| Properties::Platform(event.properties))
    }

    /// A finding for a name of this kind that nothing declares.
    pub(super) fn unknown<'a>(
        &self,
        kind: &str,
        name: &str,
        known: impl Iterator<Item = &'a String>,
        place: Place,
    ) -> Finding {
        let code = match kind {
            "topic" => Code::UnknownTopic,
            "list" => Code::UnknownList,
            _ => Code::UnknownConstant,
        };
        let finding = Finding::new(code, place, format!("unknown {kind} `{name}`"));
        match did_you_mean(name, known.map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
            None if kind == "list" => {
                finding.help(format!("declare it: `list {name} from \"lists/{name}.csv\" by email`"))
            }
            None if kind == "topic" => {
                finding.help(format!("declare it: `topic {name} channels email marketing opt_in`"))
            }
            None => finding,
        }
    }

    /// A finding for a name that is neither a trait nor a compute.
    pub(super) fn unknown_trait(&self, name: &str, place: Place) -> Finding {
        let candidates = self.traits.keys().chain(self.computes.keys()).map(String::as_str);
        let finding = Finding::new(Code::UnknownTrait, place, format!("unknown trait `{name}`"));
        match did_you_mean(name, candidates) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
            None if self.segments.contains_key(name) => {
                finding.help(format!("`{name}` is a segment: write `in segment {name}`"))
            }
            None => finding.help(format!("declare it in a rule file: `trait {name}: text`")),
        }
    }

    pub(super) fn unknown_segment(&self, name: &str, place: Place) -> Finding {
        let finding = Finding::new(Code::UnknownSegment, place, format!("unknown segment `{name}`"));
        match did_you_mean(name, self.segments.keys().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
            None => finding.help("segments are declared in rule files: `segment name = …`"),
        }
    }
}

/// The declared type at a path of an event's properties. `Err` holds the names that are there instead.
pub(super) fn type_at<'a>(
    properties: &'a [PropertyDeclaration],
    path: &str,
) -> Result<&'a PropertyDeclaration, Vec<String>> {
    if let Some(found) = properties.iter().find(|property| property.name == path) {
        return Ok(found);
    }
    if let Some((head, rest)) = path.split_once('.')
        && let Some(PropertyDeclaration { kind: ValueType::Object(inner), .. }) =
            properties.iter().find(|property| property.name == head)
    {
        return type_at(inner, rest).map_err(|names| names.into_iter().map(|name| format!("{head}.{name}")).collect());
    }
    Err(properties.iter().map(|property| property.name.clone()).collect())
}
