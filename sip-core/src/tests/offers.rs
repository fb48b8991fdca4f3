use std::time::Duration;

use model::{Cause, Side as Party};

use super::pair::{SECOND, assert_nothing_left, ended, established};
use super::solo::{CARRIER, PHONE, Solo, labels, udp};
use crate::api::{Event, Hop, Transport};
use crate::message::Name;
use crate::testing::{Pair, Side, Weather};

const HOLD: &[u8] = b"v=0 hold";

fn answer(sdp: &[u8]) -> Option<Vec<u8>> {
    Some(sdp.to_vec())
}

#[test]
fn either_side_can_hold_and_resume() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::new(1, transport, Weather::FINE);
        let (a, b) = established(&mut pair);
        for (side, mine, theirs) in [(Side::A, a, b), (Side::B, b, a), (Side::A, a, b)] {
            let now = pair.now;
            pair.node(side).stack.reinvite(now, mine, HOLD.to_vec());
            pair.run(SECOND);
            assert_eq!(pair.events(side.other()), [Event::Offer { call: theirs, sdp: answer(HOLD) }]);
            let now = pair.now;
            pair.node(side.other()).stack.accept_offer(now, theirs, b"v=0 held".to_vec());
            pair.run(SECOND);
            assert_eq!(pair.events(side), [Event::OfferAnswered { call: mine, sdp: answer(b"v=0 held") }]);
            assert_eq!(pair.events(side.other()), []);
        }
        pair.run(60 * SECOND);
        assert_eq!((pair.events(Side::A), pair.events(Side::B)), (vec![], vec![]));
        let now = pair.now;
        pair.b.stack.hangup(now, b, Cause::HungUp, Party::Agent);
        pair.run(SECOND);
        assert_eq!(ended(&pair.events(Side::A)), [Cause::HungUp]);
        assert_nothing_left(&mut pair);
    }
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let (a, b) = established(&mut pair);
    let now = pair.now;
    pair.a.stack.reinvite(now, a, HOLD.to_vec());
    pair.run(SECOND);
    let now = pair.now;
    pair.b.stack.reject_offer(now, b, 488);
    pair.run(SECOND);
    assert_eq!(pair.events(Side::A), [Event::OfferRefused { call: a, status: 488 }]);
    assert_eq!(pair.a.stack.counts().calls, 1);
}

#[test]
fn offers_that_meet_are_tried_again_and_both_get_through() {
    for seed in 0..20 {
        let mut pair = Pair::new(seed, Transport::Udp, Weather::FINE);
        let (a, b) = established(&mut pair);
        let now = pair.now;
        pair.a.stack.reinvite(now, a, b"v=0 from a".to_vec());
        pair.b.stack.reinvite(now, b, b"v=0 from b".to_vec());
        pair.run(SECOND / 10);
        let refusals = |sent: &[String]| sent.iter().filter(|text| text.starts_with("SIP/2.0 491")).count();
        assert_eq!((refusals(&pair.a.sent), refusals(&pair.b.sent)), (1, 1));
        let mut seen = Vec::new();
        for _ in 0..60 {
            pair.run(SECOND / 10);
            for (side, call) in [(Side::A, a), (Side::B, b)] {
                for event in pair.events(side) {
                    if let Event::Offer { .. } = event {
                        let now = pair.now;
                        pair.node(side).stack.accept_offer(now, call, b"v=0 yes".to_vec());
                    }
                    seen.push(event);
                }
            }
        }
        for expected in [
            Event::Offer { call: a, sdp: answer(b"v=0 from b") },
            Event::Offer { call: b, sdp: answer(b"v=0 from a") },
            Event::OfferAnswered { call: a, sdp: answer(b"v=0 yes") },
            Event::OfferAnswered { call: b, sdp: answer(b"v=0 yes") },
        ] {
            assert!(seen.contains(&expected), "seed {seed}: {seen:?}");
        }
        assert_eq!(seen.len(), 4, "seed {seed}: {seen:?}");
    }
}

