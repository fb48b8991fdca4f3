//! The customer waits aside while whoever serves him talks to others: consultations that the console begins, of callers and of those
//! who write, and calls that an operator takes along to another device.
//!
//! Whoever is asked is a guest (`conference`) whom the customer does not hear. Invariants: while the customer is aside he has music,
//! nobody hears him and he hears nobody; no recording has what is said then; with the last guest he is back.

use media::api::{Channel, Command as MediaCommand, Prompt};
use model::{AgentId, Cause, Change, LegId, Medium, Now, Party, SessionId, Side};

use crate::api::{Output, Refusal};
use crate::chat::{refusal, refusal_of};
use crate::engine::Engine;
use crate::leg::{Leg, OwnerReason, Role};

impl Engine {
    /// He asks somebody, by login, queue or number. Where the customer writes, his own phone rings first.
    pub(crate) fn consult(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        to: String,
    ) -> Result<(), Refusal> {
        self.owns(agent, id)?;
        let Some(session) = self.sessions.get(&id) else { return Ok(()) };
        if session.customer_voice().is_some() || session.agent_voice_legs().any(Leg::is_up) {
            self.add_party(now, agent, id, &to)?;
            self.set_aside(now, id, true);
            return Ok(());
        }
        if session.agent_voice_legs().next().is_some() {
            return Err(refusal("in_call", "Your phone rings already."));
        }
        // Nobody's phone rings in vain.
        self.invited(now, agent, id, &to)?;
        if !self.has_device(agent) {
            return Err(refusal("no_phone", "Your phone is not registered."));
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.ask_when_owner_is_up = Some(to);
        }
        self.set_aside(now, id, true);
        self.busy_with(now, agent, id);
        self.ring_owner(now, id, agent, OwnerReason::Consult);
        Ok(())
    }

