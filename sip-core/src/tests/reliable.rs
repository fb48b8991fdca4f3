//! RFC 3262, both ways, and what becomes possible in early dialogs.

use model::{Cause, Side};

use super::calling::{outgoing, trunk};
use super::pair::SECOND;
use super::solo::{CARRIER, Request, Solo, label, labels, udp};
use crate::api::{CallId, Event};
use crate::message::{Message, Name};

const SDP: &str = "application/sdp";

/// A 18x of the carrier's, reliable when it has an RSeq.
fn progress(solo: &mut Solo, invite: &Message, status: u16, tag: &str, rseq: Option<u32>, sdp: Option<&str>) {
    let mut answer = invite
        .response(status, None, udp(CARRIER).remote, Some(tag))
        .header(Name::Contact, "<sip:gw@198.51.100.1:5070>")
        .header(Name::Allow, "INVITE, UPDATE, PRACK");
    if let Some(rseq) = rseq {
        answer = answer.header(Name::Require, "100rel").header(Name::RSeq, rseq.to_string());
    }
    if let Some(sdp) = sdp {
        answer = answer.body(SDP, sdp.as_bytes().to_vec());
    }
    solo.raw(udp(CARRIER), &answer.finish());
}

fn calling(solo: &mut Solo) -> (CallId, Message) {
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    (call, solo.only())
}

/// A call from a carrier that can do (or insists on) reliable answers.
fn called(solo: &mut Solo, line: &str, late_offer: bool) -> CallId {
    let mut invite =
        Request::invite().with(line).with("Allow: INVITE, ACK, PRACK, UPDATE").branch("z9hG4bKcall");
    if late_offer {
        invite.body = None;
    }
    assert_eq!(solo.ask(udp(CARRIER), &invite).status(), Some(100));
    let Event::Incoming(call) = solo.event() else { panic!("no call came") };
    call.call
}

fn to_of(message: &Message) -> String {
    String::from_utf8_lossy(message.to().raw()).into_owned()
}

/// The PRACK for a 18x of ours.
fn prack(ringing: &Message, cseq: u32) -> Request {
    let rseq = ringing.text(Name::RSeq).expect("a reliable answer");
    Solo::within("PRACK", &to_of(ringing), cseq).with(&format!("RAck: {rseq} 1 INVITE"))
}

#[test]
fn a_reliable_answer_gets_its_prack_once_and_in_order() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    assert!(invite.tokens(Name::Supported).unwrap().has("100rel"));
    progress(&mut solo, &invite, 183, "one", Some(7), Some("v=0 early"));
    let prack = solo.only();
    assert_eq!(label(&prack), "PRACK");
    assert_eq!(
        prack.text(Name::RAck).as_deref(),
        Some(format!("7 {} INVITE", invite.cseq().number).as_str())
    );
    assert_eq!((prack.to_tag(), prack.cseq().number), (Some(&b"one"[..]), invite.cseq().number + 1));
    assert_eq!(prack.request_uri().unwrap().raw(), b"sip:gw@198.51.100.1:5070");
    let early = Some(b"v=0 early".to_vec());
    assert_eq!(solo.event(), Event::Ringing { call, status: 183, sdp: early.clone(), fork: 0 });
    solo.reply(udp(CARRIER), &prack, 200, "", None);
    // Again, one too far, and an older one.
    for rseq in [7, 9, 6] {
        progress(&mut solo, &invite, 180, "one", Some(rseq), None);
        assert!(solo.take().is_empty() && solo.happened().is_empty(), "{rseq}");
    }
    progress(&mut solo, &invite, 180, "one", Some(8), None);
    let second = solo.only();
    assert_eq!(second.cseq().number, invite.cseq().number + 2);
    assert_eq!(solo.event(), Event::Ringing { call, status: 180, sdp: None, fork: 0 });
    // The answer was told reliably; the 200 need not repeat it, and its CSeq goes on from the PRACKs.
    solo.reply(udp(CARRIER), &invite, 200, "one", None);
    assert_eq!(labels(&solo.take()), ["ACK"]);
    assert_eq!(solo.event(), Event::Answered { call, sdp: early });
    solo.stack.hangup(solo.now, call, Cause::Completed, Side::Flow);
    assert_eq!(solo.only().cseq().number, invite.cseq().number + 3);
    solo.assert_nothing_left();
}

