//! Digital channels, pure: what comes from a channel is decoded into types that cannot be wrong, what goes to it is encoded.
//! No socket, no file, no clock in here.

pub mod web_chat;
