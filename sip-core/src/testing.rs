//! Stacks against each other at virtual time, over a network that delays, loses, repeats and reorders
//! from a seed. Pure like everything else here; behind the feature `testing`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{Instant, Now, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::api::{
    Answer, CallId, Config, ConnectionId, Event, Hop, Listener, OutgoingCall, Output, Rejection, Target,
    Transport, Trunk,
};
use crate::stack::Stack;

/// How bad the network is. Datagrams only: streams are delayed, but whole and in order.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub latency_min: Duration,
    /// The spread between the two reorders datagrams.
    pub latency_max: Duration,
    /// From 0 to 1.
    pub loss: f64,
    /// From 0 to 1.
    pub duplication: f64,
}

impl Weather {
    pub const FINE: Weather = Weather {
        latency_min: Duration::from_millis(10),
        latency_max: Duration::from_millis(10),
        loss: 0.0,
        duplication: 0.0,
    };
    pub const STORM: Weather = Weather {
        latency_min: Duration::from_millis(5),
        latency_max: Duration::from_millis(400),
        loss: 0.2,
        duplication: 0.1,
    };
}

/// What the network brings to whoever owns `Hop::local`.
#[derive(Clone, Debug)]
pub enum Delivery {
    Packet { hop: Hop, bytes: Arc<[u8]> },
    Closed { at: SocketAddr, connection: ConnectionId },
}

/// Carries packets between socket addresses; a deterministic state machine itself.
#[derive(Debug)]
pub struct Network {
    pub weather: Weather,
    random: StdRng,
    last: u64,
    under_way: BTreeMap<(Instant, u64), Delivery>,
    streams: BTreeMap<ConnectionId, Stream>,
    /// When the last bytes of a stream arrive: later ones may not overtake them.
    tails: BTreeMap<ConnectionId, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    local: SocketAddr,
    remote: SocketAddr,
    /// The same stream as the other end calls it.
    peer: ConnectionId,
}

