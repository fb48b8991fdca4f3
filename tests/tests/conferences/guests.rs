//! Whom the operator consults joins in, or somebody is called into the conversation; the operator may leave it.

use e2e::world::World;
use e2e::world::script::{count, only};
use media::api::Channel;
use model::{AgentId, Cause, Change, Party};
use session::api::AgentCommand;
use session::view::{Part, SessionState};

use super::{OUTSIDE, PHONE, agent, heard, leg_of, seconds, session, talking};

/// The customer, his operator and a colleague whom the operator called in.
fn three() -> (World, sip_core::api::CallId, AgentId, AgentId) {
    let (mut world, call, operator, others) = talking(2);
    let (colleague, id) = (others[0], session(&world));
    let to = world.login(colleague).to_owned();
    world.agent_does(operator, AgentCommand::AddParty { session: id, to }).expect("he is called");
    world.pass(seconds(1));
    assert_eq!(world.rings(colleague), 1);
    world.operator_answers(colleague);
    world.pass(seconds(1));
    (world, call, operator, colleague)
}

#[test]
fn whom_the_operator_consults_joins_the_customer_and_the_two_go_on_when_he_leaves() {
    for hold in [false, true] {
        let (mut world, call, operator, others) = talking(2);
        let colleague = others[0];
        let id = session(&world);
        let first = world.newest_ring(operator);
        if hold {
            world.put_on_hold(leg_of(&world, &agent(operator)), true);
        }
        let login = world.login(colleague).to_owned();
        let consultation = world.operator_calls(operator, &login, None);
        let refused =
            world.agent_does(operator, AgentCommand::Conference { session: id }).expect_err("he rings yet");
        assert_eq!(refused.code, "no_consultation");
        world.operator_answers(colleague);
        world.pass(seconds(1));
        world.agent_does(operator, AgentCommand::Conference { session: id }).expect("they talk");
        world.pass(seconds(1));
        let all = [Party::Customer, agent(operator), agent(colleague)];
        assert_eq!(heard(&world, &all), [vec![1, 2], vec![0, 2], vec![0, 1]], "hold {hold}");
        assert!(!world.hears_music(leg_of(&world, &Party::Customer)));
        let (kept, gone) = if hold { (consultation, first) } else { (first, consultation) };
        assert!(world.ending_at(operator, gone).is_some() && world.ending_at(operator, kept).is_none());
        assert_ne!(world.channel(leg_of(&world, &agent(colleague))), Some(Channel::Aside), "he is recorded");
        // The operator leaves: the two others go on as two.
        world.operator_ends(operator, kept);
        world.pass(seconds(1));
        assert!(world.call_is_up(call));
        let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &agent(colleague)));
        assert_eq!((world.hears(customer), world.hears(partner)), (Some(partner), Some(customer)));
        assert_eq!(world.hears_in_conference(customer), None);
        assert_eq!(world.desk(colleague).sessions[0].state, SessionState::Active);
        assert!(world.desk(operator).sessions.is_empty(), "{:?}", world.desk(operator).sessions);
        world.operator_hangs_up(colleague);
        world.pass(seconds(30));
        assert!(!world.call_is_up(call));
        assert_eq!((world.engine.counts().legs, world.engine.counts().consulted), (0, 0));
    }
}

#[test]
fn a_colleague_who_was_called_in_is_heard_is_offered_nothing_and_can_be_removed() {
    let (mut world, call, operator, colleague) = three();
    let id = session(&world);
    let all = [Party::Customer, agent(operator), agent(colleague)];
    assert_eq!(heard(&world, &all), [vec![1, 2], vec![0, 2], vec![0, 1]]);
    let guest = leg_of(&world, &agent(colleague));
    let parts: Vec<Part> = world.desk(operator).sessions[0].legs.iter().map(|leg| leg.part).collect();
    assert_eq!(parts, [Part::Customer, Part::Partner, Part::Guest]);
    world
        .agent_does(operator, AgentCommand::MuteParty { session: id, leg: guest, muted: true })
        .expect("muted");
    let own = leg_of(&world, &agent(operator));
    for command in [
        AgentCommand::RemoveParty { session: id, leg: own },
        AgentCommand::MuteParty { session: id, leg: own, muted: true },
    ] {
        assert_eq!(
            world.agent_does(operator, command).expect_err("that is he himself").code,
            "unknown_party"
        );
    }
    assert!(world.desk(operator).sessions[0].legs[2].muted);
    let mute = AgentCommand::MuteParty { session: id, leg: guest, muted: false };
    assert_eq!(world.agent_does(colleague, mute).expect_err("it is not his").code, "not_yours");
    world.caller_calls("+79004445566");
    world.pass(seconds(15));
    assert_eq!(world.rings(colleague), 1, "he is in a call");
    world.agent_does(operator, AgentCommand::RemoveParty { session: id, leg: guest }).expect("he is out");
    world.pass(seconds(5));
    assert!(world.call_is_up(call));
    assert_eq!(world.rings(colleague), 2, "the next caller is offered to him");
}

