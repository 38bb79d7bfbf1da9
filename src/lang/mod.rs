//! The rule language: text to a checked, compiled form that the engine reads. Pure.
//!
//! `.tide` files and rule strings go in; [`rules::Rules`] or findings come out.

pub mod eval;
pub mod rules;

pub use rules::Rules;
