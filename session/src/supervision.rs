//! Supervisors in somebody else's conversation: they listen, whisper to the operator, speak to all, or take the customer over.
//!
//! Invariants: a supervisor is in one conversation at a time and nothing is offered to him there; his leg stays whoever serves the
//! customer, and ends with the customer's call; how it ends disturbs nobody; the journal has who was in it, how and when.
//! Who may supervise is the shell's business.

use media::api::Command as MediaCommand;
use model::{AgentId, Cause, Change, LegId, Now, Party, SessionId, Side, Supervision};

use crate::api::{Output, Refusal};
use crate::chat::{refusal, refusal_of};
use crate::engine::Engine;
use crate::leg::{Leg, OwnerReason, Role};
use crate::session::Session;
use crate::view::SupervisingView;

/// Supervisors in one conversation.
const MOST_SUPERVISORS: usize = 4;

impl Session {
    fn supervisor(&self, agent: AgentId) -> impl Iterator<Item = &Leg> {
        self.supervisors().filter(move |leg| leg.party == Party::Agent { agent })
    }
}

impl Engine {
    pub(crate) fn supervise(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        mode: Supervision,
    ) -> Result<(), Refusal> {
        let session = self.sessions.get(&id).filter(|session| session.ended.is_none());
        let session = session.ok_or_else(|| refusal_of("session", "unknown_session", "It is over."))?;
        if session.supervisor(agent).next().is_some() {
            self.supervise_as(now, agent, id, mode);
            return Ok(());
        }
        let talks = session.customer_voice().is_some_and(Leg::is_up) && session.talking_partner().is_some();
        if !talks {
            return Err(refusal_of("session", "no_call", "Nobody talks to the customer."));
        }
        if session.owner == Some(agent) {
            return Err(refusal_of("session", "your_call", "It is your own call."));
        }
        if session.supervisors().count() >= MOST_SUPERVISORS {
            return Err(refusal("conference_full", "Enough supervisors are in this call."));
        }
        if self.watches.is_on_the_phone(agent) || self.consulted.contains_key(&agent) {
            return Err(refusal("in_call", "You are in a call already."));
        }
        if !self.has_device(agent) {
            return Err(refusal("no_phone", "Your phone is not registered."));
        }
        self.consulted.insert(agent, id);
        self.reach(now, agent);
        self.ring_agent(now, id, agent, Role::Supervises(mode));
        self.show_desk(agent);
        Ok(())
    }

    /// He is in it, or rung for it, in another manner.
    fn supervise_as(&mut self, now: Now, agent: AgentId, id: SessionId, mode: Supervision) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut up = None;
        for leg in session.legs.values_mut().filter(|leg| leg.party == Party::Agent { agent }) {
            let (leg_up, leg_id) = (leg.is_up(), leg.id);
            let Some(voice) = leg.voice_mut() else { continue };
            if voice.role.supervision().is_some_and(|before| before != mode) {
                voice.role = Role::Supervises(mode);
                up = up.or(leg_up.then_some(leg_id));
            }
        }
        self.show_desk(agent);
        let Some(leg) = up else { return };
        let channel = Role::Supervises(mode).channel();
        self.put(Output::Media(MediaCommand::SetChannel { leg, channel }));
        self.journal(now, id, Change::Supervised { agent, mode: Some(mode) });
        self.arrange(id);
    }

    pub(crate) fn supervisor_answers(&mut self, now: Now, id: SessionId, leg: LegId) {
        self.leg_up(now, id, leg);
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(answered) = session.legs.get(&leg) else { return };
        let (Some(mode), &Party::Agent { agent }) =
            (answered.role().and_then(Role::supervision), &answered.party)
        else {
            return;
        };
        let others: Vec<LegId> =
            session.supervisor(agent).map(|leg| leg.id).filter(|other| *other != leg).collect();
        for other in others {
            self.hang_up(now, other, Cause::Replaced, Side::System);
        }
        // He may have chosen another manner while it rang.
        let channel = Role::Supervises(mode).channel();
        self.put(Output::Media(MediaCommand::SetChannel { leg, channel }));
        self.journal(now, id, Change::Supervised { agent, mode: Some(mode) });
        self.arrange(id);
        self.show_desk(agent);
    }

    pub(crate) fn supervisor_gone(&mut self, now: Now, id: SessionId, party: &Party, was_up: bool) {
        let &Party::Agent { agent } = party else { return };
        if was_up {
            self.journal(now, id, Change::Supervised { agent, mode: None });
        }
        if self.sessions.get(&id).is_none_or(|session| session.supervisor(agent).next().is_none()) {
            self.consultation_over(now, agent);
        }
        self.show_desk(agent);
    }

    pub(crate) fn stop_supervising(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
    ) -> Result<(), Refusal> {
        let legs: Vec<LegId> = match self.sessions.get(&id) {
            Some(session) => session.supervisor(agent).map(|leg| leg.id).collect(),
            None => Vec::new(),
        };
        if legs.is_empty() {
            return Err(refusal_of("session", "not_supervising", "You are not in this call."));
        }
        for leg in legs {
            self.hang_up(now, leg, Cause::HungUp, Side::Agent);
        }
        Ok(())
    }

    /// He serves the customer; whoever did wraps up.
    pub(crate) fn take_call_over(&mut self, now: Now, agent: AgentId, id: SessionId) -> Result<(), Refusal> {
        let session = self.sessions.get_mut(&id).filter(|session| session.ended.is_none());
        let session = session.ok_or_else(|| refusal_of("session", "unknown_session", "It is over."))?;
        let leg = session.supervisor(agent).find(|leg| leg.is_up()).map(|leg| leg.id);
        let leg = leg.ok_or_else(|| refusal_of("session", "not_supervising", "You are not in this call."))?;
        session.flow = None;
        session.owner_lost_until = None;
        let before = session.owner.take();
        let role = Role::Owner(OwnerReason::Reconnect);
        if let Some(voice) = self.voice_of(id, leg) {
            voice.role = role;
        }
        self.put(Output::Media(MediaCommand::SetChannel { leg, channel: role.channel() }));
        self.journal(now, id, Change::Supervised { agent, mode: None });
        self.let_all_be_heard(now, id);
        self.withdraw_transfer(now, id);
        self.end_consultation(now, id);
        self.unpark(now, id);
        let serves = |other: &&Leg| other.id != leg && !other.is_customer() && !other.is_beside();
        let others: Vec<LegId> = match self.sessions.get(&id) {
            Some(session) => session
                .each_leg()
                .filter(serves)
                .filter(|leg| leg.voice().is_some())
                .map(|leg| leg.id)
                .collect(),
            None => Vec::new(),
        };
        self.consultation_over(now, agent);
        self.take_ownership(now, id, agent);
        for other in others {
            self.hang_up(now, other, Cause::Replaced, Side::System);
        }
        if let Some(before) = before {
            self.show_desk(before);
        }
        self.bring_together(now, id);
        self.show_desk(agent);
        Ok(())
    }

    /// Where he is as a supervisor.
    pub(crate) fn supervising(&self, agent: AgentId) -> Option<SupervisingView> {
        let session = self.consulted.get(&agent)?;
        let legs = self.sessions.get(session)?.supervisor(agent);
        let (up, mode) =
            legs.filter_map(|leg| Some((leg.is_up(), leg.role()?.supervision()?))).max_by_key(|leg| leg.0)?;
        Some(SupervisingView { session: *session, mode, up })
    }
}
