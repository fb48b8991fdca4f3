//! One stack, with the test as its peer.

use std::net::SocketAddr;
use std::time::Duration;

use model::Now;

use crate::api::{
    Binding, CallId, ConnectionId, Counts, Credential, Event, Hop, IncomingCall, Output, Rejection, Transport,
};
use crate::digest::{self, Algorithm};
use crate::message::{Message, Method, Name};
use crate::stack::Stack;
use crate::testing;

pub const LOCAL: &str = "192.0.2.1:5060";
pub const CARRIER: &str = "198.51.100.1:5060";
pub const PHONE: &str = "203.0.113.7:5062";

pub struct Solo {
    pub stack: Stack,
    pub now: Now,
    /// What the stack sent that no test has taken yet.
    pub sent: Vec<(Hop, Message)>,
    pub events: Vec<Event>,
    pub rejections: Vec<Rejection>,
    /// Changes of bindings that were put out to be stored.
    pub stored: Vec<crate::api::BindingChange>,
    /// Who has proved a password.
    pub proved: Vec<SocketAddr>,
    /// CRLF keep-alives of the stack's own.
    pub pings: Vec<Hop>,
    pub closed: Vec<ConnectionId>,
    pub watched: Vec<(ConnectionId, Option<Duration>)>,
    branches: u32,
    counts: u32,
}

/// Bytes from or to `remote` over UDP.
pub fn udp(remote: &str) -> Hop {
    Hop { transport: Transport::Udp, local: addr(LOCAL), remote: addr(remote), connection: None }
}

pub fn ws(remote: &str, connection: u64) -> Hop {
    Hop {
        transport: Transport::Ws,
        local: addr(LOCAL),
        remote: addr(remote),
        connection: Some(ConnectionId(connection)),
    }
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

pub fn credential(username: &str, aor: &str, one_time: bool) -> Credential {
    let ha1 = |algorithm| digest::ha1(algorithm, username, "tandem.example", "secret");
    Credential {
        username: username.to_owned(),
        aor: aor.to_owned(),
        ha1_md5: ha1(Algorithm::Md5),
        ha1_sha256: ha1(Algorithm::Sha256),
        one_time,
    }
}

/// A request as a peer writes it: a line each, and the headers that every request has.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub uri: String,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub cseq: u32,
    pub branch: Option<String>,
    pub extra: Vec<String>,
    pub body: Option<(&'static str, &'static str)>,
}

impl Request {
    pub fn new(method: &'static str) -> Self {
        Self {
            method,
            uri: "sip:200@tandem.example".to_owned(),
            from: "<sip:anna@tandem.example>;tag=their-tag".to_owned(),
            to: "<sip:200@tandem.example>".to_owned(),
            call_id: "their-call".to_owned(),
            cseq: 1,
            branch: None,
            extra: Vec::new(),
            body: None,
        }
    }

    /// From a carrier's customer, with Contact and an offer.
    pub fn invite() -> Self {
        let mut invite = Request::new("INVITE").with("Contact: <sip:+15550100@198.51.100.1>");
        invite.from = "\"Bob\" <sip:+15550100@carrier.example>;tag=their-tag".to_owned();
        invite.body = Some(("application/sdp", "v=0 offer"));
        invite
    }

    pub fn register(aor: &str, contact: &str) -> Self {
        let mut register = Request::new("REGISTER").with(&format!("Contact: {contact}"));
        register.uri = "sip:tandem.example".to_owned();
        register.from = format!("<sip:{aor}@tandem.example>;tag=their-tag");
        register.to = format!("<sip:{aor}@tandem.example>");
        register
    }

    pub fn with(mut self, line: &str) -> Self {
        self.extra.push(line.to_owned());
        self
    }

    pub fn body(mut self, content_type: &'static str, body: &'static str) -> Self {
        self.body = Some((content_type, body));
        self
    }

    pub fn cseq(mut self, cseq: u32) -> Self {
        self.cseq = cseq;
        self
    }

    pub fn to(mut self, to: &str) -> Self {
        self.to = to.to_owned();
        self
    }

    pub fn call_id(mut self, call_id: &str) -> Self {
        self.call_id = call_id.to_owned();
        self
    }

    pub fn branch(mut self, branch: &str) -> Self {
        self.branch = Some(branch.to_owned());
        self
    }

