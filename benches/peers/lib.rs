//! See `benches/rules.rs`.
