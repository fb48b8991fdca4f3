//! Sessions for one certain agent: those that are kept for him for a while, and those that are offered to him out of turn.

use model::{AgentId, AgentStatus, Chosen, Now, OfferId, SessionId};

use crate::Acd;
use crate::agent::AgentIx;
use crate::api::{DirectError, Item};
use crate::waiting::Choice;

impl Acd {
    /// The agent takes a session that waits: it is offered to him whatever his skills, his queues and its place.
    pub fn pick(&mut self, now: Now, agent: AgentId, session: SessionId) -> Result<OfferId, DirectError> {
        self.direct(now, agent, session, Chosen::Picked)
    }

    /// A supervisor gives an agent a session that waits, as by `pick`.
    pub fn push(&mut self, now: Now, agent: AgentId, session: SessionId) -> Result<OfferId, DirectError> {
        self.direct(now, agent, session, Chosen::Pushed)
    }

    /// Other offers of it end as `Withdrawn`. When it is not accepted, it is back in its place.
    fn direct(
        &mut self,
        now: Now,
        agent: AgentId,
        session: SessionId,
        chosen: Chosen,
    ) -> Result<OfferId, DirectError> {
        let waiting = self.queues.item(session).ok_or(DirectError::NotWaiting)?;
        let need = waiting.need.ok_or(DirectError::NotWaiting)?;
        let ix = self.agents.ix(agent).ok_or(DirectError::NotThere)?;
        let known = self.agents.get(ix).filter(|agent| agent.is_signed_in()).ok_or(DirectError::NotThere)?;
        if !known.is_reachable(need) {
            return Err(DirectError::Unreachable);
        }
        if known.offer.is_some()
            || !known.has_room(&known.held(), need)
            || known.sessions.contains_key(&session)
        {
            return Err(DirectError::Busy);
        }
        let others = waiting.offers.clone();
        let freed = self.withdraw(now, &others);
        self.offer(now, session, Choice { agent: ix, chosen });
        self.agents_changed(now, &freed);
        self.agents.get(ix).and_then(|agent| agent.offer).ok_or(DirectError::Busy)
    }

    /// Whom the session is kept for: its preferred agent while he is ready.
    pub(crate) fn keeper(&self, now: Now, item: &Item) -> Option<AgentIx> {
        let preferred = item.preferred.filter(|preferred| preferred.until > now.instant)?;
        let ix = self.agents.ix(preferred.agent)?;
        self.agents.get(ix).filter(|agent| agent.status == AgentStatus::Ready).map(|_| ix)
    }

    /// The session, which is on no list, is kept for him, or for nobody.
    pub(crate) fn keep_for(&mut self, session: SessionId, agent: Option<AgentIx>) {
        let Some(waiting) = self.queues.item_mut(session) else { return };
        let before = std::mem::replace(&mut waiting.kept_for, agent);
        if let Some(before) = before.and_then(|before| self.agents.get_mut(before)) {
            before.kept.remove(&session);
        }
        if let Some(agent) = agent.and_then(|agent| self.agents.get_mut(agent)) {
            agent.kept.insert(session);
        }
    }

    pub(crate) fn keep_no_longer(&mut self, session: SessionId) {
        self.queues.unlink(session);
        self.keep_for(session, None);
        self.queues.link(session);
    }
}
