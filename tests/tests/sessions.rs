//! One customer, one session: joining, escalating, losing and finding again, step by step at virtual time.

use std::time::Duration;

use e2e::world::script::{count, only, session_of};
use e2e::world::{Scenario, World};
use model::{AgentStatus, Cause, Change, Medium, OfferOutcome, Party, Side};
use session::api::{AgentCommand, Reply, VisitorCommand};
use session::view::SessionState;

const PHONE: &str = "+79001112233";

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn centre(operators: usize) -> World {
    let mut world = World::new(&Scenario::scripted(operators));
    world.pass(seconds(1));
    world
}

/// Lets time pass until it is so.
fn until(world: &mut World, what: &str, so: impl Fn(&World) -> bool) {
    for _ in 0..6000 {
        if so(world) {
            return;
        }
        world.pass(Duration::from_millis(10));
    }
    panic!("a minute passed, and not yet: {what}");
}

/// Whom the waiting caller is offered to, by phone.
fn rung(world: &mut World) -> model::AgentId {
    until(world, "an operator is rung", |world| world.agents().iter().any(|agent| world.rings(*agent) > 0));
    world.agents().into_iter().find(|agent| world.rings(*agent) > 0).expect("somebody is rung")
}

/// A caller who is in the call with the only operator.
fn talking() -> (World, model::AgentId, sip_core::api::CallId) {
    let mut world = centre(1);
    let agent = world.agents()[0];
    let call = world.caller_calls(PHONE);
    rung(&mut world);
    world.operator_answers(agent);
    world.pass(seconds(1));
    assert_eq!(world.desk(agent).sessions.len(), 1, "the operator has the call");
    (world, agent, call)
}

/// A visitor whose chat the only operator has.
fn chatting(phone: Option<&str>) -> (World, model::AgentId, model::VisitorId) {
    let mut world = centre(1);
    let agent = world.agents()[0];
    let visitor = world.visitor_is_served(phone, agent);
    (world, agent, visitor)
}

#[test]
fn a_chat_of_the_caller_joins_his_live_call_with_its_owner_and_takes_no_second_slot() {
    let (mut world, agent, call) = talking();
    let visitor = world.visitor_comes(Some("8 (900) 111-22-33"));
    world.visitor_writes(visitor, "m1", "here is my order").expect("the message is taken");
    world.pass(seconds(30));
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(count(entries, |change| matches!(change, Change::Offered { .. })), 1, "no second offer");
    let desk = world.desk(agent);
    assert_eq!(desk.sessions.len(), 1);
    let media: Vec<Medium> = desk.sessions[0].legs.iter().map(|leg| leg.medium).collect();
    assert!(media.contains(&Medium::Voice) && media.contains(&Medium::Chat), "{media:?}");
    assert!(world.call_is_up(call));

    // The call ends; the chat goes on in the same session.
    world.caller_hangs_up(call);
    world.pass(seconds(5));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
    world.visitor_does(visitor, VisitorCommand::Close).expect("he may close");
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::WrapUp);
}

#[test]
fn a_call_of_a_chatting_customer_rings_his_operator_and_nobody_else() {
    let (mut world, agent, _) = chatting(Some(PHONE));
    let call = world.caller_calls(PHONE);
    world.pass(seconds(5));
    assert_eq!(world.rings(agent), 1, "the owner is rung");
    world.operator_answers(agent);
    world.pass(seconds(5));
    assert!(world.call_is_up(call));
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(count(entries, |change| matches!(change, Change::Offered { .. })), 1);
    assert_eq!(
        count(entries, |change| matches!(change, Change::Queued { .. })),
        1,
        "no new place in the queue"
    );
    assert_eq!(count(entries, |change| matches!(change, Change::RecordingStarted { .. })), 1);
}

