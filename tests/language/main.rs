//! The rule language, journeys, lint and the engine against their oracles.

mod differential;
mod demo_shop;
mod journeys;
