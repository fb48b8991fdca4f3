use std::collections::BTreeSet;

use model::{Instant, OfferId, SessionId};

use crate::agent::AgentIx;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// When an offer has rung for long enough.
    Offer(OfferId),
    /// When the time for wrapping up this session is over.
    WrapUp(AgentIx, SessionId),
    /// When an agent whose offers came to nothing is tried again.
    BackOff(AgentIx),
    /// When a session that the agent declined may be offered to him again.
    Declined(AgentIx, SessionId),
    /// When an agent may be given another medium.
    Settled(AgentIx),
    /// When a waiting session asks for less, is kept for nobody any more, or has waited for long enough in its queue.
    Waiting(SessionId),
}

/// All timers in the order in which they run out. Each is kept with its instant by its owner, who stops it.
#[derive(Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(crate) fn start(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn stop(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The earliest timer that has run out.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (at, _) = self.0.first()?;
        if *at > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
