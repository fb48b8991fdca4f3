//! How calls end. RFC 3261 §15

use std::sync::Arc;

use model::{Cause, Ending, Now, Side};

use super::why::{explain, q850_in};
use super::{Call, MAX_ACKS, Phase, SentAck};
use crate::api::{CallId, ConnectionId, Event, Hop, Output};
use crate::dialog::Dialog;
use crate::message::{Message, Method, status_of_q850};
use crate::stack::Stack;
use crate::timer::{GIVE_UP, Timer};
use crate::transaction::Owner;

impl Stack {
    /// Ends a call with CANCEL, BYE or a final answer, whatever its state asks for. [`Event::Ended`] follows at once; what the
    /// network still needs is done behind it.
    pub fn hangup(&mut self, now: Now, call: CallId, cause: Cause, by: Side) {
        self.hangup_because(now, call, Ending::new(cause, by));
    }

    /// The same for a call that ends because another one did, with what the telephone network said there.
    pub fn hangup_because(&mut self, now: Now, call: CallId, ending: Ending) {
        let Some(found) = self.calls.live_mut(call) else { return };
        match &found.phase {
            Phase::Incoming(_) => {
                let status = final_status(&ending);
                self.refuse_incoming_because(now, call, status, None, Some(&ending));
                self.end(now, call, Ending { sip_status: Some(status), ..ending });
            }
            Phase::Outgoing(_) => {
                self.cancel(now, call, &ending);
                self.end(now, call, ending);
            }
            Phase::Confirmed(exchange) => {
                // RFC 3261 §15: not before the ACK for the 2xx that made the dialog.
                if !exchange.unacked.as_ref().is_some_and(|unacked| unacked.initial) {
                    let dialog = exchange.dialog.clone();
                    self.stop_waiting_for_ack(call);
                    self.send_bye(now, call, dialog, &ending);
                }
                self.end(now, call, ending);
            }
            Phase::Refused => {}
        }
        self.settle();
    }

    /// Says that a call has ended. What its peer may still owe us is waited for no longer than 64*T1.
    pub(crate) fn end(&mut self, now: Now, call: CallId, ending: Ending) {
        if !self.calls.mark_ended(call, &ending) {
            return;
        }
        if let Some(carrier) = self.calls.get(call).and_then(|call| call.carrier.as_ref()) {
            let trunk = carrier.trunk;
            self.trunk_call_ended(trunk);
        }
        self.refuse_pending(now, call, 487);
        self.refuse_referring(now, call);
        self.output.push_back(Output::Event(Event::Ended { call, ending }));
        for timer in [
            Timer::Ring,
            Timer::Unheard,
            Timer::Glare,
            Timer::Provisional,
            Timer::Refresh,
            Timer::Expired,
            Timer::Reliable,
            Timer::Unpracked,
        ] {
            self.timers.disarm(timer(call));
        }
        self.timers.arm(Timer::Forget(call), now.instant + GIVE_UP);
    }

    pub(crate) fn forget(&mut self, now: Now, call: CallId) {
        let (transactions, mut io) = self.split(now);
        transactions.stop_clients(call, &mut io);
        self.drop_call(call);
    }

    pub(crate) fn receive_bye(&mut self, now: Now, hop: Hop, id: CallId, request: &Message) {
        if self.calls.get(id).is_some_and(|call| matches!(call.phase, Phase::Outgoing(_))) {
            // RFC 3261 §15: who was called refuses an INVITE, and has no dialog to leave yet.
            return self.refuse_once(now, hop, request, 481);
        }
        self.refuse_once(now, hop, request, 200);
        let Some(Call { far, phase, .. }) = self.calls.get_mut(id) else { return };
        let (by, q850) = (far.side, q850_in(request));
        match phase {
            Phase::Incoming(_) => {
                // RFC 3261 §15.1.2
                self.refuse_incoming(now, id, 487, None);
                self.end(now, id, Ending::with_status(Cause::Cancelled, by, 487).and_q850(q850));
            }
            Phase::Confirmed(_) => {
                self.stop_waiting_for_ack(id);
                self.end(now, id, Ending::new(Cause::HungUp, by).and_q850(q850));
                // A call that had ended before may have waited for that ACK only.
                self.calls.just_ended.push(id);
            }
            Phase::Outgoing(_) | Phase::Refused => {}
        }
    }

