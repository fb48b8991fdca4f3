//! What the widget asks for.

use std::sync::Arc;

use dialplans::Plan;
use dialplans::api::{ChannelKind, Entry as FlowEntry, FlowRef, Input as FlowInput};
use model::{
    AgentStatus, Author, Cause, Change, Ending, Evidence, Identity, LegId, Medium, Now, Party, SessionId,
    Side, VisitorId,
};

use crate::api::{AgentEvent, CustomerCard, Output, Refusal, Reply, RequestId, VisitorCommand, VisitorState};
use crate::contact::{Pending, Visitor};
use crate::engine::Engine;
use crate::leg::Line;
use crate::phone;
use crate::timers::Timer;

/// Messages that may wait while the store is asked who a visitor is.
const WAITING_MESSAGES: usize = 20;
/// Messages of one closed chat, and of all of them, that are recognised when they come again.
const MESSAGES_OF_CLOSED: usize = 32;
const CLOSED_MESSAGES: usize = 8_192;
const EXTERNAL_ID_LENGTH: usize = 64;
const NAME_LENGTH: usize = 100;
/// Numbers and addresses that one browser may claim.
const MOST_IDENTITIES: usize = 6;

pub(crate) fn refusal(code: &'static str, message: &str) -> Refusal {
    Refusal { code, message: message.to_owned(), field: None }
}

pub(crate) fn refusal_of(field: &'static str, code: &'static str, message: &str) -> Refusal {
    Refusal { code, message: message.to_owned(), field: Some(field) }
}

impl Engine {
    pub(crate) fn handle_visitor(
        &mut self,
        now: Now,
        request: RequestId,
        visitor: VisitorId,
        command: VisitorCommand,
    ) {
        let result = match command {
            VisitorCommand::Hello { account: _, name, identities, page, locale } => {
                self.hello(now, visitor, name, identities, page, locale)
            }
            VisitorCommand::Send { external_id, text, account } => {
                match self.visitor_sends(now, request, visitor, external_id, text, &account) {
                    Some(result) => result,
                    // Answered when the store has said who he is.
                    None => return,
                }
            }
            VisitorCommand::Typing { on } => self.visitor_types(visitor, on),
            VisitorCommand::Delivered { up_to } => self.visitor_has(now, visitor, up_to, false),
            VisitorCommand::Read { up_to } => self.visitor_has(now, visitor, up_to, true),
            VisitorCommand::Talk => self.talk_token(now, visitor),
            VisitorCommand::CallMe { phone } => self.call_me(now, visitor, &phone),
            VisitorCommand::Code { code } => self.code_typed(now, visitor, &code),
            VisitorCommand::Close => self.visitor_closes(now, visitor),
            VisitorCommand::Gone => {
                self.visitor_gone(visitor);
                return;
            }
        };
        self.reply(request, result);
    }

