//! One recording has the whole of a customer's call, whoever he talks to, and goes by what flows, operators and supervisors want.

use e2e::world::World;
use e2e::world::recordings::CUT_AFTER;
use e2e::world::script::{count, only, session_of};
use media::api::Channel;
use model::{AgentId, Author, Change, Party, SessionId, VisitorId};
use session::api::{AgentCommand, Reply, VisitorCommand};
use sip_core::api::CallId;

use super::{OUTSIDE, PHONE, address, leg_of, seconds, talking};

fn session(world: &World) -> SessionId {
    session_of(only(&world.journals()))
}

/// What the journal says of recordings, without ids.
fn told(world: &World) -> Vec<String> {
    let word = |change: &Change| match change {
        Change::RecordingStarted { file, .. } => Some(format!("started {}", &file[file.len() - 4..])),
        Change::RecordingEnded { millis, .. } => Some(format!("ended {millis}")),
        Change::RecordingFailed { millis, why, .. } => Some(format!("failed {millis} {why}")),
        Change::RecordingPaused { paused, by } => Some(format!("paused {paused} {}", name(by))),
        Change::RecordingWanted { wanted, by } => Some(format!("wanted {wanted} {}", name(by))),
        _ => None,
    };
    only(&world.journals()).iter().filter_map(|entry| word(&entry.change)).collect()
}

fn name(by: &Author) -> &str {
    match by {
        Author::Agent { name, .. } => name,
        Author::Flow => "the flow",
        Author::Customer | Author::System => "nobody",
    }
}

#[test]
fn one_recording_goes_on_over_transfer_park_and_pick_up_with_everybody_on_his_channel() {
    let (mut world, call, first, others) = talking(3);
    let heard_as = |world: &World, party: Party| world.channel(leg_of(world, &party));
    let running = world.recording(session(&world)).expect("it runs");
    let to = address(&world, others[0]);
    world.operator_refers(first, &to);
    world.pass(seconds(1));
    world.operator_answers(others[0]);
    world.pass(seconds(2));
    assert_eq!(heard_as(&world, Party::Agent { agent: others[0] }), Some(Channel::Agent));
    world.operator_refers(others[0], "sip:park@tandem.test");
    world.pass(seconds(5));
    let slot = world.operator_calls(others[1], "*501", None);
    world.pass(seconds(1));
    assert!(world.was_answered(others[1], slot));
    assert_eq!(heard_as(&world, Party::Agent { agent: others[1] }), Some(Channel::Agent));
    assert_eq!(heard_as(&world, Party::Customer), Some(Channel::Customer));
    // An outside number is neither customer nor operator.
    world.operator_refers_on(others[1], slot, &format!("tel:{OUTSIDE}"));
    world.pass(seconds(1));
    world.customer_answers();
    world.pass(seconds(1));
    assert_eq!(heard_as(&world, Party::External), Some(Channel::Guest));
    assert_eq!(world.recording(session(&world)), Some(running), "it is still the same");
    world.caller_hangs_up(call);
    world.pass(seconds(20));
    assert_eq!(told(&world), ["started .wav", "ended 1000"]);
}

#[test]
fn whoever_serves_the_customer_pauses_his_recording_and_a_supervisor_every_one() {
    let (mut world, _, agent, others) = talking(2);
    let id = session(&world);
    let silent = |world: &World| world.recording(id).map(|(_, silent)| silent);
    let pause = |paused: bool| AgentCommand::PauseRecording { session: id, paused };
    assert_eq!(world.agent_does(others[0], pause(true)).unwrap_err().code, "not_yours");
    assert_eq!(silent(&world), Some(false));
    world.agent_does(agent, pause(true)).expect("his");
    assert_eq!(silent(&world), Some(true));
    assert!(world.desk(agent).sessions[0].recording_paused);
    // Once more changes nothing; nobody but a supervisor need own it; a transfer does not end it.
    world.agent_does(agent, pause(true)).expect("it is so");
    let to = address(&world, others[0]);
    world.operator_refers(agent, &to);
    world.pass(seconds(1));
    world.operator_answers(others[0]);
    world.pass(seconds(2));
    assert_eq!(silent(&world), Some(true), "nobody has resumed it");
    let vera = AgentId::new(world.now.wall, [99; 10]);
    world.supervisor_pauses(vera, id, false).expect("hers to say");
    assert_eq!(silent(&world), Some(false));
    world.operator_hangs_up(others[0]);
    world.pass(seconds(1));
    assert_eq!(world.supervisor_pauses(vera, id, true).unwrap_err().code, "unknown_session");
    let who = world.desk(agent).name.clone();
    let told = told(&world);
    assert_eq!(told, ["started .wav", &format!("paused true {who}"), "paused false Vera", "ended 1000"]);
}

