//! Which audio sections are encrypted, and where their keys come from: RTP/SAVP with `a=crypto` (RFC 4568), UDP/TLS/RTP/SAVP with
//! `a=fingerprint` (RFC 5763), and RTP/AVP with either for peers that may or may not know it (RFC 8643).

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::crypto::{Crypto, Unusable};
use super::fingerprint::{Fingerprint, Setup};
use super::negotiate::Incompatible;
use super::parse::Media;
use crate::api::Encryption;
use crate::srtp::{Key, PeerKey, Suite};

/// What an exchange says about SRTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Keying {
    /// The keys stand in the descriptions.
    Described { tag: u32, own: Key, peer: PeerKey },
    /// Both sides agree on them within the media.
    Handshake(Terms),
}

/// Who begins with DTLS, and with whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// We are the client.
    pub active: bool,
    /// The peer's certificate is one of these.
    pub peer: Vec<Fingerprint>,
}

impl Terms {
    fn setup(&self) -> Setup {
        if self.active { Setup::Active } else { Setup::Passive }
    }
}

/// The rule of a leg, and what its keys are made from. Each suite has one key of ours as long as the leg lives.
#[derive(Clone, Default)]
pub struct Security {
    encryption: Encryption,
    secret: [u8; 32],
    /// Our certificate's; without one there is no DTLS.
    fingerprint: Option<Fingerprint>,
    /// The peer is to begin with DTLS when it leaves that to us: what we sent first might not reach it.
    waits: bool,
    /// Who began the last time, which stays (RFC 8842 §5).
    active: Option<bool>,
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Security({:?})", self.encryption)
    }
}

impl Security {
    /// `secret` must be known to nobody else.
    pub fn new(encryption: Encryption, secret: [u8; 32]) -> Security {
        Security { encryption, secret, ..Security::default() }
    }

    /// With DTLS under this certificate; `waits`: the peer begins where it does not say who does.
    pub fn with_handshake(self, fingerprint: Fingerprint, waits: bool) -> Security {
        Security { fingerprint: Some(fingerprint), waits, ..self }
    }

    pub(super) fn set(&mut self, encryption: Encryption) {
        self.encryption = encryption;
    }

    /// An exchange is complete.
    pub(super) fn remember(&mut self, keying: Option<&Keying>) {
        match keying {
            Some(Keying::Handshake(terms)) => self.active = Some(terms.active),
            Some(Keying::Described { .. }) => self.active = None,
            None => {}
        }
    }

