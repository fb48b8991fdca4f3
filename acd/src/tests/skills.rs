use model::{Chosen, Media, OfferOutcome, Refusal, Strategy};

use crate::testing::{Centre, agent_config, queue_config, seconds, session_id, skills};
use crate::{AgentConfig, Demand, Output, Preferred, QueueConfig, Skill, Stage, Widen};

fn asks(levels: &[(&str, u8)]) -> Demand {
    Demand { required: skills(levels), ..Demand::default() }
}

impl Centre {
    fn can(&mut self, number: u8, levels: &[(&str, u8)]) -> model::AgentId {
        let config = AgentConfig { skills: skills(levels), ..agent_config(number, &["support"]) };
        self.acd.set_agent(self.now, config);
        let agent = crate::testing::agent_id(number);
        self.come(agent);
        agent
    }

    fn asking(&mut self, number: u8, demand: Demand) -> model::SessionId {
        let item = crate::Item { demand, ..self.item("support", number, 0, Media::VOICE) };
        self.acd.enqueue(self.now, item).expect("there is room");
        session_id(number)
    }
}

#[test]
fn a_session_goes_to_who_has_all_required_skills_at_their_levels() {
    let mut centre = Centre::new();
    centre.can(1, &[("tech", 2), ("ru", 10)]);
    centre.can(2, &[("tech", 9)]);
    let call = centre.asking(1, asks(&[("tech", 3), ("ru", 1)]));
    assert_eq!(centre.offers(), [], "one has too little of a skill, the other lacks one");
    let fit = centre.can(3, &[("tech", 3), ("ru", 1)]);
    assert_eq!(centre.offers(), [(fit, call)]);
}

#[test]
fn what_is_preferred_decides_among_those_who_can() {
    let mut centre = Centre::new();
    let (some, best) = (centre.can(1, &[("en", 2)]), centre.can(2, &[("en", 1), ("vip", 1)]));
    centre.can(3, &[]);
    let preferred = [(Skill::new("en"), 1), (Skill::new("vip"), 5)].into();
    let demand = Demand { preferred, ..Demand::default() };
    let (one, two) = (centre.asking(1, demand.clone()), centre.asking(2, demand));
    assert_eq!(centre.offers(), [(best, one), (some, two)]);
}

#[test]
fn requirements_fall_with_the_time_waited() {
    let mut centre = Centre::new();
    let agent = centre.can(1, &[("tech", 1)]);
    let stage = |after, widen| Stage { after: seconds(after), widen };
    let stages =
        vec![stage(60, Widen::To(Skill::new("tech"), 1)), stage(180, Widen::To(Skill::new("ru"), 0))];
    let call = centre.asking(1, Demand { stages, ..asks(&[("tech", 3), ("ru", 1)]) });
    centre.pass(seconds(179));
    assert_eq!(centre.offers(), []);
    centre.pass(seconds(1));
    assert_eq!(centre.offers(), [(agent, call)]);
}

#[test]
fn an_agent_who_loses_a_skill_while_it_rings_loses_the_offer_and_the_next_one_rings() {
    let mut centre = Centre::new();
    let (first, second) = (centre.can(1, &[("tech", 5)]), centre.can(2, &[("tech", 5)]));
    let call = centre.asking(1, asks(&[("tech", 3)]));
    assert_eq!(centre.offers(), [(first, call)]);
    centre.acd.set_agent(centre.now, agent_config(1, &["support"]));
    let outputs = centre.outputs();
    assert!(
        matches!(outputs[0], Output::OfferEnded { outcome: OfferOutcome::AgentLeft, agent, .. } if agent == first)
    );
    assert!(matches!(outputs[1], Output::Offer { agent, session, .. } if (agent, session) == (second, call)));
    assert_eq!(outputs.len(), 2);
}

#[test]
fn a_new_demand_is_matched_at_once() {
    let mut centre = Centre::new();
    let agent = centre.can(1, &[]);
    let call = centre.asking(1, asks(&[("tech", 3)]));
    assert_eq!(centre.offers(), []);
    centre.acd.set_demand(centre.now, call, Demand::default());
    assert_eq!(centre.offers(), [(agent, call)]);
}

#[test]
fn who_waits_for_the_preferred_agent_is_left_to_him_while_patience_lasts() {
    let mut centre = Centre::new();
    let (busy, idle) = (centre.ready(1), centre.ready(2));
    centre.talks(busy, 9, Media::VOICE);
    let until = centre.now.instant + seconds(30);
    let preferred = Some(Preferred { agent: busy, until });
    let item = crate::Item { preferred, ..centre.item("support", 1, 0, Media::VOICE) };
    centre.acd.enqueue(centre.now, item.clone()).expect("there is room");
    assert_eq!(centre.offers(), []);
    centre.pass(seconds(29));
    assert_eq!(centre.offers(), []);
    centre.pass(seconds(1));
    assert_eq!(centre.offers(), [(idle, session_id(1))]);

    let item = crate::Item {
        session: session_id(2),
        preferred: Some(Preferred { agent: busy, until: centre.now.instant + seconds(30) }),
        ..centre.item("support", 2, 0, Media::VOICE)
    };
    centre.ready(3);
    centre.acd.enqueue(centre.now, item).expect("there is room");
    centre.acd.release(centre.now, session_id(9));
    assert_eq!(centre.offers(), [(busy, session_id(2))], "he is asked as soon as he is free");
}

