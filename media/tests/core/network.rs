//! What a listener hears of a peer behind a bad network, where we decode: how loud, what is missing, and when.

use std::path::PathBuf;

use media::api::{Channel, Command};
use media::codec::Codec;
use media::tone;

use crate::world::{PEAK, RECORDING, SESSION, World, chance, leg};

const SPOKEN: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// The first speaks with a tone of 500 Hz over this network, the second listens in another codec and is silent.
fn heard(codec: Codec, packet: u64, network: fn(u64) -> &'static [u64], drift: i64, seconds: u64) -> World {
    let mut world = World::new();
    let other = if codec == Codec::Pcma { Codec::Pcmu } else { Codec::Pcma };
    // Packets of another length than is wanted, so that G.711 is decoded, too.
    world.phone(codec, packet, Channel::Customer, 500.0);
    world.phone(other, if packet == 20 { 10 } else { 20 }, Channel::Agent, 500.0);
    world.phones[1].hertz = None;
    world.phones[0].drift = drift;
    world.connect(0, 1);
    world.network = network;
    world.run(seconds * 1000);
    world
}

/// How many of a hundred pieces of 10 ms from half a second on are quieter than this, in decibels against the tone.
fn quiet(samples: &[i16], decibels: f64) -> f64 {
    let pieces: Vec<f64> = samples[4000..].chunks_exact(80).map(tone::loudness).collect();
    let is_quiet = |loudness: &&f64| tone::decibels(**loudness * std::f64::consts::SQRT_2, PEAK) < decibels;
    100.0 * pieces.iter().filter(is_quiet).count() as f64 / pieces.len() as f64
}

/// Every delay from 0 to 60 ms.
fn delayed(n: u64) -> &'static [u64] {
    const DELAYS: [u64; 61] = {
        let mut delays = [0; 61];
        let mut index = 0;
        while index < 61 {
            delays[index] = index as u64;
            index += 1;
        }
        delays
    };
    std::slice::from_ref(&DELAYS[chance(n) as usize % 61])
}

fn all_sound(world: &World, seconds: u64, slack: usize, what: &str) {
    let phone = &world.phones[1];
    let samples = phone.samples().len();
    let whole = seconds as usize * 8000;
    assert!((whole - slack * 8..=whole + 160).contains(&samples), "{what}: {samples} samples");
    phone.assert_one_stream(25);
    assert!(phone.hears(500.0) > -3.0, "{what}: {} dB", phone.hears(500.0));
}

#[test]
fn a_tenth_of_the_packets_lost_leaves_next_to_no_hole() {
    for codec in SPOKEN {
        let world = heard(codec, 20, |n| if chance(n) % 10 == 3 { &[] } else { &[0] }, 0, 20);
        let what = format!("{codec:?}");
        all_sound(&world, 20, 120, &what);
        let samples = world.phones[1].samples();
        let (weak, gone) = (quiet(&samples, -6.0), quiet(&samples, -20.0));
        // Of a lone tone Opus takes that it is no voice, and makes up noise.
        let most = if codec == Codec::Opus { (22.0, 9.0) } else { (2.0, 0.5) };
        assert!(weak < most.0 && gone < most.1, "{what}: {weak} of 100 pieces weak, {gone} silent");
    }
}

#[test]
fn jitter_of_sixty_milliseconds_is_not_heard() {
    for codec in SPOKEN {
        for packet in [20, 30] {
            if codec == Codec::Opus && packet == 30 {
                continue;
            }
            let world = heard(codec, packet, delayed, 0, 20);
            let what = format!("{codec:?} in packets of {packet} ms");
            all_sound(&world, 20, 200, &what);
            let samples = world.phones[1].samples();
            // Until the delay is known some come too late.
            let late = quiet(&samples[16_000..], -3.0);
            assert!(late < 0.4, "{what}: {late} of 100 pieces weak");
        }
    }
}

