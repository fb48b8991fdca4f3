//! What goes into the media core and what comes out of it. Packets travel beside these (see `core.rs`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{LegId, PlaybackId, Quality, RecordingId, SessionId, Trouble};

pub use crate::codec::Codec;

#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Opens a leg. With an `offer`, `LocalSdp` carries our answer to it; without, our offer (and both directions).
    Open {
        leg: LegId,
        session: SessionId,
        channel: Channel,
        kind: LegKind,
        offer: Option<Arc<[u8]>>,
        /// What may be spoken on an `Rtp` leg, the preferred first: offers and answers have nothing else. Empty: all that we have, and
        /// what the peer prefers.
        codecs: Vec<Codec>,
    },
    /// Our offer once more, with these codecs and this encryption instead, for a leg whose offer nobody has accepted: `LocalSdp` follows.
    Describe {
        leg: LegId,
        codecs: Vec<Codec>,
        encryption: Encryption,
    },
    /// The peer's answer to an offer of ours: `Accepted` or `Incompatible` follows.
    Answer {
        leg: LegId,
        sdp: Arc<[u8]>,
    },
    /// A new offer of the peer within the session (hold, resume, ICE restart): `LocalSdp` or `Incompatible` follows.
    Offer {
        leg: LegId,
        sdp: Arc<[u8]>,
    },
    /// Lets two legs of one session hear each other. Each leg has at most one partner; a former partner hears nothing more.
    Connect {
        a: LegId,
        b: LegId,
    },
    Disconnect {
        leg: LegId,
    },
    /// The conference of the session: its members hear each other as they say, in place of a partner. It replaces the one before: who
    /// is left out hears nothing more until he is connected again. No members: there is none. Beyond [`MOST_MEMBERS`] nobody gets in.
    Room {
        session: SessionId,
        members: Vec<Member>,
    },
    /// Plays to the leg in place of its partner; a running playback of the leg ends first (as `interrupted`).
    Play {
        leg: LegId,
        playback: PlaybackId,
        what: Vec<Prompt>,
        repeat: bool,
    },
    /// Plays over what is being played to the leg, which goes on quietly meanwhile; an announcement that still runs ends first (as
    /// `interrupted`). Where nothing is being played it is as `Play`.
    Announce {
        leg: LegId,
        playback: PlaybackId,
        what: Vec<Prompt>,
    },
    /// Ends the announcement, too.
    StopPlaying {
        leg: LegId,
    },
    /// Sends digits (0–9, *, #, A–D; others are left out) to the peer: as RFC 4733 events where they were agreed on, else as tones.
    SendDigits {
        leg: LegId,
        digits: String,
    },
    /// From now on the leg is heard on this channel of the recording.
    SetChannel {
        leg: LegId,
        channel: Channel,
    },
    /// Nothing that the leg says reaches its partner or the recording while muted.
    Mute {
        leg: LegId,
        muted: bool,
    },
    /// One continuous file for the session with so many channels: the first hears from `Channel::Customer` legs, the second from
    /// `Channel::Agent` legs, a third from `Channel::Guest` legs (without one they are on the second), whichever legs those are at
    /// the time. Legs that come later are included.
    StartRecording {
        session: SessionId,
        recording: RecordingId,
        file: PathBuf,
        /// 2 or 3.
        channels: usize,
    },
    /// While paused the recording goes on with silence on every channel: what is said then is decoded for nobody.
    PauseRecording {
        session: SessionId,
        paused: bool,
    },
    StopRecording {
        session: SessionId,
    },
    Close {
        leg: LegId,
    },
}

/// What a command is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum About {
    Leg(LegId),
    Legs(LegId, LegId),
    Session(SessionId),
}

impl Command {
    pub fn about(&self) -> About {
        match self {
            Command::Connect { a, b } => About::Legs(*a, *b),
            Command::Room { session, .. }
            | Command::StartRecording { session, .. }
            | Command::PauseRecording { session, .. }
            | Command::StopRecording { session } => About::Session(*session),
            Command::Open { leg, .. }
            | Command::Describe { leg, .. }
            | Command::Answer { leg, .. }
            | Command::Offer { leg, .. }
            | Command::Disconnect { leg }
            | Command::Play { leg, .. }
            | Command::Announce { leg, .. }
            | Command::StopPlaying { leg }
            | Command::SendDigits { leg, .. }
            | Command::SetChannel { leg, .. }
            | Command::Mute { leg, .. }
            | Command::Close { leg } => About::Leg(*leg),
        }
    }
}

