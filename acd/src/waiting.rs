//! The queues: the sessions that wait in each, in order, and the agents that could take one, in order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::{AgentId, Instant, Media, OfferId, QueueName, SessionId};

use crate::agent::{Free, Idle, Need};
use crate::api::{EnqueueError, Item, QueueConfig};

/// Where an item stands in its queue: the least is next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rank {
    priority: Reverse<i32>,
    since: Instant,
    pub(crate) session: SessionId,
}

pub(crate) struct Waiting {
    pub(crate) item: Item,
    /// While it is offered it keeps its place, but nobody else is asked.
    pub(crate) offer: Option<OfferId>,
}

impl Waiting {
    fn rank(&self) -> Rank {
        Rank { priority: Reverse(self.item.priority), since: self.item.since, session: self.item.session }
    }
}

pub(crate) struct Queue {
    pub(crate) config: QueueConfig,
    /// No longer configured: what waits is still served, nothing new comes in.
    pub(crate) closed: bool,
    /// Everything that waits, offered or not.
    pub(crate) places: BTreeSet<Rank>,
    /// What waits and is not being offered, by what it needs.
    unoffered: [BTreeSet<Rank>; 3],
    /// Who could take a session, by what it needs.
    free: [BTreeSet<Idle>; 3],
}

impl Queue {
    fn new(config: QueueConfig) -> Self {
        let (places, unoffered, free) = Default::default();
        Self { config, closed: false, places, unoffered, free }
    }

    fn link(&mut self, waiting: &Waiting) {
        self.places.insert(waiting.rank());
        if let (None, Some(need)) = (waiting.offer, Need::of(waiting.item.media)) {
            self.unoffered[need as usize].insert(waiting.rank());
        }
    }

    fn unlink(&mut self, waiting: &Waiting) {
        self.places.remove(&waiting.rank());
        for ranks in &mut self.unoffered {
            ranks.remove(&waiting.rank());
        }
    }
}

#[derive(Default)]
pub(crate) struct Queues {
    queues: BTreeMap<QueueName, Queue>,
    items: BTreeMap<SessionId, Waiting>,
}

impl Queues {
    /// Empties all free lists; the caller lists his agents anew.
    pub(crate) fn configure(&mut self, configs: Vec<QueueConfig>) {
        for queue in self.queues.values_mut() {
            queue.closed = true;
            queue.free = Default::default();
        }
        for config in configs {
            match self.queues.get_mut(&config.name) {
                Some(queue) => {
                    queue.config = config;
                    queue.closed = false;
                }
                None => {
                    self.queues.insert(config.name.clone(), Queue::new(config));
                }
            }
        }
        self.queues.retain(|_, queue| !queue.closed || !queue.places.is_empty());
    }

    pub(crate) fn get(&self, queue: &QueueName) -> Option<&Queue> {
        self.queues.get(queue)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values()
    }

    pub(crate) fn item(&self, session: SessionId) -> Option<&Waiting> {
        self.items.get(&session)
    }

    pub(crate) fn room_in(&self, queue: &QueueName) -> Result<(), EnqueueError> {
        let queue = self.queues.get(queue).filter(|queue| !queue.closed).ok_or(EnqueueError::UnknownQueue)?;
        if queue.places.len() >= queue.config.max_waiting { Err(EnqueueError::Full) } else { Ok(()) }
    }

    /// Puts a session into its place, or moves one that waits already, which keeps the older age.
    pub(crate) fn put(&mut self, mut item: Item) -> Result<(), EnqueueError> {
        let old = self.items.get(&item.session);
        if old.is_none_or(|old| old.item.queue != item.queue) {
            self.room_in(&item.queue)?;
        }
        let offer = old.and_then(|old| old.offer);
        item.since = old.map_or(item.since, |old| old.item.since.min(item.since));
        self.replace(item.session, Some(Waiting { item, offer }));
        Ok(())
    }

    pub(crate) fn take(&mut self, session: SessionId) -> Option<Waiting> {
        self.replace(session, None)
    }

    /// No effect when the session does not wait.
    pub(crate) fn set_offer(&mut self, session: SessionId, offer: Option<OfferId>) {
        self.update(session, |waiting| waiting.offer = offer);
    }

    /// No effect when the session does not wait.
    pub(crate) fn set_media(&mut self, session: SessionId, media: Media) {
        self.update(session, |waiting| waiting.item.media = media);
    }

    /// Puts an agent on the free lists of these queues, or takes him off.
    pub(crate) fn list(&mut self, queues: &[QueueName], free: Free, on: bool) {
        for name in queues {
            // A queue that is not configured may be named: he serves it as soon as it is.
            let Some(queue) = self.queues.get_mut(name) else { continue };
            for need in Need::ALL.into_iter().filter(|need| free.needs[*need as usize]) {
                if on {
                    queue.free[need as usize].insert(free.idle);
                } else {
                    queue.free[need as usize].remove(&free.idle);
                }
            }
        }
    }

    /// Those who could take this session, the next one first; nobody while it is being offered.
    pub(crate) fn takers(&self, session: SessionId) -> impl Iterator<Item = AgentId> {
        self.items
            .get(&session)
            .filter(|waiting| waiting.offer.is_none())
            .and_then(|waiting| Some((self.queues.get(&waiting.item.queue)?, Need::of(waiting.item.media)?)))
            .into_iter()
            .flat_map(|(queue, need)| queue.free[need as usize].iter().map(|idle| idle.agent))
    }

    /// What is next of all that waits in these queues, needs one of `needs` and is `allowed`.
    pub(crate) fn next(
        &self,
        queues: &[QueueName],
        needs: [bool; 3],
        allowed: impl Fn(SessionId) -> bool,
    ) -> Option<SessionId> {
        queues
            .iter()
            .filter_map(|name| self.queues.get(name))
            .flat_map(|queue| {
                Need::ALL.map(|need| needs[need as usize].then(|| &queue.unoffered[need as usize]))
            })
            .flatten()
            .filter_map(|ranks| ranks.iter().find(|rank| allowed(rank.session)))
            .min()
            .map(|rank| rank.session)
    }

    /// Its place in its queue, counted from 1, and since when it waits.
    pub(crate) fn place(&self, session: SessionId) -> Option<(usize, Instant)> {
        let waiting = self.items.get(&session)?;
        let ahead = self.queues.get(&waiting.item.queue)?.places.range(..waiting.rank()).count();
        Some((ahead + 1, waiting.item.since))
    }

    pub(crate) fn oldest(&self, queue: &Queue) -> Option<Instant> {
        queue.places.iter().map(|rank| rank.since).min()
    }

    fn update(&mut self, session: SessionId, change: impl FnOnce(&mut Waiting)) {
        let Some(waiting) = self.items.get_mut(&session) else { return };
        let Some(queue) = self.queues.get_mut(&waiting.item.queue) else { return };
        queue.unlink(waiting);
        change(waiting);
        queue.link(waiting);
    }

    fn replace(&mut self, session: SessionId, new: Option<Waiting>) -> Option<Waiting> {
        let old = self.items.remove(&session);
        if let Some(old) = &old
            && let Some(queue) = self.queues.get_mut(&old.item.queue)
        {
            queue.unlink(old);
        }
        if let Some(new) = new {
            if let Some(queue) = self.queues.get_mut(&new.item.queue) {
                queue.link(&new);
            }
            self.items.insert(session, new);
        }
        if let Some(old) = &old
            && self.queues.get(&old.item.queue).is_some_and(|queue| queue.closed && queue.places.is_empty())
        {
            self.queues.remove(&old.item.queue);
        }
        old
    }
}
