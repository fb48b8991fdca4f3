//! Calls: the INVITE usage of dialogs, both ways round. RFC 3261 §13–§15
//!
//! | what | where |
//! |---|---|
//! | an INVITE came: ring, answer, reject | `incoming` |
//! | we call: forks, early media, cancelling | `outgoing` |
//! | re-INVITE and UPDATE, both ways | `offer` |
//! | hanging up, and what ends a call otherwise | `end` |

mod end;
mod incoming;
mod offer;
mod outgoing;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Side;

use crate::api::{CallId, ConnectionId, Hop};
use crate::dialog::Dialog;
use crate::message::Message;
use crate::trunk::Carrier;

pub(crate) use incoming::Incoming;
pub(crate) use offer::{Exchange, Pending, Unacked};
pub(crate) use outgoing::Outgoing;

/// ACKs that a call remembers.
const MAX_ACKS: usize = 32;

pub(crate) struct Call {
    pub(crate) far: Far,
    /// `Event::Ended` is out. What remains is there for the peer's sake only.
    pub(crate) ended: bool,
    /// We sent the INVITE that made the dialog, so the Call-ID is ours. RFC 3261 §14.1
    pub(crate) ours: bool,
    pub(crate) local_tag: String,
    /// That made the dialog, as it was sent.
    pub(crate) invite: Message,
    pub(crate) phase: Phase,
    /// It goes through a trunk.
    pub(crate) carrier: Option<Carrier>,
    /// The ACK of each 2xx that we got: repeats get it again.
    pub(crate) acks: BTreeMap<AckKey, (Hop, Arc<[u8]>)>,
}

/// The peer's tag and the CSeq of the INVITE.
pub(crate) type AckKey = (Vec<u8>, u32);

pub(crate) enum Phase {
    /// Called; no final answer given.
    Incoming(Incoming),
    /// Calling; no 2xx received.
    Outgoing(Outgoing),
    /// A 2xx went one way or the other.
    Confirmed(Box<Exchange>),
    /// A final answer went out; only its transaction is left.
    Refused,
}

/// Whose doing it is when something happens at the far end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Far {
    /// Who talks there.
    pub(crate) side: Side,
    /// Who is to blame when nothing comes any more.
    pub(crate) lost: Side,
}

impl Far {
    pub(crate) const AGENT: Far = Far { side: Side::Agent, lost: Side::Agent };
    pub(crate) const GUEST: Far = Far { side: Side::Customer, lost: Side::Customer };
    pub(crate) const TRUNK: Far = Far { side: Side::Customer, lost: Side::Carrier };
}

impl Call {
    /// The dialog, when there is exactly one.
    pub(crate) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.phase {
            Phase::Incoming(incoming) => Some(&mut incoming.dialog),
            Phase::Confirmed(exchange) => Some(&mut exchange.dialog),
            Phase::Outgoing(_) | Phase::Refused => None,
        }
    }

    pub(crate) fn dialog(&self) -> Option<&Dialog> {
        match &self.phase {
            Phase::Incoming(incoming) => Some(&incoming.dialog),
            Phase::Confirmed(exchange) => Some(&exchange.dialog),
            Phase::Outgoing(_) | Phase::Refused => None,
        }
    }

    pub(crate) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match &mut self.phase {
            Phase::Confirmed(exchange) => Some(exchange),
            Phase::Incoming(_) | Phase::Outgoing(_) | Phase::Refused => None,
        }
    }

    /// A BYE of ours still has to wait for the peer's ACK.
    pub(crate) fn awaits_ack(&self) -> bool {
        match &self.phase {
            Phase::Confirmed(exchange) => exchange.unacked.is_some(),
            Phase::Incoming(_) | Phase::Outgoing(_) | Phase::Refused => false,
        }
    }
}

#[derive(Default)]
pub(crate) struct Calls {
    last: u64,
    calls: BTreeMap<CallId, Call>,
    /// By our own tag, which is unique.
    by_tag: BTreeMap<String, CallId>,
    /// How many have ended and are still here.
    lingering: usize,
    /// Calls that ended since the stack last looked.
    pub(crate) just_ended: Vec<CallId>,
}

impl Calls {
    pub(crate) fn live(&self) -> usize {
        self.calls.len() - self.lingering
    }

    pub(crate) fn lingering(&self) -> usize {
        self.lingering
    }

    pub(crate) fn next_id(&mut self) -> CallId {
        self.last += 1;
        CallId(self.last)
    }

    pub(crate) fn insert(&mut self, id: CallId, call: Call) {
        self.by_tag.insert(call.local_tag.clone(), id);
        self.calls.insert(id, call);
    }

    pub(crate) fn remove(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(&id) {
            self.by_tag.remove(&call.local_tag);
            self.lingering -= usize::from(call.ended);
        }
    }

    pub(crate) fn get(&self, id: CallId) -> Option<&Call> {
        self.calls.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.calls.get_mut(&id)
    }

    /// Only while its owner still knows it.
    pub(crate) fn live_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.calls.get_mut(&id).filter(|call| !call.ended)
    }

    /// False when it had ended before.
    pub(crate) fn mark_ended(&mut self, id: CallId) -> bool {
        let Some(call) = self.live_mut(id) else { return false };
        call.ended = true;
        self.lingering += 1;
        self.just_ended.push(id);
        true
    }

    /// The call whose dialog a request of the peer belongs to. RFC 3261 §12.2.2
    pub(crate) fn find(&self, request: &Message) -> Option<CallId> {
        let tag = std::str::from_utf8(request.to_tag()?).ok()?;
        let id = *self.by_tag.get(tag)?;
        let dialog = self.calls[&id].dialog()?;
        (dialog.call_id == request.call_id() && dialog.is_with(request.from_tag())).then_some(id)
    }

    /// False when the request is older than what came before.
    pub(crate) fn advance_cseq(&mut self, id: CallId, cseq: u32) -> bool {
        let Some(dialog) = self.get_mut(id).and_then(Call::dialog_mut) else { return false };
        if dialog.remote_cseq.is_some_and(|last| cseq <= last) {
            return false;
        }
        dialog.remote_cseq = Some(cseq);
        true
    }

    pub(crate) fn of_connection(&self, connection: ConnectionId) -> Vec<CallId> {
        let on_it = |call: &Call| call.dialog().is_some_and(|d| d.hop.connection == Some(connection));
        self.calls.iter().filter(|(_, call)| on_it(call)).map(|(id, _)| *id).collect()
    }
}
