use std::time::Duration;

use model::{Cause, Side as Party};

use super::pair::{SECOND, assert_nothing_left, ended, established, incoming};
use crate::api::{Counts, Event, Peer, Transport};
use crate::testing::{Pair, Side, Weather};

#[test]
fn a_call_rings_is_answered_and_hung_up_by_either_side() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for hanging_up in [Side::A, Side::B] {
            let mut pair = Pair::new(1, transport, Weather::FINE);
            let a = pair.call(Side::A, "200");
            pair.run(SECOND);
            let events = pair.events(Side::B);
            let [Event::Incoming(call)] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!(call.peer, Peer::Trunk { name: "peer".to_owned() });
            assert_eq!((call.called.as_str(), call.caller.as_str()), ("200", "100"));
            assert_eq!(call.sdp.as_deref(), Some(&b"v=0 offer"[..]));
            let b = call.call;
            let now = pair.now;
            pair.b.stack.ring(now, b, 180, None);
            pair.run(SECOND);
            assert_eq!(pair.events(Side::A), [Event::Ringing { call: a, status: 180, sdp: None, fork: 0 }]);
            let now = pair.now;
            pair.b.stack.answer(now, b, b"v=0 answer".to_vec());
            pair.run(SECOND);
            assert_eq!(
                pair.events(Side::A),
                [Event::Answered { call: a, sdp: Some(b"v=0 answer".to_vec()) }]
            );
            assert_eq!(pair.events(Side::B), [Event::Confirmed { call: b, sdp: None }]);
            let call = if hanging_up == Side::A { a } else { b };
            let now = pair.now;
            pair.node(hanging_up).stack.hangup(now, call, Cause::Completed, Party::Flow);
            assert_eq!(ended(&pair.events(hanging_up)), [Cause::Completed]);
            pair.run(SECOND);
            assert_eq!(ended(&pair.events(hanging_up.other())), [Cause::HungUp]);
            assert_nothing_left(&mut pair);
        }
    }
}

#[test]
fn both_sides_are_told_when_a_ringing_call_is_cancelled() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let a = pair.call(Side::A, "200");
    pair.run(SECOND);
    let b = incoming(&mut pair, Side::B);
    let now = pair.now;
    pair.b.stack.ring(now, b, 180, None);
    pair.run(SECOND);
    let now = pair.now;
    pair.a.stack.hangup(now, a, Cause::Cancelled, Party::Customer);
    pair.run(SECOND);
    assert_eq!(ended(&pair.events(Side::A)), [Cause::Cancelled]);
    assert_eq!(ended(&pair.events(Side::B)), [Cause::Cancelled]);
    assert_nothing_left(&mut pair);
}

#[test]
fn an_established_call_outlives_every_transaction_timer() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let (_, b) = established(&mut pair);
    pair.run(Duration::from_secs(600));
    let counts = Counts { calls: 1, ..Counts::default() };
    assert_eq!((pair.a.stack.counts(), pair.b.stack.counts()), (counts, counts));
    let now = pair.now;
    pair.b.stack.hangup(now, b, Cause::HungUp, Party::Agent);
    assert_nothing_left(&mut pair);
    assert_eq!(ended(&pair.events(Side::A)), [Cause::HungUp]);
}

#[test]
fn a_call_survives_a_lost_ack_and_lost_answers() {
    for lost in ["ACK", "SIP/2.0 200"] {
        let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
        let a = pair.call(Side::A, "200");
        pair.run(SECOND);
        let b = incoming(&mut pair, Side::B);
        pair.censored.insert(lost.to_owned());
        let now = pair.now;
        pair.b.stack.answer(now, b, b"v=0 answer".to_vec());
        pair.run(5 * SECOND);
        assert_eq!(pair.events(Side::B), []);
        pair.censored.clear();
        pair.run(5 * SECOND);
        assert_eq!(pair.events(Side::A), [Event::Answered { call: a, sdp: Some(b"v=0 answer".to_vec()) }]);
        assert_eq!(pair.events(Side::B), [Event::Confirmed { call: b, sdp: None }]);
    }
}

#[test]
fn a_lost_bye_is_sent_again() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let (a, _) = established(&mut pair);
    pair.censored.insert("BYE".to_owned());
    let now = pair.now;
    pair.a.stack.hangup(now, a, Cause::HungUp, Party::Customer);
    pair.run(3 * SECOND);
    assert_eq!(pair.events(Side::B), []);
    pair.censored.clear();
    pair.run(5 * SECOND);
    assert_eq!(ended(&pair.events(Side::B)), [Cause::HungUp]);
    assert_nothing_left(&mut pair);
}

#[test]
fn nothing_is_left_of_a_call_whose_peer_has_vanished() {
    let mut pair = Pair::new(1, Transport::Udp, Weather::FINE);
    let (a, _) = established(&mut pair);
    pair.network.weather.loss = 1.0;
    let now = pair.now;
    pair.a.stack.hangup(now, a, Cause::HungUp, Party::Customer);
    assert_eq!(ended(&pair.events(Side::A)), [Cause::HungUp]);
    pair.run(33 * SECOND);
    assert_eq!(pair.a.stack.counts(), Counts::default());
    assert_eq!(pair.a.stack.poll_timeout(), None);
}

#[test]
fn a_call_over_tcp_outlives_its_connection() {
    let mut pair = Pair::new(1, Transport::Tcp, Weather::FINE);
    let (a, _) = established(&mut pair);
    let now = pair.now.instant;
    pair.network.cut_all(now);
    pair.run(SECOND);
    assert_eq!((pair.events(Side::A), pair.events(Side::B)), (vec![], vec![]));
    let now = pair.now;
    pair.a.stack.hangup(now, a, Cause::HungUp, Party::Customer);
    pair.run(SECOND);
    assert_eq!(ended(&pair.events(Side::B)), [Cause::HungUp]);
}
