//! The queues: the sessions that wait in each, in order, and the agents that could take them, in order.
//!
//! Sessions of a queue that the same agents can take form a class. A class has its own list of what waits and of who is free, so
//! that neither has to be searched.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Chosen, Instant, OfferId, QueueName, SessionId};
use rustc_hash::FxHashMap;

use crate::agent::{AgentIx, FreeKey};
use crate::api::{EnqueueError, Item, QueueConfig};
use crate::capacity::Need;
use crate::estimate::Estimates;
use crate::skills::Signature;

/// Where a queue is kept, for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct QueueIx(u32);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ClassIx(u32);

/// A point of priority, in what waiting earns in a microsecond at one point a minute.
const POINT: i64 = 60_000_000;

/// Where an item stands in its queue: the least is next. Ageing does not change it, since all of a queue age alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rank {
    handicap: i64,
    pub(crate) since: Instant,
    pub(crate) session: SessionId,
}

/// Where an item stands among those of all queues at a moment: the least is next. Whoever is being offered already comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Standing {
    rung: bool,
    points: Reverse<i64>,
    since: Instant,
    pub(crate) session: SessionId,
}

impl Rank {
    fn new(item: &Item, config: &QueueConfig) -> Self {
        let since = i64::try_from(item.since.as_micros()).unwrap_or(i64::MAX);
        let handicap = i64::from(config.ageing)
            .saturating_mul(since)
            .saturating_sub(i64::from(item.priority).saturating_mul(POINT));
        Self { handicap, since: item.since, session: item.session }
    }

    pub(crate) fn standing(&self, rung: bool, now: Instant, ageing: u16) -> Standing {
        let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let points = i64::from(ageing).saturating_mul(now).saturating_sub(self.handicap);
        Standing { rung, points: Reverse(points), since: self.since, session: self.session }
    }
}

/// Which list an item is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stand {
    /// Its class's: somebody is wanted for it. With whether somebody is being asked already.
    Open(bool),
    /// Its queue's: enough are being asked, or it is kept for one agent, or has nothing to be served by.
    Aside,
}

pub(crate) struct Waiting {
    pub(crate) item: Item,
    pub(crate) queue: QueueIx,
    pub(crate) need: Option<Need>,
    pub(crate) rank: Rank,
    class: Option<ClassIx>,
    /// For how long it had waited when its class was chosen.
    pub(crate) staged: Duration,
    stand: Option<Stand>,
    /// While it is offered it keeps its place.
    pub(crate) offers: Vec<OfferId>,
    /// It is offered to one agent out of turn.
    pub(crate) direct: bool,
    pub(crate) kept_for: Option<AgentIx>,
    /// When it entered its queue, and how long it was told to wait.
    pub(crate) entered: Instant,
    pub(crate) estimate: Option<Duration>,
    /// Queues that it has overflowed from, and by which rules of this one, as bits.
    pub(crate) left: Vec<QueueName>,
    pub(crate) struck: u64,
    /// When something about its waiting changes.
    pub(crate) timer: Option<Instant>,
}

impl Waiting {
    pub(crate) fn new(item: Item, queue: QueueIx, config: &QueueConfig, entered: Instant) -> Self {
        Self {
            need: Need::of(item.media, item.work),
            rank: Rank::new(&item, config),
            item,
            queue,
            class: None,
            staged: Duration::ZERO,
            stand: None,
            offers: Vec::new(),
            direct: false,
            kept_for: None,
            entered,
            estimate: None,
            left: Vec::new(),
            struck: 0,
            timer: None,
        }
    }

    /// What waits for the same as it.
    pub(crate) fn class(&self) -> Option<ClassIx> {
        self.class
    }
}

pub(crate) struct Queue {
    pub(crate) config: QueueConfig,
    /// No longer configured: what waits is still served, nothing new comes in.
    pub(crate) closed: bool,
    classes: BTreeMap<Need, BTreeMap<Signature, ClassIx>>,
    aside: BTreeSet<Rank>,
    pub(crate) len: usize,
    /// Who serves it, in whatever state.
    pub(crate) agents: BTreeSet<AgentIx>,
    /// How many of them are signed in, and how many agents' work the ready ones do for it, in thousandths.
    pub(crate) signed_in: u32,
    pub(crate) staff: u64,
    pub(crate) turn: u64,
    pub(crate) estimates: Estimates,
}

pub(crate) struct Class {
    pub(crate) queue: QueueIx,
    pub(crate) need: Need,
    pub(crate) signature: Signature,
    open: BTreeSet<(bool, Rank)>,
    pub(crate) free: BTreeSet<FreeKey>,
}

