//! The forms of a workspace's YAML files, for editors.

use crate::journey::decode::JOURNEY;
use crate::journey::form::schema::Document;

use super::scenario_reader::SCENARIO;
use super::settings::SETTINGS;

/// `journeys/*.yaml`: one document of them, of which a file may hold several.
pub static OF_JOURNEYS: Document = Document { form: &JOURNEY, title: "A journey of Tidewater", variables: false };

/// `scenarios/*.yaml`: one document of them, of which a file may hold several.
pub static OF_SCENARIOS: Document = Document { form: &SCENARIO, title: "A scenario of Tidewater", variables: false };

/// `tidewater.yaml`.
pub static OF_SETTINGS: Document =
    Document { form: &SETTINGS, title: "Settings of a Tidewater workspace", variables: true };
