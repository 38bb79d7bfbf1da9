//! TW212: two segments that hold the same people, whatever their conditions look like.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding};

use super::logic::Form;
use super::parts::Checked;

pub(super) fn check(checked: &Checked<'_>, findings: &mut Vec<Finding>) {
    let mut first_of_form: BTreeMap<&Form, usize> = BTreeMap::new();
    for (index, segment) in checked.rules().segments.iter().enumerate() {
        let Some(form) = checked.logic.open_segment(index) else { continue };
        let first = *first_of_form.entry(form).or_insert(index);
        if first != index {
            let twin = &checked.rules().segments[first];
            let message = format!("segments `{}` and `{}` mean the same", twin.name, segment.name);
            let finding = Finding::new(Code::SameMeaning, segment.place, message);
            let help = format!("use one of them, or say in which way `{}` is another", segment.name);
            findings.push(finding.help(help).label(twin.place, "the other stands here"));
        }
    }
}
