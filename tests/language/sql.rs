//! The engine against SQL: the same questions, asked of the same events by SQLite. Each rule is written twice, in the
//! language and as a query; after every event and at instants between them both must give the same members.

use proptest::prelude::*;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use tidewater::engine::{self, Profile};
use tidewater::model::{Entry, EntryBody, EventKind, Offset, ProfileId, Target, Timestamp, Value};
use tidewater::workspace::Program;

use super::differential::{Coming, START, coming, event, members};

const RULES: &str = "event \"A\" { n: number, kind: text }
event \"B\" { n: number, kind: text }
trait plan: text
trait fav: text
trait due: date
trait due_at: time
";

/// A question in both languages. `{now}` stands for the instant in SQL; a compute that the rule needs comes with it.
#[derive(Debug, Clone)]
struct Question {
    tide: String,
    sql: String,
    compute: Option<String>,
}

fn question(tide: String, sql: String) -> Question {
    Question { tide, sql, compute: None }
}

/// Which events: in the language, and as a condition on the row `e`.
fn events() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        Just(("\"A\"".to_owned(), "e.name = 'A'".to_owned())),
        Just(("\"B\"".to_owned(), "e.name = 'B'".to_owned())),
        Just(("any activity".to_owned(), "e.activity".to_owned())),
    ]
}

fn filters() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        3 => Just((String::new(), "1".to_owned())),
        1 => (0..4).prop_map(|n| (format!(" where n >= {n}"), format!("e.n >= {n}"))),
        1 => Just((" where kind is not \"x\"".to_owned(), "e.kind <> 'x'".to_owned())),
        1 => Just((" where (kind is \"x\" or n < 2)".to_owned(), "(e.kind = 'x' OR e.n < 2)".to_owned())),
    ]
}

const HOUR: i64 = 3_600_000;

fn windows() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        2 => Just((String::new(), "1".to_owned())),
        4 => (1..72_i64).prop_map(|hours| {
            (format!(" in last {hours} hours"), format!("e.at > {{now}} - {}", hours * HOUR))
        }),
    ]
}

fn did() -> impl Strategy<Value = Question> {
    let since = prop_oneof![
        5 => windows(),
        1 => Just((
            " since last \"B\"".to_owned(),
            "(e.at, e.off) > (SELECT at, off FROM events WHERE name = 'B' ORDER BY at DESC, off DESC LIMIT 1)".to_owned(),
        )),
    ];
    let often = prop_oneof![
        3 => Just((String::new(), "COUNT(*) >= 1".to_owned())),
        2 => (1..4).prop_map(|n| (format!(" at least {n} times"), format!("COUNT(*) >= {n}"))),
        1 => (0..3).prop_map(|n| (format!(" at most {n} times"), format!("COUNT(*) <= {n}"))),
        1 => (0..3).prop_map(|n| (format!(" exactly {n} times"), format!("COUNT(*) = {n}"))),
        1 => (1..4).prop_map(|n| (format!(" on at least {n} days"), format!("COUNT(DISTINCT e.at / 86400000) >= {n}"))),
    ];
    let counted = (any::<bool>(), events(), filters(), often, since).prop_map(|(not, event, filter, often, since)| {
        let tide = format!("did {}{}{}{}{}", if not { "not " } else { "" }, event.0, filter.0, often.0, since.0);
        let sql = format!(
            "(SELECT {} FROM events e WHERE {} AND {} AND {}) = {}",
            often.1,
            event.1,
            filter.1,
            since.1,
            i32::from(!not)
        );
        question(tide, sql)
    });
    let first = (events(), 1..72_i64).prop_map(|(event, hours)| {
        let tide = format!("did {} for the first time in last {hours} hours", event.0);
        let first = format!("SELECT MIN(e.at) FROM events e WHERE {}", event.1);
        question(tide, format!("COALESCE(({first}) > {{now}} - {}, 0)", hours * HOUR))
    });
    prop_oneof![6 => counted, 1 => first]
}

