use model::Instant;

use crate::codec::units;
use crate::rtcp::SenderInfo;

/// A timestamp this far (in seconds) from where the time of arrival would put it is a jump of the source's clock.
const MOST_DRIFT: i64 = 2;
const MOST_DROPPED: i16 = 3000;

/// Where the packets of a stream come from. Whenever that changes, sequence numbers go on without a gap, and the
/// timestamp by the time that passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Packets of this stream of a partner, passed through.
    Relayed { leg: u32, ssrc: u32 },
    /// Packets made from this stream of a partner.
    Transcoded { leg: u32, ssrc: u32 },
    /// The number of the playback.
    Playback(u32),
    /// The number of the row of digits.
    Digits(u32),
    /// The number of the conference.
    Mix(u32),
    /// Nothing, in place of a partner who is muted.
    Silence,
}

/// Sequence number, timestamp and whether the packet begins something new to the listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub sequence: u16,
    pub timestamp: u32,
    pub first: bool,
}

/// The one stream that a peer hears from us, whatever it is made of: one SSRC, sequence numbers and timestamps that go on
/// over every change of source.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub ssrc: u32,
    clock: u32,
    source: Option<Source>,
    /// What is added to the source's numbers.
    sequence_offset: u16,
    timestamp_offset: u32,
    /// The first sequence number that the source may use.
    floor: u16,
    /// The one after the highest used.
    next: u16,
    /// Timestamp of the latest packet, when it went, and the timestamp at which its sound ends.
    latest: Option<(u32, Instant, u32)>,
    packets: u64,
    octets: u64,
}

