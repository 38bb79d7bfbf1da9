//! Steps that speak to the world: `email` and `webhook`.

use crate::finding::{Code, Finding, Place};
use crate::journey::form::{Form, Key, Shape};
use crate::journey::graph::{EmailStep, WebhookStep};
use crate::journey::reader::{self, unknown};
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::model::Value;
use crate::model::value::ValueMap;

use super::ChannelKind;
use super::context::Context;

/// The channel that carries e-mail.
const EMAIL_CHANNEL: &str = "email";

pub(super) static EMAIL: Form = Form::of(
    "an `email`",
    &[
        Key::required("template", Shape::Text, "The file in `templates/`, without its ending."),
        Key::optional("subject", Shape::Text, "A template; without it the `<title>` of the HTML is taken."),
        Key::optional("topic", Shape::Text, "What the message is about; the journey's topic unless said."),
        Key::optional("to", Shape::Text, "The trait that holds the address; `email` unless said."),
    ],
);

pub(super) static WEBHOOK: Form = Form::of(
    "a `webhook`",
    &[
        Key::required("to", Shape::Text, "A channel of kind `webhook` in `tidewater.yaml`."),
        Key::optional("body", Shape::Values, "What is sent, as a map; each text in it is a template."),
    ],
);

/// `email: { template: cart-reminder, subject: …, topic: …, to: work_email }`.
pub(super) fn email(node: &Node, context: &mut Context<'_, '_>) -> Option<EmailStep> {
    let place = node.first_key();
    let template = node.get("template").and_then(|node| template(node, context));
    let subject = match node.get("subject") {
        Some(node) => reader::text(node).map(|scalar| {
            context.check_template(scalar);
            scalar.text.clone()
        }),
        None => default_subject(template, place, context),
    };
    let topic = match node.get("topic") {
        Some(node) => context.topic(node),
        None => journey_topic(place, context),
    };
    let address = match node.get("to") {
        Some(node) => reader::text(node).and_then(|scalar| context.trait_of(&scalar.text, scalar.place)),
        None => context.trait_of("email", place),
    };
    if !context.known.channels.values().any(|kind| *kind == ChannelKind::Smtp) {
        let help = "add `email: { kind: smtp, host: …, from: … }` under `channels:` in `tidewater.yaml`";
        context.push(Code::UnknownChannel, place, "no channel sends e-mail", help);
    }
    let topic = topic.filter(|topic| topic_goes_by_email(*topic, place, context))?;
    Some(EmailStep { template: template?.text.clone(), subject: subject?, topic, address: address? })
}

fn template<'n>(node: &'n Node, context: &mut Context<'_, '_>) -> Option<&'n Scalar> {
    let scalar = reader::text(node)?;
    if context.known.templates.contains_key(&scalar.text) {
        return Some(scalar);
    }
    let message = format!("there is no template `templates/{}.html` or `.txt`", scalar.text);
    let known = context.known.templates.keys().map(String::as_str);
    let finding = unknown(Code::MissingTemplate, scalar.place, message, &scalar.text, known);
    context.findings.push(finding);
    None
}

/// The `<title>` of the template's HTML.
fn default_subject(template: Option<&Scalar>, place: Place, context: &mut Context<'_, '_>) -> Option<String> {
    let template = template?;
    let title = context.known.templates.get(&template.text).cloned().flatten();
    if title.is_none() {
        let message = "an `email` needs `subject`";
        let help = "without one, the `<title>` of the template's HTML is taken, and this template has none";
        context.push(Code::MissingKey, place, message, help);
    }
    title
}

fn journey_topic(place: Place, context: &mut Context<'_, '_>) -> Option<usize> {
    if context.topic.is_none() {
        let message = "an e-mail needs a topic, so that people can unsubscribe from it";
        context.push(Code::EmailWithoutTopic, place, message, "add `topic:` to the journey or to this step");
    }
    context.topic
}

fn topic_goes_by_email(topic: usize, place: Place, context: &mut Context<'_, '_>) -> bool {
    let declared = &context.rules().topics[topic];
    if declared.channels.iter().any(|channel| channel == EMAIL_CHANNEL) {
        return true;
    }
    let message = format!("topic `{}` is not sent by e-mail, only by {}", declared.name, declared.channels.join(", "));
    context.push(Code::TopicNotOnChannel, place, message, "add `email` to the topic's channels, or take another topic");
    false
}

/// `webhook: { to: crm, body: { customer: "{{ user_id }}" } }`.
pub(super) fn webhook(node: &Node, context: &mut Context<'_, '_>) -> Option<WebhookStep> {
    let destination = node.get("to").and_then(|node| destination(node, context));
    let body = node.get("body");
    if let Some(body) = body {
        check_texts(body, context);
    }
    let body = body.map_or_else(|| Value::Map(ValueMap::new()), Node::to_value);
    Some(WebhookStep { destination: destination?, body })
}

fn destination(node: &Node, context: &mut Context<'_, '_>) -> Option<String> {
    let scalar = reader::text(node)?;
    if context.known.channels.get(&scalar.text) == Some(&ChannelKind::Webhook) {
        return Some(scalar.text.clone());
    }
    let webhooks = context.known.channels.iter().filter(|(_, kind)| **kind == ChannelKind::Webhook);
    let known = webhooks.map(|(name, _)| name.as_str());
    let message = format!("`tidewater.yaml` has no webhook channel `{}`", scalar.text);
    let finding: Finding = unknown(Code::UnknownChannel, scalar.place, message, &scalar.text, known);
    context.findings.push(finding);
    None
}

/// Every text of the body is a template.
fn check_texts(node: &Node, context: &mut Context<'_, '_>) {
    match &node.kind {
        NodeKind::Scalar(scalar) => context.check_template(scalar),
        NodeKind::List(items) => items.iter().for_each(|item| check_texts(item, context)),
        NodeKind::Map(entries) => entries.iter().for_each(|(_, value)| check_texts(value, context)),
    }
}
