//! Automatic call distribution: who gets which waiting session, decided in one place. Pure: time and
//! randomness come in as arguments, effects go out as [`Output`] values.
//!
//! Invariants, after every call:
//! - an agent has at most one offer, and a session is offered to at most one agent;
//! - every offer ends exactly once;
//! - no session waits that some agent, free for it at this moment, could take;
//! - of what an agent can take he gets the highest priority, then the oldest; of the agents who can take
//!   a session the one with the fewest sessions gets it, then the longest idle;
//! - no item is looked at because of an event that does not concern it: queues and free agents are ordered sets.

mod acd;
mod agent;
pub mod api;
mod offers;
pub mod statistics;
mod timers;
mod view;
mod waiting;
mod wrap_up;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod testing;

pub use acd::Acd;
pub use api::{AgentConfig, AgentView, Capacity, EnqueueError, Item, Output, Place, QueueConfig, QueueView};
