//! What was refused, laid out, with each mistake beside the value that it is about.

use serde_json::Value as Json;

use crate::store::journal::Mistake;

/// The lines of a payload.
pub(super) fn lines(payload: &str, mistakes: &[Mistake]) -> Vec<String> {
    let Ok(value) = serde_json::from_str::<Json>(payload) else {
        return payload.lines().map(str::to_owned).collect();
    };
    let mut layout = Layout { mistakes, lines: Vec::new() };
    layout.value(&value, "", "", 0, "");
    layout.lines
}

struct Layout<'a> {
    mistakes: &'a [Mistake],
    lines: Vec<String>,
}

impl Layout<'_> {
    /// `lead` stands before the value, `end` after it.
    fn value(&mut self, value: &Json, path: &str, lead: &str, depth: usize, end: &str) {
        let (open, close) = match value {
            Json::Object(fields) if !fields.is_empty() => ("{", "}"),
            Json::Array(items) if !items.is_empty() => ("[", "]"),
            plain => return self.line(&format!("{lead}{plain}{end}"), path, depth),
        };
        self.line(&format!("{lead}{open}"), path, depth);
        match value {
            Json::Object(fields) => {
                for (index, (name, field)) in fields.iter().enumerate() {
                    let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    let lead = format!("{}: ", Json::from(name.as_str()));
                    self.value(field, &inner, &lead, depth + 1, comma(index, fields.len()));
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{path}[{index}]"), "", depth + 1, comma(index, items.len()));
                }
            }
            _ => {}
        }
        self.lines.push(format!("{}{close}{end}", "  ".repeat(depth)));
    }

    fn line(&mut self, text: &str, path: &str, depth: usize) {
        let here = self.mistakes.iter().filter(|mistake| !path.is_empty() && mistake.path == path);
        let told: String = here.map(|mistake| format!("    <-- {}", mistake.message)).collect();
        self.lines.push(format!("{}{text}{told}", "  ".repeat(depth)));
    }
}

fn comma(index: usize, count: usize) -> &'static str {
    if index + 1 < count { "," } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_stands_beside_its_value() {
        let payload = r#"{"event":"Order Completed","properties":{"list":[{"price":1},{"price":"dear"}],"none":[]}}"#;
        let mistake = |path: &str, message: &str| Mistake { path: path.to_owned(), message: message.to_owned() };
        let mistakes =
            [mistake("properties.list[1].price", "must be a number; got a text"), mistake("userId", "is missing")];
        let expected = r#"{
  "event": "Order Completed",
  "properties": {
    "list": [
      {
        "price": 1
      },
      {
        "price": "dear"    <-- must be a number; got a text
      }
    ],
    "none": []
  }
}"#;
        assert_eq!(lines(payload, &mistakes).join("\n"), expected);
        assert_eq!(lines("not\nJSON", &[]), ["not", "JSON"]);
    }
}
