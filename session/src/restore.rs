//! Sessions from before a restart, rebuilt from their journals. Text goes on where it was; calls that the restart broke are
//! marked as such.

use model::{
    AgentId, Asks, Author, Cause, Change, Ending, Entry, Instant, LegId, Media, Medium, Now, OfferId,
    OfferOutcome, Party, QueueName, RecordingId, SessionId, Side, Timestamp, VisitorId,
};

use crate::api::RestoredSession;
use crate::callback::Callback;
use crate::contact::Visitor;
use crate::engine::Engine;
use crate::leg::{Leg, Line};
use crate::routing::HEAD_OF_QUEUE;
use crate::session::{Queued, Session};
use crate::timers::Timer;
use crate::view::LegState;

/// What the journal says was going on.
#[derive(Default)]
struct Tail {
    /// Open legs: medium, and the address of chat legs.
    legs: Vec<(LegId, Medium, Party, String)>,
    place: Option<(QueueName, i32, Timestamp, Box<Asks>)>,
    last_queue: Option<QueueName>,
    /// Flow and state of the last step that led into a queue.
    queued_by: Option<(String, String)>,
    /// Recordings without an end.
    recordings: Vec<RecordingId>,
    owner: Option<AgentId>,
    wrap_up: Option<AgentId>,
    /// Offers without an end.
    offers: Vec<(OfferId, AgentId)>,
    ended: bool,
    /// The latest place, also when it was left.
    last_place: Option<(QueueName, i32, Timestamp, Box<Asks>)>,
    callback: Option<Promised>,
}

/// A call that was promised before the restart.
struct Promised {
    number: String,
    attempts: u32,
    again: Option<Timestamp>,
}

impl Engine {
    pub(crate) fn restore(&mut self, now: Now, restored: RestoredSession) {
        let Some(first) = restored.entries.first() else { return };
        let id = first.session;
        if self.sessions.contains_key(&id) {
            return;
        }
        let customer = restored.customer.customer;
        let mut session = Session::new(now, id, restored.customer);
        session.opened = first.at;
        let mut tail = Tail::default();
        for entry in &restored.entries {
            replay(&mut session, &mut tail, entry);
        }
        session.queue_name = tail.last_queue.clone();
        self.sessions.insert(id, Box::new(session));
        self.open_by_customer.entry(customer).or_default().push(id);

        let restarted = Ending::new(Cause::Restarted, Side::System);
        let mut chat = None;
        let mut broken = None;
        for (leg, medium, party, address) in std::mem::take(&mut tail.legs) {
            if medium == Medium::Voice && party == Party::Customer && address.starts_with('+') {
                broken = Some(address.clone());
            }
            match (medium, address.parse::<VisitorId>()) {
                (Medium::Chat, Ok(visitor)) => chat = Some((leg, visitor, party, address)),
                (Medium::Chat, Err(_)) | (Medium::Voice, _) => {
                    self.journal(now, id, Change::LegEnded { leg, ending: restarted.clone() });
                }
            }
        }
        for (offer, agent) in std::mem::take(&mut tail.offers) {
            let outcome = OfferOutcome::Withdrawn;
            self.journal(now, id, Change::OfferEnded { offer, agent, outcome });
        }
        for recording in std::mem::take(&mut tail.recordings) {
            let length = restored.recorded.get(&recording).copied().unwrap_or_default();
            let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            self.journal(now, id, Change::RecordingEnded { recording, millis });
        }
        if tail.ended {
            self.restore_wrap_up(now, id, tail.wrap_up);
            self.leave_customer(customer, id);
            return;
        }
        if let Some(agent) = tail.wrap_up {
            self.journal(now, id, Change::WrapUpEnded { agent, disposition: None, note: None });
        }
        match chat {
            Some((leg, visitor, party, address)) => {
                self.restore_chat(now, id, leg, visitor, party, address, tail);
            }
            None if self.restore_callback(now, id, broken, tail) => {}
            None => self.end_session(now, id, restarted),
        }
    }

