pub mod api;
pub mod codec;
pub mod core;
pub mod dtmf;
mod leg;
pub mod library;
mod outgoing;
pub mod play;
pub mod prompts;
mod reception;
pub mod record;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
#[cfg(any(test, feature = "testing"))]
pub mod tone;
pub mod webrtc;
