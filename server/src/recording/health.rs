//! How the writing of recordings fares: what metrics and the console's alarm show.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{RecordingId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// Counted by the engine's thread, read by others. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Figures>>);

#[derive(Clone, Debug, Default)]
struct Figures {
    /// Each with whether it was started after the last failure.
    running: BTreeMap<RecordingId, bool>,
    failed: u64,
    alarm: Option<Alarm>,
}

/// Calls go on without being recorded. It is over when a recording ends well that was started after the last failure: what was
/// open before may have been closed on what was left of the disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Alarm {
    pub since: Timestamp,
    /// Recordings that have failed since.
    pub failed: u64,
    /// What the last one failed of.
    pub why: String,
}

impl Health {
    pub fn started(&self, recording: RecordingId) {
        self.lock().running.insert(recording, true);
    }

    /// Said again, it changes nothing; neither does what is said of one that had failed.
    pub fn ended(&self, recording: RecordingId) {
        let mut figures = self.lock();
        if figures.running.remove(&recording) == Some(true) {
            figures.alarm = None;
        }
    }

    /// The first failure of a recording counts alone.
    pub fn failed(&self, recording: RecordingId, at: Timestamp, why: &str) {
        let mut figures = self.lock();
        if figures.running.remove(&recording).is_none() {
            return;
        }
        figures.running.values_mut().for_each(|fresh| *fresh = false);
        figures.failed += 1;
        let before = figures.alarm.take();
        let (since, failed) = before.map_or((at, 0), |alarm| (alarm.since, alarm.failed));
        figures.alarm = Some(Alarm { since, failed: failed + 1, why: why.to_owned() });
    }

    /// Running ones, and those that have failed since the start.
    pub fn counts(&self) -> (usize, u64) {
        let figures = self.lock();
        (figures.running.len(), figures.failed)
    }

    pub fn alarm(&self) -> Option<Alarm> {
        self.lock().alarm.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> RecordingId {
        RecordingId(uuid::Uuid::from_bytes([number; 16]))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn an_alarm_counts_until_a_recording_ends_well_that_began_after_the_last_failure() {
        let health = Health::default();
        for number in 1..=3 {
            health.started(id(number));
        }
        health.failed(id(1), at(1), "no space");
        health.failed(id(2), at(2), "still none");
        let alarm = Alarm { since: at(1), failed: 2, why: "still none".to_owned() };
        assert_eq!((health.alarm(), health.counts()), (Some(alarm.clone()), (1, 2)));
        // Of an hour ago: it says nothing of the disk as it is now.
        health.ended(id(3));
        assert_eq!((health.alarm(), health.counts()), (Some(alarm), (0, 2)));
        health.started(id(4));
        health.ended(id(4));
        assert_eq!((health.alarm(), health.counts()), (None, (0, 2)));
    }

    #[test]
    fn a_recording_fails_and_ends_once() {
        let health = Health::default();
        (1..=2).for_each(|number| health.started(id(number)));
        health.failed(id(1), at(1), "the disk is too far behind");
        health.failed(id(1), at(2), "no space");
        health.ended(id(1));
        let alarm = Alarm { since: at(1), failed: 1, why: "the disk is too far behind".to_owned() };
        assert_eq!((health.alarm(), health.counts()), (Some(alarm), (1, 1)));
    }
}
