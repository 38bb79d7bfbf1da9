//! The one layout of rule files. Items that cannot be read are left as they are; comments and single blank lines stay
//! where they stand; curly quotes become straight ones.

use crate::finding::{SourceId, WholeFile};

use super::lex::{Kind, lex, unquote};
use super::parse::{cut, parse_item};

/// A line is broken where it would become longer.
const WIDTH: usize = 100;

/// Lays a rule file out. `format(format(x)) == format(x)`, and the meaning stays.
#[must_use]
pub fn format(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let pieces = cut(&text);
    let head_end = pieces.first().map_or(text.len(), |piece| piece.start);
    let mut out = String::new();
    write_between(&text[..head_end], &mut out);
    for piece in pieces {
        let core_end = core_end(piece.text);
        let (core, tail) = piece.text.split_at(core_end);
        let (item, mistakes) = parse_item(core, &WholeFile(SourceId(0)));
        let is_read = item.is_some() && mistakes.is_empty();
        let laid_out = if is_read { lay_out(core) } else { core.trim_end().to_owned() };
        out.push_str(&laid_out);
        out.push('\n');
        write_between(tail, &mut out);
    }
    let end = out.trim_end().len();
    out.truncate(end);
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// Comments and blank lines between items; of several blank lines one stays.
fn write_between(text: &str, out: &mut String) {
    // The line break that ends the item before is written already.
    let text = if out.is_empty() { text } else { text.strip_prefix('\n').unwrap_or(text) };
    for line in text.lines() {
        let line = line.trim_end();
        let is_second_blank = line.is_empty() && (out.is_empty() || out.ends_with("\n\n"));
        if !is_second_blank {
            out.push_str(line);
            out.push('\n');
        }
    }
}

/// Where the item itself ends: before the blank lines and comments in the first column that follow it.
fn core_end(piece: &str) -> usize {
    let mut end = 0;
    let mut position = 0;
    for line in piece.split_inclusive('\n') {
        let is_between = line.trim().is_empty() || line.starts_with('#');
        if !is_between {
            end = position + line.trim_end().len();
        }
        position += line.len();
    }
    end
}

/// A token as it will be written.
#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    text: String,
}

fn tokens(text: &str) -> Vec<Token> {
    lex(text)
        .into_iter()
        .map(|token| {
            let text = match token.kind {
                Kind::Text if !token.text.starts_with('"') => {
                    format!("\"{}\"", unquote(token.text).replace('\\', "\\\\").replace('"', "\\\""))
                }
                Kind::Symbol if token.text == "==" => "=".to_owned(),
                _ => token.text.to_owned(),
            };
            Token { kind: token.kind, text }
        })
        .collect()
}

fn lay_out(core: &str) -> String {
    let all = tokens(core);
    if all.iter().any(|token| token.kind == Kind::Comment) {
        return keep_lines(&all);
    }
    let words: Vec<Token> = all.into_iter().filter(|token| token.kind != Kind::Break).collect();
    let line = join(&words);
    let properties = words.iter().filter(|token| token.text == ":").count();
    let first = words.first().map_or("", |token| token.text.as_str());
    let is_long_event = first == "event" && properties > 2;
    if line.chars().count() <= WIDTH && !is_long_event && !matches!(first, "score" | "identity") {
        return line;
    }
    match words.first().map(|token| token.text.as_str()) {
        Some("event") => break_block(&words),
        Some("score") => break_lines(&words, |words, at| matches!(words[at].text.as_str(), "add" | "subtract")),
        Some("identity") => break_lines(&words, |words, at| {
            words.get(at + 1).is_some_and(|next| matches!(next.text.as_str(), "limit" | "ignore"))
        }),
        Some("segment") => break_at(&words, &["and", "or"], true),
        Some("compute") => break_at(&words, &["where", "in", "+", "-"], false),
        Some("list") => break_at(&words, &["from", "by"], false),
        Some("audience_sync") => break_at(&words, &["using", "purpose"], false),
        _ => line,
    }
}

