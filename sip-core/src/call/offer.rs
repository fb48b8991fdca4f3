//! Offers after the first: re-INVITE and UPDATE, both ways, and the 2xx that waits for its ACK.
//! RFC 3261 §14, RFC 3311

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Cause, Ending, Now};

use crate::api::{CallId, Event, Hop};
use crate::dialog::Dialog;
use crate::message::{Message, Method, Name};
use crate::receive::sdp_of;
use crate::respond::{ALLOW, Refusal, SDP, reply_hop};
use crate::stack::Stack;
use crate::timer::{GIVE_UP, T1, T2, Timer};
use crate::transaction::{MergeKey, Owner, ServerKey, TransactionId};

/// After so many collisions the other side does not mean to stop.
const MAX_GLARES: u32 = 10;

/// What is under way within a dialog that has its first 2xx.
pub(crate) struct Exchange {
    pub(crate) dialog: Dialog,
    /// Our 2xx whose ACK has not come.
    pub(crate) unacked: Option<Unacked>,
    /// An offer of the peer that its owner has not answered.
    pub(crate) pending: Option<Pending>,
    reinvite: Reinvite,
    /// Offered as soon as nothing else is under way.
    queued: Option<Vec<u8>>,
}

pub(crate) struct Unacked {
    pub(crate) cseq: u32,
    pub(crate) hop: Hop,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) interval: Duration,
    /// It made the dialog.
    pub(crate) initial: bool,
    /// It carried our offer, so the ACK carries the answer.
    pub(crate) offered: bool,
}

/// An INVITE or UPDATE that waits for its final answer.
pub(crate) struct Pending {
    pub(crate) transaction: TransactionId,
    pub(crate) request: Message,
    pub(crate) source: SocketAddr,
}

/// Our own offer.
enum Reinvite {
    None,
    Sent {
        sdp: Vec<u8>,
        glares: u32,
    },
    /// It met one of the peer's and is tried again later.
    Waiting {
        sdp: Vec<u8>,
        glares: u32,
    },
}

impl Exchange {
    pub(crate) fn new(dialog: Dialog, unacked: Option<Unacked>) -> Self {
        Self { dialog, unacked, pending: None, reinvite: Reinvite::None, queued: None }
    }

    fn is_busy(&self) -> bool {
        self.unacked.is_some() || self.pending.is_some() || !matches!(self.reinvite, Reinvite::None)
    }
}

impl Stack {
    /// Answers an [`Event::Offer`]. When that had no SDP, `sdp` is our offer.
    pub fn accept_offer(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        let Some(found) = self.calls.live_mut(call) else { return };
        let tag = found.local_tag.clone();
        let Some(exchange) = found.exchange_mut() else { return };
        let Some(pending) = exchange.pending.take() else { return };
        let Some((hop, bytes)) = self.accept(now, &pending, &tag, sdp) else { return };
        let request = pending.request;
        if *request.method() != Method::Invite {
            return self.offer_queued(now, call);
        }
        let offered = request.body().is_empty();
        let cseq = request.cseq().number;
        if let Some(exchange) = self.calls.get_mut(call).and_then(|call| call.exchange_mut()) {
            exchange.unacked = Some(Unacked { cseq, hop, bytes, interval: T1, initial: false, offered });
        }
        self.timers.arm(Timer::Answer(call), now.instant + T1);
        self.timers.arm(Timer::Unacknowledged(call), now.instant + GIVE_UP);
    }

    /// Refuses an [`Event::Offer`] with a status from 300 to 699; anything else becomes 488. The session stays as it was.
    pub fn reject_offer(&mut self, now: Now, call: CallId, status: u16) {
        let status = if (300..700).contains(&status) { status } else { 488 };
        if self.calls.live_mut(call).is_some() {
            self.refuse_pending(now, call, status);
            self.offer_queued(now, call);
        }
    }

    /// Sends an offer within an answered call, at once or as soon as what is under way is done.
    pub fn reinvite(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        let Some(exchange) = self.calls.live_mut(call).and_then(|call| call.exchange_mut()) else { return };
        exchange.queued = Some(sdp);
        self.offer_queued(now, call);
    }

    /// A 2xx to an INVITE or UPDATE, and where it went. `None`: the transaction died with its connection.
    pub(crate) fn accept(
        &mut self,
        now: Now,
        asked: &Pending,
        tag: &str,
        sdp: Vec<u8>,
    ) -> Option<(Hop, Arc<[u8]>)> {
        let Pending { transaction, request, source } = asked;
        let hop = self.transactions.server_hop(*transaction)?;
        let answer = self
            .answer_to(request, *source, 200, tag)
            .copy(request, Name::RecordRoute)
            .header(Name::Contact, self.contact(hop))
            .header(Name::Allow, ALLOW)
            .header(Name::Accept, SDP)
            .body(SDP, sdp);
        let bytes: Arc<[u8]> = Arc::from(answer.finish());
        let (transactions, mut io) = self.split(now);
        transactions.respond(*transaction, 200, Arc::clone(&bytes), &mut io);
        Some((hop, bytes))
    }

