use std::collections::VecDeque;

use model::{
    AgentId, AgentStatus, Instant, Media, Medium, Now, OfferId, OfferOutcome, QueueName, SessionId, Side,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustc_hash::FxHashMap;

use crate::agent::{AgentIx, Agents};
use crate::api::{AgentConfig, EnqueueError, Item, Output, QueueConfig};
use crate::offers::Offer;
use crate::timers::{Timer, Timers};
use crate::waiting::{Queues, Waiting};

/// The one owner of all queues and agents of a site. Calls that name an unknown agent, session or offer do nothing.
pub struct Acd {
    pub(crate) random: StdRng,
    pub(crate) queues: Queues,
    pub(crate) agents: Agents,
    pub(crate) owners: FxHashMap<SessionId, AgentIx>,
    pub(crate) offers: FxHashMap<OfferId, Offer>,
    pub(crate) timers: Timers,
    pub(crate) outputs: VecDeque<Output>,
}

impl Acd {
    /// The seed makes the offers' ids.
    pub fn new(seed: [u8; 32]) -> Acd {
        Acd {
            random: StdRng::from_seed(seed),
            queues: Queues::default(),
            agents: Agents::default(),
            owners: FxHashMap::default(),
            offers: FxHashMap::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
        }
    }

    /// All queues there are; may be called at any time. A queue that is no longer named takes nothing new,
    /// but what waits in it is still offered to its agents.
    pub fn set_queues(&mut self, now: Now, queues: Vec<QueueConfig>) {
        let waiting = self.queues.configure(queues);
        let agents = self.agents.all();
        for ix in &agents {
            self.forget_lists(*ix);
            self.serve(*ix);
        }
        for session in &waiting {
            self.relink(now, *session);
        }
        self.agents_changed(now, &agents);
        for session in waiting {
            self.retime(now, session);
        }
    }

    /// A new agent is signed out and not reachable; a known one keeps his state, his sessions and what rings, unless he has no longer
    /// the skills for it: then the offer ends as `AgentLeft`.
    pub fn set_agent(&mut self, now: Now, config: AgentConfig) {
        let Some(ix) = self.agents.ix(config.agent) else {
            let ix = self.agents.add(now, config);
            self.serve(ix);
            return;
        };
        let empty = self.leave_queues(ix);
        let Some(agent) = self.agents.get_mut(ix) else { return };
        agent.config = config;
        let offer = agent.offer;
        self.serve(ix);
        let unfit = offer.filter(|offer| self.is_unfit(*offer));
        let ended = unfit.and_then(|offer| self.end_offer(now, offer, OfferOutcome::AgentLeft));
        self.agents_changed(now, &[ix]);
        if let Some(ended) = ended {
            self.match_session(now, ended.session);
        }
        self.nobody_is_left(now, empty);
    }

    /// His offer ends as `AgentLeft`; the sessions he owns lose their owner as by `release`.
    pub fn remove_agent(&mut self, now: Now, agent: AgentId) {
        let Some(ix) = self.agents.ix(agent) else { return };
        let offer = self.agents.get(ix).and_then(|agent| agent.offer);
        let offer = offer.and_then(|offer| self.end_offer(now, offer, OfferOutcome::AgentLeft));
        let empty = self.leave_queues(ix);
        let Some(gone) = self.agents.remove(ix) else { return };
        for session in gone.sessions.keys() {
            self.owners.remove(session);
        }
        for (session, wrap_up) in gone.wrapping_up {
            self.timers.stop(wrap_up.until, Timer::WrapUp(ix, session));
            self.outputs.push_back(Output::WrapUpEnded { agent, session });
        }
        for (session, until) in gone.declined {
            self.timers.stop(until, Timer::Declined(ix, session));
        }
        if let Some(back_off) = gone.back_off {
            self.timers.stop(back_off.until, Timer::BackOff(ix));
        }
        if let Some(until) = gone.settled_until {
            self.timers.stop(until, Timer::Settled(ix));
        }
        if gone.status != AgentStatus::SignedOut {
            self.outputs.push_back(Output::AgentStatus {
                agent,
                status: AgentStatus::SignedOut,
                by: Side::System,
            });
        }
        let mut freed: Vec<SessionId> = gone.kept.into_iter().collect();
        for session in &freed {
            self.keep_no_longer(*session);
        }
        freed.extend(offer.map(|offer| offer.session));
        self.match_sessions(now, freed);
        self.nobody_is_left(now, empty);
    }

    /// Takes effect at once, also while an offer rings: it ends as `AgentLeft`. What he owns stays his.
    pub fn set_status(&mut self, now: Now, agent: AgentId, status: AgentStatus, by: Side) {
        let Some(ix) = self.agents.ix(agent) else { return };
        let Some(known) = self.agents.get_mut(ix) else { return };
        if known.status == status {
            return;
        }
        known.measure(now);
        let before = std::mem::replace(&mut known.status, status.clone());
        known.status_since = now.wall;
        if before == AgentStatus::SignedOut {
            known.signed_in(now);
        }
        if status == AgentStatus::Ready {
            known.idle_from(now);
        }
        // What he took or was given while he was not ready rings on when he becomes ready.
        let leaves = before == AgentStatus::Ready || status == AgentStatus::SignedOut;
        let offer = known.offer.filter(|_| leaves);
        let mut freed = Vec::new();
        if status != AgentStatus::Ready {
            freed.extend(known.kept.iter().copied());
        }
        let offer = offer.and_then(|offer| self.end_offer(now, offer, OfferOutcome::AgentLeft));
        for session in &freed {
            self.keep_no_longer(*session);
        }
        freed.extend(offer.map(|offer| offer.session));
        self.outputs.push_back(Output::AgentStatus { agent, status, by });
        let empty = self.recount(ix);
        self.agents_changed(now, &[ix]);
        self.match_sessions(now, freed);
        self.nobody_is_left(now, empty);
    }

    /// Whether he can be reached by this medium. An offer that rings on it when it is lost ends as `Unreachable`.
    /// Being told again that he is reachable ends the back-off after a single failed offer.
    pub fn set_reachable(&mut self, now: Now, agent: AgentId, medium: Medium, reachable: bool) {
        let Some(ix) = self.agents.ix(agent) else { return };
        let Some(known) = self.agents.get_mut(ix) else { return };
        let was = std::mem::replace(known.reachable(medium), reachable);
        let mut offer = None;
        if reachable {
            if !was {
                known.idle_from(now);
            }
            if let Some(back_off) = known.back_off.take_if(|back_off| has(back_off.ends_with, medium)) {
                self.timers.stop(back_off.until, Timer::BackOff(ix));
                known.idle_from(now);
            }
        } else if was {
            let ringing =
                known.offer.filter(|id| self.offers.get(id).is_some_and(|it| has(it.media, medium)));
            offer = ringing.and_then(|id| self.end_offer(now, id, OfferOutcome::Unreachable));
        }
        self.agents_changed(now, &[ix]);
        if let Some(offer) = offer {
            self.match_session(now, offer.session);
        }
    }

    /// Whether a session that does not wait in it yet could.
    pub fn room_in(&self, queue: &QueueName) -> Result<(), EnqueueError> {
        self.queues.room_in(queue).map(drop)
    }

    /// The session waits for an agent from now on. The same session again moves to the new queue, priority and demand and
    /// keeps its older age; an offer of it goes on. A session that has an owner keeps him until somebody else
    /// accepts it, and it is not offered to him.
    pub fn enqueue(&mut self, now: Now, mut item: Item) -> Result<(), EnqueueError> {
        let session = item.session;
        let known = self.queues.item(session);
        let same = known.filter(|known| self.queues.get(known.queue).config.name == item.queue);
        let queue = match same {
            Some(known) => known.queue,
            None => self.queues.room_in(&item.queue)?,
        };
        item.since = item.since.min(now.instant);
        let kept_for = self.keeper(now, &item);
        if let Some(known) = known {
            item.since = item.since.min(known.item.since);
            let (moves, media, text) = (known.queue != queue, item.media, item.work);
            self.queues.unlink(session);
            self.queues.move_to(session, queue);
            if let Some(known) = self.queues.item_mut(session) {
                known.item = item;
                if moves {
                    known.left.clear();
                    known.struck = 0;
                    known.entered = now.instant;
                    known.estimate = None;
                }
            }
            self.set_offered_media(session, media, text);
        } else {
            let config = &self.queues.get(queue).config;
            let waiting = Waiting::new(item, queue, config, now.instant);
            self.queues.add(waiting);
        }
        self.keep_for(session, kept_for);
        self.relink(now, session);
        self.match_session(now, session);
        self.arrived(now, session);
        self.retime(now, session);
        Ok(())
    }

    /// What a waiting session asks of its agent from now on; offers of it go on.
    pub fn set_demand(&mut self, now: Now, session: SessionId, demand: crate::Demand) {
        let Some(waiting) = self.queues.item_mut(session) else { return };
        waiting.item.demand = demand;
        self.relink(now, session);
        self.match_session(now, session);
    }

    /// The media of the session changed: it is matched anew by what it needs now, and takes another kind of slot if it has an owner.
    /// It is one slot, whatever it consists of.
    pub fn set_media(&mut self, now: Now, session: SessionId, media: Media) {
        if let Some(waiting) = self.queues.item_mut(session) {
            waiting.item.media = media;
            let text = waiting.item.work;
            self.set_offered_media(session, media, text);
            self.relink(now, session);
        }
        if let Some(&owner) = self.owners.get(&session) {
            if let Some(owned) = self.agents.get_mut(owner).and_then(|agent| agent.sessions.get_mut(&session))
            {
                owned.media = media;
            }
            self.agents_changed(now, &[owner]);
        }
        self.match_session(now, session);
    }

    /// The session waits no longer: the customer left or the flow moved on. Its offers end as `Withdrawn`.
    pub fn remove(&mut self, now: Now, session: SessionId) {
        let Some(waiting) = self.take(session) else { return };
        let freed = self.withdraw(now, &waiting.offers);
        self.agents_changed(now, &freed);
    }

    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(timer) = self.timers.pop(now.instant) {
            match timer {
                Timer::Offer(offer) => self.time_out(now, offer),
                Timer::WrapUp(agent, session) => {
                    self.stop_wrap_up(now, agent, session);
                    self.agents_changed(now, &[agent]);
                }
                Timer::BackOff(agent) => self.end_back_off(now, agent),
                Timer::Declined(agent, session) => self.forget_declined(now, agent, session),
                Timer::Settled(agent) => self.settled(now, agent),
                Timer::Waiting(session) => self.waited(now, session),
            }
        }
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When `handle_timeout` wants to be called next; none when nothing is timed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}

fn has(media: Media, medium: Medium) -> bool {
    match medium {
        Medium::Voice => media.voice,
        Medium::Chat => media.chat,
    }
}
