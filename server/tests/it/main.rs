//! The shell with the real engine: one server per test, on ports of its own.

mod chat;
mod config;
mod harness;
mod http;
mod life;
mod postgres;
mod proxy;
mod reports;
mod store;
