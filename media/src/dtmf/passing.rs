//! The presses of one peer told to another one, whose events may have another clock.

use super::Payload;

/// The most that a packet can say (RFC 4733 §2.3.5).
const MOST: u64 = u16::MAX as u64;

/// Follows the presses of one peer.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    press: Option<Press>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    /// Timestamp of the peer's segment, what it said about its length, and the length of those before it.
    timestamp: u32,
    duration: u64,
    before: u64,
    ended: bool,
    /// Where the press begins in our stream.
    begin: u32,
    /// Where our segment begins, and whether the other peer knows its whole length.
    since: u64,
    full: bool,
}

/// A packet for the other peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed {
    /// Where the press begins in our stream.
    pub begin: u32,
    /// Units of the other peer's events from there to the beginning of the segment.
    pub since: u32,
    pub payload: Payload,
    /// The first packet of the press.
    pub first: bool,
}

impl Passing {
    /// Takes a packet with this timestamp, whose events have `clock` units a second. A press that is new begins at `now` in our
    /// stream; the other peer's events have `to` units a second.
    pub fn pass(&mut self, timestamp: u32, clock: u32, payload: Payload, now: u32, to: u32) -> Passed {
        let told = u64::from(payload.duration);
        let mut press = match self.press.filter(|press| press.event == payload.event) {
            Some(press) if press.timestamp == timestamp => {
                let (duration, ended) = (press.duration.max(told), press.ended || payload.end);
                Press { duration, ended, ..press }
            }
            // RFC 4733 §2.5.1.3: a long press goes on as a segment that begins where the last one ended.
            Some(press)
                if !press.ended
                    && timestamp == press.timestamp.wrapping_add(MOST as u32)
                    && press.duration + u64::from(clock) / 5 > MOST =>
            {
                let before = press.before + MOST;
                Press { timestamp, duration: told, before, ended: payload.end, ..press }
            }
            Some(_) | None => Press {
                event: payload.event,
                timestamp,
                duration: told,
                before: 0,
                ended: payload.end,
                begin: now,
                since: 0,
                full: false,
            },
        };
        let first =
            self.press.is_none_or(|before| (before.event, before.begin) != (press.event, press.begin));
        // A packet that was overtaken says no less than the one before.
        let whole = (press.before + press.duration) * u64::from(to) / u64::from(clock.max(1));
        if press.full && whole > press.since + MOST {
            (press.since, press.full) = (press.since + MOST, false);
        }
        let duration = u16::try_from(whole - press.since);
        // A segment is told in full before the next one begins.
        press.full |= duration.is_err();
        self.press = Some(press);
        let end = payload.end && duration.is_ok();
        let payload = Payload { end, duration: duration.unwrap_or(u16::MAX), ..payload };
        Passed { begin: press.begin, since: press.since as u32, payload, first }
    }
}

#[cfg(test)]
mod tests {
    use model::Instant;

    use super::super::Receiver;
    use super::*;

    /// A press of so many milliseconds, told every 20 ms in segments as a sender with this clock must.
    fn press(event: u8, millis: u64, clock: u32) -> Vec<(u32, Payload)> {
        let units = |millis: u64| millis * u64::from(clock) / 1000;
        let packet = |millis: u64, end| {
            let since = (units(millis) - 1) / MOST * MOST;
            let payload = Payload { event, end, volume: 10, duration: (units(millis) - since) as u16 };
            (70_000u32.wrapping_add(since as u32), payload)
        };
        let steps = (1..millis / 20).map(|step| packet(step * 20, false));
        steps.chain([packet(millis, true); 3]).collect()
    }

    #[test]
    fn the_other_peer_hears_the_press_as_long_as_it_was_at_any_clock() {
        for (clock, to) in [(8000, 48_000), (48_000, 8000), (8000, 8000), (48_000, 48_000)] {
            for millis in [40, 100, 1300, 5000] {
                let (mut passing, mut receiver) = (Passing::default(), Receiver::default());
                let mut firsts = 0;
                let mut heard = Vec::new();
                for (step, (timestamp, payload)) in press(7, millis, clock).into_iter().enumerate() {
                    let passed = passing.pass(timestamp, clock, payload, 900 + step as u32, to);
                    assert_eq!(passed.begin, 900);
                    firsts += u32::from(passed.first);
                    let at = Instant::from_micros(step as u64 * 20_000);
                    heard.extend(receiver.push(at, passed.begin + passed.since, to, passed.payload));
                }
                assert_eq!(firsts, 1);
                let [(key, time)] = heard[..] else {
                    panic!("{heard:?} for {millis} ms from {clock} to {to}")
                };
                assert_eq!(key, '7');
                assert!(millis.abs_diff(time.as_millis() as u64) <= 1, "{time:?} of {millis} ms");
            }
        }
    }

    #[test]
    fn the_next_press_begins_where_it_comes() {
        let mut passing = Passing::default();
        let end = Payload { event: 1, end: true, volume: 10, duration: 800 };
        assert!(passing.pass(5, 8000, end, 100, 8000).first);
        let again = passing.pass(1605, 8000, Payload { duration: 160, end: false, ..end }, 2000, 8000);
        assert_eq!((again.begin, again.since, again.first), (2000, 0, true));
    }
}
