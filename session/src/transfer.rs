//! Transfers that an operator asks for with his phone or browser: REFER, and an INVITE that takes a call over.
//!
//! The customer's leg stays where it is; we call the new party ourselves, so that no carrier needs to know of REFER.
//! Invariant: only whoever talks to the customer may send him on, and only to where the session itself could call.

use acd::api::EnqueueError;
use model::{
    AgentId, Cause, Change, Destination as Whither, Ending, LegId, Now, Party, QueueName, SessionId, Side,
};
use sip_core::api::{CallId, IncomingCall, Referral};

use crate::engine::Engine;
use crate::leg::{Leg, OwnerReason, Role};
use crate::park::Slot;
use crate::session::{Queued, Session};

/// One transfer under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    /// The call of whoever asked for it, which hears of the progress.
    call: CallId,
}

/// Where a REFER may send a customer.
enum Destination {
    Agent(String),
    Queue(QueueName),
    Number(String),
    /// Whom he consults.
    Consulted,
    /// This slot, or any.
    Park(Option<Slot>),
}

impl Session {
    /// Those who shall take the customer over and have not answered. Whoever has, may be sending him on himself.
    fn called_to_take_over(&self) -> impl Iterator<Item = &Leg> {
        self.each_leg().filter(|leg| !leg.is_up() && leg.role().as_ref().is_some_and(Role::is_transfer))
    }
}

