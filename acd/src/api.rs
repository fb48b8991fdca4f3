//! What goes into the ACD and what comes out of it: the whole list of effects.

use std::time::Duration;

use model::{
    AgentId, AgentStatus, Instant, Media, OfferId, OfferOutcome, QueueName, SessionId, Side, Timestamp,
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueConfig {
    pub name: QueueName,
    /// An offer with voice that is not answered for this long goes back to its place, and the agent is set not-answering.
    pub ring_timeout: Duration,
    /// The same for offers of text alone.
    pub accept_timeout: Duration,
    /// Wrap-up after a contact; ends earlier when the agent says so. Zero: none.
    pub wrap_up: Duration,
    /// Most items that may wait; beyond it `enqueue` is refused as full.
    pub max_waiting: usize,
}

/// How much one agent can do at once: this many calls, or this many chats. A call fills the whole agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    pub voice: u8,
    pub chat: u8,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentConfig {
    pub agent: AgentId,
    pub queues: Vec<QueueName>,
    pub capacity: Capacity,
}

/// A session that waits for an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub session: SessionId,
    pub queue: QueueName,
    pub priority: i32,
    pub media: Media,
    /// Since when it waits: its age. Kept over offers that come to nothing.
    pub since: Instant,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// The agent is reserved for the session until `deadline`; nobody else is. Answer by `accept`, `decline` or `fail` with the same offer.
    Offer {
        offer: OfferId,
        agent: AgentId,
        session: SessionId,
        queue: QueueName,
        media: Media,
        deadline: Instant,
    },
    /// The offer is over. Comes exactly once per offer, whatever ended it. After `Accepted` the agent owns the session; after
    /// any other outcome but `Withdrawn` the session is back in its place.
    OfferEnded {
        offer: OfferId,
        agent: AgentId,
        session: SessionId,
        outcome: OfferOutcome,
    },
    /// For the journal and the agent's desk.
    AgentStatus {
        agent: AgentId,
        status: AgentStatus,
        by: Side,
    },
    WrapUpStarted {
        agent: AgentId,
        session: SessionId,
        until: Instant,
    },
    WrapUpEnded {
        agent: AgentId,
        session: SessionId,
    },
}

/// What a desk or a wallboard shows of an agent.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentView {
    pub agent: AgentId,
    pub status: AgentStatus,
    /// Since when this status holds.
    pub since: Timestamp,
    pub reachable_by_voice: bool,
    pub reachable_by_text: bool,
    pub offers: Vec<(OfferId, SessionId)>,
    pub sessions: Vec<SessionId>,
    pub wrapping_up: Vec<SessionId>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct QueueView {
    pub name: QueueName,
    /// Those being offered included.
    pub waiting: usize,
    /// Age of the oldest waiting item.
    pub longest_wait: Duration,
    /// Agents of the queue who are ready and reachable by something, whether or not they are busy just now.
    pub agents_ready: usize,
}

/// Where an item stands: 1 is next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub position: usize,
    pub waited: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnqueueError {
    #[error("no such queue")]
    UnknownQueue,
    #[error("the queue is full")]
    Full,
}
