//! Session descriptions (RFC 8866) of RTP legs and their offers and answers (RFC 3264): audio only. Browsers' descriptions are
//! `webrtc`'s business.

mod crypto;
mod fingerprint;
mod formats;
mod negotiate;
mod parse;
mod security;

pub use crypto::{Crypto, Unusable};
pub use fingerprint::{Fingerprint, Setup};
pub use negotiate::{Agreed, Content, Digits, Incompatible, Negotiation};
pub use parse::{Connection, Description, Fault, Media, RtpMap, SdpError, Way};
pub use security::{Keying, Security, Terms};
