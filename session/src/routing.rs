//! The ACD's decisions carried out, and what is told back to it.

use acd::api::{EnqueueError, Item, Output as AcdOutput};
use dialplans::api::Input as FlowInput;
use model::{AgentId, Cause, Change, Ending, Left, Now, OfferOutcome, SessionId, Side};

use crate::api::{Output, VisitorEvent, VisitorState};
use crate::engine::Engine;
use crate::leg::Role;
use crate::session::{LiveOffer, Queued, WrapUp};
use crate::timers::Timer;
use crate::view::{DeskView, OfferView};
use crate::wanted::demand;

/// A session whose operator was lost goes before everybody.
pub(crate) const HEAD_OF_QUEUE: i32 = 1_000;
/// Most waiting customers who are told their place at one time.
const TOLD_AT_ONCE: usize = 200;

impl Engine {
    pub(crate) fn handle_acd(&mut self, now: Now, output: AcdOutput) {
        match output {
            AcdOutput::Offer { offer, agent, session: id, queue, media, deadline, why } => {
                self.offers.insert(offer, id);
                let Some(session) = self.sessions.get_mut(&id) else {
                    self.acd.remove(now, id);
                    return;
                };
                let deadline = now.wall + deadline.saturating_since(now.instant);
                let live = LiveOffer { offer, agent, queue: queue.clone(), media, deadline, refused: false };
                session.offers.push(live);
                self.journal(now, id, Change::Offered { offer, agent, queue, why: Some(why) });
                self.show_desk(agent);
                if media.voice {
                    if self.ring_agent(now, id, agent, Role::Offer(offer)) == 0 {
                        self.acd.fail(now, offer);
                    }
                } else if self.answers_by_himself(agent) {
                    self.acd.accept(now, offer);
                }
            }
            AcdOutput::OfferEnded { offer, agent, session: id, outcome } => {
                self.offers.remove(&offer);
                self.show_desk(agent);
                if !self.sessions.contains_key(&id) {
                    return;
                }
                self.journal(now, id, Change::OfferEnded { offer, agent, outcome });
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.offers.retain(|live| live.offer != offer);
                }
                self.stop_offer_legs(now, id, offer, outcome);
                if outcome == OfferOutcome::Accepted {
                    self.accepted(now, id, agent);
                } else {
                    self.visitor_state(now, id);
                }
            }
            AcdOutput::Overflowed { session: id, from, to } => self.overflowed(now, id, from, to),
            AcdOutput::Overflow { session: id, queue: _ } => {
                self.flow_input(now, id, FlowInput::QueueOverflow);
            }
            AcdOutput::AgentStatus { agent, status, by } => self.journal_agent(now, agent, status, by),
            AcdOutput::WrapUpStarted { agent, session: id, until } => {
                let until = now.wall + until.saturating_since(now.instant);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.wrap_ups.push(WrapUp { agent, until });
                    self.journal(now, id, Change::WrapUpStarted { agent });
                }
                self.show_desk(agent);
            }
            AcdOutput::WrapUpEnded { agent, session: id } => {
                self.wrap_up_over(now, id, agent, None, None);
                self.show_desk(agent);
            }
        }
    }

    pub(crate) fn wrap_up_over(
        &mut self,
        now: Now,
        id: SessionId,
        agent: AgentId,
        disposition: Option<String>,
        note: Option<String>,
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        if session.wrap_up_of(agent).is_none() {
            return;
        }
        self.journal(now, id, Change::WrapUpEnded { agent, disposition, note });
        if let Some(session) = self.sessions.get_mut(&id) {
            session.wrap_ups.retain(|wrap_up| wrap_up.agent != agent);
        }
        self.sweep_later(id);
    }

    fn accepted(&mut self, now: Now, id: SessionId, agent: AgentId) {
        self.keep_place(id);
        let why = if self.is_called_back(id) { Left::CalledBack } else { Left::Answered };
        self.dequeued(now, id, why);
        self.own(now, id, agent);
        self.served_from_queue(now, id, agent);
    }

    /// Whoever waited has an owner.
    pub(crate) fn served_from_queue(&mut self, now: Now, id: SessionId, agent: AgentId) {
        self.flow_input(now, id, FlowInput::QueueAnswered);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.flow = None;
        }
        if self.make_callback(now, id, agent) {
            return;
        }
        self.callback_withdrawn(now, id);
        self.bring_together(now, id);
        let customer_left = self.sessions.get(&id).is_some_and(|session| session.customer_voice().is_none());
        if customer_left {
            // The phone rang for a call that is a chat by now.
            let legs: Vec<_> = self
                .sessions
                .get(&id)
                .into_iter()
                .flat_map(|s| s.agent_voice_legs().map(|leg| leg.id))
                .collect();
            for leg in legs {
                self.hang_up(now, leg, Cause::Cancelled, Side::Customer);
            }
        }
        self.call_as_asked(now, id, agent);
    }

    /// The session gets this owner, who has a slot for it already.
    pub(crate) fn own(&mut self, now: Now, id: SessionId, agent: AgentId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.owner = Some(agent);
            session.was_answered = true;
            self.last_agents.served(session.customer.customer, agent);
        }
        self.journal(now, id, Change::OwnerChanged { agent: Some(agent) });
        self.visitor_state(now, id);
    }

    /// The session gets this owner without an offer.
    pub(crate) fn take_ownership(&mut self, now: Now, id: SessionId, agent: AgentId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let media = session.media();
        self.acd.remove(now, id);
        self.acd.assign(now, agent, id, media);
        let why = if self.is_called_back(id) { Left::CalledBack } else { Left::Taken };
        self.keep_place(id);
        self.dequeued(now, id, why);
        self.own(now, id, agent);
    }

    pub(crate) fn enqueue(&mut self, now: Now, id: SessionId, place: &Queued) -> Result<(), EnqueueError> {
        let media = self.sessions.get(&id).map(|session| session.media()).unwrap_or_default();
        let mut item = Item::new(id, place.queue.clone(), place.priority, media, place.since);
        item.demand = demand(&place.asks);
        self.apply_rules(now, &mut item);
        item.preferred = self.preferred_agent(id, place);
        self.acd.enqueue(now, item)
    }

    pub(crate) fn dequeued(&mut self, now: Now, id: SessionId, why: Left) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(place) = session.queued.take() {
            self.waiting.remove(&id);
            self.journal(now, id, Change::Dequeued { queue: place.queue, why });
        }
    }

    /// The session takes over a place of a session that went up in it: the older age and the higher priority count. False when its
    /// queue does not take it; then it is as it was.
    pub(crate) fn improve_place(&mut self, now: Now, id: SessionId, other: Queued) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let place = match session.queued.clone() {
            Some(own) => Queued {
                priority: own.priority.max(other.priority),
                since: own.since.min(other.since),
                since_wall: own.since_wall.min(other.since_wall),
                ..own
            },
            None => other,
        };
        if let Err(error) = self.enqueue(now, id, &place) {
            tracing::warn!(session = %id, queue = %place.queue, %error, "a session does not get into its queue");
            return false;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.queued = Some(place.clone());
        self.waiting.insert(id);
        session.queue_name = Some(place.queue.clone());
        session.flow = None;
        self.journal_place(now, id, place);
        true
    }

    /// No queue takes whoever would wait: his call ends, and what is left of him as a chat gets the flow of its entry.
    pub(crate) fn nobody_serves(&mut self, now: Now, id: SessionId) {
        let ending = Ending::new(Cause::Overload, Side::System);
        let call = self.sessions.get(&id).and_then(|session| session.customer_voice()).map(|leg| leg.id);
        match call {
            Some(call) => self.hang_up_because(now, call, ending),
            None if self.serve_chat_by_flow(now, id) => self.visitor_state(now, id),
            None => self.end_session(now, id, ending),
        }
    }

    /// The operator could not come back in time: somebody else takes over at once.
    pub(crate) fn owner_grace_over(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.owner_lost_until.is_none_or(|until| until > now.instant) {
            return;
        }
        if session.agent_voice_legs().any(|leg| leg.is_up()) {
            // He is on the phone with the customer, whatever became of his desk.
            session.owner_lost_until = None;
            return;
        }
        self.owner_is_no_more(now, id);
    }

    /// His desk is gone: whoever only writes to him is served by somebody else when he does not come back.
    pub(crate) fn desk_lost(&mut self, now: Now, agent: AgentId) {
        for id in self.sessions_of(agent) {
            self.wait_for_owner(now, id);
        }
    }

    pub(crate) fn wait_for_owner(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        // When a transfer fails, he is waited for from then on.
        let is_there =
            session.parked.is_some() || session.transfer.is_some() || session.owner_lost_until.is_some();
        if is_there || session.agent_voice_legs().any(|leg| leg.is_up()) {
            return;
        }
        let until = now.instant + self.config.agent_grace;
        session.owner_lost_until = Some(until);
        self.timers.set(until, Timer::OwnerGrace(id));
    }

    /// His desk is there (again): text is served. A customer on the phone is served when his phone is.
    pub(crate) fn desk_found(&mut self, agent: AgentId) {
        for id in self.sessions_of(agent) {
            if let Some(session) = self.sessions.get_mut(&id)
                && session.customer_voice().is_none()
            {
                session.owner_lost_until = None;
            }
        }
    }

    /// Chats that wait learn when they have moved up.
    pub(crate) fn tell_positions(&mut self, now: Now) {
        let waiting: Vec<SessionId> = self.waiting.iter().copied().take(TOLD_AT_ONCE).collect();
        for id in waiting {
            let VisitorState::Waiting { position } = self.visitor_state_of(now, id) else { continue };
            let Some(session) =
                self.sessions.get_mut(&id).filter(|session| session.told_position != position)
            else {
                continue;
            };
            session.told_position = position;
            self.visitor_state(now, id);
        }
    }

    /// The session goes to the head of its queue, and the customer on the phone hears music.
    pub(crate) fn owner_is_no_more(&mut self, now: Now, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.ended.is_none()) else {
            return;
        };
        session.owner_lost_until = None;
        if self.guest_takes_over(now, id) {
            return;
        }
        self.end_aside(now, id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let queue = session.queue_name.clone();
        let opened = session.opened;
        let age = now.wall.saturating_since(opened);
        // Without an owner first, so that nobody waits for him when his legs end.
        if let Some(agent) = session.owner.take() {
            self.show_desk(agent);
        }
        // Two would come for the customer else.
        self.withdraw_transfer(now, id);
        let Some(session) = self.sessions.get(&id) else { return };
        let legs: Vec<_> = session.agent_voice_legs().map(|leg| leg.id).collect();
        for leg in legs {
            self.hang_up(now, leg, Cause::Replaced, Side::System);
        }
        self.end_consultation(now, id);
        self.dismiss_guests(now, id);
        self.unpark(now, id);
        self.acd.release(now, id);
        self.journal(now, id, Change::OwnerChanged { agent: None });
        let Some(queue) = queue else {
            self.end_session(now, id, Ending::new(Cause::Lost, Side::Agent));
            return;
        };
        let since = model::Instant::from_micros(
            now.instant.as_micros().saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX)),
        );
        let asks = Box::default();
        let place = Queued { queue, priority: HEAD_OF_QUEUE, since, since_wall: opened, music: None, asks };
        if !self.improve_place(now, id, place) {
            return self.nobody_serves(now, id);
        }
        self.play_waiting(now, id);
        self.visitor_state(now, id);
    }

    /// The customer has more or fewer media than before.
    pub(crate) fn customer_media_changed(&mut self, now: Now, id: SessionId) {
        if self.sessions.get(&id).is_some_and(|session| !session.media().is_empty()) {
            self.back_in_place(now, id);
        }
        if let Some(session) = self.sessions.get(&id) {
            let media = session.media();
            if !media.is_empty() {
                self.acd.set_media(now, id, media);
            }
        }
        self.show_floor();
    }

    pub(crate) fn visitor_state_of(&self, now: Now, id: SessionId) -> VisitorState {
        let Some(session) = self.sessions.get(&id) else { return VisitorState::Idle };
        if session.ended.is_some() {
            return VisitorState::Closed;
        }
        if let Some(owner) = session.owner {
            let in_call = session.customer_voice().is_some_and(|leg| leg.is_up());
            return VisitorState::With { name: self.agent_name(owner), in_call };
        }
        if session.queued.is_some() {
            let position = self.acd.place(now, id).map_or(1, |place| place.position);
            return VisitorState::Waiting { position };
        }
        VisitorState::Flow
    }

    pub(crate) fn visitor_state(&mut self, now: Now, id: SessionId) {
        let Some((_, visitor)) = self.sessions.get(&id).and_then(|session| session.chat()) else { return };
        let state = self.visitor_state_of(now, id);
        self.put(Output::ToVisitor { visitor, event: VisitorEvent::State { session: Some(id), state } });
    }

    pub(crate) fn sessions_of(&self, agent: AgentId) -> Vec<SessionId> {
        self.acd.agent(agent).map(|view| view.sessions).unwrap_or_default()
    }

    pub(crate) fn desk_view(&self, _now: Now, agent: AgentId) -> Option<DeskView> {
        let setup = &self.agents.get(&agent)?.setup;
        let view = self.acd.agent(agent)?;
        let offers = view
            .offers
            .iter()
            .filter_map(|(offer, id)| {
                let session = self.sessions.get(id)?;
                let live = session.offer(*offer)?;
                Some(OfferView {
                    offer: *offer,
                    session: *id,
                    queue: live.queue.clone(),
                    media: live.media,
                    customer: session.customer.view(),
                    callback: session.callback.as_ref().map(|callback| callback.number.clone()),
                    context: session.context.clone(),
                    waiting_since: session.queued.as_ref().map_or(session.opened, |queued| queued.since_wall),
                    deadline: live.deadline,
                })
            })
            .collect();
        let mut ids = view.sessions.clone();
        ids.extend(view.wrapping_up.iter().copied());
        ids.sort();
        ids.dedup();
        let sessions = ids.iter().filter_map(|id| Some(self.sessions.get(id)?.view(agent))).collect();
        Some(DeskView {
            agent,
            name: setup.name.clone(),
            status: view.status,
            since: view.since,
            phone_registered: self.has_device(agent),
            supervising: self.supervising(agent),
            offers,
            sessions,
        })
    }
}
