//! From bytes to an index. Goes on after the first defect, so that a malformed request can be answered (RFC 4475 §3.1.2).
//!
//! Every byte is looked at a fixed number of times: parsing is linear in the size of the message.

use std::sync::Arc;

use super::error::{Defect, ParseError};
use super::lex::{self, Cursor};
use super::list::Split;
use super::{
    Answerable, Firsts, Line, Message, Method, Name, NameAddr, NameAddrAt, Span, Start, Uri, UriAt, Via,
    ViaAt, cseq,
};

/// Bytes of start line, headers and body together.
pub const MAX_MESSAGE: usize = u16::MAX as usize;
/// Start line and headers, with the empty line after them.
pub const MAX_HEAD: usize = 16 * 1024;
/// Bytes that Content-Length may promise.
pub const MAX_BODY: usize = 32 * 1024;
/// Bytes of a Request-URI.
pub const MAX_URI: usize = 2 * 1024;
/// Header lines, after unfolding.
pub const MAX_HEADERS: usize = 255;
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
    let Draft { start, method, cseq, via, from, to, lines, first, repeated, folded, body, defect } = draft;
    let start_line = start.unwrap_or(Start::Response { status: 0, reason: Span::default() });
    let message = Message {
        bytes: Arc::from(&bytes[..end]),
        start: start_line,
        method: method.unwrap_or(Method::Ack),
        cseq,
        via,
        from,
        to,
        headers: lines,
        first,
        repeated,
        folded,
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
    via: Option<ViaAt>,
    from: Option<NameAddrAt>,
    to: Option<NameAddrAt>,
    lines: Vec<Line>,
    first: Firsts,
    repeated: bool,
    folded: bool,
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
        self.lines = Vec::with_capacity(24);
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
        match self.first.of(Name::ContentLength).map(|first| self.lines[first].value) {
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
                self.folded = true;
                at = hit + 1;
            } else {
                self.note(Defect::LineEnding);
                return (hit, hit + 1);
            }
        }
    }

    /// Indexes the header at `from` with its folds; gives where the next one begins.
    fn header(&mut self, bytes: &[u8], from: usize) -> usize {
        let (id, spelled, name_len, colon) = name_at(bytes, from);
        let (mut end, mut next) = self.line(bytes, colon.unwrap_or(from + name_len));
        // RFC 3261 §7.3.1: a line that begins with white space goes on with the one before.
        while matches!(bytes.get(next), Some(b' ' | b'\t')) {
            (end, next) = self.line(bytes, next);
            self.folded = true;
        }
        let Some(colon) = colon else {
            self.note(Defect::HeaderLine);
            return next;
        };
        if end - from > MAX_HEADER || name_len > usize::from(u8::MAX) {
            self.note(Defect::HeaderTooLong);
            return next;
        }
        let (mut start, mut end) = (colon + 1, end);
        while start < end && lex::is_lws(bytes[start]) {
            start += 1;
        }
        while start < end && lex::is_lws(bytes[end - 1]) {
            end -= 1;
        }
        let value = Span { start: start as u16, end: end as u16 };
        let usual = spelled && start == colon + 2 && bytes[colon + 1] == b' ' && bytes[end..next] == *b"\r\n";
        self.lines.push(Line { id, usual, name_len: name_len as u8, name: from as u16, value });
        next
    }

    fn start_line(&mut self, line: &[u8]) {
        if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
            return self.status_line(line);
        }
        let Some(first) = memchr::memchr(b' ', line) else { return self.note(Defect::StartLine) };
        let last = memchr::memrchr(b' ', line).unwrap_or(first);
        let (method, version) = (&line[..first], &line[last + 1..]);
        if !lex::all_of(method, lex::TOKEN) {
            return self.note(Defect::StartLine);
        }
        self.method = Some(Method::of(method));
        let uri = &line[(first + 1).min(last)..last];
        self.start = Some(Start::Request { uri: None });
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            let other_version = version.len() > 4 && version[..4].eq_ignore_ascii_case(b"SIP/");
            return self.note(if other_version { Defect::Version } else { Defect::StartLine });
        }
        if last == first {
            return self.note(Defect::StartLine);
        }
        if uri.len() > MAX_URI {
            return self.note(Defect::UriTooLong);
        }
        match Uri::parse(uri) {
            // RFC 3261 §19.1.1, table 1: no headers in a Request-URI.
            Ok(uri) if uri.is_sip() && uri.without_headers().len() != uri.raw().len() => {
                self.note(Defect::RequestUri);
            }
            Ok(uri) => self.start = Some(Start::Request { uri: Some(UriAt::of(&uri, line)) }),
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
        let (mut first, mut repeated) = (Firsts::default(), None);
        for (i, line) in self.lines.iter().enumerate() {
            let slot = &mut first.0[line.id as usize];
            if *slot == Firsts::NONE {
                *slot = i as u8;
                continue;
            }
            self.repeated = true;
            if line.id.is_single() {
                repeated = repeated.or(Some(line.id));
            }
        }
        self.first = first;
        if let Some(name) = repeated {
            self.note(Defect::Repeated(name));
        }
        let value = |name: Name| Some(self.lines[first.of(name)?].value.on(bytes));
        let is_request = matches!(self.start, Some(Start::Request { .. }));

        let (via, from, to) = (value(Name::Via), value(Name::From), value(Name::To));
        let (call_id, cseq, hops) = (value(Name::CallId), value(Name::CSeq), value(Name::MaxForwards));
        self.via = self.essential(Name::Via, via, |value| {
            let via = Via::parse(Split::new(value).next()?).ok()?;
            Some(ViaAt::of(&via, bytes))
        });
        let party = |value| NameAddr::parse(value).ok().map(|party| NameAddrAt::of(&party, bytes));
        self.from = self.essential(Name::From, from, party);
        self.to = self.essential(Name::To, to, party);
        self.essential(Name::CallId, call_id, |value| lex::all_of(value, lex::CALL_ID).then_some(()));
        match cseq.map(cseq::parse) {
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
            && let Some(hops) = hops
            && lex::number::<u8>(hops).is_none()
        {
            self.note(Defect::Header(Name::MaxForwards));
        }
    }

    /// What a header that must be there and be right says.
    fn essential<'a, T>(
        &mut self,
        name: Name,
        value: Option<&'a [u8]>,
        read: impl Fn(&'a [u8]) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = value else {
            self.note(Defect::Missing(name));
            return None;
        };
        let read = read(value);
        if read.is_none() {
            self.note(Defect::Header(name));
        }
        read
    }
}

