//! Names, failover, and requests that are too large for a datagram.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::{Cause, Now};

use crate::api::{
    Account, Answer, CallId, Event, Hop, Listener, OutgoingCall, Output, Question, Registration, Secret, Srv,
    Target, Transport, Trunk,
};
use crate::message::{Message, Name};
use crate::stack::Stack;
use crate::testing;

const FIRST: &str = "192.0.2.11:5070";
const SECOND: &str = "192.0.2.12:5070";
const OWN: &str = "198.51.100.1:5060";

/// A stack, a zone file, and what it sent.
struct Lab {
    stack: Stack,
    now: Now,
    dns: BTreeMap<Question, Answer>,
    sent: Vec<(Hop, Message)>,
    events: Vec<Event>,
    expected: Vec<(SocketAddr, String)>,
    asked: usize,
}

impl Lab {
    /// Two servers for `carrier.example`, the first of higher priority, both over UDP.
    fn new() -> Self {
        let own: SocketAddr = OWN.parse().unwrap();
        let mut config = testing::config("tandem.example", Transport::Udp, own, 3);
        for transport in [Transport::Tcp, Transport::Tls] {
            let local = SocketAddr::new(own.ip(), if transport == Transport::Tls { 5061 } else { 5060 });
            config.listeners.push(Listener { name: None, transport, local, advertised: local.to_string() });
        }
        let local: SocketAddr = "[2001:db8::1]:5060".parse().unwrap();
        let advertised = "six.tandem.example:5060".to_owned();
        config.listeners.push(Listener {
            name: Some("six".into()),
            transport: Transport::Udp,
            local,
            advertised,
        });
        let srv = |priority, host: &str| Srv { priority, weight: 0, port: 5070, target: host.to_owned() };
        let dns = [
            (
                Question::Srv("_sip._udp.carrier.example".into()),
                Answer::Srv(vec![srv(2, "b.carrier.example"), srv(1, "a.carrier.example")]),
            ),
            (
                Question::Srv("_sips._tcp.carrier.example".into()),
                Answer::Srv(vec![srv(1, "a.carrier.example")]),
            ),
            (Question::A("a.carrier.example".into()), Answer::A(vec!["192.0.2.11".parse().unwrap()])),
            (Question::A("b.carrier.example".into()), Answer::A(vec!["192.0.2.12".parse().unwrap()])),
            (Question::Aaaa("b.carrier.example".into()), Answer::Aaaa(vec!["2001:db8::12".parse().unwrap()])),
        ];
        let mut lab = Self {
            stack: Stack::new(testing::start(), config),
            now: testing::start(),
            dns: dns.into(),
            sent: Vec::new(),
            events: Vec::new(),
            expected: Vec::new(),
            asked: 0,
        };
        lab.trunk(|_| {});
        lab
    }

    fn trunk(&mut self, change: impl FnOnce(&mut Trunk)) {
        let mut trunk = testing::trunk("carrier", FIRST.parse().unwrap(), Transport::Udp);
        trunk.destination = "carrier.example".parse().unwrap();
        trunk.transport = None;
        change(&mut trunk);
        self.stack.set_trunks(vec![trunk]);
    }

    fn call(&mut self, sdp: &[u8]) -> CallId {
        self.call_within(sdp, None)
    }

    fn call_within(&mut self, sdp: &[u8], silence: Option<Duration>) -> CallId {
        let call = self.stack.invite(
            self.now,
            OutgoingCall {
                target: Target::Trunk { name: "carrier".into(), number: "123".into() },
                caller: "100".into(),
                caller_name: None,
                sdp: sdp.to_vec(),
                headers: Vec::new(),
                ring_timeout: Duration::from_secs(60),
                options: Default::default(),
                identity: Default::default(),
                silence,
            },
        );
        self.drain();
        call.expect("the trunk is there")
    }

    fn drain(&mut self) {
        while let Some(output) = self.stack.poll_output() {
            match output {
                Output::Transmit { hop, bytes } => self.sent.push((hop, Message::parse(&bytes).unwrap())),
                Output::Lookup { lookup, question } => {
                    self.asked += 1;
                    let answer = self.dns.get(&question).cloned().unwrap_or(Answer::Nothing);
                    self.stack.handle_answer(self.now, lookup, answer);
                }
                Output::Expect { remote, name } => self.expected.push((remote, name)),
                Output::Event(event) => self.events.push(event),
                Output::CloseConnection(_)
                | Output::Watch { .. }
                | Output::Rejected { .. }
                | Output::Binding(_)
                | Output::Authenticated { .. } => {}
            }
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now.instant + span;
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.after(at.saturating_since(self.now.instant));
            self.stack.handle_timeout(self.now);
            self.drain();
        }
        self.now = self.now.after(end.saturating_since(self.now.instant));
    }

