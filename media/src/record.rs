//! The recording of a session: sound is put where its timestamps say on the clock of the recording, and read off with a
//! delay. Jitter within that delay leaves no trace, what comes later is left out, and nothing is ever heard twice.
//!
//! Every party has a channel by its role: the customer the first, the operators who serve him the second, guests the third, or
//! the second where the file has no third.

use std::time::Duration;

use model::{Instant, RecordingId, SessionId};

use crate::api::Channel;
use crate::codec::units;

/// Samples a second and channel.
pub const RATE: u32 = 8000;
/// How far behind the arrival of sound it is read off. Nobody listens to a recording live, so it can be generous: what a phone or
/// a network held back and then sends at once is still put where it belongs.
const DELAY: u64 = RATE as u64 / 2;
/// Samples that fit between reading and the furthest future; a power of two.
const RING: usize = 8192;
/// Samples in a channel of one chunk for the writer. With the delay it is what a crash can take: a second.
const CHUNK: usize = RATE as usize / 2;
/// How much longer than it was asked for a pause is at its end.
const HELD_BACK: u64 = RATE as u64 / 5;
/// A source whose place on the clock is off by more than this, measured by its fastest packet in two seconds, is moved.
const MOST_DRIFT: i64 = RATE as i64 * 45 / 1000;
const WINDOW: u32 = 100;
/// Beyond this the timestamps jumped.
const MOST_JUMP: i64 = RATE as i64 * 2;

/// A running recording.
#[derive(Debug)]
pub struct Recorder {
    pub recording: RecordingId,
    pub session: SessionId,
    start: Instant,
    /// Samples read off so far.
    read: u64,
    channels: Vec<Box<[i16; RING]>>,
    chunk: Vec<i16>,
    paused: bool,
    /// Nothing before this place is taken: it was said during a pause.
    resumed: u64,
}

