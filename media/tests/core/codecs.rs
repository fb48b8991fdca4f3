//! Any codec to any: what each side hears of the other, how loud, and whether there are gaps.

use media::api::{Channel, Command, Event, LegKind, Prompt};
use media::codec::Codec;
use media::tone;

use crate::world::{PEAK, SESSION, World, leg, rate};

const SPOKEN: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

fn two(a: Codec, b: Codec, tones: [f64; 2]) -> World {
    let mut world = World::new();
    let first = world.phone(a, 20, Channel::Customer, tones[0]);
    let second = world.phone(b, 20, Channel::Agent, tones[1]);
    world.connect(first, second);
    world
}

/// The quietest stretch of 10 ms in the sound from 300 ms on, against the tone.
fn quietest(samples: &[i16], rate: u32) -> f64 {
    let milli = rate as usize / 1000;
    let pieces = samples[300 * milli..].chunks_exact(10 * milli).map(tone::loudness);
    let least = pieces.fold(f64::MAX, f64::min) * std::f64::consts::SQRT_2;
    tone::decibels(least, PEAK)
}

#[test]
fn every_codec_is_heard_in_every_other_at_its_level_and_without_a_gap() {
    for a in SPOKEN {
        for b in SPOKEN {
            let mut world = two(a, b, [1000.0, 600.0]);
            world.run(3000);
            for (phone, own, other) in [(0, 1000.0, 600.0), (1, 600.0, 1000.0)] {
                let heard = &world.phones[phone];
                assert!(heard.hears(other).abs() < 1.5, "{a:?} {b:?}: {} dB", heard.hears(other));
                assert!(heard.hears(own) < -30.0, "{a:?} {b:?}: hears itself");
                let gap = quietest(&heard.samples(), 8000);
                assert!(gap > -3.0, "{a:?} {b:?}: a gap of {gap} dB");
                heard.assert_one_stream(25);
                assert!((145..=150).contains(&heard.audio().count()), "{a:?} {b:?}");
            }
        }
    }
}

#[test]
fn between_wide_legs_sound_stays_wide_and_toward_narrow_ones_nothing_folds_back() {
    for (a, b) in [(Codec::G722, Codec::G722), (Codec::G722, Codec::Opus), (Codec::Opus, Codec::G722)] {
        let mut world = two(a, b, [5600.0, 600.0]);
        world.run(2000);
        let samples = world.phones[1].samples_at(16_000);
        let level = tone::decibels(tone::level(&samples[16_000..], 16_000, 5600.0), PEAK);
        assert!(level.abs() < 3.0, "{a:?} {b:?}: {level} dB at 5.6 kHz");
    }
    for (a, b) in [(Codec::G722, Codec::Pcma), (Codec::Opus, Codec::Pcmu)] {
        let mut world = two(a, b, [5600.0, 600.0]);
        world.run(2000);
        let samples = world.phones[1].samples();
        let level = tone::decibels(tone::loudness(&samples[8000..]), PEAK);
        assert!(level < -30.0, "{a:?} {b:?}: {level} dB of what a narrow leg cannot carry");
    }
}

#[test]
fn prompts_are_played_at_the_rate_of_the_leg() {
    for codec in SPOKEN {
        let mut world = World::new();
        world.phone(codec, 20, Channel::Customer, 1000.0);
        world.play(0, 1, &[Prompt::File("welcome".into())]);
        world.run(1600);
        let phone = &world.phones[0];
        let samples = phone.samples_at(rate(codec));
        let level = tone::level(&samples[samples.len() / 3..], rate(codec), 500.0);
        assert!(tone::decibels(level, PEAK).abs() < 1.5, "{codec:?}");
        assert_eq!(phone.audio().count(), 75, "{codec:?}");
    }
}

#[test]
fn what_is_the_same_on_both_sides_is_passed_on_octet_by_octet() {
    for codec in [Codec::G722, Codec::Opus] {
        let mut world = two(codec, codec, [1000.0, 600.0]);
        world.run(500);
        let phase = world.phones[0].phase;
        assert!(world.phones[1].got.iter().all(|got| got.at % 20 == phase), "{codec:?} waits for nothing");
    }
}

