//! Consultations: while his customer waits, an operator calls a colleague or an outside number, and may join the two (REFER with
//! Replaces, in `transfer`).
//!
//! A consultation is part of the customer's session: two legs beside the conversation, the operator's and the other's.
//! Invariants: a session has one at a time; it ends when either of its two leaves it, and no later than the session; no
//! recording has it.

use media::api::{Command as MediaCommand, Prompt};
use model::{AgentId, Cause, Ending, LegId, Now, Party, SessionId, Side};
use sip_core::api::IncomingCall;

use crate::api::Output;
use crate::engine::Engine;
use crate::leg::{Leg, Role, Step};
use crate::session::Session;

impl Session {
    /// The operator's own leg of the consultation.
    pub(crate) fn consulting(&self) -> Option<&Leg> {
        self.each_leg().find(|leg| leg.role() == Some(Role::Consults))
    }

    /// Whoever is consulted, or whose devices ring for it.
    pub(crate) fn consulted(&self) -> impl Iterator<Item = &Leg> {
        self.each_leg().filter(|leg| leg.role().is_some_and(Role::is_consulted))
    }

    /// The leg on which its owner talks to the customer.
    pub(crate) fn talk_of(&self, agent: AgentId) -> Option<&Leg> {
        let customer_is_there = self.customer_voice().is_some_and(Leg::is_up);
        let his = |leg: &&Leg| leg.is_up() && leg.party == Party::Agent { agent };
        let serves = self.ended.is_none() && self.owner == Some(agent) && customer_is_there;
        self.agent_voice_legs().filter(|_| serves).find(his)
    }
}

impl Engine {
    /// The session whose customer an operator talks to; of several the one that he has put on hold.
    pub(crate) fn conversation_of(&self, agent: AgentId) -> Option<SessionId> {
        let talks = self.sessions_of(agent).into_iter().filter_map(|id| {
            let leg = self.sessions.get(&id)?.talk_of(agent)?;
            Some((leg.held, leg.since, id))
        });
        talks.max().map(|(.., id)| id)
    }

    /// He calls a colleague beside his conversation.
    pub(crate) fn consult_agent(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        colleague: AgentId,
        incoming: IncomingCall,
    ) {
        let call = incoming.call;
        let refusal = if colleague == agent || self.in_consultation(id) || !self.is_free(colleague) {
            Some(486)
        } else if !self.has_device(colleague) {
            Some(480)
        } else {
            None
        };
        if let Some(status) = refusal {
            return self.sip.reject(now, call, status, None);
        }
        self.operators_leg(now, id, agent, incoming, Role::Consults, false);
        // Nothing is offered to him while he is asked.
        self.consulted.insert(colleague, id);
        self.reach(now, colleague);
        self.ring_agent(now, id, colleague, Role::ConsultAgent);
    }

    /// He calls an outside number beside his conversation; checked as every call for the session.
    pub(crate) fn consult_number(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        number: &str,
        incoming: IncomingCall,
    ) {
        let call = incoming.call;
        if self.in_consultation(id) {
            return self.sip.reject(now, call, 486, None);
        }
        let status = match self.number_to_call(id, number) {
            Ok(number) => match self.dial(now, id, &number) {
                Ok(dialled) => {
                    self.operators_leg(now, id, agent, incoming, Role::Consults, false);
                    self.call_number(now, id, Party::External, dialled, Role::ConsultOut);
                    return;
                }
                Err(_) => 503,
            },
            Err(refusal) if refusal.code == "bad_phone" => 404,
            Err(refusal) if refusal.code == "no_trunk" => 503,
            Err(_) => 403,
        };
        self.sip.reject(now, call, status, None);
    }

