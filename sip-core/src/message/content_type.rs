//! Content-Type (RFC 3261 §20.15), Content-Disposition (§20.11) and MIME-Version (§20.24).

use super::error::SyntaxError;
use super::lex::{self, Cursor};
use super::params::{self, Params};
use super::{HeaderError, Message, Name};

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

    pub(crate) fn is_multipart(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"multipart")
    }

    /// This type falls into the range (`*/*`, `application/*`, `application/sdp`).
    pub(crate) fn is_within(&self, range: &ContentType<'_>) -> bool {
        (range.kind == b"*" || range.kind.eq_ignore_ascii_case(self.kind))
            && (range.subtype == b"*" || range.subtype.eq_ignore_ascii_case(self.subtype))
    }
}

/// What a body is for, and whether it must be understood.
#[derive(Clone, Copy, Debug)]
pub struct ContentDisposition<'a> {
    /// `session`, `render`, `signal`, …: as written.
    pub kind: &'a [u8],
    pub params: Params<'a>,
}

impl<'a> ContentDisposition<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<ContentDisposition<'a>, SyntaxError> {
        let (kind, params) = params::token(raw).map_err(|()| SyntaxError("Content-Disposition"))?;
        Ok(ContentDisposition { kind, params })
    }

    pub fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
    }

    /// RFC 3261 §20.11: who says nothing means `required`.
    pub fn is_optional(&self) -> bool {
        self.params.get("handling").is_some_and(|handling| handling.eq_ignore_ascii_case(b"optional"))
    }
}

impl Message {
    pub fn content_disposition(&self) -> Result<Option<ContentDisposition<'_>>, HeaderError> {
        self.one(Name::ContentDisposition, |value| ContentDisposition::parse(value).ok())
    }

    /// Major and minor; `1.0` everywhere so far.
    pub fn mime_version(&self) -> Result<Option<(u8, u8)>, HeaderError> {
        self.one(Name::MimeVersion, |value| {
            let dot = memchr::memchr(b'.', value)?;
            Some((lex::number(lex::trim(&value[..dot]))?, lex::number(lex::trim(&value[dot + 1..]))?))
        })
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
    let params = params::to_end(&mut at).ok()?;
    Some(ContentType { kind, subtype, params })
}
