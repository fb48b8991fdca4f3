//! What is heard before a called party answers: the carrier's own media, or our ring-back, as its trunk is set up.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::world::script::{count, only, session_of};
use e2e::world::{Scenario, World};
use model::{AgentId, Change, Party, SessionId};
use session::api::{AgentCommand, EarlyMedia, TrunkPolicy};
use sip_core::api::{CallId, CallIdentity, Transport};
use sip_core::testing::trunk;

const CALLER: &str = "+79001112233";
const FLOWS: &str = r#"
flow through {
  entry sip "+74950000001"
  state start { transfer "+79005556677" on failed -> sorry }
  state sorry { close "Call again later" { voice file "bye" } }
}
flow answered {
  entry sip "+74950000002"
  state start { answer transfer "+79005556677" on failed -> sorry }
  state sorry { close "Call again later" { voice file "bye" } }
}
"#;
const UNANSWERED: &str = "+74950000001";
const ANSWERED: &str = "+74950000002";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A caller of this number, while the outside number that its flow calls has got our INVITE.
fn calling(number: &str, policy: EarlyMedia) -> (World, CallId) {
    let mut world = World::new(&Scenario::scripted(1));
    world.set_routes(FLOWS);
    world.set_trunk_policies(BTreeMap::from([(
        "carrier".to_owned(),
        TrunkPolicy { early_media: policy, ..TrunkPolicy::default() },
    )]));
    world.pass(seconds(1));
    let call = world.caller_calls_number(CALLER, number, CallIdentity::default());
    world.pass(seconds(1));
    assert_eq!(world.calls_to_customers(), 1);
    (world, call)
}

fn described(heard: &[(u16, Option<Vec<u8>>)]) -> Vec<(u16, bool)> {
    heard.iter().map(|(status, sdp)| (*status, sdp.is_some())).collect()
}

#[test]
fn a_caller_who_is_not_answered_hears_the_carrier() {
    let (mut world, call) = calling(UNANSWERED, EarlyMedia::Pass);
    world.called_rings(183, Some(b"v=0 early"));
    world.pass(seconds(1));
    assert_eq!(described(world.heard_by_caller(call)), [(180, false), (183, true)]);
    assert_eq!(world.heard_by(&Party::Customer), "v=0 early");
    assert!(!world.is_answered(call));
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.is_answered(call));
    // The answer of a reliable 183 stands.
    assert_eq!(world.heard_by(&Party::Customer), "v=0 early");
    assert_eq!(world.heard_by(&Party::External), "v=0 caller");
    let journals = world.journals();
    let recorded = |change: &Change| matches!(change, Change::RecordingStarted { .. });
    assert_eq!(count(only(&journals), recorded), 1, "from the answer on");
}

#[test]
fn a_caller_who_is_answered_hears_the_carrier_in_place_of_our_ring_back() {
    let (mut world, _) = calling(ANSWERED, EarlyMedia::Pass);
    assert_eq!(world.heard_by(&Party::Customer), "nothing");
    world.called_rings(180, None);
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "ring-back");
    world.called_rings(183, Some(b"v=0 early"));
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 early");
    world.call_is_refused(486);
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "prompts", "the flow goes on");
}

#[test]
fn a_trunk_whose_early_media_are_ignored_lets_our_ring_back_be_heard() {
    let (mut world, call) = calling(UNANSWERED, EarlyMedia::Ignore);
    world.called_rings(183, Some(b"v=0 early"));
    world.pass(seconds(1));
    assert_eq!(described(world.heard_by_caller(call)), [(180, false)]);
    let (mut world, _) = calling(ANSWERED, EarlyMedia::Ignore);
    world.called_rings(183, Some(b"v=0 early"));
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "ring-back");
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 early", "it was told reliably, and stands");
}

#[test]
fn early_media_that_do_not_fit_end_nothing() {
    let (mut world, _) = calling(ANSWERED, EarlyMedia::Pass);
    world.fork_says("one", 183, "v=0 unfit");
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "ring-back");
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 customer");
}

#[test]
fn of_forks_the_last_is_heard_and_at_the_end_the_one_that_answers() {
    let (mut world, call) = calling(UNANSWERED, EarlyMedia::Pass);
    world.fork_says("one", 183, "v=0 one");
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 one");
    world.fork_says("two", 183, "v=0 two");
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 two");
    // Without a description nothing changes.
    world.fork_says("three", 180, "");
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 two");
    assert_eq!(described(world.heard_by_caller(call)), [(180, false), (183, true)], "he is told once");
    world.fork_says("one", 200, "v=0 one");
    world.pass(seconds(1));
    assert!(world.is_answered(call));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 one");
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::LegRinging { .. })), 1);
}

#[test]
fn after_a_carrier_that_failed_nothing_more_is_heard_of_it() {
    let mut world = World::new(&Scenario::scripted(1));
    let address = ([10, 0, 0, 2], 5060).into();
    world
        .set_trunks(vec![trunk("first", address, Transport::Udp), trunk("carrier", address, Transport::Udp)]);
    world.set_routes(&format!(
        "{FLOWS} route outbound {{ to \"*\" via trunk \"first\" then trunk \"carrier\" }}"
    ));
    world.caller_calls_number(CALLER, ANSWERED, CallIdentity::default());
    world.pass(seconds(1));
    world.called_rings(183, Some(b"v=0 early"));
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "v=0 early");
    world.call_is_refused(503);
    world.pass(seconds(1));
    assert_eq!((world.calls_to_customers(), world.heard_by(&Party::Customer).as_str()), (2, "nothing"));
    world.called_rings(180, None);
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Customer), "ring-back");
}

/// An operator who has a visitor's chat and phones him; his own phone is answered.
fn phoning() -> (World, AgentId, SessionId) {
    let mut world = World::new(&Scenario::scripted(1));
    world.pass(seconds(1));
    let agent = world.agents()[0];
    world.visitor_is_served(Some(CALLER), agent);
    world.pass(seconds(1));
    let id = session_of(only(&world.journals()));
    world.agent_does(agent, AgentCommand::CallCustomer { session: id, phone: None }).expect("a call is made");
    world.pass(seconds(1));
    world.operator_answers(agent);
    world.pass(seconds(1));
    (world, agent, id)
}

#[test]
fn an_operator_who_phones_a_customer_hears_the_carrier() {
    let (mut world, agent, _) = phoning();
    assert_eq!(world.heard_by(&Party::Agent { agent }), "ring-back");
    world.called_rings(183, Some(b"v=0 early"));
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Agent { agent }), "v=0 early");
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(world.heard_by(&Party::Agent { agent }), "v=0 early");
    assert_eq!(world.heard_by(&Party::Customer), "v=0 operator");
}
