use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The one address that a trunk leads to, with a peer of its own behind each number: a call of the server goes to the peer of the
/// number in its Request-URI, and what the two have to say further, as long as they say it here, to the other one.
pub struct Carrier {
    pub address: SocketAddr,
    peers: Arc<Mutex<BTreeMap<String, SocketAddr>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    /// At a free port of 127.0.0.1.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a time");
        let address = socket.local_addr().expect("it is bound");
        let peers = Arc::<Mutex<BTreeMap<String, SocketAddr>>>::default();
        let over = Arc::<AtomicBool>::default();
        let (known, stop) = (Arc::clone(&peers), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut server = None;
            let mut calls: BTreeMap<Vec<u8>, SocketAddr> = BTreeMap::new();
            let mut buffer = vec![0; 65_536];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let bytes = &buffer[..length];
                let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                let to = if known.values().any(|peer| *peer == from) {
                    server
                } else {
                    server = Some(from);
                    let call = call_id(bytes).unwrap_or_default();
                    if let Some(peer) = number(bytes).and_then(|number| known.get(&number)) {
                        calls.insert(call.to_vec(), *peer);
                    }
                    calls.get(call).copied()
                };
                if let Some(to) = to {
                    // A peer that is gone hears nothing, as with any network.
                    let _ = socket.send_to(bytes, to);
                }
            }
        });
        Self { address, peers, over, thread: Some(thread) }
    }

    pub fn connect(&self, number: &str, peer: SocketAddr) {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).insert(number.to_owned(), peer);
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The user part of a request's URI.
fn number(request: &[u8]) -> Option<String> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let uri = std::str::from_utf8(line).ok()?.split(' ').nth(1)?;
    Some(uri.strip_prefix("sip:")?.split('@').next()?.to_owned())
}

fn call_id(message: &[u8]) -> Option<&[u8]> {
    message.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Call-ID: "))
}
