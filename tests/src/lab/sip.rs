//! SIP by hand, for what no well-behaved peer would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use sip_core::digest::{self, Algorithm};
use sip_core::message::{Message, Method, Name};

/// A UDP peer.
pub struct Udp {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Udp {
    /// `from` is the own address, such as `127.0.0.2`.
    pub fn new(server: SocketAddr, from: &str) -> Self {
        let socket = UdpSocket::bind((from, 0)).expect("a socket");
        Self { socket, server }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    pub fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.server).expect("it is sent");
    }

    /// The next answer that begins so, `None` when none has come in time.
    pub fn answer(&self, begins: &str, within: Duration) -> Option<String> {
        let end = Instant::now() + within;
        let mut buffer = vec![0; 65_536];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.set_read_timeout(Some(left)).expect("a time");
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with(begins) {
                return Some(text);
            }
        }
    }

    /// A request of its own dialog and its final answer's status; repeated as RFC 3261 §17.1 wants, until 8 s have passed.
    pub fn ask(&self, request: &Request) -> Option<(u16, String)> {
        let bytes = request.bytes("UDP", self.address());
        for wait in [500, 1000, 2000, 4500] {
            self.send(&bytes);
            let end = Instant::now() + Duration::from_millis(wait);
            while let Some(text) = self.answer("SIP/2.0 ", end.saturating_duration_since(Instant::now())) {
                match status(&text) {
                    Some(status) if status >= 200 && text.contains(&request.call_id()) => {
                        return Some((status, text));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// Registers `user` at this socket's own address; the final answer's status. `None` when no challenge names the algorithm.
    pub fn register(&self, user: &str, password: &str, algorithm: Algorithm) -> Option<u16> {
        let challenge = self.challenge(user, algorithm)?;
        let answer = challenge.answer(password, 1);
        self.ask(&self.registration(user, Some(&answer))).map(|(status, _)| status)
    }

    /// What a REGISTER without credentials is asked for.
    pub fn challenge(&self, user: &str, algorithm: Algorithm) -> Option<Challenge> {
        let (status, text) = self.ask(&self.registration(user, None))?;
        assert_eq!(status, 401, "{text}");
        let response = Message::parse(text.as_bytes()).ok()?;
        let named =
            response.credentials(Name::WwwAuthenticate).any(|offer| Algorithm::of(&offer) == Some(algorithm));
        let uri = format!("sip:{}", self.server);
        named.then(|| Challenge { response, algorithm, user: user.to_owned(), uri })
    }

    pub fn registration(&self, user: &str, authorization: Option<&str>) -> Request {
        let mut request = Request::new("REGISTER", &format!("sip:{}", self.server));
        request.from = format!("sip:{user}@{}", self.server.ip());
        request.to = request.from.clone();
        request.extra = "Expires: 600\r\n".to_owned();
        if let Some(authorization) = authorization {
            request.extra += &format!("Authorization: {authorization}\r\n");
        }
        request
    }
}

/// A 401 for a REGISTER of `user`.
pub struct Challenge {
    response: Message,
    algorithm: Algorithm,
    user: String,
    uri: String,
}

impl Challenge {
    /// The Authorization value that is the `count`th use of its nonce.
    pub fn answer(&self, password: &str, count: u32) -> String {
        self.response
            .credentials(Name::WwwAuthenticate)
            .filter(|offer| Algorithm::of(offer) == Some(self.algorithm))
            .find_map(|offer| {
                digest::answer(&offer, &Method::Register, &self.uri, &self.user, password, "c0ffee", count)
            })
            .expect("the challenge can be answered")
    }
}

/// A TCP peer.
pub struct Tcp {
    pub stream: TcpStream,
    received: Vec<u8>,
}

impl Tcp {
    pub fn new(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, received: Vec::new() }
    }

    /// `false` when the server has closed already.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn ask(&mut self, request: &Request, within: Duration) -> Option<u16> {
        let own = self.stream.local_addr().ok()?;
        if !self.send(&request.bytes("TCP", own)) {
            return None;
        }
        let end = Instant::now() + within;
        let mut buffer = [0; 65_536];
        loop {
            let text = String::from_utf8_lossy(&self.received).into_owned();
            // Answers without a body all; cut at the empty line.
            for answer in text.split("\r\n\r\n") {
                let answer = answer.trim_start();
                if answer.contains(&request.call_id()) && status(answer).is_some_and(|status| status >= 200) {
                    return status(answer);
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.stream.set_read_timeout(Some(left)).ok()?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => self.received.extend(&buffer[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(_) => return None,
            }
        }
    }

    /// All that comes until the end of a message that begins so, or until it is too late.
    pub fn listen(&mut self, begins: &str, within: Duration) -> String {
        let end = Instant::now() + within;
        let mut buffer = [0; 65_536];
        loop {
            let text = String::from_utf8_lossy(&self.received).into_owned();
            let there = text.find(begins).is_some_and(|at| text[at..].contains("\r\n\r\n"));
            let left = end.saturating_duration_since(Instant::now());
            if there || left.is_zero() {
                return text;
            }
            self.stream.set_read_timeout(Some(left)).expect("a time");
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return text,
                Ok(length) => self.received.extend(&buffer[..length]),
            }
        }
    }

    /// Whether the server closes the connection in time.
    pub fn is_cut(&mut self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut buffer = [0; 4096];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.stream.set_read_timeout(Some(left)).expect("a time");
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return true,
            }
        }
    }
}

/// A request of our own making.
pub struct Request {
    pub method: &'static str,
    pub uri: String,
    pub from: String,
    pub to: String,
    pub contact: bool,
    pub body: Option<(&'static str, String)>,
    pub extra: String,
    id: u64,
}

impl Request {
    pub fn new(method: &'static str, uri: &str) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            method,
            uri: uri.to_owned(),
            from: "sip:tester@127.0.0.1".to_owned(),
            to: uri.to_owned(),
            contact: true,
            body: None,
            extra: String::new(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub fn with_sdp(mut self, sdp: &str) -> Self {
        self.body = Some(("application/sdp", sdp.replace('\n', "\r\n")));
        self
    }

    /// A further request of the dialog that `answer` made.
    pub fn within(&self, method: &str, cseq: u32, answer: &str, own: SocketAddr) -> Vec<u8> {
        let Self { uri, from, id, .. } = self;
        let to = answer.lines().find(|line| line.starts_with("To:")).expect("an answer has a To");
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-lab-{id}-{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <{from}>;tag=lab{id}\r\n{to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            call = self.call_id(),
        )
        .into_bytes()
    }

    fn call_id(&self) -> String {
        format!("lab-{}-{}", std::process::id(), self.id)
    }

    fn bytes(&self, transport: &str, own: SocketAddr) -> Vec<u8> {
        let Self { method, uri, from, to, extra, id, .. } = self;
        let contact = if self.contact { format!("Contact: <sip:tester@{own}>\r\n") } else { String::new() };
        let (kind, body) = self
            .body
            .as_ref()
            .map_or((String::new(), ""), |(kind, body)| (format!("Content-Type: {kind}\r\n"), body.as_str()));
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {own};branch=z9hG4bK-lab-{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <{from}>;tag=lab{id}\r\nTo: <{to}>\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\n{contact}{extra}{kind}\
             Content-Length: {length}\r\n\r\n{body}",
            call = self.call_id(),
            length = body.len(),
        )
        .into_bytes()
    }
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}
