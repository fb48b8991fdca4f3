//! SIP over UDP, TCP, TLS and WebSocket (RFC 7118), and the DNS: bytes are framed and handed on, nothing else.
//!
//! Invariants: nothing in here understands a SIP message; whatever goes to the engine goes through its inbox, and what it
//! refuses is dropped (UDP) or held back (streams); a peer that is slow, silent or too loud costs its own connection only;
//! [`Network::transmit`] and [`Network::close`] never block and may be called from any thread.

mod connections;
mod figures;
mod network;
mod resolver;
mod sockets;
mod stream;
mod tcp;
mod tls;
mod udp;
mod websocket;

#[cfg(test)]
mod tests;

pub use figures::Figures;
pub use network::{BindError, Bound, Network};
pub use tls::{ServerTls, TlsError, public_clients};
