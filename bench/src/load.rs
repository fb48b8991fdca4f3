//! The load: callers and the one they call, on one thread with two sockets. Everything is counted that a slow server would
//! cause: a request without an answer after T1, and a message that came twice.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt;
use rustix::time::Timespec;

/// RFC 3261 §17.1.1.1: whoever has no answer after this long sends again.
const T1: Duration = Duration::from_millis(500);
/// A call that is not over this long after its last step has failed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub calls: u32,
    /// A second.
    pub rate: u32,
    pub hold: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    pub finished: u32,
    pub failed: u32,
    pub retransmissions: u32,
    pub took: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// INVITE sent.
    Inviting,
    /// 100 or more came.
    Proceeding,
    Up,
    /// BYE sent.
    Leaving,
    Over,
}

struct Call {
    state: State,
    to: String,
    target: String,
}

/// What is looked at when its time has come.
enum Due {
    /// Hang up.
    Bye(u32),
    /// Has anything come since?
    Silent(u32, State),
    /// Has the call got any further?
    Stuck(u32, State),
}

pub struct Load {
    caller: UdpSocket,
    callee: UdpSocket,
    server: SocketAddr,
    callee_is: SocketAddr,
    /// Numbers of callers and calls go on over all runs: each call is another customer's.
    first: u32,
    calls: Vec<Call>,
    /// Calls as the callee sees them, by Call-ID, until their end; whether the ACK has come.
    called: HashMap<Vec<u8>, bool>,
    due: BTreeMap<(Instant, u64), Due>,
    dues: u64,
    outcome: Outcome,
}

impl Load {
    pub fn new(callee: SocketAddr) -> Result<Self> {
        let socket = |address: SocketAddr| -> Result<UdpSocket> {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            let _ = sockopt::set_socket_recv_buffer_size(&socket, 8 << 20);
            Ok(socket)
        };
        Ok(Self {
            caller: socket((Ipv4Addr::LOCALHOST, 0).into())?,
            callee: socket(callee)?,
            server: callee,
            callee_is: callee,
            first: 0,
            calls: Vec::new(),
            called: HashMap::new(),
            due: BTreeMap::new(),
            dues: 0,
            outcome: Outcome::default(),
        })
    }