#[test]
fn a_call_while_the_chat_waits_keeps_the_place_of_the_chat() {
    let mut world = centre(0);
    let visitor = world.visitor_comes(Some(PHONE));
    world.visitor_writes(visitor, "m0", "hello").expect("the message is taken");
    world.visitor_writes(visitor, "m1", "support").expect("the message is taken");
    world.pass(seconds(60));
    world.caller_calls(PHONE);
    world.pass(seconds(30));
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(count(entries, |change| matches!(change, Change::Queued { .. })), 1);
    assert_eq!(
        count(entries, |change| matches!(change, Change::LegAnswered { .. })),
        1,
        "he waits with music"
    );
}

#[test]
fn the_code_told_on_the_call_brings_the_chat_into_its_session() {
    let (mut world, agent, _call) = talking();
    let id = session_of(only(&world.journals()));
    let reply = world.agent_does(agent, AgentCommand::OfferChat { session: id }).expect("a code is made");
    let Reply::ChatCode { code, .. } = reply else { panic!("{reply:?}") };

    // He had begun to write before; that chat is absorbed.
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m1", "hello?").expect("the message is taken");
    assert_eq!(world.journals().len(), 2);
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let refused = world.visitor_does(visitor, VisitorCommand::Code { code: wrong.to_owned() });
    assert_eq!(refused.expect_err("a wrong code").code, "wrong_code");
    world.visitor_does(visitor, VisitorCommand::Code { code: code.clone() }).expect("the code is known");
    let reply = world.visitor_writes(visitor, "m2", "my order is 17").expect("the message is taken");
    let Reply::Accepted { session, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(session, id, "the chat is in the call's session");
    let media: Vec<Medium> = world.desk(agent).sessions[0].legs.iter().map(|leg| leg.medium).collect();
    assert!(media.contains(&Medium::Chat) && media.contains(&Medium::Voice), "both run at once: {media:?}");
    let again = world.visitor_does(visitor, VisitorCommand::Code { code });
    assert!(again.is_err(), "a code is good for once");
}

#[test]
fn guessing_codes_is_stopped() {
    let (mut world, agent, _call) = talking();
    let id = session_of(only(&world.journals()));
    let Ok(Reply::ChatCode { code, .. }) = world.agent_does(agent, AgentCommand::OfferChat { session: id })
    else {
        panic!("no code")
    };
    let visitor = world.visitor_comes(None);
    for n in 0..5 {
        let guess = format!("{:06}", (code.parse::<u32>().unwrap_or(0) + 1 + n) % 1_000_000);
        assert!(world.visitor_does(visitor, VisitorCommand::Code { code: guess }).is_err());
    }
    let right = world.visitor_does(visitor, VisitorCommand::Code { code });
    assert_eq!(right.expect_err("too many guesses").code, "too_many_codes");
}

#[test]
fn the_operator_phones_the_customer_of_his_chat_within_the_session() {
    let (mut world, agent, _) = chatting(Some(PHONE));
    let id = session_of(only(&world.journals()));
    world.agent_does(agent, AgentCommand::CallCustomer { session: id, phone: None }).expect("a call is made");
    world.pass(seconds(1));
    assert_eq!(world.calls_to_customers(), 0, "the operator's phone comes first");
    world.operator_answers(agent);
    world.pass(seconds(1));
    world.customer_answers();
    world.pass(seconds(5));
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(count(entries, |change| matches!(change, Change::RecordingStarted { .. })), 1, "they talk");
    world.operator_hangs_up(agent);
    world.pass(seconds(2));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active, "the chat goes on");
}

#[test]
fn nobody_is_called_abroad_or_on_nonsense() {
    let (mut world, agent, visitor) = chatting(None);
    let id = session_of(only(&world.journals()));
    for (phone, code) in [("+442071838750", "abroad"), ("12", "bad_phone"), ("+8821612345678", "abroad")] {
        let phone = phone.to_owned();
        let refused = world.visitor_does(visitor, VisitorCommand::CallMe { phone: phone.clone() });
        assert_eq!(refused.expect_err("refused").code, code, "{phone}");
        let refused = world.agent_does(agent, AgentCommand::CallCustomer { session: id, phone: Some(phone) });
        assert_eq!(refused.expect_err("refused").code, code);
    }
    assert_eq!(world.calls_to_customers(), 0);
}

