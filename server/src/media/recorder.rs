//! The thread that writes recordings. Disks stall; media threads must not.

mod opus;
mod wav;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media::api::Event;
use media::core::RECORDING_RATE;
use model::RecordingId;

use self::opus::Opus;
use self::wav::Wav;
use crate::recording;

/// Samples that may wait for the disk, over all recordings of a media thread: 32 MiB, or 17 minutes of one call.
const MAX_WAITING: usize = 16 * 1024 * 1024;

/// What the recorder is told. Media threads hand in their core's outputs as they are.
#[derive(Debug)]
pub(super) enum Job {
    Open {
        recording: RecordingId,
        /// Opus in Ogg when it is called so, else WAV.
        file: PathBuf,
        channels: usize,
    },
    Write {
        recording: RecordingId,
        samples: Vec<i16>,
    },
    Close {
        recording: RecordingId,
        duration: Duration,
    },
    /// The media thread has given it up and said so: close the file with what is in it.
    Abandon {
        recording: RecordingId,
    },
}

/// A media thread's side.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
}

/// What a media thread and the writer of its recordings both know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Samples that wait for the disk.
    waiting: AtomicUsize,
    /// How much of each open recording is in its file. Whoever gives one up takes it from here, and tells of it only then: what fails
    /// on both sides is told once.
    kept: Mutex<BTreeMap<RecordingId, Duration>>,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<RecordingId, Duration>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, recording: RecordingId) -> bool {
        self.kept().contains_key(&recording)
    }
}

/// The disk is too far behind, or the recorder is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Behind;

impl Recorder {
    /// The sending side and what [`run`] needs.
    pub fn new() -> (Self, Receiver<Job>) {
        let (jobs, inbox) = mpsc::channel();
        (Self { jobs, shared: Arc::default() }, inbox)
    }

    /// Never blocks. Samples are refused when too many wait; everything else is taken.
    pub fn submit(&self, job: Job) -> Result<(), Behind> {
        if let Job::Write { samples, .. } = &job {
            if self.shared.waiting.load(Ordering::Relaxed) + samples.len() > MAX_WAITING {
                return Err(Behind);
            }
            self.shared.waiting.fetch_add(samples.len(), Ordering::Relaxed);
        } else if let Job::Open { recording, .. } = &job {
            self.shared.kept().insert(*recording, Duration::ZERO);
        }
        self.jobs.send(job).map_err(|_| Behind)
    }

    /// Nothing more of this recording gets into its file, not even what waits. Returns how much is in it, unless the writer has given
    /// it up already and said so.
    pub fn give_up(&self, recording: RecordingId) -> Option<Duration> {
        let kept = self.shared.kept().remove(&recording)?;
        let _ = self.jobs.send(Job::Abandon { recording });
        Some(kept)
    }

    /// For [`run`].
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }
}

/// Writes until every [`Recorder`] is gone. `failed` is told of each recording that cannot go on, once; `events` of its end.
pub(super) fn run(
    shared: &Shared,
    inbox: &Receiver<Job>,
    events: &impl Fn(Event),
    failed: &impl Fn(RecordingId),
) {
    let mut open: BTreeMap<RecordingId, Recorded> = BTreeMap::new();
    let give_up = |recording: RecordingId, kept: Duration, error: &dyn std::fmt::Display| {
        if shared.kept().remove(&recording).is_some() {
            events(Event::RecordingFailed { recording, why: error.to_string(), kept });
            failed(recording);
        }
    };
    for job in inbox {
        match job {
            // Given up before the disk came to it.
            Job::Open { recording, .. } if !shared.is_open(recording) => {}
            Job::Open { recording, file, channels } => match Recorded::create(&file, recording, channels) {
                Ok(recorded) => drop(open.insert(recording, recorded)),
                Err(error) => {
                    let error = format_args!("cannot create {}: {error}", file.display());
                    give_up(recording, Duration::ZERO, &error);
                }
            },
            Job::Write { recording, samples } => {
                shared.waiting.fetch_sub(samples.len(), Ordering::Relaxed);
                let Some(recorded) = open.get_mut(&recording).filter(|_| shared.is_open(recording)) else {
                    continue;
                };
                let result = recorded.write(&samples);
                let length = recorded.length();
                if let Some(kept) = shared.kept().get_mut(&recording).filter(|_| result.is_ok()) {
                    *kept = length;
                }
                if let Err(error) = result
                    && let Some(recorded) = open.remove(&recording)
                {
                    give_up(recording, recorded.mend(), &error);
                }
            }
            Job::Close { recording, duration } => {
                // Without one it failed before, and that was said then.
                let Some(recorded) = open.remove(&recording) else { continue };
                let (path, kept) = (recorded.path.clone(), recorded.length());
                match recorded.sound.finish() {
                    Ok(()) => {
                        shared.kept().remove(&recording);
                        events(Event::RecordingEnded { recording, duration });
                    }
                    Err(error) => {
                        give_up(recording, recording::mend(&path).unwrap_or(kept), &error);
                    }
                }
            }
            Job::Abandon { recording } => {
                if let Some(recorded) = open.remove(&recording) {
                    let _ = recorded.sound.finish();
                }
            }
        }
    }
    // The threads are gone: what they have written stays playable.
    for (_, recorded) in open {
        let _ = recorded.sound.finish();
    }
}

