//! G.711, G.722 and Opus, each to and from 16-bit mono PCM, and G.729, which is only passed on.

mod decoder;
mod encoder;
pub mod g711;
mod rate;

use std::time::Duration;

pub use decoder::{Decoder, MOST_SAMPLES};
pub use encoder::{Encoder, OpusWishes};
pub use rate::RateConverter;

/// Voice codecs that legs can use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    /// G.711 µ-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
    /// G.722 at 64 kbit/s, payload type 9.
    G722,
    /// RFC 7587, a dynamic payload type.
    Opus,
    /// Payload type 18: passed from one leg to another that speaks it too, never decoded or made.
    G729,
}

impl Codec {
    /// RTP timestamp units a second.
    pub const fn clock(self) -> u32 {
        match self {
            // RFC 3551 §4.5.2: G.722 counts at 8,000 though it samples at 16,000.
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::G729 => 8000,
            Codec::Opus => 48_000,
        }
    }

    /// Samples a second that it can carry; `None` for what we only pass on.
    pub const fn rate(self) -> Option<u32> {
        match self {
            Codec::Pcmu | Codec::Pcma => Some(8000),
            Codec::G722 => Some(16_000),
            Codec::Opus => Some(48_000),
            Codec::G729 => None,
        }
    }

    /// The rate at which prompts and music are played to it; `None` for what nothing can be played to.
    pub fn prompt_rate(self) -> Option<u32> {
        self.rate().map(|rate| rate.min(16_000))
    }

    /// The name in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
            Codec::G729 => "G729",
        }
    }

    /// How much sound the payload holds in timestamp units; 0 for what cannot be a packet of this codec.
    pub fn duration(self, payload: &[u8]) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => payload.len() as u32,
            Codec::Opus => opus_duration(payload),
            Codec::G729 => g729_duration(payload.len()),
        }
    }

    /// The byte map that turns a payload of this codec into `to`; `None` when that takes more than a map.
    pub fn map_to(self, to: Codec) -> Option<Option<&'static [u8; 256]>> {
        match (self, to) {
            (Codec::Pcmu, Codec::Pcma) => Some(Some(&g711::MU_TO_A)),
            (Codec::Pcma, Codec::Pcmu) => Some(Some(&g711::A_TO_MU)),
            (one, other) => (one == other).then_some(None),
        }
    }
}

/// Timestamp units of `clock` in `time`, rounded to the nearest.
pub fn units(time: Duration, clock: u32) -> u64 {
    (time.as_micros() as u64 * u64::from(clock) + 500_000) / 1_000_000
}

/// RFC 6716 §3.1: frame length from the configuration number, frame count from the code.
fn opus_duration(payload: &[u8]) -> u32 {
    let Some(&toc) = payload.first() else { return 0 };
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        12..=15 => [480, 960][usize::from(config % 2)],
        16.. => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(payload.get(1).map_or(0, |count| count & 0x3f)),
    };
    let units = frame * frames;
    // RFC 6716 §3.4 R5: never more than 120 ms.
    if units > 5760 { 0 } else { units }
}

/// RFC 3551 §4.5.6: frames of ten octets for 10 ms each, the last one perhaps a noise frame of two.
fn g729_duration(octets: usize) -> u32 {
    match octets % 10 {
        0 => octets as u32 / 10 * 80,
        2 => (octets as u32 / 10 + 1) * 80,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_packet_lengths_follow_the_table_of_contents() {
        assert_eq!(opus_duration(&[]), 0);
        assert_eq!(opus_duration(&[0x08]), 960);
        assert_eq!(opus_duration(&[0x18]), 2880);
        assert_eq!(opus_duration(&[0x78]), 960);
        assert_eq!(opus_duration(&[0x80 | 1]), 240);
        assert_eq!(opus_duration(&[0x08 | 3, 6]), 5760);
        assert_eq!(opus_duration(&[0x08 | 3, 7]), 0, "140 ms is against the standard");
        assert_eq!(opus_duration(&[0x08 | 3]), 0);
    }

    #[test]
    fn g729_packets_are_whole_frames_and_perhaps_a_noise_frame() {
        for (octets, units) in [(0, 0), (20, 160), (22, 240), (2, 80), (15, 0)] {
            assert_eq!(Codec::G729.duration(&vec![0; octets]), units, "{octets}");
        }
    }

    #[test]
    fn units_round_to_the_nearest() {
        assert_eq!(units(Duration::from_millis(20), 8000), 160);
        assert_eq!(units(Duration::from_micros(124), 8000), 1);
        assert_eq!(units(Duration::from_secs(1), 48_000), 48_000);
    }
}
