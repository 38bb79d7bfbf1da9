//! The rule language: text to a checked, compiled form that the engine reads. Pure.
//!
//! `.tide` files and rule strings go in ([`compile::Compiler`]); [`rules::Rules`] or findings come out. `lex` and `parse`
//! make a tree (`syntax`), `declare` and `check` give it meaning (`rules`, `condition`, `memory`), `eval` answers
//! conditions, and `naive` answers them slowly, for tests.

mod check;

pub mod compile;
pub mod condition;
pub mod decide;
mod declare;
pub mod duration;
pub mod eval;
mod format;
mod lex;
pub mod memory;
pub mod naive;
mod names;
mod order;
mod parse;
pub mod readers;
pub mod rules;
pub mod say;
pub mod sequence;
mod shared;
mod syntax;
pub mod window;
mod write;

pub use compile::{Compiler, RuleFile, Settings};
pub use duration::parse_span;
pub use format::format;
pub use rules::Rules;
