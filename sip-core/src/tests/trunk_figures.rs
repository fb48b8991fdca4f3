//! What is counted of a trunk.

use std::time::Duration;

use model::{Cause, Side};

use super::calling::outgoing;
use super::solo::{CARRIER, Request, Solo, udp};
use super::trunks::{asking, call, tick, trunk, with};
use crate::api::{Limits, Target, Transport, Trunk, TrunkFigures};

const SECOND: Duration = Duration::from_secs(1);

fn figures(solo: &Solo) -> TrunkFigures {
    solo.stack.trunk_states().next().unwrap().figures
}

#[test]
fn calls_both_ways_are_counted_and_only_what_the_carrier_did_not_carry_is_a_failure() {
    let mut solo = with(vec![trunk()]);
    for (status, failures) in [(486, 0), (503, 1), (408, 2), (603, 2), (500, 3)] {
        let (_, invite) = call(&mut solo);
        solo.reply(udp(CARRIER), &invite, status, "theirs", None);
        assert_eq!(figures(&solo).failures, failures, "{status}");
        solo.take();
        solo.happened();
    }
    // Nothing is heard at all.
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let hasty = crate::api::OutgoingCall { silence: Some(6 * SECOND), ..outgoing(target) };
    solo.stack.invite(solo.now, hasty).unwrap();
    solo.run(7 * SECOND);
    assert_eq!(figures(&solo).failures, 4);
    // Given up by us: whatever the carrier says to that is no failure of its.
    let (given_up, invite) = call(&mut solo);
    solo.reply(udp(CARRIER), &invite, 180, "theirs", None);
    solo.stack.hangup(solo.now, given_up, Cause::Cancelled, Side::Agent);
    solo.reply(udp(CARRIER), &invite, 500, "theirs", None);
    solo.run(40 * SECOND);
    solo.take();
    solo.happened();
    solo.ask(udp(CARRIER), &Request::invite());
    assert_eq!(figures(&solo), TrunkFigures { calls_in: 1, calls_out: 7, failures: 4, changes: 0 });
}

#[test]
fn a_call_that_ends_while_it_begins_leaves_no_call_behind() {
    // Nothing of ours speaks TLS: there is nowhere to go, and nothing to ask the DNS.
    let destination = "carrier.example:5061".parse().unwrap();
    let nowhere = Trunk { destination, transport: Some(Transport::Tls), ..trunk() };
    let limits = Limits { calls: Some(2), ..Limits::default() };
    let mut solo = with(vec![Trunk { limits, ..nowhere }]);
    for n in 1..5 {
        let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
        solo.stack.invite(solo.now, outgoing(target)).expect("there is room");
        solo.drain();
        assert_eq!(solo.happened().len(), 1, "its end");
        let state = solo.stack.trunk_states().next().unwrap();
        assert_eq!((state.calls, state.figures.calls_out, state.figures.failures), (0, n, n));
    }
}

#[test]
fn a_call_that_is_refused_before_it_begins_counts_nowhere() {
    let mut solo = with(vec![trunk()]);
    let target = Target::Trunk { name: "carrier".to_owned(), number: "+74951234567".to_owned() };
    let headers = vec![("Via".to_owned(), "SIP/2.0/UDP x".to_owned())];
    let forbidden = crate::api::OutgoingCall { headers, ..outgoing(target) };
    assert!(solo.stack.invite(solo.now, forbidden).is_err());
    let state = solo.stack.trunk_states().next().unwrap();
    assert_eq!((state.calls, state.figures.calls_out), (0, 0));
}

#[test]
fn only_ups_and_downs_are_changes_and_new_settings_keep_the_figures() {
    let mut solo = with(vec![asking()]);
    tick(&mut solo);
    let heard = |solo: &mut Solo, status: u16| {
        solo.run(11 * SECOND);
        let options = solo.take().pop().expect("an OPTIONS");
        solo.reply(udp(CARRIER), &options, status, "x", None);
        figures(solo).changes
    };
    // The first answer of all says only that it is as was thought.
    assert_eq!(heard(&mut solo, 200), 0);
    assert_eq!([503, 503, 503].map(|status| heard(&mut solo, status)), [0, 0, 1]);
    assert_eq!([200, 200, 200].map(|status| heard(&mut solo, status)), [1, 2, 2]);
    let limits = Limits { calls: Some(9), ..Limits::default() };
    solo.stack.set_trunks(vec![Trunk { limits, ..asking() }]);
    assert_eq!(figures(&solo).changes, 2);
}
