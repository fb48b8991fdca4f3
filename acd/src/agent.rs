//! One agent: what he holds, what he could take, and since when he is idle.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{
    AgentId, AgentStatus, Instant, Media, Medium, Now, OfferId, QueueName, Refusal, SessionId, Strategy,
    Timestamp,
};

use crate::api::{AgentConfig, QueueConfig};
use crate::capacity::{Held, Need, Needs, Work};
use crate::waiting::{ClassIx, QueueIx};

/// Where an agent is kept; given anew once he is removed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct AgentIx(u32);

/// Who goes first among the agents that could take a session: the least is next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct FreeKey {
    pub(crate) preference: Reverse<u32>,
    pub(crate) measure: u64,
    since: Instant,
    pub(crate) agent: AgentId,
    pub(crate) ix: AgentIx,
}

pub(crate) struct Owned {
    pub(crate) media: Media,
    pub(crate) text: Work,
    /// How long the wrap-up will be, fixed when he got the session.
    pub(crate) wrap_up: Duration,
    pub(crate) queue: Option<QueueIx>,
    pub(crate) since: Instant,
}

pub(crate) struct WrapUp {
    pub(crate) until: Instant,
    pub(crate) queue: Option<QueueIx>,
    /// Since when he has had the session.
    pub(crate) since: Instant,
}

pub(crate) struct BackOff {
    pub(crate) until: Instant,
    /// What he could not be reached by, when hearing from that device again ends it early.
    pub(crate) ends_with: Media,
}

pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) config: AgentConfig,
    /// His queues that are configured.
    pub(crate) served: Vec<QueueIx>,
    /// What waits together and can be taken by his skills, and how much he is preferred for it.
    pub(crate) classes: Vec<(ClassIx, u32)>,
    pub(crate) status: AgentStatus,
    pub(crate) status_since: Timestamp,
    pub(crate) voice: bool,
    pub(crate) text: bool,
    pub(crate) back_off: Option<BackOff>,
    /// Offers in a row that came to nothing, and when the last of them ended.
    pub(crate) failures: u32,
    pub(crate) failed_at: Instant,
    pub(crate) offer: Option<OfferId>,
    pub(crate) sessions: BTreeMap<SessionId, Owned>,
    pub(crate) wrapping_up: BTreeMap<SessionId, WrapUp>,
    /// Sessions that he declined, and until when they are kept from him.
    pub(crate) declined: BTreeMap<SessionId, Instant>,
    /// Waiting sessions that are kept for him.
    pub(crate) kept: BTreeSet<SessionId>,
    pub(crate) idle_since: Instant,
    /// By queue: the number of his last turn.
    turns: Vec<(QueueIx, u64)>,
    pub(crate) contacts: u64,
    /// In thousandths, when he became idle.
    pub(crate) occupancy: u64,
    busy: Duration,
    duty: Duration,
    measured_at: Instant,
    last_work: Option<Work>,
    /// Until when he is given nothing but `last_work`.
    pub(crate) settled_until: Option<Instant>,
    /// What his queues count him as: whether he is signed in, and for how much of an agent.
    pub(crate) counted: (bool, u64),
    /// What he is on the free lists for at the moment, and how he stands on them.
    pub(crate) listed: Needs,
    pub(crate) keys: Vec<(ClassIx, FreeKey)>,
}

impl Agent {
    fn new(now: Now, config: AgentConfig) -> Self {
        Self {
            id: config.agent,
            config,
            served: Vec::new(),
            classes: Vec::new(),
            status: AgentStatus::SignedOut,
            status_since: now.wall,
            voice: false,
            text: false,
            back_off: None,
            failures: 0,
            failed_at: now.instant,
            offer: None,
            sessions: BTreeMap::new(),
            wrapping_up: BTreeMap::new(),
            declined: BTreeMap::new(),
            kept: BTreeSet::new(),
            idle_since: now.instant,
            turns: Vec::new(),
            contacts: 0,
            occupancy: 0,
            busy: Duration::ZERO,
            duty: Duration::ZERO,
            measured_at: now.instant,
            last_work: None,
            settled_until: None,
            counted: (false, 0),
            listed: Needs::default(),
            keys: Vec::new(),
        }
    }

    /// What he could take at this moment.
    pub(crate) fn free(&self) -> Needs {
        let mut needs = Needs::default();
        let held_back = self.offer.is_some() || self.back_off.is_some() || !self.wrapping_up.is_empty();
        if self.status != AgentStatus::Ready || held_back {
            return needs;
        }
        let held = self.held();
        for need in Need::ALL {
            if self.is_reachable(need) && self.has_room(&held, need) && self.may_switch_to(need.work()) {
                needs.insert(need);
            }
        }
        needs
    }

    /// Why he cannot take a session that needs this; none when he can.
    pub(crate) fn refusal(&self, need: Need) -> Option<Refusal> {
        if self.status != AgentStatus::Ready {
            return Some(Refusal::NotReady);
        }
        if !self.is_reachable(need) {
            return Some(Refusal::Unreachable);
        }
        if self.offer.is_some() {
            return Some(Refusal::Asked);
        }
        if self.back_off.is_some() {
            return Some(Refusal::BackOff);
        }
        if !self.wrapping_up.is_empty() {
            return Some(Refusal::WrappingUp);
        }
        if !self.has_room(&self.held(), need) {
            return Some(Refusal::Full);
        }
        (!self.may_switch_to(need.work())).then_some(Refusal::Switching)
    }

