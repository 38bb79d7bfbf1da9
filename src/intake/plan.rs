//! The tracking plan: whether values are what the workspace declares, and in which form they are kept.

use crate::lang::rules::{EventDeclaration, PropertyDeclaration, ValueType};
use crate::model::value::ValueMap;
use crate::model::{Timestamp, Value};

use super::refusal::Refusal;

/// Holds an event's properties against its declaration; says every breach with its place. Dates and times that are
/// right are brought to the form in which rules compare them.
pub(super) fn check_event(declared: &EventDeclaration, properties: &mut ValueMap) -> Vec<Refusal> {
    let mut breaches = Vec::new();
    check_fields(&declared.properties, properties, "properties", &mut breaches);
    breaches
}

fn check_fields(declared: &[PropertyDeclaration], values: &mut ValueMap, path: &str, breaches: &mut Vec<Refusal>) {
    for property in declared {
        let path = format!("{path}.{}", property.name);
        match values.get_mut(&property.name).filter(|value| !value.is_null()) {
            Some(value) => conform(&property.kind, property.one_of.as_deref(), value, &path, breaches),
            None if property.required => {
                breaches.push(breach(&path, format!("`{}` is required by the tracking plan", property.name)));
            }
            None => {}
        }
    }
}

/// Checks one value against its declared type and its list of allowed values.
pub(super) fn conform(
    kind: &ValueType,
    one_of: Option<&[Value]>,
    value: &mut Value,
    path: &str,
    breaches: &mut Vec<Refusal>,
) {
    match (kind, &mut *value) {
        (ValueType::Text, Value::Text(_))
        | (ValueType::Number | ValueType::Money { .. }, Value::Number(_))
        | (ValueType::Bool, Value::Bool(_)) => {}
        (ValueType::Date, Value::Text(text)) if date(text).is_some() => {
            *text = date(text).unwrap_or_default();
        }
        (ValueType::Time, Value::Text(text)) if time(text).is_some() => {
            *text = time(text).unwrap_or_default();
        }
        (ValueType::List(of), Value::List(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                conform(of, None, item, &format!("{path}[{index}]"), breaches);
            }
        }
        (ValueType::Object(declared), Value::Map(map)) => check_fields(declared, map, path, breaches),
        (ValueType::Date | ValueType::Time, Value::Text(text)) => {
            let got: String = text.chars().take(60).collect();
            breaches.push(breach(path, format!("must be {}, got `{got}`", expected(kind))));
            return;
        }
        (_, got) => {
            breaches.push(breach(path, format!("must be {}, got {}", expected(kind), got.kind_name())));
            return;
        }
    }
    if let Some(allowed) = one_of
        && !allowed.contains(value)
    {
        let list: Vec<String> = allowed.iter().map(|value| format!("`{value}`")).collect();
        let got: String = value.to_string().chars().take(60).collect();
        breaches.push(breach(path, format!("must be one of {}, got `{got}`", list.join(", "))));
    }
}

fn breach(path: &str, message: String) -> Refusal {
    Refusal::new("plan_breach", path, message)
}

fn expected(kind: &ValueType) -> &'static str {
    match kind {
        ValueType::Text => "a text",
        ValueType::Number => "a number",
        ValueType::Bool => "true or false",
        ValueType::Date => "a date such as 2026-03-01",
        ValueType::Time => "a time such as 2026-03-01T09:00:00Z",
        ValueType::Money { .. } => "an amount (a number)",
        ValueType::List(_) => "a list",
        ValueType::Object(_) => "an object",
    }
}

/// `YYYY-MM-DD`. Libraries that know no dates send a time at midnight: its date counts, as written.
fn date(text: &str) -> Option<String> {
    let is_date = |text: &str| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
    if text.len() == 10 && is_date(text) {
        return Some(text.to_owned());
    }
    chrono::DateTime::parse_from_rfc3339(text).ok()?;
    text.get(..10).filter(|day| is_date(day)).map(str::to_owned)
}

/// RFC 3339, rewritten in UTC so that texts compare as times do.
fn time(text: &str) -> Option<String> {
    let instant = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp(instant.timestamp_millis()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(kind: &ValueType, value: Value) -> Result<Value, String> {
        let mut value = value;
        let mut breaches = Vec::new();
        conform(kind, None, &mut value, "x", &mut breaches);
        match breaches.pop() {
            Some(breach) => Err(format!("{}: {}", breach.path, breach.message)),
            None => Ok(value),
        }
    }

    #[test]
    fn dates_and_times_are_kept_in_one_form() {
        assert_eq!(checked(&ValueType::Date, "1990-02-28".into()), Ok("1990-02-28".into()));
        assert_eq!(checked(&ValueType::Date, "1990-02-28T00:00:00.000Z".into()), Ok("1990-02-28".into()));
        assert!(checked(&ValueType::Date, "1990-02-30".into()).is_err());
        assert!(checked(&ValueType::Date, "28.2.1990".into()).is_err());
        assert_eq!(checked(&ValueType::Time, "2026-03-01T10:00:00+01:00".into()), Ok("2026-03-01T09:00:00Z".into()));
        assert!(checked(&ValueType::Time, "2026-03-01".into()).is_err());
    }

    #[test]
    fn a_breach_inside_a_list_names_its_place() {
        let price = PropertyDeclaration { name: "price".into(), kind: ValueType::Number, required: true, one_of: None };
        let kind = ValueType::List(Box::new(ValueType::Object(vec![price])));
        let value: Value = serde_json::from_str(r#"[{"price":1},{"price":"2"}]"#).unwrap();
        assert_eq!(checked(&kind, value), Err("x[1].price: must be a number, got a text".into()));
        let value: Value = serde_json::from_str(r#"[{"price":1},{}]"#).unwrap();
        assert_eq!(checked(&kind, value), Err("x[1].price: `price` is required by the tracking plan".into()));
    }
}
