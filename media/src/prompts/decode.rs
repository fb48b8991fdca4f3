use std::io::Cursor;
use std::sync::LazyLock;
use std::time::Duration;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia_adapter_libopus::OpusDecoder;

use super::resample::resample;
use crate::library::Pcm;

/// Longest prompt or piece of music.
pub const MAX_DURATION: Duration = Duration::from_secs(600);

/// Largest file. Ten minutes of 16-bit stereo at 44.1 kHz are 106 MB.
pub const MAX_BYTES: usize = 128 * 1024 * 1024;

const NARROW: u32 = 8_000;
const WIDE: u32 = 16_000;

/// Why a file cannot be played. The admin chose the file, and is told.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    #[error("the file has {0} bytes; at most {MAX_BYTES} are taken")]
    TooLarge(usize),
    #[error("longer than {} minutes", MAX_DURATION.as_secs() / 60)]
    TooLong,
    #[error("not a WAV, MP3, FLAC, Ogg Vorbis or Ogg Opus file: {0}")]
    Unknown(String),
    #[error("no audio in the file")]
    NoAudio,
    #[error("{channels} channels at {rate} Hz; 1 to 8 channels at 4,000 to 192,000 Hz are taken")]
    Unplayable { channels: usize, rate: u32 },
    #[error("broken: {broken} of {packets} packets could not be decoded")]
    Broken { broken: usize, packets: usize },
    #[error("the audio format changes within the file")]
    Changing,
}

/// Decodes a whole file, mixes its channels to one and brings it to both rates in which legs play. `extension` (without the dot, may be
/// empty) only helps where the content alone is unclear.
pub fn decode(bytes: Vec<u8>, extension: &str) -> Result<Pcm, PromptError> {
    if bytes.len() > MAX_BYTES {
        return Err(PromptError::TooLarge(bytes.len()));
    }
    let (mono, rate) = decode_mono(bytes, extension)?;
    Ok(Pcm { narrow: to_i16(&resample(&mono, rate, NARROW)), wide: to_i16(&resample(&mono, rate, WIDE)) })
}

fn decode_mono(bytes: Vec<u8>, extension: &str) -> Result<(Vec<f32>, u32), PromptError> {
    let mut format = probe(bytes, extension)?;
    let track = format.default_track(TrackType::Audio).ok_or(PromptError::NoAudio)?;
    let id = track.id;
    let parameters =
        track.codec_params.as_ref().and_then(|parameters| parameters.audio()).ok_or(PromptError::NoAudio)?;
    let mut decoder = codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| PromptError::Unknown(error.to_string()))?;

    let mut mono = Vec::new();
    let mut interleaved = Vec::new();
    let mut shape = None;
    let (mut packets, mut broken) = (0, 0);
    // A file that ends too early plays as far as it goes.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != id {
            continue;
        }
        packets += 1;
        let (channels, rate) = match decode_packet(decoder.as_mut(), &packet, &mut interleaved) {
            Ok(shape) => shape,
            // Junk between frames is common in MP3 files that were cut or tagged.
            Err(Error::DecodeError(_) | Error::IoError(_)) => {
                broken += 1;
                continue;
            }
            Err(error) => return Err(PromptError::Unknown(error.to_string())),
        };
        if !(1..=8).contains(&channels) || !(4_000..=192_000).contains(&rate) {
            return Err(PromptError::Unplayable { channels, rate });
        }
        if *shape.get_or_insert((channels, rate)) != (channels, rate) {
            return Err(PromptError::Changing);
        }
        mono.extend(
            interleaved.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32),
        );
        if mono.len() as u64 > MAX_DURATION.as_secs() * u64::from(rate) {
            return Err(PromptError::TooLong);
        }
    }
    match shape {
        _ if broken * 2 > packets => Err(PromptError::Broken { broken, packets }),
        Some((_, rate)) if !mono.is_empty() => Ok((mono, rate)),
        _ => Err(PromptError::NoAudio),
    }
}

