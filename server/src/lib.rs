//! The shell around the pure cores: configuration, clocks, sockets, disk and HTTP. Invariant: everything that happens to a
//! session is decided in `session::Engine`; in here bytes are framed, stored and shown, nothing more.

pub mod app;
mod ask;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
mod control;
pub mod demo;
mod dialplan;
pub mod engine;
pub mod figures;
mod guard;
pub mod http;
mod hub;
pub mod inbox;
pub mod media;
mod metrics;
pub mod net;
mod outside;
pub mod plans;
mod recording;
pub mod run;
pub mod secret;
mod shard;
pub mod sip;
pub mod store;
pub mod tap;
