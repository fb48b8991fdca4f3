//! The operator asks a colleague or an outside number first, and then joins the two (REFER with Replaces).

use std::time::Duration;

use e2e::world::script::{count, only};
use e2e::world::{Scenario, World};
use media::api::Channel;
use model::{AgentId, Cause, Change, Ending, Party, Side};
use session::api::AgentCommand;
use session::view::SessionState;
use sip_core::api::CallId;

use super::{OUTSIDE, address, customers_partner, leg_of, seconds, talking};

/// An operator who talks to a customer, and his consultation of a colleague who has answered.
fn consulting() -> (World, CallId, AgentId, AgentId, CallId) {
    let (mut world, call, agent, others) = talking(2);
    let colleague = others[0];
    let login = world.login(colleague).to_owned();
    let consultation = world.operator_calls(agent, &login, None);
    assert_eq!(world.rings(colleague), 1);
    assert!(!world.was_answered(agent, consultation));
    world.operator_answers(colleague);
    world.pass(seconds(1));
    assert!(world.was_answered(agent, consultation));
    (world, call, agent, colleague, consultation)
}

#[test]
fn a_consultation_is_heard_by_the_two_alone_and_nothing_is_offered_to_whoever_is_asked() {
    let (mut world, _, agent, colleague, consultation) = consulting();
    let asked = leg_of(&world, &Party::Agent { agent: colleague });
    let heard = world.hears(asked).expect("they hear each other");
    for leg in [asked, heard] {
        assert_eq!(world.channel(leg), Some(Channel::Aside), "it is in no recording");
    }
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }), "the first call stays as it was");
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
    world.caller_calls("+79004445566");
    world.pass(seconds(15));
    assert_eq!(world.rings(colleague), 1, "he is asked something");
    assert!(world.desk(colleague).phone_registered);
    // He is free again when it is over, and the customer has noticed nothing.
    world.operator_ends(agent, consultation);
    world.pass(seconds(5));
    assert_eq!(world.rings(colleague), 2, "the next caller is offered to him");
    assert_eq!(world.desk(agent).sessions[0].legs.len(), 2);
}

#[test]
fn an_attended_transfer_on_either_call_gives_the_colleague_the_session() {
    for on_consultation in [false, true] {
        let (mut world, call, agent, colleague, consultation) = consulting();
        let first = world.newest_ring(agent);
        let (on, other) = if on_consultation { (consultation, first) } else { (first, consultation) };
        let to = address(&world, colleague);
        world.operator_joins(agent, on, &to, other);
        world.pass(seconds(2));
        assert_eq!(world.operator_was_told(agent), [(100, false), (200, true)]);
        for ended in [first, consultation] {
            assert!(world.ending_at(agent, ended).is_some(), "both of his calls are over");
        }
        assert!(world.call_is_up(call));
        assert_eq!(customers_partner(&world), Some(Party::Agent { agent: colleague }));
        let leg = leg_of(&world, &Party::Agent { agent: colleague });
        assert_eq!(world.channel(leg), Some(Channel::Agent), "from now on he is recorded");
        assert_eq!(world.desk(colleague).sessions[0].state, SessionState::Active);
        assert!(world.desk(agent).sessions.is_empty(), "{:?}", world.desk(agent).sessions);
        world.operator_hangs_up(colleague);
        world.pass(seconds(2));
        assert!(!world.call_is_up(call));
    }
}

#[test]
fn an_attended_transfer_to_an_outside_number_frees_the_operator() {
    let (mut world, call, agent, _) = talking(1);
    let consultation = world.operator_calls(agent, OUTSIDE, None);
    assert_eq!(world.calls_to_customers(), 1);
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.was_answered(agent, consultation));
    let first = world.newest_ring(agent);
    world.operator_joins(agent, first, &format!("sip:{OUTSIDE}@tandem.test"), consultation);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(200, true)));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::External));
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::OwnerChanged { agent: None })), 1);
}

#[test]
fn whoever_is_sent_on_while_the_asked_phone_still_rings_is_joined_when_it_is_answered() {
    let (mut world, call, agent, others) = talking(2);
    let colleague = others[0];
    let login = world.login(colleague).to_owned();
    let first = world.newest_ring(agent);
    let to = address(&world, colleague);
    world.operator_calls(agent, &login, None);
    world.operator_rings(colleague);
    world.operator_joins_ringing(agent, first, &to);
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(agent), [(100, false)]);
    world.operator_answers(colleague);
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(200, true)));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: colleague }));
}

