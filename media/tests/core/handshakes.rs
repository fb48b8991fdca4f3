//! Legs whose keys come by DTLS: phones with another library shake hands with ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dimpl::certificate::generate_self_signed_certificate;
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use media::api::{Channel, Command, Encryption, Event, LegKind};
use media::codec::Codec;
use media::sdp::Fingerprint;
use media::srtp::{Key, PeerKey, Srtp, Suite};

use crate::world::{Phone, SESSION, World, chance, leg};

const SECURE: &str = "UDP/TLS/RTP/SAVP";

fn kind(encryption: Encryption) -> LegKind {
    LegKind::Rtp { nat: false, encryption }
}

/// The DTLS of a phone.
struct Peer {
    phone: usize,
    certificate: DtlsCertificate,
    dtls: Dtls,
    active: bool,
    /// So many of a hundred datagrams are lost either way.
    loss: u64,
    count: u64,
    octets_sent: usize,
    keyed: bool,
}

/// Which version a phone begins with.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Version {
    Old,
    /// It would take the new one, too.
    Either,
}

impl Peer {
    fn new(world: &World, phone: usize, active: bool, version: Version) -> Peer {
        let certificate = generate_self_signed_certificate().unwrap();
        let dtls = begin(world, &certificate, active, version);
        Peer { phone, certificate, dtls, active, loss: 0, count: 0, octets_sent: 0, keyed: false }
    }

    fn lines(&self) -> String {
        Fingerprint::of(&self.certificate.certificate).line()
            + if self.active { "a=setup:active\r\n" } else { "a=setup:passive\r\n" }
    }

    fn is_lost(&mut self) -> bool {
        self.count += 1;
        chance(self.count + 1000 * self.phone as u64) % 100 < self.loss
    }

    /// Reads what came and sends what is to be sent.
    fn step(&mut self, world: &mut World) {
        let now = clock(world);
        self.dtls.handle_timeout(now).unwrap();
        self.drain(world);
        for packet in std::mem::take(&mut world.phones[self.phone].got_dtls) {
            if !self.is_lost() {
                self.dtls.handle_packet(&packet).unwrap();
                self.drain(world);
            }
        }
    }

    fn drain(&mut self, world: &mut World) {
        let mut buffer = [0; 2048];
        let mut packets = Vec::new();
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => packets.push(packet.to_vec()),
                Output::KeyingMaterial(material, profile) => {
                    let (own, peer) = keys(&material, profile, self.active);
                    world.phones[self.phone].srtp = Some(Srtp::new(&own, &peer));
                    self.keyed = true;
                }
                Output::Timeout(_) => break,
                _ => {}
            }
        }
        let (socket, from) = (world.phones[self.phone].ports.rtp, world.phones[self.phone].address);
        for packet in packets {
            self.octets_sent += packet.len();
            if !self.is_lost() {
                world.deliver(socket, from, packet);
            }
        }
    }
}

fn begin(world: &World, certificate: &DtlsCertificate, active: bool, version: Version) -> Dtls {
    // When it repeats itself is the same in every run.
    let config = Arc::new(Config::builder().dangerously_set_rng_seed(7).build().unwrap());
    let mut dtls = match version {
        Version::Old => Dtls::new_12(config, certificate.clone(), clock(world)),
        Version::Either => Dtls::new_auto(config, certificate.clone(), clock(world)),
    };
    dtls.set_active(active);
    dtls
}

fn clock(world: &World) -> std::time::Instant {
    world.base + Duration::from_micros(world.now().instant.as_micros())
}

/// RFC 5764 §4.2.
fn keys(material: &[u8], profile: SrtpProfile, active: bool) -> (Key, PeerKey) {
    let (suite, key, salt) = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => (Suite::AesCm80, 16, 14),
        SrtpProfile::AEAD_AES_128_GCM => (Suite::AeadAes128Gcm, 16, 12),
        SrtpProfile::AEAD_AES_256_GCM => (Suite::AeadAes256Gcm, 32, 12),
        other => panic!("{other:?}"),
    };
    let side = |server: usize| {
        let salts = &material[2 * key..];
        let octets = [&material[server * key..][..key], &salts[server * salt..][..salt]].concat();
        Key::new(suite, &octets).unwrap()
    };
    let (own, peer) = if active { (side(0), side(1)) } else { (side(1), side(0)) };
    (own, PeerKey { key: peer, lifetime: 1 << 40 })
}

fn run(world: &mut World, peers: &mut [Peer], millis: u64) {
    for _ in 0..millis {
        world.run(1);
        peers.iter_mut().for_each(|peer| peer.step(world));
    }
}

