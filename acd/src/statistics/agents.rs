//! What agents do with their time.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AgentChange, AgentId, AgentStatus, Timestamp};

use super::{QUARTER, quarter};

/// How one agent spent one quarter of an hour. What is missing to 15 minutes he was signed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AgentTime {
    /// Handling or wrapping up.
    pub busy: Duration,
    /// Ready, and nothing to do.
    pub idle: Duration,
    /// Signed in and not ready, and nothing to do.
    pub away: Duration,
}

impl AgentTime {
    /// Busy, of the time in which he was busy or could have been.
    pub fn occupancy(&self) -> Option<f64> {
        let whole = self.busy + self.idle;
        (!whole.is_zero()).then(|| self.busy.as_secs_f64() / whole.as_secs_f64())
    }
}

impl std::ops::AddAssign<&AgentTime> for AgentTime {
    fn add_assign(&mut self, other: &AgentTime) {
        self.busy += other.busy;
        self.idle += other.idle;
        self.away += other.away;
    }
}

/// What an agent does at this moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Occupation {
    SignedOut,
    Idle,
    Away,
    Busy,
}

#[derive(Clone, Debug)]
pub(super) struct Agents {
    since: Timestamp,
    lines: BTreeMap<AgentId, Line>,
    times: BTreeMap<(Timestamp, AgentId), AgentTime>,
}

#[derive(Clone, Debug)]
struct Line {
    status: Occupation,
    /// Contacts that he handles or wraps up.
    contacts: usize,
    /// Until when his time is accounted for.
    until: Timestamp,
    /// Since when he does what he does.
    since: Timestamp,
}

impl Line {
    fn occupation(&self) -> Occupation {
        if self.contacts > 0 { Occupation::Busy } else { self.status }
    }
}

impl Agents {
    pub fn new(since: Timestamp) -> Self {
        Self { since, lines: BTreeMap::new(), times: BTreeMap::new() }
    }

    pub fn begin_again(&mut self, since: Timestamp) {
        self.since = since;
        self.times.retain(|(quarter, _), _| *quarter >= since);
        for line in self.lines.values_mut() {
            line.until = line.until.max(since);
        }
    }

    pub fn set(&mut self, change: &AgentChange) {
        let status = match &change.status {
            AgentStatus::SignedOut => Occupation::SignedOut,
            AgentStatus::Ready => Occupation::Idle,
            AgentStatus::NotReady { reason: _ } | AgentStatus::NotAnswering => Occupation::Away,
        };
        self.alter(change.at, change.agent, |line| line.status = status);
    }

    /// The agents who had something to do for a contact, and who have now.
    pub fn occupation(&mut self, at: Timestamp, before: &[AgentId], after: &[AgentId]) {
        if before == after {
            return;
        }
        for agent in after {
            self.alter(at, *agent, |line| line.contacts += 1);
        }
        for agent in before {
            self.alter(at, *agent, |line| line.contacts = line.contacts.saturating_sub(1));
        }
    }

    fn alter(&mut self, at: Timestamp, agent: AgentId, alter: impl FnOnce(&mut Line)) {
        let start = Line { status: Occupation::SignedOut, contacts: 0, until: self.since, since: at };
        let line = self.lines.entry(agent).or_insert(start);
        let before = line.occupation();
        account(&mut self.times, agent, line, at);
        alter(line);
        if line.occupation() != before {
            line.since = at;
        }
    }

    pub fn times(&self, now: Timestamp) -> BTreeMap<(Timestamp, AgentId), AgentTime> {
        let mut times = self.times.clone();
        for (agent, line) in &self.lines {
            account(&mut times, *agent, &mut line.clone(), now);
        }
        times
    }

    pub fn now(&self) -> impl Iterator<Item = (AgentId, Occupation, Timestamp)> {
        self.lines.iter().map(|(agent, line)| (*agent, line.occupation(), line.since))
    }
}

/// His time until `at`, cut at the quarters.
fn account(
    times: &mut BTreeMap<(Timestamp, AgentId), AgentTime>,
    agent: AgentId,
    line: &mut Line,
    at: Timestamp,
) {
    let occupation = line.occupation();
    if occupation == Occupation::SignedOut {
        line.until = line.until.max(at);
        return;
    }
    while line.until < at {
        let quarter = quarter(line.until);
        let next = (quarter + QUARTER).min(at);
        let spent = next.saturating_since(line.until);
        let time = times.entry((quarter, agent)).or_default();
        match occupation {
            Occupation::Busy => time.busy += spent,
            Occupation::Idle => time.idle += spent,
            Occupation::Away => time.away += spent,
            Occupation::SignedOut => {}
        }
        line.until = next;
    }
}
