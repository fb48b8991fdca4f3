//! Made-up sound in place of lost packets, for codecs that have nothing of their own (after ITU-T G.711 Appendix I): the last
//! period of the voice goes on, fades within 60 ms, and flows into what comes next.

use super::stretch::best_lag;

/// Milliseconds after which the sound fades, and those that it takes.
const KEPT: usize = 10;
const FADED: usize = 50;
/// Milliseconds of the longest period times three, and a little more.
const HISTORY: usize = 50;
/// Below this likeness there is no voice: a long stretch is repeated, lest it buzz.
const VOICED: f32 = 0.5;

/// Remembers one stream's sound and goes on with it.
#[derive(Clone, Debug)]
pub struct Concealer {
    /// Samples in a millisecond.
    milli: usize,
    history: Vec<i16>,
    loss: Option<Loss>,
}

#[derive(Clone, Debug)]
struct Loss {
    /// Samples made so far, and those of a period.
    made: usize,
    period: usize,
    /// The last three periods, joined end to beginning.
    cycle: Vec<i16>,
    /// Where to go on in the cycle, and how many of its periods are in use.
    at: usize,
    periods: usize,
    /// The step at the seam, taken back bit by bit.
    step: f32,
}

impl Concealer {
    pub fn new(rate: u32) -> Self {
        let milli = rate as usize / 1000;
        Self { milli, history: vec![0; HISTORY * milli], loss: None }
    }

    /// Real sound: remembered, and blended with the made-up one before.
    pub fn good(&mut self, samples: &mut [i16]) {
        if let Some(mut loss) = self.loss.take() {
            let longer = loss.made / (10 * self.milli) * 4 * self.milli;
            let blended = (loss.period / 4 + longer).min(10 * self.milli).min(samples.len());
            for (index, sample) in samples[..blended].iter_mut().enumerate() {
                let share = (index + 1) as f32 / (blended + 1) as f32;
                let old = loss.next(self.milli);
                *sample = (old * (1.0 - share) + f32::from(*sample) * share) as i16;
            }
        }
        self.remember(samples);
    }

    /// Sound in place of what is lost.
    pub fn conceal(&mut self, samples: &mut [i16]) {
        let mut loss = self.loss.take().unwrap_or_else(|| Loss::begin(&self.history, self.milli));
        for sample in samples.iter_mut() {
            *sample = loss.next(self.milli).clamp(-32_768.0, 32_767.0) as i16;
        }
        self.loss = Some(loss);
        self.remember(samples);
    }

    fn remember(&mut self, samples: &[i16]) {
        let kept = &samples[samples.len().saturating_sub(self.history.len())..];
        self.history.copy_within(kept.len().., 0);
        let from = self.history.len() - kept.len();
        self.history[from..].copy_from_slice(kept);
    }
}

impl Loss {
    fn begin(history: &[i16], milli: usize) -> Self {
        let end = history.len();
        // The 20 ms before the loss, against what was 5 to 15 ms earlier.
        let (lag, likeness) =
            best_lag(history, end - 20 * milli, 20 * milli, 5 * milli..15 * milli, milli, false);
        let period = if likeness < VOICED { 15 * milli } else { lag };
        let mut cycle = history[end - 3 * period..].to_vec();
        // The end of the cycle becomes what precedes its beginning.
        let seam = period / 4;
        for index in 0..seam.min(end - 3 * period) {
            let share = (index + 1) as f32 / (seam + 1) as f32;
            let place = cycle.len() - seam + index;
            let before = f32::from(history[end - period - seam + index]);
            cycle[place] = (f32::from(cycle[place]) * (1.0 - share) + before * share) as i16;
        }
        let step = f32::from(history[end - 1]) - f32::from(history[end - period - 1]);
        let periods = if likeness < VOICED { 3 } else { 1 };
        let at = cycle.len() - periods * period;
        Self { made: 0, period, cycle, at, periods, step }
    }

    fn next(&mut self, milli: usize) -> f32 {
        let seam = (self.period / 4).max(1);
        let correction =
            if self.made < seam { self.step * (1.0 - self.made as f32 / seam as f32) } else { 0.0 };
        let faded = self.made.saturating_sub(KEPT * milli) as f32 / (FADED * milli) as f32;
        let sample = (f32::from(self.cycle[self.at]) + correction) * (1.0 - faded).max(0.0);
        self.made += 1;
        self.at += 1;
        if self.at == self.cycle.len() {
            // The longer it lasts, the more periods are in use.
            self.periods = self.periods.max((1 + self.made / (KEPT * milli)).min(3));
            self.at = self.cycle.len() - self.periods * self.period;
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{decibels, level, loudness, sine};

    #[test]
    fn a_voice_goes_on_without_a_click_fades_and_comes_back() {
        for (rate, hertz) in [(8000u32, 200.0), (8000, 430.0), (16_000, 310.0)] {
            let milli = rate as usize / 1000;
            let mut concealer = Concealer::new(rate);
            let mut all = sine(hertz, rate, 8000.0, 0, 100 * milli);
            concealer.good(&mut all);
            let mut made = vec![0; 20 * milli];
            concealer.conceal(&mut made);
            all.extend(&made);
            let mut after = sine(hertz, rate, 8000.0, 120 * milli, 100 * milli);
            concealer.good(&mut after);
            all.extend(&after);
            let kept = decibels(level(&all[100 * milli..115 * milli], rate, hertz), 8000.0);
            assert!(kept > -1.5, "{hertz} Hz: {kept} dB in the gap");
            let most = all.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
            let steepest = 8000.0 * std::f64::consts::TAU * hertz / f64::from(rate);
            assert!(f64::from(most.unwrap()) < steepest * 1.6, "{hertz} Hz: a step of {most:?}");
        }
    }

    #[test]
    fn a_long_loss_is_silence_after_sixty_milliseconds() {
        let mut concealer = Concealer::new(8000);
        concealer.good(&mut sine(250.0, 8000, 8000.0, 0, 800));
        let mut made = [0; 800];
        concealer.conceal(&mut made);
        assert!(loudness(&made[..80]) > 4500.0 && loudness(&made[400..480]) < 1200.0);
        assert!(made[480..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn nothing_heard_is_nothing_made_up() {
        let mut made = [5; 160];
        Concealer::new(8000).conceal(&mut made);
        assert_eq!(made, [0; 160]);
    }
}
