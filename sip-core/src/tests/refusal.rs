use super::solo::{CARRIER, PHONE, Request, Solo, credential, labels, text, udp, ws};
use crate::api::{Event, Hop, Peer, Rejection, Transport};
use crate::message::Name;
use crate::timer::GIVE_UP;

fn own_call() -> Request {
    let mut invite = Request::new("INVITE").with("Contact: <sip:anna@203.0.113.7:5062>");
    invite.body = Some(("application/sdp", "v=0 offer"));
    invite
}

#[test]
fn a_carrier_is_trusted_by_its_address_and_a_stranger_is_challenged() {
    let mut solo = Solo::new();
    let call = solo.incoming();
    assert_eq!(call.peer, Peer::Trunk { name: "carrier".to_owned() });
    assert_eq!((call.caller.as_str(), call.caller_name.as_deref()), ("+15550100", Some("Bob")));
    let stranger = solo.ask(udp("203.0.113.99:5060"), &Request::invite().call_id("other"));
    assert_eq!(stranger.status(), Some(401));
    assert_eq!(solo.happened(), []);
    assert_eq!(solo.rejections, [Rejection::Unauthenticated]);
}

#[test]
fn a_carrier_that_claims_to_be_one_of_us_or_comes_over_a_websocket_is_challenged() {
    let mut solo = Solo::new();
    assert_eq!(solo.ask(udp(CARRIER), &own_call()).status(), Some(401));
    assert_eq!(solo.ask(ws(CARRIER, 1), &Request::invite()).status(), Some(401));
    // A user of that name somewhere else is none of ours.
    let mut elsewhere = own_call();
    elsewhere.from = "<sip:anna@carrier.example>;tag=their-tag".to_owned();
    assert_eq!(solo.ask(udp(CARRIER), &elsewhere).status(), Some(100));
}

#[test]
fn what_a_carrier_asserts_counts_more_than_what_the_caller_says() {
    let mut solo = Solo::new();
    let invite = Request::invite().with("P-Asserted-Identity: \"Robert\" <sip:+15550199@carrier.example>");
    solo.ask(udp(CARRIER), &invite);
    let Event::Incoming(call) = solo.event() else { panic!() };
    assert_eq!((call.caller.as_str(), call.caller_name.as_deref()), ("+15550199", Some("Robert")));
}

#[test]
fn a_user_calls_with_his_password_and_only_as_himself() {
    let mut solo = Solo::new();
    solo.stack.set_credential(credential("ben", "ben", false));
    assert_eq!(solo.ask_as(udp(PHONE), own_call(), "ben", "secret").status(), Some(403));
    assert_eq!(solo.happened(), []);
    let trying = solo.ask_as(udp(PHONE), own_call().call_id("second"), "anna", "secret");
    assert_eq!(trying.status(), Some(100));
    let Event::Incoming(call) = solo.event() else { panic!() };
    assert_eq!(call.peer, Peer::User { aor: "anna".to_owned(), username: "anna".to_owned() });
    assert_eq!(call.called, "200");
}

#[test]
fn a_one_time_credential_makes_one_call() {
    let mut solo = Solo::new();
    solo.stack.set_credential(credential("visitor-1", "visitor-1", true));
    let call = |id: &str| {
        let mut call = own_call().call_id(id);
        call.from = "<sip:visitor-1@tandem.example>;tag=their-tag".to_owned();
        call
    };
    assert_eq!(solo.ask_as(ws(PHONE, 1), call("first"), "visitor-1", "secret").status(), Some(100));
    assert_eq!(solo.ask_as(ws(PHONE, 1), call("second"), "visitor-1", "secret").status(), Some(403));
    assert_eq!(solo.happened().len(), 1);
}

