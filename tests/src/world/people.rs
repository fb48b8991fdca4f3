//! Callers behind a carrier, operators with desk phones on connections that die, and visitors of the web chat.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, AgentStatus, Cause, Ending, Now, SessionId, Side};
use rand::RngExt;
use session::api::{AgentCommand, AgentEvent};
use session::view::{DeskView, SessionState};
use sip_core::Stack;
use sip_core::api::{
    Account, CallId, Config, ConnectionId, Event as SipEvent, Hop, Listener, OutgoingCall,
    Output as SipOutput, Secret, Target, Transport,
};
use sip_core::digest;
use sip_core::message::{Message, Method, Name};

use super::{DOMAIN, Event, NUMBER, PASSWORD, World, server_address};

pub(crate) const CARRIER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 5060);

#[derive(Clone, Debug)]
pub(crate) enum CallerAct {
    Call { caller: String },
    HangUp { call: CallId },
    Answer { call: CallId },
    Refuse { call: CallId },
}

#[derive(Clone, Debug)]
pub(crate) enum OperatorAct {
    SignIn,
    Answer {
        call: CallId,
    },
    Refuse {
        call: CallId,
    },
    HangUp {
        call: CallId,
    },
    /// He sends the customer of this call on, asks somebody first, or dials a code.
    Transfer {
        call: CallId,
    },
    /// Somebody joins, leaves, is supervised or taken over, if he is in a call or a colleague is.
    Meet,
    /// He joins two of his calls.
    Join {
        call: CallId,
        other: CallId,
    },
    /// The device dies without a word.
    Die,
    Ready,
    Accept {
        offer: model::OfferId,
    },
    Write {
        session: SessionId,
        n: u32,
    },
    CloseChat {
        session: SessionId,
    },
    FinishWrapUp {
        session: SessionId,
    },
    CallCustomer {
        session: SessionId,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum VisitorAct {
    Hello,
    Write { n: u32, repeats: u32 },
    Close,
    CallMe { phone: String },
}

/// The status of a 18x and the description in it.
pub type Provisional = (u16, Option<Vec<u8>>);

pub(crate) struct Carrier {
    pub stack: Stack,
    /// Calls of ours that it was asked to deliver, for scripts.
    pub rung: Vec<CallId>,
    /// The last INVITE that came, as it came.
    pub invited: Option<(Hop, Vec<u8>)>,
    /// Calls that ended at the caller, and how, for scripts.
    pub ended: BTreeMap<CallId, Ending>,
    /// What the callers of calls that ring were last told: the status of the 18x, and its description.
    pub heard: BTreeMap<CallId, Vec<Provisional>>,
    /// Calls that were answered, with the description in the answer.
    pub answered: BTreeMap<CallId, Option<Vec<u8>>>,
    /// The numbers of those calls.
    pub called: Vec<String>,
    /// What became of the transfers that it asked for.
    pub told: Vec<(u16, bool)>,
    /// What stands in the Contact of its 302.
    pub moved_to: String,
}

pub(crate) struct Operator {
    pub stack: Stack,
    pub login: String,
    /// His phone is a browser's: to us it speaks WebSocket.
    pub in_browser: bool,
    address: SocketAddr,
    pub connection: Option<ConnectionId>,
    cseq: u32,
    pub desk: Option<DeskView>,
    /// Calls that ring or ran on the device, for scripts; the last is the newest.
    pub rung: Vec<CallId>,
    /// Calls that ended at the device, and how, for scripts.
    pub ended: Vec<(CallId, Ending)>,
    /// Calls of his own that were answered.
    pub answered: Vec<CallId>,
    /// The Replaces value of the last call that rang with an early dialog.
    pub early: Option<String>,
    /// The Replaces value of his own last call that rang, as we know it.
    pub called_early: Option<String>,
    /// What stands in the Contact of his 302.
    pub moved_to: String,
    /// Its ACKs do not reach us.
    pub acks_get_lost: bool,
    /// A CANCEL said that the call is completed elsewhere.
    pub cancelled_as_taken: bool,
    /// What became of the transfers that he asked for: statuses, and whether that was the last word.
    pub told: Vec<(u16, bool)>,
    /// The SUBSCRIBE that waits for its challenge: package and colleague.
    asks: Option<(String, String)>,
    /// What its NOTIFYs said: when, Subscription-State and body.
    pub notified: Vec<(model::Instant, String, String)>,
    /// How its SUBSCRIBEs were answered.
    pub granted: Vec<u16>,
    planned: BTreeMap<SessionId, ()>,
    planned_offers: BTreeMap<model::OfferId, ()>,
}

pub(crate) struct Visitor {
    pub phone: Option<String>,
    pub messages: u32,
}

fn peer_stack(now: Now, transport: Transport, local: SocketAddr, seed: [u8; 32]) -> Stack {
    let mut stack = Stack::new(
        now,
        Config {
            domain: "peer.test".to_owned(),
            server_name: "Peer".to_owned(),
            listeners: vec![Listener { name: None, transport, local, advertised: local.to_string() }],
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(3600),
            max_bindings: 5,
            max_calls: 10_000,
            shards: 0,
            seed,
        },
    );
    let mut tandem = sip_core::testing::trunk("tandem", server_address(transport), transport);
    // Also when its caller does not want to be named.
    tandem.identity.assert = true;
    stack.set_trunks(vec![tandem]);
    stack
}

/// A phone that can also call, with its password.
fn phone(now: Now, login: &str, address: SocketAddr, seed: [u8; 32]) -> Stack {
    let mut stack = peer_stack(now, Transport::Tcp, address, seed);
    let mut server = sip_core::testing::trunk("tandem", server_address(Transport::Tcp), Transport::Tcp);
    server.domain = Some(DOMAIN.to_owned());
    server.account =
        Some(Account { username: login.to_owned(), password: Secret::new(PASSWORD), realm: None });
    server.identity.from_account = true;
    stack.set_trunks(vec![server]);
    stack
}

impl Carrier {
    pub fn new(now: Now, seed: [u8; 32]) -> Self {
        Self {
            stack: peer_stack(now, Transport::Udp, CARRIER, seed),
            rung: Vec::new(),
            invited: None,
            ended: BTreeMap::new(),
            heard: BTreeMap::new(),
            answered: BTreeMap::new(),
            called: Vec::new(),
            told: Vec::new(),
            moved_to: String::new(),
        }
    }
}

impl Operator {
    pub fn new(now: Now, login: String, n: usize, seed: [u8; 32]) -> Self {
        let address = SocketAddr::from(([10, 0, 1, u8::try_from(n + 1).unwrap_or(254)], 5060));
        Self {
            stack: phone(now, &login, address, seed),
            login,
            in_browser: false,
            address,
            connection: None,
            cseq: 0,
            desk: None,
            rung: Vec::new(),
            ended: Vec::new(),
            answered: Vec::new(),
            early: None,
            moved_to: String::new(),
            called_early: None,
            acks_get_lost: false,
            cancelled_as_taken: false,
            told: Vec::new(),
            asks: None,
            notified: Vec::new(),
            granted: Vec::new(),
            planned: BTreeMap::new(),
            planned_offers: BTreeMap::new(),
        }
    }

    fn outwards(&self) -> Transport {
        if self.in_browser { Transport::Ws } else { Transport::Tcp }
    }

    fn register(&mut self, authorization: Option<String>) -> Vec<u8> {
        self.cseq += 1;
        let (login, address, cseq) = (&self.login, self.address, self.cseq);
        let authorization =
            authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        format!(
            "REGISTER sip:{DOMAIN} SIP/2.0\r\n\
             Via: SIP/2.0/TCP {address};branch=z9hG4bK-{login}-{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{login}@{DOMAIN}>;tag=t{login}\r\nTo: <sip:{login}@{DOMAIN}>\r\n\
             Call-ID: register-{login}-{address}\r\nCSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{login}@{address};transport=tcp>;expires=3600\r\n{authorization}Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }
}

impl Operator {
    fn subscribe(&mut self, event: &str, user: &str, authorization: Option<String>) -> Vec<u8> {
        self.cseq += 1;
        let (login, address, cseq) = (&self.login, self.address, self.cseq);
        let authorization =
            authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        self.asks = authorization.is_empty().then(|| (event.to_owned(), user.to_owned()));
        format!(
            "SUBSCRIBE sip:{user}@{DOMAIN} SIP/2.0\r\n\
             Via: SIP/2.0/TCP {address};branch=z9hG4bK-{login}-{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{login}@{DOMAIN}>;tag=s{login}\r\nTo: <sip:{user}@{DOMAIN}>\r\n\
             Call-ID: subscribe-{event}-{user}-{address}\r\nCSeq: {cseq} SUBSCRIBE\r\nEvent: {event}\r\n\
             Expires: 600\r\nContact: <sip:{login}@{address};transport=tcp>\r\n{authorization}\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }
}

/// An answer with what it has to copy of its request.
pub(crate) fn answer_of(request: &[u8], status: u16, to_tag: Option<&str>) -> String {
    let request = String::from_utf8_lossy(request).into_owned();
    let mut answer = format!("SIP/2.0 {status} Answer\r\n");
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        match (name, to_tag) {
            ("Via" | "From" | "Call-ID" | "CSeq", _) | ("To", None) => answer += &format!("{line}\r\n"),
            ("To", Some(tag)) => answer += &format!("{line};tag={tag}\r\n"),
            _ => {}
        }
    }
    answer
}

impl World {
    /// His phone asks to be told of a colleague.
    pub fn operator_subscribes(&mut self, agent: AgentId, event: &str, user: &str) {
        let Some(operator) = self.operators.get_mut(&agent) else { return };
        let bytes = operator.subscribe(event, user, None);
        let hop = Hop {
            transport: Transport::Tcp,
            local: operator.address,
            remote: server_address(Transport::Tcp),
            connection: operator.connection,
        };
        self.network.send(self.now.instant, hop, bytes.into());
    }

    // --- callers ---

    pub(crate) fn caller_acts(&mut self, act: CallerAct) {
        let now = self.now;
        match act {
            CallerAct::Call { caller } => {
                let call = self.carrier.stack.invite(
                    now,
                    OutgoingCall {
                        target: Target::Trunk { name: "tandem".to_owned(), number: NUMBER.to_owned() },
                        caller,
                        caller_name: None,
                        identity: Default::default(),
                        sdp: b"v=0 caller".to_vec(),
                        headers: Vec::new(),
                        ring_timeout: Duration::from_secs(180),
                        silence: None,
                        options: Default::default(),
                    },
                );
                let Ok(call) = call else { panic!("the carrier cannot call") };
                // Some give up at once, at any moment of the set-up; most talk for a while.
                let patience = if self.percent(15) {
                    Duration::from_micros(self.random.random_range(0..2_000_000))
                } else {
                    Duration::from_millis(self.random.random_range(1_000..240_000))
                };
                self.schedule(now.instant + patience, Event::Caller(CallerAct::HangUp { call }));
            }
            CallerAct::HangUp { call } => self.carrier.stack.hangup(now, call, Cause::HungUp, Side::Customer),
            CallerAct::Answer { call } => self.carrier.stack.answer(now, call, b"v=0 customer".to_vec()),
            CallerAct::Refuse { call } => self.carrier.stack.reject(now, call, 486, None),
        }
        self.drain_carrier();
    }

    pub(crate) fn drain_carrier(&mut self) {
        while let Some(output) = self.carrier.stack.poll_output() {
            match output {
                SipOutput::Transmit { hop, bytes } => {
                    let bytes = moved(&self.carrier.moved_to, bytes);
                    self.network.send(self.now.instant, hop, bytes);
                }
                SipOutput::CloseConnection(connection) => self.network.cut(self.now.instant, connection),
                SipOutput::Lookup { .. }
                | SipOutput::Expect { .. }
                | SipOutput::Watch { .. }
                | SipOutput::Binding(_) => {}
                SipOutput::Rejected { .. } | SipOutput::Authenticated { .. } => {}
                SipOutput::Event(SipEvent::Incoming(incoming)) if self.scripted => {
                    self.carrier.rung.push(incoming.call);
                    self.carrier.called.push(incoming.called);
                }
                SipOutput::Event(SipEvent::Incoming(incoming)) => {
                    let call = incoming.call;
                    let delay = Duration::from_millis(self.random.random_range(100..8_000));
                    let act = if self.percent(80) {
                        CallerAct::Answer { call }
                    } else {
                        CallerAct::Refuse { call }
                    };
                    self.schedule(self.now.instant + delay, Event::Caller(act));
                    let talk = Duration::from_millis(self.random.random_range(5_000..90_000));
                    self.schedule(self.now.instant + delay + talk, Event::Caller(CallerAct::HangUp { call }));
                }
                SipOutput::Event(SipEvent::Ended { call, ending }) => {
                    self.carrier.ended.insert(call, ending);
                }
                SipOutput::Event(SipEvent::Ringing { call, status, sdp, .. }) => {
                    self.carrier.heard.entry(call).or_default().push((status, sdp));
                }
                SipOutput::Event(SipEvent::Answered { call, sdp }) => {
                    self.carrier.answered.insert(call, sdp);
                }
                SipOutput::Event(SipEvent::ReferProgress { status, over, .. }) => {
                    self.carrier.told.push((status, over));
                }
                SipOutput::Event(_) => {}
            }
        }
    }

    // --- operators ---

    pub(crate) fn operator_acts(&mut self, agent: AgentId, act: OperatorAct) {
        let now = self.now;
        match act {
            OperatorAct::SignIn => {
                let Some(operator) = self.operators.get_mut(&agent) else { return };
                if operator.connection.is_some() {
                    return;
                }
                operator.rung.clear();
                let (here, _) = self.network.connect(operator.address, server_address(Transport::Tcp));
                operator.connection = Some(here);
                let bytes = operator.register(None);
                let hop = Hop {
                    transport: operator.outwards(),
                    local: operator.address,
                    remote: server_address(Transport::Tcp),
                    connection: Some(here),
                };
                self.network.send(now.instant, hop, bytes.into());
                self.agent_says(agent, AgentCommand::DeskOpened);
                self.agent_says(agent, AgentCommand::SetStatus { status: AgentStatus::Ready });
            }
            OperatorAct::Answer { call } => self.with_phone(agent, |stack, now| {
                stack.answer(now, call, b"v=0 operator".to_vec());
            }),
            OperatorAct::Refuse { call } => {
                self.with_phone(agent, |stack, now| stack.reject(now, call, 486, None))
            }
            OperatorAct::HangUp { call } => {
                self.with_phone(agent, |stack, now| stack.hangup(now, call, Cause::HungUp, Side::Agent));
            }
            OperatorAct::Transfer { call } => self.transfers_somehow(agent, call),
            OperatorAct::Meet => self.meets_somehow(agent),
            OperatorAct::Join { call, other } => self.with_phone(agent, |stack, now| {
                stack.refer(now, call, "sip:him@tandem.test", Some(other));
            }),
            OperatorAct::Die => {
                let Some(operator) = self.operators.get_mut(&agent) else { return };
                let Some(connection) = operator.connection.take() else { return };
                // Nothing of its calls survives in the device.
                operator.stack = phone(now, &operator.login, operator.address, self.random.random());
                self.network.cut(now.instant, connection);
                self.agent_says(agent, AgentCommand::DeskClosed);
                let back = Duration::from_millis(self.random.random_range(300..40_000));
                self.schedule(now.instant + back, Event::Operator(agent, OperatorAct::SignIn));
            }
            OperatorAct::Ready => {
                self.agent_says(agent, AgentCommand::SetStatus { status: AgentStatus::Ready });
            }
            OperatorAct::Accept { offer } => {
                self.agent_says(agent, AgentCommand::Accept { offer });
            }
            OperatorAct::Write { session, n } => {
                let external_id = format!("agent-{session}-{n}");
                let text = format!("answer {n}");
                // Twice, as a browser does that lost the first reply.
                for _ in 0..2 {
                    let (external_id, text) = (external_id.clone(), text.clone());
                    self.agent_says(agent, AgentCommand::Send { session, external_id, text });
                }
            }
            OperatorAct::CloseChat { session } => {
                self.agent_says(agent, AgentCommand::CloseChat { session });
            }
            OperatorAct::FinishWrapUp { session } => {
                let disposition = Some("done".to_owned());
                self.agent_says(agent, AgentCommand::FinishWrapUp { session, disposition, note: None });
            }
            OperatorAct::CallCustomer { session } => {
                self.agent_says(agent, AgentCommand::CallCustomer { session, phone: None });
            }
        }
    }

    pub(crate) fn with_phone(&mut self, agent: AgentId, act: impl FnOnce(&mut Stack, Now)) {
        let now = self.now;
        if let Some(operator) = self.operators.get_mut(&agent) {
            act(&mut operator.stack, now);
        }
        self.drain_operator(agent);
    }

    pub(crate) fn drain_operator(&mut self, agent: AgentId) {
        loop {
            let Some(operator) = self.operators.get_mut(&agent) else { return };
            let Some(output) = operator.stack.poll_output() else { return };
            match output {
                SipOutput::Transmit { hop, bytes } => {
                    if let Some((id, caller, called)) = ringing(&bytes) {
                        operator.early = Some(format!("{id};to-tag={caller};from-tag={called};early-only"));
                    }
                    if operator.acks_get_lost && bytes.starts_with(b"ACK") {
                        continue;
                    }
                    let bytes = moved(&operator.moved_to, bytes);
                    self.network.send(self.now.instant, hop, bytes);
                }
                SipOutput::CloseConnection(_)
                | SipOutput::Rejected { .. }
                | SipOutput::Binding(_)
                | SipOutput::Lookup { .. }
                | SipOutput::Expect { .. }
                | SipOutput::Watch { .. }
                | SipOutput::Authenticated { .. } => {}
                SipOutput::Event(SipEvent::Incoming(incoming)) => self.operator_is_rung(agent, incoming.call),
                SipOutput::Event(SipEvent::Answered { call, .. }) => operator.answered.push(call),
                SipOutput::Event(SipEvent::Ended { call, ending }) => operator.ended.push((call, ending)),
                SipOutput::Event(SipEvent::ReferProgress { status, over, .. }) => {
                    operator.told.push((status, over));
                }
                SipOutput::Event(_) => {}
            }
        }
    }

    fn operator_is_rung(&mut self, agent: AgentId, call: CallId) {
        if self.scripted {
            if let Some(operator) = self.operators.get_mut(&agent) {
                operator.rung.push(call);
            }
            return;
        }
        let delay = Duration::from_millis(self.random.random_range(0..12_000));
        let at = self.now.instant + delay;
        let deaths = self.deaths;
        if self.percent(deaths) {
            self.schedule(at, Event::Operator(agent, OperatorAct::Die));
            return;
        }
        if self.percent(8) {
            // Rings out.
            return;
        }
        if self.percent(5) {
            self.schedule(at, Event::Operator(agent, OperatorAct::Refuse { call }));
            return;
        }
        self.schedule(at, Event::Operator(agent, OperatorAct::Answer { call }));
        let transfers = self.transfers;
        if self.percent(transfers) {
            let soon = Duration::from_millis(self.random.random_range(0..8_000));
            self.schedule(at + soon, Event::Operator(agent, OperatorAct::Transfer { call }));
        }
        let talk = Duration::from_millis(self.random.random_range(100..60_000));
        let act = if self.percent(deaths) { OperatorAct::Die } else { OperatorAct::HangUp { call } };
        self.schedule(at + talk, Event::Operator(agent, act));
    }

    pub(crate) fn operator_receives(&mut self, hop: Hop, bytes: &[u8]) {
        let now = self.now;
        let Some((agent, operator)) =
            self.operators.iter_mut().find(|(_, operator)| operator.address == hop.local)
        else {
            return;
        };
        if operator.connection != hop.connection {
            return;
        }
        let agent = *agent;
        let ours = |method: &Method| matches!(method, Method::Register | Method::Subscribe);
        let message = Message::parse(bytes).ok();
        if let Some(notify) = message.as_ref().filter(|m| m.is_request() && *m.method() == Method::Notify)
            && let Some(state) = notify.text(Name::SubscriptionState)
            && notify.text(Name::Event).is_some_and(|event| !event.starts_with("refer"))
        {
            let body = String::from_utf8_lossy(notify.body()).into_owned();
            operator.notified.push((now.instant, state, body));
            let answer = answer_of(bytes, 200, None) + "Content-Length: 0\r\n\r\n";
            return self.network.send(now.instant, hop, answer.into_bytes().into());
        }
        let response = message.filter(|message| message.status().is_some() && ours(message.cseq().method));
        let Some(response) = response else {
            if let Some((id, caller, called)) = ringing(bytes) {
                operator.called_early = Some(format!("{id};to-tag={called};from-tag={caller}"));
            }
            let elsewhere = String::from_utf8_lossy(bytes).contains("SIP;cause=200");
            operator.cancelled_as_taken |= bytes.starts_with(b"CANCEL ") && elsewhere;
            operator.stack.handle_packet(now, Hop { transport: Transport::Tcp, ..hop }, bytes);
            self.drain_operator(agent);
            return;
        };
        if response.status() == Some(401) {
            let challenge = response.credentials(Name::WwwAuthenticate).next();
            let Some(challenge) = challenge else { panic!("401 without a challenge") };
            let login = operator.login.clone();
            let asks = operator.asks.take();
            let (method, uri) = match &asks {
                Some((_, user)) => (Method::Subscribe, format!("sip:{user}@{DOMAIN}")),
                None => (Method::Register, format!("sip:{DOMAIN}")),
            };
            let answer = digest::answer(&challenge, &method, &uri, &login, PASSWORD, "cn", 1);
            let bytes = match asks {
                Some((event, user)) => operator.subscribe(&event, &user, answer),
                None => operator.register(answer),
            };
            self.network.send(now.instant, hop, bytes.into());
        } else if *response.cseq().method == Method::Subscribe {
            operator.granted.extend(response.status());
        } else {
            assert_eq!(response.status(), Some(200), "the operator may not register");
        }
    }

    pub(crate) fn operator_cut_off(&mut self, at: SocketAddr, connection: ConnectionId) {
        let now = self.now;
        let found = self.operators.iter_mut().find(|(_, operator)| operator.address == at);
        let Some((agent, operator)) = found else { return };
        if operator.connection == Some(connection) {
            operator.connection = None;
            operator.stack.handle_connection_closed(now, connection);
            let agent = *agent;
            self.drain_operator(agent);
            self.schedule(now.instant + Duration::from_secs(1), Event::Operator(agent, OperatorAct::SignIn));
        }
    }

    pub(crate) fn operator_is_told(&mut self, agent: Option<AgentId>, event: AgentEvent) {
        let (Some(agent), AgentEvent::Desk { desk }) = (agent, event) else { return };
        assert!(desk.offers.len() <= 1, "{agent} has {} offers", desk.offers.len());
        if self.scripted {
            if let Some(operator) = self.operators.get_mut(&agent) {
                operator.desk = Some(desk);
            }
            return;
        }
        let now = self.now.instant;
        let pause = Duration::from_millis(self.random.random_range(500..10_000));
        match &desk.status {
            AgentStatus::NotReady { .. } | AgentStatus::NotAnswering | AgentStatus::SignedOut => {
                self.schedule(now + pause, Event::Operator(agent, OperatorAct::Ready));
            }
            AgentStatus::Ready => {}
        }
        let mut acts = Vec::new();
        let ignored = self.percent(10);
        let calls = self.percent(15);
        let Some(operator) = self.operators.get_mut(&agent) else { return };
        for offer in desk.offers.iter().filter(|offer| !offer.media.voice) {
            if operator.planned_offers.insert(offer.offer, ()).is_none() && !ignored {
                acts.push((pause, OperatorAct::Accept { offer: offer.offer }));
            }
        }
        for session in &desk.sessions {
            let id = session.session;
            if session.state == SessionState::WrapUp {
                acts.push((pause, OperatorAct::FinishWrapUp { session: id }));
            } else if session.state == SessionState::Active
                && session.legs.iter().any(|leg| leg.medium == model::Medium::Chat)
                && operator.planned.insert(id, ()).is_none()
            {
                for n in 0..3 {
                    acts.push((pause * (n + 1), OperatorAct::Write { session: id, n }));
                }
                if calls {
                    acts.push((pause * 2, OperatorAct::CallCustomer { session: id }));
                }
                acts.push((pause * 8, OperatorAct::CloseChat { session: id }));
            }
        }
        operator.desk = Some(desk);
        for (delay, act) in acts {
            self.schedule(now + delay, Event::Operator(agent, act));
        }
    }
}

/// Call-ID and the tags of caller and called, of a 180.
fn ringing(bytes: &[u8]) -> Option<(String, String, String)> {
    let ringing = Message::parse(bytes).ok().filter(|message| message.status() == Some(180))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(ringing.call_id()), text(ringing.from_tag()?), text(ringing.to_tag()?)))
}

/// A 302 says where to.
fn moved(to: &str, bytes: Arc<[u8]>) -> Arc<[u8]> {
    let text = String::from_utf8_lossy(&bytes);
    if !text.starts_with("SIP/2.0 302") {
        return bytes;
    }
    text.replacen("\r\n\r\n", &format!("\r\nContact: <{to}>\r\n\r\n"), 1).into_bytes().into()
}
