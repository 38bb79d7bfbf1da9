//! `tidewater.yaml`: where to listen, what to store in, who may send, and how to reach the world.

use std::collections::BTreeMap;
use std::fmt;

use chrono_tz::Tz;

use crate::model::Span;

/// The settings of a workspace, checked, with `${NAME}` replaced from the environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port, such as `127.0.0.1:8080`; port 0 takes a free one.
    pub listen: String,
    /// Where customers reach us, for links in mail; `http://<listen>` where the file is silent. No trailing slash.
    pub public_url: String,
    /// `sqlite://data/tidewater.db` (relative to the workspace) or `postgres://…`.
    pub database: String,
    pub time_zone: Tz,
    pub default_country: Option<String>,
    pub sources: Vec<SourceConfig>,
    /// By name. The e-mail channel is named `email`.
    pub channels: BTreeMap<String, ChannelConfig>,
    /// Worth of one unit of each currency in a common one, for `as EUR`.
    pub rates: BTreeMap<String, f64>,
    /// Bearer key of the management API under `/api/v1/`; without one it answers 403.
    pub api_key: Option<Secret>,
    /// Bytes that live customers may take, about.
    pub memory: usize,
    pub retention: Retention,
}

/// `retention: { events: 400 days, journal: 30 days }`: how long what was collected is kept. `None`: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Of each customer: what conditions can be filled from, and what pages show.
    pub events: Option<Span>,
    /// In order of their coming: what a replay can begin with. Never longer than `events`.
    pub journal: Option<Span>,
}

/// Who may send events.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub name: String,
    pub write_key: Secret,
}

/// One way into the world.
#[derive(Debug, Clone)]
pub enum ChannelConfig {
    Email(EmailConfig),
    Webhook(WebhookConfig),
    Audience(AudienceConfig),
}

#[derive(Debug, Clone)]
pub struct EmailConfig {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// `Name <address>`.
    pub from: String,
    pub reply_to: Option<String>,
    /// Open connections at most.
    pub connections: usize,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Plain text: only to a server on this machine or inside one's own network.
    None,
    StartTls,
    Tls,
}

#[derive(Debug, Clone)]
pub struct WebhookConfig {
    pub url: String,
    /// Of the Standard Webhooks scheme: `whsec_` and base64.
    pub secret: Secret,
    pub headers: BTreeMap<String, Secret>,
    /// Whether the address may lie in a private network or on this machine.
    pub allow_private_network: bool,
    pub requests_at_once: usize,
    pub limits: Limits,
}

#[derive(Debug, Clone)]
pub struct AudienceConfig {
    pub url: String,
    /// Sent as a bearer token.
    pub token: Option<Secret>,
    pub allow_private_network: bool,
    pub requests_at_once: usize,
    pub limits: Limits,
}

/// How fast a channel may go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub rate: Option<Rate>,
    /// Of mail for one domain.
    pub per_domain: Option<DomainLimits>,
}

/// How fast it may go towards one domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DomainLimits {
    pub rate: Option<Rate>,
    pub at_once: Option<usize>,
}

/// `100 per second`: both are above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub per: Span,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, to be used and never written anywhere.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Config {
    /// The source whose write key this is. Takes the same time for every wrong key.
    #[must_use]
    pub fn source_of_key(&self, key: &str) -> Option<&SourceConfig> {
        use subtle::ConstantTimeEq;
        let mut found = None;
        for source in &self.sources {
            if source.write_key.reveal().as_bytes().ct_eq(key.as_bytes()).into() {
                found = Some(source);
            }
        }
        found
    }

    /// The e-mail channel's settings, if there is one.
    #[must_use]
    pub fn email(&self) -> Option<&EmailConfig> {
        self.channels.values().find_map(|channel| match channel {
            ChannelConfig::Email(email) => Some(email),
            _ => None,
        })
    }
}
