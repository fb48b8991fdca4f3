//! The ACD beside the model: each command is given to both, and what the ACD puts out is held against the rules.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{
    AgentId, AgentStatus, Instant, Media, Medium, Now, OfferId, OfferOutcome, QueueName, SessionId, Side,
    Timestamp,
};

use super::model::{Agent, Waiting};
use super::{AGENTS, Command, MAX_WAITING, QUEUES, SESSIONS, config};
use crate::testing::{agent_config, agent_id, seconds, session_id, skills};
use crate::{Acd, AgentConfig, Capacity, DirectError, EnqueueError, Item, Output, Preferred, QueueConfig};

pub(super) struct Run {
    acd: Acd,
    now: Now,
    /// All that ever were.
    known: BTreeMap<QueueName, QueueConfig>,
    queues: BTreeMap<QueueName, QueueConfig>,
    agents: BTreeMap<AgentId, Agent>,
    waiting: BTreeMap<SessionId, Waiting>,
    offers: BTreeMap<OfferId, (AgentId, SessionId, Instant)>,
    all_offers: Vec<OfferId>,
    turns: BTreeMap<QueueName, u64>,
    failing: bool,
    /// Who is being given what out of turn, or has just accepted what.
    direct: Option<(AgentId, SessionId)>,
    accepted: Option<SessionId>,
}

fn names(chosen: [bool; 3]) -> Vec<QueueName> {
    QUEUES.iter().zip(chosen).filter(|(_, on)| *on).map(|(name, _)| QueueName::new(name)).collect()
}

impl Run {
    pub(super) fn new() -> Self {
        let now = Now::new(Instant::from_micros(0), Timestamp::from_micros(1_700_000_000_000_000));
        let mut run = Self {
            acd: Acd::new([1; 32]),
            now,
            known: BTreeMap::new(),
            queues: BTreeMap::new(),
            agents: BTreeMap::new(),
            waiting: BTreeMap::new(),
            offers: BTreeMap::new(),
            all_offers: Vec::new(),
            turns: BTreeMap::new(),
            failing: false,
            direct: None,
            accepted: None,
        };
        run.apply(Command::SetQueues { queues: [true; 3], order: 0 });
        for agent in 0..AGENTS - 1 {
            let queues = [true, agent % 2 == 0, agent == 3];
            let capacity = Capacity { voice: 1, chat: 3 };
            run.apply(Command::SetAgent { agent, queues, capacity, tech: agent, ru: 3 - agent });
            for medium in [Medium::Voice, Medium::Chat] {
                run.apply(Command::Reachable { agent, medium, reachable: true });
            }
        }
        run
    }