#[test]
fn a_transfer_to_a_consultation_that_is_over_leaves_everybody_where_he_was() {
    let (mut world, call, agent, colleague, consultation) = consulting();
    let first = world.newest_ring(agent);
    let to = address(&world, colleague);
    world.operator_ends(colleague, world.newest_ring(colleague));
    world.operator_joins(agent, first, &to, consultation);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_told(agent), [(603, true)]);
    assert!(world.ending_at(agent, consultation).is_some());
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
}

#[test]
fn only_he_who_talks_to_the_customer_may_join_him_with_somebody() {
    let (mut world, call, agent, colleague, consultation) = consulting();
    // The colleague names the operator's consultation: his own call is no conversation with a customer.
    let his = world.newest_ring(colleague);
    let to = address(&world, agent);
    world.operator_refers(colleague, &to);
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(colleague).last(), Some(&(603, true)));
    // A consultation alone is not to be sent on.
    world.operator_refers_on(agent, consultation, &to);
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(603, true)));
    assert!(world.ending_at(colleague, his).is_none());
    assert!(world.call_is_up(call));
}

#[test]
fn a_consultation_goes_only_where_the_operator_may_call() {
    let (mut world, call, agent, others) = talking(2);
    let own = world.login(agent).to_owned();
    let colleague = world.login(others[0]).to_owned();
    for (number, status) in [("+442071838750", 403), ("nobody", 404), (own.as_str(), 486)] {
        let consultation = world.operator_calls(agent, number, None);
        let ending = world.ending_at(agent, consultation).expect("refused");
        assert_eq!(ending.sip_status, Some(status), "{number}");
    }
    assert_eq!(world.calls_to_customers(), 0);
    // One at a time.
    world.operator_calls(agent, &colleague, None);
    let second = world.operator_calls(agent, OUTSIDE, None);
    assert_eq!(world.ending_at(agent, second).and_then(|ending| ending.sip_status), Some(486));
    // The asked says no: the operator hears it, and the customer is still his.
    world.call_of_operator_is_refused(others[0], 486);
    world.pass(seconds(2));
    assert!(world.call_is_up(call));
    assert_eq!(world.desk(agent).sessions[0].legs.len(), 2);
}

#[test]
fn a_consultation_ends_with_the_customers_call() {
    let (mut world, call, agent, colleague, consultation) = consulting();
    let his = world.newest_ring(colleague);
    world.caller_hangs_up(call);
    world.pass(seconds(2));
    assert!(world.ending_at(agent, consultation).is_some());
    assert!(world.ending_at(colleague, his).is_some());
    assert_eq!(world.media_legs_open(), 0);
}

#[test]
fn a_colleague_who_hangs_up_before_the_operators_phone_has_said_what_it_speaks_ends_the_consultation() {
    let (mut world, call, agent, others) = talking(2);
    let colleague = others[0];
    let login = world.login(colleague).to_owned();
    let consultation = world.operator_calls_with(agent, &login, None, b"");
    world.lose_acks_of(agent, true);
    world.operator_answers(colleague);
    world.pass(seconds(1));
    assert!(world.was_answered(agent, consultation));
    world.operator_ends(colleague, world.newest_ring(colleague));
    world.pass(seconds(1));
    world.lose_acks_of(agent, false);
    world.pass(seconds(10));
    assert!(world.ending_at(agent, consultation).is_some(), "he does not sit in silence");
    assert_eq!(world.desk(agent).sessions[0].legs.len(), 2);
    assert!(world.call_is_up(call));
}

#[test]
fn who_was_muted_when_his_browser_died_in_a_consultation_is_muted_when_he_is_back() {
    let mut world = World::new(&Scenario::scripted(1));
    world.operators_use_browsers();
    world.pass(seconds(1));
    let call = world.caller_calls("+79001112233");
    world.pass(seconds(20));
    let agent = world.agents()[0];
    world.operator_answers(agent);
    world.pass(seconds(1));
    let consultation = world.operator_calls(agent, OUTSIDE, None);
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.was_answered(agent, consultation));
    let session = world.desk(agent).sessions[0].session;
    world.agent_does(agent, AgentCommand::Mute { session, muted: true }).expect("he is on the phone");
    world.operator_dies(agent);
    world.pass(Duration::from_millis(100));
    // The consultation ends after the conversation.
    world.called_ends(Ending::new(Cause::HungUp, Side::Customer));
    world.pass(Duration::from_millis(100));
    world.operator_is_back(agent);
    world.pass(seconds(1));
    world.operator_answers(agent);
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
    let legs = &world.desk(agent).sessions[0].legs;
    assert!(legs.iter().any(|leg| leg.party == Party::Agent { agent } && leg.muted), "{legs:?}");
}
