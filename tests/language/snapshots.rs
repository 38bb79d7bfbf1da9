//! A snapshot is the profile, to the last bit: a server that starts again decides as one that never stopped.

use proptest::prelude::*;

use tidewater::engine::snapshot;
use tidewater::model::Value;

use crate::person::*;

/// Any number that JSON can say.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), (any::<i64>(), 0..18).prop_map(|(digits, places)| digits as f64 / 10_f64.powi(places))]
        .prop_filter("finite", |number| number.is_finite())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn every_number_comes_back_bit_by_bit(numbers in prop::collection::vec(number(), 1..40)) {
        let text = serde_json::to_string(&numbers.iter().map(|n| Value::Number(*n)).collect::<Vec<_>>()).expect("JSON");
        let back: Vec<Value> = serde_json::from_str(&text).expect("the same");
        let bits: Vec<_> = back.iter().filter_map(Value::as_number).map(f64::to_bits).collect();
        // A minus zero is written as a whole number, and zero it is.
        let wanted: Vec<_> = numbers.iter().map(|n| if *n == 0.0 { 0.0_f64.to_bits() } else { n.to_bits() }).collect();
        prop_assert_eq!(bits.iter().map(|b| if *b == (-0.0_f64).to_bits() { 0 } else { *b }).collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn sums_beyond_64_bits_come_back() {
    let mut ada = Person::new("ada", program("", ""));
    for _ in 0..3 {
        ada.event(1, track("Order", r#"{"revenue":900000000000000000}"#));
        ada.event(2, track("Order", r#"{"revenue":-0.1}"#));
    }
    let back = snapshot::decode(&snapshot::encode(&ada.profile)).expect("what was written can be read");
    assert_eq!(back, ada.profile);
    assert_eq!(snapshot::encode(&back), snapshot::encode(&ada.profile));
}
