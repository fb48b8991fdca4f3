//! Automatic call distribution: who gets which waiting session, decided in one place. Pure: time and
//! randomness come in as arguments, effects go out as [`Output`] values.
//!
//! Invariants, after every call:
//! - an agent has at most one offer, and a session is offered to at most as many agents as its queue rings at once;
//! - every offer ends exactly once, and at most one of a session as accepted;
//! - no session waits that some agent, free for it at this moment, could take;
//! - of what an agent can take he gets what nobody is asked for yet, then the highest priority (age counts towards it), then the
//!   oldest, whatever queue it is in; of the agents who can take a session the one gets it who is preferred for his skills, then who
//!   is next by the strategy of the queue;
//! - no item is looked at because of an event that does not concern it: queues and free agents are ordered sets, one per class of
//!   sessions that the same agents can take.

mod acd;
mod agent;
pub mod api;
mod capacity;
mod direct;
mod estimate;
mod lists;
mod matching;
mod offers;
mod overflow;
mod skills;
pub mod statistics;
mod timers;
mod view;
mod waiting;
mod wrap_up;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use acd::Acd;
pub use api::{
    AgentConfig, AgentView, Blend, Capacity, Demand, DirectError, EnqueueError, Item, Output, Overflow,
    OverflowWhen, Place, Preferred, QueueConfig, QueueView, Skill, Skills, Stage, Widen, Work,
};