    pub(crate) fn may_be_offered(&self, session: SessionId) -> bool {
        !self.declined.contains_key(&session) && !self.sessions.contains_key(&session)
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        self.status != AgentStatus::SignedOut
    }

    pub(crate) fn reachable(&mut self, medium: Medium) -> &mut bool {
        match medium {
            Medium::Voice => &mut self.voice,
            Medium::Chat => &mut self.text,
        }
    }

    pub(crate) fn is_reachable(&self, need: Need) -> bool {
        match need {
            Need::Voice => self.voice,
            Need::Both => self.voice && self.text,
            Need::Chat | Need::Message | Need::Mail => self.text,
        }
    }

    pub(crate) fn held(&self) -> Held {
        let mut held = Held::default();
        for owned in self.sessions.values() {
            let many = held.of_mut(Work::of(owned.media, owned.text));
            *many = many.saturating_add(1);
        }
        held
    }

    pub(crate) fn has_room(&self, held: &Held, need: Need) -> bool {
        self.config.blend.has_room(self.config.capacity, held, need.work())
    }

    fn may_switch_to(&self, work: Work) -> bool {
        self.settled_until.is_none() || self.last_work == Some(work)
    }

    /// He has got work of this kind. Until when he is given no other, when that is new.
    pub(crate) fn switched_to(&mut self, now: Now, work: Work) -> Option<Instant> {
        let before = self.last_work.replace(work);
        if before == Some(work) || self.config.blend.switch_pause.is_zero() {
            return None;
        }
        Some(now.instant + self.config.blend.switch_pause)
    }

    /// How he stands in a queue of this configuration.
    pub(crate) fn key(&self, ix: AgentIx, preference: u32, queue: QueueIx, config: &QueueConfig) -> FreeKey {
        let measure = match config.strategy {
            Strategy::LongestIdle => self.sessions.len() as u64,
            Strategy::RoundRobin => {
                let turn = self.turns.iter().find(|(it, _)| *it == queue);
                turn.map_or(0, |(_, turn)| *turn)
            }
            Strategy::FewestContacts => self.contacts,
            Strategy::LeastOccupied => self.occupancy,
            Strategy::Linear => {
                let place = config.order.iter().position(|name| *name == self.config.name);
                place.unwrap_or(config.order.len()) as u64
            }
        };
        FreeKey { preference: Reverse(preference), measure, since: self.idle_since, agent: self.id, ix }
    }

    pub(crate) fn takes_turn(&mut self, queue: QueueIx, turn: u64) {
        match self.turns.iter_mut().find(|(it, _)| *it == queue) {
            Some((_, before)) => *before = turn,
            None => self.turns.push((queue, turn)),
        }
    }

    /// Counts the time since the last call for duty and work. To be called before anything changes of either.
    pub(crate) fn measure(&mut self, now: Now) {
        let passed = now.instant - self.measured_at;
        self.measured_at = now.instant;
        if self.is_signed_in() {
            self.duty += passed;
            if !self.sessions.is_empty() || !self.wrapping_up.is_empty() {
                self.busy += passed;
            }
        }
    }

    /// He is idle (with what he has left in hand) from now on.
    pub(crate) fn idle_from(&mut self, now: Now) {
        self.measure(now);
        self.idle_since = now.instant;
        let duty = self.duty.as_micros().max(1);
        self.occupancy = u64::try_from(self.busy.as_micros() * 1_000 / duty).unwrap_or(0);
    }

    /// What the strategies remember begins anew when he signs in.
    pub(crate) fn signed_in(&mut self, now: Now) {
        self.measure(now);
        self.contacts = 0;
        self.busy = Duration::ZERO;
        self.duty = Duration::ZERO;
    }

    pub(crate) fn serves(&self, queue: &QueueName) -> bool {
        self.config.queues.contains(queue)
    }
}

/// All agents.
#[derive(Default)]
pub(crate) struct Agents {
    slots: Vec<Option<Agent>>,
    by_id: BTreeMap<AgentId, AgentIx>,
}

impl Agents {
    pub(crate) fn ix(&self, agent: AgentId) -> Option<AgentIx> {
        self.by_id.get(&agent).copied()
    }

    pub(crate) fn get(&self, ix: AgentIx) -> Option<&Agent> {
        self.slots.get(ix.0 as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, ix: AgentIx) -> Option<&mut Agent> {
        self.slots.get_mut(ix.0 as usize)?.as_mut()
    }

    pub(crate) fn add(&mut self, now: Now, config: AgentConfig) -> AgentIx {
        let empty = self.slots.iter().position(Option::is_none);
        let slot = empty.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let ix = AgentIx(slot as u32);
        self.by_id.insert(config.agent, ix);
        self.slots[slot] = Some(Agent::new(now, config));
        ix
    }

    pub(crate) fn remove(&mut self, ix: AgentIx) -> Option<Agent> {
        let gone = self.slots.get_mut(ix.0 as usize)?.take()?;
        self.by_id.remove(&gone.id);
        Some(gone)
    }

    pub(crate) fn all(&self) -> Vec<AgentIx> {
        self.by_id.values().copied().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.by_id.values().filter_map(|ix| self.get(*ix))
    }
}
