//! Digits as telephone events (RFC 4733 §2) and as tones: received, sent and passed on.

mod ear;
mod passing;

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::Duration;

use model::Instant;

pub use ear::Ear;
pub use passing::{Passed, Passing};

/// ITU-T Q.23: the tones in Hertz, and the keys that they stand for.
const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: &[u8; 16] = b"123A456B789C*0#D";
/// An event whose end never came is over after this much silence. Senders repeat every 20–60 ms.
const LOST_END: Duration = Duration::from_millis(200);
/// Packets of an earlier event do not come later than this; a smaller timestamp then is a sender that began anew.
const STALE: Duration = Duration::from_secs(1);
/// How long a digit of ours sounds unless somebody pressed it for another time, and the pause after it.
const SOUND: Duration = Duration::from_millis(100);
/// ITU-T Q.24: shorter ones are not understood; longer ones nobody waits for.
const SHORTEST: Duration = Duration::from_millis(60);
const LONGEST: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(60);
const STEP: Duration = Duration::from_millis(20);
/// RFC 4733 §2.5.1.4: the end goes out three times.
const ENDS: u32 = 3;
/// More than anybody dials; the rest of a longer row is not sent.
const MOST_WAITING: usize = 128;

/// The four octets of a telephone event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payload {
    pub event: u8,
    pub end: bool,
    /// −dBm0, 0 to 63.
    pub volume: u8,
    /// In timestamp units.
    pub duration: u16,
}

impl Payload {
    /// `None` for what is too short. Octets beyond the fourth (several events in one packet) are not looked at.
    pub fn parse(octets: &[u8]) -> Option<Payload> {
        let octets: &[u8; 4] = octets.first_chunk()?;
        Some(Payload {
            event: octets[0],
            end: octets[1] & 0x80 != 0,
            volume: octets[1] & 0x3f,
            duration: u16::from_be_bytes([octets[2], octets[3]]),
        })
    }

    pub fn octets(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume & 0x3f, high, low]
    }
}

/// The key behind an event number, `None` for tones and flash.
pub fn digit(event: u8) -> Option<char> {
    const DIGITS: &[u8; 16] = b"0123456789*#ABCD";
    DIGITS.get(usize::from(event)).map(|&digit| char::from(digit))
}

/// The event number of a key.
pub fn event(digit: char) -> Option<u8> {
    match digit.to_ascii_uppercase() {
        digit @ '0'..='9' => Some(digit as u8 - b'0'),
        '*' => Some(10),
        '#' => Some(11),
        digit @ 'A'..='D' => Some(digit as u8 - b'A' + 12),
        _ => None,
    }
}

/// Fills a frame of 8 kHz with the two tones of an event (ITU-T Q.23), `sounded` after their begin.
pub fn tones(event: u8, sounded: Duration, frame: &mut [i16]) {
    let key = digit(event).and_then(|digit| KEYS.iter().position(|&key| char::from(key) == digit));
    let Some(key) = key else { return frame.fill(0) };
    for (index, sample) in frame.iter_mut().enumerate() {
        let time = sounded.as_secs_f64() + index as f64 / 8000.0;
        let tone = |hertz: f64| (TAU * hertz * time).sin();
        *sample = (6000.0 * (tone(LOW[key / 4]) + tone(HIGH[key % 4]))) as i16;
    }
}

/// Recognises keys in the events of one peer: one digit per press, however often its packets come, and also when all of its
/// ends are lost.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    current: Option<Press>,
}

#[derive(Clone, Debug)]
struct Press {
    timestamp: u32,
    event: u8,
    /// Timestamp units of the segments before this one and of this one, and units a second.
    before: u64,
    duration: u32,
    clock: u32,
    heard: Instant,
    said: bool,
}

