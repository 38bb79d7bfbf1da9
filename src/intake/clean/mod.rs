//! The ways of cleaning a trait's text, each in its own file where it is more than a line.

mod country;
mod email;
mod phone;

use crate::lang::rules::Cleaner;

/// Runs one step of cleaning.
///
/// # Errors
/// The text cannot be what the step makes of texts; the sentence says why, without repeating what may be private.
pub fn clean(cleaner: &Cleaner, text: &str) -> Result<String, String> {
    match cleaner {
        Cleaner::Trim => Ok(text.trim().to_owned()),
        Cleaner::Lowercase => Ok(text.to_lowercase()),
        Cleaner::Uppercase => Ok(text.to_uppercase()),
        Cleaner::Email => email::address(text),
        Cleaner::Phone { default_country } => phone::e164(text, default_country.as_deref()),
        Cleaner::CountryCode => country::code(text),
    }
}
