//! Random commands at virtual time against a plain model that looks at everybody each time: whatever the
//! ACD puts out must be allowed by the rules, and after each command nothing that the rules demand may be missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{
    AgentId, AgentStatus, Instant, Media, Medium, Now, OfferId, OfferOutcome, QueueName, SessionId, Side,
    Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::testing::{agent_id, not_ready, queue_config, seconds, session_id};
use crate::{Acd, AgentConfig, Capacity, EnqueueError, Item, Output, QueueConfig};

const AGENTS: u8 = 5;
const SESSIONS: u8 = 12;
const QUEUES: [&str; 3] = ["support", "sales", "night"];
const MAX_WAITING: usize = 5;

#[derive(Clone, Debug)]
enum Command {
    Enqueue {
        session: u8,
        queue: usize,
        priority: i32,
        media: Media,
    },
    SetMedia {
        session: u8,
        media: Media,
    },
    Remove {
        session: u8,
    },
    /// Of what rings at the agent; `stale` takes the oldest offer there ever was instead.
    Accept {
        agent: u8,
        stale: bool,
    },
    Decline {
        agent: u8,
    },
    Fail {
        agent: u8,
    },
    Finish {
        session: u8,
    },
    Release {
        session: u8,
    },
    EndWrapUp {
        agent: u8,
    },
    Assign {
        agent: u8,
        session: u8,
        media: Media,
    },
    SetAgent {
        agent: u8,
        queues: [bool; 3],
        capacity: Capacity,
    },
    RemoveAgent {
        agent: u8,
    },
    Status {
        agent: u8,
        status: AgentStatus,
    },
    Reachable {
        agent: u8,
        medium: Medium,
        reachable: bool,
    },
    SetQueues {
        queues: [bool; 3],
    },
    Pass {
        seconds: u64,
    },
}

fn command() -> impl Strategy<Value = Command> {
    use Command::*;
    let agent = || 0..AGENTS;
    let session = || 0..SESSIONS;
    let media = || {
        prop_oneof![
            4 => Just(Media::VOICE),
            6 => Just(Media::CHAT),
            2 => Just(Media { voice: true, chat: true }),
            1 => Just(Media::default()),
        ]
    };
    let medium = prop_oneof![Just(Medium::Voice), Just(Medium::Chat)];
    let status = prop_oneof![
        6 => Just(AgentStatus::Ready),
        1 => Just(AgentStatus::SignedOut),
        1 => Just(not_ready("lunch")),
    ];
    let capacity = (0..3u8, 0..4u8).prop_map(|(voice, chat)| Capacity { voice, chat });
    prop_oneof![
        12 => (session(), 0..3usize, -1..2i32, media())
            .prop_map(|(session, queue, priority, media)| Enqueue { session, queue, priority, media }),
        3 => (session(), media()).prop_map(|(session, media)| SetMedia { session, media }),
        2 => session().prop_map(|session| Remove { session }),
        10 => (agent(), prop::bool::weighted(0.1)).prop_map(|(agent, stale)| Accept { agent, stale }),
        2 => agent().prop_map(|agent| Decline { agent }),
        2 => agent().prop_map(|agent| Fail { agent }),
        6 => session().prop_map(|session| Finish { session }),
        1 => session().prop_map(|session| Release { session }),
        4 => agent().prop_map(|agent| EndWrapUp { agent }),
        1 => (agent(), session(), media()).prop_map(|(agent, session, media)| Assign { agent, session, media }),
        1 => (agent(), any::<[bool; 3]>(), capacity)
            .prop_map(|(agent, queues, capacity)| SetAgent { agent, queues, capacity }),
        1 => agent().prop_map(|agent| RemoveAgent { agent }),
        8 => (agent(), status).prop_map(|(agent, status)| Status { agent, status }),
        3 => (agent(), medium, prop::bool::weighted(0.7))
            .prop_map(|(agent, medium, reachable)| Reachable { agent, medium, reachable }),
        1 => any::<[bool; 3]>().prop_map(|queues| SetQueues { queues }),
        8 => (0..40u64).prop_map(|seconds| Pass { seconds }),
    ]
}

#[derive(Clone)]
struct Agent {
    queues: Vec<QueueName>,
    capacity: Capacity,
    status: AgentStatus,
    voice: bool,
    text: bool,
    back_off: Option<(Instant, Media)>,
    offer: Option<OfferId>,
    sessions: BTreeMap<SessionId, Media>,
    wrapping_up: BTreeSet<SessionId>,
    declined: BTreeMap<SessionId, Instant>,
    idle_since: Instant,
}

