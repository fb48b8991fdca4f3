//! A phone or a carrier answers 302: where that leads, and where it does not.

use e2e::world::script::{count, only};
use e2e::world::{DOMAIN, Scenario, World};
use model::{AgentId, Change, Party};
use session::view::SessionState;
use sip_core::api::{CallId, CallIdentity};

use super::{OUTSIDE, address, customers_partner, ringing, ringing_in, seconds};

const OTHER: &str = "+79005556688";

/// A caller whose call rings at an operator, in a centre that follows redirections.
fn following(operators: usize) -> (World, CallId, AgentId, Vec<AgentId>) {
    ringing_in(&Scenario { redirects: true, ..Scenario::scripted(operators) })
}

fn following_and_talking(operators: usize) -> (World, CallId, AgentId, Vec<AgentId>) {
    let (mut world, call, agent, others) = following(operators);
    world.operator_answers(agent);
    world.pass(seconds(1));
    (world, call, agent, others)
}

#[test]
fn without_permission_a_302_is_a_refusal() {
    let (mut world, call, agent, others) = ringing(2);
    world.operator_forwards(agent, &format!("sip:{OUTSIDE}@{DOMAIN}"));
    world.pass(seconds(2));
    assert_eq!(world.calls_to_customers(), 0);
    assert_eq!(world.rings(others[0]), 1, "the next one is offered the call");
    world.operator_answers(others[0]);
    world.pass(seconds(1));
    // A carrier's neither.
    world.operator_refers(others[0], &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(1));
    world.carrier_forwards(&format!("sip:{OTHER}@10.0.0.2"));
    world.pass(seconds(1));
    assert_eq!(world.numbers_called(), [OUTSIDE]);
    assert_eq!(world.operator_was_told(others[0]).last(), Some(&(302, true)));
    assert!(world.call_is_up(call));
}

#[test]
fn an_operators_phone_forwards_to_a_number_that_he_could_call() {
    let (mut world, call, agent, _) = following(1);
    world.operator_forwards(agent, &format!("sip:{OUTSIDE}@{DOMAIN}"));
    assert_eq!(world.numbers_called(), [OUTSIDE]);
    let journals = world.journals();
    let ended = count(only(&journals), |change| matches!(change, Change::OfferEnded { .. }));
    assert_eq!(ended, 0, "the offer stands as long as it rings there");
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
}

#[test]
fn an_operators_phone_forwards_nowhere_else() {
    for to in [
        "sip:+442071838750@tandem.test".to_owned(),
        format!("sip:{OUTSIDE}@elsewhere.example"),
        "sip:nobody@tandem.test".to_owned(),
        "sip:op0@tandem.test".to_owned(),
        "sip:op1@tandem.test".to_owned(),
        "sip:+74950000000@tandem.test;x".repeat(40),
    ] {
        let (mut world, _, agent, others) = following(2);
        world.operator_forwards(agent, &to);
        world.pass(seconds(2));
        assert_eq!(world.calls_to_customers(), 0, "{to}");
        let journals = world.journals();
        let ended = count(only(&journals), |change| matches!(change, Change::OfferEnded { .. }));
        assert_eq!((ended, world.rings(others[0])), (1, 1), "{to}: the offer goes to the next");
    }
}

#[test]
fn a_customer_who_is_sent_on_may_be_sent_on_to_another_colleague() {
    let (mut world, call, agent, others) = following_and_talking(3);
    let to = address(&world, others[0]);
    world.operator_refers(agent, &to);
    world.pass(seconds(1));
    let next = format!("sip:{}@{DOMAIN}", world.login(others[1]));
    world.operator_forwards(others[0], &next);
    assert_eq!(world.rings(others[1]), 1);
    assert_eq!(world.operator_was_told(agent), [(100, false)], "it is not over");
    world.operator_answers(others[1]);
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(200, true)));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent: others[1] }));
}

