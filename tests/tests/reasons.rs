//! Why one leg ended is what the other one is told: a status to whoever was not answered, a Q.850 Reason to whoever was.

use std::time::Duration;

use e2e::world::script::only;
use e2e::world::{Scenario, World};
use model::{AgentId, Cause, Change, Ending, Party, Side};
use sip_core::api::{CallId, CallIdentity};

const CALLER: &str = "+79001112233";
/// Its flow calls a number outside, and has nothing else to offer.
const THROUGH: &str = "+74950000001";
/// The same, but whoever is not connected is told so.
const KIND: &str = "+74950000002";
const FLOWS: &str = r#"
flow through {
  entry sip "+74950000001"
  state start { transfer "+79005556677" on failed -> over }
  state over { hangup }
}
flow kind {
  entry sip "+74950000002"
  state start { transfer "+79005556677" on failed -> sorry }
  state sorry { close "Call again later" { voice file "bye" } }
}
flow direct {
  entry sip "+74950000003"
  state start { transfer operator op0 on failed -> over }
  state over { hangup }
}
"#;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A caller of this number, while the outside number that its flow calls rings.
fn calling(number: &str) -> (World, CallId) {
    let mut world = World::new(&Scenario::scripted(1));
    world.set_routes(FLOWS);
    world.pass(seconds(1));
    let call = world.caller_calls_number(CALLER, number, CallIdentity::default());
    world.pass(seconds(2));
    assert_eq!(world.calls_to_customers(), 1);
    (world, call)
}

fn statuses(ending: &Ending) -> (Option<u16>, Option<u8>) {
    (ending.sip_status, ending.q850)
}

#[test]
fn a_caller_whose_call_cannot_be_completed_is_told_why_before_he_was_answered() {
    // What the far end says; what the caller is told.
    for (says, q850, told) in [
        (486, None, 486),
        (404, Some(1), 404),
        (480, Some(19), 480),
        (603, None, 603),
        (503, Some(34), 503),
        (500, Some(17), 486),
        (401, None, 503),
    ] {
        let (mut world, call) = calling(THROUGH);
        assert!(!world.is_answered(call), "nobody has taken the call");
        match q850 {
            Some(_) => {
                world.called_ends(Ending::with_status(Cause::Refused, Side::Customer, says).and_q850(q850))
            }
            None => world.call_is_refused(says),
        }
        world.pass(seconds(1));
        let ending = world.ending_at_caller(call).expect("it is over for the caller");
        assert_eq!(ending.sip_status, Some(told), "{says} {q850:?}");
        assert!(ending.q850.is_some(), "the telephone network is told too");
        let journals = world.journals();
        let said = only(&journals).iter().rev().find_map(|entry| match &entry.change {
            Change::LegEnded { ending, .. } => Some(ending.sip_status),
            _ => None,
        });
        assert_eq!(said, Some(Some(told)), "the journal knows what he was told");
        assert!(!world.is_answered(call));
    }
}

#[test]
fn nobody_there_and_no_carrier_are_told_apart() {
    let (mut world, call) = calling(THROUGH);
    world.pass(seconds(70));
    assert_eq!(world.ending_at_caller(call).and_then(|ending| ending.sip_status), Some(480), "no answer");

    let mut world = World::new(&Scenario::scripted(1));
    world.set_routes(&format!("{FLOWS} route outbound {{ to \"*\" deny \"not there\" }}"));
    let call = world.caller_calls_number(CALLER, THROUGH, CallIdentity::default());
    world.pass(seconds(2));
    assert_eq!(world.ending_at_caller(call).and_then(|ending| ending.sip_status), Some(403), "not allowed");

    let mut world = World::new(&Scenario::scripted(1));
    world.set_routes(FLOWS);
    let nowhere =
        sip_core::testing::trunk("nobody", ([10, 9, 9, 9], 5060).into(), sip_core::api::Transport::Udp);
    world.set_trunks(vec![
        sip_core::testing::trunk("carrier", ([10, 0, 0, 2], 5060).into(), sip_core::api::Transport::Udp),
        nowhere,
    ]);
    world.set_routes(&format!("{FLOWS} route outbound {{ to \"*\" via trunk \"nobody\" }}"));
    let call = world.caller_calls_number(CALLER, THROUGH, CallIdentity::default());
    world.pass(seconds(10));
    assert_eq!(
        world.ending_at_caller(call).and_then(|ending| ending.sip_status),
        Some(408),
        "a dead carrier"
    );
}

#[test]
fn a_flow_that_goes_on_answers_and_speaks() {
    let (mut world, call) = calling(KIND);
    world.called_ends(Ending::with_status(Cause::Refused, Side::Customer, 486));
    world.pass(seconds(1));
    assert!(world.is_answered(call), "he hears that nobody is there");
    world.pass(seconds(10));
    let ending = world.ending_at_caller(call).expect("the flow is over");
    assert_eq!((ending.cause, ending.sip_status), (Cause::HungUp, None));
}

#[test]
fn a_caller_is_answered_when_the_called_is() {
    let (mut world, call) = calling(THROUGH);
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.is_answered(call));
    assert!(world.call_is_up(call));
}

#[test]
fn a_caller_for_an_operator_is_answered_by_him_or_told_that_he_is_busy() {
    for answers in [true, false] {
        let mut world = World::new(&Scenario::scripted(1));
        world.set_routes(FLOWS);
        world.pass(seconds(1));
        let agent = world.agents()[0];
        let call = world.caller_calls_number(CALLER, "+74950000003", CallIdentity::default());
        world.pass(seconds(2));
        assert_eq!((world.rings(agent), world.is_answered(call)), (1, false));
        if answers {
            world.operator_answers(agent);
            world.pass(seconds(1));
            assert!(world.is_answered(call));
            assert_eq!(world.heard_by(&Party::Agent { agent }), "v=0 caller");
        } else {
            world.operator_refuses(agent);
            world.pass(seconds(1));
            assert_eq!(world.ending_at_caller(call).and_then(|ending| ending.sip_status), Some(486));
        }
    }
}

#[test]
fn the_reason_of_one_leg_is_told_to_the_other() {
    for q850 in [16, 34, 41] {
        let (mut world, call) = calling(THROUGH);
        world.customer_answers();
        world.pass(seconds(1));
        world.called_ends(Ending::new(Cause::HungUp, Side::Customer).and_q850(Some(q850)));
        world.pass(seconds(1));
        let ending = world.ending_at_caller(call).expect("the caller's side ends");
        assert_eq!(statuses(ending), (None, Some(q850)), "BYE");
    }
}

/// The operator who was rung for a caller, who is on the line with him.
fn talking() -> (World, CallId, AgentId) {
    let mut world = World::new(&Scenario::scripted(1));
    world.pass(seconds(1));
    let call = world.caller_calls(CALLER);
    let agent = world.agents()[0];
    for _ in 0..60 {
        world.pass(seconds(1));
        if world.rings(agent) > 0 {
            world.operator_answers(agent);
            world.pass(seconds(1));
            return (world, call, agent);
        }
    }
    panic!("nobody was rung");
}

#[test]
fn an_operator_learns_why_his_customer_is_gone() {
    let (mut world, call, agent) = talking();
    let ending = Ending::new(Cause::HungUp, Side::Customer).and_q850(Some(34));
    world.caller_ends(call, ending);
    world.pass(seconds(1));
    assert_eq!(world.ending_at_operator(agent).and_then(|ending| ending.q850), Some(34));
}