impl Recorder {
    /// Of 1 channel at least.
    pub fn new(now: Instant, recording: RecordingId, session: SessionId, channels: usize) -> Self {
        let channels: Vec<_> = (0..channels.max(1)).map(|_| Box::new([0; RING])).collect();
        let chunk = Vec::with_capacity(channels.len() * CHUNK);
        Self { recording, session, start: now, read: 0, channels, chunk, paused: false, resumed: 0 }
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// From now on silence, or sound again. What was said before stays, also where it comes late.
    pub fn pause(&mut self, now: Instant, paused: bool) {
        if std::mem::replace(&mut self.paused, paused) == paused {
            return;
        }
        let clock = self.clock(now);
        // The network may have held back for so long what was said in the pause.
        self.resumed = clock + HELD_BACK;
        if paused {
            // A source whose clock runs ahead of ours has put something there already.
            for place in clock.max(self.read)..self.read + RING as u64 {
                self.channels.iter_mut().for_each(|ring| ring[place as usize % RING] = 0);
            }
        }
    }

    /// Adds samples that one leg said; `timestamp` is in units of 8 kHz.
    pub fn write(&mut self, now: Instant, channel: Channel, tap: &mut Tap, timestamp: u32, samples: &[i16]) {
        let (begin, new) = tap.place(self.clock(now) as i64, timestamp, samples.len());
        // What this leg said already is not said again, and what was read off or is too far ahead has no place.
        let from = begin.max(new).max(self.read.max(self.resumed) as i64);
        let until = (begin + samples.len() as i64).min((self.read + RING as u64) as i64);
        if self.paused || from >= until {
            return;
        }
        let index = match channel {
            Channel::Customer => 0,
            Channel::Agent => 1,
            Channel::Guest => 2,
            Channel::Aside => return,
        };
        let index = index.min(self.channels.len() - 1);
        let ring = &mut self.channels[index];
        let first = from as usize % RING;
        let samples = &samples[(from - begin) as usize..(until - begin) as usize];
        let (now, then) = samples.split_at(samples.len().min(RING - first));
        add(&mut ring[first..first + now.len()], now);
        add(&mut ring[..then.len()], then);
    }

    /// Reads off what is due. `full` gets about half a second of interleaved samples at a time.
    pub fn tick(&mut self, now: Instant, full: impl FnMut(Vec<i16>)) {
        self.read_to(self.clock(now).saturating_sub(DELAY), full);
    }

    /// Reads off the rest. Returns how long the recording is.
    pub fn finish(mut self, now: Instant, mut full: impl FnMut(Vec<i16>)) -> Duration {
        self.read_to(self.clock(now), &mut full);
        if !self.chunk.is_empty() {
            full(self.chunk);
        }
        length(self.read)
    }

    fn clock(&self, now: Instant) -> u64 {
        units(now.saturating_since(self.start), RATE)
    }

    fn read_to(&mut self, end: u64, mut full: impl FnMut(Vec<i16>)) {
        let whole = self.channels.len() * CHUNK;
        while self.read < end {
            let first = self.read as usize % RING;
            let room = (RING - first).min((whole - self.chunk.len()) / self.channels.len());
            let run = first..first + room.min((end - self.read) as usize);
            self.read += run.len() as u64;
            if let [left, right] = &mut self.channels[..] {
                let pairs = left[run.clone()].iter().zip(&right[run.clone()]);
                self.chunk.extend(pairs.flat_map(|(left, right)| [*left, *right]));
            } else {
                for place in run.clone() {
                    self.chunk.extend(self.channels.iter().map(|ring| ring[place]));
                }
            }
            self.channels.iter_mut().for_each(|ring| ring[run.clone()].fill(0));
            if self.chunk.len() == whole {
                full(std::mem::replace(&mut self.chunk, Vec::with_capacity(whole)));
            }
        }
    }
}

fn length(samples: u64) -> Duration {
    Duration::from_micros(samples * 1_000_000 / u64::from(RATE))
}

fn add(places: &mut [i16], samples: &[i16]) {
    for (place, sample) in places.iter_mut().zip(samples) {
        *place = place.saturating_add(*sample);
    }
}

/// Where the timestamps of one leg lie on the clock of its session's recording.
#[derive(Clone, Debug, Default)]
pub struct Tap {
    /// Timestamp and place of the last piece.
    last: Option<(u32, i64)>,
    /// Everything before was said.
    said: i64,
    /// The earliest that a piece came relative to its place, in the current window.
    fastest: Option<i64>,
    pieces: u32,
}

impl Tap {
    /// The timestamps to come have nothing to do with those before.
    pub fn restart(&mut self) {
        (self.last, self.fastest, self.pieces) = (None, None, 0);
    }

    /// The place of a piece that came at `clock`, and from where on it is new.
    fn place(&mut self, clock: i64, timestamp: u32, length: usize) -> (i64, i64) {
        let along = |(last, place): (u32, i64)| place + i64::from(timestamp.wrapping_sub(last) as i32);
        let mut place = self.last.map_or(clock, along);
        if (place - clock).abs() > MOST_JUMP {
            self.restart();
            place = clock;
        }
        let early = place - clock;
        self.fastest = Some(self.fastest.map_or(early, |fastest| fastest.max(early)));
        self.pieces += 1;
        if self.pieces >= WINDOW {
            if let Some(off) = self.fastest.filter(|off| off.abs() > MOST_DRIFT) {
                place -= off;
            }
            (self.fastest, self.pieces) = (None, 0);
        }
        self.last = Some((timestamp, place));
        let said = self.said;
        self.said = said.max(place + length as i64);
        (place, said)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1_000_000 + millis * 1000)
    }

    struct Run {
        recorder: Recorder,
        samples: Vec<i16>,
    }

    impl Run {
        fn new() -> Self {
            let recorder = Recorder::new(at(0), RecordingId(Uuid::nil()), SessionId(Uuid::nil()), 2);
            Run { recorder, samples: Vec::new() }
        }

