//! An operator sends his customer on with the transfer key of his phone (REFER); the customer's own leg stays where it is.

use e2e::world::script::{count, only, open_legs, session_of};
use e2e::world::{Scenario, World};
use model::{AgentId, Change, Party};
use session::api::AgentCommand;
use session::view::SessionState;
use sip_core::api::{CallId, CallIdentity, UserLimits};

use super::{OUTSIDE, PHONE, address, customers_partner, ringing, seconds, talking};

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

/// A customer who is sent on to the outside number by an operator who has left since, with his desk.
fn sent_on_and_left(operators: usize) -> (World, CallId, AgentId, Vec<AgentId>) {
    let (mut world, call, agent, others) = talking(operators);
    leave_to_outside(&mut world, agent);
    (world, call, agent, others)
}

fn leave_to_outside(world: &mut World, agent: AgentId) {
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    world.operator_hangs_up(agent);
    world.pass(seconds(1));
    world.desk_vanishes(agent);
    world.pass(seconds(30));
}

/// Who has answered and is still there, but for the customer.
fn partners(world: &World) -> Vec<Party> {
    let journals = world.journals();
    let up = open_legs(only(&journals)).into_iter().filter(|(_, party, up)| *up && *party != Party::Customer);
    up.map(|(_, party, _)| party).collect()
}

#[test]
fn who_leaves_while_his_transfer_rings_is_not_replaced_as_long_as_it_rings() {
    let (mut world, call, _, others) = sent_on_and_left(2);
    assert_eq!(world.rings(others[0]), 0, "the number may still answer");
    assert!(world.call_is_up(call));
    world.customer_answers();
    world.pass(seconds(2));
    assert_eq!(partners(&world), [Party::External]);
    assert_eq!(customers_partner(&world), Some(Party::External));
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::Queued { .. })), 1);
}

#[test]
fn who_left_while_his_transfer_rang_is_waited_for_when_it_fails() {
    let (mut world, call, agent, others) = sent_on_and_left(2);
    let rings = world.rings(agent);
    world.customer_refuses(486);
    world.pass(seconds(5));
    assert_eq!((world.rings(agent), world.rings(others[0])), (rings + 1, 0), "he may come back");
    world.pass(seconds(20));
    assert_eq!(world.rings(others[0]), 1, "he did not");
    world.operator_answers(others[0]);
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    assert_eq!(partners(&world), [Party::Agent { agent: others[0] }]);
}

#[test]
fn a_customer_of_no_queue_is_not_given_up_while_his_transfer_rings() {
    let mut world = World::new(&Scenario::scripted(1));
    world.set_routes(
        r#"flow direct { entry sip "+74950000001"
             state start { answer transfer operator op0 on failed -> sorry }
             state sorry { close "Call again later" { voice file "bye" } } }"#,
    );
    world.pass(seconds(1));
    let agent = world.agents()[0];
    let call = world.caller_calls_number(PHONE, "+74950000001", CallIdentity::default());
    world.pass(seconds(1));
    world.operator_answers(agent);
    world.pass(seconds(1));
    leave_to_outside(&mut world, agent);
    assert!(world.call_is_up(call));
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(partners(&world), [Party::External]);
}

#[test]
fn the_transfer_of_an_operator_who_is_removed_ends_with_him() {
    let (mut world, call, agent, others) = talking(2);
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    world.remove_operator(agent);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(487, true)));
    let journals = world.journals();
    assert!(open_legs(only(&journals)).iter().all(|(_, party, _)| *party != Party::External));
    world.operator_answers(others[0]);
    world.customer_answers();
    world.pass(seconds(2));
    assert!(world.call_is_up(call));
    assert_eq!(partners(&world), [Party::Agent { agent: others[0] }]);
}

/// An operator who talks to a customer, and how somebody else would name that call to replace it.
fn talking_by_name(operators: usize) -> (World, CallId, AgentId, Vec<AgentId>, String) {
    let (mut world, call, agent, others) = ringing(operators);
    let name = world.operator_rings(agent).replace(";early-only", "");
    world.operator_answers(agent);
    world.pass(seconds(1));
    (world, call, agent, others, name)
}

#[test]
fn whoever_is_on_another_device_when_his_transfer_is_answered_is_out_of_the_call() {
    let (mut world, call, agent, _, name) = talking_by_name(1);
    let login = world.login(agent).to_owned();
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    let own = world.operator_calls(agent, &login, Some(&name));
    world.pass(seconds(1));
    assert!(world.was_answered(agent, own));
    assert_eq!(partners(&world), [Party::Agent { agent }]);
    world.customer_answers();
    world.pass(seconds(2));
    assert!(world.call_is_up(call));
    assert_eq!(partners(&world), [Party::External]);
    assert_eq!(customers_partner(&world), Some(Party::External));
    assert!(world.ending_at(agent, own).is_some());
}

#[test]
fn a_colleague_who_takes_the_call_over_keeps_it() {
    let (mut world, call, agent, others, name) = talking_by_name(2);
    let login = world.login(agent).to_owned();
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    let own = world.operator_calls(others[0], &login, Some(&name));
    world.pass(seconds(1));
    assert!(world.was_answered(others[0], own));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(487, true)));
    world.customer_answers();
    world.pass(seconds(2));
    assert!(world.call_is_up(call));
    assert_eq!(partners(&world), [Party::Agent { agent: others[0] }]);
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: others[0] }));
}

