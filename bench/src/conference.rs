//! The mixer of a conference in which everybody speaks at once, without its codecs.

use std::hint::black_box;

use anyhow::Result;
use media::api::Gain;
use media::mix::{FRAME, Mixer};

use crate::process::own;

const PARTIES: usize = 20;
const TICKS: u32 = 20_000;
/// figures.md
const LIMIT_MICROS: f64 = 60.0;

pub fn run() -> Result<()> {
    let mut mixer = Mixer::default();
    let members: Vec<usize> = (0..PARTIES).collect();
    mixer.seat(&members, |_, _| Gain::FULL);
    let said: [i16; FRAME] = std::array::from_fn(|sample| (sample as i16) * 97);
    let before = own();
    for _ in 0..TICKS {
        for member in &members {
            mixer.say(*member, black_box(&said));
        }
        mixer.mix(|_, frame| {
            black_box(frame);
        });
    }
    let micros = (own() - before).as_secs_f64() * 1e6 / f64::from(TICKS);
    crate::beside_limit("conference of 20, a tick without codecs, CPU µs", LIMIT_MICROS, micros);
    Ok(())
}
