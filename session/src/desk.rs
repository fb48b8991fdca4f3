//! What an operator asks for. Everything but his own status needs a session that he owns or wraps up.

use media::api::Command as MediaCommand;
use model::{AgentId, AgentStatus, Author, Cause, Change, Ending, Medium, Now, OfferId, SessionId, Side};

use crate::api::{AgentCommand, Output, Refusal, Reply, RequestId, VisitorEvent};
use crate::chat::{refusal, refusal_of};
use crate::engine::Engine;
use crate::leg::{Leg, Role};

impl Engine {
    pub(crate) fn handle_agent(
        &mut self,
        now: Now,
        request: RequestId,
        agent: AgentId,
        command: AgentCommand,
    ) {
        let result = if self.agents.contains_key(&agent) {
            self.agent_command(now, agent, command)
        } else {
            Err(refusal("not_an_agent", "You are not set up as an operator."))
        };
        self.replies.push(Output::Reply { request, result });
    }

    fn agent_command(&mut self, now: Now, agent: AgentId, command: AgentCommand) -> Result<Reply, Refusal> {
        match command {
            AgentCommand::DeskOpened => self.desk_presence(now, agent, true),
            AgentCommand::DeskClosed => self.desk_presence(now, agent, false),
            AgentCommand::SetStatus { status } => self.set_status(now, agent, status)?,
            AgentCommand::Accept { offer } => self.accept(now, agent, offer)?,
            AgentCommand::Decline { offer } => {
                self.his_offer(agent, offer)?;
                self.acd.decline(now, offer);
            }
            AgentCommand::Send { session, external_id, text } => {
                return self.agent_says(now, agent, session, external_id, text);
            }
            AgentCommand::Typing { session, on } => {
                self.his_session(agent, session)?;
                if let Some((_, visitor)) = self.sessions.get(&session).and_then(|session| session.chat()) {
                    self.put(Output::ToVisitor { visitor, event: VisitorEvent::Typing { on } });
                }
            }
            AgentCommand::Read { session, up_to } => self.agent_read(now, agent, session, up_to)?,
            AgentCommand::HangUp { session } => {
                self.his_session(agent, session)?;
                self.agent_hangs_up(now, session)?;
            }
            AgentCommand::CallCustomer { session, phone } => {
                self.his_session(agent, session)?;
                self.call_customer(now, session, agent, phone)?;
            }
            AgentCommand::InviteToTalk { session } => {
                self.his_session(agent, session)?;
                let chat = self.sessions.get(&session).and_then(|session| session.chat());
                let (_, visitor) =
                    chat.ok_or_else(|| refusal("no_chat", "There is no chat in which to invite him."))?;
                self.journal(
                    now,
                    session,
                    Change::Escalated { to: Medium::Voice, by: Side::Agent, how: "invitation".to_owned() },
                );
                self.put(Output::ToVisitor { visitor, event: VisitorEvent::TalkInvitation });
            }
            AgentCommand::OfferChat { session } => {
                self.his_session(agent, session)?;
                return self.offer_chat(now, session);
            }
            AgentCommand::CloseChat { session } => {
                self.his_session(agent, session)?;
                if self.sessions.get(&session).is_none_or(|session| session.chat().is_none()) {
                    return Err(refusal("no_chat", "There is no chat to close."));
                }
                self.close_chat(now, session, Ending::new(Cause::HungUp, Side::Agent));
            }
            AgentCommand::FinishWrapUp { session, disposition, note } => {
                self.finish_wrap_up(now, agent, session, disposition, note)?;
            }
            AgentCommand::SetCustomerName { session, name } => {
                self.his_session(agent, session)?;
                let name = name.trim();
                if name.is_empty() || name.chars().count() > 100 {
                    return Err(refusal_of("name", "bad_name", "A name has 1 to 100 characters."));
                }
                self.name_customer(now, session, name.to_owned());
            }
            AgentCommand::PauseRecording { session, paused } => {
                self.his_session(agent, session)?;
                let name = self.agents.get(&agent).map(|agent| agent.setup.name.clone()).unwrap_or_default();
                self.pause_by(now, session, paused, (agent, name))?;
            }
            AgentCommand::Mute { session, muted } => self.mute(now, agent, session, muted)?,
            AgentCommand::Consult { session, to } => self.consult(now, agent, session, to)?,
            AgentCommand::Aside { session, aside } => self.put_aside(now, agent, session, aside)?,
            AgentCommand::MoveCall { session, to } => self.move_call(now, agent, session, to.as_deref())?,
            AgentCommand::Conference { session } => self.consulted_joins(now, agent, session)?,
            AgentCommand::AddParty { session, to } => self.add_party(now, agent, session, &to)?,
            AgentCommand::RemoveParty { session, leg } => self.remove_party(now, agent, session, leg)?,
            AgentCommand::MuteParty { session, leg, muted } => {
                self.mute_party(now, agent, session, leg, muted)?;
            }
            AgentCommand::LeaveConference { session } => self.leave_conference(now, agent, session)?,
            AgentCommand::Supervise { session, mode } => self.supervise(now, agent, session, mode)?,
            AgentCommand::StopSupervising { session } => self.stop_supervising(now, agent, session)?,
            AgentCommand::Pick { session } => self.pick_from_queue(now, agent, session)?,
            AgentCommand::Push { session, to } => self.push_to(now, to, session)?,
            AgentCommand::TakeOver { session } => self.take_call_over(now, agent, session)?,
        }
        Ok(Reply::Done)
    }

