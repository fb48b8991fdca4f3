pub mod api;
pub mod core;
pub mod library;
pub mod webrtc;
