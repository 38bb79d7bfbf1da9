//! Reads `channels:` of `tidewater.yaml`.

use std::collections::BTreeMap;

use base64::Engine as _;

use crate::finding::{Code, Finding};
use crate::journey::decode::ChannelKind;
use crate::journey::reader::{self, Fields, unknown, wrong_shape};
use crate::journey::yaml::{Node, NodeKind, Scalar};

use super::config::{AudienceConfig, ChannelConfig, EmailConfig, Secret, SmtpSecurity, WebhookConfig};
use super::settings::{bad, secret, url};

/// The name of the channel that carries e-mail.
const EMAIL: &str = "email";

/// Reads all channels. Their kinds go to `kinds` also where their settings are wrong.
pub(super) fn read(
    node: &Node,
    kinds: &mut BTreeMap<String, ChannelKind>,
    findings: &mut Vec<Finding>,
    running: &mut Vec<Finding>,
) -> BTreeMap<String, ChannelConfig> {
    let NodeKind::Map(entries) = &node.kind else {
        findings.push(wrong_shape(node, "`channels` is a map of channels by name"));
        return BTreeMap::new();
    };
    let mut channels = BTreeMap::new();
    for (name, node) in entries {
        let Some(mut fields) = Fields::of(node, "a channel", findings) else { continue };
        let Some(kind) = kind(name, &mut fields, findings) else { continue };
        kinds.insert(name.text.clone(), kind);
        let channel = match kind {
            ChannelKind::Smtp => email(&mut fields, running).map(ChannelConfig::Email),
            ChannelKind::Webhook => webhook(&mut fields, running).map(ChannelConfig::Webhook),
            ChannelKind::Audience => audience(&mut fields, running).map(ChannelConfig::Audience),
        };
        fields.finish(running);
        channels.extend(channel.map(|channel| (name.text.clone(), channel)));
    }
    channels
}

fn kind(name: &Scalar, fields: &mut Fields<'_>, findings: &mut Vec<Finding>) -> Option<ChannelKind> {
    let kind = match fields.take("kind") {
        Some(node) => {
            let scalar = reader::text(node, "`kind`", findings)?;
            let kind = ChannelKind::find(&scalar.text);
            if kind.is_none() {
                let message = format!("`{}` is no kind of channel; there are smtp, webhook and audience", scalar.text);
                let known = ChannelKind::NAMES.into_iter();
                findings.push(unknown(Code::BadConfig, scalar.place, message, &scalar.text, known));
            }
            kind?
        }
        None if name.text == EMAIL => ChannelKind::Smtp,
        None => {
            let message = format!("channel `{}` needs `kind`: smtp, webhook or audience", name.text);
            findings.push(Finding::new(Code::MissingKey, name.place, message));
            return None;
        }
    };
    if (kind == ChannelKind::Smtp) != (name.text == EMAIL) {
        findings.push(bad(name, "the channel named `email`, and no other, is of kind `smtp`"));
        return None;
    }
    Some(kind)
}

fn email(fields: &mut Fields<'_>, findings: &mut Vec<Finding>) -> Option<EmailConfig> {
    let host = fields.require("host", findings).and_then(|node| reader::text(node, "`host`", findings));
    let security = match fields.take("security") {
        Some(node) => security(node, findings)?,
        None => SmtpSecurity::StartTls,
    };
    let default_port = match security {
        SmtpSecurity::None => 25,
        SmtpSecurity::StartTls => 587,
        SmtpSecurity::Tls => 465,
    };
    let port = match fields.take("port") {
        Some(node) => reader::whole(node, "`port`", 1..=65_535, findings)?,
        None => default_port,
    };
    let user = fields.take("user").and_then(|node| reader::text(node, "`user`", findings));
    let password = fields.take("password").and_then(|node| secret(node, "`password`", findings));
    let from = fields.require("from", findings).and_then(|node| mailbox(node, "`from`", findings));
    let reply_to = fields.take("reply_to").and_then(|node| mailbox(node, "`reply_to`", findings));
    let connections = match fields.take("connections") {
        Some(node) => reader::whole(node, "`connections`", 1..=1_000, findings)?,
        None => 4,
    };
    let host = host?;
    if security == SmtpSecurity::None && password.is_some() && !is_loopback(&host.text) {
        let message = format!("the password would travel to `{}` in plain text", host.text);
        findings.push(bad(host, message).help("set `security: starttls` or `security: tls`"));
        return None;
    }
    Some(EmailConfig {
        host: host.text.clone(),
        port: u16::try_from(port).ok()?,
        security,
        user: user.map(|user| user.text.clone()),
        password,
        from: from?,
        reply_to,
        connections: connections as usize,
    })
}

