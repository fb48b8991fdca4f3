//! We call. RFC 3261 §13.2

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use model::{Cause, Ending, Now, Side};

use super::exchange::{Ask, Exchange, lists};
use super::offer::describe_ourselves;
use super::refer::referred;
use super::session_timer::SessionTimer;
use super::why::q850_in;
use super::{Call, Far, Phase};
use crate::api::{CallId, Event, Hop, InviteError, OutgoingCall, Target, Transport};
use crate::dialog::{Dialog, address, bracketed};
use crate::locate::Wanted;
use crate::message::{Builder, Contacts, Message, Method, Name, Scheme, UriBuf, name_addr, sip_uri, text};
use crate::respond::{HOPS, MAX_FORWARDS, SDP};
use crate::stack::Stack;
use crate::timer::Timer;
use crate::transaction::{Owner, TransactionId};
use crate::trunk::{Carrier, TrunkId, identity};
use crate::validate::sdp_of;
use crate::way::{Contact, Draft, Errand, Guide, Sent, Step};

/// One INVITE is not answered by more phones than this; who floods us with 2xx talks to himself.
const MAX_FORKS: usize = 16;

pub(crate) struct Outgoing {
    /// `None` while it is not known yet where to send it.
    pub(crate) transaction: Option<TransactionId>,
    pub(crate) hop: Hop,
    symmetric: bool,
    pub(crate) cancel: Cancel,
    /// The early dialog with each fork, by its tag.
    pub(crate) early: BTreeMap<Vec<u8>, Early>,
    /// An offer that waits until there is a dialog for it.
    pub(crate) queued: Option<Ask>,
    pub(crate) timer: SessionTimer,
    /// How often the INVITE was sent again because it lacked something.
    pub(crate) retries: u32,
    /// A place that has not said anything after this long is not there.
    silence: Option<Duration>,
}

/// An early dialog that our INVITE made. RFC 3261 §12.1.2
pub(crate) struct Early {
    pub(crate) exchange: Exchange,
    /// Its answer to our offer, as far as it has told it.
    sdp: Option<Vec<u8>>,
    /// Of its last reliable 18x.
    pub(crate) rseq: Option<u32>,
    /// Which of the forks it is, from 0 in the order of their first words.
    fork: u32,
}

/// Where a call goes, and as what.
pub(crate) struct Route {
    pub(crate) uri: Vec<u8>,
    pub(crate) to: Vec<u8>,
    far: Far,
    symmetric: bool,
    pub(crate) goal: Goal,
    /// Route headers, the nearest first.
    pub(crate) path: Vec<UriBuf>,
    pub(crate) trunk: Option<TrunkId>,
}

/// A call that is to begin: where it goes is known, nothing has been sent.
pub(crate) struct Prepared {
    pub(crate) id: CallId,
    pub(crate) call_id: String,
    pub(crate) route: Route,
    pub(crate) call: OutgoingCall,
}

pub(crate) enum Goal {
    Here(Step),
    /// To be looked up first.
    There(Wanted, Guide),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cancel {
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
            outgoing.transaction = Some(transaction);
            outgoing.early.clear();
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
        let route = self.route(now, &call.target)?;
        let (id, call_id) = (self.calls.next_id(), self.random.call_id());
        self.begin_call(now, Prepared { id, call_id, route, call })?;
        Ok(id)
    }

    /// Where a call would go, if it may go there now.
    pub(crate) fn route(&self, now: Now, target: &Target) -> Result<Route, InviteError> {
        if let Target::Trunk { name, .. } = target {
            self.open_trunk(now, name)?;
        }
        self.resolve(target)
    }

