//! Who gets what: the next agent for a session, and the next session for an agent.

use model::{Candidate, Chosen, Instant, Now, OfferId, Refusal, Refused, SessionId, Why};
use rand::RngExt;

use crate::Acd;
use crate::agent::AgentIx;
use crate::api::Output;
use crate::offers::Offer;
use crate::timers::Timer;
use crate::waiting::{Choice, Standing};

/// Of the candidates and of the refused, so many are kept with an offer.
const KEPT: usize = 4;

impl Acd {
    /// Offers a waiting session to whoever is next for it, and to as many as its queue rings at once.
    pub(crate) fn match_session(&mut self, now: Now, session: SessionId) {
        while let Some(choice) = self.next_agent(session) {
            self.offer(now, session, choice);
        }
        self.retime(now, session);
    }

    /// The same for sessions that became free together.
    pub(crate) fn match_sessions(&mut self, now: Now, sessions: Vec<SessionId>) {
        for session in self.in_order(now, sessions) {
            self.match_session(now, session);
        }
    }

    /// Those of them that wait, whoever is next first.
    pub(crate) fn in_order(&self, now: Now, sessions: Vec<SessionId>) -> Vec<SessionId> {
        let mut standings: Vec<Standing> = sessions
            .into_iter()
            .filter_map(|session| {
                let waiting = self.queues.item(session)?;
                let ageing = self.queues.get(waiting.queue).config.ageing;
                Some(waiting.rank.standing(!waiting.offers.is_empty(), now.instant, ageing))
            })
            .collect();
        standings.sort_unstable();
        standings.into_iter().map(|standing| standing.session).collect()
    }

    /// Offers a free agent what is next for him. What others were freed for together with him goes to the one who is next for it.
    pub(crate) fn match_agent(&mut self, now: Now, agent: AgentIx) {
        while let Some(mut standing) = self.next_session(now.instant, agent) {
            // Each step of this goes to something that stands before the last, so it ends.
            let choice = loop {
                let Some(choice) = self.next_agent(standing.session) else { return };
                match self.next_session(now.instant, choice.agent) {
                    Some(better) if better < standing => standing = better,
                    Some(_) | None => break choice,
                }
            };
            self.offer(now, standing.session, choice);
        }
    }

    /// Offers an agent what is next for him, whom alone it can be for. False when there is nothing.
    pub(crate) fn match_alone(&mut self, now: Now, agent: AgentIx) -> bool {
        let Some(standing) = self.next_session(now.instant, agent) else { return false };
        let Some(waiting) = self.queues.item(standing.session) else { return false };
        let chosen = if waiting.kept_for == Some(agent) {
            Chosen::Preferred
        } else {
            Chosen::ByStrategy(self.queues.get(waiting.queue).config.strategy)
        };
        self.offer(now, standing.session, Choice { agent, chosen });
        true
    }

    /// Who is next for a session; nobody when enough are being asked.
    fn next_agent(&self, session: SessionId) -> Option<Choice> {
        let may = |ix: AgentIx| self.agents.get(ix).is_some_and(|agent| agent.may_be_offered(session));
        if let Some(class) = self.queues.open_class(session) {
            let class = self.queues.class(class);
            let strategy = self.queues.get(class.queue).config.strategy;
            let agent = class.free.iter().find(|key| may(key.ix))?.ix;
            return Some(Choice { agent, chosen: Chosen::ByStrategy(strategy) });
        }
        let waiting = self.queues.item(session)?;
        let agent = waiting.kept_for.filter(|_| waiting.offers.is_empty() && !waiting.direct)?;
        let is_free =
            self.agents.get(agent).is_some_and(|it| waiting.need.is_some_and(|need| it.listed.has(need)));
        (is_free && may(agent)).then_some(Choice { agent, chosen: Chosen::Preferred })
    }

    /// What is next for an agent of all that waits in his queues or is kept for him.
    fn next_session(&self, now: Instant, ix: AgentIx) -> Option<Standing> {
        let agent = self.agents.get(ix)?;
        if agent.listed.is_empty() {
            return None;
        }
        let allowed = |session| agent.may_be_offered(session);
        let open = agent
            .classes
            .iter()
            .filter(|(class, _)| agent.listed.has(self.queues.class(*class).need))
            .filter_map(|(class, _)| self.queues.first(*class, now, allowed));
        let kept = agent.kept.iter().filter_map(|session| {
            let waiting = self.queues.item(*session)?;
            let fits = waiting.need.is_some_and(|need| agent.listed.has(need));
            let ageing = self.queues.get(waiting.queue).config.ageing;
            let is_open = fits && waiting.offers.is_empty() && !waiting.direct && allowed(*session);
            is_open.then(|| waiting.rank.standing(false, now, ageing))
        });
        open.chain(kept).min()
    }

