//! Journey files (YAML) to checked graphs. Pure.

pub mod broken_rule;
pub mod decode;
pub mod form;
pub mod graph;
pub mod reader;
pub mod scalar;
pub mod schedule;
pub mod template;
pub mod yaml;

pub use graph::Journey;
pub use schedule::Schedule;
