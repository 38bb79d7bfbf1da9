//! Findings for people (drawn under the line that they speak of) and for programs (JSON, GitHub, SARIF).

use annotate_snippets::{AnnotationKind, Level, Patch, Renderer, Snippet};
use serde_json::{Value as Json, json};

use crate::finding::{Finding, Place, Severity};
use crate::lint::{Report, Silenced};
use crate::workspace::load::Loaded;

/// A finding with its source drawn, its help and its fix.
pub(super) fn drawn(finding: &Finding, loaded: &Loaded) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let (number, file) = (finding.code.number(), loaded.sources.get(finding.place.source));
    let mut snippet = Snippet::source(file.text.as_ref())
        .path(file.path.as_str())
        .annotation(AnnotationKind::Primary.span(range(finding.place)));
    for label in finding.labels.iter().filter(|label| label.place.source == finding.place.source) {
        snippet = snippet.annotation(AnnotationKind::Context.span(range(label.place)).label(label.message.as_str()));
    }
    let mut main = level.primary_title(finding.message.as_str()).id(number).element(snippet);
    if let Some(help) = &finding.help {
        main = main.element(Level::HELP.message(help.as_str()));
    }
    let mut report = vec![main];
    if let Some(fix) = &finding.fix {
        let file = loaded.sources.get(fix.place.source);
        let patch = Snippet::source(file.text.as_ref())
            .path(file.path.as_str())
            .patch(Patch::new(range(fix.place), fix.replacement.as_str()));
        report.push(Level::HELP.secondary_title("`tidewater lint --fix` writes").element(patch));
    }
    Renderer::styled().render(&report)
}

fn range(place: Place) -> std::ops::Range<usize> {
    place.span.start..place.span.end.max(place.span.start)
}

/// All findings as data: what editors and scripts need. Silenced ones come last and say so.
pub(super) fn as_json(report: &Report, loaded: &Loaded) -> Json {
    let standing = report.findings.iter().map(|finding| one_as_json(finding, None, loaded));
    let silenced = report.silenced.iter().map(|one| one_as_json(&one.finding, Some(one), loaded));
    standing.chain(silenced).collect()
}

fn one_as_json(finding: &Finding, silenced: Option<&Silenced>, loaded: &Loaded) -> Json {
    let at = |place: Place| {
        let file = loaded.sources.get(place.source);
        let (start, end) = (file.line_column(place.span.start), file.line_column(place.span.end));
        json!({
            "path": file.path,
            "line": start.line, "column": start.column,
            "end_line": end.line, "end_column": end.column,
        })
    };
    let fix = finding.fix.as_ref().map(|fix| json!({"at": at(fix.place), "replacement": fix.replacement}));
    let labels: Vec<Json> =
        finding.labels.iter().map(|label| json!({"at": at(label.place), "message": label.message})).collect();
    json!({
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "help": finding.help,
        "at": at(finding.place),
        "fix": fix,
        "labels": labels,
        "suppressed": silenced.map(|one| json!({"reason": one.reason, "at": at(one.comment)})),
    })
}

/// A workflow command, which GitHub shows at the line of a pull request.
pub(super) fn for_github(finding: &Finding, loaded: &Loaded) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let (path, at) = loaded.locate(finding.place);
    let help = finding.help.as_deref().map(|help| format!("\n{help}")).unwrap_or_default();
    let text = format!("{}{help}", finding.message).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let (line, column, code) = (at.line, at.column, finding.code);
    format!("::{level} file={path},line={line},col={column},title={code}::{text}")
}

/// SARIF 2.1.0, which code hosts read.
pub(super) fn as_sarif(report: &Report, loaded: &Loaded) -> Json {
    let standing = report.findings.iter().map(|finding| sarif_result(finding, None, loaded));
    let silenced = report.silenced.iter().map(|one| sarif_result(&one.finding, Some(one), loaded));
    let results: Vec<Json> = standing.chain(silenced).collect();
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    codes.extend(report.silenced.iter().map(|one| one.finding.code));
    codes.sort();
    codes.dedup();
    let rules: Vec<Json> =
        codes.iter().map(|code| json!({"id": code, "shortDescription": {"text": code.summary()}})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "tidewater", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    })
}

fn sarif_result(finding: &Finding, silenced: Option<&Silenced>, loaded: &Loaded) -> Json {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let location = |place: Place| {
        let file = loaded.sources.get(place.source);
        let (start, end) = (file.line_column(place.span.start), file.line_column(place.span.end));
        json!({"physicalLocation": {
            "artifactLocation": {"uri": file.path},
            "region": {
                "startLine": start.line, "startColumn": start.column,
                "endLine": end.line, "endColumn": end.column,
            },
        }})
    };
    // Where one result of a run says whether it is suppressed, all must: an empty list says that it is not.
    let suppressions: Vec<Json> = silenced
        .iter()
        .map(|one| {
            let (kind, status) = ("inSource", "accepted");
            json!({"kind": kind, "status": status, "justification": one.reason, "location": location(one.comment)})
        })
        .collect();
    json!({
        "ruleId": finding.code,
        "level": level,
        "message": {"text": finding.message},
        "locations": [location(finding.place)],
        "suppressions": suppressions,
    })
}
