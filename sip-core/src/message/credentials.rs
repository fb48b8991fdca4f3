//! Authorization, WWW-Authenticate and their proxy twins (RFC 3261 §20.7, §20.44; RFC 7235).

use std::borrow::Cow;

use super::error::SyntaxError;
use super::lex::{self, Cursor};
use super::params::MAX_PARAMS;

/// A scheme and its `name=value` pairs: a challenge or its answer. What they mean is told by [`crate::digest`].
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    scheme: &'a [u8],
    params: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Credentials<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<Credentials<'a>, SyntaxError> {
        parse(lex::trim(raw)).ok_or(SyntaxError("credentials"))
    }

    pub fn scheme(&self) -> &'a [u8] {
        self.scheme
    }

    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// The value as it came, quotes included. Names in any case.
    pub fn raw(&self, name: &str) -> Option<&'a [u8]> {
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
    }

    /// The value without quotes and escapes.
    pub fn get(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.raw(name).map(lex::unquote)
    }
}

fn parse(raw: &[u8]) -> Option<Credentials<'_>> {
    let mut at = Cursor::new(raw);
    let scheme = at.token()?;
    let mut params = Vec::with_capacity(12);
    loop {
        at.skip_lws();
        if at.done() {
            break;
        }
        // Empty list elements are allowed (RFC 7230 §7).
        if at.eat(b',') {
            continue;
        }
        let name = at.token()?;
        at.skip_lws();
        if !at.eat(b'=') {
            return None;
        }
        at.skip_lws();
        let value = match at.peek() {
            Some(b'"') => at.quoted()?,
            _ => at.run_of(lex::VALUE),
        };
        // Of two equal names nobody can say which one was meant.
        if params.len() == MAX_PARAMS
            || params.iter().any(|(known, _): &(&[u8], &[u8])| known.eq_ignore_ascii_case(name))
        {
            return None;
        }
        params.push((name, value));
        at.skip_lws();
        if !at.done() && at.peek() != Some(b',') {
            return None;
        }
    }
    Some(Credentials { scheme, params })
}
