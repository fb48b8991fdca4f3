//! How legs and sessions end, and what one ending means for the others.

use model::{Author, Cause, Change, Ending, Left, LegId, Medium, Now, Party, SessionId, Side};

use crate::api::{Output, VisitorEvent, VisitorState};
use crate::callback::CutOff;
use crate::engine::Engine;
use crate::leg::{Line, OwnerReason, Role};
use crate::timers::Timer;

impl Engine {
    /// The customer's call is over (or the one that we tried to make to him).
    pub(crate) fn customer_voice_gone(
        &mut self,
        now: Now,
        id: SessionId,
        leg: LegId,
        (called, was_up): (bool, bool),
        ending: Ending,
    ) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.ended.is_none()) else {
            return;
        };
        if ending.cause == Cause::Replaced && session.customer_voice().is_some() {
            // He is on another line by now.
            return;
        }
        let was_parked = session.parked.is_some();
        let operator_there = session.talking_partner().is_some();
        let flow_was_his = session.flow.as_ref().is_some_and(|flow| flow.leg == leg);
        session.owner_lost_until = None;
        session.call_when_owner_is_up = None;
        let has_chat = session.chat().is_some();
        let others: Vec<LegId> = session
            .each_leg()
            .filter(|leg| {
                !leg.is_customer()
                    && !leg.voice().is_some_and(|v| matches!(v.role, Role::Offer(_)) && !leg.is_up())
            })
            .map(|leg| leg.id)
            .collect();
        if flow_was_his {
            self.flow_hung_up(now, id);
        }
        if was_parked {
            self.unpark(now, id);
        }
        for other in others {
            self.hang_up_because(now, other, ending.clone());
        }
        self.stop_recording(id);
        let promised = self.sessions.get(&id).is_some_and(|session| session.callback.is_some());
        if promised && called && !was_up {
            if has_chat {
                self.say(now, id, Author::System, "call_failed".to_owned(), Vec::new(), None);
            }
            return self.callback_failed(now, id, operator_there.then_some(ending));
        }
        if self.cut_off(now, id, &ending) {
            return;
        }
        if has_chat {
            if !was_up {
                self.say(now, id, Author::System, "call_failed".to_owned(), Vec::new(), None);
            }
            self.customer_media_changed(now, id);
            self.visitor_state(now, id);
            let nobody = self.sessions.get(&id).is_some_and(|session| {
                session.owner.is_none() && session.queued.is_none() && session.flow.is_none()
            });
            if nobody && !self.serve_chat_by_flow(now, id) {
                self.end_session(now, id, ending);
                return;
            }
            let owner = self.sessions.get(&id).and_then(|session| session.owner);
            if owner.and_then(|owner| self.agents.get(&owner)).is_some_and(|owner| !owner.desk_open) {
                // His desk went during the call.
                self.wait_for_owner(now, id);
            }
        }
        self.maybe_end(now, id, ending);
    }

    /// Whoever the customer was talking to is gone.
    pub(crate) fn partner_gone(&mut self, now: Now, id: SessionId, ending: Ending) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.ended.is_some() || session.talking_partner().is_some() {
            return;
        }
        let customer = session.customer_voice().map(|leg| (leg.id, leg.is_up()));
        let moving = self.is_moving(id);
        let Some(session) = self.sessions.get(&id) else { return };
        let meant = matches!(
            ending.cause,
            Cause::HungUp | Cause::Cancelled | Cause::Completed | Cause::Refused | Cause::Merged
        );
        if ending.cause == Cause::Replaced {
            return;
        }
        let Some((customer, customer_up)) = customer else {
            if let Some(agent) = session.owner {
                self.asking_over(now, id, &Party::Agent { agent });
            }
            return;
        };
        if session.transfer.is_some() && customer_up {
            // Somebody else is being called for him.
            return self.wait_if_alone(now, id);
        }
        if moving && customer_up {
            // His other device rings.
            return self.wait_if_alone(now, id);
        }
        let lost = !meant && session.owner.is_some();
        if customer_up && !lost && self.guest_takes_over(now, id) {
            return;
        }
        if customer_up && self.flow_after_contact(now, id, customer, &ending) {
            return;
        }
        let Some(session) = self.sessions.get(&id) else { return };
        if meant || session.owner.is_none() || !customer_up {
            self.hang_up_because(now, customer, ending);
            return;
        }
        self.owner_lost(now, id);
    }

    /// The operator's device died: the customer stays, with music, and the operator is waited for.
    pub(crate) fn owner_lost(&mut self, now: Now, id: SessionId) {
        self.wait_for_device(now, id, OwnerReason::Reconnect);
    }

    /// He is rung, and waited for until the grace time is over.
    pub(crate) fn wait_for_device(&mut self, now: Now, id: SessionId, reason: OwnerReason) {
        let until = now.instant + self.config.agent_grace;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(owner) = session.owner else { return };
        session.owner_lost_until = Some(until);
        self.timers.set(until, Timer::OwnerGrace(id));
        self.wait_if_alone(now, id);
        self.show_desk(owner);
        self.ring_owner(now, id, owner, reason);
    }

    /// A device of the owner stopped ringing without an answer.
    pub(crate) fn owner_leg_gone(&mut self, now: Now, id: SessionId, reason: OwnerReason) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.ended.is_some() || session.agent_voice_legs().next().is_some() {
            return;
        }
        match reason {
            // He is waited for until the grace time is over, whatever became of this device.
            OwnerReason::Reconnect | OwnerReason::ParkedTooLong => {}
            OwnerReason::Moved => self.owner_lost(now, id),
            OwnerReason::Consult => {
                if let Some(agent) = session.owner {
                    self.asking_over(now, id, &Party::Agent { agent });
                }
            }
            OwnerReason::Escalation | OwnerReason::CallCustomer => self.escalation_failed(now, id),
        }
    }

    /// The session cannot be turned into a call just now; what was there before goes on.
    pub(crate) fn escalation_failed(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.call_when_owner_is_up = None;
        if session.callback.is_some() && session.customer_voice().is_none() {
            return self.callback_failed(now, id, None);
        }
        let has_chat = session.chat().is_some();
        let has_queue = session.queue_name.is_some() && session.owner.is_some();
        match session.customer_voice().map(|leg| leg.id) {
            // He is on the phone and nobody is there: somebody else takes the whole session.
            Some(_) if has_queue => self.owner_is_no_more(now, id),
            Some(leg) => self.hang_up(now, leg, Cause::NoAnswer, Side::Agent),
            None if has_chat => {
                self.say(now, id, Author::System, "call_failed".to_owned(), Vec::new(), None);
            }
            None => {}
        }
    }

    /// Ends the session when the customer has nothing left in it.
    pub(crate) fn maybe_end(&mut self, now: Now, id: SessionId, ending: Ending) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.ended.is_some() || !session.media().is_empty() || session.cut_off.is_some() {
            return;
        }
        // Somebody is being brought to the phone for him.
        if session.call_when_owner_is_up.is_some() {
            return;
        }
        let waiting = session.queued.is_some() || !session.offers.is_empty();
        let by_customer = ending.by == Side::Customer;
        let ending =
            if waiting && by_customer { Ending { cause: Cause::Abandoned, ..ending } } else { ending };
        self.end_session(now, id, ending);
    }

    /// Ends everything of the session. What remains is its recording to be closed and its wrap-up.
    pub(crate) fn end_session(&mut self, now: Now, id: SessionId, ending: Ending) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.ended.is_some() {
            return;
        }
        session.ended = Some(ending.clone());
        session.flow = None;
        session.owner_lost_until = None;
        session.call_when_owner_is_up = None;
        session.callback = None;
        if let Some(CutOff { place, .. }) = session.cut_off.take() {
            session.queued = Some(place);
        }
        let customer = session.customer.customer;
        let legs: Vec<LegId> = session.legs.keys().copied().collect();
        let chat = session.chat();
        if session.owner.is_none() {
            self.acd.remove(now, id);
        }
        self.unpark(now, id);
        self.dequeued(now, id, why_left(&ending));
        for leg in legs {
            self.end_leg(now, id, leg, &ending);
        }
        self.stop_recording(id);
        self.leave_customer(customer, id);
        self.forget_token(id);
        if let Some(code) = self.sessions.get_mut(&id).and_then(|session| session.code.take()) {
            self.codes.remove(&code);
        }
        self.journal(now, id, Change::SessionEnded { ending });
        if let Some((_, visitor)) = chat {
            self.remember_closed(id, visitor);
            let state = VisitorEvent::State { session: Some(id), state: VisitorState::Closed };
            self.put(Output::ToVisitor { visitor, event: state });
            if let Some(found) = self.visitors.get_mut(&visitor)
                && found.session == Some(id)
            {
                found.session = None;
                if !found.connected && found.resolving.is_none() {
                    self.visitors.remove(&visitor);
                }
            }
        }
        if let Some(owner) = self.sessions.get_mut(&id).and_then(|session| session.owner.take()) {
            self.acd.finish(now, id);
            self.show_desk(owner);
        }
        self.sweep_later(id);
    }

    fn end_leg(&mut self, now: Now, id: SessionId, leg: LegId, ending: &Ending) {
        let is_chat = self
            .sessions
            .get(&id)
            .and_then(|session| session.legs.get(&leg))
            .is_some_and(|leg| leg.medium == Medium::Chat);
        if is_chat {
            self.end_chat_leg(now, id, leg, ending.clone());
        } else {
            self.hang_up_because(now, leg, ending.clone());
        }
    }

    pub(crate) fn end_chat_leg(&mut self, now: Now, id: SessionId, leg: LegId, ending: Ending) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.legs.get(&leg).is_some_and(|leg| matches!(leg.line, Line::Chat(_))) {
            return;
        }
        session.legs.remove(&leg);
        self.legs.remove(&leg);
        self.journal(now, id, Change::LegEnded { leg, ending });
        self.sweep_later(id);
    }

    /// Everything stops at once. Calls end; chats are open again after the restart.
    pub(crate) fn stop(&mut self, now: Now) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            let ending = Ending::new(Cause::Restarted, Side::System);
            let Some(session) = self.sessions.get(&id) else { continue };
            if session.ended.is_none() && session.chat().is_none() && session.callback.is_none() {
                self.end_session(now, id, ending);
                continue;
            }
            let voice: Vec<LegId> =
                session.each_leg().filter(|leg| leg.medium == Medium::Voice).map(|leg| leg.id).collect();
            for leg in voice {
                self.hang_up(now, leg, Cause::Restarted, Side::System);
            }
            self.stop_recording(id);
        }
    }
}

/// Why a contact waits no more that ends like this.
fn why_left(ending: &Ending) -> Left {
    match (ending.cause, ending.by) {
        (Cause::Merged, _) => Left::Joined,
        (_, Side::Flow) => Left::Overflowed,
        // A chat without a word for so long has nobody left who would wait.
        (_, Side::Customer) | (Cause::Idle, _) => Left::Abandoned,
        (_, Side::Agent | Side::Carrier | Side::System) => Left::Dropped,
    }
}