/// A phone that calls with such an offer, and another in the clear that it talks to.
fn call(active: bool, version: Version, encryption: Encryption, nat: bool) -> (World, Peer) {
    let mut world = World::new();
    let peer = Peer::new(&world, 0, active, version);
    world.phone_that(1000.0, LegKind::Rtp { nat, encryption }, (SECURE, peer.lines()));
    world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    (world, peer)
}

fn answer(world: &World, phone: usize) -> String {
    let sdp = world.events.iter().rev().find_map(|event| match event {
        Event::LocalSdp { leg: of, sdp, .. } if *of == leg(phone) => Some(sdp),
        _ => None,
    });
    String::from_utf8(sdp.unwrap().to_vec()).unwrap()
}

fn failure(world: &World) -> Option<String> {
    world.events.iter().find_map(|event| match event {
        Event::HandshakeFailed { why, .. } => Some(why.clone()),
        _ => None,
    })
}

fn hear_each_other(world: &World, what: &str) {
    assert!(world.phones[1].hears(1000.0) > -1.0, "{what}: {}", world.phones[1].hears(1000.0));
    assert!(world.phones[0].hears(600.0) > -1.0, "{what}: {}", world.phones[0].hears(600.0));
}

#[test]
fn whoever_begins_and_with_whatever_version_both_hear_each_other() {
    for active in [true, false] {
        for version in [Version::Old, Version::Either] {
            for encryption in [Encryption::Accepted, Encryption::Required, Encryption::RequiredDtls] {
                let (mut world, peer) = call(active, version, encryption, false);
                let said = answer(&world, 0);
                assert!(
                    said.contains(" UDP/TLS/RTP/SAVP 0 ") && said.contains("a=fingerprint:sha-256 "),
                    "{said}"
                );
                assert!(said.contains(if active { "a=setup:passive" } else { "a=setup:active" }), "{said}");
                assert!(!said.contains("a=crypto"), "{said}");
                let mut peers = [peer];
                run(&mut world, &mut peers, 1500);
                assert!(peers[0].keyed && failure(&world).is_none(), "{active} {version:?}");
                hear_each_other(&world, &format!("{active} {version:?}"));
                world.phones[1].assert_one_stream(25);
                world.command(Command::Close { leg: leg(0) });
                assert!(!world.phones[0].got_dtls.is_empty(), "the association is closed");
            }
        }
    }
}

#[test]
fn what_comes_before_the_keys_is_never_heard_and_counted() {
    let (mut world, peer) = call(true, Version::Old, Encryption::RequiredDtls, false);
    // The phone speaks in the clear, and nobody shakes hands.
    world.run(1000);
    assert!(world.phones[1].got.is_empty() && world.phones[0].got.is_empty());
    let mut peers = [peer];
    run(&mut world, &mut peers, 1500);
    hear_each_other(&world, "after all");
    world.command(Command::Close { leg: leg(0) });
    let Some(Event::Closed { statistics, .. }) = world.events.last() else { panic!("closed") };
    assert!((49..60).contains(&statistics.packets_unkeyed), "{statistics:?}");
}

#[test]
fn another_certificate_than_the_described_one_is_refused_and_told() {
    for active in [true, false] {
        let (mut world, peer) = call(active, Version::Old, Encryption::RequiredDtls, false);
        let mut other = Peer::new(&world, 0, active, Version::Old);
        other.phone = peer.phone;
        let mut peers = [other];
        for _ in 0..300 {
            world.run(1);
            peers[0].step(&mut world);
            if failure(&world).is_some() {
                break;
            }
        }
        assert!(failure(&world).is_some_and(|why| why.contains("certificate")), "{:?}", world.events);
        world.phones[0].srtp = None;
        world.run(500);
        assert!(world.phones[1].got.is_empty() && world.phones[0].got.is_empty(), "nobody hears anybody");
    }
}

#[test]
fn a_fifth_of_the_datagrams_lost_delays_the_handshake_and_no_more() {
    for active in [true, false] {
        for seed in 0..10 {
            let (mut world, mut peer) = call(active, Version::Old, Encryption::Accepted, false);
            (peer.loss, peer.count) = (20, 100 * seed);
            let mut peers = [peer];
            let mut waited = 0;
            while !peers[0].keyed && waited < 29_000 {
                run(&mut world, &mut peers, 100);
                waited += 100;
            }
            // Our side may still wait for the peer's last word.
            run(&mut world, &mut peers, 6000);
            assert!(peers[0].keyed && failure(&world).is_none(), "{active} {seed}: {:?}", failure(&world));
            hear_each_other(&world, &format!("{active} {seed}"));
        }
    }
}

