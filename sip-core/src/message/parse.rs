//! From bytes to an index. Goes on after the first defect, so that a malformed request can be answered (RFC 4475 §3.1.2).
//!
//! Every byte is looked at a fixed number of times: parsing is linear in the size of the message.

use std::sync::Arc;

use super::error::{Defect, ParseError};
use super::lex::{self, Cursor};
use super::list::Split;
use super::{Answerable, Line, Message, Method, Name, NameAddr, Span, Start, Uri, Via, cseq};

/// Bytes of start line, headers and body together.
pub const MAX_MESSAGE: usize = u16::MAX as usize;
/// Start line and headers, with the empty line after them.
pub const MAX_HEAD: usize = 16 * 1024;
/// Bytes that Content-Length may promise.
pub const MAX_BODY: usize = 32 * 1024;
/// Bytes of a Request-URI.
pub const MAX_URI: usize = 2 * 1024;
/// Header lines, after unfolding.
pub const MAX_HEADERS: usize = 256;
/// Bytes of one header, name and folds included; also of the start line.
pub const MAX_HEADER: usize = 8 * 1024;

/// `framed`: Content-Length is mandatory.
pub(super) fn parse(bytes: &[u8], framed: bool) -> Result<Message, ParseError> {
    let mut bytes = bytes;
    while let [b'\r', b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    let mut draft = Draft::default();
    if bytes.len() > MAX_MESSAGE {
        draft.note(Defect::TooLarge);
        bytes = &bytes[..MAX_MESSAGE];
    }
    if bytes.is_empty() {
        return Err(ParseError { defect: Defect::Empty, answerable: None });
    }
    let end = draft.read(bytes, framed);
    let Draft { start, method, cseq, from_tag, to_tag, lines, body, defect } = draft;
    let start_line = start.unwrap_or(Start::Response { status: 0, reason: Span::default() });
    let message = Message {
        bytes: Arc::from(&bytes[..end]),
        start: start_line,
        method: method.unwrap_or(Method::Ack),
        cseq,
        from_tag,
        to_tag,
        headers: lines,
        body: body as u16,
    };
    match defect {
        None => Ok(message),
        Some(defect) => {
            let answerable = message.is_request()
                && message.method != Method::Ack
                && message.header(Name::Via).is_some_and(|via| !via.is_empty());
            Err(ParseError { defect, answerable: answerable.then(|| Box::new(Answerable { message })) })
        }
    }
}

#[derive(Default)]
struct Draft {
    start: Option<Start>,
    method: Option<Method>,
    cseq: u32,
    from_tag: Option<Span>,
    to_tag: Option<Span>,
    lines: Vec<Line>,
    body: usize,
    defect: Option<Defect>,
}

impl Draft {
    fn note(&mut self, defect: Defect) {
        self.defect.get_or_insert(defect);
    }

    /// Gives the end of the message within `bytes`.
    fn read(&mut self, bytes: &[u8], framed: bool) -> usize {
        let (line, mut at) = self.line(bytes, 0);
        self.start_line(&bytes[..line]);
        if line > MAX_HEADER {
            self.note(Defect::HeaderTooLong);
        }
        self.lines.reserve(24);
        loop {
            match bytes[at..] {
                [b'\r', b'\n', ..] => {
                    at += 2;
                    break;
                }
                [b'\n', ..] => {
                    self.note(Defect::LineEnding);
                    at += 1;
                    break;
                }
                [] => {
                    // What a stream gave up at its limit is cut anywhere: whatever else seems wrong comes from that.
                    match bytes.len() < MAX_HEAD {
                        true => self.note(Defect::Unterminated),
                        false => self.defect = Some(Defect::TooLarge),
                    }
                    break;
                }
                _ => {}
            }
            if self.lines.len() == MAX_HEADERS {
                self.note(Defect::TooManyHeaders);
                at = bytes.len();
                break;
            }
            at = self.header(bytes, at);
        }
        if at > MAX_HEAD {
            self.note(Defect::TooLarge);
        }
        self.body = at;
        self.essentials(bytes);
        let left = bytes.len() - at;
        match self.find(Name::ContentLength) {
            None => {
                if framed {
                    self.note(Defect::Missing(Name::ContentLength));
                }
                if left > MAX_BODY {
                    self.note(Defect::BodyTooLarge);
                }
                bytes.len()
            }
            Some(value) => match lex::number::<u64>(&bytes[value.range()]) {
                None => {
                    self.note(Defect::Header(Name::ContentLength));
                    bytes.len()
                }
                Some(length) if length > MAX_BODY as u64 => {
                    self.note(Defect::BodyTooLarge);
                    bytes.len()
                }
                Some(length) if length > left as u64 => {
                    self.note(Defect::ShortBody);
                    bytes.len()
                }
                Some(length) => at + length as usize,
            },
        }
    }

    /// Where the line that begins at `from` ends, and where the next one begins.
    #[inline]
    fn line(&mut self, bytes: &[u8], from: usize) -> (usize, usize) {
        let mut at = from;
        loop {
            let Some(hit) = memchr::memchr2(b'\r', b'\n', &bytes[at..]) else {
                return (bytes.len(), bytes.len());
            };
            let hit = at + hit;
            if bytes[hit] == b'\r' {
                if bytes.get(hit + 1) == Some(&b'\n') {
                    return (hit, hit + 2);
                }
                self.note(Defect::LineEnding);
                at = hit + 1;
            } else {
                self.note(Defect::LineEnding);
                return (hit, hit + 1);
            }
        }
    }

    /// Indexes the header at `from` with its folds; gives where the next one begins.
    fn header(&mut self, bytes: &[u8], from: usize) -> usize {
        let mut name = Cursor { bytes, at: from };
        let token = name.run(lex::is_token);
        let name_len = token.len();
        let id = Name::of(token);
        name.run(|c| c == b' ' || c == b'\t');
        let named = name_len > 0 && name.eat(b':');
        let (mut end, mut next) = self.line(bytes, name.at);
        // RFC 3261 §7.3.1: a line that begins with white space goes on with the one before.
        while matches!(bytes.get(next), Some(b' ' | b'\t')) {
            (end, next) = self.line(bytes, next);
        }
        if !named {
            self.note(Defect::HeaderLine);
            return next;
        }
        if end - from > MAX_HEADER || name_len > usize::from(u8::MAX) {
            self.note(Defect::HeaderTooLong);
            return next;
        }
        let (mut start, mut end) = (name.at, end);
        while start < end && lex::is_lws(bytes[start]) {
            start += 1;
        }
        while start < end && lex::is_lws(bytes[end - 1]) {
            end -= 1;
        }
        let value = Span { start: start as u16, end: end as u16 };
        self.lines.push(Line { id, name_len: name_len as u8, name: from as u16, value });
        next
    }

    fn start_line(&mut self, line: &[u8]) {
        if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
            return self.status_line(line);
        }
        let Some(first) = memchr::memchr(b' ', line) else { return self.note(Defect::StartLine) };
        let last = memchr::memrchr(b' ', line).unwrap_or(first);
        let (method, version) = (&line[..first], &line[last + 1..]);
        if !lex::all(method, lex::is_token) {
            return self.note(Defect::StartLine);
        }
        self.method = Some(Method::of(method));
        let uri = Span { start: (first + 1).min(last) as u16, end: last as u16 };
        self.start = Some(Start::Request { uri });
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            let other_version = version.len() > 4 && version[..4].eq_ignore_ascii_case(b"SIP/");
            return self.note(if other_version { Defect::Version } else { Defect::StartLine });
        }
        if last == first {
            return self.note(Defect::StartLine);
        }
        if uri.range().len() > MAX_URI {
            return self.note(Defect::UriTooLong);
        }
        match Uri::parse(&line[uri.range()]) {
            // RFC 3261 §19.1.1, table 1: no headers in a Request-URI.
            Ok(uri) if uri.is_sip() && uri.without_headers().len() != uri.raw().len() => {
                self.note(Defect::RequestUri);
            }
            Ok(_) => {}
            Err(_) => self.note(Defect::RequestUri),
        }
    }

    fn status_line(&mut self, line: &[u8]) {
        let mut at = Cursor::new(line);
        let version = at.run(|c| c != b' ');
        at.eat(b' ');
        let code = at.run(|c| c != b' ');
        // A reason phrase may be empty; the space before it is forgotten by some.
        at.eat(b' ');
        let reason = Span { start: at.at as u16, end: line.len() as u16 };
        let status = lex::number::<u16>(code).filter(|status| code.len() == 3 && (100..700).contains(status));
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.note(Defect::Version);
        }
        match status {
            Some(status) => self.start = Some(Start::Response { status, reason }),
            None => self.note(Defect::StatusCode),
        }
    }

    /// What the accessors that cannot fail rely on.
    fn essentials(&mut self, bytes: &[u8]) {
        let mut seen = 0u128;
        let mut first = [None; Name::CSeq as usize + 1];
        for i in 0..self.lines.len() {
            let line = self.lines[i];
            let bit = 1u128 << line.id as u8;
            if seen & bit != 0 && line.id.is_single() {
                self.note(Defect::Repeated(line.id));
            }
            if seen & bit == 0
                && let Some(slot) = first.get_mut(line.id as usize)
            {
                *slot = Some(line.value);
            }
            seen |= bit;
        }
        let value = |name: Name| first[name as usize].map(|span| &bytes[span.range()]);
        let is_request = matches!(self.start, Some(Start::Request { .. }));

        self.need(Name::Via, value(Name::Via), |value| {
            Split::new(value).next().is_some_and(|via| Via::parse(via).is_ok())
        });
        self.from_tag = self.party(Name::From, first[Name::From as usize], bytes);
        self.to_tag = self.party(Name::To, first[Name::To as usize], bytes);
        self.need(Name::CallId, value(Name::CallId), |value| {
            lex::all(value, |c| lex::is_word(c) || c == b'@')
        });
        match value(Name::CSeq).map(cseq::parse) {
            None => self.note(Defect::Missing(Name::CSeq)),
            Some(Err(())) => self.note(Defect::Header(Name::CSeq)),
            Some(Ok((number, method))) => {
                self.cseq = number;
                match &self.method {
                    Some(Method::Other(own)) if **own != *method => self.note(Defect::UnknownMethod),
                    Some(own) if own.as_bytes() != method => self.note(Defect::MethodMismatch),
                    Some(_) => {}
                    None => self.method = Some(Method::of(method)),
                }
            }
        }
        if is_request
            && let Some(hops) = value(Name::MaxForwards)
            && lex::number::<u8>(hops).is_none()
        {
            self.note(Defect::Header(Name::MaxForwards));
        }
    }

    /// Checks From or To; gives where its tag stands.
    fn party(&mut self, name: Name, value: Option<Span>, bytes: &[u8]) -> Option<Span> {
        let Some(span) = value else {
            self.note(Defect::Missing(name));
            return None;
        };
        let value = &bytes[span.range()];
        let Ok(party) = NameAddr::parse(value) else {
            self.note(Defect::Header(name));
            return None;
        };
        let tag = party.tag()?;
        let start = span.start + (tag.as_ptr().addr() - value.as_ptr().addr()) as u16;
        Some(Span { start, end: start + tag.len() as u16 })
    }

    fn need(&mut self, name: Name, value: Option<&[u8]>, valid: impl Fn(&[u8]) -> bool) {
        match value {
            None => self.note(Defect::Missing(name)),
            Some(value) if !valid(value) => self.note(Defect::Header(name)),
            Some(_) => {}
        }
    }

    fn find(&self, name: Name) -> Option<Span> {
        self.lines.iter().find(|line| line.id == name).map(|line| line.value)
    }
}
