//! SIP as a pure state machine: bytes and ticks go in, [`api::Output`] comes out.
//!
//! | what | where |
//! |---|---|
//! | every input and effect | [`api`] |
//! | what the owner calls | [`stack`] |
//! | messages and their headers | [`message`] |
//! | cutting messages from a stream | [`frame`] |
//! | digest authentication | [`digest`], `auth`; toward carriers `client_auth` |
//! | carriers: health, registration, order, spelling | `trunk` |
//! | requests: where they go, who may send them | `receive`, `register`, `registrar` |
//! | registrations that survive a restart | `saved` |
//! | answers and requests of ours | `respond` |
//! | calls, their offers and endings | `call`, `dialog` |
//! | RFC 3261 §17 | `transaction` |
//! | everything that waits | `timer` |
//! | stacks against each other at virtual time | `testing`, behind the feature of that name |

pub mod api;
pub mod digest;
pub mod frame;
pub mod message;
pub mod stack;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod auth;
mod call;
mod client_auth;
mod dialog;
mod random;
mod receive;
mod register;
mod registrar;
mod respond;
mod saved;
mod timer;
mod transaction;
mod trunk;

#[cfg(test)]
mod tests;

pub use stack::Stack;