#[test]
fn each_fork_has_its_own_count_and_the_one_that_loses_gets_a_bye_that_it_can_take() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    progress(&mut solo, &invite, 183, "one", Some(100), Some("v=0 one"));
    progress(&mut solo, &invite, 183, "two", Some(5), Some("v=0 two"));
    let pracks = solo.take();
    assert_eq!(labels(&pracks), ["PRACK", "PRACK"]);
    assert_eq!((pracks[0].to_tag(), pracks[1].to_tag()), (Some(&b"one"[..]), Some(&b"two"[..])));
    let forks: Vec<_> = solo
        .happened()
        .into_iter()
        .map(|event| match event {
            Event::Ringing { fork, sdp, .. } => (fork, sdp),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(forks, [(0, Some(b"v=0 one".to_vec())), (1, Some(b"v=0 two".to_vec()))]);
    solo.reply(udp(CARRIER), &invite, 200, "two", None);
    assert_eq!(solo.event(), Event::Answered { call, sdp: Some(b"v=0 two".to_vec()) });
    solo.take();
    solo.reply(udp(CARRIER), &invite, 200, "one", None);
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "BYE"]);
    assert_eq!(sent[1].cseq().number, invite.cseq().number + 2);
}

#[test]
fn no_prack_follows_a_cancel_and_an_unreliable_answer_gets_none() {
    let mut solo = Solo::new();
    let (call, invite) = calling(&mut solo);
    progress(&mut solo, &invite, 180, "one", None, None);
    assert!(solo.take().is_empty());
    solo.stack.hangup(solo.now, call, Cause::Cancelled, Side::Customer);
    assert_eq!(labels(&solo.take()), ["CANCEL"]);
    progress(&mut solo, &invite, 183, "one", Some(1), Some("v=0"));
    assert!(solo.take().is_empty());
    solo.reply(udp(CARRIER), &invite, 487, "one", None);
    solo.take();
    solo.happened();
    solo.assert_nothing_left();
}

#[test]
fn early_media_is_told_reliably_to_who_can_and_ringing_only_to_who_insists() {
    let mut solo = Solo::new();
    let call = called(&mut solo, "Supported: 100rel", false);
    solo.stack.ring(solo.now, call, 180, None);
    assert_eq!(solo.only().header(Name::RSeq), None);
    solo.stack.ring(solo.now, call, 183, Some(b"v=0 early".to_vec()));
    let early = solo.only();
    assert_eq!(early.text(Name::Require).as_deref(), Some("100rel"));
    // Sent again at 0.5, 1.5 and 3.5 s.
    solo.run(4 * SECOND);
    assert_eq!(labels(&solo.take()), ["183 INVITE"; 3]);
    assert_eq!(solo.ask(udp(CARRIER), &prack(&early, 2)).status(), Some(200));
    solo.run(20 * SECOND);
    assert!(solo.take().is_empty());
    solo.stack.answer(solo.now, call, b"v=0 early".to_vec());
    let ok = solo.only();
    assert_eq!((ok.status(), ok.body()), (Some(200), &b""[..]));
    solo.send(udp(CARRIER), &Solo::within("ACK", &to_of(&ok), 1));
    assert_eq!(solo.event(), Event::Confirmed { call, sdp: None });

    let mut solo = Solo::new();
    let call = called(&mut solo, "Require: 100rel", false);
    solo.stack.ring(solo.now, call, 180, None);
    assert!(solo.only().header(Name::RSeq).is_some());
}

#[test]
fn a_200_waits_for_the_prack_of_a_description_and_further_ringing_for_any() {
    let mut solo = Solo::new();
    let call = called(&mut solo, "Require: 100rel", false);
    solo.stack.ring(solo.now, call, 183, Some(b"v=0 early".to_vec()));
    let early = solo.only();
    solo.stack.ring(solo.now, call, 180, None);
    assert!(solo.take().is_empty());
    solo.send(udp(CARRIER), &prack(&early, 2));
    let sent = solo.take();
    assert_eq!(labels(&sent), ["200 PRACK", "180 INVITE"]);
    let rseq = |message: &Message| message.text(Name::RSeq).unwrap().parse::<u32>().unwrap();
    assert_eq!(rseq(&sent[1]), rseq(&early) + 1);
    // Nothing is described now: the 200 does not wait, and the late PRACK is welcome all the same.
    solo.stack.answer(solo.now, call, b"v=0 early".to_vec());
    assert_eq!(labels(&solo.take()), ["200 INVITE"]);
    assert_eq!(solo.ask(udp(CARRIER), &prack(&sent[1], 3)).status(), Some(200));

    let mut solo = Solo::new();
    let call = called(&mut solo, "Require: 100rel", false);
    solo.stack.ring(solo.now, call, 183, Some(b"v=0 early".to_vec()));
    let early = solo.only();
    solo.stack.answer(solo.now, call, b"v=0 early".to_vec());
    assert!(solo.take().is_empty());
    solo.send(udp(CARRIER), &prack(&early, 2));
    assert_eq!(labels(&solo.take()), ["200 PRACK", "200 INVITE"]);
}