    /// Answers the last INVITE.
    fn answer(&mut self, status: u16, headers: &str) {
        let (hop, invite) =
            self.sent.iter().rfind(|(_, sent)| sent.method().as_bytes() == b"INVITE").unwrap();
        let hop = *hop;
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let answer = format!(
            "SIP/2.0 {status} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=far\r\nCall-ID: {}\r\nCSeq: {} INVITE\r\n{headers}Content-Length: 0\r\n\r\n",
            text(invite.via().raw()),
            text(invite.from().raw()),
            text(invite.to().raw()),
            text(invite.call_id()),
            invite.cseq().number,
        );
        self.stack.handle_packet(self.now, hop, answer.as_bytes());
        self.drain();
    }

    /// Takes the requests of this method: where each went.
    fn took(&mut self, method: &str) -> Vec<String> {
        let (took, rest) = std::mem::take(&mut self.sent)
            .into_iter()
            .partition(|(_, sent)| sent.method().as_bytes() == method.as_bytes());
        self.sent = rest;
        let took: Vec<(Hop, Message)> = took;
        took.iter().map(|(hop, _)| format!("{} {}", hop.transport.via_name(), hop.remote)).collect()
    }

    fn last(&self) -> &(Hop, Message) {
        self.sent.last().expect("something was sent")
    }
}

fn branch(message: &Message) -> Vec<u8> {
    message.via().branch().unwrap_or_default().to_vec()
}

#[test]
fn a_name_is_looked_up_before_the_invite_goes_out() {
    let mut lab = Lab::new();
    lab.call(b"v=0");
    let (hop, invite) = lab.last();
    assert_eq!(
        (hop.transport, hop.remote, hop.local),
        (Transport::Udp, FIRST.parse().unwrap(), OWN.parse().unwrap())
    );
    assert_eq!(invite.request_uri().unwrap().raw(), b"sip:123@carrier.example", "the name stays in the URI");
    assert_eq!(invite.via().sent_by(), OWN.as_bytes());
}

#[test]
fn a_503_goes_to_the_next_server_with_a_new_branch_and_the_call_goes_on() {
    let mut lab = Lab::new();
    let call = lab.call(b"v=0");
    let (_, first) = lab.last().clone();
    lab.answer(100, "");
    lab.answer(503, "");
    let (hop, second) = lab.last().clone();
    assert_eq!(hop.remote, SECOND.parse().unwrap());
    assert_ne!(branch(&first), branch(&second));
    assert_eq!((first.call_id(), first.cseq().number), (second.call_id(), second.cseq().number));
    assert_eq!(lab.took("ACK"), ["UDP 192.0.2.11:5070"], "the refusal was acknowledged");
    lab.answer(200, "Contact: <sip:far@192.0.2.12:5070>\r\n");
    assert!(matches!(&lab.events[..], [Event::Answered { call: answered, .. }] if *answered == call));
    assert_eq!(lab.took("ACK"), ["UDP 192.0.2.12:5070"]);
}

#[test]
fn a_silent_server_is_left_after_a_few_seconds_and_an_unreachable_one_at_once() {
    let mut lab = Lab::new();
    lab.call(b"v=0");
    lab.pass(Duration::from_millis(5100));
    assert_eq!(lab.last().0.remote, SECOND.parse().unwrap());
    assert!(lab.events.is_empty());
    let (hop, _) = lab.last().clone();
    lab.stack.handle_unreachable(lab.now, hop);
    lab.drain();
    assert_eq!(
        lab.last().0.remote,
        "[2001:db8::12]:5070".parse().unwrap(),
        "its other address is a place, too"
    );
    let invite = &lab.last().1;
    assert_eq!(invite.via().sent_by(), b"six.tandem.example:5060", "Via and Contact fit the family");
    assert_eq!(invite.header(Name::Contact), Some(&b"<sip:six.tandem.example:5060>"[..]));
    lab.pass(Duration::from_secs(40));
    assert!(
        matches!(&lab.events[..], [Event::Ended { ending, .. }] if ending.cause == Cause::Lost),
        "{:?}",
        lab.events
    );
    lab.pass(Duration::from_secs(40));
    assert_eq!(lab.stack.counts(), Default::default());
    assert_eq!(lab.stack.poll_timeout(), None);
}

