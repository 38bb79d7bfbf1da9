//! What journeys mean: each test is one sentence of `docs/journeys.md` or of the design.

use tidewater::engine::timeline::Timeline;
use tidewater::engine::{Fact, StepOutcome};
use tidewater::model::{Deploy, EntryBody, Event, ProfileId};

use crate::person::*;

const WITH_MAIL: &str = r#"{"email":"ada@example.com"}"#;
const SUBSCRIBED: &str = r#"{"topic":"news","channel":"email"}"#;

/// Someone whom the newsletter may reach, before a journey of these lines.
fn reader(journeys: &str) -> Person {
    let mut person = Person::new("ada", program("", journeys));
    person.event(0, identify(WITH_MAIL));
    person.event(0, track("Subscribed", SUBSCRIBED));
    person
}

fn with_id(event: Event, id: &str) -> Event {
    Event { message_id: id.to_owned(), ..event }
}

fn deploy(version: &str) -> EntryBody {
    EntryBody::Deploy(Deploy { version: version.to_owned(), unknown: Vec::new() })
}

#[test]
fn a_wait_ends_at_its_instant_and_not_a_millisecond_before() {
    let mut ada = reader(
        "journey: j\ntopic: news\nenter: { event: Cart }\nsteps: [{ wait: 30 minutes }, { id: hi, email: { template: hello } }]\n",
    );
    assert_eq!(began(&ada.event(10, track("Cart", "{}"))), ["j"]);
    assert_eq!(mails(&ada.until_just_before(40)), [""; 0]);
    let fired = ada.until(40);
    assert_eq!(mails(&fired), ["hi"]);
    assert_eq!(fired.effects[0].decided_at, minute(40));
    assert_eq!(ended(&fired), [("j", "completed")]);
}

#[test]
fn a_wake_keeps_its_own_instant_however_late_it_is_fired() {
    let journey = "journey: j\ntopic: news\nenter: { event: Cart }\nsteps: [{ wait: 30 minutes }, { id: hi, email: { template: hello } }]\n";
    let mut ada = reader(journey);
    ada.event(10, track("Cart", "{}"));
    let much_later = ada.event(9_000, track("Order", "{}"));
    assert_eq!(mails(&much_later), ["hi"]);
    assert_eq!(much_later.effects[0].decided_at, minute(40));
}