    /// He is on the line, and whom he wanted to ask is called.
    pub(crate) fn ask_as_wanted(&mut self, now: Now, id: SessionId, leg: LegId) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let (Some(to), Some(agent)) = (session.ask_when_owner_is_up.take(), session.owner) else {
            return false;
        };
        if let Err(refused) = self.add_party(now, agent, id, &to) {
            tracing::info!(session = %id, code = refused.code, "nobody can be asked any more");
            self.hang_up(now, leg, Cause::Cancelled, Side::System);
        }
        true
    }

    /// The console's hold: the customer waits, or is talked to again.
    pub(crate) fn put_aside(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        aside: bool,
    ) -> Result<(), Refusal> {
        self.hosts(agent, id)?;
        self.set_aside(now, id, aside);
        Ok(())
    }

    pub(crate) fn set_aside(&mut self, now: Now, id: SessionId, aside: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if std::mem::replace(&mut session.aside, aside) == aside {
            return;
        }
        let customer = session.customer_voice().filter(|leg| leg.is_up()).map(|leg| leg.id);
        let others: Vec<(LegId, Channel)> = session
            .agent_voice_legs()
            .chain(session.guests())
            .filter_map(|leg| Some((leg.id, leg.role()?.channel())))
            .collect();
        for (leg, channel) in others {
            let channel = if aside { Channel::Aside } else { channel };
            self.put(Output::Media(MediaCommand::SetChannel { leg, channel }));
            if !aside {
                self.stop_playing(id, leg);
            }
        }
        self.journal(now, id, Change::SetAside { aside });
        self.arrange(id);
        match customer {
            Some(_) if aside => self.play_waiting(now, id),
            Some(customer) => self.stop_playing(id, customer),
            None => {}
        }
        self.ring_back_to_asker(now, id);
    }

    /// Whoever set him aside has him no more: those who were asked go, and he is heard again.
    pub(crate) fn end_aside(&mut self, now: Now, id: SessionId) {
        if self.sessions.get(&id).is_some_and(|session| session.aside) {
            self.dismiss_guests(now, id);
            self.set_aside(now, id, false);
        }
    }

    /// The owner is on the line with another leg than before, and his customer is still aside: no recording has it.
    pub(crate) fn stays_aside(&mut self, id: SessionId, leg: LegId) {
        if self.sessions.get(&id).is_some_and(|session| session.aside) {
            self.put(Output::Media(MediaCommand::SetChannel { leg, channel: Channel::Aside }));
        }
    }

    /// While he waits for whom he asks, the operator hears that it rings there.
    pub(crate) fn ring_back_to_asker(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id).filter(|session| session.aside) else { return };
        let Some(own) = session.agent_voice_legs().find(|leg| leg.is_up()).map(|leg| leg.id) else { return };
        let rings = session.guests().next().is_some() && !session.guests().any(Leg::is_up);
        if rings {
            self.play(now, id, own, vec![Prompt::Ringback], true);
        } else {
            self.stop_playing(id, own);
        }
    }

    /// One who was asked is there.
    pub(crate) fn asked_answers(&mut self, now: Now, id: SessionId, leg: LegId) {
        if self.sessions.get(&id).is_some_and(|session| session.aside) {
            self.put(Output::Media(MediaCommand::SetChannel { leg, channel: Channel::Aside }));
            self.ring_back_to_asker(now, id);
        }
    }

    /// The last who was asked is gone: the customer is back, and one who writes needs no call.
    pub(crate) fn asked_gone(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id).filter(|session| session.aside) else { return };
        if session.guests().next().is_some() {
            return self.ring_back_to_asker(now, id);
        }
        let writes = session.customer_voice().is_none();
        let own: Vec<LegId> = session.agent_voice_legs().map(|leg| leg.id).collect();
        self.set_aside(now, id, false);
        for leg in own.into_iter().filter(|_| writes) {
            self.hang_up(now, leg, Cause::Completed, Side::System);
        }
    }

    /// His leg of a consultation about one who writes is gone, and with it the consultation.
    pub(crate) fn asking_over(&mut self, now: Now, id: SessionId, party: &Party) {
        if let Party::Agent { agent } = party {
            self.consultation_over(now, *agent);
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.ask_when_owner_is_up = None;
        }
        self.dismiss_guests(now, id);
        self.set_aside(now, id, false);
    }

    /// Who was on the phone about a session of his has no leg in it any more: calls may be offered to him again.
    pub(crate) fn asks_no_more(&mut self, now: Now, id: SessionId, party: &Party) {
        let Party::Agent { agent } = party else { return };
        let there = |leg: &Leg| leg.medium == Medium::Voice && leg.party == *party;
        let gone = self.sessions.get(&id).is_none_or(|session| !session.each_leg().any(there));
        if gone && self.consulted.get(agent) == Some(&id) {
            self.consultation_over(now, *agent);
        }
    }

    // --- to another device ---

    /// His other devices ring, or a number that he may call: whichever he answers has the call from then on.
    pub(crate) fn move_call(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        to: Option<&str>,
    ) -> Result<(), Refusal> {
        let talk = self.hosts(agent, id)?;
        if self.is_moving(id) {
            return Err(refusal("moving", "Your other device rings already."));
        }
        let role = Role::Owner(OwnerReason::Moved);
        let login = self.agents.get(&agent).map(|agent| agent.setup.login.clone()).unwrap_or_default();
        if let Some(number) = to {
            let number = self
                .number_to_call(id, number)
                .map_err(|refused| Refusal { field: Some("to"), ..refused })?;
            if self.sip.charge(now, &login, &number).is_err() {
                return Err(refusal("too_many_calls", "You have made too many calls."));
            }
            let dialled = self
                .dial(now, id, &number)
                .map_err(|_| refusal("no_trunk", "We cannot call out just now."))?;
            let leg = self.call_number(now, id, Party::Agent { agent }, dialled, role);
            self.charge_to(id, leg, login);
            return Ok(());
        }
        let used = self.voice_of(id, talk).and_then(|voice| voice.binding);
        let others: Vec<_> =
            self.sip.bindings(&login).filter(|binding| Some(binding.id) != used).cloned().collect();
        if others.is_empty() {
            return Err(refusal_of("to", "no_other_device", "No other phone of yours is registered."));
        }
        for binding in &others {
            self.ring_device(now, id, agent, role, binding);
        }
        Ok(())
    }

    /// Another device of whoever serves the customer rings for it.
    pub(crate) fn is_moving(&self, id: SessionId) -> bool {
        let moves = |leg: &Leg| !leg.is_up() && leg.role() == Some(Role::Owner(OwnerReason::Moved));
        self.sessions.get(&id).is_some_and(|session| session.agent_voice_legs().any(moves))
    }
}
