//! Templates of messages: what authors write, filled with what is known of a customer. They reach no file, run a
//! bounded number of steps, and a name that is not known is an error rather than a gap in a mail.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::model::Value;
use crate::model::value::ValueMap;

/// Steps that one rendering may take, and bytes that it may make.
const FUEL: u64 = 100_000;
const BYTES: usize = 2 * 1024 * 1024;

/// What escapes a template's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Html,
    Text,
}

/// Fills a template. `name` is what errors call it.
///
/// # Errors
/// What is wrong and in which line, for the author.
pub fn render(name: &str, source: &str, form: Form, variables: &ValueMap) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(move |_| match form {
        Form::Html => AutoEscape::Html,
        Form::Text => AutoEscape::None,
    });
    let rendered = environment
        .template_from_named_str(name, source)
        .and_then(|template| template.render(minijinja::value::Serde(variables)))
        .map_err(|error| explain(name, &error))?;
    if rendered.len() > BYTES {
        return Err(format!("`{name}` became longer than {BYTES} bytes"));
    }
    Ok(rendered)
}

fn explain(name: &str, error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(", line {line}"));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    format!("`{name}`{line}: {detail}")
}

/// Fills every text of a tree and keeps its shape. A text that is one expression alone, such as `{{ plan }}`, still
/// becomes a text.
///
/// # Errors
/// As [`render`].
pub fn render_tree(name: &str, tree: &Value, variables: &ValueMap) -> Result<Value, String> {
    Ok(match tree {
        Value::Text(text) => Value::Text(render(name, text, Form::Text, variables)?),
        Value::List(items) => {
            Value::List(items.iter().map(|item| render_tree(name, item, variables)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let mut filled = ValueMap::new();
            for (key, value) in map {
                filled.insert(key.clone(), render_tree(&format!("{name}.{key}"), value, variables)?);
            }
            Value::Map(filled)
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> ValueMap {
        serde_json::from_str(r#"{"first_name":"<b>Ada</b>","address":{"city":"Porto"},"n":3}"#).unwrap()
    }

    #[test]
    fn values_are_escaped_in_html_and_not_in_text() {
        let html = render("a.html", "Hi {{ first_name }}", Form::Html, &variables()).unwrap();
        assert_eq!(html, "Hi &lt;b&gt;Ada&lt;&#x2f;b&gt;");
        assert_eq!(render("a.txt", "{{ address.city }} {{ n }}", Form::Text, &variables()).unwrap(), "Porto 3");
        assert_eq!(render("s", "{{ nick | default('you') }}", Form::Text, &variables()).unwrap(), "you");
    }

    #[test]
    fn what_is_not_known_is_an_error_with_its_line() {
        let error = render("a.txt", "one\n{{ nick }}", Form::Text, &variables()).unwrap_err();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_value_is_never_run_and_loops_end() {
        let variables: ValueMap = serde_json::from_str(r#"{"x":"{{ 1 + 1 }}"}"#).unwrap();
        assert_eq!(render("a", "{{ x }}", Form::Text, &variables).unwrap(), "{{ 1 + 1 }}");
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(render("a", endless, Form::Text, &variables).is_err());
        assert!(render("a", "{% include 'secret' %}", Form::Text, &variables).is_err());
    }
}
