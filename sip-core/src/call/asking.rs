//! Our own re-INVITEs and UPDATEs: new offers and refreshes, one at a time. RFC 3261 §14.1, RFC 3311 §5.1

use std::time::Duration;

use model::{Cause, Ending, Now};

use super::Phase;
use super::exchange::{Ask, Asked, Exchange, Ours};
use super::offer::describe_ourselves;
use crate::api::{CallId, Event};
use crate::message::{Message, Method, Name};
use crate::respond::SDP;
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::Owner;
use crate::validate::sdp_of;

/// After so many collisions the other side does not mean to stop.
const MAX_TRIES: u32 = 10;
/// Nobody is waited for longer than this before an offer is tried again.
const LONGEST_WAIT: u32 = 32;

impl Stack {
    /// Sends an offer, at once or as soon as what is under way is done. Before the call is answered that takes an UPDATE, and so an
    /// answered first offer (RFC 3311 §5.1) and a peer that knows it; else the offer waits for the answer to the call.
    pub fn reinvite(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        let Some(found) = self.calls.live_mut(call) else { return };
        match &mut found.phase {
            Phase::Outgoing(outgoing) => outgoing.queued = Some(Ask::Offer(sdp)),
            Phase::Incoming(incoming) => incoming.exchange.queued = Some(Ask::Offer(sdp)),
            Phase::Confirmed(exchange) => exchange.queued = Some(Ask::Offer(sdp)),
            Phase::Refused => return,
        }
        self.ask_queued(now, call);
    }

    /// Sends what waits for its turn, if it is its turn.
    pub(crate) fn ask_queued(&mut self, now: Now, id: CallId) {
        let Some(call) = self.calls.live_mut(id) else { return };
        let early = match &mut call.phase {
            Phase::Outgoing(outgoing) => {
                let ready = |early: &&mut Exchange| early.agreed && early.updates && !early.is_busy();
                let fork = outgoing.early.values_mut().map(|early| &mut early.exchange).find(ready);
                let Some(fork) = fork else { return };
                fork.queued = fork.queued.take().or(outgoing.queued.take());
                let tag = fork.dialog.remote_tag.clone();
                return self.ask_in(now, id, Some(&tag), true);
            }
            Phase::Incoming(_) => true,
            Phase::Confirmed(_) => false,
            Phase::Refused => return,
        };
        self.ask_in(now, id, None, early);
    }

    fn ask_in(&mut self, now: Now, id: CallId, fork: Option<&[u8]>, early: bool) {
        let Some(exchange) = self.asking(id, fork) else { return };
        if exchange.is_busy() || (early && !(exchange.agreed && exchange.updates)) {
            return;
        }
        if let Some(ask) = exchange.queued.take() {
            self.send_ask(now, id, fork, early, ask, 0);
        }
    }

    fn asking(&mut self, id: CallId, fork: Option<&[u8]>) -> Option<&mut Exchange> {
        let call = self.calls.live_mut(id)?;
        match fork {
            Some(tag) => call.exchange_of(Some(tag)),
            None => call.exchange_mut(),
        }
    }

    fn send_ask(&mut self, now: Now, id: CallId, fork: Option<&[u8]>, early: bool, ask: Ask, tries: u32) {
        let policy = self.session_timers;
        let Some(exchange) = self.asking(id, fork) else { return };
        let by_update = early || (ask == Ask::Refresh && exchange.updates);
        let (method, owner) = match by_update {
            true => (Method::Update, Owner::Update(id)),
            false => (Method::Invite, Owner::Reinvite(id)),
        };
        exchange.dialog.local_cseq += 1;
        let cseq = exchange.dialog.local_cseq;
        let body = match &ask {
            Ask::Offer(sdp) => sdp.clone(),
            // RFC 4028 §7.4: the offer that stands says that nothing changes.
            Ask::Refresh if method == Method::Invite => exchange.local_sdp.clone(),
            Ask::Refresh => Vec::new(),
        };
        exchange.ours = Ours::Sent(Asked { ask, method: method.clone(), cseq, tries });
        let dialog = exchange.dialog.clone();
        let (request, hop) = (dialog.request(&method, cseq), dialog.next_hop());
        // RFC 4028 §7.4: timers are a matter of answered calls.
        let request = if early { request } else { exchange.timer.ask(request, policy) };
        let request = describe_ourselves(request.header(Name::Contact, self.contact(hop)), self.allow())
            .body(SDP, body);
        self.start_in_dialog(now, owner, method, &dialog, request);
    }

