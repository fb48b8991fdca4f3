//! Cutting a TCP byte stream into SIP messages (RFC 3261 §18.3, RFC 5626 §3.5.1).
//!
//! Bytes go in as they are read, whole messages come out. Every byte is scanned once and moved a bounded number of times, however
//! small the pieces in which it comes. At most one unfinished message and what was read after it are held.

use crate::message::{MAX_BODY, MAX_HEAD, Name};

/// What stood in the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// One whole message, for [`Message::parse_stream`](crate::message::Message::parse_stream). It may still be malformed inside.
    Message(Vec<u8>),
    /// A double CRLF (RFC 5626 §3.5.1): answer with a single CRLF ([`PONG`]).
    Ping,
    /// A single CRLF, on a stream whose client we are: the answer to a ping of ours.
    Pong,
    /// Nothing more can be found in this stream. The bytes are the head that could not be framed: parsing them tells whether and how
    /// to answer. Close the connection after that.
    Broken(Vec<u8>),
}

/// The answer to a [`Frame::Ping`].
pub const PONG: &[u8] = b"\r\n";

#[derive(Clone, Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Everything before it has been handed out.
    start: usize,
    /// Up to here, from `start` on, no end of a head begins.
    scanned: usize,
    /// Length of the message at `start`, once its head is complete.
    length: Option<usize>,
    /// One CRLF of a ping has been seen.
    half_ping: bool,
    /// We opened the stream: a CRLF that comes alone is a pong.
    client: bool,
    broken: bool,
}

impl Framer {
    pub fn new() -> Framer {
        Framer::default()
    }

    /// For a stream that we opened.
    pub fn of_client() -> Framer {
        Framer { client: true, ..Framer::default() }
    }