#[test]
fn the_customer_stays_when_the_operators_device_dies_and_gets_the_same_operator_back() {
    let (mut world, agent, call) = talking();
    world.operator_dies(agent);
    world.pass(Duration::from_millis(200));
    assert!(world.call_is_up(call), "the customer is not dropped");
    world.operator_is_back(agent);
    world.pass(seconds(1));
    assert_eq!(world.rings(agent), 1, "he is rung to come back");
    world.operator_answers(agent);
    world.pass(seconds(5));
    assert!(world.call_is_up(call));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(
        count(entries, |change| matches!(change, Change::RecordingStarted { .. })),
        1,
        "one recording"
    );
    assert_eq!(count(entries, |change| matches!(change, Change::Offered { .. })), 1, "no new offer");
}

#[test]
fn a_message_that_is_repeated_after_its_chat_was_closed_opens_no_second_one() {
    let (mut world, agent, visitor) = chatting(None);
    let session = session_of(only(&world.journals()));
    let first = world.visitor_writes(visitor, "m9", "thanks").expect("taken");
    world.agent_does(agent, AgentCommand::CloseChat { session }).expect("closed");
    world.pass(seconds(1));
    let again = world.visitor_writes(visitor, "m9", "thanks").expect("taken before");
    assert_eq!(first, again);
    assert_eq!(world.journals().len(), 1);
    world.visitor_writes(visitor, "m10", "one more thing").expect("taken");
    assert_eq!(world.journals().len(), 2, "a new message is a new chat");
}

#[test]
fn an_operator_who_does_not_come_back_loses_the_call_to_the_next_one() {
    let mut world = centre(2);
    let call = world.caller_calls(PHONE);
    let first = rung(&mut world);
    let second = world.agents().into_iter().find(|agent| *agent != first).expect("there are two");
    world.operator_answers(first);
    world.pass(seconds(5));
    world.operator_dies(first);
    // He does come back by himself later, but nobody answers there: the other one gets the call.
    world.pass(seconds(25));
    assert!(world.call_is_up(call));
    assert_eq!(world.rings(second), 1, "the next operator is rung");
    world.operator_answers(second);
    world.pass(seconds(2));
    assert!(world.call_is_up(call));
    assert_eq!(world.desk(second).sessions[0].state, SessionState::Active);
    assert!(world.desk(first).sessions.is_empty());
}

#[test]
fn the_device_that_dies_while_it_rings_withdraws_the_offer_and_the_next_agent_rings() {
    let mut world = centre(2);
    let call = world.caller_calls(PHONE);
    let first = rung(&mut world);
    let second = world.agents().into_iter().find(|agent| *agent != first).expect("there are two");
    world.operator_dies(first);
    world.pass(Duration::from_millis(300));
    assert_eq!(world.rings(second), 1, "within a moment");
    assert!(!world.desk(first).phone_registered, "unreachable, not ready");
    assert!(world.call_is_up(call));
    let journals = world.journals();
    let entries = only(&journals);
    let unreachable =
        |change: &Change| matches!(change, Change::OfferEnded { outcome: OfferOutcome::Unreachable, .. });
    assert_eq!(count(entries, unreachable), 1);
    assert_eq!(count(entries, |change| matches!(change, Change::Queued { .. })), 1, "his place was kept");
}

