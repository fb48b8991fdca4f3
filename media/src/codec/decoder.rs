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

    /// Packets wait for one before them.
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives up on predecessors for which a packet waited too long; to be called in every tick while some wait.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;
    use crate::tone::{decibels, level, loudness, sine};

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    /// Packets of 20 ms of a tone of 500 Hz.
    fn packets(codec: Codec, count: usize) -> Vec<(u16, u32, Vec<u8>)> {
        let mut encoder = Encoder::new(codec, 8000, Duration::from_millis(20));
        let mut packets = Vec::new();
        encoder.push(0, &sine(500.0, 8000, 8000.0, 0, count * 160), |time, payload| {
            packets.push((65_530u16.wrapping_add(packets.len() as u16), time, payload.to_vec()));
        });
        packets
    }

    /// Hands in the packets of these numbers at these milliseconds; what was heard with its time.
    fn run(codec: Codec, order: &[(usize, u64)]) -> Vec<(u32, Vec<i16>)> {
        let packets = packets(codec, 60);
        let mut decoder = Decoder::new(codec);
        let mut heard = Vec::new();
        for &(number, millis) in order {
            decoder.release(at(millis), |time, pcm| heard.push((time, pcm.to_vec())));
            let (sequence, time, payload) = &packets[number];
            decoder.push(at(millis), *sequence, *time, payload, |time, pcm| heard.push((time, pcm.to_vec())));
        }
        heard
    }

    fn times(heard: &[(u32, Vec<i16>)]) -> Vec<u32> {
        heard.iter().map(|(time, _)| *time / 160).collect()
    }

    #[test]
    fn disorder_is_put_right_and_doubles_and_latecomers_are_dropped() {
        let order = [(0, 0), (2, 40), (1, 41), (1, 42), (3, 60), (3, 61), (0, 70), (4, 80)];
        let heard = run(Codec::Pcma, &order);
        assert_eq!(times(&heard), [0, 1, 2, 3, 4]);
        let samples: Vec<i16> = heard.into_iter().flat_map(|piece| piece.1).collect();
        for (index, (heard, meant)) in samples.iter().zip(sine(500.0, 8000, 8000.0, 0, 800)).enumerate() {
            assert!((i32::from(*heard) - i32::from(meant)).abs() < 300, "{index}");
        }
    }

    #[test]
    fn a_lost_packet_is_waited_for_only_so_long_and_then_made_up() {
        let heard = run(Codec::Pcmu, &[(0, 0), (2, 40), (3, 60), (4, 80), (5, 100)]);
        assert_eq!(times(&heard), [0, 1, 2, 3, 4, 5]);
        assert!(loudness(&heard[1].1) > 4000.0, "the gap is filled");
        let heard = run(Codec::Pcmu, &[(0, 0), (2, 40), (3, 79), (4, 81)]);
        assert_eq!(times(&heard), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_long_loss_fades_and_stays_a_gap() {
        let heard = run(Codec::Pcmu, &[(0, 0), (4, 80), (5, 100), (6, 120)]);
        assert_eq!(times(&heard)[..3], [0, 1, 4]);
        let made = &heard[1].1;
        assert_eq!(made.len(), 480);
        assert!(loudness(&made[..80]) > 4500.0 && loudness(&made[400..]) < 1000.0);
        let heard = run(Codec::Pcmu, &[(0, 0), (40, 800), (41, 820), (42, 840)]);
        assert_eq!(times(&heard), [0, 40, 41, 42]);
    }

    #[test]
    fn opus_makes_up_its_own_losses() {
        let order: Vec<_> = (0..60).filter(|n| n % 9 != 8).map(|n| (n, n as u64 * 20)).collect();
        let heard = run(Codec::Opus, &order);
        let samples: Vec<i16> = heard.iter().flat_map(|piece| piece.1.clone()).collect();
        assert!((59 * 160..=60 * 160).contains(&samples.len()), "{}", samples.len());
        let found = decibels(level(&samples[1600..8000], 8000, 500.0), 8000.0);
        assert!(found.abs() < 3.0, "{found}");
    }

    #[test]
    fn a_pause_without_loss_is_handed_on_as_a_jump_in_time() {
        let mut decoder = Decoder::new(Codec::Pcmu);
        let mut heard = Vec::new();
        decoder.push(at(0), 1, 0, &[0xff; 160], |time, pcm| heard.push((time, pcm.len())));
        decoder.push(at(420), 2, 3360, &[0xff; 80], |time, pcm| heard.push((time, pcm.len())));
        assert_eq!(heard, [(0, 160), (3360, 80)]);
    }

    #[test]
    fn a_restarted_sender_is_heard_at_once() {
        let mut decoder = Decoder::new(Codec::Pcmu);
        let mut heard = Vec::new();
        for (sequence, time) in [(1, 0), (2, 160), (40_000, 7), (40_001, 167)] {
            decoder.push(at(0), sequence, time, &[0xff; 160], |time, _| heard.push(time));
        }
        assert_eq!(heard, [0, 160, 7, 167]);
    }

    #[test]
    fn the_number_of_an_event_is_no_loss() {
        let mut decoder = Decoder::new(Codec::Pcmu);
        let mut heard = Vec::new();
        decoder.push(at(0), 1, 0, &[0xff; 160], |time, _| heard.push(time));
        decoder.skip(2, |time, _| heard.push(time));
        decoder.push(at(40), 3, 320, &[0xff; 160], |time, _| heard.push(time));
        assert_eq!(heard, [0, 320]);
    }
}
