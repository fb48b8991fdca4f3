//! The port of a plain leg: where the peer is, and what keeps its packets from others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::Instant;

use crate::core::{LocalPorts, Sink, SocketKey};
use crate::dtls::{Dtls, Identity, Outcome};
use crate::leg::MOST_OCTETS;
use crate::sdp::{Agreed, Keying, Negotiation};
use crate::srtp::{Key, PeerKey, Srtp};

/// A peer behind NAT is followed to other addresses within so many packets; then its address stands.
const LEARNING: u8 = 5;
/// And within this time of an exchange, lest whoever finds the port of a peer that says nothing becomes the peer.
const LEARNS_FOR: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct RtpTransport {
    pub ports: LocalPorts,
    pub negotiation: Negotiation,
    pub nat: bool,
    /// Where we send, and from where alone we take packets.
    pub remote: Option<SocketAddr>,
    /// The address of the last description.
    pub described: Option<SocketAddr>,
    /// Packets that may still move `remote`.
    learning: u8,
    learns_until: Instant,
    /// Where RTCP goes, `None` when there is no way to send it.
    pub rtcp: Option<(SocketKey, SocketAddr)>,
    /// Kept once it is there, lest a key begins anew.
    srtp: Option<Box<Srtp>>,
    guard: Guard,
    identity: Arc<Identity>,
    /// Where the keys come from, unless they stand in the descriptions.
    dtls: Option<Box<Dtls>>,
    /// The peer began with DTLS before its answer was here.
    early: Option<(SocketAddr, Box<[u8]>)>,
    /// Packets that came while there was nothing to open them with.
    unkeyed: u64,
    pub next_report: Instant,
}

/// What is done to packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Guard {
    Clear,
    /// There are no keys yet: nothing goes out or comes in.
    Waiting,
    Sealed,
}

/// How packets pass.
pub enum Passage<'a> {
    Clear,
    Closed,
    Sealed(&'a mut Srtp),
}

impl RtpTransport {
    pub fn new(
        ports: LocalPorts,
        negotiation: Negotiation,
        nat: bool,
        identity: Arc<Identity>,
        now: Instant,
    ) -> Self {
        Self {
            ports,
            negotiation,
            nat,
            remote: None,
            described: None,
            learning: 0,
            learns_until: now,
            rtcp: None,
            srtp: None,
            guard: Guard::Clear,
            identity,
            dtls: None,
            early: None,
            unkeyed: 0,
            next_report: now,
        }
    }

    pub fn agree(&mut self, now: Instant, agreed: &Agreed) {
        match &agreed.keying {
            Some(Keying::Described { own, peer, .. }) => {
                match &mut self.srtp {
                    Some(srtp) => srtp.rekey(own, peer),
                    srtp => *srtp = Some(Box::new(Srtp::new(own, peer))),
                }
                self.guard = Guard::Sealed;
                self.dtls = None;
            }
            Some(Keying::Handshake(terms)) => {
                // RFC 8842 §4: it holds as long as nobody has another certificate, role or place.
                let moved = agreed.rtp.is_some() && self.described.is_some() && self.described != agreed.rtp;
                let holds = |dtls: &Dtls| !moved && dtls.terms() == terms && !dtls.has_failed();
                if !self.dtls.as_deref().is_some_and(holds) {
                    let dtls = Dtls::new(self.identity.clone(), terms.clone(), now);
                    self.dtls = Some(Box::new(dtls));
                    // Keys that are there serve until there are new ones.
                    if self.guard == Guard::Clear {
                        self.guard = Guard::Waiting;
                    }
                }
            }
            // Audio that is withdrawn for now has no keys.
            None if agreed.rtp.is_some() => {
                self.guard = Guard::Clear;
                self.dtls = None;
            }
            None => {}
        }
        let Some(rtp) = agreed.rtp else { return };
        // A repeated description does not undo what was learned.
        if self.described != Some(rtp) {
            self.described = Some(rtp);
            self.remote = Some(rtp);
            self.learning = if self.nat { LEARNING } else { 0 };
        }
        self.learns_until = now + LEARNS_FOR;
        let socket = if agreed.rtcp_mux { Some(self.ports.rtp) } else { self.ports.rtcp };
        self.rtcp = socket.zip(agreed.rtcp);
        self.follow(agreed.rtcp_mux);
    }

    /// Whether an RTP packet from this address can be the peer's.
    pub fn may_be(&self, now: Instant, from: SocketAddr) -> bool {
        let learns = self.learning > 0 && now < self.learns_until;
        self.remote.is_some_and(|remote| remote == from || learns)
    }

    /// Whether RTCP from this address can be the peer's.
    pub fn reports_from(&self, from: SocketAddr) -> bool {
        let known = [self.remote, self.described, self.rtcp.map(|(_, to)| to)];
        // The port of RTCP behind NAT cannot be known.
        known.iter().flatten().any(|known| *known == from || self.nat && known.ip() == from.ip())
    }

