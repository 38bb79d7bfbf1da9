//! The engine against the slow oracle: random rules, random histories with late, repeated and future-dated events, and
//! time. Membership must be the oracle's after every entry, and change by time at the very instant at which the oracle's
//! answer changes. Replay from any snapshot must give the same bytes.

use proptest::prelude::*;

use tidewater::engine::{self, Profile, snapshot};
use tidewater::lang::naive::{Happened, Past};
use tidewater::lang::rules::SegmentIndex;
use tidewater::lang::window::Calendar;
use tidewater::model::value::ValueMap;
use tidewater::model::{Entry, EntryBody, Event, EventKind, Moment, Offset, ProfileId, Span, Target, Timestamp, Value};
use tidewater::workspace::Program;
use tidewater::workspace::load::compile;

/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600_000;
/// Longer than any window of these rules.
const QUIET: Span = Span::DAY.times(65);

/// Some choices of text, equally likely.
fn one_of(choices: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(choices).prop_map(str::to_owned).boxed()
}

fn hours() -> impl Strategy<Value = String> {
    (1..72_i64).prop_map(|hours| format!("{hours} hours"))
}

fn window() -> BoxedStrategy<String> {
    prop_oneof![
        6 => hours().prop_map(|hours| format!(" in last {hours}")),
        1 => one_of(&[" in last 1 month", " in last 2 days", " today", " this week", " this month"]),
    ]
    .boxed()
}

/// `did …` about one event after the other, or not after it.
fn sequence() -> BoxedStrategy<String> {
    let first = (one_of(&["\"A\"", "\"B\"", "any activity"]), one_of(&["", " where n >= 1"]), hours());
    let step = (
        one_of(&["then", "then did"]),
        one_of(&["\"A\"", "\"B\""]),
        one_of(&["", "", " where n > a.n", " where (kind is a.kind and n >= 1)", " where kind is profile.fav"]),
        prop::option::of(hours()),
    );
    let steps = prop::collection::vec(step, 1..3);
    let end = prop::option::of((one_of(&["\"A\"", "\"B\""]), one_of(&["", " where n > a.n"]), hours()));
    let rest = (one_of(&["", "", " by kind"]), prop::option::of(hours()));
    (any::<bool>(), first, steps, end, rest)
        .prop_map(|(not, (event, filter, window), steps, end, (by, all))| {
            let mut text = format!("did {}{event}{filter} in last {window} as a", if not { "not " } else { "" });
            for (then, event, filter, within) in steps {
                let within = within.map(|within| format!(" within {within}")).unwrap_or_default();
                text.push_str(&format!(" {then} {event}{filter}{within}"));
            }
            if let Some((event, filter, within)) = end {
                text.push_str(&format!(" then did not {event}{filter} within {within}"));
            }
            text.push_str(&by);
            if let Some(all) = all {
                text.push_str(&format!(" all within {all}"));
            }
            text
        })
        .boxed()
}

/// What holds of a date, and how long a state has lasted.
fn dated(with_states: bool) -> BoxedStrategy<String> {
    let dates = prop_oneof![
        one_of(&["due is today", "due in next 3 days", "due in next 1 week", "due in last 2 days", "due is this week"]),
        one_of(&["due_at in next 5 hours", "due_at more than 1 day ago", "due_at in last 30 hours", "due_at is today"]),
    ];
    if !with_states {
        return dates.boxed();
    }
    let state = one_of(&["plan has been \"free\"", "plan has been not \"pro\"", "fav has been in (\"x\", \"z\")"]);
    let length = prop_oneof![hours(), one_of(&["1 month", "2 days"])];
    let lasting = (state, length).prop_map(|(state, length)| format!("{state} for at least {length}"));
    prop_oneof![dates, lasting].boxed()
}

