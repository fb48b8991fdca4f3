//! Voice without a socket: RTP legs of phones and browsers, their codecs, bridges, prompts, digits and recordings.
//!
//! [`api`] is what the session engine says and hears, [`core`] what the shell drives. Invariants: no file, socket, clock,
//! thread or lock in here; what is random comes from the shell's seed, except for the keys of DTLS, which its libraries make.

mod announce;
pub mod api;
pub mod codec;
pub mod core;
mod dtls;
pub mod dtmf;
pub mod jitter;
mod leg;
pub mod library;
pub mod mix;
mod outgoing;
pub mod play;
pub mod prompts;
pub mod quality;
mod reception;
pub mod record;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod srtp;
#[cfg(any(test, feature = "testing"))]
pub mod tone;
mod transport;
pub mod webrtc;
