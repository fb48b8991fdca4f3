//! Customers who keep their place without being on the line: promised calls, and lines that broke.

use std::time::Duration;

use e2e::world::script::{count, only};
use e2e::world::{Scenario, World};
use model::{AgentId, Cause, Change, Ending, Entry, Side};
use session::api::{AgentCommand, VisitorCommand};
use session::view::SessionState;

const FIRST: &str = "+79001110001";
const SECOND: &str = "+79001110002";
const THIRD: &str = "+79001110003";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn centre(operators: usize) -> World {
    let mut world = World::new(&Scenario::scripted(operators));
    world.pass(seconds(1));
    world
}

fn tried(reached: bool) -> impl Fn(&Change) -> bool {
    move |change| matches!(change, Change::CallbackTried { reached: it, .. } if *it == reached)
}

fn promised(change: &Change) -> bool {
    matches!(change, Change::CallbackPromised { .. })
}

fn ended(entries: &[Entry]) -> bool {
    count(entries, |change| matches!(change, Change::SessionEnded { .. })) > 0
}

/// The operator's phone, which rings for an offer within a while, is answered.
fn answers(world: &mut World, agent: AgentId) {
    for _ in 0..600 {
        if !world.desk(agent).offers.is_empty() {
            break;
        }
        world.pass(Duration::from_millis(100));
    }
    assert!(!world.desk(agent).offers.is_empty(), "the operator is rung");
    world.pass(Duration::from_millis(500));
    world.operator_answers(agent);
    world.pass(seconds(1));
}

/// Whom we call for him then.
fn takes_the_next(world: &mut World, agent: AgentId) -> String {
    answers(world, agent);
    world.numbers_called().last().expect("a customer is called").clone()
}

/// The conversation ends, and what is left to be written down is.
fn is_done_with_it(world: &mut World, agent: AgentId) {
    world.operator_hangs_up(agent);
    world.pass(seconds(1));
    is_ready_for_more(world, agent);
}

fn is_ready_for_more(world: &mut World, agent: AgentId) {
    let session = world.desk(agent).sessions[0].session;
    let done = AgentCommand::FinishWrapUp { session, disposition: None, note: None };
    world.agent_does(agent, done).expect("he is done");
}

/// Three callers at the only operator: he talks to the first, the others wait. Then everything stops.
fn after_a_crash() -> (World, AgentId) {
    let mut world = centre(1);
    let agent = world.agents()[0];
    for caller in [FIRST, SECOND, THIRD] {
        world.caller_calls(caller);
        world.pass(seconds(20));
        if caller == FIRST {
            world.operator_answers(agent);
        }
    }
    world.crash_and_restart();
    world.operator_dies(agent);
    world.pass(seconds(1));
    (world, agent)
}

/// A visitor who asked to be called while he waited, and closed the chat.
fn waits_for_his_call(world: &mut World) {
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m0", "hello").expect("taken");
    world.visitor_writes(visitor, "m1", "support").expect("taken");
    world.pass(seconds(10));
    world.visitor_does(visitor, VisitorCommand::CallMe { phone: FIRST.to_owned() }).expect("it is promised");
    world.visitor_does(visitor, VisitorCommand::Close).expect("he may close");
    world.pass(seconds(1));
}

/// Both operators talk, and somebody waits for his call.
fn waits_for_two_who_talk() -> (World, Vec<AgentId>) {
    let mut world = centre(2);
    let agents = world.agents();
    for caller in [SECOND, THIRD] {
        world.caller_calls(caller);
        world.pass(seconds(20));
        let rung = agents.iter().copied().find(|agent| !world.desk(*agent).offers.is_empty());
        world.operator_answers(rung.expect("somebody is rung"));
        world.pass(seconds(1));
    }
    waits_for_his_call(&mut world);
    (world, agents)
}

#[test]
fn those_whose_calls_a_crash_broke_are_called_back_in_their_order() {
    let (mut world, agent) = after_a_crash();
    world.operator_is_back(agent);
    for expected in [FIRST, SECOND, THIRD] {
        assert_eq!(takes_the_next(&mut world, agent), expected);
        world.customer_answers();
        world.pass(seconds(3));
        let desk = world.desk(agent);
        assert_eq!(desk.sessions[0].state, SessionState::Active);
        assert_eq!(desk.sessions[0].callback, None, "the promise is kept");
        is_done_with_it(&mut world, agent);
    }
    for entries in world.journals() {
        assert_eq!(count(&entries, promised), 1);
        assert_eq!(count(&entries, tried(true)), 1);
        let broken = |change: &Change| matches!(change, Change::LegEnded { ending, .. } if ending.cause == Cause::Restarted);
        assert!(count(&entries, broken) > 0, "the call that the crash broke is marked");
    }
}

