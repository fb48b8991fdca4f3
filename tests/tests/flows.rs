//! What flows do with the world beyond their customer: calls to others, work for people, calls for chats, outside systems, switches.

use std::time::Duration;

use dialplans::api::Found;
use e2e::world::script::only;
use e2e::world::{Scenario, World};
use model::{Change, SessionId};
use session::api::{AdminCommand, Findings, Input, Question};

const OUTSIDE: &str = "+74951234567";
const PHONE: &str = "+79001112233";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn world(body: &str) -> World {
    let mut world = World::new(&Scenario::scripted(1));
    world.set_flows(&format!(
        "flow main {{ entry sip \"+74950000000\", chat \"main\"\n{body}\n}}\nflow after {{ entry after \"support\"\n\
         state start {{ tag \"after\" close }} }}"
    ));
    world.pass(seconds(1));
    world
}

/// The steps of the flow in the newest session, as `verb: outcome`.
fn steps(world: &World) -> Vec<String> {
    let journals = world.journals();
    let newest = journals.last().expect("a session");
    let steps = newest.iter().filter_map(|entry| match &entry.change {
        // What carriers say of a call is a step, too.
        Change::Step { verb, .. } if verb == "call" => None,
        Change::Step { verb, outcome, .. } => Some(format!("{verb}: {outcome}")),
        _ => None,
    });
    steps.collect()
}

#[test]
fn whoever_does_not_answer_in_time_is_rung_no_more_and_the_next_one_is() {
    let mut world = world(&format!(
        "state start {{ dial \"{OUTSIDE}\" timeout 20s {{ text -> end }} on failed -> next }}\n\
         state next {{ dial \"+74957654321\" timeout 10s {{ text -> end }} on failed -> end }}\nstate end {{ hangup }}"
    ));
    let call = world.caller_calls(PHONE);
    world.pass(seconds(5));
    assert_eq!(world.calls_to_customers(), 1);
    world.pass(seconds(20));
    assert_eq!(world.numbers_called(), [OUTSIDE, "+74957654321"]);
    assert_eq!(steps(&world), ["dial: no_answer"]);
    world.customer_answers();
    world.pass(seconds(1));
    assert!(world.call_is_up(call), "the second one has him");
    assert_eq!(steps(&world), ["dial: no_answer", "dial: connected"]);
}

#[test]
fn a_busy_line_is_told_from_one_that_cannot_be_reached() {
    for (status, outcome) in [(486, "dial: busy"), (480, "dial: no_answer"), (404, "dial: failed")] {
        let mut world = world(&format!(
            "state start {{ dial \"{OUTSIDE}\" {{ text -> end }} on failed -> end }}\nstate end {{ hangup }}"
        ));
        world.caller_calls(PHONE);
        world.pass(seconds(2));
        world.customer_refuses(status);
        world.pass(seconds(1));
        assert_eq!(steps(&world).first().map(String::as_str), Some(outcome));
    }
}

#[test]
fn a_task_stands_in_the_journal_with_the_time_until_which_it_should_be_done() {
    let mut world =
        world("state start { task callback queue support \"Call {call.from}\" within 2h hangup }");
    world.caller_calls(PHONE);
    world.pass(seconds(2));
    let journals = world.journals();
    let entry = only(&journals).iter().find(|entry| matches!(entry.change, Change::TaskLeft { .. }));
    let entry = entry.expect("a task");
    let Change::TaskLeft { kind, queue, text, due } = &entry.change else { panic!() };
    assert_eq!((kind.as_str(), text.as_str()), ("callback", "Call +79001112233"));
    assert_eq!(queue.as_ref().map(ToString::to_string).as_deref(), Some("support"));
    assert_eq!(*due, Some(entry.at + seconds(7200)));
}

