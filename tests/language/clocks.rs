//! Every change of the clock of every time zone from 2000 to 2040: what is to happen at a time of the day happens once a
//! day and in order, whatever the clock does, and no wait ends never or twice. The oracle is arithmetic over one change.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::OnceLock;

use chrono::{Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use tidewater::engine::{Profile, apply, fire};
use tidewater::journey::Schedule;
use tidewater::model::value::ValueMap;
use tidewater::model::{self, Entry, EntryBody, Event, EventKind, ProfileId, Span, Target, Timestamp, Value};
use tidewater::workspace::load;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60;

/// A change of a zone's clock, in minutes: when, and what the clock is ahead of UTC before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    at: i64,
    before: i64,
    after: i64,
}

fn ahead(zone: Tz, minute: i64) -> i64 {
    let instant = chrono::DateTime::from_timestamp_millis(minute * MINUTE).unwrap();
    i64::from(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc()) / 60
}

/// The changes of a zone; none lie closer together than a week.
fn changes(zone: Tz) -> Vec<Change> {
    let day = |text: &str| Timestamp::parse(text).unwrap().0 / MINUTE;
    let mut found = Vec::new();
    for start in (day("2000-01-01")..day("2040-01-01")).step_by(7 * DAY as usize) {
        let (mut from, mut to) = (start, start + 7 * DAY);
        let (before, after) = (ahead(zone, from), ahead(zone, to));
        if before == after {
            continue;
        }
        while to - from > 1 {
            let middle = from.midpoint(to);
            if ahead(zone, middle) == before { from = middle } else { to = middle }
        }
        found.push(Change { at: to, before, after });
    }
    found
}

/// Each change with a zone that has it, alone within four days; zones that change alike count once.
fn all_changes() -> &'static [(Tz, Change)] {
    static ALL: OnceLock<Vec<(Tz, Change)>> = OnceLock::new();
    ALL.get_or_init(find_changes)
}

fn find_changes() -> Vec<(Tz, Change)> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for zone in TZ_VARIANTS {
        let changes = changes(zone);
        let is_alone = |change: &Change| {
            changes.iter().all(|other| other == change || (other.at - change.at).abs() > 5 * DAY)
                && ahead(zone, change.at - 4 * DAY) == change.before
                && ahead(zone, change.at + 4 * DAY) == change.after
        };
        found.extend(changes.iter().filter(|change| is_alone(change) && seen.insert(**change)).map(|one| (zone, *one)));
    }
    found
}

impl Change {
    /// The first minute at which the clock shows this wall-clock minute; the end of the gap where it never does.
    fn instant(&self, wall: i64) -> i64 {
        let (early, late) = (wall - self.before, wall - self.after);
        if early < self.at {
            early
        } else if late >= self.at {
            late
        } else {
            self.at
        }
    }

    /// Times of the day at which something may go wrong, in minutes.
    fn times(&self) -> BTreeSet<i64> {
        let walls = [self.at + self.before, self.at + self.after];
        let around = walls.into_iter().flat_map(|wall| [wall - 1, wall, wall + 1]);
        let between = (walls[0] + walls[1]) / 2;
        around.chain([between, 0, DAY - 1]).map(|wall| wall.rem_euclid(DAY)).collect()
    }
}

/// Everything that a schedule brings within three days of the change, in minutes.
fn lived(schedule: &Schedule, change: &Change) -> Vec<i64> {
    let (mut at, end) = (Timestamp((change.at - 3 * DAY) * MINUTE - 1), (change.at + 3 * DAY) * MINUTE);
    let mut lived = Vec::new();
    while let Some(next) = schedule.next_after(at).filter(|next| next.0 < end) {
        assert!(next > at, "time goes on");
        assert_eq!(next.0 % MINUTE, 0);
        lived.push(next.0 / MINUTE);
        at = next;
    }
    lived
}

#[test]
fn schedules_come_up_once_a_day_and_in_order_whatever_the_clock_does() {
    let (mut tried, changes) = (0, all_changes());
    for (zone, change) in changes {
        for time in change.times() {
            let schedule = Schedule::parse(&format!("{} {} * * *", time % 60, time / 60), *zone).unwrap();
            let days = (change.at - 5 * DAY) / DAY..(change.at + 5 * DAY) / DAY;
            let mut expected: Vec<i64> = days
                .map(|day| change.instant(day * DAY + time))
                .filter(|at| (change.at - 3 * DAY..change.at + 3 * DAY).contains(at))
                .collect();
            // Where the clock skips a whole day, that day's time falls on that of the next.
            expected.dedup();
            assert_eq!(lived(&schedule, change), expected, "{}:{} in {zone} at {change:?}", time / 60, time % 60);
            tried += 1;
        }
    }
    println!("{tried} schedules at {} changes of clocks", changes.len());
    assert!(changes.len() > 1_000);
}

