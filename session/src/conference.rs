//! Conferences: more than two in the conversation with the customer. Whom the operator consults joins in, or somebody is called
//! into it.
//!
//! Whoever serves the customer is its host; the others are guests. Invariants: there are guests only where the customer is; when
//! their host leaves, one of them serves the customer from then on; the customer's end is the end of all.

use media::api::Command as MediaCommand;
use model::{AgentId, Cause, Change, LegId, Now, Party, QueueName, SessionId, Side};

use crate::api::{Output, Refusal};
use crate::chat::{refusal, refusal_of};
use crate::engine::Engine;
use crate::leg::{Leg, OwnerReason, Role};

/// Most guests of one conversation, also such as ring.
const MOST_GUESTS: usize = 18;
/// Characters of a login, a queue or a number.
const MOST_TO: usize = 64;

/// Whom somebody is called into the conversation by.
pub(crate) enum Invited {
    Agent(AgentId),
    Number(String),
}

impl Engine {
    /// The customer, the operator and whom he consults hear each other.
    pub(crate) fn consulted_joins(&mut self, now: Now, agent: AgentId, id: SessionId) -> Result<(), Refusal> {
        let talk = self.hosts(agent, id)?;
        let session = self.sessions.get(&id).ok_or_else(over)?;
        let consulted = session.consulted().find(|leg| leg.is_up()).map(|leg| leg.id);
        let own = session.consulting().filter(|leg| leg.is_up()).map(|leg| (leg.id, leg.held));
        let (Some(consulted), Some((own, own_held))) = (consulted, own) else {
            return Err(refusal("no_consultation", "You consult nobody who has answered."));
        };
        let talk_held = session.legs.get(&talk).is_some_and(|leg| leg.held);
        if let Some(voice) = self.voice_of(id, consulted) {
            voice.role = if voice.dialled.is_some() { Role::GuestOut } else { Role::GuestAgent };
        }
        let channel = Role::GuestAgent.channel();
        self.put(Output::Media(MediaCommand::SetChannel { leg: consulted, channel }));
        self.put(Output::Media(MediaCommand::Disconnect { leg: own }));
        // He speaks on the call that his phone has not put on hold.
        let gone = if talk_held && !own_held {
            if let Some(voice) = self.voice_of(id, own) {
                voice.role = Role::Owner(OwnerReason::Reconnect);
            }
            let channel = Role::Owner(OwnerReason::Reconnect).channel();
            self.put(Output::Media(MediaCommand::SetChannel { leg: own, channel }));
            talk
        } else {
            own
        };
        self.hang_up(now, gone, Cause::Replaced, Side::System);
        self.guest_is_in(id);
        Ok(())
    }

    pub(crate) fn add_party(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        to: &str,
    ) -> Result<(), Refusal> {
        self.talks(agent, id)?;
        let to = to.trim();
        if to.is_empty() || to.chars().count() > MOST_TO {
            return Err(refusal_of("to", "bad_party", "A login, a queue or a phone number is needed."));
        }
        let guests = self.sessions.get(&id).map_or(0, |session| session.guests().count());
        if guests >= MOST_GUESTS {
            return Err(refusal("conference_full", "Nobody else can join this conversation."));
        }
        match self.invited(now, agent, id, to)? {
            Invited::Agent(colleague) => {
                self.busy_with(now, colleague, id);
                self.ring_agent(now, id, colleague, Role::GuestAgent);
            }
            Invited::Number(number) => {
                let login =
                    self.agents.get(&agent).map(|agent| agent.setup.login.clone()).unwrap_or_default();
                if self.sip.charge(now, &login, &number).is_err() {
                    return Err(refusal("too_many_calls", "You have made too many calls."));
                }
                let dialled = self
                    .dial(now, id, &number)
                    .map_err(|_| refusal("no_trunk", "We cannot call out just now."))?;
                let leg = self.call_number(now, id, Party::External, dialled, Role::GuestOut);
                self.charge_to(id, leg, login);
            }
        }
        self.ring_back_to_asker(now, id);
        Ok(())
    }

    /// Nothing is offered to him meanwhile.
    pub(crate) fn busy_with(&mut self, now: Now, agent: AgentId, id: SessionId) {
        self.consulted.insert(agent, id);
        self.reach(now, agent);
    }

