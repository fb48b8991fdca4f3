//! One thread's UDP sockets, numbered as the media core numbers them.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use media::core::{LocalPorts, Sink, SocketKey};
use model::Instant;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::sockopt;

use super::ports::Ports;

/// Receive buffer of the port that all browsers share, in bytes.
const SHARED_BUFFER: usize = 4 * 1024 * 1024;

/// Ports that something else on the machine holds are passed over, so many of them for one leg: a second server on the same
/// range holds whole stretches of it. A failed attempt costs a few microseconds and rests before it is tried again.
const BIND_ATTEMPTS: usize = 512;

/// A socket, and whether it takes the pair of ports into quarantine when it goes.
#[derive(Debug)]
struct Entry {
    socket: UdpSocket,
    /// The even port of its pair, on the RTP socket only.
    pair: Option<u16>,
}

#[derive(Debug)]
pub(super) struct Sockets {
    listen: IpAddr,
    epoll: OwnedFd,
    table: Vec<Option<Entry>>,
    /// Numbers below `table.len()` that are not in use.
    vacant: Vec<u32>,
    ports: Ports,
    pub sent: u64,
    pub failed: u64,
}

impl Sockets {
    /// Binds the shared port for browsers (0: any) as number 0.
    pub fn new(listen: IpAddr, webrtc_port: u16, ports: Ports, epoll: OwnedFd) -> io::Result<Self> {
        let shared = UdpSocket::bind((listen, webrtc_port))?;
        // Refused sizes are capped by the kernel (net.core.rmem_max): less room for bursts, nothing else.
        let _ = sockopt::set_socket_recv_buffer_size(&shared, SHARED_BUFFER);
        let mut sockets =
            Self { listen, epoll, table: Vec::new(), vacant: Vec::new(), ports, sent: 0, failed: 0 };
        sockets.add(Entry { socket: shared, pair: None })?;
        Ok(sockets)
    }

    /// Where browsers reach the shared port.
    pub fn shared_address(&self) -> io::Result<SocketAddr> {
        self.socket(SocketKey::WEBRTC).ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }

    /// Binds RTP and RTCP ports for a leg.
    pub fn open_pair(&mut self, now: Instant) -> io::Result<LocalPorts> {
        let mut last = io::Error::new(io::ErrorKind::AddrInUse, "all RTP ports are in use");
        for _ in 0..BIND_ATTEMPTS.min(self.ports.available()) {
            let Some(port) = self.ports.take(now) else {
                break;
            };
            match self.bind_pair(port) {
                Ok(pair) => return Ok(pair),
                Err(error) => {
                    self.ports.release(now, port);
                    last = error;
                }
            }
        }
        Err(last)
    }

    fn bind_pair(&mut self, port: u16) -> io::Result<LocalPorts> {
        let rtp = UdpSocket::bind((self.listen, port))?;
        let rtcp = UdpSocket::bind((self.listen, port + 1))?;
        let rtp = self.add(Entry { socket: rtp, pair: Some(port) })?;
        let rtcp = self.add(Entry { socket: rtcp, pair: None }).ok();
        Ok(LocalPorts { rtp, port, rtcp })
    }

    pub fn close(&mut self, now: Instant, key: SocketKey) {
        let Some(entry) = self.table.get_mut(key.0 as usize).and_then(Option::take) else {
            return;
        };
        // Closing the last descriptor takes the socket out of epoll.
        if let Some(port) = entry.pair {
            self.ports.release(now, port);
        }
        self.vacant.push(key.0);
    }

    /// One datagram, if one is waiting.
    pub fn receive(&self, key: SocketKey, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        // Besides "nothing there", Linux reports ICMP errors of earlier sends here; they mean nothing for this packet.
        self.socket(key)?.recv_from(buffer).ok()
    }

    pub fn open(&self) -> usize {
        self.table.len() - self.vacant.len()
    }

    fn socket(&self, key: SocketKey) -> Option<&UdpSocket> {
        self.table.get(key.0 as usize)?.as_ref().map(|entry| &entry.socket)
    }

    fn add(&mut self, entry: Entry) -> io::Result<SocketKey> {
        entry.socket.set_nonblocking(true)?;
        let number = self.vacant.pop().unwrap_or(self.table.len() as u32);
        // Level-triggered: one `recv_from` per wake-up and socket is enough, what is left is reported again.
        let added = epoll::add(
            &self.epoll,
            entry.socket.as_fd(),
            EventData::new_u64(u64::from(number)),
            EventFlags::IN,
        );
        if let Err(error) = added {
            if (number as usize) < self.table.len() {
                self.vacant.push(number);
            }
            return Err(error.into());
        }
        match self.table.get_mut(number as usize) {
            Some(slot) => *slot = Some(entry),
            None => self.table.push(Some(entry)),
        }
        Ok(SocketKey(number))
    }
}

impl Sink for Sockets {
    fn send(&mut self, from: SocketKey, to: SocketAddr, packet: &[u8]) {
        let Some(socket) = self.socket(from) else {
            return;
        };
        // A full buffer, an unreachable network or a peer without a listener lose this packet, as the network might.
        match socket.send_to(packet, to) {
            Ok(_) => self.sent += 1,
            Err(_) => self.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn sockets(range: (u16, u16)) -> Sockets {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        Sockets::new(Ipv4Addr::LOCALHOST.into(), 0, Ports::new(range, 0, 1, 0), epoll).unwrap()
    }

    /// An even port below which nothing is known to be taken; tests run beside each other.
    fn free_pair() -> u16 {
        loop {
            let probe = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() & !1;
            if UdpSocket::bind(("127.0.0.1", probe)).is_ok()
                && UdpSocket::bind(("127.0.0.1", probe + 1)).is_ok()
            {
                return probe;
            }
        }
    }

    #[test]
    fn a_closed_number_is_used_again_but_its_port_rests() {
        let port = free_pair();
        let mut sockets = sockets((port, port + 1));
        let pair = sockets.open_pair(Instant::ZERO).unwrap();
        assert_eq!(pair.port, port);
        assert!(sockets.open_pair(Instant::ZERO).is_err());
        sockets.close(Instant::ZERO, pair.rtp);
        sockets.close(Instant::ZERO, pair.rtcp.unwrap());
        assert_eq!(sockets.open(), 1);
        assert!(sockets.open_pair(Instant::ZERO).is_err());
        let again = sockets.open_pair(Instant::ZERO + super::super::ports::QUARANTINE).unwrap();
        assert_eq!(again.port, port);
        assert!(again.rtp == pair.rtp || Some(again.rtp) == pair.rtcp);
    }

    #[test]
    fn a_port_that_somebody_else_holds_is_passed_over() {
        let port = free_pair();
        let _theirs = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let mut sockets = sockets((port, port + 1));
        assert!(sockets.open_pair(Instant::ZERO).is_err());
        assert_eq!(sockets.open(), 1, "nothing is left behind");
    }

    #[test]
    fn what_is_sent_arrives_and_what_cannot_be_sent_is_counted() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sockets = sockets((2, 3));
        sockets.send(SocketKey::WEBRTC, peer.local_addr().unwrap(), b"hello");
        let mut buffer = [0; 16];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"hello"[..], sockets.shared_address().unwrap()));
        sockets.send(SocketKey::WEBRTC, "[2001:db8::1]:9".parse().unwrap(), b"wrong family");
        assert_eq!((sockets.sent, sockets.failed), (1, 1));
    }
}
