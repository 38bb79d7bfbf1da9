//! What an ad platform is told of a person: a hash of an identifier, in the form that the platforms agree on.

use sha2::{Digest, Sha256};

/// Before a hash that stands where an identifier stood.
const MARK: &str = "sha256:";

/// SHA-256 in hexadecimal of the normalised value; of one that [`concealed`] wrote, the hash in it.
#[must_use]
pub fn hashed(name: &str, value: &str) -> String {
    if let Some(hash) = value.strip_prefix(MARK) {
        return hash.to_owned();
    }
    let normal = if name.contains("phone") {
        let digits: String = value.chars().filter(char::is_ascii_digit).collect();
        format!("+{digits}")
    } else {
        value.trim().to_lowercase()
    };
    Sha256::digest(normal.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands in for an identifier of somebody who was erased: enough for the ad platform to let go of them.
#[must_use]
pub fn concealed(name: &str, value: &str) -> String {
    format!("{MARK}{}", hashed(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_concealed_is_told_as_before_and_concealed_once() {
        let concealed_once = concealed("email", " Ada@Example.COM ");
        assert!(!concealed_once.to_lowercase().contains("ada"), "{concealed_once}");
        assert_eq!(hashed("email", &concealed_once), hashed("email", "ada@example.com"));
        assert_eq!(concealed("email", &concealed_once), concealed_once);
    }

    #[test]
    fn spellings_of_one_address_have_one_hash() {
        // `printf 'ada@example.com' | sha256sum`
        let known = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72";
        assert_eq!(hashed("email", " Ada@Example.COM "), hashed("email", "ada@example.com"));
        assert_eq!(hashed("email", "ada@example.com"), known);
        assert_eq!(hashed("phone", "+44 20 7946 0018"), hashed("phone", "+442079460018"));
        assert_ne!(hashed("phone", "+442079460018"), hashed("email", "+442079460019"));
    }
}
