//! What a test does and sees in a scripted world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dialplans::api::{Source, World as Names};
use media::api::{Channel, Direction, Event as MediaEvent};
use model::{
    AgentId, Cause, Change, Ending, Entry, Identity, LegId, Medium, Party, SessionId, Side, VisitorId,
};
use rand::RngExt;
use session::Engine;
use session::api::{
    AdminCommand, AgentCommand, Input, Refusal, Reply, RestoredSession, TrunkPolicy, VisitorCommand,
};
use session::view::DeskView;
use sip_core::api::{CallId, CallIdentity, CallOptions, OutgoingCall, Target, Trunk, UserLimits};

use super::people::{OperatorAct, Provisional, Visitor};
use super::recordings::cut_recordings;
use super::{Audit, EngineEvent, Event, NUMBER, PLAN, World};

impl World {
    pub fn pass(&mut self, span: Duration) {
        self.run(span);
    }

    pub fn agents(&self) -> Vec<AgentId> {
        self.operators.keys().copied().collect()
    }

    pub fn caller_calls(&mut self, caller: &str) -> CallId {
        self.caller_calls_number(caller, NUMBER, CallIdentity::default())
    }

    /// A call to another number of ours, with what the carrier says of its caller.
    pub fn caller_calls_number(&mut self, caller: &str, number: &str, identity: CallIdentity) -> CallId {
        let call = OutgoingCall {
            target: Target::Trunk { name: "tandem".to_owned(), number: number.to_owned() },
            caller: caller.to_owned(),
            caller_name: None,
            identity,
            sdp: b"v=0 caller".to_vec(),
            headers: Vec::new(),
            ring_timeout: Duration::from_secs(180),
            silence: None,
            options: Default::default(),
        };
        let call = self.carrier.stack.invite(self.now, call).expect("the carrier can call");
        self.drain_carrier();
        call
    }

    /// The carrier asks for a transfer itself, and what it is told.
    pub fn caller_refers(&mut self, call: CallId, to: &str) -> Vec<(u16, bool)> {
        assert!(self.carrier.stack.refer(self.now, call, to, None), "the carrier can ask");
        self.drain_carrier();
        self.pass(Duration::from_secs(1));
        std::mem::take(&mut self.carrier.told)
    }

    /// From now on nothing new begins.
    pub fn drain_server(&mut self) {
        self.admin(AdminCommand::Drain);
    }

    /// Whether his phone's ACKs get lost.
    pub fn lose_acks_of(&mut self, agent: AgentId, lost: bool) {
        self.operators.get_mut(&agent).expect("he is there").acks_get_lost = lost;
    }

    pub fn set_user_limits(&mut self, limits: UserLimits) {
        self.admin(AdminCommand::SetUserLimits(limits));
    }

    pub fn caller_hangs_up(&mut self, call: CallId) {
        self.carrier.stack.hangup(self.now, call, Cause::HungUp, Side::Customer);
        self.drain_carrier();
    }

    /// The newest of our calls to a customer's phone is answered.
    /// The media of the customer's only open voice leg break off.
    pub fn customer_media_breaks(&mut self) {
        let mut open = None;
        for entry in self.journals().into_iter().flatten() {
            match entry.change {
                Change::LegOpened { leg, medium: Medium::Voice, party: Party::Customer, .. } => {
                    open = Some(leg)
                }
                Change::LegEnded { leg, .. } if open == Some(leg) => open = None,
                _ => {}
            }
        }
        let leg = open.expect("the customer is on the phone");
        let event = EngineEvent::Media(MediaEvent::TransportLost { leg });
        self.schedule(self.now.instant, Event::Engine(Box::new(event)));
    }

