//! Reads `tidewater.yaml`.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono_tz::Tz;

use crate::finding::{Code, Finding, did_you_mean};
use crate::journey::reader::{self, Fields, wrong_shape};
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::model::Span;

use super::channel_settings;
use super::config::{Config, Secret, SourceConfig};
use super::severities::{self, Severities};
use super::shape::{Shape, WEEKDAYS};

/// What `tidewater.yaml` says.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub shape: Shape,
    /// `None` where something is wrong that only running needs.
    pub config: Option<Config>,
    pub severities: Severities,
    pub retention: Retention,
}

/// `retention: { events: 400 days }`: how long what was collected is kept. `None`: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    pub events: Option<Span>,
}

const LISTEN: &str = "127.0.0.1:8080";
const DATABASE: &str = "sqlite://data/tidewater.db";

/// Reads the file's one document, in which variables are replaced already.
///
/// Findings of what decisions depend on go to `findings`, those of what only running needs to `running`.
pub fn read(document: &Node, findings: &mut Vec<Finding>, running: &mut Vec<Finding>) -> Settings {
    let Some(mut fields) = Fields::of(document, "`tidewater.yaml`", findings) else { return Settings::default() };
    let mut shape = Shape {
        time_zone: fields.take("time_zone").and_then(|node| time_zone(node, findings)).unwrap_or(Tz::UTC),
        week_starts: fields.take("week_starts").and_then(|node| week_starts(node, findings)).unwrap_or(0),
        default_country: fields.take("default_country").and_then(|node| country(node, findings)),
        rates: fields.take("rates").map(|node| rates(node, findings)).unwrap_or_default(),
        channels: BTreeMap::new(),
    };
    let severities = fields.take("lint").map(|node| severities::read(node, running)).unwrap_or_default();
    let listen = fields.take("listen").and_then(|node| listen(node, running)).unwrap_or_else(|| LISTEN.to_owned());
    let public_url = match fields.take("public_url") {
        Some(node) => url(node, "`public_url`", running).unwrap_or_default(),
        None => format!("http://{listen}"),
    };
    let database = fields.take("database").and_then(|node| database(node, running));
    let sources = fields.take("sources").map(|node| sources(node, running)).unwrap_or_default();
    let api_key = fields.take("api_key").and_then(|node| secret(node, "`api_key`", running));
    let channels = match fields.take("channels") {
        Some(node) => channel_settings::read(node, &mut shape.channels, findings, running),
        None => BTreeMap::new(),
    };
    let retention = fields.take("retention").map(|node| retention(node, findings)).unwrap_or_default();
    fields.not_yet(&["journal"], findings);
    fields.finish(findings);
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
    };
    let config = running.iter().all(|finding| !finding.is_error()).then_some(config);
    Settings { shape, config, severities, retention }
}

pub(super) fn bad(scalar: &Scalar, message: impl Into<String>) -> Finding {
    Finding::new(Code::BadConfig, scalar.place, message)
}

/// A text that is kept secret.
pub(super) fn secret(node: &Node, what: &str, findings: &mut Vec<Finding>) -> Option<Secret> {
    reader::text(node, what, findings).map(|scalar| Secret::new(scalar.text.clone()))
}

/// An address that begins with `http://` or `https://`.
pub(super) fn url(node: &Node, what: &str, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node, what, findings)?;
    let fits =
        url::Url::parse(&scalar.text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !fits {
        findings.push(bad(scalar, format!("{what} is an address that begins with `https://` or `http://`")));
        return None;
    }
    Some(scalar.text.clone())
}

fn time_zone(node: &Node, findings: &mut Vec<Finding>) -> Option<Tz> {
    let scalar = reader::text(node, "`time_zone`", findings)?;
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

fn week_starts(node: &Node, findings: &mut Vec<Finding>) -> Option<u8> {
    let scalar = reader::text(node, "`week_starts`", findings)?;
    let day = WEEKDAYS.iter().position(|day| scalar.text.eq_ignore_ascii_case(day));
    if day.is_none() {
        let finding = bad(scalar, format!("`{}` is no day of the week", scalar.text));
        findings.push(match did_you_mean(&scalar.text, WEEKDAYS.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")).fix(scalar.place, near),
            None => finding.help("such as `monday` or `sunday`"),
        });
    }
    day.map(|day| day as u8)
}

fn country(node: &Node, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node, "`default_country`", findings)?;
    let fits = scalar.text.len() == 2 && scalar.text.bytes().all(|byte| byte.is_ascii_uppercase());
    if !fits {
        findings.push(bad(scalar, "`default_country` is a country code of two capital letters, such as `GB`"));
    }
    fits.then(|| scalar.text.clone())
}

fn rates(node: &Node, findings: &mut Vec<Finding>) -> BTreeMap<String, f64> {
    let NodeKind::Map(entries) = &node.kind else {
        findings.push(wrong_shape(node, "`rates` is a map of currencies and their worth"));
        return BTreeMap::new();
    };
    let mut rates = BTreeMap::new();
    for (currency, node) in entries {
        match node.as_scalar().and_then(|scalar| scalar.value().as_number()).filter(|rate| *rate > 0.0) {
            Some(rate) => {
                rates.insert(currency.text.clone(), rate);
            }
            None => findings.push(wrong_shape(node, "a rate is a number above 0")),
        }
    }
    rates
}

fn retention(node: &Node, findings: &mut Vec<Finding>) -> Retention {
    let Some(mut fields) = Fields::of(node, "`retention`", findings) else { return Retention::default() };
    let events = fields.take("events").and_then(|node| reader::span(node, "`events`", findings));
    fields.finish(findings);
    Retention { events }
}

fn listen(node: &Node, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node, "`listen`", findings)?;
    let port = scalar.text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none() {
        findings.push(bad(scalar, "`listen` is an address and a port, such as `127.0.0.1:8080`"));
        return None;
    }
    Some(scalar.text.clone())
}

fn database(node: &Node, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node, "`database`", findings)?;
    if !["sqlite://", "sqlite::", "postgres://", "postgresql://"].iter().any(|start| scalar.text.starts_with(start)) {
        // The text itself may hold a password.
        findings.push(bad(scalar, "`database` begins with `sqlite://` or `postgres://`"));
        return None;
    }
    Some(scalar.text.clone())
}

/// `sources: { website: KEY }` or `{ website: { write_key: KEY } }`.
fn sources(node: &Node, findings: &mut Vec<Finding>) -> Vec<SourceConfig> {
    let NodeKind::Map(entries) = &node.kind else {
        findings.push(wrong_shape(node, "`sources` is a map of names and write keys"));
        return Vec::new();
    };
    let mut sources: Vec<SourceConfig> = Vec::new();
    for (name, node) in entries {
        if name.text == crate::model::event::PLATFORM_SOURCE {
            findings.push(bad(name, format!("`{}` is the platform's own source", name.text)));
            continue;
        }
        let key = if matches!(node.kind, NodeKind::Map(_)) {
            let Some(mut fields) = Fields::of(node, "a source", findings) else { continue };
            let key = fields.require("write_key", findings).and_then(|node| secret(node, "`write_key`", findings));
            fields.finish(findings);
            key
        } else {
            secret(node, "a write key", findings)
        };
        let Some(write_key) = key else { continue };
        if let Some(twin) = sources.iter().find(|source| source.write_key == write_key) {
            findings.push(bad(name, format!("sources `{}` and `{}` have the same write key", twin.name, name.text)));
        }
        sources.push(SourceConfig { name: name.text.clone(), write_key });
    }
    sources
}
