//! The keys of one plain leg by DTLS (RFC 5763, RFC 5764), over the port of its RTP.
//!
//! Invariants: keys come out only when the peer's certificate has a fingerprint of its description, so whoever else shakes hands
//! with us learns nothing and is told nothing; what an address can make us remember, work and send is bounded before anything is
//! known about it; no key shows in `Debug`. The randomness is the library's own.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use model::Instant;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::crypto::RTCCryptoProvider;
use rtc_srtp::crypto::providers::AwsLcRsProvider;

use crate::sdp::{Fingerprint, Terms};
use crate::srtp::{Key, PeerKey, Suite};

/// Addresses that a peer behind NAT may shake hands from, with those of strangers who try.
const MOST_SOURCES: usize = 4;
/// Records that one address may send in all. A handshake with a chain of certificates and every flight repeated has fewer, and
/// each costs the library a look at all pieces before it.
const MOST_RECORDS: u16 = 200;
/// Octets before a record's content (RFC 6347 §4.1); its length is the last two.
const RECORD: usize = 13;
/// The peer may begin as late as when somebody picks up.
const PATIENCE: Duration = Duration::from_secs(30);
/// RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// RFC 3711 §9.2: packets that one key is good for.
const LIFETIME: u64 = 1 << 48;
/// The library forgets its timer when the peer repeats itself, as it does when a flight of ours was lost. We say that flight again:
/// the peer takes what of it is new to it.
const REPEAT: Duration = Duration::from_secs(1);
const MOST_REPEATS: u8 = 8;
/// What we call ourselves and the peer towards the library, which knows peers by their address.
const NAME: &str = "tandem";

/// Whether a datagram at an RTP port is one of DTLS (RFC 7983 §7).
pub fn is_handshake(packet: &[u8]) -> bool {
    matches!(packet.first(), Some(20..=63))
}

/// The certificate that all legs of a thread show.
pub struct Identity {
    /// What [`Instant::ZERO`] is on the clock of the library.
    base: std::time::Instant,
    fingerprint: Fingerprint,
    client: Arc<HandshakeConfig>,
    server: Arc<HandshakeConfig>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.fingerprint)
    }
}

impl Identity {
    /// A new key with a certificate that nobody signed but itself. `base` is what [`Instant::ZERO`] is on the standard library's
    /// clock.
    pub fn new(base: std::time::Instant) -> Identity {
        const KNOWN: &str = "the provider knows ECDSA over P-256 and the suites that go with it";
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
        let certificate =
            Certificate::generate_self_signed([NAME.to_owned()], provider.crypto()).expect(KNOWN);
        let fingerprint = Fingerprint::of(&certificate.certificate[0]);
        let config = |is_client| {
            let config = ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(PROFILES.map(|(profile, _)| profile).to_vec())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                // Nobody vouches for the certificates of phones: fingerprints do.
                .with_insecure_skip_verify(true)
                .with_server_name(NAME.to_owned());
            Arc::new(config.build(is_client, None).expect(KNOWN))
        };
        Identity { base, fingerprint, client: config(true), server: config(false) }
    }

    fn std(&self, at: Instant) -> std::time::Instant {
        self.base + Duration::from_micros(at.as_micros())
    }

    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

/// Ours, the preferred first.
const PROFILES: [(SrtpProtectionProfile, Suite); 4] = [
    (SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm, Suite::AeadAes256Gcm),
    (SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, Suite::AeadAes128Gcm),
    (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80, Suite::AesCm80),
    (SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32, Suite::AesCm32),
];

/// What a handshake came to.
#[derive(Debug)]
pub enum Outcome {
    /// The peer is at this address, and these are the keys.
    Keys {
        from: SocketAddr,
        own: Key,
        peer: PeerKey,
    },
    Failed(String),
}

/// One association with the peer.
pub struct Dtls {
    identity: Arc<Identity>,
    terms: Terms,
    endpoint: Endpoint,
    sources: Vec<Source>,
    outgoing: VecDeque<(SocketAddr, BytesMut)>,
    since: Instant,
    state: State,
    /// What went wrong last.
    fault: Option<String>,
}

/// Somebody who shakes hands with us.
struct Source {
    address: SocketAddr,
    /// Records that came from there.
    records: u16,
    /// What was sent there last, when, and how often again.
    flight: Vec<BytesMut>,
    sent: Instant,
    repeats: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// `to`: where we began, if it was us.
    Shaking {
        to: Option<SocketAddr>,
    },
    Keyed {
        with: SocketAddr,
    },
    Failed,
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dtls").field("terms", &self.terms).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Dtls {
    pub fn new(identity: Arc<Identity>, terms: Terms, now: Instant) -> Dtls {
        let endpoint = endpoint(&identity, &terms);
        let state = State::Shaking { to: None };
        let (sources, outgoing) = (Vec::new(), VecDeque::new());
        Dtls { identity, terms, endpoint, sources, outgoing, since: now, state, fault: None }
    }

    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Neither keys nor a failure yet.
    pub fn is_shaking(&self) -> bool {
        matches!(self.state, State::Shaking { .. })
    }