/// All entries of an instant come before what is due at it: the second of them may still end the run.
#[test]
fn what_is_due_at_an_instant_waits_for_all_entries_of_it() {
    let mut ada = reader(
        "journey: j\ntopic: news\nenter: { event: Cart }\nexit: { when: 'did \"Order\" since entry' }\n\
         steps: [{ wait: 30 minutes }, { id: hi, email: { template: hello } }]\n",
    );
    ada.event(10, track("Cart", "{}"));
    assert_eq!(mails(&ada.event(40, identify(r#"{"mark":"yes"}"#))), [""; 0]);
    assert_eq!(ended(&ada.event(40, track("Order", "{}"))), [("j", "exit_rule")]);
    assert_eq!(mails(&ada.until(40)), [""; 0]);
}

#[test]
fn an_exit_rule_ends_a_run_before_the_step_that_would_send() {
    let mut ada = reader(
        "journey: j\ntopic: news\nenter: { event: Cart }\nexit: { when: 'did \"Order\" since entry' }\n\
         steps: [{ wait: 30 minutes }, { id: hi, email: { template: hello } }]\n",
    );
    ada.event(10, track("Cart", "{}"));
    assert_eq!(ended(&ada.event(20, track("Order", "{}"))), [("j", "exit_rule")]);
    assert_eq!(mails(&ada.until(100)), [""; 0]);
}

#[test]
fn an_order_before_the_entry_is_not_since_entry() {
    let mut ada = reader(
        "journey: j\ntopic: news\nenter: { event: Cart }\nexit: { when: 'did \"Order\" since entry' }\n\
         steps: [{ wait: 30 minutes }, { id: hi, email: { template: hello } }]\n",
    );
    ada.event(9, track("Order", "{}"));
    ada.event(10, track("Cart", "{}"));
    // It arrives after the entry, and happened before it.
    assert!(ended(&ada.event(12, happened(track("Order", "{}"), 8))).is_empty());
    assert_eq!(mails(&ada.until(40)), ["hi"]);
}

#[test]
fn leaving_the_entry_segment_ends_a_run_that_waits() {
    let mut ada = reader(
        "journey: j\ntopic: news\nenter: { segment: shopping }\nexit: { on_leave: true }\n\
         steps: [{ wait: 2 hours }, { id: hi, email: { template: hello } }]\n",
    );
    assert_eq!(began(&ada.event(10, track("Cart", "{}"))), ["j"]);
    assert!(ended(&ada.until_just_before(70)).is_empty());
    assert_eq!(ended(&ada.until(70)), [("j", "left_segment")]);
}

/// A run that leaves its segment by its own doing has left it: the next step is not taken.
#[test]
fn leaving_the_entry_segment_is_looked_at_before_every_step() {
    let mut ada = reader(
        "journey: j\ntopic: news\nenter: { segment: free }\nexit: { on_leave: true }\n\
         steps: [{ update_profile: { plan: pro } }, { id: hi, email: { template: hello } }]\n",
    );
    let done = ada.event(10, identify(r#"{"plan":"free"}"#));
    assert_eq!(mails(&done), [""; 0]);
    assert_eq!(ended(&done), [("j", "left_segment")]);
}

/// A trait that one run writes is a change of the profile, which the exit rule of another run must see at once.
#[test]
fn an_exit_rule_sees_what_another_run_writes() {
    let mut ada = reader(
        "journey: watcher\ntopic: news\nenter: { event: Cart }\nexit: { when: plan is \"pro\" }\nsteps: [{ wait: 10 days }]\n---\n\
         journey: writer\nenter: { event: Cart }\n\
         steps: [{ wait: 30 minutes }, { update_profile: { plan: pro } }, { wait: 10 days }]\n",
    );
    ada.event(10, track("Cart", "{}"));
    assert_eq!(ended(&ada.until(40)), [("watcher", "exit_rule")]);
}

#[test]
fn a_wait_until_a_rule_sees_what_another_run_writes() {
    let mut ada = reader(
        "journey: watcher\nenter: { event: Cart }\n\
         steps: [{ id: w, wait_until: { when: plan is \"pro\", up_to: 10 days } }]\n---\n\
         journey: writer\nenter: { event: Cart }\n\
         steps: [{ wait: 30 minutes }, { update_profile: { plan: pro } }, { wait: 10 days }]\n",
    );
    ada.event(10, track("Cart", "{}"));
    assert_eq!(outcomes(&ada.until(40), "w"), [&StepOutcome::Met]);
}

#[test]
fn a_wait_until_a_segment_that_holds_is_met_at_once() {
    let mut ada = reader(
        "journey: j\nenter: { event: Cart }\nsteps: [{ id: w, wait_until: { segment: shopping, up_to: 1 day } }]\n",
    );
    assert_eq!(outcomes(&ada.event(10, track("Cart", "{}")), "w"), [&StepOutcome::Met]);
}

#[test]
fn a_wait_until_an_event_takes_only_a_later_one_and_else_times_out() {
    let journey = "journey: j\nenter: { event: Cart }\n\
                   steps: [{ id: w, wait_until: { event: Order, where: revenue > 5, up_to: 60 minutes } }]\n";
    let mut ada = reader(journey);
    ada.event(9, track("Order", r#"{"revenue":9}"#));
    ada.event(10, track("Cart", "{}"));
    assert_eq!(ada.waits("j"), ["w"]);
    assert!(outcomes(&ada.event(20, track("Order", r#"{"revenue":5}"#)), "w").is_empty());
    assert_eq!(outcomes(&ada.event(21, track("Order", r#"{"revenue":6}"#)), "w"), [&StepOutcome::Met]);

    let mut ben = reader(journey);
    ben.event(10, track("Cart", "{}"));
    assert!(outcomes(&ben.until_just_before(70), "w").is_empty());
    assert_eq!(outcomes(&ben.until(70), "w"), [&StepOutcome::TimeUp]);
}

#[test]
fn a_click_counts_for_its_own_run_and_step() {
    let mut ada = reader(
        "journey: j\ntopic: news\nenter: { event: Cart }\n\
         steps: [{ id: hi, email: { template: hello } }, { id: w, wait_until: { clicked: hi, up_to: 1 day } }]\n",
    );
    let sent = ada.event(10, track("Cart", "{}"));
    let run = sent.effects[0].origin.as_ref().expect("a journey's").run;
    let click = |run: &str, step: &str| platform("Email Clicked", &format!(r#"{{"run_id":"{run}","step":"{step}"}}"#));
    let other = ProfileId::from_identifier("user_id", "other").to_string();
    assert!(outcomes(&ada.event(11, click(&other, "hi")), "w").is_empty());
    assert!(outcomes(&ada.event(12, click(&run.to_string(), "w")), "w").is_empty());
    assert_eq!(outcomes(&ada.event(13, click(&run.to_string(), "hi")), "w"), [&StepOutcome::Met]);
}

#[test]
fn re_entry_is_as_it_says() {
    for (rule, wanted) in [
        ("never", [true, false, false, false]),
        ("always", [true, true, true, true]),
        ("after 60 minutes", [true, false, true, false]),
    ] {
        let mut ada = reader(&format!("journey: j\nenter: {{ event: Cart, re_entry: {rule} }}\nsteps: []\n"));
        let at = [10, 69, 70, 129];
        let found = at.map(|minutes| !began(&ada.event(minutes, track("Cart", "{}"))).is_empty());
        assert_eq!(found, wanted, "re_entry: {rule}");
    }
}

#[test]
fn a_second_run_of_one_key_never_begins_while_the_first_is_under_way() {
    let mut ada =
        reader("journey: j\nenter: { event: Order, key: order_id, re_entry: always }\nsteps: [{ wait: 1 hour }]\n");
    let order = |id: &str| track("Order", &format!(r#"{{"order_id":"{id}"}}"#));
    assert_eq!(began(&ada.event(1, order("a"))).len(), 1);
    assert_eq!(began(&ada.event(2, order("b"))).len(), 1);
    assert_eq!(began(&ada.event(3, order("a"))).len(), 0);
    assert_eq!(began(&ada.event(4, track("Order", "{}"))).len(), 0, "no key, no run");
    ada.until(61);
    assert_eq!(began(&ada.event(62, order("a"))).len(), 1);
    let ids: Vec<_> = ada.profile.runs().iter().map(|run| run.id).collect();
    assert!(ids.iter().enumerate().all(|(index, id)| !ids[..index].contains(id)), "{ids:?}");
}

#[test]
fn an_event_that_is_too_old_starts_nothing() {
    let journey = "journey: j\nenter: { event: Cart, ignore_older_than: 30 minutes }\nsteps: []\n";
    assert_eq!(began(&reader(journey).event(60, happened(track("Cart", "{}"), 30))), ["j"]);
    assert_eq!(began(&reader(journey).event(60, happened(track("Cart", "{}"), 29))), [""; 0]);
    // The age of a segment entry is the age of the event behind it.
    let by_segment = "journey: j\nenter: { segment: shopping, ignore_older_than: 30 minutes }\nsteps: []\n";
    assert_eq!(began(&reader(by_segment).event(60, happened(track("Cart", "{}"), 29))), [""; 0]);
}

/// What comes for the winner of a merge before the loser has handed over waits for it.
#[test]
fn between_the_halves_of_a_merge_nothing_is_decided_and_nothing_counts_twice() {
    let journey = "journey: j\ntopic: news\nenter: { event: Cart }\nsteps: [{ id: hi, email: { template: hello } }]\n";
    let mut ada = reader(journey);
    let mut visitor = Person::new("visitor", program("", journey));
    visitor.event(1, with_id(track("Order", "{}"), "order-1"));
    visitor.event(2, track("Unsubscribed", SUBSCRIBED));
    let handed = visitor.entry(3, EntryBody::MergeAway { winner: ada.profile.id() });
    let loser = visitor.profile.id();
    ada.entry(3, EntryBody::Expect { loser });
    assert!(!ada.event(4, with_id(track("Order", "{}"), "order-1")).recorded);
    assert_eq!(began(&ada.event(5, track("Cart", "{}"))), [""; 0]);
    assert_eq!(ada.profile.wake(), None);
    let settled = ada.entry(6, handed.relays[0].body.clone());
    assert_eq!(began(&settled), ["j"]);
    assert_eq!(mails(&settled), [""; 0], "the visitor had left the newsletter");
    let counts: Vec<_> = settled.released.iter().map(|entry| entry.received_at).collect();
    assert_eq!(counts, [minute(5)], "the order was the visitor's already");
}

#[test]
fn a_segment_that_is_entered_because_a_window_ended_is_never_late() {
    let rules = "segment idle = did \"Cart\" and did not \"Cart\" in last 60 minutes\n";
    let journey = "journey: j\nenter: { segment: idle, ignore_older_than: 1 minute }\nsteps: []\n";
    let mut ada = Person::new("ada", program(rules, journey));
    ada.event(10, track("Cart", "{}"));
    assert_eq!(began(&ada.until_just_before(70)), [""; 0]);
    assert_eq!(began(&ada.until(70)), ["j"]);
}

#[test]
fn who_may_not_be_written_to_goes_on() {
    let journey = |topic: &str| {
        format!(
            "journey: j\ntopic: {topic}\nenter: {{ event: Cart }}\n\
             steps: [{{ id: hi, email: {{ template: hello }} }}, {{ id: up, update_profile: {{ mark: 'yes' }} }}]\n"
        )
    };
    let skipped = |reason: &str| StepOutcome::Skipped(reason.to_owned());
    let mut unasked = Person::new("a", program("", &journey("news")));
    unasked.event(0, identify(WITH_MAIL));
    let done = unasked.event(1, track("Cart", "{}"));
    assert_eq!((outcomes(&done, "hi"), done.effects.len()), (vec![&skipped("no_consent")], 0));
    assert_eq!(unasked.segments(), ["marked", "shopping"]);

    let mut without_address = Person::new("b", program("", &journey("news")));
    without_address.event(0, track("Subscribed", SUBSCRIBED));
    assert_eq!(outcomes(&without_address.event(1, track("Cart", "{}")), "hi"), [&skipped("no_address")]);

    // A transactional topic needs no yes, but hears a no.
    let mut buyer = Person::new("c", program("", &journey("orders")));
    buyer.event(0, identify(WITH_MAIL));
    assert_eq!(mails(&buyer.event(1, track("Cart", "{}"))), ["hi"]);
    let mut refuser = Person::new("d", program("", &journey("orders")));
    refuser.event(0, identify(WITH_MAIL));
    refuser.event(0, track("Unsubscribed", r#"{"topic":"orders","channel":"email"}"#));
    assert_eq!(outcomes(&refuser.event(1, track("Cart", "{}")), "hi"), [&skipped("no_consent")]);
}

#[test]
fn what_was_said_later_counts_whenever_we_hear_of_it() {
    let mut ada =
        reader("journey: j\ntopic: news\nenter: { event: Cart }\nsteps: [{ id: hi, email: { template: hello } }]\n");
    ada.event(30, track("Unsubscribed", SUBSCRIBED));
    ada.event(40, happened(track("Subscribed", SUBSCRIBED), 20));
    assert_eq!(mails(&ada.event(41, track("Cart", "{}"))), [""; 0]);
}

#[test]
fn one_run_draws_one_arm_and_a_replay_draws_the_same() {
    let journey = "journey: j\nenter: { event: Cart }\nsteps:\n  - id: split\n    random_split:\n      \
                   a: { share: 50%, steps: [{ wait: 1 day }] }\n      b: { share: 50%, steps: [{ wait: 2 days }] }\n";
    let (mut took_a, mut took_b) = (0, 0);
    for number in 0..200 {
        let mut person = Person::new(&format!("p{number}"), program_once(journey));
        let drawn = person.event(10, track("Cart", "{}"));
        let mut again = Person::new(&format!("p{number}"), program_once(journey));
        assert_eq!(again.event(10, track("Cart", "{}")), drawn);
        match outcomes(&drawn, "split")[..] {
            [StepOutcome::Took(arm)] if arm == "a" => took_a += 1,
            [StepOutcome::Took(_)] => took_b += 1,
            ref other => panic!("{other:?}"),
        }
    }
    assert!(took_a > 60 && took_b > 60, "{took_a} and {took_b}");
}

/// Compiling is the slow part of a test of many people.
fn program_once(journey: &'static str) -> tidewater::workspace::Program {
    static PROGRAM: std::sync::OnceLock<tidewater::workspace::Program> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(|| program("", journey)).clone()
}

#[test]
fn a_goal_counts_within_its_time_and_after_the_run_is_over() {
    let journey = "journey: j\nenter: { event: Cart }\ngoal: { event: Order, within: 60 minutes }\nsteps: []\n";
    let reached = |at: i64| {
        let mut ada = reader(journey);
        ada.event(10, track("Cart", "{}"));
        let done = ada.event(at, track("Order", "{}"));
        done.facts.iter().filter(|fact| matches!(fact, Fact::GoalReached { .. })).count()
    };
    assert_eq!((reached(11), reached(70), reached(71)), (1, 1, 0));
}

#[test]
fn a_deploy_takes_in_who_is_there_only_where_the_journey_says_so() {
    for (existing, wanted) in [("skip", 0), ("enter", 1)] {
        let mut ada = reader("");
        ada.event(1, identify(r#"{"plan":"free"}"#));
        ada.program = program(
            "",
            &format!("journey: j\nenter: {{ segment: free, existing: {existing} }}\nsteps: [{{ wait: 1 day }}]\n"),
        );
        assert_eq!(began(&ada.entry(2, deploy("2"))).len(), wanted, "existing: {existing}");
        assert_eq!(began(&ada.entry(3, deploy("3"))).len(), 0, "only once");
    }
}

#[test]
fn a_run_goes_on_at_its_step_after_an_edit_or_ends_where_that_is_gone() {
    let journey = |id: &str| {
        format!(
            "journey: j\ntopic: news\nenter: {{ event: Cart }}\nsteps:\n  - {{ update_profile: {{ mark: 'yes' }} }}\n  - {{ id: {id}, wait: 1 hour }}\n"
        )
    };
    let mut kept = reader("journey: j\nenter: { event: Cart }\nsteps: [{ id: pause, wait: 1 hour }]\n");
    kept.event(10, track("Cart", "{}"));
    kept.program = program("", &journey("pause"));
    assert!(ended(&kept.entry(20, deploy("2"))).is_empty());
    assert_eq!(ended(&kept.until(70)), [("j", "completed")]);

    let mut removed = reader("journey: j\nenter: { event: Cart }\nsteps: [{ id: pause, wait: 1 hour }]\n");
    removed.event(10, track("Cart", "{}"));
    removed.program = program("", &journey("other"));
    assert_eq!(ended(&removed.entry(20, deploy("2"))), [("j", "step_removed")]);
}

/// A segment that is gone from the rules has no members: who was in it has left it.
#[test]
fn a_deploy_without_a_segment_ends_its_memberships() {
    let mut ada = Person::new("ada", program("segment gone = plan is \"free\"\n", ""));
    ada.event(0, identify(r#"{"plan":"free"}"#));
    assert_eq!(ada.segments(), ["free", "gone"]);
    ada.program = program("", "");
    let done = ada.entry(1, deploy("2"));
    assert_eq!(ada.segments(), ["free"]);
    let changes: Vec<_> = done.memberships.iter().map(|change| (change.segment.as_str(), change.entered)).collect();
    assert_eq!(changes, [("gone", false)]);
}

/// A repeat is nothing at all, also where time has come to an end in that very instant.
#[test]
fn a_repeated_message_changes_nothing() {
    let mut ada = reader(
        "journey: j\nenter: { event: Cart }\nexit: { when: 'did not \"Cart\" in last 60 minutes' }\nsteps: [{ wait: 1 day }]\n",
    );
    let mut cart = track("Cart", "{}");
    cart.message_id = "m".to_owned();
    ada.event(10, cart.clone());
    assert_eq!(ada.event(70, cart), tidewater::engine::Transition::default());
    assert_eq!(ended(&ada.until(70)), [("j", "exit_rule")]);
}

/// Segment's libraries may send `address.city` as one name; what a journey writes there must be read back.
#[test]
fn a_trait_sent_under_its_dotted_name_can_be_written_over() {
    let rules = "segment in_porto = address.city is \"Porto\"\n";
    let journey = "journey: j\nenter: { event: Cart }\nsteps: [{ update_profile: { address.city: Porto } }]\n";
    for sent in [r#"{"address.city":"Faro"}"#, r#"{"address":{"city":"Faro"}}"#] {
        let mut ada = Person::new("ada", program(rules, journey));
        ada.event(0, identify(sent));
        ada.event(1, track("Cart", "{}"));
        assert_eq!(ada.segments(), ["in_porto", "shopping"], "after {sent}");
    }
}

/// `lint` warns of such a journey; playing a scenario of it must come to an end all the same.
#[test]
fn a_journey_that_starts_itself_by_its_own_mail_does_not_play_for_ever() {
    let program = program(
        "",
        "journey: j\ntopic: orders\nenter: { event: Email Sent, re_entry: always }\nsteps: [{ email: { template: hello } }]\n---\n\
         journey: first\ntopic: orders\nenter: { event: Cart }\nsteps: [{ email: { template: hello } }]\n",
    );
    let mut timeline = Timeline::new(&program, ProfileId::from_identifier("user_id", "ada"), minute(0));
    let with_id = |mut event: tidewater::model::Event, id: &str| {
        event.message_id = id.to_owned();
        event.timestamp = minute(0);
        event
    };
    timeline.event(minute(0), with_id(identify(WITH_MAIL), "a"));
    timeline.event(minute(1), with_id(track("Cart", "{}"), "b"));
    assert!(timeline.effects().count() > 10);
    let saturated = |fact: &Fact| matches!(fact, Fact::Saturated { .. });
    assert!(timeline.happened().iter().any(|(_, transition)| transition.facts.iter().any(saturated)));
}

#[test]
fn runs_beyond_the_bound_are_refused_visibly() {
    let mut ada = reader("journey: j\nenter: { event: Order, key: order_id }\nsteps: [{ wait: 1 hour }]\n");
    let saturated = |fact: &Fact| matches!(fact, Fact::Saturated { .. });
    for number in 0..51 {
        let done = ada.event(1, track("Order", &format!(r#"{{"order_id":"{number}"}}"#)));
        assert_eq!(done.facts.iter().any(saturated), number == 50, "order {number}");
    }
    assert_eq!(ada.waits("j").len(), 50);
}

/// Someone new enters thousands of segments at once; what follows from the last of them follows as well.
#[test]
fn a_great_many_segments_are_no_runaway() {
    let rules: String =
        (0..1_500).map(|n| format!("segment s{n} = did not \"Order\" at least {} times\n", n + 1)).collect();
    let mut ada = Person::new("ada", program(&rules, "journey: j\nenter: { segment: s1499 }\nsteps: []\n"));
    assert_eq!(began(&ada.event(1, track("Cart", "{}"))), ["j"]);
}
