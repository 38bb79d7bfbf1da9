//! What only the inside shows: that a customer at rest is its packed state and nothing else, and decides as before.

use super::*;
use crate::engine::Sound;
use crate::model::value::ValueMap;
use crate::model::{EntryBody, Event, EventKind, Target, Value};
use crate::workspace::compile;

const RULES: &str = "event \"Read\" { pages: number }\ntrait plan: text\n\
                     compute pages = sum of pages from \"Read\" in last 3 days\n\
                     segment reader = did \"Read\" at least 3 times in last 7 days\n\
                     segment keen = pages > 20 and did \"Read\" in last 1 day then \"Read\" within 2 hours\n";
const JOURNEYS: &str = "journey: keen\nenter: { segment: keen, re_entry: always }\nsteps:\n  - wait: 1 hour\n  \
                        - update_profile: { plan: pro }\n  - wait: 2 days\n";
const HOUR: i64 = 3_600_000;

fn program() -> Arc<Program> {
    let files =
        [("tidewater.yaml", "sources: { shop: key }\n"), ("rules/r.tide", RULES), ("journeys/j.yaml", JOURNEYS)];
    let loaded = compile(files.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec(), &|_| None);
    loaded.program.unwrap_or_else(|| panic!("{:#?}", loaded.findings))
}

fn read(number: u64) -> Arc<Entry> {
    let at = Timestamp(1_767_225_600_000 + number as i64 * HOUR);
    let event = Event {
        message_id: format!("m{number}"),
        kind: EventKind::Track,
        name: "Read".to_owned(),
        source: "shop".to_owned(),
        timestamp: at,
        user_id: Some("ada".to_owned()),
        anonymous_id: None,
        previous_id: None,
        group_id: None,
        properties: [("pages".to_owned(), Value::Number((number % 13) as f64))].into(),
        traits: ValueMap::new(),
        context: ValueMap::new(),
    };
    let target = Target::Profile(ProfileId(7));
    Arc::new(Entry { offset: Offset(number), received_at: at, target, body: EntryBody::Event(event) })
}

/// What a customer is asked, by a channel on which nobody listens.
fn work(program: &Arc<Program>, task: Task) -> Work {
    let (engine, skips, broadcasts) = (Arc::new(Sound), Arc::default(), Arc::default());
    let terms = Terms { engine, skips, program: program.clone(), broadcasts, is_careful: false };
    let (profile, answers) = (ProfileId(7), mpsc::unbounded_channel().0);
    Work { profile, terms: Arc::new(terms), known: Known::default(), task: Arc::new(task), answers }
}

/// Of an actor that is not asked.
fn nobody() -> Addr<Customer> {
    Context::<Customer>::new().address()
}

fn ask(customer: &mut Customer, program: &Arc<Program>, task: Task) -> Worked {
    match customer.answer(&work(program, task), nobody()) {
        Ok(Answer::Worked(worked)) => worked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_customer_that_rests_between_any_two_entries_decides_as_one_that_never_does() {
    let program = program();
    let new = || Customer::new(Profile::new(ProfileId(7)));
    let (mut resting, mut awake) = (new(), new());
    let mut changes = 0;
    // Some hours of each fortnight, so that whatever is entered is left again.
    for number in (0..6).flat_map(|fortnight| (1..8).map(move |hour| fortnight * 336 + hour)) {
        let one = ask(&mut resting, &program, Task::Entries(vec![read(number)]));
        assert!(matches!(resting.kept, Kept::AtWork(_)), "what is not saved stays as it is");
        let saved =
            ask(&mut resting, &program, Task::Save { is_busy: false }).snapshot.expect("it was to tell its state");
        assert!(matches!(&resting.kept, Kept::AtRest(kept) if **kept == *saved), "what the store has is all");
        let other = ask(&mut awake, &program, Task::Entries(vec![read(number)]));
        assert_eq!((one.wake, &one.effects, &one.told.facts), (other.wake, &other.effects, &other.told.facts));
        assert_eq!(one.told.memberships, other.told.memberships, "after {number}");
        changes += one.told.memberships.len();
    }
    assert!(changes > 20, "{changes}: there was something to decide");
    let Kept::AtWork(awake) = &awake.kept else { panic!("it never rested") };
    assert!(matches!(&resting.kept, Kept::AtRest(kept) if **kept == *snapshot::encode(awake)), "the states are equal");
}

#[test]
fn a_customer_whose_packed_state_is_damaged_is_to_be_made_anew() {
    let program = program();
    let mut customer = Customer::new(Profile::new(ProfileId(7)));
    customer.kept = Kept::AtRest([2, 1, 0, 0, 0].into());
    let work = work(&program, Task::Entries(vec![read(1)]));
    assert!(customer.answer(&work, nobody()).is_err_and(|panicked| panicked.reason.contains("damaged")));
}

#[test]
fn a_customer_that_is_busy_stays_as_the_engine_works_on_it_until_it_is_not() {
    let program = program();
    let mut customer = Customer::new(Profile::new(ProfileId(7)));
    ask(&mut customer, &program, Task::Entries(vec![read(1)]));
    let saved = ask(&mut customer, &program, Task::Save { is_busy: true }).snapshot.expect("it was to tell its state");
    let Kept::AtWork(profile) = &customer.kept else { panic!("it rests") };
    assert_eq!(saved, snapshot::encode(profile));
    assert!(customer.kept.size().is_at_work());
    assert_eq!(ask(&mut customer, &program, Task::Rest).snapshot, None, "the store has it");
    assert!(matches!(&customer.kept, Kept::AtRest(kept) if **kept == *saved));
    assert!(!customer.kept.size().is_at_work());
}
