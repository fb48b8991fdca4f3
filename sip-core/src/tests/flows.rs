//! Connections that lead back to phones, and ours to carriers. RFC 5626

use std::time::Duration;

use super::calling::outgoing;
use super::solo::{PHONE, Request, Solo, label, text, udp, ws};
use super::trunks::{registering, tick, with};
use crate::api::{BindingChange, ConnectionId, Event, Hop, RegistrationState, Target, Transport, Trunk};
use crate::frame::{Frame, Framer, PONG};
use crate::message::{Message, Name};

const SECOND: Duration = Duration::from_secs(1);
const WATCHED: Option<Duration> = Some(Duration::from_secs(140));
const EDGE: &str = "203.0.113.99:5060";

fn tcp(remote: &str, connection: u64) -> Hop {
    Hop { transport: Transport::Tcp, ..ws(remote, connection) }
}

/// A phone's flow.
fn flow(id: u32) -> Request {
    let contact = format!("<sip:anna@203.0.113.7:5062;ob>;+sip.instance=\"<urn:uuid:1>\";reg-id={id}");
    Request::register("anna", &contact).with("Supported: path, outbound")
}

fn registered(solo: &mut Solo, hop: Hop, request: Request) -> (Message, Vec<crate::api::Binding>) {
    let ok = solo.ask_as(hop, request, "anna", "secret");
    let new = solo.happened().into_iter().filter_map(|event| match event {
        Event::Registered(binding) => Some(binding),
        _ => None,
    });
    (ok, new.collect())
}

#[test]
fn a_flow_is_granted_and_must_show_itself() {
    let mut solo = Solo::new();
    let (ok, _) = registered(&mut solo, tcp(PHONE, 5), flow(1));
    assert_eq!(ok.status(), Some(200), "{}", text(&ok));
    assert_eq!(ok.text(Name::Require).as_deref(), Some("outbound"));
    assert_eq!(ok.text(Name::FlowTimer).as_deref(), Some("120"));
    assert_eq!(solo.watched, [(ConnectionId(5), WATCHED)]);
    assert!(text(&ok).contains("reg-id=1"), "{}", text(&ok));
    // We are where its requests go anyway: no Service-Route says so. RFC 3608 §6.1
    assert_eq!(ok.text(Name::ServiceRoute), None);
}

#[test]
fn a_connection_is_watched_no_longer_than_a_flow_is_there() {
    let leave = |id: u32| flow(id).with("Expires: 0");
    let after = |then: &dyn Fn(&mut Solo)| {
        let mut solo = Solo::new();
        solo.stack.set_credential(super::solo::credential("bert", "bert", false));
        registered(&mut solo, tcp(PHONE, 5), flow(1).call_id("flow"));
        assert_eq!(std::mem::take(&mut solo.watched), [(ConnectionId(5), WATCHED)]);
        then(&mut solo);
        std::mem::take(&mut solo.watched)
    };
    let ended = [(ConnectionId(5), None)];
    let signed_off = after(&|solo| {
        let (ok, _) = registered(solo, tcp(PHONE, 5), leave(1).call_id("leave"));
        assert_eq!((ok.status(), ok.text(Name::Require), ok.text(Name::FlowTimer)), (Some(200), None, None));
        assert_eq!(solo.stack.counts().bindings, 0);
        // Said once.
        let plain = Request::register("anna", "<sip:anna@203.0.113.7:5062>").call_id("plain");
        registered(solo, tcp(PHONE, 5), plain);
    });
    assert_eq!(signed_off, ended);
    let without_outbound = after(&|solo| {
        let mut unsaid = flow(1).call_id("unsaid");
        unsaid.extra.pop();
        let (ok, _) = registered(solo, tcp(PHONE, 5), unsaid);
        assert_eq!((ok.status(), solo.stack.counts().bindings), (Some(200), 1));
    });
    assert_eq!(without_outbound, ended);
    let all_gone = after(&|solo| {
        let all = Request::register("anna", "*").with("Expires: 0").call_id("all");
        registered(solo, tcp(PHONE, 5), all);
    });
    assert_eq!(all_gone, ended);
    let other_line = after(&|solo| {
        let bert = Request::register("bert", "<sip:bert@203.0.113.7:5062>").call_id("bert");
        assert_eq!(solo.ask_as(tcp(PHONE, 5), bert, "bert", "secret").status(), Some(200));
        // Nor has another connection anything to do with it.
        registered(solo, tcp(PHONE, 6), flow(2).call_id("second"));
        let elsewhere = Request::register("anna", "<sip:anna@203.0.113.7:5070>").call_id("elsewhere");
        registered(solo, tcp(PHONE, 7), elsewhere);
    });
    assert_eq!(other_line, [(ConnectionId(6), WATCHED)], "the flow is still there");
}