    /// As it comes from `hop`.
    pub fn text(&self, hop: Hop, branch: &str) -> String {
        let transport = hop.transport.via_name();
        let mut text = format!(
            "{} {} SIP/2.0\r\nVia: SIP/2.0/{transport} {};branch={branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {} {}\r\n",
            self.method, self.uri, hop.remote, self.from, self.to, self.call_id, self.cseq, self.method,
        );
        for line in &self.extra {
            text += &format!("{line}\r\n");
        }
        let body = self.body.map_or("", |(_, body)| body);
        if let Some((content_type, _)) = self.body.filter(|(kind, _)| !kind.is_empty()) {
            text += &format!("Content-Type: {content_type}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        text
    }
}

impl Solo {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut crate::api::Config)) -> Self {
        let now = testing::start();
        let mut config = testing::config("tandem.example", Transport::Udp, addr(LOCAL), 7);
        for transport in [Transport::Tcp, Transport::Ws] {
            let listener = crate::api::Listener { transport, ..config.listeners[0].clone() };
            config.listeners.push(listener);
        }
        change(&mut config);
        let mut stack = Stack::new(now, config);
        stack.set_trunks(vec![testing::trunk("carrier", addr(CARRIER), Transport::Udp)]);
        stack.set_credential(credential("anna", "anna", false));
        Self {
            stack,
            now,
            sent: Vec::new(),
            events: Vec::new(),
            rejections: Vec::new(),
            stored: Vec::new(),
            proved: Vec::new(),
            pings: Vec::new(),
            closed: Vec::new(),
            watched: Vec::new(),
            branches: 0,
            counts: 0,
        }
    }

    /// Hands over bytes as they are.
    pub fn raw(&mut self, hop: Hop, bytes: &[u8]) {
        self.stack.handle_packet(self.now, hop, bytes);
        self.drain();
    }

    /// Hands over a request and returns its branch.
    pub fn send(&mut self, hop: Hop, request: &Request) -> String {
        self.branches += 1;
        let branch = request.branch.clone().unwrap_or_else(|| format!("z9hG4bKtheirs{}", self.branches));
        let text = request.text(hop, &branch);
        self.raw(hop, text.as_bytes());
        branch
    }

    /// The same, and the one answer to it.
    pub fn ask(&mut self, hop: Hop, request: &Request) -> Message {
        self.sent.clear();
        self.send(hop, request);
        self.only()
    }

    /// Sends it, and once more with the answer to the challenge.
    pub fn ask_as(&mut self, hop: Hop, request: Request, username: &str, password: &str) -> Message {
        let challenge = self.ask(hop, &request);
        assert_eq!(challenge.status(), Some(401), "{}", text(&challenge));
        let answered = self.authorize(request, &challenge, Algorithm::Sha256, username, password);
        self.ask(hop, &answered)
    }

    /// The request again, with CSeq one higher and the credentials that the challenge asks for.
    pub fn authorize(
        &mut self,
        request: Request,
        challenge: &Message,
        algorithm: Algorithm,
        username: &str,
        password: &str,
    ) -> Request {
        let challenge = challenge
            .credentials(Name::WwwAuthenticate)
            .find(|c| Algorithm::of(c) == Some(algorithm))
            .expect("a challenge of this algorithm");
        self.counts += 1;
        let method = match request.method {
            "INVITE" => Method::Invite,
            "REGISTER" => Method::Register,
            "MESSAGE" => Method::Message,
            "SUBSCRIBE" => Method::Subscribe,
            other => panic!("{other} is never challenged"),
        };
        let answer = digest::answer(&challenge, &method, &request.uri, username, password, "cnonce", 1)
            .expect("we speak what we ask for");
        let mut request = request.with(&format!("Authorization: {answer}"));
        request.cseq += 1;
        request
    }

    /// Registers `aor` and returns its binding.
    pub fn register(&mut self, hop: Hop, aor: &str, contact: &str) -> Binding {
        self.branches += 1;
        let request = Request::register(aor, contact).call_id(&format!("register-{}", self.branches));
        let ok = self.ask_as(hop, request, aor, "secret");
        assert_eq!(ok.status(), Some(200), "{}", text(&ok));
        self.events
            .drain(..)
            .find_map(|event| match event {
                Event::Registered(binding) => Some(binding),
                _ => None,
            })
            .expect("a new binding")
    }

