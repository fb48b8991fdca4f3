//! Owned sessions and what comes after them: ownership, its end, and wrap-up.

use std::time::Duration;

use model::{AgentId, Media, Now, SessionId};

use crate::Acd;
use crate::agent::{AgentIx, Owned, WrapUp};
use crate::api::Output;
use crate::capacity::Work;
use crate::timers::Timer;
use crate::waiting::QueueIx;

impl Acd {
    /// The contact is over: its owner wraps up, and gets nothing new until he is done.
    pub fn finish(&mut self, now: Now, session: SessionId) {
        if let Some((agent, owned)) = self.disown(now, session) {
            self.start_wrap_up(now, agent, session, owned);
            self.agents_changed(now, &[agent]);
        }
    }

    /// He is done earlier than the time given. No-op when he is not wrapping this up.
    pub fn end_wrap_up(&mut self, now: Now, agent: AgentId, session: SessionId) {
        let Some(ix) = self.agents.ix(agent) else { return };
        self.stop_wrap_up(now, ix, session);
        self.agents_changed(now, &[ix]);
    }

    /// Makes him the owner without an offer (restored, transferred), whatever his state and capacity. An owner before
    /// him wraps up. The session waits no longer; an offer of it ends as `Withdrawn`.
    pub fn assign(&mut self, now: Now, agent: AgentId, session: SessionId, media: Media) {
        let Some(new) = self.agents.ix(agent) else { return };
        let waiting = self.take(session);
        // Without a queue of its own the session counts for the one he serves first.
        let first = self.agents.get(new).and_then(|agent| agent.config.queues.first());
        let queue =
            waiting.as_ref().map(|waiting| waiting.queue).or(first.and_then(|name| self.queues.ix(name)));
        let mut wrap_up = queue.map_or(Duration::ZERO, |queue| self.wrap_up_of(queue));
        let owner = self.owners.get(&session).and_then(|owner| self.agents.get(*owner));
        if let Some(owned) = owner.and_then(|owner| owner.sessions.get(&session)) {
            wrap_up = owned.wrap_up;
        }
        let text = waiting.as_ref().map_or(Work::Chat, |waiting| waiting.item.work);
        self.stop_wrap_up(now, new, session);
        let mut changed = vec![new];
        changed.extend(self.withdraw(now, &waiting.map(|waiting| waiting.offers).unwrap_or_default()));
        let owned = Owned { media, text, wrap_up, queue, since: now.instant };
        changed.extend(self.own(now, new, session, owned));
        self.agents_changed(now, &changed);
    }

    /// The owner loses the session without wrap-up.
    pub fn release(&mut self, now: Now, session: SessionId) {
        if let Some((agent, _)) = self.disown(now, session) {
            self.agents_changed(now, &[agent]);
        }
    }

    /// The wrap-up time of a queue, also of one that is not there any more.
    pub(crate) fn wrap_up_of(&self, queue: QueueIx) -> Duration {
        self.queues.get(queue).config.wrap_up
    }

    /// Makes him the owner; another one before him wraps up and is returned. The caller says who changed.
    pub(crate) fn own(
        &mut self,
        now: Now,
        agent: AgentIx,
        session: SessionId,
        owned: Owned,
    ) -> Option<AgentIx> {
        let before = match self.disown(now, session) {
            Some((before, had)) if before != agent => {
                self.start_wrap_up(now, before, session, had);
                Some(before)
            }
            Some(_) | None => None,
        };
        let new = self.agents.get_mut(agent)?;
        // Of what he had before, not of what comes now.
        new.idle_from(now);
        let work = Work::of(owned.media, owned.text);
        if let Some(until) = new.switched_to(now, work) {
            if let Some(before) = new.settled_until.replace(until) {
                self.timers.stop(before, Timer::Settled(agent));
            }
            self.timers.start(until, Timer::Settled(agent));
        }
        new.sessions.insert(session, owned);
        self.owners.insert(session, agent);
        before
    }

    /// He may be given another medium again.
    pub(crate) fn settled(&mut self, now: Now, agent: AgentIx) {
        if let Some(known) = self.agents.get_mut(agent) {
            known.settled_until = None;
        }
        self.agents_changed(now, &[agent]);
    }

    fn disown(&mut self, now: Now, session: SessionId) -> Option<(AgentIx, Owned)> {
        let agent = self.owners.remove(&session)?;
        let owner = self.agents.get_mut(agent)?;
        owner.measure(now);
        let owned = owner.sessions.remove(&session)?;
        owner.idle_from(now);
        Some((agent, owned))
    }

    fn start_wrap_up(&mut self, now: Now, ix: AgentIx, session: SessionId, owned: Owned) {
        let Owned { wrap_up, queue, since, .. } = owned;
        if wrap_up.is_zero() {
            self.handled(now, queue, since);
            return;
        }
        let Some(known) = self.agents.get_mut(ix) else { return };
        let until = now.instant + wrap_up;
        known.wrapping_up.insert(session, WrapUp { until, queue, since });
        let agent = known.id;
        self.timers.start(until, Timer::WrapUp(ix, session));
        self.outputs.push_back(Output::WrapUpStarted { agent, session, until });
    }

    pub(crate) fn stop_wrap_up(&mut self, now: Now, ix: AgentIx, session: SessionId) {
        let Some(known) = self.agents.get_mut(ix) else { return };
        known.measure(now);
        let Some(WrapUp { until, queue, since }) = known.wrapping_up.remove(&session) else { return };
        known.idle_from(now);
        let agent = known.id;
        self.timers.stop(until, Timer::WrapUp(ix, session));
        self.outputs.push_back(Output::WrapUpEnded { agent, session });
        self.handled(now, queue, since);
    }

    fn handled(&mut self, now: Now, queue: Option<QueueIx>, since: model::Instant) {
        if let Some(queue) = queue {
            self.queues.get_mut(queue).estimates.handled(now.instant - since);
        }
    }
}
