//! An operator sends his customer on with the transfer key of his phone (REFER); the customer's own leg stays where it is.

use e2e::world::script::{count, only};
use model::{Change, Party};
use session::view::SessionState;
use sip_core::api::UserLimits;

use super::{OUTSIDE, address, seconds, talking};

#[test]
fn a_blind_transfer_to_a_colleague_gives_him_the_session() {
    let (mut world, call, agent, others) = talking(2);
    let colleague = others[0];
    let to = address(&world, colleague);
    world.operator_refers(agent, &to);
    world.pass(seconds(2));
    assert_eq!(world.rings(colleague), 1);
    assert_eq!(world.operator_was_told(agent), [(100, false)]);
    world.operator_answers(colleague);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent), [(100, false), (200, true)]);
    assert_eq!(world.desk(colleague).sessions[0].state, SessionState::Active);
    assert!(world.call_is_up(call), "the customer has not noticed");
    let journals = world.journals();
    let owners = count(only(&journals), |change| matches!(change, Change::OwnerChanged { agent: Some(_) }));
    assert_eq!(owners, 2);
    world.operator_hangs_up(colleague);
    world.pass(seconds(2));
    assert!(!world.call_is_up(call));
}

#[test]
fn a_blind_transfer_to_an_outside_number_frees_the_operator() {
    let (mut world, call, agent, _) = talking(1);
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    assert_eq!(world.calls_to_customers(), 1);
    world.customer_answers();
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(200, true)));
    assert!(world.call_is_up(call));
    let journals = world.journals();
    let entries = only(&journals);
    let outside = |change: &Change| matches!(change, Change::LegOpened { party: Party::External, .. });
    assert_eq!(count(entries, outside), 1);
    assert_eq!(count(entries, |change| matches!(change, Change::OwnerChanged { agent: None })), 1);
    world.caller_hangs_up(call);
    world.pass(seconds(2));
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::SessionEnded { .. })), 1);
}

#[test]
fn a_transfer_that_nobody_takes_leaves_the_customer_where_he_was() {
    let (mut world, call, agent, _) = talking(1);
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    world.customer_refuses(486);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(486, true)));
    assert!(world.call_is_up(call));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
    // He may try again, and has hung up himself when it fails: he gets the customer back.
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    world.operator_hangs_up(agent);
    world.pass(seconds(2));
    assert!(world.call_is_up(call), "somebody is still being called for him");
    let rings = world.rings(agent);
    world.customer_refuses(486);
    world.pass(seconds(2));
    assert_eq!(world.rings(agent), rings + 1);
    world.operator_answers(agent);
    world.pass(seconds(2));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
}

#[test]
fn a_transfer_into_a_queue_waits_for_whoever_is_free() {
    let (mut world, call, agent, others) = talking(2);
    let queue = world.desk(agent).sessions[0].queue.clone().expect("he came by a queue");
    world.operator_refers(agent, &format!("sip:{}@tandem.test", queue.0));
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(200, true)));
    assert!(world.call_is_up(call));
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::Queued { .. })), 2);
    assert!(world.rings(others[0]) + world.rings(agent) >= 2, "somebody is rung for him");
}

#[test]
fn nobody_is_sent_abroad_or_to_nobody() {
    let (mut world, call, agent, _) = talking(1);
    for (to, status) in [
        ("sip:+442071838750@tandem.test", 403),
        ("sip:nobody@tandem.test", 404),
        ("sip:op0@tandem.test", 480),
    ] {
        world.operator_refers(agent, to);
        world.pass(seconds(1));
        assert_eq!(world.operator_was_told(agent).last(), Some(&(status, true)), "{to}");
    }
    assert_eq!(world.calls_to_customers(), 0);
    assert!(world.call_is_up(call));
}

#[test]
fn a_transfer_is_a_call_of_whoever_asks_for_it() {
    let (mut world, call, agent, _) = talking(1);
    let to = format!("sip:{OUTSIDE}@tandem.test");
    world.set_user_limits(UserLimits { denied: vec!["+7900555".to_owned()], ..UserLimits::default() });
    world.operator_refers(agent, &to);
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(403, true)));
    world.set_user_limits(UserLimits { per_day: 1, ..UserLimits::default() });
    for answer in [486, 503] {
        world.operator_refers(agent, &to);
        world.pass(seconds(1));
        if answer == 486 {
            world.customer_refuses(486);
            world.pass(seconds(1));
        }
        assert_eq!(world.operator_was_told(agent).last(), Some(&(answer, true)));
    }
    assert_eq!(world.calls_to_customers(), 1);
    assert!(world.call_is_up(call));
}

#[test]
fn a_carrier_sends_its_caller_nowhere() {
    let (mut world, call, agent, others) = talking(2);
    let to = address(&world, others[0]);
    assert_eq!(world.caller_refers(call, &to), [(603, true)]);
    assert_eq!(world.rings(others[0]), 0);
    assert!(world.call_is_up(call));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
}
