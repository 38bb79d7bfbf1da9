//! What templates of a workspace are filled with.

use std::collections::BTreeSet;

use crate::journey::graph::StepKind;
use crate::journey::template;
use crate::model::Value;
use crate::workspace::Program;

/// A variable of a template, as far as it reaches into an object: `address.city`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variable(pub String);

impl Variable {
    /// Whether it takes anything of the trait or compute of this name.
    pub(super) fn reads(&self, name: &str) -> bool {
        let begins = |long: &str, short: &str| {
            long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        begins(&self.0, name) || begins(name, &self.0)
    }
}

/// The variables of one template.
pub(super) fn variables(text: &str) -> BTreeSet<Variable> {
    template::variables(text).into_iter().map(Variable).collect()
}

/// The variables of all bodies, subjects and webhook texts.
pub(super) fn all_variables(program: &Program) -> BTreeSet<Variable> {
    let bodies = program.templates.values().flat_map(|template| [&template.html, &template.text]).flatten();
    let mut found: BTreeSet<Variable> = bodies.flat_map(|body| variables(body)).collect();
    for step in program.journeys.iter().flat_map(|journey| &journey.steps) {
        match &step.kind {
            StepKind::Email { email, .. } => found.extend(variables(&email.subject)),
            StepKind::Webhook { webhook, .. } => {
                texts(&webhook.body).into_iter().for_each(|text| found.extend(variables(text)));
            }
            _ => {}
        }
    }
    found
}

/// All texts of a value.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Text(text) => vec![text],
        Value::List(items) => items.iter().flat_map(texts).collect(),
        Value::Map(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
