//! Whatever comes in, nothing panics and nothing is lost in silence.

use proptest::prelude::*;
use serde_json::json;

use super::{Call, take, take_json};
use crate::intake::clean;
use crate::lang::rules::Cleaner;

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let names = prop_oneof![
        Just("userId".to_owned()),
        Just("type".to_owned()),
        Just("event".to_owned()),
        Just("traits".to_owned()),
        Just("properties".to_owned()),
        Just("timestamp".to_owned()),
        Just("sentAt".to_owned()),
        Just("email".to_owned()),
        Just("phone".to_owned()),
        Just("country".to_owned()),
        Just("address".to_owned()),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[+0-9() a-z@.-]{0,20}".prop_map(Into::into),
        prop_oneof![Just("track"), Just("identify"), Just("alias"), Just("Order Completed")].prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_bytes_make_intake_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = take(Call::Track, &body);
        let _ = take(Call::Batch, &body);
    }

    #[test]
    fn no_text_makes_a_cleaner_panic(text in any::<String>(), near in "[+0-9() a-z;=@.x#-]{0,30}") {
        for cleaner in [Cleaner::Email, Cleaner::Phone { default_country: Some("GB".into()) }, Cleaner::CountryCode] {
            let _ = clean::clean(&cleaner, &text);
            let _ = clean::clean(&cleaner, &near);
        }
    }

    /// Every event of a batch is accounted for, once, whatever it holds.
    #[test]
    fn no_event_is_lost_in_silence(items in prop::collection::vec(any_json(), 0..6)) {
        let body = json!({"batch": items});
        let taken = take_json(Call::Batch, &body);
        prop_assert_eq!(taken.accepted.len() + taken.refused.len(), items.len());
        let envelopes = items.iter().filter(|item| item.is_object()).count();
        let not_envelopes = taken.refused.iter().filter(|refusal| refusal.code == "not_an_object").count();
        prop_assert_eq!(envelopes, items.len() - not_envelopes);
    }
}
