//! The figures of the centre at every moment, from its journal alone; and whether they are true.

use std::collections::BTreeMap;
use std::time::Duration;

use acd::statistics::{self, Report, Rules, Statistics};
use model::{AgentId, Change, Left, Now, Record, SessionId, Timestamp};
use session::api::Counts;

pub struct Figures {
    statistics: Statistics,
    records: Vec<Record>,
    changed: bool,
}

/// Short enough that in a simulation each of them makes a difference.
pub const RULES: Rules = Rules {
    short_abandon: Duration::from_secs(5),
    service_level: Duration::from_secs(20),
    repeat_within: Duration::from_secs(300),
};

impl Figures {
    pub(super) fn new(since: Timestamp) -> Self {
        Self { statistics: Statistics::new(RULES, since), records: Vec::new(), changed: false }
    }

    pub(super) fn add(&mut self, record: &Record) {
        self.statistics.add(record);
        self.records.push(record.clone());
        self.changed = true;
    }

    /// After every step: nobody is missing, and as many wait as the engine believes.
    pub(super) fn check(&mut self, now: Now, counts: &Counts) {
        // Everything is added up each time: in a long story now and then.
        let often = self.records.len() < 3_000 || self.records.len().is_multiple_of(16);
        if !often || !std::mem::take(&mut self.changed) {
            return;
        }
        let report = self.statistics.report(now.wall);
        for (key, figures) in &report.figures {
            assert!(figures.balance(), "at {} {key:?} does not balance: {figures:?}", now.wall);
        }
        let total = sum(&report);
        assert_eq!(total.waiting, counts.waiting as u64, "at {} others wait than the journal says", now.wall);
    }

    pub fn report(&self, now: Now) -> Report {
        self.statistics.report(now.wall)
    }

    /// The same from the journal as it lies in the store: by time, whatever the order in which it was written.
    pub fn from_scratch(&self, now: Now) -> Report {
        let mut records: Vec<&Record> = self.records.iter().collect();
        records.sort_by_key(|record| match record {
            Record::Session(entry) => (entry.at, Some((entry.session, entry.seq))),
            Record::Agent(change) => (change.at, None),
        });
        let mut statistics = Statistics::new(RULES, self.statistics.since());
        for record in records {
            statistics.add(record);
        }
        statistics.report(now.wall)
    }

    /// What can be counted by looking for it, without any bookkeeping.
    pub fn plainly(&self) -> Plain {
        let mut plain = Plain::default();
        let mut owned: BTreeMap<SessionId, (AgentId, Timestamp)> = BTreeMap::new();
        let mut wraps: BTreeMap<(SessionId, AgentId), Timestamp> = BTreeMap::new();
        for record in &self.records {
            let Record::Session(entry) = record else { continue };
            let (id, at) = (entry.session, entry.at);
            let over = match &entry.change {
                Change::OwnerChanged { agent } => *agent != owned.get(&id).map(|(agent, _)| *agent),
                Change::SessionEnded { .. } => true,
                _ => false,
            };
            if let Some((_, since)) = over.then(|| owned.remove(&id)).flatten() {
                plain.handling += at.saturating_since(since);
            }
            match &entry.change {
                Change::OwnerChanged { agent: Some(agent) } => {
                    owned.entry(id).or_insert((*agent, at));
                }
                Change::Dequeued { why, .. } => *plain.left.entry(*why).or_default() += 1,
                Change::Offered { .. } => plain.offers += 1,
                Change::WrapUpStarted { agent } => {
                    wraps.entry((id, *agent)).or_insert(at);
                }
                Change::WrapUpEnded { agent, .. } => {
                    if let Some(since) = wraps.remove(&(id, *agent)) {
                        plain.wrap_up += at.saturating_since(since);
                    }
                }
                _ => {}
            }
        }
        plain
    }
}

#[derive(Default)]
pub struct Plain {
    pub left: BTreeMap<Left, u64>,
    pub offers: u64,
    pub handling: Duration,
    pub wrap_up: Duration,
}

/// Over all queues, agents and times.
pub fn sum(report: &Report) -> statistics::Figures {
    let mut total = statistics::Figures::default();
    for figures in report.figures.values() {
        total += figures;
    }
    total
}
