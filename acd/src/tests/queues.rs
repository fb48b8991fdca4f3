//! Overflow, estimates, capacity, and what is given out of turn.

use std::time::Duration;

use model::{AgentStatus, Media, OfferOutcome, QueueName};

use crate::testing::{Centre, agent_config, agent_id, not_ready, queue_config, seconds, session_id};
use crate::{
    AgentConfig, Blend, Capacity, DirectError, Item, Output, Overflow, OverflowWhen, QueueConfig, Work,
};

fn overflowing(name: &str, when: OverflowWhen, to: Option<&str>) -> QueueConfig {
    let to = to.map(QueueName::new);
    QueueConfig { overflow: vec![Overflow { when, to }], ..queue_config(name) }
}

impl Centre {
    fn overflows(&mut self, when: OverflowWhen, to: Option<&str>) {
        let configs = vec![overflowing("support", when, to), queue_config("sales")];
        self.acd.set_queues(self.now, configs);
    }

    /// Who overflowed from where to where.
    fn moved(&mut self) -> Vec<(model::SessionId, String)> {
        let moved = |output| match output {
            Output::Overflowed { session, from, to } => Some((session, format!("{from}>{to}"))),
            Output::Overflow { session, queue } => Some((session, format!("{queue}>"))),
            Output::Offer { .. }
            | Output::OfferEnded { .. }
            | Output::AgentStatus { .. }
            | Output::WrapUpStarted { .. }
            | Output::WrapUpEnded { .. } => None,
        };
        self.outputs().into_iter().filter_map(moved).collect()
    }

    fn works_as(&mut self, number: u8, capacity: Capacity, blend: Blend) -> model::AgentId {
        let config = AgentConfig { capacity, blend, ..agent_config(number, &["support"]) };
        self.acd.set_agent(self.now, config);
        self.come(agent_id(number));
        agent_id(number)
    }

    fn work(&mut self, number: u8, work: Work) -> model::SessionId {
        let media = if work == Work::Call { Media::VOICE } else { Media::CHAT };
        let item = Item { work, ..self.item("support", number, 0, media) };
        self.acd.enqueue(self.now, item).expect("there is room");
        session_id(number)
    }

    fn takes(&mut self, number: u8, work: Work) -> model::SessionId {
        let session = self.work(number, work);
        self.accept(agent_id(1));
        self.outputs();
        session
    }
}

#[test]
fn who_has_waited_long_enough_waits_in_another_queue_as_old_as_he_is() {
    let mut centre = Centre::new();
    centre.overflows(OverflowWhen::Waited(seconds(60)), Some("sales"));
    let call = centre.call(1);
    centre.pass(seconds(59));
    assert_eq!(centre.moved(), []);
    centre.pass(seconds(1));
    assert_eq!(centre.moved(), [(call, "support>sales".to_owned())]);
    assert_eq!(centre.acd.place(centre.now, call).map(|place| place.waited), Some(seconds(60)));
    let sales = centre.serves(1, &["sales"]);
    centre.come(sales);
    assert_eq!(centre.offers(), [(sales, call)]);
}

#[test]
fn whoever_is_being_offered_is_not_sent_on_until_the_offer_has_come_to_nothing() {
    let mut centre = Centre::new();
    centre.overflows(OverflowWhen::Waited(seconds(10)), Some("sales"));
    let agent = centre.ready(1);
    let call = centre.call(1);
    centre.pass(seconds(15));
    assert_eq!(centre.moved(), []);
    let offer = centre.ringing(agent).expect("it rings");
    centre.acd.decline(centre.now, offer);
    centre.pass(Duration::ZERO);
    assert_eq!(centre.moved(), [(call, "support>sales".to_owned())]);
}

#[test]
fn a_rule_without_a_queue_tells_the_flow_once() {
    let mut centre = Centre::new();
    centre.overflows(OverflowWhen::Waited(seconds(10)), None);
    let call = centre.call(1);
    centre.pass(seconds(100));
    assert_eq!(centre.moved(), [(call, "support>".to_owned())]);
    assert_eq!(centre.acd.place(centre.now, call).map(|place| place.position), Some(1));
}

#[test]
fn a_queue_that_is_too_long_sends_the_newcomer_on() {
    let mut centre = Centre::new();
    centre.overflows(OverflowWhen::Longer(2), Some("sales"));
    centre.call(1);
    centre.call(2);
    let third = centre.call(3);
    assert_eq!(centre.moved(), [(third, "support>sales".to_owned())]);
}

#[test]
fn when_the_last_agent_signs_out_all_that_waits_goes_elsewhere() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    centre.overflows(OverflowWhen::NoAgents, Some("sales"));
    centre.status(agent, not_ready("lunch"));
    let (one, two) = (centre.call(1), centre.call(2));
    assert_eq!(centre.moved(), [], "he may come back");
    centre.status(agent, AgentStatus::SignedOut);
    let expected = [(one, "support>sales".to_owned()), (two, "support>sales".to_owned())];
    assert_eq!(centre.moved(), expected);
    let three = centre.call(3);
    assert_eq!(centre.moved(), [(three, "support>sales".to_owned())]);
}

#[test]
fn queues_that_overflow_into_each_other_send_nobody_in_circles() {
    let mut centre = Centre::new();
    centre.acd.set_queues(
        centre.now,
        vec![
            overflowing("support", OverflowWhen::NoAgents, Some("sales")),
            overflowing("sales", OverflowWhen::NoAgents, Some("support")),
        ],
    );
    let call = centre.call(1);
    assert_eq!(centre.moved(), [(call, "support>sales".to_owned())]);
}

