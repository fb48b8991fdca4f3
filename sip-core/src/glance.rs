//! A quick look at a message, for those who only need to know what kind it is: no index, no allocation, one pass over the head.
//!
//! It is more forgiving than the parser: nothing is decided by it that the parser would have to agree with.

use memchr::memchr;
use sha2::{Digest as _, Sha256};

use crate::api::Hop;
use crate::message::{Message, Name};
use crate::respond::reply_hop;

/// What a message is to somebody who has more of them than he can serve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A request that wants something new: a dialog, or an answer outside of one.
    New,
    /// A request within a dialog, CANCEL, ACK, or a response: something that runs already hangs on it.
    Known,
    Register,
    /// Nothing that reads as SIP.
    Other,
}

/// The first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<'a> {
    /// The method as it stands there.
    Request(&'a [u8]),
    /// The status.
    Response(u16),
}

/// What can be seen at a glance. Values are trimmed; those of headers that are absent are empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance<'a> {
    pub start: Start<'a>,
    pub call_id: &'a [u8],
    pub cseq: u32,
    /// The method in CSeq.
    pub method: &'a [u8],
    pub to_tag: Option<&'a [u8]>,
    /// Of the topmost Via.
    pub branch: &'a [u8],
    pub user_agent: &'a [u8],
    /// There is an Authorization or a Proxy-Authorization.
    pub has_credentials: bool,
}

/// What kind of message this is.
pub fn triage(bytes: &[u8]) -> Kind {
    glance(bytes).map_or(Kind::Other, |glance| glance.kind())
}

/// `None` when it does not begin as SIP, or has no Call-ID.
pub fn glance(bytes: &[u8]) -> Option<Glance<'_>> {
    let mut lines = Lines { rest: skip_blank(bytes) };
    let start = start(lines.next()?)?;
    let mut found = Glance {
        start,
        call_id: b"",
        cseq: 0,
        method: b"",
        to_tag: None,
        branch: b"",
        user_agent: b"",
        has_credentials: false,
    };
    for line in lines {
        let Some(colon) = memchr(b':', line) else { continue };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        match name.len() {
            1 if name.eq_ignore_ascii_case(b"i") => found.call_id = value,
            1 if name.eq_ignore_ascii_case(b"t") => found.to_tag = tag_of(value),
            1 if name.eq_ignore_ascii_case(b"v") => via(&mut found, value),
            2 if name.eq_ignore_ascii_case(b"to") => found.to_tag = tag_of(value),
            3 if name.eq_ignore_ascii_case(b"via") => via(&mut found, value),
            4 if name.eq_ignore_ascii_case(b"cseq") => {
                let end = value.iter().position(|c| !c.is_ascii_digit()).unwrap_or(value.len());
                found.cseq = crate::message::decimal(&value[..end]).unwrap_or(0);
                found.method = value[end..].trim_ascii();
            }
            7 if name.eq_ignore_ascii_case(b"call-id") => found.call_id = value,
            10 if name.eq_ignore_ascii_case(b"user-agent") => found.user_agent = value,
            13 if name.eq_ignore_ascii_case(b"authorization") => found.has_credentials = true,
            19 if name.eq_ignore_ascii_case(b"proxy-authorization") => found.has_credentials = true,
            _ => {}
        }
    }
    (!found.call_id.is_empty()).then_some(found)
}

impl Glance<'_> {
    pub fn kind(&self) -> Kind {
        let Start::Request(method) = self.start else { return Kind::Known };
        match method {
            b"REGISTER" => Kind::Register,
            b"ACK" | b"CANCEL" | b"BYE" | b"PRACK" => Kind::Known,
            _ if self.to_tag.is_some() => Kind::Known,
            _ => Kind::New,
        }
    }
}

/// The answer to a new request that there is no room for: 503 with Retry-After, and where it goes. Nothing is kept of it; its repeats
/// get the same answer, `secret` makes its tag. `None`: not a request that can be answered.
pub fn refuse_new(hop: Hop, bytes: &[u8], secret: &[u8; 32], retry_after: u32) -> Option<(Hop, Vec<u8>)> {
    let request = Message::parse(bytes).ok().filter(Message::is_request)?;
    let mut hash = Sha256::new();
    hash.update(secret);
    for part in [request.call_id(), b"\0", request.from_tag().unwrap_or_default()] {
        hash.update(part);
    }
    let tag = hex::encode(&hash.finalize()[..10]);
    let answer = request
        .response(503, None, hop.remote, Some(&tag))
        .header(Name::RetryAfter, retry_after.to_string())
        .finish();
    Some((reply_hop(hop, &request), answer))
}

