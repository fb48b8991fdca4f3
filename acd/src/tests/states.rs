use std::time::Duration;

use model::OfferOutcome::AgentLeft;
use model::{AgentStatus, Instant, Media, Medium, QueueName, Side};

use crate::testing::{Centre, agent_config, agent_id, not_ready, queue_config, seconds, session_id};
use crate::{AgentConfig, AgentView, Capacity, EnqueueError, Item, Output, Place, QueueView};

const BOTH: Media = Media { voice: true, chat: true };

#[test]
fn a_call_waits_for_an_agent_reachable_by_voice_and_a_chat_for_one_reachable_by_text() {
    let mut centre = Centre::new();
    let agent = centre.known(1);
    centre.status(agent, AgentStatus::Ready);
    let (call, chat) = (centre.call(1), centre.chat(2));
    assert_eq!(centre.offers(), []);
    centre.acd.set_reachable(centre.now, agent, Medium::Chat, true);
    assert_eq!(centre.offers(), [(agent, chat)]);
    centre.acd.remove(centre.now, chat);
    centre.acd.set_reachable(centre.now, agent, Medium::Voice, true);
    assert_eq!(centre.offers(), [(agent, call)]);
}

#[test]
fn a_session_with_call_and_chat_needs_both_and_takes_one_slot() {
    let mut centre = Centre::new();
    let agent = centre.known(1);
    centre.status(agent, AgentStatus::Ready);
    let session = centre.waits("support", 1, 0, BOTH);
    centre.acd.set_reachable(centre.now, agent, Medium::Voice, true);
    assert_eq!(centre.offers(), []);
    centre.acd.set_reachable(centre.now, agent, Medium::Chat, true);
    assert_eq!(centre.offers(), [(agent, session)]);
}

#[test]
fn an_agent_takes_three_chats_and_not_a_fourth() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    for number in 1..=3 {
        centre.talks(agent, number, Media::CHAT);
    }
    centre.chat(4);
    assert_eq!(centre.offers(), []);
    centre.acd.release(centre.now, session_id(2));
    assert_eq!(centre.offers(), [(agent, session_id(4))]);
}

#[test]
fn no_chat_comes_during_a_call_and_no_call_during_a_chat() {
    let mut centre = Centre::new();
    let (calls, chats) = (centre.ready(1), centre.known(2));
    centre.talks(calls, 1, Media::VOICE);
    centre.come(chats);
    centre.talks(chats, 2, Media::CHAT);
    let call = centre.call(3);
    assert_eq!(centre.offers(), []);
    let chat = centre.chat(4);
    assert_eq!(centre.offers(), [(chats, chat)]);
    centre.accept(chats);
    centre.acd.release(centre.now, session_id(2));
    centre.acd.release(centre.now, chat);
    assert_eq!(centre.offers(), [(chats, call)]);
}

#[test]
fn a_chat_that_grows_into_a_call_may_exceed_the_capacity_and_nothing_more_is_offered() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let (grows, other) = (centre.talks(agent, 1, Media::CHAT), centre.talks(agent, 2, Media::CHAT));
    centre.acd.set_media(centre.now, grows, BOTH);
    let (chat, call) = (centre.chat(3), centre.call(4));
    centre.acd.release(centre.now, other);
    assert_eq!(centre.offers(), []);
    centre.acd.set_media(centre.now, grows, Media::CHAT);
    assert_eq!(centre.offers(), [(agent, chat)]);
    centre.acd.remove(centre.now, chat);
    centre.acd.release(centre.now, grows);
    assert_eq!(centre.offers(), [(agent, call)]);
}

#[test]
fn a_waiting_session_that_changes_its_media_is_offered_by_what_it_needs_now() {
    let mut centre = Centre::new();
    let agent = centre.known(1);
    let session = centre.chat(1);
    centre.status(agent, AgentStatus::Ready);
    centre.acd.set_reachable(centre.now, agent, Medium::Voice, true);
    assert_eq!(centre.offers(), []);
    centre.acd.set_media(centre.now, session, Media::VOICE);
    assert_eq!(centre.offers(), [(agent, session)]);
}

