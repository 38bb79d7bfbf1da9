//! Reads `tidewater.yaml`.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono_tz::Tz;

use crate::finding::{Code, Finding, Place, did_you_mean};
use crate::journey::form::{self, Form, Key, Named, Shape, Words, notation};
use crate::journey::reader;
use crate::journey::yaml::{Node, NodeKind, Scalar};

use super::channel_settings::{self, CHANNELS};
use super::config::{Config, Retention, Secret, SourceConfig};
use super::severities::{self, LINT, Severities};
use super::shape::{Shape as Decisive, WEEKDAYS};

/// What `tidewater.yaml` says.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub shape: Decisive,
    /// `None` where something is wrong that only running needs.
    pub config: Option<Config>,
    pub severities: Severities,
    pub retention: Retention,
}

const LISTEN: &str = "127.0.0.1:8080";
const DATABASE: &str = "sqlite://data/tidewater.db";
const MEMORY: usize = 1 << 30;

/// The document of `tidewater.yaml`.
pub(super) static SETTINGS: Form = Form::of(
    "`tidewater.yaml`",
    &[
        Key::optional("listen", Shape::Text, "Address and port; port 0 takes a free one."),
        Key::optional("public_url", Shape::Text, "Where customers reach us, for links in mail."),
        Key::optional("database", Shape::Text, "`sqlite://` and a path from the workspace, or `postgres://…`."),
        Key::optional("time_zone", Shape::Text, "For schedules and times of day, such as `Europe/Berlin`."),
        Key::optional("week_starts", Shape::Word(&Words::of(&WEEKDAYS)), "The day on which a week begins."),
        Key::optional("default_country", Shape::Written(&notation::COUNTRY), "Of phone numbers without a country."),
        Key::optional("sources", Shape::Named(&SOURCES), "Who may send: a name and its write key."),
        Key::optional("api_key", Shape::Text, "Bearer key of `/api/v1/`; without one it is closed."),
        Key::optional(
            "rates",
            Shape::Named(&Named::each(Shape::Positive)),
            "Worth of one unit of each currency in a common one.",
        ),
        Key::optional("channels", Shape::Named(&CHANNELS), "Ways into the world, by name."),
        Key::optional("lint", Shape::Map(&LINT), "What `tidewater lint` says of findings."),
        Key::optional(
            "retention",
            Shape::Map(&RETENTION),
            "How long what was collected is kept; for ever unless said.",
        ),
        Key::optional(
            "memory",
            Shape::Written(&notation::MEMORY),
            "What live customers may take of it, about; others are kept in the database until something happens to them.",
        ),
        Key::later("journal"),
    ],
);

static SOURCES: Named = Named::each(Shape::Either(&Shape::Text, &Shape::Map(&SOURCE)));
static SOURCE: Form =
    Form::of("a source", &[Key::required("write_key", Shape::Text, "The secret with which it sends events.")]);

static RETENTION: Form = Form::of(
    "`retention`",
    &[
        Key::optional("events", Shape::Written(&notation::SPAN), "How long events are kept."),
        Key::optional(
            "journal",
            Shape::Written(&notation::SPAN),
            "How long they are kept in order of their coming too.",
        ),
    ],
);

/// Keys on which no decision hangs.
const OF_RUNNING: [&str; 7] = ["listen", "public_url", "database", "sources", "api_key", "lint", "memory"];

/// Reads the file's one document, in which variables are replaced already.
///
/// Findings of what decisions depend on go to `findings`, those of what only running needs to `running`.
pub fn read(document: &Node, findings: &mut Vec<Finding>, running: &mut Vec<Finding>) -> Settings {
    let mut found = Vec::new();
    form::check(document, &SETTINGS, &mut found);
    let of_running = places_of_running(document);
    let (aside, deciding): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| is_within(&of_running, finding.place));
    findings.extend(deciding);
    running.extend(aside);
    let shape = Decisive {
        time_zone: document.get("time_zone").and_then(|node| time_zone(node, findings)).unwrap_or(Tz::UTC),
        week_starts: document.get("week_starts").and_then(week_starts).unwrap_or(0),
        default_country: document.get("default_country").and_then(country),
        rates: document.get("rates").map(rates).unwrap_or_default(),
        channels: channel_settings::kinds(document),
    };
    let severities = document.get("lint").map(|node| severities::read(node, running)).unwrap_or_default();
    let listen = document.get("listen").and_then(|node| listen(node, running)).unwrap_or_else(|| LISTEN.to_owned());
    let public_url = match document.get("public_url") {
        Some(node) => url(node, "`public_url`", running).unwrap_or_default(),
        None => format!("http://{listen}"),
    };
    let database = document.get("database").and_then(|node| database(node, running));
    let sources = document.get("sources").map(|node| sources(node, running)).unwrap_or_default();
    let api_key = document.get("api_key").and_then(secret);
    let channels = channel_settings::read(document, running);
    let retention = document.get("retention").map(retention).unwrap_or_default();
    let memory = document.get("memory").and_then(reader::text).and_then(|scalar| notation::memory(&scalar.text));
    let config = Config {
        listen,
        public_url: public_url.trim_end_matches('/').to_owned(),
        database: database.unwrap_or_else(|| DATABASE.to_owned()),
        time_zone: shape.time_zone,
        default_country: shape.default_country.clone(),
        sources,
        channels,
        rates: shape.rates.clone(),
        api_key,
        memory: memory.unwrap_or(MEMORY),
        retention,
    };
    let config = running.iter().all(|finding| !finding.is_error()).then_some(config);
    Settings { shape, config, severities, retention }
}

