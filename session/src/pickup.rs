//! Pick-up: an operator takes what rings at a colleague, by a code (`*8` and the colleague's login) or by an INVITE that replaces
//! the ringing call (RFC 3891).
//!
//! Invariant: the customer changes hands only when the operator's own call is up and what he wanted is still to be had; until then
//! the colleague may answer.

use model::{AgentId, Cause, LegId, Now, Party, SessionId, Side};
use sip_core::api::IncomingCall;

use crate::engine::Engine;
use crate::leg::{Leg, PickedUp, Role};
use crate::session::Session;

impl Engine {
    /// He dialled the code.
    pub(crate) fn pick_up_from(&mut self, now: Now, agent: AgentId, login: &str, incoming: IncomingCall) {
        let Some(colleague) = self.logins.get(login).copied() else {
            return self.sip.reject(now, incoming.call, 404, None);
        };
        let rings = |session: &Session| {
            session.each_leg().find_map(|leg| what_rings(leg).filter(|(rung, _)| *rung == colleague))
        };
        let found = self.legs.values().find_map(|id| Some((*id, rings(self.sessions.get(id)?)?)));
        match found {
            Some((id, (_, what))) => self.pick_up(now, id, agent, what, incoming),
            None => self.sip.reject(now, incoming.call, 404, None),
        }
    }

    pub(crate) fn pick_up(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        what: PickedUp,
        incoming: IncomingCall,
    ) {
        self.operators_leg(now, id, agent, incoming, Role::PickUp(what), true);
    }

    /// What rings on this leg, if somebody else may take it.
    pub(crate) fn rings_at(&self, id: SessionId, leg: LegId) -> Option<PickedUp> {
        let session = self.sessions.get(&id).filter(|session| session.ended.is_none())?;
        what_rings(session.legs.get(&leg)?).map(|(_, what)| what)
    }

    /// False for a call that wants what somebody else has got in the meantime.
    pub(crate) fn may_be_picked_up(&self, id: SessionId, leg: LegId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return true };
        match session.legs.get(&leg).and_then(|leg| leg.role()) {
            Some(Role::PickUp(PickedUp::Offer(offer))) => {
                session.ended.is_none() && session.offer(offer).is_some()
            }
            Some(Role::PickUp(PickedUp::Transfer)) => {
                let rings = |leg: &Leg| leg.role() == Some(Role::TransferAgent) && !leg.is_up();
                session.ended.is_none() && session.each_leg().any(rings)
            }
            Some(Role::PickUp(PickedUp::Parked)) => session.ended.is_none() && session.parked.is_some(),
            Some(
                Role::CustomerIn
                | Role::CustomerOut
                | Role::Offer(_)
                | Role::Owner(_)
                | Role::TransferAgent
                | Role::TransferOut
                | Role::Consults
                | Role::ConsultAgent
                | Role::ConsultOut
                | Role::GuestAgent
                | Role::GuestOut
                | Role::Supervises(_),
            )
            | None => true,
        }
    }

    /// His call is up: the customer is his.
    pub(crate) fn picked_up(&mut self, now: Now, id: SessionId, leg: LegId, what: PickedUp) {
        if !self.may_be_picked_up(id, leg) {
            return self.hang_up(now, leg, Cause::Replaced, Side::System);
        }
        let Some(agent) = self.agent_of(id, leg) else { return };
        match what {
            PickedUp::Offer(_) => {
                self.take_ownership(now, id, agent);
                self.hang_up_other_devices(now, id, leg);
                self.served_from_queue(now, id, agent);
            }
            PickedUp::Transfer => {
                self.transferred(now, id, leg);
                self.transfer_answered(now, id, leg);
            }
            PickedUp::Parked => {
                self.unpark(now, id);
                if self.sessions.get(&id).is_some_and(|session| session.owner != Some(agent)) {
                    let before = self.sessions.get_mut(&id).and_then(|session| session.owner.take());
                    // The wrap-up of the session is for whoever has it last.
                    self.acd.release(now, id);
                    self.take_ownership(now, id, agent);
                    before.into_iter().for_each(|before| self.show_desk(before));
                }
                self.hang_up_other_devices(now, id, leg);
                self.bring_together(now, id);
            }
        }
    }
}

/// Where an operator is rung for a customer who waits, and why.
fn what_rings(leg: &Leg) -> Option<(AgentId, PickedUp)> {
    let Party::Agent { agent } = leg.party else { return None };
    let what = match leg.role().filter(|_| !leg.is_up())? {
        Role::Offer(offer) => PickedUp::Offer(offer),
        Role::TransferAgent => PickedUp::Transfer,
        Role::CustomerIn
        | Role::CustomerOut
        | Role::Owner(_)
        | Role::TransferOut
        | Role::Consults
        | Role::ConsultAgent
        | Role::ConsultOut
        | Role::GuestAgent
        | Role::GuestOut
        | Role::Supervises(_)
        | Role::PickUp(_) => return None,
    };
    Some((agent, what))
}
