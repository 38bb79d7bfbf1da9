//! Reads `channels:` of `tidewater.yaml`.

use std::collections::BTreeMap;

use base64::Engine as _;

use crate::finding::Finding;
use crate::journey::decode::ChannelKind;
use crate::journey::form::{Form, Key, Kinds, Named, Shape, Words, notation};
use crate::journey::reader;
use crate::journey::yaml::{Node, NodeKind, Scalar};

use super::config::{
    AudienceConfig, ChannelConfig, DomainLimits, EmailConfig, Limits, Rate, Secret, SmtpSecurity, WebhookConfig,
};
use super::settings::{bad, secret, url};

/// The name of the channel that carries e-mail.
const EMAIL: &str = "email";

pub(super) static CHANNELS: Named = Named {
    keys: &[Key::required(EMAIL, Shape::Map(&SMTP), "The channel that carries e-mail.")],
    names: None,
    of: Shape::Kinds(&Kinds {
        what: "a channel",
        key: "kind",
        forms: &[("webhook", &WEBHOOK), ("audience", &AUDIENCE)],
        about: "The channel named `email`, and no other, is of kind `smtp`.",
    }),
};

static SMTP: Form = Form::of(
    "the channel `email`",
    &[
        Key::optional("kind", Shape::Word(&Words::of(&["smtp"])), "The channel named `email` is of kind `smtp`."),
        Key::required("host", Shape::Text, "The mail server."),
        Key::optional("port", Shape::Whole { from: 1, to: 65_535 }, "By `security` 25, 587 or 465 unless said."),
        Key::optional(
            "security",
            Shape::Word(&Words::of(&["none", "starttls", "tls"])),
            "How the way to the server is kept secret; `starttls` unless said.",
        ),
        Key::optional("user", Shape::Text, "The user's name at the server."),
        Key::optional("password", Shape::Text, "The user's password."),
        Key::required("from", Shape::Text, "The sender: `Shop <hello@example.com>`."),
        Key::optional("reply_to", Shape::Text, "Where answers go."),
        Key::optional("connections", Shape::Whole { from: 1, to: 1_000 }, "Open connections at most; 4 unless said."),
        Key::optional("limits", Shape::Map(&MAIL_LIMITS), "How fast mail may leave."),
    ],
);

static WEBHOOK: Form = Form::of(
    "a `webhook` channel",
    &[
        Key::required("kind", Shape::Word(&Words::of(&["webhook"])), "What the channel is."),
        Key::required("url", Shape::Text, "The address that is called."),
        Key::required("secret", Shape::Text, "`whsec_` and 24 to 64 bytes in base64: the key of the signature."),
        Key::optional("headers", Shape::Named(&Named::each(Shape::Text)), "Further headers of each call."),
        PRIVATE_NETWORK,
        AT_ONCE,
        LIMITS,
    ],
);

static AUDIENCE: Form = Form::of(
    "an `audience` channel",
    &[
        Key::required("kind", Shape::Word(&Words::of(&["audience"])), "What the channel is."),
        Key::required("url", Shape::Text, "The address that is called."),
        Key::optional("token", Shape::Text, "Sent as a bearer token."),
        PRIVATE_NETWORK,
        AT_ONCE,
        LIMITS,
    ],
);

const PRIVATE_NETWORK: Key = Key::optional(
    "allow_private_network",
    Shape::Bool,
    "Whether the address may lie on this machine or in a private network.",
);
const AT_ONCE: Key =
    Key::optional("requests_at_once", Shape::Whole { from: 1, to: 1_000 }, "Calls under way at most; 8 unless said.");

const RATE: Key = Key::optional(
    "rate",
    Shape::Written(&notation::RATE),
    "Tries at most, spread evenly: `100 per second`, `600 per hour`.",
);
const LIMITS: Key = Key::optional("limits", Shape::Map(&CALL_LIMITS), "How fast calls may follow each other.");

static CALL_LIMITS: Form = Form::of("`limits` of calls", &[RATE]);

static MAIL_LIMITS: Form = Form::of(
    "`limits`",
    &[RATE, Key::optional("per_domain", Shape::Map(&DOMAIN_LIMITS), "For the recipients of each domain.")],
);

static DOMAIN_LIMITS: Form = Form::of(
    "`per_domain`",
    &[RATE, Key::optional("at_once", Shape::Whole { from: 1, to: 1_000 }, "Messages under way at most.")],
);

/// The kinds of all channels, also of those whose settings are wrong.
pub(super) fn kinds(document: &Node) -> BTreeMap<String, ChannelKind> {
    let channels = document.get("channels").map(Node::entries).unwrap_or_default();
    channels.iter().filter_map(|(name, node)| Some((name.text.clone(), kind(name, node)?))).collect()
}

/// What a channel is, where that can be read. The one named `email`, and no other, is of kind `smtp`.
pub(super) fn kind(name: &Scalar, node: &Node) -> Option<ChannelKind> {
    let kind = match node.get("kind") {
        Some(kind) => ChannelKind::find(&reader::text(kind)?.text)?,
        None if name.text == EMAIL && matches!(node.kind, NodeKind::Map(_)) => ChannelKind::Smtp,
        None => return None,
    };
    ((kind == ChannelKind::Smtp) == (name.text == EMAIL)).then_some(kind)
}

/// Reads all channels.
pub(super) fn read(document: &Node, findings: &mut Vec<Finding>) -> BTreeMap<String, ChannelConfig> {
    let mut channels = BTreeMap::new();
    for (name, node) in document.get("channels").map(Node::entries).unwrap_or_default() {
        let channel = match kind(name, node) {
            Some(ChannelKind::Smtp) => email(node, findings).map(ChannelConfig::Email),
            Some(ChannelKind::Webhook) => webhook(node, findings).map(ChannelConfig::Webhook),
            Some(ChannelKind::Audience) => audience(node, findings).map(ChannelConfig::Audience),
            None => None,
        };
        channels.extend(channel.map(|channel| (name.text.clone(), channel)));
    }
    channels
}