#[test]
fn a_phone_may_name_us_as_its_outbound_proxy() {
    let mut solo = Solo::new();
    let route = "Route: <sip:192.0.2.1:5060;transport=tcp;lr>";
    let (ok, new) = registered(&mut solo, tcp(PHONE, 5), flow(1).with(route));
    assert_eq!((ok.status(), new.len()), (Some(200), 1));
    let mut invite = Request::new("INVITE").with("Contact: <sip:anna@203.0.113.7:5062;ob>").with(route);
    invite.body = Request::invite().body;
    assert_eq!(solo.ask_as(tcp(PHONE, 5), invite, "anna", "secret").status(), Some(100));
    assert!(matches!(solo.event(), Event::Incoming(call) if call.called == "200"));
}

#[test]
fn who_does_not_promise_to_show_himself_need_not() {
    let plain = |request: Request, hop: Hop| {
        let mut solo = Solo::new();
        let (ok, _) = registered(&mut solo, hop, request);
        assert_eq!((ok.status(), ok.text(Name::FlowTimer)), (Some(200), None));
        assert_eq!(solo.watched, []);
        ok.text(Name::Require)
    };
    assert_eq!(plain(Request::register("anna", "<sip:anna@203.0.113.7>"), tcp(PHONE, 5)), None);
    let mut unsaid = flow(1);
    unsaid.extra.pop();
    assert_eq!(plain(unsaid, tcp(PHONE, 5)), None);
    // WebSockets have pings of their own.
    assert_eq!(plain(flow(1), ws(PHONE, 5)).as_deref(), Some("outbound"));
}

#[test]
fn no_flow_is_granted_over_udp_for_we_answer_no_stun_there() {
    let mut solo = Solo::new();
    let (ok, first) = registered(&mut solo, udp(PHONE), flow(1));
    assert_eq!((ok.status(), ok.text(Name::Require), ok.text(Name::FlowTimer)), (Some(200), None, None));
    assert!(!text(&ok).contains("reg-id"), "RFC 5626 §6: {}", text(&ok));
    // The device is known by its instance all the same, whatever it calls its way.
    let mut moved = flow(2).call_id("moved");
    moved.extra[0] = moved.extra[0].replace("5062", "5063");
    let (_, second) = registered(&mut solo, udp("203.0.113.7:5063"), moved.clone());
    assert_eq!(solo.stack.bindings("anna").map(|binding| binding.id).collect::<Vec<_>>(), [second[0].id]);
    assert_eq!((solo.stack.counts().bindings, first.len()), (1, 1));
    // So it is when it changes over to a flow, and back.
    let (ok, third) = registered(&mut solo, tcp(PHONE, 5), flow(1).call_id("changed"));
    assert_eq!(ok.text(Name::Require).as_deref(), Some("outbound"));
    assert_eq!((solo.stack.counts().bindings, third.len()), (1, 1));
    let (_, fourth) = registered(&mut solo, udp("203.0.113.7:5063"), moved.call_id("back"));
    assert_eq!((solo.stack.counts().bindings, fourth.len()), (1, 1));
}

#[test]
fn through_an_edge_datagrams_may_lead_to_a_flow() {
    let mut solo = Solo::new();
    let request = flow(1)
        .with("Via: SIP/2.0/TCP 10.0.0.7;branch=z9hG4bKphone")
        .with("Path: <sip:token@edge.example;lr;ob>");
    let (ok, _) = registered(&mut solo, udp(EDGE), request);
    assert_eq!(ok.text(Name::Require).as_deref(), Some("outbound"));
}