fn probe(bytes: Vec<u8>, extension: &str) -> Result<Box<dyn FormatReader>, PromptError> {
    let mut hint = Hint::new();
    if !extension.is_empty() {
        hint.with_extension(extension);
    }
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    symphonia::default::get_probe()
        .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| PromptError::Unknown(error.to_string()))
}

/// Leaves the packet's samples in `into` and says how many channels there are and at what rate.
fn decode_packet(
    decoder: &mut dyn AudioDecoder,
    packet: &symphonia::core::packet::Packet,
    into: &mut Vec<f32>,
) -> Result<(usize, u32), Error> {
    let audio = decoder.decode(packet)?;
    into.resize(audio.samples_interleaved(), 0.0);
    audio.copy_to_slice_interleaved(into.as_mut_slice());
    Ok((audio.spec().channels().count(), audio.spec().rate()))
}

fn codecs() -> &'static CodecRegistry {
    static CODECS: LazyLock<CodecRegistry> = LazyLock::new(|| {
        let mut registry = CodecRegistry::new();
        symphonia::default::register_enabled_codecs(&mut registry);
        registry.register_audio_decoder::<OpusDecoder>();
        registry
    });
    &CODECS
}

fn to_i16(samples: &[f32]) -> Vec<i16> {
    // `as` saturates, so what is too loud is clipped and not wrapped.
    samples.iter().map(|sample| (sample * 32_767.0).round() as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second of 440 Hz at half of full scale, as files of every kind.
    const FILES: [(&str, &[u8]); 7] = [
        ("wav", include_bytes!("fixtures/tone-16bit-22050-stereo.wav")),
        ("wav", include_bytes!("fixtures/tone-ulaw-8000.wav")),
        ("wav", include_bytes!("fixtures/tone-float-16000.wav")),
        ("mp3", include_bytes!("fixtures/tone.mp3")),
        ("flac", include_bytes!("fixtures/tone.flac")),
        ("ogg", include_bytes!("fixtures/tone-vorbis.ogg")),
        ("opus", include_bytes!("fixtures/tone-opus.opus")),
    ];

    /// Power of one frequency in the middle of the samples, 1.0 for a full-scale tone (Goertzel).
    fn tone(samples: &[i16], rate: f64, frequency: f64) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let omega = std::f64::consts::TAU * frequency / rate;
        let (mut cosine, mut sine) = (0.0, 0.0);
        for (index, sample) in middle.iter().enumerate() {
            let value = f64::from(*sample) / 32_768.0;
            cosine += value * (omega * index as f64).cos();
            sine += value * (omega * index as f64).sin();
        }
        cosine.hypot(sine) * 2.0 / middle.len() as f64
    }

    #[test]
    fn every_kind_of_file_gives_the_same_tone() {
        for (extension, bytes) in FILES {
            let pcm =
                decode(bytes.to_vec(), extension).unwrap_or_else(|error| panic!("{extension}: {error}"));
            let seconds = pcm.narrow.len() as f64 / 8000.0;
            assert!((0.49..0.58).contains(&seconds), "{extension} lasts {seconds} s");
            assert!(pcm.wide.len().abs_diff(pcm.narrow.len() * 2) <= 2);
            for (samples, rate) in [(&pcm.narrow, 8000.0), (&pcm.wide, 16_000.0)] {
                let loud = tone(samples, rate, 440.0);
                assert!((0.45..0.55).contains(&loud), "{extension} at {rate}: 440 Hz has {loud}");
                assert!(tone(samples, rate, 1000.0) < 0.02, "{extension} at {rate}: more than the tone");
            }
        }
    }

    /// A WAV of 440 Hz at half of full scale, 8 kHz, each sample coded so.
    fn wav(format: u16, bits: u16, code: impl Fn(f64) -> Vec<u8>) -> Vec<u8> {
        let time = |n: u32| (f64::from(n) * 440.0 * std::f64::consts::TAU / 8000.0).sin() * 0.5;
        let data: Vec<u8> = (0..4000).flat_map(|n| code(time(n))).collect();
        let block = bits / 8;
        // All but plain PCM say that there is nothing more to say of their format.
        let more: &[u8] = if format == 1 { &[] } else { &[0, 0] };
        let mut wav = b"RIFF".to_vec();
        wav.extend((36 + more.len() as u32 + data.len() as u32).to_le_bytes());
        wav.extend(b"WAVEfmt ");
        wav.extend((16 + more.len() as u32).to_le_bytes());
        wav.extend(format.to_le_bytes());
        wav.extend(1_u16.to_le_bytes());
        wav.extend(8000_u32.to_le_bytes());
        wav.extend((8000 * u32::from(block)).to_le_bytes());
        wav.extend(block.to_le_bytes());
        wav.extend(bits.to_le_bytes());
        wav.extend(more);
        wav.extend(b"data");
        wav.extend((data.len() as u32).to_le_bytes());
        wav.extend(data);
        wav
    }

    #[test]
    fn every_kind_of_wav_is_played() {
        let pcm =
            |bits: u32| move |value: f64| ((value * 2.0_f64.powi(bits as i32 - 1)) as i32).to_le_bytes();
        let law = |table: &'static [i16; 256]| {
            move |value: f64| {
                let meant = (value * 32_768.0) as i32;
                let nearest =
                    (0..=255_u8).min_by_key(|code| (i32::from(table[usize::from(*code)]) - meant).abs());
                nearest.into_iter().collect::<Vec<u8>>()
            }
        };
        let files = [
            ("8 bit", wav(1, 8, |value| vec![(value * 128.0 + 128.0) as u8])),
            ("16 bit", wav(1, 16, |value| pcm(16)(value)[..2].to_vec())),
            ("24 bit", wav(1, 24, |value| pcm(24)(value)[..3].to_vec())),
            ("32 bit", wav(1, 32, |value| pcm(32)(value).to_vec())),
            ("float", wav(3, 32, |value| (value as f32).to_le_bytes().to_vec())),
            ("double", wav(3, 64, |value| value.to_le_bytes().to_vec())),
            ("A-law", wav(6, 8, law(&crate::codec::g711::A_DECODE))),
            ("mu-law", wav(7, 8, law(&crate::codec::g711::MU_DECODE))),
        ];
        for (kind, bytes) in files {
            let pcm = decode(bytes, "wav").unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!(pcm.narrow.len(), 4000, "{kind}");
            let loud = tone(&pcm.narrow, 8000.0, 440.0);
            assert!((0.48..0.52).contains(&loud), "{kind}: 440 Hz has {loud}");
            assert!(tone(&pcm.narrow, 8000.0, 1320.0) < 0.02, "{kind} is distorted");
        }
    }

    #[test]
    fn the_content_decides_when_the_name_is_wrong() {
        let pcm = decode(FILES[4].1.to_vec(), "wav").unwrap();
        assert!(!pcm.narrow.is_empty());
    }

    #[test]
    fn what_is_no_audio_is_refused_with_a_reason() {
        assert!(matches!(decode(b"%PDF-1.7 not a prompt".to_vec(), "wav"), Err(PromptError::Unknown(_))));
        assert!(matches!(decode(Vec::new(), "mp3"), Err(PromptError::Unknown(_))));
    }

    #[test]
    fn a_cut_file_plays_as_far_as_it_goes_and_no_cut_panics() {
        for (extension, bytes) in FILES {
            for end in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
                let _ = decode(bytes[..end].to_vec(), extension);
            }
        }
        let wav = FILES[0].1;
        assert!(decode(wav[..wav.len() / 2].to_vec(), "wav").unwrap().narrow.len() > 1500);
    }

    #[test]
    fn more_than_ten_minutes_are_refused() {
        let seconds = 601;
        let samples = vec![0_u8; 8000 * seconds];
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(8000_u32.to_le_bytes());
        wav.extend(8000_u32.to_le_bytes());
        wav.extend(b"\x01\0\x08\0data");
        wav.extend((samples.len() as u32).to_le_bytes());
        wav.extend(&samples);
        let length = (wav.len() - 8) as u32;
        wav[4..8].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(decode(wav, "wav"), Err(PromptError::TooLong)));
    }
}
