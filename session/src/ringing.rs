//! Calls of our own: whom they ring, what they offer, and how they are answered.

use std::time::Duration;

use media::api::{Channel, Command as MediaCommand, Encryption, LegKind, Prompt};
use model::{AgentId, Cause, Change, Ending, LegId, Now, Party, SessionId, Side};
use sip_core::api::{Binding, CallId, OutgoingCall, Target, Transport};

use crate::api::Output;
use crate::devices::STEP;
use crate::engine::{Agent, Engine};
use crate::leg::{Line, OwnerReason, Role, Step, Voice};
use crate::session::Session;
use crate::trunks::Dialled;

/// The ACD's own deadline ends an offer; this only bounds what it could not.
const OFFER_RING: Duration = Duration::from_secs(120);
const OWNER_RING: Duration = Duration::from_secs(30);

impl Engine {
    pub(crate) fn ring_owner(
        &mut self,
        now: Now,
        id: SessionId,
        owner: AgentId,
        reason: OwnerReason,
    ) -> usize {
        self.ring_agent(now, id, owner, Role::Owner(reason))
    }

    pub(crate) fn ring_device(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        role: Role,
        binding: &Binding,
    ) {
        let kind = match binding.hop.transport {
            Transport::Ws | Transport::Wss => LegKind::WebRtc,
            Transport::Udp | Transport::Tcp | Transport::Tls => {
                let setup = self.agents.get(&agent).map(|agent| agent.setup.encryption);
                LegKind::Rtp { nat: true, encryption: setup.unwrap_or_default() }
            }
        };
        self.outgoing_leg(
            now,
            id,
            Party::Agent { agent },
            binding.aor.clone(),
            Voice::outgoing(role, Some(binding), None),
            role.channel(),
            kind,
        );
    }

    pub(crate) fn call_number(
        &mut self,
        now: Now,
        id: SessionId,
        party: Party,
        dialled: Dialled,
        role: Role,
    ) -> LegId {
        let number = dialled.number.clone();
        let voice = Voice::outgoing(role, None, Some(dialled));
        // Which carrier it will be, and what that one wants, is found out later.
        let kind = LegKind::Rtp { nat: false, encryption: Encryption::default() };
        self.outgoing_leg(now, id, party, number, voice, role.channel(), kind)
    }

    #[allow(clippy::too_many_arguments)]
    fn outgoing_leg(
        &mut self,
        now: Now,
        id: SessionId,
        party: Party,
        address: String,
        voice: Voice,
        channel: Channel,
        kind: LegKind,
    ) -> LegId {
        let leg = LegId::new(now.wall, self.random());
        self.add_leg(now, id, leg, party, address, Line::Voice(Box::new(voice)));
        self.put(Output::Media(MediaCommand::Open {
            leg,
            session: id,
            channel,
            kind,
            offer: None,
            codecs: Vec::new(),
        }));
        leg
    }

