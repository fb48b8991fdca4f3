//! CSeq (RFC 3261 §20.16).

use super::lex::{self, Cursor};
use super::method::Method;

/// Borrowed from its message, which has checked it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CSeq<'a> {
    /// Less than 2^31.
    pub number: u32,
    pub method: &'a Method,
}

/// `1*DIGIT LWS Method`.
pub(crate) fn parse(value: &[u8]) -> Result<(u32, &[u8]), ()> {
    let mut at = Cursor::new(value);
    let number: u32 = lex::number(at.run(|c| c.is_ascii_digit())).ok_or(())?;
    if number >= 1 << 31 || !at.peek().is_some_and(lex::is_lws) {
        return Err(());
    }
    at.skip_lws();
    let method = at.token().ok_or(())?;
    if at.done() { Ok((number, method)) } else { Err(()) }
}
