//! The listeners together, and the way out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use session::api::Input;
use sip_core::api::{Answer, ConnectionId, Hop, LookupId, Question, Transport};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::connections::{Connections, Queued};
use super::figures::{Counters, Figures};
use super::resolver::Resolver;
use super::tls::{ClientTls, ServerTls, TlsError};
use super::udp::UdpListener;
use super::{sockets, tcp, websocket};
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
    pub client_tls: ClientTls,
}

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen for SIP on {transport:?} {address}: {source}")]
    Listen { transport: Transport, address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A listener as it was really bound (a configured port 0 is any free one).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    /// By which trunks name it.
    pub name: Option<String>,
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
    tls: Vec<Arc<ServerTls>>,
    /// `None` when the system's settings could not be read: then no name is found.
    resolver: Option<Resolver>,
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
            client_tls: ClientTls::load(
                config.authorities.as_deref(),
                config.listeners.iter().find_map(|listener| listener.certificate.as_ref()),
            )?,
        });
        let resolver = Resolver::new(&config.name_servers)
            .inspect_err(|error| tracing::warn!(%error, "names cannot be looked up"))
            .ok();
        let mut running = Running {
            shared: shared.clone(),
            udp: Vec::new(),
            tls: Vec::new(),
            resolver,
            bound: Vec::new(),
            runtime: Handle::current(),
            listening: Vec::new(),
        };
        for listener in &config.listeners {
            let fail = |source| BindError::Listen {
                transport: listener.transport,
                address: listener.listen,
                source,
            };
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
                    let socket = sockets::bind_tcp(listener.listen).map_err(fail)?;
                    let local = socket.local_addr().map_err(fail)?;
                    (local, Some(tokio::spawn(tcp::accept(socket, local, None, shared.clone()))))
                }
                transport @ (Transport::Tls | Transport::Wss) => {
                    let missing = || io::Error::new(io::ErrorKind::InvalidInput, "it has no certificate");
                    let certificate = listener.certificate.as_ref().ok_or_else(missing).map_err(fail)?;
                    let tls = ServerTls::load(certificate)?;
                    running.tls.push(tls.clone());
                    let socket = sockets::bind_tcp(listener.listen).map_err(fail)?;
                    let local = socket.local_addr().map_err(fail)?;
                    let task = match transport {
                        Transport::Wss => tokio::spawn(websocket::listen(socket, local, tls, shared.clone())),
                        Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws => {
                            tokio::spawn(tcp::accept(socket, local, Some(tls), shared.clone()))
                        }
                    };
                    (local, Some(task))
                }
                Transport::Ws => {
                    let why = "WebSocket without TLS is served over HTTP and has no listener of its own";
                    return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, why)));
                }
            };
            running.listening.extend(task.map(|task| task.abort_handle()));
            let advertised = listener.advertised.clone().unwrap_or_else(|| local.to_string());
            let name = listener.name.clone();
            running.bound.push(Bound { name, transport: listener.transport, local, advertised });
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
        transport: Transport,
    ) -> Response {
        websocket::accept(upgrade, remote, local, transport, self.running.shared.clone())
    }

    /// Asks the DNS; the answer comes as `Input::LookedUp`, in any case.
    pub fn look_up(&self, lookup: LookupId, question: Question) {
        let (resolver, inbox) = (self.running.resolver.clone(), self.running.shared.inbox.clone());
        self.running.runtime.spawn(async move {
            let answer = match resolver {
                Some(resolver) => resolver.ask(&question).await,
                None => Answer::Nothing,
            };
            let _ = inbox.offer(Input::LookedUp { lookup, answer });
        });
    }

    /// Whose certificate a TLS connection to `remote` needs from now on.
    pub fn expect(&self, remote: SocketAddr, name: String) {
        self.running.shared.client_tls.expect(remote, name);
    }

    /// From now on a stream that is silent for longer is ended; `None`: for longer than any may be.
    pub fn watch(&self, connection: ConnectionId, silence: Option<Duration>) {
        self.running.shared.connections.watch(connection, silence);
    }

    /// Reads the certificates of all listeners again. What cannot be used stays as it was.
    pub fn reload_certificates(&self) {
        for tls in &self.running.tls {
            if let Err(error) = tls.reload() {
                tracing::error!(%error, "the certificate stays as it was");
            }
        }
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
            (Transport::Tcp | Transport::Tls, None) => match connections.to_peer(hop.transport, hop.remote) {
                Some(id) => self.send_on(id, hop, bytes),
                None => self.connect(hop, bytes),
            },
            // RFC 7118 §5: nobody can connect to a browser.
            (Transport::Ws | Transport::Wss, None) => self.unreachable(hop),
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
        let Some((registration, outgoing)) = shared.connections.register(hop.transport, hop.remote) else {
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
