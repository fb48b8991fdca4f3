use std::time::Duration;

use model::{Cause, Side};

use super::solo::{CARRIER, PHONE, Solo, label, labels, text, udp, ws};
use crate::api::{
    BindingId, CallId, ConnectionId, Event, Hop, InviteError, OutgoingCall, Rejection, Target, Transport,
};
use crate::message::{Defect, Message, Name};

const SECOND: Duration = Duration::from_secs(1);

pub fn outgoing(target: Target) -> OutgoingCall {
    OutgoingCall {
        target,
        caller: "100".to_owned(),
        caller_name: Some("Desk \"One\"".to_owned()),
        identity: Default::default(),
        sdp: b"v=0 offer".to_vec(),
        headers: vec![("X-Tandem-Offer".to_owned(), "42".to_owned())],
        ring_timeout: Duration::from_secs(20),
        silence: None,
        options: Default::default(),
    }
}

pub fn trunk() -> Target {
    Target::Trunk { name: "carrier".to_owned(), number: "+15550123".to_owned() }
}

/// A call through the carrier, and its INVITE.
fn calling(solo: &mut Solo) -> (CallId, Message) {
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    (call, solo.only())
}

fn cause(event: Event) -> (CallId, Cause, Side, Option<u16>) {
    match event {
        Event::Ended { call, ending } => (call, ending.cause, ending.by, ending.sip_status),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invite_through_a_trunk_says_who_calls_whom() {
    let mut solo = Solo::new();
    let (_, invite) = calling(&mut solo);
    assert_eq!(invite.request_uri().unwrap().raw(), b"sip:+15550123@198.51.100.1:5060");
    assert_eq!(invite.from().uri().user_text(), "100");
    assert_eq!(invite.from().display_text().as_deref(), Some("Desk \"One\""));
    assert_eq!(invite.extension("X-Tandem-Offer"), Some(&b"42"[..]));
    assert_eq!(invite.body(), b"v=0 offer");
    assert_eq!(invite.contact().unwrap().unwrap().uri().raw(), b"sip:192.0.2.1:5060");
}

#[test]
fn a_call_that_cannot_be_tried_is_an_error() {
    let mut solo = Solo::new();
    let now = solo.now;
    let mut invite = |call| solo.stack.invite(now, call);
    assert_eq!(invite(outgoing(Target::Binding(BindingId(77)))), Err(InviteError::UnknownBinding));
    let nowhere = Target::Trunk { name: "x".to_owned(), number: "1".to_owned() };
    assert_eq!(invite(outgoing(nowhere)), Err(InviteError::UnknownTrunk("x".to_owned())));
    let mut injecting = outgoing(trunk());
    injecting.headers[0].1 = "1\r\nVia: evil".to_owned();
    assert!(matches!(invite(injecting), Err(InviteError::Header(_))));
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn an_invite_that_we_could_not_read_ourselves_is_not_sent() {
    let mut solo = Solo::new();
    let mut large = outgoing(trunk());
    large.sdp = vec![b'x'; 70_000];
    assert_eq!(solo.stack.invite(solo.now, large), Err(InviteError::Malformed(Defect::TooLarge)));
    let mut doubled = outgoing(trunk());
    doubled.headers = vec![("Event".to_owned(), "a".to_owned()), ("Event".to_owned(), "b".to_owned())];
    assert!(matches!(solo.stack.invite(solo.now, doubled), Err(InviteError::Malformed(_))));
    assert!(solo.take().is_empty());
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn who_floods_us_with_forks_is_not_listened_to() {
    let mut solo = Solo::new();
    let (_, invite) = calling(&mut solo);
    for fork in 0..100 {
        solo.reply(udp(CARRIER), &invite, 200, &format!("fork{fork}"), Some("v=0"));
    }
    let sent = solo.take();
    assert_eq!(sent.iter().filter(|message| label(message) == "ACK").count(), 16);
    assert_eq!(sent.iter().filter(|message| label(message) == "BYE").count(), 15);
}

#[test]
fn a_browser_is_called_over_its_own_connection() {
    let mut solo = Solo::new();
    let binding = solo.register(ws(PHONE, 5), "anna", "<sip:x1@abc.invalid;transport=ws>");
    let call = solo.stack.invite(solo.now, outgoing(Target::Binding(binding.id))).unwrap();
    solo.drain();
    let (hop, invite) = solo.sent.pop().expect("an INVITE");
    assert_eq!(hop, ws(PHONE, 5));
    assert_eq!(invite.request_uri().unwrap().raw(), b"sip:x1@abc.invalid;transport=ws");
    assert_eq!(invite.to().uri().raw(), b"sip:anna@tandem.example");
    assert_eq!(invite.via().transport(), b"WS");
    assert_eq!(invite.contact().unwrap().unwrap().uri().raw(), b"sip:192.0.2.1:5060;transport=ws");
    solo.reply(hop, &invite, 200, "theirs", Some("v=0 answer"));
    let (hop, ack) = solo.sent.pop().expect("an ACK");
    assert_eq!((label(&ack).as_str(), hop), ("ACK", ws(PHONE, 5)));
    assert_eq!(solo.event(), Event::Answered { call, sdp: Some(b"v=0 answer".to_vec()) });
    solo.stack.handle_connection_closed(solo.now, ConnectionId(5));
    let events = solo.happened();
    assert_eq!(events[0], Event::Unregistered(binding));
    assert_eq!(cause(events[1].clone()), (call, Cause::Lost, Side::Agent, None));
    solo.assert_nothing_left();
}

#[test]
fn an_unanswered_invite_is_sent_again_and_then_given_up() {
    let mut solo = Solo::new();
    let mut call = outgoing(trunk());
    call.ring_timeout = Duration::from_secs(60);
    let call = solo.stack.invite(solo.now, call).unwrap();
    solo.run(31 * SECOND + SECOND / 2);
    // After 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 seconds.
    let sent = solo.take();
    assert_eq!(sent.len(), 7);
    assert!(sent.iter().all(|message| text(message) == text(&sent[0])));
    assert_eq!(solo.happened(), []);
    solo.run(SECOND);
    assert_eq!(cause(solo.event()), (call, Cause::Lost, Side::Carrier, Some(408)));
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn what_the_far_end_says_is_how_the_call_ends() {
    for (status, expected, by) in [
        (486, Cause::Refused, Side::Customer),
        (404, Cause::Refused, Side::Customer),
        (603, Cause::Refused, Side::Customer),
        (488, Cause::Incompatible, Side::Customer),
        (408, Cause::NoAnswer, Side::Customer),
        (503, Cause::Refused, Side::Carrier),
    ] {
        let mut solo = Solo::new();
        let (call, invite) = calling(&mut solo);
        solo.reply(udp(CARRIER), &invite, status, "theirs", None);
        let ack = solo.only();
        assert_eq!(label(&ack), "ACK");
        assert_eq!(ack.via().branch(), invite.via().branch());
        assert_eq!(ack.to_tag(), Some(&b"theirs"[..]));
        assert_eq!(cause(solo.event()), (call, expected, by, Some(status)));
        // The ACK was lost.
        solo.reply(udp(CARRIER), &invite, status, "theirs", None);
        assert_eq!(labels(&solo.take()), ["ACK"]);
        solo.assert_nothing_left();
    }
}

#[test]
fn a_call_that_rings_too_long_is_cancelled() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    solo.reply(udp(CARRIER), &invite, 180, "theirs", None);
    assert_eq!(solo.event(), Event::Ringing { call, status: 180, sdp: None, fork: 0 });
    solo.run(20 * SECOND);
    assert_eq!(cause(solo.event()), (call, Cause::NoAnswer, Side::Customer, None));
    let cancel = solo.only();
    assert_eq!((label(&cancel).as_str(), cancel.via().branch()), ("CANCEL", invite.via().branch()));
    assert_eq!((cancel.cseq().number, cancel.to_tag()), (invite.cseq().number, None));
    solo.reply(udp(CARRIER), &cancel, 200, "theirs", None);
    solo.reply(udp(CARRIER), &invite, 487, "theirs", None);
    assert_eq!(labels(&solo.take()), ["ACK"]);
    solo.assert_nothing_left();
}

#[test]
fn a_cancel_waits_for_the_first_provisional_answer() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    solo.stack.hangup(solo.now, call, Cause::Cancelled, Side::Customer);
    assert_eq!(cause(solo.event()), (call, Cause::Cancelled, Side::Customer, None));
    assert!(solo.take().is_empty());
    solo.reply(udp(CARRIER), &invite, 100, "", None);
    assert_eq!(labels(&solo.take()), ["CANCEL"]);
    solo.reply(udp(CARRIER), &invite, 180, "theirs", None);
    assert!(solo.take().is_empty());
    solo.assert_nothing_left();
    assert_eq!(solo.happened(), []);
}

#[test]
fn a_late_200_after_cancel_is_acked_and_byed() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    solo.reply(udp(CARRIER), &invite, 180, "theirs", None);
    solo.stack.hangup(solo.now, call, Cause::Cancelled, Side::Customer);
    assert_eq!(labels(&solo.take()), ["CANCEL"]);
    solo.happened();
    solo.reply(udp(CARRIER), &invite, 200, "theirs", Some("v=0 answer"));
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "BYE"]);
    assert_eq!(sent[0].cseq().number, invite.cseq().number);
    assert_eq!(sent[1].cseq().number, invite.cseq().number + 1);
    solo.reply(udp(CARRIER), &invite, 200, "theirs", Some("v=0 answer"));
    assert_eq!(labels(&solo.take()), ["ACK"]);
    solo.reply(udp(CARRIER), &sent[1], 200, "", None);
    solo.assert_nothing_left();
    assert_eq!(solo.happened(), []);
}

