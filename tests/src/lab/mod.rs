//! The real server with real peers as throwaway processes on loopback ports, out of a temporary folder. Every process is ended
//! by its id when its value is dropped.

mod api;
mod process;
mod tandem;

pub use api::Api;
pub use process::{Process, free_port, wait_for};
pub use tandem::Tandem;
