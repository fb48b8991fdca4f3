use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use model::{Cause, Ending, Now, Side};

use super::{Front, FrontOutput, MOST_SHARDS, Order, Placement, Report, Shard, ShardId, ShardOutput};
use crate::api::{
    CallId, Event, Hop, IncomingCall, LookupId, OutgoingCall, Output, Rejection, Target, Transport,
    UserLimits,
};
use crate::digest::{self, Algorithm};
use crate::inspect::{Table, Topic};
use crate::message::{Message, Method, Name};
use crate::testing;
use crate::tests::solo::{CARRIER, LOCAL, PHONE, Request, credential, label, udp};

const SEED: [u8; 32] = [7; 32];

/// A front and its stacks. The post between them waits until it is delivered.
struct Cluster {
    now: Now,
    front: Front,
    placement: Placement,
    shards: Vec<Shard>,
    orders: VecDeque<(ShardId, Order)>,
    reports: VecDeque<Report>,
    sent: Vec<(Hop, Message)>,
    events: Vec<Event>,
    rejections: Vec<Rejection>,
    tables: Vec<Table>,
    branches: u32,
}

impl Cluster {
    fn new(shards: u8, max_calls: usize) -> Self {
        let now = testing::start();
        let mut config = testing::config("tandem.example", Transport::Udp, LOCAL.parse().unwrap(), 7);
        (config.shards, config.max_calls) = (shards, max_calls);
        let placement = Placement::new(shards, SEED);
        let stacks = placement.shards().map(|id| Shard::new(config.clone(), id)).collect();
        let mut front = Front::new(now, config);
        front.set_trunks(vec![testing::trunk("carrier", CARRIER.parse().unwrap(), Transport::Udp)]);
        front.set_credential(credential("anna", "anna", false));
        let mut cluster = Self {
            now,
            front,
            placement,
            shards: stacks,
            orders: VecDeque::new(),
            reports: VecDeque::new(),
            sent: Vec::new(),
            events: Vec::new(),
            rejections: Vec::new(),
            tables: Vec::new(),
            branches: 0,
        };
        cluster.deliver();
        cluster
    }

    fn put_out(&mut self, output: Output) {
        match output {
            Output::Transmit { hop, bytes } => self.sent.push((hop, Message::parse(&bytes).unwrap())),
            Output::Event(event) => self.events.push(event),
            Output::Rejected { why, .. } => self.rejections.push(why),
            Output::CloseConnection(_)
            | Output::Watch { .. }
            | Output::Binding(_)
            | Output::Authenticated { .. }
            | Output::Lookup { .. }
            | Output::Expect { .. } => {}
        }
    }

    /// Takes what has been put out; nothing reaches anybody.
    fn drain(&mut self) {
        while let Some(output) = self.front.poll_output() {
            match output {
                FrontOutput::Stack(output) => self.put_out(output),
                FrontOutput::Order(shard, order) => self.orders.push_back((shard, order)),
                FrontOutput::Inspected { request: 9, table } => self.tables.push(table),
                FrontOutput::Inspected { request, .. } => panic!("nobody asked {request}"),
            }
        }
        for index in 0..self.shards.len() {
            while let Some(output) = self.shards[index].poll_output() {
                match output {
                    ShardOutput::Shell(output) => {
                        assert!(!matches!(output, Output::Event(_)), "{output:?}");
                        self.put_out(output);
                    }
                    ShardOutput::Report(report) => self.reports.push_back(report),
                }
            }
        }
    }

    /// Delivers all post, and what comes of it.
    fn deliver(&mut self) {
        loop {
            self.drain();
            if let Some((shard, order)) = self.orders.pop_front() {
                self.shards[usize::from(shard.0) - 1].handle_order(self.now, order);
            } else if let Some(report) = self.reports.pop_front() {
                self.front.handle_report(self.now, report);
            } else {
                return;
            }
        }
    }

    /// Hands a message to whom it belongs; what is said of it stays in the post.
    fn hand(&mut self, hop: Hop, bytes: &[u8]) -> ShardId {
        let shard = self.placement.of_message(bytes);
        match shard {
            ShardId::HOME => self.front.handle_packet(self.now, hop, bytes),
            ShardId(n) => self.shards[usize::from(n) - 1].handle_packet(self.now, hop, bytes),
        }
        self.drain();
        shard
    }

