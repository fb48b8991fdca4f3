//! `a=fingerprint` (RFC 8122) and `a=setup` (RFC 4145): whose certificate it will be, and who begins with DTLS (RFC 5763).

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The hashes that we believe, the weakest first. SHA-1 and older ones are forged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    const ALL: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

    fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha-256",
            Hash::Sha384 => "sha-384",
            Hash::Sha512 => "sha-512",
        }
    }

    fn of(self, certificate: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(certificate).to_vec(),
            Hash::Sha384 => Sha384::digest(certificate).to_vec(),
            Hash::Sha512 => Sha512::digest(certificate).to_vec(),
        }
    }

    fn octets(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }
}

/// What a certificate is known by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    hash: Hash,
    octets: Vec<u8>,
}

impl Fingerprint {
    /// The one that our descriptions name. `certificate` is DER.
    pub fn of(certificate: &[u8]) -> Fingerprint {
        Fingerprint { hash: Hash::Sha256, octets: Hash::Sha256.of(certificate) }
    }

    /// Reads what stands after `fingerprint:`. `None` for a hash that we do not believe, and for what is malformed.
    pub fn parse(value: &str) -> Option<Fingerprint> {
        let (name, octets) = value.trim().split_once(' ')?;
        let hash = Hash::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name))?;
        let octet = |pair: &str| {
            let is_hex = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(pair, 16).ok().filter(|_| is_hex)
        };
        let octets: Vec<u8> = octets.trim().split(':').map(octet).collect::<Option<_>>()?;
        (octets.len() == hash.octets()).then_some(Fingerprint { hash, octets })
    }

    /// The line of a description.
    pub fn line(&self) -> String {
        let mut line = format!("a=fingerprint:{} ", self.hash.name());
        for (index, octet) in self.octets.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            let _ = write!(line, "{colon}{octet:02X}");
        }
        line + "\r\n"
    }

    /// Whether the certificate (DER) is one of those described. RFC 8122 §5: by the strongest hash of those named.
    pub fn is_among(described: &[Fingerprint], certificate: &[u8]) -> bool {
        let Some(strongest) = described.iter().map(|fingerprint| fingerprint.hash).max() else {
            return false;
        };
        let octets = strongest.of(certificate);
        described.iter().any(|known| known.hash == strongest && known.octets == octets)
    }
}

/// Who begins, as the writer of the description sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    Active,
    Passive,
    ActPass,
}

impl Setup {
    /// `None` also for `holdconn`, with which there would be no keys.
    pub fn parse(value: &str) -> Option<Setup> {
        match value.trim() {
            "active" => Some(Setup::Active),
            "passive" => Some(Setup::Passive),
            "actpass" => Some(Setup::ActPass),
            _ => None,
        }
    }

    /// The line of a description.
    pub fn line(self) -> &'static str {
        match self {
            Setup::Active => "a=setup:active\r\n",
            Setup::Passive => "a=setup:passive\r\n",
            Setup::ActPass => "a=setup:actpass\r\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(hash: &str, octets: &[u8]) -> String {
        let octets: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{hash} {}", octets.join(":"))
    }

    #[test]
    fn what_is_written_is_read_and_fits_its_certificate_alone() {
        let own = Fingerprint::of(b"a certificate");
        let text = own.line();
        let value = text.trim().strip_prefix("a=fingerprint:").unwrap();
        assert_eq!(Fingerprint::parse(value).as_ref(), Some(&own));
        assert_eq!(Fingerprint::parse(&value.to_ascii_lowercase()).as_ref(), Some(&own), "case is nothing");
        assert!(Fingerprint::is_among(std::slice::from_ref(&own), b"a certificate"));
        assert!(!Fingerprint::is_among(&[own], b"another one"));
        assert!(!Fingerprint::is_among(&[], b"a certificate"));
    }

    #[test]
    fn the_strongest_hash_named_decides() {
        let weak = Fingerprint::parse(&line("sha-256", &Hash::Sha256.of(b"it"))).unwrap();
        let wrong = Fingerprint::parse(&line("sha-512", &Hash::Sha512.of(b"else"))).unwrap();
        let strong = Fingerprint::parse(&line("SHA-512", &Hash::Sha512.of(b"it"))).unwrap();
        assert!(!Fingerprint::is_among(&[weak.clone(), wrong.clone()], b"it"));
        assert!(Fingerprint::is_among(&[weak, wrong, strong], b"it"), "there may be several certificates");
        let middle = Fingerprint::parse(&line("sha-384", &Hash::Sha384.of(b"it"))).unwrap();
        assert!(Fingerprint::is_among(&[middle], b"it"));
    }

    #[test]
    fn weak_hashes_and_malformed_lines_are_none() {
        for bad in [
            line("sha-1", &[1; 20]),
            line("md5", &[1; 16]),
            line("sha-256", &[1; 31]),
            line("sha-256", &[1; 33]),
            line("sha-256", &[1; 32]).replace(':', ""),
            line("sha-256", &[1; 32]).replacen("01", "+1", 1),
            "sha-256".into(),
            String::new(),
        ] {
            assert_eq!(Fingerprint::parse(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = Fingerprint::parse(&text);
            let _ = Fingerprint::parse(&format!("sha-256 {text}"));
            let _ = Setup::parse(&text);
        }
    }
}
