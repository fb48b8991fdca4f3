//! A whole contact centre at virtual time: the real engine with its real SIP stack, ACD and dialplan, between simulated
//! carriers, operators, visitors, media and store, over a network that loses, repeats and reorders. Everything follows from
//! one seed.

mod audit;
pub mod figures;
mod media;
mod people;
pub mod recordings;
mod restless;
pub mod script;
mod shards;
mod store;
mod unsettled;
mod visitors;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::media::api::Event as MediaEvent;
use model::{AgentId, Instant, Now, QueueName, SessionId, Timestamp, VisitorId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use session::Engine;
use session::api::{
    AdminCommand, AgentCommand, AgentSetup, Config, CustomerCard, Input, Output, Question, RecordingConfig,
    RecordingFormat, Refusal, Reply, RequestId, VisitorCommand,
};
use session::callback::CallbackConfig;
use sip_core::api::{Answer, Credential, Listener, Output as SipOutput, Transport};
use sip_core::digest::{Algorithm, ha1};
use sip_core::shard::ShardId;
use sip_core::testing::{Delivery, Network, Weather};

use audit::Audit;
use figures::Figures;
use media::SimulatedMedia;
use people::{Carrier, Operator, Visitor};
use shards::Shards;
use store::SimulatedStore;

pub const NUMBER: &str = "+74950000000";
pub const DOMAIN: &str = "tandem.test";
const PASSWORD: &str = "secret";

const PLAN: &str = r#"
flow support {
  entry sip "+74950000000"
  entry chat "main"

  state hello {
    say "Hello" { voice file "hello" }
    ask topic "Sales or support?" timeout 5s retries 1 { voice file "menu"
      sales   key 1 words "sales"
      support key 2 words "support"
    }
    on sales, support, none -> waiting
  }

  state waiting {
    queue support priority 0 {
      voice music "hold"
      every 20s say "Please wait" { voice file "wait" }
    }
    on full -> sorry
  }

  state sorry { close "Call again later" { voice file "bye" } }
}
"#;

/// Something that happens at a certain time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Engine(Box<EngineEvent>),
    Caller(people::CallerAct),
    Operator(AgentId, people::OperatorAct),
    Visitor(VisitorId, people::VisitorAct),
}

#[derive(Clone, Debug)]
pub(crate) enum EngineEvent {
    Media(MediaEvent),
    Resolved { request: RequestId, customer: CustomerCard },
}

pub struct Scenario {
    pub seed: u64,
    pub calls: usize,
    pub chats: usize,
    pub operators: usize,
    pub weather: Weather,
    /// Contacts arrive evenly over this long.
    pub span: Duration,
    /// How likely an operator's device dies when it rings or talks, in percent.
    pub deaths: u32,
    /// How likely an operator sends his customer on, asks somebody, parks or picks up, in percent.
    pub transfers: u32,
    /// 301 and 302 are followed.
    pub redirects: bool,
    /// Sessions at once.
    pub max_sessions: usize,
    /// SIP stacks beside the engine's own.
    pub shards: u8,
    /// Nobody does anything of his own accord: the test acts through the methods of [`World`].
    pub scripted: bool,
}

impl Scenario {
    /// A centre without contacts or bad luck, in which the test does everything.
    pub fn scripted(operators: usize) -> Self {
        Self {
            seed: 7,
            calls: 0,
            chats: 0,
            operators,
            weather: Weather::FINE,
            span: Duration::ZERO,
            deaths: 0,
            transfers: 0,
            redirects: false,
            max_sessions: 10_000,
            shards: std::env::var("TANDEM_SHARDS").ok().and_then(|many| many.parse().ok()).unwrap_or(0),
            scripted: true,
        }
    }
}

pub struct World {
    pub now: Now,
    pub engine: Engine,
    pub(crate) shards: Shards,
    pub audit: Audit,
    pub figures: Figures,
    pub(crate) random: StdRng,
    pub(crate) network: Network,
    media: SimulatedMedia,
    store: SimulatedStore,
    pub(crate) carrier: Carrier,
    pub(crate) operators: BTreeMap<AgentId, Operator>,
    pub(crate) visitors: BTreeMap<VisitorId, Visitor>,
    agenda: BTreeMap<(Instant, u64), Event>,
    events: u64,
    pub(crate) requests: u64,
    pub(crate) deaths: u32,
    pub(crate) transfers: u32,
    pub(crate) scripted: bool,
    /// What operators have asked for in conferences.
    pub meetings: usize,
    /// What visitors and operators were last told.
    pub(crate) replies: BTreeMap<RequestId, Result<Reply, Refusal>>,
    /// What flows have asked of the outside.
    pub questions: Vec<(RequestId, SessionId, Question)>,
    config: Config,
}