    pub(crate) fn receive_reinvite(&mut self, now: Now, hop: Hop, call: CallId, request: &Message) {
        let conflict = self.conflict(call);
        let answers = reply_hop(hop, request);
        let transaction = self.transactions.start_invite_server(
            ServerKey::of(request),
            MergeKey::of(request),
            answers,
            call,
        );
        self.receive_offer(now, hop, call, transaction, request, conflict);
    }

    pub(crate) fn receive_update(&mut self, now: Now, hop: Hop, call: CallId, request: &Message) {
        let conflict = self.conflict(call);
        let transaction = self.open_transaction(hop, request);
        if request.body().is_empty() && conflict != Some(481) {
            // Without an offer it only moves the peer.
            self.refresh(call, hop, request);
            let answer = self
                .answer_to(request, hop.remote, 200, "")
                .header(Name::Contact, self.contact(hop))
                .header(Name::Allow, ALLOW);
            return self.respond(now, transaction, 200, answer);
        }
        self.receive_offer(now, hop, call, transaction, request, conflict);
    }

    /// The peer gave up its re-INVITE. False when it was not one.
    pub(crate) fn cancel_offer(&mut self, now: Now, call: CallId, transaction: TransactionId) -> bool {
        let Some(exchange) = self.calls.get_mut(call).and_then(|call| call.exchange_mut()) else {
            return false;
        };
        if exchange.pending.as_ref().is_none_or(|pending| pending.transaction != transaction) {
            return false;
        }
        self.refuse_pending(now, call, 487);
        self.offer_queued(now, call);
        true
    }

    pub(crate) fn refuse_pending(&mut self, now: Now, call: CallId, status: u16) {
        let Some(exchange) = self.calls.get_mut(call).and_then(|call| call.exchange_mut()) else { return };
        let Some(Pending { transaction, request, source }) = exchange.pending.take() else { return };
        let answer = self.answer_to(&request, source, status, "");
        self.respond(now, transaction, status, answer);
    }

