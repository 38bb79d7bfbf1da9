//! What came of the demo: gathered from the database and from the catchers, held against each other, and told.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use serde::Serialize;

use crate::analytics::{JourneyReport, journey_report};
use crate::channels::email::catcher::CaughtMail;
use crate::channels::webhook::{SigningKey, verify};
use crate::store::outbox::OutboxStatus;
use crate::workspace::ChannelConfig;

use super::super::output::print_table;
use super::super::report;
use super::Failure;
use super::play::{Played, Stage};
use super::sample::Sample;
use super::workspace::Folder;

/// The demo in numbers.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    title: String,
    customers: usize,
    calls: usize,
    requests: usize,
    seconds: f64,
    from: String,
    until: String,
    events_recorded: u64,
    segments: Vec<SegmentOutcome>,
    journeys: Vec<JourneyReport>,
    mails: usize,
    clicks: usize,
    unsubscribed: Option<String>,
    webhooks: usize,
    webhooks_verified: usize,
    audiences: BTreeMap<String, usize>,
    effects: BTreeMap<String, usize>,
    quarantined: usize,
    /// What must hold and does not; empty where all is well.
    pub(super) problems: Vec<String>,
    #[serde(skip)]
    last_mails: Vec<CaughtMail>,
}

#[derive(Debug, Serialize)]
struct SegmentOutcome {
    segment: String,
    members: i64,
    entered: i64,
    left: i64,
}

/// Effects that the lists of a demo can hold.
const MANY: u64 = 1_000_000;

pub(super) async fn gather(stage: &Stage, sample: &Sample, played: &Played) -> Result<Outcome, Failure> {
    let store = stage.store();
    let program = stage.platform.program();
    let mut segments = Vec::new();
    let sizes: BTreeMap<String, i64> =
        store.segment_sizes().await?.into_iter().map(|size| (size.segment, size.members)).collect();
    let traffic = store.segment_traffic().await?;
    for segment in &program.rules.segments {
        let (entered, left) = traffic.get(&segment.name).copied().unwrap_or_default();
        let members = sizes.get(&segment.name).copied().unwrap_or(0);
        segments.push(SegmentOutcome { segment: segment.name.clone(), members, entered, left });
    }
    let mut journeys = Vec::new();
    for journey in &program.journeys {
        journeys.push(journey_report(store, &journey.name).await?);
    }
    let effects = store.outbox(None, MANY).await?;
    let sent = |channel: &str| {
        let sent =
            effects.iter().filter(|item| item.status == OutboxStatus::Sent && item.effect.body.kind() == channel);
        sent.map(|item| item.effect.id.to_string()).collect::<BTreeSet<String>>()
    };
    let mails = stage.mail.messages();
    let hooks = Hooks::of(stage);
    let mut problems = Vec::new();
    let mail_ids = mails.iter().filter_map(|mail| mail.header("X-Tidewater-Effect").map(ToOwned::to_owned)).collect();
    compare("e-mails", &sent("email"), &mail_ids, mails.len(), &mut problems);
    compare("webhooks", &sent("webhook"), &hooks.webhook_ids, hooks.webhooks, &mut problems);
    compare("audience updates", &sent("audience_sync"), &hooks.audience_ids, hooks.audience_calls, &mut problems);
    if hooks.verified != hooks.webhooks {
        problems.push(format!("{} of {} webhooks had a right signature", hooks.verified, hooks.webhooks));
    }
    if segments.iter().any(|segment| segment.members != segment.entered - segment.left) {
        problems.push("members of a segment are not those who entered less those who left".to_owned());
    }
    let mut by_status = BTreeMap::new();
    for item in &effects {
        *by_status.entry(item.status.as_str().to_owned()).or_insert(0) += 1;
    }
    if mails.is_empty() && hooks.webhooks == 0 {
        problems.push("nothing was sent".to_owned());
    }
    Ok(Outcome {
        title: sample.title.clone(),
        customers: sample.customers,
        calls: played.calls,
        requests: played.requests,
        seconds: (played.seconds * 100.0).round() / 100.0,
        from: sample.start.to_string(),
        until: played.until.to_string(),
        events_recorded: store.events_recorded().await?,
        segments,
        journeys,
        mails: mails.len(),
        clicks: played.clicks,
        unsubscribed: played.unsubscribed.clone(),
        webhooks: hooks.webhooks,
        webhooks_verified: hooks.verified,
        audiences: hooks.members,
        effects: by_status,
        quarantined: store.quarantine(MANY).await?.len(),
        problems,
        last_mails: mails.into_iter().rev().take(5).collect(),
    })
}