    /// He was to be called, or his call was broken while he waited or was served: he is called, in the order in which they came;
    /// those who were served first.
    fn restore_callback(&mut self, now: Now, id: SessionId, broken: Option<String>, tail: Tail) -> bool {
        let broken = broken.filter(|_| self.config.callback.after_restart);
        let number = tail.callback.as_ref().map(|promised| promised.number.clone()).or(broken);
        let (Some(number), Some((queue, priority, since, asks))) = (number, tail.last_place) else {
            return false;
        };
        let served = tail.owner.is_some() && tail.callback.is_none();
        if tail.place.is_none() && !served && tail.callback.is_none() {
            // He had left the queue for something that no operator was to do.
            return false;
        }
        if tail.owner.is_some() {
            self.journal(now, id, Change::OwnerChanged { agent: None });
        }
        if tail.callback.is_none() {
            self.journal(now, id, Change::CallbackPromised { number: number.clone(), by: Side::System });
        }
        let place = Queued {
            queue,
            priority: if served { HEAD_OF_QUEUE } else { priority },
            since: before(now, since),
            since_wall: since,
            music: None,
            asks,
        };
        let (attempts, again) =
            tail.callback.map_or((0, None), |promised| (promised.attempts, promised.again));
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.callback = Some(Callback { number, attempts, place: Some(place) });
        match again.filter(|at| *at > now.wall) {
            Some(at) => {
                self.timers.set(now.instant + at.saturating_since(now.wall), Timer::Callback(id));
            }
            None => self.callback_due(now, id),
        }
        true
    }