/// An item with comments inside keeps its lines; spacing and indentation are put right.
fn keep_lines(all: &[Token]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    for line in all.split(|token| token.kind == Kind::Break) {
        if line.is_empty() {
            continue;
        }
        let closes = line.iter().take_while(|token| token.text == "}" || token.text == ")").count();
        let indent = if lines.is_empty() { 0 } else { depth.saturating_sub(closes).max(usize::from(closes == 0)) * 2 };
        lines.push(format!("{}{}", " ".repeat(indent), join(line)));
        for token in line.iter().filter(|token| token.kind == Kind::Symbol) {
            match token.text.as_str() {
                "{" | "(" => depth += 1,
                "}" | ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    lines.join("\n")
}

/// `event "X" {` with a line a property.
fn break_block(words: &[Token]) -> String {
    let mut lines = Vec::new();
    let mut line: Vec<Token> = Vec::new();
    let mut depth = 0_usize;
    for token in words {
        match token.text.as_str() {
            "{" if token.kind == Kind::Symbol && depth == 0 => {
                line.push(token.clone());
                lines.push(join(&line));
                line.clear();
                depth += 1;
                continue;
            }
            "{" | "(" if token.kind == Kind::Symbol => depth += 1,
            "}" | ")" if token.kind == Kind::Symbol => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    push_property(&mut lines, &mut line);
                    lines.push("}".to_owned());
                    continue;
                }
            }
            "," if depth == 1 => {
                push_property(&mut lines, &mut line);
                continue;
            }
            // Properties may stand without commas: a name and a colon begin the next one.
            ":" if depth == 1 && line.len() > 1 => {
                let name = line.pop();
                push_property(&mut lines, &mut line);
                line.extend(name);
            }
            _ => {}
        }
        line.push(token.clone());
    }
    lines.join("\n")
}

/// A block whose entries have no commas between them: a line for each, which begins where `begins` says.
fn break_lines(words: &[Token], begins: impl Fn(&[Token], usize) -> bool) -> String {
    let Some(open) = words.iter().position(|token| token.text == "{") else { return join(words) };
    let end = words.len() - 1;
    let mut lines = vec![join(&words[..=open])];
    let (mut start, mut depth) = (open + 1, 0_usize);
    for at in open + 2..=end {
        match words[at - 1].text.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if at == end || (depth == 0 && begins(words, at)) {
            lines.push(format!("  {}", join(&words[start..at]).trim_end_matches(',')));
            start = at;
        }
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

fn push_property(lines: &mut Vec<String>, line: &mut Vec<Token>) {
    if !line.is_empty() {
        lines.push(format!("  {}", join(line)));
        line.clear();
    }
}

/// Breaks before these words where they stand outside parentheses; after the `=` too where `after_equals`.
fn break_at(words: &[Token], before: &[&str], after_equals: bool) -> String {
    let mut lines = Vec::new();
    let mut line: Vec<Token> = Vec::new();
    let (mut depth, mut is_past_equals) = (0_usize, !after_equals);
    for (index, token) in words.iter().enumerate() {
        let is_word = token.kind == Kind::Word || matches!(token.text.as_str(), "+" | "-");
        // `not in (…)`, `in segment` and `in (…)` belong to a comparison; only `in last` begins a part.
        let is_part = token.text != "in" || words.get(index + 1).is_some_and(|next| next.text == "last");
        if depth == 0 && is_word && is_past_equals && is_part && before.contains(&token.text.as_str()) {
            lines.push(std::mem::take(&mut line));
        }
        match (token.kind, token.text.as_str()) {
            (Kind::Symbol, "(" | "{") => depth += 1,
            (Kind::Symbol, ")" | "}") => depth = depth.saturating_sub(1),
            _ => {}
        }
        line.push(token.clone());
        if !is_past_equals && token.kind == Kind::Symbol && token.text == "=" {
            is_past_equals = true;
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.push(line);
    let laid: Vec<String> = lines.iter().filter(|line| !line.is_empty()).map(|line| join(line)).collect();
    laid.join("\n  ")
}

/// Tokens with the blanks that belong between them.
fn join(words: &[Token]) -> String {
    let mut out = String::new();
    let mut previous: Option<&Token> = None;
    // Inside `clean (…)` a way of cleaning takes its argument without a blank: `phone(default_country)`.
    let (mut in_clean, mut depth) = (None, 0_usize);
    let mut is_signed = false;
    for token in words {
        let is_symbol = token.kind == Kind::Symbol;
        let glued = match previous {
            None => true,
            Some(before) => {
                (is_symbol && matches!(token.text.as_str(), ")" | "," | ":" | "%"))
                    || is_signed
                    || (before.kind == Kind::Symbol && before.text == "(")
                    || (is_symbol && token.text == "(" && in_clean.is_some_and(|from| depth > from))
            }
        };
        if !glued {
            out.push(' ');
        }
        // A minus that stands behind no value is the sign of a number.
        is_signed = token.text == "-"
            && is_symbol
            && previous.is_none_or(|before| {
                before.kind == Kind::Symbol && !matches!(before.text.as_str(), ")" | "%")
                    || matches!(
                        before.text.as_str(),
                        "is" | "add" | "subtract" | "than" | "not" | "been" | "at" | "case"
                    )
            });
        if is_symbol && token.text == "(" {
            if previous.is_some_and(|before| before.text == "clean") {
                in_clean = Some(depth);
            }
            depth += 1;
        } else if is_symbol && token.text == ")" {
            depth = depth.saturating_sub(1);
            if in_clean == Some(depth) {
                in_clean = None;
            }
        }
        out.push_str(&token.text);
        previous = Some(token);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_layout() {
        let untidy = "# shop\n\n\ntrait   phone:text clean( phone( default_country ),trim )   pii\ntrait `First Name` : text\n\
                      event   \"A\"  {x:text required,  y : number z: bool}\nsegment  vip “Our best” =did  \"A\"  where( x is \"1\" )at least 3 times   in last 9 days\n\n# end\n";
        let tidy = "# shop\n\ntrait phone: text clean (phone(default_country), trim) pii\ntrait `First Name`: text\n\
                    event \"A\" {\n  x: text required\n  y: number\n  z: bool\n}\n\
                    segment vip \"Our best\" = did \"A\" where (x is \"1\") at least 3 times in last 9 days\n\n# end\n";
        assert_eq!(format(untidy), tidy);
        assert_eq!(format(tidy), tidy);
    }

    #[test]
    fn long_rules_are_broken_before_their_joints() {
        let rule = "segment s = country in (\"US\", \"GB\") and did \"Order Completed\" in last 30 days and did not \"Order Refunded\" in last 30 days";
        let broken = format(rule);
        assert_eq!(
            broken,
            "segment s =\n  country in (\"US\", \"GB\")\n  and did \"Order Completed\" in last 30 days\n  and did not \"Order Refunded\" in last 30 days\n"
        );
        assert_eq!(format(&broken), broken);
    }

    #[test]
    fn comments_stay_and_what_cannot_be_read_is_left() {
        let text = "segment a =\n  # why\n  plan is \"pro\"   # so\n  and in segment b\nsegment b = = 3\n";
        let laid = format(text);
        assert_eq!(laid, "segment a =\n  # why\n  plan is \"pro\" # so\n  and in segment b\nsegment b = = 3\n");
        assert_eq!(format(&laid), laid);
    }
}
