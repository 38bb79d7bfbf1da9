//! A folder of files, or files already in memory, to a checked program or to findings.

use std::path::Path;
use std::sync::Arc;

use crate::finding::{Finding, Sources};

use super::config::Config;
use super::program::Program;
use super::scenario::Scenario;

/// All that came of reading a workspace.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub sources: Sources,
    /// `None` where `tidewater.yaml` is missing or has errors.
    pub config: Option<Config>,
    /// `None` where anything that decides has errors.
    pub program: Option<Arc<Program>>,
    pub scenarios: Vec<Scenario>,
    pub findings: Vec<Finding>,
}