    pub(crate) fn begin_call(&mut self, now: Now, prepared: Prepared) -> Result<(), InviteError> {
        let Prepared { id, call_id, route, call } = prepared;
        let OutgoingCall {
            target,
            caller,
            caller_name,
            identity: about,
            sdp,
            headers,
            ring_timeout,
            silence,
            options,
        } = call;
        let Route { uri, to, far, symmetric, goal, path, trunk } = route;
        let binding = match &target {
            Target::Binding(id) => Some(*id),
            Target::Trunk { .. } => None,
        };
        let tag = self.random.tag();
        let cseq = self.random.cseq();
        let settings = match (trunk.map(|id| self.trunks.get(id)), target) {
            (Some(None), Target::Trunk { name, .. }) => return Err(InviteError::UnknownTrunk(name)),
            (settings, _) => settings.flatten().map(|entry| &entry.settings),
        };
        let home = &self.config.domain;
        let (from, more) = identity::outgoing(settings, home, &caller, caller_name.as_deref(), &about, &tag);
        let secure = uri.starts_with(b"sips:");
        let mut request = Builder::request(&Method::Invite, &uri);
        for route in &path {
            request = request.header(Name::Route, bracketed(route.as_bytes()));
        }
        for (name, value) in more {
            request = request.header(name, value);
        }
        if let (Some(trunk), Some(diversion)) = (settings, &about.diversion) {
            request = identity::history(request, trunk, home, &to, diversion);
        }
        request = request
            .header(Name::From, from)
            .header(Name::To, name_addr(None, &to, None))
            .header(Name::CallId, call_id)
            .header(Name::CSeq, format!("{cseq} INVITE"))
            .header(Name::Accept, SDP);
        request = SessionTimer::default().ask(describe_ourselves(request, self.allow()), self.session_timers);
        request = referred(request, options.referred_by.as_deref(), options.replaces.as_deref());
        if options.hops > 0 {
            request = request.extension(HOPS, &options.hops.to_string())?;
        }
        for (name, value) in &headers {
            request = request.extension(name, value)?;
        }
        let request = request.body(SDP, sdp);
        let contact = Some(Contact::Here(if secure { Scheme::Sips } else { Scheme::Sip }));
        let forwards = options.max_forwards.unwrap_or(MAX_FORWARDS);
        let draft = Draft { method: Method::Invite, request, contact, forwards };
        // As it will be but for the way that it takes.
        let hop = self.likely_hop(&goal);
        let branch = self.random.branch();
        let likely = draft.request.clone().header(Name::Contact, self.contact(hop));
        let bytes = self.complete_within(likely, hop, &branch, forwards).finish();
        let invite = Message::parse(&bytes).map_err(|error| InviteError::Malformed(error.defect))?;
        let phase = Phase::Outgoing(Box::new(Outgoing {
            transaction: None,
            hop,
            symmetric,
            cancel: Cancel::No,
            early: BTreeMap::new(),
            queued: None,
            timer: SessionTimer::default(),
            retries: 0,
            silence,
        }));
        let carrier = trunk.map(|trunk| Carrier { trunk, proofs: Vec::new() });
        let outgoing_call = Call::new(far, true, tag, invite, phase);
        self.calls.insert(id, Call { carrier, binding, ..outgoing_call });
        if let Some(trunk) = trunk {
            // Before the search: a call that finds no place at all ends within it.
            self.trunk_call_began(now, trunk, true);
        }
        self.timers.arm(Timer::Ring(id), now.instant + ring_timeout);
        if let Some(silence) = silence {
            self.timers.arm(Timer::Unheard(id), now.instant + silence);
        }
        match goal {
            Goal::Here(step) => self.invite_located(now, id, draft, VecDeque::from([step])),
            Goal::There(wanted, guide) => {
                self.search(now, wanted, guide, Errand::Invite(id, Box::new(draft)));
            }
        }
        Ok(())
    }

