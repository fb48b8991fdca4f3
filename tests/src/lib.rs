//! What the end-to-end tests share: `world`, the whole centre at virtual time, and `lab`, the real server with real peers.

pub mod lab;
pub mod world;
