//! All legs of one media thread: packets, commands and ticks go in; packets, events and file writes come out.
//!
//! Invariants: no socket, file, clock, lock or thread in here; nothing allocates per packet on the pass-through path, and
//! a packet costs no hash lookup there (a [`SocketKey`] indexes a table).

mod commands;
mod handshakes;
mod packets;
mod rooms;
mod ticks;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{LegId, Now, RecordingId, SessionId};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::api::{About, Command, Event, Prompt};
use crate::dtls::Identity;
use crate::leg::{Exit, Leg};
use crate::library::{Library, Pcm};
use crate::play::{MusicStart, RingTone};
use crate::record::{self, Recorder};
use crate::webrtc::{Output as BrowserOutput, WebRtcPort};

/// The period of [`Core::handle_tick`].
pub const TICK: Duration = Duration::from_millis(20);

/// In so many ticks each leg has one even if nothing goes on there: half a second, which is what reports and silences are
/// measured by.
const ROUND: usize = 25;

/// Samples a second and channel in a recording.
pub const RECORDING_RATE: u32 = record::RATE;

/// Our name in RTCP; it tells nothing about the call or the host.
const CNAME: &str = "tandem";

/// What one media thread is told once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreConfig {
    /// The address that our SDP names for plain RTP.
    pub address: IpAddr,
    /// The ICE host candidates: where browsers reach the thread's shared port.
    pub webrtc: Vec<SocketAddr>,
    /// What [`model::Instant::ZERO`] is on the standard library's clock, which str0m wants.
    pub base: std::time::Instant,
    /// What `Prompt::Ringback` sounds like.
    pub ringback: RingTone,
    /// Where music on hold begins.
    pub music: MusicStart,
    /// Seeds SSRCs, sequence numbers and RTCP intervals.
    pub seed: u64,
    /// What our keys in descriptions are made from.
    pub secret: Secret,
}

/// 32 random octets that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The shell's number for one of its sockets. The shell numbers densely from 1 and may reuse a number after the socket's
/// [`Output::CloseSocket`] (and the port's quarantine, which is the shell's business).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketKey(pub u32);

impl SocketKey {
    /// The port that all browsers of the thread share.
    pub const WEBRTC: SocketKey = SocketKey(0);
}

/// The ports that the shell bound for a plain RTP leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalPorts {
    pub rtp: SocketKey,
    /// The advertised RTP port, even.
    pub port: u16,
    /// RTCP on `port + 1`. Without it RTCP flows only with a peer that multiplexes (RFC 5761).
    pub rtcp: Option<SocketKey>,
}

/// Where packets go: the shell's send batch.
pub trait Sink {
    /// Sends one datagram from the socket; the bytes are the sink's only during the call. Losing it is allowed.
    fn send(&mut self, from: SocketKey, to: SocketAddr, packet: &[u8]);
}

/// What the shell is to do, in this order.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// For the session engine.
    Event(Event),
    /// The library has no prompt of this name: a file was left out, music is silence. For the log.
    MissingPrompt(Prompt),
    /// Nothing is sent or expected on this socket any more.
    CloseSocket(SocketKey),
    /// Create the file for so many channels at [`RECORDING_RATE`]. If that fails, send [`Event::RecordingFailed`] to the engine
    /// and call [`Core::recording_failed`].
    OpenRecording { recording: RecordingId, file: PathBuf, channels: usize },
    /// The next interleaved samples (customer, operators, …) of the recording; about half a second at a time.
    WriteRecording { recording: RecordingId, samples: Vec<i16> },
    /// Close the file, then send [`Event::RecordingEnded`] with this duration to the engine. The core itself never says
    /// `RecordingEnded`: only the shell knows that the file is whole.
    CloseRecording { recording: RecordingId, duration: Duration },
}

/// One media thread's legs.
#[derive(Debug)]
pub struct Core {
    config: CoreConfig,
    library: Arc<Library>,
    ringback: Arc<Pcm>,
    random: StdRng,
    /// Apart from what is told to peers.
    secrets: StdRng,
    identity: Arc<Identity>,
    /// A leg keeps its place for life; places are reused.
    legs: Vec<Option<Box<Leg>>>,
    /// Places in `legs` that are free.
    vacant: Vec<usize>,
    /// By place: whether the next tick has something to do for the leg. A bridge that only passes packets on has nothing to do
    /// but its reports, and there may be thousands of them.
    busy: Vec<bool>,
    ticks: usize,
    by_id: BTreeMap<LegId, usize>,
    sockets: Vec<Option<Socket>>,
    browsers: WebRtcPort,
    recorders: Vec<Option<Recorder>>,
    recorder_of: BTreeMap<SessionId, usize>,
    rooms: Vec<Option<rooms::Room>>,
    rooms_ever: u32,
    output: VecDeque<Output>,
}

/// Whose socket it is.
#[derive(Clone, Copy, Debug)]
struct Socket {
    leg: usize,
    rtcp: bool,
}

impl Core {
    pub fn new(config: CoreConfig, library: Arc<Library>) -> Self {
        Self {
            ringback: Arc::new(config.ringback.samples()),
            random: StdRng::seed_from_u64(config.seed),
            secrets: StdRng::from_seed(config.secret.0),
            identity: Arc::new(Identity::new(config.base)),
            legs: Vec::new(),
            vacant: Vec::new(),
            busy: Vec::new(),
            ticks: 0,
            by_id: BTreeMap::new(),
            sockets: Vec::new(),
            browsers: WebRtcPort::new(config.base, config.webrtc.clone()),
            recorders: Vec::new(),
            recorder_of: BTreeMap::new(),
            rooms: Vec::new(),
            rooms_ever: 0,
            output: VecDeque::new(),
            config,
            library,
        }
    }

