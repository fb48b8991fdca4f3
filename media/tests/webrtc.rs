//! The port for browsers against str0m itself in the browser's place: in one process, at virtual time.
//!
//! It stands outside `src` because str0m's clock needs some `std::time::Instant` to count from, which only a real clock makes.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use media::api::Direction;
use media::webrtc::{Encoding, LOST_AFTER, Output, RtpIn, RtpOut, WebRtcError, WebRtcPort};
use model::{Instant, LegId};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction as Browser, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Rtc, RtcConfig};

const SERVER: &str = "127.0.0.1:40000";
const BOTH: Direction = Direction { sends: true, receives: true };

fn leg(number: u8) -> LegId {
    LegId(uuid::Uuid::from_bytes([number; 16]))
}

/// A browser: a full ICE agent with its own codecs and packets.
struct Peer {
    rtc: Rtc,
    address: SocketAddr,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    wake: std::time::Instant,
    heard: Vec<(u8, Vec<u8>)>,
    connected: bool,
    sequence: u64,
}

/// One port, its browsers, and the wire between them.
struct World {
    base: std::time::Instant,
    now: Instant,
    port: WebRtcPort,
    peers: Vec<Peer>,
    wire: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    received: Vec<(LegId, RtpIn)>,
    connected: Vec<LegId>,
    lost: Vec<LegId>,
}

