//! What goes into the ACD and what comes out of it: the whole list of effects.

use std::sync::Arc;
use std::time::Duration;

use model::{
    AgentId, AgentStatus, Instant, Media, OfferId, OfferOutcome, QueueName, SessionId, Side, Strategy,
    Timestamp, Why,
};

pub use crate::capacity::{Blend, Capacity, PerWork, Work, Works};
pub use crate::skills::{Demand, MAX_LEVEL, Skill, Skills, Stage, Widen};

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
    pub strategy: Strategy,
    /// So many agents are asked for one session at once; the first who accepts gets it.
    pub ring: u8,
    /// Points of priority that a session gains with every minute of waiting. Zero: priority alone goes before age.
    pub ageing: u16,
    /// In which order [`Strategy::Linear`] asks, by [`AgentConfig::name`]; whoever is not named comes last.
    pub order: Vec<Arc<str>>,
    /// Tried in this order.
    pub overflow: Vec<Overflow>,
}

impl QueueConfig {
    /// One that asks one agent at a time, the longest idle, with one point of priority per minute and no overflow.
    pub fn new(name: QueueName) -> Self {
        Self {
            name,
            ring_timeout: Duration::from_secs(20),
            accept_timeout: Duration::from_secs(45),
            wrap_up: Duration::from_secs(30),
            max_waiting: 500,
            strategy: Strategy::LongestIdle,
            ring: 1,
            ageing: 1,
            order: Vec::new(),
            overflow: Vec::new(),
        }
    }
}

/// When a session does not wait any longer in this queue alone. Strikes once per session and queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overflow {
    pub when: OverflowWhen,
    /// Where it goes on waiting, as old as it is. None: its flow decides.
    pub to: Option<QueueName>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OverflowWhen {
    /// It has waited for so long.
    Waited(Duration),
    /// It would be one of more than so many.
    Longer(usize),
    /// It would wait for longer than this, as far as one can say.
    WouldWait(Duration),
    /// No agent of the queue is on duty.
    NoAgents,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentConfig {
    pub agent: AgentId,
    /// By which queues order their agents: his sign-in name.
    pub name: Arc<str>,
    pub queues: Vec<QueueName>,
    pub capacity: Capacity,
    pub blend: Blend,
    pub skills: Skills,
}

/// A session that waits for an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub session: SessionId,
    pub queue: QueueName,
    pub priority: i32,
    pub media: Media,
    /// What its text is, when it has any and no voice.
    pub work: Work,
    /// Since when it waits: its age. Kept over offers that come to nothing.
    pub since: Instant,
    pub demand: Demand,
    pub preferred: Option<Preferred>,
}

impl Item {
    pub fn new(session: SessionId, queue: QueueName, priority: i32, media: Media, since: Instant) -> Self {
        Self {
            session,
            queue,
            priority,
            media,
            work: Work::Chat,
            since,
            demand: Demand::default(),
            preferred: None,
        }
    }
}

/// Nobody else is asked until then, unless this agent is not ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preferred {
    pub agent: AgentId,
    pub until: Instant,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// The agent is reserved for the session until `deadline`; nobody else is, unless the queue rings several. Answer by `accept`,
    /// `decline` or `fail` with the same offer.
    Offer {
        offer: OfferId,
        agent: AgentId,
        session: SessionId,
        queue: QueueName,
        media: Media,
        deadline: Instant,
        why: Box<Why>,
    },
    /// The offer is over. Comes exactly once per offer, whatever ended it. After `Accepted` the agent owns the session and the other
    /// offers of it end as `Withdrawn`; after any other outcome but `Withdrawn` the session is back in its place.
    OfferEnded {
        offer: OfferId,
        agent: AgentId,
        session: SessionId,
        outcome: OfferOutcome,
    },
    /// The session waits in another queue from now on, as old as it is.
    Overflowed {
        session: SessionId,
        from: QueueName,
        to: QueueName,
    },
    /// Its queue does not want it any longer; it waits there until its flow decides.
    Overflow {
        session: SessionId,
        queue: QueueName,
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
    /// Of whoever came now; none while nothing is known.
    pub estimated_wait: Option<Duration>,
    /// By how much such estimates were wrong in the mean, and how many were held against the truth.
    pub estimate_error: Duration,
    pub estimates: u64,
}

/// Where an item stands: 1 is next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub position: usize,
    pub waited: Duration,
    /// From now; none while nothing is known.
    pub estimated_wait: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnqueueError {
    #[error("no such queue")]
    UnknownQueue,
    #[error("the queue is full")]
    Full,
}

/// Why a session was not given to an agent out of turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectError {
    #[error("the session does not wait")]
    NotWaiting,
    #[error("there is no such agent, or he is signed out")]
    NotThere,
    #[error("the agent cannot be reached by this medium")]
    Unreachable,
    #[error("the agent has as much in hand as he can, or another offer")]
    Busy,
}
