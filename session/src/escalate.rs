//! From one medium to the other within the session: talk from the browser, be phoned, come into the chat by a code; and the
//! flow's transfers.

use std::time::Duration;

use dialplans::api::Input as FlowInput;
use model::{AgentId, AgentStatus, Change, Evidence, LegId, Medium, Now, Party, SessionId, Side, VisitorId};
use sip_core::api::Credential;
use sip_core::digest::{self, Algorithm};

use crate::api::{Refusal, Reply};
use crate::chat::{refusal, refusal_of};
use crate::engine::Engine;
use crate::leg::{OwnerReason, Role};
use crate::phone;
use crate::timers::Timer;
use crate::trunks::{Denied, Dialled};

const MOST_CALLS_ASKED_FOR: u32 = 5;
const MOST_WRONG_CODES: u32 = 5;
/// A code has six digits and lives for minutes: guesses of all visitors together are slowed down.
const CODES_WINDOW: Duration = Duration::from_secs(60);
const WRONG_CODES_IN_ALL: usize = 30;
/// Calls that visitors may ask for, to one number and in all.
const CALLS_WINDOW: Duration = Duration::from_secs(3600);
const CALLS_TO_A_NUMBER: usize = 3;
const CALLS_IN_ALL: usize = 500;

impl Engine {
    /// A one-time SIP account that can call into the visitor's session and nowhere else.
    pub(crate) fn talk_token(&mut self, now: Now, visitor: VisitorId) -> Result<Reply, Refusal> {
        let id = self.session_without_call(visitor)?;
        self.forget_token(id);
        let secret = self.random_secret();
        let username = format!("talk-{}", &secret[..12]);
        let password = self.random_secret();
        let realm = self.config.sip.domain.clone();
        self.sip.set_credential(Credential {
            username: username.clone(),
            aor: username.clone(),
            ha1_md5: digest::ha1(Algorithm::Md5, &username, &realm, &password),
            ha1_sha256: digest::ha1(Algorithm::Sha256, &username, &realm, &password),
            one_time: true,
        });
        let until = now.instant + self.config.code_lifetime;
        self.tokens.insert(username.clone(), (id, until));
        if let Some(session) = self.sessions.get_mut(&id) {
            session.token = Some(username.clone());
        }
        self.timers.set(until, Timer::Token(username.clone()));
        Ok(Reply::CallToken {
            uri: format!("sip:{username}@{realm}"),
            username,
            password,
            expires_in_seconds: self.config.code_lifetime.as_secs(),
        })
    }

    /// A session has one token at most.
    pub(crate) fn forget_token(&mut self, id: SessionId) {
        if let Some(username) = self.sessions.get_mut(&id).and_then(|session| session.token.take()) {
            self.tokens.remove(&username);
            self.sip.remove_credential(&username);
        }
    }

    fn session_without_call(&self, visitor: VisitorId) -> Result<SessionId, Refusal> {
        let id = self
            .visitors
            .get(&visitor)
            .and_then(|visitor| visitor.session)
            .ok_or_else(|| refusal("no_session", "Write what it is about first."))?;
        let in_call = self.sessions.get(&id).is_some_and(|session| session.customer_voice().is_some());
        if in_call { Err(refusal("in_call", "The call is there already.")) } else { Ok(id) }
    }

