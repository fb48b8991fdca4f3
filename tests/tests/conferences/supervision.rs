//! Supervisors in somebody else's call.

use e2e::world::World;
use e2e::world::script::{count, only};
use media::api::Channel;
use model::{AgentId, Change, Party, Supervision};
use session::api::AgentCommand;
use session::view::{SessionState, SupervisingView};
use sip_core::api::CallId;

use super::{OUTSIDE, agent, heard, leg_of, seconds, session, talking};

/// The customer's call, his operator, and a supervisor who is in it.
fn supervised(mode: Supervision) -> (World, CallId, AgentId, AgentId) {
    let (mut world, call, operator, others) = talking(2);
    let (boss, id) = (others[0], session(&world));
    world.agent_does(boss, AgentCommand::Supervise { session: id, mode }).expect("he may");
    world.pass(seconds(1));
    assert_eq!(world.desk(boss).supervising, Some(SupervisingView { session: id, mode, up: false }));
    world.operator_answers(boss);
    world.pass(seconds(1));
    assert_eq!(world.desk(boss).supervising, Some(SupervisingView { session: id, mode, up: true }));
    (world, call, operator, boss)
}

#[test]
fn a_supervisor_listens_whispers_and_barges_in_and_only_then_is_recorded() {
    let (mut world, _, operator, boss) = supervised(Supervision::Monitor);
    let id = session(&world);
    let all = [Party::Customer, agent(operator), agent(boss)];
    assert_eq!(heard(&world, &all), [vec![1], vec![0], vec![0, 1]]);
    let own = leg_of(&world, &agent(boss));
    assert_eq!(world.channel(own), Some(Channel::Aside));
    world
        .agent_does(boss, AgentCommand::Supervise { session: id, mode: Supervision::Whisper })
        .expect("he may");
    assert_eq!(heard(&world, &all), [vec![1], vec![0, 2], vec![0, 1]]);
    assert_eq!(world.channel(own), Some(Channel::Aside));
    world
        .agent_does(boss, AgentCommand::Supervise { session: id, mode: Supervision::Barge })
        .expect("he may");
    assert_eq!(heard(&world, &all), [vec![1, 2], vec![0, 2], vec![0, 1]]);
    assert_ne!(world.channel(own), Some(Channel::Aside));
    world.agent_does(boss, AgentCommand::StopSupervising { session: id }).expect("he leaves");
    world.pass(seconds(1));
    let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &agent(operator)));
    assert_eq!(world.hears(customer), Some(partner));
    assert_eq!(world.desk(boss).supervising, None);
    let journals = world.journals();
    let modes: Vec<_> = only(&journals)
        .iter()
        .filter_map(|entry| match entry.change {
            Change::Supervised { agent, mode } => Some((agent == boss, mode)),
            _ => None,
        })
        .collect();
    let expected = [Some(Supervision::Monitor), Some(Supervision::Whisper), Some(Supervision::Barge), None];
    assert_eq!(modes, expected.map(|mode| (true, mode)));
}

#[test]
fn a_supervisor_who_hangs_up_disturbs_nobody_and_takes_no_slot() {
    let (mut world, call, operator, boss) = supervised(Supervision::Monitor);
    assert!(world.desk(boss).sessions.is_empty());
    let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &agent(operator)));
    world.caller_calls("+79004445566");
    world.pass(seconds(20));
    assert_eq!(world.rings(boss), 1, "nothing is offered to him meanwhile");
    world.operator_hangs_up(boss);
    world.pass(seconds(5));
    assert!(world.call_is_up(call));
    assert_eq!(world.hears(customer), Some(partner));
    assert_eq!(world.rings(boss), 2, "he is free for the next caller");
}

