//! The first stack and what is known of the calls of the others: to its owner one stack.

use std::collections::{BTreeMap, VecDeque};

use model::{Cause, Ending, Instant, Now, Side};

use super::one::{Arrived, Begun, Failed};
use super::{Order, Placement, Report, ShardId};
use crate::api::{
    Answer, Binding, CallId, Config, ConnectionId, Counts, Credential, Event, Hop, IncomingCall, InviteError,
    LookupId, OutgoingCall, Output, Peer, Referral, Rejection, SavedBinding, SessionTimers, SubscriptionId,
    Trunk, TrunkState, UserLimits,
};
use crate::call::{NOT_ALLOWED, Prepared, final_status};
use crate::digest::Algorithm;
use crate::inspect::{Table, Topic};
use crate::quota::Over;
use crate::random::Random;
use crate::stack::Stack;
use crate::trunk::TrunkId;

/// Ids of calls that we begin start here, those of calls that come below.
const OURS: u64 = 1 << 55;
/// Questions of persons at once; what is beyond gets the first stack's part only.
const MOST_INSPECTIONS: usize = 64;

/// What the owner has to pass on.
pub enum FrontOutput {
    /// What a stack puts out.
    Stack(Output),
    /// For [`Shard::handle_order`](super::Shard::handle_order) of this stack.
    Order(ShardId, Order),
    /// Answer to [`Front::inspect`].
    Inspected { request: u64, table: Table },
}

/// A call of another stack that has not ended for the owner.
struct Remote {
    call_id: String,
    trunk: Option<TrunkId>,
    /// Whose quota it counts in.
    user: Option<String>,
    /// It came, and the owner has not answered it.
    unanswered: bool,
    /// The owner is told of it when it is known which call it replaces.
    held: Option<Held>,
}

struct Held {
    incoming: IncomingCall,
    /// What has come since.
    events: Vec<Event>,
}

/// What another stack is being asked.
enum Question {
    /// Whom this call takes the place of.
    Replaced(CallId),
    /// Which call this one is to be joined with.
    Joined(CallId, Referral),
    Inspect {
        request: u64,
        table: Table,
        most: usize,
        missing: usize,
    },
}

pub struct Front {
    home: Stack,
    placement: Placement,
    max_calls: usize,
    random: Random,
    remote: BTreeMap<CallId, Remote>,
    last_call: u64,
    last_shard: u8,
    questions: BTreeMap<u64, Question>,
    last_question: u64,
    full: bool,
    output: VecDeque<FrontOutput>,
}

impl Front {
    pub fn new(now: Now, config: Config) -> Front {
        let shards = config.shards.min(super::MOST_SHARDS);
        Front {
            placement: Placement::new(shards, config.seed),
            max_calls: config.max_calls,
            random: Random::of_shard(config.seed, ShardId(super::MOST_SHARDS + 1)),
            home: Stack::new(now, config),
            remote: BTreeMap::new(),
            last_call: OURS,
            last_shard: 0,
            questions: BTreeMap::new(),
            last_question: 0,
            full: false,
            output: VecDeque::new(),
        }
    }

    /// What [`Placement::of_message`] finds to be the first stack's.
    pub fn handle_packet(&mut self, now: Now, hop: Hop, bytes: &[u8]) {
        self.home.handle_packet(now, hop, bytes);
    }

    /// The others are to be told, too, of connections and of what cannot be reached.
    pub fn handle_connection_opened(&mut self, connection: ConnectionId, tls_names: Vec<String>) {
        self.home.handle_connection_opened(connection, tls_names);
    }

    pub fn handle_connection_closed(&mut self, now: Now, connection: ConnectionId) {
        self.home.handle_connection_closed(now, connection);
    }

    pub fn handle_unreachable(&mut self, now: Now, hop: Hop) {
        self.home.handle_unreachable(now, hop);
    }

    /// Those of the others (see [`LookupId::shard`]) are for them.
    pub fn handle_answer(&mut self, now: Now, lookup: LookupId, answer: Answer) {
        self.home.handle_answer(now, lookup, answer);
    }

