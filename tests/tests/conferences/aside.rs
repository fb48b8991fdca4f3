//! The customer waits aside while his operator asks somebody, and an operator takes his call along to another device.

use e2e::world::World;
use e2e::world::script::{count, only};
use media::api::Channel;
use model::{AgentId, Change, Party};
use session::api::AgentCommand;
use session::view::SessionState;

use super::{OUTSIDE, PHONE, agent, heard, leg_of, seconds, session, talking};

/// The operator asks a colleague, who has answered; the customer waits.
fn asking() -> (World, sip_core::api::CallId, AgentId, AgentId) {
    let (mut world, call, operator, others) = talking(2);
    let (colleague, id) = (others[0], session(&world));
    let to = world.login(colleague).to_owned();
    world.agent_does(operator, AgentCommand::Consult { session: id, to }).expect("he is called");
    world.pass(seconds(1));
    assert!(world.hears_music(leg_of(&world, &Party::Customer)), "the customer waits while it rings");
    assert!(world.hears_music(leg_of(&world, &agent(operator))), "the operator hears that it rings");
    assert!(world.desk(operator).sessions[0].aside);
    world.operator_answers(colleague);
    world.pass(seconds(1));
    (world, call, operator, colleague)
}

#[test]
fn who_is_asked_and_who_asks_talk_while_the_customer_has_music_and_no_recording_has_it() {
    let (world, call, operator, colleague) = asking();
    let all = [agent(operator), agent(colleague)];
    assert_eq!(heard(&world, &all), [vec![1], vec![0]]);
    let customer = leg_of(&world, &Party::Customer);
    assert_eq!((world.hears_in_conference(customer), world.hears(customer)), (None, None));
    assert!(world.hears_music(customer));
    for party in &all {
        let leg = leg_of(&world, party);
        assert_eq!(world.channel(leg), Some(Channel::Aside), "{party:?} is in no recording");
        assert!(!world.hears_music(leg));
    }
    assert!(world.call_is_up(call));
}

#[test]
fn the_customer_is_let_in_or_handed_over_or_talked_to_again() {
    for end in ["in", "over", "back", "asked leaves"] {
        let (mut world, call, operator, colleague) = asking();
        let id = session(&world);
        let own = world.newest_ring(operator);
        match end {
            "in" => {
                world
                    .agent_does(operator, AgentCommand::Aside { session: id, aside: false })
                    .expect("he is let in");
                world.pass(seconds(1));
                let all = [Party::Customer, agent(operator), agent(colleague)];
                assert_eq!(heard(&world, &all), [vec![1, 2], vec![0, 2], vec![0, 1]]);
            }
            "over" => {
                world
                    .agent_does(operator, AgentCommand::LeaveConference { session: id })
                    .expect("he is handed over");
                world.pass(seconds(1));
                assert!(world.ending_at(operator, own).is_some());
                assert_eq!(world.desk(colleague).sessions[0].state, SessionState::Active);
                let (customer, partner) =
                    (leg_of(&world, &Party::Customer), leg_of(&world, &agent(colleague)));
                assert_eq!((world.hears(customer), world.hears(partner)), (Some(partner), Some(customer)));
            }
            "back" => {
                let leg = leg_of(&world, &agent(colleague));
                world
                    .agent_does(operator, AgentCommand::RemoveParty { session: id, leg })
                    .expect("he is thanked");
                world.pass(seconds(1));
            }
            _ => {
                world.operator_hangs_up(colleague);
                world.pass(seconds(1));
            }
        }
        if end.starts_with("back") || end.starts_with("asked") {
            let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &agent(operator)));
            assert_eq!(
                (world.hears(customer), world.hears(partner)),
                (Some(partner), Some(customer)),
                "{end}"
            );
            assert_eq!(world.engine.counts().consulted, 0);
        }
        let customer = leg_of(&world, &Party::Customer);
        assert!(!world.hears_music(customer), "{end}");
        let serves = if end == "over" { colleague } else { operator };
        assert_eq!(
            world.channel(leg_of(&world, &agent(serves))),
            Some(Channel::Agent),
            "recorded again: {end}"
        );
        assert!(!world.desk(serves).sessions[0].aside, "{end}");
        world.caller_hangs_up(call);
        world.pass(seconds(30));
        assert_eq!((world.engine.counts().legs, world.engine.counts().consulted), (0, 0), "{end}");
    }
}

#[test]
fn a_customer_who_hangs_up_while_he_waits_aside_ends_it_for_all() {
    let (mut world, call, _, _) = asking();
    world.caller_hangs_up(call);
    world.pass(seconds(30));
    assert_eq!((world.engine.counts().legs, world.engine.counts().consulted), (0, 0));
}

#[test]
fn the_console_puts_a_customer_on_hold_and_takes_him_back() {
    let (mut world, _, operator, _) = talking(1);
    let id = session(&world);
    let customer = leg_of(&world, &Party::Customer);
    world.agent_does(operator, AgentCommand::Aside { session: id, aside: true }).expect("he waits");
    world.pass(seconds(1));
    assert!(world.hears_music(customer));
    assert_eq!(world.hears(leg_of(&world, &agent(operator))), None);
    world.agent_does(operator, AgentCommand::Aside { session: id, aside: false }).expect("he is back");
    world.pass(seconds(1));
    assert!(!world.hears_music(customer));
    assert_eq!(world.hears(customer), Some(leg_of(&world, &agent(operator))));
}

