use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AgentId, Asks, Author, CustomerId, Ending, Evidence, Identity, LegId, Medium, Message, OfferId, Quality,
    QueueName, RecordingId, SessionId, Side, Timestamp, Trouble, Why,
};

/// One thing to be written durably, in the order in which the engine put it out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Record {
    Session(Entry),
    Agent(AgentChange),
}

#[allow(clippy::borrowed_box)]
fn asks_nothing(asks: &Box<Asks>) -> bool {
    asks.is_nothing()
}

/// One change of one session. `seq` counts from 1 within the session without gaps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    pub session: SessionId,
    pub seq: u64,
    /// Microseconds since the Unix epoch.
    pub at: Timestamp,
    pub change: Change,
}

/// What changed. The timeline shows these; every table is a projection of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// Always the first entry of a session.
    SessionOpened {
        customer: CustomerId,
        entry: String,
        medium: Medium,
    },
    IdentityLinked {
        customer: CustomerId,
        identity: Identity,
        evidence: Evidence,
    },
    /// The session was found to belong to another customer than first thought.
    CustomerChanged {
        customer: CustomerId,
    },
    CustomerNamed {
        customer: CustomerId,
        name: String,
    },
    LegOpened {
        leg: LegId,
        medium: Medium,
        party: Party,
        address: String,
    },
    LegRinging {
        leg: LegId,
    },
    LegAnswered {
        leg: LegId,
    },
    LegHeld {
        leg: LegId,
        held: bool,
    },
    LegMuted {
        leg: LegId,
        muted: bool,
    },
    /// Something is wrong with the voice of the leg, or no more.
    LegTrouble {
        leg: LegId,
        trouble: Trouble,
        on: bool,
    },
    /// How the voice of the leg was, from its begin to its end, which follows.
    LegQuality {
        leg: LegId,
        quality: Quality,
    },
    LegEnded {
        leg: LegId,
        ending: Ending,
    },
    Message {
        message: Message,
    },
    /// The customer's device has all messages up to this `seq`.
    Delivered {
        up_to: u64,
    },
    /// `by` has seen all messages up to this `seq`.
    Read {
        by: Side,
        up_to: u64,
    },
    /// A step of the dialplan.
    Step {
        flow: String,
        state: String,
        verb: String,
        outcome: String,
    },
    ContextSet {
        key: String,
        value: String,
    },
    Queued {
        queue: QueueName,
        priority: i32,
        since: Timestamp,
        #[serde(default, skip_serializing_if = "asks_nothing")]
        asks: Box<Asks>,
    },
    Dequeued {
        queue: QueueName,
        why: Left,
    },
    /// The owner gave the customer to somebody else, who has him from now on.
    Transferred {
        by: AgentId,
        to: Destination,
    },
    Offered {
        offer: OfferId,
        agent: AgentId,
        queue: QueueName,
        /// Absent in journals from before it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Box<Why>>,
    },
    OfferEnded {
        offer: OfferId,
        agent: AgentId,
        outcome: OfferOutcome,
    },
    OwnerChanged {
        agent: Option<AgentId>,
    },
    /// The customer waits aside while whoever serves him talks to others, or does so no more.
    SetAside {
        aside: bool,
    },
    /// Work that a flow has left for people.
    TaskLeft {
        /// A word of the flow's author, such as `callback`.
        kind: String,
        queue: Option<QueueName>,
        text: String,
        due: Option<Timestamp>,
    },
    /// The customer was parked in this slot, or is parked no more.
    Parked {
        slot: Option<String>,
    },
    /// Somebody supervises the conversation in this manner, or does so no more.
    Supervised {
        agent: AgentId,
        mode: Option<Supervision>,
    },
    /// The customer keeps his place and is called on this number when his turn comes.
    CallbackPromised {
        number: String,
        by: Side,
    },
    /// He was called. Not reached, he is called again at this time; without one it is given up.
    CallbackTried {
        reached: bool,
        again: Option<Timestamp>,
    },
    /// He is not called any more, because he came himself.
    CallbackWithdrawn,
    /// A further medium was asked for, and by whom.
    Escalated {
        to: Medium,
        by: Side,
        how: String,
    },
    RecordingStarted {
        recording: RecordingId,
        file: String,
    },
    RecordingEnded {
        recording: RecordingId,
        millis: u64,
    },
    /// It could not be written any further; so much of it is there.
    RecordingFailed {
        recording: RecordingId,
        why: String,
        millis: u64,
    },
    /// What is said while it is paused is silence in the file.
    RecordingPaused {
        paused: bool,
        by: Author,
    },
    /// Whether this session is recorded was decided for it alone.
    RecordingWanted {
        wanted: bool,
        by: Author,
    },
    WrapUpStarted {
        agent: AgentId,
    },
    WrapUpEnded {
        agent: AgentId,
        disposition: Option<String>,
        note: Option<String>,
    },
    /// The session went on in another one.
    MergedInto {
        session: SessionId,
    },
    /// Always the last entry but for wrap-up.
    SessionEnded {
        ending: Ending,
    },
}

/// Why a contact waits in a queue no more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// An agent took the offer.
    Answered,
    /// An agent took it without an offer.
    #[serde(alias = "taken by its owner")]
    Taken,
    /// The customer gave up.
    Abandoned,
    /// It goes on elsewhere: in another queue, or as the flow says.
    #[serde(alias = "the flow moved on")]
    Overflowed,
    /// It goes on in another contact of the same customer.
    Joined,
    /// His turn came, and he is called, as he was promised.
    CalledBack,
    /// There was no place in the queue.
    #[serde(alias = "the queue is full", alias = "no such queue")]
    Refused,
    /// We or the network ended it.
    #[serde(alias = "ended")]
    Dropped,
}

/// Whom a customer is given to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Destination {
    Agent {
        agent: AgentId,
    },
    Queue {
        queue: QueueName,
    },
    /// A phone number outside.
    Number,
}

/// How a supervisor is in a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Supervision {
    /// He listens and nobody hears him.
    Monitor,
    /// The operator alone hears him.
    Whisper,
    /// All hear him.
    Barge,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "who", rename_all = "snake_case")]
pub enum Party {
    Customer,
    Agent {
        agent: AgentId,
    },
    /// Somebody outside, reached over a trunk.
    External,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OfferOutcome {
    Accepted,
    Declined,
    TimedOut,
    /// The customer left, or the server was started again.
    Withdrawn,
    /// The agent's device could not be reached or died.
    Unreachable,
    /// The agent changed state or signed out.
    AgentLeft,
}

/// A change of an agent's state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AgentChange {
    pub agent: AgentId,
    pub at: Timestamp,
    pub status: AgentStatus,
    /// Who set it: the agent himself, or the system (such as after an offer that was not answered).
    pub by: Side,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AgentStatus {
    SignedOut,
    Ready,
    NotReady {
        reason: String,
    },
    /// Set by the system after an offer that rang out.
    NotAnswering,
}