#[test]
fn the_maker_of_the_call_id_waits_longer_after_a_glare() {
    for (seed, ours) in [(1, true), (2, true), (3, false), (4, false)] {
        let mut pair = Pair::new(seed, Transport::Udp, Weather::FINE);
        let (a, b) = established(&mut pair);
        // The other side refuses whatever comes while it waits for the answer to its own offer.
        let (side, call, other) = if ours { (Side::A, a, b) } else { (Side::B, b, a) };
        let now = pair.now;
        pair.node(side).stack.reinvite(now, call, HOLD.to_vec());
        pair.node(side.other()).stack.reinvite(now, other, HOLD.to_vec());
        pair.run(SECOND / 10);
        pair.node(side).sent.clear();
        let invites =
            |pair: &mut Pair| pair.node(side).sent.iter().filter(|t| t.starts_with("INVITE")).count();
        pair.run(2 * SECOND);
        assert_eq!(invites(&mut pair) > 0, !ours, "seed {seed}");
        pair.run(2 * SECOND);
        assert!(invites(&mut pair) > 0 || ours, "seed {seed}");
    }
}

#[test]
fn a_second_offer_waits_for_the_first() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let (a, b) = established(&mut pair);
    let now = pair.now;
    pair.a.stack.reinvite(now, a, b"v=0 first".to_vec());
    pair.a.stack.reinvite(now, a, b"v=0 second".to_vec());
    pair.a.stack.reinvite(now, a, b"v=0 third".to_vec());
    pair.run(SECOND);
    assert_eq!(pair.events(Side::B), [Event::Offer { call: b, sdp: answer(b"v=0 first") }]);
    let now = pair.now;
    pair.b.stack.accept_offer(now, b, b"v=0 one".to_vec());
    pair.run(SECOND);
    assert_eq!(pair.events(Side::B), [Event::Offer { call: b, sdp: answer(b"v=0 third") }]);
}

#[test]
fn an_offer_that_nobody_answers_loses_the_call() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let (a, _) = established(&mut pair);
    pair.network.weather.loss = 1.0;
    let now = pair.now;
    pair.a.stack.reinvite(now, a, HOLD.to_vec());
    pair.run(33 * SECOND);
    assert_eq!(ended(&pair.events(Side::A)), [Cause::Lost]);
}

#[test]
fn a_peer_that_forgot_the_call_loses_it() {
    let mut solo = Solo::new();
    let (call, _) = solo.established();
    solo.stack.reinvite(solo.now, call, HOLD.to_vec());
    let invite = solo.only();
    solo.reply(udp(CARRIER), &invite, 481, "", None);
    assert_eq!(labels(&solo.take()), ["ACK", "BYE"]);
    assert!(matches!(solo.event(), Event::Ended { ending, .. } if ending.cause == Cause::Lost));
    solo.assert_nothing_left();
}

#[test]
fn the_2xx_to_a_reinvite_is_sent_again_until_its_ack_and_moves_the_peer() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let mut invite = Solo::within("INVITE", &to, 2).with("Contact: <sip:moved@198.51.100.1:5099>");
    invite.body = Some(("application/sdp", "v=0 moved"));
    solo.ask(udp(CARRIER), &invite);
    assert_eq!(solo.event(), Event::Offer { call, sdp: answer(b"v=0 moved") });
    solo.stack.accept_offer(solo.now, call, b"v=0 fine".to_vec());
    solo.run(SECOND);
    assert_eq!(labels(&solo.take()), ["200 INVITE", "200 INVITE"]);
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 2));
    solo.run(SECOND);
    assert!(solo.take().is_empty());
    solo.stack.hangup(solo.now, call, Cause::Completed, Party::Flow);
    solo.drain();
    let (hop, bye) = solo.sent.pop().expect("a BYE");
    assert_eq!(hop, Hop { remote: "198.51.100.1:5099".parse().unwrap(), ..udp(CARRIER) });
    assert_eq!(bye.request_uri().unwrap().raw(), b"sip:moved@198.51.100.1:5099");
}

#[test]
fn a_reinvite_without_an_offer_asks_for_ours() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    solo.ask(udp(CARRIER), &Solo::within("INVITE", &to, 2).with("Contact: <sip:a@198.51.100.1>"));
    assert_eq!(solo.event(), Event::Offer { call, sdp: None });
    solo.stack.accept_offer(solo.now, call, b"v=0 our offer".to_vec());
    assert_eq!(solo.only().body(), b"v=0 our offer");
    solo.send(udp(CARRIER), &Solo::within("ACK", &to, 2).body("application/sdp", "v=0 their answer"));
    assert_eq!(solo.event(), Event::OfferAnswered { call, sdp: answer(b"v=0 their answer") });
}

