//! SRTP (RFC 3711, RFC 7714) of one plain leg: what leaves is sealed, what comes in is opened or never heard.
//!
//! Invariants: a packet that does not authenticate changes nothing that outlives it; the streams that a key opens are bounded,
//! and so is what the packets of strangers can make us keep; no key shows in `Debug`.

use std::fmt;

use rtc_srtp::context::Context;
use rtc_srtp::crypto::RTCCryptoProvider as _;
use rtc_srtp::crypto::providers::AwsLcRsProvider;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

/// Packets that may come late and in any order (RFC 3711 §3.3.2: 64 at least).
const WINDOW: usize = 128;
/// Streams that one key of a peer may have, one after the other or at once.
const MOST_STREAMS: usize = 16;
/// So many packets of unknown streams may fail before what the library remembers of them is thrown away.
const MOST_FAILURES: u8 = 32;
/// The end of an SRTCP packet: its index, whose first bit says whether it is encrypted.
const INDEX: usize = 4;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    AeadAes256Gcm,
    AeadAes128Gcm,
    AesCm80,
    /// A tag of 32 bits on RTP: answered, never offered.
    AesCm32,
}

impl Suite {
    /// Ours, the preferred first.
    pub const OFFERED: [Suite; 3] = [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm80];
    pub const ALL: [Suite; 4] = [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm80, Suite::AesCm32];

    /// As RFC 4568 §6.2 and RFC 7714 §14.2 write it.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AesCm80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    pub fn by_name(name: &str) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Octets of master key and master salt, one after the other.
    pub fn key_octets(self) -> usize {
        let profile = self.profile();
        profile.key_len() + profile.salt_len()
    }

    /// Those of the key alone.
    pub fn key_length(self) -> usize {
        self.profile().key_len()
    }

    fn profile(self) -> ProtectionProfile {
        match self {
            Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
            Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Suite::AesCm80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Suite::AesCm32 => ProtectionProfile::Aes128CmHmacSha1_32,
        }
    }
}

/// A master key with its salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    suite: Suite,
    octets: Box<[u8]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.suite.name())
    }
}

impl Key {
    /// `None` when the length is not the suite's.
    pub fn new(suite: Suite, octets: &[u8]) -> Option<Key> {
        (octets.len() == suite.key_octets()).then(|| Key { suite, octets: octets.into() })
    }

    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Master key, then salt: for the peer and for nobody else.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn context(&self) -> Context {
        let profile = self.suite.profile();
        let (key, salt) = self.octets.split_at(profile.key_len());
        let (rtp, rtcp) = (srtp_replay_protection(WINDOW), srtcp_replay_protection(WINDOW));
        Context::new(key, salt, profile, Some(rtp), Some(rtcp), AwsLcRsProvider::new().crypto())
            .expect("the lengths are the suite's and the provider knows all suites")
    }
}

/// The peer's key and how many packets it is good for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerKey {
    pub key: Key,
    pub lifetime: u64,
}

/// Both directions of one leg.
pub struct Srtp {
    /// One for each key of ours that was ever in use: coming back to one may not begin its count anew.
    sending: Vec<(Key, Context)>,
    current: usize,
    receiving: Receiving,
    /// The peer's key before this one: it counts until the first packet under the new one.
    former: Option<Receiving>,
}

impl fmt::Debug for Srtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srtp").field("receiving", &self.receiving.key).finish_non_exhaustive()
    }
}

impl Srtp {
    pub fn new(own: &Key, peer: &PeerKey) -> Srtp {
        let sending = vec![(own.clone(), own.context())];
        Srtp { sending, current: 0, receiving: Receiving::new(peer), former: None }
    }

    /// A further exchange said these keys. Keys that stay keep their counts (RFC 4568 §7.1.4).
    pub fn rekey(&mut self, own: &Key, peer: &PeerKey) {
        self.current = match self.sending.iter().position(|(key, _)| key == own) {
            Some(known) => known,
            None => {
                self.sending.push((own.clone(), own.context()));
                self.sending.len() - 1
            }
        };
        if self.receiving.key != peer.key {
            let again = self.former.take().filter(|former| former.key == peer.key);
            let next = again.unwrap_or_else(|| Receiving::new(peer));
            self.former = Some(std::mem::replace(&mut self.receiving, next));
        }
    }

