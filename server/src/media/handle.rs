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

use media::api::{About, Command, Event};
use media::core::{Core, CoreConfig, Secret};
use media::library::Library;
use media::play::{MusicStart, RingTone};
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
    /// The writers of their recordings, one for each.
    recorders: Vec<JoinHandle<()>>,
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
    /// Something has been put for which the thread has not been woken.
    ready: Arc<AtomicBool>,
    counters: Arc<Counters>,
}

/// Which thread each leg is on. Locked per command, never per packet.
#[derive(Debug, Default)]
struct Routes(Mutex<HashMap<LegId, usize>>);

/// Starts the threads of `config`. `events` is called on the media threads and must not block; and what are played are the
/// ring-back tone of the region and music that begins so.
pub fn start(
    config: &config::Media,
    (ringback, music): (RingTone, MusicStart),
    clock: Clock,
    seed: u64,
    library: Arc<Library>,
    events: impl Fn(Event) + Clone + Send + 'static,
) -> Result<MediaHandle, StartError> {
    raise_file_limit();
    let routes = Arc::new(Routes::default());
    let mut handle =
        MediaHandle { links: Vec::new(), routes: routes.clone(), threads: Vec::new(), recorders: Vec::new() };

    let mut writers = Vec::new();
    for index in 0..config.threads {
        let (recorder, jobs) = Recorder::new();
        writers.push((recorder.shared(), jobs));
        let forget = routes.clone();
        let tell = events.clone();
        let events = move |event: Event| {
            if let Event::Closed { leg, .. } = &event {
                forget.lock().remove(leg);
            }
            tell(event);
        };
        let (link, thread) =
            build(config, index, Common { ringback, music, clock, seed }, library.clone(), events, recorder)?;
        handle.links.push(link);
        let run = move || {
            let _guard = AbortOnPanic;
            thread.run();
        };
        handle.threads.push(Builder::new().name(format!("media-{index}")).spawn(run)?);
    }

    for (index, (shared, jobs)) in writers.into_iter().enumerate() {
        let link = handle.links[index].clone();
        let failed = move |recording: RecordingId| link.order(Order::RecordingFailed(recording));
        let tell = events.clone();
        let run = move || {
            let _guard = AbortOnPanic;
            recorder::run(&shared, &jobs, &tell, &failed);
        };
        handle.recorders.push(Builder::new().name(format!("recorder-{index}")).spawn(run)?);
    }
    Ok(handle)
}

impl MediaHandle {
    /// Passes a command to the thread of its leg or session, which sees it at [`MediaHandle::wake`] at the latest. Commands for
    /// one leg are obeyed in the order of sending. A command for a leg that has been closed is dropped: the two sides may cross.
    pub fn send(&self, command: Command) {
        if let Command::Open { leg, session, .. } = &command {
            self.routes.lock().insert(*leg, self.home(*session));
        }
        let thread = match command.about() {
            About::Session(session) => Some(self.home(session)),
            About::Leg(leg) => self.routes.lock().get(&leg).copied(),
            About::Legs(a, b) => {
                let routes = self.routes.lock();
                let (a, b) = (routes.get(&a).copied(), routes.get(&b).copied());
                if a.is_some() && b.is_some() && a != b {
                    tracing::error!(?command, "two legs on different media threads cannot be connected");
                    return;
                }
                a.and(b)
            }
        };
        match thread {
            Some(thread) => self.links[thread].put(Order::Command(command)),
            None => tracing::debug!(?command, "a media command came after its leg had ended"),
        }
    }

    /// Wakes the threads for which commands lie ready: one wake-up for several commands, each costs two changes of thread.
    pub fn wake(&self) {
        self.links.iter().filter(|link| link.ready.swap(false, Ordering::Relaxed)).for_each(Link::wake);
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
        for thread in self.threads.drain(..).chain(self.recorders.drain(..)) {
            // It cannot have panicked: that would have ended the process.
            let _ = thread.join();
        }
    }
}

