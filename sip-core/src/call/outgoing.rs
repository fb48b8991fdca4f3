//! We call. RFC 3261 §13.2

use std::collections::BTreeMap;

use model::{Cause, Ending, Now, Side};

use super::{Call, Exchange, Far, Phase};
use crate::api::{CallId, Event, Hop, InviteError, OutgoingCall, Target};
use crate::dialog::{Dialog, bracketed};
use crate::message::{Builder, Message, Method, Name, UriBuf, name_addr, sip_uri};
use crate::receive::sdp_of;
use crate::respond::{ALLOW, SDP};
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::TransactionId;
use crate::trunk::{Carrier, TrunkId, identity};

/// One INVITE is not answered by more phones than this; who floods us with 2xx talks to himself.
const MAX_FORKS: usize = 16;

pub(crate) struct Outgoing {
    transaction: TransactionId,
    hop: Hop,
    symmetric: bool,
    cancel: Cancel,
    /// The early session description of each fork, by its tag.
    early: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Where an INVITE goes.
struct Way {
    /// Request-URI.
    uri: Vec<u8>,
    to: Vec<u8>,
    hop: Hop,
    far: Far,
    routes: Vec<UriBuf>,
    trunk: Option<TrunkId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cancel {
    No,
    /// As soon as somebody has answered provisionally. RFC 3261 §9.1
    Wanted,
    Sent,
}

impl Call {
    /// Our INVITE has no final answer, and we want one.
    pub(crate) fn wants_answer(&self) -> bool {
        let uncancelled = matches!(&self.phase, Phase::Outgoing(outgoing) if outgoing.cancel == Cancel::No);
        uncancelled && !self.ended
    }

    /// The INVITE went out again, with credentials.
    pub(crate) fn invite_renewed(&mut self, transaction: TransactionId, invite: Message) {
        if let Phase::Outgoing(outgoing) = &mut self.phase {
            outgoing.transaction = transaction;
            self.invite = invite;
        }
    }
}

impl Stack {
    /// Starts a call. [`Event::Ended`] tells of everything that goes wrong later.
    ///
    /// # Errors
    /// When there is nobody to send the INVITE to or an extra header is not allowed; then there is no call.
    pub fn invite(&mut self, now: Now, call: OutgoingCall) -> Result<CallId, InviteError> {
        let OutgoingCall {
            target,
            caller,
            caller_name,
            identity: about,
            sdp,
            headers,
            ring_timeout,
            silence,
        } = call;
        let Way { uri, to, hop, far, routes, trunk } = self.resolve(now, &target)?;
        let tag = self.random.tag();
        let cseq = self.random.cseq();
        let settings = trunk.and_then(|id| self.trunks.get(id)).map(|entry| &entry.settings);
        let home = &self.config.domain;
        let (from, more) = identity::outgoing(settings, home, &caller, caller_name.as_deref(), &about, &tag);
        let mut request = Builder::request(&Method::Invite, &uri);
        for route in &routes {
            request = request.header(Name::Route, bracketed(route.as_bytes()));
        }
        for (name, value) in more {
            request = request.header(name, value);
        }
        if let (Some(trunk), Some(diversion)) = (settings, &about.diversion) {
            request = identity::history(request, trunk, home, &to, diversion);
        }
        let mut request = request
            .header(Name::From, from)
            .header(Name::To, name_addr(None, &to, None))
            .header(Name::CallId, self.random.call_id())
            .header(Name::CSeq, format!("{cseq} INVITE"))
            .header(Name::Contact, self.contact(hop))
            .header(Name::Allow, ALLOW)
            .header(Name::Accept, SDP);
        for (name, value) in &headers {
            request = request.extension(name, value)?;
        }
        let branch = self.random.branch();
        let bytes = self.complete(request.body(SDP, sdp), hop, &branch).finish();
        let invite = Message::parse(&bytes).map_err(|error| InviteError::Malformed(error.defect))?;
        let id = self.calls.next_id();
        let transaction = self.start_invite(now, id, hop, &invite);
        let symmetric = matches!(target, Target::Binding(_));
        let carrier = trunk.map(|trunk| Carrier { trunk, proofs: Vec::new() });
        if let Some(trunk) = trunk {
            self.trunk_call_began(now, trunk, true);
        }
        let phase = Phase::Outgoing(Outgoing {
            transaction,
            hop,
            symmetric,
            cancel: Cancel::No,
            early: BTreeMap::new(),
        });
        self.calls.insert(
            id,
            Call {
                far,
                ended: false,
                ours: true,
                local_tag: tag,
                invite,
                phase,
                carrier,
                acks: BTreeMap::new(),
            },
        );
        self.timers.arm(Timer::Ring(id), now.instant + ring_timeout);
        if let Some(silence) = silence {
            self.timers.arm(Timer::Silent(id), now.instant + silence);
        }
        Ok(id)
    }

    fn resolve(&self, now: Now, target: &Target) -> Result<Way, InviteError> {
        match target {
            Target::Binding(id) => {
                let entry = self.registrar.get(*id).ok_or(InviteError::UnknownBinding)?;
                let to = sip_uri(Some(&entry.binding.aor), &self.config.domain);
                let uri = entry.uri.get().without_headers().to_vec();
                let hop = entry.binding.hop;
                Ok(Way { uri, to, hop, far: Far::AGENT, routes: entry.path.clone(), trunk: None })
            }
            Target::Trunk { name, number } => {
                let entry = self.open_trunk(now, name)?;
                let trunk = &entry.settings;
                let hop = self.trunk_hop(trunk)?;
                let number = trunk.numbers.spell(number);
                Ok(Way {
                    uri: trunk.uri(Some(&number)),
                    to: sip_uri(Some(&number), &trunk.host()),
                    hop,
                    far: Far::TRUNK,
                    routes: entry.registered.service_route.clone(),
                    trunk: Some(entry.id),
                })
            }
        }
    }

