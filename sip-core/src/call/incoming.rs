//! We are called. RFC 3261 §13.3

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Cause, Ending, Now, Side};

use super::{Call, Exchange, Far, Pending, Phase, Unacked};
use crate::api::{CallId, Event, Hop, IncomingCall, Peer, Rejection};
use crate::dialog::Dialog;
use crate::message::{Message, Name, Scheme};
use crate::receive::sdp_of;
use crate::respond::{ALLOW, Refusal, SDP, reply_hop};
use crate::stack::Stack;
use crate::timer::{GIVE_UP, T1, Timer};
use crate::transaction::{MergeKey, ServerKey, TransactionId};
use crate::trunk::{Carrier, identity};

/// How often a ringing state is told again. RFC 3261 §13.3.1.1
const PROVISIONAL: Duration = Duration::from_secs(60);
/// When those whom we had no room for may try again, in seconds.
const RETRY_AFTER: &str = "10";

pub(crate) struct Incoming {
    pub(crate) transaction: TransactionId,
    pub(crate) dialog: Dialog,
    source: SocketAddr,
    /// The INVITE had no offer: our 2xx carries it.
    late_offer: bool,
    /// The last 18x that we sent.
    ringing: Option<(u16, Arc<[u8]>)>,
}

impl Stack {
    pub(crate) fn receive_invite(&mut self, now: Now, hop: Hop, key: ServerKey, request: &Message) {
        if self.draining || self.calls.live() >= self.config.max_calls {
            let tag = self.auth.stateless_tag(request);
            let answer = self.answer_to(request, hop.remote, 503, &tag).header(Name::RetryAfter, RETRY_AFTER);
            self.send_stateless(hop, request, answer);
            return self.rejected(hop, Rejection::Overload);
        }
        let Some((peer, one_time)) = self.identify(now, hop, request) else { return };
        // RFC 3261 §8.2.2: only now is it worth a look.
        let from = request.from();
        let caller = from.uri().user_text();
        if let Peer::User { aor, .. } = &peer
            && *aor != caller
        {
            return self.refuse(hop, request, Refusal::new(403), Some(Rejection::Forbidden));
        }
        let (sdp, dialog_target) = match check(request) {
            Ok(checked) => checked,
            Err(refusal) => return self.refuse(hop, request, refusal, Some(Rejection::BadRequest)),
        };
        if self.refuses_extensions(hop, request) {
            return;
        }
        let mut caller = (caller, from.display_text());
        let mut called = request.request_uri().map(|uri| uri.user_text()).unwrap_or_default();
        let (mut withheld, mut diversion, mut carrier) = (false, None, None);
        let far = match &peer {
            Peer::Trunk { name } => {
                if let Some(entry) = self.trunks.named(name) {
                    let trunk = &entry.settings;
                    withheld = identity::wants_privacy(request);
                    if trunk.identity.trusted {
                        // RFC 3325: what a trusted peer asserts counts more than what the caller says.
                        if let Some((number, name)) = identity::asserted(request) {
                            caller = (number, name.or(caller.1));
                        }
                        diversion = identity::diversion_of(request, trunk);
                    }
                    caller.0 = trunk.numbers.read(&caller.0);
                    called = trunk.numbers.read(&called);
                    carrier = Some(Carrier { trunk: entry.id, proofs: Vec::new() });
                }
                Far::TRUNK
            }
            Peer::User { .. } if one_time => Far::GUEST,
            Peer::User { .. } => Far::AGENT,
        };
        if let (Peer::User { username, .. }, true) = (&peer, one_time) {
            self.auth.remove(username);
        }
        let symmetric = matches!(peer, Peer::User { .. });
        let local_tag = self.random.tag();
        let dialog = Dialog::as_server(request, dialog_target, &local_tag, hop, symmetric);
        let call = self.calls.next_id();
        let answers = reply_hop(hop, request);
        let transaction = self.transactions.start_invite_server(key, MergeKey::of(request), answers, call);
        let trying = self.answer_to(request, hop.remote, 100, &local_tag);
        self.respond(now, transaction, 100, trying);
        let incoming = IncomingCall {
            call,
            peer,
            called,
            caller: caller.0,
            caller_name: caller.1,
            withheld,
            diversion,
            sdp: sdp.clone(),
            transport: hop.transport,
            user_agent: request.text(Name::UserAgent),
        };
        let phase = Phase::Incoming(Incoming {
            transaction,
            dialog,
            source: hop.remote,
            late_offer: sdp.is_none(),
            ringing: None,
        });
        let invite = request.clone();
        if let Some(carrier) = &carrier {
            self.trunk_call_began(now, carrier.trunk, false);
        }
        self.calls.insert(
            call,
            Call {
                far,
                ended: false,
                ours: false,
                local_tag,
                invite,
                phase,
                carrier,
                acks: Default::default(),
            },
        );
        self.emit(call, Event::Incoming(incoming));
    }

    /// Tells the caller of an [`Event::Incoming`] that it rings (180) or that there is early media (183).
    pub fn ring(&mut self, now: Now, call: CallId, status: u16, sdp: Option<Vec<u8>>) {
        let Some(Call { invite, local_tag, phase: Phase::Incoming(incoming), .. }) =
            self.calls.live_mut(call)
        else {
            return;
        };
        let status = if (101..200).contains(&status) { status } else { 180 };
        let (invite, tag) = (invite.clone(), local_tag.clone());
        let (transaction, source, hop) = (incoming.transaction, incoming.source, incoming.dialog.hop);
        let mut answer = self
            .answer_to(&invite, source, status, &tag)
            .copy(&invite, Name::RecordRoute)
            .header(Name::Contact, self.contact(hop))
            .header(Name::Allow, ALLOW);
        if let Some(sdp) = sdp {
            answer = answer.body(SDP, sdp);
        }
        let bytes: Arc<[u8]> = Arc::from(answer.finish());
        if let Some(Phase::Incoming(incoming)) = self.calls.get_mut(call).map(|call| &mut call.phase) {
            incoming.ringing = Some((status, Arc::clone(&bytes)));
        }
        self.send_provisional(now, call, transaction, status, bytes);
    }