/// The name of the header at `from`, whether we would spell it so, its length, and where the colon stands behind it.
#[inline]
fn name_at(bytes: &[u8], from: usize) -> (Name, bool, usize, Option<usize>) {
    // Most names are known and have their colon right behind them. A known name is a token.
    if let Some(length) = colon_within(bytes, from) {
        let (id, spelled) = Name::spelled(&bytes[from..from + length]);
        if id != Name::Other {
            return (id, spelled, length, Some(from + length));
        }
    }
    let mut name = Cursor { bytes, at: from };
    let token = name.run_of(lex::TOKEN);
    name.run(|c| c == b' ' || c == b'\t');
    let named = !token.is_empty() && name.peek() == Some(b':');
    (Name::of(token), false, token.len(), named.then_some(name.at))
}

/// How far the first colon is, if it is among the next 24 bytes.
#[inline]
fn colon_within(bytes: &[u8], from: usize) -> Option<usize> {
    const COLONS: u64 = u64::from_ne_bytes([b':'; 8]);
    const LOW: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let near: &[u8; 24] = bytes.get(from..)?.first_chunk()?;
    for (index, word) in near.as_chunks::<8>().0.iter().enumerate() {
        // A byte that is zero now borrows and gets its high bit set; none below it does.
        let other = u64::from_le_bytes(*word) ^ COLONS;
        let found = other.wrapping_sub(LOW) & !other & HIGH;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    None
}
