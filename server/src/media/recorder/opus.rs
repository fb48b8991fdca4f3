//! Ogg Opus (RFC 7845): a mono stream for each party, so that none is heard in another's channel. Every write ends a page: after a
//! crash the file plays to there.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use media::core::RECORDING_RATE;
use ogg::PacketWriter;
use ogg::writing::PacketWriteEndInfo::{self, EndPage, EndStream, NormalPacket};
use opus::{Application, Bitrate, MSEncoder};

/// Samples of a packet in each channel: 20 ms.
const FRAME: usize = RECORDING_RATE as usize / 50;
/// Granule positions count at 48 kHz, whatever goes in.
const GRANULES: u64 = 48_000 / RECORDING_RATE as u64;
const FRAME_GRANULES: u64 = 960;
/// Of one channel; more is hardly heard in what came over telephones.
const BITS_PER_SECOND: i32 = 16_000;
/// One thread writes the recordings of many calls.
const COMPLEXITY: i32 = 2;
/// RFC 6716 §3.2.1: a frame of one stream has 1,275 octets at most, and few more around it.
const MOST_OCTETS: usize = 1_500;
const VENDOR: &[u8] = b"Tandem";

pub(super) struct Opus<W: Write = BufWriter<File>> {
    pages: PacketWriter<'static, W>,
    serial: u32,
    encoder: MSEncoder,
    channels: usize,
    /// Samples of all channels that do not fill a packet yet.
    begun: Vec<i16>,
    /// Encoded and not written: what ends a page is known only afterwards.
    held: Option<Vec<u8>>,
    /// Packets encoded, the held one too.
    packets: u64,
    pre_skip: u64,
    /// Samples taken, in each channel.
    taken: u64,
}

impl<W: Write> Opus<W> {
    /// `serial` is the number of the stream in the file.
    pub fn new(to: W, channels: usize, serial: u32) -> io::Result<Self> {
        let plain: Vec<u8> = (0..channels as u8).collect();
        let mut encoder = MSEncoder::new(RECORDING_RATE, channels as u8, 0, &plain, Application::Voip)
            .map_err(io::Error::other)?;
        encoder
            .set_bitrate(Bitrate::Bits(BITS_PER_SECOND * channels as i32))
            .and_then(|()| encoder.set_complexity(COMPLEXITY))
            .map_err(io::Error::other)?;
        let lookahead = encoder.get_lookahead().map_err(io::Error::other)?;
        let pre_skip = u64::try_from(lookahead).unwrap_or(0) * GRANULES;
        let mut opus = Self {
            pages: PacketWriter::new(to),
            serial,
            encoder,
            channels,
            begun: Vec::with_capacity(FRAME * channels),
            held: None,
            packets: 0,
            pre_skip,
            taken: 0,
        };
        opus.put(head(channels, pre_skip as u16), EndPage, 0)?;
        let mut tags = b"OpusTags".to_vec();
        tags.extend((VENDOR.len() as u32).to_le_bytes());
        tags.extend(VENDOR);
        tags.extend(0_u32.to_le_bytes());
        opus.put(tags, EndPage, 0)?;
        opus.pages.inner_mut().flush()?;
        Ok(opus)
    }

    /// Appends; all but the last packet begun are in the file then.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        self.taken += (samples.len() / self.channels) as u64;
        let whole = FRAME * self.channels;
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, then) = rest.split_at(rest.len().min(whole - self.begun.len()));
            self.begun.extend(now);
            rest = then;
            if self.begun.len() == whole {
                self.encode()?;
            }
        }
        self.release(EndPage, self.packets * FRAME_GRANULES)?;
        self.pages.inner_mut().flush()
    }

    /// The last page says where the sound ends (RFC 7845 §4.4), behind which there is what fills up the last packet.
    pub fn finish(mut self) -> io::Result<W> {
        let end = self.pre_skip + self.taken * GRANULES;
        while self.packets * FRAME_GRANULES < end || self.held.is_none() {
            self.begun.resize(FRAME * self.channels, 0);
            self.encode()?;
        }
        self.release(EndStream, end)?;
        self.pages.inner_mut().flush()?;
        Ok(self.pages.into_inner())
    }

    fn encode(&mut self) -> io::Result<()> {
        let before = self.packets * FRAME_GRANULES;
        let packet =
            self.encoder.encode_vec(&self.begun, MOST_OCTETS * self.channels).map_err(io::Error::other)?;
        self.begun.clear();
        self.release(NormalPacket, before)?;
        self.packets += 1;
        self.held = Some(packet);
        Ok(())
    }

    fn release(&mut self, end: PacketWriteEndInfo, granule: u64) -> io::Result<()> {
        match self.held.take() {
            Some(packet) => self.put(packet, end, granule),
            None => Ok(()),
        }
    }

    fn put(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo, granule: u64) -> io::Result<()> {
        self.pages.write_packet(packet, self.serial, end, granule)
    }
}

