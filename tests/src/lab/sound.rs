//! What is heard in a recording.

/// One channel of a WAV file.
#[derive(Clone, Debug)]
pub struct Channel {
    pub rate: u32,
    pub samples: Vec<i16>,
}

impl Channel {
    /// The channels of a 16-bit WAV file, the left one first.
    pub fn of_wav(bytes: &[u8]) -> Vec<Channel> {
        let mut wav = hound::WavReader::new(bytes).expect("a WAV file");
        let spec = wav.spec();
        assert_eq!(spec.bits_per_sample, 16);
        let all: Vec<i16> = wav.samples().map(|sample| sample.expect("it is whole")).collect();
        let count = usize::from(spec.channels);
        (0..count)
            .map(|nth| Channel {
                rate: spec.sample_rate,
                samples: all.iter().skip(nth).step_by(count).copied().collect(),
            })
            .collect()
    }

    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// For each piece of `seconds`, whether this tone makes up most of what is heard in it.
    pub fn hears(&self, hertz: f64, seconds: f64) -> Vec<bool> {
        let length = (f64::from(self.rate) * seconds) as usize;
        self.samples.chunks_exact(length).map(|piece| share(piece, self.rate, hertz) > 0.5).collect()
    }

    /// Seconds in which this tone makes up most of what is heard.
    pub fn seconds_of(&self, hertz: f64) -> f64 {
        self.hears(hertz, 0.1).iter().filter(|heard| **heard).count() as f64 * 0.1
    }
}

/// The share of the power that stands at one frequency (Goertzel), 0 for what is hardly to be heard.
fn share(samples: &[i16], rate: u32, hertz: f64) -> f64 {
    let count = samples.len() as f64;
    let power: f64 = samples.iter().map(|sample| (f64::from(*sample) / 32768.0).powi(2)).sum();
    // -50 dBFS
    if power / count < 1e-5 {
        return 0.0;
    }
    let turn = 2.0 * (std::f64::consts::TAU * hertz / f64::from(rate)).cos();
    let (mut a, mut b) = (0.0, 0.0);
    for sample in samples {
        (a, b) = (f64::from(*sample) / 32768.0 + turn * a - b, a);
    }
    2.0 * (a * a + b * b - turn * a * b) / count / power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, level: f64) -> Channel {
        let wave = |i: u32| (level * (f64::from(i) * std::f64::consts::TAU * hertz / 16_000.0).sin()) as i16;
        Channel { rate: 16_000, samples: (0..16_000).map(wave).collect() }
    }

    #[test]
    fn a_tone_is_heard_at_its_own_frequency_only() {
        let channel = tone(440.0, 8_000.0);
        assert!(channel.seconds_of(440.0) > 0.95);
        assert!(channel.seconds_of(1_000.0) < 0.05);
    }

    #[test]
    fn a_whisper_is_not_a_tone() {
        assert!(tone(440.0, 20.0).seconds_of(440.0) < 0.05);
    }
}
