//! Browsers as peers: ICE-lite, DTLS-SRTP and RTP of many legs over one UDP port, on top of str0m.
//!
//! Invariants: no socket, clock or thread in here. Every SDP of a peer is taken apart by [`description`] and only what we
//! understood is handed to str0m, so it never sees a line that we did not write. A panic inside str0m costs the one leg whose
//! packet or description caused it, never the thread. Audio only: other media sections are refused with port 0.

mod description;
mod error;
mod leg;
mod port;

pub use description::{Encoding, Format};
pub use error::WebRtcError;
pub use leg::LOST_AFTER;
pub use port::{Negotiated, Output, PeerReport, RtpIn, RtpOut, Transmit, WebRtcPort};
