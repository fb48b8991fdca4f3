//! All browsers of one UDP port: who a packet belongs to, and when whom to wake.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Instant, LegId};

use super::description::{Format, PeerDescription};
use super::error::WebRtcError;
use super::leg::{Clock, Leg, LegOutput, config};
use crate::api::Direction;

/// Addresses from which one peer may send at a time; the oldest gives way. A browser with two networks has a handful.
const MAX_ADDRESSES: usize = 8;

/// What both sides agreed upon in the last exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// The peer's view.
    pub direction: Direction,
    /// In order of our preference. Both sides use the same payload types.
    pub formats: Vec<Format>,
}

/// A packet of the peer, authenticated and decrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RtpIn {
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub marker: bool,
    pub payload: Arc<[u8]>,
}

/// What the peer says about our packets (RTCP receiver reports).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerReport {
    /// Since the stream began.
    pub lost: u64,
    /// Of a hundred packets lately; `None` where nothing new is known.
    pub loss: Option<u8>,
    /// In units of the codec's clock.
    pub jitter: u32,
    pub round_trip: Option<Duration>,
}

/// A packet for the peer. Sequence numbers may start anywhere and wrap; the SSRC is the one that our description names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpOut<'a> {
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: &'a [u8],
}

/// A datagram for the shared port to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    Transmit(Transmit),
    Rtp {
        leg: LegId,
        packet: RtpIn,
    },
    /// ICE and DTLS are done: media may flow. Once per leg.
    Connected {
        leg: LegId,
    },
    /// How it gets what we send, every few seconds.
    Report {
        leg: LegId,
        report: PeerReport,
    },
    /// Nothing was heard for [`super::LOST_AFTER`], or the peer closed its transport. Said again only after it was heard again.
    Lost {
        leg: LegId,
    },
}

/// The browsers behind one UDP port.
///
/// After every call, [`WebRtcPort::poll_output`] is to be drained.
pub struct WebRtcPort {
    clock: Clock,
    candidates: Vec<SocketAddr>,
    config: str0m::RtcConfig,
    legs: BTreeMap<LegId, Slot>,
    addresses: HashMap<SocketAddr, LegId>,
    ufrags: HashMap<String, LegId>,
    timers: BTreeSet<(Instant, LegId)>,
    output: VecDeque<Output>,
    /// Filled and emptied within one call.
    scratch: Vec<LegOutput>,
    strays: u64,
}

struct Slot {
    leg: Box<Leg>,
    ufrag: String,
    /// The entry in `timers`. It may be earlier than the leg's own deadline, never later.
    armed: Option<Instant>,
}

impl std::fmt::Debug for WebRtcPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { candidates, legs, addresses, strays, .. } = self;
        f.debug_struct("WebRtcPort")
            .field("candidates", candidates)
            .field("legs", &legs.len())
            .field("addresses", &addresses.len())
            .field("strays", strays)
            .finish_non_exhaustive()
    }
}

impl WebRtcPort {
    /// `base` is what [`Instant::ZERO`] is on the standard library's clock. `candidates` are the addresses, as browsers see
    /// them, at which the port is reachable; all of them lead to the same socket.
    pub fn new(base: std::time::Instant, candidates: Vec<SocketAddr>) -> Self {
        Self {
            clock: Clock { base },
            candidates,
            config: config(),
            legs: BTreeMap::new(),
            addresses: HashMap::new(),
            ufrags: HashMap::new(),
            timers: BTreeSet::new(),
            output: VecDeque::new(),
            scratch: Vec::new(),
            strays: 0,
        }
    }

    /// Opens a leg with an offer of ours.
    pub fn make_offer(&mut self, now: Instant, leg: LegId) -> Result<Vec<u8>, WebRtcError> {
        let mut fresh = self.fresh(now, leg)?;
        let offer = fresh.make_offer(now, &mut self.scratch)?;
        self.insert(leg, fresh);
        self.settle(leg);
        Ok(offer)
    }