#[test]
fn a_preferred_agent_who_stops_working_is_not_waited_for() {
    let mut centre = Centre::new();
    let (busy, idle) = (centre.ready(1), centre.ready(2));
    centre.talks(busy, 9, Media::VOICE);
    let preferred = Some(Preferred { agent: busy, until: centre.now.instant + seconds(300) });
    let item = crate::Item { preferred, ..centre.item("support", 1, 0, Media::VOICE) };
    centre.acd.enqueue(centre.now, item).expect("there is room");
    centre.outputs();
    centre.status(busy, crate::testing::not_ready("lunch"));
    assert_eq!(centre.offers(), [(idle, session_id(1))]);
    assert_eq!(centre.acd.place(centre.now, session_id(1)).map(|place| place.position), Some(1));
}

#[test]
fn an_offer_says_who_else_could_and_who_could_not() {
    let mut centre = Centre::new();
    let [fit, other] = [1, 2].map(|number| centre.can(number, &[("tech", 5)]));
    let pausing = centre.can(3, &[("tech", 5)]);
    centre.status(pausing, crate::testing::not_ready("lunch"));
    let unskilled = centre.can(4, &[]);
    centre.outputs();
    centre.asking(1, asks(&[("tech", 3)]));
    let outputs = centre.outputs();
    let [Output::Offer { why, agent, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(*agent, fit);
    assert_eq!(why.chosen, Chosen::ByStrategy(Strategy::LongestIdle));
    let candidates: Vec<_> = why.candidates.iter().map(|candidate| candidate.agent).collect();
    assert_eq!(candidates, [fit, other]);
    let refused: Vec<_> = why.refused.iter().map(|refused| (refused.agent, refused.why)).collect();
    assert_eq!(refused, [(pausing, Refusal::NotReady), (unskilled, Refusal::Skills)]);
}

/// Whom each strategy asks, of three who have had different work.
fn asked_by(strategy: Strategy) -> Vec<u8> {
    let mut centre = Centre::new();
    let order = ["agent3", "agent1"].map(Into::into).into();
    let config = QueueConfig { strategy, order, wrap_up: seconds(0), ..queue_config("support") };
    centre.acd.set_queues(centre.now, vec![config]);
    for number in 1..=3 {
        centre.ready(number);
        centre.pass(seconds(1));
    }
    // The first gets two short calls, the second one long one; all are idle then, the first for the shortest time.
    let work = [(1, 1), (2, 500), (1, 1)];
    for (number, (agent, long)) in (10..).zip(work) {
        for other in (1..=3).filter(|other| *other != agent) {
            centre.status(crate::testing::agent_id(other), crate::testing::not_ready("test"));
        }
        let agent = crate::testing::agent_id(agent);
        let call = centre.talks(agent, number, Media::VOICE);
        centre.pass(seconds(long));
        centre.acd.finish(centre.now, call);
        for other in 1..=3 {
            centre.status(crate::testing::agent_id(other), model::AgentStatus::Ready);
        }
    }
    centre.outputs();
    for number in 1..=3 {
        centre.call(number);
    }
    let agent =
        |(agent, _)| (1..=3).find(|number| crate::testing::agent_id(*number) == agent).expect("known");
    centre.offers().into_iter().map(agent).collect()
}

#[test]
fn each_strategy_asks_in_its_own_order() {
    // 2 and 3 were set ready together after the last call; 1 became idle by its end.
    assert_eq!(asked_by(Strategy::LongestIdle), [1, 2, 3]);
    assert_eq!(asked_by(Strategy::RoundRobin), [3, 2, 1]);
    assert_eq!(asked_by(Strategy::FewestContacts), [3, 2, 1]);
    assert_eq!(asked_by(Strategy::LeastOccupied), [3, 1, 2]);
    assert_eq!(asked_by(Strategy::Linear), [3, 1, 2]);
}

#[test]
fn several_ring_and_the_first_who_accepts_gets_it() {
    let mut centre = Centre::new();
    centre.acd.set_queues(centre.now, vec![QueueConfig { ring: 2, ..queue_config("support") }]);
    let agents = [1, 2, 3].map(|number| centre.ready(number));
    let call = centre.call(1);
    assert_eq!(centre.offers(), [(agents[0], call), (agents[1], call)]);
    let decline = centre.ringing(agents[0]).expect("it rings");
    centre.acd.decline(centre.now, decline);
    assert_eq!(centre.offers(), [(agents[2], call)], "there are two again");
    let (lost, late) = (agents[1], centre.ringing(agents[1]).expect("it rings"));
    centre.accept(agents[2]);
    let expected = [(agents[2], call, OfferOutcome::Accepted), (lost, call, OfferOutcome::Withdrawn)];
    assert_eq!(centre.endings(), expected);
    assert_eq!(centre.state(lost), model::AgentStatus::Ready);
    assert!(!centre.acd.accept(centre.now, late), "only one gets it");
    let next = centre.call(2);
    assert_eq!(centre.offers(), [(lost, next)]);
}

#[test]
fn whom_nobody_is_asked_for_comes_before_a_second_agent_for_another() {
    let mut centre = Centre::new();
    centre.acd.set_queues(centre.now, vec![QueueConfig { ring: 2, ..queue_config("support") }]);
    let first = centre.ready(1);
    let (older, younger) = (centre.call(1), centre.call(2));
    let second = centre.ready(2);
    assert_eq!(centre.offers(), [(first, older), (second, younger)]);
    let third = centre.ready(3);
    assert_eq!(centre.offers(), [(third, older)]);
}
