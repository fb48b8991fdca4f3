//! Whom a waiting customer is offered to, as flows, queues, operators and supervisors want it.

use std::time::Duration;

use acd::QueueConfig;
use e2e::world::script::{count, only, session_of};
use e2e::world::{Scenario, World};
use model::{AgentId, AgentStatus, Change, Chosen, OfferOutcome};
use session::api::{AgentCommand, Routing};

const PHONE: &str = "+79001112233";

/// The world's only number and chat, with a queue that wants this.
fn flow(queue: &str) -> String {
    format!(
        "flow support {{\n  entry sip \"+74950000000\"\n  entry chat \"main\"\n  \
         state waiting {{\n    queue support {queue}\n    on full -> sorry\n    on overflow -> sorry\n  }}\n  \
         state sorry {{ close \"Call again later\" {{ voice file \"bye\" }} }}\n}}\n"
    )
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn centre(operators: usize, queue: &str) -> (World, Vec<AgentId>) {
    let mut world = World::new(&Scenario::scripted(operators));
    world.set_flow(&flow(queue));
    world.pass(seconds(1));
    let agents = world.agents();
    (world, agents)
}

fn skilled(level: u8) -> Routing {
    Routing { skills: [("tech".to_owned(), level)].into(), ..Routing::default() }
}

#[test]
fn a_caller_waits_for_the_skill_that_his_flow_asks_for_until_it_asks_for_less() {
    let (mut world, agents) =
        centre(2, "skills \"tech >= 3\" {\n after 30s widen skills \"tech >= 1\"\n after 10m overflow\n }");
    world.set_routing(agents[0], skilled(1));
    world.caller_calls(PHONE);
    world.pass(seconds(29));
    assert_eq!((world.rings(agents[0]), world.rings(agents[1])), (0, 0));
    world.pass(seconds(4));
    assert_eq!((world.rings(agents[0]), world.rings(agents[1])), (1, 0), "who has a little of it");
    let journals = world.journals();
    let asks = only(&journals).iter().find_map(|entry| match &entry.change {
        Change::Queued { asks, .. } => Some(asks.required.clone()),
        _ => None,
    });
    assert_eq!(asks, Some([("tech".to_owned(), 3)].into()), "a restart knows what he asked for");
}

#[test]
fn two_phones_ring_and_who_answers_first_has_the_customer() {
    let (mut world, agents) = centre(2, "{ after 10m overflow }");
    world.set_queue(|queue| QueueConfig { ring: 2, ..queue });
    let call = world.caller_calls(PHONE);
    world.pass(seconds(2));
    assert_eq!((world.rings(agents[0]), world.rings(agents[1])), (1, 1));
    world.operator_answers(agents[1]);
    world.pass(seconds(2));
    assert!(world.call_is_up(call));
    assert_eq!(world.desk(agents[1]).sessions.len(), 1);
    assert!(world.desk(agents[0]).offers.is_empty());
    assert_eq!(world.desk(agents[0]).status, AgentStatus::Ready);
    assert!(world.was_cancelled_as_taken(agents[0]), "his phone shows no missed call");
    let journals = world.journals();
    let ended = |outcome| {
        count(
            only(&journals),
            |change| matches!(change, Change::OfferEnded { outcome: it, .. } if *it == outcome),
        )
    };
    assert_eq!((ended(OfferOutcome::Accepted), ended(OfferOutcome::Withdrawn)), (1, 1));
}

#[test]
fn an_operator_picks_and_a_supervisor_pushes_who_waits_and_the_journal_says_so() {
    let (mut world, agents) = centre(2, "{ after 10m overflow }");
    for agent in &agents {
        let status = AgentStatus::NotReady { reason: "reading".to_owned() };
        world.agent_does(*agent, AgentCommand::SetStatus { status }).expect("he may");
    }
    world.caller_calls(PHONE);
    world.pass(seconds(5));
    let session = session_of(only(&world.journals()));
    world.agent_does(agents[0], AgentCommand::Pick { session }).expect("it is his queue");
    world.pass(seconds(1));
    assert_eq!(world.rings(agents[0]), 1);
    world.operator_refuses(agents[0]);
    world.pass(seconds(1));
    world.agent_does(agents[0], AgentCommand::Push { session, to: agents[1] }).expect("it waits");
    world.pass(seconds(1));
    world.operator_answers(agents[1]);
    world.pass(seconds(1));
    assert_eq!(world.desk(agents[1]).sessions.len(), 1);
    let refused = world.agent_does(agents[0], AgentCommand::Pick { session }).expect_err("somebody has it");
    assert_eq!(refused.code, "not_waiting");
    let chosen: Vec<Chosen> = only(&world.journals())
        .iter()
        .filter_map(|entry| match &entry.change {
            Change::Offered { why, .. } => Some(why.as_ref()?.chosen),
            _ => None,
        })
        .collect();
    assert_eq!(chosen, [Chosen::Picked, Chosen::Pushed]);
}

#[test]
fn who_answers_by_himself_has_a_chat_at_once() {
    let (mut world, agents) = centre(1, "{ after 10m overflow }");
    world.set_routing(agents[0], Routing { auto_answer: true, ..Routing::default() });
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m1", "Hello").expect("it is taken");
    world.pass(seconds(5));
    assert_eq!(world.desk(agents[0]).sessions.len(), 1);
}

#[test]
fn who_called_before_waits_for_the_operator_whom_he_knows_and_then_for_anybody() {
    let (mut world, agents) = centre(2, "{\n first last agent for 20s\n after 10m overflow\n }");
    let call = world.caller_calls(PHONE);
    world.pass(seconds(2));
    let known = *agents.iter().find(|agent| world.rings(**agent) > 0).expect("somebody is rung");
    let other = *agents.iter().find(|agent| **agent != known).expect("there are two");
    world.operator_answers(known);
    world.pass(seconds(2));
    world.caller_hangs_up(call);
    // He is wrapping up still, and the other one is free.
    world.pass(seconds(2));
    let rang = world.rings(known);
    world.caller_calls(PHONE);
    world.pass(seconds(12));
    assert_eq!((world.rings(known), world.rings(other)), (rang + 1, 0), "when his wrap-up is over");
    world.operator_refuses(known);
    world.pass(seconds(12));
    assert_eq!(world.rings(other), 1);
}

#[test]
fn a_queue_that_puts_him_out_leaves_him_to_his_flow() {
    let (mut world, _) = centre(1, "{ after 10m overflow }");
    let rule = acd::Overflow { when: acd::OverflowWhen::NoAgents, to: None };
    world.set_queue(move |queue| QueueConfig { overflow: vec![rule], ..queue });
    let agent = world.agents()[0];
    world.remove_operator(agent);
    let call = world.caller_calls(PHONE);
    world.pass(seconds(20));
    assert!(world.ending_at_caller(call).is_some(), "he was told to call again later");
    let journals = world.journals();
    let step = |change: &Change| matches!(change, Change::Step { verb, outcome, .. } if verb == "queue" && outcome == "overflow");
    assert_eq!(count(only(&journals), step), 1);
}
