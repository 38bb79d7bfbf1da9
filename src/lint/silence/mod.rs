//! Findings that an author silences where they stand, with a reason: `# tidewater: allow TW209 because …`.
//!
//! A code whose own severity is error cannot be silenced: such a workspace does not run.

mod comments;

use crate::finding::{Code, Finding, Place, Severity, Sources, Span, did_you_mean};

/// A finding that a comment silences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silenced {
    pub finding: Finding,
    /// The author's.
    pub reason: String,
    pub comment: Place,
}

/// What the comments of a workspace silence.
pub(super) struct Silence {
    allowed: Vec<Allowed>,
    /// Comments that silence nothing because of how they are written.
    pub(super) unclear: Vec<Finding>,
}

/// A comment that can be followed.
struct Allowed {
    code: Code,
    reason: String,
    comment: Place,
    covers: Span,
    is_used: bool,
}

/// The form to show to authors.
const FORM: &str = "write it as `tidewater: allow TW209 because …`";

impl Silence {
    /// Reads the comments of all files.
    pub(super) fn read(sources: &Sources) -> Self {
        let mut silence = Self { allowed: Vec::new(), unclear: Vec::new() };
        for (source, file) in sources.iter() {
            for comment in comments::read(source, file) {
                match followed(comment.words, comment.place) {
                    Ok((code, reason)) => silence.allowed.push(Allowed {
                        code,
                        reason,
                        comment: comment.place,
                        covers: comment.covers,
                        is_used: false,
                    }),
                    Err(finding) => silence.unclear.push(finding),
                }
            }
        }
        silence
    }

    /// Parts the findings into those that stand and those that a comment silences.
    pub(super) fn part(&mut self, findings: Vec<Finding>) -> (Vec<Finding>, Vec<Silenced>) {
        let (mut standing, mut silenced) = (Vec::new(), Vec::new());
        for finding in findings {
            match self.allowed.iter_mut().find(|allowed| allowed.is_about(&finding)) {
                None => standing.push(finding),
                Some(allowed) => {
                    allowed.is_used = true;
                    silenced.push(Silenced { finding, reason: allowed.reason.clone(), comment: allowed.comment });
                }
            }
        }
        (standing, silenced)
    }

    /// The comments that silenced nothing, of those codes that were `looked_for`.
    pub(super) fn left_over(&self, looked_for: impl Fn(Code) -> bool) -> impl Iterator<Item = Finding> {
        self.allowed.iter().filter(move |allowed| !allowed.is_used && looked_for(allowed.code)).map(|allowed| {
            let message = format!("there is no {} here to silence", allowed.code);
            let finding = Finding::new(Code::SilencesNothing, allowed.comment, message);
            finding.help("take the comment out, or put it directly above what it is about, or at the end of its line")
        })
    }
}

impl Allowed {
    fn is_about(&self, finding: &Finding) -> bool {
        let at = finding.place.span.start;
        finding.code == self.code
            && finding.place.source == self.comment.source
            && (self.covers.start..self.covers.end).contains(&at)
    }
}

/// The code that a comment allows and the reason that it gives, or what is wrong with it.
fn followed(words: &str, place: Place) -> Result<(Code, String), Finding> {
    let unclear = |message: &str| Finding::new(Code::SilencedWithoutReason, place, message).help(FORM);
    let (word, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    if word != "allow" {
        return Err(unclear(&format!("`{word}` is nothing that a comment can ask for")));
    }
    let (number, rest) = rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
    let code = Code::find(number).ok_or_else(|| unknown(number, place))?;
    if code.severity() == Severity::Error {
        let message = format!("{code} is an error and cannot be silenced: {}", code.summary());
        return Err(Finding::new(Code::CannotSilence, place, message).help("mend it, and take the comment out"));
    }
    match rest.trim_start().strip_prefix("because").map(str::trim) {
        Some(reason) if reason.chars().any(char::is_alphanumeric) => Ok((code, reason.to_owned())),
        _ => Err(unclear(&format!("this does not say why {code} is silenced"))),
    }
}

fn unknown(number: &str, place: Place) -> Finding {
    let finding = Finding::new(Code::CannotSilence, place, format!("no finding has the code `{number}`"));
    let known = Code::ALL.iter().map(|code| code.number());
    match did_you_mean(number, known) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(FORM),
    }
}