#[test]
fn a_prack_for_something_else_gets_481() {
    let mut solo = Solo::new();
    let call = called(&mut solo, "Require: 100rel", false);
    solo.stack.ring(solo.now, call, 180, None);
    let ringing = solo.only();
    let to = to_of(&ringing);
    let rseq: u32 = ringing.text(Name::RSeq).unwrap().parse().unwrap();
    for (cseq, (rack, status)) in (2..).zip([
        (format!("{} 1 INVITE", rseq + 1), 481),
        (format!("{rseq} 2 INVITE"), 481),
        (format!("{rseq} 1 UPDATE"), 481),
        (format!("{rseq} 1"), 400),
        (format!("{rseq} 1 INVITE"), 200),
        (format!("{rseq} 1 INVITE"), 481),
    ]) {
        let request = Solo::within("PRACK", &to, cseq).with(&format!("RAck: {rack}"));
        assert_eq!(solo.ask(udp(CARRIER), &request).status(), Some(status), "{rack}");
    }
    let bare = Solo::within("PRACK", &to, 20);
    assert_eq!(solo.ask(udp(CARRIER), &bare).status(), Some(400));
    assert_eq!(solo.ask(udp(CARRIER), &Request::new("PRACK").call_id("no")).status(), Some(481));
}

#[test]
fn a_caller_that_never_pracks_is_given_up() {
    let mut solo = Solo::new();
    let call = called(&mut solo, "Require: 100rel", false);
    solo.stack.ring(solo.now, call, 183, Some(b"v=0".to_vec()));
    solo.stack.answer(solo.now, call, b"v=0".to_vec());
    solo.run(33 * SECOND);
    let sent = labels(&solo.take());
    // After 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 seconds.
    assert_eq!(sent.iter().filter(|label| *label == "183 INVITE").count(), 7);
    assert!(sent.contains(&"504 INVITE".to_owned()));
    assert!(matches!(solo.event(), Event::Ended { ending, .. } if ending.cause == Cause::Lost));
    solo.assert_nothing_left();
}

#[test]
fn a_cancel_while_the_200_waits_for_the_prack_wins() {
    let mut solo = Solo::new();
    let call = called(&mut solo, "Require: 100rel", false);
    solo.stack.ring(solo.now, call, 183, Some(b"v=0".to_vec()));
    let early = solo.only();
    solo.stack.answer(solo.now, call, b"v=0".to_vec());
    let mut cancel = Request::new("CANCEL").branch("z9hG4bKcall");
    cancel.from = Request::invite().from;
    solo.send(udp(CARRIER), &cancel);
    assert_eq!(labels(&solo.take()), ["200 CANCEL", "487 INVITE"]);
    assert!(matches!(solo.event(), Event::Ended { ending, .. } if ending.cause == Cause::Cancelled));
    assert_eq!(solo.ask(udp(CARRIER), &prack(&early, 2)).status(), Some(481));
    solo.assert_nothing_left();
}

#[test]
fn our_offer_in_a_18x_is_answered_in_the_prack() {
    let mut solo = Solo::new();
    let call = called(&mut solo, "Supported: 100rel", true);
    solo.stack.ring(solo.now, call, 183, Some(b"v=0 our offer".to_vec()));
    let early = solo.only();
    assert_eq!(solo.ask(udp(CARRIER), &prack(&early, 2)).status(), Some(400));
    assert_eq!(solo.ask(udp(CARRIER), &prack(&early, 3).body(SDP, "v=0 their answer")).status(), Some(200));
    assert_eq!(solo.event(), Event::OfferAnswered { call, sdp: Some(b"v=0 their answer".to_vec()) });
    solo.stack.answer(solo.now, call, b"v=0 our offer".to_vec());
    assert_eq!(solo.only().body(), b"");
}

#[test]
fn a_prack_may_bring_a_new_offer() {
    let mut solo = Solo::new();
    let call = called(&mut solo, "Supported: 100rel", false);
    solo.stack.ring(solo.now, call, 183, Some(b"v=0 early".to_vec()));
    let early = solo.only();
    solo.send(udp(CARRIER), &prack(&early, 2).body(SDP, "v=0 better"));
    assert!(solo.take().is_empty());
    assert_eq!(solo.event(), Event::Offer { call, sdp: Some(b"v=0 better".to_vec()) });
    solo.stack.accept_offer(solo.now, call, b"v=0 fine".to_vec());
    let ok = solo.only();
    assert_eq!((label(&ok).as_str(), ok.body()), ("200 PRACK", &b"v=0 fine"[..]));
    // Nothing was described: no answer, so no new offer.
    let mut solo = Solo::new();
    let call = called(&mut solo, "Require: 100rel", false);
    solo.stack.ring(solo.now, call, 180, None);
    let ringing = solo.only();
    assert_eq!(solo.ask(udp(CARRIER), &prack(&ringing, 2).body(SDP, "v=0 too soon")).status(), Some(488));
}
