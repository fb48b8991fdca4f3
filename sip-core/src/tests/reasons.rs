//! Why calls end (RFC 3326), how far they may go (RFC 5393, RFC 7332), and what is said beside the sound (RFC 3428, RFC 6086).

use model::{Cause, Ending, Side};

use super::calling::{outgoing, trunk};
use super::pair::SECOND;
use super::solo::{CARRIER, PHONE, Request, Solo, label, labels, udp, ws};
use crate::api::{CallId, Event, InstantMessage, Peer, SayError, Target};
use crate::message::{Message, Name};

fn ending(event: Event) -> Ending {
    match event {
        Event::Ended { ending, .. } => ending,
        other => panic!("{other:?}"),
    }
}

/// Q.850 and SIP causes of a message of ours.
fn why(message: &Message) -> (Option<u8>, Option<u16>) {
    let reasons = message.reasons().unwrap();
    (
        reasons.iter().find_map(|reason| reason.q850_cause()),
        reasons.iter().find_map(|reason| reason.sip_status()),
    )
}

fn ringing(solo: &mut Solo) -> (CallId, Message) {
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    solo.reply(udp(CARRIER), &invite, 180, "theirs", None);
    solo.happened();
    (call, invite)
}

#[test]
fn what_the_network_says_about_an_end_is_kept() {
    let mut solo = Solo::new();
    let (_, to) = solo.established();
    let bye = Solo::within("BYE", &to, 2).with("Reason: SIP;cause=200, Q.850;cause=31;text=\"normal\"");
    solo.send(udp(CARRIER), &bye);
    assert_eq!(ending(solo.event()), Ending::new(Cause::HungUp, Side::Customer).and_q850(Some(31)));

    let mut solo = Solo::new();
    let (_, invite) = ringing(&mut solo);
    let refusal = invite
        .response(500, None, udp(CARRIER).remote, Some("theirs"))
        .header(Name::Reason, "Q.850;cause=17");
    solo.raw(udp(CARRIER), &refusal.finish());
    let end = ending(solo.event());
    assert_eq!((end.cause, end.sip_status, end.q850), (Cause::Refused, Some(500), Some(17)));

    let mut solo = Solo::new();
    solo.send(udp(CARRIER), &Request::invite().branch("z9hG4bKx"));
    solo.happened();
    let mut cancel = Request::new("CANCEL").branch("z9hG4bKx").with("Reason: Q.850;cause=999");
    cancel.from = Request::invite().from;
    solo.send(udp(CARRIER), &cancel);
    assert_eq!(ending(solo.event()).q850, None);
}

#[test]
fn a_phone_that_need_not_ring_any_more_is_told_that_somebody_else_answered() {
    let mut solo = Solo::new();
    let (call, _) = ringing(&mut solo);
    solo.stack.hangup(solo.now, call, Cause::Replaced, Side::System);
    let cancel = solo.only();
    assert_eq!((label(&cancel).as_str(), why(&cancel)), ("CANCEL", (Some(16), Some(200))));
    assert!(cancel.text(Name::Reason).is_some());
}

#[test]
fn the_end_of_one_call_is_passed_on_to_the_other() {
    for (ending, status, q850) in [
        (Ending::with_status(Cause::Refused, Side::Carrier, 500).and_q850(Some(17)), 486, 17),
        (Ending::new(Cause::NoAnswer, Side::Carrier).and_q850(Some(18)), 408, 18),
        (Ending::with_status(Cause::Refused, Side::Customer, 404), 404, 1),
        (Ending::new(Cause::Refused, Side::Customer), 603, 21),
        (Ending::new(Cause::NoAnswer, Side::Customer), 480, 19),
        (Ending::new(Cause::HungUp, Side::Customer).and_q850(Some(16)), 480, 16),
    ] {
        let mut solo = Solo::new();
        let call = solo.incoming().call;
        solo.stack.hangup_because(solo.now, call, ending.clone());
        let answer = solo.only();
        assert_eq!((answer.status(), why(&answer).0), (Some(status), Some(q850)), "{ending:?}");
    }
}

#[test]
fn max_forwards_and_hops_go_on_in_the_next_call() {
    let mut solo = Solo::new();
    solo.send(udp(CARRIER), &Request::invite().with("X-Tandem-Hops: 3"));
    let Event::Incoming(call) = solo.event() else { panic!("no call came") };
    assert_eq!((call.max_forwards, call.hops), (70, 3));
    solo.take();
    let mut next = outgoing(trunk());
    next.options.max_forwards = Some(call.max_forwards - 1);
    next.options.hops = call.hops + 1;
    solo.stack.invite(solo.now, next).unwrap();
    let invite = solo.only();
    assert_eq!((invite.max_forwards(), invite.extension("X-Tandem-Hops")), (Some(69), Some(&b"4"[..])));
    let around = Request::invite().call_id("around").with("X-Tandem-Hops: 10");
    assert_eq!(solo.ask(udp(CARRIER), &around).status(), Some(482));
}

