//! What is heard before the called party answers: a carrier's own tones and announcements, or our ring-back.
//!
//! Early media pass to whoever waits for the call: to the operator who phones a customer, to the customer who is sent on, also while he
//! is not answered himself (183). Of several forks the one that spoke last is heard; the answering one's media are what counts at the
//! end. Invariant: a description that does not fit ends nothing before the call is answered.

use media::api::{Command as MediaCommand, Prompt};
use model::{Change, LegId, Now, Party, SessionId};
use sip_core::api::CallId;

use crate::api::{EarlyMedia, Output};
use crate::engine::Engine;
use crate::leg::{Role, Step};

/// How far one call through a carrier has got before its answer.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Early {
    /// Somebody hears the carrier.
    pub passes: bool,
    /// Somebody hears our ring-back instead.
    ringback: bool,
    /// Early descriptions that media has not judged yet.
    unjudged: u32,
}

impl Early {
    /// Nothing is heard of the next carrier yet.
    pub fn anew(&mut self) {
        *self = Early { unjudged: self.unjudged, ..Early::default() };
    }
}

/// Who waits for a call of ours to be answered.
enum Waits {
    /// On the line already.
    Up(LegId),
    /// His own call has not been answered: with our description for him.
    Unanswered(LegId, CallId, Vec<u8>),
}

impl Engine {
    pub(crate) fn call_ringing(&mut self, now: Now, call: CallId, sdp: Option<Vec<u8>>) {
        let Some((id, leg)) = self.at(call) else { return };
        let found = self.sessions.get_mut(&id).and_then(|session| session.legs.get_mut(&leg));
        // However often a peer says so.
        if let Some(found) = found.filter(|leg| !leg.rang) {
            found.rang = true;
            if let Party::Agent { agent } = found.party {
                self.watches.changed(agent);
            }
            self.journal(now, id, Change::LegRinging { leg });
            self.transfer_rings(now, id, leg);
            if self.voice_of(id, leg).is_some_and(|voice| voice.role.is_consulted()) {
                self.consulted_rings(now, id);
            }
        }
        let role = self.sessions.get_mut(&id).and_then(|session| session.legs.get_mut(&leg)?.voice_mut());
        let Some(out) = role.and_then(|voice| voice.dialled.as_mut()) else { return };
        let passes = out.early.passes;
        let policy = out.trunk().and_then(|trunk| self.policies.get(trunk)).cloned().unwrap_or_default();
        match sdp.filter(|_| policy.early_media == EarlyMedia::Pass) {
            Some(sdp) => {
                out.early.unjudged = out.early.unjudged.saturating_add(1);
                self.put(Output::Media(MediaCommand::Answer { leg, sdp: sdp.into() }));
            }
            None if !passes => self.ring_back(now, id, leg),
            None => {}
        }
    }

    /// Media has looked at a description of the peer. True when it was an early one: then it is dealt with.
    pub(crate) fn early_judged(&mut self, now: Now, id: SessionId, leg: LegId, fits: bool) -> bool {
        let Some(early) = self.early_of(id, leg).filter(|early| early.unjudged > 0) else { return false };
        early.unjudged -= 1;
        let passes = early.passes;
        if self.voice_of(id, leg).is_some_and(|voice| voice.step == Step::Calling) {
            if fits && !passes {
                self.let_through(now, id, leg);
            } else if !fits && !passes {
                self.ring_back(now, id, leg);
            }
        }
        true
    }

    /// The call is over, or tried through another carrier: what was heard of it is heard no more.
    pub(crate) fn early_over(&mut self, id: SessionId, leg: LegId) {
        let Some(early) = self.early_of(id, leg) else { return };
        let ringback = early.ringback;
        let passed = early.passes;
        early.anew();
        if passed {
            self.put(Output::Media(MediaCommand::Disconnect { leg }));
            self.arrange(id);
        }
        if let (true, Some(Waits::Up(other))) = (ringback, self.who_waits(id, leg)) {
            self.stop_playing(id, other);
        }
    }

    fn let_through(&mut self, now: Now, id: SessionId, leg: LegId) {
        let other = match self.who_waits(id, leg) {
            None => return,
            Some(Waits::Up(other)) => {
                self.stop_playing(id, other);
                other
            }
            Some(Waits::Unanswered(other, call, sdp)) => {
                self.sip.ring(now, call, 183, Some(sdp));
                other
            }
        };
        if let Some(early) = self.early_of(id, leg) {
            early.passes = true;
            early.ringback = false;
        }
        self.arrange(id);
        // In a conference it is heard by all.
        if self.sessions.get(&id).is_some_and(|session| session.room.is_empty()) {
            self.put(Output::Media(MediaCommand::Connect { a: leg, b: other }));
        }
    }

    /// Whoever waits hears that it rings. Who is not answered has his phone tell him so (180).
    fn ring_back(&mut self, now: Now, id: SessionId, leg: LegId) {
        let Some(Waits::Up(other)) = self.who_waits(id, leg) else { return };
        if self.voice_of(id, other).is_some_and(|voice| voice.playback.is_some()) {
            return;
        }
        if let Some(early) = self.early_of(id, leg) {
            early.ringback = true;
        }
        self.play(now, id, other, vec![Prompt::Ringback], true);
    }

    fn who_waits(&self, id: SessionId, leg: LegId) -> Option<Waits> {
        let session = self.sessions.get(&id)?;
        let waits = match &session.legs.get(&leg)?.voice()?.role {
            Role::CustomerOut => session.agent_voice_legs().find(|leg| leg.is_up())?,
            // Whoever is still spoken to hears whom he talks to.
            Role::TransferOut if session.talking_partner().is_none() => session.customer_voice()?,
            Role::TransferOut
            | Role::CustomerIn
            | Role::Offer(_)
            | Role::Owner(_)
            | Role::TransferAgent
            | Role::PickUp(_)
            | Role::Consults
            | Role::ConsultAgent
            | Role::ConsultOut
            | Role::GuestAgent
            | Role::GuestOut
            | Role::Supervises(_) => return None,
        };
        if waits.is_up() {
            return Some(Waits::Up(waits.id));
        }
        let voice = waits.voice().filter(|voice| voice.step == Step::Described && !voice.late_offer)?;
        Some(Waits::Unanswered(waits.id, voice.call?, voice.local_sdp.as_ref()?.to_vec()))
    }

    fn early_of(&mut self, id: SessionId, leg: LegId) -> Option<&mut Early> {
        Some(&mut self.voice_of(id, leg)?.dialled.as_mut()?.early)
    }
}
