//! Several stacks that are one to their owner, so that the work of many calls is spread over as many threads.
//!
//! | what | where |
//! |---|---|
//! | which stack a message is for | `place` |
//! | a stack that has calls and nothing else | `one` |
//! | the first stack, and what is told to and by the others | `front` |
//!
//! The first stack has what there can be only one of: the registrar, the carriers' registrations and health, subscriptions, and the
//! count of what users and trunks may do. Every INVITE goes by its Call-ID to one of the others, and both legs of a conversation to the
//! same. The owner talks to the [`Front`] as to a [`Stack`](crate::Stack); whoever carries packets and orders about is the shell.
//!
//! Invariants: what the owner has ended is over for him at once, whatever crosses it; an order about a call that has ended does nothing;
//! nothing that a peer sends makes one stack wait for another.

mod front;
mod one;
mod place;
#[cfg(test)]
mod tests;

pub use front::{Front, FrontOutput};
pub(crate) use one::Note;
pub use one::{Order, Report, Shard, ShardOutput};
pub use place::{MOST_SHARDS, Placement, ShardId};
