pub mod api;
pub mod core;
pub mod library;
pub mod prompts;
pub mod webrtc;
