//! How calls end. RFC 3261 §15

use std::sync::Arc;

use model::{Cause, Ending, Now, Side};

use super::{Call, MAX_ACKS, Phase};
use crate::api::{CallId, ConnectionId, Event, Hop, Output};
use crate::dialog::Dialog;
use crate::message::{Message, Method};
use crate::stack::Stack;
use crate::timer::{GIVE_UP, Timer};
use crate::transaction::Owner;

impl Stack {
    /// Ends a call with CANCEL, BYE or a final answer, whatever its state asks for. [`Event::Ended`] follows at once; what the
    /// network still needs is done behind it.
    pub fn hangup(&mut self, now: Now, call: CallId, cause: Cause, by: Side) {
        let Some(found) = self.calls.live_mut(call) else { return };
        match &found.phase {
            Phase::Incoming(_) => {
                let status = final_status(cause);
                self.refuse_incoming(now, call, status, None);
                self.end(now, call, Ending::with_status(cause, by, status));
            }
            Phase::Outgoing(_) => {
                self.cancel(now, call);
                self.end(now, call, Ending::new(cause, by));
            }
            Phase::Confirmed(exchange) => {
                // RFC 3261 §15: not before the ACK for the 2xx that made the dialog.
                if !exchange.unacked.as_ref().is_some_and(|unacked| unacked.initial) {
                    let dialog = exchange.dialog.clone();
                    self.stop_waiting_for_ack(call);
                    self.send_bye(now, call, dialog);
                }
                self.end(now, call, Ending::new(cause, by));
            }
            Phase::Refused => {}
        }
        self.settle();
    }

    /// Says that a call has ended. What its peer may still owe us is waited for no longer than 64*T1.
    pub(crate) fn end(&mut self, now: Now, call: CallId, ending: Ending) {
        if !self.calls.mark_ended(call) {
            return;
        }
        if let Some(carrier) = self.calls.get(call).and_then(|call| call.carrier.as_ref()) {
            let trunk = carrier.trunk;
            self.trunk_call_ended(trunk);
        }
        self.refuse_pending(now, call, 487);
        self.output.push_back(Output::Event(Event::Ended { call, ending }));
        for timer in [Timer::Ring, Timer::Silent, Timer::Glare, Timer::Provisional] {
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
        self.refuse_once(now, hop, request, 200);
        let Some(Call { far, phase, .. }) = self.calls.get_mut(id) else { return };
        let by = far.side;
        match phase {
            Phase::Incoming(_) => {
                // RFC 3261 §15.1.2
                self.refuse_incoming(now, id, 487, None);
                self.end(now, id, Ending::with_status(Cause::Cancelled, by, 487));
            }
            Phase::Confirmed(_) => {
                self.stop_waiting_for_ack(id);
                self.end(now, id, Ending::new(Cause::HungUp, by));
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
        if let Some(dialog) = call.dialog().cloned() {
            self.send_bye(now, id, dialog);
        }
        self.end(now, id, Ending::new(Cause::Lost, by));
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

    pub(crate) fn send_bye(&mut self, now: Now, call: CallId, mut dialog: Dialog) {
        dialog.local_cseq += 1;
        let (request, hop) = (dialog.request(&Method::Bye, dialog.local_cseq), dialog.next_hop());
        self.start_request(now, Owner::Bye(call), Method::Bye, hop, request);
    }

    /// ACKs a 2xx, and remembers the ACK for its repeats. RFC 3261 §13.2.2.4
    pub(crate) fn acknowledge(&mut self, id: CallId, dialog: &Dialog, cseq: u32) {
        let hop = dialog.next_hop();
        let branch = self.random.branch();
        let mut ack = self.complete(dialog.request(&Method::Ack, cseq), hop, &branch);
        let carrier = self.calls.get(id).and_then(|call| call.carrier.as_ref());
        for (name, proof) in carrier.iter().flat_map(|carrier| &carrier.proofs) {
            ack = ack.header(*name, proof);
        }
        let bytes: Arc<[u8]> = Arc::from(ack.finish());
        if let Some(call) = self.calls.get_mut(id) {
            // Of a call with many re-INVITEs only the last can be repeated.
            if call.acks.len() == MAX_ACKS {
                call.acks.pop_first();
            }
            call.acks.insert((dialog.remote_tag.clone(), cseq), (hop, Arc::clone(&bytes)));
        }
        self.transmit(hop, bytes);
    }

    fn stop_waiting_for_ack(&mut self, id: CallId) {
        self.timers.disarm(Timer::Answer(id));
        self.timers.disarm(Timer::Unacknowledged(id));
        if let Some(exchange) = self.calls.get_mut(id).and_then(|call| call.exchange_mut()) {
            exchange.unacked = None;
        }
    }
}

/// What an unanswered caller is told.
fn final_status(cause: Cause) -> u16 {
    match cause {
        Cause::Refused => 603,
        Cause::Incompatible => 488,
        Cause::Overload | Cause::Restarted => 503,
        Cause::Failed => 500,
        Cause::HungUp
        | Cause::Cancelled
        | Cause::Abandoned
        | Cause::NoAnswer
        | Cause::Lost
        | Cause::MediaTimeout
        | Cause::Completed
        | Cause::Merged
        | Cause::Replaced
        | Cause::Idle => 480,
    }
}
