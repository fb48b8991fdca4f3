//! What tests with two stacks have in common.

use std::time::Duration;

use model::Cause;

use crate::api::{CallId, Counts, Event};
use crate::testing::{Pair, Side};

pub const SECOND: Duration = Duration::from_secs(1);
/// Nothing of a call may be left this long after its end.
const AFTERMATH: Duration = Duration::from_secs(33);

/// The one incoming call that `side` was told of.
pub fn incoming(pair: &mut Pair, side: Side) -> CallId {
    let events = pair.events(side);
    let [Event::Incoming(incoming)] = events.as_slice() else { panic!("{events:?}") };
    incoming.call
}

pub fn ended(events: &[Event]) -> Vec<Cause> {
    let cause = |event: &Event| match event {
        Event::Ended { ending, .. } => Some(ending.cause),
        _ => None,
    };
    events.iter().filter_map(cause).collect()
}

/// A call from A to B, answered and acknowledged, with all events taken.
pub fn established(pair: &mut Pair) -> (CallId, CallId) {
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

pub fn assert_nothing_left(pair: &mut Pair) {
    pair.run(AFTERMATH);
    assert_eq!(pair.a.stack.counts(), Counts::default());
    assert_eq!(pair.b.stack.counts(), Counts::default());
    assert_eq!(pair.a.stack.poll_timeout(), None);
    assert_eq!(pair.b.stack.poll_timeout(), None);
}
