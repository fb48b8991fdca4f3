//! Which audio sections are encrypted, with which keys: RTP/SAVP with `a=crypto` (RFC 4568), and RTP/AVP with it for peers that
//! may or may not know it (RFC 8643).

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::crypto::{Crypto, Unusable};
use super::negotiate::Incompatible;
use super::parse::Media;
use crate::api::Encryption;
use crate::srtp::{Key, PeerKey, Suite};

/// What an exchange says about SRTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keying {
    tag: u32,
    pub own: Key,
    pub peer: PeerKey,
}

impl Keying {
    /// Our answer's `a=crypto` line.
    pub(super) fn line(&self) -> String {
        Crypto::write(self.tag, &self.own)
    }
}

/// The rule of a leg, and the secret that its keys are made from. Each suite has one key of ours as long as the leg lives.
#[derive(Clone, Default)]
pub struct Security {
    encryption: Encryption,
    secret: [u8; 32],
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Security({:?})", self.encryption)
    }
}

impl Security {
    /// `secret` must be known to nobody else.
    pub fn new(encryption: Encryption, secret: [u8; 32]) -> Security {
        Security { encryption, secret }
    }

    pub(super) fn set(&mut self, encryption: Encryption) {
        self.encryption = encryption;
    }

    /// What our offers name.
    pub(super) fn protocol(&self) -> &'static str {
        match self.encryption {
            Encryption::Refused | Encryption::Accepted | Encryption::Offered => "RTP/AVP",
            Encryption::Required => "RTP/SAVP",
        }
    }

    /// The lines of our offer, tags counted from 1.
    pub(super) fn offer(&self) -> String {
        let line = |(tag, suite)| Crypto::write(tag, &self.own(suite));
        match self.encryption {
            Encryption::Refused | Encryption::Accepted => String::new(),
            Encryption::Offered | Encryption::Required => (1..).zip(Suite::OFFERED).map(line).collect(),
        }
    }

    /// What we make of an offered section: keys, or `None` for voice in the clear.
    pub(super) fn answer(&self, media: &Media) -> Result<Option<Keying>, Incompatible> {
        let secure = is_secure(media)?;
        if media.port == 0 {
            return Ok(None);
        }
        let usable = media.keys.iter().find_map(|line| line.as_ref().ok());
        match (self.encryption, usable) {
            (Encryption::Refused, _) if secure => Err(Incompatible::Encrypted("we refuse it".into())),
            (Encryption::Refused, _) => Ok(None),
            (
                Encryption::Accepted | Encryption::Offered | Encryption::Required,
                Some(Crypto { tag, peer }),
            ) => {
                let own = self.own(peer.key.suite());
                Ok(Some(Keying { tag: *tag, own, peer: peer.clone() }))
            }
            (Encryption::Required, None) => {
                Err(Incompatible::NotEncrypted("the offer has no key that we can use"))
            }
            (Encryption::Accepted | Encryption::Offered, None) if secure => {
                let first = media.keys.iter().find_map(|line| line.as_ref().err());
                let why = first.map_or("no a=crypto line".to_owned(), Unusable::to_string);
                Err(Incompatible::Encrypted(why))
            }
            (Encryption::Accepted | Encryption::Offered, None) => Ok(None),
        }
    }

    /// What the answer to our offer comes to.
    pub(super) fn accept(&self, media: &Media) -> Result<Option<Keying>, Incompatible> {
        is_secure(media)?;
        if !media.protocol.eq_ignore_ascii_case(self.protocol()) {
            return Err(match self.encryption {
                Encryption::Required => Incompatible::NotEncrypted("the answer is not RTP/SAVP"),
                Encryption::Refused | Encryption::Accepted | Encryption::Offered => {
                    Incompatible::Unasked("we offered RTP/AVP")
                }
            });
        }
        let offered = match self.encryption {
            Encryption::Refused | Encryption::Accepted => return Ok(None),
            Encryption::Offered | Encryption::Required => Suite::OFFERED,
        };
        // RFC 4568 §5.1.3: one line, with the tag and the suite of one that was offered.
        match media.keys.as_slice() {
            [] if self.encryption == Encryption::Required => {
                Err(Incompatible::NotEncrypted("the answer has no key"))
            }
            [] => Ok(None),
            [Ok(Crypto { tag, peer })] => {
                let asked = (1..).zip(offered).any(|offered| offered == (*tag, peer.key.suite()));
                if !asked {
                    return Err(Incompatible::Unasked("its a=crypto line is none of ours"));
                }
                let own = self.own(peer.key.suite());
                Ok(Some(Keying { tag: *tag, own, peer: peer.clone() }))
            }
            [Err(_)] => Err(Incompatible::Unasked("its a=crypto line cannot be used")),
            _ => Err(Incompatible::Unasked("it has several a=crypto lines")),
        }
    }

    fn own(&self, suite: Suite) -> Key {
        let mut octets = [0; 64];
        let mut random = StdRng::from_seed(self.secret);
        for _ in Suite::ALL.iter().take_while(|other| **other != suite) {
            random.fill_bytes(&mut octets);
        }
        random.fill_bytes(&mut octets);
        Key::new(suite, &octets[..suite.key_octets()]).expect("as long as the suite wants it")
    }
}

/// Whether the section is of a secure profile; an error for what is no RTP over UDP.
fn is_secure(media: &Media) -> Result<bool, Incompatible> {
    let is = |protocol: &str| media.protocol.eq_ignore_ascii_case(protocol);
    if is("RTP/AVP") || is("RTP/AVPF") {
        Ok(false)
    } else if is("RTP/SAVP") || is("RTP/SAVPF") {
        Ok(true)
    } else {
        Err(Incompatible::NoAudio)
    }
}
