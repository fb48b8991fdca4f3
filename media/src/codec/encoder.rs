use std::fmt;
use std::time::Duration;

use audio_codec::Encoder as _;
use audio_codec::g722::{Bitrate as G722Bitrate, G722Encoder};
use opus::{Application, Bandwidth, Bitrate, Channels, Signal};

use super::{Codec, RateConverter, g711};

/// 60 ms at 48 kHz, the longest packet that we make.
const MOST_SAMPLES: usize = 2880;
const MOST_OCTETS: usize = 1276;
/// A packet of Opus that holds no more than this says only that nothing is said.
const QUIET: usize = 2;

/// What the receiver of our Opus packets asked for (RFC 7587 §6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpusWishes {
    /// Each packet is to tell the one before again, in case that was lost.
    pub fec: bool,
    /// Nothing is to be sent while nothing is said.
    pub dtx: bool,
    /// All packets are to have one length.
    pub constant: bool,
    /// Bits a second at most.
    pub bitrate: Option<u32>,
    /// Samples a second that the receiver can make use of.
    pub playback: u32,
}

impl Default for OpusWishes {
    fn default() -> Self {
        Self { fec: false, dtx: false, constant: false, bitrate: None, playback: 48_000 }
    }
}

/// Cuts PCM into packets of one length and encodes them. Takes pieces of any length; keeps the rest for the next one.
pub struct Encoder {
    codec: Codec,
    rate: u32,
    packet: Duration,
    /// Samples in a packet.
    frame: usize,
    kind: Kind,
    pending: [i16; MOST_SAMPLES],
    filled: usize,
    /// RTP time of the first pending sample.
    start: u32,
}

enum Kind {
    Mu,
    A,
    G722 {
        g722: Box<G722Encoder>,
        widen: Option<Box<RateConverter>>,
    },
    Opus {
        opus: opus::Encoder,
        dtx: bool,
        complexity: i32,
        loss: u8,
    },
    /// Of G.729 nothing is made.
    Nothing,
}

impl Encoder {
    /// `rate` of the PCM is 8,000 for G.711, 8,000 or 16,000 for G.722, and also 48,000 for Opus. `packet` is 10 to 60 ms; what the
    /// codec has no frame for becomes 20 ms. Nothing comes out for G.729.
    pub fn new(codec: Codec, rate: u32, packet: Duration) -> Self {
        let possible = match codec {
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::G729 => (10..=60).contains(&packet.as_millis()),
            Codec::Opus => matches!(packet.as_millis(), 10 | 20 | 40 | 60),
        };
        let millis = if possible { packet.as_millis() as usize } else { 20 };
        let kind = match codec {
            Codec::Pcmu => Kind::Mu,
            Codec::Pcma => Kind::A,
            Codec::G722 => Kind::G722 {
                g722: Box::new(G722Encoder::with_options(G722Bitrate::Mode1_64000, false, false)),
                widen: (rate == 8000).then(|| Box::new(RateConverter::new(8000, 16_000))),
            },
            Codec::Opus => Kind::Opus { opus: opus_encoder(rate), dtx: false, complexity: 1, loss: 0 },
            Codec::G729 => Kind::Nothing,
        };
        let frame = rate as usize / 1000 * millis;
        Self { codec, rate, packet, frame, kind, pending: [0; MOST_SAMPLES], filled: 0, start: 0 }
    }

    /// Whether it was made for this.
    pub fn is_for(&self, codec: Codec, rate: u32, packet: Duration) -> bool {
        (self.codec, self.rate, self.packet) == (codec, rate, packet)
    }

    /// Does as the receiver of Opus asked.
    pub fn heed(&mut self, wishes: OpusWishes) {
        let Kind::Opus { opus, dtx, .. } = &mut self.kind else { return };
        *dtx = wishes.dtx;
        let usual = usual_bitrate(self.rate);
        // RFC 7587 §6.1 has them from 6,000 to 510,000.
        let bitrate = wishes.bitrate.map_or(usual, |most| usual.min(most.max(6000) as i32));
        let widest = match wishes.playback {
            0..=8000 => Bandwidth::Narrowband,
            8001..=12_000 => Bandwidth::Mediumband,
            12_001..=16_000 => Bandwidth::Wideband,
            16_001..=24_000 => Bandwidth::Superwideband,
            24_001.. => Bandwidth::Fullband,
        };
        let set = opus
            .set_inband_fec(wishes.fec)
            .and_then(|()| opus.set_dtx(wishes.dtx))
            .and_then(|()| opus.set_vbr(!wishes.constant))
            .and_then(|()| opus.set_bitrate(Bitrate::Bits(bitrate)))
            .and_then(|()| opus.set_max_bandwidth(widest));
        set.expect("libopus knows these settings");
    }

    /// How hard Opus may try, 0 to 10, and how many of a hundred packets are lost on the way.
    pub fn adapt(&mut self, effort: u8, lost: u8) {
        let Kind::Opus { opus, complexity, loss, .. } = &mut self.kind else { return };
        let effort = i32::from(effort.min(10));
        if *complexity != effort && opus.set_complexity(effort).is_ok() {
            *complexity = effort;
        }
        let lost = lost.min(100);
        if *loss != lost && opus.set_packet_loss_perc(lost.into()).is_ok() {
            *loss = lost;
        }
    }

    /// Whether encoding is dear enough to be adapted to the load.
    pub fn is_adaptive(&self) -> bool {
        matches!(self.kind, Kind::Opus { .. })
    }

    /// Samples that would fill the packet begun, 0 when none is.
    pub fn room(&self) -> usize {
        if self.filled == 0 { 0 } else { self.frame - self.filled }
    }