impl Outgoing {
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32, clock: u32) -> Self {
        Self {
            ssrc,
            clock,
            source: None,
            sequence_offset: 0,
            timestamp_offset: timestamp,
            floor: sequence,
            next: sequence,
            latest: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Units a second of the timestamps from now on.
    pub fn set_clock(&mut self, clock: u32) {
        if self.clock != clock {
            self.clock = clock;
            self.source = None;
        }
    }

    /// What comes next begins something new, even from the same source.
    pub fn interrupt(&mut self) {
        self.source = None;
    }

    /// Places a packet that keeps its source's order and gaps. `timestamp` and `duration` are in our clock's units. `None` for
    /// one that was overtaken by a change of source.
    pub fn relay(
        &mut self,
        now: Instant,
        source: Source,
        sequence: u16,
        timestamp: u32,
        duration: u32,
    ) -> Option<Place> {
        let step = sequence.wrapping_add(self.sequence_offset).wrapping_sub(self.next) as i16;
        let first = self.source != Some(source) || step.abs() >= MOST_DROPPED || self.jumped(now, timestamp);
        if first {
            self.rebase(now, source, timestamp);
            self.sequence_offset = self.next.wrapping_sub(sequence);
            self.floor = self.next;
        }
        let sequence = sequence.wrapping_add(self.sequence_offset);
        if (sequence.wrapping_sub(self.floor) as i16) < 0 {
            return None;
        }
        if (sequence.wrapping_sub(self.next) as i16) >= 0 {
            self.next = sequence.wrapping_add(1);
            // The floor follows at a distance, lest it come near again from the other side.
            if (self.next.wrapping_sub(self.floor) as i16) > MOST_DROPPED {
                self.floor = self.next.wrapping_sub(MOST_DROPPED as u16);
            }
        }
        Some(self.place(now, sequence, timestamp, duration, first))
    }

    /// Places a packet that was made here: its sequence number is the next one.
    pub fn produce(&mut self, now: Instant, source: Source, timestamp: u32, duration: u32) -> Place {
        let first = self.source != Some(source) || self.jumped(now, timestamp);
        if first {
            self.rebase(now, source, timestamp);
        }
        let sequence = self.next;
        self.next = sequence.wrapping_add(1);
        self.place(now, sequence, timestamp, duration, first)
    }

    /// The packet went out with this much payload.
    pub fn sent(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// For a sender report at `now`, whose wall-clock time in NTP format is `ntp`; `None` as long as nothing was sent.
    pub fn sender_info(&self, now: Instant, ntp: u64) -> Option<SenderInfo> {
        let (timestamp, at, _) = self.latest?;
        let elapsed = units(now.saturating_since(at), self.clock) as u32;
        Some(SenderInfo {
            ntp,
            timestamp: timestamp.wrapping_add(elapsed),
            packets: self.packets as u32,
            octets: self.octets as u32,
        })
    }

    fn place(&mut self, now: Instant, sequence: u16, timestamp: u32, duration: u32, first: bool) -> Place {
        let timestamp = timestamp.wrapping_add(self.timestamp_offset);
        let end = timestamp.wrapping_add(duration);
        match &mut self.latest {
            // One that was overtaken on its way.
            Some((latest, _, _)) if (timestamp.wrapping_sub(*latest) as i32) < 0 => {}
            Some((latest, at, until)) => {
                if timestamp != *latest {
                    (*latest, *at) = (timestamp, now);
                }
                *until = if (end.wrapping_sub(*until) as i32) < 0 { *until } else { end };
            }
            None => self.latest = Some((timestamp, now, end)),
        }
        Place { sequence, timestamp, first }
    }

    fn rebase(&mut self, now: Instant, source: Source, timestamp: u32) {
        self.source = Some(source);
        if let Some((latest, at, end)) = self.latest {
            let by_time = latest.wrapping_add(units(now.saturating_since(at), self.clock) as u32);
            // Never back into the sound that was sent already.
            let begin = if (by_time.wrapping_sub(end) as i32) < 0 { end } else { by_time };
            self.timestamp_offset = begin.wrapping_sub(timestamp);
        } else {
            self.timestamp_offset = self.timestamp_offset.wrapping_sub(timestamp);
        }
    }

    fn jumped(&self, now: Instant, timestamp: u32) -> bool {
        let Some((latest, at, _)) = self.latest else { return false };
        let expected = latest.wrapping_add(units(now.saturating_since(at), self.clock) as u32);
        let timestamp = timestamp.wrapping_add(self.timestamp_offset);
        let off = timestamp.wrapping_sub(expected) as i32;
        // A key may be held down for long: all packets of an event bear the timestamp of its begin.
        if timestamp == latest {
            return false;
        }
        i64::from(off).abs() > MOST_DRIFT * i64::from(self.clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Source = Source::Relayed { leg: 1, ssrc: 9 };

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn changes_of_source_leave_neither_gap_nor_overlap() {
        let mut outgoing = Outgoing::new(1, 65_534, u32::MAX - 100, 8000);
        let mut places = Vec::new();
        for n in 0..3u64 {
            places.push(outgoing.produce(at(n * 20), Source::Playback(1), n as u32 * 160, 160));
        }
        for n in 0..3u64 {
            let place = outgoing.relay(at(65 + n * 20), PEER, 500 + n as u16, 77_000 + n as u32 * 160, 160);
            places.push(place.unwrap());
        }
        places.push(outgoing.produce(at(106), Source::Playback(2), 0, 160));
        let sequences: Vec<_> = places.iter().map(|place| place.sequence).collect();
        assert_eq!(sequences, [65_534, 65_535, 0, 1, 2, 3, 4]);
        let steps: Vec<_> =
            places.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp)).collect();
        assert_eq!(steps, [160, 160, 200, 160, 160, 160]);
        let firsts: Vec<_> = places.iter().map(|place| place.first).collect();
        assert_eq!(firsts, [true, false, false, true, false, false, true]);
    }

    #[test]
    fn loss_and_reordering_show_through_and_the_overtaken_is_dropped() {
        let mut outgoing = Outgoing::new(1, 0, 0, 8000);
        outgoing.produce(at(0), Source::Playback(1), 0, 160);
        let mut relay =
            |n: u16| outgoing.relay(at(100 + u64::from(n) * 20), PEER, n, u32::from(n) * 160, 160);
        assert_eq!(relay(10).unwrap().sequence, 1);
        assert_eq!(relay(9), None, "it was sent before the source became this one's");
        assert_eq!(relay(13).unwrap().sequence, 4);
        assert_eq!(relay(12).unwrap().sequence, 3);
        assert_eq!(relay(14).unwrap().sequence, 5);
    }

    #[test]
    fn a_restarted_sender_is_smoothed_over() {
        let mut outgoing = Outgoing::new(1, 0, 0, 8000);
        let before = outgoing.relay(at(0), PEER, 1, 160, 160).unwrap();
        let clock = outgoing.relay(at(20), PEER, 2, 4_000_000, 160).unwrap();
        assert_eq!((clock.sequence, clock.timestamp), (before.sequence + 1, before.timestamp + 160));
        let numbers = outgoing.relay(at(40), PEER, 30_000, 4_000_160, 160).unwrap();
        assert_eq!((numbers.sequence, numbers.timestamp), (before.sequence + 2, before.timestamp + 320));
    }

    #[test]
    fn a_pause_of_the_source_passes_in_the_timestamps() {
        let mut outgoing = Outgoing::new(1, 0, 0, 8000);
        let before = outgoing.relay(at(0), PEER, 1, 0, 160).unwrap();
        let after = outgoing.relay(at(5000), PEER, 2, 40_000, 160).unwrap();
        assert!(!after.first);
        assert_eq!(after.timestamp - before.timestamp, 40_000);
    }
}
