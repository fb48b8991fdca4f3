//! One RTP packet from a phone to its partner: our media thread against a bare epoll, `recvfrom`, `sendto` loop.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use media::library::Library;
use rustix::event::epoll;

use crate::rig::{self, PCMU, Rig, THREAD};
use crate::stream::{End, Heard, Speech, percentile, talk, timed};

/// Each call has two phones, and each of them sends 50 packets a second.
const CALLS: [usize; 5] = [50, 100, 200, 300, 1_000];
/// At which the way of a packet is timed.
const TIMED: usize = 100;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;

const FLOOR: &str = "floor";
/// figures.md
const LIMIT_RATIO: f64 = 1.4;
const LIMIT_P99_MILLIS: f64 = 0.25;

pub fn run() -> Result<()> {
    for calls in CALLS {
        measure(calls)?;
    }
    Ok(())
}

fn measure(calls: usize) -> Result<()> {
    let mut rig = Rig::start(Library::default())?;
    let phones = rig::calls(&mut rig, calls, [PCMU; 2])?;
    let ours: Vec<End<'_>> = phones.iter().map(|phone| (&phone.socket, phone.port)).collect();
    let sockets = (0..calls * 2).map(|_| rig::socket()).collect::<Result<Vec<_>>>()?;
    let floor = Floor::start(&sockets)?;
    let bare: Vec<End<'_>> = sockets.iter().zip(floor.ports.iter().copied()).collect();

    let (mut at_floor, mut at_ours) = (Total::default(), Total::default());
    for _ in 0..ROUNDS {
        at_floor.add(FLOOR, &bare)?;
        at_ours.add(THREAD, &ours)?;
    }
    let what = format!("forward an RTP packet, {calls} calls");
    crate::row(&what, "CPU µs", at_floor.micros(), at_ours.micros(), Some(LIMIT_RATIO));
    println!("    lost: {} of {} (floor: {})", at_ours.lost(), at_ours.sent, at_floor.lost());
    if calls == TIMED {
        let speech = Speech::pcmu();
        let of = |ends: &[End<'_>]| -> Result<[f64; 2]> {
            let Heard { mut on_the_way, .. } = timed(ends, &[&speech], ROUND)?;
            Ok([0.5, 0.99].map(|part| percentile(&mut on_the_way, part).as_secs_f64() * 1e3))
        };
        let (bare, ours) = (of(&bare)?, of(&ours)?);
        crate::row("  on its way, p50", "ms", bare[0], ours[0], None);
        crate::row("  on its way, p99", "ms", bare[1], ours[1], None);
        crate::beside_limit("  p99 beside its limit, ms", LIMIT_P99_MILLIS, ours[1]);
    }
    floor.stop();
    Ok(())
}

#[derive(Default)]
struct Total {
    cpu: Duration,
    sent: u64,
    heard: u64,
}

impl Total {
    /// One round of load, and what the named thread spent on it.
    fn add(&mut self, thread: &str, ends: &[End<'_>]) -> Result<()> {
        let before = crate::process::of_thread(thread)?;
        let Heard { sent, packets, .. } = talk(ends, &[&Speech::pcmu()], ROUND)?;
        self.cpu += crate::process::of_thread(thread)? - before;
        self.sent += sent;
        self.heard += packets;
        ensure!(packets * 100 >= sent * 97, "only {packets} of {sent} came through: too busy to measure on");
        Ok(())
    }

    fn micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.heard as f64
    }

    fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.heard)
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
        let sockets: Vec<UdpSocket> = phones.iter().map(|_| rig::socket()).collect::<Result<_>>()?;
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