    /// What our offers name.
    pub(super) fn protocol(&self) -> &'static str {
        match self.encryption {
            Encryption::Refused | Encryption::Accepted | Encryption::Offered => "RTP/AVP",
            Encryption::Required => "RTP/SAVP",
            Encryption::RequiredDtls => "UDP/TLS/RTP/SAVP",
        }
    }

    /// The lines of our offer, tags counted from 1.
    pub(super) fn offer(&self) -> String {
        let line = |(tag, suite)| Crypto::write(tag, &self.own(suite));
        let described = || (1..).zip(Suite::OFFERED).map(line).collect::<String>();
        let handshake = || {
            let fingerprint = self.fingerprint.as_ref().map(Fingerprint::line);
            // RFC 5763 §5: the peer chooses.
            fingerprint.map(|line| line + Setup::ActPass.line()).unwrap_or_default()
        };
        match self.encryption {
            Encryption::Refused | Encryption::Accepted => String::new(),
            Encryption::Offered => described() + &handshake(),
            Encryption::Required => described(),
            Encryption::RequiredDtls => handshake(),
        }
    }

    pub(super) fn offers_handshake(&self) -> bool {
        match self.encryption {
            Encryption::Refused | Encryption::Accepted | Encryption::Required => false,
            Encryption::Offered | Encryption::RequiredDtls => self.fingerprint.is_some(),
        }
    }

    /// Our answer's lines.
    pub(super) fn lines(&self, keying: &Keying) -> String {
        match keying {
            Keying::Described { tag, own, .. } => Crypto::write(*tag, own),
            Keying::Handshake(terms) => {
                let fingerprint = self.fingerprint.as_ref().map(Fingerprint::line).unwrap_or_default();
                fingerprint + terms.setup().line()
            }
        }
    }

    /// What we make of an offered section: keys, or `None` for voice in the clear.
    pub(super) fn answer(&self, media: &Media) -> Result<Option<Keying>, Incompatible> {
        let profile = Profile::of(media)?;
        let secure = profile != Profile::Clear;
        if media.port == 0 {
            return Ok(None);
        }
        let keys = media.keys.iter().find_map(|line| line.as_ref().ok());
        let described = keys.filter(|_| profile != Profile::Handshake).map(|Crypto { tag, peer }| {
            let own = self.own(peer.key.suite());
            Keying::Described { tag: *tag, own, peer: peer.clone() }
        });
        let active = match media.setup {
            Some(Setup::Passive) => true,
            // RFC 4145 §4: an offer without it is the one of who begins.
            Some(Setup::Active) | None => false,
            Some(Setup::ActPass) => self.active.unwrap_or(!self.waits),
        };
        let handshake = self.handshake(media, active);
        match self.encryption {
            Encryption::Refused if secure => Err(Incompatible::Encrypted("we refuse it".into())),
            Encryption::Refused => Ok(None),
            Encryption::RequiredDtls => match handshake {
                Some(handshake) => Ok(Some(handshake)),
                None => Err(Incompatible::NotEncrypted("the offer has no fingerprint that we can use")),
            },
            Encryption::Accepted | Encryption::Offered | Encryption::Required => {
                match described.or(handshake) {
                    Some(keying) => Ok(Some(keying)),
                    None if self.encryption == Encryption::Required => {
                        Err(Incompatible::NotEncrypted("the offer has no key that we can use"))
                    }
                    None if profile == Profile::Handshake => {
                        Err(Incompatible::Encrypted("no a=fingerprint line that we can use".to_owned()))
                    }
                    None if secure => {
                        let first = media.keys.iter().find_map(|line| line.as_ref().err());
                        let why = first.map_or("no a=crypto line".to_owned(), Unusable::to_string);
                        Err(Incompatible::Encrypted(why))
                    }
                    None => Ok(None),
                }
            }
        }
    }

    /// What the answer to our offer comes to.
    pub(super) fn accept(&self, media: &Media) -> Result<Option<Keying>, Incompatible> {
        Profile::of(media)?;
        if !media.protocol.eq_ignore_ascii_case(self.protocol()) {
            return Err(match self.encryption {
                Encryption::Required => Incompatible::NotEncrypted("the answer is not RTP/SAVP"),
                Encryption::RequiredDtls => Incompatible::NotEncrypted("the answer is not UDP/TLS/RTP/SAVP"),
                Encryption::Refused | Encryption::Accepted | Encryption::Offered => {
                    Incompatible::Unasked("we offered RTP/AVP")
                }
            });
        }
        let (keys, fingerprints) = match self.encryption {
            Encryption::Refused | Encryption::Accepted => return Ok(None),
            Encryption::Offered => (true, true),
            Encryption::Required => (true, false),
            Encryption::RequiredDtls => (false, true),
        };
        // RFC 4568 §5.1.3: one line, with the tag and the suite of one that was offered.
        match media.keys.as_slice() {
            _ if !keys => {}
            [] => {}
            [Ok(Crypto { tag, peer })] => {
                let asked = (1..).zip(Suite::OFFERED).any(|offered| offered == (*tag, peer.key.suite()));
                if !asked {
                    return Err(Incompatible::Unasked("its a=crypto line is none of ours"));
                }
                let own = self.own(peer.key.suite());
                return Ok(Some(Keying::Described { tag: *tag, own, peer: peer.clone() }));
            }
            [Err(_)] => return Err(Incompatible::Unasked("its a=crypto line cannot be used")),
            _ => return Err(Incompatible::Unasked("it has several a=crypto lines")),
        }
        let active = match media.setup {
            Some(Setup::Active) => false,
            // RFC 4145 §4: an answer without it is the one of who waits.
            Some(Setup::Passive) | None => true,
            Some(Setup::ActPass) if fingerprints => {
                return Err(Incompatible::Unasked("it does not say who begins with DTLS"));
            }
            Some(Setup::ActPass) => false,
        };
        let handshake = self.handshake(media, active).filter(|_| fingerprints);
        match (self.encryption, handshake) {
            (_, Some(handshake)) => Ok(Some(handshake)),
            (Encryption::Required, None) => Err(Incompatible::NotEncrypted("the answer has no key")),
            (Encryption::RequiredDtls, None) => {
                Err(Incompatible::NotEncrypted("the answer has no fingerprint that we can use"))
            }
            (Encryption::Refused | Encryption::Accepted | Encryption::Offered, None) => Ok(None),
        }
    }

    fn handshake(&self, media: &Media, active: bool) -> Option<Keying> {
        let is_known = self.fingerprint.is_some() && !media.fingerprints.is_empty();
        is_known.then(|| Keying::Handshake(Terms { active, peer: media.fingerprints.clone() }))
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

/// What a section says about its encryption by the name of its protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    Clear,
    Described,
    Handshake,
}

impl Profile {
    /// An error for what is no RTP over UDP.
    fn of(media: &Media) -> Result<Profile, Incompatible> {
        let is = |protocol: &str| media.protocol.eq_ignore_ascii_case(protocol);
        if is("RTP/AVP") || is("RTP/AVPF") {
            Ok(Profile::Clear)
        } else if is("RTP/SAVP") || is("RTP/SAVPF") {
            Ok(Profile::Described)
        } else if is("UDP/TLS/RTP/SAVP") || is("UDP/TLS/RTP/SAVPF") {
            Ok(Profile::Handshake)
        } else {
            Err(Incompatible::NoAudio)
        }
    }
}
