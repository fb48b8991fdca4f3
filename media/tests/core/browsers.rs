use std::path::PathBuf;
use std::time::Duration;

use media::api::{Channel, Command, Event, LegKind, Prompt};
use media::codec::Codec;
use media::dtmf::{self, Payload};
use str0m::media::Direction;

use crate::browser::{Browser, EVENTS};
use crate::speech::speech;
use crate::world::{PEAK, RECORDING, SESSION, World, leg};

pub const BROWSER: usize = 20;

/// A phone with a tone of 1000 Hz and a browser with one of 600 Hz, connected.
fn world(codec: Codec, packet: u64) -> World {
    let mut world = World::new();
    world.phone(codec, packet, Channel::Customer, 1000.0);
    call(&mut world, Channel::Agent, 600.0);
    world.connect(0, BROWSER);
    world
}

/// A browser calls.
pub fn call(world: &mut World, channel: Channel, hertz: f64) {
    let number = world.browsers.len();
    let mut browser = Browser::new(world.base, world.now().instant, 50_000 + number as u16, hertz);
    let offer = Some(browser.offer(Direction::SendRecv).into());
    world.browsers.push(browser);
    let (session, kind) = (SESSION, LegKind::WebRtc);
    world.command(Command::Open {
        leg: leg(BROWSER + number),
        session,
        channel,
        kind,
        offer,
        codecs: Vec::new(),
    });
    answer(world, number);
}

fn answer(world: &mut World, number: usize) {
    let Some(Event::LocalSdp { sdp, .. }) = world.events.last() else { panic!("{:?}", world.events.last()) };
    let sdp = sdp.clone();
    world.browsers[number].take_answer(&sdp);
}

fn until_connected(world: &mut World) {
    for _ in 0..3000 {
        if world.browsers.iter().all(|browser| browser.connected) {
            return;
        }
        world.run(1);
    }
    panic!("not connected within three seconds");
}

#[test]
fn browser_and_phone_hear_each_other_and_are_recorded() {
    for (codec, packet) in [(Codec::Pcmu, 20), (Codec::Pcma, 30)] {
        let mut world = world(codec, packet);
        until_connected(&mut world);
        let file = PathBuf::from("a.wav");
        world.command(Command::StartRecording { session: SESSION, recording: RECORDING, file, channels: 2 });
        world.run(3000);
        world.command(Command::StopRecording { session: SESSION });
        assert!(world.phones[0].hears(600.0).abs() < 1.5, "phone {}", world.phones[0].hears(600.0));
        assert!(world.phones[0].hears(1000.0) < -30.0);
        assert!(world.browsers[0].hears(1000.0).abs() < 1.5, "browser {}", world.browsers[0].hears(1000.0));
        assert!(world.browsers[0].hears(600.0) < -30.0);
        world.phones[0].assert_one_stream(61);
        let [left, right] = world.channels();
        let level = |samples: &[i16], hertz| {
            media::tone::decibels(media::tone::level(&samples[8000..16_000], 8000, hertz), PEAK)
        };
        assert!(level(&left, 1000.0) > -1.5 && level(&right, 600.0) > -1.5);
        assert!(level(&left, 600.0) < -30.0 && level(&right, 1000.0) < -30.0);
    }
}

/// Whether an Opus packet repeats what the one before it said (RFC 6716 §4.2.4: the flag after the one of speech).
fn repeats(payload: &[u8]) -> bool {
    payload.len() > 1 && payload[0] >> 3 < 16 && payload[1] & 0x40 != 0
}

#[test]
fn what_a_browser_loses_counts_and_brings_it_packets_that_make_up_for_it() {
    let mut world = world(Codec::Pcmu, 20);
    until_connected(&mut world);
    let last = |world: &World| {
        let of = |event: &Event| match event {
            Event::Quality { leg: of, now, .. } if *of == leg(BROWSER) => Some(*now),
            _ => None,
        };
        world.events.iter().rev().find_map(of).expect("it was measured")
    };
    world.run(20_000);
    let quality = last(&world).to_peer.expect("browsers report");
    assert!(quality.loss_percent == 0.0 && quality.mos > 4.0, "{quality:?}");
    assert!(!world.browsers[0].heard.iter().any(|heard| repeats(&heard.payload)), "nothing is lost");
    // Only speech is repeated.
    world.phones[0].speech = speech().narrow;
    world.browser_loss = 20;
    world.run(20_000);
    let quality = last(&world).to_peer.expect("browsers report");
    assert!((8.0..35.0).contains(&quality.loss_percent), "{quality:?}");
    let late = &world.browsers[0].heard[world.browsers[0].heard.len() - 200..];
    let repeated = late.iter().filter(|heard| repeats(&heard.payload)).count();
    assert!(repeated > 150, "{repeated} of 200");
}

#[test]
fn a_browser_without_opus_has_g722_before_g711() {
    let mut world = World::new();
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 9 8\r\n\
                 c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
                 a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
                 a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:9 G722/8000\r\n";
    let offer = Some(offer.as_bytes().into());
    let (session, kind, channel) = (SESSION, LegKind::WebRtc, Channel::Agent);
    world.command(Command::Open { leg: leg(BROWSER), session, channel, kind, offer, codecs: Vec::new() });
    let Some(Event::LocalSdp { sdp, .. }) = world.events.last() else { panic!("{:?}", world.events.last()) };
    let answer = String::from_utf8(sdp.to_vec()).unwrap();
    assert!(answer.contains("SAVPF 9 ") && answer.contains("a=rtpmap:9 G722/8000"), "{answer}");
}