/// A file that is being written.
struct Recorded {
    path: PathBuf,
    sound: Sound,
    channels: usize,
    /// Samples that are in it, of all channels.
    written: u64,
}

enum Sound {
    Wav(Wav),
    Opus(Box<Opus>),
}

impl Recorded {
    /// Makes the folders above it. An existing file is never overwritten.
    fn create(path: &Path, recording: RecordingId, channels: usize) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let sound = match Sound::begin(file, path, recording, channels) {
            Ok(sound) => sound,
            Err(error) => {
                // Nothing is in it.
                let _ = fs::remove_file(path);
                return Err(error);
            }
        };
        Ok(Self { path: path.to_owned(), sound, channels, written: 0 })
    }

    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        match &mut self.sound {
            Sound::Wav(wav) => wav.write(samples),
            Sound::Opus(opus) => opus.write(samples),
        }?;
        self.written += samples.len() as u64;
        Ok(())
    }

    /// After a failure: what is half written at the end is cut off. Returns how much is in the file.
    fn mend(self) -> Duration {
        let (path, kept) = (self.path.clone(), self.length());
        drop(self);
        recording::mend(&path).unwrap_or(kept)
    }

    fn length(&self) -> Duration {
        let frames = self.written / self.channels.max(1) as u64;
        Duration::from_millis(frames * 1000 / u64::from(RECORDING_RATE))
    }
}

