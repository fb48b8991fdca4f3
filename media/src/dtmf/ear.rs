//! Keys heard as tones, from peers that know no telephone events (ITU-T Q.23, Q.24).

use std::f32::consts::TAU;
use std::time::Duration;

use super::{HIGH, KEYS, LOW};
use crate::codec::RateConverter;

const RATE: u32 = 8000;
/// Samples in a block: fine enough to tell the tones apart, short enough for two in the shortest key of 40 ms.
const BLOCK: usize = 102;
/// Power of the stronger tone over the weaker: the low one may be 8 dB above the high one, which may be 4 dB above the low one.
const LOW_OVER_HIGH: f32 = 6.31;
const HIGH_OVER_LOW: f32 = 2.51;
/// Power of the tones over that of the others of their group.
const OVER_OTHERS: f32 = 6.31;
/// Of all the power this much must be in the two tones; a voice has more besides. The filter gives half a block of it.
const OF_ALL: f32 = 0.8 * BLOCK as f32 / 2.0;
/// The least peak of a tone, about −36 dBm0.
const LEAST_PEAK: f32 = 350.0;
/// Blocks after which a key is believed to be down, and up.
const BLOCKS: u32 = 2;

/// Listens to one peer.
#[derive(Clone, Debug)]
pub struct Ear {
    narrow: Option<RateConverter>,
    /// Of each tone, what its filter remembers.
    filters: [(f32, f32); 8],
    power: f32,
    counted: usize,
    /// What the last blocks held, and how many of them.
    same: Option<char>,
    blocks: u32,
    /// The key that is down, and for how many blocks.
    down: Option<(char, u32)>,
    up: u32,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            narrow: None,
            filters: [(0.0, 0.0); 8],
            power: 0.0,
            counted: 0,
            same: None,
            blocks: 0,
            down: None,
            up: 0,
        }
    }
}

impl Ear {
    /// Takes 20 ms of sound at this rate. Gives the key that was let go within it, and how long it was down.
    pub fn hear(&mut self, rate: u32, samples: &[i16]) -> Option<(char, Duration)> {
        let mut buffer = [0; RATE as usize / 50];
        let samples = if rate == RATE {
            samples
        } else {
            if self.narrow.as_ref().is_none_or(|narrow| !narrow.is_for(rate, RATE)) {
                self.narrow = Some(RateConverter::new(rate, RATE));
            }
            let length = self.narrow.as_mut().map_or(0, |narrow| narrow.convert(samples, &mut buffer));
            &buffer[..length]
        };
        let mut ended = None;
        for &sample in samples {
            let sample = f32::from(sample);
            for ((one, two), turn) in self.filters.iter_mut().zip(coefficients()) {
                (*one, *two) = (sample + turn * *one - *two, *one);
            }
            self.power += sample * sample;
            self.counted += 1;
            if self.counted == BLOCK {
                let key = self.judge();
                ended = ended.or(self.follow(key));
            }
        }
        ended
    }

    /// A key is down, as far as we have heard.
    pub fn hears_key(&self) -> bool {
        self.down.is_some()
    }

    /// What the block held.
    fn judge(&mut self) -> Option<char> {
        let mut powers = [0.0; 8];
        for ((power, (one, two)), turn) in powers.iter_mut().zip(self.filters).zip(coefficients()) {
            *power = one * one + two * two - turn * one * two;
        }
        let all = std::mem::take(&mut self.power);
        (self.filters, self.counted) = ([(0.0, 0.0); 8], 0);
        let strongest = |group: &[f32]| {
            let best = (0..4).max_by(|a, b| group[*a].total_cmp(&group[*b])).unwrap_or(0);
            let clear = (0..4).all(|other| other == best || group[other] * OVER_OTHERS < group[best]);
            (best, group[best], clear)
        };
        let (row, low, low_clear) = strongest(&powers[..4]);
        let (column, high, high_clear) = strongest(&powers[4..]);
        let least = (LEAST_PEAK * BLOCK as f32 / 2.0).powi(2);
        let loud = low > least && high > least;
        let balanced = low < high * LOW_OVER_HIGH && high < low * HIGH_OVER_LOW;
        let pure = low + high > all * OF_ALL;
        (loud && balanced && pure && low_clear && high_clear).then(|| char::from(KEYS[row * 4 + column]))
    }

    fn follow(&mut self, key: Option<char>) -> Option<(char, Duration)> {
        self.blocks = if key == self.same { self.blocks + 1 } else { 1 };
        self.same = key;
        match (&mut self.down, key) {
            (Some((down, blocks)), Some(key)) if *down == key => {
                *blocks += 1 + std::mem::take(&mut self.up);
                None
            }
            (Some((down, blocks)), _) => {
                self.up += 1;
                if self.up < BLOCKS {
                    return None;
                }
                let ended = (*down, Duration::from_micros(u64::from(*blocks) * BLOCK as u64 * 125));
                (self.down, self.up) = (None, 0);
                if let Some(key) = key.filter(|_| self.blocks >= BLOCKS) {
                    self.down = Some((key, self.blocks));
                }
                Some(ended)
            }
            (None, Some(key)) if self.blocks >= BLOCKS => {
                (self.down, self.up) = (Some((key, self.blocks)), 0);
                None
            }
            (None, _) => None,
        }
    }
}

