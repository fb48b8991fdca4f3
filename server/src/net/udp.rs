//! UDP listeners: one thread each, for a wake-up of a task costs several times what it costs to read a datagram.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::net::{SendFlags, Shutdown, sendto, shutdown, sockopt};
use session::api::Input;
use sip_core::api::{Hop, Transport};

use super::figures::Counters;
use super::sockets;
use crate::inbox::Inbox;

/// Room for bursts while the engine is busy: some 4,000 messages.
const BUFFER: usize = 8 * 1024 * 1024;

/// A listener. The engine thread sends on it directly: a datagram never waits.
#[derive(Debug)]
pub(super) struct UdpListener {
    pub local: SocketAddr,
    socket: Arc<UdpSocket>,
    stopped: Arc<AtomicBool>,
}

impl UdpListener {
    /// Binds, and hands on every datagram until [`UdpListener::stop`].
    pub fn start(address: SocketAddr, max: usize, inbox: Inbox, counters: Arc<Counters>) -> io::Result<Self> {
        let socket = Arc::new(sockets::bind_udp(address)?);
        // The thread waits in the socket; whoever sends does not.
        socket.set_nonblocking(false)?;
        // The kernel caps what it does not like (net.core.rmem_max): less room for bursts, nothing else.
        let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
        let _ = sockopt::set_socket_send_buffer_size(&socket, BUFFER);
        let (local, stopped) = (socket.local_addr()?, Arc::new(AtomicBool::new(false)));
        let (reader, over) = (socket.clone(), stopped.clone());
        thread::Builder::new()
            .name("sip-udp".into())
            .spawn(move || receive(&reader, local, max, &inbox, &counters, &over))?;
        Ok(Self { local, socket, stopped })
    }

    pub fn send(&self, to: SocketAddr, bytes: &[u8], counters: &Counters) {
        match sendto(&*self.socket, bytes, SendFlags::DONTWAIT, &to) {
            Ok(_) => counters.udp_sent.add(),
            // Lost like any datagram; retransmissions are the stack's business.
            Err(error) => {
                tracing::debug!(%to, %error, "a SIP datagram could not be sent");
                counters.udp_send_failures.add();
            }
        }
    }

    /// Receives no more. What is sent from now on still goes out.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Linux says that an unconnected socket cannot be shut down, and ends the thread's wait all the same.
        let _ = shutdown(&*self.socket, Shutdown::Read);
    }
}

impl Drop for UdpListener {
    fn drop(&mut self) {
        self.stop();
    }
}

fn receive(
    socket: &UdpSocket,
    local: SocketAddr,
    max: usize,
    inbox: &Inbox,
    counters: &Counters,
    stopped: &AtomicBool,
) {
    let mut buffer = vec![0; 65_536];
    while !stopped.load(Ordering::Relaxed) {
        // Errors here are ICMP reports about earlier sends.
        let Ok((length, remote)) = socket.recv_from(&mut buffer) else {
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
