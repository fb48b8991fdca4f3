//! Tones for tests: made, and measured with Goertzel's filter.

use std::f64::consts::TAU;

/// Samples of a sine with the given peak, beginning at sample number `from`.
pub fn sine(hertz: f64, rate: u32, peak: f64, from: usize, length: usize) -> Vec<i16> {
    let sample = |index: usize| (peak * (TAU * hertz * index as f64 / f64::from(rate)).sin()).round() as i16;
    (from..from + length).map(sample).collect()
}

/// The peak of the part of the signal that has this frequency.
pub fn level(samples: &[i16], rate: u32, hertz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hertz / f64::from(rate)).cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        (one, two) = (f64::from(sample) + coefficient * one - two, one);
    }
    let power = one * one + two * two - coefficient * one * two;
    2.0 * power.max(0.0).sqrt() / samples.len().max(1) as f64
}

/// How many decibels `level` is above `reference`.
pub fn decibels(level: f64, reference: f64) -> f64 {
    20.0 * (level.max(1e-9) / reference).log10()
}

/// The root of the mean square.
pub fn loudness(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_at_its_frequency_only() {
        let samples = sine(1000.0, 8000, 8000.0, 0, 8000);
        assert!(decibels(level(&samples, 8000, 1000.0), 8000.0).abs() < 0.1);
        assert!(decibels(level(&samples, 8000, 440.0), 8000.0) < -40.0);
    }
}
