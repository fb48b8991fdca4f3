//! All legs of one media thread: packets, commands and ticks go in; packets, events and file writes come out.
//!
//! Invariants: no socket, file, clock, lock or thread in here; nothing allocates per packet on the pass-through path, and
//! a packet costs no hash lookup there (a [`SocketKey`] indexes a table).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Now, RecordingId};

use crate::api::{Command, Event};
use crate::library::Library;

/// The period of [`Core::handle_tick`].
pub const TICK: Duration = Duration::from_millis(20);

/// Samples a second and channel in a recording.
pub const RECORDING_RATE: u32 = 8000;

/// What one media thread is told once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreConfig {
    /// The address that our SDP names for plain RTP.
    pub address: IpAddr,
    /// The ICE host candidates: where browsers reach the thread's shared port.
    pub webrtc: Vec<SocketAddr>,
    /// What [`model::Instant::ZERO`] is on the standard library's clock, which str0m wants.
    pub base: std::time::Instant,
    /// Seeds SSRCs, sequence numbers and RTCP intervals.
    pub seed: u64,
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
    /// Nothing is sent or expected on this socket any more.
    CloseSocket(SocketKey),
    /// Create the WAV: 16-bit stereo at [`RECORDING_RATE`]. If that fails, send [`Event::RecordingFailed`] to the engine and
    /// call [`Core::recording_failed`].
    OpenRecording { recording: RecordingId, file: PathBuf },
    /// The next interleaved samples (left, right, …) of the recording; about a second at a time.
    WriteRecording { recording: RecordingId, samples: Vec<i16> },
    /// Close the WAV, then send [`Event::RecordingEnded`] with this duration to the engine. The core itself never says
    /// `RecordingEnded`: only the shell knows that the file is whole.
    CloseRecording { recording: RecordingId, duration: Duration },
}

/// One media thread's legs.
#[derive(Debug)]
pub struct Core {
    config: CoreConfig,
    library: Arc<Library>,
}

impl Core {
    pub fn new(config: CoreConfig, library: Arc<Library>) -> Self {
        Self { config, library }
    }

    /// A reloaded prompt library: what starts to play from now on comes from it.
    pub fn set_library(&mut self, library: Arc<Library>) {
        self.library = library;
    }

    /// Obeys one command of the session engine. `ports` must be given with `Command::Open` of a `LegKind::Rtp` (the shell
    /// binds them first), and `None` with everything else.
    pub fn handle_command(&mut self, now: Now, command: Command, ports: Option<LocalPorts>, out: &mut impl Sink) {
        let _ = (now, command, ports, out, &self.config);
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
        let _ = (now, socket, from, packet, out);
    }

    /// The heartbeat: prompts, digits, recordings, RTCP, ICE and DTLS timers, silence. The shell calls it every [`TICK`] on
    /// absolute deadlines (a late tick is followed by the ones that it displaced) unless [`Core::is_idle`].
    pub fn handle_tick(&mut self, now: Now, out: &mut impl Sink) {
        let _ = (now, out);
    }

    /// To be drained after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// The shell could not create or write the file: nothing more is put out for this recording.
    pub fn recording_failed(&mut self, recording: RecordingId) {
        let _ = recording;
    }

    /// No leg and no recording: no tick is needed until the next `Open`.
    pub fn is_idle(&self) -> bool {
        true
    }
}
