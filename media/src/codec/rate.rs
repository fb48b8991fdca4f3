//! PCM between the rates that legs play: 8, 16 and 48 kHz, whose ratios are whole numbers.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Taps of the filter for each of the samples that one sample at the lower rate becomes.
const REACH: usize = 16;
const MOST_RATIO: usize = 6;
/// Of half the lower rate: what is above is held back.
const PASSED: f64 = 0.92;

/// Turns PCM of one rate into PCM of another, piece by piece without a seam. Delays by 1 ms at 8 kHz, less at higher rates.
#[derive(Clone, Debug)]
pub struct RateConverter {
    from: u32,
    to: u32,
    filter: &'static [f32],
    /// The last samples, the newest last, as many as the filter reaches over.
    before: [f32; REACH * MOST_RATIO],
    /// Samples still to come in before the next one goes out (downwards).
    wait: usize,
}

impl RateConverter {
    /// Of the two rates one must be a multiple of the other, by 6 at most; otherwise the samples go through as they are.
    pub fn new(from: u32, to: u32) -> Self {
        let ratio = (from.max(to) / from.min(to).max(1)) as usize;
        Self { from, to, filter: filter(ratio), before: [0.0; REACH * MOST_RATIO], wait: 0 }
    }

    /// Whether it was made for this.
    pub fn is_for(&self, from: u32, to: u32) -> bool {
        (self.from, self.to) == (from, to)
    }

    /// `out` gets the samples at the new rate. Returns how many there are; what has no room is lost.
    pub fn convert(&mut self, pcm: &[i16], out: &mut [i16]) -> usize {
        let ratio = (self.from.max(self.to) / self.from.min(self.to).max(1)) as usize;
        if self.from == self.to || !(2..=MOST_RATIO).contains(&ratio) {
            let length = pcm.len().min(out.len());
            out[..length].copy_from_slice(&pcm[..length]);
            return length;
        }
        let taps = if self.to > self.from { REACH } else { REACH * ratio };
        let mut places = out.iter_mut();
        let mut made = 0;
        for &sample in pcm {
            self.before.copy_within(1.., 0);
            let last = self.before.len() - 1;
            self.before[last] = f32::from(sample);
            let recent = &self.before[self.before.len() - taps..];
            if self.to > self.from {
                for phase in 0..ratio {
                    let Some(place) = places.next() else { return made };
                    let taps = self.filter[phase..].iter().step_by(ratio);
                    let sum: f32 = recent.iter().rev().zip(taps).map(|(sample, tap)| sample * tap).sum();
                    *place = (sum * ratio as f32).round() as i16;
                    made += 1;
                }
            } else if self.wait > 0 {
                self.wait -= 1;
            } else {
                self.wait = ratio - 1;
                let Some(place) = places.next() else { return made };
                let sum: f32 = recent.iter().rev().zip(self.filter).map(|(sample, tap)| sample * tap).sum();
                *place = sum.round() as i16;
                made += 1;
            }
        }
        made
    }
}

/// A low pass at the lower of two rates for samples at the higher one.
fn filter(ratio: usize) -> &'static [f32] {
    static FILTERS: LazyLock<[Vec<f32>; 3]> = LazyLock::new(|| [2, 3, 6].map(low_pass));
    match ratio {
        3 => &FILTERS[1],
        6 => &FILTERS[2],
        _ => &FILTERS[0],
    }
}

/// A sinc in a Blackman window.
fn low_pass(ratio: usize) -> Vec<f32> {
    let length = REACH * ratio;
    let middle = (length - 1) as f64 / 2.0;
    let cut = PASSED / ratio as f64;
    let taps = (0..length).map(|index| {
        let off = index as f64 - middle;
        let sinc = if off == 0.0 { cut } else { (PI * cut * off).sin() / (PI * off) };
        let turn = 2.0 * PI * (index as f64 + 0.5) / length as f64;
        sinc * (0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())
    });
    let taps: Vec<f64> = taps.collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| (tap / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{decibels, level, loudness, sine};

    /// A second of a tone, converted in pieces of 20 ms.
    fn converted(hertz: f64, from: u32, to: u32) -> Vec<i16> {
        let mut converter = RateConverter::new(from, to);
        let mut out = Vec::new();
        for piece in sine(hertz, from, 8000.0, 0, from as usize).chunks(from as usize / 50) {
            let mut buffer = [0; 960];
            let length = converter.convert(piece, &mut buffer);
            assert_eq!(length, to as usize / 50);
            out.extend_from_slice(&buffer[..length]);
        }
        out
    }

    #[test]
    fn a_tone_keeps_its_height_and_level_at_every_rate() {
        for (from, to) in [
            (8000, 16_000),
            (16_000, 8000),
            (8000, 48_000),
            (48_000, 8000),
            (16_000, 48_000),
            (48_000, 16_000),
        ] {
            for hertz in [300.0, 1000.0, 3000.0] {
                let out = converted(hertz, from, to);
                let out = &out[out.len() / 10..];
                let found = decibels(level(out, to, hertz), 8000.0);
                assert!(found.abs() < 1.0, "{hertz} Hz from {from} to {to}: {found} dB");
                let whole = decibels(loudness(out) * std::f64::consts::SQRT_2, 8000.0);
                assert!(
                    (whole - found).abs() < 0.2,
                    "{hertz} Hz from {from} to {to}: {whole} dB with what else there is"
                );
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_held_back() {
        for (hertz, from, to) in [(5500.0, 16_000, 8000), (7000.0, 48_000, 8000), (12_000.0, 48_000, 16_000)]
        {
            let found = decibels(loudness(&converted(hertz, from, to)), 8000.0);
            assert!(found < -40.0, "{hertz} Hz from {from} to {to}: {found} dB");
        }
    }
}
