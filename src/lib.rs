//! Tidewater: a customer data platform that you write down.
//!
//! The rooms, from the bottom floor up (imports point down only; `tests/tidy.rs` holds us to it):
//!
//! | floor | rooms |
//! | --- | --- |
//! | 0 | [`model`], [`finding`], [`lang`] |
//! | 1 | [`journey`], [`workspace`] |
//! | 2 | [`engine`], [`lint`] |
//! | 3 | [`store`] |
//! | 4 | [`intake`], [`channels`], [`analytics`], [`privacy`] |
//! | 5 | [`actors`] |
//! | 6 | [`http`] |
//! | 7 | [`cli`] |

pub mod actors;
pub mod analytics;
pub mod channels;
pub mod cli;
pub mod engine;
pub mod finding;
pub mod http;
pub mod intake;
pub mod journey;
pub mod lang;
pub mod lint;
pub mod model;
pub mod privacy;
pub mod store;
pub mod workspace;