#[test]
fn nobody_who_shakes_hands_is_told_after_half_a_minute_and_asked_only_now_and_then() {
    for active in [true, false] {
        let (mut world, _) = call(active, Version::Old, Encryption::Accepted, false);
        world.run(29_000);
        assert_eq!(failure(&world), None);
        world.run(2000);
        assert!(failure(&world).is_some_and(|why| why.contains("no answer")), "{:?}", failure(&world));
        let sent = world.phones[0].got_dtls.len();
        assert_eq!(sent > 0, !active, "who waits says nothing");
        assert!(sent < 40, "{sent}");
        world.run(40_000);
        assert_eq!(world.phones[0].got_dtls.len(), sent, "it is over");
        assert_eq!(
            world.events.iter().filter(|event| matches!(event, Event::HandshakeFailed { .. })).count(),
            1
        );
    }
}

#[test]
fn an_exchange_that_changes_nothing_keeps_the_keys_and_a_new_certificate_brings_new_ones() {
    let (mut world, peer) = call(true, Version::Old, Encryption::Required, false);
    let mut peers = [peer];
    run(&mut world, &mut peers, 1500);
    for way in ["sendonly", "sendrecv"] {
        let sdp = world.description(0, way);
        world.command(Command::Offer { leg: leg(0), sdp });
        run(&mut world, &mut peers, 100);
    }
    assert!(world.phones[0].got_dtls.is_empty());
    run(&mut world, &mut peers, 1500);
    hear_each_other(&world, "after hold");
    // Another phone behind the same address goes on with the call; this time it waits.
    let mut next = Peer::new(&world, 0, false, Version::Either);
    world.phones[0].secured = Some((SECURE, next.lines()));
    let sdp = world.description(0, "sendrecv");
    world.command(Command::Offer { leg: leg(0), sdp });
    assert!(answer(&world, 0).contains("a=setup:active"));
    // Until it has shaken hands the old keys are good.
    let heard = world.phones[1].got.len();
    world.run(15);
    assert!(world.phones[1].got.len() > heard);
    next.step(&mut world);
    let mut peers = [next];
    run(&mut world, &mut peers, 1500);
    assert!(peers[0].keyed);
    hear_each_other(&world, "with new keys");
    world.phones[1].assert_one_stream(45);
}

#[test]
fn who_calls_with_actpass_is_called_back_unless_he_is_behind_nat() {
    for nat in [false, true] {
        let mut world = World::new();
        let peer = Peer::new(&world, 0, nat, Version::Old);
        let lines = peer
            .lines()
            .replace("a=setup:active", "a=setup:actpass")
            .replace("a=setup:passive", "a=setup:actpass");
        world.phone_that(1000.0, LegKind::Rtp { nat, encryption: Encryption::Accepted }, (SECURE, lines));
        world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
        world.connect(0, 1);
        let said = answer(&world, 0);
        assert!(said.contains(if nat { "a=setup:passive" } else { "a=setup:active" }), "{said}");
        let mut peers = [peer];
        run(&mut world, &mut peers, 1500);
        hear_each_other(&world, &format!("behind NAT: {nat}"));
        // RFC 8842: who began the first time is asked for by nobody anew.
        let sdp = world.description(0, "sendrecv");
        world.command(Command::Offer { leg: leg(0), sdp });
        assert!(answer(&world, 0).contains(if nat { "a=setup:passive" } else { "a=setup:active" }));
        assert!(world.phones[0].got_dtls.is_empty());
    }
}

#[test]
fn strangers_neither_get_keys_nor_keep_a_peer_behind_nat_from_them_nor_are_sent_more_than_they_send() {
    let (mut world, peer) = call(true, Version::Old, Encryption::Accepted, true);
    let socket = world.phones[0].ports.rtp;
    // Somebody who knows the port and is first. He has a certificate, but not the described one.
    let stranger: SocketAddr = "203.0.113.9:999".parse().unwrap();
    let index = world.phones.len();
    world.phones.push(Phone::new(Codec::Pcmu, 20, stranger, world.phones[0].ports));
    let mut other = Peer::new(&world, index, true, Version::Old);
    other.dtls.handle_timeout(clock(&world)).unwrap();
    other.drain(&mut world);
    let answered: usize = world.phones[index].got_dtls.iter().map(Vec::len).sum();
    assert!(answered > 0 && answered < other.octets_sent, "{answered} octets to nobody knows whom");
    // Garbage that looks like it.
    for nth in 0..2000_u32 {
        let mut packet = vec![22, 254, 253, 0, 0, 0, 0];
        packet.extend(nth.to_be_bytes());
        packet.extend([0, 13, 1, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 1, 7]);
        world.deliver(socket, stranger, packet);
    }
    let flooded: usize = world.phones[index].got_dtls.iter().map(Vec::len).sum();
    assert!(flooded < 200 * 60, "{flooded}");
    // The peer itself calls from another port than it described.
    world.phones[0].address.set_port(4444);
    let mut peers = [peer];
    run(&mut world, &mut peers, 1500);
    assert!(peers[0].keyed && failure(&world).is_none());
    assert!(world.phones[1].hears(1000.0) > -1.0 && world.phones[0].hears(600.0) > -1.0);
    assert!(!other.keyed);
    assert_eq!(world.phones[index].got.len(), 0);
}

