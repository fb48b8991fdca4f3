//! Looks at everything that is journalled and finds what may never be.

use std::collections::{BTreeMap, BTreeSet};

use model::{AgentId, Change, Ending, Entry, LegId, Now, OfferId, OfferOutcome, Record, SessionId};
use session::api::{Refusal, Reply, RequestId};

#[derive(Default)]
pub struct Audit {
    sessions: BTreeMap<SessionId, Story>,
    offer_of_agent: BTreeMap<AgentId, OfferId>,
    offers: BTreeMap<OfferId, (SessionId, AgentId)>,
    sent: BTreeMap<RequestId, String>,
    /// Every message of a visitor: the number under which it was acknowledged.
    acknowledged: BTreeMap<(String, SessionId), u64>,
    touched: BTreeSet<SessionId>,
    /// Most operators who may be asked for one session at once; none is one.
    pub ring: usize,
    pub outcomes: BTreeMap<&'static str, usize>,
    pub refusals: BTreeMap<&'static str, usize>,
}

#[derive(Default)]
struct Story {
    seq: u64,
    legs: BTreeSet<LegId>,
    offers: BTreeSet<OfferId>,
    messages: BTreeSet<String>,
    ended: Option<Ending>,
    entries: Vec<Entry>,
}

impl Audit {
    pub(super) fn journal(&mut self, _now: Now, record: Record) {
        let entry = match record {
            Record::Session(entry) => entry,
            Record::Agent(_) => return,
        };
        self.touched.insert(entry.session);
        let story = self.sessions.entry(entry.session).or_default();
        assert_eq!(entry.seq, story.seq + 1, "a hole in the journal of {}", entry.session);
        story.seq = entry.seq;
        let opening = matches!(entry.change, Change::SessionOpened { .. });
        assert_eq!(opening, entry.seq == 1, "{} does not begin with its opening", entry.session);
        match &entry.change {
            Change::LegOpened { leg, .. } => {
                assert!(
                    story.ended.is_none(),
                    "a leg was opened in a session that was over: {}",
                    entry.session
                );
                assert!(story.legs.insert(*leg));
            }
            Change::LegEnded { leg, .. } => assert!(story.legs.remove(leg), "leg {leg} ended twice"),
            Change::Offered { offer, agent, .. } => {
                assert!(story.offers.len() < self.ring.max(1), "{} is offered twice at once", entry.session);
                story.offers.insert(*offer);
                let other = self.offer_of_agent.insert(*agent, *offer);
                assert_eq!(other, None, "{agent} has two offers");
                self.offers.insert(*offer, (entry.session, *agent));
            }
            Change::OfferEnded { offer, agent, outcome } => {
                assert_eq!(self.offers.remove(offer), Some((entry.session, *agent)), "an offer ended twice");
                assert_eq!(self.offer_of_agent.remove(agent), Some(*offer));
                assert!(story.offers.remove(offer));
                *self.outcomes.entry(outcome_name(*outcome)).or_default() += 1;
            }
            Change::Message { message } => {
                assert!(story.ended.is_none(), "a message came into {} after its end", entry.session);
                if let Some(external_id) = &message.external_id {
                    assert!(story.messages.insert(external_id.clone()), "{external_id} was written twice");
                }
            }
            // What was left of it goes on there.
            Change::MergedInto { .. } => story.legs.clear(),
            Change::SessionEnded { ending } => {
                assert_eq!(story.ended, None, "{} ended twice", entry.session);
                story.ended = Some(ending.clone());
                *self.outcomes.entry("sessions ended").or_default() += 1;
            }
            _ => {}
        }
        story.entries.push(entry);
    }

    pub(super) fn message_sent(&mut self, request: RequestId, external_id: String) {
        self.sent.insert(request, external_id);
    }

