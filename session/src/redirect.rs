//! A device or a carrier sends us elsewhere (301, 302). It is followed where the configuration allows it, and is a refusal else.
//!
//! | who says it | where it may lead |
//! |---|---|
//! | an operator's device | a number that he could call for this session: he is rung there. What a colleague sent on or asks may also go to another colleague's login |
//! | a carrier | another number at the carrier's own hosts, through the same trunk, if the routes let the session call it |
//!
//! An offer of the ACD goes to no other operator: it was made to this one, and is offered to the next when he refuses.
//! Invariant: a call is sent on [`MOST`] times at most.

use model::{AgentId, Cause, Ending, LegId, Now, Party, SessionId, Side};
use sip_core::api::CallId;

use crate::engine::Engine;
use crate::leg::{Leg, Role, Step};
use crate::trunks::Dialled;

const MOST: u8 = 3;
/// Contacts of one answer that are looked at.
const CONTACTS: usize = 5;

/// Whose redirections are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Redirects {
    pub operators: bool,
    pub trunks: bool,
}

impl Engine {
    /// The call ends with this answer; what it led to is there before.
    pub(crate) fn call_redirected(&mut self, now: Now, call: CallId, status: u16, contacts: &[String]) {
        let Some((id, leg)) = self.at(call).filter(|_| matches!(status, 301 | 302)) else { return };
        let Some(session) = self.sessions.get(&id).filter(|session| session.ended.is_none()) else { return };
        let Some(rung) = session.legs.get(&leg) else { return };
        let Some(voice) = rung.voice().filter(|voice| voice.forwards < MOST) else { return };
        let contacts = &contacts[..contacts.len().min(CONTACTS)];
        match (&rung.party, &voice.dialled) {
            (_, Some(dialled)) if self.config.redirects.trunks => {
                let trunk = dialled.trunk().map(str::to_owned);
                self.follow_trunk(now, id, leg, trunk, contacts);
            }
            (Party::Agent { agent }, None) if self.config.redirects.operators => {
                let (agent, role, forwards) = (*agent, voice.role, voice.forwards + 1);
                self.follow_device(now, id, agent, role, forwards, contacts);
            }
            (Party::Agent { .. } | Party::Customer | Party::External, _) => {}
        }
    }

    /// The same leg is tried at the other number.
    fn follow_trunk(
        &mut self,
        now: Now,
        id: SessionId,
        leg: LegId,
        trunk: Option<String>,
        contacts: &[String],
    ) {
        let Some(trunk) = trunk else { return };
        self.early_over(id, leg);
        let before = self.voice_of(id, leg).and_then(|voice| voice.dialled.take());
        let other = contacts
            .iter()
            .filter_map(|uri| self.sip.number_at_trunk(&trunk, uri))
            .find_map(|number| self.customers_number(id, &number).ok())
            .filter(|number| before.as_ref().is_some_and(|before| before.number != *number))
            .and_then(|number| self.dial(now, id, &number).ok());
        let followed = other.is_some();
        let Some(voice) = self.voice_of(id, leg) else { return };
        // What media has not judged yet is about the call that ends.
        let early = before.as_ref().map(|before| before.early.clone()).unwrap_or_default();
        voice.dialled = before;
        let Some(other) = other else { return };
        self.note_try(now, id, leg, "redirected".to_owned());
        let Some(voice) = self.voice_of(id, leg) else { return };
        let mut other = other.only_through(trunk);
        other.early = early;
        voice.dialled = Some(other);
        voice.forwards += 1;
        // What the stack says of the old call is about nothing any more.
        let call = voice.call.take().filter(|_| followed);
        if let Some(call) = call {
            self.calls.remove(&call);
        }
        let refused = Ending::with_status(Cause::Refused, Side::Carrier, 302);
        self.call_through_next(now, id, leg, Some(refused));
    }

    /// Another leg rings the operator at the number, or the colleague for him.
    fn follow_device(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        role: Role,
        forwards: u8,
        contacts: &[String],
    ) {
        let Some(login) = self.agents.get(&agent).map(|agent| agent.setup.login.clone()) else { return };
        for uri in contacts {
            let Some(user) = self.sip.user_at_home(uri) else { continue };
            if let Some(colleague) = self.logins.get(&user).copied() {
                if self.send_on_to(now, id, agent, colleague, role, forwards) {
                    return;
                }
                continue;
            }
            let Some(dialled) = self.number_for(now, id, &login, &user) else { continue };
            let leg = self.call_number(now, id, Party::Agent { agent }, dialled, role);
            self.charge_to(id, leg, login);
            return self.set_forwards(id, &[leg], forwards);
        }
    }

    /// A number that the operator could call himself.
    fn number_for(&mut self, now: Now, id: SessionId, login: &str, user: &str) -> Option<Dialled> {
        let number = self.number_to_call(id, user).ok()?;
        self.sip.charge(now, login, &number).ok()?;
        self.dial(now, id, &number).ok()
    }

    fn send_on_to(
        &mut self,
        now: Now,
        id: SessionId,
        from: AgentId,
        to: AgentId,
        role: Role,
        forwards: u8,
    ) -> bool {
        let asked = role == Role::ConsultAgent;
        let owner = self.sessions.get(&id).and_then(|session| session.owner);
        let goes = (asked || role == Role::TransferAgent) && from != to && owner != Some(to);
        if !goes || !self.is_free(to) || !self.has_device(to) {
            return false;
        }
        self.ring_agent(now, id, to, role);
        if asked {
            self.consulted.insert(to, id);
            self.reach(now, to);
        }
        let rings = |leg: &&Leg| leg.party == Party::Agent { agent: to } && !leg.is_up();
        let legs: Vec<LegId> = match self.sessions.get(&id) {
            Some(session) => session.each_leg().filter(rings).map(|leg| leg.id).collect(),
            None => Vec::new(),
        };
        self.set_forwards(id, &legs, forwards);
        true
    }

    fn set_forwards(&mut self, id: SessionId, legs: &[LegId], forwards: u8) {
        for leg in legs {
            if let Some(voice) = self.voice_of(id, *leg).filter(|voice| voice.step == Step::Preparing) {
                voice.forwards = forwards;
            }
        }
    }
}