impl Link {
    /// Lays an order ready.
    fn put(&self, order: Order) {
        // It fails when the thread has ended: then nobody is there to be woken either.
        let _ = self.orders.send(order);
        self.ready.store(true, Ordering::Relaxed);
    }

    fn order(&self, order: Order) {
        self.put(order);
        self.wake();
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            // It can only fail when the counter is full, and then the thread is awake anyway.
            let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        }
    }
}

/// A media thread without its loop would leave its calls silent for ever. A supervisor starts the process again, and the
/// journal says what to do with the calls that broke.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a media thread panicked; the process ends");
            std::process::abort();
        }
    }
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<LegId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all threads are told alike.
#[derive(Clone, Copy)]
struct Common {
    ringback: RingTone,
    music: MusicStart,
    clock: Clock,
    seed: u64,
}

fn build<E: Fn(Event)>(
    config: &config::Media,
    index: usize,
    Common { ringback, music, clock, seed }: Common,
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

    let webrtc_port =
        if config.webrtc_port == 0 { 0 } else { config.webrtc_port.saturating_add(index as u16) };
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    let ports = Ports::new(config.rtp_ports, index, config.threads, hasher.finish());
    let sockets = Sockets::new(config.listen, webrtc_port, ports, epoll.try_clone()?)
        .map_err(|source| StartError::Bind { address: (config.listen, webrtc_port).into(), source })?;
    let shared = SocketAddr::new(config.advertised, sockets.shared_address()?.port());
    let core = Core::new(
        CoreConfig {
            address: config.advertised,
            webrtc: vec![shared],
            base: clock.base(),
            ringback,
            music,
            seed,
            secret: Secret(rand::random()),
        },
        library,
    );

    let (orders, inbox) = mpsc::channel();
    let woken = Arc::new(AtomicBool::new(false));
    let counters = Arc::new(Counters::default());
    let ready = Arc::new(AtomicBool::new(false));
    let link = Link { orders, wake: wake.clone(), woken: woken.clone(), ready, counters: counters.clone() };
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::sync::mpsc::Receiver;
    use std::time::Duration;

    use media::api::{Channel, Gain, LegKind, Member, Prompt};
    use media::library::Pcm;
    use model::PlaybackId;
    use uuid::Uuid;

    use super::*;

    /// How long a test waits for what should come at once; only a failing test waits that long.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn leg(number: u8) -> LegId {
        LegId(Uuid::from_bytes([number; 16]))
    }

    fn session() -> SessionId {
        SessionId(Uuid::from_bytes([7; 16]))
    }

    struct World {
        handle: MediaHandle,
        events: Receiver<Event>,
    }

    impl World {
        fn start(threads: usize) -> Self {
            let config = config::Media {
                listen: Ipv4Addr::LOCALHOST.into(),
                advertised: Ipv4Addr::LOCALHOST.into(),
                rtp_ports: (34_000, 34_999),
                webrtc_port: 0,
                threads,
            };
            let mut library = Library::default();
            library.insert_file("tone", Pcm { narrow: vec![8000; 1600], wide: vec![8000; 3200] });
            let (tell, events) = mpsc::channel();
            let events_out = move |event| drop(tell.send(event));
            let seed = u64::from(std::process::id());
            let handle = start(
                &config,
                (RingTone::EUROPE, MusicStart::Each),
                Clock::start(),
                seed,
                Arc::new(library),
                events_out,
            )
            .unwrap();
            Self { handle, events }
        }

        fn send(&self, command: Command) {
            self.handle.send(command);
            self.handle.wake();
        }

        fn event<T>(&self, pick: impl Fn(Event) -> Option<T>) -> T {
            loop {
                let event = self.events.recv_timeout(PATIENCE).expect("the event never came");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        }

        /// Opens a leg for a phone and tells the port that we gave it.
        fn open(&self, leg: LegId, phone: &Phone, channel: Channel) -> SocketAddr {
            let offer = Some(phone.offer().into_bytes().into());
            let kind = LegKind::Rtp { nat: false, encryption: Default::default() };
            self.send(Command::Open { leg, session: session(), channel, kind, offer, codecs: Vec::new() });
            let sdp = self.event(|event| match event {
                Event::LocalSdp { leg: of, sdp, .. } if of == leg => Some(sdp),
                _ => None,
            });
            let sdp = String::from_utf8(sdp.to_vec()).unwrap();
            let port = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()).unwrap();
            (Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap()).into()
        }
    }

    struct Phone(UdpSocket);

    impl Phone {
        fn new() -> Self {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            Self(socket)
        }

        fn offer(&self) -> String {
            let port = self.0.local_addr().unwrap().port();
            format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
                 a=rtpmap:101 telephone-event/8000\r\n"
            )
        }

        fn say(&self, to: SocketAddr, sequence: u16, sample: u8) {
            let mut packet = vec![0x80, 0];
            packet.extend(sequence.to_be_bytes());
            packet.extend((u32::from(sequence) * 160).to_be_bytes());
            packet.extend([1, 2, 3, 4]);
            packet.extend([sample; 160]);
            self.0.send_to(&packet, to).unwrap();
        }

        /// The payload of the next RTP packet.
        fn hear(&self) -> Vec<u8> {
            let mut buffer = [0; 2048];
            loop {
                let length = self.0.recv(&mut buffer).expect("nothing was heard");
                if buffer[1] & 0x7f == 0 {
                    return buffer[12..length].to_vec();
                }
            }
        }
    }

    #[test]
    fn two_phones_hear_each_other_and_leave_nothing_behind() {
        let world = World::start(2);
        let (alice, bob) = (Phone::new(), Phone::new());
        let to_alice = world.open(leg(1), &alice, Channel::Customer);
        let to_bob = world.open(leg(2), &bob, Channel::Agent);
        world.send(Command::Connect { a: leg(1), b: leg(2) });
        // The command is on its way: say it until it is heard.
        bob.0.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut heard = [0; 2048];
        let mut sequence = 0;
        while bob.0.recv(&mut heard).is_err() {
            sequence += 1;
            assert!(sequence < 1000, "Bob never heard Alice");
            alice.say(to_alice, sequence, 0x33);
        }
        assert_eq!(heard[12..172], [0x33; 160]);
        bob.say(to_bob, 1, 0x44);
        assert_eq!(alice.hear(), [0x44; 160]);

        for leg in [leg(1), leg(2)] {
            world.send(Command::Close { leg });
            let packets = world.event(|event| match event {
                Event::Closed { leg: of, statistics } if of == leg => Some(statistics.packets_received),
                _ => None,
            });
            assert!(packets > 0);
        }
        let figures = world.handle.figures();
        assert_eq!(figures.legs, 0);
        assert!(figures.packets_received > 1);
        // Commands that cross with the end are no trouble.
        world.send(Command::Close { leg: leg(1) });
        drop(world);
        assert!(UdpSocket::bind(to_alice).is_ok(), "the port is free again when the threads have stopped");
    }

    #[test]
    fn late_comers_of_a_session_are_on_its_thread_and_can_be_in_its_conference() {
        let world = World::start(4);
        let phones: Vec<(Phone, SocketAddr)> = (1..=5)
            .map(|number| {
                let phone = Phone::new();
                let to = world.open(leg(number), &phone, Channel::Customer);
                // Other sessions come in between.
                let other = Command::Open {
                    leg: LegId(Uuid::from_u128(number.into())),
                    session: SessionId(Uuid::from_u128(number.into())),
                    channel: Channel::Customer,
                    kind: LegKind::Rtp { nat: false, encryption: Default::default() },
                    offer: Some(Phone::new().offer().into_bytes().into()),
                    codecs: Vec::new(),
                };
                world.send(other);
                (phone, to)
            })
            .collect();
        let all: Vec<LegId> = (1..=5).map(leg).collect();
        let hears =
            |own: &LegId| all.iter().filter(|leg| *leg != own).map(|leg| (*leg, Gain::FULL)).collect();
        let members = all.iter().map(|leg| Member { leg: *leg, hears: hears(leg) }).collect();
        world.send(Command::Room { session: session(), members });
        let (speaker, to) = &phones[0];
        let silence = media::codec::g711::encode_mu(0);
        let mut sequence = 0;
        for (listener, _) in &phones[1..] {
            listener.0.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let mut heard = [0; 2048];
            loop {
                sequence += 1;
                assert!(sequence < 2000, "somebody never heard the first");
                speaker.say(*to, sequence, 0x33);
                let length = listener.0.recv(&mut heard).unwrap_or(0);
                if length > 12
                    && heard[1] & 0x7f == 0
                    && heard[12..length].iter().any(|octet| *octet & 0x7f != silence & 0x7f)
                {
                    break;
                }
            }
        }
    }

    #[test]
    fn no_order_is_left_lying_however_they_are_timed() {
        let world = World::start(1);
        for round in 0..5_000_u32 {
            for half in 0..2 {
                let leg = LegId(Uuid::from_u128(u128::from(round * 2 + half)));
                let offer = Some(Arc::from(&b"not SDP"[..]));
                let (channel, kind) = (Channel::Customer, LegKind::WebRtc);
                world.send(Command::Open {
                    leg,
                    session: session(),
                    channel,
                    kind,
                    offer,
                    codecs: Vec::new(),
                });
                // The second order meets the thread at another point each time.
                (0..round % 512).for_each(|_| std::hint::spin_loop());
            }
            for _ in 0..2 {
                world.event(|event| matches!(event, Event::Incompatible { .. }).then_some(()));
            }
        }
    }

    #[test]
    fn a_prompt_is_played_to_its_end_and_a_recording_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("call.wav");
        let world = World::start(1);
        let phone = Phone::new();
        let to_phone = world.open(leg(1), &phone, Channel::Customer);
        let recording = RecordingId(Uuid::from_bytes([9; 16]));
        world.send(Command::StartRecording {
            session: session(),
            recording,
            file: file.clone(),
            channels: 2,
        });
        let playback = PlaybackId(Uuid::from_bytes([8; 16]));
        let what = vec![Prompt::File("tone".into())];
        world.send(Command::Play { leg: leg(1), playback, what, repeat: false });
        for sequence in 0..10 {
            assert_eq!(phone.hear().len(), 160);
            phone.say(to_phone, sequence, 0x20);
        }
        world.event(|event| match event {
            Event::PlayingEnded { playback: of, interrupted, .. } => {
                assert!(of == playback && !interrupted);
                Some(())
            }
            _ => None,
        });
        world.send(Command::StopRecording { session: session() });
        world.event(|event| match event {
            Event::RecordingEnded { recording: of, .. } => (of == recording).then_some(()),
            Event::RecordingFailed { why, .. } => panic!("{why}"),
            _ => None,
        });
        let wav = hound::WavReader::open(&file).unwrap();
        assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 8000));
        assert!(wav.duration() >= 1200, "{} frames", wav.duration());
    }

    #[test]
    fn a_recording_that_cannot_be_written_does_not_stop_the_call() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, b"").unwrap();
        let world = World::start(1);
        let phone = Phone::new();
        world.open(leg(1), &phone, Channel::Customer);
        let recording = RecordingId(Uuid::from_bytes([9; 16]));
        world.send(Command::StartRecording {
            session: session(),
            recording,
            file: blocked.join("a.wav"),
            channels: 2,
        });
        world.event(|event| match event {
            Event::RecordingFailed { recording: of, .. } => (of == recording).then_some(()),
            _ => None,
        });
        let playback = PlaybackId(Uuid::from_bytes([8; 16]));
        world.send(Command::Play { leg: leg(1), playback, what: vec![Prompt::Ringback], repeat: true });
        assert_eq!(phone.hear().len(), 160);
    }
}
