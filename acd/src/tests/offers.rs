use model::{AgentStatus, Media, Medium, OfferOutcome::*, Side};

use crate::Output;
use crate::testing::{Centre, agent_id, not_ready, queue_config, seconds};

#[test]
fn the_longest_idle_agent_is_asked_first() {
    let mut centre = Centre::new();
    let (second, first) = (centre.known(1), centre.known(2));
    centre.come(first);
    centre.pass(seconds(1));
    centre.come(second);
    let (one, two) = (centre.call(1), centre.call(2));
    assert_eq!(centre.offers(), [(first, one), (second, two)]);
}

#[test]
fn idle_time_counts_from_the_end_of_the_last_work() {
    let mut centre = Centre::new();
    let (busy, idle) = (centre.ready(1), centre.known(2));
    let call = centre.talks(busy, 1, Media::VOICE);
    centre.come(idle);
    centre.pass(seconds(100));
    centre.acd.finish(centre.now, call);
    centre.pass(seconds(31));
    centre.call(2);
    centre.call(3);
    let asked: Vec<_> = centre.offers().into_iter().map(|(agent, _)| agent).collect();
    assert_eq!(asked, [idle, busy]);
}

#[test]
fn an_agent_with_a_chat_in_hand_comes_after_one_with_none() {
    let mut centre = Centre::new();
    let busy = centre.ready(1);
    centre.talks(busy, 1, Media::CHAT);
    centre.pass(seconds(100));
    let idle = centre.ready(2);
    let chat = centre.chat(2);
    assert_eq!(centre.offers(), [(idle, chat)]);
}

#[test]
fn an_offer_names_everything_and_its_deadline_depends_on_the_media() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    let Some(Output::Offer { offer, agent: asked, session, queue, media, deadline, .. }) =
        centre.outputs().into_iter().find(|output| matches!(output, Output::Offer { .. }))
    else {
        panic!("no offer")
    };
    assert_eq!((asked, session, media, &*queue.0), (agent, call, Media::VOICE, "support"));
    assert_eq!(deadline, centre.now.instant + seconds(20));
    assert_eq!(centre.ringing(agent), Some(offer));
    assert_eq!(centre.acd.poll_timeout(), Some(deadline));

    centre.acd.remove(centre.now, call);
    centre.chat(2);
    assert_eq!(centre.acd.poll_timeout(), Some(centre.now.instant + seconds(60)));
}

#[test]
fn the_same_seed_makes_the_same_offer_ids() {
    let ids = || {
        let mut centre = Centre::new();
        centre.ready(1);
        centre.call(1);
        centre.outputs()
    };
    assert_eq!(ids(), ids());
}

#[test]
fn an_agent_gets_one_offer_at_a_time_even_for_chats() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let (one, two) = (centre.chat(1), centre.chat(2));
    assert_eq!(centre.offers(), [(agent, one)]);
    centre.accept(agent);
    assert_eq!(centre.offers(), [(agent, two)]);
}

#[test]
fn accepting_makes_the_agent_the_owner_and_ends_the_wait() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    centre.accept(agent);
    assert_eq!(centre.endings(), [(agent, call, Accepted)]);
    assert_eq!(centre.acd.owner(call), Some(agent));
    assert_eq!(centre.acd.place(centre.now, call), None);
    assert_eq!(centre.acd.poll_timeout(), None);
}

#[test]
fn a_late_accept_is_refused() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    let offer = centre.ringing(agent).expect("it rings");
    centre.pass(seconds(20));
    assert!(!centre.acd.accept(centre.now, offer));
    assert_eq!(centre.acd.owner(call), None);
    assert_eq!(centre.acd.place(centre.now, call).map(|place| place.waited), Some(seconds(20)));
}

#[test]
fn an_offer_is_accepted_once() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    centre.call(1);
    let offer = centre.ringing(agent).expect("it rings");
    assert!(centre.acd.accept(centre.now, offer));
    assert!(!centre.acd.accept(centre.now, offer));
    centre.acd.decline(centre.now, offer);
    centre.acd.fail(centre.now, offer);
    assert_eq!(centre.state(agent), AgentStatus::Ready);
}

#[test]
fn a_call_that_rang_out_goes_back_with_its_age_and_to_the_next_agent() {
    let mut centre = Centre::new();
    let (first, second) = (centre.ready(1), centre.ready(2));
    let call = centre.call(1);
    centre.outputs();
    centre.pass(seconds(20));
    let outputs = centre.outputs();
    assert!(matches!(outputs[0], Output::OfferEnded { outcome: TimedOut, agent, .. } if agent == first));
    let by_system = Output::AgentStatus { agent: first, status: AgentStatus::NotAnswering, by: Side::System };
    assert_eq!(outputs[1], by_system);
    assert!(matches!(outputs[2], Output::Offer { agent, session, .. } if (agent, session) == (second, call)));
    assert_eq!(outputs.len(), 3);
    assert_eq!(centre.acd.place(centre.now, call).map(|place| place.waited), Some(seconds(20)));
}

#[test]
fn a_chat_that_was_not_accepted_in_time_makes_the_agent_not_answering_too() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    centre.chat(1);
    centre.pass(seconds(59));
    assert_eq!(centre.state(agent), AgentStatus::Ready);
    centre.pass(seconds(1));
    assert_eq!(centre.state(agent), AgentStatus::NotAnswering);
}

