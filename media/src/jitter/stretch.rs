//! Sound made a little shorter or longer by whole periods of the voice, which nobody hears.

use std::collections::VecDeque;
use std::ops::Range;

/// What a cut needs.
struct Cut {
    /// Bounds in milliseconds of what is taken out or put in.
    periods: Range<usize>,
    /// Milliseconds by which likeness is judged.
    compared: usize,
}

/// There is more sound than should be.
const SHORTER: Cut = Cut { periods: 3..15, compared: 12 };
/// There is next to none: what is about to be played must do.
const LONGER: Cut = Cut { periods: 3..10, compared: 10 };
/// Milliseconds of sound that are needed to shorten it, and to lengthen it.
pub const TO_SHORTEN: usize = 2 * SHORTER.periods.end;
pub const TO_LENGTHEN: usize = LONGER.periods.end + LONGER.compared;
/// Below this likeness a cut could be heard, unless there is next to nothing to hear.
const ALIKE: f32 = 0.7;
const QUIET: f32 = 60.0;

/// Takes one period out of the beginning. Returns how many samples went; 0 where a cut could be heard (and `must` is not set).
pub fn shorten(sound: &mut VecDeque<i16>, rate: u32, must: bool) -> usize {
    let Some((window, lag)) = period(sound, rate, (SHORTER, TO_SHORTEN), must) else { return 0 };
    // What follows one period later fades in while the beginning fades out.
    for index in 0..lag {
        sound[index] = blend(window[index], window[index + lag], index, lag);
    }
    sound.drain(lag..2 * lag);
    lag
}

/// Puts one period more into the beginning. Returns how many samples came.
pub fn lengthen(sound: &mut VecDeque<i16>, rate: u32, must: bool) -> usize {
    let Some((window, lag)) = period(sound, rate, (LONGER, TO_LENGTHEN), must) else { return 0 };
    for index in (0..lag).rev() {
        sound.push_front(window[index]);
    }
    for index in 0..lag {
        sound[lag + index] = blend(window[lag + index], window[index], index, lag);
    }
    lag
}

fn period(
    sound: &VecDeque<i16>,
    rate: u32,
    (cut, needed): (Cut, usize),
    must: bool,
) -> Option<(Vec<i16>, usize)> {
    let milli = rate as usize / 1000;
    let window: Vec<i16> = sound.iter().take(needed * milli).copied().collect();
    if window.len() < needed * milli {
        return None;
    }
    let lags = cut.periods.start * milli..cut.periods.end * milli;
    let (lag, likeness) = best_lag(&window, 0, cut.compared * milli, lags, milli, true);
    let power: f32 = window.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    let quiet = power < QUIET * QUIET * window.len() as f32;
    (must || quiet || likeness > ALIKE).then_some((window, lag))
}

fn blend(out: i16, into: i16, index: usize, length: usize) -> i16 {
    let share = (index + 1) as f32 / (length + 1) as f32;
    (f32::from(out) * (1.0 - share) + f32::from(into) * share) as i16
}

/// By how much later (`ahead`) or earlier sound is most like the `length` samples at `from`, and how much so (1 is the same).
pub fn best_lag(
    sound: &[i16],
    from: usize,
    length: usize,
    lags: Range<usize>,
    milli: usize,
    ahead: bool,
) -> (usize, f32) {
    // 8 samples a millisecond are enough to find the place roughly.
    let step = (milli / 8).max(1);
    let likeness = |lag: usize, step: usize| {
        let other = if ahead { from + lag } else { from - lag };
        let pairs = sound[from..from + length].iter().zip(&sound[other..other + length]).step_by(step);
        let (mut product, mut one, mut two) = (0.0, 1.0, 1.0);
        for (a, b) in pairs {
            let (a, b) = (f32::from(*a), f32::from(*b));
            product += a * b;
            one += a * a;
            two += b * b;
        }
        product / (one * two).sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, step: usize| {
        lags.map(|lag| (lag, likeness(lag, step))).fold((0, f32::MIN), |best, next| {
            // The shortest of equals.
            if next.1 > best.1 + 1e-4 { next } else { best }
        })
    };
    let rough = best(&mut lags.clone().step_by(step), step);
    if step == 1 {
        return rough;
    }
    let near = rough.0.saturating_sub(step).max(lags.start)..(rough.0 + step).min(lags.end);
    best(&mut near.into_iter(), step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{decibels, level, loudness, sine};

    #[test]
    fn a_tone_stays_the_same_tone() {
        for rate in [8000u32, 16_000, 48_000] {
            for hertz in [150.0, 440.0, 1000.0] {
                let samples = sine(hertz, rate, 8000.0, 0, rate as usize / 5);
                let mut sound = VecDeque::from(samples.clone());
                let gone = shorten(&mut sound, rate, false);
                assert!(gone > 0, "{hertz} Hz at {rate}");
                let come = lengthen(&mut sound, rate, false);
                assert!(come > 0, "{hertz} Hz at {rate}");
                assert_eq!(sound.len(), samples.len() - gone + come);
                let sound: Vec<i16> = sound.into();
                let found = decibels(level(&sound, rate, hertz), 8000.0);
                assert!(found.abs() < 0.7, "{hertz} Hz at {rate}: {found} dB");
                let whole = decibels(loudness(&sound) * std::f64::consts::SQRT_2, 8000.0);
                assert!((whole - found).abs() < 0.3, "{hertz} Hz at {rate}: {whole} dB in all");
            }
        }
    }

    #[test]
    fn sound_without_a_period_is_left_alone_unless_it_must() {
        let mut random = 1u32;
        let mut noise = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 18) as i16 - 8192
        };
        let mut sound: VecDeque<i16> = (0..800).map(|_| noise()).collect();
        assert_eq!(shorten(&mut sound, 8000, false), 0);
        assert!(shorten(&mut sound, 8000, true) > 0);
        let mut silence = VecDeque::from(vec![3; 800]);
        assert!(lengthen(&mut silence, 8000, false) > 0);
        assert_eq!(shorten(&mut VecDeque::from(vec![3; 100]), 8000, true), 0, "too little to tell");
    }
}