fn did() -> BoxedStrategy<String> {
    let event = one_of(&["\"A\"", "\"B\"", "any activity"]);
    let filter = prop_oneof![
        3 => Just(String::new()),
        1 => (0..4_i32).prop_map(|n| format!(" where n >= {n}")),
        1 => one_of(&[" where (kind is \"x\" or n < 2)", " where kind matches \"^[xz]\"", " where any items (q >= 2)"]),
        1 => one_of(&[" where all items (q >= 1)", " where count of items (q > 0) >= 2", " where tags has any (\"x\")"]),
    ];
    let times = prop_oneof![
        4 => Just(String::new()),
        2 => (1..4_u32).prop_map(|n| format!(" at least {n} times")),
        1 => (0..3_u32).prop_map(|n| format!(" at most {n} times")),
        1 => (0..3_u32).prop_map(|n| format!(" exactly {n} times")),
        1 => (1..4_u32).prop_map(|n| format!(" on at least {n} days")),
        1 => one_of(&[" for the first time"]),
    ];
    let period = prop_oneof![
        2 => Just(String::new()),
        4 => window(),
        1 => one_of(&[" since last \"A\"", " since last \"B\"", " since \"2026-01-03\"", " before \"2026-01-05\""]),
        1 => one_of(&[" between \"2026-01-02\" and \"2026-01-04T12:00:00Z\""]),
    ];
    // `any activity` has no declared properties, so a `where` on it compares what may not be there.
    let counted = (any::<bool>(), event, filter, times, period).prop_map(|(not, event, filter, times, period)| {
        format!("did {}{event}{filter}{times}{period}", if not { "not " } else { "" })
    });
    let beside = (one_of(&["\"A\"", "\"B\""]), one_of(&["", " at least 2 times", " at most 1 time"]), window())
        .prop_map(|(event, times, window)| {
            format!("did {event} where (kind is profile.fav and n >= 1){times}{window}")
        });
    let edge = (one_of(&["first", "last"]), one_of(&["\"A\"", "\"B\""]), prop::option::of(window()))
        .prop_map(|(edge, event, window)| format!("{edge} {event}{} had n >= 2", window.unwrap_or_default()));
    prop_oneof![6 => counted, 1 => beside, 1 => edge].boxed()
}

/// A condition in the rule language, over the events A and B, traits, computes, and segments before it.
fn condition(earlier: usize, with_states: bool) -> BoxedStrategy<String> {
    let comparison = prop_oneof![
        (0..5_i32).prop_map(|n| format!("count_recent >= {n}")),
        (0..9_i32).prop_map(|n| format!("sum_recent > {n}")),
        (0..9_i32).prop_map(|n| format!("sum_all <= {n}")),
        (0..4_i32).prop_map(|n| format!("average_recent > {n}")),
        (0..4_i32).prop_map(|n| format!("smallest < {n}")),
        (0..4_i32).prop_map(|n| format!("largest_recent >= {n}")),
        (0..9_i32).prop_map(|n| format!("mixed > {n}")),
        (0..9_i32).prop_map(|n| format!("points >= {n}")),
        (0..3_i32).prop_map(|n| format!("kinds >= {n}")),
        one_of(&["last_kind is \"x\"", "last_kind_recent is not \"x\"", "first_kind is \"x\"", "usual_kind is \"x\""]),
        one_of(&["usual_kind_recent is \"y\"", "first_kind_recent is \"x\"", "kinds_recent > 1"]),
        one_of(&["plan is \"pro\"", "plan is missing", "plan in (\"pro\", \"free\")", "fav is last_kind"]),
    ];
    let leaf = prop_oneof![6 => did(), 3 => comparison, 2 => sequence(), 2 => dated(with_states)];
    let leaf = if earlier > 0 {
        prop_oneof![6 => leaf, 1 => (0..earlier).prop_map(|n| format!("in segment s{n}"))].boxed()
    } else {
        leaf.boxed()
    };
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
    .boxed()
}

