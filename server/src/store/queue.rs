//! The way into the writer: a queue whose reader is woken only for what cannot wait as long as it would sleep anyway. A wake-up
//! costs more than most of the work.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::writer::{Urgency, Work};

#[derive(Debug)]
pub(super) struct Queue(Arc<Shared>);

/// The queue is closed when the last of them is gone.
#[derive(Clone, Debug)]
pub(super) struct Sender(Arc<Open>);

#[derive(Debug)]
struct Open(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    work: VecDeque<Work>,
    /// The reader sleeps; it wakes by itself in time for work of this urgency.
    asleep_for: Option<Option<Urgency>>,
    closed: bool,
}

impl Queue {
    pub fn new() -> (Sender, Self) {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        (Sender(Arc::new(Open(shared.clone()))), Self(shared))
    }

    /// What has come, `most` at most; waits for it until `due` at the longest. Who calls it will in any case be back in time for
    /// work of `level`, and is not woken for that. `None`: nothing more will come.
    pub fn take(&self, level: Option<Urgency>, due: Option<Instant>, most: usize) -> Option<Vec<Work>> {
        let mut state = self.0.lock();
        while state.work.is_empty() {
            if state.closed {
                return None;
            }
            state.asleep_for = Some(level);
            state = match due.map(|due| due.saturating_duration_since(Instant::now())) {
                None => self.0.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => break,
                Some(left) => self.0.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        state.asleep_for = None;
        let count = state.work.len().min(most);
        Some(state.work.drain(..count).collect())
    }
}

impl Sender {
    pub fn send(&self, work: Work) {
        let Shared { wake, .. } = &*self.0.0;
        let mut state = self.0.0.lock();
        let urgency = work.urgency();
        state.work.push_back(work);
        if state.asleep_for.is_some_and(|level| level < Some(urgency)) {
            state.asleep_for = None;
            drop(state);
            wake.notify_one();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
