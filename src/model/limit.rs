//! Every bound of the platform in one place. A bound that shapes an answer is part of its meaning and is documented.

/// Partitions of profiles. Fixed when a store is first opened: a profile's shard follows from its id.
pub const SHARDS: u16 = 256;

/// Largest body of a single-event request after inflating, in bytes (the Segment spec's limit).
pub const EVENT_BYTES: usize = 32 * 1024;
/// Largest body of a batch request after inflating, in bytes.
pub const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Largest body of whoever shows no write key in the header, after inflating, in bytes (the Segment spec's limit of a batch).
pub const STRANGER_BYTES: usize = 500 * 1024;
/// Most events in one batch.
pub const BATCH_EVENTS: usize = 2_500;
/// Longest `messageId`, event name, `userId`, `anonymousId` and `groupId`, in characters.
pub const MESSAGE_ID_CHARS: usize = 100;
pub const NAME_CHARS: usize = 200;
pub const IDENTIFIER_CHARS: usize = 255;
/// Most names in one object of an event, and deepest nesting.
pub const EVENT_FIELDS: usize = 1_000;
pub const EVENT_DEPTH: usize = 20;

/// How long, and among how many of one profile's last messages, a repeat of a `messageId` is recognised. More than the largest
/// batches have that a source may have under way at once.
pub const DEDUPE_DAYS: i64 = 30;
pub const DEDUPE_MESSAGES: usize = 4 * BATCH_EVENTS;
/// Moments that one condition or windowed compute keeps per profile. Beyond it the oldest are let go.
pub const MOMENTS_KEPT: usize = 10_000;
/// Events of which one condition keeps properties, per profile. Beyond it the oldest are let go.
pub const RECALLED_KEPT: usize = 1_000;
/// Follow-up changes (segment, journey, trait, and round again) that one entry may cause before the engine stops.
pub const FOLLOW_UPS: usize = 1_000;
/// Steps that a run may take without waiting.
pub const STEPS_WITHOUT_WAIT: usize = 200;
/// Runs of one journey that a profile may have at once (keyed entries).
pub const RUNS_AT_ONCE: usize = 50;

/// Largest rule file and journey file, in bytes; deepest nesting of conditions and of YAML.
pub const SOURCE_BYTES: usize = 1024 * 1024;
pub const RULE_DEPTH: usize = 64;
pub const YAML_DEPTH: usize = 64;
pub const YAML_NODES: usize = 100_000;
