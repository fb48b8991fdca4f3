//! The one session model, pure: bytes, media events, commands and ticks go in; effects come out.
//!
//! `engine` is the border; the other files are its parts, one subject each:
//! `contact` who comes in and which session he joins · `chat` the widget's commands · `desk` the operator's ·
//! `voice` SIP and media of every leg · `ringing` our own calls · `early` what is heard before an answer · `hangup` how legs end ·
//! `flow` the dialplan at work · `routing` the ACD's decisions ·
//! `transfer` REFER and Replaces · `own_calls` what an operator dials · `consult` calls beside the customer's · `pickup` and `park` customers
//! taken from elsewhere · `conference` more than two in a conversation · `aside` the customer waits while others talk about him · `supervision` supervisors in it · `room` who hears whom ·
//! · `redirect` 302 · `trunks` which carriers a number takes · `devices` which device rings first ·
//! `watch` what phones are told of colleagues · `escalate` from one medium to the other · `callback` customers who are called when their turn comes · `closing` how things end · `restore` sessions from before a restart.

mod after;
mod agents;
pub mod api;
mod aside;
pub mod callback;
mod chat;
mod closing;
mod conference;
mod consult;
mod contact;
mod desk;
mod devices;
mod early;
mod engine;
mod escalate;
mod flow;
mod hangup;
mod leg;
mod outside;
mod own_calls;
mod park;
pub mod phone;
mod pickup;
mod quality;
mod recording;
pub mod redirect;
mod restore;
mod ringing;
mod room;
mod routing;
mod session;
mod supervision;
mod timers;
mod transfer;
mod trunks;
pub mod view;
mod voice;
mod wanted;
mod watch;

pub use engine::Engine;
