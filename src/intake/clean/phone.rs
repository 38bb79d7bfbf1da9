//! Telephone numbers.

/// Longest text that is looked at: far more than any number with its blanks and brackets.
const WRITTEN_CHARS: usize = 40;

/// The number in the form that the world over agrees on (E.164), such as `+442079460958`.
///
/// # Errors
/// It is no number that can be dialled, or a national one without a country to read it in.
pub(super) fn e164(text: &str, default_country: Option<&str>) -> Result<String, String> {
    if text.chars().count() > WRITTEN_CHARS {
        return Err("is not a telephone number".to_owned());
    }
    let country = default_country.and_then(|code| code.to_uppercase().parse().ok());
    let number = phonenumber::parse(country, text).map_err(|_| match country {
        None if !text.trim_start().starts_with('+') => {
            "is not an international telephone number, and no default country says how to read it".to_owned()
        }
        _ => "is not a telephone number".to_owned(),
    })?;
    if !number.is_valid() {
        return Err("is not a telephone number that exists in its country".to_owned());
    }
    if number.extension().is_some() {
        return Err("is a telephone number with an extension, which no message reaches".to_owned());
    }
    Ok(number.format().mode(phonenumber::Mode::E164).to_string())
}

#[cfg(test)]
mod tests {
    use super::e164;

    #[test]
    fn national_numbers_are_read_in_their_country() {
        assert_eq!(e164("020 7946 0958", Some("GB")).as_deref(), Ok("+442079460958"));
        assert_eq!(e164("(415) 555-2671", Some("us")).as_deref(), Ok("+14155552671"));
        assert_eq!(e164("+49 30 901820", None).as_deref(), Ok("+4930901820"));
        assert!(e164("020 7946 0958", None).unwrap_err().contains("no default country"));
        for wrong in ["", "12", "not a number", "+999 1234", "++44", "+1 555", "٠١٢"] {
            assert!(e164(wrong, Some("US")).is_err(), "{wrong:?} was taken for a number");
        }
    }
}
