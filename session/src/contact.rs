//! Who comes in, and which session he joins. A customer with an open session joins it; nobody takes a second place.

use std::sync::Arc;
use std::time::Duration;

use dialplans::Plan;
use dialplans::api::{ChannelKind, Entry as FlowEntry, FlowRef};
use media::api::{Channel, Command as MediaCommand, Encryption, LegKind};
use model::{
    Cause, Change, CustomerId, Ending, Evidence, Identity, Left, LegId, Medium, Now, Party, SessionId, Side,
    VisitorId,
};
use sip_core::api::{CallId, Diversion, IncomingCall, Peer, Transport};

use crate::api::{CustomerCard, Output, RequestId};
use crate::engine::Engine;
use crate::leg::{Leg, Line, Role, Voice};
use crate::phone;
use crate::session::Session;
use crate::timers::Timer;
use crate::view::LegState;

/// How long the store may take to say who a customer is.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Of what stands where a number should.
const LONGEST_NUMBER: usize = 64;

/// What waits for the store.
pub(crate) enum Pending {
    /// The plan is the one that the flow was found in, whatever is loaded until the store answers.
    Call { arrival: Box<Arrival>, plan: Arc<Plan>, flow: FlowRef, called: String, gone: bool },
    Chat {
        visitor: VisitorId,
        plan: Arc<Plan>,
        flow: FlowRef,
        account: String,
        waiting: Vec<(RequestId, String, String)>,
    },
    /// A visitor with an open session has told us more about himself.
    Identify { session: SessionId },
}

/// A call, with the number of its caller: working that out takes a while, so it is done once.
pub(crate) struct Arrival {
    incoming: IncomingCall,
    number: Option<String>,
}

/// A browser with the widget, while it is connected or has an open session.
#[derive(Default)]
pub(crate) struct Visitor {
    pub name: Option<String>,
    /// What he typed, besides the visitor id.
    pub identities: Vec<Identity>,
    pub session: Option<SessionId>,
    pub connected: bool,
    pub resolving: Option<RequestId>,
    pub wrong_codes: u32,
}

impl Engine {
    pub(crate) fn incoming_call(&mut self, now: Now, incoming: IncomingCall) {
        let call = incoming.call;
        if let Some(replaced) = incoming.replaces {
            return self.take_over(now, incoming, replaced);
        }
        if let Peer::User { username, .. } = &incoming.peer
            && let Some((session, _)) = self.tokens.remove(username)
        {
            if self.sessions.get(&session).is_some_and(|s| s.ended.is_none() && s.customer_voice().is_none())
            {
                self.journal(
                    now,
                    session,
                    Change::Escalated { to: Medium::Voice, by: Side::Customer, how: "browser".to_owned() },
                );
                self.join_call(now, session, Arrival { incoming, number: None });
            } else {
                self.sip.reject(now, call, 410, None);
            }
            return;
        }
        let Some(incoming) = self.operator_calls(now, incoming) else { return };
        // Whatever came so far is about a session that is there already.
        if self.draining || self.sessions.len() + self.pending.len() >= self.config.max_sessions {
            self.sip.reject(now, call, 503, Some("Overloaded"));
            return;
        }
        let Some((plan, flow, called)) = self.entry_of(&incoming.called) else {
            self.sip.reject(now, call, 404, None);
            return;
        };
        let number = self.caller_number(&incoming);
        let identities = number.clone().map(|number| (Identity::Phone(number), Evidence::Origin));
        let name = incoming.caller_name.clone().filter(|_| identities.is_some());
        let arrival = Arrival { incoming, number };
        let request = self.resolve(
            now,
            identities.into_iter().collect(),
            name,
            Pending::Call { arrival: Box::new(arrival), plan, flow, called, gone: false },
        );
        self.pending_calls.insert(call, request);
    }

    pub(crate) fn entry_of(&self, called: &str) -> Option<(Arc<Plan>, FlowRef, String)> {
        let plan = self.plan.clone()?;
        let entry = |number: String| {
            plan.entry(&FlowEntry::Sip(number.clone())).map(|flow| (plan.clone(), flow, number))
        };
        entry(called.to_owned()).or_else(|| entry(phone::normalise(&self.config.region, called)?))
    }

