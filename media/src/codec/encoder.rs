use std::fmt;
use std::time::Duration;

use opus::{Application, Bitrate, Channels, Signal};

use super::{Codec, g711};

/// 60 ms at 16 kHz, the longest packet that we make.
const MOST_SAMPLES: usize = 960;
const MOST_OCTETS: usize = 1276;

/// Cuts PCM into packets of one length and encodes them. Takes pieces of any length; keeps the rest for the next one.
pub struct Encoder {
    codec: Codec,
    rate: u32,
    packet: Duration,
    /// Samples in a packet.
    frame: usize,
    opus: Option<opus::Encoder>,
    pending: [i16; MOST_SAMPLES],
    filled: usize,
    /// RTP time of the first pending sample.
    start: u32,
}

impl Encoder {
    /// `rate` of the PCM is 8,000 for G.711 and 8,000 or 16,000 for Opus. `packet` is 10 to 60 ms; what the codec has no frame
    /// for becomes 20 ms.
    pub fn new(codec: Codec, rate: u32, packet: Duration) -> Self {
        let possible = match codec {
            Codec::Pcmu | Codec::Pcma => (10..=60).contains(&packet.as_millis()),
            Codec::Opus => matches!(packet.as_millis(), 10 | 20 | 40 | 60),
        };
        let millis = if possible { packet.as_millis() as usize } else { 20 };
        let opus = match codec {
            Codec::Pcmu | Codec::Pcma => None,
            Codec::Opus => Some(opus_encoder(rate)),
        };
        let frame = rate as usize / 1000 * millis;
        Self { codec, rate, packet, frame, opus, pending: [0; MOST_SAMPLES], filled: 0, start: 0 }
    }

    /// Whether it was made for this.
    pub fn is_for(&self, codec: Codec, rate: u32, packet: Duration) -> bool {
        (self.codec, self.rate, self.packet) == (codec, rate, packet)
    }

    /// Samples that would fill the packet begun, 0 when none is.
    pub fn room(&self) -> usize {
        if self.filled == 0 { 0 } else { self.frame - self.filled }
    }

    /// Takes samples that begin at RTP time `timestamp`; `emit` gets the time and payload of each packet that became full.
    /// Where the time jumps, the packet begun before is filled with silence.
    pub fn push(&mut self, timestamp: u32, pcm: &[i16], mut emit: impl FnMut(u32, &[u8])) {
        let scale = self.codec.clock() / self.rate;
        if self.filled > 0 && timestamp != self.start.wrapping_add(self.filled as u32 * scale) {
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
        let length = match (self.codec, &mut self.opus) {
            (Codec::Opus, Some(opus)) => {
                opus.encode(frame, &mut octets).expect("the frame length is one of Opus's")
            }
            (Codec::Pcma, _) => fill(&mut octets, frame, g711::encode_a),
            (Codec::Pcmu, _) | (Codec::Opus, None) => fill(&mut octets, frame, g711::encode_mu),
        };
        emit(self.start, &octets[..length]);
        self.start = self.start.wrapping_add(self.frame as u32 * (self.codec.clock() / self.rate));
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
    frame.len()
}

fn opus_encoder(rate: u32) -> opus::Encoder {
    let mut encoder =
        opus::Encoder::new(rate, Channels::Mono, Application::Voip).expect("libopus takes 8 and 16 kHz");
    // Telephone sound gains nothing from more than complexity 1, which costs a third of the default.
    let set = encoder
        .set_complexity(1)
        .and_then(|()| encoder.set_signal(Signal::Voice))
        .and_then(|()| encoder.set_bitrate(Bitrate::Bits(if rate > 8000 { 28_000 } else { 20_000 })));
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