/// One event after another, or not after it.
fn sequence() -> impl Strategy<Value = Question> {
    let more = prop_oneof![
        2 => Just(("", "1")),
        1 => Just((" where n > a.n", "e.n > a.n")),
        1 => Just((" where kind is profile.fav", "e.kind = (SELECT fav FROM traits)")),
    ];
    (any::<bool>(), any::<bool>(), any::<bool>(), more, 1..72_i64, 1..48_i64).prop_map(
        |(not, same, swap, more, window, within)| {
            let (one, other) = if swap { ("B", "A") } else { ("A", "B") };
            let then = if not { "then did not" } else { "then" };
            let by = if same { " by kind" } else { "" };
            let tide = format!(
                "did \"{one}\" in last {window} hours as a {then} \"{other}\"{} within {within} hours{by}",
                more.0
            );
            let (by, has_key) = if same { ("e.kind = a.kind", "a.kind IS NOT NULL") } else { ("1", "1") };
            let follows = format!(
                "SELECT 1 FROM events e WHERE e.name = '{other}' AND (e.at, e.off) > (a.at, a.off) AND {by} AND {}",
                more.1
            );
            let begins = format!(
                "SELECT 1 FROM events a WHERE a.name = '{one}' AND {has_key} AND a.at > {{now}} - {}",
                window * HOUR
            );
            let within = within * HOUR;
            let sql = if not {
                format!("EXISTS ({begins} AND a.at + {within} <= {{now}} AND NOT EXISTS ({follows}))")
            } else {
                format!("EXISTS ({begins} AND EXISTS ({follows} AND e.at - a.at <= {within}))")
            };
            question(tide, sql)
        },
    )
}

/// A fact worked out over events, compared with a number.
fn fact() -> impl Strategy<Value = Question> {
    let measure = prop_oneof![
        Just(("count of", "COUNT(*)")),
        Just(("sum of n from", "COALESCE(SUM(e.n), 0)")),
        Just(("average of n from", "AVG(e.n)")),
        Just(("min of n from", "MIN(e.n)")),
        Just(("max of n from", "MAX(e.n)")),
        Just(("unique count of kind from", "COUNT(DISTINCT e.kind)")),
    ];
    let event = prop_oneof![Just(("\"A\"", "e.name = 'A'")), Just(("\"B\"", "e.name = 'B'"))];
    (measure, event, filters(), windows(), prop_oneof![Just(">"), Just("<=")], 0..6).prop_map(
        |(measure, event, filter, window, sign, n)| Question {
            tide: format!("FACT {sign} {n}"),
            sql: format!(
                "COALESCE((SELECT {} FROM events e WHERE {} AND {} AND {}) {sign} {n}, 0)",
                measure.1, event.1, filter.1, window.1
            ),
            compute: Some(format!("{} {}{}{}", measure.0, event.0, filter.0, window.0)),
        },
    )
}

fn trait_of() -> impl Strategy<Value = Question> {
    let of =
        |tide: &str, sql: &str| Just(question(tide.to_owned(), format!("COALESCE((SELECT {sql} FROM traits), 0)")));
    prop_oneof![
        of("plan is \"pro\"", "plan = 'pro'"),
        of("plan is not \"pro\"", "plan <> 'pro'"),
        of("not (plan is \"pro\")", "plan IS NOT 'pro'"),
        of("plan in (\"pro\", \"free\")", "plan IN ('pro', 'free')"),
        of("fav is missing", "fav IS NULL"),
    ]
}

fn rule() -> BoxedStrategy<Vec<Question>> {
    // A rule is a list joined by `and`; its parts may be turned round.
    let part = prop_oneof![4 => did(), 3 => sequence(), 2 => fact(), 1 => trait_of()];
    prop::collection::vec(part, 1..3).boxed()
}

/// The rules, as a program and as one query that gives a row of their answers.
fn written(rules: &[Vec<Question>]) -> (Program, String) {
    let mut text = RULES.to_owned();
    let mut columns = Vec::new();
    let mut facts = 0;
    for (index, parts) in rules.iter().enumerate() {
        let mut tide = Vec::new();
        for part in parts {
            match &part.compute {
                Some(compute) => {
                    facts += 1;
                    text.push_str(&format!("compute fact_{facts} = {compute}\n"));
                    tide.push(part.tide.replace("FACT", &format!("fact_{facts}")));
                }
                None => tide.push(part.tide.clone()),
            }
        }
        text.push_str(&format!("segment s{index} = {}\n", tide.join(" and ")));
        let sql: Vec<&str> = parts.iter().map(|part| part.sql.as_str()).collect();
        columns.push(format!("({}) AS s{index}", sql.join(") AND (")));
    }
    (super::differential::compiled(&text), format!("SELECT {}", columns.join(", ")))
}

