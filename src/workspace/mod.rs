//! A folder of files to a checked [`Program`], or to findings. The only room below the store that reads files
//! (`folder`); all else here is pure.

mod channel_settings;
pub mod config;
mod folder;
pub mod load;
pub mod program;
pub mod scenario;
mod scenario_reader;
pub mod schema;
pub mod settings;
pub mod severities;
pub mod shape;
mod variables;

pub use config::{ChannelConfig, Config, Retention, SourceConfig};
pub use load::{Loaded, compile, load, recompile};
pub use program::{Program, Template};
pub use scenario::Scenario;