#[test]
fn doubled_and_overtaking_packets_leave_no_trace() {
    for codec in SPOKEN {
        let world = heard(
            codec,
            20,
            |n| match n % 7 {
                2 => &[30],
                4 => &[0, 1, 35],
                _ => &[0],
            },
            0,
            10,
        );
        let what = format!("{codec:?}");
        all_sound(&world, 10, 120, &what);
        let samples = world.phones[1].samples();
        assert!(quiet(&samples[8000..], -2.0) < 0.2, "{what}");
    }
}

#[test]
fn a_clock_that_is_off_by_three_in_ten_thousand_is_followed_without_a_drop_out() {
    for codec in SPOKEN {
        for drift in [300, -300] {
            let world = heard(codec, 20, |_| &[0], drift, 200);
            let what = format!("{codec:?} off by {drift} ppm");
            let phone = &world.phones[1];
            phone.assert_one_stream(25);
            let samples = phone.samples();
            assert!((199_800 * 8..=200_000 * 8).contains(&samples.len()), "{what}: {}", samples.len());
            assert_eq!(quiet(&samples, -3.0), 0.0, "{what}");
            // The delay did not grow: what is said last is heard soon.
            let last = world.phones[1].got.last().unwrap().at;
            assert!(world.elapsed - last <= 20, "{what}");
        }
    }
}

#[test]
fn what_the_network_held_back_is_heard_later_and_not_left_out() {
    for codec in SPOKEN {
        // 300 ms of packets come all at once.
        let network: fn(u64) -> &'static [u64] = |n| {
            const HELD: [u64; 15] = [280, 260, 240, 220, 200, 180, 160, 140, 120, 100, 80, 60, 40, 20, 0];
            match n {
                200..215 => std::slice::from_ref(&HELD[n as usize - 200]),
                _ => &[0],
            }
        };
        let world = heard(codec, 20, network, 0, 12);
        let samples = world.phones[1].samples();
        let what = format!("{codec:?}");
        let silent = quiet(&samples, -20.0) * (samples.len() - 4000) as f64 / 100.0 / 8.0;
        assert!(silent < 60.0, "{what}: {silent} ms of silence in what was heard");
        let phone = &world.phones[1];
        assert!(phone.hears(500.0).abs() < 2.0, "{what}");
        // And the delay comes back.
        let heard = (samples.len() / 8) as u64;
        assert!(12_000 - heard < 400, "{what}: {heard} ms");
    }
}

#[test]
fn packet_times_from_ten_to_sixty_milliseconds_meet_in_any_pair() {
    for codec in [Codec::Pcmu, Codec::G722] {
        for from in [10, 20, 30, 40, 60] {
            for to in [10, 20, 30, 40, 60] {
                let mut world = World::new();
                world.phone(codec, from, Channel::Customer, 1000.0);
                world.phone(Codec::Pcma, to, Channel::Agent, 600.0);
                world.connect(0, 1);
                world.run(2400);
                for (phone, other, millis) in [(0, 600.0, from), (1, 1000.0, to)] {
                    let heard = &world.phones[phone];
                    let what = format!("{codec:?} {from} to {to}, phone {phone}");
                    assert!(heard.hears(other).abs() < 1.5, "{what}: {} dB", heard.hears(other));
                    heard.assert_one_stream(61);
                    assert!(heard.audio().all(|got| got.payload.len() as u64 == millis * 8), "{what}");
                    let whole: u64 = heard.audio().count() as u64 * millis;
                    assert!((2200..=2400).contains(&whole), "{what}: {whole} ms");
                }
            }
        }
    }
    for (from, to) in [(10, 20), (20, 60), (40, 20), (60, 10)] {
        let mut world = World::new();
        world.phone(Codec::Opus, from, Channel::Customer, 1000.0);
        world.phone(Codec::Pcma, to, Channel::Agent, 600.0);
        world.connect(0, 1);
        world.run(2400);
        assert!(world.phones[0].hears(600.0).abs() < 1.5 && world.phones[1].hears(1000.0).abs() < 1.5);
        let units = |got: &crate::world::Got| u64::from(Codec::Opus.duration(&got.payload)) / 48;
        assert!(world.phones[0].audio().all(|got| units(got) == from), "Opus in packets of {from} ms");
    }
}