#[test]
fn one_who_calls_by_himself_after_a_crash_has_his_place_and_is_not_called() {
    let (mut world, agent) = after_a_crash();
    let call = world.caller_calls(SECOND);
    world.pass(seconds(5));
    assert_eq!(world.journals().len(), 3, "he is the same contact");
    world.operator_is_back(agent);
    assert_eq!(takes_the_next(&mut world, agent), FIRST, "who was served goes first");
    world.customer_answers();
    world.pass(seconds(1));
    is_done_with_it(&mut world, agent);
    answers(&mut world, agent);
    assert!(world.call_is_up(call), "he talks on the line on which he called");
    assert_eq!(world.numbers_called(), [FIRST], "nobody else was called");
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    assert_eq!(count(&world.journals().concat(), |change| matches!(change, Change::CallbackWithdrawn)), 1);
}

#[test]
fn a_visitor_who_asked_for_a_call_may_close_the_chat() {
    let mut world = centre(1);
    let agent = world.agents()[0];
    // Nobody is free yet.
    let busy = world.caller_calls(SECOND);
    world.pass(seconds(20));
    world.operator_answers(agent);
    world.pass(seconds(1));
    waits_for_his_call(&mut world);
    world.pass(seconds(60));
    assert!(world.numbers_called().is_empty(), "not before his turn");
    world.caller_hangs_up(busy);
    world.pass(seconds(1));
    is_ready_for_more(&mut world, agent);
    let offer = world.desk(agent).offers[0].clone();
    assert_eq!(offer.callback.as_deref(), Some(FIRST), "the operator sees that it is a call back");
    assert_eq!(takes_the_next(&mut world, agent), FIRST);
    world.customer_answers();
    world.pass(seconds(2));
    assert_eq!(world.desk(agent).sessions.len(), 1);
}

#[test]
fn not_reached_he_is_called_again_from_his_place_so_often_and_then_no_more() {
    let mut world = centre(1);
    let agent = world.agents()[0];
    world.caller_calls("+79001110009");
    answers(&mut world, agent);
    waits_for_his_call(&mut world);
    world.caller_calls(SECOND);
    world.pass(seconds(20));
    is_done_with_it(&mut world, agent);
    assert_eq!(takes_the_next(&mut world, agent), FIRST, "he has waited longest");
    world.call_is_refused(486);
    // The next one's turn, while he is not called.
    answers(&mut world, agent);
    world.pass(seconds(130));
    world.caller_calls(THIRD);
    world.pass(seconds(20));
    assert_eq!(world.numbers_called().len(), 1, "the operator has no time for another");
    is_done_with_it(&mut world, agent);
    assert_eq!(
        takes_the_next(&mut world, agent),
        FIRST,
        "neither ahead nor behind: he came before the third"
    );
    assert_eq!(world.numbers_called().len(), 2);
    world.call_is_refused(486);
    answers(&mut world, agent);
    world.pass(seconds(130));
    is_done_with_it(&mut world, agent);
    assert_eq!(takes_the_next(&mut world, agent), FIRST);
    assert_eq!(world.numbers_called().len(), 3);
    world.call_is_refused(486);
    world.pass(seconds(300));
    assert_eq!(world.desk(agent).offers.len(), 0, "three times is enough");
    let journals = world.journals();
    let his = journals.iter().find(|entries| count(entries, promised) > 0).expect("he was promised a call");
    assert_eq!(count(his, tried(false)), 3);
    assert!(ended(his));
}

#[test]
fn an_operator_who_hangs_up_before_the_customer_answers_costs_him_no_attempt() {
    let (mut world, agents) = waits_for_two_who_talk();
    for agent in agents {
        is_done_with_it(&mut world, agent);
        assert_eq!(takes_the_next(&mut world, agent), FIRST);
        world.operator_hangs_up(agent);
        world.pass(seconds(1));
        let status = model::AgentStatus::NotReady { reason: "lunch".to_owned() };
        world.agent_does(agent, AgentCommand::SetStatus { status }).expect("he may");
        world.pass(seconds(1));
    }
    let journals = world.journals();
    let his = journals.iter().find(|entries| count(entries, promised) > 0).expect("he was promised a call");
    assert_eq!(count(his, tried(false)), 0);
    assert!(!ended(his), "he still waits");
}