#[test]
fn an_expert_is_asked_by_phone_about_a_customer_who_writes() {
    let mut world = World::new(&e2e::world::Scenario::scripted(2));
    world.pass(seconds(1));
    let operator = world.agents()[0];
    // The chat goes to whoever has been idle longest.
    let visitor = world.visitor_comes(None);
    for (id, text) in [("m0", "hello"), ("m1", "sales")] {
        world.visitor_writes(visitor, id, text).expect("taken");
    }
    world.pass(seconds(1));
    let operator = if world.desk(operator).offers.is_empty() { world.agents()[1] } else { operator };
    let colleague = world.agents().into_iter().find(|other| *other != operator).expect("there are two");
    let offer = world.desk(operator).offers[0].offer;
    world.agent_does(operator, AgentCommand::Accept { offer }).expect("accepted");
    let id = session(&world);
    let to = world.login(colleague).to_owned();
    world.agent_does(operator, AgentCommand::Consult { session: id, to }).expect("his phone rings first");
    world.pass(seconds(1));
    assert_eq!((world.rings(operator), world.rings(colleague)), (1, 0));
    world.operator_answers(operator);
    world.pass(seconds(1));
    assert_eq!(world.rings(colleague), 1);
    world.operator_answers(colleague);
    world.pass(seconds(1));
    assert_eq!(heard(&world, &[agent(operator), agent(colleague)]), [vec![1], vec![0]]);
    world.visitor_writes(visitor, "m2", "are you there?").expect("he goes on writing");
    // No call is offered to either meanwhile.
    world.caller_calls(PHONE);
    world.pass(seconds(20));
    assert_eq!((world.rings(operator), world.rings(colleague)), (1, 1));
    world.operator_hangs_up(colleague);
    world.pass(seconds(2));
    let desk = world.desk(operator);
    let chat = desk.sessions.iter().find(|session| session.session == id).expect("the chat goes on");
    assert_eq!((chat.state, chat.aside, chat.legs.len()), (SessionState::Active, false, 1));
    assert_eq!(world.engine.counts().consulted, 0);
    world.pass(seconds(5));
    assert_eq!(world.rings(operator) + world.rings(colleague), 3, "now the caller is offered");
}

#[test]
fn a_call_goes_along_to_a_number_of_the_operator_and_the_customer_stays() {
    for hangs_up_first in [false, true] {
        let (mut world, call, operator, _) = talking(1);
        let id = session(&world);
        let own = world.newest_ring(operator);
        let refused = world
            .agent_does(operator, AgentCommand::MoveCall { session: id, to: None })
            .expect_err("there is one");
        assert_eq!(refused.code, "no_other_device");
        let to = Some(OUTSIDE.to_owned());
        world.agent_does(operator, AgentCommand::MoveCall { session: id, to }).expect("his mobile rings");
        world.pass(seconds(1));
        assert_eq!(world.numbers_called(), [OUTSIDE]);
        let customer = leg_of(&world, &Party::Customer);
        if hangs_up_first {
            world.operator_hangs_up(operator);
            world.pass(seconds(1));
            assert!(world.call_is_up(call) && world.hears_music(customer), "the customer waits for him");
        }
        world.customer_answers();
        world.pass(seconds(1));
        assert!(world.ending_at(operator, own).is_some(), "the first device is free");
        let partner = leg_of(&world, &agent(operator));
        assert_eq!((world.hears(customer), world.hears(partner)), (Some(partner), Some(customer)));
        assert!(world.call_is_up(call) && !world.hears_music(customer));
        let journals = world.journals();
        let owners = count(only(&journals), |change| matches!(change, Change::OwnerChanged { .. }));
        assert_eq!(owners, 1, "he has had the customer all the time");
        assert_eq!(count(only(&journals), |change| matches!(change, Change::RecordingStarted { .. })), 1);
    }
}

#[test]
fn a_device_that_is_not_answered_leaves_the_call_where_it_is() {
    let (mut world, call, operator, _) = talking(1);
    let id = session(&world);
    let to = Some(OUTSIDE.to_owned());
    world.agent_does(operator, AgentCommand::MoveCall { session: id, to }).expect("his mobile rings");
    world.pass(seconds(1));
    world.call_is_refused(486);
    world.pass(seconds(2));
    let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &agent(operator)));
    assert_eq!((world.hears(customer), world.hears(partner)), (Some(partner), Some(customer)));
    assert!(world.call_is_up(call));
}

#[test]
fn a_customer_who_was_aside_is_heard_by_whom_he_is_sent_to() {
    let (mut world, call, operator, _) = talking(2);
    let id = session(&world);
    world.agent_does(operator, AgentCommand::Aside { session: id, aside: true }).expect("he waits");
    world.pass(seconds(1));
    world.operator_refers(operator, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(1));
    world.customer_answers();
    world.pass(seconds(2));
    let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &Party::External));
    assert_eq!((world.hears(customer), world.hears(partner)), (Some(partner), Some(customer)));
    assert!(world.call_is_up(call) && !world.hears_music(customer));
}