    pub fn handle_timeout(&mut self, now: Now) {
        self.home.handle_timeout(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.home.poll_timeout()
    }

    pub fn poll_output(&mut self) -> Option<FrontOutput> {
        self.home.poll_output().map(FrontOutput::Stack).or_else(|| self.output.pop_front())
    }

    /// What another stack tells, in its order.
    pub fn handle_report(&mut self, now: Now, report: Report) {
        match report {
            Report::Incoming(arrived) => self.arrived(now, *arrived),
            Report::Event(event) => self.happened(event),
            Report::Found { question, outcome } => self.found(question, outcome),
            Report::Inspected { question, table } => self.inspected(question, table),
            Report::TrunkFailed(Failed(trunk)) => self.home.trunk_failed(trunk),
            Report::FlowFailed(binding) => self.home.unregister(binding),
        }
    }

    /// Everything is set up: the other stacks may take packets.
    pub fn begin(&mut self) {
        self.tell_all(|| Order::Begin);
    }

    // What is told to every stack.

    pub fn set_credential(&mut self, credential: Credential) {
        self.tell_all(|| Order::SetCredential(credential.clone()));
        self.home.set_credential(credential);
    }

    pub fn remove_credential(&mut self, username: &str) {
        self.tell_all(|| Order::RemoveCredential(username.to_owned()));
        self.home.remove_credential(username);
    }

    pub fn set_trunks(&mut self, trunks: Vec<Trunk>) {
        self.tell_all(|| Order::SetTrunks(trunks.clone()));
        self.home.set_trunks(trunks);
    }

    pub fn set_session_timers(&mut self, timers: SessionTimers) {
        self.tell_all(|| Order::SetSessionTimers(timers));
        self.home.set_session_timers(timers);
    }

    pub fn set_digest_algorithms(&mut self, algorithms: Vec<Algorithm>) {
        self.tell_all(|| Order::SetDigest(algorithms.clone()));
        self.home.set_digest_algorithms(algorithms);
    }

    pub fn set_demanded_extensions(&mut self, extensions: Vec<String>) {
        self.tell_all(|| Order::SetDemanded(extensions.clone()));
        self.home.set_demanded_extensions(extensions);
    }

    pub fn set_keeps_messages(&mut self, keeps: bool) {
        self.tell_all(|| Order::SetKeepsMessages(keeps));
        self.home.set_keeps_messages(keeps);
    }

    pub fn set_draining(&mut self, draining: bool) {
        self.tell_all(|| Order::SetDraining(draining));
        self.home.set_draining(draining);
    }

    // What the first stack alone has.

    pub fn set_user_limits(&mut self, limits: UserLimits) {
        self.home.set_user_limits(limits);
    }

    pub fn restore_binding(&mut self, now: Now, saved: SavedBinding) {
        self.home.restore_binding(now, saved);
    }

    pub fn bindings(&self, aor: &str) -> impl Iterator<Item = &Binding> + use<'_> {
        self.home.bindings(aor)
    }

    pub fn candidates(&mut self, now: Now, names: &[String]) -> Vec<String> {
        self.home.candidates(now, names)
    }

