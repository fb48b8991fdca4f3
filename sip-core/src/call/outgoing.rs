//! We call. RFC 3261 §13.2

use std::collections::BTreeMap;

use model::{Cause, Ending, Now, Side};

use super::{Call, Exchange, Far, Phase};
use crate::api::{CallId, Event, Hop, InviteError, Listener, OutgoingCall, Target, Transport};
use crate::dialog::Dialog;
use crate::message::{Builder, Message, Method, Name, name_addr, sip_uri};
use crate::receive::sdp_of;
use crate::respond::{ALLOW, SDP};
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::TransactionId;

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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cancel {
    No,
    /// As soon as somebody has answered provisionally. RFC 3261 §9.1
    Wanted,
    Sent,
}

impl Stack {
    /// Starts a call. [`Event::Ended`] tells of everything that goes wrong later.
    ///
    /// # Errors
    /// When there is nobody to send the INVITE to or an extra header is not allowed; then there is no call.
    pub fn invite(&mut self, now: Now, call: OutgoingCall) -> Result<CallId, InviteError> {
        let OutgoingCall { target, caller, caller_name, sdp, headers, ring_timeout } = call;
        let (uri, to, hop, far) = self.resolve(&target)?;
        let tag = self.random.tag();
        let cseq = self.random.cseq();
        let from =
            name_addr(caller_name.as_deref(), &sip_uri(Some(&caller), &self.config.domain), Some(&tag));
        let mut request = Builder::request(&Method::Invite, &uri)
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
        let phase = Phase::Outgoing(Outgoing {
            transaction,
            hop,
            symmetric,
            cancel: Cancel::No,
            early: BTreeMap::new(),
        });
        self.calls.insert(
            id,
            Call { far, ended: false, ours: true, local_tag: tag, invite, phase, acks: BTreeMap::new() },
        );
        self.timers.arm(Timer::Ring(id), now.instant + ring_timeout);
        Ok(id)
    }

    /// Request-URI, To, the way there, and who is there.
    fn resolve(&self, target: &Target) -> Result<(Vec<u8>, Vec<u8>, Hop, Far), InviteError> {
        match target {
            Target::Binding(id) => {
                let entry = self.registrar.get(*id).ok_or(InviteError::UnknownBinding)?;
                let to = sip_uri(Some(&entry.binding.aor), &self.config.domain);
                let uri = entry.uri.get().without_headers().to_vec();
                Ok((uri, to, entry.binding.hop, Far::AGENT))
            }
            Target::Trunk { name, number } => {
                let known = self.trunks.iter().find(|trunk| trunk.name == *name);
                let trunk = known.ok_or_else(|| InviteError::UnknownTrunk(name.clone()))?;
                let (transport, remote) = (trunk.transport, trunk.destination);
                let fits = |l: &&Listener| l.transport == transport && l.local.is_ipv4() == remote.is_ipv4();
                let listener =
                    self.config.listeners.iter().find(fits).ok_or(InviteError::NoListener(transport))?;
                let suffix = match transport {
                    Transport::Udp => "",
                    Transport::Tcp => ";transport=tcp",
                    Transport::Tls => ";transport=tls",
                    // We are never the client of a WebSocket.
                    Transport::Ws | Transport::Wss => return Err(InviteError::NoListener(transport)),
                };
                let to = sip_uri(Some(number), &remote.to_string());
                let uri = sip_uri(Some(number), &format!("{remote}{suffix}"));
                Ok((uri, to, Hop { transport, local: listener.local, remote, connection: None }, Far::TRUNK))
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