    pub(crate) fn call_me(&mut self, now: Now, visitor: VisitorId, number: &str) -> Result<Reply, Refusal> {
        let id = self.session_without_call(visitor)?;
        let number = self.number_asked_for(now, id, number)?;
        match self.sessions.get(&id).and_then(|session| session.owner) {
            Some(owner) => self.start_call(now, id, owner, number, Side::Customer),
            None => {
                // Nobody is phoned for whom nobody is there: the call is made when an operator has the session.
                let change = Change::Escalated { to: Medium::Voice, by: Side::Customer, how: number.clone() };
                self.journal(now, id, change);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.calls_asked_for += 1;
                    session.call_when_owned = Some(number);
                }
            }
        }
        Ok(Reply::Done)
    }

    pub(crate) fn call_customer(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        number: Option<String>,
    ) -> Result<(), Refusal> {
        let session =
            self.sessions.get(&id).filter(|session| session.ended.is_none() && session.owner == Some(agent));
        let session = session.ok_or_else(|| refusal_of("session", "unknown_session", "It is over."))?;
        if session.customer_voice().is_some() || session.agent_voice_legs().next().is_some() {
            return Err(refusal("in_call", "The call is there already."));
        }
        let number = number
            .or_else(|| session.customer.phone().map(str::to_owned))
            .ok_or_else(|| refusal_of("phone", "no_number", "We do not know his number."))?;
        let number = self.number_to_call(id, &number)?;
        let login = self.agents.get(&agent).map(|agent| agent.setup.login.clone()).unwrap_or_default();
        if self.sip.bindings(&login).next().is_none() {
            return Err(refusal("no_phone", "Your phone is not registered."));
        }
        self.start_call(now, id, agent, number, Side::Agent);
        Ok(())
    }

    /// A number that somebody outside asks us to call, whose it may not be: bounded for each number and in all.
    pub(crate) fn number_asked_for(
        &mut self,
        now: Now,
        id: SessionId,
        text: &str,
    ) -> Result<String, Refusal> {
        let number = self.customers_number(id, text)?;
        self.asked_calls.retain(|(at, _)| now.instant.saturating_since(*at) < CALLS_WINDOW);
        let to_this = self.asked_calls.iter().filter(|(_, asked)| *asked == number).count();
        if to_this >= CALLS_TO_A_NUMBER || self.asked_calls.len() >= CALLS_IN_ALL {
            return Err(refusal("too_many_calls", "That was asked for too often. Please try later."));
        }
        self.asked_calls.push_back((now.instant, number.clone()));
        Ok(number)
    }

    /// A number that an operator may have called for this session.
    pub(crate) fn number_to_call(&self, id: SessionId, text: &str) -> Result<String, Refusal> {
        if self.is_emergency(text.trim()) {
            return Ok(text.trim().to_owned());
        }
        self.customers_number(id, text)
    }

    /// A number that we are willing to call for this session, whoever wants it.
    pub(crate) fn customers_number(&self, id: SessionId, text: &str) -> Result<String, Refusal> {
        let region = &self.config.region;
        let number = phone::normalise(region, text)
            .ok_or_else(|| refusal_of("phone", "bad_phone", "This is not a phone number."))?;
        // The same number has many spellings: what counts is the one that is called, but what was written is not allowed either.
        if self.sip.denies(&number) || self.sip.denies(text) {
            return Err(refusal_of("phone", "denied", "This number is not called."));
        }
        match self.way_of(id, &number) {
            Ok(_) => {}
            Err(Denied::Abroad) => return Err(refusal_of("phone", "abroad", "We do not call abroad.")),
            Err(Denied::Route(why)) => return Err(refusal_of("phone", "not_routed", &why)),
            Err(Denied::NoTrunk | Denied::Full) => {
                return Err(refusal("no_trunk", "We cannot call out just now."));
            }
        }
        if self.sessions.get(&id).is_some_and(|session| session.calls_asked_for >= MOST_CALLS_ASKED_FOR) {
            return Err(refusal("too_many_calls", "We have tried to call several times."));
        }
        Ok(number)
    }

    fn start_call(&mut self, now: Now, id: SessionId, owner: AgentId, number: String, by: Side) {
        self.journal(now, id, Change::Escalated { to: Medium::Voice, by, how: number.clone() });
        if let Some(session) = self.sessions.get_mut(&id) {
            session.calls_asked_for += 1;
        }
        let reason = if by == Side::Agent { OwnerReason::CallCustomer } else { OwnerReason::Escalation };
        self.ring_owner_then_customer(now, id, owner, number, reason);
    }

    /// The operator's phone first, so that nobody is called for whom nobody is there.
    fn ring_owner_then_customer(
        &mut self,
        now: Now,
        id: SessionId,
        owner: AgentId,
        number: String,
        reason: OwnerReason,
    ) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.call_when_owner_is_up = Some(number);
        }
        if self.ring_owner(now, id, owner, reason) == 0 {
            self.escalation_failed(now, id);
        }
    }

    /// The session has an owner now: the call that the customer asked for is made.
    pub(crate) fn call_as_asked(&mut self, now: Now, id: SessionId, owner: AgentId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(number) = session.call_when_owned.take() else { return };
        if session.customer_voice().is_none() && session.agent_voice_legs().next().is_none() {
            self.ring_owner_then_customer(now, id, owner, number, OwnerReason::Escalation);
        }
    }

    pub(crate) fn phone_customer(&mut self, now: Now, id: SessionId, number: String) {
        let dialled = self.dial(now, id, &number).unwrap_or_else(|why| {
            tracing::warn!(session = %id, ?why, "the customer is not called");
            Dialled::nowhere(&number)
        });
        self.call_number(now, id, Party::Customer, dialled, Role::CustomerOut);
    }

    /// A short code by which the customer on the phone finds his chat.
    pub(crate) fn offer_chat(&mut self, now: Now, id: SessionId) -> Result<Reply, Refusal> {
        let session = self.sessions.get(&id).filter(|session| session.ended.is_none());
        let session = session.ok_or_else(|| refusal_of("session", "unknown_session", "It is over."))?;
        if session.chat().is_some() {
            return Err(refusal("in_chat", "The chat is there already."));
        }
        let code = self.random_code();
        let until = now.instant + self.config.code_lifetime;
        if let Some(old) = self.sessions.get_mut(&id).and_then(|session| session.code.replace(code.clone())) {
            self.codes.remove(&old);
        }
        self.codes.insert(code.clone(), (id, until));
        self.timers.set(until, Timer::Code(code.clone()));
        self.journal(
            now,
            id,
            Change::Escalated { to: Medium::Chat, by: Side::Agent, how: "code".to_owned() },
        );
        Ok(Reply::ChatCode { code, expires_in_seconds: self.config.code_lifetime.as_secs() })
    }

    pub(crate) fn code_typed(&mut self, now: Now, visitor: VisitorId, code: &str) -> Result<Reply, Refusal> {
        if self.visitor_mut(visitor).wrong_codes >= MOST_WRONG_CODES {
            return Err(refusal_of("code", "too_many_codes", "Too many wrong codes."));
        }
        self.wrong_codes.retain(|at| now.instant.saturating_since(*at) < CODES_WINDOW);
        if self.wrong_codes.len() >= WRONG_CODES_IN_ALL {
            return Err(refusal_of(
                "code",
                "try_again",
                "Too many wrong codes just now. Please try in a minute.",
            ));
        }
        let digits: String = code.chars().filter(char::is_ascii_digit).collect();
        let found = self.codes.get(&digits).filter(|(_, until)| *until > now.instant).map(|(id, _)| *id);
        let open =
            |id: &SessionId| self.sessions.get(id).is_some_and(|s| s.ended.is_none() && s.chat().is_none());
        let Some(id) = found.filter(open) else {
            self.wrong_codes.push_back(now.instant);
            self.visitor_mut(visitor).wrong_codes += 1;
            return Err(refusal_of("code", "wrong_code", "This code is not known (any more)."));
        };
        let own = self.visitor_mut(visitor).session;
        if own.is_some_and(|own| {
            self.sessions.get(&own).is_some_and(|session| session.customer_voice().is_some())
        }) {
            return Err(refusal("in_call", "You are in another call."));
        }
        self.codes.remove(&digits);
        match own {
            Some(own) if own == id => {}
            Some(own) => self.absorb(now, own, id),
            None => {
                self.visitor_mut(visitor).session = Some(id);
                self.add_chat(now, id, visitor);
            }
        }
        self.link_visitor(now, id, visitor, Evidence::Code);
        self.customer_media_changed(now, id);
        self.visitor_state(now, id);
        Ok(Reply::Welcome { session: Some(id), state: self.visitor_state_of(now, id) })
    }

    // --- transfers of the flow ---

    /// The leg of the call that is on its way.
    pub(crate) fn transfer_to_number(&mut self, now: Now, id: SessionId, number: &str) -> Option<LegId> {
        let number = phone::normalise(&self.config.region, number).unwrap_or_else(|| number.to_owned());
        match self.dial(now, id, &number) {
            Ok(dialled) => Some(self.call_number(now, id, Party::External, dialled, Role::TransferOut)),
            Err(why) => {
                tracing::warn!(session = %id, ?why, "the call is not transferred");
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.transfer_ended = Some(why.ending());
                }
                None
            }
        }
    }

    pub(crate) fn transfer_to_agent(&mut self, now: Now, id: SessionId, login: &str) -> bool {
        let Some(agent) = self.logins.get(login).copied() else { return false };
        self.is_free(agent) && self.ring_agent(now, id, agent, Role::TransferAgent) > 0
    }

    /// Ready, with nothing to do.
    pub(crate) fn is_free(&self, agent: AgentId) -> bool {
        let free = self.acd.agent(agent).is_some_and(|view| {
            view.status == AgentStatus::Ready
                && view.sessions.is_empty()
                && view.offers.is_empty()
                && view.wrapping_up.is_empty()
        });
        free && !self.consulted.contains_key(&agent)
    }

    /// Nothing else has come to the operator while his phone rang for the transfer.
    pub(crate) fn is_free_for_transfer(&self, id: SessionId, leg: LegId) -> bool {
        let party = self.sessions.get(&id).and_then(|s| s.legs.get(&leg)).map(|leg| &leg.party);
        match party {
            Some(Party::Agent { agent }) => {
                self.acd.agent(*agent).is_some_and(|view| view.sessions.is_empty() && view.offers.is_empty())
            }
            Some(Party::Customer | Party::External) | None => true,
        }
    }

    pub(crate) fn transfer_answered(&mut self, now: Now, id: SessionId, leg: LegId) {
        let party = self.sessions.get(&id).and_then(|s| s.legs.get(&leg)).map(|leg| leg.party.clone());
        if let Some(Party::Agent { agent }) = party {
            self.hang_up_other_devices(now, id, leg);
            self.take_ownership(now, id, agent);
        }
        self.flow_input(now, id, FlowInput::TransferEnded { connected: true });
        if let Some(session) = self.sessions.get_mut(&id) {
            session.flow = None;
        }
        let unanswered =
            self.sessions.get(&id).and_then(|s| s.customer_voice()).filter(|l| !l.is_up()).map(|l| l.id);
        match unanswered {
            Some(caller) => self.answer_customer(now, id, caller),
            None => self.bring_together(now, id),
        }
    }

    pub(crate) fn transfer_leg_gone(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.ended.is_some() || session.each_leg().any(|leg| !leg.is_customer()) {
            return;
        }
        self.flow_input(now, id, FlowInput::TransferEnded { connected: false });
    }
}
