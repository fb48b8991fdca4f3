//! The whole media core: phones and browsers call it, talk, listen, and are recorded.

#![allow(clippy::unwrap_used, reason = "a broken harness is to fail the test")]

mod bookkeeping;
mod bridge;
mod browser;
mod browsers;
mod codecs;
mod digits;
mod handshakes;
mod hostile;
mod network;
mod playing;
mod quality;
mod recording;
mod rooms;
mod secure;
mod speech;
mod world;