    fn in_consultation(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| {
            session.transfer.is_some()
                || session.consulting().is_some()
                || session.consulted().next().is_some()
        })
    }

    pub(crate) fn consulted_rings(&mut self, now: Now, id: SessionId) {
        let own = self.sessions.get(&id).and_then(|session| session.consulting());
        if let Some(call) = own.filter(|leg| !leg.is_up()).and_then(|leg| leg.voice()?.call) {
            self.sip.ring(now, call, 180, None);
        }
    }

    /// He is there: the operator's own call is answered too.
    pub(crate) fn consulted_answers(&mut self, now: Now, id: SessionId, leg: LegId) {
        self.leg_up(now, id, leg);
        let Some(session) = self.sessions.get(&id) else { return };
        let others: Vec<LegId> =
            session.consulted().map(|leg| leg.id).filter(|other| *other != leg).collect();
        let own = session.consulting().map(|leg| leg.id);
        for other in others {
            self.hang_up(now, other, Cause::Replaced, Side::System);
        }
        match own {
            Some(own) => self.answer_customer(now, id, own),
            None => self.hang_up(now, leg, Cause::Cancelled, Side::System),
        }
    }

    /// The consulted who is on the line.
    fn consulted_of(&self, id: SessionId) -> Option<LegId> {
        self.sessions.get(&id)?.consulted().find(|leg| leg.is_up()).map(|leg| leg.id)
    }

    /// The operator's own leg of it is up.
    pub(crate) fn consultation_up(&mut self, id: SessionId, own: LegId) {
        if let Some(other) = self.consulted_of(id) {
            self.put(Output::Media(MediaCommand::Connect { a: other, b: own }));
        }
    }

    /// The operator has put a consulted party on hold, or takes him back.
    pub(crate) fn consultation_held(&mut self, now: Now, id: SessionId, held: bool) {
        let Some(other) = self.consulted_of(id) else { return };
        if held {
            self.play(now, id, other, vec![Prompt::Music("hold".into())], true);
        } else {
            self.stop_playing(id, other);
        }
    }

    /// The operator has left it.
    pub(crate) fn consulter_gone(&mut self, now: Now, id: SessionId, ending: &Ending) {
        let Some(session) = self.sessions.get(&id) else { return };
        let others: Vec<LegId> = session.consulted().map(|leg| leg.id).collect();
        for other in others {
            self.hang_up(now, other, ending.cause, ending.by);
        }
    }

    /// Whoever was consulted, or one of his devices, is gone.
    pub(crate) fn consulted_gone(&mut self, now: Now, id: SessionId, party: &Party, ending: &Ending) {
        let Some(session) = self.sessions.get(&id) else { return };
        let own = session.consulting().map(|leg| leg.id);
        let others = session.consulted().next().is_some();
        let his_others = session.consulted().any(|leg| leg.party == *party);
        if let (Party::Agent { agent }, false) = (party, his_others) {
            self.consultation_over(now, *agent);
        }
        if others {
            return;
        }
        if let Some(own) = own {
            self.hang_up_because(now, own, ending.clone());
        }
    }

    /// Both legs of it end.
    pub(crate) fn end_consultation(&mut self, now: Now, id: SessionId) {
        let own = self.sessions.get(&id).and_then(|session| session.consulting()).map(|leg| leg.id);
        if let Some(own) = own {
            self.hang_up(now, own, Cause::Replaced, Side::System);
        }
    }

    /// Whoever is consulted becomes whom the customer is sent on to; the operator's own leg of it is not needed any more. Returns the
    /// leg of the consulted when he is on the line already.
    pub(crate) fn consulted_takes_over(&mut self, id: SessionId) -> Option<LegId> {
        let session = self.sessions.get_mut(&id)?;
        let mut changed = Vec::new();
        for leg in session.legs.values_mut() {
            let up = leg.is_up();
            let id = leg.id;
            let Some(voice) = leg.voice_mut().filter(|voice| voice.role.is_consulted()) else { continue };
            voice.role = if voice.dialled.is_some() { Role::TransferOut } else { Role::TransferAgent };
            let ready = up && voice.step == Step::Up;
            changed.push((id, voice.role.channel(), ready));
        }
        for (leg, channel, _) in &changed {
            self.put(Output::Media(MediaCommand::SetChannel { leg: *leg, channel: *channel }));
        }
        changed.into_iter().find(|(.., ready)| *ready).map(|(leg, ..)| leg)
    }

    /// He can be offered calls again.
    pub(crate) fn consultation_over(&mut self, now: Now, agent: AgentId) {
        if self.consulted.remove(&agent).is_some() {
            self.reach(now, agent);
        }
    }
}