    fn hello(
        &mut self,
        now: Now,
        visitor_id: VisitorId,
        name: Option<String>,
        identities: Vec<Identity>,
        page: Option<String>,
        locale: Option<String>,
    ) -> Result<Reply, Refusal> {
        let region = self.config.region.clone();
        let mut typed = Vec::new();
        for identity in identities {
            match identity {
                Identity::Phone(text) => {
                    let number = phone::normalise(&region, &text)
                        .ok_or_else(|| refusal_of("phone", "bad_phone", "This is not a phone number."))?;
                    typed.push(Identity::Phone(number));
                }
                Identity::Email(text) => typed.push(Identity::Email(text.trim().to_lowercase())),
                // Nobody may say that he is another browser.
                Identity::Visitor(_) => {}
            }
        }
        let visitor = self.visitors.entry(visitor_id).or_default();
        visitor.connected = true;
        if let Some(name) = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
            visitor.name = Some(name.chars().take(NAME_LENGTH).collect());
        }
        let news: Vec<Identity> = typed.into_iter().filter(|new| !visitor.identities.contains(new)).collect();
        if visitor.identities.len() + news.len() > MOST_IDENTITIES {
            return Err(refusal("too_many_identities", "That is more than one person has."));
        }
        visitor.identities.extend(news.iter().cloned());
        let name = visitor.name.clone();
        let session = visitor.session;
        let Some(id) = session else {
            return Ok(Reply::Welcome { session: None, state: VisitorState::Idle });
        };
        if let Some(page) = page {
            self.set_context_if_new(now, id, "page", page);
        }
        if let Some(locale) = locale {
            self.set_context_if_new(now, id, "locale", locale);
        }
        let known = self.sessions.get(&id).map(|session| session.customer.clone());
        if let Some(known) = known {
            if let Some(name) = name.filter(|_| known.name.is_none()) {
                self.name_customer(now, id, name);
            }
            let unknown: Vec<Identity> =
                news.into_iter().filter(|identity| !known.identities.contains(identity)).collect();
            if !unknown.is_empty() {
                let mut identities: Vec<_> = unknown.into_iter().map(|new| (new, Evidence::Stated)).collect();
                identities.push((Identity::Visitor(visitor_id), Evidence::Origin));
                self.resolve(now, identities, None, Pending::Identify { session: id });
            }
        }
        Ok(Reply::Welcome { session: Some(id), state: self.visitor_state_of(now, id) })
    }

    fn set_context_if_new(&mut self, now: Now, id: SessionId, key: &str, value: String) {
        let value: String = value.chars().take(300).collect();
        let same = self.sessions.get(&id).is_some_and(|session| session.context.get(key) == Some(&value));
        if !same {
            self.set_context(now, id, key.to_owned(), value, true);
        }
    }

    pub(crate) fn name_customer(&mut self, now: Now, id: SessionId, name: String) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.customer.name = Some(name.clone());
        let customer = session.customer.customer;
        self.journal(now, id, Change::CustomerNamed { customer, name });
    }

    pub(crate) fn check_text(&self, external_id: &str, text: &str) -> Result<(), Refusal> {
        if external_id.is_empty() || external_id.len() > EXTERNAL_ID_LENGTH {
            return Err(refusal_of("id", "bad_id", "The id of a message has 1 to 64 bytes."));
        }
        if text.trim().is_empty() {
            return Err(refusal_of("text", "empty", "There is nothing in the message."));
        }
        if text.chars().count() > self.config.max_text {
            return Err(refusal_of("text", "too_long", "The message is too long."));
        }
        Ok(())
    }

    /// `None`: answered later.
    fn visitor_sends(
        &mut self,
        now: Now,
        request: RequestId,
        visitor_id: VisitorId,
        external_id: String,
        text: String,
        account: &str,
    ) -> Option<Result<Reply, Refusal>> {
        if let Err(refusal) = self.check_text(&external_id, &text) {
            return Some(Err(refusal));
        }
        let visitor = self.visitors.entry(visitor_id).or_default();
        if let Some(id) = visitor.session {
            return Some(self.customer_says(now, id, external_id, text));
        }
        if let Some(pending) = visitor.resolving {
            if let Some(Pending::Chat { waiting, .. }) = self.pending.get_mut(&pending) {
                if waiting.len() >= WAITING_MESSAGES {
                    return Some(Err(refusal("try_again", "Too many messages at once.")));
                }
                waiting.push((request, external_id, text));
            }
            return None;
        }
        let known =
            self.closed_messages.iter().rev().find(|(by, id, _)| (*by, id) == (visitor_id, &external_id));
        if let Some((.., reply)) = known {
            return Some(Ok(reply.clone()));
        }
        if self.draining || self.sessions.len() + self.pending.len() >= self.config.max_sessions {
            return Some(Err(refusal("overload", "We cannot take new chats just now.")));
        }
        let plan = self.plan.clone();
        let flow =
            plan.and_then(|plan| plan.entry(&FlowEntry::Chat(account.to_owned())).map(|flow| (plan, flow)));
        let Some((plan, flow)) = flow else {
            return Some(Err(refusal_of("account", "unknown_account", "There is no such chat.")));
        };
        let visitor = self.visitors.entry(visitor_id).or_default();
        // What he told about himself finds him first; the browser may be anybody's.
        let mut identities: Vec<_> =
            visitor.identities.iter().cloned().map(|identity| (identity, Evidence::Stated)).collect();
        identities.push((Identity::Visitor(visitor_id), Evidence::Origin));
        let name = visitor.name.clone();
        let pending = Pending::Chat {
            visitor: visitor_id,
            plan,
            flow,
            account: account.to_owned(),
            waiting: vec![(request, external_id, text)],
        };
        let resolving = self.resolve(now, identities, name, pending);
        if let Some(visitor) = self.visitors.get_mut(&visitor_id) {
            visitor.resolving = Some(resolving);
        }
        None
    }

    /// A message whose receipt was lost comes again, perhaps after the chat was closed: it must not begin a new one.
    pub(crate) fn remember_closed(&mut self, id: SessionId, visitor: VisitorId) {
        let Some(session) = self.sessions.get(&id) else { return };
        for (external_id, seq, at) in session.latest_messages(MESSAGES_OF_CLOSED) {
            let reply = Reply::Accepted { session: id, seq, at };
            self.closed_messages.push_back((visitor, external_id.to_owned(), reply));
        }
        let surplus = self.closed_messages.len().saturating_sub(CLOSED_MESSAGES);
        self.closed_messages.drain(..surplus);
    }

    pub(crate) fn admit_chat(
        &mut self,
        now: Now,
        visitor_id: VisitorId,
        (plan, flow): (Arc<Plan>, FlowRef),
        account: String,
        waiting: Vec<(RequestId, String, String)>,
        customer: CustomerCard,
    ) {
        let (joined, id) = match self.joinable(customer.customer, Medium::Chat) {
            Some(id) => (true, id),
            None => (false, self.open_session(now, customer.clone(), account.clone(), Medium::Chat)),
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.chat_account = Some(account);
        }
        let visitor = self.visitors.entry(visitor_id).or_default();
        visitor.resolving = None;
        visitor.session = Some(id);
        let name = visitor.name.clone();
        let leg = self.add_chat(now, id, visitor_id);
        if !customer.identities.contains(&Identity::Visitor(visitor_id)) {
            self.link_visitor(now, id, visitor_id, Evidence::Stated);
        }
        let unnamed = self.sessions.get(&id).is_some_and(|session| session.customer.name.is_none());
        if let Some(name) = name.filter(|_| unnamed) {
            self.name_customer(now, id, name);
        }
        for (request, external_id, text) in waiting {
            let result = self.customer_says(now, id, external_id, text);
            self.reply(request, result);
        }
        if joined {
            self.customer_media_changed(now, id);
            self.visitor_state(now, id);
        } else {
            self.start_flow(now, id, leg, plan, flow, ChannelKind::Text, None, None);
            self.visitor_state(now, id);
        }
    }

    pub(crate) fn link_visitor(&mut self, now: Now, id: SessionId, visitor: VisitorId, evidence: Evidence) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let identity = Identity::Visitor(visitor);
        if session.customer.identities.contains(&identity) {
            return;
        }
        session.customer.identities.push(identity.clone());
        let customer = session.customer.customer;
        self.journal(now, id, Change::IdentityLinked { customer, identity, evidence });
    }

    pub(crate) fn add_chat(&mut self, now: Now, id: SessionId, visitor: VisitorId) -> LegId {
        let leg = LegId::new(now.wall, self.random());
        self.add_leg(now, id, leg, Party::Customer, visitor.to_string(), Line::Chat(visitor));
        self.timers.set(now.instant + self.config.chat_idle, Timer::ChatIdle(id));
        leg
    }

    fn customer_says(
        &mut self,
        now: Now,
        id: SessionId,
        external_id: String,
        text: String,
    ) -> Result<Reply, Refusal> {
        let Some(session) = self.sessions.get(&id) else {
            return Err(refusal("unknown_session", "The chat is over."));
        };
        if let Some((seq, at)) = session.repeat_of(&external_id) {
            return Ok(Reply::Accepted { session: id, seq, at });
        }
        let for_flow = session
            .flow
            .as_ref()
            .is_some_and(|flow| session.legs.get(&flow.leg).is_some_and(|leg| leg.medium == Medium::Chat));
        let seq = self.say(now, id, Author::Customer, text.clone(), Vec::new(), Some(external_id));
        if for_flow {
            self.flow_input(now, id, FlowInput::Text(text));
        }
        Ok(Reply::Accepted { session: id, seq, at: now.wall })
    }

    fn visitor_session(&self, visitor: VisitorId) -> Result<SessionId, Refusal> {
        self.visitors
            .get(&visitor)
            .and_then(|visitor| visitor.session)
            .ok_or_else(|| refusal("no_session", "Write what it is about first."))
    }

    fn visitor_types(&mut self, visitor: VisitorId, on: bool) -> Result<Reply, Refusal> {
        let id = self.visitor_session(visitor)?;
        if let Some(agent) = self.sessions.get(&id).and_then(|session| session.owner) {
            self.put(Output::ToAgent { agent: Some(agent), event: AgentEvent::Typing { session: id, on } });
        }
        Ok(Reply::Done)
    }

    fn visitor_has(
        &mut self,
        now: Now,
        visitor: VisitorId,
        up_to: u64,
        read: bool,
    ) -> Result<Reply, Refusal> {
        let id = self.visitor_session(visitor)?;
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(Reply::Done) };
        let up_to = up_to.min(session.seq);
        let mark = if read { &mut session.read_by_customer } else { &mut session.delivered_up_to };
        if *mark >= up_to {
            return Ok(Reply::Done);
        }
        *mark = up_to;
        let change =
            if read { Change::Read { by: Side::Customer, up_to } } else { Change::Delivered { up_to } };
        self.journal(now, id, change);
        Ok(Reply::Done)
    }

    fn visitor_closes(&mut self, now: Now, visitor: VisitorId) -> Result<Reply, Refusal> {
        let id = self.visitor_session(visitor)?;
        self.close_chat(now, id, Ending::new(Cause::HungUp, Side::Customer));
        Ok(Reply::Done)
    }

    /// The chat side ends; the session goes on while the customer is on the phone.
    pub(crate) fn close_chat(&mut self, now: Now, id: SessionId, ending: Ending) {
        let Some((leg, visitor)) = self.sessions.get(&id).and_then(|session| session.chat()) else { return };
        let flow_was_his = self
            .sessions
            .get(&id)
            .is_some_and(|session| session.flow.as_ref().is_some_and(|flow| flow.leg == leg));
        if flow_was_his {
            self.flow_hung_up(now, id);
        }
        // He goes, and is called as he asked.
        let wanted = self.sessions.get_mut(&id).and_then(|session| session.call_when_owned.take());
        if let Some(number) = wanted.filter(|_| ending.by == Side::Customer) {
            self.promise_asked_call(now, id, number);
        }
        let alone = self
            .sessions
            .get(&id)
            .is_some_and(|session| session.customer_voice().is_none() && session.callback.is_none());
        if alone {
            let waiting = self.sessions.get(&id).is_some_and(|s| s.queued.is_some() || !s.offers.is_empty());
            let cause = if waiting && ending.by == Side::Customer { Cause::Abandoned } else { ending.cause };
            self.end_session(now, id, Ending { cause, ..ending });
            return;
        }
        self.end_chat_leg(now, id, leg, ending);
        self.remember_closed(id, visitor);
        if let Some(visitor) = self.visitors.get_mut(&visitor) {
            visitor.session = None;
        }
        let state = crate::api::VisitorEvent::State { session: Some(id), state: VisitorState::Closed };
        self.put(Output::ToVisitor { visitor, event: state });
        self.customer_media_changed(now, id);
    }

    fn visitor_gone(&mut self, visitor_id: VisitorId) {
        let Some(visitor) = self.visitors.get_mut(&visitor_id) else { return };
        visitor.connected = false;
        if visitor.session.is_none() && visitor.resolving.is_none() {
            self.visitors.remove(&visitor_id);
        }
    }

    pub(crate) fn chat_idle(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.ended.is_some() || session.chat().is_none() {
            return;
        }
        let due = session.last_word + self.config.chat_idle;
        // A call going on, or a customer waiting for us, is no idleness of his.
        let busy =
            session.customer_voice().is_some() || session.queued.is_some() || session.callback.is_some();
        if due > now.instant || busy {
            let next = if due > now.instant { due } else { now.instant + self.config.chat_idle };
            self.timers.set(next, Timer::ChatIdle(id));
            return;
        }
        self.close_chat(now, id, Ending::new(Cause::Idle, Side::System));
    }

    /// Whether a status is one that an agent may choose for himself.
    pub(crate) fn may_choose(status: &AgentStatus) -> bool {
        match status {
            AgentStatus::Ready | AgentStatus::SignedOut => true,
            AgentStatus::NotReady { reason } => !reason.trim().is_empty() && reason.chars().count() <= 50,
            AgentStatus::NotAnswering => false,
        }
    }

    pub(crate) fn visitor_mut(&mut self, visitor: VisitorId) -> &mut Visitor {
        self.visitors.entry(visitor).or_default()
    }
}
