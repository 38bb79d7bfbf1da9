//! A checked journey: a flat table of steps with arrows between them. What `journeys/*.yaml` becomes.

use crate::finding::Place;
use crate::lang::rules::{Condition, SegmentIndex, TraitIndex};
use crate::model::{Span, Value};

pub use super::schedule::Schedule;

/// Index into [`Journey::steps`]; `None` where a path ends, which ends the run as completed.
pub type Next = Option<usize>;

/// One journey of a workspace.
#[derive(Debug, Clone)]
pub struct Journey {
    pub name: String,
    pub title: Option<String>,
    /// Index into `Rules::topics`: what its messages are about.
    pub topic: Option<usize>,
    pub enter: Enter,
    /// A further condition at entry.
    pub when: Option<Condition>,
    pub existing: Existing,
    pub backfill: Backfill,
    pub re_entry: ReEntry,
    /// An entry event, or the event behind a segment entry, that happened longer ago than this starts nothing.
    /// `None`: `ignore_older_than: never`. Where the file is silent it is [`DEFAULT_IGNORE_OLDER_THAN`].
    pub ignore_older_than: Option<Span>,
    /// The run ends as soon as this holds; looked at before every step and on every change of the profile.
    pub exit_when: Option<Condition>,
    /// Leaving the entry segment ends the run.
    pub exit_on_leave: bool,
    pub goal: Option<Goal>,
    /// Where a run begins.
    pub first: Next,
    pub steps: Vec<Step>,
    pub place: Place,
}

/// Late and imported events start nothing unless the journey says so.
pub const DEFAULT_IGNORE_OLDER_THAN: Span = Span::HOUR;

/// What starts a run.
#[derive(Debug, Clone)]
pub enum Enter {
    Event {
        name: String,
        /// Over `Operand::Property`.
        filter: Option<Condition>,
        /// The event's property that tells one run from another (`key: order_id`).
        key: Option<String>,
    },
    Segment(SegmentIndex),
    /// Everyone who meets `to` (and `when`) each time the schedule comes up.
    Schedule {
        schedule: Schedule,
        to: Option<Condition>,
    },
}

/// What becomes of profiles that are already in the entry segment when the journey is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    #[default]
    Skip,
    Enter,
}

/// What becomes of profiles whom an edit of the rules puts into the entry segment: it is nothing that they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backfill {
    #[default]
    Skip,
    Trigger,
}

/// Whether a profile may start again. Never is about all time; all forms forbid a second run of one key at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReEntry {
    #[default]
    Never,
    Always,
    /// Not before this long after the last run began.
    After(Span),
}

/// `goal: { event: Order Completed, within: 7 days }`, counted from the run's entry. Does not end the run.
#[derive(Debug, Clone)]
pub struct Goal {
    pub event: String,
    pub filter: Option<Condition>,
    pub within: Option<Span>,
}

/// One node.
#[derive(Debug, Clone)]
pub struct Step {
    /// The author's `id`, or a path that says where it stands, such as `2.then.0`. Unique in the journey.
    pub id: String,
    pub kind: StepKind,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub enum StepKind {
    Wait {
        wait: Wait,
        next: Next,
    },
    WaitUntil {
        until: Until,
        up_to: Span,
        then: Next,
        timeout: Next,
    },
    /// The first arm that holds is taken.
    Branch {
        arms: Vec<(Condition, Next)>,
        otherwise: Next,
    },
    /// Shares in hundredths of a percent; they add up to 10,000. Chance is a hash of (profile, journey, step).
    RandomSplit {
        arms: Vec<SplitArm>,
    },
    Email {
        email: EmailStep,
        next: Next,
    },
    Webhook {
        webhook: WebhookStep,
        next: Next,
    },
    /// Index into `Rules::audience_syncs`.
    AudienceSync {
        audience: usize,
        add: bool,
        next: Next,
    },
    UpdateProfile {
        updates: Vec<(TraitIndex, Value)>,
        next: Next,
    },
    Exit,
}

#[derive(Debug, Clone)]
pub enum Wait {
    For(Span),
    /// `{ days: 1, at: "10:00" }`: that many calendar days on, at that time of day (minutes since midnight), where the customer is.
    /// With 0 days it is the next time the clock shows `at`.
    Calendar {
        days: u32,
        at_minute: u32,
    },
}

/// What ends a `wait_until` before its time is up. Counted from the moment the step was reached.
#[derive(Debug, Clone)]
pub enum Until {
    Event {
        name: String,
        filter: Option<Condition>,
    },
    /// Membership of the segment, also if it holds already.
    Segment(SegmentIndex),
    When(Condition),
    /// A link in the e-mail that this step (index) of the run sent was clicked.
    Clicked(usize),
}

#[derive(Debug, Clone)]
pub struct SplitArm {
    pub name: String,
    pub share: u32,
    pub first: Next,
}

#[derive(Debug, Clone)]
pub struct EmailStep {
    /// Name in `templates/`.
    pub template: String,
    /// A template itself.
    pub subject: String,
    /// Index into `Rules::topics`: the step's own, or the journey's.
    pub topic: usize,
    /// The trait that holds the address; `email` unless the step says otherwise.
    pub address: TraitIndex,
}

#[derive(Debug, Clone)]
pub struct WebhookStep {
    /// Name of the channel in `tidewater.yaml`.
    pub destination: String,
    /// Its texts are templates.
    pub body: Value,
}

impl Journey {
    /// The step of this id.
    #[must_use]
    pub fn step_index(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}