#[test]
fn the_first_fork_to_answer_has_the_call_and_the_others_are_acked_and_byed() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    solo.reply(udp(CARRIER), &invite, 180, "one", None);
    solo.reply(udp(CARRIER), &invite, 183, "two", Some("v=0 early two"));
    assert_eq!(
        solo.happened(),
        [
            Event::Ringing { call, status: 180, sdp: None, fork: 0 },
            Event::Ringing { call, status: 183, sdp: Some(b"v=0 early two".to_vec()), fork: 1 },
        ]
    );
    solo.reply(udp(CARRIER), &invite, 200, "two", None);
    assert_eq!(labels(&solo.take()), ["ACK"]);
    // It told its answer early.
    assert_eq!(solo.event(), Event::Answered { call, sdp: Some(b"v=0 early two".to_vec()) });
    solo.reply(udp(CARRIER), &invite, 200, "one", Some("v=0 one"));
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "BYE"]);
    assert!(sent.iter().all(|message| message.to_tag() == Some(b"one")));
    solo.reply(udp(CARRIER), &invite, 200, "one", Some("v=0 one"));
    solo.reply(udp(CARRIER), &invite, 200, "two", None);
    let again = solo.take();
    assert_eq!(labels(&again), ["ACK", "ACK"]);
    assert_eq!((again[0].to_tag(), again[1].to_tag()), (Some(&b"one"[..]), Some(&b"two"[..])));
    assert_eq!(solo.happened(), []);
    solo.run(60 * SECOND);
    assert_eq!(solo.stack.counts().calls, 1);
    solo.reply(udp(CARRIER), &invite, 200, "one", Some("v=0 one"));
    assert_eq!(solo.rejections, [Rejection::StrayResponse]);
}