impl Receiver {
    /// Takes one event packet. Gives the key that ended with it, and with what duration.
    pub fn push(
        &mut self,
        now: Instant,
        timestamp: u32,
        clock: u32,
        payload: Payload,
    ) -> Option<(char, Duration)> {
        let mut ended = None;
        match &mut self.current {
            Some(press) if press.timestamp == timestamp && press.event == payload.event => {
                press.duration = press.duration.max(payload.duration.into());
                press.heard = now;
            }
            // Left over from before the current one.
            Some(press)
                if (timestamp.wrapping_sub(press.timestamp) as i32) < 0
                    && now.saturating_since(press.heard) < STALE =>
            {
                return None;
            }
            // RFC 4733 §2.5.1.3: a long press goes on as a segment that begins where the last one ended.
            Some(press)
                if !press.said
                    && press.event == payload.event
                    && timestamp == press.timestamp.wrapping_add(0xffff)
                    // The last packets of the segment may be lost.
                    && press.duration + clock / 5 > 0xffff =>
            {
                // The key is still down.
                press.before += 0xffff;
                press.duration = payload.duration.into();
                press.timestamp = timestamp;
                press.heard = now;
            }
            Some(_) | None => {
                ended = self.current.as_mut().and_then(Press::say);
                self.current = Some(Press {
                    timestamp,
                    event: payload.event,
                    before: 0,
                    duration: payload.duration.into(),
                    clock,
                    heard: now,
                    said: false,
                });
            }
        }
        if payload.end && ended.is_none() {
            ended = self.current.as_mut().and_then(Press::say);
        }
        ended
    }

    /// A key is down, as far as we have heard: [`Receiver::poll`] may have something to say.
    pub fn is_pressed(&self) -> bool {
        self.current.as_ref().is_some_and(|press| !press.said)
    }

    /// The key whose end was lost, once that is certain; to be called in every tick while one is pressed.
    pub fn poll(&mut self, now: Instant) -> Option<(char, Duration)> {
        let press = self.current.as_mut()?;
        if now.saturating_since(press.heard) < LOST_END { None } else { press.say() }
    }
}

impl Press {
    fn say(&mut self) -> Option<(char, Duration)> {
        if std::mem::replace(&mut self.said, true) {
            return None;
        }
        let micros = (self.before + u64::from(self.duration)) * 1_000_000 / u64::from(self.clock.max(1));
        digit(self.event).map(|digit| (digit, Duration::from_micros(micros)))
    }
}

/// Makes the event packets of digits that are to be sent, one per tick of 20 ms.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// Events, and how long each sounds.
    waiting: VecDeque<(u8, Duration)>,
    /// Ticks since the current digit began, and since the whole row did.
    tick: u32,
    row_tick: u32,
    rows: u32,
    current: Option<(u8, Duration)>,
}

/// One packet to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sending {
    /// Time from the beginning of the row to that of the digit.
    pub since: Duration,
    pub payload: Payload,
    pub first: bool,
    /// How much of the digit sounded before this tick; `None` when it is over and the packet only repeats the end.
    pub sounded: Option<Duration>,
}

impl Sender {
    /// What is no digit is passed over.
    pub fn push(&mut self, digits: &str) {
        digits.chars().for_each(|digit| self.push_for(digit, SOUND));
    }

    /// A digit that sounds for this time.
    pub fn push_for(&mut self, digit: char, time: Duration) {
        if !self.is_sending() {
            self.row_tick = 0;
            self.rows = self.rows.wrapping_add(1);
        }
        if let Some(event) = event(digit).filter(|_| self.waiting.len() < MOST_WAITING) {
            self.waiting.push_back((event, time.clamp(SHORTEST, LONGEST)));
        }
    }