    pub(crate) fn send_invite(&mut self, now: Now, id: SessionId, leg: LegId, sdp: Vec<u8>) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (caller, caller_name) = self.shown_caller(session, leg);
        let Some(rung) = session.legs.get(&leg) else { return };
        let party = rung.party.clone();
        let Some(voice) = rung.voice() else { return };
        if voice.dialled.is_some() {
            return self.call_through_next(now, id, leg, None);
        }
        let mut headers = vec![("X-Tandem-Session".to_owned(), id.to_string())];
        let reason = match &voice.role {
            Role::Offer(offer) => {
                headers.push(("X-Tandem-Offer".to_owned(), offer.to_string()));
                let auto = matches!(party, Party::Agent { agent } if self.answers_by_himself(agent));
                if auto {
                    // What desk phones of different makers look for.
                    headers.push(("Call-Info".to_owned(), "<sip:tandem.invalid>;answer-after=0".to_owned()));
                    let ring = "<http://tandem.invalid>;info=alert-autoanswer;delay=0";
                    headers.push(("Alert-Info".to_owned(), ring.to_owned()));
                }
                "offer"
            }
            Role::Owner(reason) => {
                let muted = *reason == OwnerReason::Reconnect && session.owner_was_muted;
                if muted && self.rings_a_browser(id, leg) {
                    headers.push(("X-Tandem-Muted".to_owned(), "yes".to_owned()));
                }
                reason.header()
            }
            Role::TransferAgent => "transfer",
            Role::ConsultAgent => "consult",
            Role::GuestAgent if session.aside => "consult",
            Role::GuestAgent => "conference",
            Role::Supervises(_) => "supervise",
            Role::CustomerIn
            | Role::CustomerOut
            | Role::TransferOut
            | Role::Consults
            | Role::ConsultOut
            | Role::GuestOut
            | Role::PickUp(_) => return,
        };
        headers.push(("X-Tandem-Reason".to_owned(), reason.to_owned()));
        let Some(binding) = voice.binding else { return };
        let ring_timeout = match (&party, &voice.role) {
            (Party::Agent { agent }, _) if self.has_less_liked(*agent, voice.q) => STEP,
            (_, Role::Offer(_)) => OFFER_RING,
            _ => OWNER_RING,
        };
        let call = OutgoingCall {
            target: Target::Binding(binding),
            caller,
            caller_name,
            identity: Default::default(),
            sdp,
            headers,
            ring_timeout,
            silence: None,
            options: Default::default(),
        };
        match self.sip.invite(now, call, self.call_in(id)) {
            Ok(call) => {
                self.add_call(id, leg, call);
                if let Some(voice) = self.voice_of(id, leg) {
                    voice.call = Some(call);
                    voice.step = Step::Calling;
                }
            }
            Err(error) => {
                tracing::warn!(%leg, %error, "cannot call");
                self.leg_ended(now, id, leg, Ending::new(Cause::Failed, Side::System));
            }
        }
    }

    /// Who calls: the customer, or the colleague who asks something.
    fn shown_caller(&self, session: &Session, leg: LegId) -> (String, Option<String>) {
        let role = session.legs.get(&leg).and_then(|leg| leg.role());
        let consulted = matches!(role, Some(Role::ConsultAgent | Role::GuestAgent));
        let asks = session.owner.filter(|_| consulted).and_then(|owner| self.agents.get(&owner));
        match asks {
            Some(Agent { setup, .. }) => (setup.login.clone(), Some(setup.name.clone())),
            None => {
                let number = session.customer.phone().unwrap_or("anonymous");
                (number.to_owned(), session.customer.name.clone())
            }
        }
    }

    pub(crate) fn call_answered(&mut self, now: Now, call: CallId, sdp: Option<Vec<u8>>) {
        let Some((id, leg)) = self.at(call) else {
            self.sip.hangup(now, call, Cause::Failed, Side::System);
            return;
        };
        let Some(sdp) = sdp else {
            self.sip.hangup(now, call, Cause::Incompatible, Side::System);
            return;
        };
        self.put(Output::Media(MediaCommand::Answer { leg, sdp: sdp.into() }));
        self.note_try(now, id, leg, "answered".to_owned());
        let Some(voice) = self.voice_of(id, leg) else { return };
        voice.step = Step::Up;
        if let Some(dialled) = voice.dialled.as_mut() {
            dialled.early.anew();
        }
        let role = voice.role;
        match role {
            Role::Offer(offer) => {
                if self.acd.accept(now, offer) {
                    self.leg_up(now, id, leg);
                } else {
                    // The offer was over before the answer came: the customer is somebody else's by now.
                    self.sip.hangup(now, call, Cause::Cancelled, Side::System);
                }
            }
            Role::Owner(reason) => {
                self.leg_up(now, id, leg);
                if reason == OwnerReason::Reconnect {
                    self.stay_muted(now, id, leg);
                }
                self.owner_up(now, id, leg);
            }
            Role::CustomerOut => {
                self.leg_up(now, id, leg);
                self.callback_reached(now, id);
                self.customer_media_changed(now, id);
                self.bring_together(now, id);
            }
            Role::TransferAgent if !self.is_free_for_transfer(id, leg) => {
                self.hang_up(now, leg, Cause::Cancelled, Side::System);
            }
            Role::TransferAgent | Role::TransferOut => {
                self.leg_up(now, id, leg);
                self.transferred(now, id, leg);
                self.transfer_answered(now, id, leg);
            }
            Role::ConsultAgent | Role::ConsultOut => self.consulted_answers(now, id, leg),
            Role::GuestAgent | Role::GuestOut => self.guest_answers(now, id, leg),
            Role::Supervises(_) => self.supervisor_answers(now, id, leg),
            Role::CustomerIn | Role::Consults | Role::PickUp(_) => {}
        }
    }

    fn rings_a_browser(&self, id: SessionId, leg: LegId) -> bool {
        let leg = self.sessions.get(&id).and_then(|session| session.legs.get(&leg));
        let Some((leg, voice)) = leg.and_then(|leg| Some((leg, leg.voice()?))) else { return false };
        self.sip
            .bindings(&leg.address)
            .any(|binding| Some(binding.id) == voice.binding && binding.hop.transport.is_websocket())
    }

    /// Who had muted himself is not heard by surprise when he comes back. Only the console's phone can undo it.
    fn stay_muted(&mut self, now: Now, id: SessionId, leg: LegId) {
        let browser = self.rings_a_browser(id, leg);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !std::mem::take(&mut session.owner_was_muted) || !browser {
            return;
        }
        if let Some(back) = session.legs.get_mut(&leg) {
            back.muted = true;
        }
        self.put(Output::Media(MediaCommand::Mute { leg, muted: true }));
        self.journal(now, id, Change::LegMuted { leg, muted: true });
    }

    /// The owner is on the line with this leg; his other devices stop ringing.
    pub(crate) fn owner_up(&mut self, now: Now, id: SessionId, leg: LegId) {
        self.hang_up_other_devices(now, id, leg);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.owner_lost_until = None;
        let number = session.call_when_owner_is_up.take();
        // Who has called by himself meanwhile is not called.
        let number = number.filter(|_| session.customer_voice().is_none());
        self.stays_aside(id, leg);
        if self.ask_as_wanted(now, id, leg) {
            return;
        }
        match number {
            Some(number) => {
                self.play(now, id, leg, vec![Prompt::Ringback], true);
                self.phone_customer(now, id, number);
            }
            None => self.bring_together(now, id),
        }
    }

    pub(crate) fn hang_up_other_devices(&mut self, now: Now, id: SessionId, keep: LegId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let others: Vec<LegId> =
            session.agent_voice_legs().map(|leg| leg.id).filter(|other| *other != keep).collect();
        for other in others {
            self.hang_up(now, other, Cause::Replaced, Side::System);
        }
    }
}
