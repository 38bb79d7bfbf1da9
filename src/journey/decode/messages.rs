//! Steps that speak to the world: `email` and `webhook`.

use crate::finding::{Code, Finding};
use crate::journey::graph::{EmailStep, WebhookStep};
use crate::journey::reader::{self, Fields, unknown, wrong_shape};
use crate::journey::yaml::{Node, NodeKind, Scalar};
use crate::model::Value;
use crate::model::value::ValueMap;

use super::ChannelKind;
use super::context::Context;

/// The channel that carries e-mail.
const EMAIL: &str = "email";

/// `email: { template: cart-reminder, subject: …, topic: …, to: work_email }`.
pub(super) fn email(node: &Node, context: &mut Context<'_, '_>) -> Option<EmailStep> {
    let mut fields = Fields::of(node, "an `email`", context.findings)?;
    let template = fields.require("template", context.findings).and_then(|node| template(node, context));
    let subject = match fields.take("subject") {
        Some(node) => reader::text(node, "`subject`", context.findings).map(|scalar| {
            context.check_template(scalar);
            scalar.text.clone()
        }),
        None => default_subject(template, &fields, context),
    };
    let topic = match fields.take("topic") {
        Some(node) => context.topic(node),
        None => journey_topic(&fields, context),
    };
    let address = match fields.take("to") {
        Some(node) => {
            let scalar = reader::text(node, "`to`", context.findings);
            scalar.and_then(|scalar| context.trait_of(&scalar.text, scalar.place))
        }
        None => context.trait_of("email", fields.place()),
    };
    let place = fields.place();
    fields.finish(context.findings);
    if !context.known.channels.values().any(|kind| *kind == ChannelKind::Smtp) {
        let help = "add `email: { kind: smtp, host: …, from: … }` under `channels:` in `tidewater.yaml`";
        context.push(Code::UnknownChannel, place, "no channel sends e-mail", help);
    }
    let topic = topic.filter(|topic| topic_goes_by_email(*topic, place, context))?;
    Some(EmailStep { template: template?.text.clone(), subject: subject?, topic, address: address? })
}

fn template<'n>(node: &'n Node, context: &mut Context<'_, '_>) -> Option<&'n Scalar> {
    let scalar = reader::text(node, "`template`", context.findings)?;
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
fn default_subject(template: Option<&Scalar>, fields: &Fields<'_>, context: &mut Context<'_, '_>) -> Option<String> {
    let template = template?;
    let title = context.known.templates.get(&template.text).cloned().flatten();
    if title.is_none() {
        let message = "an `email` needs `subject`";
        let help = "without one, the `<title>` of the template's HTML is taken, and this template has none";
        context.push(Code::MissingKey, fields.place(), message, help);
    }
    title
}

fn journey_topic(fields: &Fields<'_>, context: &mut Context<'_, '_>) -> Option<usize> {
    if context.topic.is_none() {
        let message = "an e-mail needs a topic, so that people can unsubscribe from it";
        context.push(Code::EmailWithoutTopic, fields.place(), message, "add `topic:` to the journey or to this step");
    }
    context.topic
}

fn topic_goes_by_email(topic: usize, place: crate::finding::Place, context: &mut Context<'_, '_>) -> bool {
    let declared = &context.rules().topics[topic];
    if declared.channels.iter().any(|channel| channel == EMAIL) {
        return true;
    }
    let message = format!("topic `{}` is not sent by e-mail, only by {}", declared.name, declared.channels.join(", "));
    context.push(Code::TopicNotOnChannel, place, message, "add `email` to the topic's channels, or take another topic");
    false
}

/// `webhook: { to: crm, body: { customer: "{{ user_id }}" } }`.
pub(super) fn webhook(node: &Node, context: &mut Context<'_, '_>) -> Option<WebhookStep> {
    let mut fields = Fields::of(node, "a `webhook`", context.findings)?;
    let destination = fields.require("to", context.findings).and_then(|node| destination(node, context));
    let body = match fields.take("body") {
        Some(node) if matches!(node.kind, NodeKind::Map(_)) => {
            check_texts(node, context);
            Some(node.to_value())
        }
        Some(node) => {
            context.findings.push(wrong_shape(node, "the body of a webhook is a map"));
            None
        }
        None => Some(Value::Map(ValueMap::new())),
    };
    fields.finish(context.findings);
    Some(WebhookStep { destination: destination?, body: body? })
}

fn destination(node: &Node, context: &mut Context<'_, '_>) -> Option<String> {
    let scalar = reader::text(node, "`to`", context.findings)?;
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
