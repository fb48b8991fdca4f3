//! The one session model, pure: bytes, media events, commands and ticks go in; effects come out.

pub mod api;
pub mod view;
