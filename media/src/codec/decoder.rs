use std::fmt;
use std::time::Duration;

use model::Instant;
use opus::Channels;

use super::{Codec, g711};

/// 120 ms at 8 kHz, the longest Opus packet; longer G.711 is refused.
const MOST_SAMPLES: usize = 960;
/// How many packets may wait for one that is late.
const HELD: usize = 3;
const HELD_FOR: Duration = Duration::from_millis(40);
const MOST_OCTETS: usize = 1280;
/// A sequence number further off than this begins a new stream.
const NEAR: i16 = 100;
/// Up to how much lost sound is made up, in samples; what is beyond stays a gap in the timestamps.
const CONCEALED: u32 = 480;

/// Puts the packets of one stream in order, decodes them to mono at 8 kHz and makes up for lost ones.
///
/// A packet out of order waits until its predecessor comes, three packets wait, or 40 ms pass (see [`Decoder::release`]).
/// Doubles and packets that come after their time are dropped. A jump of the timestamp without a lost sequence number (DTX)
/// is handed on as a jump.
pub struct Decoder {
    codec: Codec,
    opus: Option<opus::Decoder>,
    /// Sequence number and RTP time of the packet to come.
    expected: Option<(u16, u32)>,
    held: Vec<Held>,
    /// The last good G.711 frame, repeated in place of lost ones, and how many samples were made up since.
    last: [i16; MOST_SAMPLES],
    last_length: usize,
    faded: u32,
}

struct Held {
    sequence: u16,
    timestamp: u32,
    since: Instant,
    length: usize,
    payload: [u8; MOST_OCTETS],
}

impl Decoder {
    /// Samples a second of what comes out.
    pub const RATE: u32 = 8000;

