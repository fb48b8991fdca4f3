//! UDP listeners: one task each.

use std::io;
use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::Arc;

use rustix::net::sockopt;
use session::api::Input;
use sip_core::api::{Hop, Transport};
use tokio::net::UdpSocket;

use super::figures::Counters;
use super::sockets;
use crate::inbox::Inbox;

/// Room for bursts while the engine is busy: some 4,000 messages.
const BUFFER: usize = 8 * 1024 * 1024;

/// The sending half of a listener. The engine thread sends on it directly: a datagram never waits.
#[derive(Debug)]
pub(super) struct UdpListener {
    pub local: SocketAddr,
    socket: StdUdpSocket,
}

impl UdpListener {
    /// Binds, and gives the socket that [`receive`] reads.
    pub fn bind(address: SocketAddr) -> io::Result<(Self, UdpSocket)> {
        let socket = sockets::bind_udp(address)?;
        // The kernel caps what it does not like (net.core.rmem_max): less room for bursts, nothing else.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
        let _ = sockopt::set_socket_send_buffer_size(&socket, BUFFER);
        let reader = UdpSocket::from_std(socket.try_clone()?)?;
        Ok((Self { local: socket.local_addr()?, socket }, reader))
    }

    pub fn send(&self, to: SocketAddr, bytes: &[u8], counters: &Counters) {
        match self.socket.send_to(bytes, to) {
            Ok(_) => counters.udp_sent.add(),
            // Lost like any datagram; retransmissions are the stack's business.
            Err(error) => {
                tracing::debug!(%to, %error, "a SIP datagram could not be sent");
                counters.udp_send_failures.add();
            }
        }
    }
}

/// Hands on every datagram, for ever.
pub(super) async fn receive(
    socket: UdpSocket,
    local: SocketAddr,
    max: usize,
    inbox: Inbox,
    counters: Arc<Counters>,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        // Errors here are ICMP reports about earlier sends.
        let Ok((length, remote)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        counters.udp_received.add();
        let bytes = &buffer[..length];
        if is_keep_alive(bytes) {
            continue;
        }
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        if length > max || inbox.offer(Input::Packet { hop, bytes: bytes.to_vec() }).is_err() {
            counters.udp_dropped.add();
        }
    }
}

/// What phones and scanners of NAT bindings send to keep a binding open: nothing, zeros or line ends.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 8 && bytes.iter().all(|byte| matches!(byte, 0 | b'\r' | b'\n' | b' '))
}
