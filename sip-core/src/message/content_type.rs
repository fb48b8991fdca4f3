//! Content-Type (RFC 3261 §20.15).

use super::error::SyntaxError;
use super::lex::{self, Cursor};
use super::params::{self, Params};

#[derive(Clone, Copy, Debug)]
pub struct ContentType<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    params: Params<'a>,
}

impl<'a> ContentType<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<ContentType<'a>, SyntaxError> {
        parse(raw).ok_or(SyntaxError("media type"))
    }

    /// Such as `is("application/sdp")`; in any case, parameters do not count.
    pub fn is(&self, media_type: &str) -> bool {
        media_type.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind.as_bytes())
                && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
        })
    }

    /// `type/subtype` in lower case.
    pub fn media_type(&self) -> String {
        let mut text = super::text(self.kind);
        text.push('/');
        text.push_str(&super::text(self.subtype));
        text.make_ascii_lowercase();
        text
    }

    pub fn params(&self) -> Params<'a> {
        self.params
    }
}

fn parse(raw: &[u8]) -> Option<ContentType<'_>> {
    let mut at = Cursor::new(lex::trim(raw));
    let kind = at.token()?;
    at.skip_lws();
    if !at.eat(b'/') {
        return None;
    }
    at.skip_lws();
    let subtype = at.token()?;
    let params = params::scan(&mut at).ok()?;
    at.skip_lws();
    at.done().then_some(ContentType { kind, subtype, params })
}