#[test]
fn a_caller_who_hangs_up_at_any_moment_of_the_offer_is_one_abandon_and_leaves_the_agent_free() {
    // From the offer over the ringing to the operator's 200 crossing the caller's BYE.
    for step in 0..80 {
        let mut world = centre(1);
        let agent = world.agents()[0];
        let call = world.caller_calls(PHONE);
        // Until it rings.
        while world.rings(agent) == 0 {
            world.pass(Duration::from_millis(1));
        }
        world.pass(Duration::from_millis(1));
        if step % 2 == 0 {
            world.operator_answers(agent);
            world.pass(Duration::from_micros(step * 400));
        } else {
            world.pass(Duration::from_millis(step * 5));
        }
        world.caller_hangs_up(call);
        world.pass(seconds(60));
        let journals = world.journals();
        let entries = only(&journals);
        let ended = entries.iter().find_map(|entry| match &entry.change {
            Change::SessionEnded { ending } => Some(ending.clone()),
            _ => None,
        });
        let cause = ended.expect("the session ended").cause;
        let accepted =
            count(entries, |c| matches!(c, Change::OfferEnded { outcome: OfferOutcome::Accepted, .. })) == 1;
        let wrap_ups = count(entries, |change| matches!(change, Change::WrapUpStarted { .. }));
        if accepted {
            assert_eq!((cause, wrap_ups), (Cause::HungUp, 1), "step {step}");
        } else {
            assert_eq!((cause, wrap_ups), (Cause::Abandoned, 0), "step {step}");
        }
        assert_eq!(world.desk(agent).status, AgentStatus::Ready, "step {step}");
        assert!(world.desk(agent).sessions.is_empty() && world.desk(agent).offers.is_empty(), "step {step}");
        assert_eq!(world.calls_of_peers(), (0, 0), "step {step}");
        let counts = world.engine.counts();
        assert_eq!((counts.sessions, counts.legs, counts.sip.calls), (0, 0, 0), "step {step}");
        assert_eq!(world.media_legs_open(), 0, "step {step}");
    }
}

#[test]
fn a_repeated_message_is_acknowledged_again_and_written_once() {
    let (mut world, _, visitor) = chatting(None);
    let first = world.visitor_writes(visitor, "m7", "again").expect("taken");
    let second = world.visitor_writes(visitor, "m7", "again").expect("taken");
    assert_eq!(first, second);
    let journals = world.journals();
    let texts = count(
        only(&journals),
        |change| matches!(change, Change::Message { message } if message.external_id.as_deref() == Some("m7")),
    );
    assert_eq!(texts, 1);
}

#[test]
fn after_a_crash_the_chat_has_its_owner_its_numbers_and_its_memory() {
    let (mut world, agent, visitor) = chatting(Some(PHONE));
    let before = world.visitor_writes(visitor, "m2", "still here?").expect("taken");
    world.crash_and_restart();
    world.operator_is_back(agent);
    world.visitor_says_hello(visitor);
    assert_eq!(world.desk(agent).sessions.len(), 1, "the owner has it again");
    let repeated = world.visitor_writes(visitor, "m2", "still here?").expect("taken");
    let place = |reply: &Reply| match reply {
        Reply::Accepted { session, seq, .. } => (*session, *seq),
        other => panic!("{other:?}"),
    };
    assert_eq!(place(&before), place(&repeated), "a repeat from before the crash is still a repeat");
    let journals = world.journals();
    assert_eq!(count(only(&journals), |change| matches!(change, Change::OwnerChanged { .. })), 1);
}

#[test]
fn after_a_crash_waiting_chats_stand_in_their_old_order_and_calls_are_marked_broken() {
    let mut world = centre(0);
    let visitors: Vec<_> = (0..3)
        .map(|n| {
            let visitor = world.visitor_comes(None);
            world.visitor_writes(visitor, &format!("hello{n}"), "hello").expect("taken");
            world.visitor_writes(visitor, &format!("m{n}"), "support").expect("taken");
            world.pass(seconds(10));
            visitor
        })
        .collect();
    world.caller_calls(PHONE);
    world.pass(seconds(30));
    world.crash_and_restart();
    world.pass(seconds(1));
    for (n, visitor) in visitors.iter().enumerate() {
        world.visitor_says_hello(*visitor);
        let reply = world
            .visitor_does(
                *visitor,
                VisitorCommand::Hello {
                    account: "main".to_owned(),
                    name: None,
                    identities: Vec::new(),
                    page: None,
                    locale: None,
                },
            )
            .expect("welcome");
        let Reply::Welcome { state: session::api::VisitorState::Waiting { position }, .. } = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(position, n + 1);
    }
    let journals = world.journals();
    let broken = journals.iter().any(|entries| {
        count(entries, |c| matches!(c, Change::LegEnded { ending, .. } if ending.cause == Cause::Restarted))
            > 0
            && count(entries, |c| {
                matches!(c, Change::LegOpened { party: Party::Customer, medium: Medium::Voice, .. })
            }) > 0
            && count(entries, |c| matches!(c, Change::CallbackPromised { by: Side::System, .. })) == 1
    });
    assert!(broken, "the call that the crash broke is marked, and its caller is called back");
}

