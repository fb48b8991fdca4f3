//! What a recording looks like: how loud each party was, over its length.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::RecordingId;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::reader::{RATE, each_frame, shape};

/// Columns of a waveform.
const COLUMNS: usize = 400;
/// Waveforms that are kept, the latest only.
const KEPT: usize = 500;
/// Files that are read through at once: each takes a core for a while.
const AT_ONCE: usize = 2;

/// The loudest sample of each party in each piece of equal length.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Peaks {
    pub millis: u64,
    /// The customer, the operators and, where they are apart, guests: from 0 to 255 for full scale.
    pub channels: Vec<Vec<u8>>,
}

/// Computes waveforms and remembers them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waveforms(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    known: Mutex<Known>,
    reading: Semaphore,
}

#[derive(Debug, Default)]
struct Known {
    by_id: BTreeMap<RecordingId, Arc<Peaks>>,
    order: VecDeque<RecordingId>,
}

impl Default for Waveforms {
    fn default() -> Self {
        Self(Arc::new(Inner { known: Mutex::default(), reading: Semaphore::new(AT_ONCE) }))
    }
}

impl Waveforms {
    /// Of a recording that has ended.
    pub async fn of(&self, recording: RecordingId, path: PathBuf) -> io::Result<Arc<Peaks>> {
        if let Some(peaks) = self.known().by_id.get(&recording) {
            return Ok(peaks.clone());
        }
        let _turn = self.0.reading.acquire().await.map_err(io::Error::other)?;
        // Whoever asked for it at the same time may have got it first.
        if let Some(peaks) = self.known().by_id.get(&recording) {
            return Ok(peaks.clone());
        }
        let peaks = tokio::task::spawn_blocking(move || read(&path)).await.map_err(io::Error::other)??;
        let peaks = Arc::new(peaks);
        let mut known = self.known();
        if known.order.len() >= KEPT
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_id.remove(&oldest);
        }
        known.order.push_back(recording);
        known.by_id.insert(recording, peaks.clone());
        Ok(peaks)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<Peaks> {
    let (parties, frames) = shape(path)?;
    let columns = COLUMNS.min(usize::try_from(frames).unwrap_or(COLUMNS)).max(1);
    let mut channels = vec![vec![0_u8; columns]; parties];
    let mut at = 0;
    each_frame(path, |frame| {
        let column = (at * columns as u64 / frames.max(1)).min(columns as u64 - 1) as usize;
        at += 1;
        for (channel, sample) in channels.iter_mut().zip(frame) {
            channel[column] = channel[column].max((sample.unsigned_abs() >> 7).min(255) as u8);
        }
    })?;
    Ok(Peaks { millis: frames * 1000 / u64::from(RATE), channels })
}
