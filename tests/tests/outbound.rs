//! Calls to numbers: routes, and what happens when a carrier cannot carry them, step by step at virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::world::script::{only, session_of};
use e2e::world::{Scenario, World};
use model::{AgentId, Change, SessionId, VisitorId};
use session::api::{AgentCommand, VisitorCommand};
use sip_core::api::{Transport, Trunk};

const PHONE: &str = "+79001112233";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Where the world's carrier is.
const CARRIER: ([u8; 4], u16) = ([10, 0, 0, 2], 5060);
/// Where nobody is.
const NOBODY: ([u8; 4], u16) = ([10, 9, 9, 9], 5060);

fn trunk(name: &str, address: ([u8; 4], u16)) -> Trunk {
    let address = SocketAddr::from(address);
    Trunk::new(name, vec![address.ip()], address, Transport::Udp)
}

/// An operator who has a visitor's chat, and these trunks to call him through.
fn chatting(trunks: Vec<Trunk>, routes: &str) -> (World, AgentId, VisitorId, SessionId) {
    let mut world = World::new(&Scenario::scripted(1));
    world.pass(seconds(1));
    world.set_trunks(trunks);
    world.set_routes(routes);
    let agent = world.agents()[0];
    let visitor = world.visitor_is_served(Some(PHONE), agent);
    world.pass(seconds(1));
    let id = session_of(only(&world.journals()));
    (world, agent, visitor, id)
}

/// The operator phones the customer; his own phone is answered.
fn phone(world: &mut World, agent: AgentId, id: SessionId) {
    world.agent_does(agent, AgentCommand::CallCustomer { session: id, phone: None }).expect("a call is made");
    world.pass(seconds(1));
    world.operator_answers(agent);
    world.pass(seconds(1));
}

/// Each try of an outgoing call: trunk and outcome.
fn tries(world: &World) -> Vec<String> {
    let journals = world.journals();
    let try_of = |entry: &model::Entry| match &entry.change {
        Change::Step { flow, state, outcome, .. } if flow == "outbound" => Some(format!("{state} {outcome}")),
        _ => None,
    };
    only(&journals).iter().filter_map(try_of).collect()
}

fn ended(world: &World) -> Vec<Option<u16>> {
    let journals = world.journals();
    only(&journals)
        .iter()
        .filter_map(|entry| match &entry.change {
            Change::LegEnded { ending, .. } => Some(ending.sip_status),
            _ => None,
        })
        .collect()
}

#[test]
fn a_carrier_that_answers_503_or_nothing_is_followed_by_the_next_on_the_same_leg() {
    let trunks = vec![trunk("first", CARRIER), trunk("dead", NOBODY), trunk("third", CARRIER)];
    let (mut world, agent, _, id) = chatting(trunks, "");
    phone(&mut world, agent, id);
    assert_eq!(world.calls_to_customers(), 1);
    world.call_is_refused(503);
    assert_eq!(world.calls_to_customers(), 1, "nobody has answered there yet");
    world.pass(seconds(7));
    assert_eq!(world.calls_to_customers(), 2);
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(tries(&world), ["first 503", "dead 408", "third answered"]);
    let opened = |c: &Change| matches!(c, Change::LegOpened { address, .. } if address == PHONE);
    assert_eq!(e2e::world::script::count(only(&world.journals()), opened), 1, "one leg");
    assert!(ended(&world).is_empty());
}

#[test]
fn what_the_called_decided_is_the_end() {
    for status in [486, 603, 404, 484] {
        let (mut world, agent, _, id) = chatting(vec![trunk("a", CARRIER), trunk("b", CARRIER)], "");
        phone(&mut world, agent, id);
        world.call_is_refused(status);
        world.pass(seconds(2));
        assert_eq!(world.calls_to_customers(), 1, "{status}");
        assert_eq!(tries(&world), [format!("a {status}")]);
        assert!(ended(&world).contains(&Some(status)));
    }
}

#[test]
fn when_no_carrier_is_left_the_leg_ends_as_the_last_one_left_it() {
    let (mut world, agent, _, id) = chatting(vec![trunk("a", CARRIER), trunk("b", CARRIER)], "");
    phone(&mut world, agent, id);
    world.call_is_refused(503);
    world.call_is_refused(502);
    world.pass(seconds(1));
    assert_eq!(tries(&world), ["a 503", "b 502"]);
    assert!(ended(&world).contains(&Some(502)));
    assert_eq!(world.calls_to_customers(), 2);
}

#[test]
fn a_route_names_the_trunks_and_may_deny() {
    let routes = r#"route outbound {
        to "+7*" via trunk "b" then trunk "a"
        to "+44*" via trunk "a"
        to "*" deny "not there"
    }"#;
    let (mut world, agent, visitor, id) = chatting(vec![trunk("a", CARRIER), trunk("b", CARRIER)], routes);
    let refused = world.visitor_does(visitor, VisitorCommand::CallMe { phone: "+4930123456".to_owned() });
    let refused = refused.expect_err("denied");
    assert_eq!((refused.code, refused.message.as_str()), ("not_routed", "not there"));
    phone(&mut world, agent, id);
    world.call_is_refused(500);
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(tries(&world), ["b 500", "a answered"]);
}

#[test]
fn a_route_is_what_allows_calls_abroad() {
    let routes = "route outbound { to \"+44*\" via trunk \"a\" }";
    let (mut world, agent, _, id) = chatting(vec![trunk("a", CARRIER)], routes);
    let abroad = Some("+442071838750".to_owned());
    world
        .agent_does(agent, AgentCommand::CallCustomer { session: id, phone: abroad })
        .expect("a route leads there");
    let home = world.agent_does(agent, AgentCommand::CallCustomer { session: id, phone: None });
    assert!(home.is_err(), "no route leads there");
}

#[test]
fn a_line_of_the_routes_carries_no_more_calls_than_it_may() {
    let routes = "route outbound { to \"*\" via trunk \"a\" limit 1 per second }";
    let (mut world, agent, _, id) = chatting(vec![trunk("a", CARRIER)], routes);
    phone(&mut world, agent, id);
    world.call_is_refused(486);
    world.pass(seconds(3));
    phone(&mut world, agent, id);
    assert_eq!(world.calls_to_customers(), 2, "the second has passed");
}
