//! The rule language, journeys, lint and the engine against their oracles.