    /// The ACK for our 2xx never came. RFC 3261 §13.3.1.4
    pub(crate) fn give_up_ack(&mut self, now: Now, id: CallId) {
        self.stop_waiting_for_ack(id);
        let Some(call) = self.calls.get(id) else { return };
        let by = call.far.lost;
        let ending = Ending::new(Cause::Lost, by);
        if let Some(dialog) = call.dialog().cloned() {
            self.send_bye(now, id, dialog, &ending);
        }
        self.end(now, id, ending);
    }

    pub(crate) fn lose_connection(&mut self, now: Now, id: CallId, connection: ConnectionId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let (by, reachable) = match &mut call.phase {
            Phase::Incoming(_) => (call.far.lost, false),
            Phase::Confirmed(exchange) => (call.far.lost, exchange.dialog.lose_connection(connection)),
            Phase::Outgoing(_) | Phase::Refused => return,
        };
        if reachable {
            return;
        }
        self.stop_waiting_for_ack(id);
        self.end(now, id, Ending::new(Cause::Lost, by));
        self.forget(now, id);
    }

    pub(crate) fn send_bye(&mut self, now: Now, call: CallId, mut dialog: Dialog, why: &Ending) {
        dialog.local_cseq += 1;
        let request = explain(dialog.request(&Method::Bye, dialog.local_cseq), why);
        self.start_in_dialog(now, Owner::Bye(call), Method::Bye, &dialog, request);
    }

    /// Makes the ACK of a 2xx, and remembers it for its repeats. RFC 3261 §13.2.2.4
    pub(crate) fn make_ack(&mut self, id: CallId, dialog: &Dialog, cseq: u32, hop: Hop) -> Arc<[u8]> {
        let branch = self.random.branch();
        let mut ack = self.complete(dialog.request(&Method::Ack, cseq), hop, &branch);
        let carrier = self.calls.get(id).and_then(|call| call.carrier.as_ref());
        for (name, proof) in carrier.iter().flat_map(|carrier| &carrier.proofs) {
            ack = ack.header(*name, proof);
        }
        let bytes: Arc<[u8]> = Arc::from(ack.finish());
        if let Some(call) = self.calls.get_mut(id) {
            // Of a call with many re-INVITEs only the last can be repeated.
            call.acks.retain(|ack| (&ack.tag, ack.cseq) != (&dialog.remote_tag, cseq));
            if call.acks.len() == MAX_ACKS {
                call.acks.remove(0);
            }
            let tag = dialog.remote_tag.clone();
            call.acks.push(SentAck { tag, cseq, hop, bytes: Arc::clone(&bytes) });
        }
        bytes
    }

    pub(crate) fn stop_waiting_for_ack(&mut self, id: CallId) {
        self.timers.disarm(Timer::Answer(id));
        self.timers.disarm(Timer::Unacknowledged(id));
        if let Some(exchange) = self.calls.get_mut(id).and_then(|call| call.exchange_mut()) {
            exchange.unacked = None;
        }
    }
}

/// What an unanswered caller is told by [`Stack::hangup_because`].
pub fn final_status(ending: &Ending) -> u16 {
    // What the called party or its phone decided was said in SIP; of what the network says, its own cause tells more.
    let decided = matches!(ending.sip_status, Some(402..=406 | 408..=419 | 484..=489 | 600..=699));
    if let Some(q850) =
        ending.q850.filter(|cause| *cause != 16 && !(decided && ending.cause == Cause::Refused))
    {
        return status_of_q850(q850);
    }
    match ending.cause {
        Cause::Refused => match ending.sip_status {
            // What the next hop wanted of us is not what the caller could do anything about. RFC 3261 §16.7 step 6
            Some(401 | 407 | 420..=423 | 481 | 493 | 494) => 503,
            Some(status @ 400..=699) => status,
            // A redirection that is not followed.
            Some(300..=399) => 480,
            Some(_) | None => 603,
        },
        Cause::Incompatible => 488,
        Cause::Overload | Cause::Restarted => 503,
        Cause::Failed => ending.sip_status.filter(|status| (500..600).contains(status)).unwrap_or(500),
        Cause::Lost => ending.sip_status.filter(|status| matches!(status, 408 | 500..=599)).unwrap_or(480),
        Cause::HungUp
        | Cause::Cancelled
        | Cause::Abandoned
        | Cause::NoAnswer
        | Cause::MediaTimeout
        | Cause::Completed
        | Cause::Merged
        | Cause::Replaced
        | Cause::Idle => 480,
    }
}