#[derive(Default)]
pub(crate) struct Queues {
    names: BTreeMap<QueueName, QueueIx>,
    queues: Vec<Queue>,
    classes: Vec<Class>,
    items: FxHashMap<SessionId, Box<Waiting>>,
}

impl Queues {
    /// Takes all classes away: nothing is on a list until the caller has put every agent and every item (which are returned) there.
    pub(crate) fn configure(&mut self, configs: Vec<QueueConfig>) -> Vec<SessionId> {
        let mut waiting = Vec::new();
        for class in std::mem::take(&mut self.classes) {
            waiting.extend(class.open.into_iter().map(|(_, rank)| rank.session));
        }
        for queue in &mut self.queues {
            queue.closed = true;
            queue.classes.clear();
            queue.agents.clear();
            queue.signed_in = 0;
            queue.staff = 0;
            waiting.extend(std::mem::take(&mut queue.aside).into_iter().map(|rank| rank.session));
        }
        for config in configs {
            match self.names.get(&config.name) {
                Some(ix) => {
                    let queue = &mut self.queues[ix.0 as usize];
                    queue.config = config;
                    queue.closed = false;
                }
                None => {
                    self.names.insert(config.name.clone(), QueueIx(self.queues.len() as u32));
                    self.queues.push(Queue::new(config));
                }
            }
        }
        for session in &waiting {
            if let Some(item) = self.items.get_mut(session) {
                item.class = None;
                item.stand = None;
                item.rank = Rank::new(&item.item, &self.queues[item.queue.0 as usize].config);
            }
        }
        waiting
    }

    /// None when there is none, or none any more.
    pub(crate) fn ix(&self, name: &QueueName) -> Option<QueueIx> {
        self.names.get(name).copied().filter(|ix| !self.get(*ix).is_gone())
    }

