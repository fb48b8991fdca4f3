//! The SIP stack: what its owner calls, and the way of every packet and timer to its place.
//!
//! Invariants: a stranger's request leaves nothing behind but its answer; whatever is kept has a timer that drops it;
//! [`Event::Ended`] is the last event of every call and comes once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{Cause, Ending, Instant, Now};

use crate::api::{
    Binding, CallId, Config, ConnectionId, Counts, Credential, Event, Hop, Output, Rejection, SessionTimers,
    Transport,
};
use crate::auth::Auth;
use crate::call::Calls;
use crate::digest::Algorithm;
use crate::frame::PONG;
use crate::keyed::Keys;
use crate::message::Message;
use crate::quota::Quota;
use crate::random::Random;
use crate::registrar::Registrar;
use crate::respond::ack_of_refusal;
use crate::shard::{Note, ShardId};
use crate::subscription::Subscriptions;
use crate::timer::{Timer, Timers};
use crate::transaction::{ClientKey, Heard, Io, Owner, TransactionId, Transactions};
use crate::trunk::Trunks;
use crate::way::Ways;

/// How often nonces in use are looked over.
const NONCE_SWEEP: Duration = Duration::from_secs(1);

pub struct Stack {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) timers: Timers,
    pub(crate) output: VecDeque<Output>,
    pub(crate) transactions: Transactions,
    pub(crate) calls: Calls,
    pub(crate) registrar: Registrar,
    pub(crate) auth: Auth,
    pub(crate) trunks: Trunks,
    pub(crate) quota: Quota,
    pub(crate) ways: Ways,
    /// What the verified certificates of open connections are for.
    pub(crate) tls_names: BTreeMap<ConnectionId, Vec<String>>,
    pub(crate) draining: bool,
    pub(crate) session_timers: SessionTimers,
    pub(crate) demanded: Vec<String>,
    pub(crate) keeps_messages: bool,
    /// Of the messages that we have sent outside of calls.
    pub(crate) last_message: u64,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) shard: ShardId,
    /// There are as many calls as may be, counted over all stacks.
    pub(crate) full: bool,
    /// What the first stack has to know, if this is another.
    pub(crate) notes: VecDeque<Note>,
}

impl Stack {
    pub fn new(_now: Now, config: Config) -> Stack {
        let random = Random::new(config.seed);
        Stack::build(config, ShardId::HOME, random)
    }

    /// A stack beside the first: it has calls and nothing else.
    pub(crate) fn of_shard(config: Config, shard: ShardId) -> Stack {
        let random = Random::of_shard(config.seed, shard);
        Stack::build(config, shard, random)
    }

    fn build(config: Config, shard: ShardId, mut random: Random) -> Stack {
        let auth = Auth::new(&config.domain, &mut random);
        let keys = Keys::new(&mut random);
        Stack {
            config,
            random,
            timers: Timers::new(keys.clone()),
            output: VecDeque::new(),
            transactions: Transactions::new(&keys),
            calls: Calls::new(keys, shard),
            registrar: Registrar::default(),
            auth,
            trunks: Trunks::default(),
            quota: Quota::default(),
            ways: Ways::new(shard),
            tls_names: BTreeMap::new(),
            draining: false,
            session_timers: SessionTimers::default(),
            demanded: Vec::new(),
            keeps_messages: true,
            last_message: 0,
            subscriptions: Subscriptions::default(),
            shard,
            full: false,
            notes: VecDeque::new(),
        }
    }

