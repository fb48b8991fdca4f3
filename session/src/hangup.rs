//! How legs end, by whose doing, and what follows for the session.

use media::api::Command as MediaCommand;
use model::{Cause, Change, Ending, LegId, Now, OfferOutcome, Party, SessionId, Side};
use sip_core::api::{CallId, final_status};

use crate::api::Output;
use crate::engine::Engine;
use crate::leg::{Line, Role};

impl Engine {
    pub(crate) fn hang_up(&mut self, now: Now, leg: LegId, cause: Cause, by: Side) {
        self.hang_up_because(now, leg, Ending::new(cause, by));
    }

    /// A leg ends because another one did: its peer is told what that one's said, in the words of SIP and of the telephone network.
    pub(crate) fn hang_up_because(&mut self, now: Now, leg: LegId, ending: Ending) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        let told = self.told_to_caller(id, leg, &ending);
        let Some(call) = self.voice_of(id, leg).map(|voice| voice.call) else { return };
        let mut ending = ending;
        if let Some(call) = call {
            // The stack's own `Ended` comes later and finds nothing left to do.
            self.calls.remove(&call);
            self.sip.hangup_because(now, call, told.clone().unwrap_or_else(|| ending.clone()));
        }
        if let Some(told) = told {
            ending = Ending { sip_status: Some(final_status(&told)), q850: told.q850, ..ending };
        }
        self.leg_ended(now, id, leg, ending);
    }

    /// A flow that ends a call which nobody has answered leaves it as whom it called last did: busy is busy.
    fn told_to_caller(&self, id: SessionId, leg: LegId, ending: &Ending) -> Option<Ending> {
        let session = self.sessions.get(&id)?;
        let caller = session.legs.get(&leg).filter(|leg| leg.is_customer() && !leg.is_up())?;
        let incoming = caller.voice().is_some_and(|voice| voice.role == Role::CustomerIn);
        session.transfer_ended.clone().filter(|_| incoming && ending.cause == Cause::Completed)
    }

    /// The leg is gone and nobody meant it.
    pub(crate) fn transport_lost(&mut self, now: Now, leg: LegId) {
        self.drop_leg(now, leg, Cause::Lost);
    }

    pub(crate) fn drop_leg(&mut self, now: Now, leg: LegId, cause: Cause) {
        self.hang_up(now, leg, cause, Side::System);
    }

    pub(crate) fn call_ended(&mut self, now: Now, call: CallId, ending: Ending) {
        if self.pending_call_ended(call) {
            return;
        }
        let Some(leg) = self.calls.remove(&call) else { return };
        if let Some(id) = self.legs.get(&leg).copied()
            && !self.fails_over(now, id, leg, &ending)
        {
            self.ring_less_liked(now, id, leg, &ending);
            self.leg_ended(now, id, leg, ending);
        }
    }

    pub(crate) fn leg_ended(&mut self, now: Now, id: SessionId, leg: LegId, ending: Ending) {
        self.early_over(id, leg);
        self.legs.remove(&leg);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(gone) = session.legs.remove(&leg) else { return };
        if let Party::Agent { agent } = gone.party {
            self.watches.leg_ended(agent, leg);
            if gone.is_up() && !gone.is_beside() {
                session.owner_was_muted = gone.muted;
            }
        }
        let party = gone.party.clone();
        self.asks_no_more(now, id, &party);
        self.put(Output::Media(MediaCommand::Close { leg }));
        self.note_quality(now, id, &gone);
        self.journal(now, id, Change::LegEnded { leg, ending: ending.clone() });
        self.sweep_later(id);
        let was_up = gone.is_up();
        let Line::Voice(voice) = gone.line else { return };
        if let Some(call) = voice.call {
            self.calls.remove(&call);
        }
        match voice.role {
            Role::CustomerIn => self.customer_voice_gone(now, id, leg, (false, was_up), ending),
            Role::CustomerOut => self.customer_voice_gone(now, id, leg, (true, was_up), ending),
            Role::Offer(_) | Role::Owner(_) | Role::TransferAgent | Role::TransferOut if was_up => {
                self.partner_gone(now, id, ending);
            }
            Role::PickUp(_) if was_up => self.partner_gone(now, id, ending),
            Role::PickUp(_) => {}
            Role::Consults => self.consulter_gone(now, id, &ending),
            Role::ConsultAgent | Role::ConsultOut => self.consulted_gone(now, id, &gone.party, &ending),
            Role::GuestAgent | Role::GuestOut => self.guest_gone(now, id, &gone.party),
            Role::Supervises(_) => self.supervisor_gone(now, id, &gone.party, was_up),
            Role::Offer(offer) => self.offer_leg_gone(now, id, offer, &ending),
            Role::Owner(reason) => self.owner_leg_gone(now, id, reason),
            Role::TransferAgent | Role::TransferOut => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.transfer_ended = Some(ending.clone());
                }
                if !self.transfer_failed(now, id, &ending) {
                    self.transfer_leg_gone(now, id);
                }
            }
        }
        self.arrange(id);
    }

    fn offer_leg_gone(&mut self, now: Now, id: SessionId, offer: model::OfferId, ending: &Ending) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let ringing = session.each_leg().any(|leg| leg.role() == Some(Role::Offer(offer)));
        let Some(live) = session.offers.iter_mut().find(|live| live.offer == offer) else { return };
        live.refused |= ending.cause == Cause::Refused && matches!(ending.sip_status, Some(486 | 600 | 603));
        if ringing {
            return;
        }
        if live.refused {
            self.acd.decline(now, offer);
        } else {
            self.acd.fail(now, offer);
        }
    }

    /// The offer came to nothing: whatever still rings for it stops.
    pub(crate) fn stop_offer_legs(
        &mut self,
        now: Now,
        id: SessionId,
        offer: model::OfferId,
        outcome: OfferOutcome,
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        let legs: Vec<LegId> = session
            .each_leg()
            .filter(|leg| !leg.is_up() && leg.voice().is_some_and(|voice| voice.role == Role::Offer(offer)))
            .map(|leg| leg.id)
            .collect();
        let (cause, by) = match outcome {
            OfferOutcome::Accepted => (Cause::Replaced, Side::System),
            // Of several who were rung another one was the first.
            OfferOutcome::Withdrawn if session.owner.is_some() => (Cause::Replaced, Side::System),
            OfferOutcome::Declined => (Cause::Refused, Side::Agent),
            OfferOutcome::TimedOut => (Cause::NoAnswer, Side::Agent),
            OfferOutcome::Withdrawn => (Cause::Cancelled, Side::Customer),
            OfferOutcome::Unreachable => (Cause::Lost, Side::System),
            OfferOutcome::AgentLeft => (Cause::Cancelled, Side::Agent),
        };
        for leg in legs {
            self.hang_up(now, leg, cause, by);
        }
    }
}
