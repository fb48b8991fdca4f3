//! How much later than the fastest packets those of one stream come, and so how long to wait for them.

use std::time::Duration;

use model::Instant;

/// The bounds of the delay that we add.
const LEAST: i64 = 40_000;
const MOST: i64 = 200_000;
/// A tick takes out 20 ms at once, and a packet may come right after it.
const SPARE: i64 = 25_000;
/// Packets that are looked back upon: 5 s of 20 ms each.
const LOOKED_AT: usize = 256;
/// Width of a class of lateness in microseconds, and their number.
const CLASS: i64 = 5000;
const CLASSES: usize = 64;
/// Of a hundred packets so many are waited for.
const WAITED_FOR: usize = 97;
/// A step of this length is a jump of the sender's clock.
const JUMP: i64 = 2_000_000;

/// Measures one stream. Times are in microseconds.
#[derive(Clone, Debug)]
pub struct Delay {
    clock: i64,
    /// The last timestamp and what it is without wrapping.
    last: Option<(u32, i64)>,
    /// The least transit in this half of the window and in the one before.
    least: [Option<i64>; 2],
    in_half: usize,
    classes: [u8; LOOKED_AT],
    counts: [u16; CLASSES],
    seen: usize,
}

impl Delay {
    pub fn new(clock: u32) -> Self {
        let (classes, counts) = ([0; LOOKED_AT], [0; CLASSES]);
        Self { clock: clock.into(), last: None, least: [None; 2], in_half: 0, classes, counts, seen: 0 }
    }

    /// The timestamp without wrapping, near to the last one.
    pub fn extend(&mut self, timestamp: u32) -> i64 {
        let extended = self.last.map_or(i64::from(timestamp), |(last, extended)| {
            extended + i64::from(timestamp.wrapping_sub(last) as i32)
        });
        self.last = Some((timestamp, extended));
        extended
    }

    /// Takes note of a packet's arrival.
    pub fn arrive(&mut self, now: Instant, extended: i64) {
        let transit = now.as_micros() as i64 - self.micros(extended);
        if self.base().is_some_and(|base| (transit - base).abs() > JUMP) {
            let last = self.last;
            *self = Self { last, ..Self::new(self.clock as u32) };
        }
        self.least[0] = Some(self.least[0].map_or(transit, |least| least.min(transit)));
        self.in_half += 1;
        if self.in_half > LOOKED_AT / 2 {
            self.least = [Some(transit), self.least[0]];
            self.in_half = 1;
        }
        let late = transit - self.base().unwrap_or(transit);
        let class = (late / CLASS).clamp(0, CLASSES as i64 - 1) as u8;
        let place = self.seen % LOOKED_AT;
        if self.seen >= LOOKED_AT {
            self.counts[usize::from(self.classes[place])] -= 1;
        }
        self.classes[place] = class;
        self.counts[usize::from(class)] += 1;
        self.seen += 1;
    }

    /// How long after the arrival that the fastest packets have, sound is to be played.
    pub fn target(&self) -> Duration {
        let seen = self.seen.min(LOOKED_AT);
        let waited_for = (seen * WAITED_FOR).div_ceil(100);
        let mut counted = 0;
        let mut late = 0;
        for (class, count) in self.counts.iter().enumerate() {
            counted += usize::from(*count);
            late = class as i64 * CLASS;
            if counted >= waited_for {
                break;
            }
        }
        Duration::from_micros((late + SPARE).clamp(LEAST, MOST) as u64)
    }

    /// How long ago sound of this time would have been there, had it come as fast as the fastest packets, in microseconds.
    pub fn age(&self, now: Instant, extended: i64) -> i64 {
        now.as_micros() as i64 - self.micros(extended) - self.base().unwrap_or(0)
    }

    fn base(&self) -> Option<i64> {
        self.least.iter().flatten().min().copied()
    }

    fn micros(&self, extended: i64) -> i64 {
        extended * 1_000_000 / self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(lateness: impl Fn(u64) -> u64) -> u128 {
        let mut delay = Delay::new(8000);
        for n in 0..400u64 {
            let extended = delay.extend((n as u32 * 160).wrapping_sub(7000));
            delay.arrive(Instant::from_micros(1_000_000 + n * 20_000 + lateness(n) * 1000), extended);
        }
        delay.target().as_millis()
    }

    #[test]
    fn the_delay_follows_the_jitter_within_its_bounds() {
        assert_eq!(target(|_| 0), 40);
        assert_eq!(target(|n| n * 7919 % 60), 80);
        assert_eq!(target(|n| n * 7919 % 300), 200);
        assert_eq!(target(|n| if n % 100 == 3 { 150 } else { 0 }), 40, "one in a hundred is not waited for");
    }

    #[test]
    fn a_clock_that_runs_away_is_no_jitter() {
        assert_eq!(target(|n| n * 20 * 300 / 1_000_000), 40);
        assert_eq!(target(|n| 1000 - n), 40, "ever faster");
    }
}