fn coefficients() -> [f32; 8] {
    const TONES: [f64; 8] = [LOW[0], LOW[1], LOW[2], LOW[3], HIGH[0], HIGH[1], HIGH[2], HIGH[3]];
    static COEFFICIENTS: std::sync::LazyLock<[f32; 8]> =
        std::sync::LazyLock::new(|| TONES.map(|hertz| 2.0 * (TAU * hertz as f32 / RATE as f32).cos()));
    *COEFFICIENTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::sine;

    /// Two tones of these peaks for so many milliseconds, in silence.
    fn key(low: (f64, f64), high: (f64, f64), millis: usize, from: usize) -> Vec<i16> {
        let tone = |(hertz, peak): (f64, f64)| sine(hertz, 8000, peak, 0, 8 * millis);
        let mut samples = vec![0; 400 + from];
        samples.extend(tone(low).iter().zip(tone(high)).map(|(low, high)| low + high));
        samples.extend([0; 800]);
        samples
    }

    fn heard(samples: &[i16]) -> Vec<(char, u128)> {
        let mut ear = Ear::default();
        let heard = samples.chunks(160).filter_map(|frame| ear.hear(8000, frame));
        heard.map(|(key, time)| (key, time.as_millis())).collect()
    }

    #[test]
    fn every_key_is_heard_once_and_for_as_long_as_it_was_down() {
        for (index, key_name) in KEYS.iter().enumerate() {
            for millis in [45, 100, 1000] {
                let (low, high) = ((LOW[index / 4], 6000.0), (HIGH[index % 4], 5000.0));
                let found = heard(&key(low, high, millis, index * 7));
                let [(heard, time)] = found[..] else { panic!("{found:?} for {}", char::from(*key_name)) };
                assert_eq!(heard, char::from(*key_name));
                assert!((millis as u128).abs_diff(time) <= 26, "{time} ms instead of {millis}");
            }
        }
    }

    #[test]
    fn the_bounds_of_q24_hold() {
        let five = |low: f64, high: f64, millis: usize, off: f64| {
            !heard(&key((770.0 * off, low), (1336.0 * off, high), millis, 0)).is_empty()
        };
        assert!(five(6000.0, 6000.0, 40, 1.0) && !five(6000.0, 6000.0, 20, 1.0));
        assert!(five(6000.0, 6000.0, 60, 1.015) && five(6000.0, 6000.0, 60, 0.985));
        assert!(!five(6000.0, 6000.0, 60, 1.06));
        assert!(five(8000.0, 3600.0, 60, 1.0), "7 dB of twist one way");
        assert!(!five(8000.0, 2500.0, 60, 1.0), "10 dB are too much");
        assert!(five(4500.0, 6500.0, 60, 1.0), "3 dB the other way");
        assert!(!five(3000.0, 6500.0, 60, 1.0), "7 dB are too much");
        assert!(five(500.0, 500.0, 60, 1.0) && !five(100.0, 100.0, 60, 1.0));
    }

    #[test]
    fn a_voice_on_top_of_the_tones_is_no_key() {
        let mut samples = key((770.0, 4000.0), (1336.0, 4000.0), 300, 0);
        let voice =
            [180.0, 360.0, 540.0, 1100.0, 2400.0].map(|hertz| sine(hertz, 8000, 2000.0, 0, samples.len()));
        for (index, sample) in samples.iter_mut().enumerate() {
            *sample += voice.iter().map(|voice| voice[index]).sum::<i16>();
        }
        assert_eq!(heard(&samples), []);
        // Steady vowels of many pitches, whose overtones come near to tones.
        for pitch in 90..250 {
            let mut vowel = vec![0i16; 4000];
            for overtone in 1..12 {
                let tone =
                    sine(f64::from(pitch * overtone), 8000, 9000.0 / f64::from(overtone), 0, vowel.len());
                vowel.iter_mut().zip(tone).for_each(|(sample, tone)| *sample = sample.saturating_add(tone));
            }
            assert_eq!(heard(&vowel), [], "a pitch of {pitch} Hz");
        }
    }

    #[test]
    fn keys_in_wide_sound_are_heard_too() {
        let mut ear = Ear::default();
        let tone = |hertz| sine(hertz, 16_000, 6000.0, 0, 1600);
        let mut samples: Vec<i16> =
            tone(941.0).iter().zip(tone(1477.0)).map(|(low, high)| low + high).collect();
        samples.extend([0; 1600]);
        let heard: Vec<_> = samples.chunks(320).filter_map(|frame| ear.hear(16_000, frame)).collect();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].0, '#');
    }
}
