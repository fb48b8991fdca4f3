//! Session descriptions (RFC 8866) of plain RTP legs and their offers and answers (RFC 3264): audio only.
//! Browsers' descriptions are `webrtc`'s business.

mod formats;
mod negotiate;
mod parse;

pub use negotiate::{Agreed, Content, Digits, Incompatible, Negotiation};
pub use parse::{Connection, Description, Fault, Media, RtpMap, SdpError, Way};