#[test]
fn a_consultation_that_is_sent_on_leaves_the_first_colleague_free() {
    let (mut world, _, agent, others) = following_and_talking(3);
    let login = world.login(others[0]).to_owned();
    let consultation = world.operator_calls(agent, &login, None);
    let next = format!("sip:{}@{DOMAIN}", world.login(others[1]));
    world.operator_forwards(others[0], &next);
    world.operator_answers(others[1]);
    world.pass(seconds(1));
    assert!(world.was_answered(agent, consultation));
    world.caller_calls("+79004445566");
    world.pass(seconds(30));
    assert_eq!((world.rings(others[0]), world.rings(others[1])), (2, 1));
}

#[test]
fn a_carriers_302_leads_to_the_same_carrier_and_nowhere_else() {
    let (mut world, call, agent, _) = following_and_talking(1);
    for foreign in [
        format!("sip:{OTHER}@elsewhere.example"),
        format!("tel:{OTHER}"),
        "sip:+442071838750@10.0.0.2".to_owned(),
    ] {
        world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
        world.pass(seconds(1));
        let before = world.calls_to_customers();
        world.carrier_forwards(&foreign);
        world.pass(seconds(1));
        assert_eq!(world.calls_to_customers(), before, "{foreign}");
        assert_eq!(world.operator_was_told(agent).last(), Some(&(302, true)));
    }
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(1));
    world.carrier_forwards(&format!("sip:{OTHER}@10.0.0.2"));
    assert_eq!(world.numbers_called().last().map(String::as_str), Some(OTHER));
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(world.operator_was_told(agent).last(), Some(&(200, true)));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::External));
}

#[test]
fn who_is_sent_round_in_circles_gets_nowhere() {
    let (mut world, call, agent, _) = following_and_talking(1);
    world.operator_refers(agent, &format!("sip:{OUTSIDE}@tandem.test"));
    world.pass(seconds(1));
    for n in 1..=4 {
        assert_eq!(world.calls_to_customers(), n);
        let to = if n % 2 == 1 { OTHER } else { OUTSIDE };
        world.carrier_forwards(&format!("sip:{to}@10.0.0.2"));
        world.pass(seconds(1));
    }
    assert_eq!(world.calls_to_customers(), 4, "three times is enough");
    assert_eq!(world.operator_was_told(agent).last(), Some(&(302, true)));
    assert!(world.call_is_up(call));
    assert_eq!(customers_partner(&world), Some(Party::Agent { agent }));
}

/// A flow that answers and calls the outside number.
const FLOW: &str = r#"
flow out { entry sip "+74950000001"
  state start { answer transfer "+79005556677" on failed -> sorry }
  state sorry { close "Call again later" { voice file "bye" } } }"#;

fn called_by_a_flow() -> (World, CallId) {
    let mut world = World::new(&Scenario { redirects: true, ..Scenario::scripted(1) });
    world.set_routes(FLOW);
    world.pass(seconds(1));
    let call = world.caller_calls_number("+79001112233", "+74950000001", CallIdentity::default());
    world.pass(seconds(1));
    assert_eq!(world.numbers_called(), [OUTSIDE]);
    (world, call)
}

#[test]
fn early_media_that_do_not_fit_say_nothing_of_where_a_302_leads() {
    let (mut world, call) = called_by_a_flow();
    world.fork_says("one", 183, "v=0 unfit");
    world.carrier_forwards(&format!("sip:{OTHER}@10.0.0.2"));
    world.pass(seconds(1));
    assert_eq!(world.numbers_called(), [OUTSIDE, OTHER]);
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.call_is_up(call));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 customer");
}

#[test]
fn what_was_heard_before_a_302_is_heard_no_more() {
    let (mut world, _) = called_by_a_flow();
    world.called_rings(183, Some(b"v=0 early"));
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 early");
    world.carrier_forwards(&format!("sip:{OTHER}@10.0.0.2"));
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "nothing");
    world.called_rings(180, None);
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "ring-back");
}