#[test]
fn a_returned_session_stands_before_younger_ones() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let old = centre.call(9);
    centre.pass(seconds(1));
    centre.call(1);
    centre.pass(seconds(19));
    centre.outputs();
    centre.status(agent, AgentStatus::Ready);
    assert_eq!(centre.offers(), [(agent, old)]);
}

#[test]
fn declining_makes_the_agent_not_ready_and_asks_somebody_else() {
    let mut centre = Centre::new();
    let (first, second) = (centre.ready(1), centre.ready(2));
    let call = centre.call(1);
    centre.outputs();
    let offer = centre.ringing(first).expect("it rings");
    centre.acd.decline(centre.now, offer);
    assert_eq!(centre.state(first), not_ready("declined"));
    let outputs = centre.outputs();
    assert!(matches!(outputs[0], Output::OfferEnded { outcome: Declined, .. }));
    assert!(matches!(outputs[2], Output::Offer { agent, session, .. } if (agent, session) == (second, call)));
}

#[test]
fn a_declined_session_is_kept_from_the_agent_for_ten_seconds_and_others_are_not() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let (declined, other) = (centre.chat(1), centre.chat(2));
    let offer = centre.ringing(agent).expect("it rings");
    centre.acd.decline(centre.now, offer);
    centre.outputs();
    centre.status(agent, AgentStatus::Ready);
    assert_eq!(centre.offers(), [(agent, other)]);
    centre.accept(agent);
    centre.pass(seconds(9));
    assert_eq!(centre.offers(), []);
    centre.pass(seconds(1));
    assert_eq!(centre.offers(), [(agent, declined)]);
}

#[test]
fn a_device_that_failed_is_left_alone_for_five_seconds() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    let offer = centre.ringing(agent).expect("it rings");
    centre.outputs();
    centre.acd.fail(centre.now, offer);
    assert_eq!(centre.endings(), [(agent, call, Unreachable)]);
    assert_eq!(centre.state(agent), AgentStatus::Ready);
    centre.pass(seconds(4));
    assert_eq!(centre.offers(), []);
    centre.pass(seconds(1));
    assert_eq!(centre.offers(), [(agent, call)]);
}

#[test]
fn hearing_from_the_failed_device_ends_the_back_off() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    let offer = centre.ringing(agent).expect("it rings");
    centre.acd.fail(centre.now, offer);
    centre.outputs();
    centre.acd.set_reachable(centre.now, agent, Medium::Chat, true);
    assert_eq!(centre.offers(), []);
    centre.acd.set_reachable(centre.now, agent, Medium::Voice, true);
    assert_eq!(centre.offers(), [(agent, call)]);
    let next = centre.acd.poll_timeout();
    assert_eq!(next, Some(centre.now.instant + seconds(20)), "no timer of the back-off is left");
}

#[test]
fn an_agent_whose_device_failed_is_asked_last_afterwards() {
    let mut centre = Centre::new();
    let (failed, other) = (centre.ready(1), centre.known(2));
    let call = centre.call(1);
    let offer = centre.ringing(failed).expect("it rings");
    centre.acd.fail(centre.now, offer);
    centre.acd.remove(centre.now, call);
    centre.come(other);
    centre.pass(seconds(6));
    centre.outputs();
    let next = centre.call(2);
    assert_eq!(centre.offers(), [(other, next)]);
}

#[test]
fn a_failed_device_does_not_keep_the_session_from_others() {
    let mut centre = Centre::new();
    let (first, second) = (centre.ready(1), centre.ready(2));
    let call = centre.call(1);
    let offer = centre.ringing(first).expect("it rings");
    centre.outputs();
    centre.acd.fail(centre.now, offer);
    assert_eq!(centre.offers(), [(second, call)]);
}

#[test]
fn losing_the_medium_of_the_offer_ends_it_and_losing_another_does_not() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    centre.outputs();
    centre.acd.set_reachable(centre.now, agent, Medium::Chat, false);
    assert_eq!(centre.endings(), []);
    centre.acd.set_reachable(centre.now, agent, Medium::Voice, false);
    assert_eq!(centre.endings(), [(agent, call, Unreachable)]);
    centre.acd.set_reachable(centre.now, agent, Medium::Voice, true);
    assert_eq!(centre.offers(), [(agent, call)]);
}

#[test]
fn a_customer_who_leaves_while_it_rings_withdraws_the_offer_without_wrap_up() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    centre.outputs();
    centre.acd.remove(centre.now, call);
    assert_eq!(centre.endings(), [(agent, call, Withdrawn)]);
    assert_eq!(centre.acd.agent(agent).map(|view| view.wrapping_up), Some(vec![]));
    let next = centre.call(2);
    assert_eq!(centre.offers(), [(agent, next)]);
}

#[test]
fn an_offer_keeps_its_deadline_and_its_queue_over_a_reload() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    centre.outputs();
    let mut config = queue_config("support");
    config.ring_timeout = seconds(1);
    centre.acd.set_queues(centre.now, vec![config]);
    centre.pass(seconds(19));
    assert_eq!(centre.outputs(), []);
    centre.accept(agent);
    assert_eq!(centre.acd.owner(call), Some(agent_id(1)));
}