    /// All calls of the plan through `server`. `when_up` is called once, when all of them have been started.
    pub fn run(&mut self, server: SocketAddr, plan: Plan, mut when_up: impl FnMut()) -> Result<Outcome> {
        self.server = server;
        self.first += self.calls.len() as u32;
        self.calls.clear();
        self.called.clear();
        self.due.clear();
        self.outcome = Outcome::default();
        let start = Instant::now();
        let pace = Duration::from_secs(1) / plan.rate;
        let mut buffer = [0; 4096];
        let mut told = false;
        loop {
            let mut now = Instant::now();
            while self.calls.len() < plan.calls as usize && start + pace * self.calls.len() as u32 <= now {
                self.invite(now);
            }
            if self.calls.len() == plan.calls as usize && !told && start + pace * plan.calls + T1 <= now {
                told = true;
                when_up();
                now = Instant::now();
            }
            while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= now) {
                let due = first.remove();
                self.look(now, due);
            }
            for _ in 0..64 {
                let Ok((length, _)) = self.caller.recv_from(&mut buffer) else { break };
                self.heard(now, plan.hold, &buffer[..length]);
            }
            for _ in 0..64 {
                let Ok((length, from)) = self.callee.recv_from(&mut buffer) else { break };
                self.asked(&buffer[..length], from);
            }
            if self.outcome.finished + self.outcome.failed == plan.calls && told {
                break;
            }
            ensure!(start.elapsed() < Duration::from_secs(120), "the calls never ended: {:?}", self.outcome);
            let nap = Timespec { tv_sec: 0, tv_nsec: 500_000 };
            let mut fds =
                [PollFd::new(&self.caller, PollFlags::IN), PollFd::new(&self.callee, PollFlags::IN)];
            let _ = poll(&mut fds, Some(&nap));
        }
        self.outcome.took = start.elapsed();
        Ok(self.outcome)
    }

    fn invite(&mut self, now: Instant) {
        let index = self.calls.len() as u32;
        let (number, at, server) = (self.first + index, self.caller_address(), self.server);
        let body = sdp(9000);
        let length = body.len();
        self.calls.push(Call { state: State::Inviting, to: String::new(), target: String::new() });
        let caller = caller(number);
        self.tell(format!(
            "INVITE sip:+4930100@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKi{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:{caller}@{at}>;tag=c{number}\r\nTo: <sip:+4930100@{server}>\r\nCall-ID: {number}@bench\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:caller@{at}>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
        ));
        self.later(now + T1, Due::Silent(index, State::Inviting));
        self.later(now + PATIENCE, Due::Stuck(index, State::Up));
    }

    /// A further request within the call.
    fn follow(&mut self, index: u32, method: &str, cseq: u32) {
        let (number, at) = (self.first + index, self.caller_address());
        let Call { to, target, .. } = &self.calls[index as usize];
        let caller = caller(number);
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:{caller}@{at}>;tag=c{number}\r\n{to}\r\nCall-ID: {number}@bench\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
        );
        self.tell(text);
    }

    fn tell(&self, text: String) {
        let _ = self.caller.send_to(text.as_bytes(), self.server);
    }

    fn later(&mut self, at: Instant, due: Due) {
        self.dues += 1;
        self.due.insert((at, self.dues), due);
    }

    fn look(&mut self, now: Instant, due: Due) {
        match due {
            Due::Bye(index) => {
                if self.calls[index as usize].state == State::Up {
                    self.calls[index as usize].state = State::Leaving;
                    self.follow(index, "BYE", 2);
                    self.later(now + T1, Due::Silent(index, State::Leaving));
                    self.later(now + PATIENCE, Due::Stuck(index, State::Over));
                }
            }
            Due::Silent(index, state) => {
                self.outcome.retransmissions += u32::from(self.calls[index as usize].state == state);
            }
            Due::Stuck(index, wanted) => {
                let call = &mut self.calls[index as usize];
                let behind = match wanted {
                    State::Up => matches!(call.state, State::Inviting | State::Proceeding),
                    State::Inviting | State::Proceeding | State::Leaving | State::Over => {
                        call.state != State::Over
                    }
                };
                if behind {
                    call.state = State::Over;
                    self.outcome.failed += 1;
                }
            }
        }
    }

    /// The caller's side: answers to INVITE and BYE, and the BYE of a server that gives up.
    fn heard(&mut self, now: Instant, hold: Duration, message: &[u8]) {
        let text = String::from_utf8_lossy(message);
        let Some(number) =
            value(&text, "Call-ID").and_then(|id| id.strip_suffix("@bench")?.parse::<u32>().ok())
        else {
            return;
        };
        let Some(index) = number.checked_sub(self.first) else { return };
        let Some(call) = self.calls.get_mut(index as usize) else { return };
        let status: u16 = text.get(8..11).and_then(|status| status.parse().ok()).unwrap_or(0);
        let of_invite = value(&text, "CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"));
        match (call.state, of_invite, status) {
            (State::Inviting | State::Proceeding, true, 100..=199) => call.state = State::Proceeding,
            (State::Inviting | State::Proceeding, true, 200..=299) => {
                call.state = State::Up;
                call.to = format!("To: {}", value(&text, "To").unwrap_or_default());
                let contact = value(&text, "Contact").unwrap_or_default();
                call.target =
                    contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
                self.follow(index, "ACK", 1);
                self.later(now + hold, Due::Bye(index));
            }
            // It did not get our ACK in time.
            (State::Up | State::Leaving, true, 200..=299) => self.outcome.retransmissions += 1,
            (State::Leaving, false, 200..=299) => {
                call.state = State::Over;
                self.outcome.finished += 1;
            }
            (State::Over, _, _) | (_, _, 100..=199) => {}
            _ => {
                call.state = State::Over;
                self.outcome.failed += 1;
            }
        }
    }

    /// The callee's side.
    fn asked(&mut self, message: &[u8], from: SocketAddr) {
        let text = String::from_utf8_lossy(message);
        let id = value(&text, "Call-ID").unwrap_or_default().as_bytes().to_vec();
        match text.split(' ').next().unwrap_or_default() {
            "INVITE" => {
                if self.called.insert(id, false).is_some() {
                    self.outcome.retransmissions += 1;
                    return;
                }
                self.answer(&text, "180 Ringing", "", from);
                let body = sdp(9002);
                let content =
                    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                self.answer(&text, "200 OK", &content, from);
            }
            "ACK" => {
                self.called.insert(id, true);
            }
            "BYE" => {
                if self.called.remove(&id).is_none() {
                    self.outcome.retransmissions += 1;
                }
                self.answer(&text, "200 OK", "", from);
            }
            _ => {}
        }
    }

    fn answer(&self, request: &str, status: &str, content: &str, to: SocketAddr) {
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for line in request.split("\r\n").take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
                answer.push_str(line);
                answer.push_str("\r\n");
            } else if name == "To" {
                answer.push_str(line);
                answer.push_str(if line.contains("tag=") { "\r\n" } else { ";tag=callee\r\n" });
            }
        }
        answer.push_str(&format!("Contact: <sip:callee@{}>\r\n", self.callee_is));
        answer.push_str(if content.is_empty() { "Content-Length: 0\r\n\r\n" } else { content });
        let _ = self.callee.send_to(answer.as_bytes(), to);
    }

    fn caller_address(&self) -> SocketAddr {
        self.caller.local_addr().expect("a bound socket has an address")
    }
}

/// One customer with many calls at once would be one session.
fn caller(number: u32) -> String {
    format!("+4930{}", 5_000_000 + number % 4_000_000)
}

fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
    )
}

/// The value of a header, which our own messages and Tandem's spell out in full.
pub fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split("\r\n")
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}
