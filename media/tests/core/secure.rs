//! Encrypted legs: what is heard over them, and what is never heard.

use media::api::{Channel, Command, Direction, Encryption, Event, LegKind};
use media::codec::Codec;
use media::rtcp;
use media::sdp::Crypto;
use media::srtp::{Key, Srtp, Suite};

use crate::browsers;
use crate::world::{SESSION, World, key_in, leg};

#[test]
fn every_suite_is_bridged_with_the_clear_and_with_every_other_both_ways() {
    for suite in Suite::ALL {
        for other in [None, Some(Suite::AesCm80), Some(Suite::AeadAes256Gcm)] {
            let mut world = World::new();
            world.secure_phone(suite, Codec::Pcmu, Channel::Customer, 1000.0);
            match other {
                Some(other) => world.secure_phone(other, Codec::Pcma, Channel::Agent, 600.0),
                None => world.phone(Codec::Pcma, 20, Channel::Agent, 600.0),
            };
            world.connect(0, 1);
            world.run(1500);
            assert!(world.phones[1].hears(1000.0) > -1.0, "{suite:?} → {other:?}");
            assert!(world.phones[0].hears(600.0) > -1.0, "{suite:?} ← {other:?}");
            world.phones[0].assert_one_stream(25);
        }
    }
}

#[test]
fn an_encrypted_phone_and_a_browser_hear_each_other() {
    let mut world = World::new();
    world.secure_phone(Suite::AesCm80, Codec::Pcmu, Channel::Customer, 1000.0);
    browsers::call(&mut world, Channel::Agent, 600.0);
    world.connect(0, browsers::BROWSER);
    world.run(3000);
    assert!(world.phones[0].hears(600.0) > -3.0);
    assert!(world.browsers[0].hears(1000.0) > -3.0);
}

#[test]
fn the_count_of_rollovers_goes_on_past_65536_packets_both_ways() {
    for suite in Suite::ALL {
        let mut world = World::new();
        world.secure_phone(suite, Codec::Pcmu, Channel::Customer, 1000.0);
        world.secure_phone(suite, Codec::Pcmu, Channel::Agent, 600.0);
        world.connect(0, 1);
        world.phones.iter_mut().for_each(|phone| phone.hertz = None);
        world.run(20);
        // The sequence numbers wrap twice.
        for _ in 0..12 {
            for _ in 0..6000 {
                world.elapsed += 20;
                for index in [0, 1] {
                    let phone = &mut world.phones[index];
                    let packet = phone.next(0, false, &[0xff; 160]);
                    phone.timestamp = phone.timestamp.wrapping_add(160);
                    let packet = phone.sealed(packet);
                    let (socket, from) = (phone.ports.rtp, phone.address);
                    world.deliver(socket, from, packet);
                }
            }
            assert!(world.phones.iter().all(|phone| phone.got.len() == 6000), "{suite:?}");
            world.phones.iter_mut().for_each(|phone| phone.got.clear());
        }
        for (phone, hertz) in world.phones.iter_mut().zip([1000.0, 600.0]) {
            phone.hertz = Some(hertz);
        }
        world.run(1500);
        assert!(world.phones[1].hears(1000.0) > -1.0 && world.phones[0].hears(600.0) > -1.0, "{suite:?}");
    }
}

#[test]
fn forged_changed_repeated_and_clear_packets_are_never_heard() {
    for suite in Suite::ALL {
        let mut world = World::new();
        world.secure_phone(suite, Codec::Pcmu, Channel::Customer, 1000.0);
        world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
        world.connect(0, 1);
        world.run(200);
        world.phones[0].hertz = None;
        world.run(40);
        let phone = &mut world.phones[0];
        let (socket, from) = (phone.ports.rtp, phone.address);
        let clear = phone.next(0, false, &[0x55; 160]);
        let genuine = phone.sealed(clear.clone());
        let mut other = Srtp::new(
            &Key::new(suite, &vec![99; suite.key_octets()]).unwrap(),
            &key_in(Crypto::write(1, phone.key.as_ref().unwrap()).as_bytes()),
        );
        let forged = other.seal(&clear).unwrap().as_ref().to_vec();
        let heard = world.phones[1].got.len();
        world.deliver(socket, from, clear);
        world.deliver(socket, from, forged);
        for at in [0, 1, 3, 5, 9, 12, 60, genuine.len() - 1] {
            let mut changed = genuine.clone();
            changed[at] ^= 0x10;
            world.deliver(socket, from, changed);
        }
        for length in 0..genuine.len() {
            world.deliver(socket, from, genuine[..length].to_vec());
        }
        assert_eq!(world.phones[1].got.len(), heard, "{suite:?}");
        world.deliver(socket, from, genuine.clone());
        assert_eq!(world.phones[1].got.len(), heard + 1, "{suite:?}: the genuine one is");
        world.deliver(socket, from, genuine);
        assert_eq!(world.phones[1].got.len(), heard + 1, "{suite:?}: but once");
    }
}

