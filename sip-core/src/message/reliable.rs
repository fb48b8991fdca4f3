//! RSeq and RAck (RFC 3262 §7).

use super::lex::{self, Cursor};
use super::{HeaderError, Message, Name};

/// Which provisional response a PRACK acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RAck<'a> {
    pub rseq: u32,
    pub cseq: u32,
    pub method: &'a [u8],
}

impl Message {
    /// 1 to 2^32 - 1.
    pub fn rseq(&self) -> Result<Option<u32>, HeaderError> {
        self.one(Name::RSeq, |value| lex::number(value).filter(|number| *number > 0))
    }

    pub fn rack(&self) -> Result<Option<RAck<'_>>, HeaderError> {
        self.one(Name::RAck, rack)
    }
}

/// `response-num LWS CSeq-num LWS Method`.
fn rack(value: &[u8]) -> Option<RAck<'_>> {
    let mut at = Cursor::new(value);
    let rseq = lex::number(at.run(|c| c.is_ascii_digit())).filter(|number| *number > 0)?;
    if !at.peek().is_some_and(lex::is_lws) {
        return None;
    }
    at.skip_lws();
    let (cseq, method) = super::cseq::parse(at.rest()).ok()?;
    Some(RAck { rseq, cseq, method })
}