    /// A reloaded prompt library: what starts to play from now on comes from it.
    pub fn set_library(&mut self, library: Arc<Library>) {
        self.library = library;
    }

    /// Obeys one command of the session engine. `ports` belong to `Command::Open` of a `LegKind::Rtp` (the shell binds them
    /// first) and to nothing else; such an `Open` without ports is refused for want of a free one. Commands for legs that
    /// are not there (any more) do nothing.
    ///
    /// # Panics
    /// When a leg is opened twice, which is a fault of the engine.
    pub fn handle_command(
        &mut self,
        now: Now,
        command: Command,
        ports: Option<LocalPorts>,
        out: &mut impl Sink,
    ) {
        let about = command.about();
        self.obey(now, command, ports, out);
        match about {
            About::Leg(leg) => self.stir(leg),
            About::Legs(a, b) => [a, b].into_iter().for_each(|leg| self.stir(leg)),
            About::Session(_) => {}
        }
        self.drain_browsers(now, out);
    }

    /// One datagram from a socket, changed in place where it is forwarded. Everything on [`SocketKey::WEBRTC`] comes in here too.
    pub fn handle_packet(
        &mut self,
        now: Now,
        socket: SocketKey,
        from: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Sink,
    ) {
        if socket == SocketKey::WEBRTC {
            self.browsers.handle_packet(now.instant, from, packet);
            self.drain_browsers(now, out);
        } else if let Some(&Some(Socket { leg, rtcp })) = self.sockets.get(socket.0 as usize) {
            self.handle_plain(now, leg, rtcp, from, packet, out);
        }
    }

    /// The heartbeat: prompts, digits, recordings, RTCP, ICE and DTLS timers, silence. The shell calls it every [`TICK`] on
    /// absolute deadlines (a late tick is followed by the ones that it displaced) unless [`Core::is_idle`].
    pub fn handle_tick(&mut self, now: Now, out: &mut impl Sink) {
        self.browsers.handle_timeout(now.instant);
        self.drain_browsers(now, out);
        self.ticks = self.ticks.wrapping_add(1);
        self.adapt_encoders();
        for index in 0..self.legs.len() {
            if self.busy[index] || (self.ticks + index).is_multiple_of(ROUND) {
                self.busy[index] = self.tick_leg(now, index, out);
            }
        }
        self.tick_rooms(now, out);
        self.tick_recorders(now);
        self.drain_browsers(now, out);
    }

    /// To be drained after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// The shell could not create or write the file: nothing more is put out for this recording.
    pub fn recording_failed(&mut self, recording: RecordingId) {
        let is_it =
            |recorder: &Option<Recorder>| recorder.as_ref().is_some_and(|it| it.recording == recording);
        if let Some(index) = self.recorders.iter().position(is_it) {
            self.remove_recorder(index);
        }
    }

    /// No leg and no recording: no tick is needed until the next `Open`.
    pub fn is_idle(&self) -> bool {
        self.by_id.is_empty() && self.recorder_of.is_empty()
    }

    /// Open legs.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Conferences that sound.
    pub fn conferences(&self) -> usize {
        self.rooms.iter().flatten().count()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Something has changed for the leg, and so perhaps for its partner.
    fn stir(&mut self, leg: LegId) {
        let Some(&index) = self.by_id.get(&leg) else { return };
        self.busy[index] = true;
        if let Some(partner) = self.legs[index].as_deref().and_then(|leg| leg.partner) {
            self.busy[partner] = true;
        }
    }

    fn event(&mut self, event: Event) {
        self.output.push_back(Output::Event(event));
    }

    fn leg_mut(&mut self, index: usize) -> Option<&mut Leg> {
        self.legs.get_mut(index)?.as_deref_mut()
    }

    fn remove_recorder(&mut self, index: usize) -> Option<Recorder> {
        let recorder = self.recorders.get_mut(index)?.take()?;
        self.recorder_of.remove(&recorder.session);
        for leg in self.legs.iter_mut().flatten().filter(|leg| leg.recorder == Some(index)) {
            leg.recorder = None;
        }
        Some(recorder)
    }

    /// Sends and takes in what the browser port has put out, until it has nothing more.
    fn drain_browsers(&mut self, now: Now, out: &mut impl Sink) {
        while let Some(output) = self.browsers.poll_output() {
            match output {
                BrowserOutput::Transmit(transmit) => {
                    out.send(SocketKey::WEBRTC, transmit.to, &transmit.bytes)
                }
                BrowserOutput::Rtp { leg, packet } => self.handle_browser(now, leg, &packet, out),
                BrowserOutput::Connected { leg } => self.browser_connected(now, leg),
                BrowserOutput::Report { leg, report } => self.browser_reports(leg, report),
                BrowserOutput::Lost { leg } => self.event(Event::TransportLost { leg }),
            }
        }
    }
}

/// The leg and, where there is one, its partner.
fn pair(legs: &mut [Option<Box<Leg>>], index: usize) -> Option<(&mut Leg, Option<&mut Leg>)> {
    let partner = legs.get(index)?.as_ref()?.partner.filter(|partner| *partner != index);
    match partner {
        None => Some((legs[index].as_deref_mut()?, None)),
        Some(partner) => {
            let [leg, partner] = legs.get_disjoint_mut([index, partner]).ok()?;
            Some((leg.as_deref_mut()?, partner.as_deref_mut()))
        }
    }
}