#[test]
fn who_goes_on_with_another_device_while_a_colleague_rings_is_not_rung_himself() {
    let (mut world, call, agent, others, name) = talking_by_name(2);
    let to = address(&world, others[0]);
    let login = world.login(agent).to_owned();
    world.operator_refers(agent, &to);
    world.pass(seconds(2));
    let rung = world.newest_ring(others[0]);
    let own = world.operator_calls(agent, &login, Some(&name));
    world.pass(seconds(3));
    assert!(world.was_answered(agent, own));
    assert!(world.ending_at(others[0], rung).is_some(), "the colleague rings no more");
    assert_eq!(world.rings(agent), 1);
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
    world.pass(seconds(30));
    assert!(world.call_is_up(call));
    assert_eq!(partners(&world), [Party::Agent { agent }]);
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
}

#[test]
fn a_queue_without_room_takes_no_transfer() {
    let (mut world, call, agent, _) = talking(1);
    let queue = world.desk(agent).sessions[0].queue.clone().expect("he came by a queue");
    let to = format!("sip:{}@tandem.test", queue.0);
    world.set_places(Some(0));
    world.operator_refers(agent, &to);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(486, true)));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
    // One that is no more, while somebody waits in it.
    world.set_places(Some(1));
    world.caller_calls("+79004445566");
    world.pass(seconds(20));
    world.set_places(None);
    world.operator_refers(agent, &to);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(404, true)));
    assert!(world.call_is_up(call));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
}

#[test]
fn a_customer_whose_operator_is_lost_and_whose_queue_is_full_does_not_wait_for_ever() {
    let (mut world, call, agent, _) = talking(1);
    world.set_places(Some(0));
    world.phone_vanishes(agent);
    world.pass(seconds(15));
    assert!(world.call_is_up(call), "he may come back");
    world.pass(seconds(10));
    assert!(!world.call_is_up(call));
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::SessionEnded { .. })), 1);
    assert_eq!(world.media_legs_open(), 0);
}

/// A colleague who got the customer by a transfer, and sends him on to the outside number.
fn sent_on_twice() -> (World, CallId, AgentId, Vec<AgentId>) {
    let (mut world, call, agent, others) = talking(2);
    let to = address(&world, others[0]);
    world.operator_refers(agent, &to);
    world.pass(seconds(1));
    world.operator_answers(others[0]);
    world.pass(seconds(1));
    world.operator_refers(others[0], &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(2));
    assert_eq!(world.calls_to_customers(), 1);
    (world, call, others[0], vec![agent])
}

#[test]
fn the_failed_transfer_of_one_who_got_the_customer_by_a_transfer_is_over() {
    let (mut world, call, agent, _) = sent_on_twice();
    world.customer_refuses(486);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(486, true)));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
    world.operator_hangs_up(agent);
    world.pass(seconds(2));
    assert!(!world.call_is_up(call), "nobody is being called for him");
}

#[test]
fn one_who_got_the_customer_by_a_transfer_and_is_removed_leaves_him_to_the_queue() {
    let (mut world, call, agent, others) = sent_on_twice();
    world.remove_operator(agent);
    world.pass(seconds(5));
    assert!(world.call_is_up(call));
    assert_eq!(world.rings(others[0]), 2);
    world.operator_answers(others[0]);
    world.pass(seconds(1));
    assert_eq!(partners(&world), [Party::Agent { agent: others[0] }]);
}

#[test]
fn a_chat_whose_desk_went_during_the_call_is_served_by_somebody_else_when_the_call_is_over() {
    let mut world = World::new(&Scenario::scripted(2));
    world.pass(seconds(1));
    let visitor = world.visitor_comes(Some(PHONE));
    world.visitor_writes(visitor, "m0", "hello").expect("the message is taken");
    world.visitor_writes(visitor, "m1", "sales").expect("the message is taken");
    world.pass(seconds(1));
    let offered = |world: &World, agent: &AgentId| world.desk(*agent).offers.first().map(|offer| offer.offer);
    let agent = world.agents().into_iter().find(|agent| offered(&world, agent).is_some()).expect("an offer");
    let other = world.agents().into_iter().find(|other| *other != agent).expect("two");
    let offer = offered(&world, &agent).expect("he has it");
    world.agent_does(agent, AgentCommand::Accept { offer }).expect("accepted");
    let id = session_of(only(&world.journals()));
    world.agent_does(agent, AgentCommand::CallCustomer { session: id, phone: None }).expect("a call is made");
    world.pass(seconds(1));
    world.operator_answers(agent);
    world.pass(seconds(1));
    world.customer_answers();
    world.pass(seconds(1));
    leave_to_outside(&mut world, agent);
    assert!(offered(&world, &other).is_none());
    world.customer_media_breaks();
    world.pass(seconds(10));
    assert!(offered(&world, &other).is_none(), "he may come back");
    world.pass(seconds(20));
    assert!(offered(&world, &other).is_some());
}
