//! Calls: the INVITE usage of dialogs, both ways round. RFC 3261 §13–§15
//!
//! | what | where |
//! |---|---|
//! | an INVITE came: ring, answer, reject | `incoming` |
//! | we call: forks, early media, cancelling | `outgoing` |
//! | what is under way within a dialog | `exchange` |
//! | the peer's re-INVITE, UPDATE and offer in a PRACK | `offer` |
//! | our re-INVITE and UPDATE | `asking` |
//! | provisional answers that must arrive | `prack` |
//! | session timers | `session_timer` |
//! | REFER and Replaces | `refer` |
//! | whose an address is that we are sent to | `redirect` |
//! | INFO and MESSAGE within a call | `say` |
//! | an INVITE of ours once more, with what was missing | `retry` |
//! | why it ended, in the words of the telephone network | `why` |
//! | hanging up, and what ends a call otherwise | `end` |

mod asking;
mod end;
mod exchange;
mod incoming;
mod offer;
mod outgoing;
mod prack;
mod redirect;
mod refer;
mod retry;
mod say;
mod session_timer;
mod why;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Ending, Side};

use crate::api::{BindingId, CallId, ConnectionId, Hop};
use crate::dialog::Dialog;
use crate::keyed::{Keyed, Keys};
use crate::message::{Message, Replaces};
use crate::shard::ShardId;
use crate::trunk::Carrier;

pub use end::final_status;
pub(crate) use exchange::{Exchange, Ours};
pub(crate) use incoming::{Incoming, NOT_ALLOWED};
pub(crate) use outgoing::{Goal, Outgoing, Prepared};
use refer::Referring;
pub(crate) use why::{explain, q850_in};

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
    /// It rings a registered contact.
    pub(crate) binding: Option<BindingId>,
    /// The ACK of each 2xx that we got: repeats get it again.
    pub(crate) acks: Vec<SentAck>,
    /// The last CSeq that we used toward a fork that did not get the call.
    pub(crate) forks: BTreeMap<Vec<u8>, u32>,
    /// A REFER of the peer's that is not done with.
    pub(crate) referring: Option<Referring>,
    /// A REFER of ours is out, or its progress is told.
    pub(crate) refers: bool,
    /// How it ended: a BYE that has to wait for an ACK says so.
    pub(crate) ending: Option<Ending>,
}

/// As it went out, and for which 2xx.
#[derive(Debug)]
pub(crate) struct SentAck {
    /// The tag and CSeq of the 2xx.
    pub(crate) tag: Vec<u8>,
    pub(crate) cseq: u32,
    pub(crate) hop: Hop,
    pub(crate) bytes: Arc<[u8]>,
}

pub(crate) enum Phase {
    /// Called; no final answer given.
    Incoming(Box<Incoming>),
    /// Calling; no 2xx received.
    Outgoing(Box<Outgoing>),
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
    pub(crate) fn new(far: Far, ours: bool, local_tag: String, invite: Message, phase: Phase) -> Self {
        Self {
            far,
            ended: false,
            ours,
            local_tag,
            invite,
            phase,
            carrier: None,
            binding: None,
            acks: Vec::new(),
            forks: BTreeMap::new(),
            referring: None,
            refers: false,
            ending: None,
        }
    }

    /// The ACK that the 2xx with this tag and CSeq got, and where it went.
    pub(crate) fn ack_of(&self, tag: &[u8], cseq: u32) -> Option<(Hop, Arc<[u8]>)> {
        let ack = self.acks.iter().find(|ack| ack.tag == tag && ack.cseq == cseq)?;
        Some((ack.hop, Arc::clone(&ack.bytes)))
    }

    /// The dialog, when there is exactly one.
    pub(crate) fn dialog(&self) -> Option<&Dialog> {
        self.exchange().map(|exchange| &exchange.dialog)
    }

