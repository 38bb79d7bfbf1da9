//! Texts that others wrote, on their way into what we keep.

/// Characters of a reason that are kept: what a far side or a panic said.
pub const REASON_CHARS: usize = 1_000;

/// The text as every store can keep it: without NUL, which PostgreSQL refuses, and no longer than so many characters.
#[must_use]
pub fn storable(text: &str, chars: usize) -> String {
    let mut letters = text.chars().map(|letter| if letter == '\0' { char::REPLACEMENT_CHARACTER } else { letter });
    let mut kept: String = letters.by_ref().take(chars).collect();
    if letters.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::storable;

    #[test]
    fn texts_lose_what_no_store_keeps_and_nothing_else() {
        assert_eq!(storable("no\0such\nhook", 100), "no\u{fffd}such\nhook");
        assert_eq!(storable("äöüß", 4), "äöüß");
        assert_eq!(storable("äöüß!", 4), "äöü…");
    }
}
