//! The thread that writes recordings. Disks stall; media threads must not.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use media::api::Event;
use media::core::RECORDING_RATE;
use model::RecordingId;

/// Samples that may wait for the disk, over all recordings: 32 MiB, or 17 minutes of one call.
const MAX_WAITING: usize = 16 * 1024 * 1024;

/// What the recorder is told. Media threads hand in their core's outputs as they are.
#[derive(Debug)]
pub(super) enum Job {
    Open {
        recording: RecordingId,
        file: PathBuf,
    },
    Write {
        recording: RecordingId,
        samples: Vec<i16>,
    },
    Close {
        recording: RecordingId,
        duration: Duration,
    },
    /// The media thread has given it up and said so: close the file with what it has.
    Abandon {
        recording: RecordingId,
    },
}

/// A media thread's side.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// The disk is too far behind, or the recorder is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Behind;

impl Recorder {
    /// The sending side and what [`run`] needs.
    pub fn new() -> (Self, Receiver<Job>) {
        let (jobs, inbox) = mpsc::channel();
        (Self { jobs, waiting: Arc::default() }, inbox)
    }

    /// Never blocks. Samples are refused when too many wait; everything else is taken.
    pub fn submit(&self, job: Job) -> Result<(), Behind> {
        if let Job::Write { samples, .. } = &job {
            if self.waiting.load(Ordering::Relaxed) + samples.len() > MAX_WAITING {
                return Err(Behind);
            }
            self.waiting.fetch_add(samples.len(), Ordering::Relaxed);
        }
        self.jobs.send(job).map_err(|_| Behind)
    }

    /// The number of samples that wait, which [`run`] counts down.
    pub fn waiting(&self) -> Arc<AtomicUsize> {
        self.waiting.clone()
    }
}

/// Writes until every [`Recorder`] is gone. `failed` is told of each recording that cannot go on, once; `events` of its end.
pub(super) fn run(
    waiting: &AtomicUsize,
    inbox: &Receiver<Job>,
    events: &impl Fn(Event),
    failed: &impl Fn(RecordingId),
) {
    let mut open: BTreeMap<RecordingId, Wav> = BTreeMap::new();
    let give_up = |recording: RecordingId, error: &dyn std::fmt::Display| {
        events(Event::RecordingFailed { recording, why: error.to_string() });
        failed(recording);
    };
    for job in inbox {
        match job {
            Job::Open { recording, file } => match Wav::create(&file) {
                Ok(wav) => drop(open.insert(recording, wav)),
                Err(error) => give_up(recording, &format_args!("cannot create {}: {error}", file.display())),
            },
            Job::Write { recording, samples } => {
                waiting.fetch_sub(samples.len(), Ordering::Relaxed);
                let result = open.get_mut(&recording).map(|wav| wav.write(&samples));
                if let Some(Err(error)) = result {
                    open.remove(&recording);
                    give_up(recording, &error);
                }
            }
            Job::Close { recording, duration } => match open.remove(&recording).map(Wav::finish) {
                Some(Ok(())) => events(Event::RecordingEnded { recording, duration }),
                Some(Err(error)) => give_up(recording, &error),
                // It failed before, and that was said then.
                None => {}
            },
            Job::Abandon { recording } => {
                if let Some(wav) = open.remove(&recording) {
                    let _ = wav.finish();
                }
            }
        }
    }
    // The threads are gone: what they have written stays playable.
    for (_, wav) in open {
        let _ = wav.finish();
    }
}

struct Wav(WavWriter<BufWriter<File>>);

impl Wav {
    /// Makes the folders above it. An existing file is never overwritten.
    fn create(path: &Path) -> Result<Self, hound::Error> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let spec = WavSpec {
            channels: 2,
            sample_rate: RECORDING_RATE,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = WavWriter::new(BufWriter::new(file), spec)?;
        writer.flush()?;
        Ok(Self(writer))
    }

    /// Appends, and brings the header up to date: after a crash the file plays to here.
    fn write(&mut self, samples: &[i16]) -> Result<(), hound::Error> {
        // `hound` counts bytes in 32 bits, as WAV does: 37 hours of this format.
        if self.0.len() as usize + samples.len() > (u32::MAX / 2 - 64) as usize {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the recording has reached 4 GiB").into());
        }
        let mut block = self.0.get_i16_writer(samples.len() as u32);
        samples.iter().for_each(|sample| block.write_sample(*sample));
        block.flush()?;
        self.0.flush()
    }

    fn finish(self) -> Result<(), hound::Error> {
        self.0.finalize()
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
        let waiting = recorder.waiting();
        for job in jobs {
            recorder.submit(job).unwrap();
        }
        drop(recorder);
        let (events, failed) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        run(&waiting, &inbox, &|event| events.borrow_mut().push(event), &|id| failed.borrow_mut().push(id));
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
        (events.into_inner(), failed.into_inner())
    }

    #[test]
    fn a_recording_is_a_stereo_file_with_all_that_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("2026/11/a.wav");
        let duration = Duration::from_millis(1);
        let (events, failed) = run_all(vec![
            Job::Open { recording: id(1), file: file.clone() },
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
        let mut wav = Wav::create(&path).unwrap();
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
            Job::Open { recording: id(1), file: taken.clone() },
            Job::Write { recording: id(1), samples: vec![0, 0] },
            Job::Open { recording: id(2), file: folder.path().join("b.wav") },
            Job::Close { recording: id(1), duration: Duration::ZERO },
            Job::Close { recording: id(2), duration: Duration::ZERO },
        ]);
        assert!(
            matches!(&events[0], Event::RecordingFailed { recording, why } if *recording == id(1) && why.contains("taken.wav"))
        );
        assert_eq!(events[1..], [Event::RecordingEnded { recording: id(2), duration: Duration::ZERO }]);
        assert_eq!(failed, [id(1)]);
        assert_eq!(fs::read(&taken).unwrap(), b"somebody else's");
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
}