/// RFC 7845 §5.1. With three channels the order of the file is left, centre, right: the customer is heard on the left, the operators on
/// the right, guests in the middle.
fn head(channels: usize, pre_skip: u16) -> Vec<u8> {
    let order: &[u8] = if channels == 3 { &[0, 2, 1] } else { &[0, 1] };
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels as u8);
    head.extend(pre_skip.to_le_bytes());
    head.extend(RECORDING_RATE.to_le_bytes());
    // No gain; family 1: streams, none of them in pairs, and which channel is which stream.
    head.extend([0, 0, 1, channels as u8, 0]);
    head.extend(&order[..channels.min(order.len())]);
    head
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use media::tone::{decibels, level, sine};
    use ogg::PacketReader;
    use opus::MSDecoder;

    use super::*;

    /// The packets of a file, each with the granule position of its page, and whether it is the last of the stream.
    fn packets(file: &[u8]) -> Vec<(Vec<u8>, u64, bool)> {
        let mut reader = PacketReader::new(Cursor::new(file));
        let mut packets = Vec::new();
        while let Ok(Some(packet)) = reader.read_packet() {
            let (granule, last) = (packet.absgp_page(), packet.last_in_stream());
            packets.push((packet.data, granule, last));
        }
        packets
    }

    /// What a player would play: frames in the order of the file's channels.
    fn decode(file: &[u8]) -> Vec<Vec<i16>> {
        let packets = packets(file);
        let head = &packets[0].0;
        assert_eq!((&head[..8], &packets[1].0[..8]), (&b"OpusHead"[..], &b"OpusTags"[..]));
        let channels = usize::from(head[9]);
        let mut decoder = MSDecoder::new(8000, head[19], head[20], &head[21..]).unwrap();
        let mut samples = Vec::new();
        for (packet, ..) in &packets[2..] {
            let mut frame = vec![0; 160 * channels];
            assert_eq!(decoder.decode(packet, &mut frame, false).unwrap(), 160);
            samples.extend(frame);
        }
        let skip = usize::from(u16::from_le_bytes([head[10], head[11]])) / 6;
        let end = packets.last().unwrap().1 as usize / 6;
        let frames: Vec<Vec<i16>> = samples.chunks_exact(channels).map(<[i16]>::to_vec).collect();
        frames[skip..end.min(frames.len())].to_vec()
    }

    fn record(channels: usize, tones: &[f64], length: usize, chunk: usize) -> Opus<Vec<u8>> {
        let mut opus = Opus::new(Vec::new(), channels, 7).unwrap();
        let tones: Vec<Vec<i16>> = tones.iter().map(|hertz| sine(*hertz, 8000, 8000.0, 0, length)).collect();
        let samples: Vec<i16> = (0..length).flat_map(|n| tones.iter().map(move |tone| tone[n])).collect();
        samples.chunks(chunk * channels).for_each(|chunk| opus.write(chunk).unwrap());
        opus
    }

    #[test]
    fn each_party_is_heard_on_its_own_channel_alone_and_the_length_is_right() {
        for (channels, length) in [(2, 20_000), (2, 12_345), (3, 16_000)] {
            let tones = [500.0, 800.0, 1200.0];
            let frames = decode(&record(channels, &tones[..channels], length, 4000).finish().unwrap());
            assert_eq!(frames.len(), length, "{channels} channels");
            let order = if channels == 3 { vec![0, 2, 1] } else { vec![0, 1] };
            for (place, party) in order.into_iter().enumerate() {
                let heard: Vec<i16> = frames[4000..12_000].iter().map(|frame| frame[place]).collect();
                for (other, hertz) in tones.iter().enumerate() {
                    let found = decibels(level(&heard, 8000, *hertz), 8000.0);
                    assert!(
                        if other == party { found > -3.0 } else { found < -30.0 },
                        "{place} {hertz} {found}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_crash_leaves_plays_to_the_last_write() {
        // Never finished.
        let opus = record(2, &[500.0, 800.0], 12_000, 4000);
        let (skip, bytes) = (opus.pre_skip as usize / 6, opus.pages.into_inner());
        assert_eq!(decode(&bytes).len(), 12_000 - skip);
        assert!(packets(&bytes).iter().all(|(.., last)| !last));
        let whole = record(2, &[500.0, 800.0], 12_000, 4000).finish().unwrap();
        assert!(packets(&whole).last().unwrap().2);
    }
}
