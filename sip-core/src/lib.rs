pub mod api;
pub mod digest;
pub mod frame;
pub mod message;
