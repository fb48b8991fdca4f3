//! The one session model, pure: bytes, media events, commands and ticks go in; effects come out.
//!
//! `engine` is the border; the other files are its parts, one subject each:
//! `contact` who comes in and which session he joins · `chat` the widget's commands · `desk` the operator's ·
//! `voice` SIP and media of every leg · `ringing` our own calls · `early` what is heard before an answer · `hangup` how legs end ·
//! `flow` the dialplan at work · `routing` the ACD's decisions ·
//! `watch` what phones are told of colleagues · `escalate` from one medium to the other · `closing` how things end · `restore` sessions from before a restart.

pub mod api;
mod chat;
mod closing;
mod contact;
mod desk;
mod devices;
mod early;
mod engine;
mod escalate;
mod flow;
mod hangup;
mod leg;
pub mod phone;
mod restore;
mod ringing;
mod routing;
mod session;
mod timers;
mod transfer;
mod trunks;
pub mod view;
mod voice;
mod watch;

pub use engine::Engine;
