//! What the journal says about queues, agents and customers: entries in, figures out.
//!
//! Everything here follows from the journal alone. A wallboard feeds entries as they are written, a report feeds those of its time; both
//! get the same figures. What is counted:
//!
//! * A contact is **offered** to a queue each time that it begins to wait there. At every instant, for every queue, medium and
//!   quarter of an hour: offered = answered + abandoned + overflowed + called back + dropped + waiting. Each of them belongs to the
//!   quarter in which the wait *began*.
//! * **Answered**: an agent has it. **Abandoned**: the customer gave up; *short* when he did so before
//!   [`Rules::short_abandon`]. **Overflowed**: it went on elsewhere (another queue, the flow, another contact of the same customer, no
//!   room). **Called back**: he asked for it. **Dropped**: we or the network ended it.
//! * An agent **handles** a contact while it is his; it is handled in the quarter in which it became his. A transfer ends one handling
//!   and begins another, so talk time is split there. **Hold** is while his phone holds the customer or he has parked him, **talk** is the
//!   rest, **wrap-up** is the agent's, after it.
//! * The **time** of agents is cut at the quarters: busy (handling or wrapping up, however many contacts at once), idle (ready, and
//!   nothing to do), away.
//! * A served customer's contact was **resolved** when he did not come again within [`Rules::repeat_within`] after its end. To change
//!   the channel within a contact is no repeat.
//!
//! Invariant: entries of one session come in their order; those of different sessions may be mixed in any order of their times.

mod agents;
mod contact;
mod figures;
mod visits;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{AgentId, Change, Entry, Medium, QueueName, Record, SessionId, Timestamp};

use agents::Agents;
use contact::Contact;
use visits::Visits;

pub use agents::{AgentTime, Occupation};
pub use figures::Figures;

/// Figures are kept for each of these.
pub const QUARTER: Duration = Duration::from_secs(15 * 60);
/// A contact that has ended may still get a wrap-up for so long.
const AFTERMATH: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Who gives up before this is counted as a short abandon.
    pub short_abandon: Duration,
    /// Whoever is answered within this is answered in time.
    pub service_level: Duration,
    /// A customer who comes again within this was not helped the first time.
    pub repeat_within: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            short_abandon: Duration::from_secs(5),
            service_level: Duration::from_secs(20),
            repeat_within: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What figures are about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// When the quarter of an hour begins.
    pub from: Timestamp,
    /// None: not out of a queue.
    pub queue: Option<QueueName>,
    /// None: of the queue itself.
    pub agent: Option<AgentId>,
    pub medium: Medium,
}

/// Everything since a moment.
#[derive(Clone, Debug)]
pub struct Statistics {
    rules: Rules,
    since: Timestamp,
    /// Of contacts that are over.
    settled: BTreeMap<Key, Figures>,
    contacts: BTreeMap<SessionId, Contact>,
    /// Those that have ended, by when.
    ended: BTreeSet<(Timestamp, SessionId)>,
    visits: Visits,
    agents: Agents,
}

/// What there is to say at one instant.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    pub figures: BTreeMap<Key, Figures>,
    /// By quarter.
    pub times: BTreeMap<(Timestamp, AgentId), AgentTime>,
}

impl Statistics {
    /// Agents' times and contacts before `since` are not counted.
    pub fn new(rules: Rules, since: Timestamp) -> Self {
        let since = quarter(since);
        Self {
            rules,
            since,
            settled: BTreeMap::new(),
            contacts: BTreeMap::new(),
            ended: BTreeSet::new(),
            visits: Visits::default(),
            agents: Agents::new(since),
        }
    }

    /// Another day: what was before is counted no more. Whoever waits or talks goes on doing so.
    pub fn begin_again(&mut self, since: Timestamp) {
        self.since = quarter(since);
        self.settled.retain(|key, _| key.from >= self.since);
        self.agents.begin_again(self.since);
    }

    pub fn since(&self) -> Timestamp {
        self.since
    }

    pub fn add(&mut self, record: &Record) {
        match record {
            Record::Session(entry) => self.add_entry(entry),
            Record::Agent(change) => self.agents.set(change),
        }
    }

    fn add_entry(&mut self, entry: &Entry) {
        let id = entry.session;
        if let Change::SessionOpened { customer, .. } = &entry.change {
            let contact = self.contacts.entry(id).or_insert_with(|| Contact::new(entry.at));
            if contact.saw(entry.seq) {
                self.visits.opened(id, *customer, entry.at);
            }
            return;
        }
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        // Whoever reads the journal while it is written may meet an entry again.
        if !contact.saw(entry.seq) {
            return;
        }
        let before = contact.occupied();
        contact.change(entry.at, &entry.change);
        let after = contact.occupied();
        self.agents.occupation(entry.at, &before, &after);
        match &entry.change {
            Change::CustomerChanged { customer } => self.visits.moved(id, *customer),
            Change::MergedInto { .. } => self.visits.joined(id),
            Change::SessionEnded { .. } => {
                self.ended.insert((entry.at, id));
                self.visits.ended(id, entry.at, contact.served_as());
                self.settle(entry.at);
            }
            _ => {}
        }
    }

    /// Forgets the stories of contacts that are over, and keeps their figures.
    fn settle(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.ended.first().copied() {
            if now.saturating_since(at) < AFTERMATH {
                break;
            }
            self.ended.remove(&(at, id));
            match self.contacts.get(&id) {
                // An hour at the most: it is looked at again.
                Some(contact) if contact.wraps_up() => {
                    self.ended.insert((now, id));
                    break;
                }
                Some(contact) => {
                    contact.contribute(&self.rules, &mut self.settled);
                    self.contacts.remove(&id);
                }
                None => {}
            }
        }
        self.visits.settle(now, &self.rules, &mut self.settled);
    }

    /// Everything as it is at `now`, of the quarters from `since` on.
    pub fn report(&self, now: Timestamp) -> Report {
        let mut figures = self.settled.clone();
        for contact in self.contacts.values() {
            contact.contribute(&self.rules, &mut figures);
        }
        self.visits.contribute(&self.rules, &mut figures);
        figures.retain(|key, _| key.from >= self.since);
        Report { figures, times: self.agents.times(now) }
    }

    /// What each agent does, who has ever been heard of.
    pub fn occupations(&self) -> impl Iterator<Item = (AgentId, Occupation, Timestamp)> {
        self.agents.now()
    }
}

/// When the quarter of an hour began that `at` is in.
pub fn quarter(at: Timestamp) -> Timestamp {
    let length = QUARTER.as_micros() as i64;
    Timestamp::from_micros(at.as_micros().div_euclid(length) * length)
}
