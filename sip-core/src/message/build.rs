//! Writing messages.
//!
//! Bytes go into one buffer as headers are added. When they come in canonical order (that of [`Name`]) nothing is moved; else one
//! pass at the end sorts them. No value can bring a CR, LF or NUL of its own into the head.

use std::io::Write as _;
use std::net::SocketAddr;

use super::{Answerable, Line, Message, Method, Name, Via, lex};

/// A request or response under construction.
#[derive(Clone, Debug)]
pub struct Builder {
    out: Vec<u8>,
    /// Where each header line begins.
    lines: Vec<(Name, usize)>,
    sorted: bool,
    content_type: Option<Box<[u8]>>,
    body: Vec<u8>,
}

/// A header that somebody else chose was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the header name is not a token")]
    Name,
    #[error("the header value holds a CR, LF or NUL")]
    Value,
    /// Routing, identity and framing headers are written by the stack only.
    #[error("the header {} is not free to set", .0.as_str())]
    Reserved(Name),
}

impl Builder {
    /// `uri` is written without white space and control characters; `?headers` must be off already.
    pub fn request(method: &Method, uri: &[u8]) -> Builder {
        let mut out = Vec::with_capacity(2048);
        out.extend_from_slice(method.as_bytes());
        out.push(b' ');
        let is_clean = |c: u8| c > b' ' && c != 0x7f;
        // All of them, not up to the first bad one: so the compiler takes many at once.
        if uri.iter().fold(true, |clean, &c| clean & is_clean(c)) {
            out.extend_from_slice(uri);
        } else {
            out.extend(uri.iter().filter(|&&c| is_clean(c)));
        }
        out.extend_from_slice(b" SIP/2.0\r\n");
        Builder::after(out)
    }

    /// A response with no headers yet; to answer a request take [`Message::response`]. Without `reason` the usual phrase.
    pub fn response(status: u16, reason: Option<&str>) -> Builder {
        let mut out = Vec::with_capacity(2048);
        out.extend_from_slice(b"SIP/2.0 ");
        decimal(status.into(), &mut out);
        out.push(b' ');
        clean(reason.unwrap_or(reason_phrase(status)).as_bytes(), &mut out);
        out.extend_from_slice(b"\r\n");
        Builder::after(out)
    }

    fn after(out: Vec<u8>) -> Builder {
        Builder { out, lines: Vec::with_capacity(24), sorted: true, content_type: None, body: Vec::new() }
    }

    /// Adds a line. CR, LF and NUL in the value become spaces. `Name::Other` has no spelling: see [`Builder::extension`].
    /// Content-Length is written by [`Builder::finish`] and ignored here.
    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Builder {
        if !matches!(name, Name::Other | Name::ContentLength) {
            self.begin(name, name.as_str().as_bytes());
            clean(value.as_ref(), &mut self.out);
            self.out.extend_from_slice(b"\r\n");
        }
        self
    }

