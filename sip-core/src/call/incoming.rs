//! We are called. RFC 3261 §13.3

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Cause, Ending, Now, Side};

use super::exchange::{Exchange, Pending, Unacked};
use super::offer::reliability;
use super::prack::Unpracked;
use super::session_timer::SessionTimer;
use super::why::explain;
use super::{Call, Far, Phase};
use crate::api::{CallId, Event, Hop, IncomingCall, Peer, Rejection};
use crate::dialog::Dialog;
use crate::message::{Message, Name, decimal};
use crate::quota::Over;
use crate::respond::{HOPS, MAX_FORWARDS, Refusal, SDP, reply_hop};
use crate::shard::ShardId;
use crate::stack::Stack;
use crate::timer::{GIVE_UP, T1, Timer};
use crate::transaction::{MergeKey, ServerKey, TransactionId};
use crate::trunk::identity::dialled;
use crate::trunk::{Carrier, identity};
use crate::validate;

/// How often a ringing state is told again. RFC 3261 §13.3.1.1
const PROVISIONAL: Duration = Duration::from_secs(60);
/// When those whom we had no room for may try again, in seconds.
const RETRY_AFTER: &str = "10";
/// The phrase of 403 to who dials what nobody may dial.
pub(crate) const NOT_ALLOWED: &str = "Destination Not Allowed";

/// Calls that went through so many of us go round in circles.
const MAX_HOPS: u8 = 10;

pub(crate) struct Incoming {
    pub(crate) transaction: TransactionId,
    pub(crate) exchange: Exchange,
    source: SocketAddr,
    /// The INVITE had no offer: we make it.
    pub(crate) late_offer: bool,
    /// The last 18x that we sent.
    pub(crate) ringing: Option<(u16, Arc<[u8]>)>,
    /// Of the last reliable 18x.
    pub(crate) rseq: Option<u32>,
    pub(crate) unpracked: Option<Unpracked>,
    /// A reliable 18x carried our description: the 2xx need not, and must not make another offer. RFC 6337 §2.1
    pub(crate) described: bool,
    /// The 18x that waits for the PRACK of the one before.
    pub(crate) next: Option<(u16, Option<Vec<u8>>)>,
    /// The 200 that waits for it.
    pub(crate) answer: Option<Vec<u8>>,
}

