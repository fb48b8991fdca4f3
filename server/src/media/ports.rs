//! Which RTP ports are free.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use model::Instant;

/// How long a port rests after use, so that what a former peer still sends does not reach the next call.
pub(super) const QUARANTINE: Duration = Duration::from_secs(2);

/// Pairs of an even RTP port and the odd one above it, given out in turn from a random start: an outsider cannot foretell
/// the next one by the first, and a port rests as long as the range allows.
#[derive(Debug)]
pub(super) struct Ports {
    free: VecDeque<u16>,
    resting: VecDeque<(Instant, u16)>,
    used: BTreeSet<u16>,
}

impl Ports {
    /// Share `index` of `shares` of the range. `random` picks the start.
    pub fn new((first, last): (u16, u16), index: usize, shares: usize, random: u64) -> Self {
        let evens: Vec<u16> = (first..=last).filter(|port| port % 2 == 0 && *port < last).collect();
        let share = evens.len() / shares.max(1);
        let mut free: VecDeque<u16> = evens.into_iter().skip(index * share).take(share).collect();
        if !free.is_empty() {
            let start = random % free.len() as u64;
            free.rotate_left(start as usize);
        }
        Self { free, resting: VecDeque::new(), used: BTreeSet::new() }
    }

    /// The even port of a pair. `None`: all are in use or resting.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        while self.resting.front().is_some_and(|(since, _)| *since + QUARANTINE <= now) {
            self.free.extend(self.resting.pop_front().map(|(_, port)| port));
        }
        let port = self.free.pop_front()?;
        self.used.insert(port);
        Some(port)
    }

    pub fn release(&mut self, now: Instant, port: u16) {
        if self.used.remove(&port) {
            self.resting.push_back((now, port));
        }
    }

    /// Pairs that could be taken now or after their rest.
    pub fn available(&self) -> usize {
        self.free.len() + self.resting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_port_rests_for_two_seconds_before_it_is_used_again() {
        let mut ports = Ports::new((20_000, 20_001), 0, 1, 7);
        let now = Instant::from_micros(5);
        assert_eq!(ports.take(now), Some(20_000));
        assert_eq!(ports.take(now), None);
        ports.release(now, 20_000);
        assert_eq!(ports.take(now + SECOND), None);
        assert_eq!(ports.take(now + SECOND * 2), Some(20_000));
    }

    #[test]
    fn every_pair_is_given_out_once_and_lies_within_the_range() {
        for range in [(20_000, 20_009), (20_001, 20_010)] {
            let mut ports = Ports::new(range, 0, 1, 3);
            let taken: BTreeSet<u16> = std::iter::from_fn(|| ports.take(Instant::ZERO)).collect();
            assert!(
                taken.iter().all(|port| port % 2 == 0 && *port >= range.0 && *port < range.1),
                "{taken:?}"
            );
            assert_eq!(taken.len(), if range.0 == 20_000 { 5 } else { 4 });
        }
    }

    #[test]
    fn threads_share_the_range_without_overlap() {
        let mut all = BTreeSet::new();
        for index in 0..3 {
            let mut ports = Ports::new((20_000, 20_099), index, 3, 11 * index as u64);
            while let Some(port) = ports.take(Instant::ZERO) {
                assert!(all.insert(port));
            }
        }
        assert_eq!(all.len(), 48);
    }

    #[test]
    fn a_port_released_twice_is_one_port() {
        let mut ports = Ports::new((20_000, 20_003), 0, 1, 0);
        let port = ports.take(Instant::ZERO).unwrap();
        ports.release(Instant::ZERO, port);
        ports.release(Instant::ZERO, port);
        assert_eq!(ports.available(), 2);
    }
}
