//! A folder of files to a checked [`Program`], or to findings. The only room below the store that reads files
//! (`load`); all else here is pure.

pub mod config;
pub mod load;
pub mod program;
pub mod scenario;

pub use config::{ChannelConfig, Config, SourceConfig};
pub use load::Loaded;
pub use program::{Program, Template};
pub use scenario::Scenario;
