//! Who hears whom: as long as two talk they are connected; with more, media mixes for each of them.
//!
//! | who hears | customer | who serves him | guest | supervisor |
//! |---|---|---|---|---|
//! | customer | | yes | yes | yes |
//! | who serves him | yes | | yes | yes |
//! | guest | yes | yes | yes | yes |
//! | supervisor: monitor | no | no | no | no |
//! | whisper | no | the operator | no | no |
//! | barge | yes | yes | yes | yes |
//!
//! (a column hears what its row says). A customer who waits aside hears nobody and is heard by nobody. Consultations that a phone
//! begins are not part of it. Invariant: media knows the conference as it is here.

use media::api::{Command as MediaCommand, Gain, Member};
use model::{Party, SessionId, Supervision};

use crate::api::Output;
use crate::engine::Engine;
use crate::leg::{Leg, Role};
use crate::session::Session;

impl Session {
    /// Who was called into the conversation, or rings for it.
    pub(crate) fn guests(&self) -> impl Iterator<Item = &Leg> {
        self.each_leg().filter(|leg| leg.role().is_some_and(Role::is_guest))
    }

    pub(crate) fn supervisors(&self) -> impl Iterator<Item = &Leg> {
        self.each_leg().filter(|leg| supervision(leg).is_some())
    }

    /// Nobody when the customer talks to one at most, and nobody listens.
    fn conference(&self) -> Vec<Member> {
        let customer = self.customer_voice().filter(|leg| leg.is_up() && !self.aside);
        // One who writes has no part in it, and one who waits aside does not.
        let without = self.aside || self.customer_voice().is_none();
        if self.ended.is_some() || customer.is_none() && !without {
            return Vec::new();
        }
        if !self.aside && !self.guests().chain(self.supervisors()).any(Leg::is_up) {
            return Vec::new();
        }
        let passes_early = |leg: &Leg| {
            leg.voice().and_then(|voice| voice.dialled.as_ref()).is_some_and(|dialled| dialled.early.passes)
        };
        let serves = |leg: &&Leg| !leg.is_customer() && !leg.is_beside() && leg.voice().is_some();
        let serving = self.each_leg().filter(serves).filter(|leg| leg.is_up() || passes_early(leg));
        let beside = self.guests().chain(self.supervisors()).filter(|leg| leg.is_up());
        let all: Vec<&Leg> = customer.into_iter().chain(serving).chain(beside).collect();
        let row = |listener: &Leg| {
            let heard = all.iter().filter(|speaker| speaker.id != listener.id && is_heard(speaker, listener));
            heard.map(|speaker| (speaker.id, Gain::FULL)).collect()
        };
        all.iter().map(|listener| Member { leg: listener.id, hears: row(listener) }).collect()
    }
}

impl Engine {
    /// Tells media of the conference, when it is another one than before.
    pub(crate) fn arrange(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let members = session.conference();
        if members == session.room {
            return;
        }
        let two = members.is_empty() && session.ended.is_none() && session.parked.is_none() && !session.aside;
        session.room.clone_from(&members);
        let customer = session.customer_voice().filter(|leg| two && leg.is_up()).map(|leg| leg.id);
        let partner = session.talking_partner().map(|leg| leg.id);
        self.put(Output::Media(MediaCommand::Room { session: id, members }));
        if let Some((customer, partner)) = customer.zip(partner) {
            self.put(Output::Media(MediaCommand::Connect { a: customer, b: partner }));
        }
    }
}

fn supervision(leg: &Leg) -> Option<Supervision> {
    leg.role().and_then(Role::supervision)
}

fn is_heard(speaker: &Leg, listener: &Leg) -> bool {
    match supervision(speaker) {
        None | Some(Supervision::Barge) => true,
        Some(Supervision::Monitor) => false,
        Some(Supervision::Whisper) => !listener.is_beside() && matches!(listener.party, Party::Agent { .. }),
    }
}