#[test]
fn a_flood_of_strangers_neither_displaces_the_peer_nor_its_next_stream() {
    let mut world = World::new();
    world.secure_phone(Suite::AesCm80, Codec::Pcmu, Channel::Customer, 1000.0);
    world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    world.run(100);
    let (socket, from) = (world.phones[0].ports.rtp, world.phones[0].address);
    for ssrc in 0..1000_u32 {
        let mut packet = vec![0x80, 0, 1, 2, 0, 0, 0, 0];
        packet.extend(ssrc.to_be_bytes());
        packet.extend([9; 170]);
        world.deliver(socket, from, packet);
    }
    // The phone restarts its stream under the same key.
    world.phones[0].ssrc = 0xfeed;
    world.phones[0].sequence = 17;
    world.run(1500);
    assert!(world.phones[1].hears(1000.0) > -1.0);
    world.phones[1].assert_one_stream(45);
}

#[test]
fn keys_that_stay_keep_their_counts_and_new_ones_leave_no_gap() {
    let mut world = World::new();
    world.secure_phone(Suite::AesCm80, Codec::Pcmu, Channel::Customer, 1000.0);
    world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    // Over the rollover, which a count that began anew would not know.
    world.run(12_000);
    let reoffer = |world: &mut World, way: &str| {
        let sdp = world.description(0, way);
        world.command(Command::Offer { leg: leg(0), sdp });
        let Some(Event::LocalSdp { sdp, .. }) = world.events.last() else { panic!("no answer") };
        key_in(sdp)
    };
    let before = reoffer(&mut world, "sendonly");
    assert_eq!(reoffer(&mut world, "sendrecv"), before, "ours stays as long as the suite");
    world.run(1500);
    assert!(world.phones[1].hears(1000.0) > -1.0 && world.phones[0].hears(600.0) > -1.0);

    // New keys of the phone: it goes on with the old ones until it has our answer.
    let suite = Suite::AeadAes256Gcm;
    let key = Key::new(suite, &vec![77; suite.key_octets()]).unwrap();
    world.phones[0].key = Some(key.clone());
    let own = reoffer(&mut world, "sendrecv");
    assert_ne!(own.key, before.key);
    let phone = &mut world.phones[0];
    let packet = phone.next(0, false, &[0xff; 160]);
    let packet = phone.sealed(packet);
    let (socket, from, heard) = (phone.ports.rtp, phone.address, world.phones[1].got.len());
    world.deliver(socket, from, packet);
    assert_eq!(world.phones[1].got.len(), heard + 1);
    world.phones[0].srtp = Some(Srtp::new(&key, &own));
    world.run(1500);
    assert!(world.phones[1].hears(1000.0) > -1.0 && world.phones[0].hears(600.0) > -1.0);
}