    /// An answer to our re-INVITE or UPDATE.
    pub(crate) fn ask_answered(&mut self, now: Now, id: CallId, status: u16, response: &Message) {
        if status < 200 {
            return;
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        let (ended, ours) = (call.ended, call.ours);
        let confirmed = matches!(call.phase, Phase::Confirmed(_));
        let exchange = match call.phase {
            Phase::Outgoing(_) => call.exchange_of(response.to_tag()),
            Phase::Incoming(_) | Phase::Confirmed(_) | Phase::Refused => call.exchange_mut(),
        };
        let Some(exchange) = exchange else { return };
        let is_invite = *response.method() == Method::Invite;
        let dialog = exchange.dialog.clone();
        let cseq = response.cseq().number;
        let waits = matches!(&exchange.ours, Ours::Sent(asked) if asked.cseq == cseq);
        if ended || !waits {
            // RFC 3261 §13.2.2.4: a 2xx is acknowledged whatever became of the call.
            if is_invite && status < 300 {
                self.acknowledge_again(now, id, &dialog, cseq);
            }
            return;
        }
        let Ours::Sent(mut asked) = std::mem::replace(&mut exchange.ours, Ours::None) else { return };
        let offered = asked.offers();
        match status {
            ..300 => {
                exchange.dialog.refresh_target(response);
                exchange.learn(response);
                if let Ask::Offer(sdp) = asked.ask {
                    exchange.local_sdp = sdp;
                }
                let dialog = exchange.dialog.clone();
                if is_invite {
                    self.ack_in_dialog(now, id, &dialog, cseq);
                }
                if confirmed {
                    self.timer_granted(now, id, response);
                }
                if offered {
                    let sdp = sdp_of(response).ok().flatten();
                    self.emit(id, Event::OfferAnswered { call: id, sdp });
                }
            }
            491 | 500 if asked.tries < MAX_TRIES && may_come_again(status, response) => {
                asked.tries += 1;
                exchange.ours = Ours::Waiting(asked);
                let wait = match (retry_after(response), ours) {
                    (Some(seconds), _) if status == 500 => Duration::from_secs(u64::from(seconds)),
                    // RFC 3261 §14.1: whoever made the Call-ID waits longer, so that the two do not meet again.
                    (_, true) => Duration::from_millis(10 * self.random.between(210, 400)),
                    (_, false) => Duration::from_millis(10 * self.random.between(0, 200)),
                };
                self.timers.arm(Timer::Glare(id), now.instant + wait);
                return;
            }
            422 if asked.tries < MAX_TRIES && exchange.timer.raise(response) => {
                return self.send_ask(now, id, None, !confirmed, asked.ask, asked.tries + 1);
            }
            405 | 501 if !is_invite => {
                // It does not know UPDATE after all.
                exchange.updates = false;
                exchange.queued.get_or_insert(asked.ask);
            }
            408 | 481 => return self.ask_lost(now, id, status),
            _ if matches!(asked.ask, Ask::Offer(_)) => {
                self.emit(id, Event::OfferRefused { call: id, status });
            }
            // Timer::Refresh tries once more, or the session expires.
            _ => {}
        }
        self.ask_queued(now, id);
    }

    /// Nobody is there any more. RFC 3261 §12.2.1.2
    pub(crate) fn ask_lost(&mut self, now: Now, id: CallId, status: u16) {
        let Some(call) = self.calls.live_mut(id) else { return };
        let by = call.far.lost;
        match &mut call.phase {
            Phase::Confirmed(exchange) => {
                let dialog = exchange.dialog.clone();
                self.stop_waiting_for_ack(id);
                let ending = Ending::with_status(Cause::Lost, by, status);
                self.send_bye(now, id, dialog, &ending);
                self.end(now, id, ending);
            }
            // The INVITE decides what becomes of an early dialog.
            Phase::Incoming(_) | Phase::Outgoing(_) => {
                for exchange in call.exchanges_mut() {
                    exchange.ours = Ours::None;
                }
            }
            Phase::Refused => {}
        }
    }

    /// What had to wait is tried again.
    pub(crate) fn ask_again(&mut self, now: Now, id: CallId) {
        let Some(call) = self.calls.live_mut(id) else { return };
        let early = !matches!(call.phase, Phase::Confirmed(_));
        let waiting = |exchange: &&mut Exchange| matches!(exchange.ours, Ours::Waiting(_));
        let Some(exchange) = call.exchanges_mut().find(waiting) else { return };
        let Ours::Waiting(asked) = std::mem::replace(&mut exchange.ours, Ours::None) else { return };
        if exchange.is_busy() {
            // What the owner asked for since then is newer.
            exchange.queued.get_or_insert(asked.ask);
            return;
        }
        let ask = exchange.queued.take().unwrap_or(asked.ask);
        let tag = exchange.dialog.remote_tag.clone();
        self.send_ask(now, id, Some(&tag), early, ask, asked.tries);
    }

    fn acknowledge_again(&mut self, now: Now, id: CallId, dialog: &crate::dialog::Dialog, cseq: u32) {
        match self.calls.get(id).and_then(|call| call.ack_of(&dialog.remote_tag, cseq)) {
            Some((hop, ack)) => self.transmit(hop, ack),
            None => self.ack_in_dialog(now, id, dialog, cseq),
        }
    }
}

/// 491 always; 500 only when the peer says when.
fn may_come_again(status: u16, response: &Message) -> bool {
    status == 491 || retry_after(response).is_some_and(|seconds| seconds <= LONGEST_WAIT)
}

fn retry_after(response: &Message) -> Option<u32> {
    let value = response.header(Name::RetryAfter)?;
    let digits = value.iter().position(|c| !c.is_ascii_digit()).unwrap_or(value.len());
    crate::message::decimal(&value[..digits])
}
