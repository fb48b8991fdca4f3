//! One media thread: its loop, and what it does with what the core puts out.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use media::api::{Command, Event, LegKind, Statistics};
use media::core::{Core, Output, SocketKey, TICK};
use media::library::Library;
use model::{Now, RecordingId};
use rustix::event::epoll;
use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

use super::recorder::{Job, Recorder};
use super::sockets::Sockets;
use crate::clock::Clock;

/// Marks in epoll beside the socket numbers, which are 32 bits wide.
pub(super) const WAKE: u64 = u64::MAX;
pub(super) const TIMER: u64 = u64::MAX - 1;

/// Larger than any datagram that we could use; what is longer is cut by the kernel and then refused as malformed.
const DATAGRAM: usize = 2048;

/// Datagrams taken from the browsers' shared port in one go, so that it cannot starve the others.
const SHARED_BURST: usize = 64;

#[derive(Debug)]
pub(super) enum Order {
    Command(Command),
    Library(Arc<Library>),
    RecordingFailed(RecordingId),
    Stop,
}

/// Counters of one thread, written by it alone.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub received: AtomicU64,
    pub sent: AtomicU64,
    pub send_failures: AtomicU64,
    /// Ticks that came 20 ms or more after their time.
    pub late_ticks: AtomicU64,
    pub sockets: AtomicU64,
}

pub(super) struct Thread<E> {
    pub core: Core,
    pub clock: Clock,
    pub sockets: Sockets,
    pub epoll: OwnedFd,
    pub wake: Arc<OwnedFd>,
    /// Set while the thread has been woken and has not looked yet: one `write` wakes it for any number of orders.
    pub woken: Arc<AtomicBool>,
    pub timer: OwnedFd,
    pub ticking: bool,
    pub orders: Receiver<Order>,
    pub events: E,
    pub recorder: Recorder,
    pub counters: Arc<Counters>,
}

impl<E: Fn(Event)> Thread<E> {
    /// Runs until it is stopped or every handle is gone.
    pub fn run(mut self) {
        let mut ready = Vec::with_capacity(256);
        let mut buffer = [0; DATAGRAM];
        loop {
            ready.clear();
            if let Err(error) = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), None)
                && error != rustix::io::Errno::INTR
            {
                tracing::error!(%error, "a media thread cannot wait for its sockets and stops");
                return;
            }
            let now = self.clock.now();
            for event in &ready {
                match event.data.u64() {
                    WAKE => {
                        if !self.obey(now) {
                            return;
                        }
                    }
                    TIMER => self.tick(now),
                    number => self.receive(now, SocketKey(number as u32), &mut buffer),
                }
            }
            self.count();
        }
    }

    fn receive(&mut self, now: Now, key: SocketKey, buffer: &mut [u8; DATAGRAM]) {
        let burst = if key == SocketKey::WEBRTC { SHARED_BURST } else { 1 };
        for _ in 0..burst {
            let Some((length, from)) = self.sockets.receive(key, buffer) else {
                return;
            };
            bump(&self.counters.received, 1);
            self.core.handle_packet(now, key, from, &mut buffer[..length], &mut self.sockets);
            self.carry_out(now);
        }
    }

    /// The timer counts the periods that have passed: after a stall the missed ticks are made up for at once, but never more
    /// than a second of them.
    fn tick(&mut self, now: Now) {
        let mut periods = [0; 8];
        if rustix::io::read(&self.timer, &mut periods).is_err() {
            return;
        }
        let periods = u64::from_ne_bytes(periods);
        bump(&self.counters.late_ticks, periods.saturating_sub(1));
        for _ in 0..periods.min(50) {
            self.core.handle_tick(now, &mut self.sockets);
            self.carry_out(now);
        }
        self.set_ticking();
    }

    /// `false`: stop.
    fn obey(&mut self, now: Now) -> bool {
        // In this order: a wake-up between the two must not be read away while its mark stays, or nobody would ever wake us
        // again. What is sent after the mark is taken back wakes us, what was sent before it is seen below: a swap, unlike a
        // store, orders what follows after the sender's own swap.
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        self.woken.swap(false, Ordering::SeqCst);
        loop {
            match self.orders.try_recv() {
                Ok(Order::Command(command)) => self.command(now, command),
                Ok(Order::Library(library)) => self.core.set_library(library),
                Ok(Order::RecordingFailed(recording)) => self.core.recording_failed(recording),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => break,
            }
        }
        self.set_ticking();
        true
    }

    fn command(&mut self, now: Now, command: Command) {
        let ports = match &command {
            Command::Open { leg, kind: LegKind::Rtp { .. }, .. } => match self.sockets.open_pair(now.instant)
            {
                Ok(ports) => Some(ports),
                Err(error) => {
                    tracing::error!(%leg, %error, "no RTP ports for a call");
                    (self.events)(Event::Closed { leg: *leg, statistics: Statistics::default() });
                    return;
                }
            },
            _ => None,
        };
        self.core.handle_command(now, command, ports, &mut self.sockets);
        self.carry_out(now);
    }

    fn carry_out(&mut self, now: Now) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Event(event) => (self.events)(event),
                Output::MissingPrompt(prompt) => {
                    tracing::warn!(?prompt, "a prompt is missing and is left out; missing music is silence");
                }
                Output::CloseSocket(key) => self.sockets.close(now.instant, key),
                Output::OpenRecording { recording, file, channels } => {
                    self.record(recording, Job::Open { recording, file, channels });
                }
                Output::WriteRecording { recording, samples } => {
                    self.record(recording, Job::Write { recording, samples });
                }
                Output::CloseRecording { recording, duration } => {
                    self.record(recording, Job::Close { recording, duration });
                }
            }
        }
    }

    fn record(&mut self, recording: RecordingId, job: Job) {
        if self.recorder.submit(job).is_err() {
            self.core.recording_failed(recording);
            if let Some(kept) = self.recorder.give_up(recording) {
                let why = "the disk is too far behind".to_owned();
                (self.events)(Event::RecordingFailed { recording, why, kept });
            }
        }
    }

    /// The timer runs on absolute deadlines of the kernel's monotonic clock, so late handling never shifts later ticks.
    fn set_ticking(&mut self) {
        let wanted = !self.core.is_idle();
        if wanted == self.ticking {
            return;
        }
        let period =
            if wanted { Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as _ } } else { Timespec::default() };
        let setting = Itimerspec { it_interval: period, it_value: period };
        match timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting) {
            Ok(_) => self.ticking = wanted,
            Err(error) => tracing::error!(%error, "a media thread cannot set its timer"),
        }
    }

    fn count(&self) {
        self.counters.sent.store(self.sockets.sent, Ordering::Relaxed);
        self.counters.send_failures.store(self.sockets.failed, Ordering::Relaxed);
        self.counters.sockets.store(self.sockets.open() as u64, Ordering::Relaxed);
    }
}

/// A single writer needs no locked addition.
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}
