//! The real server with real peers as throwaway processes on loopback ports, out of a temporary folder. Every process is ended
//! by its id when its value is dropped.

mod api;
mod baresip;
mod carrier;
mod postgres;
mod process;
pub mod rtp;
pub mod sip;
mod sipp;
pub mod sound;
mod tandem;
mod visitor;

pub use api::Api;
pub use baresip::Baresip;
pub use carrier::Carrier;
pub use postgres::{Postgres, PostgresServer};
pub use process::{Process, free_phone_port, free_port, free_ports, wait_for};
pub use sipp::Sipp;
pub use tandem::{Tandem, project};
pub use visitor::Visitor;
