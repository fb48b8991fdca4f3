//! One session's story as far as it matters here: its waits, who handled it, and who was asked to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{
    AgentId, Cause, Change, Ending, LegId, Medium, OfferId, OfferOutcome, Party, QueueName, Side, Timestamp,
};

use super::{Figures, Key, Rules, quarter};

#[derive(Clone, Debug)]
pub(super) struct Contact {
    opened: Timestamp,
    seq: u64,
    legs: BTreeMap<LegId, (Medium, Party)>,
    held: BTreeSet<LegId>,
    parked: bool,
    /// The customer waits while the agent talks to others.
    aside: bool,
    waits: Vec<Wait>,
    handlings: Vec<Handling>,
    wrap_ups: Vec<WrapUp>,
    offers: Vec<Offer>,
    called_back: Vec<(Timestamp, bool)>,
    /// He waits without being on the line.
    promised: bool,
}

#[derive(Clone, Debug)]
struct Wait {
    queue: QueueName,
    medium: Medium,
    since: Timestamp,
    end: Option<(Timestamp, End)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Answered,
    Abandoned,
    Overflowed,
    CalledBack,
    Dropped,
}

/// From when the contact is an agent's until it is no more.
#[derive(Clone, Debug)]
struct Handling {
    agent: AgentId,
    queue: Option<QueueName>,
    medium: Medium,
    since: Timestamp,
    until: Option<Timestamp>,
    hold: Duration,
    held_since: Option<Timestamp>,
    transferred: bool,
    /// It became part of another contact, where he goes on.
    joined: bool,
}

#[derive(Clone, Debug)]
struct WrapUp {
    agent: AgentId,
    since: Timestamp,
    until: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Offer {
    offer: OfferId,
    agent: AgentId,
    queue: QueueName,
    medium: Medium,
    at: Timestamp,
    outcome: Option<OfferOutcome>,
}

impl Contact {
    pub fn new(opened: Timestamp) -> Self {
        Self {
            opened,
            seq: 0,
            legs: BTreeMap::new(),
            held: BTreeSet::new(),
            parked: false,
            aside: false,
            waits: Vec::new(),
            handlings: Vec::new(),
            wrap_ups: Vec::new(),
            offers: Vec::new(),
            called_back: Vec::new(),
            promised: false,
        }
    }

    /// Whether the entry of this number is new.
    pub fn saw(&mut self, seq: u64) -> bool {
        let new = seq > self.seq;
        self.seq = self.seq.max(seq);
        new
    }

    /// The agents who have something to do for it.
    pub fn occupied(&self) -> Vec<AgentId> {
        let handling = self.handlings.iter().filter(|handling| handling.until.is_none());
        let wrapping = self.wrap_ups.iter().filter(|wrap_up| wrap_up.until.is_none());
        handling.map(|handling| handling.agent).chain(wrapping.map(|wrap_up| wrap_up.agent)).collect()
    }

    pub fn wraps_up(&self) -> bool {
        self.wrap_ups.iter().any(|wrap_up| wrap_up.until.is_none())
    }

    /// Who served the customer last, and out of which queue he came first; as of its opening.
    pub fn served_as(&self) -> Option<Key> {
        let first = self.handlings.first()?;
        let last = self.handlings.last()?;
        Some(Key {
            from: quarter(self.opened),
            queue: first.queue.clone(),
            agent: Some(last.agent),
            medium: first.medium,
        })
    }