#[test]
fn who_names_a_way_but_does_not_ask_for_outbound_is_remembered_like_others() {
    let mut solo = Solo::new();
    let contact = "<sip:anna@203.0.113.7:5060;transport=tcp>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    let (ok, new) = registered(&mut solo, tcp(PHONE, 5), Request::register("anna", contact));
    assert_eq!((ok.text(Name::Require), new.len()), (None, 1));
    let Some(BindingChange::Put(saved)) = solo.stored.pop() else {
        panic!("it is not bound to its connection")
    };
    assert_eq!((saved.instance.as_deref(), saved.reg_id), (Some("<urn:uuid:1>"), None));
}

#[test]
fn a_phone_may_insist_on_outbound_and_path() {
    let mut solo = Solo::new();
    let (ok, _) = registered(&mut solo, tcp(PHONE, 5), flow(1).with("Require: outbound, path"));
    assert_eq!(ok.status(), Some(200), "{}", text(&ok));
    let refused = solo.ask(udp(super::solo::CARRIER), &Request::invite().with("Require: outbound"));
    assert_eq!(refused.status(), Some(420), "that is a matter of registrations");
}

#[test]
fn through_others_a_flow_needs_an_edge_that_finds_it_again() {
    let through = |path: Option<&str>| {
        let mut solo = Solo::new();
        // RFC 3261 §7.3.1: it comes below ours.
        let mut request = flow(1).with("Via: SIP/2.0/TCP 10.0.0.7;branch=z9hG4bKphone");
        request.extra.extend(path.map(|path| format!("Path: {path}")));
        let (answer, new) = registered(&mut solo, tcp(EDGE, 5), request);
        let silent = answer.text(Name::FlowTimer).is_none() && solo.watched.is_empty();
        assert!(silent, "the edge looks after the connection of the phone");
        (answer.status(), answer.text(Name::Require), new.len())
    };
    let outbound = Some("outbound".to_owned());
    assert_eq!(through(Some("<sip:token@edge.example;lr;ob>")), (Some(200), outbound.clone(), 1));
    let both = "<sip:core.example;lr>, <sip:token@edge.example;lr;ob>";
    assert_eq!(through(Some(both)), (Some(200), outbound, 1));
    let inner = "<sip:core.example;lr;ob>, <sip:edge.example;lr>";
    assert_eq!(through(Some(inner)), (Some(439), None, 0), "the first hop is the last of them");
    assert_eq!(through(None), (Some(439), None, 0));
}

#[test]
fn a_contact_is_called_on_its_connection_and_gone_with_it() {
    let mut solo = Solo::new();
    let (_, new) = registered(&mut solo, tcp(PHONE, 5), flow(1));
    let target = || Target::Binding(new[0].id);
    solo.stack.invite(solo.now, outgoing(target())).unwrap();
    solo.drain();
    let (hop, invite) = solo.sent.remove(0);
    assert_eq!((label(&invite).as_str(), hop), ("INVITE", tcp(PHONE, 5)));
    assert_eq!(solo.stored, [], "nothing of it outlives the connection");
    solo.stack.handle_connection_closed(solo.now, ConnectionId(5));
    assert!(solo.stack.invite(solo.now, outgoing(target())).is_err());
    assert_eq!(solo.stack.counts().bindings, 0);
}

#[test]
fn an_edge_that_has_lost_the_flow_takes_the_contact_with_it_and_another_flow_is_rung() {
    let mut solo = Solo::new();
    let edge = |id: u32| {
        let path = format!("Path: <sip:token{id}@edge.example;lr;ob>");
        flow(id)
            .call_id(&format!("flow-{id}"))
            .with("Via: SIP/2.0/TCP 10.0.0.7;branch=z9hG4bKphone")
            .with(&path)
    };
    let (_, first) = registered(&mut solo, tcp(EDGE, 5), edge(1));
    solo.run(SECOND);
    let (_, second) = registered(&mut solo, tcp(EDGE, 5), edge(2));
    let rung = |solo: &Solo| solo.stack.bindings("anna").map(|binding| binding.id).collect::<Vec<_>>();
    assert_eq!(rung(&solo), [second[0].id]);
    solo.take();
    for status in [486, 430] {
        solo.stack.invite(solo.now, outgoing(Target::Binding(second[0].id))).unwrap();
        let invite = solo.take().remove(0);
        assert_eq!(invite.routes().unwrap().first().unwrap().uri().raw(), b"sip:token2@edge.example;lr;ob");
        solo.reply(tcp(EDGE, 5), &invite, status, "theirs", None);
        solo.take();
    }
    assert_eq!(rung(&solo), [first[0].id], "busy is no reason, a failed flow is");
}