#[test]
fn a_chat_is_invited_to_the_phone_and_rung_when_somebody_has_it() {
    let mut world = world(&format!(
        "state start {{ invite call \"{PHONE}\" on refused -> end  queue support on full -> end }}\nstate end {{ hangup }}"
    ));
    let agent = world.agents()[0];
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m1", "hello").expect("the message is taken");
    world.pass(seconds(1));
    assert_eq!(steps(&world), ["invite: invited", "queue: support"]);
    let journals = world.journals();
    let asked = |change: &Change| matches!(change, Change::Escalated { how, .. } if how == PHONE);
    assert!(only(&journals).iter().any(|entry| asked(&entry.change)));
    assert_eq!(world.desk(agent).offers.len(), 1);
}

#[test]
fn a_switch_reroutes_whoever_comes_to_it_from_then_on() {
    let mut world =
        world("state start { emergency \"fire\" -> fire  hangup }\nstate fire { tag \"fire\" hangup }");
    for (on, expected) in [(false, "emergency: off"), (true, "emergency: on"), (false, "emergency: off")] {
        let switches = on.then(|| "fire".to_owned()).into_iter().collect();
        world.engine.handle(world.now, Input::Admin(AdminCommand::SetSwitches(switches)));
        world.caller_calls(PHONE);
        world.pass(seconds(2));
        assert_eq!(steps(&world).first().map(String::as_str), Some(expected));
    }
}

#[test]
fn when_the_operator_hangs_up_the_caller_goes_on_in_the_flow_after_the_contact() {
    let mut world = world("state start { queue support on full -> end }\nstate end { hangup }");
    let agent = world.agents()[0];
    let call = world.caller_calls(PHONE);
    for _ in 0..30 {
        world.pass(seconds(1));
        if world.rings(agent) > 0 {
            break;
        }
    }
    world.operator_answers(agent);
    world.pass(seconds(2));
    assert!(world.call_is_up(call));
    world.operator_hangs_up(agent);
    world.pass(seconds(3));
    let steps = steps(&world);
    assert!(steps.contains(&"tag: after".to_owned()), "{steps:?}");
    assert!(!world.call_is_up(call), "the flow has ended the call");
    let journals = world.journals();
    let changes = || only(&journals).iter().map(|entry| &entry.change);
    let wrap_ups = changes().filter(|change| matches!(change, Change::WrapUpStarted { .. })).count();
    assert_eq!(wrap_ups, 1, "the operator has his wrap-up");
    assert_eq!(changes().filter(|change| matches!(change, Change::SessionEnded { .. })).count(), 1);
}

#[test]
fn answers_from_outside_reach_the_flow_that_asked_and_no_other() {
    let mut world = world(
        "state start { http get \"https://example.com/\" { set a = \"a\" } on failed -> end\n\
         lookup customer phone \"89001112233\" { set who = \"name\" } on missing -> end\n hangup }\nstate end { hangup }",
    );
    world.caller_calls(PHONE);
    world.pass(seconds(1));
    let (request, session, question) = world.questions.pop().expect("a question");
    assert!(matches!(question, Question::Http(http) if http.url == "https://example.com/"));
    let answer = |world: &mut World, request, session: SessionId, findings| {
        world.engine.handle(world.now, Input::Outside { request, session, findings });
        world.pass(seconds(1));
    };
    let ok = || Findings::Http(Ok((200, "{\"a\": 1}".to_owned())));
    answer(&mut world, session::api::RequestId(request.0 + 1000), session, ok());
    assert!(world.questions.is_empty(), "that was no answer of ours");
    answer(&mut world, request, session, ok());
    let (request, session, question) = world.questions.pop().expect("the next question");
    assert!(matches!(question, Question::Lookup { value, .. } if value == PHONE), "in E.164");
    let found = Found { name: Some("Anna".to_owned()), ..Found::default() };
    answer(&mut world, request, session, Findings::Lookup(Some(found)));
    assert_eq!(steps(&world), ["http: status 200", "http: ok", "lookup: found", "hangup: done"]);
}