    /// A valid packet came from an address that [`may_be`](Self::may_be) the peer's.
    pub fn learn(&mut self, from: SocketAddr, rtcp_mux: bool) {
        if self.learning > 0 {
            self.learning -= 1;
            if self.remote != Some(from) {
                self.remote = Some(from);
                self.follow(rtcp_mux);
            }
        }
    }

    /// Whether packets can go to the peer.
    pub fn is_open(&self) -> bool {
        self.remote.is_some() && self.guard != Guard::Waiting
    }

    /// Packets that came while there were no keys.
    pub fn unkeyed(&self) -> u64 {
        self.unkeyed
    }

    pub fn passage(&mut self) -> Passage<'_> {
        match (self.guard, self.srtp.as_deref_mut()) {
            (Guard::Clear, _) => Passage::Clear,
            (Guard::Sealed, Some(srtp)) => Passage::Sealed(srtp),
            (Guard::Waiting, _) | (Guard::Sealed, None) => Passage::Closed,
        }
    }

    /// A packet came that nothing can open.
    pub fn count_unkeyed(&mut self) {
        self.unkeyed += 1;
    }

    /// Sends an RTCP packet if there is a way.
    pub fn send_rtcp(&mut self, packet: &[u8], out: &mut impl Sink) {
        let Some((socket, to)) = self.rtcp else { return };
        match self.passage() {
            Passage::Clear => out.send(socket, to, packet),
            Passage::Closed => {}
            Passage::Sealed(srtp) => {
                if let Some(sealed) = srtp.seal_rtcp(packet) {
                    out.send(socket, to, sealed.as_ref());
                }
            }
        }
    }

    /// Sends an RTP packet if the peer's address is known.
    pub fn send(&mut self, packet: &[u8], out: &mut impl Sink) -> bool {
        let (from, Some(to)) = (self.ports.rtp, self.remote) else { return false };
        match self.passage() {
            Passage::Clear => out.send(from, to, packet),
            Passage::Closed => return false,
            Passage::Sealed(srtp) => {
                let Some(sealed) = srtp.seal(packet) else { return false };
                out.send(from, to, sealed.as_ref());
            }
        }
        true
    }

    /// Sends RTCP where the media went, if that is not where the description says.
    fn follow(&mut self, rtcp_mux: bool) {
        if let (Some((_, to)), Some(remote)) = (&mut self.rtcp, self.remote)
            && self.described != self.remote
        {
            to.set_ip(remote.ip());
            to.set_port(if rtcp_mux { remote.port() } else { remote.port().saturating_add(1) });
        }
    }

    /// One datagram of DTLS. `agreed`: there is a description to judge it by.
    pub fn handle_handshake(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &[u8],
        agreed: bool,
    ) -> Option<Outcome> {
        if !agreed {
            if self.negotiation.has_offered_handshake() && packet.len() <= MOST_OCTETS {
                self.early = Some((from, packet.into()));
            }
            return None;
        }
        if !self.may_be(now, from) {
            return None;
        }
        self.dtls.as_mut()?.handle_packet(now, from, packet)
    }

    /// Whether it is still being agreed on keys.
    pub fn is_shaking(&self) -> bool {
        self.dtls.as_ref().is_some_and(|dtls| dtls.is_shaking())
    }

    /// Goes on with the handshake where it is time to.
    pub fn shake(&mut self, now: Instant) -> Option<Outcome> {
        let to = self.remote?;
        let outcome = self.dtls.as_mut()?.handle_timeout(now, to);
        match self.early.take() {
            Some((from, packet)) if outcome.is_none() => self.handle_handshake(now, from, &packet, true),
            _ => outcome,
        }
    }

    /// Sends what the handshake wants sent.
    pub fn flush(&mut self, out: &mut impl Sink) {
        while let Some((to, packet)) = self.dtls.as_mut().and_then(|dtls| dtls.poll_transmit()) {
            out.send(self.ports.rtp, to, &packet);
        }
    }

    /// The peer is who it says, and it is there.
    pub fn keyed(&mut self, from: SocketAddr, own: &Key, peer: &PeerKey, rtcp_mux: bool) {
        match &mut self.srtp {
            Some(srtp) => srtp.renew(own, peer),
            srtp => *srtp = Some(Box::new(Srtp::new(own, peer))),
        }
        self.guard = Guard::Sealed;
        self.remote = Some(from);
        self.learning = 0;
        self.follow(rtcp_mux);
    }

    /// The last exchange was said again, perhaps with the final response.
    pub fn repeat(&mut self, now: Instant) {
        self.learns_until = now + LEARNS_FOR;
        if let Some(dtls) = self.dtls.as_mut().filter(|dtls| dtls.has_failed()) {
            **dtls = Dtls::new(self.identity.clone(), dtls.terms().clone(), now);
        }
    }

    /// The last word.
    pub fn close(&mut self, now: Instant, out: &mut impl Sink) {
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.flush(out);
    }
}
