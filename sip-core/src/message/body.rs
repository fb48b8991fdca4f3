//! Bodies of several parts (RFC 2046 §5.1 in the way of RFC 5621), and the one part that somebody asks for.

use memchr::memmem;

use super::content_type::{ContentDisposition, ContentType};
use super::lex::{self, Cursor};
use super::{Message, Name};

/// More parts in one body are refused.
const MAX_PARTS: usize = 32;
/// Multiparts in multiparts.
const MAX_DEPTH: usize = 4;
/// RFC 2046 §5.1.1
const MAX_BOUNDARY: usize = 70;

/// One part of a body, or the whole body of a message.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    head: Head<'a>,
    body: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Head<'a> {
    Message(&'a Message),
    /// Header lines, each with its line end.
    Lines(&'a [u8]),
}

/// Why a body cannot be used, though it is not to be ignored either.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyError {
    #[error("Bad Content-Type Header")]
    ContentType,
    #[error("Missing Content-Type Header")]
    NoContentType,
    #[error("Bad Multipart Body")]
    Multipart,
    /// A type, encoding or disposition that must be understood and is not.
    #[error("Unsupported Media Type")]
    Unsupported,
    /// Encrypted, and nobody gave us a key.
    #[error("Undecipherable")]
    Undecipherable,
}

impl BodyError {
    /// The status that tells the sender.
    pub fn status(self) -> u16 {
        match self {
            BodyError::ContentType | BodyError::NoContentType | BodyError::Multipart => 400,
            BodyError::Unsupported => 415,
            BodyError::Undecipherable => 493,
        }
    }

    /// The reason phrase that tells more than the usual one.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            BodyError::ContentType => Some("Bad Content-Type Header"),
            BodyError::NoContentType => Some("Missing Content-Type Header"),
            BodyError::Multipart => Some("Bad Multipart Body"),
            BodyError::Unsupported | BodyError::Undecipherable => None,
        }
    }
}

impl<'a> Part<'a> {
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// RFC 2046 §5.2: a part that names no type is plain text; a message must name it.
    pub fn content_type(&self) -> Result<ContentType<'a>, BodyError> {
        match (self.header(Name::ContentType.as_str()), self.head) {
            (Some(value), _) => ContentType::parse(value).map_err(|_| BodyError::ContentType),
            (None, Head::Message(_)) => Err(BodyError::NoContentType),
            (None, Head::Lines(_)) => ContentType::parse(b"text/plain").map_err(|_| BodyError::ContentType),
        }
    }

    /// Malformed counts as absent.
    pub fn disposition(&self) -> Option<ContentDisposition<'a>> {
        let value = self.header(Name::ContentDisposition.as_str())?;
        ContentDisposition::parse(value).ok()
    }

    /// By name, long or compact, in any case; without the white space around it.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        match self.head {
            Head::Message(message) => message.extension(name),
            Head::Lines(lines) => header_in(lines, name),
        }
    }

    /// The parts of a multipart, in their order; one that is no multipart has itself only.
    pub fn parts(&self) -> Result<Vec<Part<'a>>, BodyError> {
        let kind = self.content_type()?;
        if !kind.is_multipart() {
            return Ok(vec![*self]);
        }
        let boundary = kind.params().unquoted("boundary").ok_or(BodyError::Multipart)?;
        split(self.body, &boundary).ok_or(BodyError::Multipart)
    }

    fn is_optional(&self) -> bool {
        self.disposition().is_some_and(|disposition| disposition.is_optional())
    }

    /// Encoded in no way that would have to be undone first.
    fn is_plain(&self) -> bool {
        let encoding = self.header(Name::ContentEncoding.as_str());
        let transfer = self.header("Content-Transfer-Encoding");
        encoding.is_none_or(|value| value.eq_ignore_ascii_case(b"identity"))
            && transfer.is_none_or(|value| {
                [&b"binary"[..], b"8bit", b"7bit"].iter().any(|known| value.eq_ignore_ascii_case(known))
            })
    }

    fn find(&self, wanted: &str, depth: usize) -> Result<Option<&'a [u8]>, BodyError> {
        let kind = self.content_type()?;
        let not_understood = |error| if self.is_optional() { Ok(None) } else { Err(error) };
        if kind.is("multipart/encrypted") || kind.is("application/pkcs7-mime") {
            return not_understood(BodyError::Undecipherable);
        }
        if !self.is_plain() {
            return not_understood(BodyError::Unsupported);
        }
        if kind.is(wanted) {
            let usual = ["session", "render", "signal", "info-package"];
            let meant = self.disposition().is_none_or(|it| usual.iter().any(|usual| it.is(usual)));
            return if meant { Ok(Some(self.body)) } else { not_understood(BodyError::Unsupported) };
        }
        if !kind.is_multipart() {
            return not_understood(BodyError::Unsupported);
        }
        if depth == MAX_DEPTH {
            return Err(BodyError::Multipart);
        }
        let parts = self.parts()?;
        if kind.is("multipart/alternative") {
            // RFC 2046 §5.1.4: the last that is understood is the best.
            let found = parts.iter().rev().find_map(|part| part.find(wanted, depth + 1).ok().flatten());
            return if found.is_some() { Ok(found) } else { not_understood(BodyError::Unsupported) };
        }
        if kind.is("multipart/signed") || kind.is("multipart/related") {
            // What is signed, or the root; the others hang on it.
            return parts.first().map_or(Ok(None), |part| part.find(wanted, depth + 1));
        }
        // RFC 2046 §5.1.3: any other subtype is mixed.
        let mut found = None;
        for part in parts {
            let body = part.find(wanted, depth + 1)?;
            found = found.or(body);
        }
        Ok(found)
    }
}

