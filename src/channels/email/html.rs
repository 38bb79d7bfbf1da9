//! Links in an HTML body: every `href` of an `<a>` is handed to a function that says what it becomes. A small scanner,
//! not a parser: it changes attribute values and leaves every other byte as it is.

/// Rewrites the `href` of every link. `rewrite` gets the address with its character references resolved; `None` takes
/// the attribute's value out (`#`).
pub(super) fn rewrite_links(html: &str, mut rewrite: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(html.len() + 256);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            let end = after.find("-->").map_or(rest.len(), |end| end + "<!---->".len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        // A `<` before anything else than a name is a character of the text.
        if !rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            out.push('<');
            rest = &rest[1..];
            continue;
        }
        let end = tag_end(rest);
        let tag = &rest[..end];
        if is_link(tag) {
            write_link(tag, &mut out, &mut rewrite);
        } else {
            out.push_str(tag);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Where a tag ends: behind its `>`, which inside quotes does not count.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (position, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return position + 1,
            (None, b'"' | b'\'') if position > 0 => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn is_link(tag: &str) -> bool {
    let mut bytes = tag.bytes().skip(1);
    matches!(bytes.next(), Some(b'a' | b'A'))
        && bytes.next().is_some_and(|byte| byte.is_ascii_whitespace() || byte == b'/')
}

fn write_link(tag: &str, out: &mut String, rewrite: &mut impl FnMut(&str) -> Option<String>) {
    let mut position = 2;
    out.push_str(&tag[..position]);
    while position < tag.len() {
        let rest = &tag[position..];
        let name_start = rest.find(|c: char| !c.is_ascii_whitespace() && c != '/' && c != '>').unwrap_or(rest.len());
        out.push_str(&rest[..name_start]);
        let named = &rest[name_start..];
        let name_length =
            named.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(named.len());
        let name = &named[..name_length];
        let after = &named[name_length..];
        let blank = after.len() - after.trim_start().len();
        position += name_start + name_length;
        out.push_str(name);
        if name.is_empty() {
            // A stray `=` or the like: let one character through and go on.
            let width = after.chars().next().map_or(0, char::len_utf8);
            if width == 0 {
                return;
            }
            out.push_str(&after[..width]);
            position += width;
            continue;
        }
        let Some(valued) = after[blank..].strip_prefix('=') else { continue };
        let value_start = valued.len() - valued.trim_start().len();
        let (value, length) = attribute_value(&valued[value_start..]);
        position += blank + 1 + value_start + length;
        if name.eq_ignore_ascii_case("href") {
            let target = rewrite(&resolve(value)).unwrap_or_else(|| "#".to_owned());
            out.push_str(&format!("=\"{}\"", escape(&target)));
        } else {
            out.push_str(&after[..blank]);
            out.push('=');
            out.push_str(&valued[..value_start + length]);
        }
    }
}

/// The value without its quotes, and how many bytes it took with them.
fn attribute_value(text: &str) -> (&str, usize) {
    match text.bytes().next() {
        Some(quote @ (b'"' | b'\'')) => {
            let inner = &text[1..];
            let end = inner.find(quote as char).unwrap_or(inner.len());
            (&inner[..end], (end + 2).min(text.len()))
        }
        _ => {
            let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(text.len());
            (&text[..end], end)
        }
    }
}

/// Character references that stand in addresses, as our own escaping and most authors write them.
fn resolve(value: &str) -> String {
    let mut out = value.trim().to_owned();
    let known = [
        ("&#x2f;", "/"),
        ("&#x2F;", "/"),
        ("&#47;", "/"),
        ("&#x3a;", ":"),
        ("&#58;", ":"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    for (reference, character) in known {
        out = out.replace(reference, character);
    }
    out
}

fn escape(value: &str) -> String {
    value.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(html: &str) -> String {
        rewrite_links(html, |url| (!url.starts_with("javascript:")).then(|| format!("[{url}]")))
    }

    #[test]
    fn links_are_rewritten_and_all_else_is_left() {
        assert_eq!(
            marked(
                r#"<p>1 < 2 <A class='x' HREF = "https://a.example/?b=1&amp;c=2" target=_blank>go</A><img src="x>y">"#
            ),
            r#"<p>1 < 2 <A class='x' HREF="[https://a.example/?b=1&amp;c=2]" target=_blank>go</A><img src="x>y">"#
        );
        assert_eq!(marked("<a href=https://a.example>x</a>"), "<a href=\"[https://a.example]\">x</a>");
        assert_eq!(marked("<abbr href='no'>"), "<abbr href='no'>");
        assert_eq!(marked("<!-- <a href='x'> --><a name=y>"), "<!-- <a href='x'> --><a name=y>");
    }

    #[test]
    fn schemes_that_run_are_taken_out() {
        assert_eq!(marked("<a href='javascript:alert(1)'>x</a>"), "<a href=\"#\">x</a>");
        assert_eq!(marked("<a href='javascript&#58;alert(1)'>x</a>"), "<a href=\"#\">x</a>");
    }

    #[test]
    fn broken_html_ends() {
        for html in ["<a", "<a ", "<a href", "<a href=", "<a href='x", "<a ==>", "<a é='1' href=\"é\">", "<"] {
            let _ = marked(html);
        }
    }
}
