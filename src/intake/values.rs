//! Bounds on the values of an event: depth, number of names, and characters that no store keeps.

use crate::model::Value;
use crate::model::value::ValueMap;

use super::refusal::Refusal;

/// Checks all that an object holds.
///
/// # Errors
/// It is nested deeper than `depth`, holds more than `names` names in all, or a NUL character.
pub(super) fn check_values(map: &ValueMap, path: &str, depth: usize, names: usize) -> Result<(), Refusal> {
    let mut check = Check { depth, names, seen: 0 };
    check.map(map, path, 1)
}

struct Check {
    depth: usize,
    names: usize,
    seen: usize,
}

impl Check {
    fn map(&mut self, map: &ValueMap, path: &str, level: usize) -> Result<(), Refusal> {
        self.level(path, level)?;
        self.seen += map.len();
        if self.seen > self.names {
            return Err(Refusal::new("too_many_fields", path, format!("more than {} names in one object", self.names)));
        }
        for (name, value) in map {
            let inner = format!("{path}.{name}");
            if name.contains('\0') {
                return Err(Refusal::new("invalid", path, "a name holds a NUL character"));
            }
            self.value(value, &inner, level)?;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, path: &str, level: usize) -> Result<(), Refusal> {
        match value {
            Value::Map(map) => self.map(map, path, level + 1),
            Value::List(items) => {
                self.level(path, level + 1)?;
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{path}[{index}]"), level + 1)?;
                }
                Ok(())
            }
            Value::Text(text) if text.contains('\0') => {
                Err(Refusal::new("invalid", path, "the text holds a NUL character"))
            }
            _ => Ok(()),
        }
    }

    fn level(&self, path: &str, level: usize) -> Result<(), Refusal> {
        if level <= self.depth {
            return Ok(());
        }
        Err(Refusal::new("too_deep", path, format!("nested deeper than {} levels", self.depth)))
    }
}