const DECLARATIONS: &str = "event \"A\" { n: number, kind: text, items: list of { q: number }, tags: list of text }
event \"B\" { n: number, kind: text, items: list of { q: number }, tags: list of text }
trait plan: text
trait fav: text
trait due: date
trait due_at: time
compute count_recent = count of \"A\" in last 20 hours
compute sum_recent = sum of n from \"B\" where n > 0 in last 30 hours
compute sum_all = sum of n from \"A\"
compute average_recent = average of n from \"A\" in last 25 hours
compute smallest = min of n from \"A\"
compute largest_recent = max of n from \"B\" in last 15 hours
compute mixed = sum_all + count_recent * 2 - sum of n from \"B\" in last 1 month
compute last_kind = latest kind from \"A\"
compute last_kind_recent = latest kind from \"B\" in last 10 hours
compute first_kind = first kind from \"A\"
compute first_kind_recent = earliest kind from \"B\" in last 22 hours
compute usual_kind = most frequent kind from \"B\"
compute usual_kind_recent = most frequent kind from \"A\" in last 28 hours
compute kinds = unique count of kind from \"A\"
compute kinds_recent = unique count of kind from \"B\" this week
score points {
  add 5 when did \"A\" in last 12 hours
  add 2 for each \"B\" in last 40 hours, capped at 5
  subtract 3 when plan is \"free\"
}
";

fn program(conditions: &[String]) -> Program {
    let mut rules = DECLARATIONS.to_owned();
    for (index, condition) in conditions.iter().enumerate() {
        rules.push_str(&format!("segment s{index} = {condition}\n"));
    }
    compiled(&rules)
}

/// A workspace of these rules alone.
pub(crate) fn compiled(rules: &str) -> Program {
    let files = vec![
        ("rules/r.tide".to_owned(), rules.to_owned()),
        ("tidewater.yaml".to_owned(), "sources: { s: key }\n".to_owned()),
    ];
    let loaded = compile(files, &|_| None);
    let findings: Vec<_> = loaded.findings.iter().filter(|finding| finding.is_error()).collect();
    assert!(findings.is_empty(), "{findings:#?}\n{rules}");
    (*loaded.program.expect("rules without errors make a program")).clone()
}

/// What comes: how long after the last entry, how old it is, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Coming {
    pub(crate) after: i64,
    age: i64,
    kind: u8,
    n: Option<i32>,
    word: Option<bool>,
    repeats: bool,
}

pub(crate) fn coming() -> impl Strategy<Value = Coming> {
    let after = prop_oneof![2 => Just(0_i64), 3 => 1..4_i64, 2 => 1..2_000_i64, 2 => 1..30_i64]
        .prop_map(|n| n * 3_600_000 / 60);
    let age = prop_oneof![4 => Just(0_i64), 1 => 1..3_000_i64, 1 => -500..0_i64].prop_map(|minutes| minutes * 60_000);
    let n = prop::option::weighted(0.8, 0..4_i32);
    (after, age, 0..8_u8, n, prop::option::of(any::<bool>()), prop::bool::weighted(0.1))
        .prop_map(|(after, age, kind, n, word, repeats)| Coming { after, age, kind, n, word, repeats })
}

