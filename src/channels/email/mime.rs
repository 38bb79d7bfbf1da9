//! Reads a caught message as a person would: headers and the two bodies, decoded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A message that the catcher took.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CaughtMail {
    /// Of the envelope.
    pub from: String,
    pub to: Vec<String>,
    /// Names as they came, values unfolded and decoded (RFC 2047), in order.
    pub headers: Vec<(String, String)>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    #[serde(skip)]
    pub raw: Vec<u8>,
}

impl CaughtMail {
    pub(super) fn read(from: String, to: Vec<String>, raw: Vec<u8>) -> Self {
        let whole = String::from_utf8_lossy(&raw).replace("\r\n", "\n");
        let (headers, body) = split_headers(&whole);
        let subject = header(&headers, "Subject").unwrap_or_default().to_owned();
        let (mut text, mut html) = (None, None);
        read_part(&headers, body, 0, &mut text, &mut html);
        Self { from, to, headers, subject, text, html, raw }
    }

    /// The value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

type Headers = Vec<(String, String)>;

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn split_headers(message: &str) -> (Headers, &str) {
    let (head, body) = message.split_once("\n\n").unwrap_or((message, ""));
    let mut headers: Headers = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    for (_, value) in &mut headers {
        *value = decode_words(value);
    }
    (headers, body)
}

fn read_part(headers: &Headers, body: &str, depth: u8, text: &mut Option<String>, html: &mut Option<String>) {
    let kind = header(headers, "Content-Type").unwrap_or("text/plain");
    if kind.to_ascii_lowercase().starts_with("multipart/") && depth < 5 {
        let Some(boundary) = kind.split_once("boundary=").map(|(_, rest)| rest.trim_matches('"')) else { return };
        let boundary = boundary.split(['"', ';']).next().unwrap_or(boundary);
        for part in body.split(&format!("--{boundary}")).skip(1).take_while(|part| !part.starts_with("--")) {
            let (headers, body) = split_headers(part.trim_start_matches('\n'));
            read_part(&headers, body, depth + 1, text, html);
        }
        return;
    }
    let encoding = header(headers, "Content-Transfer-Encoding").unwrap_or("7bit").to_ascii_lowercase();
    let decoded = match encoding.as_str() {
        "quoted-printable" => String::from_utf8_lossy(&quoted_printable(body, false)).into_owned(),
        "base64" => {
            let packed: String = body.split_whitespace().collect();
            String::from_utf8_lossy(&STANDARD.decode(packed).unwrap_or_default()).into_owned()
        }
        _ => body.to_owned(),
    };
    let slot = if kind.to_ascii_lowercase().starts_with("text/html") { html } else { text };
    slot.get_or_insert(decoded);
}

/// RFC 2045 section 6.7, and its variant of RFC 2047 in which `_` is a blank.
fn quoted_printable(body: &str, underscores: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let bytes = body.as_bytes();
    let mut position = 0;
    while position < bytes.len() {
        match bytes[position] {
            b'=' if bytes.get(position + 1) == Some(&b'\n') => position += 2,
            b'=' => {
                let hex = bytes.get(position + 1..position + 3).and_then(|pair| std::str::from_utf8(pair).ok());
                match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) => out.push(byte),
                    None => out.extend_from_slice(&bytes[position..(position + 3).min(bytes.len())]),
                }
                position += 3;
            }
            b'_' if underscores => {
                out.push(b' ');
                position += 1;
            }
            byte => {
                out.push(byte);
                position += 1;
            }
        }
    }
    out
}

/// `=?utf-8?b?…?=` words; the blank between two of them is no blank.
fn decode_words(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let before = &rest[..start];
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        let mut parts = rest[start + 2..].splitn(4, '?');
        let decoded = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some("b" | "B"), Some(data), Some(tail)) => STANDARD.decode(data).ok().map(|bytes| (bytes, tail)),
            (Some(_), Some("q" | "Q"), Some(data), Some(tail)) => Some((quoted_printable(data, true), tail)),
            _ => None,
        };
        match decoded.and_then(|(bytes, tail)| Some((bytes, tail.strip_prefix('=')?))) {
            Some((bytes, tail)) => {
                out.push_str(&String::from_utf8_lossy(&bytes));
                rest = tail;
                after_word = true;
            }
            None => {
                out.push_str(&rest[start..start + 2]);
                rest = &rest[start + 2..];
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_it_was_meant() {
        let raw = "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n =?utf-8?q?_von_uns?=\r\nContent-Type: multipart/alternative;\r\n boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe\r\n--x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\nPC9iPg==\r\n--x--\r\n";
        let mail = CaughtMail::read("a@x".into(), vec!["b@x".into()], raw.as_bytes().to_vec());
        assert_eq!(mail.subject, "Grüße von uns");
        assert_eq!(mail.text.as_deref().map(str::trim), Some("Grüße"));
        assert_eq!(mail.html.as_deref(), Some("<b></b>"));
    }
}