    /// The session, if it is his to work on (owned or in wrap-up).
    fn his_session(&self, agent: AgentId, id: SessionId) -> Result<(), Refusal> {
        let session =
            self.sessions.get(&id).ok_or_else(|| refusal_of("session", "unknown_session", "It is over."))?;
        let his = session.owner == Some(agent) || session.wrap_up_of(agent).is_some();
        if his { Ok(()) } else { Err(refusal_of("session", "not_yours", "Somebody else has it.")) }
    }

    fn his_offer(&self, agent: AgentId, offer: OfferId) -> Result<SessionId, Refusal> {
        let id = self.offers.get(&offer).copied();
        id.filter(|id| {
            self.sessions
                .get(id)
                .and_then(|session| session.offer(offer))
                .is_some_and(|live| live.agent == agent)
        })
        .ok_or_else(|| refusal_of("offer", "offer_over", "The offer is over."))
    }

    fn desk_presence(&mut self, now: Now, agent: AgentId, open: bool) {
        if let Some(found) = self.agents.get_mut(&agent) {
            found.desk_open = open;
        }
        self.acd.set_reachable(now, agent, Medium::Chat, open);
        if open {
            self.desk_found(agent);
        } else {
            self.desk_lost(now, agent);
        }
        self.show_desk(agent);
    }

    fn set_status(&mut self, now: Now, agent: AgentId, status: AgentStatus) -> Result<(), Refusal> {
        if !Self::may_choose(&status) {
            return Err(refusal_of("status", "bad_status", "Choose ready, or not ready with a reason."));
        }
        self.acd.set_status(now, agent, status, Side::Agent);
        Ok(())
    }

    fn accept(&mut self, now: Now, agent: AgentId, offer: OfferId) -> Result<(), Refusal> {
        let id = self.his_offer(agent, offer)?;
        let rings = |leg: &Leg| leg.role() == Some(Role::Offer(offer));
        let by_voice = self.sessions.get(&id).is_some_and(|session| session.agent_voice_legs().any(rings));
        if by_voice {
            return Err(refusal_of(
                "offer",
                "answer_the_phone",
                "A call is accepted by answering the phone.",
            ));
        }
        if self.acd.accept(now, offer) {
            Ok(())
        } else {
            Err(refusal_of("offer", "offer_over", "The offer is over."))
        }
    }