struct Sql {
    runtime: tokio::runtime::Runtime,
    database: DatabaseConnection,
}

impl Sql {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let database = runtime.block_on(Database::connect(options)).unwrap();
        let sql = Self { runtime, database };
        sql.run("CREATE TABLE events (name TEXT, at INTEGER, off INTEGER, n REAL, kind TEXT, activity INTEGER)");
        sql.run("CREATE TABLE traits (plan TEXT, fav TEXT)");
        sql.clear();
        sql
    }

    fn run(&self, statement: &str) {
        self.runtime.block_on(self.database.execute_unprepared(statement)).unwrap();
    }

    fn clear(&self) {
        self.run("DELETE FROM events");
        self.run("DELETE FROM traits");
        self.run("INSERT INTO traits VALUES (NULL, NULL)");
    }

    fn members(&self, query: &str, rules: usize, now: i64) -> Vec<String> {
        let statement = Statement::from_string(DbBackend::Sqlite, query.replace("{now}", &now.to_string()));
        let row = self.runtime.block_on(self.database.query_one_raw(statement)).unwrap().expect("one row");
        (0..rules).map(|n| format!("s{n}")).filter(|name| row.try_get::<i64>("", name).unwrap() != 0).collect()
    }
}

fn literal(value: Option<&Value>) -> String {
    match value {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Text(text)) => format!("'{text}'"),
        _ => "NULL".to_owned(),
    }
}

fn play(sql: &Sql, rules: &[Vec<Question>], history: &[Coming], pauses: &[i64]) -> Result<(), TestCaseError> {
    let (program, query) = written(rules);
    sql.clear();
    let mut profile = Profile::new(ProfileId::from_identifier("user_id", "u"));
    let (mut now, mut newest_identify) = (START, None);
    for (index, one) in history.iter().enumerate() {
        now += one.after;
        let offset = index as u64 + 1;
        let event = event(one, format!("m{offset}"), now);
        let at = event.timestamp.0.min(now);
        let body = EntryBody::Event(event.clone());
        let target = Target::Profile(profile.id());
        engine::apply(
            &mut profile,
            &program,
            &Entry { offset: Offset(offset), received_at: Timestamp(now), target, body },
        );
        let (n, kind) = (literal(event.properties.get("n")), literal(event.properties.get("kind")));
        let activity = i32::from(event.is_activity());
        sql.run(&format!("INSERT INTO events VALUES ('{}', {at}, {offset}, {n}, {kind}, {activity})", event.name));
        if event.kind == EventKind::Identify && newest_identify.is_none_or(|known| known < (at, offset)) {
            newest_identify = Some((at, offset));
            let (plan, fav) = (literal(event.traits.get("plan")), literal(event.traits.get("fav")));
            sql.run(&format!("UPDATE traits SET plan = {plan}, fav = {fav}"));
        }
        let until = history.get(index + 1).map_or(now + 100 * HOUR, |next| now + next.after);
        for pause in [0, pauses[index % pauses.len()]] {
            // Later entries of this very instant come before what is due at it.
            let then = (now + pause).min(until - 1);
            if then >= now {
                engine::fire(&mut profile, &program, Timestamp(then));
                prop_assert_eq!(
                    members(&profile),
                    sql.members(&query, rules.len(), then),
                    "at {} after {}",
                    then,
                    offset
                );
            }
        }
    }
    Ok(())
}

#[test]
fn members_are_those_of_the_same_question_in_sql() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let rules = prop::collection::vec(rule(), 4..8);
    let history = prop::collection::vec(coming(), 1..20);
    let pauses = prop::collection::vec(0..80 * HOUR, 4);
    let sql = Sql::new();
    runner.run(&(rules, history, pauses), |(rules, history, pauses)| play(&sql, &rules, &history, &pauses)).unwrap();
    println!("{cases} random workspaces and histories agree with SQLite");
}
