//! How a carrier spells numbers. Inside they are E.164 with a plus.

/// Out: the style, then `strip_out` and `add_out`. In: `strip_in` and `add_in`, then the style.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NumberFormat {
    pub style: NumberStyle,
    pub out: Prefix,
    pub incoming: Prefix,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum NumberStyle {
    /// `+74951234567`, and whatever else as it is.
    #[default]
    E164,
    /// `74951234567`
    Digits,
    /// `84951234567` at home and `81044…` abroad.
    National {
        /// Country code without the plus.
        country: String,
        /// What stands before national numbers, such as `8`; may be empty.
        trunk_prefix: String,
        /// What stands before international numbers, such as `810` or `00`.
        international_prefix: String,
    },
}

/// A beginning that is taken off when it is there, and one that is then put on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Prefix {
    pub strip: String,
    pub add: String,
}

/// Shorter than this, digits are an extension or a service and no subscriber's full number.
const SHORTEST: usize = 8;

impl NumberFormat {
    /// As the carrier wants it.
    pub fn spell(&self, number: &str) -> String {
        self.out.apply(&self.style.spell(number))
    }

    /// As we know it: E.164 where that can be told.
    pub fn read(&self, text: &str) -> String {
        self.style.read(&self.incoming.apply(text))
    }
}

impl Prefix {
    fn apply(&self, text: &str) -> String {
        if self.strip.is_empty() {
            return format!("{}{text}", self.add);
        }
        match text.strip_prefix(&self.strip) {
            Some(rest) => format!("{}{rest}", self.add),
            None => text.to_owned(),
        }
    }
}

impl NumberStyle {
    fn spell(&self, number: &str) -> String {
        let Some(digits) = number.strip_prefix('+') else { return number.to_owned() };
        match self {
            NumberStyle::E164 => number.to_owned(),
            NumberStyle::Digits => digits.to_owned(),
            NumberStyle::National { country, trunk_prefix, international_prefix } => {
                match digits.strip_prefix(country) {
                    Some(national) => format!("{trunk_prefix}{national}"),
                    None => format!("{international_prefix}{digits}"),
                }
            }
        }
    }

    fn read(&self, text: &str) -> String {
        let long = text.len() >= SHORTEST && text.bytes().all(|c| c.is_ascii_digit());
        match self {
            NumberStyle::Digits if long => format!("+{text}"),
            NumberStyle::National { country, trunk_prefix, international_prefix } if long => {
                if let Some(abroad) = text.strip_prefix(international_prefix) {
                    format!("+{abroad}")
                } else if let Some(national) = text.strip_prefix(trunk_prefix) {
                    format!("+{country}{national}")
                } else {
                    text.to_owned()
                }
            }
            NumberStyle::E164 | NumberStyle::Digits | NumberStyle::National { .. } => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn russian() -> NumberFormat {
        NumberFormat {
            style: NumberStyle::National {
                country: "7".to_owned(),
                trunk_prefix: "8".to_owned(),
                international_prefix: "810".to_owned(),
            },
            ..NumberFormat::default()
        }
    }

    #[test]
    fn national_numbers_are_spelt_both_ways() {
        let format = russian();
        assert_eq!(format.spell("+74951234567"), "84951234567");
        assert_eq!(format.spell("+442071838750"), "810442071838750");
        assert_eq!(format.read("84951234567"), "+74951234567");
        assert_eq!(format.read("810442071838750"), "+442071838750");
        for as_it_is in ["100", "anonymous", "+74951234567", ""] {
            assert_eq!(format.read(as_it_is), as_it_is);
        }
    }

    #[test]
    fn digits_alone_lose_and_get_their_plus() {
        let format = NumberFormat { style: NumberStyle::Digits, ..NumberFormat::default() };
        assert_eq!(format.spell("+74951234567"), "74951234567");
        assert_eq!(format.read("74951234567"), "+74951234567");
        assert_eq!(format.spell("112"), "112");
        assert_eq!(format.read("112"), "112");
    }

    #[test]
    fn a_prefix_is_put_on_what_it_was_taken_off() {
        let format = NumberFormat {
            style: NumberStyle::E164,
            out: Prefix { strip: String::new(), add: "9901#".to_owned() },
            incoming: Prefix { strip: "77#".to_owned(), add: "+".to_owned() },
        };
        assert_eq!(format.spell("+74951234567"), "9901#+74951234567");
        assert_eq!(format.read("77#74951234567"), "+74951234567");
        assert_eq!(format.read("88#74951234567"), "88#74951234567");
    }
}