#[test]
fn after_a_crash_a_waiting_chat_still_hears_from_its_flow() {
    let mut world = centre(0);
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m0", "hello").expect("taken");
    world.visitor_writes(visitor, "m1", "support").expect("taken");
    let announced = |world: &World| {
        let journals = world.journals();
        count(
            only(&journals),
            |change| matches!(change, Change::Message { message } if message.text == "Please wait"),
        )
    };
    world.pass(seconds(30));
    assert_eq!(announced(&world), 1);
    world.crash_and_restart();
    world.pass(seconds(15));
    assert_eq!(announced(&world), 1, "not before its time");
    world.pass(seconds(30));
    assert_eq!(announced(&world), 3);
}

#[test]
fn a_call_of_an_operator_who_is_removed_goes_to_the_head_of_its_queue() {
    let (mut world, agent, call) = talking();
    world.remove_operator(agent);
    world.pass(seconds(5));
    assert!(world.call_is_up(call), "the customer is not dropped");
    let journals = world.journals();
    let entries = only(&journals);
    assert_eq!(count(entries, |c| matches!(c, Change::OwnerChanged { agent: None })), 1);
    assert_eq!(count(entries, |c| matches!(c, Change::Queued { .. })), 2, "back in the queue");
    assert_eq!(world.engine.counts().waiting, 1);
}

#[test]
fn a_goodbye_that_comes_just_after_the_media_broke_off_counts_and_without_one_the_call_is_lost() {
    let customers = |world: &World| {
        let journals = world.journals();
        only(&journals).iter().find_map(|entry| match &entry.change {
            Change::LegEnded { ending, .. } => Some((ending.cause, ending.by)),
            _ => None,
        })
    };
    let (mut world, _, call) = talking();
    world.customer_media_breaks();
    world.caller_hangs_up(call);
    world.pass(seconds(10));
    assert_eq!(customers(&world), Some((Cause::HungUp, model::Side::Customer)));

    let (mut world, _, _) = talking();
    world.customer_media_breaks();
    world.pass(seconds(1));
    assert_eq!(customers(&world), None, "there may be last words");
    world.pass(seconds(9));
    assert_eq!(customers(&world), Some((Cause::Lost, model::Side::System)));
}

fn ending(entries: &[model::Entry]) -> (Cause, model::Side) {
    entries
        .iter()
        .find_map(|entry| match &entry.change {
            Change::SessionEnded { ending } => Some((ending.cause, ending.by)),
            _ => None,
        })
        .expect("the session ended")
}

#[test]
fn a_caller_who_hangs_up_in_the_menu_hung_up_himself() {
    let mut world = centre(1);
    let call = world.caller_calls(PHONE);
    world.pass(seconds(3));
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    assert_eq!(ending(only(&world.journals())), (Cause::HungUp, model::Side::Customer));
}

#[test]
fn a_chat_that_joined_a_call_in_the_menu_outlives_the_call() {
    let mut world = centre(1);
    let call = world.caller_calls(PHONE);
    world.pass(seconds(3));
    let visitor = world.visitor_comes(Some(PHONE));
    world.visitor_writes(visitor, "m1", "hello").expect("taken");
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    assert_eq!(count(only(&world.journals()), |c| matches!(c, Change::SessionEnded { .. })), 0);
    // The flow of the chat's own entry serves it now.
    world.visitor_writes(visitor, "m2", "sales").expect("taken");
    world.pass(seconds(1));
    assert_eq!(world.desk(world.agents()[0]).offers.len(), 1);
}