impl Sound {
    fn begin(file: File, path: &Path, recording: RecordingId, channels: usize) -> io::Result<Self> {
        let file = BufWriter::new(file);
        if path.extension().is_none_or(|extension| extension != "opus") {
            return Ok(Sound::Wav(Wav::new(file, channels)?));
        }
        // The end of the id, which is its random part.
        let serial = recording.0.as_u128() as u32;
        Ok(Sound::Opus(Box::new(Opus::new(file, channels, serial)?)))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Sound::Wav(wav) => wav.finish(),
            Sound::Opus(opus) => opus.finish().map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn id(number: u8) -> RecordingId {
        RecordingId(uuid::Uuid::from_bytes([number; 16]))
    }

    fn run_all(jobs: Vec<Job>) -> (Vec<Event>, Vec<RecordingId>) {
        let (recorder, inbox) = Recorder::new();
        let shared = recorder.shared();
        for job in jobs {
            recorder.submit(job).unwrap();
        }
        drop(recorder);
        let (events, failed) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        run(&shared, &inbox, &|event| events.borrow_mut().push(event), &|id| failed.borrow_mut().push(id));
        assert_eq!(shared.waiting.load(Ordering::Relaxed), 0);
        assert!(shared.kept().is_empty());
        (events.into_inner(), failed.into_inner())
    }

    #[test]
    fn a_recording_is_a_stereo_file_with_all_that_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("2026/11/a.wav");
        let duration = Duration::from_millis(1);
        let (events, failed) = run_all(vec![
            Job::Open { recording: id(1), file: file.clone(), channels: 2 },
            Job::Write { recording: id(1), samples: vec![1, -1, 2, -2] },
            Job::Write { recording: id(1), samples: vec![3, -3] },
            Job::Close { recording: id(1), duration },
        ]);
        assert_eq!(events, [Event::RecordingEnded { recording: id(1), duration }]);
        assert!(failed.is_empty());
        let mut wav = hound::WavReader::open(&file).unwrap();
        assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 8000));
        assert_eq!(wav.samples::<i16>().collect::<Result<Vec<_>, _>>().unwrap(), [1, -1, 2, -2, 3, -3]);
    }

    #[test]
    fn the_file_plays_before_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut wav = Recorded::create(&path, id(1), 2).unwrap();
        wav.write(&[7; 16_000]).unwrap();
        // A crash: the writer never gets to finish.
        std::mem::forget(wav);
        assert_eq!(hound::WavReader::open(&path).unwrap().duration(), 8000);
    }

    #[test]
    fn a_file_that_cannot_be_made_fails_once_and_disturbs_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken.wav");
        fs::write(&taken, b"somebody else's").unwrap();
        let (events, failed) = run_all(vec![
            Job::Open { recording: id(1), file: taken.clone(), channels: 2 },
            Job::Write { recording: id(1), samples: vec![0, 0] },
            Job::Open { recording: id(2), file: folder.path().join("b.wav"), channels: 2 },
            Job::Close { recording: id(1), duration: Duration::ZERO },
            Job::Close { recording: id(2), duration: Duration::ZERO },
        ]);
        assert!(
            matches!(&events[0], Event::RecordingFailed { recording, why, kept: Duration::ZERO } if *recording == id(1) && why.contains("taken.wav"))
        );
        assert_eq!(events[1..], [Event::RecordingEnded { recording: id(2), duration: Duration::ZERO }]);
        assert_eq!(failed, [id(1)]);
        assert_eq!(fs::read(&taken).unwrap(), b"somebody else's");
    }

    #[test]
    fn the_name_says_in_which_form_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.opus");
        let duration = Duration::from_millis(500);
        let (events, failed) = run_all(vec![
            Job::Open { recording: id(1), file: file.clone(), channels: 3 },
            Job::Write { recording: id(1), samples: vec![100; 12_000] },
            Job::Close { recording: id(1), duration },
        ]);
        assert_eq!((events.len(), failed.len()), (1, 0));
        let bytes = fs::read(&file).unwrap();
        assert!(bytes.starts_with(b"OggS") && bytes.len() < 6000, "{} octets", bytes.len());
    }

    #[test]
    fn samples_are_refused_when_the_disk_is_too_far_behind() {
        let (recorder, _inbox) = Recorder::new();
        let second = || Job::Write { recording: id(1), samples: vec![0; 1024 * 1024] };
        for _ in 0..16 {
            assert_eq!(recorder.submit(second()), Ok(()));
        }
        assert_eq!(recorder.submit(second()), Err(Behind));
        assert_eq!(recorder.submit(Job::Close { recording: id(1), duration: Duration::ZERO }), Ok(()));
    }

    #[test]
    fn what_is_given_up_while_the_disk_stalls_fails_once_with_what_is_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["a.wav", "b.wav"].map(|name| folder.path().join(name));
        let (recorder, inbox) = Recorder::new();
        let shared = recorder.shared();
        let write = || Job::Write { recording: id(1), samples: vec![0; 16_000] };
        let close = |number| Job::Close { recording: id(number), duration: Duration::from_secs(9) };
        recorder.submit(Job::Open { recording: id(1), file: file.clone(), channels: 2 }).unwrap();
        recorder.submit(write()).unwrap();
        recorder.submit(Job::Open { recording: id(2), file: other, channels: 2 }).unwrap();
        recorder.submit(close(2)).unwrap();
        // Waits when the media thread gives up.
        recorder.submit(write()).unwrap();
        let (recorder, events) = (RefCell::new(Some(recorder)), RefCell::new(Vec::new()));
        let told = |event: Event| {
            if let Some(recorder) = recorder.take() {
                assert_eq!(recorder.give_up(id(1)), Some(Duration::from_secs(1)));
                assert_eq!(recorder.give_up(id(1)), None, "that was said");
                recorder.submit(close(1)).unwrap();
            }
            events.borrow_mut().push(event);
        };
        run(&shared, &inbox, &told, &|id| panic!("{id} is known to have failed"));
        let duration = Duration::from_secs(9);
        assert_eq!(events.into_inner(), [Event::RecordingEnded { recording: id(2), duration }]);
        assert_eq!(hound::WavReader::open(&file).unwrap().duration(), 8000, "what waited is left out");
    }

    #[test]
    fn a_file_that_failed_is_cut_to_what_plays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.opus");
        let mut opus = Recorded::create(&path, id(1), 2).unwrap();
        opus.write(&[500; 16_000]).unwrap();
        let whole = fs::read(&path).unwrap();
        // The disk took only half of the next page.
        fs::write(&path, [&whole[..], b"OggS half a page"].concat()).unwrap();
        let kept = opus.mend();
        assert!((Duration::from_millis(950)..Duration::from_secs(1)).contains(&kept), "{kept:?}");
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}
