//! Starting the media threads and talking to them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use media::api::{Command, Event};
use media::core::{Core, CoreConfig};
use media::library::Library;
use model::{LegId, RecordingId, SessionId};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use super::ports::Ports;
use super::recorder::{self, Recorder};
use super::sockets::Sockets;
use super::thread::{Counters, Order, TIMER, Thread, WAKE};
use crate::clock::Clock;
use crate::config;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot bind the UDP port for browsers, {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("cannot set up a media thread: {0}")]
    Io(#[from] io::Error),
}

/// The running media threads. They stop when this is dropped.
#[derive(Debug)]
pub struct MediaHandle {
    links: Vec<Link>,
    routes: Arc<Routes>,
    threads: Vec<JoinHandle<()>>,
    recorder: Option<JoinHandle<()>>,
}

/// What the media threads have done since the start, together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    pub packets_received: u64,
    pub packets_sent: u64,
    pub send_failures: u64,
    /// Ticks of 20 ms that were missed and made up for.
    pub late_ticks: u64,
    /// Open UDP sockets.
    pub sockets: u64,
    pub legs: usize,
}

/// One thread's order channel.
#[derive(Clone, Debug)]
struct Link {
    orders: Sender<Order>,
    wake: Arc<OwnedFd>,
    woken: Arc<AtomicBool>,
    counters: Arc<Counters>,
}

/// Which thread each leg is on. Locked per command, never per packet.
#[derive(Debug, Default)]
struct Routes(Mutex<HashMap<LegId, usize>>);

/// Starts the threads of `config`. `events` is called on the media threads and must not block.
pub fn start(
    config: &config::Media,
    clock: Clock,
    seed: u64,
    library: Arc<Library>,
    events: impl Fn(Event) + Clone + Send + 'static,
) -> Result<MediaHandle, StartError> {
    raise_file_limit();
    let (recorder, jobs) = Recorder::new();
    let waiting = recorder.waiting();
    let routes = Arc::new(Routes::default());
    let mut handle =
        MediaHandle { links: Vec::new(), routes: routes.clone(), threads: Vec::new(), recorder: None };

    for index in 0..config.threads {
        let forget = routes.clone();
        let tell = events.clone();
        let events = move |event: Event| {
            if let Event::Closed { leg, .. } = &event {
                forget.lock().remove(leg);
            }
            tell(event);
        };
        let (link, thread) = build(config, index, clock, seed, library.clone(), events, recorder.clone())?;
        handle.links.push(link);
        handle.threads.push(Builder::new().name(format!("media-{index}")).spawn(move || thread.run())?);
    }

    let links = handle.links.clone();
    // The recorder does not know whose recording it is; to the other threads the id means nothing.
    let failed = move |recording: RecordingId| links.iter().for_each(|link| link.order(Order::RecordingFailed(recording)));
    let writer = Builder::new().name("recorder".into());
    handle.recorder = Some(writer.spawn(move || recorder::run(&waiting, &jobs, &events, &failed))?);
    Ok(handle)
}

impl MediaHandle {
    /// Passes a command to the thread of its leg or session. Commands for one leg are obeyed in the order of sending. A
    /// command for a leg that has been closed is dropped: the two sides may cross.
    pub fn send(&self, command: Command) {
        let thread = match &command {
            Command::Open { leg, session, .. } => {
                let thread = self.home(*session);
                self.routes.lock().insert(*leg, thread);
                Some(thread)
            }
            Command::StartRecording { session, .. } | Command::StopRecording { session } => Some(self.home(*session)),
            Command::Connect { a, b } => {
                let routes = self.routes.lock();
                let (a, b) = (routes.get(a).copied(), routes.get(b).copied());
                if a.is_some() && b.is_some() && a != b {
                    tracing::error!(?command, "two legs on different media threads cannot be connected");
                    return;
                }
                a.and(b)
            }
            Command::Answer { leg, .. }
            | Command::Offer { leg, .. }
            | Command::Disconnect { leg }
            | Command::Play { leg, .. }
            | Command::StopPlaying { leg }
            | Command::SendDigits { leg, .. }
            | Command::Mute { leg, .. }
            | Command::Close { leg } => self.routes.lock().get(leg).copied(),
        };
        match thread {
            Some(thread) => self.links[thread].order(Order::Command(command)),
            None => tracing::debug!(?command, "a media command came after its leg had ended"),
        }
    }