#[test]
fn a_waiting_session_without_any_medium_keeps_its_place_and_is_not_offered() {
    let mut centre = Centre::new();
    let session = centre.chat(1);
    centre.acd.set_media(centre.now, session, Media::default());
    let agent = centre.ready(1);
    assert_eq!(centre.offers(), []);
    assert_eq!(centre.acd.place(centre.now, session).map(|place| place.position), Some(1));
    centre.acd.set_media(centre.now, session, Media::CHAT);
    assert_eq!(centre.offers(), [(agent, session)]);
}

#[test]
fn an_offered_session_that_grows_keeps_ringing_and_then_counts_as_a_call() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let session = centre.chat(1);
    centre.acd.set_media(centre.now, session, BOTH);
    centre.accept(agent);
    centre.outputs();
    centre.chat(2);
    assert_eq!(centre.offers(), []);
}

#[test]
fn leaving_the_ready_state_while_it_rings_ends_the_offer_and_asks_somebody_else() {
    let mut centre = Centre::new();
    let (first, second) = (centre.ready(1), centre.ready(2));
    let call = centre.call(1);
    centre.outputs();
    centre.status(first, not_ready("lunch"));
    let outputs = centre.outputs();
    assert!(matches!(outputs[0], Output::OfferEnded { outcome: AgentLeft, agent, .. } if agent == first));
    assert!(matches!(outputs[1], Output::AgentStatus { by: Side::Agent, .. }));
    assert!(matches!(outputs[2], Output::Offer { agent, session, .. } if (agent, session) == (second, call)));
}

#[test]
fn setting_the_state_that_holds_already_is_not_a_change() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    centre.call(1);
    centre.outputs();
    centre.pass(seconds(1));
    let since = centre.acd.agent(agent).map(|view| view.since);
    centre.status(agent, AgentStatus::Ready);
    assert_eq!(centre.outputs(), []);
    assert_eq!(centre.acd.agent(agent).map(|view| view.since), since);
    centre.status(agent, not_ready("lunch"));
    centre.outputs();
    centre.status(agent, not_ready("training"));
    assert!(matches!(centre.outputs()[..], [Output::AgentStatus { .. }]));
}

#[test]
fn a_changed_agent_keeps_what_rings_and_serves_his_new_queues() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let (rings, sale) = (centre.chat(1), centre.waits("sales", 2, 0, Media::CHAT));
    centre.outputs();
    centre.serves(1, &["sales"]);
    assert_eq!(centre.outputs(), []);
    centre.accept(agent);
    assert_eq!(centre.acd.owner(rings), Some(agent));
    assert_eq!(centre.offers(), [(agent, sale)]);
}

#[test]
fn lowered_capacity_takes_nothing_away() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let chats = [centre.talks(agent, 1, Media::CHAT), centre.talks(agent, 2, Media::CHAT)];
    let capacity = Capacity { voice: 1, chat: 1 };
    centre.acd.set_agent(centre.now, AgentConfig { capacity, ..agent_config(1, &["support"]) });
    centre.chat(3);
    assert_eq!(centre.offers(), []);
    assert_eq!(centre.acd.agent(agent).map(|view| view.sessions), Some(chats.to_vec()));
}

#[test]
fn a_removed_agent_leaves_nothing_behind() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let (owned, wrapped) = (centre.talks(agent, 1, Media::CHAT), centre.talks(agent, 2, Media::CHAT));
    let declined = centre.chat(3);
    let offer = centre.ringing(agent).expect("it rings");
    centre.acd.decline(centre.now, offer);
    centre.status(agent, AgentStatus::Ready);
    centre.acd.finish(centre.now, wrapped);
    centre.outputs();
    centre.acd.remove_agent(centre.now, agent);
    let gone = Output::AgentStatus { agent, status: AgentStatus::SignedOut, by: Side::System };
    assert_eq!(centre.outputs(), [Output::WrapUpEnded { agent, session: wrapped }, gone]);
    assert_eq!(centre.acd.owner(owned), None);
    assert_eq!(centre.acd.agent(agent), None);
    assert_eq!(centre.acd.poll_timeout(), None);
    centre.acd.finish(centre.now, owned);
    centre.acd.remove_agent(centre.now, agent);
    assert_eq!(centre.outputs(), []);
    let other = centre.ready(2);
    assert_eq!(centre.offers(), [(other, declined)]);
}

