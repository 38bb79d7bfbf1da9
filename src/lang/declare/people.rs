//! Identity, consent, lists and audiences.

use std::collections::BTreeSet;

use crate::finding::{Code, Finding, Locate, Place, did_you_mean};
use crate::lang::compile::Compiler;
use crate::lang::rules::*;
use crate::lang::syntax::*;

use super::{Source, is_new};

impl Compiler {
    pub(super) fn declare_identity(
        &mut self,
        items: Vec<IdentifierItem>,
        source: &Source,
        findings: &mut Vec<Finding>,
    ) {
        if let Some(first) = items.first() {
            let message =
                "`identity` is checked and not followed yet: profiles are joined by `user_id` and `anonymous_id`";
            findings.push(Finding::new(Code::NotFollowed, source.place(first.name.span), message));
        }
        for (priority, item) in items.into_iter().enumerate() {
            let place = source.place(item.name.span);
            if self.rules.identity.contains_key(&item.name.text) {
                let message = format!("`{}` is named twice", item.name.text);
                findings.push(Finding::new(Code::DuplicateName, place, message).help("take one out"));
                continue;
            }
            let limit = item.limit.and_then(|(limit, span)| {
                let is_whole = limit.fract() == 0.0 && (1.0..=10_000.0).contains(&limit);
                if !is_whole {
                    let message = "a limit is a whole number from 1 to 10000";
                    findings.push(Finding::new(Code::TypeMismatch, source.place(span), message));
                }
                is_whole.then_some(limit as u32)
            });
            let ignore = item.ignore.iter().map(|literal| literal.value.to_string()).collect();
            self.rules.identity.insert(item.name.text, IdentifierRule { priority, limit, ignore, place });
        }
    }

    pub(super) fn declare_purpose(&mut self, purpose: PurposeItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(purpose.name.span);
        let index = self.rules.purposes.len();
        if is_new(&mut self.names.purposes, "purpose", &purpose.name, index, place, findings) {
            let PurposeItem { name, title, opt_in } = purpose;
            self.rules.purposes.push(Purpose { name: name.text, title, opt_in, place });
        }
    }

    pub(super) fn declare_list(&mut self, item: &ListItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(item.name.span);
        let index = ListIndex(self.rules.lists.len() as u32);
        if !is_new(&mut self.names.lists, "list", &item.name, index, place, findings) {
            return;
        }
        let by = match self.names.traits.get(&item.by.text) {
            Some(index) => ListKey::Trait(*index),
            None => {
                if item.by.text != "user_id" && !self.names.is_broken("trait", &item.by.text) {
                    findings.push(self.names.unknown_trait(&item.by.text, source.place(item.by.span)));
                }
                ListKey::UserId
            }
        };
        let members = self.list_members(&item.file, &item.by.text, source.place(item.file.span), findings);
        self.rules.lists.push(List {
            name: item.name.text.clone(),
            title: item.title.clone(),
            file: item.file.text.clone(),
            by,
            members,
            place,
        });
    }