impl World {
    fn new(peers: usize) -> Self {
        let base = std::time::Instant::now();
        let now = Instant::from_micros(1_000_000);
        let server: SocketAddr = SERVER.parse().unwrap();
        let peers = (0..peers).map(|index| Peer::new(base, now, 50_000 + index as u16)).collect();
        Self {
            base,
            now,
            port: WebRtcPort::new(base, vec![server]),
            peers,
            wire: VecDeque::new(),
            received: Vec::new(),
            connected: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn std(&self) -> std::time::Instant {
        self.base + Duration::from_micros(self.now.as_micros())
    }

    /// Runs the world until `until` holds; fails after `limit` of virtual time.
    fn run(&mut self, limit: Duration, mut until: impl FnMut(&World) -> bool) {
        let end = self.now + limit;
        self.settle();
        while !until(self) {
            assert!(self.now < end, "it did not happen within {limit:?}");
            self.step(Duration::from_millis(5));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run(time + Duration::from_secs(1), |world| world.now >= end);
    }

    fn step(&mut self, by: Duration) {
        self.now += by;
        let now = self.std();
        if self.port.poll_timeout().is_some_and(|at| at <= self.now) {
            self.port.handle_timeout(self.now);
        }
        for peer in &mut self.peers {
            if peer.wake <= now {
                peer.rtc.handle_input(Input::Timeout(now)).unwrap();
            }
        }
        self.settle();
    }

    /// Delivers packets until none is on its way.
    fn settle(&mut self) {
        let server: SocketAddr = SERVER.parse().unwrap();
        let now = self.std();
        loop {
            for peer in &mut self.peers {
                peer.drain(server, &mut self.wire);
            }
            while let Some(output) = self.port.poll_output() {
                match output {
                    Output::Transmit(transmit) => self.wire.push_back((server, transmit.to, transmit.bytes)),
                    Output::Rtp { leg, packet } => self.received.push((leg, packet)),
                    Output::Connected { leg } => self.connected.push(leg),
                    Output::Report { .. } => {}
                    Output::Lost { leg } => self.lost.push(leg),
                }
            }
            let Some((from, to, bytes)) = self.wire.pop_front() else {
                return;
            };
            if to == server {
                self.port.handle_packet(self.now, from, &bytes);
            } else if let Some(peer) = self.peers.iter_mut().find(|peer| peer.address == to)
                && let Ok(receive) = Receive::new(Protocol::Udp, from, to, &bytes)
            {
                peer.rtc.handle_input(Input::Receive(now, receive)).unwrap();
            }
        }
    }

    fn call_from_browser(&mut self, peer: usize, leg: LegId) -> String {
        let offer = self.peers[peer].offer(Browser::SendRecv);
        let (answer, negotiated) = self.port.accept_offer(self.now, leg, offer.as_bytes()).unwrap();
        assert_eq!(negotiated.direction, BOTH);
        assert_eq!(negotiated.formats[0].encoding, Encoding::Opus);
        let answer = String::from_utf8(answer).unwrap();
        self.peers[peer].take_answer(&answer);
        answer
    }

    fn connect(&mut self, peer: usize, leg: LegId) {
        self.call_from_browser(peer, leg);
        self.run(Duration::from_secs(5), |world| {
            world.connected.contains(&leg) && world.peers[peer].connected
        });
    }

    /// A packet each way, and what came out at the far ends.
    fn talk(&mut self, peer: usize, leg: LegId, sequence: u16) -> (bool, bool) {
        self.received.clear();
        self.peers.iter_mut().for_each(|peer| peer.heard.clear());
        let payload = vec![0x5a; 80];
        let packet =
            RtpOut { payload_type: 111, sequence, timestamp: 960, marker: sequence == 0, payload: &payload };
        self.port.write_rtp(self.now, leg, &packet);
        let now = self.std();
        self.peers[peer].send(now, 111, &payload);
        self.pass(Duration::from_millis(40));
        let there = self.peers[peer].heard.contains(&(111, payload.clone()));
        let here = self.received.iter().any(|(from, packet)| *from == leg && *packet.payload == *payload);
        (here, there)
    }
}

impl Peer {
    fn new(base: std::time::Instant, now: Instant, port: u16) -> Self {
        let start = base + Duration::from_micros(now.as_micros());
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        config = config.enable_pcmu(true, false).enable_pcma(true, false);
        let mut rtc = config.build(start);
        let address = SocketAddr::from(([192, 0, 2, 7], port));
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap());
        Self {
            rtc,
            address,
            mid: None,
            pending: None,
            wake: start,
            heard: Vec::new(),
            connected: false,
            sequence: 65_530,
        }
    }

    fn offer(&mut self, direction: Browser) -> String {
        let mut changes = self.rtc.sdp_api();
        match self.mid {
            None => self.mid = Some(changes.add_media(MediaKind::Audio, direction, None, None, None)),
            Some(mid) => changes.set_direction(mid, direction),
        }
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    fn restart_ice(&mut self) -> String {
        let mut changes = self.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    fn take_answer(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    fn answer(&mut self, offer: &str) -> String {
        let answer = self.rtc.sdp_api().accept_offer(SdpOffer::from_sdp_string(offer).unwrap()).unwrap();
        answer.to_sdp_string()
    }

    fn send(&mut self, now: std::time::Instant, payload_type: u8, payload: &[u8]) {
        self.sequence += 1;
        let mid = self.mid.unwrap();
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        let time = (self.sequence * 960) as u32;
        stream.write_rtp(RtpWrite::new(payload_type.into(), self.sequence.into(), time, now, payload));
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
    }

    fn drain(&mut self, server: SocketAddr, wire: &mut VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>) {
        loop {
            match self.rtc.poll_output().unwrap() {
                str0m::Output::Timeout(at) => {
                    self.wake = at;
                    return;
                }
                str0m::Output::Transmit(transmit) => {
                    assert_eq!(transmit.destination, server);
                    wire.push_back((transmit.source, transmit.destination, transmit.contents.into()));
                }
                str0m::Output::Event(Event::Connected) => self.connected = true,
                str0m::Output::Event(Event::MediaAdded(added)) => self.mid = Some(added.mid),
                str0m::Output::Event(Event::RtpPacket(packet)) => {
                    self.heard.push((*packet.header.payload_type, packet.payload.to_vec()));
                }
                str0m::Output::Event(_) => {}
            }
        }
    }
}

#[test]
fn a_call_from_the_browser_carries_opus_both_ways() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    for sequence in [0, 1, 2] {
        assert_eq!(world.talk(0, leg(1), sequence), (true, true));
    }
    // The browser started at 65531: eight packets later its numbers have wrapped.
    for sequence in 3..9 {
        assert_eq!(world.talk(0, leg(1), sequence), (true, true));
    }
}

#[test]
fn a_call_to_the_browser_carries_opus_both_ways_across_a_wrap_of_ours() {
    let mut world = World::new(1);
    let offer = String::from_utf8(world.port.make_offer(world.now, leg(1)).unwrap()).unwrap();
    for line in
        ["a=ice-lite", "a=setup:actpass", "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 110 126", "a=rtcp-mux"]
    {
        assert!(offer.contains(line), "no {line} in\n{offer}");
    }
    assert!(offer.contains("127.0.0.1 40000 typ host"));
    let answer = world.peers[0].answer(&offer);
    let negotiated = world.port.accept_answer(world.now, leg(1), answer.as_bytes()).unwrap();
    assert_eq!(negotiated.direction, BOTH);
    assert_eq!(negotiated.formats[0].payload_type, 111);
    world.run(Duration::from_secs(5), |world| world.connected == [leg(1)] && world.peers[0].connected);
    for sequence in [65_534, 65_535, 0, 1] {
        assert_eq!(world.talk(0, leg(1), sequence), (true, true));
    }
}

#[test]
fn hold_and_resume_keep_the_audio_right() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    assert_eq!(world.talk(0, leg(1), 0), (true, true));
    for (held, peer_sends, peer_receives, answer_line) in [
        (Browser::SendOnly, true, false, "a=recvonly"),
        (Browser::SendRecv, true, true, "a=sendrecv"),
        (Browser::Inactive, false, false, "a=inactive"),
        (Browser::RecvOnly, false, true, "a=sendonly"),
        (Browser::SendRecv, true, true, "a=sendrecv"),
    ] {
        let offer = world.peers[0].offer(held);
        let (answer, negotiated) = world.port.accept_offer(world.now, leg(1), offer.as_bytes()).unwrap();
        assert_eq!(negotiated.direction, Direction { sends: peer_sends, receives: peer_receives });
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains(answer_line), "{held:?} was answered by\n{answer}");
        world.peers[0].take_answer(&answer);
        world.pass(Duration::from_millis(100));
    }
    assert_eq!(world.talk(0, leg(1), 1), (true, true));
}

#[test]
fn a_leg_that_we_offered_wakes_up_from_inactive_in_any_direction() {
    let mut world = World::new(1);
    let offer = String::from_utf8(world.port.make_offer(world.now, leg(1)).unwrap()).unwrap();
    let answer = world.peers[0].answer(&offer);
    world.port.accept_answer(world.now, leg(1), answer.as_bytes()).unwrap();
    world.run(Duration::from_secs(5), |world| world.connected == [leg(1)]);
    for (direction, line) in [
        (Browser::Inactive, "a=inactive"),
        (Browser::RecvOnly, "a=sendonly"),
        (Browser::SendRecv, "a=sendrecv"),
    ] {
        let offer = world.peers[0].offer(direction);
        let answer =
            String::from_utf8(world.port.accept_offer(world.now, leg(1), offer.as_bytes()).unwrap().0)
                .unwrap();
        assert!(answer.contains(line), "{direction:?} was answered by\n{answer}");
        world.peers[0].take_answer(&answer);
    }
    assert_eq!(world.talk(0, leg(1), 0), (true, true));
}

#[test]
fn an_ice_restart_keeps_the_call() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    assert_eq!(world.talk(0, leg(1), 0), (true, true));
    let offer = world.peers[0].restart_ice();
    let (answer, _) = world.port.accept_offer(world.now, leg(1), offer.as_bytes()).unwrap();
    world.peers[0].take_answer(std::str::from_utf8(&answer).unwrap());
    world.pass(Duration::from_secs(12));
    assert_eq!(world.talk(0, leg(1), 1), (true, true));
    assert!(world.lost.is_empty());
}

#[test]
fn many_browsers_share_the_port_without_hearing_each_other() {
    let mut world = World::new(3);
    for peer in 0..3 {
        world.connect(peer, leg(peer as u8));
    }
    for peer in 0..3 {
        assert_eq!(world.talk(peer, leg(peer as u8), 0), (true, true));
        assert!(world.received.iter().all(|(from, _)| *from == leg(peer as u8)));
        for other in (0..3).filter(|other| *other != peer) {
            assert_eq!(world.peers[other].heard, []);
        }
    }
    world.port.close(world.now, leg(1));
    assert_eq!(world.port.len(), 2);
    assert_eq!(world.talk(2, leg(2), 1), (true, true));
}

#[test]
fn a_page_that_reuses_the_address_of_an_earlier_one_gets_its_own_leg() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    let (base, now) = (world.base, world.now);
    world.peers[0] = Peer::new(base, now, 50_000);
    world.connect(0, leg(2));
    assert_eq!(world.talk(0, leg(2), 0), (true, true));
}

