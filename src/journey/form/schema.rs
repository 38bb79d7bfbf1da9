//! A form as a JSON Schema (draft 7, which all editors know), so that they complete and check what `check` checks.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Form, Key, Kinds, Named, Need, Shape};

/// A file's form for editors.
#[derive(Debug, Clone, Copy)]
pub struct Document {
    pub form: &'static Form,
    /// One line on what the file is.
    pub title: &'static str,
    /// Whether `${NAME}` may stand for values.
    pub variables: bool,
}

impl Document {
    /// The schema of one document of such a file.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut generator = Generator { definitions: BTreeMap::new(), variables: self.variables };
        let mut schema = generator.form(self.form);
        if self.variables {
            let variable =
                json!({ "type": "string", "pattern": r"\$\{", "description": "A value of the environment." });
            generator.definitions.insert(VARIABLE.to_owned(), variable);
        }
        schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        schema.insert("title".to_owned(), json!(self.title));
        schema.insert("definitions".to_owned(), json!(generator.definitions));
        sorted(Value::Object(schema))
    }
}

const VARIABLE: &str = "variable";

struct Generator {
    definitions: BTreeMap<String, Value>,
    variables: bool,
}

impl Generator {
    fn form(&mut self, form: &'static Form) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut dependencies = Map::new();
        for key in form.keys.iter().filter(|key| key.need != Need::Later) {
            properties.insert(key.name.to_owned(), self.key(key, key.need == Need::Optional));
        }
        for way in form.ways() {
            properties.insert(way.key.name.to_owned(), self.key(&way.key, way.key.need == Need::Optional));
            for key in way.with {
                properties.insert(key.name.to_owned(), self.key(key, key.need == Need::Optional));
                dependencies.insert(key.name.to_owned(), json!([way.key.name]));
            }
            let needed = required(way.with);
            if !needed.is_empty() {
                dependencies.insert(way.key.name.to_owned(), json!(needed));
            }
        }
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("additionalProperties".to_owned(), json!(false));
        let needed = required(form.keys);
        if !needed.is_empty() {
            schema.insert("required".to_owned(), json!(needed));
        }
        if !dependencies.is_empty() {
            schema.insert("dependencies".to_owned(), Value::Object(dependencies));
        }
        if !form.ways().is_empty() {
            let ways: Vec<Value> = form.ways().iter().map(|way| json!({ "required": [way.key.name] })).collect();
            schema.insert("oneOf".to_owned(), json!(ways));
        }
        schema
    }

    fn key(&mut self, key: &Key, or_nothing: bool) -> Value {
        let shape = self.shape(&key.shape);
        let mut schema = if or_nothing { with_null(shape) } else { shape };
        // Beside a reference nothing else counts.
        if schema.get("$ref").is_some() {
            schema = json!({ "allOf": [schema] });
        }
        if !key.about.is_empty() {
            schema["description"] = json!(key.about);
        }
        schema
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        let schema = match shape {
            Shape::Text => return json!({ "type": ["string", "number", "boolean"], "pattern": r"\S" }),
            Shape::Written(notation) => json!({ "type": "string", "pattern": notation.pattern }),
            Shape::Word(words) => json!({ "enum": words.now }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Whole { from, to } => json!({ "type": "integer", "minimum": from, "maximum": to }),
            Shape::Positive => json!({ "type": "number", "exclusiveMinimum": 0 }),
            Shape::Nothing => return json!({ "type": "null" }),
            Shape::List(of) => return json!({ "type": "array", "items": self.shape(of) }),
            Shape::Map(form) => return self.reference(form),
            Shape::Named(named) => return self.named(named),
            Shape::Values => return json!({ "type": "object" }),
            Shape::Kinds(kinds) => return self.kinds(kinds),
            Shape::Either(scalar, other) => return json!({ "anyOf": [self.shape(scalar), self.shape(other)] }),
        };
        if self.variables { or_variable(&schema) } else { schema }
    }

    /// A form by its name, so that steps can hold steps.
    fn reference(&mut self, form: &'static Form) -> Value {
        let name = definition_name(form.what);
        if !self.definitions.contains_key(&name) {
            self.definitions.insert(name.clone(), Value::Null);
            let schema = self.form(form);
            self.definitions.insert(name.clone(), Value::Object(schema));
        }
        json!({ "$ref": format!("#/definitions/{name}") })
    }

    fn named(&mut self, named: &'static Named) -> Value {
        let mut schema = json!({ "type": "object", "additionalProperties": self.shape(&named.of) });
        let keys: Map<String, Value> =
            named.keys.iter().map(|key| (key.name.to_owned(), self.key(key, false))).collect();
        if !keys.is_empty() {
            schema["properties"] = Value::Object(keys);
        }
        if let Some(names) = named.names {
            schema["propertyNames"] = json!({ "enum": names() });
        }
        schema
    }

    fn kinds(&mut self, kinds: &'static Kinds) -> Value {
        let words: Vec<&str> = kinds.forms.iter().map(|(word, _)| *word).collect();
        let key = json!({ "enum": words });
        let forms = kinds.forms.iter().map(|(word, form)| {
            let is_this = json!({ "properties": { (kinds.key): { "const": word } }, "required": [kinds.key] });
            json!({ "if": is_this, "then": self.reference(form) })
        });
        let forms: Vec<Value> = forms.collect();
        let key = if self.variables { or_variable(&key) } else { key };
        json!({ "type": "object", "properties": { (kinds.key): key }, "required": [kinds.key], "allOf": forms })
    }
}

fn required(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().filter(|key| key.need == Need::Required).map(|key| key.name).collect()
}

fn or_variable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "$ref": format!("#/definitions/{VARIABLE}") }] })
}

/// The schema, or nothing at all: a key with nothing behind it counts as left out.
fn with_null(mut schema: Value) -> Value {
    let nothing = json!({ "type": "null" });
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    } else if let Some(ways) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        ways.push(nothing);
    } else if let Some(kind) = schema.get_mut("type") {
        match kind {
            Value::Array(kinds) => kinds.push(json!("null")),
            one if *one != json!("null") => *one = json!([one.clone(), "null"]),
            _ => {}
        }
    } else {
        schema = json!({ "anyOf": [schema, nothing] });
    }
    schema
}

/// `the entry rule` as `entry_rule`.
fn definition_name(what: &str) -> String {
    let bare = ["a ", "an ", "the "].iter().find_map(|article| what.strip_prefix(article)).unwrap_or(what);
    bare.chars().filter(|sign| *sign != '`').map(|sign| if sign.is_alphanumeric() { sign } else { '_' }).collect()
}

/// The same with all keys in the order of the alphabet, whichever way the JSON library keeps them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries: BTreeMap<String, Value> =
                entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