#[test]
fn a_dialog_that_we_made_follows_its_record_routes_backwards() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    let answer = invite
        .response(200, None, udp(CARRIER).remote, Some("theirs"))
        .header(Name::RecordRoute, "<sip:198.51.100.10;lr>, <sip:198.51.100.9:5080;lr>")
        .header(Name::Contact, "<sip:desk@198.51.100.77:5090>")
        .body("application/sdp", "v=0 answer");
    solo.raw(udp(CARRIER), &answer.finish());
    let (hop, ack) = solo.sent.pop().expect("an ACK");
    assert_eq!(hop, udp("198.51.100.9:5080"));
    assert_eq!(ack.request_uri().unwrap().raw(), b"sip:desk@198.51.100.77:5090");
    let routes: Vec<_> = ack.values(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:198.51.100.9:5080;lr>"[..], b"<sip:198.51.100.10;lr>"]);
    solo.happened();
    solo.stack.hangup(solo.now, call, Cause::Completed, Side::Flow);
    let (hop, bye) = {
        solo.drain();
        solo.sent.pop().expect("a BYE")
    };
    assert_eq!((hop, bye.cseq().number), (udp("198.51.100.9:5080"), invite.cseq().number + 1));
}

#[test]
fn a_trunk_that_cannot_be_reached_loses_the_call_at_once() {
    let mut solo = Solo::new();
    let trunk = crate::testing::trunk("carrier", CARRIER.parse().unwrap(), Transport::Tcp);
    solo.stack.set_trunks(vec![trunk]);
    let call = solo.stack.invite(solo.now, outgoing(self::trunk())).unwrap();
    solo.drain();
    let (hop, _) = solo.sent.pop().expect("an INVITE");
    assert_eq!(hop, Hop { transport: Transport::Tcp, ..udp(CARRIER) });
    solo.stack.handle_unreachable(solo.now, hop);
    assert_eq!(cause(solo.event()), (call, Cause::Lost, Side::Carrier, Some(503)));
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn an_unusable_answer_is_acked_and_byed() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    let answer = invite.response(200, None, udp(CARRIER).remote, Some("theirs")).body("text/plain", "hello");
    solo.raw(udp(CARRIER), &answer.finish());
    assert_eq!(labels(&solo.take()), ["ACK", "BYE"]);
    assert_eq!(cause(solo.event()), (call, Cause::Incompatible, Side::System, None));
    solo.assert_nothing_left();
}
