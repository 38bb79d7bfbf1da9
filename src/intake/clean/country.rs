//! Countries, by code or by English name.

use unicode_normalization::UnicodeNormalization;

/// Names that people write and the list of ISO 3166 does not have, without blanks and accents.
const ALSO_KNOWN_AS: [(&str, &str); 17] = [
    ("uk", "GB"),
    ("unitedkingdom", "GB"),
    ("greatbritain", "GB"),
    ("britain", "GB"),
    ("scotland", "GB"),
    ("wales", "GB"),
    ("northernireland", "GB"),
    ("unitedstatesofamerica", "US"),
    ("southkorea", "KR"),
    ("northkorea", "KP"),
    ("czechrepublic", "CZ"),
    ("ivorycoast", "CI"),
    ("cotedivoire", "CI"),
    ("capeverde", "CV"),
    ("swaziland", "SZ"),
    ("turkiye", "TR"),
    ("uae", "AE"),
];

/// The ISO 3166 alpha-2 code in upper case.
///
/// # Errors
/// No country goes by that code or name.
pub(super) fn code(text: &str) -> Result<String, String> {
    // Accents fall off in the decomposed form; blanks, dots and dashes are written in too many ways to count.
    let letters: String =
        text.nfkd().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
    let bare = letters.strip_prefix("the").filter(|rest| rest.len() > 3).unwrap_or(&letters);
    if let Some((_, code)) = ALSO_KNOWN_AS.iter().find(|(name, _)| *name == bare) {
        return Ok((*code).to_owned());
    }
    bare.parse::<celes::Country>()
        .map(|country| country.alpha2.to_owned())
        .map_err(|_| "is no country's code or English name".to_owned())
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn codes_and_names_become_alpha_2() {
        let known = [
            ("gb", "GB"),
            ("UK", "GB"),
            ("U.K.", "GB"),
            ("United Kingdom", "GB"),
            ("USA", "US"),
            ("U.S.A.", "US"),
            ("United States of America", "US"),
            ("germany", "DE"),
            ("DEU", "DE"),
            ("The Netherlands", "NL"),
            ("Côte d'Ivoire", "CI"),
            ("Türkiye", "TR"),
            ("South Korea", "KR"),
            ("Czech Republic", "CZ"),
            ("Thailand", "TH"),
            ("United States", "US"),
            ("Viet Nam", "VN"),
            ("France", "FR"),
            ("New Zealand", "NZ"),
            ("Ireland", "IE"),
        ];
        for (written, expected) in known {
            assert_eq!(code(written).as_deref(), Ok(expected), "{written}");
        }
        for wrong in ["", "XX", "Atlantis", "12", "日本"] {
            assert!(code(wrong).is_err(), "{wrong:?} was taken for a country");
        }
    }
}
