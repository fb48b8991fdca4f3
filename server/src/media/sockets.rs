//! One thread's UDP sockets, numbered as the media core numbers them.
//!
//! Invariant: a pair of ports rests between two calls, however it does so. Most rest with their sockets open: the next call
//! then costs no `socket`, `bind`, `epoll_ctl` and `close`. A pair that hears anything while it rests is closed.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use media::core::{LocalPorts, Sink, SocketKey};
use model::Instant;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::sockopt;

use super::ports::{Ports, QUARANTINE};

/// Receive buffer of the port that all browsers share, in bytes.
const SHARED_BUFFER: usize = 4 * 1024 * 1024;

/// Ports that something else on the machine holds are passed over, so many of them for one leg: a second server on the same
/// range holds whole stretches of it. A failed attempt costs a few microseconds and rests before it is tried again.
const BIND_ATTEMPTS: usize = 512;

#[derive(Debug)]
struct Entry {
    socket: UdpSocket,
    /// Its pair, on the RTP socket only.
    pair: Option<LocalPorts>,
    rest: Rest,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rest {
    No,
    Quiet,
    /// A former peer goes on sending.
    Disturbed,
}

#[derive(Debug)]
pub(super) struct Sockets {
    listen: IpAddr,
    epoll: OwnedFd,
    table: Vec<Option<Entry>>,
    /// Numbers below `table.len()` that are not in use.
    vacant: Vec<u32>,
    ports: Ports,
    /// Pairs at rest with open sockets, and since when, the longest first.
    resting: VecDeque<(Instant, LocalPorts)>,
    /// Most of them.
    most_resting: usize,
    /// Sockets of those pairs.
    at_rest: usize,
    pub sent: u64,
    pub failed: u64,
}

impl Sockets {
    /// Binds the shared port for browsers (0: any) as number 0. `most_resting` pairs at most are kept open for the next call.
    pub fn new(
        listen: IpAddr,
        webrtc_port: u16,
        ports: Ports,
        epoll: OwnedFd,
        most_resting: usize,
    ) -> io::Result<Self> {
        let shared = UdpSocket::bind((listen, webrtc_port))?;
        // Refused sizes are capped by the kernel (net.core.rmem_max): less room for bursts, nothing else.
        let _ = sockopt::set_socket_recv_buffer_size(&shared, SHARED_BUFFER);
        let mut sockets = Self {
            listen,
            epoll,
            table: Vec::new(),
            vacant: Vec::new(),
            ports,
            resting: VecDeque::new(),
            most_resting,
            at_rest: 0,
            sent: 0,
            failed: 0,
        };
        sockets.add(shared)?;
        Ok(sockets)
    }

    /// Where browsers reach the shared port.
    pub fn shared_address(&self) -> io::Result<SocketAddr> {
        self.socket(SocketKey::WEBRTC).ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }

    /// RTP and RTCP ports for a leg.
    pub fn open_pair(&mut self, now: Instant) -> io::Result<LocalPorts> {
        while let Some((_, pair)) = self.resting.pop_front_if(|(since, _)| *since + QUARANTINE <= now) {
            self.at_rest -= keys(pair).count();
            if self.wake(pair) {
                return Ok(pair);
            }
            self.close_pair(now, pair);
        }
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
        let rtp = self.add(rtp)?;
        let pair = LocalPorts { rtp, port, rtcp: self.add(rtcp).ok() };
        if let Some(entry) = self.entry(rtp) {
            entry.pair = Some(pair);
        }
        Ok(pair)
    }

    /// Closing the RTP socket closes its pair; the RTCP socket goes with it.
    pub fn close(&mut self, now: Instant, key: SocketKey) {
        let Some(pair) = self.entry(key).filter(|entry| entry.rest == Rest::No).and_then(|entry| entry.pair)
        else {
            return;
        };
        if self.resting.len() >= self.most_resting {
            return self.close_pair(now, pair);
        }
        for key in keys(pair) {
            if let Some(entry) = self.entry(key) {
                entry.rest = Rest::Quiet;
            }
        }
        self.at_rest += keys(pair).count();
        self.resting.push_back((now, pair));
    }

    fn close_pair(&mut self, now: Instant, pair: LocalPorts) {
        for SocketKey(number) in keys(pair) {
            // Closing the last descriptor takes the socket out of epoll.
            self.table[number as usize] = None;
            self.vacant.push(number);
        }
        self.ports.release(now, pair.port);
    }

    /// Takes the pair back into use. False when somebody has sent to it meanwhile.
    fn wake(&mut self, pair: LocalPorts) -> bool {
        let mut quiet = true;
        for key in keys(pair) {
            let Some(entry) = self.entry(key) else { continue };
            quiet &= entry.rest == Rest::Quiet && entry.socket.recv(&mut [0]).is_err();
            entry.rest = Rest::No;
        }
        quiet
    }

