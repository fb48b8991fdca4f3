//! Recordings on disk: where they lie, how long they are, what they look like, and how their writing fares. The journal names them
//! `recordings/NAME.wav`, wherever the configured folder is.

mod health;
mod peaks;
mod reader;

use std::fs::OpenOptions;
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use model::{Change, Entry, RecordingId};

pub use health::{Alarm, Health};
pub use peaks::{Peaks, Waveforms};

/// What names in the journal begin with.
pub const PREFIX: &str = "recordings";

/// The file of a name from the journal; `None` for one that leads out of the folder.
pub fn file(folder: &Path, name: &Path) -> Option<PathBuf> {
    let inside = name.strip_prefix(PREFIX).ok()?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && inside.file_name().is_some()).then(|| folder.join(inside))
}

/// What a recording is to browsers.
pub fn media_type(name: &str) -> &'static str {
    if is_opus(Path::new(name)) { "audio/ogg; codecs=opus" } else { "audio/wav" }
}

/// Recordings of a session that the journal has a beginning but no end of, with their names.
pub fn cut(entries: &[Entry]) -> Vec<(RecordingId, &str)> {
    let mut open = Vec::new();
    for entry in entries {
        match &entry.change {
            Change::RecordingStarted { recording, file } => open.push((*recording, file.as_str())),
            Change::RecordingEnded { recording, .. } | Change::RecordingFailed { recording, .. } => {
                open.retain(|(begun, _)| begun != recording);
            }
            _ => {}
        }
    }
    open
}

/// How long a recording is that a crash has cut. What is only half written at its end is cut off.
pub fn mend(path: &Path) -> io::Result<Duration> {
    if !is_opus(path) {
        return mend_wav(path);
    }
    let mut ogg = OpenOptions::new().read(true).write(true).open(path)?;
    let (end, length) = reader::last_page(&mut ogg)?;
    if ogg.metadata()?.len() > end {
        ogg.set_len(end)?;
    }
    Ok(length)
}

/// Its header was right after every write; but after a power loss it can tell of sound that never reached the disk.
fn mend_wav(path: &Path) -> io::Result<Duration> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let wav = hound::WavReader::new(BufReader::new(&file)).map_err(io::Error::other)?;
    let (spec, told) = (wav.spec(), u64::from(wav.duration()));
    let begin = wav.into_inner().stream_position()?;
    let frame = u64::from(spec.channels) * u64::from(spec.bits_per_sample / 8);
    let there = file.metadata()?.len().saturating_sub(begin) / frame.max(1);
    if there < told {
        let octets = there * frame;
        // The sizes of all that follows the first chunk's head, and of the last chunk (`hound` writes none behind the sound).
        for (place, size) in [(4, begin + octets - 8), (begin - 4, octets)] {
            file.seek(SeekFrom::Start(place))?;
            file.write_all(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes())?;
        }
        file.set_len(begin + octets)?;
    }
    Ok(Duration::from_millis(there.min(told) * 1000 / u64::from(spec.sample_rate.max(1))))
}

fn is_opus(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "opus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_lies_in_the_folder_and_nowhere_else() {
        let file = |name: &str| file(Path::new("/data/r"), Path::new(name));
        assert_eq!(file("recordings/a.wav"), Some(PathBuf::from("/data/r/a.wav")));
        for bad in [
            "recordings/../a.wav",
            "recordings",
            "recordings/",
            "/etc/passwd",
            "a.wav",
            "recordings//../../x",
        ] {
            assert_eq!(file(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_wav_that_lost_its_end_with_the_power_says_how_long_it_is() {
        for channels in [2, 3] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.wav");
            let spec = hound::WavSpec {
                channels,
                sample_rate: 8000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut wav = hound::WavWriter::create(&path, spec).unwrap();
            (0..16_000 * i32::from(channels)).for_each(|n| wav.write_sample((n % 1000) as i16).unwrap());
            wav.finalize().unwrap();
            assert_eq!(mend(&path).unwrap(), Duration::from_secs(2), "a whole one stays as it is");
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            // A second and half a frame.
            file.set_len(file.metadata().unwrap().len() - u64::from(channels) * 16_000 + 1).unwrap();
            assert_eq!(mend(&path).unwrap(), Duration::from_secs(1));
            let wav = hound::WavReader::open(&path).unwrap();
            assert_eq!(wav.duration(), 8000);
            assert_eq!(wav.into_samples::<i16>().filter(Result::is_ok).count(), 8000 * usize::from(channels));
        }
    }
}
