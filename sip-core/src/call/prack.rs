//! Provisional answers that must not get lost. RFC 3262
//!
//! Invariants: of the answers that we send reliably one waits for its PRACK at a time; of those that we get, none is taken out of order
//! or twice.

use std::sync::Arc;
use std::time::Duration;

use model::{Cause, Ending, Now};

use super::{Call, Phase};
use crate::api::{CallId, Event, Hop};
use crate::message::{Builder, Message, Method, Name, RAck};
use crate::respond::Refusal;
use crate::stack::Stack;
use crate::timer::{GIVE_UP, T1, Timer};
use crate::transaction::{Owner, TransactionId};
use crate::validate::sdp_of;

/// An answer of ours that waits for its PRACK.
pub(crate) struct Unpracked {
    hop: Hop,
    bytes: Arc<[u8]>,
    interval: Duration,
    /// It carried a session description: a 2xx has to wait for the PRACK. RFC 3262 §3
    pub(crate) describes: bool,
}

impl Stack {
    /// Sends a provisional answer again and again until its PRACK comes.
    pub(crate) fn send_reliably(
        &mut self,
        now: Now,
        id: CallId,
        transaction: TransactionId,
        status: u16,
        answer: Builder,
        describes: bool,
    ) {
        let Some(hop) = self.transactions.server_hop(transaction) else { return };
        let first = self.random.between(1, 1 << 30) as u32;
        let Some(Call { phase: Phase::Incoming(incoming), .. }) = self.calls.live_mut(id) else { return };
        let rseq = incoming.rseq.map_or(first, |last| last + 1);
        incoming.rseq = Some(rseq);
        incoming.exchange.awaited_rack = Some(rseq);
        let answer = answer.header(Name::Require, "100rel").header(Name::RSeq, rseq.to_string());
        let bytes: Arc<[u8]> = Arc::from(answer.finish());
        incoming.unpracked = Some(Unpracked { hop, bytes: Arc::clone(&bytes), interval: T1, describes });
        incoming.ringing = Some((status, Arc::clone(&bytes)));
        self.timers.arm(Timer::Reliable(id), now.instant + T1);
        self.timers.arm(Timer::Unpracked(id), now.instant + GIVE_UP);
        self.send_provisional(now, id, transaction, status, bytes);
    }

    pub(crate) fn repeat_reliable(&mut self, now: Now, id: CallId) {
        let Some(Call { phase: Phase::Incoming(incoming), .. }) = self.calls.live_mut(id) else { return };
        let Some(unpracked) = &mut incoming.unpracked else { return };
        unpracked.interval *= 2;
        let (hop, bytes, interval) = (unpracked.hop, Arc::clone(&unpracked.bytes), unpracked.interval);
        self.transmit(hop, bytes);
        self.timers.arm(Timer::Reliable(id), now.instant + interval);
    }

    /// RFC 3262 §3: the INVITE is refused with a 5xx.
    pub(crate) fn give_up_prack(&mut self, now: Now, id: CallId) {
        let Some(by) = self.calls.get(id).map(|call| call.far.lost) else { return };
        if self.refuse_incoming(now, id, 504, None) {
            self.end(now, id, Ending::with_status(Cause::Lost, by, 504));
        }
    }

    pub(crate) fn stop_reliable(&mut self, id: CallId) {
        self.timers.disarm(Timer::Reliable(id));
        self.timers.disarm(Timer::Unpracked(id));
    }

    pub(crate) fn receive_prack(&mut self, now: Now, hop: Hop, id: CallId, request: &Message) {
        let Ok(Some(acked)) = request.rack() else { return self.refuse_once(now, hop, request, 400) };
        let Some(call) = self.calls.live_mut(id) else { return self.refuse_once(now, hop, request, 481) };
        let cseq = call.invite.cseq().number;
        let (late_offer, described) = match &call.phase {
            Phase::Incoming(incoming) => (incoming.late_offer, incoming.described),
            Phase::Outgoing(_) | Phase::Confirmed(_) | Phase::Refused => (false, false),
        };
        let awaited = match &call.phase {
            Phase::Incoming(incoming) => incoming.exchange.awaited_rack,
            Phase::Confirmed(exchange) => exchange.awaited_rack,
            Phase::Outgoing(_) | Phase::Refused => None,
        };
        // RFC 3262 §3
        if awaited.is_none_or(|rseq| acked != RAck { rseq, cseq, method: b"INVITE" }) {
            return self.refuse_once(now, hop, request, 481);
        }
        let sdp = match sdp_of(request) {
            Ok(sdp) => sdp,
            Err(Refusal { status, .. }) => return self.refuse_once(now, hop, request, status),
        };
        let Some(exchange) = call.exchange_mut() else { return };
        let agreed = exchange.agreed;
        let answers_us = late_offer && described && !agreed;
        if answers_us && sdp.is_none() {
            // RFC 3262 §5: our offer must be answered here.
            return self.refuse_once(now, hop, request, 400);
        }
        exchange.awaited_rack = None;
        exchange.agreed |= described;
        exchange.learn(request);
        let agreed = exchange.agreed;
        if let Phase::Incoming(incoming) = &mut call.phase {
            incoming.unpracked = None;
        }
        self.stop_reliable(id);
        match sdp {
            Some(sdp) if answers_us => {
                self.refuse_once(now, hop, request, 200);
                self.emit(id, Event::OfferAnswered { call: id, sdp: Some(sdp) });
            }
            // A further offer. RFC 3262 §5
            Some(sdp) if agreed && !self.is_busy(id) => {
                let transaction = self.open_transaction(hop, request);
                self.hand_up(id, hop, transaction, request, Some(sdp));
            }
            Some(_) => self.refuse_once(now, hop, request, 488),
            None => self.refuse_once(now, hop, request, 200),
        }
        self.prack_came(now, id);
    }

    fn is_busy(&self, id: CallId) -> bool {
        self.calls.get(id).and_then(Call::exchange).is_some_and(|exchange| exchange.is_busy())
    }

    /// What had to wait for the PRACK goes on.
    fn prack_came(&mut self, now: Now, id: CallId) {
        let Some(Call { phase: Phase::Incoming(incoming), .. }) = self.calls.live_mut(id) else { return };
        if let Some(sdp) = incoming.answer.take() {
            return self.answer(now, id, sdp);
        }
        if let Some((status, sdp)) = incoming.next.take() {
            self.ring(now, id, status, sdp);
        }
        self.ask_queued(now, id);
    }

    /// A 18x to our INVITE that asks for a PRACK. False when it shall not be looked at. RFC 3262 §4
    pub(crate) fn acknowledge_provisional(&mut self, now: Now, id: CallId, response: &Message) -> bool {
        let Ok(Some(rseq)) = response.rseq() else { return false };
        let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.live_mut(id) else {
            return false;
        };
        let tag = response.to_tag().unwrap_or_default();
        let Some(early) = outgoing.early.get_mut(tag) else { return false };
        // A repeat, or one that came before its predecessor: that will come again.
        if early.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
            return false;
        }
        early.rseq = Some(rseq);
        let dialog = &mut early.exchange.dialog;
        dialog.local_cseq += 1;
        let rack = format!("{rseq} {} INVITE", response.cseq().number);
        let prack = dialog.request(&Method::Prack, dialog.local_cseq).header(Name::RAck, rack);
        let dialog = dialog.clone();
        self.start_in_dialog(now, Owner::Prack(id), Method::Prack, &dialog, prack);
        true
    }
}