#[test]
fn a_server_that_rings_is_not_left_and_another_refusal_is_final() {
    let mut lab = Lab::new();
    lab.call(b"v=0");
    lab.answer(180, "");
    lab.pass(Duration::from_secs(20));
    assert_eq!(lab.took("INVITE"), ["UDP 192.0.2.11:5070"]);
    let mut lab = Lab::new();
    lab.call(b"v=0");
    lab.answer(486, "");
    assert_eq!(lab.took("INVITE"), ["UDP 192.0.2.11:5070"]);
    assert!(matches!(&lab.events[..], [Event::Ended { ending, .. }] if ending.sip_status == Some(486)));
}

#[test]
fn a_call_that_was_given_up_is_not_tried_elsewhere() {
    let mut lab = Lab::new();
    let call = lab.call(b"v=0");
    lab.stack.hangup(lab.now, call, Cause::Abandoned, model::Side::Customer);
    lab.answer(503, "");
    lab.pass(Duration::from_secs(70));
    assert!(lab.took("INVITE").iter().all(|place| place == "UDP 192.0.2.11:5070"));
    assert_eq!(lab.stack.counts(), Default::default());
}

#[test]
fn a_name_that_nobody_knows_ends_the_call_and_so_does_a_resolver_that_says_nothing() {
    let mut lab = Lab::new();
    lab.trunk(|trunk| trunk.destination = "nowhere.example".parse().unwrap());
    lab.call(b"v=0");
    assert!(matches!(&lab.events[..], [Event::Ended { ending, .. }] if ending.sip_status == Some(503)));
    let call = OutgoingCall {
        target: Target::Trunk { name: "carrier".into(), number: "1".into() },
        caller: "100".into(),
        caller_name: None,
        sdp: Vec::new(),
        headers: Vec::new(),
        ring_timeout: Duration::from_secs(60),
        options: Default::default(),
        identity: Default::default(),
        silence: None,
    };
    lab.events.clear();
    lab.stack.invite(lab.now, call).unwrap();
    while lab.stack.poll_output().is_some() {}
    lab.pass(Duration::from_secs(11));
    assert!(matches!(&lab.events[..], [Event::Ended { .. }]));
    assert_eq!(lab.stack.poll_timeout(), None);
}

#[test]
fn what_is_too_large_for_a_datagram_goes_by_tcp_and_as_a_datagram_when_tcp_is_refused() {
    let mut lab = Lab::new();
    lab.trunk(|trunk| trunk.destination = FIRST.parse().unwrap());
    lab.call(&[b'x'; 1300]);
    let (hop, invite) = lab.last().clone();
    assert_eq!((hop.transport, hop.remote), (Transport::Tcp, FIRST.parse().unwrap()));
    assert_eq!(invite.via().transport(), b"TCP");
    lab.stack.handle_unreachable(lab.now, hop);
    lab.drain();
    let (hop, again) = lab.last().clone();
    assert_eq!(hop.transport, Transport::Udp);
    assert_eq!(again.via().transport(), b"UDP");
    assert_ne!(branch(&invite), branch(&again));
    lab.answer(200, "Contact: <sip:far@192.0.2.11:5070>\r\n");
    assert_eq!(lab.took("ACK"), ["UDP 192.0.2.11:5070"]);
}

#[test]
fn requests_in_a_dialog_go_where_its_contact_says_by_name_and_transport() {
    for (contact, place) in [
        ("sip:gw@b.carrier.example:5090", "UDP 192.0.2.12:5090"),
        ("sip:gw@192.0.2.99:5090;transport=tcp", "TCP 192.0.2.99:5090"),
        ("sips:gw@192.0.2.99", "TLS 192.0.2.99:5061"),
        ("sip:gw@unknown.example:5090", "UDP 192.0.2.11:5070"),
    ] {
        let mut lab = Lab::new();
        let call = lab.call(b"v=0");
        lab.answer(200, &format!("Contact: <{contact}>\r\n"));
        assert_eq!(lab.took("ACK"), [place], "{contact}");
        lab.stack.hangup(lab.now, call, Cause::HungUp, model::Side::Agent);
        lab.drain();
        assert_eq!(lab.took("BYE"), [place], "{contact}");
    }
}