    /// Opens a leg with the peer's offer, or takes a new offer on an open one (hold, resume, ICE restart). After an error an
    /// open leg goes on as before (unless it is [`WebRtcError::Gone`]), and a new one does not exist.
    pub fn accept_offer(
        &mut self,
        now: Instant,
        leg: LegId,
        sdp: &[u8],
    ) -> Result<(Vec<u8>, Negotiated), WebRtcError> {
        // Before a new leg is built, which is work.
        let peer = PeerDescription::parse(sdp)?;
        let result = match self.legs.get_mut(&leg) {
            Some(slot) => slot.leg.accept_offer(now, &peer, &mut self.scratch),
            None => {
                let mut fresh = self.fresh(now, leg)?;
                let result = fresh.accept_offer(now, &peer, &mut self.scratch)?;
                self.insert(leg, fresh);
                Ok(result)
            }
        };
        self.rename(leg);
        self.settle(leg);
        result
    }

    /// The peer's answer to [`WebRtcPort::make_offer`].
    pub fn accept_answer(&mut self, now: Instant, leg: LegId, sdp: &[u8]) -> Result<Negotiated, WebRtcError> {
        let slot = self.legs.get_mut(&leg).ok_or(WebRtcError::UnknownLeg(leg))?;
        let result = slot.leg.accept_answer(now, &PeerDescription::parse(sdp)?, &mut self.scratch);
        self.settle(leg);
        result
    }

    /// One datagram from the shared socket. What belongs to nobody is counted and dropped.
    pub fn handle_packet(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) {
        let Some(to) = self.local_for(from) else {
            return;
        };
        let Some(leg) = self.owner(now, from, to, packet) else {
            self.strays += 1;
            return;
        };
        if let Some(slot) = self.legs.get_mut(&leg) {
            slot.leg.handle_packet(now, from, to, packet, &mut self.scratch);
            self.settle(leg);
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, leg)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            if let Some(slot) = self.legs.get_mut(&leg) {
                slot.armed = None;
                // The deadline may have moved on since the timer was set.
                if slot.leg.poll_timeout().is_some_and(|deadline| deadline <= now) {
                    slot.leg.handle_timeout(now, &mut self.scratch);
                }
                self.settle_after(leg, now);
            }
        }
    }

    /// When [`WebRtcPort::handle_timeout`] is to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Sends one packet to the leg's peer. `false`: nobody is connected there, and the packet was dropped.
    pub fn write_rtp(&mut self, now: Instant, leg: LegId, packet: &RtpOut<'_>) -> bool {
        let Some(slot) = self.legs.get_mut(&leg) else {
            return false;
        };
        let sent = slot.leg.write_rtp(now, packet, &mut self.scratch);
        self.settle(leg);
        sent
    }

    /// Says goodbye to the peer and forgets the leg.
    pub fn close(&mut self, now: Instant, leg: LegId) {
        let Some(mut slot) = self.legs.remove(&leg) else {
            return;
        };
        slot.leg.close(now, &mut self.scratch);
        for output in self.scratch.drain(..) {
            if let LegOutput::Transmit(transmit) = output {
                self.output.push_back(Output::Transmit(transmit));
            }
        }
        if let Some(armed) = slot.armed {
            self.timers.remove(&(armed, leg));
        }
        self.ufrags.remove(&slot.ufrag);
        for address in &slot.leg.addresses {
            if self.addresses.get(address) == Some(&leg) {
                self.addresses.remove(address);
            }
        }
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// Datagrams so far that belonged to no leg.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Open legs.
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    fn fresh(&self, now: Instant, leg: LegId) -> Result<Box<Leg>, WebRtcError> {
        if self.legs.contains_key(&leg) {
            return Err(WebRtcError::DuplicateLeg(leg));
        }
        Leg::new(now, self.clock, self.config.clone(), &self.candidates).map(Box::new)
    }

    fn insert(&mut self, leg: LegId, mut fresh: Box<Leg>) {
        let ufrag = fresh.ufrag();
        self.ufrags.insert(ufrag.clone(), leg);
        self.legs.insert(leg, Slot { leg: fresh, ufrag, armed: None });
    }

    /// An ICE restart brings a new name.
    fn rename(&mut self, leg: LegId) {
        if let Some(slot) = self.legs.get_mut(&leg) {
            let ufrag = slot.leg.ufrag();
            if ufrag != slot.ufrag {
                self.ufrags.remove(&slot.ufrag);
                self.ufrags.insert(ufrag.clone(), leg);
                slot.ufrag = ufrag;
            }
        }
    }

    /// Which leg a packet belongs to: checks go by the name in them, so that an address may change hands; all else by address.
    fn owner(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, packet: &[u8]) -> Option<LegId> {
        let Some(ufrag) = check_ufrag(packet) else {
            return self.addresses.get(&from).copied();
        };
        let leg = *self.ufrags.get(ufrag)?;
        let slot = self.legs.get_mut(&leg)?;
        if self.addresses.get(&from) == Some(&leg) {
            return Some(leg);
        }
        if !slot.leg.accepts_check(now, from, to, packet) {
            return None;
        }
        if slot.leg.addresses.len() == MAX_ADDRESSES
            && let Some(oldest) = slot.leg.addresses.pop_front()
            && self.addresses.get(&oldest) == Some(&leg)
        {
            self.addresses.remove(&oldest);
        }
        slot.leg.addresses.push_back(from);
        self.addresses.insert(from, leg);
        Some(leg)
    }

    /// The candidate at which a packet from `from` must have come in.
    fn local_for(&self, from: SocketAddr) -> Option<SocketAddr> {
        self.candidates.iter().find(|candidate| candidate.is_ipv4() == from.is_ipv4()).copied()
    }

    /// Passes on what the leg put out, and sets its timer.
    fn settle(&mut self, leg: LegId) {
        self.settle_after(leg, Instant::ZERO);
    }

    fn settle_after(&mut self, leg: LegId, now: Instant) {
        for output in self.scratch.drain(..) {
            self.output.push_back(match output {
                LegOutput::Transmit(transmit) => Output::Transmit(transmit),
                LegOutput::Rtp(packet) => Output::Rtp { leg, packet },
                LegOutput::Connected => Output::Connected { leg },
                LegOutput::Report(report) => Output::Report { leg, report },
                LegOutput::Lost => Output::Lost { leg },
            });
        }
        let Some(slot) = self.legs.get_mut(&leg) else {
            return;
        };
        // A timer that comes too early only looks and is set again: that is cheaper than moving it with every packet. One that
        // str0m wants at once after it was just served is put off, so that no bug there can keep the thread busy.
        let Some(deadline) =
            slot.leg.poll_timeout().map(|at| at.max(now + std::time::Duration::from_millis(1)))
        else {
            return;
        };
        if slot.armed.is_none_or(|armed| deadline < armed) {
            if let Some(armed) = slot.armed {
                self.timers.remove(&(armed, leg));
            }
            self.timers.insert((deadline, leg));
            slot.armed = Some(deadline);
        }
    }
}

