//! Who and what stands on which list: agents in their queues and classes and on the free lists, sessions in their classes.

use model::{Media, Now, SessionId};

use crate::Acd;
use crate::agent::AgentIx;
use crate::capacity::{Need, Needs, Work};
use crate::skills::Signature;
use crate::timers::Timer;
use crate::waiting::{ClassIx, QueueIx, Waiting};

impl Acd {
    // --- agents ---

    /// Enters an agent, who is on no list, into his queues and classes; not on the free lists.
    pub(crate) fn serve(&mut self, ix: AgentIx) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        // A queue that is not configured may be named: he serves it as soon as it is.
        let served: Vec<QueueIx> =
            agent.config.queues.iter().filter_map(|name| self.queues.ix(name)).collect();
        agent.served.clear();
        for queue in served {
            if !self.queues.get_mut(queue).agents.insert(ix) {
                continue;
            }
            agent.served.push(queue);
            for class in self.queues.classes_of(queue).collect::<Vec<_>>() {
                let signature = &self.queues.class(class).signature;
                if signature.is_met_by(&agent.config.skills) {
                    agent.classes.push((class, signature.preference_for(&agent.config.skills)));
                }
            }
        }
        self.recount(ix);
    }

    /// Takes an agent out of everything that `serve` and the free lists have him in. Returns the queues that nobody who is signed in
    /// serves any more.
    pub(crate) fn leave_queues(&mut self, ix: AgentIx) -> Vec<QueueIx> {
        self.unlist(ix);
        let Some(agent) = self.agents.get_mut(ix) else { return Vec::new() };
        agent.classes.clear();
        let (was_signed_in, share) = std::mem::take(&mut agent.counted);
        let mut empty = Vec::new();
        for served in std::mem::take(&mut agent.served) {
            let queue = self.queues.get_mut(served);
            queue.agents.remove(&ix);
            queue.staff -= share;
            queue.signed_in -= u32::from(was_signed_in);
            if was_signed_in && queue.signed_in == 0 {
                empty.push(served);
            }
        }
        empty
    }

    /// The lists that he was on are gone.
    pub(crate) fn forget_lists(&mut self, ix: AgentIx) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        agent.listed = Needs::default();
        agent.keys.clear();
        agent.classes.clear();
        agent.served.clear();
        agent.counted = (false, 0);
    }

    /// His queues count him by the state that he is in now. Returns those that nobody who is signed in serves any more.
    pub(crate) fn recount(&mut self, ix: AgentIx) -> Vec<QueueIx> {
        let mut empty = Vec::new();
        let Some(agent) = self.agents.get_mut(ix) else { return empty };
        let share = match agent.status {
            model::AgentStatus::Ready => 1_000 / agent.served.len().max(1) as u64,
            model::AgentStatus::SignedOut
            | model::AgentStatus::NotReady { .. }
            | model::AgentStatus::NotAnswering => 0,
        };
        let counts = (agent.is_signed_in(), share);
        let before = std::mem::replace(&mut agent.counted, counts);
        for served in &agent.served {
            let queue = self.queues.get_mut(*served);
            queue.staff = queue.staff - before.1 + counts.1;
            queue.signed_in = queue.signed_in - u32::from(before.0) + u32::from(counts.0);
            if before.0 && queue.signed_in == 0 {
                empty.push(*served);
            }
        }
        empty
    }

    fn unlist(&mut self, ix: AgentIx) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        agent.listed = Needs::default();
        for (class, key) in agent.keys.drain(..) {
            self.queues.class_mut(class).free.remove(&key);
        }
    }

    /// Brings the free lists up to what he can take now, and how he stands.
    pub(crate) fn relist(&mut self, ix: AgentIx) {
        self.unlist(ix);
        let Some(agent) = self.agents.get_mut(ix) else { return };
        let free = agent.free();
        if free.is_empty() {
            return;
        }
        agent.listed = free;
        let mut keys = std::mem::take(&mut agent.keys);
        for (class_ix, preference) in &agent.classes {
            let class = self.queues.class(*class_ix);
            if free.has(class.need) {
                let config = &self.queues.get(class.queue).config;
                let key = agent.key(ix, *preference, class.queue, config);
                self.queues.class_mut(*class_ix).free.insert(key);
                keys.push((*class_ix, key));
            }
        }
        agent.keys = keys;
    }

    /// Something about what they can take may have changed: they stand where they belong and get what is theirs.
    pub(crate) fn agents_changed(&mut self, now: Now, agents: &[AgentIx]) {
        if let [agent] = agents {
            return self.agent_changed(now, *agent);
        }
        for agent in agents {
            self.relist(*agent);
        }
        for agent in agents {
            self.match_agent(now, *agent);
        }
    }

    /// What one agent alone can take now, nobody on the free lists could: he is put there only when there is nothing for him.
    fn agent_changed(&mut self, now: Now, ix: AgentIx) {
        self.unlist(ix);
        let Some(agent) = self.agents.get_mut(ix) else { return };
        agent.listed = agent.free();
        if !self.match_alone(now, ix) {
            self.relist(ix);
        }
    }

    // --- sessions ---

    /// Puts a waiting session where it belongs by what it asks for now.
    pub(crate) fn relink(&mut self, now: Now, session: SessionId) {
        self.queues.unlink(session);
        let Some(waiting) = self.queues.item(session) else { return };
        let need = Need::of(waiting.item.media, waiting.item.work);
        let queue = waiting.queue;
        let waited = now.instant - waiting.item.since;
        let signature = waiting.item.demand.after(waited);
        let class = need.map(|need| {
            let (class, new) = self.queues.class_for(queue, need, signature);
            if new {
                self.open_class(class);
            }
            class
        });
        self.queues.reclass(session, class, waited);
        self.queues.link(session);
    }

    /// Enters the agents of the queue into a new class.
    fn open_class(&mut self, ix: ClassIx) {
        let (queue, need) = (self.queues.class(ix).queue, self.queues.class(ix).need);
        let signature: Signature = self.queues.class(ix).signature.clone();
        for agent_ix in self.queues.get(queue).agents.iter().copied().collect::<Vec<_>>() {
            let Some(agent) = self.agents.get_mut(agent_ix) else { continue };
            if !signature.is_met_by(&agent.config.skills) {
                continue;
            }
            let preference = signature.preference_for(&agent.config.skills);
            agent.classes.push((ix, preference));
            if agent.listed.has(need) {
                let key = agent.key(agent_ix, preference, queue, &self.queues.get(queue).config);
                agent.keys.push((ix, key));
                self.queues.class_mut(ix).free.insert(key);
            }
        }
    }

    /// The session waits no longer. Its offers go on until the caller ends them.
    pub(crate) fn take(&mut self, session: SessionId) -> Option<Box<Waiting>> {
        let waiting = self.queues.remove(session)?;
        if let Some(at) = waiting.timer {
            self.timers.stop(at, Timer::Waiting(session));
        }
        if let Some(agent) = waiting.kept_for.and_then(|agent| self.agents.get_mut(agent)) {
            agent.kept.remove(&session);
        }
        Some(waiting)
    }

    pub(crate) fn set_offered_media(&mut self, session: SessionId, media: Media, text: Work) {
        let Some(waiting) = self.queues.item(session) else { return };
        for offer in &waiting.offers {
            if let Some(offer) = self.offers.get_mut(offer) {
                offer.media = media;
                offer.text = text;
            }
        }
    }
}