    pub(crate) fn get(&self, ix: QueueIx) -> &Queue {
        &self.queues[ix.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, ix: QueueIx) -> &mut Queue {
        &mut self.queues[ix.0 as usize]
    }

    pub(crate) fn class(&self, ix: ClassIx) -> &Class {
        &self.classes[ix.0 as usize]
    }

    pub(crate) fn class_mut(&mut self, ix: ClassIx) -> &mut Class {
        &mut self.classes[ix.0 as usize]
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.names.values().map(|ix| self.get(*ix)).filter(|queue| !queue.is_gone())
    }

    pub(crate) fn classes_of(&self, queue: QueueIx) -> impl Iterator<Item = ClassIx> {
        self.get(queue).classes.values().flat_map(|by_signature| by_signature.values().copied())
    }

    pub(crate) fn item(&self, session: SessionId) -> Option<&Waiting> {
        self.items.get(&session).map(Box::as_ref)
    }

    pub(crate) fn item_mut(&mut self, session: SessionId) -> Option<&mut Waiting> {
        self.items.get_mut(&session).map(Box::as_mut)
    }

    pub(crate) fn room_in(&self, queue: &QueueName) -> Result<QueueIx, EnqueueError> {
        let ix = self.ix(queue).filter(|ix| !self.get(*ix).closed).ok_or(EnqueueError::UnknownQueue)?;
        let queue = self.get(ix);
        if queue.len >= queue.config.max_waiting { Err(EnqueueError::Full) } else { Ok(ix) }
    }

    /// The class of these, and whether it is new.
    pub(crate) fn class_for(&mut self, queue: QueueIx, need: Need, signature: Signature) -> (ClassIx, bool) {
        let by_signature = self.queues[queue.0 as usize].classes.entry(need).or_default();
        if let Some(ix) = by_signature.get(&signature) {
            return (*ix, false);
        }
        let ix = ClassIx(self.classes.len() as u32);
        by_signature.insert(signature.clone(), ix);
        let (open, free) = Default::default();
        self.classes.push(Class { queue, need, signature, open, free });
        (ix, true)
    }

    /// Makes an item known that is not yet; it is on no list.
    pub(crate) fn add(&mut self, waiting: Waiting) {
        self.get_mut(waiting.queue).len += 1;
        self.items.insert(waiting.item.session, Box::new(waiting));
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Box<Waiting>> {
        self.unlink(session);
        let gone = self.items.remove(&session)?;
        self.get_mut(gone.queue).len -= 1;
        Some(gone)
    }

    /// An item that is on no list belongs to this queue from now on.
    pub(crate) fn move_to(&mut self, session: SessionId, queue: QueueIx) {
        let Some(waiting) = self.items.get_mut(&session) else { return };
        let before = std::mem::replace(&mut waiting.queue, queue);
        self.get_mut(before).len -= 1;
        self.get_mut(queue).len += 1;
    }

    /// Takes an item off its list.
    pub(crate) fn unlink(&mut self, session: SessionId) {
        let Some(waiting) = self.items.get_mut(&session) else { return };
        match (waiting.stand.take(), waiting.class) {
            (Some(Stand::Open(rung)), Some(class)) => {
                self.classes[class.0 as usize].open.remove(&(rung, waiting.rank));
            }
            (Some(Stand::Aside), _) => {
                self.queues[waiting.queue.0 as usize].aside.remove(&waiting.rank);
            }
            (Some(Stand::Open(_)) | None, _) => {}
        }
    }

    /// Puts an item that is on no list where it belongs, in the class that it has.
    pub(crate) fn link(&mut self, session: SessionId) {
        let Some(waiting) = self.items.get_mut(&session) else { return };
        let queue = &mut self.queues[waiting.queue.0 as usize];
        let wanted = waiting.offers.len() < usize::from(queue.config.ring.max(1))
            && !waiting.direct
            && waiting.kept_for.is_none();
        match waiting.class.filter(|_| wanted) {
            Some(class) => {
                let rung = !waiting.offers.is_empty();
                waiting.stand = Some(Stand::Open(rung));
                self.classes[class.0 as usize].open.insert((rung, waiting.rank));
            }
            None => {
                waiting.stand = Some(Stand::Aside);
                queue.aside.insert(waiting.rank);
            }
        }
    }

    /// What an item that is on no list needs, and where it stands, after it changed.
    pub(crate) fn reclass(&mut self, session: SessionId, class: Option<ClassIx>, waited: Duration) {
        let Some(waiting) = self.items.get_mut(&session) else { return };
        waiting.class = class;
        waiting.staged = waited;
        waiting.need = Need::of(waiting.item.media, waiting.item.work);
        waiting.rank = Rank::new(&waiting.item, &self.queues[waiting.queue.0 as usize].config);
    }

    /// The class of an item for which somebody is wanted.
    pub(crate) fn open_class(&self, session: SessionId) -> Option<ClassIx> {
        let waiting = self.items.get(&session)?;
        match waiting.stand? {
            Stand::Open(_) => waiting.class,
            Stand::Aside => None,
        }
    }

    /// The next of a class that is `allowed`.
    pub(crate) fn first(
        &self,
        class: ClassIx,
        now: Instant,
        allowed: impl Fn(SessionId) -> bool,
    ) -> Option<Standing> {
        let class = self.class(class);
        let (rung, rank) = class.open.iter().find(|(_, rank)| allowed(rank.session))?;
        Some(rank.standing(*rung, now, self.get(class.queue).config.ageing))
    }

    /// Its place in its queue, counted from 1.
    pub(crate) fn position(&self, session: SessionId) -> Option<usize> {
        let waiting = self.items.get(&session)?;
        let queue = self.get(waiting.queue);
        let least = Rank { handicap: i64::MIN, since: Instant::ZERO, ..waiting.rank };
        let mut ahead = queue.aside.range(..waiting.rank).count();
        for class in self.classes_of(waiting.queue) {
            let open = &self.class(class).open;
            ahead += open.range(..(false, waiting.rank)).count();
            ahead += open.range((true, least)..(true, waiting.rank)).count();
        }
        Some(ahead + 1)
    }

    /// Since when the oldest waits. Takes time with the length of the queue.
    pub(crate) fn oldest(&self, queue: &Queue) -> Option<Instant> {
        let open = queue.classes.values().flat_map(BTreeMap::values);
        let open = open.flat_map(|class| self.class(*class).open.iter().map(|(_, rank)| rank));
        queue.aside.iter().chain(open).map(|rank| rank.since).min()
    }

    /// All that waits in a queue, in no order that means anything.
    pub(crate) fn all_of(&self, queue: QueueIx) -> Vec<SessionId> {
        let open = self.classes_of(queue);
        let open = open.flat_map(|class| self.class(class).open.iter().map(|(_, rank)| rank));
        self.get(queue).aside.iter().chain(open).map(|rank| rank.session).collect()
    }
}

impl Queue {
    fn new(config: QueueConfig) -> Self {
        Self {
            config,
            closed: false,
            classes: BTreeMap::new(),
            aside: BTreeSet::new(),
            len: 0,
            agents: BTreeSet::new(),
            signed_in: 0,
            staff: 0,
            turn: 0,
            estimates: Estimates::default(),
        }
    }

    /// No longer configured, and nothing waits.
    fn is_gone(&self) -> bool {
        self.closed && self.len == 0
    }
}

/// How an agent was found for a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Choice {
    pub(crate) agent: AgentIx,
    pub(crate) chosen: Chosen,
}