#[test]
fn the_estimate_follows_handling_time_and_agents_and_its_error_is_kept() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    assert_eq!(centre.acd.queues(centre.now)[1].estimated_wait, None);
    // A call every 120 s: 90 s of talk and 30 s of wrap-up, with somebody waiting all the time.
    for number in 1..=40 {
        centre.call(number);
    }
    for _ in 0..30 {
        centre.accept(agent);
        let call = centre.acd.agent(agent).expect("known").sessions[0];
        centre.pass(seconds(90));
        centre.acd.finish(centre.now, call);
        centre.pass(seconds(30));
    }
    let call = centre.call(99);
    let place = centre.acd.place(centre.now, call).expect("it waits");
    let expected = seconds(120) * u32::try_from(place.position).expect("few");
    let off = place.estimated_wait.expect("it is known").abs_diff(expected);
    assert!(off < seconds(10), "{place:?}, not {expected:?}");
    let half = centre.ready(2);
    let two = centre.acd.place(centre.now, call).and_then(|place| place.estimated_wait).expect("it is known");
    assert!(two.abs_diff(expected / 2) < seconds(60), "two agents: {two:?}");
    centre.status(half, AgentStatus::SignedOut);

    let before = centre.acd.queues(centre.now)[1].estimates;
    while centre.acd.place(centre.now, call).is_some() {
        centre.accept(agent);
        let call = centre.acd.agent(agent).expect("known").sessions[0];
        centre.pass(seconds(90));
        centre.acd.finish(centre.now, call);
        centre.pass(seconds(30));
    }
    let queue = &centre.acd.queues(centre.now)[1];
    assert!(queue.estimates > before);
    assert!(queue.estimate_error < seconds(120), "{:?}", queue.estimate_error);
}

#[test]
fn a_call_interrupts_mail_and_nothing_interrupts_a_call() {
    let mut centre = Centre::new();
    let agent = centre.works_as(1, Capacity { voice: 1, chat: 3 }, Blend::default());
    centre.takes(1, Work::Mail);
    let call = centre.work(2, Work::Call);
    assert_eq!(centre.offers(), [(agent, call)]);
    centre.accept(agent);
    centre.outputs();
    for (number, work) in (3..).zip([Work::Call, Work::Chat, Work::Message, Work::Mail]) {
        centre.work(number, work);
    }
    assert_eq!(centre.offers(), []);
}

#[test]
fn reserved_slots_are_kept_for_their_medium() {
    let mut centre = Centre::new();
    let mut blend = Blend { total: 3, ..Blend::default() };
    blend.reserved.message = 1;
    let agent = centre.works_as(1, Capacity { voice: 1, chat: 3 }, blend);
    centre.takes(1, Work::Chat);
    centre.takes(2, Work::Chat);
    centre.work(3, Work::Chat);
    assert_eq!(centre.offers(), [], "the third slot is for a message");
    let message = centre.work(4, Work::Message);
    assert_eq!(centre.offers(), [(agent, message)]);
}

#[test]
fn an_agent_is_not_thrown_from_one_medium_to_another_and_back() {
    let mut centre = Centre::new();
    let blend = Blend { switch_pause: seconds(120), ..Blend::default() };
    let agent = centre.works_as(1, Capacity { voice: 1, chat: 3 }, blend);
    let chat = centre.takes(1, Work::Chat);
    centre.acd.release(centre.now, chat);
    let call = centre.work(2, Work::Call);
    assert_eq!(centre.offers(), []);
    let next = centre.work(3, Work::Chat);
    assert_eq!(centre.offers(), [(agent, next)], "the same again at once");
    centre.acd.remove(centre.now, next);
    centre.pass(seconds(119));
    assert_eq!(centre.offers(), []);
    centre.pass(seconds(1));
    assert_eq!(centre.offers(), [(agent, call)]);
}

#[test]
fn who_picks_a_session_gets_it_whatever_its_place_and_the_agent_it_rang_at_is_free() {
    let mut centre = Centre::new();
    let rings = centre.ready(1);
    let (call, other) = (centre.call(1), centre.call(2));
    let picks = centre.serves(2, &["sales"]);
    centre.come(picks);
    centre.status(picks, not_ready("reading"));
    centre.outputs();
    let offer = centre.acd.pick(centre.now, picks, call).expect("it is offered to him");
    let outputs = centre.outputs();
    assert!(
        matches!(outputs[0], Output::OfferEnded { outcome: OfferOutcome::Withdrawn, agent, .. } if agent == rings)
    );
    assert!(matches!(outputs[1], Output::Offer { agent, session, .. } if (agent, session) == (picks, call)));
    assert!(matches!(outputs[2], Output::Offer { agent, session, .. } if (agent, session) == (rings, other)));
    assert!(centre.acd.accept(centre.now, offer));
    assert_eq!(centre.acd.owner(call), Some(picks));
}

#[test]
fn a_pushed_session_that_is_declined_is_back_in_its_place() {
    let mut centre = Centre::new();
    let agent = centre.ready(1);
    centre.status(agent, not_ready("reading"));
    let (call, _) = (centre.call(1), centre.call(2));
    let offer = centre.acd.push(centre.now, agent, call).expect("it is offered to him");
    assert_eq!(centre.acd.push(centre.now, agent, session_id(2)), Err(DirectError::Busy));
    centre.acd.decline(centre.now, offer);
    assert_eq!(centre.acd.place(centre.now, call).map(|place| place.position), Some(1));
    let next = centre.ready(2);
    centre.outputs();
    assert!(centre.ringing(next).is_some());
    assert_eq!(centre.acd.push(centre.now, agent, session_id(9)), Err(DirectError::NotWaiting));
    assert_eq!(centre.acd.push(centre.now, agent_id(9), session_id(2)), Err(DirectError::NotThere));
}