impl Stack {
    pub(crate) fn receive_invite(&mut self, now: Now, hop: Hop, key: ServerKey, request: &Message) {
        // Only a user's calls and what replaces one can be about a session that is there already.
        let new = self.draining && request.header(Name::Replaces).is_none();
        let full = self.full || self.calls.live() >= self.config.max_calls;
        if full || new && self.trunk_of(hop, request).is_some() {
            return self.refuse_for_now(hop, request, Rejection::Overload);
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
        let (sdp, dialog_target) = match validate::invite(request) {
            Ok(checked) => checked,
            Err(refusal) => return self.refuse(hop, request, refusal, Some(Rejection::BadRequest)),
        };
        if self.refuses_extensions(hop, request) || self.misses_extensions(hop, request) {
            return;
        }
        if let Some(min) = self.interval_too_small(request) {
            let tag = self.auth.stateless_tag(request);
            let answer = self.answer_to(request, hop.remote, 422, &tag).header(Name::MinSe, min);
            return self.send_stateless(hop, request, answer);
        }
        let mut called = request.request_uri().map(|uri| dialled(&uri)).unwrap_or_default();
        // What a user may do and whether a credential is used up the first stack alone can say.
        let home = self.shard == ShardId::HOME;
        if let (Peer::User { aor, .. }, false, true) = (&peer, one_time, home)
            && let Err(over) = self.spend(now, aor, &called)
        {
            return match over {
                Over::Destination => {
                    let refusal = Refusal::because(403, NOT_ALLOWED);
                    self.refuse(hop, request, refusal, Some(Rejection::Limit));
                }
                Over::Calls => self.refuse_for_now(hop, request, Rejection::Limit),
            };
        }
        let mut caller = (dialled(&from.uri()), from.display_text());
        let (mut withheld, mut diversion, mut carrier) = (false, None, None);
        let far = match &peer {
            Peer::Trunk { name } => {
                if let Some(entry) = self.trunks.named(name) {
                    let trunk = &entry.settings;
                    withheld = identity::wants_privacy(request) || identity::is_anonymous(&from.uri());
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
        let replaces = match self.replaced_by(request) {
            Ok(replaces) => replaces,
            Err(refusal) => return self.refuse(hop, request, refusal, None),
        };
        let hops = request.extension(HOPS).and_then(decimal::<u8>).unwrap_or(0);
        if hops >= MAX_HOPS || self.has_come_back(request) {
            return self.refuse(hop, request, Refusal::new(482), None);
        }
        if let (Peer::User { username, .. }, true, true) = (&peer, one_time, home) {
            self.auth.remove(username);
        }
        let symmetric = match &peer {
            Peer::User { .. } => true,
            Peer::Trunk { name } => self.trunks.named(name).is_some_and(|entry| entry.settings.nat),
        };
        let local_tag = self.random.tag();
        let dialog = Dialog::as_server(request, dialog_target, &local_tag, hop, symmetric);
        let call = self.calls.next_id();
        if let (Peer::User { aor, .. }, false, true) = (&peer, one_time, home) {
            self.spent_on(aor, call);
        }
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
            max_forwards: request.max_forwards().unwrap_or(MAX_FORWARDS),
            hops,
            replaces,
        };
        let mut exchange = Exchange::new(dialog, Vec::new(), SessionTimer::default());
        exchange.learn(request);
        let phase = Phase::Incoming(Box::new(Incoming {
            transaction,
            exchange,
            source: hop.remote,
            late_offer: sdp.is_none(),
            ringing: None,
            rseq: None,
            unpracked: None,
            described: false,
            next: None,
            answer: None,
        }));
        if let Some(carrier) = &carrier {
            self.trunk_call_began(now, carrier.trunk, false);
        }
        let incoming_call = Call::new(far, false, local_tag, request.clone(), phase);
        self.calls.insert(call, Call { carrier, ..incoming_call });
        self.emit(call, Event::Incoming(incoming));
    }

    /// A request of ours that comes back unchanged is a loop; with another Request-URI it was forwarded to us and is a call as any
    /// other. RFC 5393 §4.2
    fn has_come_back(&self, request: &Message) -> bool {
        let Ok(vias) = request.vias() else { return false };
        let uri = request.request_uri().map(|uri| uri.raw().to_vec());
        vias.iter().filter_map(|via| via.branch()).any(|branch| {
            let sent = self.transactions.sent_invite(branch);
            let sent = sent.and_then(|bytes| Message::parse(bytes).ok());
            sent.is_some_and(|sent| sent.request_uri().map(|uri| uri.raw().to_vec()) == uri)
        })
    }

    /// 503: he may try again soon.
    pub(crate) fn refuse_for_now(&mut self, hop: Hop, request: &Message, why: Rejection) {
        let tag = self.auth.stateless_tag(request);
        let answer = self.answer_to(request, hop.remote, 503, &tag).header(Name::RetryAfter, RETRY_AFTER);
        self.send_stateless(hop, request, answer);
        self.rejected(hop, why);
    }

    /// Tells the caller of an [`Event::Incoming`] that it rings (180) or that there is early media (183). It is told reliably when
    /// the caller insists on it, or when there is a description and the caller can do it (RFC 3262); then a further state waits for
    /// the PRACK.
    pub fn ring(&mut self, now: Now, call: CallId, status: u16, sdp: Option<Vec<u8>>) {
        let Some(Call { invite, local_tag, phase: Phase::Incoming(incoming), .. }) =
            self.calls.live_mut(call)
        else {
            return;
        };
        if incoming.answer.is_some() {
            return;
        }
        let status = if (101..200).contains(&status) { status } else { 180 };
        let (required, possible) = reliability(invite);
        let sdp = sdp.filter(|sdp| !sdp.is_empty() && !incoming.described);
        let reliable = required || (possible && sdp.is_some());
        if reliable && incoming.unpracked.is_some() {
            incoming.next = Some((status, sdp));
            return;
        }
        if let (true, Some(sdp)) = (reliable, &sdp) {
            incoming.described = true;
            incoming.exchange.local_sdp.clone_from(sdp);
        }
        let (invite, tag) = (invite.clone(), local_tag.clone());
        let (transaction, source, hop) =
            (incoming.transaction, incoming.source, incoming.exchange.dialog.hop);
        let mut answer = self
            .answer_to(&invite, source, status, &tag)
            .copy(&invite, Name::RecordRoute)
            .header(Name::Contact, self.contact_for(hop, &invite))
            .header(Name::Allow, self.allow());
        let describes = sdp.is_some();
        if let Some(sdp) = sdp {
            answer = answer.body(SDP, sdp);
        }
        if reliable {
            return self.send_reliably(now, call, transaction, status, answer, describes);
        }
        let bytes: Arc<[u8]> = Arc::from(answer.finish());
        if let Some(Phase::Incoming(incoming)) = self.calls.get_mut(call).map(|call| &mut call.phase) {
            incoming.ringing = Some((status, Arc::clone(&bytes)));
        }
        self.send_provisional(now, call, transaction, status, bytes);
    }

    /// Accepts an [`Event::Incoming`]: 200, sent again until the ACK comes. For a late offer `sdp` is our offer, else our answer; it is
    /// left out when a reliable 18x has told it already, and waits for the PRACK of that (RFC 3262 §3).
    pub fn answer(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        let Some(Call { invite, local_tag, phase: Phase::Incoming(incoming), .. }) =
            self.calls.live_mut(call)
        else {
            return;
        };
        if incoming.unpracked.as_ref().is_some_and(|unpracked| unpracked.describes) {
            incoming.answer = Some(sdp);
            return;
        }
        let (tag, described) = (local_tag.clone(), incoming.described);
        let offered = incoming.late_offer && !described;
        let (transaction, source) = (incoming.transaction, incoming.source);
        let sdp = if described { Vec::new() } else { sdp };
        if !described {
            incoming.exchange.local_sdp.clone_from(&sdp);
        }
        let asked = Pending { transaction, request: invite.clone(), source };
        let Some((hop, bytes)) = self.accept(now, call, &asked, &tag, sdp, true) else { return };
        let cseq = asked.request.cseq().number;
        let unacked = Unacked { cseq, hop, bytes, interval: T1, initial: true, offered };
        if let Some(found) = self.calls.get_mut(call)
            && let Phase::Incoming(incoming) = std::mem::replace(&mut found.phase, Phase::Refused)
        {
            let mut exchange = incoming.exchange;
            exchange.agreed = !offered;
            exchange.unacked = Some(unacked);
            found.phase = Phase::Confirmed(Box::new(exchange));
        }
        self.stop_reliable(call);
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
        self.refuse_incoming_because(now, call, status, reason, None)
    }

    /// The same, with the reason of another call. RFC 6432
    pub(crate) fn refuse_incoming_because(
        &mut self,
        now: Now,
        call: CallId,
        status: u16,
        reason: Option<&str>,
        why: Option<&Ending>,
    ) -> bool {
        let Some(Call { invite, local_tag, phase, .. }) = self.calls.live_mut(call) else { return false };
        let Phase::Incoming(incoming) = phase else { return false };
        let (transaction, source) = (incoming.transaction, incoming.source);
        let (invite, tag) = (invite.clone(), local_tag.clone());
        // A PRACK or UPDATE that is open still needs its answer.
        self.refuse_pending(now, call, 487);
        if let Some(found) = self.calls.live_mut(call) {
            found.phase = Phase::Refused;
        }
        self.stop_reliable(call);
        let mut answer = self.answer_with_reason(&invite, source, status, reason, &tag);
        if status == 503 {
            answer = answer.header(Name::RetryAfter, RETRY_AFTER);
        }
        if let Some(why) = why {
            answer = explain(answer, why);
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

    pub(crate) fn send_provisional(
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
