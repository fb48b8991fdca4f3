//! Offers of the peer after the first: re-INVITE, UPDATE and PRACK, and the 2xx that waits for its ACK.
//! RFC 3261 §14.2, RFC 3311 §5.2, RFC 3262 §5

use std::sync::Arc;

use model::Now;

use super::exchange::{Ours, Pending, Unacked, lists};
use super::{Call, Phase};
use crate::api::{CallId, Event, Hop};
use crate::message::{Builder, Message, Method, Name};
use crate::respond::{Refusal, SDP, SUPPORTED, reply_hop};
use crate::stack::Stack;
use crate::timer::{GIVE_UP, T1, T2, Timer};
use crate::transaction::{MergeKey, ServerKey, TransactionId};
use crate::validate::sdp_of;

impl Stack {
    /// Answers an [`Event::Offer`]. When that had no SDP, `sdp` is our offer.
    pub fn accept_offer(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        let Some(found) = self.calls.live_mut(call) else { return };
        let tag = found.local_tag.clone();
        let confirmed = matches!(found.phase, Phase::Confirmed(_));
        let Some(exchange) = found.exchanges_mut().find(|exchange| exchange.pending.is_some()) else {
            return;
        };
        let Some(pending) = exchange.pending.take() else { return };
        exchange.local_sdp.clone_from(&sdp);
        let Some((hop, bytes)) = self.accept(now, call, &pending, &tag, sdp, confirmed) else { return };
        let request = pending.request;
        if *request.method() != Method::Invite {
            return self.ask_queued(now, call);
        }
        let offered = request.body().is_empty();
        let cseq = request.cseq().number;
        if let Some(exchange) = self.calls.get_mut(call).and_then(Call::exchange_mut) {
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
            self.ask_queued(now, call);
        }
    }

    /// A 2xx to an INVITE, UPDATE or PRACK, and where it went. `None`: the transaction died with its connection.
    pub(crate) fn accept(
        &mut self,
        now: Now,
        call: CallId,
        asked: &Pending,
        tag: &str,
        sdp: Vec<u8>,
        timed: bool,
    ) -> Option<(Hop, Arc<[u8]>)> {
        let Pending { transaction, request, source } = asked;
        let hop = self.transactions.server_hop(*transaction)?;
        let answer = self
            .answer_to(request, *source, 200, tag)
            .copy(request, Name::RecordRoute)
            .header(Name::Contact, self.contact_for(hop, request))
            .header(Name::Allow, self.allow())
            .header(Name::Supported, SUPPORTED)
            .header(Name::Accept, SDP)
            .body(SDP, sdp);
        let answer = match timed && *request.method() != Method::Prack {
            true => self.grant_timer(now, call, request, answer),
            false => answer,
        };
        let bytes: Arc<[u8]> = Arc::from(answer.finish());
        let (transactions, mut io) = self.split(now);
        transactions.respond(*transaction, 200, Arc::clone(&bytes), &mut io);
        Some((hop, bytes))
    }

    pub(crate) fn receive_reinvite(&mut self, now: Now, hop: Hop, call: CallId, request: &Message) {
        let conflict = self.conflict(call, request);
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
        let conflict = self.conflict(call, request);
        let transaction = self.open_transaction(hop, request);
        if !request.body().is_empty() || conflict == Some(481) {
            return self.receive_offer(now, hop, call, transaction, request, conflict);
        }
        if let Some(min) = self.interval_too_small(request) {
            let answer = self.answer_to(request, hop.remote, 422, "").header(Name::MinSe, min);
            return self.respond(now, transaction, 422, answer);
        }
        // Without an offer it moves the peer, and shows that he is there. RFC 3311 §5.2, RFC 4028 §9
        self.refresh(call, hop, request);
        let mut answer = self
            .answer_to(request, hop.remote, 200, "")
            .header(Name::Contact, self.contact_for(hop, request))
            .header(Name::Allow, self.allow())
            .header(Name::Supported, SUPPORTED);
        if self.calls.get(call).is_some_and(|call| matches!(call.phase, Phase::Confirmed(_))) {
            answer = self.grant_timer(now, call, request, answer);
        }
        self.respond(now, transaction, 200, answer);
    }

    /// The peer gave up its re-INVITE. False when it was not one.
    pub(crate) fn cancel_offer(&mut self, now: Now, call: CallId, transaction: TransactionId) -> bool {
        let Some(exchange) = self.calls.get_mut(call).and_then(Call::exchange_mut) else { return false };
        if exchange.pending.as_ref().is_none_or(|pending| pending.transaction != transaction) {
            return false;
        }
        self.refuse_pending(now, call, 487);
        self.ask_queued(now, call);
        true
    }