// --- ours ---

const CARRIER_TCP: &str = "198.51.100.1:5060";

/// We have registered over connection 9 with a carrier.
fn by_tcp(more: &[(Name, &str)]) -> Solo {
    let mut solo = with(vec![over_tcp()]);
    tick(&mut solo);
    let register = solo.only();
    answer(&mut solo, &register, 9, more);
    solo
}

fn over_tcp() -> Trunk {
    let address: std::net::SocketAddr = CARRIER_TCP.parse().unwrap();
    Trunk { transport: Some(Transport::Tcp), destination: address.into(), ..registering() }
}

fn answer(solo: &mut Solo, register: &Message, connection: u64, more: &[(Name, &str)]) {
    let hop = tcp(CARRIER_TCP, connection);
    let mut ok = register.response(200, None, hop.remote, Some("theirs")).header(Name::Expires, "600");
    for (name, value) in more {
        ok = ok.header(*name, value);
    }
    solo.raw(hop, &ok.finish());
}

/// Lets time pass until we ping, and says how long that took.
fn ping(solo: &mut Solo) -> Duration {
    let before = solo.now.instant;
    while solo.pings.is_empty() {
        solo.run(SECOND / 10);
        assert!(solo.now.instant.saturating_since(before) < 100 * SECOND, "no ping");
    }
    assert_eq!(solo.pings.pop().unwrap(), tcp(CARRIER_TCP, 9));
    solo.now.instant.saturating_since(before)
}

fn state(solo: &Solo) -> RegistrationState {
    solo.stack.trunk_states().next().unwrap().registration
}

#[test]
fn our_connection_to_a_carrier_is_pinged_and_given_up_when_it_stops_to_answer() {
    let mut solo = by_tcp(&[]);
    let mut spans = Vec::new();
    for _ in 0..4 {
        spans.push(ping(&mut solo));
        solo.raw(tcp(CARRIER_TCP, 9), b"\r\n");
    }
    assert!(spans.iter().all(|span| (25 * SECOND..=96 * SECOND).contains(span)), "{spans:?}");
    assert!(spans.windows(2).any(|pair| pair[0].abs_diff(pair[1]) > SECOND), "at random: {spans:?}");
    solo.take();
    ping(&mut solo);
    solo.run(9 * SECOND);
    assert!(solo.closed.is_empty() && matches!(state(&solo), RegistrationState::Registered { .. }));
    solo.run(2 * SECOND);
    assert_eq!(solo.closed, [ConnectionId(9)]);
    let again = solo.take().pop().expect("we register again");
    assert_eq!(label(&again), "REGISTER");
    answer(&mut solo, &again, 10, &[]);
    assert!(matches!(state(&solo), RegistrationState::Registered { .. }));
    // What the shell tells then of the old connection is no news.
    solo.stack.handle_connection_closed(solo.now, ConnectionId(9));
    solo.run(2 * SECOND);
    assert!(solo.take().is_empty());
}

#[test]
fn a_carrier_that_does_not_know_pings_is_left_alone_but_one_that_promised_is_not() {
    let mut solo = by_tcp(&[]);
    for _ in 0..3 {
        ping(&mut solo);
    }
    assert!(solo.closed.is_empty());
    let mut solo = by_tcp(&[(Name::FlowTimer, "40")]);
    assert!(ping(&mut solo) <= 40 * SECOND);
    solo.run(11 * SECOND);
    assert_eq!(solo.closed, [ConnectionId(9)]);
}

#[test]
fn nothing_is_pinged_over_udp_or_on_a_connection_that_is_gone() {
    let mut solo = with(vec![registering()]);
    tick(&mut solo);
    let register = solo.only();
    let ok = register.response(200, None, udp(CARRIER_TCP).remote, Some("theirs"));
    solo.raw(udp(CARRIER_TCP), &ok.finish());
    solo.run(200 * SECOND);
    assert!(solo.pings.is_empty());
    let mut solo = by_tcp(&[]);
    solo.stack.handle_connection_closed(solo.now, ConnectionId(9));
    solo.run(200 * SECOND);
    assert!(solo.pings.is_empty());
}

