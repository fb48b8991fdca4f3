//! How a leg sounds: measured every five seconds, judged by the E-model (ITU-T G.107).

use std::time::Duration;

use model::{Instant, Quality, Trouble, Way};

/// How long one measurement takes.
pub const PERIOD: Duration = Duration::from_secs(5);
/// Below this mean opinion score many users are dissatisfied (ITU-T G.107 Annex B), above the other it is well again: between
/// them nothing changes, lest every second entry of a timeline says so.
const POOR: f32 = 3.1;
const WELL: f32 = 3.4;
/// G.113 Appendix I: how well G.711 with concealment bears random loss. Nothing that we speak bears less.
const ROBUSTNESS: f64 = 25.1;
/// A packet and what a listener holds back.
const OWN_DELAY: f64 = 40.0;

/// The mean opinion score, from 1.0 to 4.5, of a direction that loses this share of its packets.
pub fn mos(loss: f64, jitter: Duration, round_trip: Duration) -> f32 {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    // A listener's buffer grows with the jitter.
    let delay = millis(round_trip) / 2.0 + 2.0 * millis(jitter) + OWN_DELAY;
    let percent = (loss * 100.0).clamp(0.0, 100.0);
    let delay_impairment = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let loss_impairment = 95.0 * percent / (percent + ROBUSTNESS);
    // G.107 §7.1 with the default values of its Table 3, Annex B.
    let rating = (93.2 - delay_impairment - loss_impairment).clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    score.clamp(1.0, 4.5) as f32
}

/// What was counted by one moment; all are totals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    pub received: u64,
    pub lost: u64,
    pub sent: u64,
    /// `None` as long as the peer has reported nothing.
    pub peer_lost: Option<u64>,
    pub jitter: Duration,
    pub peer_jitter: Duration,
    pub round_trip: Duration,
}

impl Counted {
    /// The quality of what was counted since `before`.
    pub fn since(&self, before: &Counted) -> Quality {
        let way = |lost: u64, of: u64, jitter: Duration| {
            let loss = if of == 0 { 0.0 } else { lost as f64 / of as f64 };
            Way {
                mos: mos(loss, jitter, self.round_trip),
                loss_percent: (loss * 100.0).clamp(0.0, 100.0) as f32,
                jitter_millis: jitter.as_millis() as u32,
            }
        };
        // What came twice counts against what was lost (RFC 3550 §A.3).
        let lost = self.lost.saturating_sub(before.lost);
        let received = self.received.saturating_sub(before.received);
        let sent = self.sent.saturating_sub(before.sent);
        let to_peer = self.peer_lost.map(|peer_lost| {
            let lost = peer_lost.saturating_sub(before.peer_lost.unwrap_or(0));
            way(lost.min(sent), sent, self.peer_jitter)
        });
        Quality {
            from_peer: way(lost, received + lost, self.jitter),
            to_peer,
            round_trip_millis: self.round_trip.as_millis() as u32,
        }
    }
}

/// Who was heard within the last period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// The peer, or nobody expects it to speak.
    Fine,
    /// The partner alone.
    OneWay,
    /// Neither.
    Nobody,
}

/// The measuring of one leg.
#[derive(Debug)]
pub struct Meter {
    next: Instant,
    before: Counted,
    /// What was told and has not ended.
    pub trouble: Option<Trouble>,
}

impl Meter {
    pub fn new(now: Instant) -> Meter {
        Meter { next: now + PERIOD, before: Counted::default(), trouble: None }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.next <= now
    }

    /// The quality of the period that ends now. What has changed about the trouble stands in `trouble` afterwards.
    pub fn measure(&mut self, now: Instant, counted: Counted, heard: Heard) -> Quality {
        self.next = now + PERIOD;
        let quality = counted.since(&self.before);
        self.before = counted;
        self.trouble = match heard {
            Heard::OneWay => Some(Trouble::OneWay),
            Heard::Nobody => Some(Trouble::DeadAir),
            Heard::Fine => {
                let worst = quality.to_peer.map_or(5.0, |way| way.mos).min(quality.from_peer.mos);
                let was_poor = self.trouble == Some(Trouble::Poor);
                (worst < if was_poor { WELL } else { POOR }).then_some(Trouble::Poor)
            }
        };
        quality
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_score_falls_with_loss_delay_and_jitter() {
        let score = |loss, jitter, trip| mos(loss, millis(jitter), millis(trip));
        // G.107 Annex B: a rating of 92 is a score of 4.4; 3 % of random loss with concealment costs 10 points.
        assert!((4.35..=4.42).contains(&score(0.0, 0, 20)), "{}", score(0.0, 0, 20));
        assert!((4.0..=4.2).contains(&score(0.03, 0, 20)), "{}", score(0.03, 0, 20));
        assert!((3.2..=3.5).contains(&score(0.1, 5, 20)), "{}", score(0.1, 5, 20));
        assert!(score(0.2, 5, 20) < POOR);
        assert!(score(0.0, 0, 900) < score(0.0, 0, 300) && score(0.0, 0, 300) < score(0.0, 0, 20));
        assert!(score(0.0, 60, 20) < score(0.0, 5, 20));
        assert_eq!(score(1.0, 1000, 10_000), 1.0);
    }

    #[test]
    fn trouble_begins_and_ends_with_a_distance() {
        let mut meter = Meter::new(Instant::ZERO);
        let mut counted = Counted::default();
        let mut after = |lost: u64| {
            counted.received += 250 - lost;
            counted.lost += lost;
            meter.measure(Instant::ZERO, counted, Heard::Fine);
            meter.trouble
        };
        assert_eq!(after(0), None);
        assert_eq!(after(45), Some(Trouble::Poor));
        assert_eq!(after(30), Some(Trouble::Poor), "hardly better");
        assert_eq!(after(2), None);
        assert_eq!(after(27), None, "hardly worse");
    }
}