    /// One whole message, or a CRLF keep-alive.
    pub fn handle_packet(&mut self, now: Now, hop: Hop, bytes: &[u8]) {
        if bytes.iter().all(|c| matches!(c, b'\r' | b'\n')) {
            // RFC 5626 §4.4.1
            match bytes {
                b"\r\n\r\n" if hop.transport.is_stream() => {
                    self.heard_on(now, hop);
                    self.transmit(hop, Arc::from(PONG));
                }
                b"\r\n" => self.lone_crlf(now, hop),
                _ => {}
            }
            return;
        }
        self.heard_on(now, hop);
        let parsed = match hop.transport {
            Transport::Tcp | Transport::Tls => Message::parse_stream(bytes),
            Transport::Udp | Transport::Ws | Transport::Wss => Message::parse(bytes),
        };
        match parsed {
            Ok(message) if message.is_request() => self.receive_request(now, hop, &message),
            Ok(message) => self.receive_response(now, hop, &message),
            Err(error) => {
                let Some(answerable) = error.answerable else {
                    self.rejected(hop, Rejection::Unparsable);
                    return;
                };
                let reason = error.defect.to_string();
                let tag = self.random.tag();
                let answer = answerable.response(error.defect.status(), &reason, hop.remote, &tag);
                self.transmit(hop, Arc::from(answer.finish()));
                self.rejected(hop, Rejection::BadRequest);
            }
        }
        self.settle();
    }

    /// A peer has proved by its certificate who it is, in one or more names. Other connections need not be told of.
    pub fn handle_connection_opened(&mut self, connection: ConnectionId, tls_names: Vec<String>) {
        self.tls_names.insert(connection, tls_names);
    }

    /// The connection is closed, by whomever. Its bindings and browser calls die with it.
    pub fn handle_connection_closed(&mut self, now: Now, connection: ConnectionId) {
        self.tls_names.remove(&connection);
        self.registrar.watched.remove(&connection);
        for binding in self.registrar.of_connection(connection) {
            self.unregister(binding);
        }
        self.registrations_lost_with(now, connection);
        for (id, owner) in self.transactions.waiting_clients(|hop| hop.connection == Some(connection)) {
            self.fail_request(now, id, owner, 503);
        }
        let (transactions, mut io) = self.split(now);
        let unanswered = transactions.drop_servers_of(connection, &mut io);
        for call in unanswered {
            self.lose_caller(now, call);
        }
        self.drop_subscriptions_of(connection);
        for call in self.calls.of_connection(connection) {
            self.lose_connection(now, call, connection);
        }
        self.settle();
    }

    /// Could not connect or send to this hop.
    pub fn handle_unreachable(&mut self, now: Now, hop: Hop) {
        for (id, owner) in self.transactions.waiting_clients(|waiting| *waiting == hop) {
            self.fail_request(now, id, owner, 503);
        }
        self.settle();
    }

    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop(now.instant) {
            self.fire(now, timer);
        }
        self.settle();
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Adds or changes a digest account. Bindings made with it stay.
    pub fn set_credential(&mut self, credential: Credential) {
        self.auth.set(credential);
    }

    /// Also ends its bindings.
    pub fn remove_credential(&mut self, username: &str) {
        self.auth.remove(username);
        for binding in self.registrar.of_username(username) {
            self.unregister(binding);
        }
    }

    /// What to challenge for, the preferred first; at the start SHA-256 and MD5. Some phones give up when they meet SHA-256 or a second
    /// challenge at all (baresip 1.0 and SIPp 3.6 do): those need MD5 alone. An empty list changes nothing.
    pub fn set_digest_algorithms(&mut self, algorithms: Vec<Algorithm>) {
        if !algorithms.is_empty() {
            self.auth.set_algorithms(algorithms);
        }
    }

    /// Option tags that a caller must name in Supported or Require: others get 421. Callers by WebSocket need not. None at the start.
    pub fn set_demanded_extensions(&mut self, extensions: Vec<String>) {
        self.demanded = extensions;
    }

    /// Whether whoever owns the stack keeps the text messages that come (RFC 3428): they are acknowledged as they are handed over. Without
    /// it they are refused (405). True at the start.
    pub fn set_keeps_messages(&mut self, keeps: bool) {
        self.keeps_messages = keeps;
    }

    /// While draining, what would begin something gets 503 with Retry-After; registrations and requests within dialogs are served.
    /// Carriers are told that we are not to be called.
    pub fn set_draining(&mut self, draining: bool) {
        if self.draining != draining {
            self.draining = draining;
            self.reconsider_registrations();
        }
    }

