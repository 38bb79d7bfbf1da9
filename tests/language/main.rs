//! The rule language, journeys, lint and the engine against their oracles.

mod audiences;
mod backfill;
mod clocks;
mod consent;
mod corpus;
mod demo_shop;
mod differential;
mod editors;
mod erasure;
mod findings;
mod fuzz;
mod journeys;
mod lint;
mod meaning;
mod merges;
mod pages;
mod person;
mod reference;
mod runs;
mod say;
mod schemas;
mod silence;
mod snapshots;
mod sql;