    fn caller_number(&self, incoming: &IncomingCall) -> Option<String> {
        match &incoming.peer {
            // Whoever does not want to be seen is not recognised either.
            Peer::Trunk { .. } if incoming.withheld => None,
            Peer::Trunk { .. } => phone::normalise(&self.config.region, &incoming.caller),
            // A user of ours calls under his own name; the number he writes into From proves nothing.
            Peer::User { .. } => None,
        }
    }

    pub(crate) fn resolve(
        &mut self,
        now: Now,
        identities: Vec<(Identity, Evidence)>,
        name: Option<String>,
        pending: Pending,
    ) -> RequestId {
        let request = self.next_request();
        self.pending.insert(request, pending);
        self.timers.set(now.instant + RESOLVE_TIMEOUT, Timer::Resolve(request));
        self.put(Output::Resolve { request, identities, name });
        request
    }

    pub(crate) fn handle_resolved(&mut self, now: Now, request: RequestId, customer: CustomerCard) {
        let Some(pending) = self.pending.remove(&request) else { return };
        match pending {
            Pending::Call { arrival, plan, flow, called, gone } => {
                self.pending_calls.remove(&arrival.incoming.call);
                self.admit_call(now, *arrival, (plan, flow), called, gone, customer);
            }
            Pending::Chat { visitor, plan, flow, account, waiting } => {
                self.admit_chat(now, visitor, (plan, flow), account, waiting, customer);
            }
            Pending::Identify { session } => self.identified(now, session, customer),
        }
    }

    pub(crate) fn resolve_timed_out(&mut self, now: Now, request: RequestId) {
        let Some(pending) = self.pending.remove(&request) else { return };
        tracing::error!(request = request.0, "the store did not say who a customer is");
        match pending {
            Pending::Call { arrival, .. } => {
                let incoming = arrival.incoming;
                self.pending_calls.remove(&incoming.call);
                self.sip.reject(now, incoming.call, 503, None);
            }
            Pending::Chat { visitor, waiting, .. } => {
                if let Some(visitor) = self.visitors.get_mut(&visitor) {
                    visitor.resolving = None;
                }
                for (request, _, _) in waiting {
                    self.reply(
                        request,
                        Err(crate::chat::refusal("try_again", "We could not open the chat just now.")),
                    );
                }
            }
            Pending::Identify { .. } => {}
        }
    }

    fn admit_call(
        &mut self,
        now: Now,
        arrival: Arrival,
        (plan, flow): (Arc<Plan>, FlowRef),
        called: String,
        gone: bool,
        customer: CustomerCard,
    ) {
        let joinable = self.joinable(customer.customer, Medium::Voice);
        if gone {
            // He gave up before we knew him. He called all the same, and the record says so.
            let id = self.open_session(now, customer, called, Medium::Voice);
            let ending = Ending::with_status(Cause::Cancelled, Side::Customer, 487);
            self.end_session(now, id, ending);
            return;
        }
        let diversion = arrival.incoming.diversion.clone();
        if let Some(id) = joinable {
            self.note_diversion(now, id, diversion);
            let superseded = self.sessions.get(&id).is_some_and(|session| {
                session.flow.is_some() && session.queued.is_none() && session.owner.is_none()
            });
            let caller = arrival.number.clone();
            let rung: Vec<LegId> = self.sessions.get(&id).map_or_else(Vec::new, |session| {
                session
                    .each_leg()
                    .filter(|leg| leg.role() == Some(Role::CustomerOut))
                    .map(|leg| leg.id)
                    .collect()
            });
            let leg = self.join_call(now, id, arrival);
            for rung in rung {
                self.hang_up(now, rung, Cause::Replaced, Side::Customer);
            }
            self.callback_withdrawn(now, id);
            self.back_in_place(now, id);
            if superseded && let Some(leg) = leg {
                // Nothing is waiting yet: the call's own flow leads from here.
                self.start_flow(now, id, leg, plan, flow, ChannelKind::Voice, caller, Some(called));
            }
            return;
        }
        let caller = arrival.number.clone();
        let id = self.open_session(now, customer, called.clone(), Medium::Voice);
        self.note_diversion(now, id, diversion);
        let leg = self.add_customer_call(now, id, arrival, false);
        self.start_flow(now, id, leg, plan, flow, ChannelKind::Voice, caller, Some(called));
    }