#[test]
fn whatever_comes_on_a_connection_shows_that_it_lives() {
    let mut solo = by_tcp(&[(Name::FlowTimer, "40")]);
    ping(&mut solo);
    // One read brings the pong and a message behind it: a stream is free to do that.
    let mut framer = Framer::of_client();
    let message = "OPTIONS sip:4950000@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 198.51.100.1:5060;branch=z9hG4bKalive\r\n\
                   Max-Forwards: 70\r\nFrom: <sip:c@carrier.example>;tag=1\r\nTo: <sip:4950000@192.0.2.1>\r\n\
                   Call-ID: alive\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    framer.push(format!("\r\n{message}").as_bytes());
    while let Some(frame) = framer.poll() {
        match frame {
            Frame::Message(bytes) => solo.raw(tcp(CARRIER_TCP, 9), &bytes),
            Frame::Pong => solo.raw(tcp(CARRIER_TCP, 9), PONG),
            Frame::Ping | Frame::Broken(_) => panic!("{frame:?}"),
        }
    }
    solo.run(24 * SECOND);
    assert!(solo.closed.is_empty() && solo.pings.is_empty(), "it has shown that it lives");
    ping(&mut solo);
    solo.run(11 * SECOND);
    assert_eq!(solo.closed, [ConnectionId(9)], "silence is still noticed");
}

#[test]
fn a_pong_counts_for_every_trunk_that_shares_the_connection() {
    let other = || Trunk { name: "other".to_owned(), ..over_tcp() };
    let mut solo = with(vec![over_tcp(), other()]);
    tick(&mut solo);
    for register in solo.take() {
        answer(&mut solo, &register, 9, &[]);
    }
    ping(&mut solo);
    solo.raw(tcp(CARRIER_TCP, 9), PONG);
    // The other has learnt that this carrier answers, whosever ping it was.
    solo.stack.set_trunks(vec![other()]);
    ping(&mut solo);
    solo.run(11 * SECOND);
    assert_eq!(solo.closed, [ConnectionId(9)]);
}

#[test]
fn a_trunk_whose_ping_another_one_answered_keeps_the_connection() {
    let mut solo = with(vec![over_tcp(), Trunk { name: "other".to_owned(), ..over_tcp() }]);
    tick(&mut solo);
    for register in solo.take() {
        answer(&mut solo, &register, 9, &[(Name::FlowTimer, "90")]);
    }
    for _ in 0..12 {
        ping(&mut solo);
        solo.raw(tcp(CARRIER_TCP, 9), PONG);
    }
    assert_eq!(solo.closed, []);
}

#[test]
fn a_carrier_may_want_to_be_pinged_more_often_than_we_would() {
    let mut solo = by_tcp(&[(Name::FlowTimer, "15")]);
    for _ in 0..20 {
        let span = ping(&mut solo);
        assert!((12 * SECOND..=15 * SECOND).contains(&span), "RFC 5626 §4.4.1: {span:?}");
        solo.raw(tcp(CARRIER_TCP, 9), PONG);
    }
    // Not as often as he likes.
    let mut solo = by_tcp(&[(Name::FlowTimer, "0")]);
    assert!(ping(&mut solo) >= 4 * SECOND);
}

#[test]
fn a_ping_of_a_carrier_that_comes_in_two_pieces_is_answered_and_is_no_pong() {
    let mut solo = by_tcp(&[]);
    let carrier = tcp(CARRIER_TCP, 9);
    let answers = |solo: &mut Solo, after: Duration| {
        solo.run(after);
        solo.stack.handle_packet(solo.now, carrier, PONG);
        std::iter::from_fn(|| solo.stack.poll_output()).count()
    };
    assert_eq!(answers(&mut solo, SECOND), 0, "it may be anything");
    assert_eq!(answers(&mut solo, SECOND / 10), 1);
    assert_eq!(answers(&mut solo, SECOND / 10), 0, "the next one");
    assert_eq!(answers(&mut solo, 5 * SECOND), 0, "has nothing to do with this one");
    // None of it says that the carrier would answer a ping of ours.
    ping(&mut solo);
    solo.run(11 * SECOND);
    assert_eq!(solo.closed, []);
}
