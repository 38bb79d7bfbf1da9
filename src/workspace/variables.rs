//! `${NAME}` and `${NAME:-what else}` in the values of `tidewater.yaml`.

use crate::finding::{Code, Finding};
use crate::journey::yaml::{Node, NodeKind, Scalar, Style};
use crate::model::Value;

/// Replaces all variables in the values below this node. Keys are left as they are.
pub fn expand(node: &mut Node, env: &dyn Fn(&str) -> Option<String>, findings: &mut Vec<Finding>) {
    match &mut node.kind {
        NodeKind::Scalar(scalar) => expand_scalar(scalar, env, findings),
        NodeKind::List(items) => items.iter_mut().for_each(|item| expand(item, env, findings)),
        NodeKind::Map(entries) => entries.iter_mut().for_each(|(_, value)| expand(value, env, findings)),
    }
}

fn expand_scalar(scalar: &mut Scalar, env: &dyn Fn(&str) -> Option<String>, findings: &mut Vec<Finding>) {
    if !scalar.text.contains("${") {
        return;
    }
    let mut out = String::new();
    let mut rest = scalar.text.as_str();
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let Some(length) = rest[start..].find('}') else {
            let message = "a variable `${` is not closed by `}`";
            findings.push(Finding::new(Code::BadConfig, scalar.place, message));
            rest = "";
            break;
        };
        let inside = &rest[start + 2..start + length];
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match env(name).filter(|value| !value.is_empty()).or_else(|| default.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => {
                findings.push(
                    Finding::new(
                        Code::MissingVariable,
                        scalar.place,
                        format!("the environment variable `{name}` is not set"),
                    )
                    .help(format!("set it, or give a value for when it is not: `${{{name}:-…}}`")),
                );
                // Something stands here, though we do not know what: its key is not missing.
                out.push_str(&rest[start..=start + length]);
            }
        }
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    scalar.text = out;
    // The quotes are there because YAML wants them; a number or `true` from the environment is one all the same.
    let plain = Scalar { style: Style::Plain, ..scalar.clone() };
    if matches!(plain.value(), Value::Number(_) | Value::Bool(_)) {
        scalar.style = Style::Plain;
    }
}
