//! Findings of lint as plain data. What draws them for people and programs is in `cli`.

pub mod code;
pub mod source;

pub use code::{Code, Severity};
pub use source::{LineColumn, Locate, SourceFile, SourceId, Sources, Span, WholeFile};

use serde::Serialize;

/// One result of lint: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub place: Place,
    /// What is wrong, in a marketer's words; lower case, no full stop, names in backticks.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// A change of the text that mends it, where a machine can know.
    pub fix: Option<Fix>,
    /// Further places that matter, each with a word on why.
    pub labels: Vec<Label>,
}

/// Where in which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    pub source: SourceId,
    pub span: Span,
}

/// A further place of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    pub place: Place,
    pub message: String,
}

/// Replace the text at `place` by `replacement`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    pub place: Place,
    pub replacement: String,
}

impl Finding {
    /// A finding of this code at this place, with the code's usual severity.
    #[must_use]
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            place,
            message: message.into(),
            help: None,
            fix: None,
            labels: Vec::new(),
        }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn fix(mut self, place: Place, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { place, replacement: replacement.into() });
        self
    }

    #[must_use]
    pub fn label(mut self, place: Place, message: impl Into<String>) -> Self {
        self.labels.push(Label { place, message: message.into() });
        self
    }

    /// Whether a workspace with this finding must not run.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The known name nearest to a misspelt one, if any is near enough to be meant.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    // A third of the letters may differ: `UK` does not mean `US`.
    let longest_distance = wanted.chars().count() / 3;
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= longest_distance)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        let known = ["Order Completed", "Order Refunded", "Product Viewed"];
        assert_eq!(did_you_mean("Order Complete", known), Some("Order Completed"));
        assert_eq!(did_you_mean("order completed", known), Some("Order Completed"));
        assert_eq!(did_you_mean("Signed Up", known), None);
    }
}
