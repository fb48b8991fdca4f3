//! Reason (RFC 3326), and how ISDN causes and SIP statuses stand for each other (RFC 3398 §7.2.4.1, §8.2.6.1).

use std::borrow::Cow;

use super::error::SyntaxError;
use super::lex;
use super::params::{self, Params};
use super::{HeaderError, Message, Name};

/// One value: `Q.850;cause=16;text="Terminated"`.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// As written: `SIP`, `Q.850`, ….
    pub protocol: &'a [u8],
    /// A SIP status or an ISDN cause, after the protocol; `None` when absent or no number.
    pub cause: Option<u16>,
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<Reason<'a>, SyntaxError> {
        let (protocol, params) = params::token(raw).map_err(|()| SyntaxError("Reason"))?;
        Ok(Reason { protocol, cause: params.get("cause").and_then(lex::number), params })
    }

    /// Without quotes.
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        self.params.unquoted("text")
    }

    /// The SIP status, if that is what it tells.
    pub fn sip_status(&self) -> Option<u16> {
        self.cause.filter(|_| self.protocol.eq_ignore_ascii_case(b"SIP"))
    }

    /// The ISDN cause, 1 to 127, if that is what it tells.
    pub fn q850_cause(&self) -> Option<u8> {
        let cause = self.cause.filter(|_| self.protocol.eq_ignore_ascii_case(b"Q.850"))?;
        u8::try_from(cause).ok().filter(|cause| (1..=127).contains(cause))
    }
}

impl Message {
    /// All values, one per protocol (RFC 3326 §2).
    pub fn reasons(&self) -> Result<Vec<Reason<'_>>, HeaderError> {
        self.each(Name::Reason, |value| Reason::parse(value).ok())
    }
}

/// A Reason value, ready for a header: `SIP;cause=200;text="…"`.
pub fn reason(protocol: &str, cause: u16, text: Option<&str>) -> Vec<u8> {
    let mut out = format!("{protocol};cause={cause}").into_bytes();
    if let Some(text) = text {
        out.extend(b";text=");
        out.extend(super::quote(text));
    }
    out
}

/// What a release with this ISDN cause is in SIP. RFC 3398 §7.2.4.1; a cause that is not named there counts as its class (ITU-T Q.850):
/// normal event, no resource, not available, not implemented, protocol error.
pub fn status_of_q850(cause: u8) -> u16 {
    match cause {
        1..=3 | 26 => 404,
        17 => 486,
        18 => 408,
        21 | 55 | 57 | 87 => 403,
        22 | 23 => 410,
        27 => 502,
        28 => 484,
        29 | 79 => 501,
        65 | 70 => 488,
        88 => 503,
        102 => 504,
        0..=31 => 480,
        32..=63 => 503,
        64..=79 => 501,
        80..=255 => 500,
    }
}

/// What a refusal with this SIP status is in ISDN. RFC 3398 §8.2.6.1; a BYE and a cancelled call
/// are normal clearing (16), what is not named there is interworking (127).
pub fn q850_of_status(status: u16) -> u8 {
    match status {
        200..=299 | 487 => 16,
        400 | 481 | 500 | 503 => 41,
        401..=403 | 407 | 603 | 607 | 608 => 21,
        404 | 485 | 604 => 1,
        405 => 63,
        406 | 415 | 501 => 79,
        408 | 504 => 102,
        410 => 22,
        480 => 18,
        482 | 483 => 25,
        484 => 28,
        486 | 600 => 17,
        488 | 606 => 65,
        502 => 38,
        _ => 127,
    }
}
