//! The engine: owns the SIP stack, the ACD and all sessions of one shard, and conducts them.
//!
//! Invariants: a leg belongs to exactly one session and is indexed while it lives; a session without customer legs is
//! ended; nothing is told to anybody before the journal entry that it follows from was put out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use acd::Acd;
use dialplans::Plan;
use model::{
    AgentChange, AgentId, Author, Button, Change, Entry, Instant, LegId, Message, MessageId, Now, OfferId,
    QueueName, Record, SessionId, Side, Timestamp, VisitorId,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sip_core::api::{CallId, Event as SipEvent, Output as SipOutput};
use sip_core::shard::{Front, FrontOutput};

use crate::api::{
    AdminCommand, AgentEvent, AgentSetup, Config, Counts, Input, Output, QueueRule, Refusal, Reply,
    RequestId, TrunkPolicy, VisitorEvent,
};
use crate::contact::{Pending, Visitor};
use crate::park::Slot;
use crate::session::Session;
use crate::timers::{Timer, Timers};
use crate::trunks::trunk_changed;
use crate::view::{QueueStatus, SessionSummary};
use crate::wanted::LastAgents;
use crate::watch::Watches;

/// How often the floor is shown at most.
const FLOOR_INTERVAL: Duration = Duration::from_secs(1);

/// Most rows of a table for a person.
const MAX_ROWS: usize = 10_000;

pub struct Engine {
    pub(crate) config: Config,
    pub(crate) sip: Front,
    pub(crate) acd: Acd,
    pub(crate) plan: Option<Arc<Plan>>,
    /// The time of day of what is being handled.
    pub(crate) wall: Timestamp,
    /// Switches for emergencies that are on.
    pub(crate) switches: BTreeSet<String>,
    /// Apart from their keys, as their legs are: a node of the tree has room for eleven.
    pub(crate) sessions: BTreeMap<SessionId, Box<Session>>,
    /// Every live leg.
    pub(crate) legs: BTreeMap<LegId, SessionId>,
    pub(crate) calls: BTreeMap<CallId, LegId>,
    pub(crate) open_by_customer: BTreeMap<model::CustomerId, Vec<SessionId>>,
    /// Offers that are out.
    pub(crate) offers: BTreeMap<OfferId, SessionId>,
    /// Sessions with a place in a queue.
    pub(crate) waiting: BTreeSet<SessionId>,
    pub(crate) recordings: BTreeMap<model::RecordingId, SessionId>,
    pub(crate) agents: BTreeMap<AgentId, Agent>,
    pub(crate) logins: BTreeMap<String, AgentId>,
    pub(crate) visitors: BTreeMap<VisitorId, Visitor>,
    pub(crate) pending: BTreeMap<RequestId, Pending>,
    /// Calls whose customer the store is being asked for.
    pub(crate) pending_calls: BTreeMap<CallId, RequestId>,
    pub(crate) codes: BTreeMap<String, (SessionId, Instant)>,
    pub(crate) tokens: BTreeMap<String, (SessionId, Instant)>,
    /// When visitors typed wrong codes and asked to be phoned, lately.
    pub(crate) wrong_codes: VecDeque<Instant>,
    pub(crate) asked_calls: VecDeque<(Instant, String)>,
    /// Operators whom a colleague asks something on the phone: nothing is offered to them.
    pub(crate) consulted: BTreeMap<AgentId, SessionId>,
    pub(crate) parked: BTreeMap<Slot, SessionId>,
    pub(crate) trunks: Vec<String>,
    /// Of trunks without one the default holds.
    pub(crate) policies: BTreeMap<String, TrunkPolicy>,
    /// When a line of the routes was called by within the last second.
    pub(crate) route_calls: BTreeMap<usize, VecDeque<Instant>>,
    /// What visitors wrote in chats that are closed by now, the latest only: sender, his id of the message, where it stands.
    pub(crate) closed_messages: VecDeque<(VisitorId, String, Reply)>,
    pub(crate) watches: Watches,
    pub(crate) last_agents: LastAgents,
    pub(crate) queue_rules: BTreeMap<QueueName, Vec<QueueRule>>,
    pub(crate) timers: Timers,
    pub(crate) draining: bool,
    drained_said: bool,
    next_request: u64,
    desks_to_show: BTreeSet<AgentId>,
    floor_changed: bool,
    floor_due: bool,
    to_sweep: BTreeSet<SessionId>,
    rng: StdRng,
    outputs: VecDeque<Output>,
    /// Answers to operators: they follow everything that comes of the command, so that whoever has one sees the desk as it is.
    pub(crate) replies: Vec<Output>,
}

pub(crate) struct Agent {
    pub setup: AgentSetup,
    pub desk_open: bool,
}

impl Engine {
    pub fn new(now: Now, config: Config) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        let mut sip = Front::new(now, config.sip.clone());
        // There is no conversation yet that a SIP message could become part of: none is acknowledged and lost.
        sip.set_keeps_messages(false);
        let acd = Acd::new(rng.random());
        Self {
            config,
            sip,
            acd,
            plan: None,
            wall: Timestamp::default(),
            switches: BTreeSet::new(),
            sessions: BTreeMap::new(),
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            open_by_customer: BTreeMap::new(),
            offers: BTreeMap::new(),
            waiting: BTreeSet::new(),
            recordings: BTreeMap::new(),
            agents: BTreeMap::new(),
            logins: BTreeMap::new(),
            visitors: BTreeMap::new(),
            pending: BTreeMap::new(),
            pending_calls: BTreeMap::new(),
            codes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            wrong_codes: VecDeque::new(),
            asked_calls: VecDeque::new(),
            consulted: BTreeMap::new(),
            parked: BTreeMap::new(),
            trunks: Vec::new(),
            policies: BTreeMap::new(),
            route_calls: BTreeMap::new(),
            closed_messages: VecDeque::new(),
            watches: Watches::default(),
            last_agents: LastAgents::default(),
            queue_rules: BTreeMap::new(),
            timers: Timers::default(),
            draining: false,
            drained_said: false,
            next_request: 0,
            desks_to_show: BTreeSet::new(),
            floor_changed: false,
            floor_due: true,
            to_sweep: BTreeSet::new(),
            rng,
            outputs: VecDeque::new(),
            replies: Vec::new(),
        }
    }

    pub fn handle(&mut self, now: Now, input: Input) {
        self.wall = now.wall;
        match input {
            Input::Packet { hop, bytes } => self.sip.handle_packet(now, hop, &bytes),
            Input::ConnectionOpened { connection, tls_names } => {
                self.sip.handle_connection_opened(connection, tls_names);
            }
            Input::LookedUp { lookup, answer } => self.sip.handle_answer(now, lookup, answer),
            Input::ConnectionClosed(connection) => self.sip.handle_connection_closed(now, connection),
            Input::Unreachable(hop) => self.sip.handle_unreachable(now, hop),
            Input::Report(report) => self.sip.handle_report(now, report),
            Input::Media(event) => self.handle_media(now, event),
            Input::Outside { request, session, findings } => {
                self.outside_answers(now, request, session, findings);
            }
            Input::Resolved { request, customer } => self.handle_resolved(now, request, customer),
            Input::Visitor { request, visitor, command } => {
                self.handle_visitor(now, request, visitor, command)
            }
            Input::Agent { request, agent, command } => self.handle_agent(now, request, agent, command),
            Input::Admin(command) => self.handle_admin(now, command),
        }
        self.settle(now);
    }

    pub fn handle_timeout(&mut self, now: Now) {
        self.wall = now.wall;
        self.sip.handle_timeout(now);
        self.acd.handle_timeout(now);
        while let Some(timer) = self.timers.due(now.instant) {
            self.handle_timer(now, timer);
        }
        self.settle(now);
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.sip.poll_timeout(), self.acd.poll_timeout(), self.timers.next()].into_iter().flatten().min()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.len(),
            legs: self.legs.len(),
            offers: self.offers.len(),
            waiting: self.waiting.len(),
            pending_resolves: self.pending.len(),
            parked: self.parked.len(),
            consulted: self.consulted.len(),
            sip: self.sip.counts(),
        }
    }

    fn handle_timer(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Flow(session) => self.flow_timeout(now, session),
            Timer::OwnerGrace(session) => self.owner_grace_over(now, session),
            Timer::ChatIdle(session) => self.chat_idle(now, session),
            Timer::Code(code) => {
                if self.codes.get(&code).is_some_and(|(_, until)| *until <= now.instant) {
                    self.codes.remove(&code);
                }
            }
            Timer::Token(username) => {
                if self.tokens.get(&username).is_some_and(|(_, until)| *until <= now.instant) {
                    self.tokens.remove(&username);
                    self.sip.remove_credential(&username);
                }
            }
            Timer::Resolve(request) => self.resolve_timed_out(now, request),
            Timer::TransportLost(leg) => self.transport_lost(now, leg),
            Timer::Parked(session) => self.parked_too_long(now, session),
            Timer::Callback(session) => self.callback_due(now, session),
            Timer::CutOff(session) => self.cut_off_for_good(now, session),
            Timer::Floor => self.floor_due = true,
            Timer::Watch(subscription) => {
                self.tell_news(now, subscription);
            }
        }
    }

    fn handle_admin(&mut self, now: Now, command: AdminCommand) {
        match command {
            AdminCommand::SetAgent(setup) => {
                let config = acd::api::AgentConfig {
                    agent: setup.agent,
                    name: setup.login.as_str().into(),
                    queues: setup.queues.clone(),
                    capacity: setup.capacity,
                    blend: setup.routing.blend(),
                    skills: crate::wanted::skills(&setup.routing.skills),
                };
                self.acd.set_agent(now, config);
                self.logins.retain(|_, agent| *agent != setup.agent);
                self.logins.insert(setup.login.clone(), setup.agent);
                let desk_open = self.agents.get(&setup.agent).is_some_and(|agent| agent.desk_open);
                let agent = setup.agent;
                self.agents.insert(agent, Agent { setup, desk_open });
                self.reach(now, agent);
                self.show_desk(agent);
            }
            AdminCommand::RemoveAgent(agent) => {
                let sessions = self.sessions_of(agent);
                self.watches_end(now, agent);
                self.acd.remove_agent(now, agent);
                for id in sessions {
                    self.owner_is_no_more(now, id);
                }
                if let Some(agent) = self.agents.remove(&agent) {
                    self.logins.remove(&agent.setup.login);
                }
            }
            AdminCommand::SetCredential(credential) => self.sip.set_credential(credential),
            AdminCommand::RemoveCredential { username } => self.sip.remove_credential(&username),
            AdminCommand::SetTrunks(trunks) => {
                self.trunks = trunks.iter().map(|trunk| trunk.name.clone()).collect();
                self.sip.set_trunks(trunks);
            }
            AdminCommand::SetTrunkPolicies(policies) => self.policies = policies,
            AdminCommand::SetSessionTimers(timers) => self.sip.set_session_timers(timers),
            AdminCommand::SetDigest(algorithms) => self.sip.set_digest_algorithms(algorithms),
            AdminCommand::SetDemanded(extensions) => self.sip.set_demanded_extensions(extensions),
            AdminCommand::SetUserLimits(limits) => self.sip.set_user_limits(limits),
            AdminCommand::SetQueues(queues) => self.acd.set_queues(now, queues),
            AdminCommand::SetQueueRules(rules) => self.queue_rules = rules,
            AdminCommand::SetPlan(plan) => self.plan = Some(plan),
            AdminCommand::SetSwitches(on) => self.switches = on,
            AdminCommand::RestoreBinding(saved) => self.sip.restore_binding(now, *saved),
            AdminCommand::Restore(restored) => self.restore(now, *restored),
            AdminCommand::Inspect { request, topic } => {
                self.sip.inspect(now, request.0, topic, MAX_ROWS);
            }
            AdminCommand::Trunks { request } => {
                let states = self.sip.trunk_states().collect();
                self.put(Output::Trunks { request, states });
            }
            AdminCommand::Begin => self.sip.begin(),
            AdminCommand::PauseRecording { request, session, paused, by } => {
                let result = self.pause_by(now, session, paused, by).map(|()| Reply::Done);
                self.replies.push(Output::Reply { request, result });
            }
            AdminCommand::Drain => {
                self.draining = true;
                self.sip.set_draining(true);
            }
            AdminCommand::Stop => self.stop(now),
        }
    }

    /// Carries every consequence through, until all cores are quiet.
    fn settle(&mut self, now: Now) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.sip.poll_output() {
                quiet = false;
                self.pass_on(now, output);
            }
            while let Some(output) = self.acd.poll_output() {
                quiet = false;
                self.handle_acd(now, output);
            }
            if quiet && !self.tell_watchers(now) {
                break;
            }
        }
        for id in std::mem::take(&mut self.to_sweep) {
            if self.sessions.get(&id).is_some_and(|session| session.is_over()) {
                self.sessions.remove(&id);
            }
        }
        for agent in std::mem::take(&mut self.desks_to_show) {
            if let Some(desk) = self.desk_view(now, agent) {
                self.put(Output::ToAgent { agent: Some(agent), event: AgentEvent::Desk { desk } });
            }
        }
        if self.floor_changed && self.floor_due {
            self.floor_changed = false;
            self.floor_due = false;
            self.timers.set(now.instant + FLOOR_INTERVAL, Timer::Floor);
            let event = AgentEvent::Floor { queues: self.queue_statuses(now), sessions: self.summaries() };
            self.put(Output::ToAgent { agent: None, event });
            self.tell_positions(now);
        }
        self.outputs.extend(self.replies.drain(..));
        let quiet = self.calls.is_empty() && self.pending.is_empty() && !self.sip.is_signing_off();
        if self.draining && !self.drained_said && quiet {
            self.drained_said = true;
            self.put(Output::Drained);
        }
    }

    fn pass_on(&mut self, now: Now, output: FrontOutput) {
        let output = match output {
            FrontOutput::Stack(output) => output,
            FrontOutput::Order(shard, order) => return self.put(Output::Order { shard, order }),
            FrontOutput::Inspected { request, table } => {
                return self.put(Output::Inspected { request: RequestId(request), table });
            }
        };
        if let SipOutput::Event(event) = output {
            self.handle_sip(now, event);
        } else {
            self.put(Output::Sip(output));
        }
    }

    fn handle_sip(&mut self, now: Now, event: SipEvent) {
        match event {
            SipEvent::Incoming(incoming) => self.incoming_call(now, incoming),
            SipEvent::Confirmed { call, sdp } => self.call_confirmed(now, call, sdp),
            SipEvent::Ringing { call, sdp, .. } => self.call_ringing(now, call, sdp),
            SipEvent::Answered { call, sdp } => self.call_answered(now, call, sdp),
            SipEvent::Offer { call, sdp } => self.call_offer(now, call, sdp),
            // We make no offers within a dialog; an answer to one can only be late.
            SipEvent::OfferAnswered { .. } | SipEvent::OfferRefused { .. } => {}
            SipEvent::Info { call, content_type, body } => self.call_info(now, call, &content_type, &body),
            SipEvent::Ended { call, ending } => self.call_ended(now, call, ending),
            SipEvent::Refer { call, referral } => self.call_refer(now, call, &referral),
            SipEvent::Redirected { call, status, contacts } => {
                self.call_redirected(now, call, status, &contacts);
            }
            SipEvent::ReferProgress { .. } => {}
            SipEvent::Message(_) | SipEvent::MessageAnswered { .. } => {}
            SipEvent::Subscribed(subscription) => self.subscribed(now, subscription),
            SipEvent::Unsubscribed { subscription } => self.unsubscribed(subscription),
            SipEvent::Registered(binding) => self.registered(now, binding),
            SipEvent::Unregistered(binding) => self.unregistered(now, binding),
            SipEvent::TrunkChanged(state) => trunk_changed(&state),
        }
    }

    // --- what the other files write with ---

    pub(crate) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// A call that belongs to a session: whoever looks at the session finds its SIP messages.
    pub(crate) fn add_call(&mut self, session: SessionId, leg: LegId, call: CallId) {
        self.calls.insert(call, leg);
        if let Some(call_id) = self.sip.sip_call_id(call) {
            self.put(Output::SipCall { session, call_id });
        }
    }

    /// A call that the session has already: a further one goes the same way through the machine.
    pub(crate) fn call_in(&self, session: SessionId) -> Option<CallId> {
        self.sessions.get(&session)?.legs.values().find_map(|leg| leg.voice()?.call)
    }

    /// Writes a change into the session's journal and shows it to its operator. Returns its number.
    pub(crate) fn journal(&mut self, now: Now, id: SessionId, change: Change) -> u64 {
        let Some(session) = self.sessions.get_mut(&id) else { return 0 };
        let entry: Entry = session.next_entry(now, change);
        let seq = entry.seq;
        let audience = session
            .owner
            .or(session.wrap_ups.last().map(|wrap_up| wrap_up.agent))
            .or(session.offers.first().map(|live| live.agent));
        self.put(Output::Journal(Record::Session(entry.clone())));
        if let Some(agent) = audience {
            self.put(Output::ToAgent { agent: Some(agent), event: AgentEvent::Entry { entry } });
            self.show_desk(agent);
        }
        self.floor_changed = true;
        seq
    }

    pub(crate) fn journal_agent(&mut self, now: Now, agent: AgentId, status: model::AgentStatus, by: Side) {
        self.put(Output::Journal(Record::Agent(AgentChange { agent, at: now.wall, status, by })));
        self.show_desk(agent);
        self.floor_changed = true;
    }

    pub(crate) fn show_desk(&mut self, agent: AgentId) {
        self.watches.changed(agent);
        self.desks_to_show.insert(agent);
        self.floor_changed = true;
    }

    pub(crate) fn show_floor(&mut self) {
        self.floor_changed = true;
    }

    pub(crate) fn reply(&mut self, request: RequestId, result: Result<Reply, Refusal>) {
        self.put(Output::Reply { request, result });
    }

    pub(crate) fn next_request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    pub(crate) fn random(&mut self) -> [u8; 10] {
        self.rng.random()
    }

    /// A decimal code of six digits that is not in use.
    pub(crate) fn random_code(&mut self) -> String {
        loop {
            let code = format!("{:06}", self.rng.random_range(0..1_000_000u32));
            if !self.codes.contains_key(&code) {
                return code;
            }
        }
    }

    /// 160 random bits as hex.
    pub(crate) fn random_secret(&mut self) -> String {
        let bytes: [u8; 20] = self.rng.random();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes a message into the conversation and shows it to the customer's widget. Returns its number.
    pub(crate) fn say(
        &mut self,
        now: Now,
        id: SessionId,
        author: Author,
        text: String,
        buttons: Vec<Button>,
        external_id: Option<String>,
    ) -> u64 {
        let message = Message {
            id: MessageId::new(now.wall, self.random()),
            author,
            text,
            buttons,
            external_id: external_id.clone(),
        };
        let seq = self.journal(now, id, Change::Message { message: message.clone() });
        let Some(session) = self.sessions.get_mut(&id) else { return seq };
        session.last_word = now.instant;
        session.keep_message(message.clone());
        if let Some(external_id) = external_id {
            session.remember_message(external_id, seq, now.wall);
        }
        if let Some((_, visitor)) = session.chat() {
            let event = VisitorEvent::Message { session: id, seq, at: now.wall, message };
            self.put(Output::ToVisitor { visitor, event });
        }
        seq
    }

    fn queue_statuses(&self, now: Now) -> Vec<QueueStatus> {
        self.acd
            .queues(now)
            .into_iter()
            .map(|queue| QueueStatus {
                name: queue.name,
                waiting: queue.waiting,
                longest_wait_seconds: queue.longest_wait.as_secs(),
                agents_ready: queue.agents_ready,
                estimated_wait_seconds: queue.estimated_wait.map(|wait| wait.as_secs()),
                estimate_error_seconds: queue.estimate_error.as_secs(),
                estimates: queue.estimates,
            })
            .collect()
    }

    fn summaries(&self) -> Vec<SessionSummary> {
        self.sessions
            .values()
            .filter(|session| session.ended.is_none())
            .map(|session| SessionSummary {
                session: session.id,
                customer: session.customer.view(),
                media: session.media(),
                state: session.state(),
                owner: session.owner,
                queue: session.queue_name.clone(),
                opened: session.opened,
                parked: session.parked.map(|parked| parked.slot.to_string()),
            })
            .collect()
    }

    pub(crate) fn agent_name(&self, agent: AgentId) -> String {
        self.agents.get(&agent).map_or_else(|| agent.to_string(), |agent| agent.setup.name.clone())
    }

    /// The session may be over; it is looked at once everything has settled.
    pub(crate) fn sweep_later(&mut self, id: SessionId) {
        self.to_sweep.insert(id);
    }
}