    /// Whom the call was meant for first, and why it was sent on to us: for flows and for whoever takes it.
    fn note_diversion(&mut self, now: Now, id: SessionId, diversion: Option<Diversion>) {
        let Some(Diversion { number, reason }) = diversion else { return };
        let number = number.chars().filter(|c| !c.is_control()).take(LONGEST_NUMBER).collect();
        self.set_context(now, id, "diverted_from".to_owned(), number, true);
        self.set_context(now, id, "diversion_reason".to_owned(), reason, true);
    }

    /// A call joins a session that is there already. Returns its leg.
    fn join_call(&mut self, now: Now, id: SessionId, arrival: Arrival) -> Option<LegId> {
        let leg = self.add_customer_call(now, id, arrival, true);
        self.customer_media_changed(now, id);
        self.legs.contains_key(&leg).then_some(leg)
    }

    /// The open session that a new contact of the customer becomes part of.
    pub(crate) fn joinable(&self, customer: CustomerId, medium: Medium) -> Option<SessionId> {
        let sessions = self.open_by_customer.get(&customer)?;
        sessions.iter().copied().find(|id| {
            self.sessions.get(id).is_some_and(|session| {
                session.ended.is_none()
                    && match medium {
                        // Two calls at once are two conversations, such as two people behind one company number.
                        // One whom we are just ringing is the one who calls.
                        Medium::Voice => session.customer_call().is_none(),
                        Medium::Chat => session.chat().is_none(),
                    }
            })
        })
    }

    pub(crate) fn open_session(
        &mut self,
        now: Now,
        customer: CustomerCard,
        entry: String,
        medium: Medium,
    ) -> SessionId {
        let id = SessionId::new(now.wall, self.random());
        let customer_id = customer.customer;
        self.sessions.insert(id, Box::new(Session::new(now, id, customer)));
        self.open_by_customer.entry(customer_id).or_default().push(id);
        self.journal(now, id, Change::SessionOpened { customer: customer_id, entry, medium });
        id
    }