    /// A key on the phone of the caller who came last.
    pub fn caller_presses(&mut self, digit: char) {
        let mut newest = None;
        for entry in self.journals().into_iter().flatten() {
            if let Change::LegOpened { leg, medium: Medium::Voice, party: Party::Customer, .. } = entry.change
            {
                newest = newest.max(Some((entry.at, leg)));
            }
        }
        let (_, leg) = newest.expect("somebody called");
        let event =
            EngineEvent::Media(MediaEvent::Digit { leg, digit, duration: Duration::from_millis(100) });
        self.schedule(self.now.instant, Event::Engine(Box::new(event)));
    }

    pub fn customer_answers(&mut self) {
        let call = *self.carrier.rung.last().expect("the customer's phone rings");
        self.carrier.stack.answer(self.now, call, b"v=0 customer".to_vec());
        self.drain_carrier();
    }

    /// The newest of our calls is refused, by the customer or by the carrier.
    pub fn call_is_refused(&mut self, status: u16) {
        let call = *self.carrier.rung.last().expect("a call came");
        self.carrier.stack.reject(self.now, call, status, None);
        self.drain_carrier();
        self.pass(Duration::from_millis(500));
    }

    /// The newest of our calls ends at the far end, before or after it was answered, as this says.
    pub fn called_ends(&mut self, ending: Ending) {
        let call = *self.carrier.rung.last().expect("a call came");
        self.carrier.stack.hangup_because(self.now, call, ending);
        self.drain_carrier();
    }

    /// The newest of our calls rings at the far end, with or without a description of early media.
    pub fn called_rings(&mut self, status: u16, sdp: Option<&[u8]>) {
        let call = *self.carrier.rung.last().expect("a call came");
        self.carrier.stack.ring(self.now, call, status, sdp.map(<[u8]>::to_vec));
        self.drain_carrier();
    }

    /// Another place that our last INVITE to the carrier was forked to answers it, as far as 1xx and 2xx go.
    pub fn fork_says(&mut self, tag: &str, status: u16, sdp: &str) {
        let (hop, invite) = self.carrier.invited.clone().expect("an INVITE came");
        let mut answer = super::people::answer_of(&invite, status, Some(tag));
        answer += &format!(
            "Contact: <sip:{tag}@{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            hop.local,
            sdp.len()
        );
        self.network.send(self.now.instant, hop, answer.into_bytes().into());
    }

    /// What his phone was told by NOTIFY: when, the state of the subscription, and the body.
    pub fn operator_was_notified(&self, agent: AgentId) -> &[(model::Instant, String, String)] {
        &self.operators[&agent].notified
    }

    /// How his SUBSCRIBEs were answered.
    pub fn operator_was_granted(&self, agent: AgentId) -> &[u16] {
        &self.operators[&agent].granted
    }

    /// What the newest open voice leg of this party hears.
    pub fn heard_by(&self, party: &Party) -> String {
        let mut legs = Vec::new();
        for entry in self.journals().into_iter().flatten() {
            match entry.change {
                Change::LegOpened { leg, medium: Medium::Voice, party: found, .. } if found == *party => {
                    legs.push(leg);
                }
                Change::LegEnded { leg, .. } => legs.retain(|open| *open != leg),
                _ => {}
            }
        }
        self.media.heard_by(*legs.last().expect("he has a voice leg"))
    }

    pub fn set_trunk_policies(&mut self, policies: BTreeMap<String, TrunkPolicy>) {
        self.admin(AdminCommand::SetTrunkPolicies(policies));
    }

    pub fn caller_ends(&mut self, call: CallId, ending: Ending) {
        self.carrier.stack.hangup_because(self.now, call, ending);
        self.drain_carrier();
    }

    /// How the caller's call ended, as he was told.
    pub fn ending_at_caller(&self, call: CallId) -> Option<&Ending> {
        self.carrier.ended.get(&call)
    }

    /// How the operator's last call ended, as his phone was told.
    pub fn ending_at_operator(&self, agent: AgentId) -> Option<&Ending> {
        let operator = &self.operators[&agent];
        let last = operator.rung.last()?;
        operator.ended.iter().find(|(call, _)| call == last).map(|(_, ending)| ending)
    }

