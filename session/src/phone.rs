//! Phone numbers become E.164 before they identify anybody.

use std::str::FromStr;

use phonenumber::country;

/// `None` for anything that is not a possible subscriber number of the region or a full international one:
/// short internal numbers, "anonymous", SIP user names.
pub fn normalise(region: &str, text: &str) -> Option<String> {
    // ITU-T E.164 allows 15 digits; what is longer with all punctuation is no number.
    if text.len() > 32 || text.bytes().filter(u8::is_ascii_digit).count() < 7 {
        return None;
    }
    let country = country::Id::from_str(region).ok();
    let number = phonenumber::parse(country, text).ok()?;
    if !phonenumber::is_viable(text) {
        return None;
    }
    Some(number.format().mode(phonenumber::Mode::E164).to_string())
}

/// Whether an E.164 number belongs to the region's own country code: what we call without being allowed abroad.
pub fn is_domestic(region: &str, e164: &str) -> bool {
    let Ok(home) = country::Id::from_str(region) else { return false };
    match phonenumber::parse(None, e164) {
        Ok(number) => {
            number.country().id() == Some(home)
                || phonenumber::metadata::DATABASE
                    .by_id(home.as_ref())
                    .is_some_and(|meta| meta.country_code() == number.country().code())
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn national_and_international_spellings_are_one_number() {
        for text in ["+79001112233", "8 (900) 111-22-33", "79001112233", "+7 900 111 22 33"] {
            assert_eq!(normalise("RU", text).as_deref(), Some("+79001112233"), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_identifies_nobody() {
        for text in ["", "100", "anonymous", "anna", "sipp", "+", "9".repeat(40).as_str(), "12;34"] {
            assert_eq!(normalise("RU", text), None, "{text}");
        }
    }

    #[test]
    fn only_the_home_country_is_domestic() {
        assert!(is_domestic("RU", "+79001112233"));
        assert!(!is_domestic("RU", "+442071838750"));
        assert!(!is_domestic("RU", "+8821612345678"));
    }
}