impl Engine {
    pub(crate) fn call_refer(&mut self, now: Now, call: CallId, referral: &Referral) {
        let Some((id, leg)) = self.at(call) else { return self.sip.reject_refer(now, call, 481) };
        let destination = match self.destination(now, id, leg, referral) {
            Ok(destination) => destination,
            Err(status) => return self.sip.reject_refer(now, call, status),
        };
        if let Destination::Park(place) = destination {
            if !self.park(now, id, call, place) {
                self.sip.reject_refer(now, call, 486);
            }
            return;
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.transfer = Some(Transfer { call });
        }
        let started = match destination {
            Destination::Agent(login) => self.transfer_to_agent(now, id, &login),
            Destination::Number(number) => {
                let leg = self.transfer_to_number(now, id, &number);
                if let Some((leg, login)) = leg.zip(self.login_of(id)) {
                    self.charge_to(id, leg, login);
                }
                leg.is_some()
            }
            Destination::Queue(queue) => {
                self.sip.accept_refer(now, call);
                return self.back_to_queue(now, id, queue);
            }
            Destination::Consulted => {
                self.sip.accept_refer(now, call);
                return self.join_consulted(now, id);
            }
            Destination::Park(_) => false,
        };
        if started {
            self.sip.accept_refer(now, call);
        } else {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.transfer = None;
            }
            self.sip.reject_refer(now, call, 480);
        }
    }

    /// Whether he may transfer at all, and to where; else what he is told.
    fn destination(
        &mut self,
        now: Now,
        id: SessionId,
        leg: LegId,
        referral: &Referral,
    ) -> Result<Destination, u16> {
        let session = self.sessions.get(&id).filter(|session| session.ended.is_none()).ok_or(481_u16)?;
        let talk = session.owner.and_then(|owner| session.talk_of(owner)).ok_or(603_u16)?;
        if session.transfer.is_some() {
            return Err(491);
        }
        if let Some(replaced) = referral.replaces {
            return self.consulted_by(id, session, [Some(leg), self.at(replaced).map(|(_, leg)| leg)]);
        }
        if talk.id != leg || referral.replaces_elsewhere.is_some() {
            return Err(603);
        }
        // Another centre's anna is not ours.
        let user = referral.user.as_deref().ok_or(403_u16)?;
        if let Some(place) = self.parking_place(user) {
            return Ok(Destination::Park(place));
        }
        if self.logins.contains_key(user) {
            return Ok(Destination::Agent(user.to_owned()));
        }
        if let Some(queue) = self.acd.queues(now).into_iter().find(|queue| &*queue.name.0 == user) {
            return match self.acd.room_in(&queue.name) {
                Ok(()) => Ok(Destination::Queue(queue.name)),
                Err(EnqueueError::Full) => Err(486),
                Err(EnqueueError::UnknownQueue) => Err(404),
            };
        }
        // Checked as every call that he could ask for.
        match self.number_to_call(id, user) {
            Ok(number) => {
                let login = self.login_of(id).unwrap_or_default();
                self.sip.charge(now, &login, &number).map(|()| Destination::Number(number))
            }
            Err(refusal) if refusal.code == "bad_phone" => Err(404),
            Err(_) => Err(403),
        }
    }

    /// The two calls of an attended transfer are his with the customer and his consultation, in whichever order.
    fn consulted_by(
        &self,
        id: SessionId,
        session: &Session,
        calls: [Option<LegId>; 2],
    ) -> Result<Destination, u16> {
        let talk = session.owner.and_then(|owner| session.talk_of(owner)).map(|leg| leg.id);
        let own = session.consulting().map(|leg| leg.id);
        let both = calls == [talk, own] || calls == [own, talk];
        let same_session = calls.iter().flatten().all(|leg| self.legs.get(leg) == Some(&id));
        let there = own.is_some() && session.consulted().next().is_some();
        if both && same_session && there { Ok(Destination::Consulted) } else { Err(603) }
    }

    /// The customer and whoever was consulted go on without him. One who has not answered yet may still do so.
    fn join_consulted(&mut self, now: Now, id: SessionId) {
        let agent = self.sessions.get(&id).and_then(|session| match session.consulted().next()?.party {
            Party::Agent { agent } => Some(agent),
            Party::Customer | Party::External => None,
        });
        match self.consulted_takes_over(id) {
            Some(leg) => {
                self.transferred(now, id, leg);
                self.transfer_answered(now, id, leg);
            }
            None => self.end_consultation(now, id),
        }
        if let Some(agent) = agent {
            self.consultation_over(now, agent);
        }
    }

    fn login_of(&self, id: SessionId) -> Option<String> {
        let owner = self.sessions.get(&id)?.owner?;
        Some(self.agents.get(&owner)?.setup.login.clone())
    }

    /// The customer waits in this queue, and whoever served him is free.
    fn back_to_queue(&mut self, now: Now, id: SessionId, queue: QueueName) {
        self.transfer_over(now, id, 200);
        self.end_aside(now, id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let owner = session.owner.take();
        let legs: Vec<LegId> = session.agent_voice_legs().map(|leg| leg.id).collect();
        for leg in legs {
            self.hang_up(now, leg, Cause::Replaced, Side::System);
        }
        self.end_consultation(now, id);
        self.dismiss_guests(now, id);
        self.acd.release(now, id);
        if let Some(owner) = owner {
            self.show_desk(owner);
            let to = Whither::Queue { queue: queue.clone() };
            self.journal(now, id, Change::Transferred { by: owner, to });
        }
        self.journal(now, id, Change::OwnerChanged { agent: None });
        let place = Queued {
            queue,
            priority: 0,
            since: now.instant,
            since_wall: now.wall,
            music: None,
            asks: Box::default(),
        };
        if !self.improve_place(now, id, place) {
            return self.nobody_serves(now, id);
        }
        self.play_waiting(now, id);
        self.visitor_state(now, id);
    }

    pub(crate) fn transfer_rings(&mut self, now: Now, id: SessionId, leg: LegId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let role = session.legs.get(&leg).and_then(|leg| leg.voice()).map(|voice| &voice.role);
        let is_target = role.is_some_and(Role::is_transfer);
        if let (Some(Transfer { call }), true) = (session.transfer, is_target) {
            self.sip.refer_progress(now, call, 180);
        }
    }

    /// The new party is there: whoever sent the customer on is told so, and is out of the call.
    pub(crate) fn transferred(&mut self, now: Now, id: SessionId, leg: LegId) {
        if !self.transfer_over(now, id, 200) {
            return;
        }
        self.end_aside(now, id);
        self.let_all_be_heard(now, id);
        // Whichever device he talks on by now.
        self.hang_up_other_devices(now, id, leg);
        self.end_consultation(now, id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.owner_lost_until = None;
        let to = match session.legs.get(&leg).map(|leg| &leg.party) {
            Some(Party::Agent { agent }) => Some(Whither::Agent { agent: *agent }),
            Some(Party::External) => Some(Whither::Number),
            Some(Party::Customer) | None => None,
        };
        let Some(owner) = session.owner.take() else { return };
        let outside = to == Some(Whither::Number);
        if let Some(to) = to {
            self.journal(now, id, Change::Transferred { by: owner, to });
        }
        if outside {
            // Nobody of ours serves the customer any more.
            self.acd.finish(now, id);
            self.journal(now, id, Change::OwnerChanged { agent: None });
        } else {
            // The wrap-up of the session is for whoever has it last.
            self.acd.release(now, id);
        }
        self.show_desk(owner);
    }

    /// Nobody took the customer. True when there was a transfer; then he has been cared for.
    pub(crate) fn transfer_failed(&mut self, now: Now, id: SessionId, ending: &Ending) -> bool {
        let Some(session) = self.sessions.get(&id).filter(|session| session.transfer.is_some()) else {
            return false;
        };
        if session.called_to_take_over().next().is_some() {
            return true;
        }
        let status = ending.sip_status.filter(|status| *status >= 300).unwrap_or(480);
        self.transfer_over(now, id, status);
        let Some(session) = self.sessions.get(&id).filter(|session| session.ended.is_none()) else {
            return true;
        };
        let waits = session.customer_voice().is_some_and(|leg| leg.is_up());
        if waits && session.talking_partner().is_none() && !self.guest_takes_over(now, id) {
            // He has hung up in the meantime, and gets the customer back.
            self.owner_lost(now, id);
        }
        true
    }

    /// Nobody is called for the customer any more: he is in other hands.
    pub(crate) fn withdraw_transfer(&mut self, now: Now, id: SessionId) {
        if !self.transfer_over(now, id, 487) {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        let called: Vec<LegId> = session.called_to_take_over().map(|leg| leg.id).collect();
        for leg in called {
            self.hang_up(now, leg, Cause::Cancelled, Side::System);
        }
    }

    /// Whether there was one.
    fn transfer_over(&mut self, now: Now, id: SessionId, status: u16) -> bool {
        let transfer = self.sessions.get_mut(&id).and_then(|session| session.transfer.take());
        if let Some(Transfer { call }) = transfer {
            self.sip.refer_progress(now, call, status);
        }
        transfer.is_some()
    }

    /// An INVITE with Replaces: an operator goes on with the call on another device, takes it from a colleague, or takes what rings at
    /// one. RFC 3891
    pub(crate) fn take_over(&mut self, now: Now, incoming: IncomingCall, replaced: CallId) {
        let found = self.operator_behind(&incoming).zip(self.at(replaced));
        match found {
            Some((agent, (id, leg))) if self.is_served_by(id, leg) => {
                self.operators_leg(now, id, agent, incoming, Role::Owner(OwnerReason::Reconnect), true);
            }
            Some((agent, (id, leg))) if let Some(what) = self.rings_at(id, leg) => {
                self.pick_up(now, id, agent, what, incoming);
            }
            Some(_) | None => self.sip.reject(now, incoming.call, 603, None),
        }
    }

    fn is_served_by(&self, id: SessionId, leg: LegId) -> bool {
        self.sessions.get(&id).is_some_and(|session| {
            let served =
                |leg: &Leg| leg.is_up() && !leg.is_beside() && matches!(leg.party, Party::Agent { .. });
            session.ended.is_none() && session.legs.get(&leg).map(Box::as_ref).is_some_and(served)
        })
    }

    /// The device that took a call over is up: the one that had it is out of it.
    pub(crate) fn taken_over(&mut self, now: Now, id: SessionId, leg: LegId) {
        let Some(agent) = self.agent_of(id, leg) else { return };
        if self.sessions.get(&id).is_some_and(|session| session.owner != Some(agent)) {
            self.withdraw_transfer(now, id);
            self.take_ownership(now, id, agent);
        }
        self.owner_up(now, id, leg);
    }

    pub(crate) fn agent_of(&self, id: SessionId, leg: LegId) -> Option<AgentId> {
        match self.sessions.get(&id)?.legs.get(&leg)?.party {
            Party::Agent { agent } => Some(agent),
            Party::Customer | Party::External => None,
        }
    }
}