    /// Reserves the agent for the session.
    pub(crate) fn offer(&mut self, now: Now, session: SessionId, choice: Choice) {
        let why = Box::new(self.why(session, choice));
        let id = OfferId::new(now.wall, self.random.random());
        self.queues.unlink(session);
        let Some(waiting) = self.queues.item_mut(session) else { return };
        waiting.offers.push(id);
        waiting.direct = matches!(choice.chosen, Chosen::Picked | Chosen::Pushed);
        let (media, text, ix) = (waiting.item.media, waiting.item.work, waiting.queue);
        self.queues.link(session);
        let queue = self.queues.get_mut(ix);
        queue.turn += 1;
        let (turn, name) = (queue.turn, queue.config.name.clone());
        let within = if media.voice { queue.config.ring_timeout } else { queue.config.accept_timeout };
        let deadline = now.instant + within;
        let Some(agent) = self.agents.get_mut(choice.agent) else { return };
        agent.offer = Some(id);
        agent.takes_turn(ix, turn);
        let agent_id = agent.id;
        let offer = Offer { agent: choice.agent, session, queue: ix, media, text, deadline };
        self.offers.insert(id, offer);
        self.timers.start(deadline, Timer::Offer(id));
        self.relist(choice.agent);
        self.outputs.push_back(Output::Offer {
            offer: id,
            agent: agent_id,
            session,
            queue: name,
            media,
            deadline,
            why,
        });
    }

    fn why(&self, session: SessionId, Choice { agent: ix, chosen }: Choice) -> Why {
        let mut why = Why { chosen, candidates: Vec::new(), refused: Vec::new() };
        let Some(waiting) = self.queues.item(session) else { return why };
        let Some(need) = waiting.need else { return why };
        if let Some(class_ix) = self.queues.open_class(session) {
            let class = self.queues.class(class_ix);
            let allowed = |ix| self.agents.get(ix).is_some_and(|agent| agent.may_be_offered(session));
            let free = class.free.iter().filter(|key| allowed(key.ix)).take(KEPT);
            why.candidates = free
                .map(|key| Candidate { agent: key.agent, preference: key.preference.0, measure: key.measure })
                .collect();
            // Whoever has just become free is on no list yet.
            let his = self.agents.get(ix).filter(|agent| agent.keys.is_empty());
            let mine =
                his.and_then(|agent| Some((agent, agent.classes.iter().find(|(it, _)| *it == class_ix)?.1)));
            if let Some((agent, preference)) = mine {
                let config = &self.queues.get(class.queue).config;
                let key = agent.key(ix, preference, class.queue, config);
                let him = Candidate { agent: agent.id, preference, measure: key.measure };
                why.candidates.truncate(KEPT - 1);
                why.candidates.insert(0, him);
            }
        }
        let signature = waiting.item.demand.required.is_empty();
        for other in &self.queues.get(waiting.queue).agents {
            if why.refused.len() == KEPT {
                break;
            }
            let Some(agent) = self.agents.get(*other).filter(|_| *other != ix) else { continue };
            let unskilled = !signature && !self.is_skilled(session, *other);
            let refusal = if unskilled {
                Some(Refusal::Skills)
            } else if !agent.may_be_offered(session) {
                Some(Refusal::Excluded)
            } else {
                agent.refusal(need)
            };
            why.refused.extend(refusal.map(|why| Refused { agent: agent.id, why }));
        }
        why
    }

    /// Whether the agent has what the session asks for at present.
    pub(crate) fn is_skilled(&self, session: SessionId, agent: AgentIx) -> bool {
        let Some(class) = self.queues.item(session).and_then(|waiting| waiting.class()) else { return true };
        let signature = &self.queues.class(class).signature;
        self.agents.get(agent).is_some_and(|agent| signature.is_met_by(&agent.config.skills))
    }
}