    pub(super) fn reply(&mut self, request: RequestId, result: Result<Reply, Refusal>) {
        let sent = self.sent.remove(&request);
        match result {
            Ok(Reply::Accepted { session, seq, .. }) => {
                let Some(external_id) = sent else { return };
                // A repeat is acknowledged with the number of the first, unless the session became part of another.
                let first = *self.acknowledged.entry((external_id.clone(), session)).or_insert(seq);
                assert_eq!(first, seq, "{external_id} was taken for two messages");
            }
            Ok(_) => {}
            Err(refusal) => *self.refusals.entry(refusal.code).or_default() += 1,
        }
    }

    /// After every step.
    pub(super) fn check(&mut self, now: Now) {
        for id in std::mem::take(&mut self.touched) {
            let Some(story) = self.sessions.get(&id) else { continue };
            if let Some(ending) = &story.ended {
                assert!(
                    story.legs.is_empty(),
                    "legs outlive session {id} ({ending:?}) at {}: {}",
                    now.wall,
                    story.tell()
                );
                assert!(story.offers.is_empty(), "an offer outlives session {id}");
            }
        }
    }

    /// The journal of a session from before a restart.
    pub(super) fn continue_with(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let story = self.sessions.entry(first.session).or_default();
        story.seq = entries.len() as u64;
        story.entries = entries.to_vec();
        for entry in entries {
            match &entry.change {
                Change::LegOpened { leg, .. } => {
                    story.legs.insert(*leg);
                }
                Change::LegEnded { leg, .. } => {
                    story.legs.remove(leg);
                }
                _ => {}
            }
        }
    }

    /// The journals of all sessions, in the order in which they were opened.
    pub fn journals(&self) -> Vec<&[Entry]> {
        self.sessions.values().map(|story| story.entries.as_slice()).collect()
    }

    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions that have not ended, told as stories.
    pub fn unfinished(&self) -> Vec<String> {
        self.sessions.values().filter(|story| story.ended.is_none()).map(Story::tell).collect()
    }

    /// Who is being asked now.
    pub fn asked(&self) -> Vec<AgentId> {
        self.offer_of_agent.keys().copied().collect()
    }

    /// When each agent was asked for something that he did not get, in a row.
    pub fn asked_in_vain(&self) -> BTreeMap<AgentId, Vec<Vec<model::Timestamp>>> {
        let mut asked: Vec<_> = self
            .sessions
            .values()
            .flat_map(|story| &story.entries)
            .filter_map(|entry| match &entry.change {
                Change::OfferEnded { agent, outcome, .. } => Some((entry.at, *agent, *outcome)),
                _ => None,
            })
            .collect();
        asked.sort_unstable_by_key(|(at, ..)| *at);
        let mut rows: BTreeMap<AgentId, Vec<Vec<model::Timestamp>>> = BTreeMap::new();
        for (at, agent, outcome) in asked {
            let rows = rows.entry(agent).or_insert_with(|| vec![Vec::new()]);
            match outcome {
                OfferOutcome::Accepted => rows.push(Vec::new()),
                OfferOutcome::Withdrawn => {}
                _ => rows.last_mut().expect("there is one").push(at),
            }
        }
        rows
    }

    pub fn open_offers(&self) -> usize {
        self.offers.len()
    }

    pub fn unanswered_messages(&self) -> usize {
        self.sent.len()
    }
}

impl Story {
    fn tell(&self) -> String {
        self.entries
            .iter()
            .map(|entry| format!("\n  {} {} {:?}", entry.seq, entry.at, entry.change))
            .collect()
    }
}

fn outcome_name(outcome: OfferOutcome) -> &'static str {
    match outcome {
        OfferOutcome::Accepted => "accepted",
        OfferOutcome::Declined => "declined",
        OfferOutcome::TimedOut => "timed out",
        OfferOutcome::Withdrawn => "withdrawn",
        OfferOutcome::Unreachable => "unreachable",
        OfferOutcome::AgentLeft => "agent left",
    }
}
