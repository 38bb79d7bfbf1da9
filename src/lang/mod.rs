//! The rule language: text to a checked, compiled form that the engine reads. Pure.
//!
//! `.tide` files and rule strings go in ([`compile::Compiler`]); [`rules::Rules`] or findings come out. `parse` makes a
//! tree by the grammar of `grammar/rules.pest`, `declare` and `check` give it meaning, `eval` answers conditions.

mod check;
pub mod compile;
mod declare;
pub mod duration;
pub mod eval;
mod expected;
mod format;
pub mod naive;
mod names;
mod parse;
mod readers;
pub mod rules;
mod syntax;
mod write;

pub use compile::{Compiler, RuleFile, Settings};
pub use duration::parse_span;
pub use format::format;
pub use rules::Rules;
