//! Cleaning of traits: what cannot be cleaned, or is of the wrong type, is left out; the rest is not harmed.

use crate::lang::rules::TraitDeclaration;
use crate::model::Value;
use crate::model::value::ValueMap;

use super::clean::clean;
use super::plan::conform;
use super::refusal::Refusal;

/// Code of what is said of a trait that was left out; the rest of its event is taken.
pub const TRAIT_LEFT_OUT: &str = "trait_left_out";

/// Cleans every declared trait in place and says what was left out. `null`, which clears a trait, stays.
pub(super) fn clean_traits(declared: &[TraitDeclaration], traits: &mut ValueMap) -> Vec<Refusal> {
    let mut left_out = Vec::new();
    for declaration in declared {
        let Some(value) = find_mut(traits, &declaration.name) else { continue };
        if value.is_null() {
            continue;
        }
        if let Err(why) = clean_one(declaration, value) {
            left_out.push(why);
            remove(traits, &declaration.name);
        }
    }
    left_out
}

fn clean_one(declaration: &TraitDeclaration, value: &mut Value) -> Result<(), Refusal> {
    let path = format!("traits.{}", declaration.name);
    if let Value::Text(text) = value {
        for cleaner in &declaration.clean {
            *text = clean(cleaner, text).map_err(|why| Refusal::new(TRAIT_LEFT_OUT, path.as_str(), why))?;
        }
    }
    let mut breaches = Vec::new();
    conform(&declaration.kind, declaration.one_of.as_deref(), value, &path, &mut breaches);
    match breaches.into_iter().next() {
        Some(breach) => Err(Refusal { code: TRAIT_LEFT_OUT, ..breach }),
        None => Ok(()),
    }
}

/// The names at the top of `traits` that nothing declares.
pub(super) fn undeclared<'a>(declared: &[TraitDeclaration], traits: &'a ValueMap) -> Vec<&'a str> {
    let is_declared = |name: &str| {
        let reaches_into = |declared: &str| declared.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        declared.iter().any(|declaration| declaration.name == name || reaches_into(&declaration.name))
    };
    traits.keys().map(String::as_str).filter(|name| !is_declared(name)).collect()
}

/// As [`Value::lookup`]: a name that itself holds the dots wins over a path.
fn find_mut<'a>(map: &'a mut ValueMap, path: &str) -> Option<&'a mut Value> {
    if map.contains_key(path) {
        return map.get_mut(path);
    }
    let (head, rest) = path.split_once('.')?;
    match map.get_mut(head)? {
        Value::Map(inner) => find_mut(inner, rest),
        _ => None,
    }
}

fn remove(map: &mut ValueMap, path: &str) {
    if map.remove(path).is_some() {
        return;
    }
    if let Some((head, rest)) = path.split_once('.')
        && let Some(Value::Map(inner)) = map.get_mut(head)
    {
        remove(inner, rest);
    }
}