#[test]
fn a_supervisor_stays_through_hold_and_transfer_and_goes_with_the_customer() {
    let (mut world, call, operator, boss) = supervised(Supervision::Monitor);
    let own = leg_of(&world, &agent(operator));
    world.put_on_hold(own, true);
    world.pass(seconds(1));
    assert!(world.hears_music(leg_of(&world, &Party::Customer)));
    world.put_on_hold(own, false);
    world.pass(seconds(1));
    assert!(!world.hears_music(leg_of(&world, &Party::Customer)));
    world.operator_refers(operator, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(1));
    world.customer_answers();
    world.pass(seconds(2));
    let all = [Party::Customer, Party::External, agent(boss)];
    assert_eq!(heard(&world, &all), [vec![1], vec![0], vec![0, 1]]);
    world.caller_hangs_up(call);
    world.pass(seconds(30));
    assert_eq!((world.engine.counts().legs, world.engine.counts().consulted), (0, 0));
}

#[test]
fn a_supervisor_takes_the_customer_over_and_the_operator_wraps_up_and_is_free() {
    let (mut world, call, operator, boss) = supervised(Supervision::Monitor);
    let id = session(&world);
    world.agent_does(boss, AgentCommand::TakeOver { session: id }).expect("he may");
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    let (customer, partner) = (leg_of(&world, &Party::Customer), leg_of(&world, &agent(boss)));
    assert_eq!((world.hears(customer), world.hears(partner)), (Some(partner), Some(customer)));
    assert_eq!(world.channel(partner), Some(Channel::Agent));
    assert_eq!(world.desk(operator).sessions[0].state, SessionState::WrapUp);
    assert_eq!(world.desk(boss).sessions[0].state, SessionState::Active);
    assert_eq!(world.desk(boss).supervising, None);
    // The call ends before the first operator is done: both wrap up, each for himself.
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    for one in [operator, boss] {
        assert_eq!(world.desk(one).sessions[0].state, SessionState::WrapUp);
    }
    let done = AgentCommand::FinishWrapUp { session: id, disposition: None, note: None };
    world.agent_does(operator, done.clone()).expect("it is his");
    assert!(world.desk(operator).sessions.is_empty());
    assert_eq!(world.desk(boss).sessions[0].state, SessionState::WrapUp);
    world.agent_does(boss, done).expect("it is his");
    world.pass(seconds(30));
    assert_eq!(world.engine.counts().sessions, 0);
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::WrapUpEnded { .. })), 2);
}

#[test]
fn only_a_running_call_of_somebody_else_can_be_supervised() {
    let (mut world, call, operator, others) = talking(2);
    let (boss, id) = (others[0], session(&world));
    let monitor = AgentCommand::Supervise { session: id, mode: Supervision::Monitor };
    assert_eq!(world.agent_does(operator, monitor.clone()).expect_err("his own").code, "your_call");
    for command in [AgentCommand::StopSupervising { session: id }, AgentCommand::TakeOver { session: id }] {
        assert_eq!(world.agent_does(boss, command).expect_err("he is not in it").code, "not_supervising");
    }
    world.agent_does(boss, monitor.clone()).expect("he may");
    world.pass(seconds(1));
    world.operator_refuses(boss);
    world.pass(seconds(1));
    assert_eq!(world.desk(boss).supervising, None, "he did not answer");
    world.phone_vanishes(boss);
    assert_eq!(world.agent_does(boss, monitor.clone()).expect_err("he has no phone").code, "no_phone");
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    assert!(world.agent_does(boss, monitor).is_err());
}

#[test]
fn after_a_restart_nobody_is_left_in_a_supervised_conference() {
    let (mut world, _, operator, boss) = supervised(Supervision::Barge);
    world.crash_and_restart();
    world.pass(seconds(60));
    assert_eq!((world.engine.counts().legs, world.engine.counts().consulted), (0, 0));
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(
        count(entries, |change| matches!(change, Change::CallbackPromised { .. })),
        1,
        "he is called back"
    );
    assert_eq!(count(entries, |change| matches!(change, Change::SessionEnded { .. })), 0);
    let _ = (operator, boss);
}