#[test]
fn a_malformed_request_gets_400_and_a_reason() {
    let mut solo = Solo::new();
    let request = "OPTIONS sip:a@tandem.example SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.7:5062;branch=z9hG4bK1;rport\r\n\
                   Max-Forwards: many\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    solo.raw(udp(PHONE), request.as_bytes());
    let answer = solo.only();
    assert_eq!(answer.status(), Some(400));
    assert_eq!(answer.reason(), Some(&b"Bad Max-Forwards Header"[..]));
    assert_eq!(solo.rejections, [Rejection::BadRequest]);
    solo.raw(udp(PHONE), b"\x16\x03\x01 not SIP at all");
    assert!(solo.sent.is_empty());
    assert_eq!(solo.rejections, [Rejection::BadRequest, Rejection::Unparsable]);
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn over_tcp_a_message_must_tell_its_length() {
    let mut solo = Solo::new();
    let request = "OPTIONS sip:a@tandem.example SIP/2.0\r\nVia: SIP/2.0/TCP 203.0.113.7:5062;branch=z9hG4bK1\r\n\
                   From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let tcp = Hop { transport: Transport::Tcp, ..ws(PHONE, 1) };
    for (hop, status) in [(udp(PHONE), 200), (ws(PHONE, 1), 200), (tcp, 400)] {
        solo.raw(hop, request.as_bytes());
        assert_eq!(solo.only().status(), Some(status), "{:?}", hop.transport);
    }
}

#[test]
fn an_invite_without_a_usable_contact_gets_400() {
    let mut solo = Solo::new();
    for contact in [None, Some("Contact: <mailto:a@b>"), Some("Contact: <sip:a@b>, <sip:c@d>")] {
        let mut invite = Request::invite();
        invite.extra = contact.map(str::to_owned).into_iter().collect();
        assert_eq!(solo.ask(udp(CARRIER), &invite).status(), Some(400), "{contact:?}");
    }
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn keep_alives_are_answered_on_streams_only() {
    let mut solo = Solo::new();
    for (hop, expected) in [(udp(PHONE), 0), (ws(PHONE, 1), 1)] {
        solo.stack.handle_packet(solo.now, hop, b"\r\n\r\n");
        assert_eq!(std::iter::from_fn(|| solo.stack.poll_output()).count(), expected);
    }
}

#[test]
fn stray_acks_and_responses_are_dropped_and_counted() {
    let mut solo = Solo::new();
    solo.send(udp(PHONE), &Request::new("ACK").to("<sip:200@tandem.example>;tag=unknown"));
    let stray = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnever\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
    solo.raw(udp(PHONE), stray.as_bytes());
    assert!(solo.sent.is_empty());
    assert_eq!(solo.rejections, [Rejection::StrayAck, Rejection::StrayResponse]);
}

#[test]
fn the_ack_of_a_refused_stranger_is_expected() {
    let mut solo = Solo::new();
    let refused = solo.ask(udp(PHONE), &own_call());
    let to = String::from_utf8_lossy(refused.to().raw()).into_owned();
    solo.send(udp(PHONE), &Request::new("ACK").to(&to));
    assert_eq!(solo.rejections, [Rejection::Unauthenticated]);
}

#[test]
fn requests_of_unknown_dialogs_and_transactions_get_481() {
    let mut solo = Solo::new();
    for method in ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS", "CANCEL", "REFER"] {
        let mut request = Request::new(method).to("<sip:200@tandem.example>;tag=unknown");
        request.extra.push("Contact: <sip:a@b>".to_owned());
        assert_eq!(solo.ask(udp(PHONE), &request).status(), Some(481), "{method}");
    }
    // Half of a dialog is none.
    let (_, to) = solo.established();
    let mut bye = Solo::within("BYE", &to, 2);
    bye.from = "<sip:+15550100@carrier.example>;tag=forged".to_owned();
    assert_eq!(solo.ask(udp(PHONE), &bye).status(), Some(481));
    assert_eq!(solo.ask(udp(PHONE), &Solo::within("BYE", &to, 2).call_id("forged")).status(), Some(481));
    assert_eq!(solo.stack.counts().calls, 1);
}

#[test]
fn methods_that_we_do_not_take_are_refused_with_what_we_take() {
    let mut solo = Solo::new();
    let (_, to) = solo.established();
    for (method, status) in [("PUBLISH", 405), ("REFER", 405), ("DANCE", 501)] {
        let answer = solo.ask(udp(CARRIER), &Request::new(method).call_id(method));
        assert_eq!(answer.status(), Some(status), "{method}");
        assert!(answer.tokens(Name::Allow).unwrap().has("INVITE"), "{method}");
    }
    for (cseq, (method, status)) in (2..).zip([("SUBSCRIBE", 405), ("PUBLISH", 405), ("DANCE", 501)]) {
        let answer = solo.ask(udp(CARRIER), &Solo::within(method, &to, cseq));
        assert_eq!(answer.status(), Some(status), "{method}");
        assert!(answer.tokens(Name::Allow).unwrap().has("BYE"), "{method}");
    }
}

#[test]
fn options_tell_what_we_can_in_and_out_of_a_dialog() {
    let mut solo = Solo::new();
    let (_, to) = solo.established();
    for request in [Request::new("OPTIONS").call_id("ping"), Solo::within("OPTIONS", &to, 2)] {
        let ok = solo.ask(udp(CARRIER), &request);
        assert_eq!(ok.status(), Some(200));
        assert!(ok.tokens(Name::Allow).unwrap().has("UPDATE"));
        assert_eq!(ok.header(Name::Accept), Some(&b"application/sdp"[..]));
        assert!(ok.header(Name::Supported).is_some());
    }
}

#[test]
fn what_an_invite_must_not_ask_for_is_refused() {
    let mut solo = Solo::new();
    let needy = solo.ask(udp(CARRIER), &Request::invite().with("Require: 100rel, precondition, timer, gruu"));
    assert_eq!(needy.status(), Some(420));
    assert_eq!(needy.header(Name::Unsupported), Some(&b"precondition, gruu"[..]));
    let odd = solo.ask(udp(CARRIER), &Request::invite().body("text/plain", "hello"));
    assert_eq!(odd.status(), Some(415));
    assert_eq!(odd.values(Name::Accept).next(), Some(&b"application/sdp"[..]));
    let untyped = solo.ask(udp(CARRIER), &Request::invite().body("", "v=0"));
    assert_eq!(untyped.status(), Some(400));
    let packed = solo.ask(udp(CARRIER), &Request::invite().with("Content-Encoding: gzip"));
    assert_eq!(packed.status(), Some(415));
    let mut foreign = Request::invite();
    foreign.uri = "mailto:a@b".to_owned();
    assert_eq!(solo.ask(udp(CARRIER), &foreign).status(), Some(416));
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn a_call_that_has_gone_too_far_gets_483() {
    let mut solo = Solo::new();
    let invite = "INVITE sip:200@tandem.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK1\r\n\
                  Max-Forwards: 0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
                  Contact: <sip:a@198.51.100.1>\r\n\r\n";
    solo.raw(udp(CARRIER), invite.as_bytes());
    assert_eq!(solo.only().status(), Some(483));
}

#[test]
fn a_request_that_came_twice_by_different_ways_is_taken_once() {
    let mut solo = Solo::new();
    solo.incoming();
    let merged = solo.ask(udp(CARRIER), &Request::invite().branch("z9hG4bKotherway"));
    assert_eq!(merged.status(), Some(482));
    assert_eq!(solo.happened(), []);
}

#[test]
fn a_full_or_draining_stack_asks_to_come_back_later() {
    let mut solo = Solo::with(|config| config.max_calls = 1);
    let call = solo.incoming().call;
    let full = solo.ask(udp(CARRIER), &Request::invite().call_id("second"));
    assert_eq!(full.status(), Some(503));
    assert!(full.header(Name::RetryAfter).is_some());
    solo.stack.reject(solo.now, call, 486, None);
    solo.take();
    solo.stack.set_draining(true);
    assert_eq!(solo.ask(udp(CARRIER), &Request::invite().call_id("third")).status(), Some(503));
    solo.stack.set_draining(false);
    assert_eq!(solo.ask(udp(CARRIER), &Request::invite().call_id("fourth")).status(), Some(100));
    assert_eq!(solo.rejections, [Rejection::Overload, Rejection::Overload]);
}

#[test]
fn live_calls_go_on_while_draining() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    solo.stack.set_draining(true);
    let trying = solo.ask(udp(CARRIER), &{
        let mut hold = Solo::within("INVITE", &to, 2).with("Contact: <sip:+15550100@198.51.100.1>");
        hold.body = Some(("application/sdp", "v=0 hold"));
        hold
    });
    assert_eq!(trying.status(), Some(100));
    assert_eq!(solo.happened(), [Event::Offer { call, sdp: Some(b"v=0 hold".to_vec()) }]);
}

#[test]
fn answers_go_where_rfc_3581_says() {
    let mut solo = Solo::new();
    let options = |via: &str| {
        format!(
            "OPTIONS sip:tandem.example SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\n\
             Call-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
        )
    };
    for (via, remote, stamp) in [
        ("10.0.0.1:5070;branch=z9hG4bK1", "203.0.113.7:5070", ";received=203.0.113.7"),
        ("10.0.0.1:5070;rport;branch=z9hG4bK2", "203.0.113.7:40000", ";received=203.0.113.7;rport=40000"),
        ("phone.local;branch=z9hG4bK3", "203.0.113.7:5060", ";received=203.0.113.7"),
    ] {
        solo.raw(udp("203.0.113.7:40000"), options(via).as_bytes());
        let (hop, answer) = solo.sent.pop().expect("an answer");
        assert_eq!(hop, udp(remote));
        assert!(text(&answer).contains(stamp), "{}", text(&answer));
    }
}

#[test]
fn a_peer_of_rfc_2543_without_branches_can_call() {
    let mut solo = Solo::new();
    let message = |method: &str, cseq: &str, to: &str, body: &str| {
        format!(
            "{method} sip:200@tandem.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060\r\nFrom: <sip:+15550100@carrier.example>\r\n\
             To: {to}\r\nCall-ID: old\r\nCSeq: {cseq}\r\nContact: <sip:+15550100@198.51.100.1>\r\n{body}"
        )
    };
    let offer = "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
    let invite = message("INVITE", "1 INVITE", "<sip:200@tandem.example>", offer);
    solo.raw(udp(CARRIER), invite.as_bytes());
    solo.raw(udp(CARRIER), invite.as_bytes());
    assert_eq!(labels(&solo.take()), ["100 INVITE", "100 INVITE"]);
    let Event::Incoming(call) = solo.event() else { panic!() };
    solo.stack.answer(solo.now, call.call, b"v=0 answer".to_vec());
    let ok = solo.only();
    let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
    solo.raw(udp(CARRIER), message("ACK", "1 ACK", &to, "\r\n").as_bytes());
    assert_eq!(solo.happened(), [Event::Confirmed { call: call.call, sdp: None }]);
    solo.raw(udp(CARRIER), message("BYE", "2 BYE", &to, "\r\n").as_bytes());
    assert_eq!(labels(&solo.take()), ["200 BYE"]);
    assert_eq!(solo.happened().len(), 1);
    solo.run(GIVE_UP);
    solo.assert_nothing_left();
}