    fn add_customer_call(&mut self, now: Now, id: SessionId, arrival: Arrival, answer: bool) -> LegId {
        let Arrival { incoming, number } = arrival;
        let leg = LegId::new(now.wall, self.random());
        let kind = match incoming.transport {
            Transport::Ws | Transport::Wss => LegKind::WebRtc,
            Transport::Udp | Transport::Tcp | Transport::Tls => {
                let nat = matches!(incoming.peer, Peer::User { .. });
                LegKind::Rtp { nat, encryption: self.encryption_of(&incoming.peer) }
            }
        };
        let codecs = match &incoming.peer {
            Peer::Trunk { name } => self.policies.get(name).map(|policy| policy.codecs.clone()),
            Peer::User { .. } => None,
        };
        let address = match &incoming.peer {
            // Known to the carrier, maybe to us, and not to be told to anybody.
            Peer::Trunk { .. } if incoming.withheld => "withheld".to_owned(),
            Peer::Trunk { .. } => {
                number.unwrap_or_else(|| incoming.caller.chars().take(LONGEST_NUMBER).collect())
            }
            Peer::User { username, aor } if username.starts_with("talk-") => {
                let _ = aor;
                "browser".to_owned()
            }
            Peer::User { aor, .. } => aor.clone(),
        };
        let voice = Voice::incoming(Role::CustomerIn, &incoming, answer);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.forwards = Some(incoming.max_forwards);
            session.hops = incoming.hops;
        }
        self.add_call(id, leg, incoming.call);
        self.add_leg(now, id, leg, Party::Customer, address, Line::Voice(Box::new(voice)));
        if !answer {
            self.sip.ring(now, incoming.call, 180, None);
        }
        let offer = incoming.sdp.map(Into::into);
        self.put(Output::Media(MediaCommand::Open {
            leg,
            session: id,
            channel: Channel::Customer,
            kind,
            offer,
            codecs: codecs.unwrap_or_default(),
        }));
        leg
    }

    /// By whom a plain call comes from.
    pub(crate) fn encryption_of(&self, peer: &Peer) -> Encryption {
        match peer {
            Peer::Trunk { name } => self.policies.get(name).map(|policy| policy.encryption),
            Peer::User { aor, .. } => {
                let agent = self.logins.get(aor).and_then(|agent| self.agents.get(agent));
                agent.map(|agent| agent.setup.encryption)
            }
        }
        .unwrap_or_default()
    }

    pub(crate) fn add_leg(
        &mut self,
        now: Now,
        id: SessionId,
        leg: LegId,
        party: Party,
        address: String,
        line: Line,
    ) {
        let (medium, state) = match line {
            Line::Voice(_) => (Medium::Voice, LegState::Ringing),
            Line::Chat(_) => (Medium::Chat, LegState::Up),
        };
        self.legs.insert(leg, id);
        if let Party::Agent { agent } = party {
            self.watches.leg_opened(agent, leg);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.legs.insert(
            leg,
            Box::new(Leg {
                id: leg,
                medium,
                party: party.clone(),
                address: address.clone(),
                state,
                since: now.wall,
                held: false,
                muted: false,
                rang: false,
                line,
            }),
        );
        self.journal(now, id, Change::LegOpened { leg, medium, party, address });
    }

    /// The caller gave up while the store was being asked. Whether the call was one of those.
    pub(crate) fn pending_call_ended(&mut self, call: CallId) -> bool {
        let Some(request) = self.pending_calls.remove(&call) else { return false };
        if let Some(Pending::Call { gone, .. }) = self.pending.get_mut(&request) {
            *gone = true;
        }
        true
    }

    fn identified(&mut self, now: Now, id: SessionId, customer: CustomerCard) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.ended.is_some() {
            return;
        }
        let before = session.customer.customer;
        let after = customer.customer;
        session.customer = customer;
        if before == after {
            if let Some(agent) = session.owner {
                self.show_desk(agent);
            }
            return;
        }
        self.leave_customer(before, id);
        let other = self.joinable(after, Medium::Chat);
        self.open_by_customer.entry(after).or_default().push(id);
        self.journal(now, id, Change::CustomerChanged { customer: after });
        let only_chat = self.sessions.get(&id).is_some_and(|session| session.customer_voice().is_none());
        if let Some(other) = other.filter(|other| *other != id && only_chat) {
            self.absorb(now, id, other);
        }
    }

    pub(crate) fn leave_customer(&mut self, customer: CustomerId, id: SessionId) {
        if let Some(sessions) = self.open_by_customer.get_mut(&customer) {
            sessions.retain(|session| *session != id);
            if sessions.is_empty() {
                self.open_by_customer.remove(&customer);
            }
        }
    }

    /// The chat of one session goes on in another one of the same customer: its leg, its answers and the better place move.
    pub(crate) fn absorb(&mut self, now: Now, from: SessionId, into: SessionId) {
        let Some(source) = self.sessions.get_mut(&from) else { return };
        let Some((leg_id, visitor)) = source.chat() else { return };
        let Some(leg) = source.legs.remove(&leg_id) else { return };
        let context = std::mem::take(&mut source.context);
        let transcript = std::mem::take(&mut source.transcript);
        let account = source.chat_account.take();
        let queued = source.queued.clone();
        let owner = source.owner.take();
        let (paused, wanted) = (source.recording.paused, source.recording.wanted);
        source.flow = None;
        self.dequeued(now, from, Left::Joined);
        self.journal(now, from, Change::MergedInto { session: into });
        if owner.is_some() {
            // His slot goes with the session that ends; wrap-up belongs to the one that goes on.
            self.acd.release(now, from);
        }
        if let Some(owner) = owner {
            self.show_desk(owner);
        }
        let address = leg.address.clone();
        self.add_leg(now, into, leg_id, Party::Customer, address, leg.line);
        if let Some(visitor) = self.visitors.get_mut(&visitor) {
            visitor.session = Some(into);
        }
        self.timers.set(now.instant + self.config.chat_idle, Timer::ChatIdle(into));
        if let Some(session) = self.sessions.get_mut(&into) {
            session.chat_account = session.chat_account.take().or(account);
        }
        for (key, value) in context {
            self.set_context(now, into, key, value, false);
        }
        self.merge_recording(now, into, paused, wanted);
        // What he has written is read where it goes on, and is recognised there when it comes again.
        for message in transcript {
            self.say(now, into, message.author, message.text, message.buttons, message.external_id);
        }
        self.end_session(now, from, Ending::new(Cause::Merged, Side::System));

        let free = self.sessions.get(&into).is_some_and(|session| session.owner.is_none());
        if free {
            if let Some(owner) = owner {
                self.take_ownership(now, into, owner);
            } else if let Some(place) = queued {
                // Without room for it the flow goes on that serves him there.
                self.improve_place(now, into, place);
            }
        }
        self.customer_media_changed(now, into);
        self.visitor_state(now, into);
    }
}