    /// Until the pause after the last digit is over; no voice is sent meanwhile.
    pub fn is_sending(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Which row of digits this is.
    pub fn row(&self) -> u32 {
        self.rows
    }

    /// Time from the beginning of the row to this tick.
    pub fn elapsed(&self) -> Duration {
        STEP * self.row_tick
    }

    /// The packet of this tick, for events of `clock` units a second.
    pub fn tick(&mut self, clock: u32) -> Option<Sending> {
        if self.current.is_none() {
            self.current = self.waiting.pop_front();
            self.tick = 0;
        }
        let (event, time) = self.current?;
        let sound = time.as_micros().div_ceil(STEP.as_micros()) as u32;
        let whole = sound + (PAUSE.as_micros() / STEP.as_micros()) as u32;
        let tick = self.tick;
        let since = STEP * (self.row_tick - tick);
        self.tick += 1;
        self.row_tick += 1;
        if self.tick == whole {
            self.current = None;
        }
        if tick >= sound - 1 + ENDS {
            return None;
        }
        let units = (tick + 1).min(sound) * (clock / 50);
        let payload = Payload {
            event,
            end: tick >= sound - 1,
            volume: 10,
            duration: units.min(u16::MAX.into()) as u16,
        };
        Some(Sending { since, payload, first: tick == 0, sounded: (tick < sound).then(|| STEP * tick) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn payload(event: u8, duration: u16, end: bool) -> Payload {
        Payload { event, end, volume: 10, duration }
    }

    #[test]
    fn one_press_is_one_digit_though_its_end_comes_thrice() {
        let mut receiver = Receiver::default();
        let mut digits = Vec::new();
        for n in 0..5u16 {
            digits.extend(receiver.push(
                at(u64::from(n) * 20),
                1000,
                8000,
                payload(5, (n + 1) * 160, n >= 4),
            ));
        }
        for _ in 0..2 {
            digits.extend(receiver.push(at(120), 1000, 8000, payload(5, 800, true)));
        }
        digits.extend(receiver.poll(at(5000)));
        assert_eq!(digits, [('5', Duration::from_millis(100))]);
    }

    #[test]
    fn a_lost_end_shows_by_the_next_key_or_by_silence() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.push(at(0), 0, 8000, payload(1, 160, false)), None);
        let next = receiver.push(at(100), 1600, 8000, payload(11, 160, false));
        assert_eq!(next, Some(('1', Duration::from_millis(20))));
        assert_eq!(receiver.poll(at(150)), None);
        assert_eq!(receiver.poll(at(301)), Some(('#', Duration::from_millis(20))));
        assert_eq!(receiver.poll(at(400)), None);
        // A late packet of the key that was said, and one of the key before it.
        assert_eq!(receiver.push(at(401), 1600, 8000, payload(11, 320, true)), None);
        assert_eq!(receiver.push(at(402), 0, 8000, payload(1, 320, true)), None);
    }

    #[test]
    fn the_same_key_twice_is_two_digits() {
        let mut receiver = Receiver::default();
        let first = receiver.push(at(0), 0, 8000, payload(7, 800, true));
        let second = receiver.push(at(200), 1600, 8000, payload(7, 800, true));
        assert_eq!(first, second);
        assert_eq!(first.unwrap().0, '7');
    }

    #[test]
    fn a_single_packet_that_is_an_end_is_a_digit() {
        assert_eq!(Receiver::default().push(at(0), 5, 48_000, payload(0, 4800, true)).unwrap().0, '0');
    }

    #[test]
    fn flash_and_tones_are_no_digits() {
        assert_eq!(Receiver::default().push(at(0), 5, 8000, payload(16, 800, true)), None);
    }

    #[test]
    fn what_is_sent_is_received() {
        let mut sender = Sender::default();
        let mut receiver = Receiver::default();
        sender.push("12*x#a9");
        let mut digits = String::new();
        let mut packets = 0;
        for tick in 0..200u64 {
            if let Some(sending) = sender.tick(8000) {
                packets += 1;
                let timestamp = (sending.since.as_millis() * 8) as u32;
                let payload = Payload::parse(&sending.payload.octets()).unwrap();
                if let Some((digit, duration)) = receiver.push(at(tick * 20), timestamp, 8000, payload) {
                    digits.push(digit);
                    assert_eq!(duration, SOUND);
                }
            }
        }
        assert_eq!(digits, "12*#A9");
        assert_eq!(packets, 6 * 7);
        assert!(!sender.is_sending());
    }

    proptest! {
        #[test]
        fn no_row_of_events_panics(
            events in proptest::collection::vec((any::<u32>(), any::<[u8; 4]>(), 0u64..500), 0..60)
        ) {
            let mut receiver = Receiver::default();
            let mut now = 0;
            for (timestamp, octets, pause) in events {
                now += pause;
                let _ = receiver.push(at(now), timestamp, 8000, Payload::parse(&octets).unwrap());
                let _ = receiver.poll(at(now));
            }
        }
    }
}