#[test]
fn a_reinvite_while_another_is_pending_is_put_off() {
    let mut solo = Solo::new();
    let (_, to) = solo.established();
    let offer = |cseq| {
        Solo::within("INVITE", &to, cseq)
            .with("Contact: <sip:a@198.51.100.1>")
            .body("application/sdp", "v=0 again")
    };
    assert_eq!(solo.ask(udp(CARRIER), &offer(2)).status(), Some(100));
    let put_off = solo.ask(udp(CARRIER), &offer(3));
    assert_eq!(put_off.status(), Some(500));
    assert!(put_off.header(Name::RetryAfter).is_some());
    assert_eq!(solo.happened().len(), 1);
}

#[test]
fn a_cancelled_reinvite_leaves_the_call_alive() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let offer = Solo::within("INVITE", &to, 2)
        .with("Contact: <sip:a@198.51.100.1>")
        .body("application/sdp", "v=0 hold")
        .branch("z9hG4bKhold");
    solo.ask(udp(CARRIER), &offer);
    solo.happened();
    solo.send(udp(CARRIER), &Solo::within("CANCEL", &to, 2).branch("z9hG4bKhold"));
    assert_eq!(labels(&solo.take()), ["200 CANCEL", "487 INVITE"]);
    solo.stack.accept_offer(solo.now, call, b"v=0 too late".to_vec());
    assert!(solo.take().is_empty());
    assert_eq!(solo.happened(), []);
    assert_eq!(solo.stack.counts().calls, 1);
}

#[test]
fn an_update_is_taken_with_and_without_an_offer() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let refresh = Solo::within("UPDATE", &to, 2).with("Contact: <sip:moved@198.51.100.1:5099>");
    assert_eq!(solo.ask(udp(CARRIER), &refresh).status(), Some(200));
    assert_eq!(solo.happened(), []);
    let offer = Solo::within("UPDATE", &to, 3).body("application/sdp", "v=0 hold");
    solo.send(udp(CARRIER), &offer);
    assert_eq!(solo.event(), Event::Offer { call, sdp: answer(HOLD) });
    solo.stack.accept_offer(solo.now, call, b"v=0 held".to_vec());
    let ok = solo.only();
    assert_eq!((ok.status(), ok.body()), (Some(200), &b"v=0 held"[..]));
    // An UPDATE needs no ACK.
    solo.run(10 * SECOND);
    assert!(solo.take().is_empty());
    solo.stack.reinvite(solo.now, call, b"v=0 mine".to_vec());
    solo.take();
    let meeting = Solo::within("UPDATE", &to, 4).body("application/sdp", "v=0 glare");
    assert_eq!(solo.ask(udp(CARRIER), &meeting).status(), Some(491));
}

#[test]
fn a_hang_up_answers_what_is_still_open() {
    let mut solo = Solo::new();
    let (call, to) = solo.established();
    let offer = Solo::within("INVITE", &to, 2)
        .with("Contact: <sip:a@198.51.100.1>")
        .body("application/sdp", "v=0 hold");
    solo.ask(udp(CARRIER), &offer);
    solo.stack.hangup(solo.now, call, Cause::Completed, Party::Flow);
    let mut sent = labels(&solo.take());
    sent.sort();
    assert_eq!(sent, ["487 INVITE", "BYE"]);
    solo.run(Duration::from_secs(33));
    assert_eq!(solo.stack.counts(), Default::default());
}

#[test]
fn a_phone_behind_a_nat_is_reached_where_it_speaks_from() {
    let mut solo = Solo::new();
    let mut invite = super::solo::Request::new("INVITE").with("Contact: <sip:anna@10.0.0.5:5060>");
    invite.body = Some(("application/sdp", "v=0 offer"));
    assert_eq!(solo.ask_as(udp(PHONE), invite, "anna", "secret").status(), Some(100));
    let Event::Incoming(call) = solo.event() else { panic!() };
    solo.stack.answer(solo.now, call.call, b"v=0".to_vec());
    let to = String::from_utf8_lossy(solo.only().to().raw()).into_owned();
    let mut ack = super::solo::Request::new("ACK").to(&to).cseq(2);
    ack.from = "<sip:anna@tandem.example>;tag=their-tag".to_owned();
    solo.send(udp(PHONE), &ack);
    solo.stack.hangup(solo.now, call.call, Cause::Completed, Party::Flow);
    solo.drain();
    let (hop, bye) = solo.sent.pop().expect("a BYE");
    assert_eq!(hop, udp(PHONE));
    assert_eq!(bye.request_uri().unwrap().raw(), b"sip:anna@10.0.0.5:5060");
}