    pub fn is_answered(&self, call: CallId) -> bool {
        self.carrier.answered.contains_key(&call)
    }

    /// How we described ourselves in the answer.
    pub fn answer_to_caller(&self, call: CallId) -> String {
        let sdp = self.carrier.answered.get(&call).cloned().flatten().unwrap_or_default();
        String::from_utf8(sdp).expect("text")
    }

    /// The description in our last INVITE to the carrier.
    pub fn offered_to_carrier(&self) -> String {
        let (_, invite) = self.carrier.invited.as_ref().expect("an INVITE came");
        let text = String::from_utf8_lossy(invite).into_owned();
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// The provisional answers that the caller has got: statuses and descriptions.
    pub fn heard_by_caller(&self, call: CallId) -> &[Provisional] {
        self.carrier.heard.get(&call).map_or(&[], Vec::as_slice)
    }

    /// Trunks that all lead to the one carrier there is, but those named `dead`: nobody answers there.
    pub fn set_trunks(&mut self, trunks: Vec<Trunk>) {
        self.admin(AdminCommand::SetTrunks(trunks));
    }

    /// The flows of this world, with these routes.
    pub fn set_routes(&mut self, routes: &str) {
        let source = Source::new("routes.plan", format!("{PLAN}\n{routes}"));
        let plan = dialplans::compile(&[source], &Self::names()).expect("good routes");
        self.admin(AdminCommand::SetPlan(Arc::new(plan)));
    }

    pub fn calls_to_customers(&self) -> usize {
        self.carrier.rung.len()
    }

    pub fn call_is_up(&self, call: CallId) -> bool {
        !self.carrier.ended.contains_key(&call)
    }

    /// How many calls have rung at the operator since he signed in.
    pub fn rings(&self, agent: AgentId) -> usize {
        self.operators[&agent].rung.len()
    }

    pub fn operator_answers(&mut self, agent: AgentId) {
        let call = *self.operators[&agent].rung.last().expect("his phone rings");
        self.operator_acts(agent, OperatorAct::Answer { call });
    }

    pub fn operator_refuses(&mut self, agent: AgentId) {
        let call = *self.operators[&agent].rung.last().expect("his phone rings");
        self.operator_acts(agent, OperatorAct::Refuse { call });
    }

    pub fn operator_hangs_up(&mut self, agent: AgentId) {
        let call = *self.operators[&agent].rung.last().expect("he has a call");
        self.operator_acts(agent, OperatorAct::HangUp { call });
    }

    /// His phone asks to send the customer of his call on to this address.
    pub fn operator_refers(&mut self, agent: AgentId, to: &str) {
        let call = *self.operators[&agent].rung.last().expect("he has a call");
        self.with_phone(agent, |stack, now| {
            assert!(stack.refer(now, call, to, None), "the phone can ask");
        });
    }

    /// His phone calls somebody of its own accord, maybe to replace a call (RFC 3891).
    pub fn operator_calls(&mut self, agent: AgentId, number: &str, replaces: Option<&str>) -> CallId {
        self.operator_calls_with(agent, number, replaces, b"v=0 operator")
    }

    /// The same with this offer, or without any.
    pub fn operator_calls_with(
        &mut self,
        agent: AgentId,
        number: &str,
        replaces: Option<&str>,
        offer: &[u8],
    ) -> CallId {
        let call = OutgoingCall {
            target: Target::Trunk { name: "tandem".to_owned(), number: number.to_owned() },
            caller: self.login(agent).to_owned(),
            caller_name: None,
            identity: Default::default(),
            sdp: offer.to_vec(),
            headers: Vec::new(),
            ring_timeout: Duration::from_secs(60),
            silence: None,
            options: CallOptions {
                replaces: replaces.map(|value| value.as_bytes().to_vec()),
                ..CallOptions::default()
            },
        };
        let mut made = None;
        self.with_phone(agent, |stack, now| made = Some(stack.invite(now, call).expect("he can call")));
        self.pass(Duration::from_millis(500));
        made.expect("he called")
    }

    /// His phone asks to join the customer of `call` with the other party of another call of his.
    pub fn operator_joins(&mut self, agent: AgentId, call: CallId, to: &str, other: CallId) {
        self.with_phone(agent, |stack, now| {
            assert!(stack.refer(now, call, to, Some(other)), "the phone can ask");
        });
    }

    /// The same when the other call is not answered yet: named by what the phone knows of it.
    pub fn operator_joins_ringing(&mut self, agent: AgentId, call: CallId, to: &str) {
        let replaces = self.operators[&agent].called_early.clone().expect("it rings at the other end");
        let to = format!("{to}?Replaces={}", replaces.replace(';', "%3B").replace('=', "%3D"));
        self.operator_refers_on(agent, call, &to);
    }

    /// His phone asks to send on whoever is at the other end of this call.
    pub fn operator_refers_on(&mut self, agent: AgentId, call: CallId, to: &str) {
        self.with_phone(agent, |stack, now| assert!(stack.refer(now, call, to, None), "the phone can ask"));
    }

    /// The newest call that rings at him is sent elsewhere.
    pub fn operator_forwards(&mut self, agent: AgentId, to: &str) {
        self.operators.get_mut(&agent).expect("he is there").moved_to = to.to_owned();
        self.call_of_operator_is_refused(agent, 302);
        self.pass(Duration::from_millis(500));
    }

    /// The same for the newest of our calls to the carrier.
    pub fn carrier_forwards(&mut self, to: &str) {
        self.carrier.moved_to = to.to_owned();
        self.call_is_refused(302);
    }

    /// What the carrier was asked to call.
    pub fn numbers_called(&self) -> &[String] {
        &self.carrier.called
    }

    /// The newest call that rings at him is refused.
    pub fn call_of_operator_is_refused(&mut self, agent: AgentId, status: u16) {
        let call = self.newest_ring(agent);
        self.with_phone(agent, |stack, now| stack.reject(now, call, status, None));
    }

    /// Whether a CANCEL has told his phone that the call is completed elsewhere. RFC 3326
    pub fn was_cancelled_as_taken(&self, agent: AgentId) -> bool {
        self.operators[&agent].cancelled_as_taken
    }

    /// The newest call that rings at him.
    pub fn newest_ring(&self, agent: AgentId) -> CallId {
        *self.operators[&agent].rung.last().expect("his phone rings")
    }

    /// His phone says that it rings. How somebody else would name that call to replace it.
    pub fn operator_rings(&mut self, agent: AgentId) -> String {
        let call = self.newest_ring(agent);
        self.with_phone(agent, |stack, now| stack.ring(now, call, 180, None));
        self.pass(Duration::from_millis(500));
        self.operators[&agent].early.clone().expect("it rang")
    }

    pub fn operator_ends(&mut self, agent: AgentId, call: CallId) {
        self.operator_acts(agent, OperatorAct::HangUp { call });
    }

    /// How a call ended at his phone, when it has.
    pub fn ending_at(&self, agent: AgentId, call: CallId) -> Option<&Ending> {
        self.operators[&agent].ended.iter().find(|(ended, _)| *ended == call).map(|(_, ending)| ending)
    }

    pub fn was_answered(&self, agent: AgentId, call: CallId) -> bool {
        self.operators[&agent].answered.contains(&call)
    }

    /// Whom a leg hears, unless something is played to it.
    pub fn hears(&self, leg: LegId) -> Option<LegId> {
        self.media.partner(leg)
    }

    /// Whom a member of a conference hears; `None` for a leg that is in none.
    pub fn hears_in_conference(&self, leg: LegId) -> Option<BTreeSet<LegId>> {
        self.media.conference(leg).cloned()
    }

    /// Members of the largest conference so far.
    pub fn most_in_a_conference(&self) -> usize {
        self.media.most_members
    }

    /// The device of this leg puts its call on hold, or takes it back.
    pub fn put_on_hold(&mut self, leg: LegId, held: bool) {
        let direction = Direction { sends: !held, receives: !held };
        self.engine.handle(self.now, Input::Media(MediaEvent::Accepted { leg, direction }));
        self.drain();
    }

    pub fn hears_music(&self, leg: LegId) -> bool {
        self.media.plays(leg)
    }

    pub fn channel(&self, leg: LegId) -> Option<Channel> {
        self.media.channel(leg)
    }

    pub fn login(&self, agent: AgentId) -> &str {
        &self.operators[&agent].login
    }

    /// What his phone has heard of that.
    pub fn operator_was_told(&self, agent: AgentId) -> Vec<(u16, bool)> {
        self.operators[&agent].told.clone()
    }

    /// The newest of our calls through the carrier is refused.
    pub fn customer_refuses(&mut self, status: u16) {
        let call = *self.carrier.rung.last().expect("the customer's phone rings");
        self.carrier.stack.reject(self.now, call, status, None);
        self.drain_carrier();
    }

    /// His device dies. It comes back by itself up to 40 s later; `operator_is_back` brings it back now.
    pub fn operator_dies(&mut self, agent: AgentId) {
        self.operator_acts(agent, OperatorAct::Die);
    }

    pub fn operator_is_back(&mut self, agent: AgentId) {
        self.operator_acts(agent, OperatorAct::SignIn);
    }

    /// All operators' phones are browsers. To be said before anything happens.
    pub fn operators_use_browsers(&mut self) {
        self.operators.values_mut().for_each(|operator| operator.in_browser = true);
    }

    /// His browser is gone; a desk phone of his lives on.
    pub fn desk_vanishes(&mut self, agent: AgentId) {
        self.agent_says(agent, AgentCommand::DeskClosed);
    }

    /// His phone is gone; his browser lives on.
    pub fn phone_vanishes(&mut self, agent: AgentId) {
        let connection = self.operators.get_mut(&agent).and_then(|operator| operator.connection.take());
        self.network.cut(self.now.instant, connection.expect("he was signed in"));
        self.run(Duration::from_millis(100));
    }

    pub fn remove_operator(&mut self, agent: AgentId) {
        self.admin(AdminCommand::RemoveAgent(agent));
    }

    /// How many may wait in the one queue there is; without a number it is there no more.
    pub fn set_places(&mut self, most: Option<usize>) {
        let queues = most.map(super::support).into_iter().collect();
        self.admin(AdminCommand::SetQueues(queues));
    }

    pub fn desk(&self, agent: AgentId) -> &DeskView {
        self.operators[&agent].desk.as_ref().expect("a desk was shown")
    }

    pub fn agent_does(&mut self, agent: AgentId, command: AgentCommand) -> Result<Reply, Refusal> {
        let request = self.agent_says(agent, command);
        self.replies.remove(&request).expect("a desk command is answered at once")
    }

    pub fn visitor_comes(&mut self, phone: Option<&str>) -> VisitorId {
        let id = VisitorId::new(self.now.wall, self.random.random());
        self.visitors.insert(id, Visitor { phone: phone.map(str::to_owned), messages: 0 });
        self.visitor_says_hello(id);
        id
    }

    /// A visitor comes, asks for sales, and this operator, whom he is offered to, takes the chat.
    pub fn visitor_is_served(&mut self, phone: Option<&str>, agent: AgentId) -> VisitorId {
        let visitor = self.visitor_comes(phone);
        for (id, text) in [("m0", "hello"), ("m1", "sales")] {
            self.visitor_writes(visitor, id, text).expect("the message is taken");
        }
        self.pass(Duration::from_secs(1));
        let offer = self.desk(agent).offers[0].offer;
        self.agent_does(agent, AgentCommand::Accept { offer }).expect("the chat is accepted");
        visitor
    }

    pub fn visitor_says_hello(&mut self, id: VisitorId) {
        let phone = self.visitors.get(&id).and_then(|visitor| visitor.phone.clone());
        let hello = VisitorCommand::Hello {
            account: "main".to_owned(),
            name: None,
            identities: phone.into_iter().map(Identity::Phone).collect(),
            page: None,
            locale: None,
        };
        self.visitor_says(id, hello);
    }

    /// Writes, lets the store think, and returns what the widget is answered.
    pub fn visitor_writes(&mut self, id: VisitorId, external_id: &str, text: &str) -> Result<Reply, Refusal> {
        let send = VisitorCommand::Send {
            external_id: external_id.to_owned(),
            text: text.to_owned(),
            account: "main".to_owned(),
        };
        self.visitor_does(id, send)
    }

    pub fn visitor_does(&mut self, id: VisitorId, command: VisitorCommand) -> Result<Reply, Refusal> {
        let request = self.visitor_says(id, command);
        self.run(Duration::from_millis(100));
        self.replies.remove(&request).expect("a widget is answered")
    }

    /// All sessions, each as its journal.
    pub fn journals(&self) -> Vec<Vec<Entry>> {
        self.audit.journals().into_iter().map(<[Entry]>::to_vec).collect()
    }

    /// The server stops without a word and starts again on what was journalled. Peers keep what they have.
    pub fn crash_and_restart(&mut self) {
        let journals = self.journals();
        self.media = Default::default();
        self.agenda.clear();
        let mut config = self.config.clone();
        config.seed = self.random.random();
        config.sip.seed = self.random.random();
        self.engine = Engine::new(self.now, config);
        self.audit = Audit::default();
        let operators: Vec<(AgentId, String)> =
            self.operators.iter().map(|(agent, operator)| (*agent, operator.login.clone())).collect();
        self.load_configuration(&operators);
        for entries in journals {
            let begun = |c: &Change| matches!(c, Change::WrapUpStarted { .. });
            let done = |c: &Change| matches!(c, Change::WrapUpEnded { .. });
            let recorded = cut_recordings(&entries);
            let open = !recorded.is_empty()
                || count(&entries, |c| matches!(c, Change::SessionEnded { .. })) == 0
                || count(&entries, begun) > count(&entries, done);
            let Some(Entry { change: Change::SessionOpened { customer, .. }, .. }) = entries.first() else {
                continue;
            };
            if !open {
                continue;
            }
            let customer = self.store.card(*customer);
            self.audit.continue_with(&entries);
            self.admin(AdminCommand::Restore(Box::new(RestoredSession { customer, entries, recorded })));
        }
    }

    pub(super) fn names() -> Names {
        Names {
            queues: ["support".to_owned()].into(),
            prompts: ["hello", "menu", "wait", "bye"].map(str::to_owned).into(),
            music: ["hold".to_owned()].into(),
            operators: ["op0".to_owned()].into(),
            ..Default::default()
        }
    }
}

/// The one session that there is.
pub fn only(journals: &[Vec<Entry>]) -> &[Entry] {
    assert_eq!(journals.len(), 1, "{} sessions", journals.len());
    &journals[0]
}

/// The open legs of a journal, in the order in which they were opened: who is there, and whether he has answered.
pub fn open_legs(entries: &[Entry]) -> Vec<(LegId, Party, bool)> {
    let mut legs: Vec<(LegId, Party, bool)> = Vec::new();
    for entry in entries {
        match &entry.change {
            Change::LegOpened { leg, party, .. } => legs.push((*leg, party.clone(), false)),
            Change::LegAnswered { leg } => {
                legs.iter_mut().filter(|(l, ..)| l == leg).for_each(|l| l.2 = true)
            }
            Change::LegEnded { leg, .. } => legs.retain(|(open, ..)| open != leg),
            _ => {}
        }
    }
    legs
}

/// The session of a journal.
pub fn session_of(entries: &[Entry]) -> SessionId {
    entries[0].session
}

pub fn count(entries: &[Entry], which: impl Fn(&Change) -> bool) -> usize {
    entries.iter().filter(|entry| which(&entry.change)).count()
}
