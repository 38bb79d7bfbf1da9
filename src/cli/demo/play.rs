//! Sets the stage (catchers, platform, doors), plays the calls over HTTP while time moves along, and strikes it.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Client;
use serde_json::{Value as Json, json};

use crate::actors::{Clock, Placement, Platform, StartWith, WAITING_LIMIT};
use crate::channels::email::catcher::{CaughtMail, MailCatcher};
use crate::channels::webhook::catcher::HookCatcher;
use crate::engine::Sound;
use crate::model::{Span, Timestamp};
use crate::store::Database;

use super::Failure;
use super::sample::Sample;
use super::workspace::{DemoData, Folder};

/// Calls of one request.
const BATCH: usize = 100;
/// Readers of a hundred who click in a mail that has a link.
const CLICKS: u32 = 40;
/// In how many steps time goes on after the last call.
const AFTER_STEPS: i64 = 35;

/// All that runs during the demo.
pub(super) struct Stage {
    pub(super) platform: Platform,
    pub(super) mail: MailCatcher,
    pub(super) hooks: HookCatcher,
    pub(super) url: String,
    store: Database,
    doors: ServerHandle,
    client: Client,
}

/// What the players did.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) requests: usize,
    pub(super) calls: usize,
    pub(super) clicks: usize,
    pub(super) unsubscribed: Option<String>,
    pub(super) until: Timestamp,
    pub(super) seconds: f64,
}

