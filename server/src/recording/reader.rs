//! Reading recordings back: both forms as samples of every party.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use ogg::PacketReader;
use opus::MSDecoder;

/// Samples a second that come out.
pub(super) const RATE: u32 = 8_000;
/// RFC 3533 §6: no page is larger.
const LARGEST_PAGE: u64 = 27 + 255 + 255 * 255;
const PAGE_HEAD: usize = 27;
/// 120 ms, the longest Opus packet.
const LONGEST_PACKET: usize = RATE as usize * 120 / 1000;

/// Hands out the frames of a recording, a sample of each party in the order customer, operators, guests.
pub(super) fn each_frame(path: &Path, frame: impl FnMut(&[i16])) -> io::Result<()> {
    let file = BufReader::new(File::open(path)?);
    if super::is_opus(path) { opus_frames(file, frame) } else { wav_frames(file, frame) }
}

/// Parties, and frames of all of them.
pub(super) fn shape(path: &Path) -> io::Result<(usize, u64)> {
    let mut file = File::open(path)?;
    if !super::is_opus(path) {
        let wav = hound::WavReader::new(BufReader::new(file)).map_err(io::Error::other)?;
        return Ok((usize::from(wav.spec().channels), u64::from(wav.duration())));
    }
    let (_, length) = last_page(&mut file)?;
    file.rewind()?;
    let head = packet(&mut PacketReader::new(BufReader::new(file)))?;
    Ok((Head::parse(&head)?.order.len(), length.as_millis() as u64 * u64::from(RATE) / 1000))
}

fn wav_frames(file: BufReader<File>, mut frame: impl FnMut(&[i16])) -> io::Result<()> {
    let mut wav = hound::WavReader::new(file).map_err(io::Error::other)?;
    let channels = usize::from(wav.spec().channels);
    let mut one = Vec::with_capacity(channels);
    for sample in wav.samples::<i16>() {
        // A cut one ends where it ends.
        let Ok(sample) = sample else { break };
        one.push(sample);
        if one.len() == channels {
            frame(&one);
            one.clear();
        }
    }
    Ok(())
}

fn opus_frames(file: BufReader<File>, mut frame: impl FnMut(&[i16])) -> io::Result<()> {
    let mut packets = PacketReader::new(file);
    let head = Head::parse(&packet(&mut packets)?)?;
    packet(&mut packets)?;
    let channels = head.order.len();
    let mut decoder =
        MSDecoder::new(RATE, head.streams, head.coupled, &head.order).map_err(io::Error::other)?;
    let mut skip = head.pre_skip;
    let mut samples = vec![0; LONGEST_PACKET * channels];
    let mut one = vec![0; channels];
    while let Ok(Some(packet)) = packets.read_packet() {
        let length = decoder.decode(&packet.data, &mut samples, false).map_err(io::Error::other)?;
        let frames = samples[..length * channels].chunks_exact(channels);
        let skipped = skip.min(length);
        for decoded in frames.skip(skipped) {
            for (place, party) in head.order.iter().enumerate() {
                one[usize::from(*party)] = decoded[place];
            }
            frame(&one);
        }
        skip -= skipped;
    }
    Ok(())
}

fn packet<R: Read + Seek>(packets: &mut PacketReader<R>) -> io::Result<Vec<u8>> {
    match packets.read_packet() {
        Ok(Some(packet)) => Ok(packet.data),
        Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The beginning of an Ogg Opus file as we write it.
struct Head {
    pre_skip: usize,
    streams: u8,
    coupled: u8,
    /// By place in the file, whose channel it is.
    order: Vec<u8>,
}

impl Head {
    fn parse(head: &[u8]) -> io::Result<Head> {
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "not a recording of ours");
        let rest = head.strip_prefix(b"OpusHead\x01").ok_or_else(strange)?;
        let &[channels, low, high, _, _, _, _, _, _, 1, streams, coupled, ref order @ ..] = rest else {
            return Err(strange());
        };
        let plain = order.iter().all(|party| *party < channels) && order.len() == usize::from(channels);
        if !plain || channels == 0 || coupled > streams {
            return Err(strange());
        }
        let pre_skip = usize::from(u16::from_le_bytes([low, high])) * RATE as usize / 48_000;
        Ok(Head { pre_skip, streams, coupled, order: order.to_vec() })
    }
}

/// Where the last whole page of an Ogg Opus file ends, and how long the sound up to there is.
pub(super) fn last_page(file: &mut File) -> io::Result<(u64, Duration)> {
    let size = file.metadata()?.len();
    let mut first = Vec::new();
    file.rewind()?;
    file.by_ref().take(LARGEST_PAGE).read_to_end(&mut first)?;
    let head = first.get(PAGE_HEAD + 1..).filter(|head| head.len() >= 12);
    let pre_skip = head.map_or(0, |head| u64::from(u16::from_le_bytes([head[10], head[11]])));
    // A whole page begins within this, if there is one besides a half one.
    let from = size.saturating_sub(2 * LARGEST_PAGE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(2 * LARGEST_PAGE).read_to_end(&mut tail)?;
    let mut found = None;
    let mut at = 0;
    while let Some(page) = tail[at..].windows(4).position(|four| four == b"OggS").map(|begin| at + begin) {
        match page_end(&tail[page..]) {
            Some((length, granule)) => {
                found = Some((from + (page + length) as u64, granule));
                at = page + length;
            }
            None => at = page + 4,
        }
    }
    let (end, granule) = found.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((end, Duration::from_millis(granule.saturating_sub(pre_skip) / 48)))
}

/// How long a page is and where its sound ends; `None` when it is not whole.
fn page_end(page: &[u8]) -> Option<(usize, u64)> {
    // RFC 3533 §6: the only version that there is.
    let segments = usize::from(*page.get(PAGE_HEAD - 1).filter(|_| page[4] == 0)?);
    let table = page.get(PAGE_HEAD..PAGE_HEAD + segments)?;
    let length = PAGE_HEAD + segments + table.iter().map(|octets| usize::from(*octets)).sum::<usize>();
    let granule = u64::from_le_bytes(page.get(6..14)?.try_into().ok()?);
    (page.len() >= length).then_some((length, granule))
}