/// Our half of the USERNAME of a STUN binding request (RFC 8445 §7.2.2: `ours:theirs`), nothing else looked at.
fn check_ufrag(packet: &[u8]) -> Option<&str> {
    const BINDING_REQUEST: [u8; 2] = [0, 1];
    const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const USERNAME: u16 = 6;

    if packet.get(..2)? != BINDING_REQUEST || packet.get(4..8)? != MAGIC {
        return None;
    }
    let mut rest = packet.get(20..)?;
    while let [kind0, kind1, length0, length1, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*length0, *length1]));
        if u16::from_be_bytes([*kind0, *kind1]) == USERNAME {
            let name = std::str::from_utf8(after.get(..length)?).ok()?;
            return name.split_once(':').map(|(ours, _)| ours);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut packet = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
        packet.extend([0; 12]);
        packet.extend(attributes);
        packet
    }

    #[test]
    fn the_name_in_a_check_is_found_behind_other_attributes() {
        let packet = request(b"\x80\x22\0\x03abc\0\0\x06\0\x07own:the\0");
        assert_eq!(check_ufrag(&packet), Some("own"));
    }

    #[test]
    fn no_cut_of_a_check_is_read_past_its_end() {
        let packet = request(b"\0\x06\0\x07own:the\0");
        for end in 0..packet.len() - 1 {
            assert_eq!(check_ufrag(&packet[..end]), None);
        }
    }
}
