//! The frames of the chat widget: JSON text messages over one WebSocket.

mod decode;
mod encode;
pub mod limits;

pub use decode::{Allowance, ClientFrame, FrameError, Hello, decode};
pub use encode::{Backlogged, ServerFrame, encode};