    fn agent_says(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        external_id: String,
        text: String,
    ) -> Result<Reply, Refusal> {
        self.his_session(agent, id)?;
        self.check_text(&external_id, &text)?;
        let Some(session) = self.sessions.get(&id) else {
            return Err(refusal_of("session", "unknown_session", "It is over."));
        };
        if let Some((seq, at)) = session.repeat_of(&external_id) {
            return Ok(Reply::Accepted { session: id, seq, at });
        }
        if session.ended.is_some() || session.chat().is_none() {
            return Err(refusal_of("session", "no_chat", "There is no chat to write into."));
        }
        let author = Author::Agent { agent, name: self.agent_name(agent) };
        let seq = self.say(now, id, author, text, Vec::new(), Some(external_id));
        Ok(Reply::Accepted { session: id, seq, at: now.wall })
    }

    fn agent_read(&mut self, now: Now, agent: AgentId, id: SessionId, up_to: u64) -> Result<(), Refusal> {
        self.his_session(agent, id)?;
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let up_to = up_to.min(session.seq);
        if session.read_by_agent >= up_to {
            return Ok(());
        }
        session.read_by_agent = up_to;
        let chat = session.chat();
        self.journal(now, id, Change::Read { by: Side::Agent, up_to });
        if let Some((_, visitor)) = chat {
            self.put(Output::ToVisitor { visitor, event: VisitorEvent::Read { up_to } });
        }
        Ok(())
    }

    fn agent_hangs_up(&mut self, now: Now, id: SessionId) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        session.call_when_owner_is_up = None;
        let legs: Vec<_> = session
            .each_leg()
            .filter(|leg| leg.medium == Medium::Voice)
            .map(|leg| (leg.is_customer(), leg.id))
            .collect();
        if legs.is_empty() {
            return Err(refusal("no_call", "There is no call."));
        }
        // The customer's first: the operator's own goes with it.
        let (customer, own): (Vec<_>, Vec<_>) = legs.into_iter().partition(|(customer, _)| *customer);
        for (_, leg) in customer.into_iter().chain(own) {
            self.hang_up(now, leg, Cause::HungUp, Side::Agent);
        }
        Ok(())
    }

    fn finish_wrap_up(
        &mut self,
        now: Now,
        agent: AgentId,
        id: SessionId,
        disposition: Option<String>,
        note: Option<String>,
    ) -> Result<(), Refusal> {
        let wrapping = self.sessions.get(&id).is_some_and(|session| session.wrap_up_of(agent).is_some());
        if !wrapping {
            return Err(refusal_of("session", "no_wrap_up", "There is no wrap-up of yours."));
        }
        let too_long = |text: &Option<String>, most| text.as_ref().is_some_and(|t| t.chars().count() > most);
        if too_long(&disposition, 64) {
            return Err(refusal_of("disposition", "too_long", "A disposition has at most 64 characters."));
        }
        if too_long(&note, 4000) {
            return Err(refusal_of("note", "too_long", "A note has at most 4000 characters."));
        }
        self.wrap_up_over(now, id, agent, disposition, note);
        self.acd.end_wrap_up(now, agent, id);
        Ok(())
    }

    fn mute(&mut self, now: Now, agent: AgentId, id: SessionId, muted: bool) -> Result<(), Refusal> {
        self.his_session(agent, id)?;
        let leg = self.sessions.get_mut(&id).and_then(|session| {
            session
                .legs
                .values_mut()
                .find(|leg| !leg.is_customer() && !leg.is_beside() && leg.medium == Medium::Voice)
        });
        let leg = leg.ok_or_else(|| refusal("no_call", "There is no call."))?;
        if leg.muted != muted {
            leg.muted = muted;
            let leg = leg.id;
            self.put(Output::Media(MediaCommand::Mute { leg, muted }));
            self.journal(now, id, Change::LegMuted { leg, muted });
        }
        Ok(())
    }
}