    pub fn new(codec: Codec) -> Self {
        let opus = match codec {
            Codec::Pcmu | Codec::Pcma => None,
            Codec::Opus => Some(opus::Decoder::new(Self::RATE, Channels::Mono).expect("libopus takes 8 kHz")),
        };
        Self {
            codec,
            opus,
            expected: None,
            held: Vec::new(),
            last: [0; MOST_SAMPLES],
            last_length: 0,
            faded: 0,
        }
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes one packet; `heard` gets the RTP time and samples of everything that is now in order.
    pub fn push(
        &mut self,
        now: Instant,
        sequence: u16,
        timestamp: u32,
        payload: &[u8],
        mut heard: impl FnMut(u32, &[i16]),
    ) {
        let units = self.codec.duration(payload);
        if units == 0 || payload.len() > MOST_OCTETS || self.samples(units) > MOST_SAMPLES {
            return;
        }
        let ahead = self.expected.map_or(0, |(expected, _)| sequence.wrapping_sub(expected) as i16);
        if ahead.abs() >= NEAR {
            self.release_all(&mut heard);
            self.expected = None;
        } else if ahead < 0 || self.held.iter().any(|held| held.sequence == sequence) {
            return;
        }
        if ahead == 0 || self.expected.is_none() {
            self.play(sequence, timestamp, payload, &mut heard);
            self.release_following(&mut heard);
            return;
        }
        let mut held =
            Held { sequence, timestamp, since: now, length: payload.len(), payload: [0; MOST_OCTETS] };
        held.payload[..payload.len()].copy_from_slice(payload);
        self.held.push(held);
        if self.held.len() >= HELD {
            self.release_first(&mut heard);
        }
    }

    /// What comes next has nothing to do with what came before.
    pub fn restart(&mut self) {
        self.expected = None;
        self.held.clear();
    }

    /// The sequence number was used for something that is not sound, such as a telephone event.
    pub fn skip(&mut self, sequence: u16, mut heard: impl FnMut(u32, &[i16])) {
        if let Some((expected, _)) = &mut self.expected
            && *expected == sequence
        {
            *expected = sequence.wrapping_add(1);
            self.release_following(&mut heard);
        }
    }

    /// Gives up on predecessors for which a packet waited too long; to be called in every tick.
    pub fn release(&mut self, now: Instant, mut heard: impl FnMut(u32, &[i16])) {
        while self.held.iter().any(|held| now.saturating_since(held.since) >= HELD_FOR) {
            self.release_first(&mut heard);
        }
    }

    fn release_all(&mut self, heard: &mut impl FnMut(u32, &[i16])) {
        while !self.held.is_empty() {
            self.release_first(heard);
        }
    }

    /// Makes up for what is missing before the earliest waiting packet and plays that and its followers.
    fn release_first(&mut self, heard: &mut impl FnMut(u32, &[i16])) {
        let Some((expected, _)) = self.expected else { return self.held.clear() };
        let distance = |held: &Held| held.sequence.wrapping_sub(expected);
        let Some(first) = (0..self.held.len()).min_by_key(|&index| distance(&self.held[index])) else {
            return;
        };
        let first = self.held.swap_remove(first);
        self.conceal(first.timestamp, heard);
        self.play(first.sequence, first.timestamp, &first.payload[..first.length], heard);
        self.release_following(heard);
    }

    fn release_following(&mut self, heard: &mut impl FnMut(u32, &[i16])) {
        while let Some((expected, _)) = self.expected
            && let Some(index) = self.held.iter().position(|held| held.sequence == expected)
        {
            let next = self.held.swap_remove(index);
            self.play(next.sequence, next.timestamp, &next.payload[..next.length], heard);
        }
    }

    fn play(&mut self, sequence: u16, timestamp: u32, payload: &[u8], heard: &mut impl FnMut(u32, &[i16])) {
        let units = self.codec.duration(payload);
        self.expected = Some((sequence.wrapping_add(1), timestamp.wrapping_add(units)));
        let mut samples = [0; MOST_SAMPLES];
        let length = match (self.codec, &mut self.opus) {
            (Codec::Opus, Some(opus)) => match opus.decode(payload, &mut samples, false) {
                Ok(length) => length,
                // A packet that libopus refuses counts as lost.
                Err(_) => return,
            },
            (Codec::Pcma, _) => expand(&mut samples, payload, &g711::A_DECODE),
            (Codec::Pcmu, _) | (Codec::Opus, None) => expand(&mut samples, payload, &g711::MU_DECODE),
        };
        if self.opus.is_none() {
            self.last[..length].copy_from_slice(&samples[..length]);
            self.last_length = length;
        }
        self.faded = 0;
        heard(timestamp, &samples[..length]);
    }

    /// Fills the time up to the packet at `until`.
    fn conceal(&mut self, until: u32, heard: &mut impl FnMut(u32, &[i16])) {
        let Some((_, from)) = self.expected else { return };
        let missing = until.wrapping_sub(from);
        let scale = self.codec.clock() / Self::RATE;
        if missing == 0 || missing / scale > CONCEALED {
            return;
        }
        let mut samples = [0; CONCEALED as usize];
        let length = (missing / scale) as usize;
        let made = match &mut self.opus {
            // libopus makes up multiples of 2.5 ms.
            Some(opus) => opus.decode(&[], &mut samples[..length / 20 * 20], false).unwrap_or(0),
            None => self.repeat(&mut samples[..length]),
        };
        if made > 0 {
            heard(from, &samples[..made]);
        }
    }

    /// Repeats the last frame, fading to silence within 60 ms.
    fn repeat(&mut self, samples: &mut [i16]) -> usize {
        if self.last_length == 0 {
            return 0;
        }
        for (index, sample) in samples.iter_mut().enumerate() {
            let left = CONCEALED.saturating_sub(self.faded) as i32;
            *sample = (i32::from(self.last[index % self.last_length]) * left / CONCEALED as i32) as i16;
            self.faded += 1;
        }
        samples.len()
    }

    fn samples(&self, units: u32) -> usize {
        (units / (self.codec.clock() / Self::RATE)) as usize
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({:?}, next {:?}, {} held)", self.codec, self.expected, self.held.len())
    }
}

fn expand(samples: &mut [i16], payload: &[u8], table: &[i16; 256]) -> usize {
    for (sample, &octet) in samples.iter_mut().zip(payload) {
        *sample = table[usize::from(octet)];
    }
    payload.len()
}