    fn send(&mut self, hop: Hop, request: &Request) -> ShardId {
        self.branches += 1;
        let branch = request.branch.clone().unwrap_or_else(|| format!("z9hG4bKtheirs{}", self.branches));
        self.hand(hop, request.text(hop, &branch).as_bytes())
    }

    fn run(&mut self, span: Duration) {
        let end = self.now.instant + span;
        loop {
            self.deliver();
            let next =
                self.shards.iter().filter_map(Shard::poll_timeout).chain(self.front.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.after(next.saturating_since(self.now.instant));
            self.front.handle_timeout(self.now);
            self.shards.iter_mut().for_each(|shard| shard.handle_timeout(self.now));
        }
        self.now = self.now.after(end.saturating_since(self.now.instant));
    }

    fn labels(&mut self) -> Vec<String> {
        self.sent.drain(..).map(|(_, message)| label(&message)).collect()
    }

    /// Whether each 503 says when to come again.
    fn says_when_to_retry(&self) -> bool {
        let mut refusals = self.sent.iter().filter(|(_, message)| message.status() == Some(503));
        refusals.all(|(_, refusal)| refusal.header(Name::RetryAfter).is_some())
    }

    fn take(&mut self, wanted: &str) -> Message {
        let at = self.sent.iter().position(|(_, message)| label(message) == wanted);
        let at = at.unwrap_or_else(|| panic!("no {wanted} among {:?}", self.labels()));
        self.sent.remove(at).1
    }

    fn incoming(&mut self) -> IncomingCall {
        match self.events.pop() {
            Some(Event::Incoming(call)) => call,
            other => panic!("{other:?}"),
        }
    }

    /// A call of the carrier's that is up; our To value, too.
    fn established(&mut self, call_id: &str) -> (CallId, String) {
        self.send(udp(CARRIER), &Request::invite().call_id(call_id));
        self.deliver();
        let call = self.incoming().call;
        self.front.answer(self.now, call, b"v=0 answer".to_vec());
        self.deliver();
        let ok = self.take("200 INVITE");
        let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
        let mut ack = Request::new("ACK").to(&to).call_id(call_id);
        ack.from = Request::invite().from;
        self.send(udp(CARRIER), &ack);
        self.deliver();
        self.sent.clear();
        assert!(matches!(self.events.pop(), Some(Event::Confirmed { .. })));
        (call, to)
    }

    /// An INVITE of this account with the answer to its challenge; not handed over.
    fn authorized(&mut self, user: &str, call_id: &str, number: &str) -> Request {
        let mut invite = Request::invite().call_id(call_id);
        invite.uri = format!("sip:{number}@tandem.example");
        invite.from = format!("<sip:{user}@tandem.example>;tag=their-tag");
        self.send(udp(PHONE), &invite);
        let challenge = self.take("401 INVITE");
        let challenge = challenge
            .credentials(Name::WwwAuthenticate)
            .find(|challenge| Algorithm::of(challenge) == Some(Algorithm::Sha256))
            .unwrap();
        let answer =
            digest::answer(&challenge, &Method::Invite, &invite.uri, user, "secret", "cnonce", 1).unwrap();
        invite.with(&format!("Authorization: {answer}")).cseq(2)
    }

    /// Two Call-IDs that lead to different stacks.
    fn apart(&self) -> (String, String) {
        let place = |name: &String| self.placement.of_call_id(name.as_bytes());
        let mut names = (0..).map(|n| format!("call-{n}"));
        let one = names.next().unwrap();
        let other = names.find(|name| place(name) != place(&one)).unwrap();
        (one, other)
    }
}

fn out() -> OutgoingCall {
    OutgoingCall {
        target: Target::Trunk { name: "carrier".to_owned(), number: "+15550100".to_owned() },
        caller: "100".to_owned(),
        caller_name: None,
        identity: Default::default(),
        sdp: b"v=0 offer".to_vec(),
        headers: Vec::new(),
        ring_timeout: Duration::from_secs(20),
        silence: None,
        options: Default::default(),
    }
}

fn ended(event: Option<Event>) -> (CallId, Cause, Side) {
    match event {
        Some(Event::Ended { call, ending }) => (call, ending.cause, ending.by),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_begins_a_call_and_what_is_about_it_lead_to_the_same_stack() {
    let placement = Placement::new(MOST_SHARDS, SEED);
    let place = |request: &Request| placement.of_message(request.text(udp(CARRIER), "z9hG4bKx").as_bytes());
    let mut met = BTreeSet::new();
    for n in 0..400 {
        let call_id = format!("call-{n}");
        let of = |method| place(&Request::new(method).call_id(&call_id));
        let shard = of("INVITE");
        assert!(shard != ShardId::HOME && shard.0 <= MOST_SHARDS);
        assert_eq!((of("CANCEL"), of("ACK")), (shard, shard));
        for method in ["REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE"] {
            assert_eq!(of(method), ShardId::HOME, "{method}");
        }
        met.insert(shard);
    }
    assert_eq!(met.len(), usize::from(MOST_SHARDS), "all have some");
    let one = Placement::new(0, SEED);
    assert_eq!(one.of_message(Request::invite().text(udp(CARRIER), "z9hG4bKx").as_bytes()), ShardId::HOME);
    assert_eq!(placement.of_message(b"\r\n\r\n"), ShardId::HOME);
    assert_eq!(LookupId(ShardId(3).base() | 5).shard(), ShardId(3));
    assert_eq!(
        (CallId(ShardId(3).base() | 5).to_string(), CallId(5).to_string()),
        ("3/5".into(), "5".into())
    );
}

#[test]
fn a_tag_that_we_never_made_leads_nowhere_else() {
    let placement = Placement::new(2, SEED);
    let place = |tag: &str| {
        let request = Request::new("BYE").to(&format!("<sip:200@tandem.example>;tag={tag}"));
        placement.of_message(request.text(udp(CARRIER), "z9hG4bKx").as_bytes())
    };
    assert_eq!([place("g00"), place("h00")], [ShardId(1), ShardId(2)]);
    for tag in ["i00", "v00", "z00", "", "~", "0g"] {
        assert_eq!(place(tag), ShardId::HOME, "{tag}");
    }
}

#[test]
fn a_replaces_that_names_a_stack_that_is_not_there_asks_nobody() {
    let mut cluster = Cluster::new(2, 100);
    let (call, to) = cluster.established("call");
    let firsts = (b'!'..=b'~').map(char::from).filter(|first| first.is_ascii_alphanumeric() || *first == '~');
    for (n, first) in firsts.enumerate() {
        let invite = replacing(&format!("call-{n}"), "x", &format!("x;tag={first}abc"));
        cluster.send(udp(CARRIER), &invite);
        // Whoever is asked is there, else this panics.
        cluster.deliver();
        assert_eq!(cluster.take("481 INVITE").status(), Some(481), "{first}");
        assert!(cluster.events.is_empty(), "{first}: {:?}", cluster.events);
        cluster.sent.clear();

        let refer_to = format!("Refer-To: <sip:x@192.0.2.1?Replaces=x%3Bto-tag%3D{first}abc%3Bfrom-tag%3Dy>");
        let refer = crate::tests::solo::Solo::within("REFER", &to, 2 + n as u32)
            .call_id("call")
            .with(&refer_to)
            .with("Contact: <sip:+15550100@198.51.100.1>");
        cluster.send(udp(CARRIER), &refer);
        cluster.deliver();
        let Some(Event::Refer { referral, .. }) = cluster.events.pop() else { panic!("{first}") };
        let named = format!("x;to-tag={first}abc;from-tag=y").into_bytes();
        assert_eq!((referral.replaces, referral.replaces_elsewhere), (None, Some(named)), "as it is");
        cluster.front.reject_refer(cluster.now, call, 603);
        cluster.deliver();
        cluster.sent.clear();
    }
    assert_eq!(cluster.front.counts().calls, 1);
}

#[test]
fn a_call_lives_on_its_stack_and_its_other_leg_beside_it() {
    let mut cluster = Cluster::new(3, 100);
    for n in 0..20 {
        let call_id = format!("call-{n}");
        let shard = cluster.send(udp(CARRIER), &Request::invite().call_id(&call_id));
        cluster.deliver();
        let incoming = cluster.incoming();
        assert_eq!((incoming.call.shard(), cluster.labels()), (shard, vec!["100 INVITE".to_owned()]));
        assert_eq!(cluster.front.sip_call_id(incoming.call), Some(call_id.clone()));
        let other = cluster.front.invite(cluster.now, out(), Some(incoming.call)).unwrap();
        cluster.deliver();
        assert_eq!(other.shard(), shard, "both legs");
        let invite = cluster.take("INVITE");
        assert_eq!(cluster.front.sip_call_id(other).unwrap().as_bytes(), invite.call_id());
        assert_eq!(
            cluster.placement.of_message(invite.bytes()),
            shard,
            "it would come back to the same stack"
        );
        let ringing = invite.response(180, None, CARRIER.parse().unwrap(), Some("t")).finish();
        assert_eq!(cluster.hand(udp(CARRIER), &ringing), shard);
        cluster.deliver();
        assert!(matches!(cluster.events.pop(), Some(Event::Ringing { call, .. }) if call == other));
        cluster.front.hangup(cluster.now, incoming.call, Cause::HungUp, Side::Agent);
        cluster.front.hangup(cluster.now, other, Cause::HungUp, Side::Agent);
        cluster.deliver();
        assert_eq!(cluster.labels(), ["480 INVITE", "CANCEL"]);
        assert_eq!(cluster.events.drain(..).count(), 2, "an end each");
    }
    assert_eq!(
        cluster.front.trunk_states().next().map(|trunk| (trunk.calls, trunk.figures.calls_in)),
        Some((0, 20))
    );
    cluster.run(Duration::from_secs(70));
    assert!(cluster.shards.iter().all(|shard| shard.counts() == Default::default()));
}

#[test]
fn what_crosses_the_end_of_a_call_is_not_told() {
    let mut cluster = Cluster::new(2, 100);
    let (call, to) = cluster.established("call");
    // The peer's BYE is in the post when the owner hangs up.
    cluster.send(udp(CARRIER), &crate::tests::solo::Solo::within("BYE", &to, 2).call_id("call"));
    assert_eq!(cluster.labels(), ["200 BYE"]);
    cluster.front.hangup(cluster.now, call, Cause::Completed, Side::Agent);
    cluster.deliver();
    assert_eq!(cluster.events.len(), 1);
    assert_eq!(ended(cluster.events.pop()), (call, Cause::Completed, Side::Agent));
    assert!(cluster.sent.is_empty(), "it had ended: no BYE of ours");
    cluster.front.answer(cluster.now, call, Vec::new());
    cluster.deliver();
    assert!(cluster.sent.is_empty() && cluster.events.is_empty());
}

#[test]
fn a_one_time_credential_makes_one_call_on_whichever_stacks_it_is_tried() {
    let mut cluster = Cluster::new(2, 100);
    cluster.front.set_credential(credential("guest", "guest", true));
    cluster.deliver();
    let (one, other) = cluster.apart();
    let (one, other) = (cluster.authorized("guest", &one, "200"), cluster.authorized("guest", &other, "200"));
    let places = [cluster.send(udp(PHONE), &one), cluster.send(udp(PHONE), &other)];
    assert_ne!(places[0], places[1]);
    cluster.deliver();
    assert_eq!(
        cluster.incoming().peer,
        crate::api::Peer::User { aor: "guest".into(), username: "guest".into() }
    );
    assert!(cluster.events.is_empty());
    assert_eq!(cluster.labels(), ["100 INVITE", "100 INVITE", "403 INVITE"]);
    cluster.send(udp(PHONE), &one.clone().cseq(3));
    assert_eq!(cluster.labels(), ["403 INVITE"], "there is no such account any more");
}

#[test]
fn what_a_user_may_do_is_counted_over_all_stacks() {
    let mut cluster = Cluster::new(4, 100);
    let denied = vec!["900".to_owned()];
    cluster.front.set_user_limits(UserLimits { calls: 2, denied, ..UserLimits::default() });
    let mut calls = Vec::new();
    for n in 0..4 {
        let invite = cluster.authorized("anna", &format!("call-{n}"), "200");
        cluster.send(udp(PHONE), &invite);
        cluster.deliver();
        calls.append(&mut cluster.events);
    }
    assert_eq!(calls.len(), 2);
    assert!(cluster.says_when_to_retry());
    let refused = cluster.labels().iter().filter(|label| *label == "503 INVITE").count();
    assert_eq!((refused, cluster.rejections.iter().filter(|why| **why == Rejection::Limit).count()), (2, 2));
    let Event::Incoming(first) = &calls[0] else { panic!() };
    cluster.front.reject(cluster.now, first.call, 486, None);
    cluster.deliver();
    cluster.events.clear();
    cluster.labels();
    let invite = cluster.authorized("anna", "call-9", "200");
    cluster.send(udp(PHONE), &invite);
    cluster.deliver();
    assert_eq!(cluster.incoming().call.shard(), cluster.placement.of_call_id(b"call-9"), "one has ended");
    let invite = cluster.authorized("anna", "call-10", "900123");
    cluster.send(udp(PHONE), &invite);
    cluster.deliver();
    assert_eq!(cluster.take("403 INVITE").status(), Some(403));
    assert!(cluster.events.is_empty());
}

#[test]
fn so_many_calls_as_may_be_are_counted_over_all_stacks() {
    let mut cluster = Cluster::new(4, 3);
    // All at once: no stack knows of the others' calls.
    for n in 0..6 {
        cluster.send(udp(CARRIER), &Request::invite().call_id(&format!("call-{n}")));
    }
    cluster.deliver();
    assert_eq!((cluster.events.len(), cluster.front.counts().calls), (3, 3));
    assert!(cluster.says_when_to_retry());
    assert_eq!(cluster.labels().iter().filter(|label| *label == "503 INVITE").count(), 3);
    // From now on each knows that there is no room, and keeps nothing of who comes.
    let before: usize = cluster.shards.iter().map(|shard| shard.counts().transactions).sum();
    cluster.send(udp(CARRIER), &Request::invite().call_id("call-7"));
    assert_eq!(cluster.labels(), ["503 INVITE"]);
    assert_eq!(cluster.shards.iter().map(|shard| shard.counts().transactions).sum::<usize>(), before);
    let Some(Event::Incoming(last)) = cluster.events.pop() else { panic!() };
    cluster.front.reject(cluster.now, last.call, 486, None);
    cluster.deliver();
    cluster.labels();
    cluster.events.clear();
    cluster.send(udp(CARRIER), &Request::invite().call_id("call-8"));
    cluster.deliver();
    assert_eq!(cluster.labels(), ["100 INVITE"]);
}

/// An INVITE that takes the place of the call whose To value is `to`, as its peer's colleague would send it.
fn replacing(call_id: &str, replaced: &str, to: &str) -> Request {
    let tag = to.rsplit_once("tag=").unwrap().1;
    Request::invite().call_id(call_id).with(&format!("Replaces: {replaced};to-tag={tag};from-tag=their-tag"))
}

#[test]
fn an_invite_takes_the_place_of_a_call_that_another_stack_has() {
    let mut cluster = Cluster::new(2, 100);
    let (one, other) = cluster.apart();
    let (call, to) = cluster.established(&one);
    let shard = cluster.send(udp(CARRIER), &replacing(&other, &one, &to));
    assert_ne!(shard, call.shard());
    cluster.deliver();
    let incoming = cluster.incoming();
    assert_eq!((incoming.call.shard(), incoming.replaces), (shard, Some(call)));
    cluster.labels();

    // One that no stack has, one that has ended for its owner, and one that is answered but asked for as early.
    cluster.send(udp(CARRIER), &replacing(&format!("{other}-b"), &one, "x;tag=g00"));
    cluster.send(udp(CARRIER), &replacing(&format!("{other}-c"), &one, "x;tag=00"));
    cluster.deliver();
    assert_eq!(cluster.labels().iter().filter(|label| *label == "481 INVITE").count(), 2);
    let early = replacing(&format!("{other}-d"), &format!("{one};early-only"), &to);
    cluster.send(udp(CARRIER), &early);
    cluster.deliver();
    assert!(cluster.labels().contains(&"486 INVITE".to_owned()));
    assert!(cluster.events.is_empty(), "{:?}", cluster.events);
    cluster.front.hangup(cluster.now, call, Cause::HungUp, Side::Agent);
    cluster.drain();
    cluster.events.clear();
    cluster.send(udp(CARRIER), &replacing(&format!("{other}-e"), &one, &to));
    cluster.deliver();
    assert!(cluster.labels().contains(&"603 INVITE".to_owned()));
    assert!(cluster.events.is_empty(), "{:?}", cluster.events);
}

#[test]
fn who_gives_up_while_it_is_asked_whom_he_replaces_never_was() {
    let mut cluster = Cluster::new(2, 100);
    let (one, other) = cluster.apart();
    let (_, to) = cluster.established(&one);
    let invite = replacing(&other, &one, &to).branch("z9hG4bKgiven-up");
    cluster.send(udp(CARRIER), &invite);
    let mut cancel = Request::new("CANCEL").call_id(&other).branch("z9hG4bKgiven-up");
    cancel.from = Request::invite().from;
    // The front has the INVITE and asks; the CANCEL is there before the answer.
    let report = cluster.reports.pop_front().unwrap();
    cluster.front.handle_report(cluster.now, report);
    cluster.send(udp(CARRIER), &cancel);
    let gone = cluster.reports.pop_front().unwrap();
    cluster.front.handle_report(cluster.now, gone);
    assert!(cluster.events.is_empty(), "nobody is told yet");
    cluster.deliver();
    assert_eq!(cluster.labels(), ["100 INVITE", "200 CANCEL", "487 INVITE"]);
    let [Event::Incoming(incoming), Event::Ended { call, ending }] = cluster.events.as_slice() else {
        panic!("{:?}", cluster.events)
    };
    assert_eq!((incoming.call, ending.cause), (*call, Cause::Cancelled), "in their order");
}

#[test]
fn a_refer_joins_calls_of_different_stacks() {
    let mut cluster = Cluster::new(2, 100);
    let (one, other) = cluster.apart();
    let ((consults, to), (held, held_to)) = (cluster.established(&one), cluster.established(&other));
    assert_ne!(consults.shard(), held.shard());
    let tag = held_to.rsplit_once("tag=").unwrap().1;
    let refer_to =
        format!("Refer-To: <sip:x@192.0.2.1?Replaces={other}%3Bto-tag%3D{tag}%3Bfrom-tag%3Dtheir-tag>");
    let refer = crate::tests::solo::Solo::within("REFER", &to, 2)
        .call_id(&one)
        .with(&refer_to)
        .with("Contact: <sip:+15550100@198.51.100.1>");
    cluster.send(udp(CARRIER), &refer);
    cluster.deliver();
    let Some(Event::Refer { call, referral }) = cluster.events.pop() else { panic!() };
    assert_eq!((call, referral.replaces, referral.replaces_elsewhere), (consults, Some(held), None));
    cluster.front.accept_refer(cluster.now, consults);
    cluster.deliver();
    assert_eq!(cluster.labels(), ["202 REFER", "NOTIFY"]);
}

#[test]
fn a_person_sees_the_calls_of_all_stacks() {
    let mut cluster = Cluster::new(3, 100);
    for n in 0..9 {
        cluster.established(&format!("call-{n}"));
    }
    cluster.front.inspect(cluster.now, 9, Topic::Dialogs, 100);
    cluster.deliver();
    assert_eq!(cluster.tables.pop().map(|table| (table.rows.len(), table.left_out)), Some((9, 0)));
    cluster.front.inspect(cluster.now, 9, Topic::Dialogs, 4);
    cluster.deliver();
    assert_eq!(cluster.tables.pop().map(|table| (table.rows.len(), table.left_out)), Some((4, 5)));
    cluster.front.inspect(cluster.now, 9, Topic::Trunks, 100);
    cluster.drain();
    assert_eq!(cluster.tables.pop().map(|table| table.rows.len()), Some(1), "nobody else has to be asked");
}

#[test]
fn what_is_set_up_holds_for_every_stack() {
    let mut cluster = Cluster::new(2, 100);
    let (one, other) = cluster.apart();
    cluster.front.remove_credential("anna");
    cluster.front.set_draining(true);
    cluster.deliver();
    for call_id in [&one, &other] {
        cluster.send(udp(CARRIER), &Request::invite().call_id(call_id));
        assert_eq!(cluster.labels(), ["503 INVITE"], "new calls of carriers");
    }
    cluster.front.set_draining(false);
    cluster.front.set_trunks(Vec::new());
    cluster.deliver();
    for call_id in [&one, &other] {
        cluster.send(udp(CARRIER), &Request::invite().call_id(call_id));
        assert_eq!(cluster.labels(), ["401 INVITE"], "no carrier any more");
    }
}

#[test]
fn a_carrier_that_fails_is_counted_wherever_the_call_was() {
    let mut cluster = Cluster::new(2, 100);
    for _ in 0..4 {
        let call = cluster.front.invite(cluster.now, out(), None).unwrap();
        cluster.deliver();
        let invite = cluster.take("INVITE");
        let busy = invite.response(500, None, CARRIER.parse().unwrap(), Some("t")).finish();
        cluster.hand(udp(CARRIER), &busy);
        cluster.deliver();
        let Some(Event::Ended { call: over, ending }) = cluster.events.pop() else { panic!() };
        assert_eq!((over, ending.sip_status), (call, Some(500)));
        assert_eq!(ending, Ending::with_status(Cause::Refused, Side::Carrier, 500));
    }
    let trunk = cluster.front.trunk_states().next().unwrap();
    assert_eq!((trunk.calls, trunk.figures.calls_out, trunk.figures.failures), (0, 4, 4));
}