impl Stage {
    /// Starts everything on free ports of this machine.
    pub(super) async fn set(folder: &Folder, data: DemoData, start: Timestamp) -> Result<Self, Failure> {
        let (mail, hooks) = (MailCatcher::start().await?, HookCatcher::start().await?);
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (hook_url, mail_port) = (hooks.url(), mail.addr().port());
        let settings = move |name: &str| match name {
            "TIDEWATER_LISTEN" => Some(address.to_string()),
            "SMTP_HOST" => Some("127.0.0.1".to_owned()),
            "SMTP_PORT" => Some(mail_port.to_string()),
            "CRM_URL" => Some(format!("{hook_url}/crm")),
            "META_URL" => Some(format!("{hook_url}/audiences")),
            // Whatever else the environment holds belongs to a real server.
            _ => None,
        };
        let (program, config) = folder.compile(data, &settings)?;
        let store = Database::open(&folder.database()).await?;
        let with = StartWith {
            program,
            config: Arc::new(config),
            backing: store.clone().into(),
            clock: Clock::virtual_from(start),
            placement: Placement::Threads,
            engine: Arc::new(Sound),
            waiting_limit: WAITING_LIMIT,
        };
        let platform = Platform::start(with).await?;
        let server = crate::http::serve(platform.clone(), store.clone(), listener)?;
        let doors = server.handle();
        actix_rt::spawn(server);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { platform, mail, hooks, url: format!("http://{address}"), store, doors, client })
    }

    pub(super) fn store(&self) -> &Database {
        &self.store
    }

    pub(super) fn introduce(&self, sample: &Sample) {
        anstream::println!(
            "Tidewater demo: {}, {} customers, {} calls",
            sample.title,
            sample.customers,
            sample.calls.len()
        );
        anstream::println!("  server     {}", self.url);
        anstream::println!("  mail       smtp://{} (a real SMTP server that keeps what it gets)", self.mail.addr());
        anstream::println!("  webhooks   {} (checks signatures)\n", self.hooks.url());
    }

    /// Plays all calls, then lets time go on.
    pub(super) async fn play(&self, sample: &Sample, seed: u64, show: bool) -> Result<Played, Failure> {
        let begun = std::time::Instant::now();
        let bar = progress(sample.calls.len(), show);
        let mut reader = Reader { chance: StdRng::seed_from_u64(seed), read: 0, tried: BTreeSet::new() };
        let mut played = Played { until: sample.start, ..Played::default() };
        let mut next = 0;
        let mut now = sample.start;
        while next < sample.calls.len() {
            // Nothing comes for a while: time jumps, though not over more than people would leave their mail unread.
            let first = sample.calls[next].at;
            now = (now + sample.step).max(first.min(now + sample.jump));
            let end = next + sample.calls[next..].partition_point(|call| call.at <= now);
            self.platform.clock().set(now);
            for calls in sample.calls[next..end].chunks(BATCH) {
                let batch: Vec<&Json> = calls.iter().map(|call| &call.body).collect();
                self.send(&json!({"batch": batch, "sentAt": now.to_string()}), sample.write_key).await?;
                played.requests += 1;
                played.calls += calls.len();
                bar.inc(calls.len() as u64);
            }
            next = end;
            self.let_time_pass(&mut reader, &mut played).await?;
            bar.set_message(now.to_utc().format("%-d %B %Y").to_string());
        }
        for step in 1..=AFTER_STEPS {
            let later = now + Span(sample.after.0 / AFTER_STEPS * step);
            self.platform.clock().set(later);
            self.let_time_pass(&mut reader, &mut played).await?;
            bar.set_message(format!("{}, waits and windows end", later.to_utc().format("%-d %B %Y")));
        }
        bar.finish_and_clear();
        played.until = self.platform.clock().now();
        played.seconds = begun.elapsed().as_secs_f64();
        Ok(played)
    }

    /// What is due happens, and people read their mail.
    async fn let_time_pass(&self, reader: &mut Reader, played: &mut Played) -> Result<(), Failure> {
        self.platform.settle().await;
        if self.read_mail(reader, played).await? {
            self.platform.settle().await;
        }
        Ok(())
    }

    async fn send(&self, batch: &Json, write_key: &str) -> Result<(), Failure> {
        let request = self.client.post(format!("{}/v1/batch", self.url)).basic_auth(write_key, Some("")).json(batch);
        let answer = request.send().await?;
        let status = answer.status();
        if status != 200 {
            let said = answer.text().await.unwrap_or_default();
            return Err(Failure::new(format!("the server answered {status}: {said}")));
        }
        Ok(())
    }

    /// Goes through mail that came since: some click, and the first reader of a newsletter has had enough.
    async fn read_mail(&self, reader: &mut Reader, played: &mut Played) -> Result<bool, Failure> {
        let mut acted = false;
        let mails = self.mail.messages();
        for mail in &mails[reader.read..] {
            if played.unsubscribed.is_none() && self.unsubscribe(mail).await? {
                played.unsubscribed = mail.to.first().cloned();
                acted = true;
            } else if reader.chance.random_range(0..100) < CLICKS
                && let Some(link) = first_link(mail, &self.url)
                && reader.tried.insert(link.clone())
            {
                let answer = self.client.get(link).send().await?;
                played.clicks += usize::from(answer.status().is_redirection());
                acted = true;
            }
        }
        reader.read = mails.len();
        Ok(acted)
    }

    /// The one-click unsubscription of RFC 8058, as mail programs do it.
    async fn unsubscribe(&self, mail: &CaughtMail) -> Result<bool, Failure> {
        let Some(url) = mail.header("List-Unsubscribe") else { return Ok(false) };
        let url = url.trim_matches(['<', '>']);
        let body = "List-Unsubscribe=One-Click";
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        Ok(request.send().await?.status().is_success())
    }

    /// Closes the doors, then stops the platform.
    pub(super) async fn strike(self) -> Result<(), Failure> {
        self.doors.stop(true).await;
        self.platform.stop().await;
        self.store.close().await;
        Ok(())
    }
}

/// Who reads mail, and how far they are.
struct Reader {
    chance: StdRng,
    read: usize,
    tried: BTreeSet<String>,
}

/// The first link of a mail that leads over our click address.
fn first_link(mail: &CaughtMail, server: &str) -> Option<String> {
    let html = mail.html.as_deref()?;
    let start = html.find(&format!("{server}/c/"))?;
    let link = &html[start..];
    Some(link[..link.find('"')?].to_owned())
}

fn progress(calls: usize, show: bool) -> ProgressBar {
    if !show {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(calls as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} calls  {msg}") {
        bar.set_style(style);
    }
    bar
}