#[test]
fn reports_are_sealed_both_ways_and_forged_ones_do_not_count() {
    let mut world = World::new();
    world.secure_phone(Suite::AesCm32, Codec::Pcmu, Channel::Customer, 1000.0);
    world.phone(Codec::Pcmu, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    world.run(10_000);
    let phone = &mut world.phones[0];
    assert!(!phone.got_rtcp.is_empty());
    let ours = phone.got.last().unwrap().header.ssrc;
    let (socket, from) = (phone.ports.rtcp.unwrap(), phone.address);
    let report = |lost: i32| {
        let mut buffer = [0; rtcp::MOST_OCTETS];
        let block = rtcp::Report { ssrc: ours, lost, ..Default::default() };
        let length = rtcp::write(&mut buffer, 0x1000, None, Some(block), "phone", false);
        buffer[..length].to_vec()
    };
    let sealed = phone.srtp.as_mut().unwrap().seal_rtcp(&report(5)).unwrap().as_ref().to_vec();
    world.deliver(socket, from, sealed.clone());
    // In the clear, as SRTCP whose index says that it is not encrypted, and changed on the way.
    world.deliver(socket, from, report(66));
    let mut unencrypted = report(66);
    unencrypted.extend([0, 0, 0, 9]);
    unencrypted.extend([0; 10]);
    world.deliver(socket, from, unencrypted);
    let mut changed = sealed;
    changed[20] ^= 1;
    world.deliver(socket, from, changed);
    world.command(Command::Close { leg: leg(0) });
    let Some(Event::Closed { statistics, .. }) = world.events.last() else { panic!("closed") };
    assert_eq!(statistics.peer_lost, 5);
}

#[test]
fn our_offers_say_what_the_rule_is_and_answers_must_fit() {
    let offer = |encryption| {
        let mut world = World::new();
        let ports = world.ports();
        let kind = LegKind::Rtp { nat: false, encryption };
        let (leg, session, channel) = (leg(9), SESSION, Channel::Customer);
        let open = Command::Open { leg, session, channel, kind, offer: None, codecs: Vec::new() };
        world.command_with(open, Some(ports));
        let Some(Event::LocalSdp { sdp, .. }) = world.events.last() else { panic!("an offer") };
        let text = String::from_utf8(sdp.to_vec()).unwrap();
        (world, text)
    };
    let answer = |world: &mut World, protocol: &str, lines: &str| {
        let sdp = format!(
            "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 4000 {protocol} 0\r\n{lines}"
        );
        world.command(Command::Answer { leg: leg(9), sdp: sdp.into_bytes().into() });
        match world.events.last() {
            Some(Event::Accepted { .. }) => "accepted".to_owned(),
            Some(Event::Incompatible { why, .. }) => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    for clear in [Encryption::Refused, Encryption::Accepted] {
        let (mut world, text) = offer(clear);
        assert!(text.contains(" RTP/AVP ") && !text.contains("a=crypto"), "{text}");
        assert_eq!(answer(&mut world, "RTP/AVP", ""), "accepted");
    }
    let line =
        |tag: u32, suite: Suite| Crypto::write(tag, &Key::new(suite, &vec![1; suite.key_octets()]).unwrap());
    let (mut world, text) = offer(Encryption::Offered);
    assert!(
        text.contains(" RTP/AVP ") && text.contains("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:"),
        "{text}"
    );
    assert_eq!(answer(&mut world, "RTP/AVP", ""), "accepted");
    assert_eq!(answer(&mut world, "RTP/AVP", &line(3, Suite::AesCm80)), "accepted");
    assert!(answer(&mut world, "RTP/AVP", &line(3, Suite::AeadAes128Gcm)).contains("none of ours"));
    assert!(answer(&mut world, "RTP/SAVP", &line(3, Suite::AesCm80)).contains("RTP/AVP"));
    let (mut world, text) = offer(Encryption::Required);
    assert!(text.contains(" RTP/SAVP ") && text.matches("a=crypto:").count() == 3, "{text}");
    let keys: std::collections::BTreeSet<_> = text.split("inline:").skip(1).map(|key| &key[..20]).collect();
    assert_eq!(keys.len(), 3, "no key is there twice");
    assert!(answer(&mut world, "RTP/AVP", "").contains("required"));
    assert!(answer(&mut world, "RTP/SAVP", "").contains("required"));
    let two = line(1, Suite::AeadAes256Gcm) + &line(3, Suite::AesCm80);
    assert!(answer(&mut world, "RTP/SAVP", &two).contains("several"));
    assert_eq!(answer(&mut world, "RTP/SAVP", &line(1, Suite::AeadAes256Gcm)), "accepted");
}

#[test]
fn offers_are_taken_by_the_rule_of_the_leg() {
    let open = |encryption, sections: &str| {
        let mut world = World::new();
        let ports = world.ports();
        let kind = LegKind::Rtp { nat: false, encryption };
        let offer =
            format!("v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{sections}");
        let offer = Some(offer.into_bytes().into());
        let (leg, session, channel) = (leg(9), SESSION, Channel::Customer);
        world.command_with(
            Command::Open { leg, session, channel, kind, offer, codecs: Vec::new() },
            Some(ports),
        );
        let told = world.events.iter().find_map(|event| match event {
            Event::LocalSdp { sdp, direction, .. } => {
                assert_eq!(*direction, Direction { sends: true, receives: true });
                Some(String::from_utf8(sdp.to_vec()).unwrap())
            }
            Event::Incompatible { why, .. } => Some(why.clone()),
            _ => None,
        });
        told.unwrap()
    };
    let key = |tag, suite: Suite| Crypto::write(tag, &Key::new(suite, &vec![1; suite.key_octets()]).unwrap());
    let clear = "m=audio 4000 RTP/AVP 0\r\n".to_owned();
    let secure = format!(
        "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n{}{}",
        key(4, Suite::AesCm32),
        key(5, Suite::AesCm80)
    );
    let either = clear.clone() + &key(2, Suite::AesCm80);
    let useless = "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n";

    assert!(open(Encryption::Refused, &secure).contains("we refuse it"));
    assert!(!open(Encryption::Refused, &either).contains("a=crypto"));
    for rule in [Encryption::Accepted, Encryption::Offered, Encryption::Required] {
        let answer = open(rule, &secure);
        assert!(answer.contains(" RTP/SAVP 0\r\n"), "{answer}");
        assert!(answer.contains("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:"), "{answer}");
        let answer = open(rule, &either);
        assert!(answer.contains(" RTP/AVP 0\r\n") && answer.contains("a=crypto:2 AES_CM_128"), "{answer}");
        let answer = open(rule, &(clear.clone() + &secure.replace("4000", "4002")));
        assert!(answer.contains("m=audio 0 RTP/AVP 0") && answer.contains("a=crypto:4"), "{answer}");
    }
    for rule in [Encryption::Accepted, Encryption::Offered] {
        assert!(open(rule, &clear).contains(" RTP/AVP 0"));
        assert!(open(rule, useless).contains("unknown crypto suite"));
    }
    assert!(open(Encryption::Required, &clear).contains("encryption is required"));
    assert!(open(Encryption::Required, useless).contains("encryption is required"));
}
