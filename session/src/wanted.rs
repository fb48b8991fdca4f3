//! Whom a waiting session wants: what its flow asks for, in the words of the ACD.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use acd::api::{Demand, Item, Preferred, Skill, Skills, Stage, Widen};
use dialplans::api::ChannelKind;
use model::{AgentId, Asks, CustomerId, Now, QueueName, SessionId};

use crate::api::Refusal;
use crate::chat::{refusal, refusal_of};
use crate::engine::Engine;
use crate::session::Queued;

/// Most customers of whom it is remembered who served them last.
const MOST: usize = 50_000;

/// Who served whom last, of the customers of late.
#[derive(Default)]
pub(crate) struct LastAgents {
    agents: BTreeMap<CustomerId, AgentId>,
    order: VecDeque<CustomerId>,
}

impl LastAgents {
    pub fn served(&mut self, customer: CustomerId, agent: AgentId) {
        if self.agents.insert(customer, agent).is_none() {
            self.order.push_back(customer);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.agents.remove(&oldest);
        }
    }

    fn of(&self, customer: CustomerId) -> Option<AgentId> {
        self.agents.get(&customer).copied()
    }
}

impl Engine {
    /// What the rules of its queue add to what it asks for.
    pub(crate) fn apply_rules(&self, now: Now, item: &mut Item) {
        let Some(rules) = self.queue_rules.get(&item.queue).filter(|rules| !rules.is_empty()) else { return };
        let env = self.flow_env(now, item.session);
        let channel = if item.media.voice { ChannelKind::Voice } else { ChannelKind::Text };
        for rule in rules.iter().filter(|rule| rule.when.holds(&env, channel, now.wall)) {
            item.priority = item.priority.saturating_add(rule.priority);
            item.demand.required.extend(skills(&rule.required));
            let preferred = rule.preferred.iter().map(|(name, weight)| (Skill::new(name), *weight));
            item.demand.preferred.extend(preferred);
        }
    }

    /// Who is waited for first, and until when.
    pub(crate) fn preferred_agent(&self, id: SessionId, place: &Queued) -> Option<Preferred> {
        let asked = place.asks.agent.as_ref()?;
        let agent = match &asked.login {
            Some(login) => self.logins.get(login).copied(),
            None => self.last_agents.of(self.sessions.get(&id)?.customer.customer),
        };
        let until = place.since + Duration::from_secs(asked.patience_seconds);
        Some(Preferred { agent: agent?, until })
    }

    /// Offers are accepted for him as they come.
    pub(crate) fn answers_by_himself(&self, agent: AgentId) -> bool {
        self.agents.get(&agent).is_some_and(|agent| agent.setup.routing.auto_answer)
    }

    /// The operator takes a session that waits in one of his queues.
    pub(crate) fn pick_from_queue(&mut self, now: Now, agent: AgentId, id: SessionId) -> Result<(), Refusal> {
        let queue =
            self.sessions.get(&id).and_then(|session| session.queued.as_ref()).map(|place| &place.queue);
        let queue = queue.ok_or_else(|| refusal_of("session", "not_waiting", "It does not wait."))?;
        if !self.agents.get(&agent).is_some_and(|agent| agent.setup.queues.contains(queue)) {
            return Err(refusal_of("session", "not_your_queue", "You do not serve its queue."));
        }
        self.acd.pick(now, agent, id).map(drop).map_err(|error| not_given(&error))
    }

    /// A supervisor gives an operator a session that waits.
    pub(crate) fn push_to(&mut self, now: Now, agent: AgentId, id: SessionId) -> Result<(), Refusal> {
        self.acd.push(now, agent, id).map(drop).map_err(|error| not_given(&error))
    }

    /// The session waits in another queue from now on, by the rules of the one that it was in.
    pub(crate) fn overflowed(&mut self, now: Now, id: SessionId, from: QueueName, to: QueueName) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.queue_name = Some(to.clone());
        let Some(place) = session.queued.as_mut() else { return };
        place.queue = to;
        let place = place.clone();
        self.journal(now, id, model::Change::Dequeued { queue: from, why: model::Left::Overflowed });
        self.journal_place(now, id, place);
        self.visitor_state(now, id);
    }

    pub(crate) fn journal_place(&mut self, now: Now, id: SessionId, place: Queued) {
        let Queued { queue, priority, since_wall, asks, .. } = place;
        self.journal(now, id, model::Change::Queued { queue, priority, since: since_wall, asks });
    }
}

fn not_given(error: &acd::DirectError) -> Refusal {
    let code = match error {
        acd::DirectError::NotWaiting => "not_waiting",
        acd::DirectError::NotThere => "not_there",
        acd::DirectError::Unreachable => "unreachable",
        acd::DirectError::Busy => "busy",
    };
    refusal(code, &format!("Not possible: {error}."))
}

pub(crate) fn demand(asks: &Asks) -> Demand {
    let mut stages = Vec::new();
    for widening in &asks.widen {
        let after = Duration::from_secs(widening.after_seconds);
        match &widening.to {
            None => stages.push(Stage { after, widen: Widen::All }),
            Some(levels) => stages.extend(
                levels
                    .iter()
                    .map(|(skill, level)| Stage { after, widen: Widen::To(Skill::new(skill), *level) }),
            ),
        }
    }
    Demand {
        required: skills(&asks.required),
        preferred: asks.preferred.iter().map(|(name, weight)| (Skill::new(name), *weight)).collect(),
        stages,
    }
}

pub(crate) fn skills(levels: &BTreeMap<String, u8>) -> Skills {
    levels.iter().map(|(name, level)| (Skill::new(name), *level)).collect()
}
