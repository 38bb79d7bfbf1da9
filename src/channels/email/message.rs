//! From an effect to a message: template, links, headers.

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::engine::transition::EffectConsent;
use crate::engine::{Effect, EffectBody};
use crate::lang::rules::MessageClass;
use crate::model::value::ValueMap;
use crate::model::{ConsentKey, Value};
use crate::privacy::links::{ClickLink, Signer, UnsubscribeLink};
use crate::workspace::{Program, Template};

use super::html::rewrite_links;
use crate::channels::template::{Form, render};

/// What the sender's settings give to every message.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
}

/// An e-mail as a person gets it, before it is wrapped for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
    /// Of marketing mail only.
    pub unsubscribe_url: Option<String>,
}

/// Fills the template of an effect.
///
/// # Errors
/// What is wrong with the template, for its author.
pub fn render_email(effect: &Effect, program: &Program, links: &Signer) -> Result<Rendered, String> {
    let EffectBody::Email { template, subject, variables, .. } = &effect.body else {
        return Err("the effect is no e-mail".to_owned());
    };
    let Some(found) = program.templates.get(template) else {
        return Err(format!("there is no template `{template}` in templates/"));
    };
    let unsubscribe_url = effect.consent.as_ref().and_then(|consent| unsubscribe_link(effect, consent, links));
    let mut variables: ValueMap = variables.clone();
    // Transactional mail has nothing to unsubscribe from; a template that is used for both may still name it.
    let url = unsubscribe_url.clone().unwrap_or_default();
    variables.insert("unsubscribe_url".to_owned(), Value::from(url));
    let subject = render(&format!("subject of {template}"), subject, Form::Text, &variables)?;
    let html = match &found.html {
        Some(source) => {
            let filled = render(&format!("{template}.html"), source, Form::Html, &variables)?;
            Some(track_links(&filled, effect, unsubscribe_url.as_deref(), links))
        }
        None => None,
    };
    let text = render_text(template, found, html.as_deref(), &variables)?;
    Ok(Rendered { subject: subject.trim().to_owned(), text, html, unsubscribe_url })
}

/// The author's text, or one made of the HTML.
fn render_text(name: &str, template: &Template, html: Option<&str>, variables: &ValueMap) -> Result<String, String> {
    match (&template.text, html) {
        (Some(source), _) => render(&format!("{name}.txt"), source, Form::Text, variables),
        (None, Some(html)) => html2text::from_read(html.as_bytes(), 76)
            .map_err(|error| format!("no text could be made of `{name}.html`: {error}")),
        (None, None) => Err(format!("the template `{name}` is empty")),
    }
}

fn unsubscribe_link(effect: &Effect, consent: &EffectConsent, links: &Signer) -> Option<String> {
    let ConsentKey::Topic { topic, channel } = &consent.key else { return None };
    if consent.class != MessageClass::Marketing {
        return None;
    }
    Some(links.unsubscribe_url(&UnsubscribeLink {
        profile: effect.profile,
        topic: topic.clone(),
        channel: channel.clone(),
        effect: effect.id,
        origin: effect.origin.clone(),
    }))
}

/// Links to the web lead over our click address; the unsubscribe link, addresses and numbers stay; what would run in
/// the reader's program is taken out.
fn track_links(html: &str, effect: &Effect, unsubscribe_url: Option<&str>, links: &Signer) -> String {
    rewrite_links(html, |url| {
        let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if Some(url) == unsubscribe_url || url.is_empty() || url.starts_with('#') {
            return Some(url.to_owned());
        }
        match scheme.as_str() {
            "http" | "https" => Some(links.click_url(&ClickLink {
                profile: effect.profile,
                effect: effect.id,
                origin: effect.origin.clone(),
                url: url.to_owned(),
            })),
            "mailto" | "tel" => Some(url.to_owned()),
            _ => None,
        }
    })
}

/// Wraps a rendered e-mail for the wire. The `Message-ID` follows from the effect, so that it is the same over all
/// tries.
pub(super) fn build(effect: &Effect, rendered: Rendered, sender: &Sender) -> Result<Message, String> {
    let EffectBody::Email { to, .. } = &effect.body else { return Err("the effect is no e-mail".to_owned()) };
    let to: Mailbox = Mailbox::new(None, to.trim().parse().map_err(|_| "the address is no e-mail address".to_owned())?);
    // Line breaks in a subject would begin another header.
    let subject: String = rendered.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let domain = sender.from.email.domain();
    let mut builder = Message::builder()
        .from(sender.from.clone())
        .to(to)
        .subject(subject)
        .message_id(Some(format!("<{}@{domain}>", effect.id)))
        .raw_header(ours("X-Tidewater-Effect", effect.id.to_string()));
    if let Some(reply_to) = &sender.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    if let Some(url) = &rendered.unsubscribe_url {
        // RFC 8058: mail programs offer a button that posts to this address.
        builder = builder
            .raw_header(ours("List-Unsubscribe", format!("<{url}>")))
            .raw_header(ours("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    let message = match rendered.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(rendered.text, html)),
        None => builder.body(rendered.text),
    };
    message.map_err(|error| format!("the message cannot be built: {error}"))
}

/// A header whose value is made of our own ids and links: plain ASCII without line breaks, sent as it is.
fn ours(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}
