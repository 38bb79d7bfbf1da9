//! Reports over the facts that the store keeps. Nothing here decides; everything may be asked at any time.

mod activity;
mod journey;
mod outcome;
pub mod plan;
pub mod seen;
mod segment;

pub use activity::{EventCount, activity_report};
pub use journey::{JourneyReport, StepReport, journey_report};
pub use outcome::{DestinationReport, Outcomes, delivery_report};
pub use segment::{SegmentDay, SegmentReport, segment_report};