    pub(crate) fn invite_answered(
        &mut self,
        now: Now,
        id: CallId,
        hop: Hop,
        status: u16,
        response: &Message,
    ) {
        self.timers.disarm(Timer::Silent(id));
        match status {
            100..=199 => self.progressed(now, id, status, response),
            200..=299 => self.accepted(now, id, hop, response),
            _ => {
                let Some(far) = self.calls.get(id).map(|call| call.far) else { return };
                self.end(now, id, refusal(status, far));
            }
        }
    }

    pub(crate) fn ring_timed_out(&mut self, now: Now, id: CallId) {
        let Some(far) = self.calls.get(id).map(|call| call.far) else { return };
        self.cancel(now, id);
        self.end(now, id, Ending::new(Cause::NoAnswer, far.side));
    }

    /// Nobody is there who could even say that he is at work.
    pub(crate) fn nothing_heard(&mut self, now: Now, id: CallId) {
        let Some(far) = self.calls.get(id).map(|call| call.far) else { return };
        self.cancel(now, id);
        self.end(now, id, Ending::with_status(Cause::Lost, far.lost, 408));
    }

    /// Withdraws our INVITE, now or as soon as that is allowed.
    pub(crate) fn cancel(&mut self, now: Now, id: CallId) {
        let Some(Call { invite, phase: Phase::Outgoing(outgoing), .. }) = self.calls.get_mut(id) else {
            return;
        };
        if outgoing.cancel == Cancel::Sent {
            return;
        }
        let (transaction, hop) = (outgoing.transaction, outgoing.hop);
        if !self.transactions.invite_client(transaction).is_some_and(|machine| machine.is_proceeding()) {
            outgoing.cancel = Cancel::Wanted;
            return;
        }
        outgoing.cancel = Cancel::Sent;
        let invite = invite.clone();
        self.start_cancel(now, id, hop, &invite);
        let (transactions, mut io) = self.split(now);
        transactions.limit_cancelled(transaction, &mut io);
    }

    fn progressed(&mut self, now: Now, id: CallId, status: u16, response: &Message) {
        let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.get_mut(id) else { return };
        if outgoing.cancel == Cancel::Wanted {
            return self.cancel(now, id);
        }
        if status == 100 {
            return;
        }
        // An early description that cannot be read is none; the 2xx decides.
        let sdp = sdp_of(response).ok().flatten();
        if let (Some(sdp), Some(tag)) = (&sdp, response.to_tag())
            && outgoing.early.len() < MAX_FORKS
        {
            outgoing.early.insert(tag.to_vec(), sdp.clone());
        }
        self.emit(id, Event::Ringing { call: id, status, sdp });
    }

    fn accepted(&mut self, now: Now, id: CallId, hop: Hop, response: &Message) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let tag = response.to_tag().unwrap_or_default().to_vec();
        let cseq = response.cseq().number;
        if let Some((hop, ack)) = call.acks.get(&(tag.clone(), cseq)).cloned() {
            return self.transmit(hop, ack);
        }
        if call.acks.len() >= MAX_FORKS {
            return;
        }
        let (sent, symmetric) = match &call.phase {
            Phase::Outgoing(outgoing) => (outgoing.hop, outgoing.symmetric),
            Phase::Confirmed(exchange) => (exchange.dialog.hop, exchange.dialog.symmetric),
            Phase::Incoming(_) | Phase::Refused => return,
        };
        let way = Hop { connection: hop.connection, ..sent };
        let dialog = Dialog::as_client(&call.invite, response, way, symmetric);
        self.acknowledge(id, &dialog, cseq);
        // The first to answer has the call; whoever comes later or too late is told so.
        let first = match self.calls.live_mut(id) {
            Some(Call { phase: Phase::Outgoing(outgoing), .. }) => Some(outgoing.early.remove(&tag)),
            Some(_) | None => None,
        };
        let Some(early) = first else { return self.send_bye(now, id, dialog) };
        self.timers.disarm(Timer::Ring(id));
        let sdp = match sdp_of(response) {
            Ok(sdp) => sdp.or(early),
            Err(_) => {
                self.send_bye(now, id, dialog);
                return self.end(now, id, Ending::new(Cause::Incompatible, Side::System));
            }
        };
        if let Some(call) = self.calls.get_mut(id) {
            call.phase = Phase::Confirmed(Box::new(Exchange::new(dialog, None)));
        }
        self.emit(id, Event::Answered { call: id, sdp });
    }
}

/// Why a call that we made was refused, and by whom.
fn refusal(status: u16, far: Far) -> Ending {
    let (cause, by) = match status {
        408 => (Cause::NoAnswer, far.side),
        487 => (Cause::Cancelled, far.side),
        415 | 488 | 606 => (Cause::Incompatible, far.side),
        500..=599 => (Cause::Refused, far.lost),
        _ => (Cause::Refused, far.side),
    };
    Ending::with_status(cause, by, status)
}
