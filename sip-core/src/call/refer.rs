//! Transfers: REFER both ways with its implicit subscription, and INVITEs that replace one of our calls.
//! RFC 3515, RFC 3891, RFC 4488
//!
//! Invariants: one REFER of the peer at a time in a call; its subscription lives no longer than the call.

use std::net::SocketAddr;

use model::Now;

use super::{Call, Phase};
use crate::api::{CallId, Event, Hop, Referral};
use crate::message::{Builder, Message, Method, Name, Replaces, Scheme, escape_header, reason_phrase, text};
use crate::respond::{Refusal, SUPPORTED};
use crate::shard::ShardId;
use crate::stack::Stack;
use crate::transaction::{Owner, TransactionId};

const SIPFRAG: &str = "message/sipfrag;version=2.0";
/// How long a subscription to the progress of a transfer may live; the transfer or the call ends it before.
const LIFETIME: &str = "180";

/// The peer's REFER.
pub(crate) enum Referring {
    /// Its owner has not said anything.
    Asked { transaction: TransactionId, request: Box<Message>, source: SocketAddr },
    /// It was accepted: the peer hears what becomes of it. RFC 3515 §2.4.4
    Accepted { cseq: u32 },
}

impl Stack {
    pub(crate) fn receive_refer(&mut self, now: Now, hop: Hop, id: CallId, request: &Message) {
        let refusal = match self.referral(hop, id, request) {
            Err(refusal) => Some(refusal),
            Ok(_) if self.calls.get(id).is_some_and(|call| call.referring.is_some()) => {
                Some(Refusal::new(491))
            }
            Ok(_) => None,
        };
        if let Some(Refusal { status, reason }) = refusal {
            let tag = self.auth.stateless_tag(request);
            let answer = self.answer_with_reason(request, hop.remote, status, reason, &tag);
            return self.respond_once(now, hop, request, status, answer);
        }
        let Ok(referral) = self.referral(hop, id, request) else { return };
        let transaction = self.open_transaction(hop, request);
        if let Some(call) = self.calls.live_mut(id) {
            let request = Box::new(request.clone());
            call.referring = Some(Referring::Asked { transaction, request, source: hop.remote });
        }
        self.emit(id, Event::Refer { call: id, referral });
    }

    fn referral(&self, hop: Hop, id: CallId, request: &Message) -> Result<Referral, Refusal> {
        let bad = |_| Refusal::because(400, "Bad Refer-To Header");
        // RFC 3515 §2.4.2: exactly one.
        let to = request.refer_to().map_err(bad)?.ok_or(Refusal::because(400, "Missing Refer-To Header"))?;
        match to.uri().scheme() {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
            Scheme::Other => return Err(Refusal::new(416)),
        }
        if to.method() != b"INVITE" {
            return Err(Refusal::new(405));
        }
        if !self.calls.get(id).is_some_and(|call| !call.ended && matches!(call.phase, Phase::Confirmed(_))) {
            return Err(Refusal::new(481));
        }
        let (replaces, replaces_elsewhere) = match to.replaces() {
            None => (None, None),
            Some(value) => {
                let dialog = Replaces::parse(&value).map_err(|_| Refusal::because(400, "Bad Replaces"))?;
                match self.calls.find_replaced(&dialog) {
                    Some(call) => (Some(call), None),
                    None => (None, Some(value.into_owned())),
                }
            }
        };
        Ok(Referral {
            uri: text(to.uri().without_headers()),
            user: self.user_referred_to(hop, request, &to.uri()),
            replaces,
            replaces_elsewhere,
            referred_by: request.text(Name::ReferredBy),
        })
    }

    /// Takes an [`Event::Refer`] on: 202, and a first word of its progress.
    pub fn accept_refer(&mut self, now: Now, call: CallId) {
        let Some(found) = self.calls.live_mut(call) else { return };
        let Some(Referring::Asked { transaction, request, source }) = found.referring.take() else { return };
        // RFC 4488 §4: whoever does not want to hear of it does not.
        let silent = request
            .header(Name::ReferSub)
            .is_some_and(|value| value.to_ascii_lowercase().starts_with(b"false"));
        if !silent {
            found.referring = Some(Referring::Accepted { cseq: request.cseq().number });
        }
        let status = if silent { 200 } else { 202 };
        let Some(hop) = self.transactions.server_hop(transaction) else { return };
        let mut answer = self
            .answer_to(&request, source, status, "")
            .header(Name::Contact, self.contact(hop))
            .header(Name::Supported, SUPPORTED);
        if silent {
            answer = answer.header(Name::ReferSub, "false");
        }
        self.respond(now, transaction, status, answer);
        self.refer_progress(now, call, 100);
    }

