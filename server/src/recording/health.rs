//! How the writing of recordings fares: what metrics and the console's alarm show.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Counted by the engine's thread, read by others. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Figures>>);

#[derive(Clone, Debug, Default)]
struct Figures {
    running: usize,
    failed: u64,
    alarm: Option<Alarm>,
}

/// Calls go on without being recorded. It is over when a recording ends well.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Alarm {
    pub since: Timestamp,
    /// Recordings that have failed since.
    pub failed: u64,
    /// What the last one failed of.
    pub why: String,
}

impl Health {
    pub fn started(&self) {
        self.lock().running += 1;
    }

    pub fn ended(&self) {
        let mut figures = self.lock();
        figures.running = figures.running.saturating_sub(1);
        figures.alarm = None;
    }

    pub fn failed(&self, at: Timestamp, why: &str) {
        let mut figures = self.lock();
        figures.running = figures.running.saturating_sub(1);
        figures.failed += 1;
        let before = figures.alarm.take();
        let (since, failed) = before.map_or((at, 0), |alarm| (alarm.since, alarm.failed));
        figures.alarm = Some(Alarm { since, failed: failed + 1, why: why.to_owned() });
    }

    /// Running ones, and those that have failed since the start.
    pub fn counts(&self) -> (usize, u64) {
        let figures = self.lock();
        (figures.running, figures.failed)
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

    #[test]
    fn an_alarm_counts_until_a_recording_ends_well() {
        let health = Health::default();
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        for _ in 0..3 {
            health.started();
        }
        health.failed(at(1), "no space");
        health.failed(at(2), "still none");
        let alarm = Alarm { since: at(1), failed: 2, why: "still none".to_owned() };
        assert_eq!((health.alarm(), health.counts()), (Some(alarm), (1, 2)));
        health.ended();
        assert_eq!((health.alarm(), health.counts()), (None, (0, 2)));
    }
}