#[test]
fn a_phone_that_begins_before_its_answer_is_here_does_not_wait_for_a_repetition() {
    let mut world = World::new();
    let ports = world.ports();
    let (customer, session, channel) = (leg(0), SESSION, Channel::Customer);
    let kind = kind(Encryption::Offered);
    world.command_with(
        Command::Open { leg: customer, session, channel, kind, offer: None, codecs: vec![Codec::Pcmu] },
        Some(ports),
    );
    let offer = answer(&world, 0);
    assert!(
        offer.contains(" RTP/AVP ") && offer.contains("a=crypto:") && offer.contains("a=setup:actpass"),
        "{offer}"
    );
    let mut peer = Peer::new(&world, 0, true, Version::Old);
    world.phones.push(Phone::new(Codec::Pcmu, 20, "192.0.2.1:4000".parse().unwrap(), ports));
    world.phones[0].hertz = Some(1000.0);
    world.phones[0].secured = Some(("RTP/AVP", peer.lines()));
    peer.step(&mut world);
    assert!(world.phones[0].got_dtls.is_empty());
    world.run(200);
    let sdp = world.description(0, "sendrecv");
    world.command(Command::Answer { leg: leg(0), sdp });
    let mut peers = [peer];
    run(&mut world, &mut peers, 100);
    assert!(peers[0].keyed, "within a tenth of a second");
    world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    run(&mut world, &mut peers, 1200);
    hear_each_other(&world, "called");
}

#[test]
fn our_offers_and_what_may_answer_them() {
    let offer = |encryption| {
        let mut world = World::new();
        let ports = world.ports();
        let kind = kind(encryption);
        let (leg, session, channel) = (leg(9), SESSION, Channel::Customer);
        world.command_with(
            Command::Open { leg, session, channel, kind, offer: None, codecs: Vec::new() },
            Some(ports),
        );
        let text = answer(&world, 9);
        (world, text)
    };
    let reply = |world: &mut World, protocol: &str, lines: &str| {
        let sdp = format!(
            "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}\
             m=audio 4000 {protocol} 0\r\n"
        );
        world.command(Command::Answer { leg: leg(9), sdp: sdp.into_bytes().into() });
        match world.events.last() {
            Some(Event::Accepted { .. }) => "accepted".to_owned(),
            Some(Event::Incompatible { why, .. }) => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    for clear in [Encryption::Refused, Encryption::Accepted, Encryption::Required] {
        assert!(!offer(clear).1.contains("a=fingerprint"));
    }
    let (mut world, text) = offer(Encryption::RequiredDtls);
    assert!(text.contains(" UDP/TLS/RTP/SAVP ") && !text.contains("a=crypto"), "{text}");
    let line = Fingerprint::of(b"somebody's").line();
    assert!(reply(&mut world, "RTP/AVP", &line).contains("not UDP/TLS/RTP/SAVP"));
    assert!(reply(&mut world, SECURE, "").contains("fingerprint"));
    let weak = "a=fingerprint:sha-1 01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14\r\n";
    assert!(reply(&mut world, SECURE, weak).contains("fingerprint"), "SHA-1 is forged");
    assert!(reply(&mut world, SECURE, &(line.clone() + "a=setup:actpass\r\n")).contains("who begins"));
    // One line for the whole session is as good as one of the section.
    assert_eq!(reply(&mut world, SECURE, &(line.clone() + "a=setup:passive\r\n")), "accepted");
    let (mut world, _) = offer(Encryption::Offered);
    assert_eq!(reply(&mut world, "RTP/AVP", ""), "accepted");
    assert_eq!(reply(&mut world, "RTP/AVP", &(line + "a=setup:active\r\n")), "accepted");
}