fn email(node: &Node, findings: &mut Vec<Finding>) -> Option<EmailConfig> {
    let text = |key: &str| node.get(key).and_then(reader::text).map(|scalar| scalar.text.clone());
    let security = match text("security").as_deref() {
        Some("none") => SmtpSecurity::None,
        Some("tls") => SmtpSecurity::Tls,
        _ => SmtpSecurity::StartTls,
    };
    let default_port = match security {
        SmtpSecurity::None => 25,
        SmtpSecurity::StartTls => 587,
        SmtpSecurity::Tls => 465,
    };
    let port = node.get("port").map_or(Some(default_port), reader::whole)?;
    let password = node.get("password").and_then(secret);
    let from = node.get("from").and_then(|node| mailbox(node, "`from`", findings));
    let reply_to = node.get("reply_to").and_then(|node| mailbox(node, "`reply_to`", findings));
    let connections = node.get("connections").map_or(Some(4), reader::whole)?;
    let host = node.get("host").and_then(reader::text)?;
    if security == SmtpSecurity::None && password.is_some() && !is_loopback(&host.text) {
        let message = format!("the password would travel to `{}` in plain text", host.text);
        findings.push(bad(host, message).help("set `security: starttls` or `security: tls`"));
        return None;
    }
    Some(EmailConfig {
        host: host.text.clone(),
        port: u16::try_from(port).ok()?,
        security,
        user: text("user"),
        password,
        from: from?,
        reply_to,
        connections: connections as usize,
        limits: limits(node),
    })
}

fn limits(node: &Node) -> Limits {
    let per_domain = |node: &Node| DomainLimits {
        rate: rate(node),
        at_once: node.get("at_once").and_then(reader::whole).map(|at_once| at_once as usize),
    };
    let limits = node.get("limits");
    Limits {
        rate: limits.and_then(rate),
        per_domain: limits.and_then(|limits| limits.get("per_domain")).map(per_domain),
    }
}

fn rate(node: &Node) -> Option<Rate> {
    let (count, per) = notation::rate(&reader::text(node.get("rate")?)?.text)?;
    Some(Rate { count, per })
}

fn mailbox(node: &Node, what: &str, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node)?;
    if scalar.text.parse::<lettre::message::Mailbox>().is_err() {
        let message = format!("{what} is an address such as `Tidewater Shop <shop@example.com>`");
        findings.push(bad(scalar, message));
        return None;
    }
    Some(scalar.text.clone())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Where a channel of HTTP goes, and how.
struct Target {
    url: String,
    allow_private_network: bool,
    requests_at_once: usize,
}

fn target(node: &Node, findings: &mut Vec<Finding>) -> Option<Target> {
    let address_node = node.get("url");
    let address = address_node.and_then(|node| url(node, "`url`", findings));
    let allow_private_network = node.get("allow_private_network").and_then(reader::boolean).unwrap_or(false);
    let requests_at_once = node.get("requests_at_once").map_or(Some(8), reader::whole)?;
    let address = address?;
    if address.starts_with("http://") && !allow_private_network {
        let scalar = address_node.and_then(Node::as_scalar)?;
        let help = "use `https://`; inside your own network, set `allow_private_network: true`";
        findings.push(bad(scalar, "this would send people's data in plain text").help(help));
        return None;
    }
    Some(Target { url: address, allow_private_network, requests_at_once: requests_at_once as usize })
}

fn webhook(node: &Node, findings: &mut Vec<Finding>) -> Option<WebhookConfig> {
    let secret = node.get("secret").and_then(|node| signing_secret(node, findings));
    let headers = node.get("headers").map(|node| headers(node, findings)).unwrap_or_default();
    let target = target(node, findings)?;
    Some(WebhookConfig {
        url: target.url,
        secret: secret?,
        headers,
        allow_private_network: target.allow_private_network,
        requests_at_once: target.requests_at_once,
        limits: limits(node),
    })
}

/// `whsec_` and at least 24 bytes in base64, as the Standard Webhooks scheme asks.
fn signing_secret(node: &Node, findings: &mut Vec<Finding>) -> Option<Secret> {
    let scalar = reader::text(node)?;
    let encoded = scalar.text.strip_prefix("whsec_");
    let key = encoded.and_then(|encoded| base64::engine::general_purpose::STANDARD.decode(encoded).ok());
    if !key.is_some_and(|key| (24..=64).contains(&key.len())) {
        let help = "make one with: echo whsec_$(openssl rand -base64 32)";
        findings.push(bad(scalar, "`secret` is `whsec_` followed by 24 to 64 bytes in base64").help(help));
        return None;
    }
    Some(Secret::new(scalar.text.clone()))
}

fn headers(node: &Node, findings: &mut Vec<Finding>) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    for (name, node) in node.entries() {
        let is_token = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_');
        if !name.text.chars().all(is_token) || name.text.to_ascii_lowercase().starts_with("webhook-") {
            findings.push(bad(name, format!("`{}` cannot be the name of a header of ours", name.text)));
            continue;
        }
        headers.extend(secret(node).map(|value| (name.text.clone(), value)));
    }
    headers
}

fn audience(node: &Node, findings: &mut Vec<Finding>) -> Option<AudienceConfig> {
    let token = node.get("token").and_then(secret);
    let target = target(node, findings)?;
    Some(AudienceConfig {
        url: target.url,
        token,
        allow_private_network: target.allow_private_network,
        requests_at_once: target.requests_at_once,
        limits: limits(node),
    })
}
