//! The workspaces that can be played, which the binary carries, and the folder that they are laid out in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::workspace::load::compile;
use crate::workspace::{Config, Program};

use super::super::check::{Checked, print_findings, summary};
use super::sample::Sample;
use super::{Failure, cdnow, clickstream, shop};
use crate::finding::Severity;

/// What can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum DemoData {
    #[default]
    Shop,
    Cdnow,
    Clickstream,
}

macro_rules! files {
    ($root:literal: $($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../", $root, $path)))),*]
    };
}

/// The demo shop: the workspace at the root of the repository.
pub(in crate::cli) const SHOP: &[(&str, &str)] = files!("":
    "tidewater.yaml" "rules/consent.tide" "rules/people.tide" "rules/segments.tide" "rules/tracking-plan.tide"
    "journeys/cart-recovery.yaml" "journeys/order-confirmation.yaml" "journeys/weekly-digest.yaml"
    "journeys/welcome.yaml" "journeys/win-back.yaml"
    "templates/cart-discount.html" "templates/cart-discount.txt" "templates/cart-reminder.html"
    "templates/cart-reminder.txt" "templates/first-steps.html" "templates/first-steps.txt"
    "templates/order-confirmation.html" "templates/order-confirmation.txt" "templates/weekly-digest.html"
    "templates/weekly-digest.txt" "templates/welcome.html" "templates/welcome.txt" "templates/win-back.html"
    "templates/win-back.txt"
    "scenarios/a-year.yaml" "scenarios/cart-recovery.yaml" "scenarios/newsletter.yaml" "scenarios/orders.yaml");

const CDNOW: &[(&str, &str)] = files!("examples/cdnow/":
    "tidewater.yaml" "rules/music-shop.tide" "journeys/second-order.yaml" "journeys/best-customers.yaml"
    "templates/second-order.html" "scenarios/loyalty.yaml");

const CLICKSTREAM: &[(&str, &str)] = files!("examples/clickstream/":
    "tidewater.yaml" "rules/electronics-shop.tide" "journeys/payment-trouble.yaml" "scenarios/payment-trouble.yaml");

impl DemoData {
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Shop => SHOP,
            Self::Cdnow => CDNOW,
            Self::Clickstream => CLICKSTREAM,
        }
    }

    /// The calls to play.
    pub(super) fn sample(self, customers: Option<usize>, seed: u64) -> Result<Sample, Failure> {
        match self {
            Self::Shop => Ok(shop::sample(customers.unwrap_or(120), seed)),
            Self::Cdnow => cdnow::sample(customers),
            Self::Clickstream => clickstream::sample(customers),
        }
    }
}

/// Where the demo keeps workspace and database.
pub(super) struct Folder {
    path: PathBuf,
    /// Goes with the demo, unless it is to be kept.
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    pub(super) fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(path) = keep else {
            let temporary = tempfile::tempdir()?;
            return Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) });
        };
        let is_used = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if is_used {
            return Err(Failure::new(format!("the folder `{}` is not empty", path.display())));
        }
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, _temporary: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database(&self) -> String {
        format!("sqlite://{}", self.path.join("data/tidewater.db").display())
    }

    /// Writes the workspace and compiles it for this demo's ports.
    pub(super) fn compile(
        &self,
        data: DemoData,
        settings: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Arc<Program>, Config), Failure> {
        write_files(&self.path, data.files())?;
        let files = data.files().iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let checked = Checked::from(compile(files, settings));
        let loaded = &checked.loaded;
        match (loaded.program.clone(), loaded.config.clone(), checked.report.has_errors()) {
            (Some(program), Some(config), false) => Ok((program, config)),
            _ => {
                print_findings(&checked, Severity::Error);
                Err(Failure::new(format!("the demo's workspace does not compile: {}", summary(&checked))))
            }
        }
    }
}

/// Lays files out in a folder.
pub(in crate::cli) fn write_files(folder: &Path, files: &[(&str, &str)]) -> Result<(), Failure> {
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
