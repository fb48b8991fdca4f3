//! The listeners together, and the way out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use session::api::Input;
use sip_core::api::{ConnectionId, Hop, Transport};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::connections::{Connections, Queued};
use super::figures::{Counters, Figures};
use super::udp::UdpListener;
use super::{tcp, websocket};
use crate::config;
use crate::inbox::Inbox;

/// What all streams share.
#[derive(Debug)]
pub(super) struct Shared {
    pub inbox: Inbox,
    pub connections: Connections,
    pub counters: Arc<Counters>,
    pub idle_timeout: Duration,
    pub max_message: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen for SIP on {transport:?} {address}: {source}")]
pub struct BindError {
    pub transport: Transport,
    pub address: SocketAddr,
    pub source: io::Error,
}

/// A listener as it was really bound (a configured port 0 is any free one).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    pub transport: Transport,
    pub local: SocketAddr,
    /// `host:port` as peers shall see it.
    pub advertised: String,
}

/// The running listeners. Cheap to clone; they stop with [`Network::stop`] or when the last clone goes.
#[derive(Clone, Debug)]
pub struct Network {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    udp: Vec<UdpListener>,
    bound: Vec<Bound>,
    runtime: Handle,
    listening: Vec<AbortHandle>,
}

impl Network {
    /// Binds all listeners of `config` and starts to receive. WebSocket comes in over HTTP: see [`Network::accept_websocket`].
    pub async fn start(config: &config::Sip, inbox: Inbox) -> Result<Self, BindError> {
        let counters = Arc::new(Counters::default());
        let shared = Arc::new(Shared {
            inbox: inbox.clone(),
            connections: Connections::new(config.max_connections),
            counters: counters.clone(),
            idle_timeout: config.idle_timeout,
            max_message: config.max_message,
        });
        let mut running = Running {
            shared: shared.clone(),
            udp: Vec::new(),
            bound: Vec::new(),
            runtime: Handle::current(),
            listening: Vec::new(),
        };
        for listener in &config.listeners {
            let fail = |source| BindError { transport: listener.transport, address: listener.listen, source };
            let (local, task) = match listener.transport {
                Transport::Udp => {
                    let started = UdpListener::start(
                        listener.listen,
                        config.max_message,
                        inbox.clone(),
                        counters.clone(),
                    );
                    let bound = started.map_err(fail)?;
                    let local = bound.local;
                    running.udp.push(bound);
                    (local, None)
                }
                Transport::Tcp => {
                    let socket = TcpListener::bind(listener.listen).await.map_err(fail)?;
                    let local = socket.local_addr().map_err(fail)?;
                    (local, Some(tokio::spawn(tcp::accept(socket, local, shared.clone()))))
                }
                Transport::Tls | Transport::Ws | Transport::Wss => {
                    let why = "it has no listener of its own";
                    return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, why)));
                }
            };
            running.listening.extend(task.map(|task| task.abort_handle()));
            let advertised = listener.advertised.clone().unwrap_or_else(|| local.to_string());
            running.bound.push(Bound { transport: listener.transport, local, advertised });
        }
        Ok(Self { running: Arc::new(running) })
    }

    /// Every listener, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        &self.running.bound
    }

    /// Answers a WebSocket handshake on the route for SIP. `local` is the HTTP listener's address, which must also be a
    /// listener of the SIP stack. Refusals (no subprotocol `sip`, too many connections) are ordinary HTTP answers.
    pub fn accept_websocket(
        &self,
        upgrade: WebSocketUpgrade,
        remote: SocketAddr,
        local: SocketAddr,
    ) -> Response {
        websocket::accept(upgrade, remote, local, self.running.shared.clone())
    }

    /// Sends one message. Without a connection, TCP goes over an open connection to the same address or a new one. What
    /// cannot be sent on a stream comes back as `Input::Unreachable`.
    pub fn transmit(&self, hop: Hop, bytes: Arc<[u8]>) {
        let connections = &self.running.shared.connections;
        match (hop.transport, hop.connection) {
            (Transport::Udp, _) => self.send_datagram(hop, &bytes),
            (Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss, Some(id)) => {
                self.send_on(id, hop, bytes)
            }
            (Transport::Tcp, None) => match connections.to_peer(hop.remote) {
                Some(id) => self.send_on(id, hop, bytes),
                None => self.connect(hop, bytes),
            },
            // RFC 7118 §5: nobody can connect to a browser.
            (Transport::Tls | Transport::Ws | Transport::Wss, None) => self.unreachable(hop),
        }
    }

    /// A way to send that does not keep the listeners alive.
    pub fn sender(&self) -> impl Fn(Hop, Arc<[u8]>) + Send + Sync + use<> {
        let running = Arc::downgrade(&self.running);
        move |hop, bytes| {
            if let Some(running) = running.upgrade() {
                Network { running }.transmit(hop, bytes);
            }
        }
    }

    /// Ends a stream after what was sent on it before.
    pub fn close(&self, connection: ConnectionId) {
        self.running.shared.connections.close(connection);
    }

    /// Stops listening and ends all streams after what was sent on them before.
    pub fn stop(&self) {
        self.running.listening.iter().for_each(AbortHandle::abort);
        self.running.udp.iter().for_each(UdpListener::stop);
        self.running.shared.connections.close_all();
    }

    pub fn figures(&self) -> Figures {
        let Shared { counters, connections, .. } = &*self.running.shared;
        Figures {
            udp_received: counters.udp_received.get(),
            udp_sent: counters.udp_sent.get(),
            udp_send_failures: counters.udp_send_failures.get(),
            udp_dropped: counters.udp_dropped.get(),
            connections: connections.len() as u64,
            connections_refused: counters.refused.get(),
            connections_cut: counters.cut.get(),
        }
    }

    fn send_datagram(&self, hop: Hop, bytes: &[u8]) {
        let udp = &self.running.udp;
        let same_family = |listener: &&UdpListener| listener.local.is_ipv4() == hop.remote.is_ipv4();
        match udp.iter().find(|listener| listener.local == hop.local).or_else(|| udp.iter().find(same_family))
        {
            Some(listener) => listener.send(hop.remote, bytes, &self.running.shared.counters),
            None => self.unreachable(hop),
        }
    }

    fn send_on(&self, id: ConnectionId, hop: Hop, bytes: Arc<[u8]>) {
        match self.running.shared.connections.send(id, bytes) {
            Queued::Yes => {}
            Queued::NoSuchConnection => self.unreachable(hop),
            Queued::Overflow => {
                self.running.shared.counters.cut.add();
                self.unreachable(hop);
            }
        }
    }

    fn connect(&self, hop: Hop, bytes: Arc<[u8]>) {
        let shared = &self.running.shared;
        let Some((registration, outgoing)) = shared.connections.register(Transport::Tcp, hop.remote) else {
            shared.counters.refused.add();
            return self.unreachable(hop);
        };
        shared.connections.send(registration.id, bytes);
        self.running.runtime.spawn(tcp::open(hop, registration, outgoing, shared.clone()));
    }

    fn unreachable(&self, hop: Hop) {
        let _ = self.running.shared.inbox.offer(Input::Unreachable(hop));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listening.iter().for_each(AbortHandle::abort);
        self.shared.connections.close_all();
    }
}
