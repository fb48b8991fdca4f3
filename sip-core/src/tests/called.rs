use std::time::Duration;

use model::{Cause, Side};

use super::solo::{CARRIER, PHONE, Request, Solo, labels, text, udp, ws};
use crate::api::{CallId, ConnectionId, Event, Transport};
use crate::message::Name;

const SECOND: Duration = Duration::from_secs(1);

fn cause(event: Event) -> (CallId, Cause, Option<u16>) {
    match event {
        Event::Ended { call, ending } => (call, ending.cause, ending.sip_status),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_repeated_invite_gets_the_last_answer_again_and_makes_no_second_call() {
    let mut solo = Solo::new();
    let invite = Request::invite().branch("z9hG4bKsame");
    assert_eq!(solo.ask(udp(CARRIER), &invite).status(), Some(100));
    let Event::Incoming(call) = solo.event() else { panic!() };
    assert_eq!(solo.ask(udp(CARRIER), &invite).status(), Some(100));
    solo.stack.ring(solo.now, call.call, 183, Some(b"v=0 early".to_vec()));
    let ringing = solo.only();
    assert_eq!((ringing.status(), ringing.body()), (Some(183), &b"v=0 early"[..]));
    assert_eq!(text(&solo.ask(udp(CARRIER), &invite)), text(&ringing));
    assert_eq!(solo.happened(), []);
}

#[test]
fn a_ringing_state_is_told_again_every_minute() {
    let mut solo = Solo::new();
    let call = solo.incoming().call;
    solo.stack.ring(solo.now, call, 180, None);
    assert_eq!(labels(&solo.take()), ["180 INVITE"]);
    solo.run(Duration::from_secs(150));
    assert_eq!(labels(&solo.take()), ["180 INVITE", "180 INVITE"]);
}

#[test]
fn our_2xx_is_sent_again_until_the_ack_comes() {
    let mut solo = Solo::new();
    let call = solo.incoming().call;
    solo.stack.answer(solo.now, call, b"v=0 answer".to_vec());
    let ok = solo.only();
    // After 0.5, 1.5, 3.5, 7.5 and 11.5 seconds.
    solo.run(12 * SECOND);
    let repeats = solo.take();
    assert_eq!(repeats.len(), 5);
    assert!(repeats.iter().all(|repeat| text(repeat) == text(&ok)));
    let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 1));
    assert_eq!(solo.happened(), [Event::Confirmed { call, sdp: None }]);
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 1));
    solo.run(60 * SECOND);
    assert!(solo.sent.is_empty() && solo.events.is_empty() && solo.rejections.is_empty());
}

#[test]
fn without_an_ack_the_call_is_lost_and_byed() {
    let mut solo = Solo::new();
    let call = solo.incoming().call;
    solo.stack.answer(solo.now, call, b"v=0 answer".to_vec());
    solo.run(31 * SECOND);
    assert_eq!(solo.happened(), []);
    solo.take();
    solo.run(SECOND);
    assert!(labels(&solo.take()).contains(&"BYE".to_owned()));
    assert_eq!(cause(solo.event()), (call, Cause::Lost, None));
    solo.assert_nothing_left();
}

#[test]
fn a_hang_up_before_the_ack_says_bye_only_after_it() {
    let mut solo = Solo::new();
    let call = solo.incoming().call;
    solo.stack.answer(solo.now, call, b"v=0 answer".to_vec());
    let to = String::from_utf8_lossy(solo.only().to().raw()).into_owned();
    solo.stack.hangup(solo.now, call, Cause::Completed, Side::Flow);
    assert_eq!(cause(solo.event()), (call, Cause::Completed, None));
    assert!(solo.sent.is_empty());
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 1));
    let bye = solo.only();
    assert_eq!(labels(std::slice::from_ref(&bye)), ["BYE"]);
    solo.reply(udp(CARRIER), &bye, 200, "", None);
    solo.assert_nothing_left();
    assert_eq!(solo.happened(), []);
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut solo = Solo::new();
    let mut invite = Request::invite();
    invite.body = None;
    solo.ask(udp(CARRIER), &invite);
    let Event::Incoming(call) = solo.event() else { panic!() };
    assert_eq!(call.sdp, None);
    solo.stack.answer(solo.now, call.call, b"v=0 our offer".to_vec());
    let ok = solo.only();
    assert_eq!(ok.body(), b"v=0 our offer");
    let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 1).body("application/sdp", "v=0 their answer"));
    assert_eq!(
        solo.happened(),
        [Event::Confirmed { call: call.call, sdp: Some(b"v=0 their answer".to_vec()) }]
    );
}