fn skip_blank(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn start(line: &[u8]) -> Option<Start<'_>> {
    if let Some(rest) = line.strip_prefix(b"SIP/2.0 ") {
        return crate::message::decimal(rest.get(..3)?).map(Start::Response);
    }
    let space = memchr(b' ', line)?;
    let version = line.len().checked_sub(7).map(|at| &line[at..])?;
    (space > 0 && version.eq_ignore_ascii_case(b"SIP/2.0")).then(|| Start::Request(&line[..space]))
}

/// The tag parameter behind the address. Quoted names and the URI's own parameters stand before the last `>`.
fn tag_of(value: &[u8]) -> Option<&[u8]> {
    let from = memchr::memrchr(b'>', value).map_or(0, |at| at + 1);
    param(&value[from..], b"tag")
}

fn via<'a>(found: &mut Glance<'a>, value: &'a [u8]) {
    if found.branch.is_empty() {
        let first = memchr(b',', value).map_or(value, |end| &value[..end]);
        found.branch = param(first, b"branch").unwrap_or_default();
    }
}

/// The value of a parameter; empty when it has none.
fn param<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    text.split(|c| *c == b';').skip(1).find_map(|param| {
        let (name, value) = match memchr(b'=', param) {
            Some(equals) => (&param[..equals], &param[equals + 1..]),
            None => (param, &b""[..]),
        };
        name.trim_ascii().eq_ignore_ascii_case(wanted).then(|| value.trim_ascii())
    })
}

/// Header lines with their folds, up to the empty line.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut end = 0;
        loop {
            let Some(at) = memchr(b'\n', &self.rest[end..]) else {
                end = self.rest.len();
                break;
            };
            end += at + 1;
            if !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        let line = line.trim_ascii_end();
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Transport;

    fn request(method: &str, to: &str) -> String {
        format!(
            "{method} sip:200@tandem.example SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.7:5062;branch=z9hG4bK1;rport\r\n\
             From: <sip:a@b>;tag=1\r\n{to}\r\nCall-ID: x@y\r\nCSeq: 7 {method}\r\nUser-Agent: friendly-scanner\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn what_begins_something_is_told_from_what_belongs_to_something() {
        let kind = |method, to| triage(request(method, to).as_bytes());
        assert_eq!(kind("INVITE", "To: <sip:b@c>"), Kind::New);
        assert_eq!(kind("OPTIONS", "t: <sip:b@c>"), Kind::New);
        assert_eq!(kind("INVITE", "To: <sip:b@c>;tag=9"), Kind::Known);
        assert_eq!(kind("INVITE", "To : \"B\" <sip:b@c>\r\n ; TAG = 9"), Kind::Known);
        assert_eq!(kind("SUBSCRIBE", "t: sip:b@c;x=y;tag=9"), Kind::Known);
        assert_eq!(kind("INVITE", "To: \";tag=9\" <sip:b@c;tag=9>"), Kind::New);
        assert_eq!(kind("BYE", "To: <sip:b@c>"), Kind::Known);
        assert_eq!(kind("CANCEL", "To: <sip:b@c>"), Kind::Known);
        assert_eq!(kind("REGISTER", "To: <sip:b@c>"), Kind::Register);
        assert_eq!(triage(b"SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n"), Kind::Known);
        for junk in [&b""[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"INVITE", b"SIP/2.0 ", &[0xff; 40]] {
            assert_eq!(triage(junk), Kind::Other, "{junk:?}");
        }
    }

    #[test]
    fn a_body_is_not_taken_for_headers() {
        let text = request("INVITE", "To: <sip:b@c>") + "To: <sip:b@c>;tag=1\r\n";
        assert_eq!(triage(text.as_bytes()), Kind::New);
    }

    #[test]
    fn a_new_request_is_refused_with_a_whole_503() {
        let remote = "203.0.113.7:999".parse().expect("an address");
        let local = "192.0.2.1:5060".parse().expect("an address");
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        let invite = request("INVITE", "To: <sip:b@c>");
        let (to, bytes) = refuse_new(hop, invite.as_bytes(), &[1; 32], 7).expect("an answer");
        assert_eq!(to.remote, remote);
        let answer = Message::parse(&bytes).expect("a whole message");
        assert_eq!(answer.status(), Some(503));
        assert_eq!(answer.header(Name::RetryAfter), Some(&b"7"[..]));
        assert_eq!(answer.call_id(), b"x@y");
        assert_eq!((answer.cseq().number, answer.from_tag()), (7, Some(&b"1"[..])));
        assert_eq!(answer.via().branch(), Some(&b"z9hG4bK1"[..]));
        assert_eq!(answer.to_tag().map(<[u8]>::len), Some(20));
        let again = refuse_new(hop, invite.as_bytes(), &[1; 32], 7).expect("an answer");
        assert_eq!(again.1, bytes, "a repeat gets the same tag");
        assert!(refuse_new(hop, b"SIP/2.0 200 OK\r\n\r\n", &[1; 32], 7).is_none());
    }
}