struct Waiting {
    item: Item,
    offer: Option<OfferId>,
}

impl Waiting {
    fn rank(&self) -> (Reverse<i32>, Instant, SessionId) {
        (Reverse(self.item.priority), self.item.since, self.item.session)
    }
}

/// The ACD beside the model of it.
struct Run {
    acd: Acd,
    now: Now,
    queues: BTreeMap<QueueName, QueueConfig>,
    agents: BTreeMap<AgentId, Agent>,
    waiting: BTreeMap<SessionId, Waiting>,
    offers: BTreeMap<OfferId, (AgentId, SessionId, Instant)>,
    all_offers: Vec<OfferId>,
    failing: bool,
}

fn config(number: usize) -> QueueConfig {
    let [ring, accept, wrap_up] = [[20, 60, 30], [5, 8, 0], [10, 10, 7]][number];
    QueueConfig {
        ring_timeout: seconds(ring),
        accept_timeout: seconds(accept),
        wrap_up: seconds(wrap_up),
        max_waiting: MAX_WAITING,
        ..queue_config(QUEUES[number])
    }
}

fn names(chosen: [bool; 3]) -> Vec<QueueName> {
    QUEUES.iter().zip(chosen).filter(|(_, on)| *on).map(|(name, _)| QueueName::new(name)).collect()
}

impl Run {
    fn new() -> Self {
        let now = Now::new(Instant::from_micros(0), Timestamp::from_micros(1_700_000_000_000_000));
        let mut run = Self {
            acd: Acd::new([1; 32]),
            now,
            queues: BTreeMap::new(),
            agents: BTreeMap::new(),
            waiting: BTreeMap::new(),
            offers: BTreeMap::new(),
            all_offers: Vec::new(),
            failing: false,
        };
        run.apply(Command::SetQueues { queues: [true; 3] });
        for agent in 0..AGENTS - 1 {
            let queues = [true, agent % 2 == 0, agent == 3];
            run.apply(Command::SetAgent { agent, queues, capacity: Capacity { voice: 1, chat: 3 } });
            for medium in [Medium::Voice, Medium::Chat] {
                run.apply(Command::Reachable { agent, medium, reachable: true });
            }
        }
        run
    }