    pub(super) fn apply(&mut self, command: Command) {
        let now = self.now;
        match command {
            Command::Enqueue { session, queue, priority, media, demand, preferred } => {
                let session = session_id(session);
                let mut item =
                    Item::new(session, QueueName::new(QUEUES[queue]), priority, media, now.instant);
                item.demand = demand;
                item.preferred = preferred.map(|(agent, patience)| Preferred {
                    agent: agent_id(agent),
                    until: now.instant + seconds(patience),
                });
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
                let over = self.all_offers.first().filter(|offer| !self.offers.contains_key(offer));
                if let Some(offer) = over {
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
            Command::Pick { agent, session } => self.pick(agent_id(agent), session_id(session)),
            Command::SetAgent { agent, queues, capacity, tech, ru } => {
                let id = agent_id(agent);
                let levels = [("tech", tech), ("ru", ru)];
                let levels: Vec<_> = levels.into_iter().filter(|(_, level)| *level > 0).collect();
                let config = AgentConfig {
                    queues: names(queues),
                    capacity,
                    skills: skills(&levels),
                    ..agent_config(agent, &[])
                };
                let known = self.agents.entry(id).or_insert_with(|| Agent::new(now.instant, config.clone()));
                known.config = config.clone();
                self.acd.set_agent(now, config);
            }
            Command::RemoveAgent { agent } => {
                let agent = agent_id(agent);
                self.keep_no_longer(agent);
                self.acd.remove_agent(now, agent);
                self.look();
                self.agents.remove(&agent);
            }
            Command::Status { agent, status } => {
                self.acd.set_status(now, agent_id(agent), status, Side::Agent);
            }
            Command::Reachable { agent, medium, reachable } => {
                self.reachable(agent_id(agent), medium, reachable);
                self.acd.set_reachable(now, agent_id(agent), medium, reachable);
            }
            Command::SetQueues { queues, order } => {
                let configs = (0..3).filter(|number| queues[*number]).map(|number| config(number, order));
                self.queues = configs.map(|config| (config.name.clone(), config)).collect();
                self.known.extend(self.queues.clone());
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
            self.end_what_ran_out();
            self.acd.handle_timeout(self.now);
            self.look();
            self.check();
        }
        self.now = end;
        self.end_what_ran_out();
    }

    fn end_what_ran_out(&mut self) {
        for agent in self.agents.values_mut() {
            if let Some((until, _)) = agent.back_off.take_if(|(until, _)| *until < self.now.instant) {
                agent.idle_from(until);
            }
        }
        for waiting in self.waiting.values_mut() {
            let until = waiting.item.preferred.map(|preferred| preferred.until);
            if until.is_none_or(|until| until < self.now.instant) {
                waiting.kept_for = None;
            }
        }
    }

    fn keep_no_longer(&mut self, agent: AgentId) {
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.kept_for == Some(agent)) {
            waiting.kept_for = None;
        }
    }

    fn enqueue(&mut self, item: Item) -> Result<(), EnqueueError> {
        let inside = self.waiting.values().filter(|waiting| waiting.item.queue == item.queue).count();
        let session = item.session;
        let moves = self.waiting.get(&session).is_none_or(|old| old.item.queue != item.queue);
        if moves {
            if !self.queues.contains_key(&item.queue) {
                return Err(EnqueueError::UnknownQueue);
            }
            if inside >= MAX_WAITING {
                return Err(EnqueueError::Full);
            }
        }
        let ready =
            |agent: &AgentId| self.agents.get(agent).is_some_and(|it| it.status == AgentStatus::Ready);
        let patient = item.preferred.filter(|preferred| preferred.until > self.now.instant);
        let kept_for = patient.map(|preferred| preferred.agent).filter(ready);
        let waiting = self.waiting.entry(session).or_insert_with(|| Waiting::new(item.clone()));
        waiting.item = Item { since: waiting.item.since, ..item };
        waiting.kept_for = kept_for;
        if moves {
            waiting.left.clear();
            waiting.struck.clear();
        }
        Ok(())
    }

    fn pick(&mut self, agent: AgentId, session: SessionId) {
        let known = self.agents.get(&agent).filter(|agent| agent.status != AgentStatus::SignedOut);
        let expected = match (self.waiting.get(&session).filter(|it| !it.item.media.is_empty()), known) {
            (None, _) => Err(DirectError::NotWaiting),
            (Some(_), None) => Err(DirectError::NotThere),
            (Some(waiting), Some(known)) => {
                let media = waiting.item.media;
                let calls = known.sessions.values().filter(|media| media.voice).count();
                let others = known.sessions.len() - calls;
                let Capacity { voice, chat } = known.config.capacity;
                let room = match media.voice {
                    true => others == 0 && calls < usize::from(voice),
                    false => calls == 0 && others < usize::from(chat),
                };
                if media.voice && !known.voice || media.chat && !known.text {
                    Err(DirectError::Unreachable)
                } else if known.offer.is_some() || !room || known.sessions.contains_key(&session) {
                    Err(DirectError::Busy)
                } else {
                    Ok(())
                }
            }
        };
        self.direct = expected.is_ok().then_some((agent, session));
        assert_eq!(self.acd.pick(self.now, agent, session).map(drop), expected);
        self.look();
        self.direct = None;
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
            agent.idle_from(self.now.instant);
        }
    }

    fn own(&mut self, agent: AgentId, session: SessionId, media: Media) {
        self.disown(session);
        self.waiting.remove(&session);
        let agent = self.agents.get_mut(&agent).expect("known");
        agent.idle_from(self.now.instant);
        agent.sessions.insert(session, media);
    }

    fn disown(&mut self, session: SessionId) {
        for agent in self.agents.values_mut() {
            if agent.sessions.contains_key(&session) {
                agent.idle_from(self.now.instant);
                agent.sessions.remove(&session);
            }
        }
    }

    fn ringing(&self, agent: u8) -> Option<OfferId> {
        self.agents.get(&agent_id(agent))?.offer
    }

    /// Takes what was put out, in order, and holds each against the rules.
    fn look(&mut self) {
        while let Some(output) = self.acd.poll_output() {
            self.look_at(output);
        }
        self.accepted = None;
    }

    fn look_at(&mut self, output: Output) {
        let now = self.now.instant;
        match output {
            Output::Offer { offer, agent, session, queue, media, deadline, why } => {
                assert!(why.candidates.len() <= 4 && why.refused.len() <= 4);
                let direct = self.direct == Some((agent, session));
                if !direct {
                    self.check_offer(agent, session);
                }
                let waiting = self.waiting.get_mut(&session).expect("it waits");
                assert_eq!((&waiting.item.queue, waiting.item.media), (&queue, media));
                assert!(deadline > now);
                assert!(!self.all_offers.contains(&offer), "an id is used once");
                self.all_offers.push(offer);
                self.offers.insert(offer, (agent, session, deadline));
                waiting.offers.push(offer);
                waiting.direct = direct;
                let turn = self.turns.entry(queue.clone()).or_default();
                *turn += 1;
                let agent = self.agents.get_mut(&agent).expect("he is known");
                agent.offer = Some(offer);
                agent.turns.insert(queue, *turn);
            }
            Output::OfferEnded { offer, agent, session, outcome } => {
                let (whose, of, _) = self.offers.remove(&offer).expect("an offer ends once");
                assert_eq!((whose, of), (agent, session));
                self.offer_ended(offer, agent, session, outcome);
            }
            Output::Overflowed { session, from, to } => {
                assert!(self.waiting.values().filter(|it| it.item.queue == to).count() < MAX_WAITING);
                let waiting = self.waiting.get_mut(&session).expect("it waits");
                assert_eq!(waiting.item.queue, from);
                assert!(waiting.offers.is_empty(), "nobody is asked");
                let rules = &self.known[&from].overflow;
                assert!(rules.iter().any(|rule| rule.to.as_ref() == Some(&to)), "a rule says so");
                assert!(!waiting.left.contains(&to), "it goes in no circle");
                waiting.left.insert(from);
                waiting.struck.clear();
                waiting.item.queue = to;
            }
            Output::Overflow { session, queue } => {
                let waiting = self.waiting.get_mut(&session).expect("it waits");
                assert_eq!(waiting.item.queue, queue);
                let rules = self.known[&queue].overflow.iter().enumerate();
                let mut open = rules.filter(|(_, rule)| rule.to.is_none());
                let struck = open.find(|(number, _)| !waiting.struck.contains(number));
                waiting.struck.insert(struck.expect("a rule says so, once").0);
            }
            Output::AgentStatus { agent, status, .. } => {
                let known = self.agents.get_mut(&agent).expect("he is known");
                assert_ne!(known.status, status, "a change is a change");
                known.tick(now);
                if known.status == AgentStatus::SignedOut {
                    (known.contacts, known.busy, known.duty) = (0, Duration::ZERO, Duration::ZERO);
                }
                known.status = status;
                if known.status == AgentStatus::Ready {
                    known.idle_from(now);
                } else {
                    self.keep_no_longer(agent);
                }
            }
            Output::WrapUpStarted { agent, session, until } => {
                assert!(until > now);
                let agent = self.agents.get_mut(&agent).expect("he is known");
                agent.tick(now);
                assert!(agent.wrapping_up.insert(session));
            }
            Output::WrapUpEnded { agent, session } => {
                let agent = self.agents.get_mut(&agent).expect("he is known");
                agent.idle_from(now);
                assert!(agent.wrapping_up.remove(&session), "a wrap-up ends once");
            }
        }
    }

    fn offer_ended(&mut self, offer: OfferId, agent: AgentId, session: SessionId, outcome: OfferOutcome) {
        let now = self.now.instant;
        let known = self.agents.get_mut(&agent).expect("he is known");
        known.offer = None;
        let waiting = self.waiting.get_mut(&session);
        let media = waiting.as_ref().map(|waiting| waiting.item.media);
        if outcome == OfferOutcome::Accepted {
            let media = media.expect("what is accepted waited");
            known.failures = 0;
            known.contacts += 1;
            self.accepted = Some(session);
            self.own(agent, session, media);
            return;
        }
        if outcome == OfferOutcome::Withdrawn {
            let picked = self.direct.is_some_and(|(_, it)| it == session);
            assert!(waiting.is_none() || picked, "somebody has it");
        } else {
            if now - known.failed_at > seconds(600) {
                known.failures = 0;
            }
            known.failed_at = now;
            known.failures += 1;
            let doubled = |times: u32| 2_u64.saturating_pow(times);
            if self.failing {
                let pause = seconds((5 * doubled(known.failures - 1)).min(300));
                let ends_with = if known.failures == 1 { media.expect("it waits") } else { Media::default() };
                known.back_off = Some((now + pause, ends_with));
            } else if known.failures >= 2 {
                let pause = seconds(doubled(known.failures - 2).min(300));
                known.back_off = Some((now + pause, Media::default()));
            }
        }
        if outcome == OfferOutcome::Declined {
            known.declined.insert(session, now + seconds(10));
        }
        if let Some(waiting) = self.waiting.get_mut(&session) {
            waiting.offers.retain(|ringing| *ringing != offer);
            waiting.direct = false;
        }
    }

    fn could_take(&self, agent: AgentId, waiting: &Waiting, sharp: bool) -> bool {
        let ring = self.known[&waiting.item.queue].ring;
        self.agents[&agent].could_take(waiting, ring, self.now.instant, sharp)
    }

    fn check_offer(&self, agent: AgentId, session: SessionId) {
        let now = self.now.instant;
        let waiting = self.waiting.get(&session).expect("what is offered waits");
        assert!(self.could_take(agent, waiting, true), "{agent} may not be offered {session}");
        let standing = |it: &Waiting| it.standing(&self.known[&it.item.queue], now);
        let better = self
            .waiting
            .values()
            .find(|it| standing(it) < standing(waiting) && self.could_take(agent, it, false));
        assert!(better.is_none(), "{:?} comes before {session}", better.map(|it| &it.item));
        if !self.could_take(agent, waiting, false) {
            return;
        }
        let queue = &self.known[&waiting.item.queue];
        let order = |id: &AgentId| self.agents[id].order(queue, &waiting.item.demand.preferred);
        let next =
            self.agents.keys().filter(|id| self.could_take(**id, waiting, false)).min_by_key(|id| order(id));
        assert_eq!(next, Some(&agent), "somebody else comes before for {session}");
    }

    /// What must hold between commands.
    fn check(&self) {
        let now = self.now.instant;
        for waiting in self.waiting.values() {
            if let Some(agent) = self.agents.keys().find(|agent| self.could_take(**agent, waiting, false)) {
                panic!("{:?} waits although {agent} could take it", waiting.item);
            }
            let queue = &self.known[&waiting.item.queue];
            let points = |it: &Waiting| {
                let (_, points, since, session) = it.standing(queue, now);
                (points, since, session)
            };
            let in_queue = self.waiting.values().filter(|it| it.item.queue == waiting.item.queue);
            let position = 1 + in_queue.filter(|it| points(it) < points(waiting)).count();
            let place = self.acd.place(self.now, waiting.item.session).expect("what waits has a place");
            assert_eq!(place.position, position);
            assert_eq!(place.waited, now - waiting.item.since);
        }
        for (offer, (_, session, deadline)) in &self.offers {
            assert!(*deadline > now, "an offer ends at its deadline");
            assert!(self.waiting[session].offers.contains(offer));
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
    pub(super) fn serve_all(&mut self) {
        self.apply(Command::SetQueues { queues: [true; 3], order: 0 });
        for session in 0..SESSIONS {
            if self.waiting.get(&session_id(session)).is_some_and(|waiting| waiting.item.media.is_empty()) {
                self.apply(Command::SetMedia { session, media: Media::CHAT });
            }
        }
        for agent in 0..AGENTS {
            let capacity = Capacity { voice: 1, chat: 3 };
            self.apply(Command::SetAgent { agent, queues: [true; 3], capacity, tech: 10, ru: 10 });
            for medium in [Medium::Voice, Medium::Chat] {
                self.apply(Command::Reachable { agent, medium, reachable: true });
            }
            self.apply(Command::Status { agent, status: AgentStatus::Ready });
        }
        // The longest back-off there is.
        self.apply(Command::Pass { seconds: 300 });
        for _ in 0..=SESSIONS {
            for agent in 0..AGENTS {
                self.apply(Command::Status { agent, status: AgentStatus::Ready });
                self.apply(Command::Accept { agent, stale: false });
            }
            for session in 0..SESSIONS {
                self.apply(Command::Finish { session });
            }
            self.apply(Command::Pass { seconds: 40 });
        }
        assert!(self.waiting.is_empty(), "nobody starves");
        assert!(self.offers.is_empty(), "every offer has ended");
        assert_eq!(self.acd.poll_timeout(), None, "no timer is left");
    }
}