impl Network {
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self {
            weather,
            random: StdRng::seed_from_u64(seed),
            last: 0,
            under_way: BTreeMap::new(),
            streams: BTreeMap::new(),
            tails: BTreeMap::new(),
        }
    }

    /// Opens a stream and returns its name at each end.
    pub fn connect(&mut self, local: SocketAddr, remote: SocketAddr) -> (ConnectionId, ConnectionId) {
        self.last += 2;
        let (here, there) = (ConnectionId(self.last), ConnectionId(self.last + 1));
        self.streams.insert(here, Stream { local, remote, peer: there });
        self.streams.insert(there, Stream { local: remote, remote: local, peer: here });
        (here, there)
    }

    /// Cuts a stream; both ends are told.
    pub fn cut(&mut self, now: Instant, connection: ConnectionId) {
        let Some(stream) = self.streams.remove(&connection) else { return };
        self.streams.remove(&stream.peer);
        for (at, connection) in [(stream.local, connection), (stream.remote, stream.peer)] {
            let due = now.max(self.tails.remove(&connection).unwrap_or_default());
            self.push(due, Delivery::Closed { at, connection });
        }
    }

    /// Cuts every stream there is.
    pub fn cut_all(&mut self, now: Instant) {
        while let Some(connection) = self.streams.keys().next().copied() {
            self.cut(now, connection);
        }
    }

    pub fn send(&mut self, now: Instant, hop: Hop, bytes: Arc<[u8]>) {
        if hop.transport == Transport::Udp {
            let arriving = Hop { local: hop.remote, remote: hop.local, ..hop };
            if self.random.random_bool(self.weather.duplication) {
                let due = now + self.latency();
                self.push(due, Delivery::Packet { hop: arriving, bytes: Arc::clone(&bytes) });
            }
            if !self.random.random_bool(self.weather.loss) {
                let due = now + self.latency();
                self.push(due, Delivery::Packet { hop: arriving, bytes });
            }
            return;
        }
        let here = match hop.connection {
            Some(connection) => connection,
            None => self.stream_to(hop.local, hop.remote),
        };
        // Bytes for a stream that is gone are gone, too.
        let Some(stream) = self.streams.get(&here).copied() else { return };
        let tail = self.tails.get(&stream.peer).copied().unwrap_or_default();
        let due = (now + self.latency()).max(tail);
        self.tails.insert(stream.peer, due);
        let arriving = Hop {
            transport: hop.transport,
            local: stream.remote,
            remote: stream.local,
            connection: Some(stream.peer),
        };
        self.push(due, Delivery::Packet { hop: arriving, bytes });
    }

    pub fn next(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the next thing that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Delivery> {
        self.next().filter(|at| *at <= now)?;
        self.under_way.pop_first().map(|(_, delivery)| delivery)
    }

    fn stream_to(&mut self, local: SocketAddr, remote: SocketAddr) -> ConnectionId {
        let open = self.streams.iter().find(|(_, stream)| stream.local == local && stream.remote == remote);
        match open {
            Some((connection, _)) => *connection,
            None => self.connect(local, remote).0,
        }
    }

    fn latency(&mut self) -> Duration {
        self.random.random_range(self.weather.latency_min..=self.weather.latency_max)
    }

    fn push(&mut self, due: Instant, delivery: Delivery) {
        self.last += 2;
        self.under_way.insert((due, self.last), delivery);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    A,
    B,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// One stack with everything that came out of it.
pub struct Node {
    pub stack: Stack,
    pub address: SocketAddr,
    /// Events that no test has taken yet.
    pub events: Vec<Event>,
    pub rejections: Vec<Rejection>,
    /// Every message that it sent, in order.
    pub sent: Vec<String>,
}

/// Two stacks that trust each other as trunks named `peer`.
pub struct Pair {
    pub now: Now,
    pub network: Network,
    pub a: Node,
    pub b: Node,
    /// Both ways drop whatever starts with one of these, such as `ACK`.
    pub censored: BTreeSet<String>,
}

/// A configuration with one listener, for tests.
pub fn config(domain: &str, transport: Transport, local: SocketAddr, seed: u8) -> Config {
    Config {
        domain: domain.to_owned(),
        server_name: "Tandem".to_owned(),
        listeners: vec![Listener { name: None, transport, local, advertised: local.to_string() }],
        min_expires: Duration::from_secs(60),
        max_expires: Duration::from_secs(3600),
        max_bindings: 5,
        max_calls: 1000,
        shards: 0,
        seed: [seed; 32],
    }
}

/// A trunk that is one address.
pub fn trunk(name: &str, address: SocketAddr, transport: Transport) -> Trunk {
    Trunk::new(name, vec![address.ip()], address, transport)
}

/// The moment at which every simulation starts.
pub fn start() -> Now {
    Now::new(Instant::from_micros(1_000_000), Timestamp::from_micros(1_700_000_000_000_000))
}

impl Pair {
    pub fn new(seed: u64, transport: Transport, weather: Weather) -> Self {
        let now = start();
        let (a, b) = (SocketAddr::from(([192, 0, 2, 1], 5060)), SocketAddr::from(([192, 0, 2, 2], 5060)));
        let node = |name: &str, address: SocketAddr, peer: SocketAddr, tint: u8| {
            let mut config = config(name, transport, address, tint);
            config.seed[..8].copy_from_slice(&seed.to_be_bytes());
            let mut stack = Stack::new(now, config);
            stack.set_trunks(vec![trunk("peer", peer, transport)]);
            Node { stack, address, events: Vec::new(), rejections: Vec::new(), sent: Vec::new() }
        };
        Self {
            now,
            network: Network::new(seed, weather),
            a: node("a.example", a, b, 1),
            b: node("b.example", b, a, 2),
            censored: BTreeSet::new(),
        }
    }

    pub fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// Starts a call from `side` to the other one.
    pub fn call(&mut self, side: Side, number: &str) -> CallId {
        let outgoing = OutgoingCall {
            target: Target::Trunk { name: "peer".to_owned(), number: number.to_owned() },
            caller: "100".to_owned(),
            caller_name: None,
            identity: Default::default(),
            sdp: b"v=0 offer".to_vec(),
            headers: Vec::new(),
            ring_timeout: Duration::from_secs(20),
            silence: None,
            options: Default::default(),
        };
        let now = self.now;
        self.node(side).stack.invite(now, outgoing).expect("the trunk exists")
    }

    /// Lets the stacks and the network work for `span`.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.instant + span;
        loop {
            self.drain();
            let next = [self.network.next(), self.a.stack.poll_timeout(), self.b.stack.poll_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.advance_to(next.max(self.now.instant));
            while let Some(delivery) = self.network.receive(self.now.instant) {
                self.deliver(delivery);
                self.drain();
            }
            let now = self.now;
            for side in [Side::A, Side::B] {
                self.node(side).stack.handle_timeout(now);
            }
        }
        self.advance_to(end);
    }

    /// Moves what the stacks put out to the network and the event lists.
    pub fn drain(&mut self) {
        let now = self.now.instant;
        for side in [Side::A, Side::B] {
            while let Some(output) = self.node(side).stack.poll_output() {
                match output {
                    Output::Transmit { hop, bytes } => {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        let censored = self.censored.iter().any(|start| text.starts_with(start.as_str()));
                        self.node(side).sent.push(text);
                        if !censored {
                            self.network.send(now, hop, bytes);
                        }
                    }
                    Output::CloseConnection(connection) => self.network.cut(now, connection),
                    // There are no names in this world.
                    Output::Lookup { lookup, .. } => {
                        let clock = self.now;
                        self.node(side).stack.handle_answer(clock, lookup, Answer::Nothing);
                    }
                    Output::Expect { .. } | Output::Watch { .. } | Output::Binding(_) => {}
                    Output::Event(event) => self.node(side).events.push(event),
                    Output::Rejected { why, .. } => self.node(side).rejections.push(why),
                    Output::Authenticated { .. } => {}
                }
            }
        }
    }

    /// Takes the events of one side.
    pub fn events(&mut self, side: Side) -> Vec<Event> {
        self.drain();
        std::mem::take(&mut self.node(side).events)
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        let at = match &delivery {
            Delivery::Packet { hop, .. } => hop.local,
            Delivery::Closed { at, .. } => *at,
        };
        let side = if at == self.a.address { Side::A } else { Side::B };
        let stack = &mut self.node(side).stack;
        match delivery {
            Delivery::Packet { hop, bytes } => stack.handle_packet(now, hop, &bytes),
            Delivery::Closed { connection, .. } => stack.handle_connection_closed(now, connection),
        }
    }

    fn advance_to(&mut self, at: Instant) {
        self.now = self.now.after(at.saturating_since(self.now.instant));
    }
}
