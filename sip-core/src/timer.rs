//! The one ordered table of everything that waits for time to pass.
//! Invariant: a timer stands in the table at most once; arming it again moves it.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Instant;

use crate::api::{BindingId, CallId, SubscriptionId};
use crate::keyed::{Keyed, Keys};
use crate::transaction::TransactionId;
use crate::trunk::TrunkId;
use crate::way::SearchId;

/// Round-trip estimate. RFC 3261 §17.1.1.1
pub(crate) const T1: Duration = Duration::from_millis(500);
/// Longest retransmission interval but for INVITE requests.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub(crate) const T4: Duration = Duration::from_secs(5);
/// 64*T1: nothing of a call is left this long after its end.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);
/// Timer D on unreliable transports.
pub(crate) const TIMER_D: Duration = Duration::from_secs(32);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Timer {
    /// When an INVITE that nobody answered is sent again.
    A(TransactionId),
    /// When an INVITE that nobody answered is given up.
    B(TransactionId),
    /// When repeats of a refusal to our INVITE are no longer expected.
    D(TransactionId),
    /// When a request other than INVITE is sent again.
    E(TransactionId),
    /// When a request other than INVITE is given up.
    F(TransactionId),
    /// When our refusal of an INVITE is sent again for want of an ACK.
    G(TransactionId),
    /// When we stop waiting for the ACK of a refusal.
    H(TransactionId),
    /// When repeats of that ACK are no longer expected.
    I(TransactionId),
    /// When repeats of a request other than INVITE are no longer expected.
    J(TransactionId),
    /// When repeats of the answer to our request other than INVITE are no longer expected.
    K(TransactionId),
    /// When repeats of an INVITE that we accepted are no longer expected. RFC 6026
    L(TransactionId),
    /// When further 2xx to our INVITE are no longer expected. RFC 6026
    M(TransactionId),
    /// When an INVITE that we have cancelled is given up, though no final answer came. RFC 3261 §9.1
    Cancelled(TransactionId),
    /// When our 2xx to an INVITE is sent again for want of an ACK. RFC 3261 §13.3.1.4
    Answer(CallId),
    /// When we stop waiting for the ACK of our 2xx.
    Unacknowledged(CallId),
    /// When a ringing state is told again, so that no proxy gives up. RFC 3261 §13.3.1.1
    Provisional(CallId),
    /// When our outgoing call has rung long enough.
    Ring(CallId),
    /// When nothing at all was heard of our outgoing call for too long.
    Unheard(CallId),
    /// When an offer that met another one is tried again. RFC 3261 §14.1
    Glare(CallId),
    /// When we show that we are still there. RFC 4028 §10
    Refresh(CallId),
    /// When a session ends whose refresh did not come.
    Expired(CallId),
    /// When a reliable provisional answer is sent again for want of a PRACK. RFC 3262 §3
    Reliable(CallId),
    /// When we stop waiting for that PRACK.
    Unpracked(CallId),
    /// When the last trace of an ended call is dropped, whatever its peer still owes us.
    Forget(CallId),
    /// When a subscription was not refreshed in time.
    Subscription(SubscriptionId),
    /// When a registered contact was not refreshed in time.
    Binding(BindingId),
    /// When we register with a carrier, refresh that, try again, or have waited long enough to be signed off.
    Registration(TrunkId),
    /// When a carrier is asked whether it is alive.
    Health(TrunkId),
    /// When the connection that we registered by is pinged, or has not answered a ping.
    Ping(TrunkId),
    /// When a request that nobody answered at all goes to the next place.
    Silent(TransactionId),
    /// When a name is no longer looked for.
    Search(SearchId),
    /// When nonces in use are looked over for stale ones.
    Nonce,
}

#[derive(Debug)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, Timer)>,
    due: Keyed<Timer, Instant>,
}

impl Timers {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { queue: BTreeSet::new(), due: Keyed::with_hasher(keys) }
    }

    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        if let Some(before) = self.due.insert(timer, at) {
            self.queue.remove(&(before, timer));
        }
        self.queue.insert((at, timer));
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        if let Some(at) = self.due.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest timer that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        let (at, timer) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.remove(&(at, timer));
        self.due.remove(&timer);
        Some(timer)
    }

    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.due.contains_key(&timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn timers_come_out_in_order_and_only_when_due() {
        let mut timers = Timers::new(Keys::new(&mut Random::new([1; 32])));
        timers.arm(Timer::Ring(CallId(1)), at(3));
        timers.arm(Timer::Ring(CallId(2)), at(1));
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.pop(at(2)), Some(Timer::Ring(CallId(2))));
        assert_eq!(timers.pop(at(2)), None);
        assert_eq!(timers.pop(at(3)), Some(Timer::Ring(CallId(1))));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn arming_again_moves_a_timer() {
        let mut timers = Timers::new(Keys::new(&mut Random::new([1; 32])));
        timers.arm(Timer::Nonce, at(1));
        timers.arm(Timer::Nonce, at(5));
        assert_eq!(timers.pop(at(4)), None);
        timers.disarm(Timer::Nonce);
        assert_eq!(timers.next(), None);
        assert!(!timers.is_armed(Timer::Nonce));
    }
}