/// A leg of a trunk that allows these codecs, with this offer of the peer; what became of it.
fn trunk(world: &mut World, number: usize, codecs: &[Codec], offer: Option<&str>) -> Result<String, String> {
    let ports = world.ports();
    let sdp = |media: &str| {
        format!(
            "v=0\r\no=a 1 1 IN IP4 192.0.2.{0}\r\ns=-\r\nc=IN IP4 192.0.2.{0}\r\nt=0 0\r\nm=audio 4000 {media}",
            number + 1
        )
    };
    let open = Command::Open {
        leg: leg(number),
        session: SESSION,
        channel: Channel::Customer,
        kind: LegKind::Rtp { nat: false, encryption: Default::default() },
        offer: offer.map(|media| sdp(media).into_bytes().into()),
        codecs: codecs.to_vec(),
    };
    let before = world.events.len();
    world.command_with(open, Some(ports));
    match &world.events[before] {
        Event::LocalSdp { sdp, .. } => Ok(String::from_utf8(sdp.to_vec()).unwrap()),
        Event::Incompatible { why, .. } => Err(why.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn g729_is_passed_on_untouched_and_nothing_else_is_offered_to_its_other_side() {
    let mut world = World::new();
    let allowed = [Codec::G729, Codec::Pcma];
    let answer = trunk(&mut world, 0, &allowed, Some("RTP/AVP 18 8\r\n")).unwrap();
    assert!(answer.contains("RTP/AVP 18\r\n") && answer.contains("a=fmtp:18 annexb=no"), "{answer}");
    let offer = trunk(&mut world, 1, &[], None).unwrap();
    assert!(offer.contains("RTP/AVP 18 101\r\n"), "{offer}");
    let refused = trunk(&mut world, 2, &[], Some("RTP/AVP 0 8\r\n")).unwrap_err();
    assert!(refused.contains("codec"), "{refused}");
    let browser = Command::Open {
        leg: leg(3),
        session: SESSION,
        channel: Channel::Agent,
        kind: LegKind::WebRtc,
        offer: None,
        codecs: Vec::new(),
    };
    world.command(browser);
    let told = world
        .events
        .iter()
        .any(|event| matches!(event, Event::Incompatible { why, .. } if why.contains("G.729")));
    assert!(told);

    let mut world = World::new();
    let answer = trunk(&mut world, 0, &[Codec::Pcma], Some("RTP/AVP 8\r\n"));
    assert!(answer.is_ok());
    let offer = trunk(&mut world, 1, &[Codec::G729, Codec::Pcmu], None).unwrap();
    assert!(offer.contains("RTP/AVP 0 101\r\n"), "to who speaks something else it is not offered: {offer}");
    assert!(trunk(&mut world, 2, &[Codec::G729], None).is_err());
}

#[test]
fn frames_of_g729_arrive_as_they_were_sent_and_are_never_made() {
    let mut world = World::new();
    for number in 0..2 {
        world.phone_in(
            Codec::G729,
            20,
            Channel::Customer,
            1000.0,
            LegKind::Rtp { nat: false, encryption: Default::default() },
            &[Codec::G729],
        );
        assert_eq!(world.phones.len(), number + 1);
    }
    world.connect(0, 1);
    world.run(1000);
    assert!(world.phones[1].got.len() > 45);
    for pair in world.phones[1].got.windows(2) {
        assert_eq!(pair[1].payload, vec![pair[0].payload[0].wrapping_add(160); 20]);
    }
    world.play(1, 1, &[Prompt::File("short".into())]);
    world.phones[0].hertz = None;
    let before = world.phones[1].got.len();
    world.run(500);
    assert_eq!(world.phones[1].got.len(), before, "nothing is played in G.729");
    assert_eq!(world.endings(), [(1, false)], "but the time passes");
}

#[test]
fn the_offer_to_the_other_side_begins_with_what_needs_no_conversion() {
    for (spoken, list) in [
        ("RTP/AVP 0\r\n", "RTP/AVP 0 8 9 111 101 110"),
        ("RTP/AVP 9\r\n", "RTP/AVP 9 111 8 0 101 110"),
        ("RTP/AVP 98\r\na=rtpmap:98 opus/48000/2\r\n", "RTP/AVP 111 9 8 0 101 110"),
    ] {
        let mut world = World::new();
        trunk(&mut world, 0, &[], Some(spoken)).unwrap();
        let offer = trunk(&mut world, 1, &[], None).unwrap();
        assert!(offer.contains(list), "{spoken}: {offer}");
        let answer =
            trunk(&mut world, 2, &[], Some("RTP/AVP 111 9 8 0\r\na=rtpmap:111 opus/48000/2\r\n")).unwrap();
        let passes = spoken.trim_start_matches("RTP/AVP ").split("\r\n").next().unwrap().replace("98", "111");
        assert!(answer.contains(&format!("RTP/AVP {passes}\r\n")), "{spoken}: {answer}");
    }
}