#[test]
fn a_flow_records_itself_pauses_and_resumes() {
    let (mut world, _) = flows(
        r#"record start
           say "Hello" { voice file "hello" }
           record pause
           say "Your card?" { voice file "menu" }
           record resume"#,
    );
    world.caller_calls(PHONE);
    world.pass(seconds(1));
    let id = session(&world);
    assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(false), "before an operator is there");
    world.pass(seconds(2));
    assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(true));
    world.pass(seconds(2));
    assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(false));
    let expected = ["wanted true the flow", "started .wav", "paused true the flow", "paused false the flow"];
    assert_eq!(told(&world), expected);
}

#[test]
fn a_pause_before_the_recording_begins_holds_when_it_does() {
    let (mut world, agent) = flows(r#"record pause"#);
    world.caller_calls(PHONE);
    served(&mut world, agent);
    let id = session(&world);
    assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(true));
    world.agent_does(agent, AgentCommand::PauseRecording { session: id, paused: false }).expect("his");
    assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(false));
}

#[test]
fn a_session_that_its_flow_wants_unrecorded_stays_so_with_an_operator() {
    let (mut world, agent) = flows("record stop");
    world.caller_calls(PHONE);
    served(&mut world, agent);
    let id = session(&world);
    assert_eq!((world.recording(id), told(&world)), (None, vec!["wanted false the flow".to_owned()]));
    let pause = AgentCommand::PauseRecording { session: id, paused: true };
    assert_eq!(world.agent_does(agent, pause).unwrap_err().code, "not_recorded");
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_call() {
    let (mut world, call, agent, _) = talking(1);
    let id = session(&world);
    world.recording_fails(id);
    world.pass(seconds(30));
    assert!(world.call_is_up(call));
    assert!(!world.desk(agent).sessions[0].recording);
    assert_eq!(told(&world), ["started .wav", "failed 3000 no space left on device"]);
    world.caller_hangs_up(call);
    world.pass(seconds(20));
    assert_eq!(world.audit.unfinished(), Vec::<String>::new());
}

#[test]
fn a_restart_closes_what_a_crash_has_cut_also_of_sessions_that_had_ended() {
    for hangs_up_first in [false, true] {
        let (mut world, call, _, _) = talking(1);
        if hangs_up_first {
            // The file is not closed yet.
            world.caller_hangs_up(call);
            while count(only(&world.journals()), |c| matches!(c, Change::SessionEnded { .. })) == 0 {
                world.pass(std::time::Duration::from_millis(1));
            }
        }
        world.crash_and_restart();
        world.pass(seconds(20));
        let ended = format!("ended {}", CUT_AFTER.as_millis());
        assert_eq!(told(&world), ["started .wav", &ended]);
        let journals = world.journals();
        let ends = count(only(&journals), |change| matches!(change, Change::SessionEnded { .. }));
        // Whose call the crash has broken is to be called back.
        assert_eq!(ends, usize::from(hangs_up_first), "{hangs_up_first}");
        assert_eq!(world.engine.counts().sessions, usize::from(!hangs_up_first));
    }
}

#[test]
fn a_pause_outlasts_a_restart() {
    let (mut world, agent) = flows("");
    let visitor = chatting(&mut world, agent, Some(PHONE));
    calls(&mut world, PHONE);
    let id = session(&world);
    world.agent_does(agent, AgentCommand::PauseRecording { session: id, paused: true }).expect("his");
    restarted(&mut world, agent, visitor);
    calls(&mut world, PHONE);
    assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(true), "nobody has resumed it");
}

#[test]
fn what_a_flow_wants_recorded_outlasts_a_restart() {
    let (mut world, agent) = flows("record stop");
    calls(&mut world, PHONE);
    let visitor = world.visitor_comes(Some(PHONE));
    world.visitor_writes(visitor, "m1", "hello").expect("the message is taken");
    restarted(&mut world, agent, visitor);
    // Nobody was asked again: his operator is rung at once.
    calls(&mut world, PHONE);
    let id = session(&world);
    assert_eq!((world.recording(id), told(&world)), (None, vec!["wanted false the flow".to_owned()]));
}

#[test]
fn silence_goes_along_when_a_session_is_merged_into_another() {
    for (verb, expected) in [("record pause", Some(true)), ("record stop", None)] {
        let mut world = World::new(&e2e::world::Scenario::scripted(2));
        world.set_flows(&plan(verb));
        let (call, _) = calls(&mut world, PHONE);
        let visitor = world.visitor_comes(Some(PHONE));
        world.visitor_writes(visitor, "m1", "hello").expect("the message is taken");
        world.caller_hangs_up(call);
        world.pass(seconds(1));
        world.set_flows(&plan(""));
        let (_, agent) = calls(&mut world, "+79003334455");
        let id = world.desk(agent).sessions[0].session;
        let reply = world.agent_does(agent, AgentCommand::OfferChat { session: id }).expect("a code is made");
        let Reply::ChatCode { code, .. } = reply else { panic!("{reply:?}") };
        assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(false));
        world.visitor_does(visitor, VisitorCommand::Code { code }).expect("the code is known");
        assert_eq!(world.recording(id).map(|(_, silent)| silent), expected, "{verb}");
    }
}