    /// Who is meant, if he may be called.
    pub(crate) fn invited(&self, now: Now, by: AgentId, id: SessionId, to: &str) -> Result<Invited, Refusal> {
        let free = |agent: AgentId| agent != by && self.is_free(agent) && self.has_device(agent);
        if let Some(colleague) = self.logins.get(to).copied() {
            return match () {
                () if colleague == by => Err(refusal_of("to", "yourself", "You are in the call already.")),
                () if !self.has_device(colleague) => {
                    Err(refusal_of("to", "unreachable_party", "No phone of this operator is registered."))
                }
                () if !self.is_free(colleague) => Err(refusal_of("to", "busy", "This operator is not free.")),
                () => Ok(Invited::Agent(colleague)),
            };
        }
        if self.acd.queues(now).iter().any(|queue| &*queue.name.0 == to) {
            let name = QueueName::new(to);
            let serves = |agent: &&AgentId| {
                self.agents.get(*agent).is_some_and(|agent| agent.setup.queues.contains(&name))
            };
            let since = |agent: &&AgentId| self.acd.agent(**agent).map(|view| view.since);
            let found = self.agents.keys().filter(serves).filter(|agent| free(**agent)).min_by_key(since);
            let none = || refusal_of("to", "busy", "Nobody of this queue is free.");
            return found.copied().map(Invited::Agent).ok_or_else(none);
        }
        self.number_to_call(id, to)
            .map(Invited::Number)
            .map_err(|refused| Refusal { field: Some("to"), ..refused })
    }

    pub(crate) fn remove_party(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        leg: LegId,
    ) -> Result<(), Refusal> {
        self.owns(agent, id)?;
        let guest =
            self.sessions.get(&id).is_some_and(|session| session.guests().any(|guest| guest.id == leg));
        if !guest {
            return Err(refusal_of("leg", "unknown_party", "He is not in the conversation."));
        }
        self.hang_up(now, leg, Cause::HungUp, Side::Agent);
        Ok(())
    }

    pub(crate) fn mute_party(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        leg: LegId,
        muted: bool,
    ) -> Result<(), Refusal> {
        self.owns(agent, id)?;
        let found = self.sessions.get_mut(&id).and_then(|session| session.legs.get_mut(&leg)).filter(|leg| {
            leg.voice().is_some()
                && leg.is_up()
                && (leg.is_customer() || leg.role().is_some_and(Role::is_guest))
        });
        let found =
            found.ok_or_else(|| refusal_of("leg", "unknown_party", "He is not in the conversation."))?;
        if std::mem::replace(&mut found.muted, muted) != muted {
            self.put(Output::Media(MediaCommand::Mute { leg, muted }));
            self.journal(now, id, Change::LegMuted { leg, muted });
        }
        Ok(())
    }

    pub(crate) fn leave_conference(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
    ) -> Result<(), Refusal> {
        let talk = self.hosts(agent, id)?;
        if !self.sessions.get(&id).is_some_and(|session| session.guests().any(Leg::is_up)) {
            return Err(refusal("no_conference", "There is nobody who could go on with the customer."));
        }
        self.hang_up(now, talk, Cause::HungUp, Side::Agent);
        Ok(())
    }

    pub(crate) fn owns(&self, agent: AgentId, id: SessionId) -> Result<(), Refusal> {
        let session = self.sessions.get(&id).filter(|session| session.ended.is_none()).ok_or_else(over)?;
        if session.owner == Some(agent) {
            Ok(())
        } else {
            Err(refusal_of("session", "not_yours", "Somebody else has it."))
        }
    }

    /// He is on the line for a customer of his: with him, or about him, who writes.
    fn talks(&self, agent: AgentId, id: SessionId) -> Result<(), Refusal> {
        self.owns(agent, id)?;
        let about = self.sessions.get(&id).is_some_and(|session| {
            session.customer_voice().is_none() && session.agent_voice_legs().any(Leg::is_up)
        });
        if about { Ok(()) } else { self.hosts(agent, id).map(|_| ()) }
    }

    /// The leg on which he talks to the customer, whom nobody else is about to get.
    pub(crate) fn hosts(&self, agent: AgentId, id: SessionId) -> Result<LegId, Refusal> {
        self.owns(agent, id)?;
        let session = self.sessions.get(&id).ok_or_else(over)?;
        if session.transfer.is_some() || session.parked.is_some() {
            return Err(refusal("being_transferred", "The customer is being sent on."));
        }
        let talk = session.talk_of(agent).map(|leg| leg.id);
        talk.ok_or_else(|| refusal("no_call", "You are not in a call with the customer."))
    }

    /// He is there.
    pub(crate) fn guest_answers(&mut self, now: Now, id: SessionId, leg: LegId) {
        self.leg_up(now, id, leg);
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(guest) = session.legs.get(&leg) else { return };
        let agents = guest.role() == Some(Role::GuestAgent);
        let his = |other: &&Leg| other.id != leg && !other.is_up() && other.party == guest.party;
        let others: Vec<LegId> = session.guests().filter(|_| agents).filter(his).map(|leg| leg.id).collect();
        for other in others {
            self.hang_up(now, other, Cause::Replaced, Side::System);
        }
        self.asked_answers(now, id, leg);
        self.guest_is_in(id);
        let served = self.sessions.get(&id).is_some_and(|session| session.owner.is_some());
        if !served && self.sessions.get(&id).is_some_and(|session| session.talking_partner().is_none()) {
            // Whoever called him has left meanwhile.
            self.guest_takes_over(now, id);
        }
    }

