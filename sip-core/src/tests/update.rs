//! RFC 3311: UPDATE in early dialogs, and offers that meet.

use model::{Cause, Side};

use super::calling::{outgoing, trunk};
use super::pair::SECOND;
use super::solo::{CARRIER, Request, Solo, label, labels, udp};
use crate::api::{CallId, Event};
use crate::message::{Message, Name};

const SDP: &str = "application/sdp";

/// A call of ours that has a reliable early answer of a peer with UPDATE.
fn early_out(solo: &mut Solo) -> (CallId, Message) {
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    let answer = invite
        .response(183, None, udp(CARRIER).remote, Some("one"))
        .header(Name::Contact, "<sip:gw@198.51.100.1>")
        .header(Name::Allow, "UPDATE")
        .header(Name::Require, "100rel")
        .header(Name::RSeq, "1")
        .body(SDP, "v=0 early");
    solo.raw(udp(CARRIER), &answer.finish());
    let prack = solo.only();
    solo.reply(udp(CARRIER), &prack, 200, "", None);
    solo.happened();
    (call, invite)
}

/// The peer's request in that early dialog.
fn theirs(invite: &Message, method: &'static str, cseq: u32) -> Request {
    let mut request = Request::new(method).cseq(cseq);
    request.to = String::from_utf8_lossy(invite.from().raw()).into_owned();
    request.from = format!("{};tag=one", String::from_utf8_lossy(invite.to().raw()));
    request.call_id = String::from_utf8_lossy(invite.call_id()).into_owned();
    request
}

#[test]
fn the_peer_may_offer_anew_before_it_answers_our_call() {
    let mut solo = Solo::new();
    let (call, invite) = early_out(&mut solo);
    let offer = theirs(&invite, "UPDATE", 1).with("Contact: <sip:moved@198.51.100.1>").body(SDP, "v=0 other");
    solo.send(udp(CARRIER), &offer);
    assert_eq!(solo.event(), Event::Offer { call, sdp: Some(b"v=0 other".to_vec()) });
    // RFC 3311 §5.2: one at a time.
    let second = solo.ask(udp(CARRIER), &theirs(&invite, "UPDATE", 2).body(SDP, "v=0 third"));
    assert_eq!(second.status(), Some(500));
    assert!(second.header(Name::RetryAfter).is_some());
    solo.stack.accept_offer(solo.now, call, b"v=0 fine".to_vec());
    let ok = solo.only();
    assert_eq!((ok.status(), ok.body()), (Some(200), &b"v=0 fine"[..]));
    let stranger = theirs(&invite, "UPDATE", 3).body(SDP, "v=0 x");
    let stranger = Request { from: stranger.from.replace("tag=one", "tag=nobody"), ..stranger };
    assert_eq!(solo.ask(udp(CARRIER), &stranger).status(), Some(481));
    assert_eq!(solo.ask(udp(CARRIER), &theirs(&invite, "BYE", 4)).status(), Some(481));
    assert_eq!(solo.stack.counts().calls, 1);
}

#[test]
fn an_offer_before_ours_is_answered_gets_491() {
    let mut solo = Solo::new();
    solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    solo.reply(udp(CARRIER), &invite, 180, "one", None);
    let offer = theirs(&invite, "UPDATE", 1).body(SDP, "v=0 other");
    assert_eq!(solo.ask(udp(CARRIER), &offer).status(), Some(491));
    assert_eq!(solo.ask(udp(CARRIER), &theirs(&invite, "UPDATE", 2)).status(), Some(200));
    assert_eq!(solo.happened().len(), 1);
}

#[test]
fn an_offer_before_we_answer_the_first_is_put_off() {
    let mut solo = Solo::new();
    let call = solo.incoming().call;
    solo.stack.ring(solo.now, call, 180, None);
    let ringing = solo.only();
    let to = String::from_utf8_lossy(ringing.to().raw()).into_owned();
    let offer = solo.ask(udp(CARRIER), &Solo::within("UPDATE", &to, 2).body(SDP, "v=0 other"));
    assert_eq!(offer.status(), Some(500));
    assert!(offer.header(Name::RetryAfter).is_some());
    let invite = Solo::within("INVITE", &to, 3).with("Contact: <sip:a@198.51.100.1>").body(SDP, "v=0");
    assert_eq!(solo.ask(udp(CARRIER), &invite).status(), Some(500));
}

#[test]
fn we_offer_by_update_before_the_answer_and_by_reinvite_after_it() {
    let mut solo = Solo::new();
    let (call, invite) = early_out(&mut solo);
    solo.stack.reinvite(solo.now, call, b"v=0 early change".to_vec());
    let update = solo.only();
    assert_eq!((label(&update).as_str(), update.body()), ("UPDATE", &b"v=0 early change"[..]));
    assert_eq!(update.header(Name::SessionExpires), None);
    // Theirs meets it.
    let meeting = theirs(&invite, "UPDATE", 1).body(SDP, "v=0 glare");
    assert_eq!(solo.ask(udp(CARRIER), &meeting).status(), Some(491));
    solo.reply(udp(CARRIER), &update, 200, "", Some("v=0 yes"));
    assert_eq!(solo.event(), Event::OfferAnswered { call, sdp: Some(b"v=0 yes".to_vec()) });
    solo.reply(udp(CARRIER), &invite, 200, "one", None);
    solo.take();
    solo.stack.reinvite(solo.now, call, b"v=0 later change".to_vec());
    assert_eq!(label(&solo.only()), "INVITE");
}

#[test]
fn an_offer_made_too_early_waits_for_the_answer() {
    let mut solo = Solo::new();
    let call = solo.stack.invite(solo.now, outgoing(trunk())).unwrap();
    let invite = solo.only();
    solo.reply(udp(CARRIER), &invite, 180, "one", None);
    solo.stack.reinvite(solo.now, call, b"v=0 change".to_vec());
    assert!(solo.take().is_empty());
    solo.reply(udp(CARRIER), &invite, 200, "one", Some("v=0 answer"));
    let sent = solo.take();
    assert_eq!(labels(&sent), ["ACK", "INVITE"]);
    assert_eq!(sent[1].body(), b"v=0 change");
}

#[test]
fn an_update_that_met_another_comes_again_later() {
    let mut solo = Solo::new();
    let (call, _) = early_out(&mut solo);
    solo.stack.reinvite(solo.now, call, b"v=0 change".to_vec());
    let update = solo.only();
    solo.reply(udp(CARRIER), &update, 491, "", None);
    // The Call-ID is ours: 2.1 to 4 s. RFC 3261 §14.1
    solo.run(2 * SECOND);
    assert!(solo.take().is_empty());
    solo.run(2 * SECOND);
    let again = solo.take().remove(0);
    assert_eq!((label(&again).as_str(), again.body()), ("UPDATE", &b"v=0 change"[..]));
    let busy = again.response(500, None, udp(CARRIER).remote, None).header(Name::RetryAfter, "7 (busy)");
    solo.raw(udp(CARRIER), &busy.finish());
    solo.run(6 * SECOND);
    assert!(solo.take().is_empty());
    solo.run(SECOND);
    assert_eq!(label(&solo.take()[0]), "UPDATE");
    solo.stack.hangup(solo.now, call, Cause::Cancelled, Side::Agent);
    solo.happened();
    solo.run(70 * SECOND);
    assert_eq!(solo.stack.counts(), Default::default());
}
