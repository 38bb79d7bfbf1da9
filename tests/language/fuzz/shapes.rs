//! Large inputs that a careless reader would go over again and again. The benchmark `largest` reads them as well.

/// A file that says one thing again and again.
pub struct Shape {
    pub what: &'static str,
    pub path: &'static str,
    before: &'static str,
    /// `@` stands for a number that is another each time.
    part: &'static str,
    after: &'static str,
}

impl Shape {
    /// A file of about this length.
    pub fn text(&self, bytes: usize) -> String {
        let mut text = self.before.to_owned();
        for number in 0.. {
            if text.len() >= bytes {
                break;
            }
            match self.part.split_once('@') {
                Some((before, after)) => text.push_str(&format!("{before}{number}{after}")),
                None => text.push_str(self.part),
            }
        }
        text + self.after
    }
}

const fn rules(what: &'static str, before: &'static str, part: &'static str, after: &'static str) -> Shape {
    Shape { what, path: "rules/large.tide", before, part, after }
}

const fn file(
    what: &'static str,
    path: &'static str,
    before: &'static str,
    part: &'static str,
    after: &'static str,
) -> Shape {
    Shape { what, path, before, part, after }
}

pub const SHAPES: [Shape; 34] = [
    rules("parentheses", "segment a = ", "(", ""),
    rules("closing parentheses", "segment a = did any activity", ")", ""),
    rules("nots", "segment a = ", "not ", "did any activity"),
    rules("conditions", "segment a = did any activity", " and did any activity in last @ days", ""),
    rules("mixed conditions", "segment a = did any activity", " and did any activity or did any activity", ""),
    rules("segments", "", "segment s@ = did any activity\n", ""),
    rules("segments of one name", "", "segment s = did any activity\n", ""),
    rules("broken segments", "", "segment s@ = did did\n", ""),
    rules("unknown names", "", "segment s@ = trait_@ is 1\n", ""),
    rules("no rules", "", "this is no rule\n", ""),
    rules("one long word", "segment ", "a", " = did any activity"),
    rules("one long text", "segment a = plan is \"", "a", "\""),
    rules("one open text", "segment a = plan is \"", "a", ""),
    rules("open texts", "", "segment a@ = plan is \"x\n", ""),
    rules("quotes", "segment a = ", "\"", ""),
    rules("curly quotes", "segment a = ", "“", ""),
    rules("backticks", "segment a = ", "`", ""),
    rules("escapes", "segment a = plan is \"", "\\\"", "\""),
    rules("values", "trait plan: text\nsegment a = plan in (\"x\"", ", \"x@\"", ")"),
    rules("comments", "", "# a comment\n", ""),
    rules("comments within", "segment a =\n", "  # a comment\n", "  did any activity\n"),
    rules("empty lines", "segment a = did any activity", "\n", ""),
    rules("blanks", "segment a =", " ", "did any activity"),
    rules("numbers", "compute a = 1", " + 1", ""),
    rules("properties", "event \"E\" {", " a@: text,", " }"),
    rules("steps of a sequence", "segment a = did any activity in last 7 days", " then any activity within 1 day", ""),
    file("keys of a map", "tidewater.yaml", "", "key@: 1\n", ""),
    file("rates", "tidewater.yaml", "rates:\n", "  C@: 1\n", ""),
    file("items of a list", "tidewater.yaml", "sources:\n", "  - x\n", ""),
    file("open lists", "journeys/large.yaml", "", "[", ""),
    file("steps", "journeys/large.yaml", "journey: a\nenter: { segment: b }\nsteps:\n", "  - wait: 1 day\n", ""),
    file("documents", "journeys/large.yaml", "", "journey: j@\n---\n", ""),
    file(
        "a long rule",
        "journeys/large.yaml",
        "journey: a\nenter:\n  segment: b\n  when: |\n",
        "    did any activity and\n",
        "",
    ),
    file("variables", "templates/large.html", "", "{{ a@ }} ", ""),
];