    /// Accepts an [`Event::Incoming`]: 200, sent again until the ACK comes. For a late offer `sdp` is our offer, else our answer.
    pub fn answer(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        let Some(Call { invite, local_tag, phase: Phase::Incoming(incoming), .. }) =
            self.calls.live_mut(call)
        else {
            return;
        };
        let (tag, dialog, late_offer) = (local_tag.clone(), incoming.dialog.clone(), incoming.late_offer);
        let (transaction, source) = (incoming.transaction, incoming.source);
        let asked = Pending { transaction, request: invite.clone(), source };
        let Some((hop, bytes)) = self.accept(now, &asked, &tag, sdp) else { return };
        let cseq = asked.request.cseq().number;
        let unacked = Unacked { cseq, hop, bytes, interval: T1, initial: true, offered: late_offer };
        if let Some(call) = self.calls.get_mut(call) {
            call.phase = Phase::Confirmed(Box::new(Exchange::new(dialog, Some(unacked))));
        }
        self.timers.disarm(Timer::Provisional(call));
        self.timers.arm(Timer::Answer(call), now.instant + T1);
        self.timers.arm(Timer::Unacknowledged(call), now.instant + GIVE_UP);
    }

    /// Refuses an [`Event::Incoming`] with a status from 300 to 699; anything else becomes 480. Without `reason` the usual phrase.
    pub fn reject(&mut self, now: Now, call: CallId, status: u16, reason: Option<&str>) {
        let status = if (300..700).contains(&status) { status } else { 480 };
        if self.refuse_incoming(now, call, status, reason) {
            let cause = if status == 503 { Cause::Overload } else { Cause::Refused };
            self.end(now, call, Ending::with_status(cause, Side::System, status));
        }
        self.settle();
    }

    /// The final answer to an INVITE that is not accepted. False when it has its answer already.
    pub(crate) fn refuse_incoming(
        &mut self,
        now: Now,
        call: CallId,
        status: u16,
        reason: Option<&str>,
    ) -> bool {
        let Some(Call { invite, local_tag, phase, .. }) = self.calls.live_mut(call) else { return false };
        let Phase::Incoming(incoming) = phase else { return false };
        let (transaction, source) = (incoming.transaction, incoming.source);
        let (invite, tag) = (invite.clone(), local_tag.clone());
        *phase = Phase::Refused;
        let mut answer = self.answer_with_reason(&invite, source, status, reason, &tag);
        if status == 503 {
            answer = answer.header(Name::RetryAfter, RETRY_AFTER);
        }
        self.respond(now, transaction, status, answer);
        self.timers.disarm(Timer::Provisional(call));
        true
    }

    pub(crate) fn repeat_provisional(&mut self, now: Now, call: CallId) {
        let Some(Phase::Incoming(incoming)) = self.calls.get(call).map(|call| &call.phase) else { return };
        if let Some((status, bytes)) = incoming.ringing.clone() {
            self.send_provisional(now, call, incoming.transaction, status, bytes);
        }
    }

    /// The connection of an unanswered INVITE died, so nobody could hear the answer.
    pub(crate) fn lose_caller(&mut self, now: Now, call: CallId) {
        let Some(found) = self.calls.get_mut(call) else { return };
        match &mut found.phase {
            Phase::Incoming(_) => {
                found.phase = Phase::Refused;
                let by = found.far.lost;
                self.end(now, call, Ending::new(Cause::Lost, by));
            }
            Phase::Confirmed(exchange) => exchange.pending = None,
            Phase::Outgoing(_) | Phase::Refused => {}
        }
    }

    fn send_provisional(
        &mut self,
        now: Now,
        call: CallId,
        transaction: TransactionId,
        status: u16,
        bytes: Arc<[u8]>,
    ) {
        let (transactions, mut io) = self.split(now);
        transactions.respond(transaction, status, bytes, &mut io);
        self.timers.arm(Timer::Provisional(call), now.instant + PROVISIONAL);
    }
}

type Checked<'a> = (Option<Vec<u8>>, crate::message::Uri<'a>);

/// What an INVITE needs before it can make a call.
fn check(request: &Message) -> Result<Checked<'_>, Refusal> {
    match request.request_uri().map(|uri| uri.scheme()) {
        Some(Scheme::Sip | Scheme::Tel) => {}
        Some(Scheme::Sips | Scheme::Other) | None => return Err(Refusal::new(416)),
    }
    if request.max_forwards() == Some(0) {
        return Err(Refusal::new(483));
    }
    // RFC 3261 §8.1.1.8
    let contact = match request.contact() {
        Ok(Some(contact)) if contact.uri().is_sip() => contact.uri(),
        Ok(None) => return Err(Refusal::because(400, "Missing Contact Header")),
        Ok(Some(_)) | Err(_) => return Err(Refusal::because(400, "Bad Contact Header")),
    };
    if request.record_routes().is_err() {
        return Err(Refusal::because(400, "Bad Record-Route Header"));
    }
    Ok((sdp_of(request)?, contact))
}
