//! Which streams are open, and how many may be.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sip_core::api::{ConnectionId, Transport};
use tokio::sync::{mpsc, watch};

/// Messages that may wait for a peer to read; with more it is cut.
const QUEUE: usize = 256;

/// Streams that one address may always have, however small the limit for all is.
const ADDRESS_MINIMUM: usize = 64;

pub(super) type Outgoing = mpsc::Receiver<Arc<[u8]>>;

#[derive(Clone, Debug)]
pub(super) struct Connections {
    state: Arc<Mutex<State>>,
    limit: usize,
    /// Many operators may share the address of one office, but nobody gets them all.
    limit_per_address: usize,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: HashMap<ConnectionId, Open>,
    /// TCP and TLS connections by peer, for requests that name no connection.
    by_peer: HashMap<(Transport, SocketAddr), ConnectionId>,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Open {
    transport: Transport,
    peer: SocketAddr,
    /// Dropping it lets the writer finish and ends the stream.
    queue: mpsc::Sender<Arc<[u8]>>,
    /// The longest silence that it may keep, when there is one of its own.
    silence: watch::Sender<Option<Duration>>,
}

/// A stream's own entry; it is taken out when this is dropped.
#[derive(Debug)]
pub(super) struct Registration {
    pub id: ConnectionId,
    pub silence: watch::Receiver<Option<Duration>>,
    connections: Connections,
    address: IpAddr,
}

/// What became of a message for a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Queued {
    Yes,
    NoSuchConnection,
    /// The peer does not read; its stream was ended.
    Overflow,
}

impl Connections {
    pub fn new(limit: usize) -> Self {
        Self { state: Arc::default(), limit, limit_per_address: (limit / 4).max(ADDRESS_MINIMUM) }
    }

    /// `None`: too many already.
    pub fn register(&self, transport: Transport, peer: SocketAddr) -> Option<(Registration, Outgoing)> {
        let mut state = self.lock();
        let address = peer.ip();
        let here = state.by_address.get(&address).copied().unwrap_or(0);
        if state.open.len() >= self.limit || here >= self.limit_per_address {
            return None;
        }
        state.next += 1;
        let id = ConnectionId(state.next);
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let (teller, silence) = watch::channel(None);
        state.open.insert(id, Open { transport, peer, queue, silence: teller });
        if !transport.is_websocket() {
            state.by_peer.insert((transport, peer), id);
        }
        *state.by_address.entry(address).or_default() += 1;
        Some((Registration { id, silence, connections: self.clone(), address }, outgoing))
    }

    pub fn send(&self, id: ConnectionId, bytes: Arc<[u8]>) -> Queued {
        let mut state = self.lock();
        let Some(open) = state.open.get(&id) else {
            return Queued::NoSuchConnection;
        };
        match open.queue.try_send(bytes) {
            Ok(()) => Queued::Yes,
            Err(mpsc::error::TrySendError::Closed(_)) => Queued::NoSuchConnection,
            Err(mpsc::error::TrySendError::Full(_)) => {
                state.remove(id);
                Queued::Overflow
            }
        }
    }

    /// A stream that is silent for longer is ended; `None`: for longer than any may be.
    pub fn watch(&self, id: ConnectionId, silence: Option<Duration>) {
        if let Some(open) = self.lock().open.get(&id) {
            open.silence.send_replace(silence);
        }
    }

    /// The open TCP or TLS connection to a peer.
    pub fn to_peer(&self, transport: Transport, peer: SocketAddr) -> Option<ConnectionId> {
        self.lock().by_peer.get(&(transport, peer)).copied()
    }

    /// Ends a stream after what is queued has been written.
    pub fn close(&self, id: ConnectionId) {
        self.lock().remove(id);
    }

    pub fn close_all(&self) {
        let mut state = self.lock();
        state.open.clear();
        state.by_peer.clear();
    }

    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, id: ConnectionId) {
        if let Some(open) = self.open.remove(&id)
            && self.by_peer.get(&(open.transport, open.peer)) == Some(&id)
        {
            self.by_peer.remove(&(open.transport, open.peer));
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        state.remove(self.id);
        if let Some(count) = state.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                state.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn the_limits_hold_and_a_closed_stream_makes_room() {
        let connections = Connections::new(2);
        let (first, _a) = connections.register(Transport::Tcp, peer(1)).unwrap();
        let (_second, _b) = connections.register(Transport::Ws, peer(2)).unwrap();
        assert!(connections.register(Transport::Tcp, peer(3)).is_none());
        drop(first);
        assert!(connections.register(Transport::Tcp, peer(3)).is_some());
    }

    #[test]
    fn one_address_cannot_take_all() {
        let connections = Connections::new(1000);
        let mut held: Vec<_> =
            (0..250).filter_map(|port| connections.register(Transport::Tcp, peer(port))).collect();
        assert_eq!(held.len(), 250);
        assert!(connections.register(Transport::Tcp, peer(999)).is_none());
        let elsewhere = SocketAddr::from(([198, 51, 100, 1], 5060));
        held.extend(connections.register(Transport::Tcp, elsewhere));
        assert_eq!(held.len(), 251);
    }

    #[test]
    fn a_peer_is_reached_over_its_newest_tcp_connection_until_that_ends() {
        let connections = Connections::new(10);
        let (first, _a) = connections.register(Transport::Tcp, peer(1)).unwrap();
        assert_eq!(connections.to_peer(Transport::Tcp, peer(1)), Some(first.id));
        connections.close(first.id);
        assert_eq!(connections.to_peer(Transport::Tcp, peer(1)), None);
        let (second, _b) = connections.register(Transport::Tcp, peer(1)).unwrap();
        drop(first);
        assert_eq!(
            connections.to_peer(Transport::Tcp, peer(1)),
            Some(second.id),
            "the end of the old one does not hide the new one"
        );
    }

    #[test]
    fn a_peer_that_does_not_read_loses_its_stream() {
        let connections = Connections::new(10);
        let (registration, _unread) = connections.register(Transport::Tcp, peer(1)).unwrap();
        let message: Arc<[u8]> = Arc::from(&b"x"[..]);
        for _ in 0..QUEUE {
            assert_eq!(connections.send(registration.id, message.clone()), Queued::Yes);
        }
        assert_eq!(connections.send(registration.id, message.clone()), Queued::Overflow);
        assert_eq!(connections.send(registration.id, message), Queued::NoSuchConnection);
    }
}
