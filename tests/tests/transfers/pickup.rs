//! An operator takes what rings at a colleague: by the code, or with an INVITE that replaces the ringing call (RFC 3891).

use e2e::world::script::{count, only};
use model::{Cause, Change, OfferOutcome, Party};
use session::view::SessionState;

use super::{address, customers_partner, ringing, seconds, talking};

#[test]
fn the_code_and_a_colleagues_login_give_what_rings_there() {
    let (mut world, call, agent, others) = ringing(2);
    let picker = others[0];
    let rung = world.newest_ring(agent);
    let code = format!("*8{}", world.login(agent));
    let own = world.operator_calls(picker, &code, None);
    world.pass(seconds(1));
    assert!(world.was_answered(picker, own));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: picker }));
    assert_eq!(world.desk(picker).sessions[0].state, SessionState::Active);
    assert!(world.desk(agent).offers.is_empty() && world.desk(agent).sessions.is_empty());
    // RFC 3326: the phone shows no missed call.
    let ending = world.ending_at(agent, rung).expect("it rings no more");
    assert_eq!(ending.cause, Cause::Cancelled);
    assert!(world.was_cancelled_as_taken(agent));
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(count(entries, |change| matches!(change, Change::Offered { .. })), 1);
    let withdrawn =
        |change: &Change| matches!(change, Change::OfferEnded { outcome: OfferOutcome::Withdrawn, .. });
    assert_eq!(count(entries, withdrawn), 1);
    // The colleague is free for the next.
    world.caller_calls("+79004445566");
    world.pass(seconds(30));
    assert_eq!(world.rings(agent), 2);
}

#[test]
fn an_invite_that_replaces_the_ringing_call_takes_it() {
    let (mut world, call, agent, others) = ringing(2);
    let picker = others[0];
    let ringing = world.operator_rings(agent);
    let login = world.login(agent).to_owned();
    let own = world.operator_calls(picker, &login, Some(&ringing));
    world.pass(seconds(1));
    assert!(world.was_answered(picker, own));
    assert!(world.was_cancelled_as_taken(agent));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: picker }));
}

#[test]
fn an_early_only_replaces_of_an_answered_call_is_busy_and_an_unknown_one_does_not_exist() {
    let (mut world, call, agent, others) = ringing(2);
    let picker = others[0];
    let ringing = world.operator_rings(agent);
    let login = world.login(agent).to_owned();
    world.operator_answers(agent);
    world.pass(seconds(1));
    for (replaces, status) in
        [(ringing.as_str(), 486), ("nothing;to-tag=a;from-tag=b", 481), ("nothing;to-tag=a", 400)]
    {
        let own = world.operator_calls(picker, &login, Some(replaces));
        let ending = world.ending_at(picker, own).expect("refused");
        assert_eq!(ending.sip_status, Some(status), "{replaces}");
    }
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
}

#[test]
fn where_nothing_rings_nothing_is_picked_up() {
    let (mut world, call, agent, others) = talking(2);
    for login in [world.login(agent).to_owned(), world.login(others[0]).to_owned(), "nobody".to_owned()] {
        let own = world.operator_calls(others[0], &format!("*8{login}"), None);
        let ending = world.ending_at(others[0], own).expect("refused");
        assert_eq!(ending.sip_status, Some(404), "{login}");
    }
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
}

#[test]
fn a_transferred_customer_who_rings_at_a_colleague_is_picked_up_too() {
    let (mut world, call, agent, others) = talking(3);
    let to = address(&world, others[0]);
    world.operator_refers(agent, &to);
    world.pass(seconds(1));
    let code = format!("*8{}", world.login(others[0]));
    let own = world.operator_calls(others[1], &code, None);
    world.pass(seconds(1));
    assert!(world.was_answered(others[1], own));
    assert!(world.was_cancelled_as_taken(others[0]));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(200, true)));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: others[1] }));
    assert_eq!(world.desk(others[1]).sessions[0].state, SessionState::Active);
}