    /// A call from the carrier that has got its 100.
    pub fn incoming(&mut self) -> IncomingCall {
        let trying = self.ask(udp(CARRIER), &Request::invite());
        assert_eq!(trying.status(), Some(100));
        let Some(Event::Incoming(call)) = self.events.pop() else { panic!("no call came") };
        call
    }

    /// The same, answered and acknowledged. Returns our To value, too.
    pub fn established(&mut self) -> (CallId, String) {
        let call = self.incoming().call;
        self.stack.answer(self.now, call, b"v=0 answer".to_vec());
        self.drain();
        let ok = self.only();
        assert_eq!(ok.status(), Some(200));
        let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
        let mut ack = Request::new("ACK").to(&to);
        ack.from = Request::invite().from;
        self.send(udp(CARRIER), &ack);
        assert_eq!(self.events.pop(), Some(Event::Confirmed { call, sdp: None }));
        (call, to)
    }

    /// A request within that call.
    pub fn within(method: &'static str, to: &str, cseq: u32) -> Request {
        let mut request = Request::new(method).to(to).cseq(cseq);
        request.from = Request::invite().from;
        request
    }

    /// Answers a request of the stack's with `status`; `tag` goes into To unless it has one.
    pub fn reply(&mut self, hop: Hop, request: &Message, status: u16, tag: &str, sdp: Option<&str>) {
        let mut answer = request
            .response(status, None, hop.remote, Some(tag).filter(|_| status > 100))
            .header(Name::Contact, format!("<sip:peer@{}>", hop.remote));
        if let Some(sdp) = sdp {
            answer = answer.body("application/sdp", sdp);
        }
        self.raw(hop, &answer.finish());
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now.instant + span;
        while let Some(next) = self.stack.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.after(next.saturating_since(self.now.instant));
            self.stack.handle_timeout(self.now);
            self.drain();
        }
        self.now = self.now.after(end.saturating_since(self.now.instant));
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Transmit { bytes, .. } if *bytes == *b"\r\n" => {}
                Output::Transmit { hop, bytes } if *bytes == *b"\r\n\r\n" => self.pings.push(hop),
                Output::Transmit { hop, bytes } => {
                    self.sent.push((hop, Message::parse(&bytes).expect("we write valid messages")));
                }
                Output::CloseConnection(connection) => self.closed.push(connection),
                Output::Watch { connection, silence } => self.watched.push((connection, silence)),
                Output::Lookup { .. } | Output::Expect { .. } => {}
                Output::Binding(change) => self.stored.push(change),
                Output::Event(event) => self.events.push(event),
                Output::Rejected { why, .. } => self.rejections.push(why),
                Output::Authenticated { hop } => self.proved.push(hop.remote),
            }
        }
    }

    /// Takes the one message that was sent.
    pub fn only(&mut self) -> Message {
        self.drain();
        let sent = std::mem::take(&mut self.sent);
        let [(_, message)] = sent.as_slice() else {
            panic!("{} messages: {:?}", sent.len(), sent.iter().map(|(_, m)| text(m)).collect::<Vec<_>>())
        };
        message.clone()
    }

    /// Takes all messages that were sent.
    pub fn take(&mut self) -> Vec<Message> {
        self.drain();
        std::mem::take(&mut self.sent).into_iter().map(|(_, message)| message).collect()
    }

    /// Takes the events.
    pub fn happened(&mut self) -> Vec<Event> {
        self.drain();
        std::mem::take(&mut self.events)
    }

    /// Takes the one event.
    pub fn event(&mut self) -> Event {
        let [event] = <[Event; 1]>::try_from(self.happened()).expect("one event");
        event
    }

    /// 64*T1 and the last round trip later, nothing is left but bindings.
    pub fn assert_nothing_left(&mut self) {
        self.run(Duration::from_secs(33));
        let bindings = self.stack.counts().bindings;
        assert_eq!(self.stack.counts(), Counts { bindings, ..Counts::default() });
    }
}

pub fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.bytes()).into_owned()
}

/// Start line of a request as `METHOD`, of a response as `STATUS METHOD`.
pub fn label(message: &Message) -> String {
    match message.status() {
        Some(status) => format!("{status} {}", message.method()),
        None => message.method().to_string(),
    }
}

pub fn labels(messages: &[Message]) -> Vec<String> {
    messages.iter().map(label).collect()
}
