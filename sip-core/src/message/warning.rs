//! Warning (RFC 3261 §20.43) and Retry-After (§20.33).

use std::borrow::Cow;

use super::error::SyntaxError;
use super::lex::{self, Cursor};
use super::params::{self, Params};
use super::{HeaderError, Message, Name, quote};

/// `307 isi.edu "Session parameter 'foo' not understood"`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning<'a> {
    /// Three digits.
    pub code: u16,
    /// A host or a name.
    pub agent: &'a [u8],
    /// Without quotes.
    pub text: Cow<'a, [u8]>,
}

/// `18000;duration=3600` or `120 (I'm in a meeting)`.
#[derive(Clone, Copy, Debug)]
pub struct RetryAfter<'a> {
    pub seconds: u32,
    /// With its parentheses.
    pub comment: Option<&'a [u8]>,
    pub params: Params<'a>,
}

impl<'a> Warning<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<Warning<'a>, SyntaxError> {
        one_warning(lex::trim(raw)).ok_or(SyntaxError("Warning"))
    }
}

impl<'a> RetryAfter<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<RetryAfter<'a>, SyntaxError> {
        one_retry_after(lex::trim(raw)).ok_or(SyntaxError("Retry-After"))
    }
}

impl Message {
    pub fn warnings(&self) -> Result<Vec<Warning<'_>>, HeaderError> {
        self.each(Name::Warning, |value| Warning::parse(value).ok())
    }

    pub fn retry_after(&self) -> Result<Option<RetryAfter<'_>>, HeaderError> {
        self.one(Name::RetryAfter, |value| RetryAfter::parse(value).ok())
    }
}

/// A Warning value, ready for a header. `agent` is our own host.
pub fn warning(code: u16, agent: &str, text: &str) -> Vec<u8> {
    let mut out = format!("{code:03} {agent} ").into_bytes();
    out.extend(quote(text));
    out
}

fn one_warning(raw: &[u8]) -> Option<Warning<'_>> {
    let mut at = Cursor::new(raw);
    let code = at.run(|c| c.is_ascii_digit());
    let number = lex::number(code).filter(|_| code.len() == 3)?;
    at.skip_lws();
    let agent = at.run(|c| !lex::is_lws(c) && c != b'"');
    at.skip_lws();
    let text = at.quoted()?;
    (at.done() && !agent.is_empty()).then(|| Warning { code: number, agent, text: lex::unquote(text) })
}

fn one_retry_after(raw: &[u8]) -> Option<RetryAfter<'_>> {
    let mut at = Cursor::new(raw);
    let seconds = lex::number(at.run(|c| c.is_ascii_digit()))?;
    at.skip_lws();
    let comment = match at.peek() {
        Some(b'(') => Some(comment(&mut at)?),
        _ => None,
    };
    let params = params::to_end(&mut at).ok()?;
    Some(RetryAfter { seconds, comment, params })
}

/// Comments nest and may hold quoted pairs (RFC 3261 §25.1).
fn comment<'a>(at: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let start = at.at;
    let mut depth = 0usize;
    loop {
        match at.peek()? {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'\\' => at.at += 1,
            _ => {}
        }
        at.at += 1;
        if depth == 0 {
            return at.bytes.get(start..at.at);
        }
    }
}