    /// Whoever waited alone does so no more.
    fn guest_is_in(&mut self, id: SessionId) {
        let talks = self.sessions.get(&id).filter(|session| !session.aside);
        if let Some(customer) = talks.and_then(|session| session.customer_voice()) {
            let customer = customer.id;
            self.stop_playing(id, customer);
        }
        self.arrange(id);
    }

    pub(crate) fn guest_gone(&mut self, now: Now, id: SessionId, party: &Party) {
        let Some(session) = self.sessions.get(&id) else { return };
        let his_others = session.guests().any(|leg| leg.party == *party);
        if let (Party::Agent { agent }, false) = (party, his_others) {
            self.consultation_over(now, *agent);
        }
        self.asked_gone(now, id);
        let partner_held = self
            .sessions
            .get(&id)
            .is_some_and(|session| session.talking_partner().is_some_and(|leg| leg.held));
        let lost = self.sessions.get(&id).is_some_and(|session| session.owner_lost_until.is_some());
        if partner_held || lost {
            self.wait_if_alone(now, id);
        }
    }

    /// Music for a customer who has nobody to talk to.
    pub(crate) fn wait_if_alone(&mut self, now: Now, id: SessionId) {
        if self
            .sessions
            .get(&id)
            .is_some_and(|session| session.ended.is_none() && !session.guests().any(Leg::is_up))
        {
            self.play_waiting(now, id);
        }
    }

    /// Nobody serves the customer any more: one of the guests does so from now on. False when there is none.
    pub(crate) fn guest_takes_over(&mut self, now: Now, id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.ended.is_none()) else {
            return false;
        };
        if session.customer_voice().is_none() {
            return false;
        }
        let ours = |leg: &&Leg| matches!(leg.party, Party::Agent { .. });
        let there = || session.guests().filter(|leg| leg.is_up());
        let found = there().find(ours).or_else(|| there().next());
        let Some((leg, party)) = found.map(|leg| (leg.id, leg.party.clone())) else { return false };
        session.owner_lost_until = None;
        self.set_aside(now, id, false);
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let before = session.owner.take();
        self.let_all_be_heard(now, id);
        if let Some(voice) = self.voice_of(id, leg) {
            voice.role = if voice.dialled.is_some() { Role::TransferOut } else { Role::TransferAgent };
            let channel = voice.role.channel();
            self.put(Output::Media(MediaCommand::SetChannel { leg, channel }));
        }
        self.withdraw_transfer(now, id);
        self.end_consultation(now, id);
        self.hang_up_other_devices(now, id, leg);
        match party {
            Party::Agent { agent } => {
                self.consultation_over(now, agent);
                // The wrap-up of the session is for whoever has it last.
                self.acd.release(now, id);
                self.take_ownership(now, id, agent);
            }
            Party::External | Party::Customer => {
                self.acd.finish(now, id);
                if before.is_some() {
                    self.journal(now, id, Change::OwnerChanged { agent: None });
                }
            }
        }
        if let Some(before) = before {
            self.show_desk(before);
        }
        self.bring_together(now, id);
        true
    }

    /// Whoever silenced the customer or a guest has the customer no more: nobody else would know.
    pub(crate) fn let_all_be_heard(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let silenced =
            |leg: &&mut Box<Leg>| leg.muted && (leg.is_customer() || leg.role().is_some_and(Role::is_guest));
        let mut heard = Vec::new();
        for leg in session.legs.values_mut().filter(silenced) {
            leg.muted = false;
            heard.push(leg.id);
        }
        for leg in heard {
            self.put(Output::Media(MediaCommand::Mute { leg, muted: false }));
            self.journal(now, id, Change::LegMuted { leg, muted: false });
        }
    }

    /// The customer goes where no guest goes along.
    pub(crate) fn dismiss_guests(&mut self, now: Now, id: SessionId) {
        self.let_all_be_heard(now, id);
        let Some(session) = self.sessions.get(&id) else { return };
        let guests: Vec<LegId> = session.guests().map(|leg| leg.id).collect();
        for guest in guests {
            self.hang_up(now, guest, Cause::Replaced, Side::System);
        }
    }
}

fn over() -> Refusal {
    refusal_of("session", "unknown_session", "It is over.")
}
