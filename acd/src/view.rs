//! What others may know of the ACD at this moment.

use std::time::Duration;

use model::{AgentId, AgentStatus, Now, SessionId};

use crate::Acd;
use crate::agent::Agent;
use crate::api::{AgentView, Place, QueueView};

impl Acd {
    /// Who serves this session.
    pub fn owner(&self, session: SessionId) -> Option<AgentId> {
        self.agents.get(*self.owners.get(&session)?).map(|agent| agent.id)
    }

    /// Where a session stands; a session that is being offered keeps its place. Takes time with the position.
    pub fn place(&self, now: Now, session: SessionId) -> Option<Place> {
        let waiting = self.queues.item(session)?;
        let position = self.queues.position(session)?;
        let queue = self.queues.get(waiting.queue);
        let estimated_wait = queue.estimates.wait(position, queue.staff);
        Some(Place { position, waited: now.instant - waiting.item.since, estimated_wait })
    }

    pub fn agent(&self, agent: AgentId) -> Option<AgentView> {
        self.agents.get(self.agents.ix(agent)?).map(|agent| self.view(agent))
    }

    pub fn agents(&self) -> impl Iterator<Item = AgentView> {
        self.agents.iter().map(|agent| self.view(agent))
    }

    /// All queues by name, with those that are no longer configured but not yet empty.
    pub fn queues(&self, now: Now) -> Vec<QueueView> {
        let staffed = |agent: &&Agent| agent.status == AgentStatus::Ready && (agent.voice || agent.text);
        let ready: Vec<&Agent> = self.agents.iter().filter(staffed).collect();
        self.queues
            .iter()
            .map(|queue| {
                let (estimate_error, estimates) = queue.estimates.error();
                QueueView {
                    name: queue.config.name.clone(),
                    waiting: queue.len,
                    longest_wait: self
                        .queues
                        .oldest(queue)
                        .map_or(Duration::ZERO, |since| now.instant - since),
                    agents_ready: ready.iter().filter(|agent| agent.serves(&queue.config.name)).count(),
                    estimated_wait: queue.estimates.wait(queue.len + 1, queue.staff),
                    estimate_error,
                    estimates,
                }
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
