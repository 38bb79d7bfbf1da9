//! E-mail addresses.

/// Longest address that mail servers carry (RFC 5321's path, without its brackets).
const ADDRESS_CHARS: usize = 254;

/// A valid address, its domain in lower case. The part before the `@` is the receiver's own and stays as it is.
///
/// # Errors
/// It is none, or one that no customer has: without a dot in its domain, or at a bare IP address.
pub(super) fn address(text: &str) -> Result<String, String> {
    if text.chars().count() > ADDRESS_CHARS {
        return Err(format!("is not an e-mail address: longer than {ADDRESS_CHARS} characters"));
    }
    let address: lettre::Address = text.parse().map_err(|_| "is not an e-mail address".to_owned())?;
    let domain = address.domain().to_lowercase();
    let labels_are_whole = domain.split('.').all(|label| !label.is_empty());
    if domain.starts_with('[') || !domain.contains('.') || !labels_are_whole {
        return Err("is not an e-mail address: its domain is incomplete".to_owned());
    }
    Ok(format!("{}@{domain}", address.user()))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_are_told_from_what_looks_like_them() {
        assert_eq!(address("Ada@Example.COM").as_deref(), Ok("Ada@example.com"));
        assert_eq!(address("o'neil+shop@mail.example.co.uk").as_deref(), Ok("o'neil+shop@mail.example.co.uk"));
        let wrong = [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "ada@example..com",
            "ada@.example.com",
            "ada@[127.0.0.1]",
            "ada@example.com\r\nBcc: eve@example.com",
            "Ada <ada@example.com>",
            "a b@example.com",
        ];
        for text in wrong {
            assert!(address(text).is_err(), "{text:?} was taken for an address");
        }
    }
}
