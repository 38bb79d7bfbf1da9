//! Events that the platform declares by itself: rules use them like any other. See `docs/language.md`.

/// How a call other than `track` is known to rules.
pub const IDENTIFIED: &str = "Identified";
pub const PAGE_VIEWED: &str = "Page Viewed";
pub const SCREEN_VIEWED: &str = "Screen Viewed";
pub const GROUPED: &str = "Grouped";
pub const ALIASED: &str = "Aliased";

/// Consent, told by a source or by the platform. Properties `topic` and `channel`, or `purpose`; where the platform tells
/// it, `by` and `note` as well.
pub const SUBSCRIBED: &str = "Subscribed";
pub const UNSUBSCRIBED: &str = "Unsubscribed";
pub const CONSENT_GIVEN: &str = "Consent Given";
pub const CONSENT_WITHDRAWN: &str = "Consent Withdrawn";
/// Somebody is to get no message and to be in no audience any more: told by the platform alone.
pub const SUPPRESSED: &str = "Suppressed";

/// What became of an effect. Properties `effect_id`, `channel`, and where a journey decided it `journey`, `run_id`,
/// `step`; `reason` where it did not go well; `url` for a click.
pub const EMAIL_SENT: &str = "Email Sent";
pub const EMAIL_FAILED: &str = "Email Failed";
pub const EMAIL_SUPPRESSED: &str = "Email Suppressed";
pub const EMAIL_UNKNOWN: &str = "Email Unknown";
pub const EMAIL_CLICKED: &str = "Email Clicked";
/// What only the provider of the mail server knows, and may tell us as a source.
pub const EMAIL_DELIVERED: &str = "Email Delivered";
pub const EMAIL_OPENED: &str = "Email Opened";
pub const EMAIL_BOUNCED: &str = "Email Bounced";
pub const EMAIL_COMPLAINED: &str = "Email Complained";
pub const WEBHOOK_SENT: &str = "Webhook Sent";
pub const WEBHOOK_FAILED: &str = "Webhook Failed";
pub const WEBHOOK_UNKNOWN: &str = "Webhook Unknown";
pub const AUDIENCE_SYNCED: &str = "Audience Synced";
pub const AUDIENCE_FAILED: &str = "Audience Sync Failed";
pub const AUDIENCE_SUPPRESSED: &str = "Audience Sync Suppressed";
/// Somebody decided that the update shall not leave.
pub const AUDIENCE_DROPPED: &str = "Audience Sync Dropped";

/// What the engine decided. Properties `segment`, or `journey` and `run_id` (and `reason` on exit).
pub const SEGMENT_ENTERED: &str = "Segment Entered";
pub const SEGMENT_EXITED: &str = "Segment Exited";
pub const JOURNEY_STARTED: &str = "Journey Started";
pub const JOURNEY_GOAL_REACHED: &str = "Journey Goal Reached";
pub const JOURNEY_EXITED: &str = "Journey Exited";

/// An event of the platform: its name, its text properties, and whether a source may send it.
#[derive(Debug, Clone, Copy)]
pub struct PlatformEvent {
    pub name: &'static str,
    pub properties: &'static [&'static str],
    pub from_sources: bool,
}

const OUTCOME: &[&str] = &["effect_id", "channel", "journey", "run_id", "step", "reason", "template"];

const fn ours(name: &'static str, properties: &'static [&'static str]) -> PlatformEvent {
    PlatformEvent { name, properties, from_sources: false }
}

const fn theirs(name: &'static str, properties: &'static [&'static str]) -> PlatformEvent {
    PlatformEvent { name, properties, from_sources: true }
}

/// All of them, in the order of the reference.
pub const ALL: &[PlatformEvent] = &[
    ours(IDENTIFIED, &[]),
    ours(PAGE_VIEWED, &["name", "category", "path", "url", "title", "referrer", "search"]),
    ours(SCREEN_VIEWED, &["name", "category"]),
    ours(GROUPED, &["group_id"]),
    ours(ALIASED, &[]),
    theirs(SUBSCRIBED, &["topic", "channel", "by", "note"]),
    theirs(UNSUBSCRIBED, &["topic", "channel", "by", "note", "effect_id", "journey", "run_id", "step"]),
    theirs(CONSENT_GIVEN, &["purpose", "by", "note"]),
    theirs(CONSENT_WITHDRAWN, &["purpose", "by", "note"]),
    ours(SUPPRESSED, &["by", "note"]),
    ours(EMAIL_SENT, OUTCOME),
    ours(EMAIL_FAILED, OUTCOME),
    ours(EMAIL_SUPPRESSED, OUTCOME),
    ours(EMAIL_UNKNOWN, OUTCOME),
    ours(EMAIL_CLICKED, &["effect_id", "channel", "journey", "run_id", "step", "url"]),
    theirs(EMAIL_DELIVERED, OUTCOME),
    theirs(EMAIL_OPENED, OUTCOME),
    theirs(EMAIL_BOUNCED, OUTCOME),
    theirs(EMAIL_COMPLAINED, OUTCOME),
    ours(WEBHOOK_SENT, OUTCOME),
    ours(WEBHOOK_FAILED, OUTCOME),
    ours(WEBHOOK_UNKNOWN, OUTCOME),
    ours(AUDIENCE_SYNCED, OUTCOME),
    ours(AUDIENCE_FAILED, OUTCOME),
    ours(AUDIENCE_SUPPRESSED, OUTCOME),
    ours(AUDIENCE_DROPPED, OUTCOME),
    ours(SEGMENT_ENTERED, &["segment"]),
    ours(SEGMENT_EXITED, &["segment"]),
    ours(JOURNEY_STARTED, &["journey", "run_id"]),
    ours(JOURNEY_GOAL_REACHED, &["journey", "run_id"]),
    ours(JOURNEY_EXITED, &["journey", "run_id", "reason"]),
];

/// The platform's declaration of an event of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static PlatformEvent> {
    ALL.iter().find(|event| event.name == name)
}