    /// Refuses whatever the peer has offered and its owner has not answered.
    pub(crate) fn refuse_pending(&mut self, now: Now, call: CallId, status: u16) {
        let Some(found) = self.calls.get_mut(call) else { return };
        let pending: Vec<Pending> =
            found.exchanges_mut().filter_map(|exchange| exchange.pending.take()).collect();
        for Pending { transaction, request, source } in pending {
            let answer = self.answer_to(&request, source, status, "");
            self.respond(now, transaction, status, answer);
        }
    }

    pub(crate) fn acknowledged(&mut self, now: Now, id: CallId, ack: &Message) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let ending = call.ending.clone();
        let Some(exchange) = call.exchange_mut() else { return };
        let Some(unacked) = exchange.unacked.take_if(|unacked| unacked.cseq == ack.cseq().number) else {
            return;
        };
        exchange.agreed = true;
        let farewell = ending.map(|ending| (ending, exchange.dialog.clone()));
        self.timers.disarm(Timer::Answer(id));
        self.timers.disarm(Timer::Unacknowledged(id));
        if let Some((ending, dialog)) = farewell {
            // We had hung up in the meantime, and may only now say so. RFC 3261 §15
            return self.send_bye(now, id, dialog, &ending);
        }
        let sdp = if unacked.offered { sdp_of(ack).ok().flatten() } else { None };
        if unacked.initial {
            self.emit(id, Event::Confirmed { call: id, sdp });
        } else if unacked.offered {
            self.emit(id, Event::OfferAnswered { call: id, sdp });
        }
        self.ask_queued(now, id);
    }

    pub(crate) fn repeat_answer(&mut self, now: Now, id: CallId) {
        let Some(exchange) = self.calls.get_mut(id).and_then(Call::exchange_mut) else { return };
        let Some(unacked) = &mut exchange.unacked else { return };
        unacked.interval = (unacked.interval * 2).min(T2);
        let (hop, bytes, interval) = (unacked.hop, Arc::clone(&unacked.bytes), unacked.interval);
        self.transmit(hop, bytes);
        self.timers.arm(Timer::Answer(id), now.instant + interval);
    }

    /// Why an offer of the peer cannot be taken now.
    fn conflict(&mut self, call: CallId, request: &Message) -> Option<u16> {
        let Some(call) = self.calls.live_mut(call) else { return Some(481) };
        let is_invite = *request.method() == Method::Invite;
        let ours = matches!(call.phase, Phase::Outgoing(_));
        let early = ours || matches!(call.phase, Phase::Incoming(_));
        let late_offer = match &call.phase {
            Phase::Incoming(incoming) => incoming.late_offer,
            Phase::Outgoing(_) | Phase::Confirmed(_) | Phase::Refused => false,
        };
        let Some(exchange) = call.exchange_of(request.from_tag()) else { return Some(481) };
        // RFC 3261 §14.2, RFC 3311 §5.2
        if exchange.pending.is_some() || (early && is_invite && !ours) {
            return Some(500);
        }
        if early && is_invite {
            return Some(491);
        }
        if early && !exchange.agreed {
            // Whose offer is it that has no answer yet?
            return Some(if ours || late_offer { 491 } else { 500 });
        }
        let waiting = exchange.unacked.as_ref().is_some_and(|unacked| is_invite || unacked.offered);
        let asking = matches!(&exchange.ours, Ours::Sent(asked) if asked.offers());
        (waiting || asking).then_some(491)
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
        if let Some(min) = self.interval_too_small(request) {
            let answer = self.answer_to(request, hop.remote, 422, "").header(Name::MinSe, min);
            return self.respond(now, transaction, 422, answer);
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
        self.hand_up(call, hop, transaction, request, sdp);
    }

    /// Asks the owner to answer an offer.
    pub(crate) fn hand_up(
        &mut self,
        call: CallId,
        hop: Hop,
        transaction: TransactionId,
        request: &Message,
        sdp: Option<Vec<u8>>,
    ) {
        let found = self.calls.get_mut(call).and_then(|call| call.exchange_of(request.from_tag()));
        if let Some(exchange) = found {
            exchange.pending = Some(Pending { transaction, request: request.clone(), source: hop.remote });
        }
        self.emit(call, Event::Offer { call, sdp });
    }

    /// RFC 3261 §12.2.2, and where the peer speaks from now.
    fn refresh(&mut self, call: CallId, hop: Hop, request: &Message) {
        let found = self.calls.get_mut(call).and_then(|call| call.exchange_of(request.from_tag()));
        if let Some(exchange) = found {
            exchange.dialog.refresh_target(request);
            exchange.dialog.hop = hop;
            exchange.learn(request);
        }
    }
}

/// What our INVITEs and UPDATEs say about ourselves.
pub(crate) fn describe_ourselves(request: Builder, allow: &str) -> Builder {
    request.header(Name::Supported, SUPPORTED).header(Name::Allow, allow)
}

/// Whether the peer wants (or only could do with) reliable provisional answers. RFC 3262 §3
pub(crate) fn reliability(invite: &Message) -> (bool, bool) {
    (lists(invite, Name::Require, "100rel"), lists(invite, Name::Supported, "100rel"))
}