pub(crate) fn event(one: &Coming, message_id: String, received_at: i64) -> Event {
    let mut properties = ValueMap::new();
    if let Some(n) = one.n {
        properties.insert("n".to_owned(), Value::Number(f64::from(n)));
    }
    if let Some(word) = one.word {
        let word = if word { "x" } else { "y" };
        properties.insert("kind".to_owned(), Value::from(word));
        properties.insert("tags".to_owned(), Value::List(vec![Value::from(word), Value::from("t")]));
        let item = |q: i32| Value::Map([("q".to_owned(), Value::Number(f64::from(q)))].into());
        properties.insert("items".to_owned(), Value::List((0..one.n.unwrap_or(0)).map(item).collect()));
    }
    let (kind, name) = match one.kind {
        0..=3 => (EventKind::Track, "A"),
        4..=6 => (EventKind::Track, "B"),
        _ => (EventKind::Identify, "Identified"),
    };
    let mut traits = ValueMap::new();
    if kind == EventKind::Identify {
        let plan = match one.n {
            Some(0 | 1) => Value::from("pro"),
            Some(_) => Value::from("free"),
            None => Value::Null,
        };
        traits.insert("plan".to_owned(), plan);
        traits.insert("fav".to_owned(), properties.remove("kind").unwrap_or(Value::Null));
        let due = |days: i32| Timestamp(START + i64::from(days) * Span::DAY.0 + i64::from(days) * 3_700_000);
        let due = one.n.map(due);
        traits.insert("due".to_owned(), due.map_or(Value::Null, |at| Value::from(&at.to_string()[..10])));
        traits.insert("due_at".to_owned(), due.map_or(Value::Null, |at| Value::from(at.to_string())));
        properties.clear();
    }
    Event {
        message_id,
        kind,
        name: name.to_owned(),
        source: "s".to_owned(),
        timestamp: Timestamp(received_at - one.age),
        user_id: Some("u".to_owned()),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties,
        traits,
        context: ValueMap::new(),
    }
}

/// The oracle's own record of what happened.
#[derive(Default)]
struct Record {
    happened: Vec<Happened>,
    /// After each change.
    traits: Vec<(Timestamp, ValueMap)>,
    trait_moment: Option<Moment>,
    seen: Vec<String>,
}

impl Record {
    fn take(&mut self, event: &Event, received_at: i64, offset: u64) {
        if self.seen.contains(&event.message_id) {
            return;
        }
        self.seen.push(event.message_id.clone());
        let moment = Moment { at: Timestamp(event.timestamp.0.min(received_at)), offset: Offset(offset) };
        if event.kind == EventKind::Identify && self.trait_moment.is_none_or(|known| known < moment) {
            self.trait_moment = Some(moment);
            let set = event.traits.iter().filter(|(_, value)| !value.is_null());
            let traits = set.map(|(name, value)| (name.clone(), value.clone())).collect();
            self.traits.push((moment.at, traits));
        }
        self.happened.push(Happened {
            name: event.name.clone(),
            properties: event.properties.clone(),
            moment,
            is_activity: event.is_activity(),
        });
    }

    fn members(&self, program: &Program, now: i64) -> Vec<String> {
        let calendar = Calendar { zone: program.time_zone, week_starts: program.rules.week_starts };
        let (happened, traits) = (&self.happened, &self.traits);
        let past = Past { rules: &program.rules, happened, traits, now: Timestamp(now), calendar };
        let all = program.rules.segments.iter().enumerate();
        all.filter(|(index, _)| past.is_in(SegmentIndex(*index as u32))).map(|(_, one)| one.name.clone()).collect()
    }
}

pub(crate) fn members(profile: &Profile) -> Vec<String> {
    profile.memberships().map(|(name, _)| name.to_owned()).collect()
}

/// Lets time pass up to `until`, and holds every wake, and the instants around it, against the oracle.
fn pass_time(
    profile: &mut Profile,
    program: &Program,
    record: &Record,
    changes: &mut Vec<(String, bool)>,
    since: i64,
    until: i64,
) -> Result<(), TestCaseError> {
    while let Some(wake) = profile.wake().filter(|wake| wake.0 <= until) {
        let before = members(profile);
        // A wake of the last entry's own instant has no quiet millisecond before it.
        if wake.0 > since {
            prop_assert_eq!(&before, &record.members(program, wake.0 - 1), "a millisecond before {}", wake);
        }
        let fired = engine::fire(profile, program, wake);
        changes.extend(fired.memberships.into_iter().map(|change| (change.segment, change.entered)));
        prop_assert_eq!(&members(profile), &record.members(program, wake.0), "at {}", wake);
    }
    prop_assert_eq!(&members(profile), &record.members(program, until), "at {}, with no wake due", Timestamp(until));
    Ok(())
}

