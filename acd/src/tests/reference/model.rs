//! The plain model: what an agent and a waiting session are, and the rules, said by looking at everybody.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{AgentId, AgentStatus, Instant, Media, OfferId, QueueName, SessionId, Strategy};

use crate::{AgentConfig, Item, QueueConfig, Skills, Widen};

#[derive(Clone)]
pub(super) struct Agent {
    pub(super) config: AgentConfig,
    pub(super) status: AgentStatus,
    pub(super) voice: bool,
    pub(super) text: bool,
    pub(super) back_off: Option<(Instant, Media)>,
    pub(super) failures: u32,
    pub(super) failed_at: Instant,
    pub(super) offer: Option<OfferId>,
    pub(super) sessions: BTreeMap<SessionId, Media>,
    pub(super) wrapping_up: BTreeSet<SessionId>,
    pub(super) declined: BTreeMap<SessionId, Instant>,
    pub(super) idle_since: Instant,
    pub(super) turns: BTreeMap<QueueName, u64>,
    pub(super) contacts: u64,
    pub(super) occupancy: u64,
    pub(super) busy: Duration,
    pub(super) duty: Duration,
    pub(super) measured: Instant,
}

pub(super) struct Waiting {
    pub(super) item: Item,
    pub(super) offers: Vec<OfferId>,
    pub(super) direct: bool,
    pub(super) kept_for: Option<AgentId>,
    pub(super) left: BTreeSet<QueueName>,
    /// Rules of its queue that have struck, by their place.
    pub(super) struck: BTreeSet<usize>,
}

/// Points of priority, and who comes before whom with the same.
pub(super) type Standing = (bool, Reverse<i128>, Instant, SessionId);

impl Agent {
    pub(super) fn new(at: Instant, config: AgentConfig) -> Self {
        Self {
            config,
            status: AgentStatus::SignedOut,
            voice: false,
            text: false,
            back_off: None,
            failures: 0,
            failed_at: at,
            offer: None,
            sessions: BTreeMap::new(),
            wrapping_up: BTreeSet::new(),
            declined: BTreeMap::new(),
            idle_since: at,
            turns: BTreeMap::new(),
            contacts: 0,
            occupancy: 0,
            busy: Duration::ZERO,
            duty: Duration::ZERO,
            measured: at,
        }
    }

    /// Counts what passed; before anything changes.
    pub(super) fn tick(&mut self, at: Instant) {
        let passed = at - self.measured;
        self.measured = self.measured.max(at);
        if self.status != AgentStatus::SignedOut {
            self.duty += passed;
            if !self.sessions.is_empty() || !self.wrapping_up.is_empty() {
                self.busy += passed;
            }
        }
    }

    pub(super) fn idle_from(&mut self, at: Instant) {
        self.tick(at);
        self.idle_since = at;
        self.occupancy = (self.busy.as_micros() * 1_000 / self.duty.as_micros().max(1)) as u64;
    }

    /// How he stands among those who could take something of this queue: the least is next.
    pub(super) fn order(
        &self,
        queue: &QueueConfig,
        preferred: &BTreeMap<crate::Skill, u16>,
    ) -> (Reverse<u32>, u64, Instant, AgentId) {
        let level = |skill| self.config.skills.get(skill).copied().unwrap_or(0);
        let preference = preferred.iter().map(|(skill, weight)| u32::from(*weight) * u32::from(level(skill)));
        let measure = match queue.strategy {
            Strategy::LongestIdle => self.sessions.len() as u64,
            Strategy::RoundRobin => self.turns.get(&queue.name).copied().unwrap_or(0),
            Strategy::FewestContacts => self.contacts,
            Strategy::LeastOccupied => self.occupancy,
            Strategy::Linear => {
                let place = queue.order.iter().position(|name| *name == self.config.name);
                place.unwrap_or(queue.order.len()) as u64
            }
        };
        (Reverse(preference.sum()), measure, self.idle_since, self.config.agent)
    }

    /// `sharp`: what runs out at this very moment holds no longer.
    fn is_free(&self, media: Media, now: Instant, sharp: bool) -> bool {
        let calls = self.sessions.values().filter(|media| media.voice).count();
        let others = self.sessions.len() - calls;
        let room = if media.voice {
            others == 0 && calls < usize::from(self.config.capacity.voice)
        } else {
            calls == 0 && others < usize::from(self.config.capacity.chat)
        };
        let busy = self.offer.is_some()
            || !self.wrapping_up.is_empty()
            || self.back_off.is_some_and(|(until, _)| runs(until, now, sharp));
        let reachable = (!media.voice || self.voice) && (!media.chat || self.text) && !media.is_empty();
        self.status == AgentStatus::Ready && room && !busy && reachable
    }

    /// Whether he could take it now.
    pub(super) fn could_take(&self, waiting: &Waiting, ring: u8, now: Instant, sharp: bool) -> bool {
        let Item { session, media, queue, since, demand, preferred, .. } = &waiting.item;
        let declined = self.declined.get(session).is_some_and(|until| runs(*until, now, sharp));
        if declined || self.sessions.contains_key(session) || !self.is_free(*media, now, sharp) {
            return false;
        }
        if waiting.direct {
            return false;
        }
        let until = preferred.map_or(now, |preferred| preferred.until);
        let mine = waiting.kept_for == Some(self.config.agent);
        if mine && waiting.offers.is_empty() && (until > now || sharp) {
            return true;
        }
        if waiting.kept_for.is_some() && runs(until, now, sharp) {
            return false;
        }
        let required = required(demand, now - *since, sharp);
        let skilled = required
            .iter()
            .all(|(skill, level)| self.config.skills.get(skill).copied().unwrap_or(0) >= *level);
        waiting.offers.len() < usize::from(ring) && skilled && self.config.queues.contains(queue)
    }
}

impl Waiting {
    pub(super) fn new(item: Item) -> Self {
        let (offers, left, struck) = Default::default();
        Self { item, offers, direct: false, kept_for: None, left, struck }
    }

    pub(super) fn standing(&self, queue: &QueueConfig, now: Instant) -> Standing {
        let waited = i128::try_from((now - self.item.since).as_micros()).expect("it fits");
        let points = i128::from(self.item.priority) * 60_000_000 + i128::from(queue.ageing) * waited;
        (!self.offers.is_empty(), Reverse(points), self.item.since, self.item.session)
    }
}

/// What is asked for after so long.
fn required(demand: &crate::Demand, waited: Duration, sharp: bool) -> Skills {
    let mut required = demand.required.clone();
    for stage in &demand.stages {
        if stage.after < waited || sharp && stage.after == waited {
            match &stage.widen {
                Widen::All => required.clear(),
                Widen::To(skill, 0) => drop(required.remove(skill)),
                Widen::To(skill, to) => {
                    required.entry(skill.clone()).and_modify(|level| *level = (*level).min(*to));
                }
            }
        }
    }
    required
}

fn runs(until: Instant, now: Instant, sharp: bool) -> bool {
    if sharp { until > now } else { until >= now }
}