    /// The people whom a file names: the column called like the identifier, or the first one of a file without a header.
    fn list_members(&self, file: &Word, by: &str, place: Place, findings: &mut Vec<Finding>) -> BTreeSet<String> {
        let Some(text) = self.settings.files.get(&file.text) else {
            let finding = Finding::new(Code::UnreadableFile, place, format!("there is no file `{}`", file.text));
            findings.push(match did_you_mean(&file.text, self.settings.files.keys().map(String::as_str)) {
                Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, format!("\"{near}\"")),
                None => finding.help("the path counts from the workspace's folder, and the file ends in `.csv`"),
            });
            return BTreeSet::new();
        };
        let delimiter = [b',', b';', b'\t']
            .into_iter()
            .find(|byte| text.lines().next().is_some_and(|line| line.as_bytes().contains(byte)));
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(delimiter.unwrap_or(b','))
            .from_reader(text.as_bytes());
        let mut rows = reader.records().filter_map(Result::ok);
        let Some(first) = rows.next() else { return BTreeSet::new() };
        let column = first.iter().position(|cell| List::normal(cell) == List::normal(by));
        if column.is_none() && first.len() > 1 {
            let message = format!("`{}` has no column `{by}`", file.text);
            let finding = Finding::new(Code::UnreadableFile, place, message);
            findings.push(finding.help(format!("its columns are {}", first.iter().collect::<Vec<_>>().join(", "))));
        }
        // A file of one column needs no header.
        let headless = if column.is_none() { Some(first) } else { None };
        let members = headless.into_iter().chain(rows).filter_map(|row| row.get(column.unwrap_or(0)).map(List::normal));
        members.filter(|member| !member.is_empty()).collect()
    }

    pub(super) fn declare_topic(&mut self, topic: TopicItem, source: &Source, findings: &mut Vec<Finding>) {
        const CHANNELS: &[&str] = &["email", "sms", "push", "webhook", "onsite"];
        let place = source.place(topic.name.span);
        for channel in &topic.channels {
            if !CHANNELS.contains(&channel.text.as_str()) {
                let place = source.place(channel.span);
                let finding = Finding::new(Code::UnknownChannel, place, format!("unknown channel `{}`", channel.text));
                findings.push(finding.help(format!("a topic is sent by {}", CHANNELS.join(", "))));
            }
        }
        if let (false, Some(span)) = (topic.is_marketing, topic.opt_in) {
            let message = "a transactional topic is sent to everyone who did not refuse it";
            let finding = Finding::new(Code::TypeMismatch, source.place(span), message);
            findings.push(finding.help("leave out `opt_in`, or make it `marketing opt_in`"));
        }
        let index = self.rules.topics.len();
        if is_new(&mut self.names.topics, "topic", &topic.name, index, place, findings) {
            self.rules.topics.push(Topic {
                name: topic.name.text,
                title: topic.title,
                channels: topic.channels.into_iter().map(|channel| channel.text).collect(),
                class: if topic.is_marketing { MessageClass::Marketing } else { MessageClass::Transactional },
                opt_in: topic.opt_in.is_some(),
                place,
            });
        }
    }

    pub(super) fn declare_audience(&mut self, item: &AudienceItem, source: &Source, findings: &mut Vec<Finding>) {
        let place = source.place(item.name.span);
        let index = self.rules.audience_syncs.len();
        if !is_new(&mut self.names.audiences, "audience_sync", &item.name, index, place, findings) {
            return;
        }
        let segment = item.segment.as_ref().and_then(|name| match self.segment(&name.text, source.place(name.span)) {
            Ok(index) => index,
            Err(finding) => {
                findings.push(finding);
                None
            }
        });
        if !self.settings.destinations.contains(&item.destination.text) {
            let place = source.place(item.destination.span);
            let message = format!("`tidewater.yaml` has no channel `{}`", item.destination.text);
            let finding = Finding::new(Code::UnknownChannel, place, message);
            findings.push(
                match did_you_mean(&item.destination.text, self.settings.destinations.iter().map(String::as_str)) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
                    None => finding.help("add it under `channels:`"),
                },
            );
        }
        let mut identifiers = Vec::new();
        for name in &item.using {
            match self.names.traits.get(&name.text) {
                Some(index) => identifiers.push(*index),
                None if self.names.is_broken("trait", &name.text) => {}
                None => findings.push(self.names.unknown_trait(&name.text, source.place(name.span))),
            }
        }
        let purpose = item.purpose.as_ref().and_then(|name| {
            let found = self.names.purposes.get(&name.text).copied();
            if found.is_none() && !self.names.is_broken("purpose", &name.text) {
                let message = format!("unknown purpose `{}`", name.text);
                let finding = Finding::new(Code::UnknownTopic, source.place(name.span), message);
                findings.push(finding.help(format!("declare it: `purpose {} opt_in`", name.text)));
            }
            found
        });
        self.rules.audience_syncs.push(AudienceSync {
            name: item.name.text.clone(),
            segment,
            destination: item.destination.text.clone(),
            identifiers,
            purpose,
            place,
        });
    }
}
