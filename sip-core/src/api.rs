//! What goes into the SIP stack and what comes out of it: the whole list of effects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::Ending;

pub use crate::saved::{BindingChange, SavedBinding};
pub use crate::trunk::{
    Account, CallIdentity, Diversion, HealthCheck, IdentityRules, Limits, NumberFormat, NumberStyle, Place,
    Prefix, Registration, RegistrationState, Secret, Trunk, TrunkState,
};

/// A stream connection (TCP or WebSocket) that the shell owns. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    Udp,
    Tcp,
    /// RFC 7118; one SIP message per WebSocket message.
    Ws,
}

/// Where bytes came from or shall go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hop {
    pub transport: Transport,
    /// Our own address that received or shall send.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Set for streams. `None` with `Transport::Tcp` on output: the shell opens (or reuses) a connection to `remote`.
    pub connection: Option<ConnectionId>,
}

/// One of our calls (an INVITE dialog usage, from its first message on). Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// A registered contact. A refresh keeps the id, a new connection or Contact makes a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BindingId(pub u64);

#[derive(Clone, Debug)]
pub struct Config {
    /// Our host in URIs and the digest realm.
    pub domain: String,
    pub server_name: String,
    /// Our own addresses, one per listener: what stands in Via and Contact. `local` is the listener's address as in `Hop::local`.
    pub listeners: Vec<Listener>,
    pub min_expires: Duration,
    pub max_expires: Duration,
    /// Most contacts per address of record.
    pub max_bindings: usize,
    /// New calls beyond this many live ones get 503 with Retry-After.
    pub max_calls: usize,
    pub seed: [u8; 32],
}

#[derive(Clone, Debug)]
pub struct Listener {
    pub transport: Transport,
    pub local: SocketAddr,
    /// `host:port` as peers shall see it.
    pub advertised: String,
}

/// A digest account. Several may share one address of record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// The digest username.
    pub username: String,
    /// The address-of-record user that it may register and call as.
    pub aor: String,
    /// Lower-case hex of H(username:realm:password).
    pub ha1_md5: String,
    pub ha1_sha256: String,
    /// A one-time credential may make one call and not register; it ends with its first accepted INVITE.
    pub one_time: bool,
}

/// Who is calling us, as far as we could prove it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A registered user or one-time caller that passed digest. `username` as in [`Credential`].
    User {
        aor: String,
        username: String,
    },
    Trunk {
        name: String,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncomingCall {
    pub call: CallId,
    pub peer: Peer,
    /// User part of the request-URI, unescaped; may be empty.
    pub called: String,
    /// User part of P-Asserted-Identity (trusted trunks only) or else From; may be empty or "anonymous".
    pub caller: String,
    pub caller_name: Option<String>,
    /// The caller does not want the called to see his number. Trunks only.
    pub withheld: bool,
    /// Whom the call was meant for before it was sent on to us; from trusted trunks only.
    pub diversion: Option<Diversion>,
    /// `None`: late offer.
    pub sdp: Option<Vec<u8>>,
    pub transport: Transport,
    pub user_agent: Option<String>,
}

/// Where an outgoing call goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Binding(BindingId),
    /// A number through a trunk.
    Trunk {
        name: String,
        number: String,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutgoingCall {
    pub target: Target,
    /// User part and display name of From.
    pub caller: String,
    pub caller_name: Option<String>,
    /// Toward trunks only.
    pub identity: CallIdentity,
    pub sdp: Vec<u8>,
    /// Extra headers, such as `X-Tandem-Offer`.
    pub headers: Vec<(String, String)>,
    /// Given up with CANCEL and `Cause::NoAnswer` after this long without a final answer.
    pub ring_timeout: Duration,
    /// Lost (408) when not even a 100 has come after this long. `None`: after 32 s.
    pub silence: Option<Duration>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    pub id: BindingId,
    pub aor: String,
    pub contact: String,
    pub hop: Hop,
    pub user_agent: Option<String>,
    /// The digest username that registered it.
    pub username: String,
    /// Preference in thousandths: who has most is rung first. RFC 3261 §20.10
    pub q: u16,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A new call passed authentication. 100 is already sent. Nothing else was.
    Incoming(IncomingCall),
    /// The caller of an `Incoming` acknowledged our 2xx. `sdp` is set when the ACK carried the answer to our offer (late offer).
    Confirmed {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// Our outgoing call got a 18x.
    Ringing {
        call: CallId,
        status: u16,
        sdp: Option<Vec<u8>>,
    },
    /// Our outgoing call got a 2xx; the ACK has been sent. Further forks are ACKed and BYEd by the stack itself.
    Answered {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// The peer sent an offer in a re-INVITE or UPDATE: answer with `accept_offer` or `reject_offer`.
    Offer {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// The peer answered the offer of our `reinvite` (or refused: the session stays as it was).
    OfferAnswered {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    OfferRefused {
        call: CallId,
        status: u16,
    },
    Info {
        call: CallId,
        content_type: String,
        body: Vec<u8>,
    },
    /// Exactly once for each call, always its last event; nothing needs to be sent any more.
    Ended {
        call: CallId,
        ending: Ending,
    },
    Registered(Binding),
    Unregistered(Binding),
    /// A trunk came up or went down, or our registration with it did.
    TrunkChanged(TrunkState),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    Transmit {
        hop: Hop,
        bytes: Arc<[u8]>,
    },
    CloseConnection(ConnectionId),
    /// To be stored.
    Binding(BindingChange),
    Event(Event),
    /// For logs and counters: something was refused or thrown away.
    Rejected {
        hop: Hop,
        why: Rejection,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rejection {
    /// Could not be parsed and could not be answered.
    Unparsable,
    /// Malformed, and answered with 400.
    BadRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    StrayResponse,
    StrayAck,
    Overload,
}

/// Why an outgoing call could not even be tried.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InviteError {
    #[error("the contact is no longer registered")]
    UnknownBinding,
    #[error("there is no trunk named {0}")]
    UnknownTrunk(String),
    /// One of its limits is reached.
    #[error("the trunk {0} carries as many calls as it may")]
    TrunkFull(String),
    #[error("no listener for {0:?}")]
    NoListener(Transport),
    #[error("an extra header is not allowed: {0}")]
    Header(#[from] crate::message::BuildError),
    /// Too large, or the headers contradict each other.
    #[error("the INVITE would be malformed: {0}")]
    Malformed(crate::message::Defect),
}

/// What is alive in the stack, for tests and `/metrics`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Calls that have not ended.
    pub calls: usize,
    /// Calls that have ended and still wait for what their peer may owe them, 64*T1 (32 s) at most.
    pub lingering: usize,
    pub transactions: usize,
    pub bindings: usize,
    pub nonces: usize,
}

// What the stack's owner calls is all on `Stack` (`stack.rs`, and `call/` for what is about one call). Calling any of it with a call
// that has already ended does nothing: the two sides may cross.