    /// Takes what was read. Call [`Framer::poll`] until it gives `None` before reading more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        // Moving the rest down only when it is the smaller part keeps the moves linear.
        if self.start > 0 && self.start >= self.buffer.len() - self.start {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, when one is complete.
    pub fn poll(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        if self.length.is_none() {
            if let Some(ping) = self.skip_crlf() {
                return Some(ping);
            }
            let Some(head) = self.head_end() else {
                return (self.pending().len() > MAX_HEAD).then(|| self.give_up(MAX_HEAD));
            };
            let body = if head > MAX_HEAD { None } else { content_length(&self.pending()[..head]) };
            match body.filter(|body| *body <= MAX_BODY) {
                Some(body) => self.length = Some(head + body),
                None => return Some(self.give_up(head.min(MAX_HEAD))),
            }
        }
        let length = self.length?;
        let message = self.pending().get(..length)?.to_vec();
        self.advance(length);
        self.length = None;
        self.scanned = 0;
        Some(Frame::Message(message))
    }

    /// Nothing unfinished is held: the peer may close now without losing anything.
    pub fn is_idle(&self) -> bool {
        self.pending().is_empty()
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn advance(&mut self, by: usize) {
        self.start += by;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    fn give_up(&mut self, head: usize) -> Frame {
        self.broken = true;
        let head = self.pending()[..head].to_vec();
        self.buffer = Vec::new();
        self.start = 0;
        Frame::Broken(head)
    }

    /// RFC 3261 §7.5: CRLFs before a start line are ignored; two of them in a row are a ping.
    fn skip_crlf(&mut self) -> Option<Frame> {
        while self.pending().starts_with(b"\r\n") {
            self.advance(2);
            self.scanned = self.scanned.saturating_sub(2);
            self.half_ping = !self.half_ping;
            if !self.half_ping {
                return Some(Frame::Ping);
            }
        }
        if self.client && self.half_ping && self.pending().is_empty() {
            self.half_ping = false;
            return Some(Frame::Pong);
        }
        if !matches!(self.pending(), [] | [b'\r']) {
            self.half_ping = false;
        }
        None
    }

    /// Where the head ends, empty line included. Like the parser it takes a bare LF for the end of a line: the message is then refused.
    fn head_end(&mut self) -> Option<usize> {
        let pending = &self.buffer[self.start..];
        let mut at = self.scanned;
        let end = loop {
            let Some(hit) = memchr::memchr(b'\n', &pending[at..]) else {
                at = pending.len();
                break None;
            };
            at += hit;
            match &pending[at + 1..] {
                [b'\n', ..] => break Some(at + 2),
                [b'\r', b'\n', ..] => break Some(at + 3),
                [] | [b'\r'] => break None,
                _ => at += 1,
            }
        };
        self.scanned = at;
        end
    }
}

/// The one Content-Length of a head; `None` when there is none, more than one, or no number.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut found = None;
    let mut at = 0;
    while let Some(end) = memchr::memchr(b'\n', &head[at..]) {
        let line = &head[at..at + end];
        at += end + 1;
        if !matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        if Name::of(line[..colon].trim_ascii_end()) != Name::ContentLength {
            continue;
        }
        if found.is_some() {
            return None;
        }
        let mut value = line[colon + 1..].trim_ascii();
        // A fold may put the number into the next line.
        while matches!(head.get(at), Some(b' ' | b'\t')) {
            let end = memchr::memchr(b'\n', &head[at..])?;
            let more = head[at..at + end].trim_ascii();
            at += end + 1;
            match (value, more) {
                ([], more) => value = more,
                (_, []) => {}
                _ => return None,
            }
        }
        found = Some(crate::message::decimal(value)?);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 4\r\n\r\nbody";

    fn all(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.poll()).collect()
    }

    fn cut(bytes: &[u8]) -> Vec<Frame> {
        let mut framer = Framer::new();
        framer.push(bytes);
        all(&mut framer)
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let stream = [OPTIONS, b"\r\n", OPTIONS, b"\r\n\r\n", OPTIONS].concat();
        let whole = cut(&stream);
        let message = Frame::Message(OPTIONS.to_vec());
        assert_eq!(whole, [message.clone(), message.clone(), Frame::Ping, message]);
        for size in [1, 2, 3, 7, 50] {
            let mut framer = Framer::new();
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                framer.push(piece);
                frames.extend(all(&mut framer));
            }
            assert_eq!(frames, whole, "pieces of {size}");
            assert!(framer.is_idle());
        }
    }

    #[test]
    fn a_double_crlf_is_a_ping_and_a_single_one_is_not() {
        assert_eq!(cut(b"\r\n"), []);
        assert_eq!(cut(b"\r\n\r\n"), [Frame::Ping]);
        assert_eq!(cut(b"\r\n\r\n\r\n\r\n"), [Frame::Ping, Frame::Ping]);
        let mut framer = Framer::new();
        for c in b"\r\n\r" {
            framer.push(&[*c]);
            assert_eq!(framer.poll(), None);
        }
        framer.push(b"\n");
        assert_eq!(framer.poll(), Some(Frame::Ping));
    }

    #[test]
    fn on_a_stream_of_ours_a_crlf_alone_is_a_pong() {
        let mut framer = Framer::of_client();
        let mut after = |bytes: &[u8]| {
            framer.push(bytes);
            all(&mut framer)
        };
        assert_eq!(after(b"\r\n"), [Frame::Pong]);
        assert_eq!(after(b"\r"), []);
        assert_eq!(after(b"\n"), [Frame::Pong]);
        assert_eq!(after(b"\r\n\r\n"), [Frame::Ping]);
        let message = [b"\r\n", OPTIONS].concat();
        assert_eq!(after(&message), [Frame::Message(OPTIONS.to_vec())]);
    }

    #[test]
    fn a_stream_message_without_a_usable_content_length_breaks_the_stream() {
        for length in [
            "",
            "Content-Length: -1\r\n",
            "l: 1\r\nContent-Length: 1\r\n",
            "l: 1x\r\n",
            "l: 99999999999999999999999\r\n",
        ] {
            let head = format!("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n{length}\r\n");
            let stream = [head.as_bytes(), OPTIONS].concat();
            assert_eq!(cut(&stream), [Frame::Broken(head.into_bytes())], "{length}");
        }
    }

    #[test]
    fn compact_folded_and_oddly_written_content_lengths_count() {
        for length in
            ["l:4", "L : 4", "cONTENT-lENGTH:\r\n\t4", "Content-Length: 4\r\n ", "Content-Length: 0004"]
        {
            let stream = format!("OPTIONS sip:a@b SIP/2.0\r\n{length}\r\n\r\nbodyrest");
            let frames = cut(stream.as_bytes());
            let Some(Frame::Message(message)) = frames.first() else { panic!("{length:?}: {frames:?}") };
            assert!(message.ends_with(b"\r\n\r\nbody"), "{length:?}");
        }
    }

    #[test]
    fn a_head_that_never_ends_is_given_up_at_the_limit() {
        let mut framer = Framer::new();
        let mut fed = 0;
        loop {
            framer.push(b"X: y\r\n");
            fed += 6;
            match framer.poll() {
                None => assert!(fed <= MAX_HEAD),
                Some(Frame::Broken(head)) => break assert_eq!(head.len(), MAX_HEAD),
                Some(other) => panic!("{other:?}"),
            }
        }
        framer.push(OPTIONS);
        assert_eq!(framer.poll(), None);
    }

    #[test]
    fn a_body_beyond_the_limit_breaks_the_stream_before_it_is_buffered() {
        let stream = format!("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1);
        assert!(matches!(cut(stream.as_bytes())[..], [Frame::Broken(_)]));
    }

    #[test]
    fn feeding_byte_by_byte_scans_every_byte_once() {
        // The scan position never goes back, and the buffer is never moved while the message is incomplete.
        let mut framer = Framer::new();
        let mut last = 0;
        for c in std::iter::repeat_n(b"X-Filler: some text\r\n", 700).flatten() {
            framer.push(&[*c]);
            assert_eq!(framer.poll(), None);
            assert!(framer.scanned >= last && framer.scanned + 2 >= framer.pending().len());
            last = framer.scanned;
        }
    }
}