    /// Sends the INVITE of a call to the first of these places, unless the call is over already.
    pub(crate) fn invite_located(&mut self, now: Now, id: CallId, draft: Draft, steps: VecDeque<Step>) {
        if !self.is_still_wanted(id) {
            return;
        }
        let sent = self.send_along(now, Owner::Invite(id), draft, steps);
        let parsed = sent.map(|sent| (Message::parse(&sent.bytes), sent));
        let Some(call) = self.calls.get_mut(id) else { return };
        if let (Some((Ok(invite), Sent { transaction, hop, .. })), Phase::Outgoing(outgoing)) =
            (parsed, &mut call.phase)
        {
            outgoing.transaction = Some(transaction);
            outgoing.hop = hop;
            outgoing.early.clear();
            call.invite = invite;
            if let Some(silence) = outgoing.silence {
                // Each place has its time.
                self.timers.arm(Timer::Unheard(id), now.instant + silence);
            }
            return;
        }
        let by = call.far.lost;
        self.trunk_refused(id, 503);
        self.end(now, id, Ending::with_status(Cause::Lost, by, 503));
    }

    /// Whether an INVITE may still go out for this call.
    pub(crate) fn is_still_wanted(&self, id: CallId) -> bool {
        self.calls.get(id).is_some_and(|call| match &call.phase {
            Phase::Outgoing(outgoing) => !call.ended && outgoing.cancel == Cancel::No,
            Phase::Incoming(_) | Phase::Confirmed(_) | Phase::Refused => false,
        })
    }

    /// Where the INVITE goes, and who is there.
    pub(crate) fn resolve(&self, target: &Target) -> Result<Route, InviteError> {
        match target {
            Target::Binding(id) => {
                let entry = self.registrar.get(*id).ok_or(InviteError::UnknownBinding)?;
                let to = sip_uri(Some(&entry.binding.aor), &self.config.domain);
                let uri = entry.uri.get().without_headers().to_vec();
                let hop = entry.binding.hop;
                // Behind a NAT no TCP connection reaches the phone.
                let datagram = address(&entry.uri.get()) != Some(hop.remote);
                let goal = Goal::Here(Step { datagram, ..Step::to(hop) });
                let path = entry.path.clone();
                Ok(Route { uri, to, far: Far::AGENT, symmetric: true, goal, path, trunk: None })
            }
            Target::Trunk { name, number } => {
                let known = self.trunks.named(name);
                let entry = known.ok_or_else(|| InviteError::UnknownTrunk(name.clone()))?;
                let trunk = &entry.settings;
                let number = trunk.numbers.spell(number);
                Ok(Route {
                    uri: trunk.uri(Some(&number)),
                    to: sip_uri(Some(&number), &trunk.host()),
                    far: Far::TRUNK,
                    symmetric: trunk.nat,
                    goal: self.goal_of(trunk)?,
                    path: entry.registered.service_route.clone(),
                    trunk: Some(entry.id),
                })
            }
        }
    }

    /// While the place is not known yet, one that stands for it. Nothing is sent there.
    pub(crate) fn likely_hop(&self, goal: &Goal) -> Hop {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        match goal {
            Goal::Here(step) => step.hop,
            Goal::There(wanted, _) => {
                let transport = wanted.transport.unwrap_or(Transport::Udp);
                Hop { transport, local: nowhere, remote: nowhere, connection: None }
            }
        }
    }

