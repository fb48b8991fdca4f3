use std::time::Duration;

use model::Instant;

use crate::rtcp::Report;
use crate::rtp::Header;

/// A sequence number this far off, either way, is a restart of the sender and no loss (RFC 3550 §A.1).
const MOST_DROPPED: i16 = 3000;
const MOST_MISORDERED: i16 = 100;

/// What RFC 3550 §A.1, §A.3 and §A.8 count about the packets of one peer. A new SSRC or a restart begins a new count; the totals
/// go on.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    stream: Option<Stream>,
    /// Of streams that ended.
    lost_before: u64,
    packets: u64,
    octets: u64,
}

#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    first: u16,
    /// Highest sequence number, with the cycles in the upper half.
    highest: u32,
    received: u64,
    /// Jitter in sixteenths of a timestamp unit, and the transit time before.
    jitter: u32,
    transit: Option<u32>,
    clock: u32,
    expected_reported: u64,
    received_reported: u64,
    /// Middle of the NTP time in the last sender report, and when that came.
    last_report: Option<(u32, Instant)>,
}

impl Reception {
    /// Counts one packet whose payload has a clock of `clock` units a second.
    pub fn count(&mut self, now: Instant, header: &Header, clock: u32) {
        self.packets += 1;
        self.octets += (header.end - header.start) as u64;
        let follows = match &mut self.stream {
            Some(stream) if stream.ssrc == header.ssrc => stream.follow(header.sequence),
            Some(_) | None => false,
        };
        if !follows {
            self.lost_before += self.stream.as_ref().map_or(0, Stream::lost);
            self.stream = Some(Stream::new(header, clock));
        }
        if let Some(stream) = &mut self.stream {
            stream.received += 1;
            stream.measure(now, header.timestamp, clock);
        }
    }

    /// A sender report of the peer came: our next report refers to it.
    pub fn sender_report(&mut self, now: Instant, ssrc: u32, ntp: u64) {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == ssrc) {
            stream.last_report = Some(((ntp >> 16) as u32, now));
        }
    }

    /// The report block for what came since the last one; `None` when nothing ever came.
    pub fn report(&mut self, now: Instant) -> Option<Report> {
        let stream = self.stream.as_mut()?;
        let expected = stream.expected();
        let expected_since = expected - stream.expected_reported.min(expected);
        let received_since = stream.received - stream.received_reported;
        stream.expected_reported = expected;
        stream.received_reported = stream.received;
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (lost_since << 8).checked_div(expected_since).unwrap_or(0);
        let delay =
            |(_, at): (u32, Instant)| (now.saturating_since(at).as_micros() * 65_536 / 1_000_000) as u32;
        Some(Report {
            ssrc: stream.ssrc,
            fraction_lost: fraction.min(255) as u8,
            lost: (expected as i64 - stream.received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: stream.highest,
            jitter: stream.jitter >> 4,
            last_sender_report: stream.last_report.map_or(0, |(middle, _)| middle),
            delay_since: stream.last_report.map_or(0, delay),
        })
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    pub fn octets(&self) -> u64 {
        self.octets
    }

    pub fn lost(&self) -> u64 {
        self.lost_before + self.stream.as_ref().map_or(0, Stream::lost)
    }

    /// Interarrival jitter, RFC 3550 §6.4.1.
    pub fn jitter(&self) -> Duration {
        self.stream.as_ref().map_or(Duration::ZERO, |stream| {
            Duration::from_micros(u64::from(stream.jitter >> 4) * 1_000_000 / u64::from(stream.clock))
        })
    }
}

impl Stream {
    fn new(header: &Header, clock: u32) -> Self {
        Self {
            ssrc: header.ssrc,
            first: header.sequence,
            highest: u32::from(header.sequence),
            received: 0,
            jitter: 0,
            transit: None,
            clock,
            expected_reported: 0,
            received_reported: 0,
            last_report: None,
        }
    }

    /// Whether the number belongs to this stream.
    fn follow(&mut self, sequence: u16) -> bool {
        let step = sequence.wrapping_sub(self.highest as u16) as i16;
        if step > 0 && step < MOST_DROPPED {
            self.highest = self.highest.wrapping_add(step as u32);
            return true;
        }
        step <= 0 && step > -MOST_MISORDERED
    }

    fn measure(&mut self, now: Instant, timestamp: u32, clock: u32) {
        if clock != self.clock {
            self.clock = clock;
            self.transit = None;
        }
        let arrival = (u128::from(now.as_micros()) * u128::from(clock) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit.wrapping_sub(before) as i32).unsigned_abs();
            // A jump of the sender's clock is no jitter.
            if difference < clock {
                self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
            }
        }
    }

    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(u32::from(self.first))) + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u16, timestamp: u32, ssrc: u32) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc, start: 12, end: 172 }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn loss_is_counted_over_the_wrap_of_the_sequence_number() {
        let mut reception = Reception::default();
        for n in 0..100u32 {
            if n % 10 != 5 {
                reception.count(
                    at(u64::from(n) * 20),
                    &header(65_500u16.wrapping_add(n as u16), n * 160, 1),
                    8000,
                );
            }
        }
        assert_eq!(reception.lost(), 10);
        let report = reception.report(at(2000)).unwrap();
        assert_eq!((report.lost, report.fraction_lost, report.highest), (10, 25, 65_599));
        assert_eq!(reception.report(at(2000)).unwrap().fraction_lost, 0);
        assert_eq!(reception.jitter(), Duration::ZERO);
    }

    #[test]
    fn totals_survive_a_new_source() {
        let mut reception = Reception::default();
        reception.count(at(0), &header(1, 0, 1), 8000);
        reception.count(at(40), &header(3, 320, 1), 8000);
        reception.count(at(60), &header(40_000, 77, 2), 8000);
        reception.count(at(80), &header(40_001, 237, 2), 8000);
        assert_eq!((reception.packets(), reception.lost(), reception.octets()), (4, 1, 640));
    }

    #[test]
    fn jitter_nears_the_mean_deviation() {
        let mut reception = Reception::default();
        for n in 0..500u64 {
            let late = if n % 2 == 0 { 0 } else { 10 };
            reception.count(at(n * 20 + late), &header(n as u16, n as u32 * 160, 1), 8000);
        }
        let jitter = reception.jitter().as_millis();
        assert!((9..=10).contains(&jitter), "{jitter}");
    }
}