pub(crate) fn server_address(transport: Transport) -> SocketAddr {
    let port = match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
        Transport::Ws | Transport::Wss => 8080,
    };
    SocketAddr::from(([10, 0, 0, 1], port))
}

/// The one queue, with this many places.
pub(crate) fn support(max_waiting: usize) -> acd::QueueConfig {
    acd::QueueConfig {
        ring_timeout: Duration::from_secs(15),
        accept_timeout: Duration::from_secs(20),
        wrap_up: Duration::from_secs(10),
        max_waiting,
        ..acd::QueueConfig::new(QueueName::new("support"))
    }
}

impl World {
    pub fn new(scenario: &Scenario) -> Self {
        let mut random = StdRng::seed_from_u64(scenario.seed);
        // Well after zero, so that what waited before a restart has a place on the clock.
        let now = Now::new(Instant::from_micros(1_000_000_000_000), Timestamp(1_790_000_000_000_000));
        let config = Config {
            sip: sip_core::api::Config {
                domain: DOMAIN.to_owned(),
                server_name: "Tandem".to_owned(),
                listeners: [Transport::Udp, Transport::Tcp]
                    .map(|transport| Listener {
                        name: None,
                        transport,
                        local: server_address(transport),
                        advertised: server_address(transport).to_string(),
                    })
                    .to_vec(),
                min_expires: Duration::from_secs(60),
                max_expires: Duration::from_secs(3600),
                max_bindings: 5,
                max_calls: 10_000,
                shards: scenario.shards,
                seed: random.random(),
            },
            region: "RU".to_owned(),
            calls_abroad: false,
            redirects: session::redirect::Redirects {
                operators: scenario.redirects,
                trunks: scenario.redirects,
            },
            recording: RecordingConfig {
                enabled: true,
                folder: "recordings".to_owned(),
                format: RecordingFormat::Wav,
                channels: 2,
            },
            callback: CallbackConfig {
                attempts: 3,
                retry_after: Duration::from_secs(120),
                after_restart: true,
            },
            place_kept: Duration::from_secs(60),
            parked_for: Duration::from_secs(120),
            agent_grace: Duration::from_secs(20),
            chat_idle: Duration::from_secs(600),
            code_lifetime: Duration::from_secs(600),
            max_sessions: scenario.max_sessions,
            max_text: 4000,
            seed: random.random(),
        };
        let mut world = Self {
            now,
            engine: Engine::new(now, config.clone()),
            shards: Shards::new(&config.sip),
            audit: Audit::default(),
            figures: Figures::new(now.wall),
            network: Network::new(random.random(), scenario.weather),
            carrier: Carrier::new(now, random.random()),
            random,
            media: SimulatedMedia::default(),
            store: SimulatedStore::default(),
            operators: BTreeMap::new(),
            visitors: BTreeMap::new(),
            agenda: BTreeMap::new(),
            events: 0,
            requests: 0,
            deaths: scenario.deaths,
            transfers: scenario.transfers,
            scripted: scenario.scripted,
            meetings: 0,
            questions: Vec::new(),
            replies: BTreeMap::new(),
            config,
        };
        world.set_up(scenario.operators);
        for n in 0..scenario.calls {
            let at = world.moment(scenario.span);
            world.schedule(at, Event::Caller(people::CallerAct::Call { caller: format!("+7900{n:07}") }));
        }
        for n in 0..scenario.chats {
            let at = world.moment(scenario.span);
            world.new_visitor(at, n, scenario.calls);
        }
        world
    }

    fn set_up(&mut self, operators: usize) {
        let mut team = Vec::new();
        for n in 0..operators {
            let agent = AgentId::new(self.now.wall, self.random.random());
            let login = format!("op{n}");
            let seed = self.random.random();
            self.operators.insert(agent, Operator::new(self.now, login.clone(), n, seed));
            team.push((agent, login));
        }
        self.load_configuration(&team);
        for (agent, _) in team {
            self.schedule(self.now.instant, Event::Operator(agent, people::OperatorAct::SignIn));
        }
    }

