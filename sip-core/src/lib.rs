//! SIP as a pure state machine: bytes and ticks go in, [`api::Output`] comes out.
//!
//! | what | where |
//! |---|---|
//! | every input and effect | [`api`] |
//! | what the owner calls | [`stack`] |
//! | messages and their headers | [`message`] |
//! | cutting messages from a stream | [`frame`] |
//! | a quick look at a message, and the refusal of new ones | [`glance`] |
//! | whom we listen to at all: rates, bans, scanners | [`border`] |
//! | from a name to addresses (RFC 3263) | [`locate`] |
//! | digest authentication | [`digest`], `auth`; toward carriers `client_auth` |
//! | carriers: health, registration, order, spelling | `trunk` |
//! | requests: where they go, who may send them | `receive`, `register`, `registrar` |
//! | the connections that phones registered on | `flow` |
//! | registrations that survive a restart | `saved` |
//! | what a request must be | `validate` |
//! | how many calls a user may begin | `quota` |
//! | answers and requests of ours | `respond` |
//! | the way of our requests: names, failover, size | `way` |
//! | calls, their offers and endings | `call`, `dialog` |
//! | who is told of what, and the words for it | [`subscription`] |
//! | RFC 3261 §17 | `transaction` |
//! | what is alive, as tables for a person | [`inspect`] |
//! | everything that waits | `timer` |
//! | several stacks that are one to their owner | [`shard`] |
//! | stacks against each other at virtual time | `testing`, behind the feature of that name |

pub mod api;
pub mod border;
pub mod digest;
pub mod frame;
pub mod glance;
pub mod inspect;
pub mod locate;
pub mod message;
pub mod shard;
pub mod stack;
pub mod subscription;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod auth;
mod call;
mod client_auth;
mod dialog;
mod flow;
mod keyed;
mod quota;
mod random;
mod receive;
mod register;
mod registrar;
mod respond;
mod saved;
mod timer;
mod transaction;
mod trunk;
mod validate;
mod way;

#[cfg(test)]
mod tests;

pub use stack::Stack;
