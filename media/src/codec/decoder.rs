use std::fmt;

use audio_codec::Decoder as _;
use audio_codec::g722::{Bitrate, G722Decoder};
use opus::Channels;

use super::{Codec, g711};

/// 120 ms at 48 kHz, the longest Opus packet.
pub const MOST_SAMPLES: usize = 5760;

/// Turns the packets of one stream, in their order, into mono PCM.
pub struct Decoder {
    codec: Codec,
    rate: u32,
    kind: Kind,
}

enum Kind {
    Law(&'static [i16; 256]),
    G722(Box<G722Decoder>),
    Opus(opus::Decoder),
}

impl Decoder {
    /// Decodes straight to `rate`: 8,000 for G.711, 8,000 or 16,000 for G.722, 8,000, 16,000 or 48,000 for Opus. What the codec
    /// does not have becomes the nearest that it has. `None` for G.729, which is never decoded.
    pub fn new(codec: Codec, rate: u32) -> Option<Self> {
        let rate = codec.rate()?.min(rate).max(8000);
        let kind = match codec {
            Codec::Pcmu => Kind::Law(&g711::MU_DECODE),
            Codec::Pcma => Kind::Law(&g711::A_DECODE),
            // Toward a narrow listener the upper band is not even decoded.
            Codec::G722 => {
                Kind::G722(Box::new(G722Decoder::with_options(Bitrate::Mode1_64000, false, rate == 8000)))
            }
            Codec::Opus => {
                Kind::Opus(opus::Decoder::new(rate, Channels::Mono).expect("libopus takes these rates"))
            }
            Codec::G729 => return None,
        };
        Some(Self { codec, rate, kind })
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Samples a second of what comes out.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Decodes one packet into `samples`, of which [`MOST_SAMPLES`] are always enough. Returns how many there are; 0 for a packet
    /// that is none of this codec.
    pub fn decode(&mut self, payload: &[u8], samples: &mut [i16]) -> usize {
        match &mut self.kind {
            Kind::Law(table) => {
                for (sample, &octet) in samples.iter_mut().zip(payload) {
                    *sample = table[usize::from(octet)];
                }
                payload.len().min(samples.len())
            }
            Kind::G722(g722) => g722.decode_into(payload, samples).unwrap_or(0),
            Kind::Opus(opus) => opus.decode(payload, samples, false).unwrap_or(0),
        }
    }

    /// What was lost right before `following`, as far as that tells: Opus may carry it in a coarser form. Fills all of `samples`
    /// or nothing.
    pub fn recover(&mut self, following: &[u8], samples: &mut [i16]) -> bool {
        match &mut self.kind {
            Kind::Law(_) | Kind::G722(_) => false,
            Kind::Opus(opus) => opus.decode(following, samples, true).is_ok_and(|made| made == samples.len()),
        }
    }

    /// Makes up for lost sound if the codec itself knows how to. Fills all of `samples` or nothing.
    pub fn conceal(&mut self, samples: &mut [i16]) -> bool {
        match &mut self.kind {
            Kind::Law(_) | Kind::G722(_) => false,
            Kind::Opus(opus) => opus.decode(&[], samples, false).is_ok_and(|made| made == samples.len()),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({:?} to {} Hz)", self.codec, self.rate)
    }
}
