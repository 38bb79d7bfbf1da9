//! The files that findings point into: their text, and byte spans as lines and columns.

use std::sync::Arc;

use serde::Serialize;

/// A file of one load of a workspace: its index in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SourceId(pub u32);

/// A range of bytes of a file, end excluded. Both ends stand on character borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the start of this span to the end of the other.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// A place as people count: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LineColumn {
    pub line: usize,
    pub column: usize,
}

/// One file: its path as the author knows it (relative to the workspace) and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: String,
    pub text: Arc<str>,
}

impl SourceFile {
    /// Line and column of a byte offset. An offset beyond the text is its end.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> LineColumn {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        LineColumn { line, column: before[line_start..].chars().count() + 1 }
    }
}

/// Where in a file a text stands that is being read, such as a rule inside a YAML string.
pub trait Locate {
    /// The place of this span of the text (bytes of what is read, not of the file).
    fn place(&self, span: Span) -> super::Place;
}

/// A text that is a file from its first byte to its last.
#[derive(Debug, Clone, Copy)]
pub struct WholeFile(pub SourceId);

impl Locate for WholeFile {
    fn place(&self, span: Span) -> super::Place {
        super::Place { source: self.0, span }
    }
}

/// All files of one load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// Takes a file in and names it.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<Arc<str>>) -> SourceId {
        let id = SourceId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile { path: path.into(), text: text.into() });
        id
    }

    /// The file of this id.
    ///
    /// # Panics
    /// If the id comes from another load.
    #[must_use]
    pub fn get(&self, id: SourceId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// The id of the file at this path, relative to the workspace.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<SourceId> {
        let index = self.files.iter().position(|file| file.path == path)?;
        u32::try_from(index).ok().map(SourceId)
    }

    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &SourceFile)> {
        self.files.iter().zip(0..).map(|(file, index)| (SourceId(index), file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let file = SourceFile { path: "a".into(), text: "é = 1\nzwei".into() };
        assert_eq!(file.line_column(0), LineColumn { line: 1, column: 1 });
        assert_eq!(file.line_column(2), LineColumn { line: 1, column: 2 });
        assert_eq!(file.line_column("é = 1\nzw".len()), LineColumn { line: 2, column: 3 });
        assert_eq!(file.line_column(999), LineColumn { line: 2, column: 5 });
    }
}
