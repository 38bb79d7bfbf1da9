//! Steps at which runs part: `branch` and `random_split`.

use crate::finding::{Code, Finding};
use crate::journey::form::{Form, Key, Named, Shape, Way, notation};
use crate::journey::reader;
use crate::journey::yaml::{Node, NodeKind};

use super::context::Context;
use super::steps::{DraftKind, STEP, list};

/// One of the list behind `branch`.
pub(super) static BRANCH_ARM: Shape = Shape::Map(&ARM);
/// All arms of a `random_split`.
pub(super) static SPLIT_ARMS: Named = Named::each(Shape::Map(&SPLIT_ARM));

static ARM: Form = Form::choosing(
    "an arm of a branch",
    &[],
    "an arm of a branch begins with `if` or `else`",
    &[
        Way::with(
            Key::required("if", Shape::Text, "A rule over the person."),
            &[Key::required("then", Shape::List(&STEP), "What is done where the rule holds.")],
        ),
        Way::of(Key::optional("else", Shape::List(&STEP), "What is done where no rule holds; the last arm.")),
    ],
);

static SPLIT_ARM: Form = Form::of(
    "an arm of a split",
    &[
        Key::required("share", Shape::Written(&notation::SHARE), "Its share of the people, such as `50%`."),
        Key::optional("steps", Shape::List(&STEP), "What is done."),
    ],
);

pub(super) fn branch(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let NodeKind::List(nodes) = &node.kind else { return None };
    let mut arms = Vec::new();
    let mut otherwise = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let Some((key, value)) = reader::chosen(node, &ARM) else { continue };
        if key.text == "if" {
            let condition = context.condition(value);
            let then = node.get("then").map(|node| list(node, &format!("{path}.{index}."), context));
            arms.extend(condition.map(|condition| (condition, then.unwrap_or_default())));
            continue;
        }
        if index + 1 < nodes.len() {
            let message = "`else` is the last arm: those after it are never taken";
            context.findings.push(Finding::new(Code::WrongShape, key.place, message));
        }
        otherwise = list(value, &format!("{path}.else."), context);
    }
    if !nodes.iter().any(|node| node.entry("if").is_some()) {
        context.findings.push(Finding::new(Code::MissingKey, node.place, "a `branch` has at least one `if`"));
    }
    Some(DraftKind::Branch { arms, otherwise })
}

pub(super) fn random_split(node: &Node, path: &str, context: &mut Context<'_, '_>) -> Option<DraftKind> {
    let entries = node.entries();
    let mut arms = Vec::new();
    for (name, node) in entries {
        let share = node.get("share").and_then(reader::text).and_then(|scalar| notation::share(&scalar.text));
        let steps = node.get("steps");
        let steps = steps.map(|node| list(node, &format!("{path}.{}.", name.text), context)).unwrap_or_default();
        arms.extend(share.map(|share| (name.text.clone(), share, steps)));
    }
    // Where an arm has no share that can be read, their sum says nothing.
    let readable = matches!(node.kind, NodeKind::Map(_)) && arms.len() == entries.len();
    let total: u64 = arms.iter().map(|(_, share, _)| u64::from(*share)).sum();
    if readable && total != 10_000 {
        let message = format!("the shares of this split add up to {}%, not to 100%", hundredths(total));
        let place = entries.first().map_or(node.place, |(name, _)| name.place);
        context.findings.push(Finding::new(Code::SharesNotWhole, place, message));
        return None;
    }
    readable.then_some(DraftKind::RandomSplit { arms })
}

fn hundredths(share: u64) -> String {
    let text = format!("{}.{:02}", share / 100, share % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