#[test]
fn our_own_invite_is_a_loop_when_it_comes_back_unchanged_and_a_spiral_when_it_was_forwarded() {
    let mut solo = Solo::new();
    solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    let via = String::from_utf8_lossy(invite.via().raw()).into_owned();
    let back = |uri: &str, call: &str| {
        let mut request = Request::invite().with(&format!("Via: {via}")).call_id(call);
        request.uri = uri.to_owned();
        request
    };
    let same = String::from_utf8_lossy(invite.request_uri().unwrap().raw()).into_owned();
    assert_eq!(solo.ask(udp(CARRIER), &back(&same, "loop")).status(), Some(482));
    assert_eq!(solo.ask(udp(CARRIER), &back("sip:200@tandem.example", "spiral")).status(), Some(100));
}

#[test]
fn messages_are_taken_from_whom_we_know_and_nobody_else() {
    let mut solo = Solo::new();
    let message = |call: &str| Request::new("MESSAGE").call_id(call).body("text/plain", "hello");
    let ok = solo.ask_as(udp(PHONE), message("one"), "anna", "secret");
    assert_eq!(ok.status(), Some(200));
    let told = InstantMessage {
        call: None,
        peer: Some(Peer::User { aor: "anna".to_owned(), username: "anna".to_owned() }),
        from: "anna".to_owned(),
        to: "200".to_owned(),
        content_type: "text/plain".to_owned(),
        body: b"hello".to_vec(),
    };
    assert_eq!(solo.event(), Event::Message(told));
    let mut other = message("two");
    other.from = "<sip:boss@tandem.example>;tag=x".to_owned();
    assert_eq!(solo.ask_as(udp(PHONE), other, "anna", "secret").status(), Some(403));
    assert_eq!(solo.happened(), []);
    solo.run(40 * SECOND);
    assert_eq!(solo.stack.counts().transactions, 0);
}

#[test]
fn messages_that_nobody_keeps_are_refused_and_never_acknowledged() {
    let mut solo = Solo::new();
    solo.stack.set_keeps_messages(false);
    let message = Request::new("MESSAGE").call_id("one").body("text/plain", "hello");
    let refused = solo.ask_as(udp(PHONE), message, "anna", "secret");
    assert_eq!(refused.status(), Some(405));
    assert!(!refused.text(Name::Allow).unwrap().contains("MESSAGE"));
    let (_, to) = solo.established();
    let within = Solo::within("MESSAGE", &to, 2).body("text/plain", "hello");
    assert_eq!(solo.ask(udp(CARRIER), &within).status(), Some(405));
    assert!(!solo.happened().iter().any(|event| matches!(event, Event::Message(_))));
}

#[test]
fn a_message_of_ours_fits_into_one_datagram_or_is_not_sent() {
    let mut solo = Solo::new();
    let id = solo.stack.send_message(solo.now, &trunk(), "100", "text/plain", b"hi".to_vec()).unwrap();
    let message = solo.only();
    assert_eq!((label(&message).as_str(), message.body()), ("MESSAGE", &b"hi"[..]));
    assert_eq!(message.header(Name::Contact), None);
    solo.reply(udp(CARRIER), &message, 202, "t", None);
    assert_eq!(solo.event(), Event::MessageAnswered { message: id, status: 202 });
    let large = vec![b'x'; 1200];
    let refused = solo.stack.send_message(solo.now, &trunk(), "100", "text/plain", large.clone());
    assert_eq!(refused, Err(SayError::TooLarge(1300)));
    let binding = solo.register(ws(PHONE, 5), "anna", "<sip:x1@abc.invalid;transport=ws>");
    let target = Target::Binding(binding.id);
    let id = solo.stack.send_message(solo.now, &target, "100", "text/plain", large).unwrap();
    solo.take();
    solo.run(33 * SECOND);
    assert_eq!(solo.event(), Event::MessageAnswered { message: id, status: 408 });
}

#[test]
fn digits_and_text_go_both_ways_within_a_call() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let text = Solo::within("MESSAGE", &to, 2).body("text/plain", "hello");
    assert_eq!(solo.ask(udp(CARRIER), &text).status(), Some(200));
    assert!(matches!(solo.event(), Event::Message(message) if message.call == Some(call)));
    let digit = Solo::within("INFO", &to, 3).body("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
    assert_eq!(solo.ask(udp(CARRIER), &digit).status(), Some(200));
    assert!(
        matches!(solo.event(), Event::Info { content_type, .. } if content_type == "application/dtmf-relay")
    );
    solo.stack.send_info(solo.now, call, "application/dtmf-relay", b"Signal=1\r\n".to_vec()).unwrap();
    solo.stack.send_message_in(solo.now, call, "text/plain", b"hi".to_vec()).unwrap();
    let sent = solo.take();
    assert_eq!(labels(&sent), ["INFO", "MESSAGE"]);
    assert_eq!(sent[1].cseq().number, sent[0].cseq().number + 1);
    let gone = CallId(99);
    assert_eq!(solo.stack.send_info(solo.now, gone, "a/b", vec![1]), Err(SayError::NoCall));
}