    /// The contacts to ring for an address of record, the best liked first (those of equal `q` together).
    pub fn bindings(&self, aor: &str) -> impl Iterator<Item = &Binding> + use<'_> {
        self.registrar.to_ring(aor).into_iter().map(|entry| &entry.binding)
    }

    pub fn counts(&self) -> Counts {
        Counts {
            calls: self.calls.live(),
            lingering: self.calls.lingering(),
            transactions: self.transactions.len(),
            bindings: self.registrar.len(),
            nonces: self.auth.nonces(),
            subscriptions: self.subscriptions.len(),
        }
    }

    fn receive_response(&mut self, now: Now, hop: Hop, response: &Message) {
        // RFC 3261 §8.1.3.3: with a second Via it is not for us.
        let lone = response.vias().is_ok_and(|vias| vias.len() == 1);
        let found =
            ClientKey::of(response).filter(|_| lone).and_then(|key| self.transactions.find_client(&key));
        let (Some((id, owner)), Some(status)) = (found, response.status()) else {
            self.rejected(hop, Rejection::StrayResponse);
            return;
        };
        let (transactions, mut io) = self.split(now);
        let ack = |invite: &[u8]| ack_of_refusal(invite, response);
        let asked = if matches!(status, 401 | 407) { transactions.asked(id) } else { None };
        if transactions.on_response(id, status, ack, &mut io) == Heard::Absorbed {
            return;
        }
        // RFC 3263 §4.3
        if status == 503 && self.try_next(now, id, owner) {
            return;
        }
        let others = if status >= 200 { self.arrived(id, owner) } else { None };
        if asked.is_some_and(|asked| self.answer_challenge(now, owner, &asked, response, others)) {
            return;
        }
        match owner {
            Owner::Invite(call) => self.invite_answered(now, call, hop, status, response),
            Owner::Reinvite(call) | Owner::Update(call) => self.ask_answered(now, call, status, response),
            Owner::Refer(call) => self.refer_answered(call, status),
            Owner::Notify(call) => self.notify_answered(call, status),
            Owner::Message(message) => self.message_answered(message, status),
            Owner::Subscription(subscription) => self.subscriber_answered(now, subscription, status),
            Owner::Register(trunk) => self.register_answered(now, trunk, hop, status, response),
            Owner::Options(trunk) => self.options_answered(now, trunk, status),
            // Whatever the peer says: the call is over for us, or the INVITE decides.
            Owner::Cancel(_) | Owner::Bye(_) | Owner::Prack(_) | Owner::Said(_) => {}
        }
    }

    fn fire(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::A(id)
            | Timer::B(id)
            | Timer::D(id)
            | Timer::E(id)
            | Timer::F(id)
            | Timer::G(id)
            | Timer::H(id)
            | Timer::I(id)
            | Timer::J(id)
            | Timer::K(id)
            | Timer::L(id)
            | Timer::M(id)
            | Timer::Cancelled(id) => {
                let (transactions, mut io) = self.split(now);
                if let Some((_, owner)) = transactions.on_timer(id, timer, &mut io)
                    && !self.try_next(now, id, owner)
                {
                    self.request_failed(now, owner, 408);
                }
            }
            Timer::Answer(call) => self.repeat_answer(now, call),
            Timer::Unacknowledged(call) => self.give_up_ack(now, call),
            Timer::Provisional(call) => self.repeat_provisional(now, call),
            Timer::Ring(call) => self.ring_timed_out(now, call),
            Timer::Unheard(call) => self.nothing_heard(now, call),
            Timer::Glare(call) => self.ask_again(now, call),
            Timer::Refresh(call) => self.refresh_session(now, call),
            Timer::Expired(call) => self.session_expired(now, call),
            Timer::Reliable(call) => self.repeat_reliable(now, call),
            Timer::Unpracked(call) => self.give_up_prack(now, call),
            Timer::Forget(call) => self.forget(now, call),
            Timer::Subscription(subscription) => self.subscription_over(now, subscription),
            Timer::Silent(id) => self.place_is_silent(now, id),
            Timer::Search(id) => self.search_timed_out(now, id),
            Timer::Binding(binding) => self.unregister(binding),
            Timer::Registration(trunk) => self.registration_due(now, trunk),
            Timer::Health(trunk) => self.health_due(now, trunk),
            Timer::Ping(trunk) => self.ping_due(now, trunk),
            Timer::Nonce => {
                self.auth.forget_stale(now);
                if self.auth.nonces() > 0 {
                    self.timers.arm(Timer::Nonce, now.instant + NONCE_SWEEP);
                }
            }
        }
    }

    /// A request of ours cannot be answered any more.
    pub(crate) fn fail_request(&mut self, now: Now, id: TransactionId, owner: Owner, status: u16) {
        let (transactions, mut io) = self.split(now);
        transactions.stop_client(id, &mut io);
        if !self.try_next(now, id, owner) {
            self.request_failed(now, owner, status);
        }
    }

    pub(crate) fn request_failed(&mut self, now: Now, owner: Owner, status: u16) {
        match owner {
            Owner::Invite(call) => {
                let Some(by) = self.calls.get(call).map(|call| call.far.lost) else { return };
                self.trunk_refused(call, status);
                self.end(now, call, Ending::with_status(Cause::Lost, by, status));
            }
            Owner::Reinvite(call) | Owner::Update(call) => self.ask_lost(now, call, status),
            // The peer gives up its INVITE by itself then. RFC 3262 §3
            Owner::Prack(_) | Owner::Cancel(_) | Owner::Bye(_) | Owner::Said(_) => {}
            Owner::Refer(call) => self.refer_answered(call, status),
            Owner::Notify(call) => self.notify_answered(call, status),
            Owner::Message(message) => self.message_answered(message, status),
            Owner::Subscription(subscription) => self.subscriber_answered(now, subscription, status),
            Owner::Register(trunk) => self.registration_failed(now, trunk, status, None),
            Owner::Options(trunk) => self.options_answered(now, trunk, status),
        }
    }

    /// The machines, and what they work with.
    pub(crate) fn split(&mut self, now: Now) -> (&mut Transactions, Io<'_>) {
        let io = Io { now: now.instant, timers: &mut self.timers, output: &mut self.output };
        (&mut self.transactions, io)
    }

    pub(crate) fn transmit(&mut self, hop: Hop, bytes: Arc<[u8]>) {
        self.output.push_back(Output::Transmit { hop, bytes });
    }

    pub(crate) fn rejected(&mut self, hop: Hop, why: Rejection) {
        self.output.push_back(Output::Rejected { hop, why });
    }

    /// An event of a call that has ended is nobody's business any more.
    pub(crate) fn emit(&mut self, call: CallId, event: Event) {
        if self.calls.get(call).is_some_and(|call| !call.ended) {
            self.output.push_back(Output::Event(event));
        }
    }

    /// Drops the calls that nothing is owed to any more.
    pub(crate) fn settle(&mut self) {
        let mut doubtful = self.transactions.take_released();
        doubtful.append(&mut self.calls.just_ended);
        for id in doubtful {
            let done = self.calls.get(id).is_some_and(|call| call.ended && !call.awaits_ack());
            if done && !self.transactions.has_clients(id) {
                self.drop_call(id);
            }
        }
    }

    pub(crate) fn drop_call(&mut self, id: CallId) {
        self.calls.remove(id);
        self.forget_ways(id);
        for timer in [
            Timer::Answer,
            Timer::Unacknowledged,
            Timer::Provisional,
            Timer::Ring,
            Timer::Unheard,
            Timer::Glare,
            Timer::Refresh,
            Timer::Expired,
            Timer::Reliable,
            Timer::Unpracked,
            Timer::Forget,
        ] {
            self.timers.disarm(timer(id));
        }
    }
}
