//! An operator's devices are rung by their preference: those of the highest `q` together, the next when none of them is there.

use std::time::Duration;

use model::{AgentId, Ending, LegId, Medium, Now, Party, SessionId};
use sip_core::api::Binding;

use crate::engine::Engine;
use crate::leg::Role;

/// How long the better liked ring before the others.
pub(crate) const STEP: Duration = Duration::from_secs(10);

impl Engine {
    /// The best liked of the agent's devices, below a preference when one is given.
    fn best_liked(&self, agent: AgentId, below: Option<u16>) -> Vec<Binding> {
        let Some(login) = self.agents.get(&agent).map(|agent| &agent.setup.login) else { return Vec::new() };
        let mut bindings =
            self.sip.bindings(login).filter(|binding| below.is_none_or(|q| binding.q < q)).peekable();
        let Some(best) = bindings.peek().map(|binding| binding.q) else { return Vec::new() };
        bindings.take_while(|binding| binding.q == best).cloned().collect()
    }

    /// Rings the agent's best liked devices; returns how many.
    pub(crate) fn ring_agent(&mut self, now: Now, id: SessionId, agent: AgentId, role: Role) -> usize {
        let bindings = self.best_liked(agent, None);
        for binding in &bindings {
            self.ring_device(now, id, agent, role, binding);
        }
        bindings.len()
    }

    pub(crate) fn has_device(&self, agent: AgentId) -> bool {
        !self.best_liked(agent, None).is_empty()
    }

    /// Tells the ACD whether the agent can be rung.
    pub(crate) fn reach(&mut self, now: Now, agent: AgentId) {
        let reachable = self.has_device(agent) && !self.consulted.contains_key(&agent);
        self.acd.set_reachable(now, agent, Medium::Voice, reachable);
    }

    /// Whether the agent has a device that he likes less than this one.
    pub(crate) fn has_less_liked(&self, agent: AgentId, q: u16) -> bool {
        !self.best_liked(agent, Some(q)).is_empty()
    }

    /// A device was not there: when it was the last that rang, those next in preference do.
    pub(crate) fn ring_less_liked(&mut self, now: Now, id: SessionId, leg: LegId, ending: &Ending) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(gone) = session.legs.get(&leg).filter(|leg| !leg.is_up()) else { return };
        let (Party::Agent { agent }, Some(voice)) = (&gone.party, gone.voice()) else { return };
        let (agent, role, q) = (*agent, voice.role, voice.q);
        // He has said no: that holds for all his devices.
        let declined = matches!(ending.sip_status, Some(486 | 600 | 603));
        let others_ring = match role {
            Role::Offer(_) | Role::Owner(_) | Role::TransferAgent => {
                session.agent_voice_legs().any(|other| other.id != leg)
            }
            Role::ConsultAgent => session.consulted().any(|other| other.id != leg),
            Role::GuestAgent | Role::Supervises(_) => session
                .each_leg()
                .any(|other| other.id != leg && other.role() == Some(role) && other.party == gone.party),
            Role::CustomerIn
            | Role::CustomerOut
            | Role::TransferOut
            | Role::Consults
            | Role::ConsultOut
            | Role::GuestOut
            | Role::PickUp(_) => return,
        };
        if declined || others_ring {
            return;
        }
        for binding in self.best_liked(agent, Some(q)) {
            self.ring_device(now, id, agent, role, &binding);
        }
    }
}
