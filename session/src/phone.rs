//! Phone numbers become E.164 before they identify anybody.

use std::str::FromStr;

use phonenumber::country;

/// Reads the numbering plans of all countries, which takes a moment that no call should wait for.
pub fn load() {
    let _ = normalise("US", "+12025550123");
}

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

/// Whether an E.164 number is an ordinary one of the region itself: what we call without being allowed more.
pub fn is_domestic(region: &str, e164: &str) -> bool {
    let Ok(home) = country::Id::from_str(region) else { return false };
    let Ok(number) = phonenumber::parse(None, e164) else { return false };
    let ordinary = matches!(
        number.number_type(&phonenumber::metadata::DATABASE),
        phonenumber::Type::Mobile
            | phonenumber::Type::FixedLine
            | phonenumber::Type::FixedLineOrMobile
            | phonenumber::Type::Voip
            | phonenumber::Type::TollFree
    );
    number.country().id() == Some(home) && ordinary
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
        assert!(!is_domestic("RU", "+77011234567"), "Kazakhstan shares the country code");
        assert!(!is_domestic("RU", "+78031234567"), "premium rate");
        assert!(is_domestic("RU", "+74951234567"), "Moscow");
        assert!(is_domestic("DE", "+4930123456") && !is_domestic("DE", "+499001234567"));
    }
}