    pub fn trunk_states(&self) -> impl Iterator<Item = TrunkState> + use<'_> {
        self.home.trunk_states()
    }

    pub fn is_signing_off(&self) -> bool {
        self.home.is_signing_off()
    }

    pub fn denies(&self, number: &str) -> bool {
        self.home.denies(number)
    }

    pub fn charge(&mut self, now: Now, aor: &str, called: &str) -> Result<(), u16> {
        self.home.charge(now, aor, called)
    }

    pub fn user_at_home(&self, uri: &str) -> Option<String> {
        self.home.user_at_home(uri)
    }

    pub fn number_at_trunk(&self, trunk: &str, uri: &str) -> Option<String> {
        self.home.number_at_trunk(trunk, uri)
    }

    pub fn notify(&mut self, now: Now, subscription: SubscriptionId, state: Vec<u8>) {
        self.home.notify(now, subscription, state);
    }

    pub fn end_subscription(&mut self, now: Now, subscription: SubscriptionId, reason: &str) {
        self.home.end_subscription(now, subscription, reason);
    }

    // What may be any stack's.

    /// Of the calls of the others those alone that have not ended.
    pub fn counts(&self) -> Counts {
        let counts = self.home.counts();
        Counts { calls: counts.calls + self.remote.len(), ..counts }
    }

    pub fn sip_call_id(&self, call: CallId) -> Option<String> {
        match self.remote.get(&call) {
            Some(remote) => Some(remote.call_id.clone()),
            None => self.home.sip_call_id(call),
        }
    }

    pub fn spent_on(&mut self, aor: &str, call: CallId) {
        self.home.spent_on(aor, call);
        if let Some(remote) = self.remote.get_mut(&call) {
            remote.user = Some(aor.to_owned());
        }
    }

    /// As [`Stack::invite`]; on the stack of the call `beside`, if there is one.
    pub fn invite(
        &mut self,
        now: Now,
        call: OutgoingCall,
        beside: Option<CallId>,
    ) -> Result<CallId, InviteError> {
        let Some(shard) = self.shard_beside(beside) else { return self.home.invite(now, call) };
        let route = self.home.route(now, &call.target)?;
        let trunk = route.trunk;
        self.last_call += 1;
        let id = CallId(shard.base() | self.last_call);
        let call_id = self.call_id_of(shard);
        if let Some(trunk) = trunk {
            self.home.trunk_call_began(now, trunk, true);
        }
        let remote = Remote { call_id: call_id.clone(), trunk, user: None, unanswered: false, held: None };
        self.remember(id, remote);
        let prepared = Prepared { id, call_id, route, call };
        self.order(shard, Order::Invite(Begun(Box::new(prepared))));
        Ok(id)
    }

    pub fn ring(&mut self, now: Now, call: CallId, status: u16, sdp: Option<Vec<u8>>) {
        match self.is_remote(call) {
            false => self.home.ring(now, call, status, sdp),
            true => self.order(call.shard(), Order::Ring { call, status, sdp }),
        }
    }

    pub fn answer(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        match self.remote.get_mut(&call) {
            None => self.home.answer(now, call, sdp),
            Some(remote) => {
                remote.unanswered = false;
                self.order(call.shard(), Order::Answer { call, sdp });
            }
        }
    }

    pub fn reject(&mut self, now: Now, call: CallId, status: u16, reason: Option<&str>) {
        if !self.is_remote(call) {
            return self.home.reject(now, call, status, reason);
        }
        let status = if (300..700).contains(&status) { status } else { 480 };
        let cause = if status == 503 { Cause::Overload } else { Cause::Refused };
        self.order(call.shard(), Order::Reject { call, status, reason: reason.map(str::to_owned) });
        self.over(call, Ending::with_status(cause, Side::System, status));
    }

    pub fn hangup(&mut self, now: Now, call: CallId, cause: Cause, by: Side) {
        self.hangup_because(now, call, Ending::new(cause, by));
    }

    pub fn hangup_because(&mut self, now: Now, call: CallId, ending: Ending) {
        let Some(remote) = self.remote.get(&call) else {
            return self.home.hangup_because(now, call, ending);
        };
        let sip_status = if remote.unanswered { Some(final_status(&ending)) } else { ending.sip_status };
        self.order(call.shard(), Order::HangUp { call, ending: ending.clone() });
        self.over(call, Ending { sip_status, ..ending });
    }

    pub fn accept_offer(&mut self, now: Now, call: CallId, sdp: Vec<u8>) {
        match self.is_remote(call) {
            false => self.home.accept_offer(now, call, sdp),
            true => self.order(call.shard(), Order::AcceptOffer { call, sdp }),
        }
    }

    pub fn reject_offer(&mut self, now: Now, call: CallId, status: u16) {
        match self.is_remote(call) {
            false => self.home.reject_offer(now, call, status),
            true => self.order(call.shard(), Order::RejectOffer { call, status }),
        }
    }

    pub fn accept_refer(&mut self, now: Now, call: CallId) {
        match self.is_remote(call) {
            false => self.home.accept_refer(now, call),
            true => self.order(call.shard(), Order::AcceptRefer { call }),
        }
    }

    pub fn reject_refer(&mut self, now: Now, call: CallId, status: u16) {
        match self.is_remote(call) {
            false => self.home.reject_refer(now, call, status),
            true => self.order(call.shard(), Order::RejectRefer { call, status }),
        }
    }

    pub fn refer_progress(&mut self, now: Now, call: CallId, status: u16) {
        match self.is_remote(call) {
            false => self.home.refer_progress(now, call, status),
            true => self.order(call.shard(), Order::ReferProgress { call, status }),
        }
    }

    /// What is alive in all of them, at most `most` rows; [`FrontOutput::Inspected`] follows.
    pub fn inspect(&mut self, now: Now, request: u64, topic: Topic, most: usize) {
        let table = self.home.inspect(now, topic, most);
        let others: Vec<ShardId> = match topic {
            Topic::Dialogs | Topic::Transactions => self.placement.shards().collect(),
            Topic::Registrations | Topic::Trunks => Vec::new(),
        };
        let asking = self.questions.values().filter(|q| matches!(q, Question::Inspect { .. })).count();
        if others.is_empty() || asking >= MOST_INSPECTIONS {
            return self.output.push_back(FrontOutput::Inspected { request, table });
        }
        let question = self.ask(Question::Inspect { request, table, most, missing: others.len() });
        for shard in others {
            self.order(shard, Order::Inspect { question, topic, most });
        }
    }

    fn is_remote(&self, call: CallId) -> bool {
        call.shard() != ShardId::HOME
    }

    fn order(&mut self, shard: ShardId, order: Order) {
        self.output.push_back(FrontOutput::Order(shard, order));
    }

    fn tell_all(&mut self, order: impl Fn() -> Order) {
        self.output.extend(self.placement.shards().map(|shard| FrontOutput::Order(shard, order())));
    }

    fn emit(&mut self, event: Event) {
        self.output.push_back(FrontOutput::Stack(Output::Event(event)));
    }

    /// Where a call of ours goes: `None` when there is one stack only.
    fn shard_beside(&mut self, beside: Option<CallId>) -> Option<ShardId> {
        let many = self.placement.shards().count();
        if many == 0 {
            return None;
        }
        let its = beside.map(CallId::shard).filter(|shard| *shard != ShardId::HOME);
        Some(its.unwrap_or_else(|| {
            self.last_shard = if usize::from(self.last_shard) >= many { 1 } else { self.last_shard + 1 };
            ShardId(self.last_shard)
        }))
    }

    /// One that leads to this stack, should the call come back to us.
    fn call_id_of(&mut self, shard: ShardId) -> String {
        loop {
            let call_id = self.random.call_id();
            if self.placement.of_call_id(call_id.as_bytes()) == shard {
                return call_id;
            }
        }
    }

    fn remember(&mut self, call: CallId, remote: Remote) {
        self.remote.insert(call, remote);
        self.tell_whether_full();
    }

    fn tell_whether_full(&mut self) {
        let full = self.remote.len() >= self.max_calls;
        if std::mem::replace(&mut self.full, full) != full {
            self.tell_all(|| Order::SetFull(full));
        }
    }

    /// A call came in, and all that its own stack can know speaks for it.
    fn arrived(&mut self, now: Now, arrived: Arrived) {
        let Arrived { incoming, hop, call_id, replaces } = arrived;
        let call = incoming.call;
        let mut remote = Remote { call_id, trunk: None, user: None, unanswered: true, held: None };
        if let Err((status, reason, why)) = self.admit(now, &incoming, &mut remote) {
            self.output.push_back(FrontOutput::Stack(Output::Rejected { hop, why }));
            return self.order(call.shard(), Order::Reject { call, status, reason });
        }
        match replaces {
            None => {
                // Its own stack may not have heard yet that the owner has hung up that one.
                let gone = incoming.replaces.is_some_and(|other| !self.remote.contains_key(&other));
                self.remember(call, remote);
                if gone {
                    return self.refuse_unheard(call, 603);
                }
                self.emit(Event::Incoming(incoming));
            }
            Some(replaces) => {
                remote.held = Some(Held { incoming, events: Vec::new() });
                self.remember(call, remote);
                let whose = self.placement.of_replaces(&replaces);
                if whose == ShardId::HOME {
                    return self.refuse_unheard(call, 481);
                }
                let question = self.ask(Question::Replaced(call));
                self.order(whose, Order::Find { question, replaces, at_once: true });
            }
        }
    }

    /// What one stack alone cannot say: whether there is room, and what users may still do.
    fn admit(
        &mut self,
        now: Now,
        incoming: &IncomingCall,
        remote: &mut Remote,
    ) -> Result<(), (u16, Option<String>, Rejection)> {
        if self.remote.len() >= self.max_calls {
            return Err((503, None, Rejection::Overload));
        }
        match &incoming.peer {
            Peer::Trunk { name } => {
                remote.trunk = self.home.trunks.named(name).map(|entry| entry.id);
                if let Some(trunk) = remote.trunk {
                    self.home.trunk_call_began(now, trunk, false);
                }
            }
            Peer::User { aor, username } => match self.home.auth.is_one_time(username) {
                // Used up, or taken away, since its stack looked.
                None => return Err((403, None, Rejection::Forbidden)),
                Some(true) => self.remove_credential(username),
                Some(false) => {
                    self.home.spend(now, aor, &incoming.called).map_err(|over| match over {
                        Over::Destination => (403, Some(NOT_ALLOWED.to_owned()), Rejection::Limit),
                        Over::Calls => (503, None, Rejection::Limit),
                    })?;
                    self.home.spent_on(aor, incoming.call);
                    remote.user = Some(aor.clone());
                }
            },
        }
        Ok(())
    }

    fn happened(&mut self, event: Event) {
        let Some(call) = call_of(&event) else { return };
        // What crossed its end is nobody's business.
        let Some(remote) = self.remote.get_mut(&call) else { return };
        if let Some(held) = &mut remote.held {
            return held.events.push(event);
        }
        match event {
            Event::Ended { call, ending } => self.over(call, ending),
            Event::Refer { call, referral } => self.referred(call, referral),
            event => self.emit(event),
        }
    }

    /// It has ended, as far as the owner is concerned.
    fn over(&mut self, call: CallId, ending: Ending) {
        if self.forget(call) {
            self.emit(Event::Ended { call, ending });
        }
    }

    fn forget(&mut self, call: CallId) -> bool {
        let Some(remote) = self.remote.remove(&call) else { return false };
        if let Some(trunk) = remote.trunk {
            self.home.trunk_call_ended(trunk);
        }
        if let Some(user) = remote.user {
            self.home.spent_call_ended(&user, call);
        }
        self.tell_whether_full();
        true
    }

    /// A REFER that names a call which its own stack does not have: another may.
    fn referred(&mut self, call: CallId, mut referral: Referral) {
        let elsewhere = referral.replaces_elsewhere.as_deref().map(|value| self.placement.of_replaces(value));
        match elsewhere.filter(|shard| *shard != ShardId::HOME && *shard != call.shard()) {
            None => self.emit(Event::Refer { call, referral }),
            Some(shard) => {
                let replaces = referral.replaces_elsewhere.take().unwrap_or_default();
                referral.replaces_elsewhere = Some(replaces.clone());
                let question = self.ask(Question::Joined(call, referral));
                self.order(shard, Order::Find { question, replaces, at_once: false });
            }
        }
    }

    fn ask(&mut self, question: Question) -> u64 {
        self.last_question += 1;
        self.questions.insert(self.last_question, question);
        self.last_question
    }

    fn found(&mut self, question: u64, outcome: Result<CallId, u16>) {
        match self.questions.remove(&question) {
            Some(Question::Replaced(call)) => self.replaced(call, outcome),
            Some(Question::Joined(call, mut referral)) => {
                if let Some(other) = outcome.ok().filter(|other| self.remote.contains_key(other)) {
                    referral.replaces = Some(other);
                    referral.replaces_elsewhere = None;
                }
                if self.remote.contains_key(&call) {
                    self.emit(Event::Refer { call, referral });
                }
            }
            Some(Question::Inspect { .. }) | None => {}
        }
    }

    fn replaced(&mut self, call: CallId, outcome: Result<CallId, u16>) {
        // It may have ended for the owner while its stack was asked.
        let outcome =
            outcome.and_then(|other| if self.remote.contains_key(&other) { Ok(other) } else { Err(603) });
        let other = match outcome {
            Ok(other) => other,
            Err(status) => return self.refuse_unheard(call, status),
        };
        let Some(Held { incoming, events }) =
            self.remote.get_mut(&call).and_then(|remote| remote.held.take())
        else {
            return;
        };
        self.emit(Event::Incoming(IncomingCall { replaces: Some(other), ..incoming }));
        events.into_iter().for_each(|event| self.happened(event));
    }

    /// The owner never hears of it.
    fn refuse_unheard(&mut self, call: CallId, status: u16) {
        if self.forget(call) {
            self.order(call.shard(), Order::Reject { call, status, reason: None });
        }
    }

    fn inspected(&mut self, question: u64, more: Table) {
        let Some(Question::Inspect { request, table, most, missing }) = self.questions.get_mut(&question)
        else {
            return;
        };
        table.append(more, *most);
        *missing -= 1;
        if *missing == 0 {
            let (request, table) = (*request, std::mem::take(table));
            self.questions.remove(&question);
            self.output.push_back(FrontOutput::Inspected { request, table });
        }
    }
}

fn call_of(event: &Event) -> Option<CallId> {
    match event {
        Event::Incoming(incoming) => Some(incoming.call),
        Event::Confirmed { call, .. }
        | Event::Ringing { call, .. }
        | Event::Answered { call, .. }
        | Event::Offer { call, .. }
        | Event::OfferAnswered { call, .. }
        | Event::OfferRefused { call, .. }
        | Event::Info { call, .. }
        | Event::Refer { call, .. }
        | Event::ReferProgress { call, .. }
        | Event::Redirected { call, .. }
        | Event::Ended { call, .. } => Some(*call),
        Event::Message(message) => message.call,
        Event::Subscribed(_)
        | Event::Unsubscribed { .. }
        | Event::MessageAnswered { .. }
        | Event::Registered(_)
        | Event::Unregistered(_)
        | Event::TrunkChanged(_) => None,
    }
}
