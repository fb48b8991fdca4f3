//! Nobody starves, and nobody makes an INVITE storm.

use std::collections::BTreeMap;

use model::{AgentStatus, Media, Medium};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::testing::{Centre, agent_config, agent_id, not_ready, queue_config, seconds, session_id, skills};
use crate::{AgentConfig, Demand, Output, QueueConfig};

/// What somebody does whose phone, browser or temper is out of order.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Declines,
    Fails,
    Toggles,
    Flaps,
    SignsOutAndIn,
    LosesASkill,
    Waits(u64),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    use Trouble::*;
    prop_oneof![
        3 => Just(Declines), 3 => Just(Fails), 3 => Just(Toggles), 3 => Just(Flaps), 1 => Just(SignsOutAndIn),
        1 => Just(LosesASkill), 2 => (1..5_000u64).prop_map(Waits),
    ]
}

impl Centre {
    fn does(&mut self, trouble: Trouble) {
        let agent = agent_id(1);
        let ringing = self.ringing(agent);
        match trouble {
            Trouble::Declines => ringing.into_iter().for_each(|offer| self.acd.decline(self.now, offer)),
            Trouble::Fails => ringing.into_iter().for_each(|offer| self.acd.fail(self.now, offer)),
            Trouble::Toggles => self.status(agent, not_ready("a moment")),
            Trouble::Flaps => self.acd.set_reachable(self.now, agent, Medium::Voice, false),
            Trouble::SignsOutAndIn => self.status(agent, AgentStatus::SignedOut),
            Trouble::LosesASkill => self.acd.set_agent(self.now, agent_config(1, &["support"])),
            Trouble::Waits(millis) => self.pass(std::time::Duration::from_millis(millis)),
        }
        let config = AgentConfig { skills: skills(&[("tech", 1)]), ..agent_config(1, &["support"]) };
        self.acd.set_agent(self.now, config);
        self.acd.set_reachable(self.now, agent, Medium::Voice, true);
        self.status(agent, AgentStatus::Ready);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// He is back at once whatever happened, and there is always somebody waiting.
    #[test]
    fn no_combination_of_troubles_makes_an_invite_storm(troubles in vec(trouble(), 1..400)) {
        let mut centre = Centre::new();
        centre.ready(1);
        for number in 0..100 {
            let demand = Demand { required: skills(&[("tech", 1)]), ..Demand::default() };
            let item = crate::Item { demand, ..centre.item("support", number, 0, Media::VOICE) };
            centre.acd.enqueue(centre.now, item).expect("there is room");
        }
        let mut asked = Vec::new();
        for trouble in troubles {
            centre.does(trouble);
            let offers = centre.offers();
            asked.extend(offers.into_iter().map(|_| centre.now.instant));
        }
        // The nth pause is at least 2^(n-2) s, from the second on: after six offers half a minute has passed.
        for window in asked.windows(7) {
            let passed = window[6] - window[0];
            prop_assert!(passed >= seconds(30), "seven offers within {passed:?}");
        }
    }
}

/// Check 9 of the checks: one agent who never answers, one who is not reachable; priorities, skills and overflow mixed.
#[test]
fn one_who_never_answers_priorities_skills_and_overflow_keep_nobody_waiting_for_ever() {
    let mut centre = Centre::new();
    let overflow = |to: &str| {
        vec![crate::Overflow {
            when: crate::OverflowWhen::Waited(seconds(120)),
            to: Some(model::QueueName::new(to)),
        }]
    };
    centre.acd.set_queues(
        centre.now,
        vec![
            QueueConfig { overflow: overflow("sales"), wrap_up: seconds(0), ..queue_config("support") },
            QueueConfig { ageing: 5, wrap_up: seconds(0), ..queue_config("sales") },
        ],
    );
    let never = centre.ready(1);
    let unreachable = centre.known(2);
    centre.status(unreachable, AgentStatus::Ready);
    let works = centre.serves(3, &["support", "sales"]);
    let config = AgentConfig { skills: skills(&[("ru", 5)]), ..agent_config(3, &["support", "sales"]) };
    centre.acd.set_agent(centre.now, config);
    centre.come(works);

    let mut waited = BTreeMap::new();
    let mut talking = None;
    for minute in 0..200_u32 {
        let number = (minute % 100) as u8;
        if minute < 100 {
            let demand = if number.is_multiple_of(3) {
                Demand { required: skills(&[("ru", 3)]), ..Demand::default() }
            } else {
                Demand::default()
            };
            let priority = if number.is_multiple_of(5) { 0 } else { 3 };
            let item = crate::Item { demand, ..centre.item("support", number, priority, Media::VOICE) };
            centre.acd.enqueue(centre.now, item).expect("there is room");
            waited.insert(session_id(number), centre.now.instant);
        }
        // Who never answers is set ready again by somebody, every time.
        centre.status(never, AgentStatus::Ready);
        if let Some(call) = talking.take() {
            centre.acd.finish(centre.now, call);
        }
        for _ in 0..4 {
            if let Some(offer) = centre.ringing(works) {
                assert!(centre.acd.accept(centre.now, offer));
                talking = centre.acd.agent(works).and_then(|view| view.sessions.first().copied());
                if let Some(since) = talking.and_then(|call| waited.remove(&call)) {
                    let waited = centre.now.instant - since;
                    assert!(waited < seconds(1_200), "somebody waited for {waited:?}");
                }
            }
            centre.pass(seconds(5));
        }
        centre.outputs();
    }
    assert!(waited.is_empty(), "everybody was served: {waited:?}");
}

/// Check 4 of the checks, the core's part of it: the same agents, all media, answers after a moment.
#[test]
fn ten_thousand_mixed_items_and_two_hundred_agents_never_meet_twice_or_beyond_capacity() {
    let queues: Vec<String> = (0..20).map(|number| format!("q{number}")).collect();
    let mut centre = Centre::new();
    let config = |(number, name): (usize, &String)| QueueConfig {
        wrap_up: seconds(1),
        max_waiting: 20_000,
        ring: 1 + (number % 3) as u8,
        ..queue_config(name)
    };
    centre.acd.set_queues(centre.now, queues.iter().enumerate().map(config).collect());
    let agent = |number: u16| {
        let random = [(number >> 8) as u8, number as u8, 1, 1, 1, 1, 1, 1, 1, 1];
        model::AgentId::new(model::Timestamp::from_micros(0), random)
    };
    let session = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        model::SessionId::new(model::Timestamp::from_micros(0), [a, b, c, d, 2, 2, 2, 2, 2, 2])
    };
    for number in 0..200_u16 {
        let mine = [0, 7, 13].map(|step| queues[(usize::from(number) + step) % 20].as_str());
        let config = AgentConfig { agent: agent(number), ..agent_config(1, &mine) };
        centre.acd.set_agent(centre.now, config);
        centre.come(agent(number));
    }
    let mut held: BTreeMap<model::AgentId, Vec<(model::SessionId, Media)>> = BTreeMap::new();
    let mut ringing: BTreeMap<model::OfferId, (model::AgentId, model::SessionId, Media)> = BTreeMap::new();
    let mut served = 0_u32;
    let mut next = 0_u32;
    let mut step = 0_u64;
    while served < 10_000 {
        step += 1;
        assert!(step < 200_000, "it goes on");
        for _ in 0..20 {
            if next < 10_000 {
                let media = if next.is_multiple_of(3) { Media::VOICE } else { Media::CHAT };
                let queue = model::QueueName::new(&queues[(next % 20) as usize]);
                let item = crate::Item::new(session(next), queue, 0, media, centre.now.instant);
                centre.acd.enqueue(centre.now, item).expect("there is room");
                next += 1;
            }
        }
        let mut look =
            |centre: &mut Centre, ringing: &mut BTreeMap<_, (model::AgentId, model::SessionId, Media)>| {
                while let Some(output) = centre.acd.poll_output() {
                    match output {
                        Output::Offer { offer, agent, session, media, .. } => {
                            assert!(
                                ringing.values().all(|(other, ..)| *other != agent),
                                "one offer at a time"
                            );
                            let has = held.get(&agent).map_or(&[][..], Vec::as_slice);
                            let calls = has.iter().filter(|(_, media)| media.voice).count();
                            let room = if media.voice { has.is_empty() } else { calls == 0 && has.len() < 3 };
                            assert!(room, "{agent} has {has:?} and is offered {media:?}");
                            ringing.insert(offer, (agent, session, media));
                        }
                        Output::OfferEnded { offer, agent, session, outcome } => {
                            let (_, _, media) = ringing.remove(&offer).expect("it ends once");
                            if outcome == model::OfferOutcome::Accepted {
                                assert!(
                                    held.values().flatten().all(|(other, _)| *other != session),
                                    "one agent each"
                                );
                                held.entry(agent).or_default().push((session, media));
                            }
                        }
                        Output::Overflow { .. }
                        | Output::Overflowed { .. }
                        | Output::AgentStatus { .. }
                        | Output::WrapUpStarted { .. }
                        | Output::WrapUpEnded { .. } => {}
                    }
                }
            };
        look(&mut centre, &mut ringing);
        // Those whose turn it is by chance of their ids, so that answers come 0 to 50 ms later in all orders.
        let answers: Vec<_> =
            ringing.keys().copied().filter(|id| id.0.as_u128() % 5 == u128::from(step % 5)).collect();
        for offer in answers {
            let late = !ringing.contains_key(&offer);
            assert_ne!(centre.acd.accept(centre.now, offer), late);
            look(&mut centre, &mut ringing);
        }
        let ended: Vec<_> = held
            .values()
            .flatten()
            .map(|(session, _)| *session)
            .filter(|it| it.0.as_u128() % 7 == u128::from(step % 7))
            .collect();
        for over in ended {
            held.values_mut().for_each(|has| has.retain(|(session, _)| *session != over));
            centre.acd.finish(centre.now, over);
            served += 1;
        }
        centre.pass(std::time::Duration::from_millis(10));
    }
    assert_eq!(centre.acd.queues(centre.now).iter().map(|queue| queue.waiting).sum::<usize>(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Of the same priority, nobody younger is served before somebody older whom the same agent could serve, in whatever queue.
    #[test]
    fn the_longest_waiting_goes_first_over_all_queues_of_an_agent(
        arrivals in vec((0..3usize, 1..100u64), 1..100),
    ) {
        let mut centre = Centre::new();
        let queues = ["a", "b", "c"];
        let config = |name: &&str| QueueConfig { wrap_up: seconds(0), ..queue_config(name) };
        centre.acd.set_queues(centre.now, queues.iter().map(config).collect());
        let agent = centre.serves(1, &queues);
        for (number, (queue, after)) in (0..).zip(&arrivals) {
            centre.waits(queues[*queue], number, 0, Media::VOICE);
            centre.pass(seconds(*after));
        }
        centre.come(agent);
        for number in 0..arrivals.len() {
            let expected = session_id(number as u8);
            prop_assert_eq!(centre.offers(), [(agent, expected)]);
            centre.accept(agent);
            centre.acd.finish(centre.now, expected);
        }
    }

    /// Every minute somebody of high priority comes, and one is served: who has a low one gets his turn by ageing.
    #[test]
    fn nobody_starves_behind_those_of_higher_priority(priority in 1..20i32) {
        let mut centre = Centre::new();
        let config = QueueConfig { wrap_up: seconds(0), ageing: 2, ..queue_config("support") };
        centre.acd.set_queues(centre.now, vec![config]);
        let agent = centre.ready(1);
        centre.waits("support", 1, priority, Media::VOICE);
        let low = centre.waits("support", 0, 0, Media::VOICE);
        let begin = centre.now.instant;
        for number in (2..200u8).cycle().take(500) {
            centre.waits("support", number, priority, Media::VOICE);
            let offer = centre.ringing(agent).expect("it rings");
            centre.acd.accept(centre.now, offer);
            let call = centre.acd.agent(agent).expect("known").sessions[0];
            if call == low {
                prop_assert!(centre.now.instant - begin <= seconds(60 * (priority as u64 / 2 + 2)));
                return Ok(());
            }
            centre.pass(seconds(60));
            centre.acd.finish(centre.now, call);
        }
        prop_assert!(false, "he was never served");
    }
}