pub(super) fn bad(scalar: &Scalar, message: impl Into<String>) -> Finding {
    Finding::new(Code::BadConfig, scalar.place, message)
}

/// Where settings stand that only running needs, in the order of the file. A channel whose kind cannot be read is none of
/// them: without it, journeys cannot be read either.
fn places_of_running(document: &Node) -> Vec<Place> {
    let mut places = Vec::new();
    for (key, value) in document.entries() {
        if key.text == "channels" {
            let known = value.entries().iter().filter(|(name, node)| channel_settings::kind(name, node).is_some());
            places.extend(known.map(|(_, node)| node.place));
        } else if OF_RUNNING.contains(&key.text.as_str()) {
            places.push(value.place);
        }
    }
    places
}

/// Whether one of these places, in their order, holds this one.
fn is_within(places: &[Place], inner: Place) -> bool {
    let before = places.partition_point(|place| place.span.start <= inner.span.start);
    before.checked_sub(1).is_some_and(|last| inner.span.end <= places[last].span.end)
}

/// A text that is kept secret.
pub(super) fn secret(node: &Node) -> Option<Secret> {
    reader::text(node).map(|scalar| Secret::new(scalar.text.clone()))
}

/// An address that begins with `http://` or `https://`.
pub(super) fn url(node: &Node, what: &str, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node)?;
    let fits =
        url::Url::parse(&scalar.text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !fits {
        findings.push(bad(scalar, format!("{what} is an address that begins with `https://` or `http://`")));
        return None;
    }
    Some(scalar.text.clone())
}

fn time_zone(node: &Node, findings: &mut Vec<Finding>) -> Option<Tz> {
    let scalar = reader::text(node)?;
    let zone = Tz::from_str(&scalar.text).ok();
    if zone.is_none() {
        let finding = bad(scalar, format!("no time zone is called `{}`", scalar.text));
        let near = did_you_mean(&scalar.text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        findings.push(match near {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(scalar.place, near),
            None => finding.help("such as `Europe/Berlin`"),
        });
    }
    zone
}

fn week_starts(node: &Node) -> Option<u8> {
    let day = WEEKDAYS.iter().position(|day| reader::text(node).is_some_and(|scalar| scalar.text == *day));
    day.and_then(|day| u8::try_from(day).ok())
}

fn country(node: &Node) -> Option<String> {
    reader::text(node).map(|scalar| scalar.text.clone()).filter(|text| (notation::COUNTRY.fits)(text))
}

fn rates(node: &Node) -> BTreeMap<String, f64> {
    let rates = node.entries().iter().filter_map(|(currency, node)| {
        let rate = node.as_scalar()?.value().as_number().filter(|rate| *rate > 0.0)?;
        Some((currency.text.clone(), rate))
    });
    rates.collect()
}

fn retention(node: &Node) -> Retention {
    let span = |key: &str| node.get(key).and_then(reader::span);
    Retention { events: span("events"), journal: span("journal") }
}

fn listen(node: &Node, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node)?;
    let port = scalar.text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
        findings.push(bad(scalar, "`listen` is an address and a port, such as `127.0.0.1:8080`"));
        return None;
    }
    Some(scalar.text.clone())
}

fn database(node: &Node, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node)?;
    if !["sqlite://", "sqlite::", "postgres://", "postgresql://"].iter().any(|start| scalar.text.starts_with(start)) {
        // The text itself may hold a password.
        findings.push(bad(scalar, "`database` begins with `sqlite://` or `postgres://`"));
        return None;
    }
    Some(scalar.text.clone())
}

/// `sources: { website: KEY }` or `{ website: { write_key: KEY } }`.
fn sources(node: &Node, findings: &mut Vec<Finding>) -> Vec<SourceConfig> {
    let mut sources: Vec<SourceConfig> = Vec::new();
    for (name, node) in node.entries() {
        if name.text == crate::model::event::PLATFORM_SOURCE {
            findings.push(bad(name, format!("`{}` is the platform's own source", name.text)));
            continue;
        }
        let key = if matches!(node.kind, NodeKind::Map(_)) { node.get("write_key") } else { Some(node) };
        let Some(write_key) = key.and_then(secret) else { continue };
        if let Some(twin) = sources.iter().find(|source| source.write_key == write_key) {
            findings.push(bad(name, format!("sources `{}` and `{}` have the same write key", twin.name, name.text)));
        }
        sources.push(SourceConfig { name: name.text.clone(), write_key });
    }
    sources
}