    /// Refuses an [`Event::Refer`] with a status from 300 to 699; anything else becomes 603.
    pub fn reject_refer(&mut self, now: Now, call: CallId, status: u16) {
        let status = if (300..700).contains(&status) { status } else { 603 };
        let Some(found) = self.calls.live_mut(call) else { return };
        if let Some(Referring::Asked { transaction, request, source }) =
            found.referring.take_if(|referring| matches!(referring, Referring::Asked { .. }))
        {
            let answer = self.answer_to(&request, source, status, "");
            self.respond(now, transaction, status, answer);
        }
    }

    /// Tells the peer of an accepted REFER how far its transfer is, as the status that the new call has got; with a final one it is
    /// the last word.
    pub fn refer_progress(&mut self, now: Now, call: CallId, status: u16) {
        let Some(found) = self.calls.live_mut(call) else { return };
        let Some(Referring::Accepted { cseq }) = found.referring else { return };
        let over = status >= 200;
        if over {
            found.referring = None;
        }
        let Some(exchange) = found.exchange_mut() else { return };
        let dialog = &mut exchange.dialog;
        dialog.local_cseq += 1;
        let dialog = dialog.clone();
        let (request, hop) = (dialog.request(&Method::Notify, dialog.local_cseq), dialog.next_hop());
        let state = match over {
            true => "terminated;reason=noresource".to_owned(),
            false => format!("active;expires={LIFETIME}"),
        };
        let request = request
            .header(Name::Contact, self.contact(hop))
            // RFC 3515 §2.4.6: which of several REFERs it is about.
            .header(Name::Event, format!("refer;id={cseq}"))
            .header(Name::SubscriptionState, state)
            .body(SIPFRAG, format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)));
        self.start_in_dialog(now, Owner::Notify(call), Method::Notify, &dialog, request);
    }

    /// Whoever gets our NOTIFY knows of no subscription (any more). RFC 6665 §4.2.2
    pub(crate) fn notify_answered(&mut self, call: CallId, status: u16) {
        if let (300.., Some(found)) = (status, self.calls.get_mut(call)) {
            found.referring.take_if(|referring| matches!(referring, Referring::Accepted { .. }));
        }
    }

    /// Asks the peer of an answered call to call `uri` instead, and maybe to take the place of another call of ours there.
    /// [`Event::ReferProgress`] tells what became of it. False when that cannot be asked now.
    pub fn refer(&mut self, now: Now, call: CallId, uri: &str, replaces: Option<CallId>) -> bool {
        let replaced = match replaces.map(|other| self.calls.get(other).and_then(replaces_value)) {
            None => None,
            Some(None) => return false,
            Some(Some(value)) => Some(value),
        };
        let Some(found) = self.calls.live_mut(call) else { return false };
        if found.refers {
            return false;
        }
        let Phase::Confirmed(exchange) = &mut found.phase else { return false };
        let dialog = &mut exchange.dialog;
        dialog.local_cseq += 1;
        let dialog = dialog.clone();
        let (request, hop) = (dialog.request(&Method::Refer, dialog.local_cseq), dialog.next_hop());
        let by = dialog.local.split(|c| *c == b';').next().unwrap_or_default().to_vec();
        found.refers = true;
        let mut to = format!("<{uri}").into_bytes();
        if let Some(value) = replaced {
            to.extend(b"?Replaces=");
            to.extend(escape_header(&value));
        }
        to.push(b'>');
        let request = request
            .header(Name::Contact, self.contact(hop))
            .header(Name::ReferTo, to)
            .header(Name::ReferredBy, by);
        self.start_in_dialog(now, Owner::Refer(call), Method::Refer, &dialog, request);
        true
    }

    pub(crate) fn refer_answered(&mut self, call: CallId, status: u16) {
        if status >= 300
            && let Some(found) = self.calls.live_mut(call)
        {
            found.refers = false;
            self.emit(call, Event::ReferProgress { call, status, over: true });
        }
    }

    /// What becomes of our REFER. RFC 3515 §2.4.5
    pub(crate) fn receive_notify(&mut self, now: Now, hop: Hop, id: CallId, request: &Message) {
        let about_refer = match request.event() {
            Ok(Some(event)) => event.package.eq_ignore_ascii_case(b"refer"),
            Ok(None) | Err(_) => return self.refuse_once(now, hop, request, 489),
        };
        if !about_refer {
            return self.refuse_once(now, hop, request, 489);
        }
        let Some(call) = self.calls.live_mut(id).filter(|call| call.refers) else {
            return self.refuse_once(now, hop, request, 481);
        };
        let Some(status) = sipfrag_status(request.body()) else {
            return self.refuse_once(now, hop, request, 400);
        };
        let ended = request.subscription_state().is_ok_and(|state| {
            state.is_some_and(|state| state.state == crate::message::SubState::Terminated)
        });
        let over = ended || status >= 200;
        call.refers = !over;
        self.refuse_once(now, hop, request, 200);
        self.emit(id, Event::ReferProgress { call: id, status, over });
    }

    /// The call that an INVITE wants to take over. RFC 3891 §3. `None` also when it is another stack's, which has to be asked.
    pub(crate) fn replaced_by(&self, request: &Message) -> Result<Option<CallId>, Refusal> {
        let replaces = match request.replaces() {
            Ok(None) => return Ok(None),
            Ok(Some(replaces)) => replaces,
            Err(_) => return Err(Refusal::because(400, "Bad Replaces Header")),
        };
        let whose = ShardId::of_tag(&replaces.to_tag, self.config.shards);
        if self.shard != ShardId::HOME && whose != ShardId::HOME && whose != self.shard {
            return Ok(None);
        }
        self.replaceable(&replaces).map(Some)
    }

    fn replaceable(&self, replaces: &Replaces<'_>) -> Result<CallId, Refusal> {
        let Some(id) = self.calls.find_replaced(replaces) else { return Err(Refusal::new(481)) };
        let Some(call) = self.calls.get(id) else { return Err(Refusal::new(481)) };
        match &call.phase {
            _ if call.ended => Err(Refusal::new(603)),
            Phase::Confirmed(_) if replaces.early_only => Err(Refusal::new(486)),
            Phase::Confirmed(_) | Phase::Outgoing(_) => Ok(id),
            // Only whoever called may give up an early dialog for another one.
            Phase::Incoming(_) | Phase::Refused => Err(Refusal::new(481)),
        }
    }

    /// The call of ours that a Replaces names, for another stack: one to be named in a REFER, or one to be taken over at once.
    /// Else the status of the refusal.
    pub(crate) fn find_for(&self, value: &[u8], at_once: bool) -> Result<CallId, u16> {
        let replaces = Replaces::parse(value).map_err(|_| 400u16)?;
        if at_once {
            return self.replaceable(&replaces).map_err(|refusal| refusal.status);
        }
        self.calls.find_replaced(&replaces).ok_or(481)
    }

    /// A REFER that its owner has not answered when the call ends.
    pub(crate) fn refuse_referring(&mut self, now: Now, call: CallId) {
        let Some(found) = self.calls.get_mut(call) else { return };
        found.refers = false;
        if let Some(Referring::Asked { transaction, request, source }) = found.referring.take() {
            let answer = self.answer_to(&request, source, 481, "");
            self.respond(now, transaction, 481, answer);
        }
    }
}

/// Our call as its peer would name it to somebody who shall replace us there.
fn replaces_value(call: &Call) -> Option<Vec<u8>> {
    let dialog = call.dialog()?;
    let replaces = Replaces {
        call_id: &dialog.call_id,
        to_tag: dialog.remote_tag.as_slice().into(),
        from_tag: call.local_tag.as_bytes().into(),
        early_only: false,
    };
    Some(replaces.to_bytes())
}

fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let line = body.split(|c| matches!(c, b'\r' | b'\n')).next()?;
    let rest = line.strip_prefix(b"SIP/2.0 ")?;
    let status = crate::message::decimal(rest.get(..3)?)?;
    (100..700).contains(&status).then_some(status)
}

/// The headers of an INVITE that a REFER has caused. RFC 3892, RFC 3891
pub(crate) fn referred(mut invite: Builder, by: Option<&str>, replaces: Option<&[u8]>) -> Builder {
    if let Some(by) = by {
        invite = invite.header(Name::ReferredBy, by);
    }
    match replaces {
        Some(replaces) => invite.header(Name::Replaces, replaces).header(Name::Require, "replaces"),
        None => invite,
    }
}
