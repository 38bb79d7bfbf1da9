//! Text to tree, by recursive descent over tokens. A file is cut into items first (a word in the first column begins
//! one); within an item reading goes on after a mistake at the next `and`, `or`, comma or bracket. So each mistake shows
//! once and hides nothing.

mod comparisons;
mod cursor;
mod formulas;
mod items;
mod people;
mod rules;
mod sequences;

mod windows;

use crate::finding::{Code, Finding, Locate, Span};
use crate::model::limit::SOURCE_BYTES;

use super::syntax::{Expr, Item};
use cursor::Cursor;
pub(super) use cursor::is_reserved;

/// Words that begin an item, in the first column of a line.
pub(super) const ITEM_WORDS: &[&str] = &[
    "event",
    "identity",
    "trait",
    "constant",
    "compute",
    "score",
    "segment",
    "list",
    "topic",
    "purpose",
    "audience_sync",
];

/// A stretch of a file that holds one item.
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
}

/// Cuts a file into pieces. What stands before the first item (but comments and blank lines) is a piece too.
pub(super) fn cut(text: &str) -> Vec<Piece<'_>> {
    let mut starts = Vec::new();
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(|first: char| first.is_alphabetic() || first == '_') {
            starts.push(line_start);
        }
        line_start += line.len();
    }
    let first = starts.first().copied().unwrap_or(text.len());
    let head = &text[..first];
    let mut pieces = Vec::new();
    if head.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        pieces.push(Piece { text: head, start: 0 });
    }
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        pieces.push(Piece { text: &text[*start..end], start: *start });
    }
    pieces
}

/// Reads one item: as much of it as can be read, and what is wrong with the rest. `locate` maps bytes of the piece.
pub(super) fn parse_item(text: &str, locate: &dyn Locate) -> (Option<Item>, Vec<Finding>) {
    if let Some(finding) = too_large(text, locate) {
        return (None, vec![finding]);
    }
    let mut cursor = Cursor::new(text, locate);
    let item = cursor.item();
    cursor.must_end();
    (item, cursor.into_findings())
}

/// Reads a rule that stands alone, as in a journey file.
pub(super) fn parse_rule(text: &str, locate: &dyn Locate) -> Result<Expr, Vec<Finding>> {
    if let Some(finding) = too_large(text, locate) {
        return Err(vec![finding]);
    }
    let mut cursor = Cursor::new(text, locate);
    let rule = cursor.chain();
    cursor.must_end();
    let findings = cursor.into_findings();
    if findings.is_empty() { Ok(rule) } else { Err(findings) }
}

fn too_large(text: &str, locate: &dyn Locate) -> Option<Finding> {
    let message = format!("this is {} bytes long; at most {SOURCE_BYTES} are read", text.len());
    (text.len() > SOURCE_BYTES).then(|| Finding::new(Code::TooLarge, locate.place(Span::new(0, 0)), message))
}