        /// Writes at their times the pieces (arrival in ms, timestamp) of 20 ms that hold a ramp counting the samples.
        fn run(mut self, until: u64, mut pieces: Vec<(u64, Channel, u32)>) -> Vec<[i16; 2]> {
            pieces.sort_by_key(|piece| piece.0);
            let mut taps = [Tap::default(), Tap::default()];
            let mut next = pieces.into_iter().peekable();
            for tick in 0..until / 20 {
                while let Some((arrival, channel, timestamp)) =
                    next.next_if(|piece| piece.0 < (tick + 1) * 20)
                {
                    let samples: Vec<i16> = (0..160).map(|n| (timestamp + n) as i16 & 0x7fff | 1).collect();
                    self.recorder.write(
                        at(arrival),
                        channel,
                        &mut taps[channel as usize],
                        timestamp,
                        &samples,
                    );
                }
                self.recorder.tick(at((tick + 1) * 20), |chunk| self.samples.extend(chunk));
            }
            let length = self.recorder.finish(at(until), |chunk| self.samples.extend(chunk));
            assert_eq!(length, Duration::from_millis(until));
            self.samples.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect()
        }
    }

    #[test]
    fn jitter_within_the_delay_leaves_no_trace() {
        let pieces = (0..100u64).map(|n| (n * 20 + n * 7919 % 90, Channel::Agent, n as u32 * 160));
        let frames = Run::new().run(3000, pieces.collect());
        assert_eq!(frames.len(), 24_000);
        let begin = frames.iter().position(|frame| frame[1] != 0).unwrap();
        for (index, frame) in frames[begin..begin + 16_000].iter().enumerate() {
            assert_eq!(*frame, [0, index as i16 | 1], "{index}");
        }
        assert!(frames[begin + 16_000..].iter().all(|frame| *frame == [0, 0]));
    }

    #[test]
    fn two_sides_stay_together_over_loss_drift_and_pauses() {
        let mut pieces = Vec::new();
        for n in 0..3000u64 {
            // A clock that is 0.1 % fast, with a slow first packet.
            let arrival = n * 20 - n / 50 + if n == 0 { 100 } else { 0 };
            if n % 17 != 3 && !(500..700).contains(&n) {
                pieces.push((arrival, Channel::Customer, 5_000_000 + n as u32 * 160));
            }
            pieces.push((n * 20, Channel::Agent, n as u32 * 160));
        }
        let frames = Run::new().run(60_000, pieces);
        // Each 20 ms piece bears the number of its packet; the customer's clock runs ahead of ours by n/50 ms.
        for second in 3..58usize {
            let [left, right] = frames[second * 8000 + 4000];
            let told = |value: i16, base: i32| (i32::from(value) - base).rem_euclid(32_768);
            let behind = (told(right, 0) - (second as i32 * 8000 + 4000)).rem_euclid(32_768);
            assert!(behind.min(32_768 - behind) <= 1 + 480, "agent is {behind} off after {second} s");
            if left == 0 {
                continue;
            }
            let ahead = (second as i32 * 8 + second as i32 * 8 / 1000).max(0);
            let off = (told(left, 5_000_000) - (second as i32 * 8000 + 4000) - ahead).rem_euclid(32_768);
            assert!(off.min(32_768 - off) <= 480 + 80, "customer is {off} off after {second} s");
        }
    }

    #[test]
    fn doubles_and_latecomers_are_left_out() {
        let mut recorder = Run::new();
        let mut tap = Tap::default();
        for (arrival, timestamp) in [(0, 0), (0, 0), (20, 160), (600, 320), (600, 4000)] {
            recorder.recorder.tick(at(arrival), |_| {});
            recorder.recorder.write(at(arrival), Channel::Customer, &mut tap, timestamp, &[1000; 160]);
        }
        recorder.recorder.finish(at(1000), |chunk| recorder.samples.extend(chunk));
        let heard = recorder.samples.iter().filter(|sample| **sample != 0).count();
        assert_eq!(heard, 3 * 160);
        assert!(recorder.samples.iter().all(|sample| [0, 1000].contains(sample)));
    }

    #[test]
    fn two_legs_of_one_channel_are_heard_together() {
        let mut run = Run::new();
        for value in [1000, 500] {
            run.recorder.write(at(10), Channel::Agent, &mut Tap::default(), 77, &[value; 160]);
        }
        run.recorder.finish(at(100), |chunk| run.samples.extend(chunk));
        assert_eq!(run.samples[2 * 80..2 * 240].iter().filter(|sample| **sample == 1500).count(), 160);
    }
}