    pub fn has_failed(&self) -> bool {
        self.state == State::Failed
    }

    /// One datagram of whom it may come from.
    pub fn handle_packet(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> Option<Outcome> {
        let is_peer = match self.state {
            State::Shaking { to } => to.is_none_or(|to| to == from) && self.terms.active == to.is_some(),
            State::Keyed { with } => with == from,
            State::Failed => false,
        };
        let records = records(packet).filter(|_| is_peer)?;
        if !self.allow(now, from, records) {
            return None;
        }
        let read = self.endpoint.read(self.identity.std(now), from, None, packet.into());
        self.collect(now);
        match read {
            Ok(events) => {
                let is_done = |event: &EndpointEvent| matches!(event, EndpointEvent::HandshakeComplete);
                let is_done = self.is_shaking() && events.iter().any(is_done);
                is_done.then(|| self.finish(now, from))
            }
            // Anybody could have sent it: the handshake may succeed all the same.
            Err(fault) => {
                self.fault = Some(fault.to_string());
                None
            }
        }
    }

    /// Begins, repeats what was not answered, and gives up in the end. `to`: where the peer is.
    pub fn handle_timeout(&mut self, now: Instant, to: SocketAddr) -> Option<Outcome> {
        let State::Shaking { to: begun } = self.state else { return None };
        if now.saturating_since(self.since) >= PATIENCE {
            self.state = State::Failed;
            let fault = self.fault.take().unwrap_or_else(|| "no answer".to_owned());
            return Some(Outcome::Failed(fault));
        }
        if self.terms.active && begun.is_none() {
            self.state = State::Shaking { to: Some(to) };
            self.allow(now, to, 0);
            let config = self.identity.client.clone();
            if let Err(fault) = self.endpoint.connect(self.identity.std(now), to, config, None) {
                self.fault = Some(fault.to_string());
            }
        }
        for index in 0..self.sources.len() {
            self.repeat(now, index);
        }
        self.collect(now);
        None
    }

    /// The next datagram to be sent, and where to.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, BytesMut)> {
        self.outgoing.pop_front()
    }

    /// Tells the peer that nothing more comes.
    pub fn close(&mut self, now: Instant) {
        if let State::Keyed { with } = self.state {
            let _ = self.endpoint.stop(self.identity.std(now), with);
            self.collect(now);
        }
    }

    /// Takes out what is to be sent.
    fn collect(&mut self, now: Instant) {
        let before = self.outgoing.len();
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.outgoing.push_back((transmit.transport.peer_addr, transmit.message));
        }
        if !self.is_shaking() {
            return;
        }
        for source in &mut self.sources {
            let flight = self.outgoing.iter().skip(before).filter(|(to, _)| *to == source.address);
            let flight: Vec<_> = flight.map(|(_, packet)| packet.clone()).collect();
            if !flight.is_empty() {
                (source.flight, source.sent, source.repeats) = (flight, now, 0);
            }
        }
    }