#[test]
fn a_silenced_guest_who_gets_the_customer_is_heard_again() {
    let (mut world, call, operator, colleague) = three();
    let id = session(&world);
    for party in [agent(colleague), Party::Customer] {
        let leg = leg_of(&world, &party);
        world.agent_does(operator, AgentCommand::MuteParty { session: id, leg, muted: true }).expect("muted");
    }
    world.operator_hangs_up(operator);
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    let legs = &world.desk(colleague).sessions[0].legs;
    assert!(legs.len() == 2 && legs.iter().all(|leg| !leg.muted), "{legs:?}");
}

#[test]
fn a_number_can_be_called_in_and_the_operator_leaves_it_to_the_customer_and_wraps_up() {
    let (mut world, call, operator, _) = talking(1);
    let id = session(&world);
    for (to, code) in [("", "bad_party"), ("nobody", "bad_phone"), ("op0", "yourself"), ("support", "busy")] {
        let refused = world.agent_does(operator, AgentCommand::AddParty { session: id, to: to.to_owned() });
        assert_eq!(refused.expect_err("it is refused").code, code, "{to}");
    }
    let refused = world.agent_does(operator, AgentCommand::LeaveConference { session: id });
    assert_eq!(refused.expect_err("nobody else is there").code, "no_conference");
    world
        .agent_does(operator, AgentCommand::AddParty { session: id, to: OUTSIDE.to_owned() })
        .expect("called");
    world.pass(seconds(1));
    assert_eq!(world.numbers_called().last().map(String::as_str), Some(OUTSIDE));
    world.customer_answers();
    world.pass(seconds(1));
    let all = [Party::Customer, agent(operator), Party::External];
    assert_eq!(heard(&world, &all), [vec![1, 2], vec![0, 2], vec![0, 1]]);
    world.agent_does(operator, AgentCommand::LeaveConference { session: id }).expect("he may leave");
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &Party::External));
    assert_eq!(world.hears(customer), Some(partner));
    assert_eq!(world.desk(operator).sessions[0].state, SessionState::WrapUp);
    world.pass(seconds(20));
    assert!(world.desk(operator).sessions.is_empty());
    world.caller_hangs_up(call);
    world.pass(seconds(30));
    assert_eq!(world.engine.counts().legs, 0);
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::WrapUpStarted { .. })), 1);
}

#[test]
fn a_queue_brings_one_of_its_operators_who_is_free() {
    let (mut world, _, operator, others) = talking(3);
    let id = session(&world);
    world
        .agent_does(operator, AgentCommand::AddParty { session: id, to: "support".to_owned() })
        .expect("called");
    world.pass(seconds(1));
    let rung: Vec<_> = others.iter().filter(|other| world.rings(**other) > 0).collect();
    assert_eq!(rung.len(), 1);
}

#[test]
fn the_customers_end_is_the_end_of_all_and_nobody_is_held_back() {
    let (mut world, call, operator, colleague) = three();
    world.caller_hangs_up(call);
    world.pass(seconds(30));
    assert_eq!((world.engine.counts().legs, world.engine.counts().consulted), (0, 0));
    for one in [operator, colleague] {
        assert!(world.desk(one).sessions.is_empty());
    }
    world.caller_calls("+79004445566");
    world.pass(seconds(30));
    assert!(world.rings(operator) + world.rings(colleague) > 2, "the next caller is offered to one of them");
}

#[test]
fn when_the_operators_device_dies_the_guest_goes_on_with_the_customer_until_he_is_back() {
    let (mut world, call, operator, colleague) = three();
    world.operator_dies(operator);
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    let two = [Party::Customer, agent(colleague)];
    assert_eq!(heard(&world, &two), [vec![1], vec![0]]);
    assert!(!world.hears_music(leg_of(&world, &Party::Customer)), "he has somebody to talk to");
    world.operator_is_back(operator);
    world.pass(seconds(2));
    world.operator_answers(operator);
    world.pass(seconds(1));
    let all = [Party::Customer, agent(operator), agent(colleague)];
    assert_eq!(heard(&world, &all), [vec![1, 2], vec![0, 2], vec![0, 1]]);
}

#[test]
fn a_guest_who_does_not_answer_changes_nothing() {
    let (mut world, call, operator, others) = talking(2);
    let id = session(&world);
    let to = world.login(others[0]).to_owned();
    world.agent_does(operator, AgentCommand::AddParty { session: id, to }).expect("called");
    world.pass(seconds(1));
    world.operator_refuses(others[0]);
    world.pass(seconds(2));
    let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &agent(operator)));
    assert_eq!((world.hears(customer), world.call_is_up(call)), (Some(partner), true));
    assert_eq!(world.engine.counts().consulted, 0);
    let journals = world.journals();
    let refused =
        |change: &Change| matches!(change, Change::LegEnded { ending, .. } if ending.cause == Cause::Refused);
    assert_eq!(count(only(&journals), refused), 1, "{PHONE}");
}