#[test]
fn a_pause_ends_when_it_is_said_also_where_nothing_is_recorded() {
    let (mut world, agent) = flows("");
    chatting(&mut world, agent, Some(PHONE));
    let (call, _) = calls(&mut world, PHONE);
    let id = session(&world);
    let pause = |paused: bool| AgentCommand::PauseRecording { session: id, paused };
    world.agent_does(agent, pause(true)).expect("his");
    world.caller_hangs_up(call);
    world.pass(seconds(20));
    world.agent_does(agent, pause(false)).expect("it is paused");
    assert_eq!(world.agent_does(agent, pause(false)).unwrap_err().code, "not_recorded");
    calls(&mut world, PHONE);
    assert_eq!(world.recording(id).map(|(_, silent)| silent), Some(false));
}

#[test]
fn a_customer_who_is_back_before_his_file_is_closed_is_recorded() {
    for fails in [false, true] {
        let (mut world, agent) = flows("");
        chatting(&mut world, agent, Some(PHONE));
        let (call, _) = calls(&mut world, PHONE);
        let id = session(&world);
        let (before, _) = world.recording(id).expect("it runs");
        world.files_close_late(fails);
        world.caller_hangs_up(call);
        world.pass(seconds(1));
        assert!(!world.desk(agent).sessions[0].recording);
        calls(&mut world, PHONE);
        let running = world.recording(id).expect("it is recorded");
        assert_ne!(running.0, before);
        world.pass(seconds(60));
        let end = if fails { "failed 1000 no space left on device" } else { "ended 1000" };
        assert_eq!(told(&world), ["started .wav", "started .wav", end]);
        assert_eq!(world.recording(id), Some(running));
        assert!(world.desk(agent).sessions[0].recording);
    }
}

/// A centre whose flow does this and then has somebody else serve the customer.
fn flows(verbs: &str) -> (World, AgentId) {
    let mut world = World::new(&e2e::world::Scenario::scripted(1));
    world.set_flows(&plan(verbs));
    world.pass(seconds(1));
    let agent = world.agents()[0];
    (world, agent)
}

fn served(world: &mut World, agent: AgentId) {
    while world.rings(agent) == 0 {
        world.pass(seconds(1));
    }
    world.operator_answers(agent);
    world.pass(seconds(1));
}

/// Calls, and the operator who is rung answers.
fn calls(world: &mut World, caller: &str) -> (CallId, AgentId) {
    let before: Vec<usize> = world.agents().into_iter().map(|agent| world.rings(agent)).collect();
    let call = world.caller_calls(caller);
    for _ in 0..60 {
        world.pass(seconds(1));
        let rung = |(agent, before): (&AgentId, &usize)| world.rings(*agent) > *before;
        if let Some(at) = world.agents().iter().zip(&before).position(rung) {
            let agent = world.agents()[at];
            world.operator_answers(agent);
            world.pass(seconds(1));
            return (call, agent);
        }
    }
    panic!("nobody is rung");
}

fn plan(calls: &str) -> String {
    let flow = |name: &str, entry: &str, verbs: &str| {
        format!(
            "flow {name} {{\n entry {entry}\n state hello {{\n {verbs}\n -> waiting }}\n \
             state waiting {{ queue support on full -> sorry }}\n state sorry {{ hangup }} }}\n"
        )
    };
    flow("calls", "sip \"+74950000000\"", &format!("answer\n {calls}")) + &flow("chats", "chat \"main\"", "")
}

/// A visitor whose chat the operator has.
fn chatting(world: &mut World, agent: AgentId, phone: Option<&str>) -> VisitorId {
    let visitor = world.visitor_comes(phone);
    world.visitor_writes(visitor, "m0", "hello").expect("the message is taken");
    world.pass(seconds(1));
    let offer = world.desk(agent).offers[0].offer;
    world.agent_does(agent, AgentCommand::Accept { offer }).expect("the chat is accepted");
    visitor
}

/// The server crashes, and operator and visitor are back.
fn restarted(world: &mut World, agent: AgentId, visitor: VisitorId) {
    world.crash_and_restart();
    world.phone_vanishes(agent);
    world.operator_is_back(agent);
    world.visitor_says_hello(visitor);
    world.pass(seconds(1));
}
