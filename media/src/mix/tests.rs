use super::*;
use crate::tone::{decibels, level, sine};

/// Frames of three members, each of whom says a tone of his own; what each of them hears.
struct Room {
    mixer: Mixer,
    said: usize,
    heard: Vec<Vec<i16>>,
}

/// Low, so that a tone that is cut off makes a far greater step than its own, and at another phase in every frame.
const HERTZ: [f64; 4] = [114.0, 158.0, 192.0, 234.0];
const PEAK: f64 = 8000.0;
/// The steepest step of all four tones together.
fn steepest(voices: &[usize]) -> i32 {
    let slope = |voice: &usize| PEAK * std::f64::consts::TAU * HERTZ[*voice] / 8000.0;
    voices.iter().map(slope).sum::<f64>() as i32
}

impl Room {
    fn new(members: &[usize]) -> Self {
        let mut mixer = Mixer::default();
        mixer.seat(members, |_, _| Gain::FULL);
        Self { mixer, said: 0, heard: vec![Vec::new(); HERTZ.len()] }
    }

    fn run(&mut self, ticks: u32, muted: &[usize]) {
        for _ in 0..ticks {
            for (leg, hertz) in HERTZ.iter().enumerate() {
                let said = sine(*hertz, RATE, PEAK, self.said, FRAME);
                if !muted.contains(&leg) {
                    self.mixer.say(leg, said.as_slice().try_into().unwrap());
                }
            }
            self.said += FRAME;
            let heard = &mut self.heard;
            self.mixer.mix(|leg, frame| heard[leg].extend(frame));
        }
    }

    fn hears(&self, listener: usize, speaker: usize) -> bool {
        let last = &self.heard[listener][self.heard[listener].len() - 4000..];
        let found = decibels(level(last, RATE, HERTZ[speaker]), PEAK);
        assert!(found.abs() < 0.5 || found < -50.0, "{listener} hears {speaker} at {found} dB");
        found > -20.0
    }

    fn steepest_heard(&self, listener: usize, from: usize) -> i32 {
        let heard = &self.heard[listener][from..];
        heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
    }
}

#[test]
fn each_hears_all_others_and_not_himself() {
    let mut room = Room::new(&[0, 1, 2, 3]);
    room.run(60, &[]);
    for listener in 0..4 {
        for speaker in 0..4 {
            assert_eq!(room.hears(listener, speaker), listener != speaker, "{listener} {speaker}");
        }
    }
}

#[test]
fn joining_leaving_muting_and_gains_make_no_step() {
    let mut room = Room::new(&[0, 1]);
    room.run(40, &[]);
    room.mixer.seat(&[0, 1, 2], |_, _| Gain::FULL);
    room.run(40, &[]);
    room.run(40, &[2]);
    assert!(!room.hears(0, 2));
    room.run(40, &[]);
    assert!(room.hears(0, 2));
    room.mixer.seat(&[0, 1, 2], |listener, _| if listener == 0 { Gain(64) } else { Gain::FULL });
    room.run(40, &[]);
    room.mixer.seat(&[0, 1], |_, _| Gain::FULL);
    room.run(40, &[]);
    assert!(!room.hears(0, 2) && room.hears(0, 1));
    for listener in 0..2 {
        let bound = steepest(&[1 - listener, 2]) + 2 * (PEAK as i32 / RAMP as i32) + 2;
        let found = room.steepest_heard(listener, 0);
        assert!(found <= bound, "a step of {found} where tones make {bound} at most");
    }
}

#[test]
fn what_whispers_is_heard_by_one_alone() {
    let mut room = Room::new(&[0, 1, 2]);
    let whisper = |listener: usize, speaker: usize| match (listener, speaker) {
        (0, 2) => Gain::NONE,
        _ => Gain::FULL,
    };
    room.mixer.seat(&[0, 1, 2], whisper);
    room.run(60, &[]);
    assert!(!room.hears(0, 2) && room.hears(1, 2) && room.hears(2, 0) && room.hears(2, 1));
}

#[test]
fn loud_voices_together_stay_at_full_scale() {
    let mut mixer = Mixer::default();
    mixer.seat(&[0, 1, 2], |_, _| Gain::FULL);
    let mut loudest = 0;
    for _ in 0..10 {
        for leg in 0..3 {
            mixer.say(leg, &[30_000; FRAME]);
        }
        mixer.mix(|_, frame| loudest = frame.iter().fold(loudest, |most, one| most.max(*one)));
    }
    assert_eq!(loudest, i16::MAX);
}