impl Message {
    /// The body of this type, wherever it stands in a multipart; `None` when the message has none. A part that must be understood and is
    /// of another type makes the whole body [`BodyError::Unsupported`] (RFC 3261 §20.11, RFC 5621 §4).
    pub fn body_of(&self, media_type: &str) -> Result<Option<&[u8]>, BodyError> {
        if self.body().is_empty() {
            return Ok(None);
        }
        self.whole().find(media_type, 0)
    }

    /// The parts of the body; of a body that is no multipart itself only; none of an empty one.
    pub fn parts(&self) -> Result<Vec<Part<'_>>, BodyError> {
        if self.body().is_empty() { Ok(Vec::new()) } else { self.whole().parts() }
    }

    fn whole(&self) -> Part<'_> {
        Part { head: Head::Message(self), body: self.body() }
    }
}

/// `None` without a closing delimiter, with too many parts, or when a part's head does not end.
fn split<'a>(body: &'a [u8], boundary: &[u8]) -> Option<Vec<Part<'a>>> {
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
        return None;
    }
    let dashed = [b"--", boundary].concat();
    let finder = memmem::Finder::new(&dashed);
    let mut parts = Vec::new();
    let mut open: Option<usize> = None;
    let mut from = 0;
    loop {
        let start = from + finder.find(body.get(from..)?)?;
        let after = start + dashed.len();
        from = after;
        let Some((end, closes)) = delimiter(body, start, after) else { continue };
        if let Some(begin) = open {
            if parts.len() == MAX_PARTS {
                return None;
            }
            // The line end before a delimiter belongs to it.
            let text = body.get(begin..start).unwrap_or_default();
            let text = text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
            parts.push(part(text)?);
        }
        if closes {
            return Some(parts);
        }
        open = Some(end);
        // The line end of this delimiter may be that before the next one.
        from = end.max(after);
    }
}

/// Whether `--boundary` at `start..after` is a delimiter line: where the next line begins, and whether it closes the body.
fn delimiter(body: &[u8], start: usize, after: usize) -> Option<(usize, bool)> {
    if start > 0 && body.get(start - 1) != Some(&b'\n') {
        return None;
    }
    let mut at = Cursor { bytes: body, at: after };
    let closes = body.get(after..)?.starts_with(b"--");
    if closes {
        at.at += 2;
    }
    at.run(|c| c == b' ' || c == b'\t');
    if at.done() {
        return closes.then_some((at.at, true));
    }
    at.eat(b'\r');
    at.eat(b'\n').then_some((at.at, closes))
}

/// Headers, an empty line, the body. Without headers it begins with the empty line.
fn part(text: &[u8]) -> Option<Part<'_>> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        for empty in [&b"\r\n"[..], b"\n"] {
            if let Some(body) = rest.strip_prefix(empty) {
                return Some(Part { head: Head::Lines(text.get(..at)?), body });
            }
        }
        match memchr::memchr(b'\n', rest) {
            Some(end) => at += end + 1,
            // Headers alone: the empty line was that before the delimiter.
            None if rest.is_empty() => return Some(Part { head: Head::Lines(text), body: b"" }),
            None => return None,
        }
    }
}

fn header_in<'a>(lines: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let wanted = Name::of(name.as_bytes());
    let mut rest = lines;
    while !rest.is_empty() {
        let mut end = 0;
        // A line that begins with white space goes on with the one before.
        loop {
            end += memchr::memchr(b'\n', &rest[end..]).map_or(rest.len() - end, |end| end + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, next) = rest.split_at(end);
        rest = next;
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let known = lex::trim(&line[..colon]);
        if (wanted != Name::Other && Name::of(known) == wanted) || known.eq_ignore_ascii_case(name.as_bytes())
        {
            return Some(lex::trim(&line[colon + 1..]));
        }
    }
    None
}