#[test]
fn schedules_of_every_half_hour_follow_the_time_that_passes() {
    for (zone, change) in all_changes() {
        let schedule = Schedule::parse("*/30 * * * *", *zone).unwrap();
        let shown = |at: &i64| (at + if *at < change.at { change.before } else { change.after }) % 30 == 0;
        let expected: Vec<i64> = (change.at - 3 * DAY..change.at + 3 * DAY).filter(shown).collect();
        assert_eq!(lived(&schedule, change), expected, "{zone} at {change:?}");
    }
}

const WAITS: &str = "journey: wait
enter: { event: Signed Up, re_entry: always }
steps:
  - wait: { days: 1, at: \"TIME\" }
  - id: tell
    webhook: { to: crm, body: { here: we are } }
";

fn program(time: i64) -> tidewater::workspace::Program {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let settings = "sources:\n  shop: key\nchannels:\n  crm: { kind: webhook, url: https://example.com/, secret: \
                    whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }\n";
    let files = vec![
        file("tidewater.yaml", settings),
        file("rules/shop.tide", "event \"Signed Up\" {}\ntrait time_zone: text\n"),
        file("journeys/wait.yaml", &WAITS.replace("TIME", &format!("{:02}:{:02}", time / 60, time % 60))),
    ];
    let loaded = load::compile(files, &|_| None);
    assert!(!loaded.has_errors(), "{:#?}", loaded.findings);
    std::sync::Arc::unwrap_or_clone(loaded.program.unwrap())
}

fn said(offset: u64, at: i64, kind: EventKind, name: &str, traits: ValueMap) -> Entry {
    let event = Event {
        message_id: format!("m{offset}"),
        kind,
        name: name.to_owned(),
        source: "shop".to_owned(),
        timestamp: Timestamp(at * MINUTE),
        user_id: Some("ada".to_owned()),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties: ValueMap::new(),
        traits,
        context: ValueMap::new(),
    };
    let (offset, received_at) = (model::Offset(offset), Timestamp(at * MINUTE));
    Entry { offset, received_at, target: Target::Profile(ProfileId(1)), body: EntryBody::Event(event) }
}

/// The minutes at which a wait that began at `start` tells of its end.
fn waited(program: &tidewater::workspace::Program, zone: Tz, start: i64) -> Vec<i64> {
    let mut profile = Profile::new(ProfileId(1));
    let home = ValueMap::from([("time_zone".to_owned(), Value::from(zone.name()))]);
    apply(&mut profile, program, &said(1, start - 1, EventKind::Identify, "Identified", home));
    apply(&mut profile, program, &said(2, start, EventKind::Track, "Signed Up", ValueMap::new()));
    let fired = fire(&mut profile, program, Timestamp(start * MINUTE) + Span::WEEK);
    fired.effects.iter().map(|effect| effect.decided_at.0 / MINUTE).collect()
}

#[test]
fn a_wait_until_a_time_of_the_day_ends_once_whatever_the_clock_does() {
    let times: BTreeSet<i64> = [0, 30, 60, 90, 120, 150, 180, 1_439].into();
    let mut tried = 0;
    for time in times {
        let program = program(time);
        for (zone, change) in all_changes().iter().filter(|(_, change)| change.times().contains(&time)) {
            assert_eq!(Tz::from_str(zone.name()), Ok(*zone));
            for hours in [-30, -20, -1, 0, 1] {
                let start = change.at + hours * 60;
                let shown = start + if start < change.at { change.before } else { change.after };
                let tomorrow = change.instant((shown.div_euclid(DAY) + 1) * DAY + time);
                // What the clock shows once more in the evening may be over already.
                let expected =
                    if tomorrow > start { tomorrow } else { change.instant((shown.div_euclid(DAY) + 2) * DAY + time) };
                assert_eq!(waited(&program, *zone, start), [expected], "{time} in {zone} at {change:?} from {start}");
                tried += 1;
            }
        }
    }
    println!("{tried} waits");
    assert!(tried > 1_000);
}
