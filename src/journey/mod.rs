//! Journey files (YAML) to checked graphs. Pure.

pub mod graph;
pub mod pending;
pub mod scalar;
pub mod schedule;
pub mod yaml;

pub use graph::Journey;
pub use schedule::Schedule;
