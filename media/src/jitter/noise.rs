//! Comfort noise of RFC 3389: what a peer that sends nothing while nobody speaks tells about its background.

/// RFC 3389 §3.1: more coefficients than this are not of use.
const MOST_ORDER: usize = 12;

/// Makes the noise that a payload described.
#[derive(Clone, Debug)]
pub struct Noise {
    /// The loudness of the excitation.
    gain: f32,
    reflections: [f32; MOST_ORDER],
    state: [f32; MOST_ORDER + 1],
    random: u32,
}

impl Default for Noise {
    fn default() -> Self {
        Self { gain: 0.0, reflections: [0.0; MOST_ORDER], state: [0.0; MOST_ORDER + 1], random: 1 }
    }
}

impl Noise {
    /// Takes in a payload: the level in −dBov, then the shape of the spectrum as reflection coefficients, if it is told.
    pub fn learn(&mut self, payload: &[u8]) {
        let Some((level, shape)) = payload.split_first() else { return };
        // RFC 3389 §3: 0 dBov is the loudest that the numbers can say.
        let loudness = 32_768.0 * 10f32.powf(-f32::from(level & 0x7f) / 20.0);
        self.reflections = [0.0; MOST_ORDER];
        let mut rest = 1.0;
        for (reflection, &told) in self.reflections.iter_mut().zip(shape) {
            // RFC 3389 §3.2: 127 is none; ±1 would never come to rest.
            *reflection = (258.0 * (f32::from(told) - 127.0) / 32_768.0).clamp(-0.98, 0.98);
            rest *= 1.0 - *reflection * *reflection;
        }
        self.gain = loudness * rest.sqrt();
    }

    pub fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Even between ±√3, whose loudness is 1.
            let white = (self.random >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let mut forward = white * 3f32.sqrt() * self.gain;
            for order in (0..MOST_ORDER).rev() {
                let reflection = self.reflections[order];
                forward -= reflection * self.state[order];
                self.state[order + 1] = self.state[order] + reflection * forward;
            }
            self.state[0] = forward;
            *sample = forward as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{decibels, loudness};

    #[test]
    fn noise_is_as_loud_as_the_peer_said_whatever_its_colour() {
        for payload in [&[40u8][..], &[40, 200, 90, 127], &[40, 254]] {
            let mut noise = Noise::default();
            noise.learn(payload);
            let mut samples = [0; 16_000];
            noise.fill(&mut samples);
            let found = decibels(loudness(&samples), 32_768.0);
            assert!((found + 40.0).abs() < 1.5, "{payload:?}: {found} dBov");
        }
        let mut silence = [7; 160];
        Noise::default().fill(&mut silence);
        assert_eq!(silence, [0; 160]);
    }

    #[test]
    fn no_payload_makes_it_howl() {
        let mut noise = Noise::default();
        noise.learn(&[0; 40]);
        noise.learn(&[255; 40]);
        let mut samples = [0; 8000];
        noise.fill(&mut samples);
        noise.learn(&[70]);
        noise.fill(&mut samples);
        noise.fill(&mut samples);
        assert!(loudness(&samples) < 30.0);
    }
}