#[test]
fn tls_is_asked_for_by_name_and_the_shell_learns_whose_certificate_is_wanted() {
    let mut lab = Lab::new();
    lab.trunk(|trunk| trunk.transport = Some(Transport::Tls));
    lab.call(b"v=0");
    let (hop, invite) = lab.last();
    assert_eq!((hop.transport, hop.remote), (Transport::Tls, FIRST.parse().unwrap()));
    assert_eq!(invite.header(Name::Contact), Some(&b"<sip:198.51.100.1:5061;transport=tls>"[..]));
    assert_eq!(lab.expected, [(FIRST.parse().unwrap(), "carrier.example".to_owned())]);
}

#[test]
fn a_trunk_that_names_a_listener_leaves_from_that_one_only() {
    let mut lab = Lab::new();
    lab.trunk(|trunk| trunk.listener = Some("six".into()));
    lab.call(b"v=0");
    assert_eq!(lab.took("INVITE"), ["UDP [2001:db8::12]:5070"]);
}

#[test]
fn a_peer_that_proved_its_name_is_its_trunk_whatever_its_address() {
    let mut lab = Lab::new();
    lab.trunk(|trunk| trunk.tls_name = Some("edge.carrier.example".into()));
    let connection = crate::api::ConnectionId(9);
    let hop = Hop {
        transport: Transport::Tls,
        local: "198.51.100.1:5061".parse().unwrap(),
        remote: "203.0.113.5:40000".parse().unwrap(),
        connection: Some(connection),
    };
    let invite = |branch: &str| {
        format!(
            "INVITE sip:1@tandem.example SIP/2.0\r\nVia: SIP/2.0/TLS x;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: <sip:2@x>;tag=1\r\n\
             To: <sip:1@tandem.example>\r\nCall-ID: {branch}\r\nCSeq: 1 INVITE\r\nContact: <sip:2@203.0.113.5;transport=tls>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    lab.stack.handle_packet(lab.now, hop, invite("a").as_bytes());
    lab.drain();
    assert_eq!(lab.last().1.status(), Some(401), "unproved");
    lab.stack.handle_connection_opened(connection, vec!["edge.carrier.example".into()]);
    lab.stack.handle_packet(lab.now, hop, invite("b").as_bytes());
    lab.drain();
    assert!(matches!(&lab.events[..], [Event::Incoming(_)]));
    lab.stack.handle_connection_closed(lab.now, connection);
    lab.drain();
    lab.stack.handle_packet(lab.now, hop, invite("c").as_bytes());
    lab.drain();
    assert_eq!(lab.last().1.status(), Some(401), "the proof ends with the connection");
}

#[test]
fn each_place_of_a_trunk_has_its_time_before_the_call_is_lost() {
    let mut lab = Lab::new();
    let patience = Duration::from_secs(2);
    let call = lab.call_within(b"v=0", Some(patience));
    let places =
        ["UDP 192.0.2.11:5070", "UDP 192.0.2.12:5070", "UDP [2001:db8::12]:5070", "TLS 192.0.2.11:5070"];
    for place in places {
        lab.pass(patience - Duration::from_millis(1));
        let mut tried = lab.took("INVITE");
        tried.dedup();
        assert_eq!(tried, [place]);
        assert!(lab.events.is_empty());
        lab.pass(Duration::from_millis(1));
    }
    assert!(lab.took("INVITE").is_empty());
    let [Event::Ended { call: ended, ending }] = &lab.events[..] else { panic!("{:?}", lab.events) };
    assert_eq!((*ended, ending.cause, ending.sip_status), (call, Cause::Lost, Some(408)));
}

#[test]
fn a_registration_goes_to_the_next_server_of_the_name_too() {
    let mut lab = Lab::new();
    lab.trunk(|trunk| {
        let password = Secret::new("sesame");
        trunk.account = Some(Account { username: "4950".into(), password, realm: None });
        trunk.registration = Some(Registration { user: "4950".into(), expires: Duration::from_secs(600) });
    });
    lab.pass(Duration::from_secs(4));
    let mut tried = lab.took("REGISTER");
    tried.dedup();
    assert_eq!(tried, [format!("UDP {FIRST}")]);
    lab.pass(Duration::from_secs(1));
    let (hop, register) = lab.last();
    assert_eq!(hop.remote, SECOND.parse().unwrap());
    assert_eq!(register.text(Name::Contact).as_deref(), Some("<sip:4950@198.51.100.1:5060>"));
    assert_eq!(lab.took("REGISTER").len(), 1);
}

// --- challenged, and then not served ---

const CHALLENGE: &str = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5\r\n";

fn with_account() -> Lab {
    let mut lab = Lab::new();
    lab.trunk(|trunk| {
        let password = crate::api::Secret::new("sesame");
        trunk.account = Some(crate::api::Account { username: "4950000".to_owned(), password, realm: None });
    });
    lab
}

#[test]
fn a_challenged_invite_still_goes_to_the_other_places() {
    type Failing = fn(&mut Lab);
    let fails: [(&str, Failing); 3] = [
        ("503", |lab| lab.answer(503, "")),
        ("silence", |lab| lab.pass(Duration::from_millis(5100))),
        ("unreachable", |lab| {
            let hop = lab.last().0;
            lab.stack.handle_unreachable(lab.now, hop);
            lab.drain();
        }),
    ];
    for (how, fail) in fails {
        let mut lab = with_account();
        let call = lab.call(b"v=0");
        lab.answer(407, CHALLENGE);
        let (hop, proved) = lab.last().clone();
        assert_eq!(hop.remote, FIRST.parse().unwrap());
        assert!(proved.header(Name::ProxyAuthorization).is_some());
        fail(&mut lab);
        let (hop, second) = lab.last().clone();
        assert_eq!((hop.remote, lab.events.len()), (SECOND.parse().unwrap(), 0), "{how}");
        assert_eq!(second.header(Name::ProxyAuthorization), None, "the other one asks for itself");
        assert_eq!((second.call_id(), second.cseq().number), (proved.call_id(), proved.cseq().number));
        assert_eq!(second.contact().unwrap().unwrap().uri().raw(), format!("sip:{OWN}").as_bytes());
        assert_eq!((second.body(), second.max_forwards()), (proved.body(), proved.max_forwards()));
        lab.answer(407, CHALLENGE);
        let (hop, again) = lab.last().clone();
        assert_eq!(hop.remote, SECOND.parse().unwrap(), "it is answered there as well");
        assert!(again.header(Name::ProxyAuthorization).is_some());
        // And on to the last of them.
        lab.answer(503, "");
        assert_eq!(lab.last().0.remote, "[2001:db8::12]:5070".parse().unwrap());
        assert_eq!(
            lab.last().1.header(Name::Contact),
            Some(&b"<sip:six.tandem.example:5060>"[..]),
            "each place has the Contact that it can reach"
        );
        lab.answer(200, "Contact: <sip:far@192.0.2.12:5070>\r\n");
        assert!(matches!(&lab.events[..], [Event::Answered { call: answered, .. }] if *answered == call));
    }
}

#[test]
fn a_challenged_registration_still_goes_to_the_other_places() {
    let mut lab = with_account();
    lab.trunk(|trunk| {
        trunk.account = Some(crate::api::Account {
            username: "4950000".to_owned(),
            password: crate::api::Secret::new("sesame"),
            realm: None,
        });
        trunk.registration =
            Some(crate::api::Registration { user: "4950000".to_owned(), expires: Duration::from_secs(600) });
    });
    lab.stack.handle_timeout(lab.now);
    lab.drain();
    let reply = |lab: &mut Lab, status: u16, header: Option<(Name, &str)>| {
        let (hop, register) = lab.last().clone();
        let mut answer = register.response(status, None, hop.remote, Some("far"));
        if let Some((name, value)) = header {
            answer = answer.header(name, value);
        }
        lab.stack.handle_packet(lab.now, hop, &answer.finish());
        lab.drain();
    };
    let challenge = "Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5";
    reply(&mut lab, 401, Some((Name::WwwAuthenticate, challenge)));
    reply(&mut lab, 503, None);
    assert_eq!(lab.last().0.remote, SECOND.parse().unwrap());
    assert_eq!(lab.last().1.header(Name::Authorization), None);
    reply(&mut lab, 401, Some((Name::WwwAuthenticate, challenge)));
    assert!(lab.last().1.header(Name::Authorization).is_some());
    reply(&mut lab, 200, Some((Name::Expires, "600")));
    let state = lab.stack.trunk_states().next().unwrap();
    assert!(matches!(state.registration, crate::api::RegistrationState::Registered { .. }), "{state:?}");
}
