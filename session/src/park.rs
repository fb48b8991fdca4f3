//! Parked customers: one waits with music in a slot, and whichever operator dials the slot gets him.
//!
//! An operator parks by sending the customer (REFER) to `park` or `*5`, which takes the lowest free slot, or to `*5` and a slot of
//! two digits. The session stays his while it is parked. When nobody comes for the customer in time, it rings at whoever
//! parked him, and after the grace time he goes to the head of his queue.
//! Invariant: a slot has one customer; whatever ends or moves his session frees it.

use std::fmt;

use model::{AgentId, Cause, Change, Instant, Now, SessionId, Side};
use sip_core::api::{CallId, IncomingCall};

use crate::engine::Engine;
use crate::leg::{OwnerReason, PickedUp};
use crate::timers::Timer;

const CODE: &str = "*5";
const LAST: u8 = 99;

/// Two digits, from 01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Slot(u8);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Parked {
    pub slot: Slot,
    until: Instant,
}

impl Engine {
    /// The slot that a dialled code names.
    pub(crate) fn slot_of(&self, dialled: &str) -> Option<Slot> {
        let digits = dialled.strip_prefix(CODE)?;
        let two_digits = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number: u8 = digits.parse().ok().filter(|_| two_digits)?;
        (1..=LAST).contains(&number).then_some(Slot(number))
    }

    /// Where a REFER to this user parks: in the slot that it names, or in any.
    pub(crate) fn parking_place(&self, user: &str) -> Option<Option<Slot>> {
        match user {
            "park" | CODE => Some(None),
            _ => self.slot_of(user).map(Some),
        }
    }

    /// False when there is no room.
    pub(crate) fn park(&mut self, now: Now, id: SessionId, call: CallId, place: Option<Slot>) -> bool {
        let free = |slot: &Slot| !self.parked.contains_key(slot);
        let Some(slot) = place.or_else(|| (1..=LAST).map(Slot).find(free)).filter(free) else { return false };
        let until = now.instant + self.config.parked_for;
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.parked = Some(Parked { slot, until });
        self.parked.insert(slot, id);
        self.timers.set(until, Timer::Parked(id));
        self.sip.accept_refer(now, call);
        self.journal(now, id, Change::Parked { slot: Some(slot.to_string()) });
        self.sip.refer_progress(now, call, 200);
        self.end_consultation(now, id);
        self.end_aside(now, id);
        self.dismiss_guests(now, id);
        let Some(session) = self.sessions.get(&id) else { return true };
        let legs: Vec<_> = session.agent_voice_legs().map(|leg| leg.id).collect();
        for leg in legs {
            self.hang_up(now, leg, Cause::Replaced, Side::System);
        }
        self.play_waiting(now, id);
        true
    }

    /// He dialled a slot.
    pub(crate) fn unpark_by_call(&mut self, now: Now, agent: AgentId, slot: Slot, incoming: IncomingCall) {
        match self.parked.get(&slot).copied() {
            Some(id) => self.pick_up(now, id, agent, PickedUp::Parked, incoming),
            None => self.sip.reject(now, incoming.call, 404, None),
        }
    }

    /// The slot is free again.
    pub(crate) fn unpark(&mut self, now: Now, id: SessionId) {
        let parked = self.sessions.get_mut(&id).and_then(|session| session.parked.take());
        if let Some(parked) = parked {
            self.parked.remove(&parked.slot);
            self.journal(now, id, Change::Parked { slot: None });
        }
    }

    /// Nobody came: it rings at whoever parked him.
    pub(crate) fn parked_too_long(&mut self, now: Now, id: SessionId) {
        let parked = self.sessions.get(&id).and_then(|session| session.parked);
        if parked.is_some_and(|parked| parked.until <= now.instant) {
            self.unpark(now, id);
            self.wait_for_device(now, id, OwnerReason::ParkedTooLong);
        }
    }
}
