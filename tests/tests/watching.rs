//! What operators' phones are told of their colleagues: lamps, presence, and a mailbox that is never full.

use std::time::Duration;

use e2e::world::{Scenario, World};
use model::{AgentId, AgentStatus};
use session::api::AgentCommand;

const CALLER: &str = "+79001112233";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Two operators: the first watches the second, who is the only one to be rung.
fn watching(event: &str) -> (World, AgentId, AgentId) {
    let mut world = World::new(&Scenario::scripted(2));
    world.pass(seconds(1));
    let [watcher, colleague] = world.agents()[..] else { panic!("two operators") };
    let away = AgentStatus::NotReady { reason: "lunch".to_owned() };
    world.agent_does(watcher, AgentCommand::SetStatus { status: away }).expect("he may");
    let login = world.login(colleague).to_owned();
    world.operator_subscribes(watcher, event, &login);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_granted(watcher), [200]);
    (world, watcher, colleague)
}

fn bodies(world: &World, agent: AgentId) -> Vec<String> {
    world.operator_was_notified(agent).iter().map(|(_, _, body)| body.clone()).collect()
}

/// The state of each call that a NOTIFY tells of, with the version.
fn dialogs(body: &str) -> (u32, Vec<String>) {
    assert!(body.contains("state=\"full\""), "{body}");
    let between = |text: &str, from: &str, to: &str| {
        text.split(from)
            .skip(1)
            .filter_map(|part| part.split(to).next().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let version = between(body, "version=\"", "\"").remove(1).parse().expect("a number");
    (version, between(body, "<state>", "</state>"))
}

fn rung(world: &mut World, agent: AgentId) {
    world.caller_calls(CALLER);
    for _ in 0..60 {
        world.pass(seconds(1));
        if world.rings(agent) > 0 {
            return;
        }
    }
    panic!("nobody was rung");
}

#[test]
fn a_busy_lamp_follows_the_calls_of_a_colleague() {
    let (mut world, watcher, colleague) = watching("dialog");
    assert!(bodies(&world, watcher)[0].contains(&format!("entity=\"sip:{}@", world.login(colleague))));
    rung(&mut world, colleague);
    world.operator_rings(colleague);
    world.pass(seconds(2));
    world.operator_answers(colleague);
    world.pass(seconds(3));
    world.operator_hangs_up(colleague);
    world.pass(seconds(3));
    let told: Vec<_> = bodies(&world, watcher).iter().map(|body| dialogs(body)).collect();
    let states: Vec<String> = told.iter().map(|(_, states)| states.join(" ")).collect();
    assert_eq!(states, ["", "trying", "early", "confirmed", "terminated"]);
    let versions: Vec<u32> = told.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, [0, 1, 2, 3, 4]);
    // Once more he is called: the old call is told of no more.
    world.pass(seconds(20));
    let before = world.operator_was_notified(watcher).len();
    assert_eq!(before, 5, "nothing has changed");
}

#[test]
fn a_subscriber_is_told_at_most_once_a_second_and_then_how_it_is() {
    let (mut world, watcher, colleague) = watching("presence");
    let away = || AgentStatus::NotReady { reason: "coffee".to_owned() };
    for n in 0..20 {
        let status = if n % 2 == 0 { away() } else { AgentStatus::Ready };
        world.agent_does(colleague, AgentCommand::SetStatus { status }).expect("he may");
        world.pass(Duration::from_millis(100));
    }
    world.agent_does(colleague, AgentCommand::SetStatus { status: away() }).expect("he may");
    world.pass(seconds(3));
    let told = world.operator_was_notified(watcher);
    assert!((3..=5).contains(&told.len()), "{told:?}");
    for pair in told.windows(2) {
        let between = pair[1].0.saturating_since(pair[0].0);
        assert!(between >= Duration::from_millis(900), "{between:?}");
    }
    let last = &told.last().expect("told").2;
    assert!(last.contains("<note>away</note>"), "{last}");
    assert!(!last.contains("coffee"), "why is his own business");
}

#[test]
fn presence_follows_what_a_colleague_is_doing() {
    let (mut world, watcher, colleague) = watching("presence");
    rung(&mut world, colleague);
    world.operator_answers(colleague);
    world.pass(seconds(3));
    world.operator_hangs_up(colleague);
    world.pass(seconds(30));
    world.desk_vanishes(colleague);
    world.phone_vanishes(colleague);
    // Before it signs in again.
    let words: Vec<String> = bodies(&world, watcher)
        .iter()
        .map(|body| {
            let word = |from: &str| body.split(from).nth(1).and_then(|rest| rest.split('<').next());
            format!("{} {}", word("<basic>").unwrap_or_default(), word("<note>").unwrap_or_default())
        })
        .collect();
    assert_eq!(words, ["open available", "open busy", "open available", "closed offline"]);
}

#[test]
fn a_mailbox_is_empty_and_somebody_elses_is_not_shown() {
    let mut world = World::new(&Scenario::scripted(2));
    world.pass(seconds(1));
    let [own, other] = world.agents()[..] else { panic!("two operators") };
    let (login, others) = (world.login(own).to_owned(), world.login(other).to_owned());
    world.operator_subscribes(own, "message-summary", &login);
    world.pass(seconds(2));
    let (_, state, body) = &world.operator_was_notified(own)[0];
    assert!(state.starts_with("active") && body.starts_with("Messages-Waiting: no\r\n"), "{state} {body}");
    world.operator_subscribes(own, "message-summary", &others);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_notified(own)[1].1, "terminated;reason=rejected");
}

