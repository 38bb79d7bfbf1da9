//! Drafts to the flat table of steps: every step gets its place and its arrows.

use std::collections::BTreeMap;

use crate::finding::{Code, Finding, did_you_mean};
use crate::journey::graph::{Next, SplitArm, Step, StepKind, Until};

use super::context::Context;
use super::steps::{Draft, DraftKind, DraftUntil};

/// Lays the drafts out in the order of the file: a step, then all that stands inside it, then the next.
pub(super) fn lay_out(drafts: Vec<Draft>, context: &mut Context<'_, '_>) -> Vec<Step> {
    let mut mails = BTreeMap::new();
    let mut ids = BTreeMap::new();
    number(&drafts, &mut 0, &mut mails, &mut ids, context);
    let mut table = Table { steps: Vec::new(), mails, ids, context };
    table.list(drafts, None);
    table.steps
}

/// Where each id stands; `mails` only those that can be clicked.
type Places = BTreeMap<String, usize>;

fn number(drafts: &[Draft], next: &mut usize, mails: &mut Places, ids: &mut Places, context: &mut Context<'_, '_>) {
    for draft in drafts {
        if ids.insert(draft.id.clone(), *next).is_some() {
            let message = format!("two steps have the id `{}`", draft.id);
            context.push(Code::DuplicateName, draft.place, message, "give one of them another id");
        }
        if matches!(draft.kind, DraftKind::Email(_)) {
            mails.insert(draft.id.clone(), *next);
        }
        *next += 1;
        for inner in draft.inside() {
            number(inner, next, mails, ids, context);
        }
    }
}

impl Draft {
    /// The lists of steps inside this one, in the order of the file.
    fn inside(&self) -> Vec<&[Draft]> {
        match &self.kind {
            DraftKind::WaitUntil { then, timeout, .. } => vec![then, timeout],
            DraftKind::Branch { arms, otherwise } => {
                arms.iter().map(|(_, steps)| steps.as_slice()).chain([otherwise.as_slice()]).collect()
            }
            DraftKind::RandomSplit { arms } => arms.iter().map(|(_, _, steps)| steps.as_slice()).collect(),
            _ => Vec::new(),
        }
    }

    /// Rows of the table that it takes.
    fn size(&self) -> usize {
        1 + self.inside().iter().map(|steps| steps.iter().map(Self::size).sum::<usize>()).sum::<usize>()
    }
}

struct Table<'t, 'a, 'f> {
    steps: Vec<Step>,
    mails: Places,
    ids: Places,
    context: &'t mut Context<'a, 'f>,
}

impl Table<'_, '_, '_> {
    /// Lays out a list after which a run goes on at `after`; gives where the list begins.
    fn list(&mut self, drafts: Vec<Draft>, after: Next) -> Next {
        if drafts.is_empty() {
            return after;
        }
        let first = self.steps.len();
        let last = drafts.len() - 1;
        for (position, draft) in drafts.into_iter().enumerate() {
            let next = if position == last { after } else { Some(self.steps.len() + draft.size()) };
            self.step(draft, next);
        }
        Some(first)
    }

    fn step(&mut self, draft: Draft, next: Next) {
        let index = self.steps.len();
        let Draft { id, place, kind } = draft;
        // Holds the row until what stands inside is laid out behind it.
        self.steps.push(Step { id, kind: StepKind::Exit, place });
        let kind = match kind {
            DraftKind::Wait(wait) => StepKind::Wait { wait, next },
            DraftKind::WaitUntil { until, up_to, then, timeout } => {
                let until = self.until(until);
                let then = self.list(then, next);
                let timeout = self.list(timeout, next);
                match until {
                    Some(until) => StepKind::WaitUntil { until, up_to, then, timeout },
                    None => StepKind::Exit,
                }
            }
            DraftKind::Branch { arms, otherwise } => {
                let arms = arms.into_iter().map(|(condition, steps)| (condition, self.list(steps, next))).collect();
                StepKind::Branch { arms, otherwise: self.list(otherwise, next) }
            }
            DraftKind::RandomSplit { arms } => StepKind::RandomSplit {
                arms: arms
                    .into_iter()
                    .map(|(name, share, steps)| SplitArm { name, share, first: self.list(steps, next) })
                    .collect(),
            },
            DraftKind::Email(email) => StepKind::Email { email, next },
            DraftKind::Webhook(webhook) => StepKind::Webhook { webhook, next },
            DraftKind::AudienceSync { audience, add } => StepKind::AudienceSync { audience, add, next },
            DraftKind::UpdateProfile(updates) => StepKind::UpdateProfile { updates, next },
            DraftKind::Exit => StepKind::Exit,
        };
        self.steps[index].kind = kind;
    }

    fn until(&mut self, until: DraftUntil) -> Option<Until> {
        match until {
            DraftUntil::Event { name, filter } => Some(Until::Event { name, filter }),
            DraftUntil::Segment(segment) => Some(Until::Segment(segment)),
            DraftUntil::When(condition) => Some(Until::When(condition)),
            DraftUntil::Clicked(id, place) => {
                if let Some(mail) = self.mails.get(&id) {
                    return Some(Until::Clicked(*mail));
                }
                let finding = if self.ids.contains_key(&id) {
                    Finding::new(
                        Code::UnknownStep,
                        place,
                        format!("step `{id}` is not an e-mail, so nobody clicks in it"),
                    )
                } else {
                    let finding = Finding::new(Code::UnknownStep, place, format!("this journey has no step `{id}`"));
                    match did_you_mean(&id, self.mails.keys().map(String::as_str)) {
                        Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place, near),
                        None => finding.help("give the e-mail step an `id:` and name it here"),
                    }
                };
                self.context.findings.push(finding);
                None
            }
        }
    }
}