#[test]
fn two_browsers_hear_each_other_in_opus_as_it_was_said() {
    let mut world = World::new();
    call(&mut world, Channel::Customer, 1000.0);
    call(&mut world, Channel::Agent, 600.0);
    world.connect(BROWSER, BROWSER + 1);
    until_connected(&mut world);
    let file = PathBuf::from("a.wav");
    world.command(Command::StartRecording { session: SESSION, recording: RECORDING, file, channels: 2 });
    world.run(2500);
    world.command(Command::StopRecording { session: SESSION });
    assert!(world.browsers[0].hears(600.0).abs() < 1.0 && world.browsers[1].hears(1000.0).abs() < 1.0);
    assert!(world.browsers[0].hears(1000.0) < -30.0 && world.browsers[1].hears(600.0) < -30.0);
    for (channel, hertz) in world.channels().iter().zip([1000.0, 600.0]) {
        let level = media::tone::level(&channel[8000..16_000], 8000, hertz);
        assert!(media::tone::decibels(level, PEAK).abs() < 1.0);
    }
    // Music for one of them, then the partner again: still one stream.
    world.play(BROWSER, 1, &[Prompt::Music("hold".into())]);
    world.run(1500);
    assert!(world.browsers[0].hears(700.0).abs() < 1.5);
    world.command(Command::StopPlaying { leg: leg(BROWSER) });
    world.run(1500);
    assert!(world.browsers[0].hears(600.0).abs() < 1.0);
    for pair in world.browsers[0].heard.windows(2) {
        assert_eq!(pair[1].sequence.wrapping_sub(pair[0].sequence), 1);
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        let time = (pair[1].at - pair[0].at) as u32 * 48;
        assert!(step >= 960 && step.abs_diff(time) <= 48 * 25, "{step} after {time}");
    }
}

#[test]
fn a_prompt_waits_for_the_browser_and_then_is_heard_whole() {
    let mut world = world(Codec::Pcmu, 20);
    world.play(BROWSER, 1, &[Prompt::File("welcome".into())]);
    until_connected(&mut world);
    world.phones[0].hertz = None;
    world.run(2000);
    assert_eq!(world.browsers[0].heard.len(), 75);
    assert!(world.browsers[0].hears(500.0).abs() < 1.5);
    let times: Vec<_> = world.browsers[0].heard.iter().map(|heard| (heard.at, heard.timestamp)).collect();
    assert!(times.windows(2).all(|pair| pair[1].0 - pair[0].0 == 20));
    assert!(times.windows(2).all(|pair| pair[1].1.wrapping_sub(pair[0].1) == 960));
    assert_eq!(world.endings(), [(1, false)]);
}

#[test]
fn a_held_browser_hears_nothing_until_it_resumes() {
    let mut world = world(Codec::Pcmu, 20);
    until_connected(&mut world);
    world.run(500);
    for (way, hears) in [
        (Direction::SendOnly, false),
        (Direction::SendRecv, true),
        (Direction::Inactive, false),
        (Direction::SendRecv, true),
    ] {
        let sdp = world.browsers[0].offer(way).into();
        world.command(Command::Offer { leg: leg(BROWSER), sdp });
        assert_eq!(world.directions().last().unwrap().receives, hears, "{way:?}");
        answer(&mut world, 0);
        world.browsers[0].heard.clear();
        world.run(1500);
        assert_eq!(world.browsers[0].heard.len() > 70, hears, "{way:?}");
    }
    assert!(world.browsers[0].hears(1000.0).abs() < 1.5);
}

#[test]
fn keys_cross_between_the_clocks_of_browser_and_phone() {
    let mut world = world(Codec::Pcmu, 20);
    until_connected(&mut world);
    world.run(500);
    world.browsers[0].hertz = None;
    let begin = world.elapsed as u32 * 48;
    for packet in 0..7u16 {
        let payload = Payload { event: 7, end: packet >= 4, volume: 10, duration: (packet + 1).min(5) * 960 };
        let now = world.now().instant;
        let std = world.browsers[0].std(now);
        world.browsers[0].send(std, EVENTS, begin, &payload.octets());
        world.run(20);
    }
    assert_eq!(world.digits(), "7");
    let events: Vec<_> = world.phones[0].got.iter().filter(|got| got.header.payload_type == 101).collect();
    assert_eq!(events.len(), 7);
    let last = Payload::parse(&events[6].payload).unwrap();
    assert_eq!((last.event, last.end, last.duration), (7, true, 800));
    world.command(Command::SendDigits { leg: leg(BROWSER), digits: "3".into() });
    world.run(300);
    let mut receiver = dtmf::Receiver::default();
    let now = world.now().instant;
    let heard: Vec<_> = (world.browsers[0].heard.iter().filter(|heard| heard.payload_type == EVENTS))
        .filter_map(|heard| {
            receiver.push(now, heard.timestamp, 48_000, Payload::parse(&heard.payload).unwrap())
        })
        .collect();
    assert_eq!(heard, [('3', Duration::from_millis(100))]);
}

#[test]
fn a_vanished_browser_is_told_and_closes() {
    let mut world = world(Codec::Pcmu, 20);
    until_connected(&mut world);
    world.run(1000);
    world.browsers.clear();
    world.run(20_000);
    let lost = world.events.iter().filter(|event| matches!(event, Event::TransportLost { .. })).count();
    assert_eq!(lost, 1);
    world.command(Command::Close { leg: leg(BROWSER) });
    world.command(Command::Close { leg: leg(0) });
    assert!(world.core.is_idle());
}
