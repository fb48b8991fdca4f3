//! Recordings on disk: where they lie, how long they are, what they look like, and how their writing fares. The journal names them
//! `recordings/NAME.wav`, wherever the configured folder is.

mod health;
mod peaks;
mod reader;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader};
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
        // Its header was right after every write.
        let wav = hound::WavReader::new(BufReader::new(File::open(path)?)).map_err(io::Error::other)?;
        return Ok(Duration::from_millis(
            u64::from(wav.duration()) * 1000 / u64::from(wav.spec().sample_rate),
        ));
    }
    let mut ogg = OpenOptions::new().read(true).write(true).open(path)?;
    let (end, length) = reader::last_page(&mut ogg)?;
    if ogg.metadata()?.len() > end {
        ogg.set_len(end)?;
    }
    Ok(length)
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
}
