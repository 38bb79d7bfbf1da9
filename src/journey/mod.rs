//! Journey files (YAML) to checked graphs. Pure.

pub mod graph;

pub use graph::Journey;