#[test]
fn a_caller_presses_the_key_hangs_up_and_is_called_when_it_is_his_turn() {
    let mut world = centre(1);
    let agent = world.agents()[0];
    world.set_flow(
        r#"flow calls { entry sip "+74950000000"
            state waits {
                queue support {
                    offer callback after 10s key 1 say "Press 1" { voice file "wait" }
                }
                on callback -> promised
                on full -> over
            }
            state promised { close "We call you" { voice file "bye" } }
            state over { hangup }
        }"#,
    );
    let busy = world.caller_calls(SECOND);
    answers(&mut world, agent);
    let call = world.caller_calls(FIRST);
    world.pass(seconds(5));
    world.caller_presses('1');
    world.pass(seconds(2));
    assert!(world.call_is_up(call), "it was not offered yet");
    world.pass(seconds(10));
    world.caller_presses('1');
    world.pass(seconds(30));
    assert!(!world.call_is_up(call), "he was told so, and the call is over");
    assert_eq!(world.engine.counts().sessions, 2, "his place is kept");
    world.caller_hangs_up(busy);
    world.pass(seconds(1));
    is_ready_for_more(&mut world, agent);
    assert_eq!(takes_the_next(&mut world, agent), FIRST);
    world.customer_answers();
    world.pass(seconds(2));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
}

#[test]
fn whose_line_breaks_while_he_waits_finds_his_place_when_he_calls_again() {
    let mut world = centre(0);
    let call = world.caller_calls(FIRST);
    world.pass(seconds(30));
    world.caller_calls(SECOND);
    world.pass(seconds(30));
    let q850 = Some(41);
    world.caller_ends(call, Ending { q850, ..Ending::new(Cause::HungUp, Side::Customer) });
    world.pass(seconds(30));
    assert_eq!(world.engine.counts().sessions, 2, "his place is kept");
    world.caller_calls(FIRST);
    world.pass(seconds(5));
    assert_eq!(world.journals().len(), 2, "he is the same contact");
    let since: Vec<_> = world.journals()[0]
        .iter()
        .filter_map(|entry| match &entry.change {
            Change::Queued { since, .. } => Some(*since),
            _ => None,
        })
        .collect();
    assert_eq!(since.len(), 2);
    assert_eq!(since[0], since[1], "as old as before");
}

#[test]
fn whose_line_broke_and_who_does_not_call_again_is_gone_after_a_while() {
    let mut world = centre(0);
    let call = world.caller_calls(FIRST);
    world.pass(seconds(30));
    let q850 = Some(41);
    world.caller_ends(call, Ending { q850, ..Ending::new(Cause::HungUp, Side::Customer) });
    world.pass(seconds(59));
    assert_eq!(world.engine.counts().sessions, 1);
    world.pass(seconds(2));
    assert_eq!(world.engine.counts().sessions, 0);
    assert!(ended(only(&world.journals())));
}

#[test]
fn who_hangs_up_while_he_waits_has_no_place_any_more() {
    let mut world = centre(0);
    let call = world.caller_calls(FIRST);
    world.pass(seconds(30));
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    assert_eq!(world.engine.counts().sessions, 0);
}

#[test]
fn a_customer_who_calls_while_his_phone_rings_is_with_the_operator_who_calls_him() {
    let (mut world, agent) = after_a_crash();
    world.operator_is_back(agent);
    assert_eq!(takes_the_next(&mut world, agent), FIRST);
    let call = world.caller_calls(FIRST);
    world.pass(seconds(2));
    assert_eq!(world.journals().len(), 3, "he is the same contact");
    assert!(world.call_is_up(call));
    let desk = world.desk(agent);
    assert_eq!((desk.sessions.len(), desk.sessions[0].state), (1, SessionState::Active));
    assert_eq!(desk.sessions[0].callback, None);
    world.pass(seconds(30));
    assert!(world.call_is_up(call), "nothing of the call that was on its way ends his own");
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::WrapUp);
}

#[test]
fn a_call_that_is_picked_up_at_a_colleague_and_not_answered_is_tried_again() {
    let (mut world, agents) = waits_for_two_who_talk();
    is_done_with_it(&mut world, agents[0]);
    world.pass(seconds(1));
    assert_eq!(world.desk(agents[0]).offers.len(), 1);
    // The colleague is free by now, and takes what rings there.
    world.operator_hangs_up(agents[1]);
    world.pass(seconds(1));
    let code = format!("*8{}", world.login(agents[0]));
    world.operator_calls(agents[1], &code, None);
    world.pass(seconds(1));
    assert_eq!(world.numbers_called(), [FIRST]);
    world.call_is_refused(486);
    world.pass(seconds(130));
    let journals = world.journals();
    let his = journals.iter().find(|entries| count(entries, promised) > 0).expect("he was promised a call");
    assert_eq!(count(his, tried(false)), 1);
    let queued = count(his, |change| matches!(change, Change::Queued { .. }));
    assert_eq!(queued, 2, "he has his place again");
}

#[test]
fn nobody_can_have_the_emergency_number_called() {
    let mut world = centre(0);
    world.set_routes(r#"route outbound { emergency "112" via trunk "carrier" to "*" via trunk "carrier" }"#);
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m0", "hello").expect("taken");
    world.visitor_writes(visitor, "m1", "support").expect("taken");
    let call = VisitorCommand::CallMe { phone: "112".to_owned() };
    assert!(world.visitor_does(visitor, call).is_err());
}
