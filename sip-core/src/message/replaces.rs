//! Replaces (RFC 3891 §6.1).

use std::borrow::Cow;

use super::error::SyntaxError;
use super::lex::{self, Cursor};
use super::params::{self, Params};
use super::{HeaderError, Message, Name};

/// The dialog that a new INVITE takes the place of, named as its receiver sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces<'a> {
    pub call_id: &'a [u8],
    /// The receiver's own tag. `0` also stands for a peer that gave none (§3).
    pub to_tag: Cow<'a, [u8]>,
    pub from_tag: Cow<'a, [u8]>,
    /// Only while it has not been answered.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Also for the unescaped header that stands in a Refer-To URI. One to-tag and one from-tag are due (§3).
    pub fn parse(raw: &'a [u8]) -> Result<Replaces<'a>, SyntaxError> {
        parse(lex::trim(raw)).ok_or(SyntaxError("Replaces"))
    }

    /// Ready for a header; in a URI it must be escaped besides: see [`escape_header`](super::escape_header).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.call_id.to_vec();
        out.extend(b";to-tag=");
        out.extend_from_slice(&self.to_tag);
        out.extend(b";from-tag=");
        out.extend_from_slice(&self.from_tag);
        if self.early_only {
            out.extend(b";early-only");
        }
        out
    }
}

impl Message {
    pub fn replaces(&self) -> Result<Option<Replaces<'_>>, HeaderError> {
        self.one(Name::Replaces, |value| Replaces::parse(value).ok())
    }
}

fn parse(raw: &[u8]) -> Option<Replaces<'_>> {
    let mut at = Cursor::new(raw);
    let call_id = at.run_of(lex::CALL_ID);
    let params = params::to_end(&mut at).ok()?;
    if call_id.is_empty() {
        return None;
    }
    let (to_tag, from_tag) = (only(params, b"to-tag")?, only(params, b"from-tag")?);
    Some(Replaces { call_id, to_tag, from_tag, early_only: params.has("early-only") })
}

fn only<'a>(params: Params<'a>, name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let mut all = params.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let value = all.next()?.1.filter(|value| !value.is_empty())?;
    all.next().is_none().then(|| lex::unquote(value))
}