    fn apply(&mut self, command: Command) {
        let now = self.now;
        match command {
            Command::Enqueue { session, queue, priority, media } => {
                let queue = QueueName::new(QUEUES[queue]);
                let session = session_id(session);
                let item = Item { session, queue, priority, media, since: now.instant };
                let expected = self.enqueue(item.clone());
                assert_eq!(self.acd.enqueue(now, item), expected);
            }
            Command::SetMedia { session, media } => {
                let session = session_id(session);
                if let Some(waiting) = self.waiting.get_mut(&session) {
                    waiting.item.media = media;
                }
                for agent in self.agents.values_mut() {
                    agent.sessions.entry(session).and_modify(|it| *it = media);
                }
                self.acd.set_media(now, session, media);
            }
            Command::Remove { session } => {
                self.waiting.remove(&session_id(session));
                self.acd.remove(now, session_id(session));
            }
            Command::Accept { stale: true, .. } => {
                if let Some(offer) = self.all_offers.first().filter(|offer| !self.offers.contains_key(offer))
                {
                    assert!(!self.acd.accept(now, *offer));
                }
            }
            Command::Accept { agent, stale: false } => {
                if let Some(offer) = self.ringing(agent) {
                    let session = self.offers[&offer].1;
                    assert!(self.acd.accept(now, offer));
                    assert_eq!(self.acd.owner(session), Some(agent_id(agent)));
                }
            }
            Command::Decline { agent } => {
                if let Some(offer) = self.ringing(agent) {
                    self.acd.decline(now, offer);
                }
            }
            Command::Fail { agent } => {
                if let Some(offer) = self.ringing(agent) {
                    self.failing = true;
                    self.acd.fail(now, offer);
                }
            }
            Command::Finish { session } => {
                self.disown(session_id(session));
                self.acd.finish(now, session_id(session));
            }
            Command::Release { session } => {
                self.disown(session_id(session));
                self.acd.release(now, session_id(session));
            }
            Command::EndWrapUp { agent } => {
                let agent = agent_id(agent);
                let first = self.agents.get(&agent).and_then(|known| known.wrapping_up.first().copied());
                self.acd.end_wrap_up(now, agent, first.unwrap_or(session_id(0)));
            }
            Command::Assign { agent, session, media } => {
                let (agent, session) = (agent_id(agent), session_id(session));
                if self.agents.contains_key(&agent) {
                    self.own(agent, session, media);
                }
                self.acd.assign(now, agent, session, media);
            }
            Command::SetAgent { agent, queues, capacity } => {
                let agent = agent_id(agent);
                let queues = names(queues);
                let known = self.agents.entry(agent).or_insert_with(|| Agent {
                    queues: Vec::new(),
                    capacity,
                    status: AgentStatus::SignedOut,
                    voice: false,
                    text: false,
                    back_off: None,
                    offer: None,
                    sessions: BTreeMap::new(),
                    wrapping_up: BTreeSet::new(),
                    declined: BTreeMap::new(),
                    idle_since: now.instant,
                });
                known.queues = queues.clone();
                known.capacity = capacity;
                self.acd.set_agent(now, AgentConfig { agent, queues, capacity });
            }
            Command::RemoveAgent { agent } => {
                self.acd.remove_agent(now, agent_id(agent));
                self.look();
                self.agents.remove(&agent_id(agent));
            }
            Command::Status { agent, status } => {
                self.acd.set_status(now, agent_id(agent), status, Side::Agent);
            }
            Command::Reachable { agent, medium, reachable } => {
                self.reachable(agent_id(agent), medium, reachable);
                self.acd.set_reachable(now, agent_id(agent), medium, reachable);
            }
            Command::SetQueues { queues } => {
                let configs = (0..3).filter(|number| queues[*number]).map(config);
                self.queues = configs.map(|config| (config.name.clone(), config)).collect();
                self.acd.set_queues(now, self.queues.values().cloned().collect());
            }
            Command::Pass { seconds } => self.pass(Duration::from_secs(seconds)),
        }
        self.look();
        self.failing = false;
        self.check();
    }

    fn pass(&mut self, by: Duration) {
        let end = self.now.after(by);
        while let Some(at) = self.acd.poll_timeout().filter(|at| *at <= end.instant) {
            self.now = self.now.after(at - self.now.instant);
            self.end_back_offs();
            self.acd.handle_timeout(self.now);
            self.look();
            self.check();
        }
        self.now = end;
        self.end_back_offs();
    }

    fn end_back_offs(&mut self) {
        for agent in self.agents.values_mut() {
            if let Some((until, _)) = agent.back_off.take_if(|(until, _)| *until < self.now.instant) {
                agent.idle_since = until;
            }
        }
    }

    fn enqueue(&mut self, item: Item) -> Result<(), EnqueueError> {
        let inside = self.waiting.values().filter(|waiting| waiting.item.queue == item.queue).count();
        let (session, old) = (item.session, self.waiting.get_mut(&item.session));
        if old.as_ref().is_none_or(|old| old.item.queue != item.queue) {
            if !self.queues.contains_key(&item.queue) {
                return Err(EnqueueError::UnknownQueue);
            }
            if inside >= MAX_WAITING {
                return Err(EnqueueError::Full);
            }
        }
        match old {
            Some(old) => old.item = Item { since: old.item.since, ..item },
            None => drop(self.waiting.insert(session, Waiting { item, offer: None })),
        }
        Ok(())
    }

    fn reachable(&mut self, agent: AgentId, medium: Medium, reachable: bool) {
        let Some(agent) = self.agents.get_mut(&agent) else { return };
        let (flag, failed) = match medium {
            Medium::Voice => (&mut agent.voice, agent.back_off.is_some_and(|(_, media)| media.voice)),
            Medium::Chat => (&mut agent.text, agent.back_off.is_some_and(|(_, media)| media.chat)),
        };
        let was = std::mem::replace(flag, reachable);
        if reachable && failed {
            agent.back_off = None;
        }
        if reachable && (failed || !was) {
            agent.idle_since = self.now.instant;
        }
    }

    fn own(&mut self, agent: AgentId, session: SessionId, media: Media) {
        self.disown(session);
        self.waiting.remove(&session);
        let agent = self.agents.get_mut(&agent).expect("known");
        agent.sessions.insert(session, media);
        agent.idle_since = self.now.instant;
    }