fn play(conditions: &[String], history: &[Coming]) -> Result<(), TestCaseError> {
    let program = program(conditions);
    let mut profile = Profile::new(ProfileId::from_identifier("user_id", "u"));
    let mut record = Record::default();
    let mut now = START;
    let mut changes: Vec<(String, bool)> = Vec::new();
    for (index, one) in history.iter().enumerate() {
        now += one.after;
        let offset = index as u64 + 1;
        let message = if one.repeats && index > 0 { index - 1 } else { index };
        let event = event(one, format!("m{message}"), now);
        let entry = Entry {
            offset: Offset(offset),
            received_at: Timestamp(now),
            target: Target::Profile(profile.id()),
            body: EntryBody::Event(event.clone()),
        };
        if profile.applied().0 > 0 && one.after > 0 {
            // Between entries; the last millisecond is left to `apply`, which fires what is due before its entry.
            pass_time(&mut profile, &program, &record, &mut changes, now - one.after, now - 1)?;
        }
        let kept = snapshot::encode(&profile);
        let transition = engine::apply(&mut profile, &program, &entry);
        record.take(&event, now, offset);
        // More entries of this instant may come; what is due at it is fired after the last of them.
        let is_last_of_instant = history.get(index + 1).is_none_or(|next| next.after > 0);
        if is_last_of_instant {
            let mut settled = profile.clone();
            engine::fire(&mut settled, &program, Timestamp(now));
            prop_assert_eq!(&members(&settled), &record.members(&program, now), "after entry {} at {}", offset, now);
        }
        for change in &transition.memberships {
            let opposite = (change.segment.clone(), !change.entered);
            let last = changes.iter().rev().find(|(segment, _): &&(String, bool)| *segment == change.segment);
            prop_assert!(last.is_none_or(|last| *last == opposite), "{} does not alternate", change.segment);
        }
        changes.extend(transition.memberships.iter().map(|change| (change.segment.clone(), change.entered)));
        // The same entry again is nothing; a replay from the snapshot is byte for byte the same.
        prop_assert_eq!(engine::apply(&mut profile, &program, &entry), engine::Transition::default());
        let mut again = snapshot::decode(&kept).expect("what was written can be read");
        prop_assert_eq!(&engine::apply(&mut again, &program, &entry), &transition);
        prop_assert_eq!(snapshot::encode(&again), snapshot::encode(&profile));
    }
    pass_time(&mut profile, &program, &record, &mut changes, now, now + QUIET.0)?;
    prop_assert!(engine::memberships_agree(&profile, &program));
    prop_assert!(profile.wake().is_none(), "after two quiet months nothing is left to wait for");
    Ok(())
}

/// The history of two profiles, and where in it they turn out to be one person.
#[derive(Debug, Clone)]
struct Joined {
    history: Vec<Coming>,
    /// To whom each entry came: the loser where it is true.
    to_loser: Vec<bool>,
    merged_after: usize,
}

fn joined() -> impl Strategy<Value = Joined> {
    let one = (coming(), any::<bool>());
    (prop::collection::vec(one, 1..25), any::<prop::sample::Index>()).prop_map(|(both, at)| {
        let merged_after = at.index(both.len());
        let (mut history, mut to_loser): (Vec<Coming>, Vec<bool>) = both.into_iter().unzip();
        for index in 0..history.len() {
            // Each entry has an instant of its own, and a repeat comes to whom the first one came.
            history[index].after = history[index].after.max(60_000);
            if index > 0 && history[index].repeats {
                to_loser[index] = to_loser[index - 1];
            }
        }
        Joined { history, to_loser, merged_after }
    })
}