    /// What starts to play from now on comes from this library.
    pub fn set_library(&self, library: Arc<Library>) {
        for link in &self.links {
            link.order(Order::Library(library.clone()));
        }
    }

    pub fn figures(&self) -> Figures {
        let mut figures = Figures { legs: self.routes.lock().len(), ..Figures::default() };
        for Link { counters, .. } in &self.links {
            figures.packets_received += counters.received.load(Ordering::Relaxed);
            figures.packets_sent += counters.sent.load(Ordering::Relaxed);
            figures.send_failures += counters.send_failures.load(Ordering::Relaxed);
            figures.late_ticks += counters.late_ticks.load(Ordering::Relaxed);
            figures.sockets += counters.sockets.load(Ordering::Relaxed);
        }
        figures
    }

    /// The thread on which all legs of a session live.
    fn home(&self, session: SessionId) -> usize {
        let mut hasher = DefaultHasher::new();
        session.hash(&mut hasher);
        (hasher.finish() % self.links.len() as u64) as usize
    }
}

impl Drop for MediaHandle {
    /// Stops the threads; recordings that still run are closed and stay playable.
    fn drop(&mut self) {
        for link in &self.links {
            link.order(Order::Stop);
        }
        for thread in self.threads.drain(..).chain(self.recorder.take()) {
            if thread.join().is_err() {
                tracing::error!("a media thread had panicked");
            }
        }
    }
}

impl Link {
    fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() && !self.woken.swap(true, Ordering::SeqCst) {
            // It can only fail when the counter is full, and then the thread is awake anyway.
            let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        }
    }
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<LegId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build<E: Fn(Event)>(
    config: &config::Media,
    index: usize,
    clock: Clock,
    seed: u64,
    library: Arc<Library>,
    events: E,
    recorder: Recorder,
) -> Result<(Link, Thread<E>), StartError> {
    let seed = seed.wrapping_add(index as u64);
    let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(io::Error::from)?;
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from)?);
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
        .map_err(io::Error::from)?;
    epoll::add(&epoll, &*wake, EventData::new_u64(WAKE), EventFlags::IN).map_err(io::Error::from)?;
    epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN).map_err(io::Error::from)?;

    let webrtc_port = if config.webrtc_port == 0 { 0 } else { config.webrtc_port.saturating_add(index as u16) };
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    let ports = Ports::new(config.rtp_ports, index, config.threads, hasher.finish());
    let sockets = Sockets::new(config.listen, webrtc_port, ports, epoll.try_clone()?)
        .map_err(|source| StartError::Bind { address: (config.listen, webrtc_port).into(), source })?;
    let shared = SocketAddr::new(config.advertised, sockets.shared_address()?.port());
    let core = Core::new(
        CoreConfig { address: config.advertised, webrtc: vec![shared], base: clock.base(), seed },
        library,
    );

    let (orders, inbox) = mpsc::channel();
    let woken = Arc::new(AtomicBool::new(false));
    let counters = Arc::new(Counters::default());
    let link = Link { orders, wake: wake.clone(), woken: woken.clone(), counters: counters.clone() };
    let thread = Thread {
        core,
        clock,
        sockets,
        epoll,
        wake,
        woken,
        timer,
        ticking: false,
        orders: inbox,
        events,
        recorder,
        counters,
    };
    Ok((link, thread))
}

/// Every phone leg takes two descriptors; the usual soft limit of 1,024 would end at 500 calls.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