    fn disown(&mut self, session: SessionId) {
        for agent in self.agents.values_mut() {
            if agent.sessions.remove(&session).is_some() {
                agent.idle_since = self.now.instant;
            }
        }
    }

    fn ringing(&self, agent: u8) -> Option<OfferId> {
        self.agents.get(&agent_id(agent))?.offer
    }

    /// Takes what was put out, in order, and holds each against the rules.
    fn look(&mut self) {
        while let Some(output) = self.acd.poll_output() {
            match output {
                Output::Offer { offer, agent, session, queue, media, deadline } => {
                    self.check_offer(agent, session);
                    let item = &self.waiting[&session].item;
                    assert_eq!((&item.queue, item.media), (&queue, media));
                    assert!(deadline > self.now.instant);
                    assert!(!self.all_offers.contains(&offer), "an id is used once");
                    self.all_offers.push(offer);
                    self.offers.insert(offer, (agent, session, deadline));
                    self.waiting.get_mut(&session).expect("it waits").offer = Some(offer);
                    self.agents.get_mut(&agent).expect("he is known").offer = Some(offer);
                }
                Output::OfferEnded { offer, agent, session, outcome } => {
                    let (whose, of, _) = self.offers.remove(&offer).expect("an offer ends once");
                    assert_eq!((whose, of), (agent, session));
                    self.offer_ended(agent, session, outcome);
                }
                Output::AgentStatus { agent, status, .. } => {
                    let agent = self.agents.get_mut(&agent).expect("he is known");
                    assert_ne!(agent.status, status, "a change is a change");
                    if status == AgentStatus::Ready {
                        agent.idle_since = self.now.instant;
                    }
                    agent.status = status;
                }
                Output::WrapUpStarted { agent, session, until } => {
                    assert!(until > self.now.instant);
                    assert!(self.agents.get_mut(&agent).expect("he is known").wrapping_up.insert(session));
                }
                Output::WrapUpEnded { agent, session } => {
                    let agent = self.agents.get_mut(&agent).expect("he is known");
                    assert!(agent.wrapping_up.remove(&session), "a wrap-up ends once");
                    agent.idle_since = self.now.instant;
                }
            }
        }
    }

    fn offer_ended(&mut self, agent: AgentId, session: SessionId, outcome: OfferOutcome) {
        let now = self.now.instant;
        let known = self.agents.get_mut(&agent).expect("he is known");
        known.offer = None;
        let waiting = self.waiting.get_mut(&session);
        match outcome {
            OfferOutcome::Accepted => {
                let media = waiting.expect("what is accepted waited").item.media;
                self.own(agent, session, media);
                return;
            }
            OfferOutcome::Withdrawn => assert!(waiting.is_none()),
            OfferOutcome::Declined => {
                known.declined.insert(session, now + seconds(10));
            }
            OfferOutcome::Unreachable => {
                if self.failing {
                    known.back_off = Some((now + seconds(5), waiting.as_ref().expect("it waits").item.media));
                }
            }
            OfferOutcome::TimedOut | OfferOutcome::AgentLeft => {}
        }
        if let Some(waiting) = self.waiting.get_mut(&session) {
            waiting.offer = None;
        }
    }

    /// `sharp`: what runs out at this very moment holds no longer.
    fn could_take(&self, agent: AgentId, waiting: &Waiting, sharp: bool) -> bool {
        let agent = &self.agents[&agent];
        let runs =
            |until: &Instant| if sharp { *until > self.now.instant } else { *until >= self.now.instant };
        let Item { session, media, queue, .. } = &waiting.item;
        let calls = agent.sessions.values().filter(|media| media.voice).count();
        let others = agent.sessions.len() - calls;
        let room = if media.voice {
            others == 0 && calls < usize::from(agent.capacity.voice)
        } else {
            calls == 0 && others < usize::from(agent.capacity.chat)
        };
        let busy = agent.offer.is_some()
            || !agent.wrapping_up.is_empty()
            || agent.back_off.is_some_and(|(until, _)| runs(&until));
        let kept_from_him =
            agent.declined.get(session).is_some_and(runs) || agent.sessions.contains_key(session);
        let reachable = (!media.voice || agent.voice) && (!media.chat || agent.text) && !media.is_empty();
        let asked = waiting.offer.is_some();
        let serves = agent.queues.contains(queue);
        agent.status == AgentStatus::Ready && room && !busy && !kept_from_him && reachable && !asked && serves
    }