#[test]
fn a_caller_cancels_before_the_answer_and_not_after_it() {
    let mut solo = Solo::new();
    let invite = Request::invite().branch("z9hG4bKcall");
    solo.ask(udp(CARRIER), &invite);
    let Event::Incoming(call) = solo.event() else { panic!() };
    let mut cancel = Request::new("CANCEL").branch("z9hG4bKcall");
    cancel.from = invite.from.clone();
    solo.send(udp(CARRIER), &cancel);
    assert_eq!(labels(&solo.take()), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(cause(solo.event()), (call.call, Cause::Cancelled, Some(487)));
    solo.send(udp(CARRIER), &cancel);
    assert_eq!(labels(&solo.take()), ["200 CANCEL"]);
    // Its owner may not have heard of it yet.
    solo.stack.answer(solo.now, call.call, b"v=0".to_vec());
    solo.stack.reject(solo.now, call.call, 486, None);
    assert!(solo.take().is_empty());
    let mut ack = Request::new("ACK").branch("z9hG4bKcall");
    ack.from = invite.from.clone();
    solo.send(udp(CARRIER), &ack);
    solo.run(SECOND);
    assert!(solo.take().is_empty());
    solo.assert_nothing_left();

    let mut solo = Solo::new();
    solo.ask(udp(CARRIER), &invite);
    let Event::Incoming(call) = solo.event() else { panic!() };
    solo.stack.answer(solo.now, call.call, b"v=0".to_vec());
    solo.take();
    solo.send(udp(CARRIER), &cancel);
    assert_eq!(labels(&solo.take()), ["200 CANCEL"]);
    assert_eq!(solo.happened(), []);
}

#[test]
fn a_refusal_is_sent_again_until_its_ack_comes() {
    let mut solo = Solo::new();
    let invite = Request::invite().branch("z9hG4bKcall");
    solo.ask(udp(CARRIER), &invite);
    let Event::Incoming(call) = solo.event() else { panic!() };
    solo.stack.reject(solo.now, call.call, 404, Some("No Such Number"));
    let refusal = solo.only();
    assert_eq!((refusal.status(), refusal.reason()), (Some(404), Some(&b"No Such Number"[..])));
    assert_eq!(cause(solo.event()), (call.call, Cause::Refused, Some(404)));
    solo.run(2 * SECOND);
    assert_eq!(labels(&solo.take()), ["404 INVITE", "404 INVITE"]);
    let mut ack = Request::new("ACK").branch("z9hG4bKcall");
    ack.from = invite.from;
    solo.send(udp(CARRIER), &ack);
    solo.run(60 * SECOND);
    assert!(solo.take().is_empty());
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn a_bye_ends_the_call_and_its_repeats_get_the_same_answer() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let bye = Solo::within("BYE", &to, 2).branch("z9hG4bKbye");
    assert_eq!(solo.ask(udp(CARRIER), &bye).status(), Some(200));
    assert_eq!(cause(solo.event()), (call, Cause::HungUp, None));
    assert_eq!(solo.ask(udp(CARRIER), &bye).status(), Some(200));
    assert_eq!(solo.happened(), []);
    solo.stack.hangup(solo.now, call, Cause::HungUp, Side::Agent);
    assert!(solo.take().is_empty());
    solo.assert_nothing_left();
}

#[test]
fn requests_out_of_order_are_refused() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let info = |cseq| Solo::within("INFO", &to, cseq).body("application/dtmf-relay", "Signal=5");
    assert_eq!(solo.ask(udp(CARRIER), &info(7)).status(), Some(200));
    assert_eq!(
        solo.event(),
        Event::Info { call, content_type: "application/dtmf-relay".to_owned(), body: b"Signal=5".to_vec() }
    );
    assert_eq!(solo.ask(udp(CARRIER), &info(6)).status(), Some(500));
    assert_eq!(solo.happened(), []);
}

#[test]
fn a_browser_call_dies_with_its_connection() {
    let mut solo = Solo::new();
    let call = |solo: &mut Solo, id: &str| {
        let mut invite =
            Request::new("INVITE").with("Contact: <sip:x1@abc.invalid;transport=ws>").call_id(id);
        invite.body = Some(("application/sdp", "v=0 offer"));
        assert_eq!(solo.ask_as(ws(PHONE, 9), invite, "anna", "secret").status(), Some(100));
        let Event::Incoming(call) = solo.event() else { panic!() };
        assert_eq!(call.transport, Transport::Ws);
        call.call
    };
    let ringing = call(&mut solo, "ringing");
    let answered = call(&mut solo, "answered");
    solo.stack.answer(solo.now, answered, b"v=0 answer".to_vec());
    let ok = solo.only();
    assert!(text(&ok).contains("Contact: <sip:192.0.2.1:5060;transport=ws>"));
    solo.stack.handle_connection_closed(solo.now, ConnectionId(9));
    let mut ends: Vec<_> = solo.happened().into_iter().map(cause).collect();
    ends.sort();
    assert_eq!(ends, [(ringing, Cause::Lost, None), (answered, Cause::Lost, None)]);
    assert!(solo.take().is_empty());
    solo.assert_nothing_left();
}

#[test]
fn a_route_set_is_kept_and_followed() {
    let mut solo = Solo::new();
    let invite = Request::invite()
        .with("Record-Route: <sip:198.51.100.9:5080;lr>")
        .with("Record-Route: <sip:198.51.100.10;lr>");
    solo.ask(udp(CARRIER), &invite);
    let Event::Incoming(call) = solo.event() else { panic!() };
    solo.stack.answer(solo.now, call.call, b"v=0".to_vec());
    let ok = solo.only();
    assert_eq!(ok.record_routes().unwrap().len(), 2);
    let to = String::from_utf8_lossy(ok.to().raw()).into_owned();
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 1));
    solo.stack.hangup(solo.now, call.call, Cause::Completed, Side::Flow);
    solo.drain();
    let (hop, bye) = solo.sent.pop().expect("a BYE");
    assert_eq!(hop, udp("198.51.100.9:5080"));
    assert_eq!(bye.request_uri().unwrap().raw(), b"sip:+15550100@198.51.100.1");
    let routes: Vec<_> = bye.values(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:198.51.100.9:5080;lr>"[..], b"<sip:198.51.100.10;lr>"]);
}