#[test]
fn a_pause_that_the_peer_fills_with_noise_is_noise_to_who_does_not_know_that() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 500.0);
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    world.connect(0, 1);
    world.run(1000);
    let phone = &mut world.phones[0];
    phone.hertz = None;
    // −45 dBov of noise.
    let packet = phone.next(13, false, &[45]);
    let (socket, address) = (phone.ports.rtp, phone.address);
    world.deliver(socket, address, packet);
    let before = world.phones[1].got.len();
    world.run(3000);
    let samples = world.phones[1].samples();
    let pause = &samples[before * 160 + 1600..];
    assert!(pause.len() > 2600 * 8, "{} samples of noise", pause.len());
    let level = tone::decibels(tone::loudness(pause), 32_768.0);
    assert!((level + 45.0).abs() < 2.0, "{level} dBov");
    world.phones[0].hertz = Some(500.0);
    world.run(1500);
    assert!(world.phones[1].hears(500.0).abs() < 1.0, "he speaks again");
    world.phones[1].assert_one_stream(25);
    assert!(quiet(&world.phones[1].samples()[samples.len()..], -3.0) < 6.0);
}

#[test]
fn noise_goes_on_as_it_is_to_who_understands_it() {
    let mut world = World::new();
    world.phone(Codec::Pcmu, 20, Channel::Customer, 500.0);
    world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
    let sdp = String::from_utf8(world.description(1, "sendrecv").to_vec()).unwrap();
    let sdp = sdp.replace("RTP/AVP 8 101", "RTP/AVP 8 13 101");
    world.command(Command::Offer { leg: leg(1), sdp: sdp.into_bytes().into() });
    world.connect(0, 1);
    world.run(1000);
    let phone = &mut world.phones[0];
    phone.hertz = None;
    let packet = phone.next(13, false, &[45]);
    let (socket, address) = (phone.ports.rtp, phone.address);
    world.deliver(socket, address, packet);
    world.run(1000);
    let noise: Vec<_> = world.phones[1].got.iter().filter(|got| got.header.payload_type == 13).collect();
    assert_eq!(noise.len(), 1);
    assert_eq!(noise[0].payload, [45]);
    assert_eq!(world.phones[1].got.last().unwrap().header.payload_type, 13, "then nothing comes");
}

#[test]
fn a_recording_and_the_other_side_stay_in_time_over_loss_jitter_and_drift() {
    // Not Opus, whose noise in a pause is what it took for background: of a lone tone, the tone.
    for drift in [300, -300] {
        let mut world = World::new();
        world.phone(Codec::G722, 20, Channel::Customer, 500.0);
        world.phone(Codec::Pcma, 20, Channel::Agent, 600.0);
        world.connect(0, 1);
        world.phones[0].drift = drift;
        world.network = |n| if chance(n) % 20 == 3 { &[] } else { delayed(n) };
        let file = PathBuf::from("a.wav");
        world.command(Command::StartRecording { session: SESSION, recording: RECORDING, file, channels: 2 });
        world.run(60_000);
        // Both fall silent at once, and speak again at once.
        let tones = [world.phones[0].hertz.take(), world.phones[1].hertz.take()];
        world.run(1000);
        (world.phones[0].hertz, world.phones[1].hertz) = (tones[0], tones[1]);
        world.run(2000);
        world.command(Command::StopRecording { session: SESSION });
        for (channel, samples) in world.channels().iter().enumerate() {
            assert_eq!(samples.len(), 63 * 8000);
            let loud = |millis: &usize| tone::loudness(&samples[millis * 8..millis * 8 + 80]) > 1000.0;
            let silence = (59_800..61_000).find(|millis| !loud(millis) && !loud(&(millis + 60))).unwrap();
            let again = (silence + 300..62_000).find(loud).unwrap();
            assert!((59_950..60_200).contains(&silence), "channel {channel}: silent at {silence} ms");
            assert!((60_950..61_200).contains(&again), "channel {channel}: again at {again} ms");
        }
    }
}
