//! What comes out of the buffer, and how much of it was made up.

use std::time::Duration;

use model::Instant;

use super::JitterBuffer;
use crate::codec::{Codec, Encoder, OpusWishes};
use crate::tone::{decibels, level, loudness, sine};

const SPOKEN: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// Packets of 20 ms of a tone of 500 Hz.
fn packets(codec: Codec, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, 8000, Duration::from_millis(20));
    let mut packets = Vec::new();
    encoder.push(0, &sine(500.0, 8000, 8000.0, 0, count * 160), |_, payload| packets.push(payload.to_vec()));
    packets
}

/// Lets packets arrive at these microseconds (`None`: never) and takes out sound every 20 ms until the last has come.
fn run(codec: Codec, arrivals: &[Option<u64>]) -> (JitterBuffer, Vec<i16>) {
    let packets = packets(codec, arrivals.len());
    let mut buffer = JitterBuffer::new(codec, 8000).expect("it is decoded");
    let mut order: Vec<_> =
        arrivals.iter().enumerate().filter_map(|(number, at)| at.map(|at| (at, number))).collect();
    order.sort_unstable();
    let mut sound = Vec::new();
    let end = order.last().expect("one comes").0;
    let mut next = order.into_iter().peekable();
    for tick in 1..=end / 20_000 + 1 {
        while let Some((at, number)) = next.next_if(|(at, _)| *at <= tick * 20_000) {
            let time = (number as u32 * codec.clock() / 50).wrapping_add(u32::MAX - 500_000);
            let sequence = (number as u16).wrapping_add(65_000);
            buffer.push(Instant::from_micros(at), sequence, time, &packets[number]);
        }
        let mut frame = [0; 160];
        if buffer.pull(Instant::from_micros(tick * 20_000), &mut frame) {
            sound.extend(frame);
        }
    }
    (buffer, sound)
}

#[test]
fn nothing_is_made_up_while_clocks_drift_apart() {
    for codec in SPOKEN {
        for drift in [300i64, -300] {
            let arrive = |n: i64| Some((7000 + n * 20_000 - n * 20_000 * drift / 1_000_000) as u64);
            let (buffer, sound) = run(codec, &(0..10_000).map(arrive).collect::<Vec<_>>());
            assert_eq!((buffer.concealed, buffer.late), (0, 0), "{codec:?} at {drift} ppm");
            let found = decibels(level(&sound[sound.len() - 8000..], 8000, 500.0), 8000.0);
            assert!(found.abs() < 1.5, "{codec:?} at {drift} ppm: {found} dB");
        }
    }
}

#[test]
fn just_what_is_lost_is_made_up() {
    for codec in [Codec::Pcmu, Codec::G722] {
        let arrive = |n: u64| (n % 10 != 7).then_some(n * 20_000);
        let (buffer, _) = run(codec, &(0..100).map(arrive).collect::<Vec<_>>());
        assert_eq!((buffer.concealed, buffer.late), (10 * 160, 0), "{codec:?}");
    }
}

#[test]
fn who_comes_too_late_is_counted_and_not_heard() {
    let arrive = |n: u64| Some(n * 20_000 + if n == 50 { 150_000 } else { 0 });
    let (buffer, sound) = run(Codec::Pcma, &(0..100).map(arrive).collect::<Vec<_>>());
    assert_eq!((buffer.concealed, buffer.late), (160, 1));
    assert!(sound.chunks_exact(80).skip(1).all(|piece| loudness(piece) > 4000.0));
}

#[test]
fn a_pause_of_opus_is_no_loss_and_ends_in_time() {
    let mut encoder = Encoder::new(Codec::Opus, 8000, Duration::from_millis(20));
    encoder.heed(OpusWishes { dtx: true, ..OpusWishes::default() });
    let mut buffer = JitterBuffer::new(Codec::Opus, 8000).expect("it is decoded");
    let (mut sequence, mut sent, mut heard) = (0u16, 0, Vec::new());
    for tick in 0..300u64 {
        let now = Instant::from_micros(1_000_000 + tick * 20_000);
        let spoken = !(50..250).contains(&tick);
        let peak = if spoken { 8000.0 } else { 0.0 };
        let samples = sine(500.0, 8000, peak, tick as usize * 160, 160);
        encoder.push(tick as u32 * 960, &samples, |time, payload| {
            sent += 1;
            buffer.push(now, sequence, time, payload);
            sequence += 1;
        });
        let mut frame = [0; 160];
        heard.push(buffer.pull(now, &mut frame).then(|| loudness(&frame)));
    }
    assert!((100..200).contains(&sent), "{sent} packets: next to none in the pause");
    assert_eq!(buffer.late, 0);
    assert!(heard[5..].iter().all(Option::is_some), "the pause is filled");
    assert!(heard[70..245].iter().flatten().all(|level| *level < 100.0));
    assert!(heard[256].is_some_and(|level| level > 3000.0), "{:?}", heard[256]);
}

#[test]
fn a_recovered_packet_sounds_like_what_was_lost() {
    // A voice of many overtones, which Opus takes for one.
    let voice: Vec<i16> = (0..16_000)
        .map(|at| {
            let pitch = 120.0 + 20.0 * (f64::from(at) / 2000.0).sin();
            let tone =
                |n: u32| (std::f64::consts::TAU * pitch * f64::from(n * at) / 8000.0).sin() / f64::from(n);
            ((1..20).map(tone).sum::<f64>() * 4000.0) as i16
        })
        .collect();
    let heard = |fec: bool, lose: bool| {
        let mut encoder = Encoder::new(Codec::Opus, 8000, Duration::from_millis(20));
        encoder.heed(OpusWishes { fec, ..OpusWishes::default() });
        encoder.adapt(5, 20);
        let mut buffer = JitterBuffer::new(Codec::Opus, 8000).expect("it is decoded");
        let mut sound = Vec::new();
        for (number, samples) in voice.chunks_exact(160).enumerate() {
            let now = Instant::from_micros(number as u64 * 20_000);
            encoder.push(number as u32 * 960, samples, |time, payload| {
                if !(lose && number % 6 == 5) {
                    buffer.push(now, number as u16, time, payload);
                }
            });
            let mut frame = [0; 160];
            if buffer.pull(now, &mut frame) {
                sound.extend(frame);
            }
        }
        sound
    };
    let error = |fec: bool| {
        let (whole, lossy) = (heard(fec, false), heard(fec, true));
        let off: Vec<i16> = whole.iter().zip(&lossy).map(|(one, other)| one.saturating_sub(*other)).collect();
        decibels(loudness(&off), loudness(&whole))
    };
    let (with, without) = (error(true), error(false));
    assert!(with < without - 2.0, "{with} dB of error with what is told again, {without} dB without");
}