/// Most members of a conference.
pub const MOST_MEMBERS: usize = 32;

/// One who is in a conference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    pub leg: LegId,
    /// How loud he hears whom. Himself he never hears, nor anybody who is not named.
    pub hears: Vec<(LegId, Gain)>,
}

/// How loud somebody is heard, in 256ths of how loud he speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Gain(pub u16);

impl Gain {
    pub const NONE: Gain = Gain(0);
    pub const FULL: Gain = Gain(256);
}

/// Whose voice it is: the channel of the recording.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channel {
    Customer,
    Agent,
    /// Anybody else in the conversation: an outside party, or a colleague who was asked to join.
    Guest,
    /// Beside the customer's conversation: in no recording.
    Aside,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LegKind {
    /// RTP on a port of its own (phones, trunks). `nat`: the peer may send from another address than its SDP says.
    Rtp { nat: bool, encryption: Encryption },
    /// ICE-lite, DTLS-SRTP over the thread's shared port (browsers).
    WebRtc,
}

/// Whether the voice of an RTP leg is encrypted: SRTP with the keys in the descriptions (RFC 4568), or with keys that both sides
/// agree on by DTLS (RFC 5763).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Encryption {
    /// Never: a peer that offers nothing else is incompatible.
    Refused,
    /// When the peer offers it.
    #[default]
    Accepted,
    /// We offer both kinds to peers that know one (RFC 8643); others are talked to in the clear.
    Offered,
    /// Always: a peer without it is incompatible. Our offers have the keys in the description.
    Required,
    /// Always, and by DTLS alone: whoever reads the signalling cannot listen.
    RequiredDtls,
}

/// What can be played. Names resolve in the prompt library that the shell loaded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Prompt {
    /// A decoded file of the prompt library, by name without extension.
    File(Arc<str>),
    /// Endless music on hold, by name; continues where the leg last left it, or where all hear it (see `MusicStart`).
    Music(Arc<str>),
    /// Two-tone ring-back of the region.
    Ringback,
    Silence(Duration),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// `sends`/`receives`: what the peer is willing to do after this exchange; a peer on hold does not receive.
    LocalSdp {
        leg: LegId,
        sdp: Arc<[u8]>,
        direction: Direction,
    },
    Accepted {
        leg: LegId,
        direction: Direction,
    },
    Incompatible {
        leg: LegId,
        why: String,
    },
    /// There is no agreement with the peer on keys by DTLS: it does not answer, or is not who its description says.
    HandshakeFailed {
        leg: LegId,
        why: String,
    },
    /// The first valid media packet arrived (after ICE and DTLS, where there are any).
    Flowing {
        leg: LegId,
    },
    Digit {
        leg: LegId,
        digit: char,
        duration: Duration,
    },
    PlayingEnded {
        leg: LegId,
        playback: PlaybackId,
        interrupted: bool,
    },
    /// No packet for this long though the peer should be sending; said after 10 s and again after 5 min of one silence.
    Silent {
        leg: LegId,
        since: Duration,
    },
    /// How the leg sounds, every five seconds while it can be spoken over: within them, and since the leg began. `trouble` goes on or
    /// begins.
    Quality {
        leg: LegId,
        now: Quality,
        whole: Quality,
        trouble: Option<Trouble>,
    },
    /// The WebRTC transport died (ICE consent lost, DTLS closed).
    TransportLost {
        leg: LegId,
    },
    RecordingEnded {
        recording: RecordingId,
        duration: Duration,
    },
    /// It is over, and has about this much.
    RecordingFailed {
        recording: RecordingId,
        why: String,
        kept: Duration,
    },
    /// Answer to `Close`, or the leg could not be opened (then `Incompatible` came before). Once per `Open`; a `Close` of a leg
    /// that is not there has no answer.
    Closed {
        leg: LegId,
        statistics: Statistics,
    },
}

/// The peer's view: does it send to us, does it want to receive from us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Direction {
    pub sends: bool,
    pub receives: bool,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Statistics {
    pub packets_received: u64,
    pub packets_sent: u64,
    pub packets_lost: u64,
    pub octets_received: u64,
    pub octets_sent: u64,
    /// Interarrival jitter of RFC 3550 §6.4.1.
    pub jitter: Duration,
    /// What the peer reports about our packets; zero where it reports nothing.
    pub peer_lost: u64,
    pub peer_jitter: Duration,
    pub round_trip: Duration,
    /// Packets that came before there were keys to open them with.
    pub packets_unkeyed: u64,
}