    /// Sends a request outside of calls.
    pub(crate) fn start_towards(&mut self, now: Now, owner: Owner, draft: Draft, goal: Goal) {
        match goal {
            Goal::Here(step) => {
                self.send_along(now, owner, draft, VecDeque::from([step]));
            }
            Goal::There(wanted, guide) => {
                self.search(now, wanted, guide, Errand::Request(owner, Box::new(draft), None));
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
        self.timers.disarm(Timer::Unheard(id));
        match status {
            100..=199 => self.progressed(now, id, hop, status, response),
            200..=299 => self.accepted(now, id, hop, response),
            422 if self.invite_with_longer_interval(now, id, response) => {}
            _ => {
                let Some(far) = self.calls.get(id).map(|call| call.far) else { return };
                if (300..400).contains(&status) {
                    let contacts = contacts(response);
                    self.emit(id, Event::Redirected { call: id, status, contacts });
                }
                self.trunk_refused(id, status);
                if status == 430 {
                    self.flow_failed(id);
                }
                self.end(now, id, refusal(status, far).and_q850(q850_in(response)));
            }
        }
    }

    pub(crate) fn ring_timed_out(&mut self, now: Now, id: CallId) {
        let Some(far) = self.calls.get(id).map(|call| call.far) else { return };
        let ending = Ending::new(Cause::NoAnswer, far.side);
        self.cancel(now, id, &ending);
        self.end(now, id, ending);
    }

    /// Nobody is there who could even say that he is at work: the next place is tried, and after the last the call is lost.
    pub(crate) fn nothing_heard(&mut self, now: Now, id: CallId) {
        let Some(Call { far, phase: Phase::Outgoing(outgoing), .. }) = self.calls.get(id) else { return };
        if let Some(transaction) = outgoing.transaction
            && self.has_other_place(id, transaction)
        {
            return self.place_is_silent(now, transaction);
        }
        let ending = Ending::with_status(Cause::Lost, far.lost, 408);
        self.trunk_refused(id, 408);
        self.cancel(now, id, &ending);
        self.end(now, id, ending);
    }

    /// Withdraws our INVITE, now or as soon as that is allowed.
    pub(crate) fn cancel(&mut self, now: Now, id: CallId, why: &Ending) {
        let Some(Call { invite, phase: Phase::Outgoing(outgoing), .. }) = self.calls.get_mut(id) else {
            return;
        };
        if outgoing.cancel == Cancel::Sent {
            return;
        }
        let hop = outgoing.hop;
        let proceeding = outgoing.transaction.filter(|transaction| {
            self.transactions.invite_client(*transaction).is_some_and(|machine| machine.is_proceeding())
        });
        let Some(transaction) = proceeding else {
            outgoing.cancel = Cancel::Wanted;
            return;
        };
        outgoing.cancel = Cancel::Sent;
        let invite = invite.clone();
        self.start_cancel(now, id, hop, &invite, why);
        let (transactions, mut io) = self.split(now);
        transactions.limit_cancelled(transaction, &mut io);
    }

    fn progressed(&mut self, now: Now, id: CallId, hop: Hop, status: u16, response: &Message) {
        let Some(Call { ended, ending, invite, phase: Phase::Outgoing(outgoing), .. }) =
            self.calls.get_mut(id)
        else {
            return;
        };
        if outgoing.cancel == Cancel::Wanted {
            let why = ending.clone().unwrap_or(Ending::new(Cause::Cancelled, Side::System));
            return self.cancel(now, id, &why);
        }
        if status == 100 || *ended {
            return;
        }
        // An early description that cannot be read is none; the 2xx decides.
        let mut sdp = sdp_of(response).ok().flatten();
        let Some(tag) = response.to_tag() else {
            return self.emit(id, Event::Ringing { call: id, status, sdp, fork: 0 });
        };
        if !outgoing.early.contains_key(tag) {
            if outgoing.early.len() >= MAX_FORKS {
                return;
            }
            let way = Hop { connection: hop.connection, ..outgoing.hop };
            let dialog = Dialog::as_client(invite, response, way, outgoing.symmetric);
            let exchange = Exchange::new(dialog, invite.body().to_vec(), outgoing.timer);
            let fork = outgoing.early.len() as u32;
            outgoing.early.insert(tag.to_vec(), Early { exchange, sdp: None, rseq: None, fork });
        }
        let reliable = lists(response, Name::Require, "100rel");
        if reliable && !self.acknowledge_provisional(now, id, response) {
            return;
        }
        let Some(Call { phase: Phase::Outgoing(outgoing), .. }) = self.calls.get_mut(id) else { return };
        let Some(early) = outgoing.early.get_mut(tag) else { return };
        early.exchange.learn(response);
        if early.exchange.agreed {
            // RFC 3261 §13.2.1: the answer has been given; what comes after it is none.
            sdp = None;
        }
        if sdp.is_some() {
            early.sdp.clone_from(&sdp);
            early.exchange.agreed = reliable;
        }
        let fork = early.fork;
        self.emit(id, Event::Ringing { call: id, status, sdp, fork });
        self.ask_queued(now, id);
    }

    fn accepted(&mut self, now: Now, id: CallId, hop: Hop, response: &Message) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let tag = response.to_tag().unwrap_or_default().to_vec();
        let cseq = response.cseq().number;
        if let Some((hop, ack)) = call.ack_of(&tag, cseq) {
            return self.transmit(hop, ack);
        }
        if call.acks.len() >= MAX_FORKS {
            return;
        }
        let (sent, symmetric, early) = match &mut call.phase {
            Phase::Outgoing(outgoing) => (outgoing.hop, outgoing.symmetric, outgoing.early.remove(&tag)),
            Phase::Confirmed(exchange) => (exchange.dialog.hop, exchange.dialog.symmetric, None),
            Phase::Incoming(_) | Phase::Refused => return,
        };
        let way = Hop { connection: hop.connection, ..sent };
        let mut dialog = match &early {
            None => Dialog::as_client(&call.invite, response, way, symmetric),
            Some(early) => early.exchange.dialog.clone().confirmed(&call.invite, response, way, symmetric),
        };
        if let Some(used) = call.forks.remove(&tag) {
            dialog.local_cseq = used;
        }
        self.ack_in_dialog(now, id, &dialog, cseq);
        // The first to answer has the call; whoever comes later or too late is told so.
        let Some(Call { invite, forks, phase: phase @ Phase::Outgoing(_), .. }) = self.calls.live_mut(id)
        else {
            // Another fork has the call, or it was given up.
            let elsewhere = Ending::new(Cause::Replaced, Side::System);
            let why = self.calls.get(id).and_then(|call| call.ending.clone()).unwrap_or(elsewhere);
            return self.send_bye(now, id, dialog, &why);
        };
        let Phase::Outgoing(outgoing) = std::mem::replace(phase, Phase::Refused) else { return };
        let told = early.as_ref().and_then(|early| early.sdp.clone());
        let agreed = early.as_ref().is_some_and(|early| early.exchange.agreed);
        let mut exchange = match early {
            Some(early) => early.exchange,
            None => Exchange::new(dialog.clone(), invite.body().to_vec(), outgoing.timer),
        };
        exchange.dialog = dialog.clone();
        exchange.agreed = true;
        exchange.learn(response);
        exchange.queued = exchange.queued.take().or(outgoing.queued);
        for (tag, early) in outgoing.early {
            forks.insert(tag, early.exchange.dialog.local_cseq);
        }
        *phase = Phase::Confirmed(Box::new(exchange));
        self.timers.disarm(Timer::Ring(id));
        let sdp = match sdp_of(response) {
            // RFC 3261 §13.2.1: a reliable answer stands, whatever the 2xx says.
            Ok(_) if agreed => told,
            Ok(sdp) => sdp.or(told),
            Err(_) => {
                let ending = Ending::new(Cause::Incompatible, Side::System);
                self.send_bye(now, id, dialog, &ending);
                return self.end(now, id, ending);
            }
        };
        self.timer_granted(now, id, response);
        self.emit(id, Event::Answered { call: id, sdp });
        self.ask_queued(now, id);
    }
}

/// Where a redirection points, the preferred first. RFC 3261 §8.1.3.4
fn contacts(response: &Message) -> Vec<String> {
    match response.contacts() {
        Ok(Contacts::List(all)) => {
            all.iter().take(MAX_FORKS).map(|contact| text(contact.uri().raw())).collect()
        }
        Ok(Contacts::Any) | Err(_) => Vec::new(),
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