    pub fn change(&mut self, at: Timestamp, change: &Change) {
        match change {
            Change::LegOpened { leg, medium, party, address: _ } => {
                self.legs.insert(*leg, (*medium, party.clone()));
            }
            Change::LegHeld { leg, held } => {
                if *held {
                    self.held.insert(*leg);
                } else {
                    self.held.remove(leg);
                }
                self.hold_or_talk(at);
            }
            Change::LegEnded { leg, ending: _ } => {
                self.legs.remove(leg);
                self.held.remove(leg);
                self.hold_or_talk(at);
            }
            Change::Parked { slot } => {
                self.parked = slot.is_some();
                self.hold_or_talk(at);
            }
            Change::SetAside { aside } => {
                self.aside = *aside;
                self.hold_or_talk(at);
            }
            Change::Queued { queue, priority: _, since: _, asks: _ } => self.queued(at, queue),
            Change::Dequeued { queue: _, why } => self.left(at, (*why).into()),
            Change::Offered { offer, agent, queue, why: _ } => {
                let (queue, medium) = (queue.clone(), self.medium());
                self.offers.push(Offer { offer: *offer, agent: *agent, queue, medium, at, outcome: None });
            }
            Change::OfferEnded { offer, agent: _, outcome } => {
                let mut offers = self.offers.iter_mut().rev();
                if let Some(found) = offers.find(|found| found.offer == *offer) {
                    found.outcome = Some(*outcome);
                }
            }
            Change::OwnerChanged { agent: Some(agent) } => self.owned(at, *agent),
            Change::OwnerChanged { agent: None } => self.disowned(at),
            Change::Transferred { by, to: _ } => {
                let mut handlings = self.handlings.iter_mut().rev();
                if let Some(handling) = handlings.find(|handling| handling.agent == *by) {
                    handling.transferred = true;
                }
            }
            Change::CallbackPromised { .. } => self.promised = true,
            Change::CallbackTried { again: Some(_), .. } => {}
            Change::CallbackTried { reached, again: None } => {
                self.promised = false;
                self.called_back.push((at, *reached));
            }
            Change::CallbackWithdrawn => self.promised = false,
            Change::WrapUpStarted { agent } => {
                // After a restart it is begun again.
                if !self.wrap_ups.iter().any(|own| own.agent == *agent && own.until.is_none()) {
                    self.wrap_ups.push(WrapUp { agent: *agent, since: at, until: None });
                }
            }
            Change::WrapUpEnded { agent, disposition: _, note: _ } => {
                let mut open = self.wrap_ups.iter_mut().filter(|own| own.until.is_none());
                if let Some(own) = open.find(|own| own.agent == *agent) {
                    own.until = Some(at);
                }
            }
            Change::SessionEnded { ending } => {
                self.left(at, how_left(ending));
                if let Some(handling) = self.current() {
                    handling.joined = ending.cause == Cause::Merged;
                }
                self.disowned(at);
            }
            Change::SessionOpened { .. }
            | Change::IdentityLinked { .. }
            | Change::CustomerChanged { .. }
            | Change::MergedInto { .. }
            | Change::CustomerNamed { .. }
            | Change::LegRinging { .. }
            | Change::LegAnswered { .. }
            | Change::LegMuted { .. }
            | Change::LegTrouble { .. }
            | Change::LegQuality { .. }
            | Change::Message { .. }
            | Change::Delivered { .. }
            | Change::Read { .. }
            | Change::Step { .. }
            | Change::ContextSet { .. }
            | Change::TaskLeft { .. }
            | Change::Supervised { .. }
            | Change::Escalated { .. }
            | Change::RecordingStarted { .. }
            | Change::RecordingEnded { .. }
            | Change::RecordingFailed { .. }
            | Change::RecordingPaused { .. }
            | Change::RecordingWanted { .. } => {}
        }
    }

    /// A customer on the phone is served on the phone, whatever else he does.
    fn medium(&self) -> Medium {
        let on_the_phone =
            self.legs.values().any(|(medium, party)| *party == Party::Customer && *medium == Medium::Voice);
        if on_the_phone || self.promised { Medium::Voice } else { Medium::Chat }
    }

    fn queued(&mut self, at: Timestamp, queue: &QueueName) {
        if self.waits.last().is_some_and(|wait| wait.end.is_none() && wait.queue == *queue) {
            // A better place in the same queue.
            return;
        }
        let called_in_vain = |wait: &&mut Wait| {
            wait.queue == *queue && wait.end.is_some_and(|(_, end)| end == End::CalledBack)
        };
        // Whoever was called in vain goes on waiting.
        if self.promised
            && let Some(wait) = self.waits.last_mut().filter(called_in_vain)
        {
            wait.end = None;
            return;
        }
        self.left(at, End::Overflowed);
        let medium = self.medium();
        self.waits.push(Wait { queue: queue.clone(), medium, since: at, end: None });
    }

    fn left(&mut self, at: Timestamp, how: End) {
        if let Some(wait) = self.waits.last_mut().filter(|wait| wait.end.is_none()) {
            wait.end = Some((at, how));
        }
    }

    fn current(&mut self) -> Option<&mut Handling> {
        self.handlings.last_mut().filter(|handling| handling.until.is_none())
    }

    fn owned(&mut self, at: Timestamp, agent: AgentId) {
        if self.current().is_some_and(|handling| handling.agent == agent) {
            return;
        }
        self.left(at, End::Answered);
        self.disowned(at);
        self.handlings.push(Handling {
            agent,
            queue: self.waits.last().map(|wait| wait.queue.clone()),
            medium: self.medium(),
            since: at,
            until: None,
            hold: Duration::ZERO,
            held_since: None,
            transferred: false,
            joined: false,
        });
        self.hold_or_talk(at);
    }

    fn disowned(&mut self, at: Timestamp) {
        if let Some(handling) = self.current() {
            handling.until = Some(at);
            if let Some(since) = handling.held_since.take() {
                handling.hold += at.saturating_since(since);
            }
        }
    }

