//! Session-Expires and Min-SE (RFC 4028 §4, §5).

use super::error::SyntaxError;
use super::params::{self, Params};
use super::{HeaderError, Message, Name};

/// Who sends the refreshes, seen from the request that carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    Uac,
    Uas,
}

#[derive(Clone, Copy, Debug)]
pub struct SessionExpires<'a> {
    pub seconds: u32,
    /// `None` when the choice is left to the other side.
    pub refresher: Option<Refresher>,
    pub params: Params<'a>,
}

impl Refresher {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        }
    }
}

impl<'a> SessionExpires<'a> {
    /// A refresher that is neither `uac` nor `uas` is an error: it would be taken for anybody's.
    pub fn parse(raw: &'a [u8]) -> Result<SessionExpires<'a>, SyntaxError> {
        parse(raw).map_err(|()| SyntaxError("Session-Expires"))
    }
}

impl Message {
    pub fn session_expires(&self) -> Result<Option<SessionExpires<'_>>, HeaderError> {
        self.one(Name::SessionExpires, |value| SessionExpires::parse(value).ok())
    }

    /// Seconds; its parameters mean nothing.
    pub fn min_se(&self) -> Result<Option<u32>, HeaderError> {
        self.one(Name::MinSe, |value| params::seconds(value).ok().map(|(seconds, _)| seconds))
    }
}

fn parse(raw: &[u8]) -> Result<SessionExpires<'_>, ()> {
    let (seconds, params) = params::seconds(raw)?;
    let refresher = match params.get("refresher") {
        None => None,
        Some(who) if who.eq_ignore_ascii_case(b"uac") => Some(Refresher::Uac),
        Some(who) if who.eq_ignore_ascii_case(b"uas") => Some(Refresher::Uas),
        Some(_) => return Err(()),
    };
    Ok(SessionExpires { seconds, refresher, params })
}
