//! When the engine wants to be woken. A timer that no longer means anything is ignored when it fires, so none is ever searched for.

use std::collections::BTreeSet;

use model::{Instant, LegId, SessionId};
use sip_core::api::SubscriptionId;

use crate::api::RequestId;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// When the dialplan of a session has something to do.
    Flow(SessionId),
    /// When the owner whose device died has been waited for long enough.
    OwnerGrace(SessionId),
    /// When nothing may have been said in a chat for too long.
    ChatIdle(SessionId),
    /// When a chat code runs out.
    Code(String),
    /// When a token to talk runs out.
    Token(String),
    /// When the store has not answered who a customer is.
    Resolve(RequestId),
    /// When a leg whose media transport is gone should have said goodbye.
    TransportLost(LegId),
    /// When a subscriber may be told again.
    Watch(SubscriptionId),
    /// When a parked customer comes back to whoever parked him.
    Parked(SessionId),
    /// When a customer who was not reached is called again.
    Callback(SessionId),
    /// When the place of one who was cut off has been kept for long enough.
    CutOff(SessionId),
    /// When the floor may be shown again.
    Floor,
}

#[derive(Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    pub fn due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
