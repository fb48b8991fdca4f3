//! Who calls, as far as he wants to be known, and whom he had wanted to reach.

use std::time::Duration;

use e2e::world::{NUMBER, Scenario, World};
use model::{AgentId, Change, CustomerId, Entry};
use sip_core::api::{CallIdentity, Diversion};

const CALLER: &str = "+79001112233";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The one operator, as soon as his phone rings.
fn rung(world: &mut World) -> AgentId {
    let agent = world.agents()[0];
    for _ in 0..60 {
        world.pass(seconds(1));
        if world.rings(agent) > 0 {
            return agent;
        }
    }
    panic!("nobody was rung");
}

fn customer(entries: &[Entry]) -> CustomerId {
    match &entries[0].change {
        Change::SessionOpened { customer, .. } => *customer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn callers_who_withhold_their_number_are_strangers_to_us_and_to_each_other() {
    let mut world = World::new(&Scenario::scripted(1));
    world.pass(seconds(1));
    let withheld = || CallIdentity { withheld: true, diversion: None };
    world.caller_calls(CALLER);
    world.pass(seconds(1));
    world.caller_calls_number(CALLER, NUMBER, withheld());
    world.pass(seconds(1));
    let last = world.caller_calls_number(CALLER, NUMBER, withheld());
    world.pass(seconds(3));
    let journals = world.journals();
    assert_eq!(journals.len(), 3);
    let mut customers: Vec<CustomerId> = journals.iter().map(|journal| customer(journal)).collect();
    customers.sort();
    customers.dedup();
    assert_eq!(customers.len(), 3, "nobody is taken for another one");
    for journal in &journals[1..] {
        let told = format!("{journal:?}");
        assert!(!told.contains("9001112233"), "{told}");
        assert!(told.contains("\"withheld\""), "{told}");
    }
    assert!(world.call_is_up(last));
}

#[test]
fn a_withheld_number_is_not_seen_on_the_desk_either() {
    let mut world = World::new(&Scenario::scripted(1));
    world.pass(seconds(1));
    world.caller_calls_number(CALLER, NUMBER, CallIdentity { withheld: true, diversion: None });
    let agent = rung(&mut world);
    assert!(!format!("{:?}", world.desk(agent)).contains("9001112233"));
    world.operator_answers(agent);
    world.pass(seconds(1));
    let legs = &world.desk(agent).sessions[0].legs;
    assert!(legs.iter().any(|leg| leg.address == "withheld"), "{legs:?}");
    assert!(!format!("{:?}", world.desk(agent)).contains("9001112233"));
}

#[test]
fn whom_a_call_was_meant_for_stands_on_the_card_and_in_the_journal() {
    let mut world = World::new(&Scenario::scripted(1));
    world.pass(seconds(1));
    let diversion = Diversion { number: "+74951234567".to_owned(), reason: "no-answer".to_owned() };
    world.caller_calls_number(CALLER, NUMBER, CallIdentity { withheld: false, diversion: Some(diversion) });
    let agent = rung(&mut world);
    let offer = &world.desk(agent).offers[0];
    let card = |key: &str| offer.context.get(key).map(String::as_str);
    assert_eq!((card("diverted_from"), card("diversion_reason")), (Some("+74951234567"), Some("no-answer")));
    let journals = world.journals();
    let noted = journals[0].iter().any(|entry| {
        matches!(&entry.change, Change::ContextSet { key, value } if key == "diverted_from" && value == "+74951234567")
    });
    assert!(noted);
}