    /// What is under way in the dialog, when there is exactly one.
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match &self.phase {
            Phase::Incoming(incoming) => Some(&incoming.exchange),
            Phase::Confirmed(exchange) => Some(exchange),
            Phase::Outgoing(_) | Phase::Refused => None,
        }
    }

    pub(crate) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match &mut self.phase {
            Phase::Incoming(incoming) => Some(&mut incoming.exchange),
            Phase::Confirmed(exchange) => Some(exchange),
            Phase::Outgoing(_) | Phase::Refused => None,
        }
    }

    /// The same with the peer of this tag: of an INVITE of ours that forked there may be several.
    pub(crate) fn exchange_of(&mut self, remote_tag: Option<&[u8]>) -> Option<&mut Exchange> {
        self.exchanges_mut().find(|exchange| exchange.dialog.is_with(remote_tag))
    }

    /// All of them.
    pub(crate) fn exchanges_mut(&mut self) -> impl Iterator<Item = &mut Exchange> {
        let (early, only) = match &mut self.phase {
            Phase::Outgoing(outgoing) => (Some(outgoing.early.values_mut()), None),
            Phase::Incoming(incoming) => (None, Some(&mut incoming.exchange)),
            Phase::Confirmed(exchange) => (None, Some(exchange.as_mut())),
            Phase::Refused => (None, None),
        };
        early.into_iter().flatten().map(|early| &mut early.exchange).chain(only)
    }

    /// Whether a request of the peer belongs to a dialog of this call.
    fn is_with(&self, request: &Message) -> bool {
        let ours =
            |dialog: &Dialog| dialog.call_id == request.call_id() && dialog.is_with(request.from_tag());
        match &self.phase {
            Phase::Outgoing(outgoing) => outgoing.early.values().any(|early| ours(&early.exchange.dialog)),
            Phase::Incoming(_) | Phase::Confirmed(_) | Phase::Refused => self.dialog().is_some_and(ours),
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

pub(crate) struct Calls {
    last: u64,
    /// Apart from their keys: a node of the tree has room for eleven.
    calls: BTreeMap<CallId, Box<Call>>,
    /// By our own tag, which is unique.
    by_tag: Keyed<String, CallId>,
    /// How many have ended and are still here.
    lingering: usize,
    /// Calls that ended since the stack last looked.
    pub(crate) just_ended: Vec<CallId>,
}

impl Calls {
    pub(crate) fn new(keys: Keys, shard: ShardId) -> Self {
        Self {
            last: shard.base(),
            calls: BTreeMap::new(),
            by_tag: Keyed::with_hasher(keys),
            lingering: 0,
            just_ended: Vec::new(),
        }
    }

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
        self.calls.insert(id, Box::new(call));
    }

    pub(crate) fn remove(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(&id) {
            self.by_tag.remove(&call.local_tag);
            self.lingering -= usize::from(call.ended);
        }
    }

    pub(crate) fn get(&self, id: CallId) -> Option<&Call> {
        self.calls.get(&id).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.calls.get_mut(&id).map(Box::as_mut)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&CallId, &Call)> {
        self.calls.iter().map(|(id, call)| (id, call.as_ref()))
    }

    /// Only while its owner still knows it.
    pub(crate) fn live_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.get_mut(id).filter(|call| !call.ended)
    }

    /// False when it had ended before.
    pub(crate) fn mark_ended(&mut self, id: CallId, ending: &Ending) -> bool {
        let Some(call) = self.live_mut(id) else { return false };
        call.ended = true;
        call.ending = Some(ending.clone());
        self.lingering += 1;
        self.just_ended.push(id);
        true
    }

    /// The call whose dialog a request of the peer belongs to. RFC 3261 §12.2.2
    pub(crate) fn find(&self, request: &Message) -> Option<CallId> {
        let tag = std::str::from_utf8(request.to_tag()?).ok()?;
        let id = *self.by_tag.get(tag)?;
        self.calls[&id].is_with(request).then_some(id)
    }

    /// The call that a Replaces names: seen from us, as it is sent to us. RFC 3891 §3
    pub(crate) fn find_replaced(&self, replaces: &Replaces<'_>) -> Option<CallId> {
        let tag = std::str::from_utf8(&replaces.to_tag).ok()?;
        let id = *self.by_tag.get(tag)?;
        let ours =
            |dialog: &Dialog| dialog.call_id == replaces.call_id && dialog.is_with(Some(&replaces.from_tag));
        let found = match &self.calls[&id].phase {
            Phase::Outgoing(outgoing) => outgoing.early.values().any(|early| ours(&early.exchange.dialog)),
            Phase::Incoming(_) | Phase::Confirmed(_) | Phase::Refused => {
                self.calls[&id].dialog().is_some_and(ours)
            }
        };
        found.then_some(id)
    }

    /// False when the request is older than what came before.
    pub(crate) fn advance_cseq(&mut self, id: CallId, request: &Message) -> bool {
        let cseq = request.cseq().number;
        let found = self.get_mut(id).and_then(|call| call.exchange_of(request.from_tag()));
        let Some(Exchange { dialog, .. }) = found else { return false };
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