    fn load_configuration(&mut self, operators: &[(AgentId, String)]) {
        let source = dialplans::api::Source { name: "world.plan".to_owned(), text: PLAN.to_owned() };
        let plan = match dialplans::compile(std::slice::from_ref(&source), &Self::names()) {
            Ok(plan) => plan,
            Err(diagnostics) => panic!("{}", dialplans::render(&diagnostics, &[source], false)),
        };
        self.admin(AdminCommand::SetPlan(Arc::new(plan)));
        self.admin(AdminCommand::SetQueues(vec![support(1000)]));
        self.admin(AdminCommand::SetTrunks(vec![sip_core::testing::trunk(
            "carrier",
            people::CARRIER,
            Transport::Udp,
        )]));
        for (agent, login) in operators {
            self.admin(AdminCommand::SetAgent(AgentSetup {
                agent: *agent,
                login: login.clone(),
                name: format!("Operator {login}"),
                queues: vec![QueueName::new("support")],
                capacity: acd::Capacity { voice: 1, chat: 3 },
                routing: Default::default(),
                encryption: Default::default(),
            }));
            self.admin(AdminCommand::SetCredential(Credential {
                username: login.clone(),
                aor: login.clone(),
                ha1_md5: ha1(Algorithm::Md5, login, DOMAIN, PASSWORD),
                ha1_sha256: ha1(Algorithm::Sha256, login, DOMAIN, PASSWORD),
                one_time: false,
            }));
        }
    }

    pub(crate) fn admin(&mut self, command: AdminCommand) {
        self.engine.handle(self.now, Input::Admin(command));
        self.drain();
    }

    pub(crate) fn moment(&mut self, span: Duration) -> Instant {
        self.now.instant + Duration::from_micros(self.random.random_range(0..=span.as_micros() as u64))
    }

    pub(crate) fn schedule(&mut self, at: Instant, event: Event) {
        self.events += 1;
        self.agenda.insert((at, self.events), event);
    }

    pub(crate) fn percent(&mut self, likely: u32) -> bool {
        self.random.random_range(0..100) < likely
    }

