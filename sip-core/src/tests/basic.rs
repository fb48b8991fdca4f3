use std::time::Duration;

use model::{Cause, Side as Party};

use crate::api::{CallId, Counts, Event, Peer, Transport};
use crate::testing::{Pair, Side, Weather};

const SECOND: Duration = Duration::from_secs(1);
/// Nothing of a call may be left this long after its end.
const AFTERMATH: Duration = Duration::from_secs(33);

/// The one incoming call that `side` was told of.
fn incoming(pair: &mut Pair, side: Side) -> CallId {
    let events = pair.events(side);
    let [Event::Incoming(incoming)] = events.as_slice() else { panic!("{events:?}") };
    incoming.call
}

fn ended(events: &[Event]) -> Vec<Cause> {
    let cause = |event: &Event| match event {
        Event::Ended { ending, .. } => Some(ending.cause),
        _ => None,
    };
    events.iter().filter_map(cause).collect()
}

/// A call from A to B, answered and acknowledged, with all events taken.
fn established(pair: &mut Pair) -> (CallId, CallId) {
    let a = pair.call(Side::A, "200");
    pair.run(SECOND);
    let b = incoming(pair, Side::B);
    let now = pair.now;
    pair.b.stack.answer(now, b, b"v=0 answer".to_vec());
    pair.run(SECOND);
    assert_eq!(pair.events(Side::A), [Event::Answered { call: a, sdp: Some(b"v=0 answer".to_vec()) }]);
    assert_eq!(pair.events(Side::B), [Event::Confirmed { call: b, sdp: None }]);
    (a, b)
}

fn assert_nothing_left(pair: &mut Pair) {
    pair.run(AFTERMATH);
    assert_eq!(pair.a.stack.counts(), Counts::default());
    assert_eq!(pair.b.stack.counts(), Counts::default());
    assert_eq!(pair.a.stack.poll_timeout(), None);
    assert_eq!(pair.b.stack.poll_timeout(), None);
}

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
            assert_eq!(pair.events(Side::A), [Event::Ringing { call: a, status: 180, sdp: None }]);
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