/// Applies the next entry of the journal of both profiles.
fn enter(profile: &mut Profile, program: &Program, offset: &mut u64, at: i64, body: EntryBody) -> engine::Transition {
    *offset += 1;
    let target = Target::Profile(profile.id());
    engine::apply(profile, program, &Entry { offset: Offset(*offset), received_at: Timestamp(at), target, body })
}

/// From the merge on, the winner is who did all of it: what either did before, and what still comes for the loser.
fn play_joined(conditions: &[String], joined: &Joined) -> Result<(), TestCaseError> {
    let program = program(conditions);
    let mut winner = Profile::new(ProfileId::from_identifier("user_id", "u"));
    let mut loser = Profile::new(ProfileId::from_identifier("anonymous_id", "a"));
    let (mut record, mut changes, mut offset, mut now) = (Record::default(), Vec::new(), 0, START);
    for (index, one) in joined.history.iter().enumerate() {
        now += one.after;
        let event = event(one, format!("m{}", if one.repeats && index > 0 { index - 1 } else { index }), now);
        let is_merged = index > joined.merged_after;
        if is_merged {
            pass_time(&mut winner, &program, &record, &mut changes, now - one.after, now - 1)?;
        }
        let first = if joined.to_loser[index] { &mut loser } else { &mut winner };
        let came = enter(first, &program, &mut offset, now, EntryBody::Event(event.clone()));
        for relay in came.relays {
            prop_assert_eq!(relay.to, winner.id());
            enter(&mut winner, &program, &mut offset, now, relay.body);
        }
        record.take(&event, now, offset);
        if index == joined.merged_after {
            let handed = enter(&mut loser, &program, &mut offset, now, EntryBody::MergeAway { winner: winner.id() });
            for relay in handed.relays {
                enter(&mut winner, &program, &mut offset, now, relay.body);
            }
            prop_assert!(members(&loser).is_empty() && loser.wake().is_none());
        }
        if index >= joined.merged_after {
            let mut settled = snapshot::decode(&snapshot::encode(&winner)).expect("what was written can be read");
            prop_assert_eq!(&settled, &winner);
            engine::fire(&mut settled, &program, Timestamp(now));
            prop_assert_eq!(&members(&settled), &record.members(&program, now), "after entry {} at {}", index, now);
        }
    }
    pass_time(&mut winner, &program, &record, &mut changes, now, now + QUIET.0)?;
    prop_assert!(winner.wake().is_none(), "after two quiet months nothing is left to wait for");
    Ok(())
}

/// `PROPTEST_CASES` random workspaces, each with a history.
fn check<T: std::fmt::Debug>(
    with_states: bool,
    histories: impl Strategy<Value = T>,
    play: impl Fn(&[String], &T) -> Result<(), TestCaseError>,
) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let of = |earlier| condition(earlier, with_states);
    let conditions = (of(0), of(1), of(2), of(3), of(4)).prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e]);
    runner.run(&(conditions, histories), |(conditions, history)| play(&conditions, &history)).unwrap();
    println!("{cases} random workspaces and histories agree with the oracle");
}

#[test]
fn membership_is_the_oracles_at_every_instant() {
    check(true, prop::collection::vec(coming(), 1..25), |conditions, history| play(conditions, history));
}

#[test]
fn a_merged_profile_is_who_did_all_that_either_did() {
    // Since when a state has lasted is known of each profile by itself, not of the two together.
    check(false, joined(), play_joined);
}

#[test]
fn the_check_notices_a_window_that_is_off_by_a_millisecond() {
    // The sceptic's question: would the comparison see it? The oracle is asked one millisecond late.
    let program = program(&["did \"A\" in last 1 hours".to_owned()]);
    let one = Coming { after: 0, age: 0, kind: 0, n: None, word: None, repeats: false };
    let event = event(&one, "m".to_owned(), START);
    let mut record = Record::default();
    record.take(&event, START, 1);
    let end = START + Span::HOUR.0;
    assert_eq!(record.members(&program, end - 1), ["s0"]);
    assert!(record.members(&program, end).is_empty());
}