    /// One datagram, if one is waiting.
    pub fn receive(&mut self, key: SocketKey, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let entry = self.entry(key)?;
        // Besides "nothing there", Linux reports ICMP errors of earlier sends here; they mean nothing for this packet.
        let received = entry.socket.recv_from(buffer).ok()?;
        match entry.rest {
            Rest::No => Some(received),
            Rest::Quiet | Rest::Disturbed => {
                entry.rest = Rest::Disturbed;
                None
            }
        }
    }

    /// Sockets in use.
    pub fn open(&self) -> usize {
        self.table.len() - self.vacant.len() - self.at_rest
    }

    fn entry(&mut self, key: SocketKey) -> Option<&mut Entry> {
        self.table.get_mut(key.0 as usize)?.as_mut()
    }

    fn socket(&self, key: SocketKey) -> Option<&UdpSocket> {
        self.table.get(key.0 as usize)?.as_ref().map(|entry| &entry.socket)
    }

    fn add(&mut self, socket: UdpSocket) -> io::Result<SocketKey> {
        socket.set_nonblocking(true)?;
        let number = self.vacant.pop().unwrap_or(self.table.len() as u32);
        // Level-triggered: one `recv_from` per wake-up and socket is enough, what is left is reported again.
        let added =
            epoll::add(&self.epoll, socket.as_fd(), EventData::new_u64(u64::from(number)), EventFlags::IN);
        if let Err(error) = added {
            if (number as usize) < self.table.len() {
                self.vacant.push(number);
            }
            return Err(error.into());
        }
        let entry = Some(Entry { socket, pair: None, rest: Rest::No });
        match self.table.get_mut(number as usize) {
            Some(slot) => *slot = entry,
            None => self.table.push(entry),
        }
        Ok(SocketKey(number))
    }
}

fn keys(pair: LocalPorts) -> impl Iterator<Item = SocketKey> {
    std::iter::once(pair.rtp).chain(pair.rtcp)
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

    fn sockets(range: (u16, u16), most_resting: usize) -> Sockets {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        Sockets::new(Ipv4Addr::LOCALHOST.into(), 0, Ports::new(range, 0, 1, 0), epoll, most_resting).unwrap()
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
        for most_resting in [0, 1] {
            let port = free_pair();
            let mut sockets = sockets((port, port + 1), most_resting);
            let pair = sockets.open_pair(Instant::ZERO).unwrap();
            assert_eq!(pair.port, port);
            assert!(sockets.open_pair(Instant::ZERO).is_err());
            sockets.close(Instant::ZERO, pair.rtp);
            sockets.close(Instant::ZERO, pair.rtcp.unwrap());
            assert_eq!((sockets.open(), sockets.resting.len()), (1, most_resting));
            assert!(sockets.open_pair(Instant::ZERO).is_err());
            let again = sockets.open_pair(Instant::ZERO + QUARANTINE).unwrap();
            assert_eq!(again.port, port);
            assert!(again.rtp == pair.rtp || Some(again.rtp) == pair.rtcp);
            assert_eq!(sockets.open(), 3);
        }
    }

    #[test]
    fn a_pair_that_a_former_peer_goes_on_sending_to_is_not_given_to_the_next_call() {
        for read_meanwhile in [false, true] {
            let port = free_pair();
            let mut sockets = sockets((port, port + 1), 1);
            let pair = sockets.open_pair(Instant::ZERO).unwrap();
            sockets.close(Instant::ZERO, pair.rtp);
            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.send_to(b"still here", ("127.0.0.1", port)).unwrap();
            if read_meanwhile {
                assert_eq!(sockets.receive(pair.rtp, &mut [0; 16]), None, "nobody's packet");
            }
            assert!(sockets.open_pair(Instant::ZERO + QUARANTINE).is_err());
            assert_eq!(sockets.open(), 1);
            let again = sockets.open_pair(Instant::ZERO + QUARANTINE * 2).unwrap();
            assert_eq!(
                sockets.receive(again.rtp, &mut [0; 16]),
                None,
                "what was sent to the former call is gone"
            );
        }
    }

    #[test]
    fn a_port_that_somebody_else_holds_is_passed_over() {
        let port = free_pair();
        let _theirs = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let mut sockets = sockets((port, port + 1), 1);
        assert!(sockets.open_pair(Instant::ZERO).is_err());
        assert_eq!(sockets.open(), 1, "nothing is left behind");
    }

    #[test]
    fn what_is_sent_arrives_and_what_cannot_be_sent_is_counted() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sockets = sockets((2, 3), 1);
        sockets.send(SocketKey::WEBRTC, peer.local_addr().unwrap(), b"hello");
        let mut buffer = [0; 16];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"hello"[..], sockets.shared_address().unwrap()));
        sockets.send(SocketKey::WEBRTC, "[2001:db8::1]:9".parse().unwrap(), b"wrong family");
        assert_eq!((sockets.sent, sockets.failed), (1, 1));
    }
}
