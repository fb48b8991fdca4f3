//! SIP over UDP, TCP and WebSocket (RFC 7118): bytes are framed and handed on, nothing else.
//!
//! Invariants: nothing in here understands a SIP message; whatever goes to the engine goes through its inbox, and what it
//! refuses is dropped (UDP) or held back (streams); a peer that is slow, silent or too loud costs its own connection only;
//! [`Network::transmit`] and [`Network::close`] never block and may be called from any thread.

mod connections;
mod figures;
mod network;
mod stream;
mod tcp;
mod udp;
mod websocket;

#[cfg(test)]
mod tests;

pub use figures::Figures;
pub use network::{BindError, Bound, Network};