#[test]
fn a_browser_that_falls_silent_is_lost_once() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    world.peers.clear();
    world.pass(LOST_AFTER * 3);
    assert_eq!(world.lost, [leg(1)]);
}

#[test]
fn a_browser_that_never_connects_is_lost() {
    let mut world = World::new(1);
    world.call_from_browser(0, leg(1));
    world.peers.clear();
    world.pass(Duration::from_secs(40));
    assert_eq!(world.lost, [leg(1)]);
    assert!(world.connected.is_empty());
}

#[test]
fn a_browser_that_closes_its_transport_is_lost_at_once() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    world.peers[0].rtc.close().unwrap();
    world.run(Duration::from_secs(1), |world| world.lost == [leg(1)]);
}

#[test]
fn descriptions_that_do_not_fit_are_refused_and_the_call_goes_on() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    assert!(matches!(world.port.accept_offer(world.now, leg(1), b"v=0\r\n"), Err(WebRtcError::Sdp(_))));
    let mut renamed = world.peers[0].restart_ice();
    let mid = world.peers[0].mid.unwrap().to_string();
    renamed = renamed.replace(&format!("a=mid:{mid}"), "a=mid:other");
    assert!(matches!(
        world.port.accept_offer(world.now, leg(1), renamed.as_bytes()),
        Err(WebRtcError::Negotiation(_))
    ));
    assert_eq!(
        world.port.accept_answer(world.now, leg(9), b"").unwrap_err(),
        WebRtcError::UnknownLeg(leg(9))
    );
    assert_eq!(world.talk(0, leg(1), 0), (true, true));
}