    fn check_offer(&self, agent: AgentId, session: SessionId) {
        let waiting = self.waiting.get(&session).expect("what is offered waits");
        assert!(self.could_take(agent, waiting, true), "{agent} may not be offered {session}");
        let better =
            self.waiting.values().find(|it| it.rank() < waiting.rank() && self.could_take(agent, it, false));
        assert!(better.is_none(), "{:?} comes before {session}", better.map(|it| &it.item));
        let order = |id: &AgentId| (self.agents[id].sessions.len(), self.agents[id].idle_since, *id);
        let next =
            self.agents.keys().filter(|id| self.could_take(**id, waiting, false)).min_by_key(|id| order(id));
        if let Some(next) = next.filter(|next| self.could_take(agent, waiting, false) && **next != agent) {
            panic!("{next} comes before {agent} for {session}");
        }
    }

    /// What must hold between commands.
    fn check(&self) {
        for waiting in self.waiting.values() {
            if let Some(agent) = self.agents.keys().find(|agent| self.could_take(**agent, waiting, true)) {
                panic!("{:?} waits although {agent} could take it", waiting.item);
            }
            let in_queue = self.waiting.values().filter(|it| it.item.queue == waiting.item.queue);
            let position = 1 + in_queue.filter(|it| it.rank() < waiting.rank()).count();
            let place = self.acd.place(self.now, waiting.item.session).expect("what waits has a place");
            assert_eq!(place.position, position);
            assert_eq!(place.waited, self.now.instant - waiting.item.since);
        }
        for (offer, (_, session, deadline)) in &self.offers {
            assert!(*deadline > self.now.instant, "an offer ends at its deadline");
            assert_eq!(self.waiting[session].offer, Some(*offer));
        }
        for (id, agent) in &self.agents {
            let view = self.acd.agent(*id).expect("he is known");
            let offer = agent.offer.map(|offer| (offer, self.offers[&offer].1));
            assert_eq!(view.status, agent.status);
            assert_eq!((view.reachable_by_voice, view.reachable_by_text), (agent.voice, agent.text));
            assert_eq!(view.offers, offer.into_iter().collect::<Vec<_>>());
            assert!(view.sessions.iter().eq(agent.sessions.keys()));
            assert!(view.wrapping_up.iter().eq(&agent.wrapping_up));
            assert!(agent.sessions.keys().all(|session| self.acd.owner(*session) == Some(*id)));
        }
        let waiting: usize = self.acd.queues(self.now).iter().map(|queue| queue.waiting).sum();
        assert_eq!(waiting, self.waiting.len());
        assert_eq!(self.acd.agents().count(), self.agents.len());
    }

    /// Everybody comes back to work, and nobody new arrives: all must be served.
    fn serve_all(&mut self) {
        self.apply(Command::SetQueues { queues: [true; 3] });
        for session in 0..SESSIONS {
            if self.waiting.get(&session_id(session)).is_some_and(|waiting| waiting.item.media.is_empty()) {
                self.apply(Command::SetMedia { session, media: Media::CHAT });
            }
        }
        for agent in 0..AGENTS {
            self.apply(Command::SetAgent {
                agent,
                queues: [true; 3],
                capacity: Capacity { voice: 1, chat: 3 },
            });
            for medium in [Medium::Voice, Medium::Chat] {
                self.apply(Command::Reachable { agent, medium, reachable: true });
            }
            self.apply(Command::Status { agent, status: AgentStatus::Ready });
        }
        for _ in 0..=SESSIONS {
            for agent in 0..AGENTS {
                self.apply(Command::Accept { agent, stale: false });
            }
            for session in 0..SESSIONS {
                self.apply(Command::Finish { session });
            }
            self.apply(Command::Pass { seconds: 40 });
            for agent in 0..AGENTS {
                self.apply(Command::Status { agent, status: AgentStatus::Ready });
            }
        }
        assert!(self.waiting.is_empty(), "nobody starves");
        assert!(self.offers.is_empty(), "every offer has ended");
        assert_eq!(self.acd.poll_timeout(), None, "no timer is left");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold_and_everybody_is_served_in_the_end(commands in vec(command(), 1..250)) {
        let mut run = Run::new();
        for command in commands {
            run.apply(command);
        }
        run.serve_all();
    }
}
