//! What goes into the SIP stack and what comes out of it: the whole list of effects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::Ending;

pub use crate::call::final_status;
pub use crate::locate::{Answer, BadDestination, Destination, DestinationHost, Naptr, Question, Srv};
pub use crate::saved::{BindingChange, SavedBinding};
pub use crate::trunk::{
    Account, CallIdentity, Diversion, HealthCheck, IdentityRules, Limits, NumberFormat, NumberStyle, Place,
    Prefix, Registration, RegistrationState, Secret, Trunk, TrunkFigures, TrunkState,
};

/// A stream connection (TCP, TLS or WebSocket) that the shell owns. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    Udp,
    Tcp,
    /// RFC 3261 §26.2.1: TLS over TCP.
    Tls,
    /// RFC 7118; one SIP message per WebSocket message.
    Ws,
    /// The same over TLS.
    Wss,
}

impl Transport {
    /// As Via names it. RFC 3261 §20.42, RFC 7118 §5.1
    pub fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// Neither loses nor repeats; the shell has a connection for it.
    pub fn is_stream(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => true,
        }
    }

    /// RFC 7118 §5: what speaks it cannot be connected to.
    pub fn is_websocket(self) -> bool {
        match self {
            Transport::Udp | Transport::Tcp | Transport::Tls => false,
            Transport::Ws | Transport::Wss => true,
        }
    }

    /// Nobody on the way can read or change it.
    pub fn is_secure(self) -> bool {
        match self {
            Transport::Udp | Transport::Tcp | Transport::Ws => false,
            Transport::Tls | Transport::Wss => true,
        }
    }
}

/// Where bytes came from or shall go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hop {
    pub transport: Transport,
    /// Our own address that received or shall send.
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Set for streams. `None` with `Transport::Tcp` or `Transport::Tls` on output: the shell opens (or reuses) a connection to `remote`.
    pub connection: Option<ConnectionId>,
}

/// A question to the DNS. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LookupId(pub u64);

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
    /// So many further stacks carry the calls, see [`crate::shard`]. 0: one stack does everything.
    pub shards: u8,
    pub seed: [u8; 32],
}

#[derive(Clone, Debug)]
pub struct Listener {
    /// By which trunks name it.
    pub name: Option<String>,
    pub transport: Transport,
    pub local: SocketAddr,
    /// `host:port` as peers shall see it.
    pub advertised: String,
}

/// Session timers (RFC 4028): when nothing shows that the peer is still there, the call ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionTimers {
    /// What we ask for, and the most that we grant.
    pub expires: Duration,
    /// Whoever asks for less gets 422. At least 90 s.
    pub min: Duration,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self { expires: Duration::from_secs(1800), min: Duration::from_secs(90) }
    }
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

/// What one user may do at most; 0 is no limit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserLimits {
    /// Calls that he has begun and that have not ended.
    pub calls: usize,
    pub per_second: u32,
    pub per_day: u32,
    /// Beginnings of numbers that nobody may call, in the spelling of what is compared: what a user dials, and whatever its owner asks
    /// [`Stack::denies`](crate::Stack::denies) or [`Stack::charge`](crate::Stack::charge) about.
    pub denied: Vec<String>,
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
    /// What is left of Max-Forwards: a call that we make because of this one may go one hop less. RFC 7332
    pub max_forwards: u8,
    /// How many of us it has come through.
    pub hops: u8,
    /// The live call of ours whose place it takes (RFC 3891). Whoever answers this one hangs up that one.
    pub replaces: Option<CallId>,
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
    pub options: CallOptions,
}

/// What few calls need.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallOptions {
    /// For a call that another one caused: its Max-Forwards less one. `None`: 70.
    pub max_forwards: Option<u8>,
    /// For a call that another one caused: its hops and one more.
    pub hops: u8,
    /// Who asked for it with a REFER: a Referred-By value.
    pub referred_by: Option<String>,
    /// The Replaces value for a dialog that is not ours: [`Referral::replaces_elsewhere`].
    pub replaces: Option<Vec<u8>>,
}

/// What a REFER asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Referral {
    /// Whom to call, without the headers of Refer-To.
    pub uri: String,
    /// The user or number that it names at our own domain or addresses, or by what the peer calls us, or in a `tel:` URI. `None`: it
    /// leads elsewhere.
    pub user: Option<String>,
    /// Another call of ours that shall be joined with this one (attended transfer).
    pub replaces: Option<CallId>,
    /// The Replaces value when that call is none of ours.
    pub replaces_elsewhere: Option<Vec<u8>>,
    pub referred_by: Option<String>,
}

