//! What an operator may call by sending his customer on or asking somebody, and what he may still do when nothing new may begin.

use e2e::world::{Scenario, World};
use model::{AgentId, Party};
use sip_core::api::{CallId, UserLimits};

use super::{OUTSIDE, address, customers_partner, ringing_in, seconds, talking};

/// A caller who talks to one of two operators, in a centre without room for another session.
fn talking_in_a_full_centre() -> (World, CallId, AgentId, AgentId) {
    let (mut world, call, agent, others) = ringing_in(&Scenario { max_sessions: 1, ..Scenario::scripted(2) });
    world.operator_answers(agent);
    world.pass(seconds(1));
    (world, call, agent, others[0])
}

fn denied(prefix: &str) -> UserLimits {
    UserLimits { denied: vec![prefix.to_owned()], ..UserLimits::default() }
}

fn refused_with(world: &World, agent: AgentId, call: CallId) -> Option<u16> {
    world.ending_at(agent, call).and_then(|ending| ending.sip_status)
}

#[test]
fn a_number_that_nobody_may_call_is_called_in_no_spelling_of_it() {
    let (mut world, call, agent, _) = talking(1);
    world.set_user_limits(denied("+7900"));
    for number in ["+79005556677", "+7-900-555-66-77", "89005556677", "8(900)5556677"] {
        world.operator_refers(agent, &format!("sip:{number}@tandem.test"));
        world.pass(seconds(1));
        assert_eq!(world.operator_was_told(agent).last(), Some(&(403, true)), "{number}");
        let consultation = world.operator_calls(agent, number, None);
        world.pass(seconds(1));
        assert_eq!(refused_with(&world, agent, consultation), Some(403), "{number}");
    }
    // What is dialled is looked at as well.
    world.set_user_limits(denied("8900"));
    world.operator_refers(agent, "sip:89005556677@tandem.test");
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(403, true)));
    assert_eq!(world.calls_to_customers(), 0);
    assert!(world.call_is_up(call));
}

#[test]
fn whom_an_operator_has_sent_outside_is_one_of_his_calls_until_the_call_ends() {
    let (mut world, call, agent, _) = talking(1);
    world.set_user_limits(UserLimits { calls: 1, ..UserLimits::default() });
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(1));
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(customers_partner(&world), Some(Party::External));
    let second = world.operator_calls(agent, "*599", None);
    assert_eq!(refused_with(&world, agent, second), Some(503), "he has a call already");
    world.caller_hangs_up(call);
    world.pass(seconds(2));
    let third = world.operator_calls(agent, "*599", None);
    assert_eq!(refused_with(&world, agent, third), Some(404), "nobody is parked there");
}

#[test]
fn a_phone_that_forwards_outside_makes_a_call_of_its_owners() {
    let (mut world, _, agent, _) = ringing_in(&Scenario { redirects: true, ..Scenario::scripted(1) });
    world.set_user_limits(UserLimits { calls: 1, ..denied("+7900") });
    world.operator_forwards(agent, "sip:89005556677@tandem.test");
    assert_eq!(world.calls_to_customers(), 0, "nobody may call there");
    let (mut world, _, agent, _) = ringing_in(&Scenario { redirects: true, ..Scenario::scripted(1) });
    world.set_user_limits(UserLimits { calls: 1, ..UserLimits::default() });
    world.operator_forwards(agent, "sip:89005556677@tandem.test");
    assert_eq!(world.numbers_called(), [OUTSIDE]);
    let second = world.operator_calls(agent, "*599", None);
    assert_eq!(refused_with(&world, agent, second), Some(503));
}

#[test]
fn nobody_is_sent_to_a_namesake_at_another_centre() {
    let (mut world, call, agent, others) = talking(2);
    let login = world.login(others[0]).to_owned();
    for to in [format!("sip:{login}@partner.example"), format!("sip:{OUTSIDE}@other-pbx.example")] {
        world.operator_refers(agent, &to);
        world.pass(seconds(1));
        assert_eq!(world.operator_was_told(agent).last(), Some(&(403, true)), "{to}");
    }
    assert_eq!((world.rings(others[0]), world.calls_to_customers()), (0, 0));
    assert!(world.call_is_up(call));
    // Many phones write the address that they registered with.
    world.operator_refers(agent, &format!("sip:{login}@10.0.0.1:5060"));
    world.pass(seconds(1));
    assert_eq!(world.rings(others[0]), 1);
}

#[test]
fn while_draining_running_calls_get_legs_and_nothing_new_begins() {
    let (mut world, call, agent, others) = talking(2);
    let colleague = others[0];
    world.drain_server();
    let new = world.caller_calls("+79004445566");
    world.pass(seconds(1));
    assert_eq!(world.ending_at_caller(new).and_then(|ending| ending.sip_status), Some(503));
    let login = world.login(colleague).to_owned();
    let consultation = world.operator_calls(agent, &login, None);
    world.operator_answers(colleague);
    world.pass(seconds(1));
    assert!(world.was_answered(agent, consultation));
    world.operator_ends(agent, consultation);
    world.operator_refers(agent, "sip:park@tandem.test");
    world.pass(seconds(2));
    let own = world.operator_calls(colleague, "*501", None);
    world.pass(seconds(1));
    assert!(world.was_answered(colleague, own));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: colleague }));
    assert!(world.call_is_up(call));
    // What would be a session of its own is refused to operators, too.
    let fresh = world.operator_calls(agent, "+74951234567", None);
    world.pass(seconds(1));
    assert_eq!(refused_with(&world, agent, fresh), Some(503));
}

#[test]
fn a_call_may_be_moved_and_asked_about_when_there_is_room_for_no_other() {
    let (mut world, call, agent, colleague) = talking_in_a_full_centre();
    let new = world.caller_calls("+79004445566");
    world.pass(seconds(1));
    assert_eq!(world.ending_at_caller(new).and_then(|ending| ending.sip_status), Some(503));
    let to = address(&world, colleague);
    let consultation = world.operator_calls(agent, world.login(colleague).to_owned().as_str(), None);
    world.operator_answers(colleague);
    world.pass(seconds(1));
    let first = world.newest_ring(agent);
    world.operator_joins(agent, first, &to, consultation);
    world.pass(seconds(2));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: colleague }));
    assert!(world.call_is_up(call));
}
