//! `a=crypto` (RFC 4568): keys for SRTP within the description.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::srtp::{Key, PeerKey, Suite};

/// RFC 3711 §9.2: packets that one key is good for.
const LONGEST_LIFETIME: u64 = 1 << 48;
/// We do not change keys on the way: one that would not last for hours is no use.
const SHORTEST_LIFETIME: u64 = 1 << 20;
/// Some leave the padding of keys out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One line that we can use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crypto {
    pub tag: u32,
    pub peer: PeerKey,
}

/// Why a line is passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unusable {
    #[error("a malformed a=crypto line")]
    Malformed,
    #[error("an unknown crypto suite")]
    Suite,
    #[error("several keys or a master key index")]
    KeyIndex,
    #[error("a key of the wrong length")]
    KeyLength,
    #[error("a lifetime of the key out of bounds")]
    Lifetime,
    #[error("unknown session parameters")]
    Parameters,
}

impl Crypto {
    /// Reads what stands after `crypto:`.
    pub fn parse(value: &str) -> Result<Crypto, Unusable> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| (1..=9).contains(&tag.len())).ok_or(Unusable::Malformed)?;
        // The digits alone: `parse` would take a sign, too.
        let digits = tag.bytes().all(|octet| octet.is_ascii_digit());
        let tag = tag.parse().ok().filter(|_| digits).ok_or(Unusable::Malformed)?;
        let (suite, keys) = words.next().zip(words.next()).ok_or(Unusable::Malformed)?;
        let suite = Suite::by_name(suite).ok_or(Unusable::Suite)?;
        // RFC 4568 §6.3.7: what one does not know must be refused, unless a `-` stands before it.
        let harmless = |word: &str| word.starts_with('-') || is_window(word);
        if !words.all(harmless) {
            return Err(Unusable::Parameters);
        }
        // Several keys are told apart by their index.
        if keys.contains(';') {
            return Err(Unusable::KeyIndex);
        }
        let (method, info) = keys.split_once(':').ok_or(Unusable::Malformed)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(Unusable::Malformed);
        }
        let mut parts = info.split('|');
        let octets = parts.next().and_then(|key| BASE64.decode(key).ok()).ok_or(Unusable::Malformed)?;
        let mut lifetime = LONGEST_LIFETIME;
        for (index, part) in parts.enumerate() {
            if part.contains(':') {
                return Err(Unusable::KeyIndex);
            }
            if index > 0 {
                return Err(Unusable::Malformed);
            }
            lifetime = packets(part).ok_or(Unusable::Malformed)?;
        }
        if !(SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&lifetime) {
            return Err(Unusable::Lifetime);
        }
        let key = Key::new(suite, &octets).ok_or(Unusable::KeyLength)?;
        Ok(Crypto { tag, peer: PeerKey { key, lifetime } })
    }

    /// The line with a key of ours.
    pub fn write(tag: u32, key: &Key) -> String {
        format!("a=crypto:{tag} {} inline:{}\r\n", key.suite().name(), BASE64.encode(key.octets()))
    }
}

/// `2^20` or a number.
fn packets(text: &str) -> Option<u64> {
    let number = |digits: &str| {
        let fine = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| fine)
    };
    match text.strip_prefix("2^") {
        Some(power) => number(power).filter(|power| *power < 64).map(|power| 1 << power),
        None => number(text),
    }
}

/// `WSH=64`, a hint at the window against replays, of which ours is large enough.
fn is_window(word: &str) -> bool {
    word.strip_prefix("WSH=").is_some_and(|size| packets(size).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn parse(rest: &str) -> Result<Crypto, Unusable> {
        Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{rest}"))
    }

    #[test]
    fn the_lines_of_the_rfc_are_read() {
        // RFC 4568 §9.1 and §6.1.
        let first = parse(&format!("{KEY}|2^20")).unwrap();
        assert_eq!((first.tag, first.peer.lifetime), (1, 1 << 20));
        assert_eq!(first.peer.key.octets(), b"YS___semctl () {\t220;}\n}\nunles");
        let second =
            Crypto::parse(&format!("2 aes_cm_128_hmac_sha1_32 INLINE:{KEY}|1066368 WSH=64")).unwrap();
        assert_eq!((second.tag, second.peer.key.suite()), (2, Suite::AesCm32));
        let gcm = format!("999999999 AEAD_AES_128_GCM inline:{}", BASE64.encode([7; 28]));
        assert_eq!(Crypto::parse(&gcm).unwrap().peer.key.octets(), [7; 28]);
        let bare = gcm.trim_end_matches('=');
        assert_eq!(Crypto::parse(bare), Crypto::parse(&gcm), "padding may be left out");
    }

    #[test]
    fn what_we_do_not_do_is_refused_line_by_line() {
        assert_eq!(parse(&format!("{KEY}|2^20|1:4")), Err(Unusable::KeyIndex));
        assert_eq!(parse(&format!("{KEY}|1:4")), Err(Unusable::KeyIndex));
        assert_eq!(parse(&format!("{KEY};inline:{KEY}")), Err(Unusable::KeyIndex));
        assert_eq!(parse(&format!("{KEY}|2^19")), Err(Unusable::Lifetime));
        assert_eq!(parse(&format!("{KEY}|2^49")), Err(Unusable::Lifetime));
        assert_eq!(parse(&KEY[..20]), Err(Unusable::KeyLength));
        for parameter in ["KDR=1", "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "X=1"] {
            assert_eq!(parse(&format!("{KEY} {parameter}")), Err(Unusable::Parameters), "{parameter}");
        }
        assert!(parse(&format!("{KEY} -X=1")).is_ok(), "may be passed over");
        assert_eq!(Crypto::parse(&format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}")), Err(Unusable::Suite));
        for line in ["", "1", "1 AES_CM_128_HMAC_SHA1_80", "+1 AES_CM_128_HMAC_SHA1_80 inline:x"] {
            assert_eq!(Crypto::parse(line), Err(Unusable::Malformed), "{line}");
        }
        for rest in ["***", "x|", &format!("{KEY}|"), &format!("{KEY}|2^20|2^20"), &format!("{KEY}|2^99")] {
            assert_eq!(parse(rest), Err(Unusable::Malformed), "{rest}");
        }
    }

    #[test]
    fn no_key_is_shown_to_a_log() {
        let shown = format!("{:?}", parse(KEY).unwrap());
        assert!(shown.contains("Key(AES_CM_128_HMAC_SHA1_80)") && !shown.contains("89"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tag in 0u32..1_000_000_000, suite in 0usize..4, octets in any::<[u8; 44]>()) {
            let suite = Suite::ALL[suite];
            let key = Key::new(suite, &octets[..suite.key_octets()]).unwrap();
            let line = Crypto::write(tag, &key);
            let read = Crypto::parse(line.strip_prefix("a=crypto:").unwrap()).unwrap();
            prop_assert_eq!((read.tag, read.peer.key), (tag, key));
        }

        #[test]
        fn no_line_panics(
            line in "[0-9+]{0,11} ?(AES_CM_128_HMAC_SHA1_(80|32)|AEAD_AES_(128|256)_GCM|.{0,9}) ?\
                     (inline:)?[A-Za-z0-9+/=]{0,64}(\\|(2\\^)?[0-9]{0,21}){0,3}(\\|[0-9]:[0-9])?( [-A-Z]{1,9}=?[0-9]{0,21}){0,2}",
            any in ".{0,80}"
        ) {
            let _ = Crypto::parse(&line);
            let _ = Crypto::parse(&any);
        }
    }
}