/// A MESSAGE of ours outside of calls. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub u64);

/// A MESSAGE that came. RFC 3428
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstantMessage {
    /// The call that it came in, if any.
    pub call: Option<CallId>,
    /// Who sent it; `None` within a call, whose peer is known.
    pub peer: Option<Peer>,
    /// User parts of From and of the Request-URI.
    pub from: String,
    pub to: String,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// Somebody who is told whenever something changes. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriptionId(pub u64);

/// What one may subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Package {
    /// The calls of a user. RFC 4235
    Dialog,
    /// Whether a user can be reached. RFC 3856
    Presence,
    /// The messages in a mailbox. RFC 3842
    MessageSummary,
}

impl Package {
    pub(crate) fn of(name: &[u8]) -> Option<Package> {
        match name {
            b"dialog" => Some(Package::Dialog),
            b"presence" => Some(Package::Presence),
            b"message-summary" => Some(Package::MessageSummary),
            _ => None,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Package::Dialog => "application/dialog-info+xml",
            Package::Presence => "application/pidf+xml",
            Package::MessageSummary => "application/simple-message-summary",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    pub subscription: SubscriptionId,
    /// Always a user.
    pub peer: Peer,
    pub package: Package,
    /// User part of the Request-URI: whom it is about.
    pub user: String,
}

/// Why a message could not be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SayError {
    /// RFC 3428 §8: over UDP it must fit into one packet.
    #[error("the message is larger than {0} bytes")]
    TooLarge(usize),
    #[error("there is no answered call of this id")]
    NoCall,
    #[error(transparent)]
    Unreachable(#[from] InviteError),
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
    /// Our outgoing call got a 18x. An INVITE may ring at several places: `fork` tells them apart, from 0. `sdp` is early media's.
    Ringing {
        call: CallId,
        status: u16,
        sdp: Option<Vec<u8>>,
        fork: u32,
    },
    /// Our outgoing call got a 2xx; the ACK has been sent. Further forks are ACKed and BYEd by the stack itself.
    Answered {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// The peer sent an offer in a re-INVITE, UPDATE or PRACK, maybe before the call is answered: answer with `accept_offer` or
    /// `reject_offer`.
    Offer {
        call: CallId,
        sdp: Option<Vec<u8>>,
    },
    /// The peer answered the offer of our `reinvite`, of our reliable 18x (late offer), or of a re-INVITE that only refreshed the
    /// session (or refused: the session stays as it was).
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
    /// The peer asks us to call somebody in its place: answer with `accept_refer` or `reject_refer`.
    Refer {
        call: CallId,
        referral: Referral,
    },
    /// What became of our `refer`, as the status that the peer's new call has got. `over`: nothing more will be told.
    ReferProgress {
        call: CallId,
        status: u16,
        over: bool,
    },
    /// Our outgoing call was told to go elsewhere; it ends as refused. Following is up to the owner.
    Redirected {
        call: CallId,
        status: u16,
        contacts: Vec<String>,
    },
    /// A user was granted a subscription: tell him the state at once with `notify`, and whenever it changes; or `end_subscription`.
    Subscribed(Subscription),
    /// It is over, for whatever reason.
    Unsubscribed {
        subscription: SubscriptionId,
    },
    Message(InstantMessage),
    /// What became of our `send_message`: the final status; 408 when nobody answered.
    MessageAnswered {
        message: MessageId,
        status: u16,
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
    /// The connection is to be closed when nothing at all, be it a keep-alive, has come on it for so long. Until it is said anew: with
    /// `None` it is a connection like others again.
    Watch {
        connection: ConnectionId,
        silence: Option<Duration>,
    },
    /// To be stored.
    Binding(BindingChange),
    /// Whoever sends from here has proved a password, be it before a restart.
    Authenticated {
        hop: Hop,
    },
    /// A question for the DNS; `handle_answer` wants the answer, be it that there is none.
    Lookup {
        lookup: LookupId,
        question: Question,
    },
    /// The next TLS connection to `remote` is worth something only if its certificate is for `name`; without this it must be for the
    /// address itself.
    Expect {
        remote: SocketAddr,
        name: String,
    },
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
    /// A wrong answer to a nonce that was sent to this very address.
    WrongPassword,
    Forbidden,
    NotFound,
    /// More calls than a user may have, or to where he may not call.
    Limit,
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
    pub subscriptions: usize,
}

// What the stack's owner calls is all on `Stack` (`stack.rs`, and `call/` for what is about one call). Calling any of it with a call
// that has already ended does nothing: the two sides may cross.
