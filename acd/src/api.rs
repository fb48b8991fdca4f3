//! What goes into the ACD and what comes out of it: the whole list of effects.

use std::time::Duration;

use model::{AgentId, AgentStatus, Instant, Media, OfferId, OfferOutcome, QueueName, SessionId, Side, Timestamp};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueConfig {
    pub name: QueueName,
    /// An offer not answered for this long goes back to its place, and the agent is set not-answering (voice).
    pub ring_timeout: Duration,
    /// The same for text media.
    pub accept_timeout: Duration,
    /// Wrap-up after a contact; ends earlier when the agent says so.
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
    Offer { offer: OfferId, agent: AgentId, session: SessionId, queue: QueueName, media: Media, deadline: Instant },
    /// The offer is over. Comes exactly once per offer, whatever ended it. After `Accepted` the agent owns the session; after
    /// any other outcome but `Withdrawn` the session is back in its place.
    OfferEnded { offer: OfferId, agent: AgentId, session: SessionId, outcome: OfferOutcome },
    /// For the journal and the agent's desk.
    AgentStatus { agent: AgentId, status: AgentStatus, by: Side },
    WrapUpStarted { agent: AgentId, session: SessionId, until: Instant },
    WrapUpEnded { agent: AgentId, session: SessionId },
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
    pub waiting: usize,
    /// Age of the oldest waiting item.
    pub longest_wait: Duration,
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

// The core itself (see `acd.rs`):
//
// impl Acd {
//     pub fn new(seed: [u8; 32]) -> Acd;                                   // the seed makes offer ids
//     pub fn set_queues(&mut self, now: Now, queues: Vec<QueueConfig>);      // live reload: waiting items stay, never resets anybody
//     pub fn set_agent(&mut self, now, AgentConfig);                         // new or changed; a changed one keeps status and work
//     pub fn remove_agent(&mut self, now, agent);
//     pub fn set_status(&mut self, now, agent, AgentStatus, by: Side);       // also while an offer rings: it ends as AgentLeft
//     pub fn set_reachable(&mut self, now, agent, Medium, bool);             // lost while an offer of that medium rings: Unreachable
//     pub fn enqueue(&mut self, now, Item) -> Result<(), EnqueueError>;      // the same session again: only its media/priority/queue are updated, its age is the older one
//     pub fn set_media(&mut self, now, session, Media);                      // of a waiting or an owned session
//     pub fn remove(&mut self, now, session);                                // customer left, flow moved on: waiting or offered (→ Withdrawn); no-op otherwise
//     pub fn accept(&mut self, now, offer) -> bool;                          // false: the offer is over; the caller must undo
//     pub fn decline(&mut self, now, offer);                                 // Declined: back to its place, agent set not-ready("declined"), not offered to him again for 10 s
//     pub fn fail(&mut self, now, offer);                                    // his device did not take it: Unreachable
//     pub fn finish(&mut self, now, session);                                // owned session ended: its agent goes to wrap-up
//     pub fn end_wrap_up(&mut self, now, agent, session);
//     pub fn assign(&mut self, now, agent, session, Media);                  // owner without an offer (restored, transferred): takes a slot
//     pub fn release(&mut self, now, session);                               // owner loses it without wrap-up (lost agent): slot freed
//     pub fn owner(&self, session) -> Option<AgentId>;
//     pub fn place(&self, now, session) -> Option<Place>;
//     pub fn agent(&self, agent) -> Option<AgentView>; pub fn agents(&self, ..) -> ...; pub fn queues(&self, now) -> Vec<QueueView>;
//     pub fn handle_timeout(&mut self, now); pub fn poll_output(&mut self) -> Option<Output>; pub fn poll_timeout(&self) -> Option<Instant>;
// }