    /// Both sides agreed anew on keys that were never there before.
    pub fn renew(&mut self, own: &Key, peer: &PeerKey) {
        self.sending = vec![(own.clone(), own.context())];
        self.current = 0;
        self.former = Some(std::mem::replace(&mut self.receiving, Receiving::new(peer)));
    }

    /// The RTP packet as it goes out. `None` when the key is used up (RFC 3711 §9.2).
    pub fn seal(&mut self, packet: &[u8]) -> Option<impl AsRef<[u8]> + use<>> {
        self.sending[self.current].1.encrypt_rtp(packet).ok()
    }

    /// The RTCP packet as it goes out.
    pub fn seal_rtcp(&mut self, packet: &[u8]) -> Option<impl AsRef<[u8]> + use<>> {
        self.sending[self.current].1.encrypt_rtcp(packet).ok()
    }

    /// Opens an RTP packet in place and says how long it is then; `None` for a forged, a repeated or a much too late one.
    pub fn open(&mut self, packet: &mut [u8]) -> Option<usize> {
        let ssrc = u32::from_be_bytes(*packet.get(8..)?.first_chunk()?);
        self.unlock(ssrc, packet, true, Context::decrypt_rtp)
    }

    /// The same for RTCP.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let ssrc = u32::from_be_bytes(*packet.get(4..)?.first_chunk()?);
        // We never agree to UNENCRYPTED_SRTCP, and the library lets such a packet pass without looking at its tag.
        let behind = match self.receiving.key.suite {
            Suite::AeadAes256Gcm | Suite::AeadAes128Gcm => 0,
            Suite::AesCm80 | Suite::AesCm32 => self.receiving.key.suite.profile().rtcp_auth_tag_len(),
        };
        let index = packet.len().checked_sub(INDEX + behind)?;
        if packet.get(index)? & 0x80 == 0 {
            return None;
        }
        // The tag may lie elsewhere under the former suite: that report is lost.
        let former = self.former.as_ref().is_some_and(|former| former.key.suite == self.receiving.key.suite);
        self.unlock(ssrc, packet, former, Context::decrypt_rtcp)
    }

    fn unlock<P: AsRef<[u8]>, E>(
        &mut self,
        ssrc: u32,
        packet: &mut [u8],
        former: bool,
        open: impl Fn(&mut Context, &[u8]) -> Result<P, E>,
    ) -> Option<usize> {
        let opened = match self.receiving.open(ssrc, packet, &open) {
            Some(opened) => {
                self.former = None;
                opened
            }
            None => self.former.as_mut().filter(|_| former)?.open(ssrc, packet, &open)?,
        };
        let opened = opened.as_ref();
        packet.get_mut(..opened.len())?.copy_from_slice(opened);
        Some(opened.len())
    }
}

/// What one key of the peer opens.
struct Receiving {
    key: Key,
    /// Packets that it is still good for.
    left: u64,
    /// By SSRC, those that have authenticated.
    streams: Vec<(u32, Context)>,
    /// For packets of other streams: the library remembers each SSRC before it knows whether the packet is genuine.
    stranger: Option<Context>,
    failures: u8,
}

impl Receiving {
    fn new(peer: &PeerKey) -> Receiving {
        Receiving {
            key: peer.key.clone(),
            left: peer.lifetime,
            streams: Vec::new(),
            stranger: None,
            failures: 0,
        }
    }

    fn open<P, E>(
        &mut self,
        ssrc: u32,
        packet: &[u8],
        open: impl Fn(&mut Context, &[u8]) -> Result<P, E>,
    ) -> Option<P> {
        if self.left == 0 {
            return None;
        }
        let known = self.streams.iter().position(|(known, _)| *known == ssrc);
        let opened = match known {
            Some(known) => open(&mut self.streams[known].1, packet).ok()?,
            None if self.streams.len() == MOST_STREAMS => return None,
            None => {
                let mut context = self.stranger.take().unwrap_or_else(|| self.key.context());
                match open(&mut context, packet) {
                    Ok(opened) => {
                        self.failures = 0;
                        self.streams.push((ssrc, context));
                        opened
                    }
                    Err(_) => {
                        self.failures += 1;
                        if self.failures < MOST_FAILURES {
                            self.stranger = Some(context);
                        } else {
                            self.failures = 0;
                        }
                        return None;
                    }
                }
            }
        };
        self.left -= 1;
        Some(opened)
    }
}
