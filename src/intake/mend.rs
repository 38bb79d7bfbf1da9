//! What a person changes in something that was refused, before it is tried again.

use serde_json::{Map, Value as Json};

/// Changes of a payload.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mend {
    /// This instead of what came.
    pub payload: Option<Json>,
    /// Paths such as `properties.products[2].price`, and what is to stand there. Objects on the way are made.
    pub set: Vec<(String, Json)>,
}

impl Mend {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payload.is_none() && self.set.is_empty()
    }

    /// The payload as it is tried again.
    ///
    /// # Errors
    /// A path leads nowhere: which, and why.
    pub(super) fn mended(&self, payload: &str) -> Result<String, (String, String)> {
        if self.is_empty() {
            return Ok(payload.to_owned());
        }
        let came = || serde_json::from_str(payload).unwrap_or(Json::Null);
        let mut whole = self.payload.clone().unwrap_or_else(came);
        for (path, value) in &self.set {
            put(&mut whole, path, value.clone()).map_err(|why| (path.clone(), why))?;
        }
        Ok(whole.to_string())
    }
}

fn put(mut place: &mut Json, path: &str, value: Json) -> Result<(), String> {
    for part in path.split('.') {
        let (name, indexes) = part.split_once('[').map_or((part, ""), |(name, _)| (name, &part[name.len()..]));
        if name.is_empty() {
            return Err(format!("`{path}` is no path: write it like properties.products[2].price"));
        }
        if place.is_null() {
            *place = Json::Object(Map::new());
        }
        let Json::Object(fields) = place else {
            return Err(format!("`{name}` cannot stand in something that is no object"));
        };
        place = fields.entry(name).or_insert(Json::Null);
        for index in indexes.split('[').skip(1) {
            let number = index.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
            let number = number.ok_or_else(|| format!("`[{index}` is no place in a list: count from 0, like [2]"))?;
            place = place.get_mut(number).ok_or_else(|| format!("`{name}` has no item [{number}]"))?;
        }
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_put_where_a_path_leads_and_paths_that_lead_nowhere_are_told() {
        let set = |path: &str, value: Json| Mend { set: vec![(path.to_owned(), value)], ..Mend::default() };
        let came = r#"{"properties":{"list":[{"price":"dear"}]}}"#;
        let mended = |mend: &Mend| mend.mended(came).map(|text| serde_json::from_str::<Json>(&text).unwrap());
        let price = mended(&set("properties.list[0].price", json!(3))).unwrap();
        assert_eq!(price, json!({"properties": {"list": [{"price": 3}]}}));
        let made = mended(&set("context.ip", json!("::1"))).unwrap();
        assert_eq!(made, json!({"context": {"ip": "::1"}, "properties": {"list": [{"price": "dear"}]}}));
        for path in ["properties.list[1].price", "properties.list[x]", "properties.list.price", "", "a..b", "[0]"] {
            assert!(mended(&set(path, json!(1))).is_err(), "{path}");
        }
        assert_eq!(Mend::default().mended("not JSON").unwrap(), "not JSON");
        let other = Mend { payload: Some(json!({"userId": "ada"})), set: vec![("event".to_owned(), json!("Seen"))] };
        assert_eq!(mended(&other).unwrap(), json!({"event": "Seen", "userId": "ada"}));
    }
}