    /// Takes samples that begin at RTP time `timestamp`; `emit` gets the time and payload of each packet that became full.
    /// Where the time jumps, the packet begun before is filled with silence.
    pub fn push(&mut self, timestamp: u32, pcm: &[i16], mut emit: impl FnMut(u32, &[u8])) {
        let ahead = |samples: usize, clock: u32, rate: u32| {
            (samples as u64 * u64::from(clock) / u64::from(rate)) as u32
        };
        let filled = ahead(self.filled, self.codec.clock(), self.rate);
        if self.filled > 0 && timestamp != self.start.wrapping_add(filled) {
            self.pending[self.filled..self.frame].fill(0);
            self.flush(&mut emit);
        }
        if self.filled == 0 {
            self.start = timestamp;
        }
        let mut rest = pcm;
        while !rest.is_empty() {
            let take = rest.len().min(self.frame - self.filled);
            let (now, later) = rest.split_at(take);
            self.pending[self.filled..self.filled + take].copy_from_slice(now);
            self.filled += take;
            rest = later;
            if self.filled == self.frame {
                self.flush(&mut emit);
            }
        }
    }

    /// Drops what was begun, as at a change of the source.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    fn flush(&mut self, emit: &mut impl FnMut(u32, &[u8])) {
        let mut octets = [0; MOST_OCTETS];
        let frame = &self.pending[..self.frame];
        let length = match &mut self.kind {
            Kind::Mu => fill(&mut octets, frame, g711::encode_mu),
            Kind::A => fill(&mut octets, frame, g711::encode_a),
            Kind::G722 { g722, widen: None } => g722.encode_into(frame, &mut octets).unwrap_or(0),
            Kind::G722 { g722, widen: Some(widen) } => {
                let mut wide = [0; MOST_SAMPLES];
                let length = widen.convert(frame, &mut wide);
                g722.encode_into(&wide[..length], &mut octets).unwrap_or(0)
            }
            Kind::Opus { opus, .. } => {
                opus.encode(frame, &mut octets).expect("the frame length is one of Opus's")
            }
            Kind::Nothing => 0,
        };
        let quiet = match &self.kind {
            Kind::Opus { dtx, .. } => *dtx && length <= QUIET,
            Kind::Mu | Kind::A | Kind::G722 { .. } | Kind::Nothing => length == 0,
        };
        if !quiet {
            emit(self.start, &octets[..length]);
        }
        let units = self.frame as u64 * u64::from(self.codec.clock()) / u64::from(self.rate);
        self.start = self.start.wrapping_add(units as u32);
        self.filled = 0;
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoder({:?} from {} Hz, {} samples)", self.codec, self.rate, self.frame)
    }
}

fn fill(octets: &mut [u8], frame: &[i16], encode: fn(i16) -> u8) -> usize {
    for (octet, &sample) in octets.iter_mut().zip(frame) {
        *octet = encode(sample);
    }
    frame.len().min(octets.len())
}

fn usual_bitrate(rate: u32) -> i32 {
    match rate {
        0..=8000 => 20_000,
        8001..=16_000 => 28_000,
        16_001.. => 40_000,
    }
}

fn opus_encoder(rate: u32) -> opus::Encoder {
    let mut encoder =
        opus::Encoder::new(rate, Channels::Mono, Application::Voip).expect("libopus takes 8, 16 and 48 kHz");
    // Telephone sound gains little from more than complexity 1, which costs a third of the default.
    let set = encoder
        .set_complexity(1)
        .and_then(|()| encoder.set_signal(Signal::Voice))
        .and_then(|()| encoder.set_bitrate(Bitrate::Bits(usual_bitrate(rate))));
    set.expect("libopus knows these settings");
    encoder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_become_even_packets() {
        let mut encoder = Encoder::new(Codec::Pcma, 8000, Duration::from_millis(20));
        let mut packets = Vec::new();
        let mut time = 1000u32;
        for length in [80, 240, 80, 1, 399, 160] {
            encoder.push(time, &vec![0; length], |at, payload| packets.push((at, payload.len())));
            time += length as u32;
        }
        let expected: Vec<_> = (0..6).map(|n| (1000 + n * 160, 160)).collect();
        assert_eq!(packets, expected);
    }

    #[test]
    fn a_jump_in_time_closes_the_packet_with_silence() {
        let mut encoder = Encoder::new(Codec::Pcmu, 8000, Duration::from_millis(20));
        let mut packets = Vec::new();
        encoder.push(0, &[5000; 100], |at, payload| packets.push((at, payload.to_vec())));
        encoder.push(8000, &[5000; 160], |at, payload| packets.push((at, payload.to_vec())));
        assert_eq!(packets.iter().map(|packet| packet.0).collect::<Vec<_>>(), [0, 8000]);
        assert_eq!(packets[0].1[99], g711::encode_mu(5000));
        assert_eq!(packets[0].1[100], g711::encode_mu(0));
    }

    #[test]
    fn opus_packets_keep_their_announced_length() {
        for (rate, millis, units) in [(8000, 20, 960), (16_000, 60, 2880), (8000, 30, 960)] {
            let mut encoder = Encoder::new(Codec::Opus, rate, Duration::from_millis(millis));
            let mut seen = Vec::new();
            encoder.push(7, &vec![100; rate as usize / 1000 * 60], |at, payload| {
                seen.push((at, Codec::Opus.duration(payload)));
            });
            assert_eq!(seen[0], (7, units));
            assert_eq!(seen.len() as u32 * units, 2880);
        }
    }
}
