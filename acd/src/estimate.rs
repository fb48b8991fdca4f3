//! How long somebody will wait: from how much of an agent's time each session of the queue takes, and how many agents there are.
//! The estimates are held against what came of them.

use std::time::Duration;

use model::Instant;

/// How much the newest measurement counts.
const NEW: f64 = 0.1;

/// What is known of one queue.
#[derive(Default)]
pub(crate) struct Estimates {
    /// Agent-seconds between two sessions that were served while others waited. It holds also where agents serve other queues.
    per_session: Option<f64>,
    /// When the last one was served, while others waited.
    served_at: Option<Instant>,
    /// Seconds that an agent has a session, wrap-up included.
    handling: Option<f64>,
    /// Sum of the errors in seconds.
    error: f64,
    judged: u64,
}

impl Estimates {
    /// An agent got a session of this queue. `staff` in thousandths of an agent.
    pub(crate) fn served(&mut self, now: Instant, staff: u64, others_wait: bool) {
        if let Some(before) = self.served_at.take() {
            let agents = staff as f64 / 1_000.0;
            blend(&mut self.per_session, (now - before).as_secs_f64() * agents);
        }
        if others_wait {
            self.served_at = Some(now);
        }
    }

    pub(crate) fn handled(&mut self, took: Duration) {
        blend(&mut self.handling, took.as_secs_f64());
    }

    /// What somebody at this position has to expect. None without agents, or when nothing was measured yet.
    pub(crate) fn wait(&self, position: usize, staff: u64) -> Option<Duration> {
        let per_session = self.per_session.or(self.handling)?;
        if staff == 0 {
            return None;
        }
        let seconds = position as f64 * per_session * 1_000.0 / staff as f64;
        // A day is for ever.
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
    }

    pub(crate) fn judge(&mut self, estimate: Duration, truth: Duration) {
        self.error += estimate.abs_diff(truth).as_secs_f64();
        self.judged += 1;
    }

    /// The mean of the absolute error, and of how many.
    pub(crate) fn error(&self) -> (Duration, u64) {
        let mean = if self.judged == 0 { 0.0 } else { self.error / self.judged as f64 };
        (Duration::from_secs_f64(mean), self.judged)
    }
}

fn blend(mean: &mut Option<f64>, new: f64) {
    *mean = Some(mean.map_or(new, |old| old + NEW * (new - old)));
}