    fn hold_or_talk(&mut self, at: Timestamp) {
        let Some(agent) = self.current().map(|handling| handling.agent) else { return };
        let holds = |leg| self.legs.get(leg).is_some_and(|(_, party)| *party == Party::Agent { agent });
        let held = self.parked || self.aside || self.held.iter().any(holds);
        let Some(handling) = self.current() else { return };
        match (handling.held_since, held) {
            (None, true) => handling.held_since = Some(at),
            (Some(since), false) => {
                handling.hold += at.saturating_since(since);
                handling.held_since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// Adds its figures.
    pub fn contribute(&self, rules: &Rules, to: &mut BTreeMap<Key, Figures>) {
        for wait in &self.waits {
            let key = Key {
                from: quarter(wait.since),
                queue: Some(wait.queue.clone()),
                agent: None,
                medium: wait.medium,
            };
            wait.contribute(rules, to.entry(key).or_default());
        }
        for handling in &self.handlings {
            handling.contribute(to.entry(handling.key()).or_default());
        }
        for wrap_up in &self.wrap_ups {
            // It belongs to what he handled.
            let mut handlings = self.handlings.iter().rev();
            let handled = handlings.find(|handling| handling.agent == wrap_up.agent);
            if let Some((handling, until)) = handled.zip(wrap_up.until) {
                to.entry(handling.key()).or_default().wrap_up += until.saturating_since(wrap_up.since);
            }
        }
        for offer in &self.offers {
            let key = Key {
                from: quarter(offer.at),
                queue: Some(offer.queue.clone()),
                agent: Some(offer.agent),
                medium: offer.medium,
            };
            offer.contribute(to.entry(key).or_default());
        }
        for (at, reached) in &self.called_back {
            let queue = self.waits.last().map(|wait| wait.queue.clone());
            let key = Key { from: quarter(*at), queue, agent: None, medium: Medium::Voice };
            let figures = to.entry(key).or_default();
            figures.callbacks_reached += u64::from(*reached);
            figures.callbacks_failed += u64::from(!*reached);
        }
    }
}

impl Wait {
    fn contribute(&self, rules: &Rules, figures: &mut Figures) {
        figures.offered += 1;
        let Some((at, end)) = self.end else {
            figures.waiting += 1;
            return;
        };
        let waited = at.saturating_since(self.since);
        match end {
            End::Answered => {
                figures.answered += 1;
                figures.answered_in_time += u64::from(waited <= rules.service_level);
                figures.waited_for_answer += waited;
                figures.longest_wait = figures.longest_wait.max(waited);
            }
            End::Abandoned => {
                figures.abandoned += 1;
                figures.abandoned_short += u64::from(waited < rules.short_abandon);
                figures.waited_in_vain += waited;
            }
            End::Overflowed => figures.overflowed += 1,
            End::CalledBack => figures.called_back += 1,
            End::Dropped => figures.dropped += 1,
        }
    }
}

impl Handling {
    fn key(&self) -> Key {
        Key {
            from: quarter(self.since),
            queue: self.queue.clone(),
            agent: Some(self.agent),
            medium: self.medium,
        }
    }

    fn contribute(&self, figures: &mut Figures) {
        figures.transferred += u64::from(self.transferred);
        let Some(until) = self.until else {
            figures.in_conversation += 1;
            return;
        };
        figures.handled += u64::from(!self.joined);
        figures.talk += until.saturating_since(self.since).saturating_sub(self.hold);
        figures.hold += self.hold;
    }
}

impl Offer {
    fn contribute(&self, figures: &mut Figures) {
        figures.rung += 1;
        match self.outcome {
            Some(OfferOutcome::Declined) => figures.declined += 1,
            Some(OfferOutcome::TimedOut | OfferOutcome::Unreachable) => figures.not_answered += 1,
            Some(OfferOutcome::Accepted | OfferOutcome::Withdrawn | OfferOutcome::AgentLeft) | None => {}
        }
    }
}

impl From<model::Left> for End {
    fn from(why: model::Left) -> Self {
        use model::Left;
        match why {
            Left::Answered | Left::Taken => Self::Answered,
            Left::Abandoned => Self::Abandoned,
            Left::Overflowed | Left::Joined | Left::Refused => Self::Overflowed,
            Left::CalledBack => Self::CalledBack,
            Left::Dropped => Self::Dropped,
        }
    }
}

/// Where a session ended without a word about its place in the queue.
fn how_left(ending: &Ending) -> End {
    match (ending.cause, ending.by) {
        (Cause::Merged, _) | (_, Side::Flow) => End::Overflowed,
        (_, Side::Customer) => End::Abandoned,
        (_, Side::Agent | Side::Carrier | Side::System) => End::Dropped,
    }
}