    /// All that was left of it was its operator's wrap-up, whose time begins anew.
    fn restore_wrap_up(&mut self, now: Now, id: SessionId, agent: Option<AgentId>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.ended = Some(Ending::new(Cause::Restarted, Side::System));
        self.sweep_later(id);
        let Some(agent) = agent else { return };
        if self.agents.contains_key(&agent) {
            self.acd.assign(now, agent, id, Media::VOICE);
            self.acd.finish(now, id);
        } else {
            self.journal(now, id, Change::WrapUpEnded { agent, disposition: None, note: None });
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn restore_chat(
        &mut self,
        now: Now,
        id: SessionId,
        leg: LegId,
        visitor: VisitorId,
        party: Party,
        address: String,
        tail: Tail,
    ) {
        self.legs.insert(leg, id);
        if let Some(session) = self.sessions.get_mut(&id) {
            let line = Line::Chat(visitor);
            let since = session.opened;
            session.legs.insert(
                leg,
                Box::new(Leg {
                    id: leg,
                    medium: Medium::Chat,
                    party,
                    address,
                    state: LegState::Up,
                    since,
                    held: false,
                    muted: false,
                    rang: false,
                    line,
                }),
            );
        }
        self.visitors.insert(visitor, Visitor { session: Some(id), ..Visitor::default() });
        self.timers.set(now.instant + self.config.chat_idle, Timer::ChatIdle(id));

        if let Some(owner) = tail.owner.filter(|owner| self.agents.contains_key(owner)) {
            let media = self.sessions.get(&id).map(|session| session.media()).unwrap_or_default();
            self.acd.assign(now, owner, id, media);
            if let Some(session) = self.sessions.get_mut(&id) {
                session.owner = Some(owner);
                session.was_answered = true;
            }
            self.wait_for_owner(now, id);
            self.show_desk(owner);
            return;
        }
        // Nobody has him: the call that he was promised is as before.
        let mut tail = tail;
        if let Some(Promised { number, attempts, .. }) = tail.callback.take() {
            tail.place = tail.place.or_else(|| tail.last_place.take());
            if let Some(session) = self.sessions.get_mut(&id) {
                session.callback = Some(Callback { number, attempts, place: None });
            }
        }
        if let Some((queue, priority, since_wall, asks)) = tail.place.or_else(|| {
            // Its owner is no longer with us: back into the queue, as old as it is.
            let opened = self.sessions.get(&id)?.opened;
            Some((tail.last_queue.filter(|_| tail.owner.is_some())?, 0, opened, Box::default()))
        }) {
            let since = before(now, since_wall);
            let place = Queued { queue, priority, since, since_wall, music: None, asks };
            if !self.improve_place(now, id, place) {
                self.nobody_serves(now, id);
            } else if let Some((flow, state)) = tail.queued_by {
                self.resume_flow(now, id, flow, &state);
            }
            return;
        }
        // It was with its flow, whose state is not kept: the flow starts over with what it has learnt.
        if !self.serve_chat_by_flow(now, id) {
            self.end_session(now, id, Ending::new(Cause::Restarted, Side::System));
        }
    }
}

/// When this was, on the monotonic clock.
fn before(now: Now, at: Timestamp) -> Instant {
    let age = now.wall.saturating_since(at).as_micros();
    Instant::from_micros(now.instant.as_micros().saturating_sub(u64::try_from(age).unwrap_or(u64::MAX)))
}

fn replay(session: &mut Session, tail: &mut Tail, entry: &Entry) {
    session.seq = entry.seq;
    match &entry.change {
        Change::SessionOpened { entry, medium: Medium::Chat, .. } => {
            session.chat_account = Some(entry.clone())
        }
        Change::CustomerNamed { name, .. } => session.customer.name = Some(name.clone()),
        Change::LegOpened { leg, medium, party, address } => {
            tail.legs.push((*leg, *medium, party.clone(), address.clone()));
        }
        Change::LegEnded { leg, .. } => tail.legs.retain(|(open, ..)| open != leg),
        Change::Message { message } => {
            session.keep_message(message.clone());
            if let Some(external_id) = &message.external_id
                && matches!(message.author, Author::Customer | Author::Agent { .. })
            {
                session.remember_message(external_id.clone(), entry.seq, entry.at);
            }
        }
        Change::Delivered { up_to } => session.delivered_up_to = *up_to,
        Change::Read { by: Side::Customer, up_to } => session.read_by_customer = *up_to,
        Change::Read { by: Side::Agent, up_to } => session.read_by_agent = *up_to,
        Change::ContextSet { key, value } => {
            session.context.insert(key.clone(), value.clone());
        }
        Change::Queued { queue, priority, since, asks } => {
            tail.place = Some((queue.clone(), *priority, *since, asks.clone()));
            tail.last_place = tail.place.clone();
            tail.last_queue = Some(queue.clone());
        }
        Change::Step { flow, state, verb, outcome: _ } if verb == "queue" => {
            tail.queued_by = Some((flow.clone(), state.clone()));
        }
        Change::Dequeued { .. } => tail.place = None,
        Change::Offered { offer, agent, queue: _, why: _ } => tail.offers.push((*offer, *agent)),
        Change::OfferEnded { offer, .. } => tail.offers.retain(|(open, _)| open != offer),
        Change::OwnerChanged { agent } => {
            tail.owner = *agent;
            // Whoever was served once waits without the flow.
            tail.queued_by = None;
        }
        Change::WrapUpStarted { agent } => tail.wrap_up = Some(*agent),
        Change::WrapUpEnded { agent, .. } => tail.wrap_up = tail.wrap_up.filter(|latest| latest != agent),
        Change::RecordingStarted { recording, .. } => tail.recordings.push(*recording),
        Change::RecordingEnded { recording, .. } | Change::RecordingFailed { recording, .. } => {
            tail.recordings.retain(|open| open != recording);
        }
        Change::RecordingPaused { paused, .. } => session.recording.paused = *paused,
        Change::RecordingWanted { wanted, .. } => session.recording.wanted = Some(*wanted),
        Change::CallbackPromised { number, .. } => {
            tail.callback = Some(Promised { number: number.clone(), attempts: 0, again: None });
        }
        Change::CallbackTried { reached: false, again: Some(again) } => {
            if let Some(promised) = &mut tail.callback {
                promised.attempts += 1;
                promised.again = Some(*again);
            }
        }
        Change::CallbackTried { .. } | Change::CallbackWithdrawn => tail.callback = None,
        Change::SessionEnded { .. } => tail.ended = true,
        Change::SessionOpened { medium: Medium::Voice, .. }
        | Change::IdentityLinked { .. }
        | Change::CustomerChanged { .. }
        | Change::Step { .. }
        | Change::LegRinging { .. }
        | Change::LegAnswered { .. }
        | Change::LegHeld { .. }
        | Change::LegMuted { .. }
        | Change::LegTrouble { .. }
        | Change::LegQuality { .. }
        | Change::Read { by: Side::Flow | Side::Carrier | Side::System, .. }
        | Change::TaskLeft { .. }
        | Change::Parked { .. }
        | Change::SetAside { .. }
        | Change::Supervised { .. }
        | Change::Escalated { .. }
        | Change::Transferred { .. }
        | Change::MergedInto { .. } => {}
    }
}