fn security(node: &Node, findings: &mut Vec<Finding>) -> Option<SmtpSecurity> {
    let scalar = reader::text(node, "`security`", findings)?;
    match scalar.text.as_str() {
        "none" => Some(SmtpSecurity::None),
        "starttls" => Some(SmtpSecurity::StartTls),
        "tls" => Some(SmtpSecurity::Tls),
        other => {
            findings.push(bad(scalar, format!("`security` is `none`, `starttls` or `tls`; this is `{other}`")));
            None
        }
    }
}

fn mailbox(node: &Node, what: &str, findings: &mut Vec<Finding>) -> Option<String> {
    let scalar = reader::text(node, what, findings)?;
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

fn target(fields: &mut Fields<'_>, findings: &mut Vec<Finding>) -> Option<Target> {
    let node = fields.require("url", findings);
    let address = node.and_then(|node| url(node, "`url`", findings));
    let private = fields.take("allow_private_network");
    let private = private.and_then(|node| reader::boolean(node, "`allow_private_network`", findings));
    let allow_private_network = private.unwrap_or(false);
    let requests_at_once = match fields.take("requests_at_once") {
        Some(node) => reader::whole(node, "`requests_at_once`", 1..=1_000, findings)?,
        None => 8,
    };
    let address = address?;
    if address.starts_with("http://") && !allow_private_network {
        let scalar = node.and_then(Node::as_scalar)?;
        let help = "use `https://`; inside your own network, set `allow_private_network: true`";
        findings.push(bad(scalar, "this would send people's data in plain text").help(help));
        return None;
    }
    Some(Target { url: address, allow_private_network, requests_at_once: requests_at_once as usize })
}

fn webhook(fields: &mut Fields<'_>, findings: &mut Vec<Finding>) -> Option<WebhookConfig> {
    let secret = fields.require("secret", findings).and_then(|node| signing_secret(node, findings));
    let headers = fields.take("headers").map(|node| headers(node, findings)).unwrap_or_default();
    let target = target(fields, findings)?;
    Some(WebhookConfig {
        url: target.url,
        secret: secret?,
        headers,
        allow_private_network: target.allow_private_network,
        requests_at_once: target.requests_at_once,
    })
}

/// `whsec_` and at least 24 bytes in base64, as the Standard Webhooks scheme asks.
fn signing_secret(node: &Node, findings: &mut Vec<Finding>) -> Option<Secret> {
    let scalar = reader::text(node, "`secret`", findings)?;
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
    let NodeKind::Map(entries) = &node.kind else {
        findings.push(wrong_shape(node, "`headers` is a map of names and values"));
        return BTreeMap::new();
    };
    let mut headers = BTreeMap::new();
    for (name, node) in entries {
        let is_token = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_');
        if !name.text.chars().all(is_token) || name.text.to_ascii_lowercase().starts_with("webhook-") {
            findings.push(bad(name, format!("`{}` cannot be the name of a header of ours", name.text)));
            continue;
        }
        headers.extend(secret(node, "a header", findings).map(|value| (name.text.clone(), value)));
    }
    headers
}

fn audience(fields: &mut Fields<'_>, findings: &mut Vec<Finding>) -> Option<AudienceConfig> {
    let token = fields.take("token").and_then(|node| secret(node, "`token`", findings));
    let target = target(fields, findings)?;
    Some(AudienceConfig {
        url: target.url,
        token,
        allow_private_network: target.allow_private_network,
        requests_at_once: target.requests_at_once,
    })
}
