//! What others may know of the ACD at this moment.

use std::time::Duration;

use model::{AgentId, AgentStatus, Now, SessionId};

use crate::Acd;
use crate::agent::Agent;
use crate::api::{AgentView, Place, QueueView};

impl Acd {
    /// Who serves this session.
    pub fn owner(&self, session: SessionId) -> Option<AgentId> {
        self.owners.get(&session).copied()
    }

    /// Where a session stands; a session that is being offered keeps its place. Takes time with the position.
    pub fn place(&self, now: Now, session: SessionId) -> Option<Place> {
        let (position, since) = self.queues.place(session)?;
        Some(Place { position, waited: now.instant - since })
    }

    pub fn agent(&self, agent: AgentId) -> Option<AgentView> {
        self.agents.get(&agent).map(|agent| self.view(agent))
    }

    pub fn agents(&self) -> impl Iterator<Item = AgentView> {
        self.agents.values().map(|agent| self.view(agent))
    }

    /// All queues by name, with those that are no longer configured but not yet empty.
    pub fn queues(&self, now: Now) -> Vec<QueueView> {
        let staffed = |agent: &&Agent| agent.status == AgentStatus::Ready && (agent.voice || agent.text);
        let ready: Vec<&Agent> = self.agents.values().filter(staffed).collect();
        self.queues
            .iter()
            .map(|queue| QueueView {
                name: queue.config.name.clone(),
                waiting: queue.places.len(),
                longest_wait: self.queues.oldest(queue).map_or(Duration::ZERO, |since| now.instant - since),
                agents_ready: ready.iter().filter(|agent| agent.queues.contains(&queue.config.name)).count(),
            })
            .collect()
    }

    fn view(&self, agent: &Agent) -> AgentView {
        let offer = agent.offer.and_then(|id| Some((id, self.offers.get(&id)?.session)));
        AgentView {
            agent: agent.id,
            status: agent.status.clone(),
            since: agent.status_since,
            reachable_by_voice: agent.voice,
            reachable_by_text: agent.text,
            offers: offer.into_iter().collect(),
            sessions: agent.sessions.keys().copied().collect(),
            wrapping_up: agent.wrapping_up.keys().copied().collect(),
        }
    }
}
