//! Codecs, telephone events and comfort noise as the payload types, mappings and parameters of a section.

use std::fmt::Write as _;

use super::negotiate::{Content, Digits};
use super::parse::Media;
use crate::codec::{Codec, OpusWishes};

/// Dynamic payload types of our offers, until the peer has others for the same: those that browsers use.
const OPUS: u8 = 111;
const NARROW_DIGITS: u8 = 101;
const WIDE_DIGITS: u8 = 110;
/// RFC 3389 §5.
pub const NOISE: u8 = 13;

/// A payload type of ours and what it holds.
pub type Number = (u8, Content);

/// Our own numbers for these codecs and the events on their clocks. What was `known` to both sides keeps its number (RFC 3264
/// §8.3.2).
pub fn own(codecs: &[Codec], known: &[Number]) -> Vec<Number> {
    let mut clocks: Vec<u32> = codecs.iter().map(|codec| codec.clock()).collect();
    // 8,000 first, which everybody knows.
    clocks.sort_unstable();
    clocks.dedup();
    let digits = clocks.into_iter().map(|clock| Content::Digits { clock });
    let mut numbers: Vec<Number> = Vec::new();
    for content in codecs.iter().map(|codec| Content::Audio(*codec)).chain(digits) {
        let usual = match content {
            Content::Audio(Codec::Pcmu) => 0,
            Content::Audio(Codec::Pcma) => 8,
            Content::Audio(Codec::G722) => 9,
            Content::Audio(Codec::G729) => 18,
            Content::Audio(Codec::Opus) => OPUS,
            Content::Digits { clock: 8000 } => NARROW_DIGITS,
            Content::Digits { .. } => WIDE_DIGITS,
            Content::Noise => NOISE,
        };
        let held = known.iter().find(|(_, held)| *held == content).map(|(number, _)| *number);
        let free = |number: &u8| {
            let by_other = known.iter().any(|(other, held)| other == number && *held != content);
            !by_other && numbers.iter().all(|(other, _)| other != number)
        };
        let mut choices = held.into_iter().chain([usual]).chain(96..128);
        if let Some(number) = choices.find(free) {
            numbers.push((number, content));
        }
    }
    numbers
}

/// The voice codecs of the section in its writer's order.
pub fn codecs(media: &Media) -> Vec<(u8, Codec)> {
    const ALL: [Codec; 5] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::G729];
    let codec = |number: u8| match media.maps.iter().find(|map| map.payload_type == number) {
        Some(map) => ALL.into_iter().find(|codec| {
            let channels = if *codec == Codec::Opus { 1..=2 } else { 1..=1 };
            map.encoding.eq_ignore_ascii_case(codec.name())
                && map.clock == codec.clock()
                && channels.contains(&map.channels)
        }),
        // RFC 3551 §6: these need no mapping.
        None => match number {
            0 => Some(Codec::Pcmu),
            8 => Some(Codec::Pcma),
            9 => Some(Codec::G722),
            18 => Some(Codec::G729),
            _ => None,
        },
    };
    payload_types(media).filter_map(|number| codec(number).map(|codec| (number, codec))).collect()
}

/// The telephone events of the section; those whose clock is that of the codec first, as RFC 4733 §2.1 wants them.
pub fn digits(media: &Media, codec: Codec) -> Vec<Digits> {
    let clock = |number: u8| {
        let named = |encoding: &str| encoding.eq_ignore_ascii_case("telephone-event");
        let map = media.maps.iter().find(|map| map.payload_type == number && named(&map.encoding))?;
        matches!(map.clock, 8000 | 48_000).then_some(map.clock)
    };
    let mut digits: Vec<_> = payload_types(media)
        .filter_map(|number| Some(Digits { payload_type: number, clock: clock(number)? }))
        .collect();
    digits.sort_by_key(|digits| digits.clock != codec.clock());
    digits
}

/// Whether the writer of the section sends and takes comfort noise.
pub fn has_noise(media: &Media) -> bool {
    let is_other = media.maps.iter().any(|map| {
        map.payload_type == NOISE && !(map.encoding.eq_ignore_ascii_case("CN") && map.clock == 8000)
    });
    !is_other && payload_types(media).any(|number| number == NOISE)
}

/// What the writer of the section wants of Opus packets of this type.
pub fn opus_wishes(media: &Media, payload_type: u8) -> OpusWishes {
    let mut wishes = OpusWishes::default();
    let written = media.parameters.iter().filter(|(number, _)| *number == payload_type);
    for parameter in written.flat_map(|(_, parameters)| parameters.split(';')) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "useinbandfec" => wishes.fec = value == "1",
            "usedtx" => wishes.dtx = value == "1",
            "cbr" => wishes.constant = value == "1",
            "maxaveragebitrate" => wishes.bitrate = value.parse().ok(),
            "maxplaybackrate" => wishes.playback = value.parse().unwrap_or(wishes.playback),
            // RFC 7587 §6.1 has more, of stereo and of what the writer sends.
            _ => {}
        }
    }
    wishes
}

/// The mapping and parameters of one payload type of ours.
pub fn write(body: &mut String, (number, content): Number) {
    // Writing into a string cannot fail.
    let _ = match content {
        Content::Audio(Codec::Opus) => {
            write!(body, "a=rtpmap:{number} opus/48000/2\r\na=fmtp:{number} useinbandfec=1\r\n")
        }
        // RFC 3551 §4.5.6: what we pass on has no noise frames that the other side might not know.
        Content::Audio(Codec::G729) => {
            write!(body, "a=rtpmap:{number} G729/8000\r\na=fmtp:{number} annexb=no\r\n")
        }
        Content::Audio(codec) => write!(body, "a=rtpmap:{number} {}/{}\r\n", codec.name(), codec.clock()),
        Content::Digits { clock } => {
            write!(body, "a=rtpmap:{number} telephone-event/{clock}\r\na=fmtp:{number} 0-16\r\n")
        }
        Content::Noise => write!(body, "a=rtpmap:{number} CN/8000\r\n"),
    };
}

fn payload_types(media: &Media) -> impl Iterator<Item = u8> {
    media.formats.iter().filter_map(|format| format.parse().ok()).filter(|number| *number < 128)
}
