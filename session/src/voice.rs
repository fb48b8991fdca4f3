//! SIP and media of every voice leg: descriptions, answers, hold, digits, and devices that come and go.

use std::time::Duration;

use dialplans::api::Input as FlowInput;
use media::api::{Command as MediaCommand, Direction, Event as MediaEvent};
use model::{Cause, Change, Ending, LegId, Now, Party, SessionId, Side};
use sip_core::api::{Binding, CallId};

use crate::api::Output;
use crate::engine::Engine;
use crate::leg::{Leg, OwnerReason, Role, Step, Voice};
use crate::timers::Timer;
use crate::view::LegState;

/// No audio for this long: nobody is there any more.
const DEAD: Duration = Duration::from_secs(300);
/// A browser that hangs up closes its media at once; its BYE may be a moment behind, and says whose doing it was.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Engine {
    pub(crate) fn handle_media(&mut self, now: Now, event: MediaEvent) {
        match event {
            MediaEvent::LocalSdp { leg, sdp, direction } => {
                let Some(id) = self.legs.get(&leg).copied() else { return };
                let Some(voice) = self.voice_of(id, leg) else { return };
                voice.local_sdp = Some(sdp.clone());
                let (step, call) = (voice.step, voice.call);
                match step {
                    Step::Describing { answer } => {
                        voice.step = Step::Described;
                        voice.agreed = !voice.late_offer;
                        if answer {
                            self.answer_customer(now, id, leg);
                        }
                    }
                    Step::Preparing => self.send_invite(now, id, leg, sdp.to_vec()),
                    Step::Up => {
                        if let Some(call) = call {
                            self.sip.accept_offer(now, call, sdp.to_vec());
                        }
                        self.direction_changed(now, id, leg, direction);
                    }
                    Step::Described | Step::AwaitingAck | Step::Calling => {}
                }
            }
            MediaEvent::Accepted { leg, direction } => {
                if let Some(id) = self.legs.get(&leg).copied()
                    && !self.early_judged(now, id, leg, true)
                {
                    if let Some(voice) = self.voice_of(id, leg) {
                        voice.agreed = true;
                    }
                    self.direction_changed(now, id, leg, direction);
                }
            }
            MediaEvent::Incompatible { leg, why } => self.incompatible(now, leg, &why),
            MediaEvent::HandshakeFailed { leg, why } => self.handshake_failed(now, leg, &why),
            MediaEvent::Flowing { .. } => {}
            MediaEvent::Quality { leg, now: current, whole, trouble } => {
                self.quality(now, leg, current, whole, trouble);
            }
            // A peer that vanished without a BYE would stay for ever.
            MediaEvent::Silent { leg, since } => {
                if since >= DEAD {
                    self.drop_leg(now, leg, Cause::MediaTimeout);
                }
            }
            MediaEvent::Digit { leg, digit, .. } => self.digit(now, leg, digit),
            MediaEvent::PlayingEnded { leg, playback, interrupted } => {
                if !interrupted {
                    self.playing_ended(now, leg, playback);
                }
            }
            MediaEvent::TransportLost { leg } => {
                self.timers.set(now.instant + LAST_WORDS, Timer::TransportLost(leg));
            }
            MediaEvent::RecordingEnded { recording, duration } => {
                self.recording_ended(now, recording, duration);
            }
            MediaEvent::RecordingFailed { recording, why, kept } => {
                self.recording_failed(now, recording, why, kept);
            }
            // Either our own Close, after which the leg is no longer indexed, or the leg could not be opened.
            MediaEvent::Closed { leg, .. } => self.drop_leg(now, leg, Cause::Failed),
        }
    }

    pub(crate) fn voice_of(&mut self, id: SessionId, leg: LegId) -> Option<&mut Voice> {
        self.sessions.get_mut(&id)?.legs.get_mut(&leg)?.voice_mut()
    }

    pub(crate) fn at(&self, call: CallId) -> Option<(SessionId, LegId)> {
        let leg = *self.calls.get(&call)?;
        Some((*self.legs.get(&leg)?, leg))
    }

    // --- the customer's own call ---

    /// 200 as soon as media has described our side.
    pub(crate) fn answer_customer(&mut self, now: Now, id: SessionId, leg: LegId) {
        if !self.may_be_picked_up(id, leg) {
            return self.hang_up(now, leg, Cause::Replaced, Side::System);
        }
        let Some(voice) = self.voice_of(id, leg) else { return };
        match voice.step {
            Step::Describing { .. } => voice.step = Step::Describing { answer: true },
            Step::Described => {
                let (Some(call), Some(sdp)) = (voice.call, voice.local_sdp.clone()) else { return };
                voice.step = if voice.late_offer { Step::AwaitingAck } else { Step::Up };
                let up = !voice.late_offer;
                self.sip.answer(now, call, sdp.to_vec());
                if up {
                    self.customer_up(now, id, leg);
                }
            }
            Step::Up => self.flow_input(now, id, FlowInput::Answered),
            Step::AwaitingAck | Step::Preparing | Step::Calling => {}
        }
    }

    pub(crate) fn call_confirmed(&mut self, now: Now, call: CallId, sdp: Option<Vec<u8>>) {
        let Some((id, leg)) = self.at(call) else { return };
        let Some(voice) = self.voice_of(id, leg) else { return };
        let step = voice.step;
        if let Some(sdp) = sdp {
            self.put(Output::Media(MediaCommand::Answer { leg, sdp: sdp.into() }));
        } else if step == Step::AwaitingAck {
            // RFC 3261 §13.2.1: the answer to an offer in a 2xx must stand in its ACK.
            self.hang_up(now, leg, Cause::Incompatible, Side::Customer);
            return;
        }
        if step == Step::AwaitingAck {
            if let Some(voice) = self.voice_of(id, leg) {
                voice.step = Step::Up;
            }
            self.customer_up(now, id, leg);
        }
    }

    fn customer_up(&mut self, now: Now, id: SessionId, leg: LegId) {
        self.leg_up(now, id, leg);
        let Some(session) = self.sessions.get(&id) else { return };
        match session.legs.get(&leg).and_then(|leg| leg.role()) {
            Some(Role::Consults) => return self.consultation_up(id, leg),
            Some(Role::PickUp(what)) => return self.picked_up(now, id, leg, what),
            Some(Role::Owner(_)) => return self.taken_over(now, id, leg),
            Some(
                Role::CustomerIn
                | Role::CustomerOut
                | Role::Offer(_)
                | Role::TransferAgent
                | Role::TransferOut
                | Role::ConsultAgent
                | Role::ConsultOut
                | Role::GuestAgent
                | Role::GuestOut
                | Role::Supervises(_),
            )
            | None => {}
        }
        if session.flow.as_ref().is_some_and(|flow| flow.leg == leg) {
            self.flow_input(now, id, FlowInput::Answered);
            return;
        }
        self.bring_together(now, id);
    }

    pub(crate) fn leg_up(&mut self, now: Now, id: SessionId, leg: LegId) {
        if let Some(leg) = self.sessions.get_mut(&id).and_then(|session| session.legs.get_mut(&leg)) {
            leg.state = LegState::Up;
            leg.since = now.wall;
            if let Party::Agent { agent } = leg.party {
                self.watches.changed(agent);
            }
        }
        self.journal(now, id, Change::LegAnswered { leg });
    }

    /// A customer on the phone and whoever serves the session hear each other, or he waits with music.
    pub(crate) fn bring_together(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let customer = session.customer_voice().map(|leg| (leg.id, leg.is_up()));
        let partner = session.talking_partner().map(|leg| leg.id);
        if session.parked.is_some() {
            return self.play_waiting(now, id);
        }
        if session.aside {
            self.arrange(id);
            return self.play_waiting(now, id);
        }
        match (customer, partner, session.owner) {
            (Some((customer, true)), Some(partner), _) => self.connect(now, id, customer, partner),
            (Some((_, true)), None, Some(owner)) => {
                self.play_waiting(now, id);
                let ringing =
                    self.sessions.get(&id).is_some_and(|session| session.agent_voice_legs().next().is_some());
                let lost = self.sessions.get(&id).is_some_and(|session| session.owner_lost_until.is_some());
                if !ringing && !lost && self.ring_owner(now, id, owner, OwnerReason::Escalation) == 0 {
                    self.escalation_failed(now, id);
                }
            }
            (Some((_, true)), None, None) => self.play_waiting(now, id),
            (Some((_, false)) | None, _, _) => {}
        }
    }

    fn connect(&mut self, now: Now, id: SessionId, customer: LegId, partner: LegId) {
        self.stop_playing(id, customer);
        self.stop_playing(id, partner);
        self.arrange(id);
        if self.sessions.get(&id).is_some_and(|session| session.room.is_empty()) {
            self.put(Output::Media(MediaCommand::Connect { a: customer, b: partner }));
        }
        self.record(now, id);
        self.visitor_state(now, id);
    }

    // --- within the call ---

    pub(crate) fn call_offer(&mut self, now: Now, call: CallId, sdp: Option<Vec<u8>>) {
        let Some((id, leg)) = self.at(call) else { return };
        // RFC 3311 §5.2: media begins with the answer to the call, until then there is nothing to change.
        if self.voice_of(id, leg).is_some_and(|voice| voice.step == Step::Calling) {
            return self.sip.reject_offer(now, call, 488);
        }
        match sdp {
            Some(sdp) => self.put(Output::Media(MediaCommand::Offer { leg, sdp: sdp.into() })),
            None => {
                // RFC 3261 §14.2: a re-INVITE without offer asks for ours, which is what stands.
                let ours = self.voice_of(id, leg).and_then(|voice| voice.local_sdp.clone());
                match ours {
                    Some(sdp) => self.sip.accept_offer(now, call, sdp.to_vec()),
                    None => self.sip.reject_offer(now, call, 500),
                }
            }
        }
    }

    fn direction_changed(&mut self, now: Now, id: SessionId, leg: LegId, direction: Direction) {
        let held = !direction.receives;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(found) = session.legs.get_mut(&leg) else { return };
        if found.held == held {
            return;
        }
        found.held = held;
        let (by_agent, role) = (!found.is_customer(), found.role());
        let customer = session.customer_voice().filter(|leg| leg.is_up()).map(|leg| leg.id);
        let aside = session.aside;
        // He is not alone then.
        let talks_on = session.guests().any(Leg::is_up);
        self.journal(now, id, Change::LegHeld { leg, held });
        if role == Some(Role::Consults) {
            return self.consultation_held(now, id, held);
        }
        let beside = |role: Role| role.is_consulted() || role.is_guest() || role.supervision().is_some();
        if role.is_some_and(beside) || held && talks_on || aside {
            return;
        }
        if by_agent && let Some(customer) = customer {
            if held {
                self.play_waiting(now, id);
            } else {
                self.stop_playing(id, customer);
            }
        }
    }

    fn incompatible(&mut self, now: Now, leg: LegId, why: &str) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        if self.early_judged(now, id, leg, false) {
            return;
        }
        let Some(voice) = self.voice_of(id, leg) else { return };
        let (step, call, agreed) = (voice.step, voice.call, voice.agreed);
        tracing::info!(%leg, why, "no common media");
        let Some(call) = call else {
            self.leg_ended(now, id, leg, Ending::new(Cause::Incompatible, Side::System));
            return;
        };
        match step {
            Step::Describing { .. } | Step::Described => self.sip.reject(now, call, 488, Some(why)),
            // The session stays as it was (RFC 3261 §14.2).
            Step::Up if agreed => {
                self.sip.reject_offer(now, call, 488);
            }
            Step::Up | Step::AwaitingAck | Step::Preparing | Step::Calling => {
                self.hang_up(now, leg, Cause::Incompatible, Side::System);
            }
        }
    }

    /// The call is up and nobody can hear anybody. What only rings may be keyed when somebody picks up.
    fn handshake_failed(&mut self, now: Now, leg: LegId, why: &str) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        if self.voice_of(id, leg).is_some_and(|voice| voice.step == Step::Up) {
            tracing::info!(%leg, why, "no keys for the media");
            self.hang_up(now, leg, Cause::Incompatible, Side::System);
        }
    }

    pub(crate) fn call_info(&mut self, now: Now, call: CallId, content_type: &str, body: &[u8]) {
        let Some((_, leg)) = self.at(call) else { return };
        let text = String::from_utf8_lossy(body);
        let digit = if content_type.eq_ignore_ascii_case("application/dtmf-relay") {
            text.lines().find_map(|line| line.trim().strip_prefix("Signal="))
        } else if content_type.eq_ignore_ascii_case("application/dtmf") {
            Some(text.as_ref())
        } else {
            None
        };
        let digit = digit.and_then(|digit| digit.trim().chars().next());
        if let Some(digit) = digit.filter(|digit| matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D')) {
            self.digit(now, leg, digit);
        }
    }

    fn digit(&mut self, now: Now, leg: LegId, digit: char) {
        let Some(id) = self.legs.get(&leg).copied() else { return };
        let for_flow = self
            .sessions
            .get(&id)
            .is_some_and(|session| session.flow.as_ref().is_some_and(|flow| flow.leg == leg));
        if for_flow {
            self.flow_input(now, id, FlowInput::Key(digit));
        }
    }

    // --- devices ---

    pub(crate) fn registered(&mut self, now: Now, binding: Binding) {
        let Some(agent) = self.logins.get(&binding.aor).copied() else { return };
        self.reach(now, agent);
        self.show_desk(agent);
        for id in self.sessions_of(agent) {
            let Some(session) = self.sessions.get(&id) else { continue };
            let ringing = session
                .each_leg()
                .any(|leg| leg.voice().is_some_and(|voice| voice.binding == Some(binding.id)));
            if session.owner_lost_until.is_some() && !ringing {
                let reason = Role::Owner(OwnerReason::Reconnect);
                self.ring_device(now, id, agent, reason, &binding);
            }
        }
    }

    pub(crate) fn unregistered(&mut self, now: Now, binding: Binding) {
        // A phone on UDP lives on without its registration; a connection that is gone takes its calls along.
        if binding.hop.connection.is_some() {
            let legs: Vec<LegId> = self
                .legs
                .iter()
                .filter(|(leg, session)| {
                    self.sessions.get(session).is_some_and(|session| {
                        session.legs.get(leg).and_then(|leg| leg.voice()).and_then(|voice| voice.binding)
                            == Some(binding.id)
                    })
                })
                .map(|(leg, _)| *leg)
                .collect();
            for leg in legs {
                self.drop_leg(now, leg, Cause::Lost);
            }
        }
        let Some(agent) = self.logins.get(&binding.aor).copied() else { return };
        self.reach(now, agent);
        self.show_desk(agent);
    }
}
