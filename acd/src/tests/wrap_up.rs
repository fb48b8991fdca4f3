use std::time::Duration;

use model::OfferOutcome::{Accepted, Withdrawn};
use model::{AgentStatus, Media};

use crate::Output;
use crate::testing::{Centre, queue_config, seconds, session_id};

#[test]
fn after_a_call_the_agent_wraps_up_and_gets_nothing_until_the_time_is_over() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.talks(agent, 1, Media::VOICE);
    let next = centre.call(2);
    centre.acd.finish(centre.now, call);
    let until = centre.now.instant + seconds(30);
    assert_eq!(centre.outputs(), [Output::WrapUpStarted { agent, session: call, until }]);
    assert_eq!(centre.acd.owner(call), None);
    centre.pass(seconds(29));
    assert_eq!(centre.outputs(), []);
    centre.pass(seconds(1));
    let outputs = centre.outputs();
    assert_eq!(outputs[0], Output::WrapUpEnded { agent, session: call });
    assert!(matches!(outputs[1], Output::Offer { session, .. } if session == next));
}

#[test]
fn an_agent_ends_his_wrap_up_early() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.talks(agent, 1, Media::VOICE);
    centre.acd.finish(centre.now, call);
    let next = centre.call(2);
    centre.acd.end_wrap_up(centre.now, agent, call);
    assert_eq!(centre.offers(), [(agent, next)]);
    centre.acd.end_wrap_up(centre.now, agent, call);
    assert_eq!(centre.outputs(), []);
}

#[test]
fn any_running_wrap_up_keeps_chats_away() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let (one, two) = (centre.talks(agent, 1, Media::CHAT), centre.talks(agent, 2, Media::CHAT));
    centre.acd.finish(centre.now, one);
    centre.acd.finish(centre.now, two);
    centre.chat(3);
    centre.acd.end_wrap_up(centre.now, agent, one);
    assert_eq!(centre.offers(), []);
    centre.acd.end_wrap_up(centre.now, agent, two);
    assert_eq!(centre.offers(), [(agent, session_id(3))]);
}

#[test]
fn a_queue_without_wrap_up_frees_the_agent_at_once() {
    let mut centre = Centre::new();
    let mut config = queue_config("support");
    config.wrap_up = Duration::ZERO;
    centre.acd.set_queues(centre.now, vec![config]);
    let agent = centre.ready(1);
    let call = centre.talks(agent, 1, Media::VOICE);
    let next = centre.call(2);
    centre.acd.finish(centre.now, call);
    let outputs = centre.outputs();
    assert!(matches!(outputs[..], [Output::Offer { session, .. }] if session == next));
}

#[test]
fn finishing_an_unknown_session_does_nothing() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let waiting = centre.call(1);
    centre.outputs();
    centre.acd.finish(centre.now, session_id(9));
    centre.acd.release(centre.now, session_id(9));
    centre.acd.finish(centre.now, waiting);
    centre.acd.end_wrap_up(centre.now, agent, waiting);
    assert_eq!(centre.outputs(), []);
    assert!(centre.ringing(agent).is_some());
}

#[test]
fn release_frees_the_agent_without_wrap_up() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.talks(agent, 1, Media::VOICE);
    let next = centre.call(2);
    centre.acd.release(centre.now, call);
    assert_eq!(centre.offers(), [(agent, next)]);
    assert_eq!(centre.acd.owner(call), None);
}

#[test]
fn an_assigned_session_takes_a_slot_and_is_wrapped_up() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    centre.acd.assign(centre.now, agent, session_id(1), Media::VOICE);
    centre.call(2);
    assert_eq!(centre.offers(), []);
    assert_eq!(centre.acd.owner(session_id(1)), Some(agent));
    centre.acd.finish(centre.now, session_id(1));
    assert!(matches!(centre.outputs()[..], [Output::WrapUpStarted { .. }]));
}

#[test]
fn a_session_assigned_to_another_agent_is_wrapped_up_by_the_first() {
    let mut centre = Centre::new();
    let (first, second) = (centre.ready(1), centre.ready(2));
    let call = centre.talks(first, 1, Media::VOICE);
    centre.acd.assign(centre.now, second, call, Media::VOICE);
    assert_eq!(centre.acd.owner(call), Some(second));
    assert_eq!(centre.acd.agent(first).map(|view| view.wrapping_up), Some(vec![call]));
}

#[test]
fn assigning_a_ringing_session_withdraws_its_offer_and_frees_the_other_agent() {
    let mut centre = Centre::new();
    let (rings, takes) = (centre.ready(1), centre.known(2));
    let (call, next) = (centre.call(1), centre.call(2));
    centre.outputs();
    centre.acd.assign(centre.now, takes, call, Media::VOICE);
    assert_eq!(centre.acd.owner(call), Some(takes));
    let outputs = centre.outputs();
    assert!(matches!(outputs[0], Output::OfferEnded { outcome: Withdrawn, agent, .. } if agent == rings));
    assert!(matches!(outputs[1], Output::Offer { agent, session, .. } if (agent, session) == (rings, next)));
}

#[test]
fn getting_a_session_back_while_wrapping_it_up_ends_the_wrap_up() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.talks(agent, 1, Media::VOICE);
    centre.acd.finish(centre.now, call);
    centre.outputs();
    centre.acd.assign(centre.now, agent, call, Media::VOICE);
    assert_eq!(centre.outputs(), [Output::WrapUpEnded { agent, session: call }]);
    assert_eq!(centre.acd.poll_timeout(), None);
}

#[test]
fn an_owned_session_that_is_queued_again_goes_to_somebody_else_and_then_changes_hands() {
    let mut centre = Centre::new();
    let first = centre.ready(1);
    let chat = centre.talks(first, 1, Media::CHAT);
    centre.chat(1);
    assert_eq!(centre.offers(), [], "it is not offered to its owner");
    let second = centre.ready(2);
    assert_eq!(centre.offers(), [(second, chat)]);
    assert_eq!(centre.acd.owner(chat), Some(first));
    centre.accept(second);
    assert_eq!(centre.acd.owner(chat), Some(second));
    let outputs = centre.outputs();
    assert!(matches!(outputs[0], Output::OfferEnded { outcome: Accepted, .. }));
    assert!(matches!(outputs[1], Output::WrapUpStarted { agent, .. } if agent == first));
}

#[test]
fn signing_out_does_not_take_sessions_or_wrap_up_away() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.talks(agent, 1, Media::VOICE);
    centre.status(agent, AgentStatus::SignedOut);
    assert_eq!(centre.acd.owner(call), Some(agent));
    centre.acd.finish(centre.now, call);
    assert_eq!(centre.acd.agent(agent).map(|view| view.wrapping_up), Some(vec![call]));
}

#[test]
fn the_wrap_up_of_a_removed_queue_still_comes() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    centre.acd.set_queues(centre.now, vec![]);
    centre.accept(agent);
    centre.acd.finish(centre.now, call);
    assert_eq!(centre.acd.agent(agent).map(|view| view.wrapping_up), Some(vec![call]));
}