#[test]
fn noise_on_the_port_hurts_nobody() {
    let mut world = World::new(1);
    world.connect(0, leg(1));
    let stranger: SocketAddr = "198.51.100.9:4444".parse().unwrap();
    let browser = world.peers[0].address;
    // A cheap generator is enough: the packets need variety, not quality.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    for round in 0..20_000_usize {
        let mut packet: Vec<u8> = (0..round % 200).map(|_| byte()).collect();
        // Half of them look like STUN, DTLS, RTP or RTCP at first sight.
        if let Some(first) = packet.first_mut() {
            match round % 8 {
                0 => *first = 0,
                1 => *first = 22,
                2 | 3 => *first = 0x80,
                _ => {}
            }
        }
        if round % 8 == 0 && packet.len() > 8 {
            packet[1] = 1;
            packet[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        }
        world.port.handle_packet(world.now, stranger, &packet);
        world.port.handle_packet(world.now, browser, &packet);
    }
    // An unprotected fatal alert and a close_notify (RFC 5246 §7.2) once the connection is protected.
    for alert in [[2, 40], [1, 0]] {
        let mut record = vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2];
        record.extend(alert);
        world.port.handle_packet(world.now, browser, &record);
    }
    world.settle();
    assert!(world.lost.is_empty());
    assert!(world.port.strays() > 0);
    assert_eq!(world.talk(0, leg(1), 0), (true, true));
}
