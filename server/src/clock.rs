//! The only place where clocks are read.

use std::time::{Duration, Instant as StdInstant, SystemTime, UNIX_EPOCH};

use model::{Instant, Now, Timestamp};

/// One process's pair of clocks. Copies share the same start, so instants of all threads compare.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: StdInstant,
}

impl Clock {
    pub fn start() -> Self {
        Self { start: StdInstant::now() }
    }

    pub fn now(&self) -> Now {
        Now::new(self.instant(), wall())
    }

    pub fn instant(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// What [`Instant::ZERO`] is on the standard library's clock.
    pub fn base(&self) -> StdInstant {
        self.start
    }

    /// How long from now until `at`; zero when it has passed.
    pub fn until(&self, at: Instant) -> Duration {
        at.saturating_since(self.instant())
    }
}

/// Such as `2026-11-22T05:40:38Z`.
pub fn rfc3339(at: Timestamp) -> String {
    let since_epoch = Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_epoch).to_string()
}

/// Wall-clock time; before 1970 counts as 1970.
pub fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