    pub(crate) fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// Runs until nothing is left to happen in this span.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.instant + span;
        loop {
            let next = [
                self.agenda.first_key_value().map(|((at, _), _)| *at),
                self.network.next(),
                self.engine.poll_timeout(),
                self.shards.next(),
                self.carrier.stack.poll_timeout(),
                self.operators.values().filter_map(|operator| operator.stack.poll_timeout()).min(),
            ];
            let Some(next) = next.into_iter().flatten().min().filter(|at| *at <= end) else { break };
            if next > self.now.instant {
                self.now = self.now.after(next.saturating_since(self.now.instant));
            }
            self.step();
            self.audit.check(self.now);
            self.figures.check(self.now, &self.engine.counts());
        }
        self.now = self.now.after(end.saturating_since(self.now.instant));
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(delivery) = self.network.receive(now.instant) {
            self.deliver(delivery);
        }
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now.instant) {
            let event = entry.remove();
            self.happen(event);
        }
        if self.engine.poll_timeout().is_some_and(|at| at <= now.instant) {
            self.engine.handle_timeout(now);
            self.drain();
        }
        self.step_shards();
        if self.carrier.stack.poll_timeout().is_some_and(|at| at <= now.instant) {
            self.carrier.stack.handle_timeout(now);
            self.drain_carrier();
        }
        let due: Vec<AgentId> = self
            .operators
            .iter()
            .filter(|(_, operator)| operator.stack.poll_timeout().is_some_and(|at| at <= now.instant))
            .map(|(agent, _)| *agent)
            .collect();
        for agent in due {
            if let Some(operator) = self.operators.get_mut(&agent) {
                operator.stack.handle_timeout(now);
            }
            self.drain_operator(agent);
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::Packet { hop, bytes } if hop.local.ip() == server_address(Transport::Udp).ip() => {
                match self.shards.placement.of_message(&bytes) {
                    ShardId::HOME => {
                        self.engine.handle(now, Input::Packet { hop, bytes: bytes.to_vec() });
                        self.drain();
                    }
                    shard => self.with_shard(shard, |shard, now| shard.handle_packet(now, hop, &bytes)),
                }
            }
            Delivery::Closed { at, connection } if at.ip() == server_address(Transport::Udp).ip() => {
                self.engine.handle(now, Input::ConnectionClosed(connection));
                self.drain();
                for id in self.shards.ids() {
                    self.with_shard(id, |shard, now| shard.handle_connection_closed(now, connection));
                }
            }
            Delivery::Packet { hop, bytes } if hop.local == people::CARRIER => {
                if bytes.starts_with(b"INVITE ") {
                    self.carrier.invited = Some((hop, bytes.to_vec()));
                }
                self.carrier.stack.handle_packet(now, hop, &bytes);
                self.drain_carrier();
            }
            Delivery::Packet { hop, bytes } => self.operator_receives(hop, &bytes),
            Delivery::Closed { at, connection } => self.operator_cut_off(at, connection),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Engine(event) => {
                let input = match *event {
                    EngineEvent::Media(event) => {
                        if !self.media.still_true(&event) {
                            return;
                        }
                        Input::Media(event)
                    }
                    EngineEvent::Resolved { request, customer } => Input::Resolved { request, customer },
                };
                self.engine.handle(self.now, input);
                self.drain();
            }
            Event::Caller(act) => self.caller_acts(act),
            Event::Operator(agent, act) => self.operator_acts(agent, act),
            Event::Visitor(visitor, act) => self.visitor_acts(visitor, act),
        }
    }

    pub(crate) fn visitor_says(&mut self, visitor: VisitorId, command: VisitorCommand) -> RequestId {
        let request = self.request();
        if let VisitorCommand::Send { external_id, .. } = &command {
            self.audit.message_sent(request, external_id.clone());
        }
        self.engine.handle(self.now, Input::Visitor { request, visitor, command });
        self.drain();
        request
    }

    pub(crate) fn agent_says(&mut self, agent: AgentId, command: AgentCommand) -> RequestId {
        let request = self.request();
        self.engine.handle(self.now, Input::Agent { request, agent, command });
        self.drain();
        request
    }

    /// Lets out what the engine wants done.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Sip(output) => self.sip_puts_out(output),
                Output::Order { shard, order } => self.post_order(shard, order),
                Output::SipCall { .. }
                | Output::Sounded { .. }
                | Output::Inspected { .. }
                | Output::Trunks { .. }
                | Output::Drained => {}
                Output::Outside { request, session, question } => {
                    self.questions.push((request, session, question));
                }
                Output::Media(command) => {
                    for (delay, event) in self.media.handle(command, &mut self.random) {
                        let event = Event::Engine(Box::new(EngineEvent::Media(event)));
                        self.schedule(self.now.instant + delay, event);
                    }
                }
                Output::Resolve { request, identities, name } => {
                    let customer = self.store.resolve(self.now, &mut self.random, identities, name);
                    let delay = Duration::from_micros(self.random.random_range(100..20_000));
                    let event = Event::Engine(Box::new(EngineEvent::Resolved { request, customer }));
                    self.schedule(self.now.instant + delay, event);
                }
                Output::Journal(record) => {
                    self.figures.add(&record);
                    self.audit.journal(self.now, record);
                }
                Output::Reply { request, result } => {
                    if self.scripted {
                        self.replies.insert(request, result.clone());
                    }
                    self.audit.reply(request, result);
                }
                Output::ToVisitor { visitor, event } => self.visitor_is_told(visitor, event),
                Output::ToAgent { agent, event } => self.operator_is_told(agent, event),
            }
        }
    }

    /// What one of the server's SIP stacks wants of the network.
    fn sip_puts_out(&mut self, output: SipOutput) {
        match output {
            SipOutput::Transmit { hop, bytes } => self.network.send(self.now.instant, hop, bytes),
            SipOutput::CloseConnection(connection) => self.network.cut(self.now.instant, connection),
            // There are no names in this world.
            SipOutput::Lookup { lookup, .. } => match lookup.shard() {
                ShardId::HOME => {
                    self.engine.handle(self.now, Input::LookedUp { lookup, answer: Answer::Nothing });
                }
                shard => {
                    self.with_shard(shard, |shard, now| shard.handle_answer(now, lookup, Answer::Nothing))
                }
            },
            SipOutput::Expect { .. }
            | SipOutput::Watch { .. }
            | SipOutput::Rejected { .. }
            | SipOutput::Authenticated { .. }
            | SipOutput::Binding(_) => {}
            SipOutput::Event(event) => panic!("the engine keeps the events of SIP: {event:?}"),
        }
    }

    pub fn media_legs_open(&self) -> usize {
        self.media.open_legs()
    }

    /// Calls that the carrier and the operators still believe in.
    pub fn calls_of_peers(&self) -> (usize, usize) {
        let operators = self.operators.values().map(|operator| operator.stack.counts().calls).sum();
        (self.carrier.stack.counts().calls, operators)
    }
}
