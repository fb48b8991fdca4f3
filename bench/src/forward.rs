//! One RTP packet from a phone to its partner: our media thread against a bare epoll, `recvfrom`, `sendto` loop.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use media::api::{Channel, Command, Event, LegKind};
use media::library::Library;
use media::play::RingTone;
use model::{LegId, SessionId};
use rustix::event::epoll;
use server::clock::Clock;
use server::config;
use server::media::{MediaHandle, start};
use uuid::Uuid;

/// Each call has two phones, and each of them sends 50 packets a second.
const CALLS: usize = 100;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
const PACE: Duration = Duration::from_millis(20);
/// The phones take turns within the 20 ms, as real ones do.
const SLOTS: usize = 20;

const FLOOR: &str = "floor";
const OURS: &str = "media-0";

pub fn run() -> Result<()> {
    let phones: Vec<UdpSocket> = (0..CALLS * 2).map(|_| phone()).collect::<Result<_>>()?;
    let (ours, floor_phones) =
        (Ours::start(&phones)?, (0..CALLS * 2).map(|_| phone()).collect::<Result<Vec<_>>>()?);
    let floor = Floor::start(&floor_phones)?;

    let mut floor_total = Total::default();
    let mut our_total = Total::default();
    for _ in 0..ROUNDS {
        floor_total.add(FLOOR, &floor_phones, &floor.ports)?;
        our_total.add(OURS, &phones, &ours.ports)?;
    }
    floor.stop();
    let what = format!("forward an RTP packet, {CALLS} calls");
    crate::row(&what, "CPU µs", floor_total.micros()?, our_total.micros()?, Some(1.4));
    Ok(())
}

#[derive(Default)]
struct Total {
    cpu: Duration,
    packets: u64,
}

impl Total {
    /// One round of load, and what the named thread spent on it.
    fn add(&mut self, thread: &str, phones: &[UdpSocket], ports: &[SocketAddr]) -> Result<()> {
        let before = crate::process::of_thread(thread)?;
        self.packets += load(phones, ports)?;
        self.cpu += crate::process::of_thread(thread)? - before;
        Ok(())
    }

    fn micros(&self) -> Result<f64> {
        let expected = (CALLS * 2 * ROUNDS) as u128 * ROUND.as_millis() / PACE.as_millis();
        anyhow::ensure!(
            u128::from(self.packets) * 100 >= expected * 97,
            "only {} of {expected} packets came through: the machine is too busy to measure on",
            self.packets
        );
        Ok(self.cpu.as_secs_f64() * 1e6 / self.packets as f64)
    }
}

/// Sends for one round from every phone to its port, at an even pace, and counts what comes back.
fn load(phones: &[UdpSocket], ports: &[SocketAddr]) -> Result<u64> {
    let mut packet = [0x55; 172];
    let mut buffer = [0; 2048];
    let mut heard = 0;
    let start = Instant::now();
    let slot = PACE / SLOTS as u32;
    for number in 0..(ROUND.as_micros() / slot.as_micros()) as u32 {
        let sequence = (number as usize / SLOTS) as u32;
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(sequence * 160).to_be_bytes());
        for index in (number as usize % SLOTS..phones.len()).step_by(SLOTS) {
            packet[8..12].copy_from_slice(&(index as u32).to_be_bytes());
            phones[index].send_to(&packet, ports[index])?;
            while let Ok(length) = phones[index].recv(&mut buffer) {
                // RTCP is not counted.
                heard += u64::from(length == packet.len());
            }
        }
        thread::sleep((start + slot * (number + 1)).saturating_duration_since(Instant::now()));
    }
    thread::sleep(PACE);
    for phone in phones {
        while let Ok(length) = phone.recv(&mut buffer) {
            heard += u64::from(length == packet.len());
        }
    }
    Ok(heard)
}

fn phone() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Tandem's media thread with `CALLS` connected calls.
struct Ours {
    /// Where each phone sends to.
    ports: Vec<SocketAddr>,
    _handle: MediaHandle,
}

impl Ours {
    fn start(phones: &[UdpSocket]) -> Result<Self> {
        let config = config::Media {
            listen: Ipv4Addr::LOCALHOST.into(),
            advertised: Ipv4Addr::LOCALHOST.into(),
            rtp_ports: (16_000, 16_000 + CALLS as u16 * 8),
            webrtc_port: 0,
            threads: 1,
        };
        let (tell, events) = mpsc::channel();
        let tell = move |event| drop(tell.send(event));
        let handle = start(
            &config,
            (RingTone::EUROPE, Default::default()),
            Clock::start(),
            1,
            Arc::new(Library::default()),
            tell,
        )?;
        let mut ports = Vec::new();
        for (index, phone) in phones.iter().enumerate() {
            let port = phone.local_addr()?.port();
            let offer = format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
            );
            let leg = LegId(Uuid::from_u128(index as u128 + 1));
            handle.send(Command::Open {
                leg,
                session: SessionId(Uuid::from_u128(index as u128 / 2)),
                channel: if index % 2 == 0 { Channel::Customer } else { Channel::Agent },
                kind: LegKind::Rtp { nat: false, encryption: Default::default() },
                offer: Some(offer.into_bytes().into()),
                codecs: Vec::new(),
            });
            handle.wake();
            let answer = loop {
                match events.recv_timeout(Duration::from_secs(5)).context("no answer to an offer")? {
                    Event::LocalSdp { sdp, .. } => break sdp,
                    Event::Closed { .. } => anyhow::bail!("no ports for {CALLS} calls"),
                    _ => {}
                }
            };
            let answer = String::from_utf8(answer.to_vec())?;
            let port = answer.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next());
            ports.push((Ipv4Addr::LOCALHOST, port.context("no audio in an answer")?.parse()?).into());
            if index % 2 == 1 {
                handle.send(Command::Connect { a: LegId(Uuid::from_u128(index as u128)), b: leg });
                handle.wake();
            }
        }
        Ok(Self { ports, _handle: handle })
    }
}

/// The least that can be done: nothing is looked at, nothing is changed.
struct Floor {
    ports: Vec<SocketAddr>,
    running: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Floor {
    fn start(phones: &[UdpSocket]) -> Result<Self> {
        let sockets: Vec<UdpSocket> = phones.iter().map(|_| phone()).collect::<Result<_>>()?;
        let ports = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let targets: Vec<SocketAddr> = phones.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, socket) in sockets.iter().enumerate() {
            epoll::add(&epoll, socket, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN)?;
        }
        let running = Arc::new(AtomicBool::new(true));
        let go_on = running.clone();
        let relay = move || {
            let mut buffer = [0; 2048];
            let mut ready = Vec::with_capacity(256);
            let nap = rustix::time::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            while go_on.load(Ordering::Relaxed) {
                ready.clear();
                if epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut ready), Some(&nap)).is_err() {
                    continue;
                }
                for event in &ready {
                    let index = event.data.u64() as usize;
                    if let Ok((length, _)) = sockets[index].recv_from(&mut buffer) {
                        let _ = sockets[index ^ 1].send_to(&buffer[..length], targets[index ^ 1]);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name(FLOOR.into()).spawn(relay)?;
        Ok(Self { ports, running, thread })
    }

    fn stop(self) {
        self.running.store(false, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}