    /// Whether the address may send so many records more.
    fn allow(&mut self, now: Instant, from: SocketAddr, records: u16) -> bool {
        let known = match self.sources.iter().position(|source| source.address == from) {
            Some(known) => known,
            None if self.sources.len() == MOST_SOURCES => return false,
            None => {
                let flight = Vec::new();
                self.sources.push(Source { address: from, records: 0, flight, sent: now, repeats: 0 });
                self.sources.len() - 1
            }
        };
        let sent = &mut self.sources[known].records;
        *sent = sent.saturating_add(records);
        *sent <= MOST_RECORDS
    }

    fn repeat(&mut self, now: Instant, index: usize) {
        let std = self.identity.std(now);
        let source = &mut self.sources[index];
        let to = source.address;
        match self.endpoint.poll_timeout(&to) {
            Some(due) if due <= std => {
                if let Err(fault) = self.endpoint.handle_timeout(to, std) {
                    // The library gives up before we do: we begin again.
                    self.fault.get_or_insert(format!("no answer ({fault})"));
                    if self.terms.active {
                        self.endpoint = endpoint(&self.identity, &self.terms);
                        self.state = State::Shaking { to: None };
                    }
                }
            }
            None if now.saturating_since(source.sent) >= REPEAT && source.repeats < MOST_REPEATS => {
                source.repeats += 1;
                source.sent = now;
                self.outgoing.extend(source.flight.iter().map(|packet| (to, packet.clone())));
            }
            Some(_) | None => {}
        }
    }

    fn finish(&mut self, now: Instant, from: SocketAddr) -> Outcome {
        match self.keys(from) {
            Ok((own, peer)) => {
                self.state = State::Keyed { with: from };
                // Who else tried is forgotten.
                self.sources.retain(|source| source.address == from);
                self.sources.iter_mut().for_each(|source| source.flight.clear());
                Outcome::Keys { from, own, peer }
            }
            Err(why) => {
                self.state = State::Failed;
                let _ = self.endpoint.stop(self.identity.std(now), from);
                self.collect(now);
                Outcome::Failed(why.to_owned())
            }
        }
    }

    /// RFC 5764 §4.2: the client's key, the server's, the client's salt, the server's.
    fn keys(&self, from: SocketAddr) -> Result<(Key, PeerKey), &'static str> {
        let state = self.endpoint.get_connection_state(from).ok_or("the association is gone")?;
        let certificate = state.peer_certificates.first().ok_or("the peer has no certificate")?;
        if !Fingerprint::is_among(&self.terms.peer, certificate) {
            return Err("the peer's certificate is not the one of its description");
        }
        let chosen = state.srtp_protection_profile();
        let suite = PROFILES.iter().find(|(profile, _)| *profile == chosen).map(|(_, suite)| *suite);
        let suite = suite.ok_or("the peer agrees to no protection of SRTP")?;
        let (key, salt) = (suite.key_length(), suite.key_octets() - suite.key_length());
        let exported = state.export_keying_material(LABEL, &[], 2 * (key + salt));
        let exported = exported.map_err(|_| "there is no material for keys")?;
        let (keys, salts) = exported.as_ref().split_at(2 * key);
        let side = |index: usize| {
            let octets = [&keys[index * key..][..key], &salts[index * salt..][..salt]].concat();
            Key::new(suite, &octets).expect("as long as the suite wants it")
        };
        let (client, server) = (side(0), side(1));
        let (own, peer) = if self.terms.active { (client, server) } else { (server, client) };
        Ok((own, PeerKey { key: peer, lifetime: LIFETIME }))
    }
}

fn endpoint(identity: &Identity, terms: &Terms) -> Endpoint {
    let own = SocketAddr::from(([0, 0, 0, 0], 0));
    let server = (!terms.active).then(|| identity.server.clone());
    Endpoint::new(own, TransportProtocol::UDP, server)
}

/// How many records a datagram holds; `None` where they do not fill it.
fn records(mut packet: &[u8]) -> Option<u16> {
    let mut count = 0_u16;
    while !packet.is_empty() {
        let length = packet.get(RECORD - 2..RECORD)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        // RFC 6347 §4.1: an empty one is of no use here.
        packet = packet.get(RECORD + length..).filter(|_| length > 0)?;
        count = count.checked_add(1)?;
    }
    (count > 0).then_some(count)
}