#[test]
fn chats_of_an_operator_who_vanished_go_to_somebody_else() {
    let (mut world, agent, visitor) = chatting(None);
    world.desk_vanishes(agent);
    world.pass(seconds(10));
    assert_eq!(world.engine.counts().waiting, 0, "he may come back");
    world.pass(seconds(15));
    assert_eq!(world.engine.counts().waiting, 1, "back at the head of the queue");
    world.visitor_writes(visitor, "m9", "anybody?").expect("taken");
}

#[test]
fn chats_of_an_operator_who_reloads_stay_his() {
    let (mut world, agent, _) = chatting(None);
    world.desk_vanishes(agent);
    world.pass(seconds(10));
    world.agent_does(agent, AgentCommand::DeskOpened).expect("welcome");
    world.pass(seconds(60));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::Active);
}

#[test]
fn a_customer_who_calls_while_the_operator_of_his_chat_has_no_phone_waits_for_another_one() {
    let (mut world, agent, _) = chatting(Some(PHONE));
    world.phone_vanishes(agent);
    let call = world.caller_calls(PHONE);
    world.pass(seconds(5));
    assert!(world.call_is_up(call), "he is not hung up");
    assert_eq!(world.engine.counts().waiting, 1);
    assert_eq!(world.journals().len(), 1, "still one session");
}

#[test]
fn an_absorbed_chat_is_read_where_it_goes_on() {
    let (mut world, agent, _call) = talking();
    let id = session_of(only(&world.journals()));
    let Ok(Reply::ChatCode { code, .. }) = world.agent_does(agent, AgentCommand::OfferChat { session: id })
    else {
        panic!("no code")
    };
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m1", "my order is 17").expect("taken");
    world.visitor_does(visitor, VisitorCommand::Code { code }).expect("the code is known");
    let journals = world.journals();
    let into = journals.iter().find(|entries| session_of(entries) == id).expect("the call's session");
    let read = |c: &Change| matches!(c, Change::Message { message } if message.text == "my order is 17");
    assert_eq!(count(into, read), 1);
    let again = world.visitor_writes(visitor, "m1", "my order is 17").expect("taken");
    assert!(matches!(again, Reply::Accepted { session, .. } if session == id));
    let journals = world.journals();
    let into = journals.iter().find(|entries| session_of(entries) == id).expect("the call's session");
    assert_eq!(count(into, read), 1, "a repeat is recognised after the merge");
}

#[test]
fn a_customer_who_asks_to_be_phoned_is_phoned_when_an_operator_has_his_chat() {
    let mut world = centre(1);
    let agent = world.agents()[0];
    let visitor = world.visitor_comes(None);
    world.visitor_writes(visitor, "m0", "hello").expect("taken");
    world.visitor_does(visitor, VisitorCommand::CallMe { phone: PHONE.to_owned() }).expect("noted");
    assert_eq!(world.calls_to_customers(), 0, "nobody is there for him yet");
    world.visitor_writes(visitor, "m1", "sales").expect("taken");
    world.pass(seconds(1));
    let offer = world.desk(agent).offers[0].offer;
    world.agent_does(agent, AgentCommand::Accept { offer }).expect("accepted");
    world.pass(seconds(1));
    world.operator_answers(agent);
    world.pass(seconds(1));
    assert_eq!(world.calls_to_customers(), 1);
}

#[test]
fn a_crash_in_wrap_up_leaves_the_operator_his_form() {
    let (mut world, agent, call) = talking();
    let id = session_of(only(&world.journals()));
    world.caller_hangs_up(call);
    world.pass(seconds(1));
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::WrapUp);
    world.crash_and_restart();
    assert_eq!(world.desk(agent).sessions[0].state, SessionState::WrapUp, "still there");
    let done = AgentCommand::FinishWrapUp { session: id, disposition: Some("sold".to_owned()), note: None };
    world.agent_does(agent, done).expect("he may still say what it was");
    world.pass(seconds(1));
    assert_eq!(world.engine.counts().sessions, 0);
}