#[test]
fn what_rings_at_a_removed_agent_goes_to_somebody_else() {
    let mut centre = Centre::new();
    let (gone, other) = (centre.ready(1), centre.ready(2));
    let call = centre.call(1);
    centre.outputs();
    centre.acd.remove_agent(centre.now, gone);
    let outputs = centre.outputs();
    assert!(matches!(outputs[0], Output::OfferEnded { outcome: AgentLeft, .. }));
    assert!(matches!(outputs[2], Output::Offer { agent, session, .. } if (agent, session) == (other, call)));
}

#[test]
fn a_removed_queue_takes_nothing_new_and_serves_what_it_has() {
    let mut centre = Centre::new();
    let (one, two) = (centre.chat(1), centre.chat(2));
    centre.acd.set_queues(centre.now, vec![queue_config("sales")]);
    let refused = centre.acd.enqueue(centre.now, centre.item("support", 3, 0, Media::CHAT));
    assert_eq!(refused, Err(EnqueueError::UnknownQueue));
    let again = centre.acd.enqueue(centre.now, centre.item("support", 2, 5, Media::CHAT));
    assert_eq!(again, Ok(()), "who waits there already may change his priority");
    let agent = centre.ready(1);
    assert_eq!(centre.offers(), [(agent, two)]);
    centre.accept(agent);
    assert_eq!(centre.offers(), [(agent, one)]);
    centre.acd.remove(centre.now, one);
    let names: Vec<_> = centre.acd.queues(centre.now).into_iter().map(|queue| queue.name).collect();
    assert_eq!(names, [QueueName::new("sales")]);
}

#[test]
fn a_queue_that_comes_back_by_a_reload_is_served_again() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    centre.acd.set_queues(centre.now, vec![]);
    assert_eq!(
        centre.acd.enqueue(centre.now, centre.item("support", 1, 0, Media::CHAT)),
        Err(EnqueueError::UnknownQueue)
    );
    centre.acd.set_queues(centre.now, vec![queue_config("support")]);
    let chat = centre.chat(1);
    assert_eq!(centre.offers(), [(agent, chat)]);
}

#[test]
fn a_full_queue_refuses_the_next_one_but_not_a_change_of_one_that_waits() {
    let mut centre = Centre::new();
    let mut config = queue_config("support");
    config.max_waiting = 1;
    centre.acd.set_queues(centre.now, vec![config, queue_config("sales")]);
    centre.call(1);
    let refused = centre.acd.enqueue(centre.now, centre.item("support", 2, 0, Media::VOICE));
    assert_eq!(refused, Err(EnqueueError::Full));
    assert_eq!(centre.acd.place(centre.now, session_id(2)), None);
    centre.waits("support", 1, 7, Media::VOICE);

    centre.waits("sales", 3, 0, Media::VOICE);
    let refused = centre.acd.enqueue(centre.now, centre.item("support", 3, 0, Media::VOICE));
    assert_eq!(refused, Err(EnqueueError::Full));
    let sales = centre.serves(1, &["sales"]);
    centre.come(sales);
    assert_eq!(centre.offers(), [(sales, session_id(3))], "the refused one kept its old place");
}

#[test]
fn queuing_again_keeps_the_older_age_and_takes_the_new_priority_and_queue() {
    let mut centre = Centre::new();
    let moved = centre.chat(1);
    centre.pass(seconds(30));
    centre.waits("sales", 2, 0, Media::CHAT);
    centre.waits("sales", 1, 0, Media::CHAT);
    assert_eq!(
        centre.acd.place(centre.now, moved),
        Some(Place { position: 1, waited: seconds(30), estimated_wait: None })
    );
    centre.waits("sales", 1, -1, Media::CHAT);
    assert_eq!(
        centre.acd.place(centre.now, moved),
        Some(Place { position: 2, waited: seconds(30), estimated_wait: None })
    );
    let agent = centre.serves(1, &["support", "sales"]);
    centre.come(agent);
    assert_eq!(centre.offers(), [(agent, session_id(2))]);
}