/// What the store says was sent must be what arrived, each once.
fn compare(
    what: &str,
    sent: &BTreeSet<String>,
    arrived: &BTreeSet<String>,
    arrivals: usize,
    problems: &mut Vec<String>,
) {
    if sent != arrived {
        let lost = sent.difference(arrived).count();
        let unknown = arrived.difference(sent).count();
        problems.push(format!("of the {what}, {lost} are recorded and did not arrive, {unknown} arrived unrecorded"));
    }
    if arrivals != arrived.len() {
        problems.push(format!("{} {what} arrived more than once", arrivals - arrived.len()));
    }
}

/// What the endpoint got.
#[derive(Default)]
struct Hooks {
    webhooks: usize,
    verified: usize,
    webhook_ids: BTreeSet<String>,
    audience_calls: usize,
    audience_ids: BTreeSet<String>,
    members: BTreeMap<String, usize>,
}

impl Hooks {
    fn of(stage: &Stage) -> Self {
        let config = stage.platform.config();
        let key = config.channels.values().find_map(|channel| match channel {
            ChannelConfig::Webhook(webhook) => SigningKey::parse(webhook.secret.reveal()).ok(),
            _ => None,
        });
        let mut hooks = Self::default();
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for request in stage.hooks.requests() {
            if request.path == "/audiences" {
                hooks.audience_calls += 1;
                hooks.audience_ids.extend(request.header("idempotency-key").map(ToOwned::to_owned));
                note_member(&request.body, &mut members);
                continue;
            }
            hooks.webhooks += 1;
            let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
            let id = header("webhook-id");
            let timestamp = header("webhook-timestamp").parse().unwrap_or(0);
            let is_right = key
                .as_ref()
                .is_some_and(|key| verify(key, &id, timestamp, &request.body, &header("webhook-signature")));
            hooks.verified += usize::from(is_right);
            hooks.webhook_ids.insert(id);
        }
        hooks.members = members.into_iter().map(|(name, members)| (name, members.len())).collect();
        hooks
    }
}

/// Keeps the audience as the far side would.
fn note_member(body: &str, members: &mut BTreeMap<String, BTreeSet<String>>) {
    let Ok(update) = serde_json::from_str::<serde_json::Value>(body) else { return };
    let audience = members.entry(update["audience"].as_str().unwrap_or_default().to_owned()).or_default();
    let person = update["members"][0].to_string();
    if update["action"] == "add" {
        audience.insert(person);
    } else {
        audience.remove(&person);
    }
}

impl Outcome {
    pub(super) fn print(&self, stage: &Stage, folder: &Folder, stays_up: bool) {
        let bold = Style::new().bold();
        let heading = |text: &str| anstream::println!("\n{bold}{text}{bold:#}");
        anstream::println!(
            "Played {} calls of {} customers in {} requests, {} to {}, in {} s; {} events count, {} were quarantined.",
            self.calls,
            self.customers,
            self.requests,
            &self.from[..10],
            &self.until[..10],
            self.seconds,
            self.events_recorded,
            self.quarantined
        );
        heading("Segments");
        let rows: Vec<Vec<String>> = self
            .segments
            .iter()
            .map(|one| {
                vec![one.segment.clone(), one.entered.to_string(), one.left.to_string(), one.members.to_string()]
            })
            .collect();
        print_table(&["segment", "entered", "left", "members now"], &rows);
        heading("Journeys");
        let rows: Vec<Vec<String>> = self.journeys.iter().map(report::row).collect();
        print_table(&report::HEAD, &rows);
        heading("Sent");
        anstream::println!("{} e-mails arrived by SMTP; {} links were clicked", self.mails, self.clicks);
        anstream::println!("{} webhooks arrived, {} with a right signature", self.webhooks, self.webhooks_verified);
        for (audience, members) in &self.audiences {
            anstream::println!("{members} people are in the audience `{audience}`, by hashed identifiers");
        }
        if let Some(address) = &self.unsubscribed {
            anstream::println!("{address} unsubscribed by one click and got no more of that topic");
        }
        if !self.last_mails.is_empty() {
            anstream::println!("The last e-mails:");
        }
        for mail in &self.last_mails {
            let to = mail.to.first().map(String::as_str).unwrap_or_default();
            anstream::println!("  {to}: {}", mail.subject);
        }
        for problem in &self.problems {
            anstream::println!("problem: {problem}");
        }
        if stays_up {
            heading("Look around");
            let path = folder.path().display();
            anstream::println!("  server     {} (Ctrl-C ends it)", stage.url);
            anstream::println!("  workspace  {path}");
            let journey = self.journeys.first().map_or("NAME", |journey| journey.journey.as_str());
            let segment = self.segments.iter().max_by_key(|one| one.members).map_or("NAME", |one| one.segment.as_str());
            anstream::println!("  tidewater segment members {segment} --workspace {path}");
            anstream::println!("  tidewater report journey {journey} --workspace {path}");
            anstream::println!("  tidewater outbox list --workspace {path}");
        }
    }
}