    /// The same, when there is a value.
    pub fn header_opt(self, name: Name, value: Option<impl AsRef<[u8]>>) -> Builder {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Adds a header whose name and value come from configuration or from a dialplan.
    pub fn extension(mut self, name: &str, value: &str) -> Result<Builder, BuildError> {
        if !lex::all_of(name.as_bytes(), lex::TOKEN) {
            return Err(BuildError::Name);
        }
        if value.bytes().any(|c| matches!(c, b'\r' | b'\n' | 0)) {
            return Err(BuildError::Value);
        }
        let id = Name::of(name.as_bytes());
        if matches!(
            id,
            Name::Via
                | Name::Route
                | Name::RecordRoute
                | Name::MaxForwards
                | Name::From
                | Name::To
                | Name::CallId
                | Name::CSeq
                | Name::Contact
                | Name::ContentType
                | Name::ContentLength
        ) {
            return Err(BuildError::Reserved(id));
        }
        self.begin(id, name.as_bytes());
        self.out.extend_from_slice(value.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        Ok(self)
    }

    /// All lines of a header of another message, in their order; folds are undone, nothing else is touched.
    #[inline]
    pub fn copy(mut self, from: &Message, name: Name) -> Builder {
        if let Some(first) = from.first_line(name) {
            self.copy_line(from, first);
        }
        if from.repeated {
            for line in from.lines_of(name).skip(1) {
                self.copy_line(from, line);
            }
        }
        self
    }

    /// Content-Type and Content-Length follow from it. An empty body is none.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Builder {
        self.body = body.into();
        let mut clean_type = Vec::with_capacity(content_type.len());
        clean(content_type.as_bytes(), &mut clean_type);
        self.content_type = (!self.body.is_empty()).then(|| clean_type.into());
        self
    }

    /// The bytes to send; always with Content-Length.
    pub fn finish(mut self) -> Vec<u8> {
        if let Some(content_type) = self.content_type.take() {
            self = self.header(Name::ContentType, content_type);
        }
        self.begin(Name::ContentLength, b"Content-Length");
        decimal(self.body.len(), &mut self.out);
        self.out.extend_from_slice(b"\r\n");
        let mut out = if self.sorted { self.out } else { sort(&self.out, &self.lines) };
        out.reserve_exact(2 + self.body.len());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    fn begin(&mut self, id: Name, name: &[u8]) {
        self.note(id);
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
    }

    /// A line that another message already holds: a NUL in its quoted strings may stay.
    fn copy_line(&mut self, from: &Message, line: &Line) {
        if line.usual && !from.folded {
            self.note(line.id);
            let (start, end) = (usize::from(line.name), usize::from(line.value.end) + 2);
            self.out.extend_from_slice(&from.bytes[start..end]);
        } else {
            self.begin(line.id, line.id.as_str().as_bytes());
            self.out.extend_from_slice(&lex::unfold(line.value.on(&from.bytes)));
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// A line begins here.
    fn note(&mut self, id: Name) {
        self.sorted &= self.lines.last().is_none_or(|(last, _)| *last <= id);
        self.lines.push((id, self.out.len()));
    }
}

impl Message {
    /// Begins an answer to this request: Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6.2), Timestamp too in a 100.
    ///
    /// `source` is where the request came from: it goes into the topmost Via as `received` and `rport` where RFC 3261 §18.2.1 and
    /// RFC 3581 §4 ask for them. `to_tag` is added when To has none. For a response to a request that made a dialog, add
    /// `.copy(request, Name::RecordRoute)`. Without `reason` the usual phrase.
    pub fn response(
        &self,
        status: u16,
        reason: Option<&str>,
        source: SocketAddr,
        to_tag: Option<&str>,
    ) -> Builder {
        let mut b = Builder::response(status, reason);
        let mut vias = self.lines_of(Name::Via);
        if let Some(first) = vias.next() {
            let first = self.slice(first.value);
            b.begin(Name::Via, b"Via");
            let rest = match self.via {
                Some(via) => {
                    let via = via.on(&self.bytes);
                    stamp(&via, source, &mut b.out);
                    &first[via.raw().len()..]
                }
                None => first,
            };
            b.out.extend_from_slice(&lex::unfold(rest));
            b.out.extend_from_slice(b"\r\n");
        }
        for via in vias {
            b.copy_line(self, via);
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            let Some(line) = self.first_line(name) else { continue };
            b.copy_line(self, line);
            if name == Name::To
                && let Some(tag) = to_tag
                && self.to.is_some()
                && self.to_tag().is_none()
            {
                b.out.truncate(b.out.len() - 2);
                b.out.extend_from_slice(b";tag=");
                clean(tag.as_bytes(), &mut b.out);
                b.out.extend_from_slice(b"\r\n");
            }
        }
        if status == 100 {
            b = b.copy(self, Name::Timestamp);
        }
        b
    }
}

impl Answerable {
    /// Begins the refusal, with as much copied as is there. Status and reason are the defect's: see
    /// [`Defect::status`](super::Defect::status).
    pub fn response(&self, status: u16, reason: &str, source: SocketAddr, to_tag: &str) -> Builder {
        self.message.response(status, Some(reason), source, Some(to_tag))
    }
}

/// The topmost Via with what we know of its sender.
fn stamp(via: &Via<'_>, source: SocketAddr, out: &mut Vec<u8>) {
    let ip = source.ip().to_canonical();
    let wants_rport = via.rport().is_some();
    let params = via.params();
    let had = params.raw().len();
    let head = &via.raw()[..via.raw().len() - had];
    out.extend_from_slice(lex::trim(&lex::unfold(head)));
    for (name, value) in params.iter() {
        if name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport") {
            continue;
        }
        out.push(b';');
        out.extend_from_slice(name);
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(&lex::unfold(value));
        }
    }
    if wants_rport || via.host().ip() != Some(ip) {
        write!(out, ";received={ip}").expect("memory takes everything");
    }
    if wants_rport {
        out.extend_from_slice(b";rport=");
        decimal(source.port().into(), out);
    }
}

fn clean(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(value);
    for c in &mut out[start..] {
        // Every byte is written, so that the compiler takes many at once.
        *c = if matches!(c, b'\r' | b'\n' | 0) { b' ' } else { *c };
    }
}

fn decimal(mut number: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

fn sort(head: &[u8], lines: &[(Name, usize)]) -> Vec<u8> {
    let first = lines.first().map_or(head.len(), |(_, at)| *at);
    let ends = lines.iter().skip(1).map(|(_, at)| *at).chain([head.len()]);
    let mut order: Vec<_> = lines.iter().zip(ends).map(|(&(name, start), end)| (name, start..end)).collect();
    order.sort_by_key(|(name, _)| *name);
    // Room for the body, too: most are short.
    let mut out = Vec::with_capacity(head.len() + 512);
    out.extend_from_slice(&head[..first]);
    for (_, range) in order {
        out.extend_from_slice(&head[range]);
    }
    out
}

/// The usual phrase of RFC 3261 §21 and its extensions; that of the class for unknown codes.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        429 => "Provide Referrer Identity",
        433 => "Anonymity Disallowed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        other => match other / 100 {
            0 | 1 => "Progress",
            2 => "OK",
            3 => "Redirected",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}