#[test]
fn nobody_is_told_of_whom_there_is_not() {
    let mut world = World::new(&Scenario::scripted(2));
    world.pass(seconds(1));
    let [watcher, colleague] = world.agents()[..] else { panic!("two operators") };
    world.operator_subscribes(watcher, "presence", "stranger");
    world.pass(seconds(2));
    assert_eq!(world.operator_was_notified(watcher)[0].1, "terminated;reason=noresource");
    let login = world.login(colleague).to_owned();
    world.operator_subscribes(watcher, "dialog", &login);
    world.pass(seconds(2));
    assert!(world.operator_was_notified(watcher)[1].1.starts_with("active"));
    world.remove_operator(colleague);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_notified(watcher)[2].1, "terminated;reason=noresource");
    assert_eq!(world.engine.counts().sip.subscriptions, 0);
    // Who is no operator (any more) is told of nobody, whatever password he has.
    let login = world.login(watcher).to_owned();
    world.remove_operator(watcher);
    world.operator_subscribes(watcher, "presence", &login);
    world.pass(seconds(2));
    assert_eq!(world.operator_was_notified(watcher)[3].1, "terminated;reason=rejected");
}

#[test]
fn who_is_asked_something_at_a_phone_without_a_desk_is_busy_and_not_away() {
    let mut world = World::new(&Scenario::scripted(3));
    world.pass(seconds(1));
    let [watcher, first, second] = world.agents()[..] else { panic!("three operators") };
    let away = AgentStatus::NotReady { reason: "lunch".to_owned() };
    world.agent_does(watcher, AgentCommand::SetStatus { status: away }).expect("he may");
    world.caller_calls(CALLER);
    while world.rings(first) + world.rings(second) == 0 {
        world.pass(seconds(1));
    }
    let (agent, colleague) = if world.rings(first) > 0 { (first, second) } else { (second, first) };
    world.operator_answers(agent);
    world.pass(seconds(1));
    world.desk_vanishes(colleague);
    world.pass(seconds(1));
    let login = world.login(colleague).to_owned();
    world.operator_subscribes(watcher, "presence", &login);
    world.pass(seconds(2));
    world.operator_calls(agent, &login, None);
    assert_eq!(world.rings(colleague), 1);
    world.operator_answers(colleague);
    world.pass(seconds(3));
    let told = bodies(&world, watcher);
    assert!(told[0].contains("<note>available</note>"), "{told:?}");
    for body in &told {
        assert!(body.contains("<basic>open</basic>"), "{body}");
    }
    assert!(told.last().expect("told").contains("<note>busy</note>"), "{told:?}");
}