    pub(crate) fn acknowledged(&mut self, now: Now, id: CallId, ack: &Message) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let ended = call.ended;
        let Some(exchange) = call.exchange_mut() else { return };
        let Some(unacked) = exchange.unacked.take_if(|unacked| unacked.cseq == ack.cseq().number) else {
            return;
        };
        let dialog = ended.then(|| exchange.dialog.clone());
        self.timers.disarm(Timer::Answer(id));
        self.timers.disarm(Timer::Unacknowledged(id));
        if let Some(dialog) = dialog {
            // We had hung up in the meantime, and may only now say so. RFC 3261 §15
            return self.send_bye(now, id, dialog);
        }
        let sdp = if unacked.offered { sdp_of(ack).ok().flatten() } else { None };
        if unacked.initial {
            self.emit(id, Event::Confirmed { call: id, sdp });
        } else if unacked.offered {
            self.emit(id, Event::OfferAnswered { call: id, sdp });
        }
        self.offer_queued(now, id);
    }

    pub(crate) fn repeat_answer(&mut self, now: Now, id: CallId) {
        let Some(exchange) = self.calls.get_mut(id).and_then(|call| call.exchange_mut()) else { return };
        let Some(unacked) = &mut exchange.unacked else { return };
        unacked.interval = (unacked.interval * 2).min(T2);
        let (hop, bytes, interval) = (unacked.hop, Arc::clone(&unacked.bytes), unacked.interval);
        self.transmit(hop, bytes);
        self.timers.arm(Timer::Answer(id), now.instant + interval);
    }

    pub(crate) fn reinvite_answered(&mut self, now: Now, id: CallId, status: u16, response: &Message) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if (200..300).contains(&status) {
            let tag = response.to_tag().unwrap_or_default().to_vec();
            if let Some((hop, ack)) = call.acks.get(&(tag, response.cseq().number)).cloned() {
                return self.transmit(hop, ack);
            }
        }
        let Some(exchange) = call.exchange_mut() else { return };
        if status < 200 {
            return;
        }
        let Reinvite::Sent { sdp, glares } = std::mem::replace(&mut exchange.reinvite, Reinvite::None) else {
            return;
        };
        match status {
            ..300 => {
                exchange.dialog.refresh_target(response);
                let dialog = exchange.dialog.clone();
                self.acknowledge(id, &dialog, response.cseq().number);
                let sdp = sdp_of(response).ok().flatten();
                self.emit(id, Event::OfferAnswered { call: id, sdp });
            }
            491 if glares < MAX_GLARES => {
                let Some(call) = self.calls.live_mut(id) else { return };
                let ours = call.ours;
                if let Some(exchange) = call.exchange_mut() {
                    exchange.reinvite = Reinvite::Waiting { sdp, glares: glares + 1 };
                }
                // RFC 3261 §14.1: whoever made the Call-ID waits longer, so that the two do not meet again.
                let steps = if ours { self.random.between(210, 400) } else { self.random.between(0, 200) };
                self.timers.arm(Timer::Glare(id), now.instant + Duration::from_millis(10 * steps));
                return;
            }
            408 | 481 => return self.reinvite_lost(now, id, status),
            _ => self.emit(id, Event::OfferRefused { call: id, status }),
        }
        self.offer_queued(now, id);
    }

    /// Nobody is there any more. RFC 3261 §12.2.1.2
    pub(crate) fn reinvite_lost(&mut self, now: Now, id: CallId, status: u16) {
        let Some(call) = self.calls.live_mut(id) else { return };
        let by = call.far.lost;
        let Some(dialog) = call.dialog().cloned() else { return };
        self.send_bye(now, id, dialog);
        self.end(now, id, Ending::with_status(Cause::Lost, by, status));
    }

    pub(crate) fn retry_reinvite(&mut self, now: Now, id: CallId) {
        let Some(exchange) = self.calls.live_mut(id).and_then(|call| call.exchange_mut()) else { return };
        let Reinvite::Waiting { sdp, glares } = std::mem::replace(&mut exchange.reinvite, Reinvite::None)
        else {
            return;
        };
        if exchange.is_busy() {
            // What the owner asked for since then is newer.
            exchange.queued.get_or_insert(sdp);
            return;
        }
        let sdp = exchange.queued.take().unwrap_or(sdp);
        self.send_reinvite(now, id, sdp, glares);
    }

    fn offer_queued(&mut self, now: Now, id: CallId) {
        let Some(exchange) = self.calls.live_mut(id).and_then(|call| call.exchange_mut()) else { return };
        if exchange.is_busy() {
            return;
        }
        if let Some(sdp) = exchange.queued.take() {
            self.send_reinvite(now, id, sdp, 0);
        }
    }

    fn send_reinvite(&mut self, now: Now, id: CallId, sdp: Vec<u8>, glares: u32) {
        let Some(exchange) = self.calls.live_mut(id).and_then(|call| call.exchange_mut()) else { return };
        exchange.reinvite = Reinvite::Sent { sdp: sdp.clone(), glares };
        exchange.dialog.local_cseq += 1;
        let dialog = &exchange.dialog;
        let (request, hop) = (dialog.request(&Method::Invite, dialog.local_cseq), dialog.next_hop());
        let request =
            request.header(Name::Contact, self.contact(hop)).header(Name::Allow, ALLOW).body(SDP, sdp);
        self.start_request(now, Owner::Reinvite(id), Method::Invite, hop, request);
    }

    /// Why an offer of the peer cannot be taken now.
    fn conflict(&mut self, call: CallId) -> Option<u16> {
        let Some(call) = self.calls.live_mut(call) else { return Some(481) };
        let Some(exchange) = call.exchange_mut() else { return Some(491) };
        // RFC 3261 §14.2
        if exchange.pending.is_some() {
            return Some(500);
        }
        (exchange.unacked.is_some() || matches!(exchange.reinvite, Reinvite::Sent { .. })).then_some(491)
    }

    fn receive_offer(
        &mut self,
        now: Now,
        hop: Hop,
        call: CallId,
        transaction: TransactionId,
        request: &Message,
        conflict: Option<u16>,
    ) {
        if let Some(status) = conflict {
            let mut answer = self.answer_to(request, hop.remote, status, "");
            if status == 500 {
                answer = answer.header(Name::RetryAfter, self.random.between(0, 10).to_string());
            }
            return self.respond(now, transaction, status, answer);
        }
        let sdp = match sdp_of(request) {
            Ok(sdp) => sdp,
            Err(Refusal { status, reason }) => {
                let answer = self.answer_with_reason(request, hop.remote, status, reason, "");
                return self.respond(now, transaction, status, answer);
            }
        };
        self.refresh(call, hop, request);
        if *request.method() == Method::Invite {
            let trying = self.answer_to(request, hop.remote, 100, "");
            self.respond(now, transaction, 100, trying);
        }
        if let Some(exchange) = self.calls.get_mut(call).and_then(|call| call.exchange_mut()) {
            exchange.pending = Some(Pending { transaction, request: request.clone(), source: hop.remote });
        }
        self.emit(call, Event::Offer { call, sdp });
    }

    /// RFC 3261 §12.2.2, and where the peer speaks from now.
    fn refresh(&mut self, call: CallId, hop: Hop, request: &Message) {
        if let Some(dialog) = self.calls.get_mut(call).and_then(|call| call.dialog_mut()) {
            dialog.refresh_target(request);
            dialog.hop = hop;
        }
    }
}