#[test]
fn queuing_an_offered_session_again_lets_it_ring() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let call = centre.call(1);
    centre.outputs();
    centre.waits("sales", 1, 3, Media::VOICE);
    assert_eq!(centre.outputs(), []);
    centre.accept(agent);
    assert_eq!(centre.acd.owner(call), Some(agent));
}

#[test]
fn higher_priority_goes_first_and_then_age_over_all_queues_of_the_agent() {
    let mut centre = Centre::new();
    let young_low = centre.waits("support", 1, 0, Media::CHAT);
    centre.pass(seconds(1));
    let old_high = centre.waits("sales", 2, 1, Media::CHAT);
    centre.pass(seconds(1));
    let young_high = centre.waits("support", 3, 1, Media::CHAT);
    let agent = centre.serves(1, &["support", "sales"]);
    centre.come(agent);
    let mut order = Vec::new();
    for _ in 0..3 {
        order.extend(centre.offers());
        centre.accept(agent);
    }
    assert_eq!(order, [(agent, old_high), (agent, young_high), (agent, young_low)]);
}

#[test]
fn an_older_age_that_comes_with_the_item_counts() {
    let mut centre = Centre::new();
    centre.pass(seconds(10));
    centre.chat(1);
    let restored = Item { since: Instant::ZERO, ..centre.item("support", 2, 0, Media::CHAT) };
    centre.acd.enqueue(centre.now, restored).expect("there is room");
    let agent = centre.ready(1);
    assert_eq!(centre.offers(), [(agent, session_id(2))]);
}

#[test]
fn the_place_counts_those_who_are_being_offered() {
    let mut centre = Centre::new();
    centre.ready(1);
    let (rings, waits) = (centre.call(1), centre.call(2));
    centre.pass(seconds(5));
    assert_eq!(
        centre.acd.place(centre.now, rings),
        Some(Place { position: 1, waited: seconds(5), estimated_wait: None })
    );
    assert_eq!(
        centre.acd.place(centre.now, waits),
        Some(Place { position: 2, waited: seconds(5), estimated_wait: None })
    );
}

#[test]
fn the_views_show_queues_and_agents() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    let since = centre.now.wall;
    let call = centre.call(1);
    centre.call(2);
    centre.known(2);
    centre.pass(seconds(5));
    let view = |name: &str, waiting, longest_wait, agents_ready| QueueView {
        name: QueueName::new(name),
        waiting,
        longest_wait,
        agents_ready,
        estimated_wait: None,
        estimate_error: Duration::ZERO,
        estimates: 0,
    };
    let queues = centre.acd.queues(centre.now);
    assert_eq!(queues, [view("sales", 0, Duration::ZERO, 0), view("support", 2, seconds(5), 1)]);
    let offer = centre.ringing(agent).expect("it rings");
    let expected = AgentView {
        agent,
        status: AgentStatus::Ready,
        since,
        reachable_by_voice: true,
        reachable_by_text: true,
        offers: vec![(offer, call)],
        sessions: vec![],
        wrapping_up: vec![],
    };
    assert_eq!(centre.acd.agents().next(), Some(expected));
    assert_eq!(centre.acd.agents().count(), 2);
}

#[test]
fn what_names_nobody_known_does_nothing() {
    let mut centre = Centre::new();
    let (agent, session) = (agent_id(9), session_id(9));
    centre.status(agent, AgentStatus::Ready);
    centre.acd.set_reachable(centre.now, agent, Medium::Voice, true);
    centre.acd.set_media(centre.now, session, Media::VOICE);
    centre.acd.remove(centre.now, session);
    centre.acd.assign(centre.now, agent, session, Media::VOICE);
    centre.acd.remove_agent(centre.now, agent);
    centre.acd.handle_timeout(centre.now);
    assert_eq!(centre.outputs(), []);
    assert_eq!(centre.acd.owner(session), None);
    assert_eq!(centre.acd.poll_timeout(), None);
}
