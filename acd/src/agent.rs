//! One agent: what he holds, what he could take, and since when he is idle.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AgentId, AgentStatus, Instant, Media, Medium, Now, OfferId, QueueName, SessionId, Timestamp};

use crate::api::{AgentConfig, Capacity};

/// Which media an agent must be reachable by to serve a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Need {
    Voice,
    Text,
    Both,
}

impl Need {
    pub(crate) const ALL: [Need; 3] = [Need::Voice, Need::Text, Need::Both];

    /// None when nobody could be reached on the customer's side either: there is nothing to serve.
    pub(crate) fn of(media: Media) -> Option<Need> {
        match (media.voice, media.chat) {
            (true, false) => Some(Need::Voice),
            (false, true) => Some(Need::Text),
            (true, true) => Some(Need::Both),
            (false, false) => None,
        }
    }
}

/// Who goes first among the agents that could take a session: the least is next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Idle {
    /// Somebody with work in hand is not idle, so he comes after all who have none.
    sessions: usize,
    since: Instant,
    pub(crate) agent: AgentId,
}

/// What an agent is on the free lists as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Free {
    pub(crate) idle: Idle,
    pub(crate) needs: [bool; 3],
}

pub(crate) struct Owned {
    pub(crate) media: Media,
    /// How long the wrap-up will be, fixed when he got the session.
    pub(crate) wrap_up: Duration,
}

pub(crate) struct BackOff {
    pub(crate) until: Instant,
    /// What he could not be reached by: hearing from that device again ends it early.
    pub(crate) media: Media,
}

pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) capacity: Capacity,
    pub(crate) status: AgentStatus,
    pub(crate) status_since: Timestamp,
    pub(crate) voice: bool,
    pub(crate) text: bool,
    pub(crate) back_off: Option<BackOff>,
    pub(crate) offer: Option<OfferId>,
    pub(crate) sessions: BTreeMap<SessionId, Owned>,
    /// With the instant at which each ends.
    pub(crate) wrapping_up: BTreeMap<SessionId, Instant>,
    /// Sessions that he declined, and until when they are kept from him.
    pub(crate) declined: BTreeMap<SessionId, Instant>,
    pub(crate) idle_since: Instant,
    /// How he stands on the free lists of his queues at the moment.
    pub(crate) listed: Option<Free>,
}

impl Agent {
    pub(crate) fn new(now: Now, config: AgentConfig) -> Self {
        Self {
            id: config.agent,
            queues: config.queues,
            capacity: config.capacity,
            status: AgentStatus::SignedOut,
            status_since: now.wall,
            voice: false,
            text: false,
            back_off: None,
            offer: None,
            sessions: BTreeMap::new(),
            wrapping_up: BTreeMap::new(),
            declined: BTreeMap::new(),
            idle_since: now.instant,
            listed: None,
        }
    }

    /// What he could take at this moment; none when nothing.
    pub(crate) fn free(&self) -> Option<Free> {
        let held_back = self.offer.is_some() || self.back_off.is_some() || !self.wrapping_up.is_empty();
        if self.status != AgentStatus::Ready || held_back {
            return None;
        }
        let needs = Need::ALL.map(|need| self.is_reachable(need) && self.has_room(need));
        let idle = Idle { sessions: self.sessions.len(), since: self.idle_since, agent: self.id };
        needs.contains(&true).then_some(Free { idle, needs })
    }

    pub(crate) fn may_be_offered(&self, session: SessionId) -> bool {
        !self.declined.contains_key(&session) && !self.sessions.contains_key(&session)
    }

    pub(crate) fn reachable(&mut self, medium: Medium) -> &mut bool {
        match medium {
            Medium::Voice => &mut self.voice,
            Medium::Chat => &mut self.text,
        }
    }

    fn is_reachable(&self, need: Need) -> bool {
        match need {
            Need::Voice => self.voice,
            Need::Text => self.text,
            Need::Both => self.voice && self.text,
        }
    }

    /// This many calls, or this many chats: whoever holds one kind has no room for the other.
    fn has_room(&self, need: Need) -> bool {
        let calls = self.sessions.values().filter(|owned| owned.media.voice).count();
        let others = self.sessions.len() - calls;
        match need {
            Need::Voice | Need::Both => others == 0 && calls < usize::from(self.capacity.voice),
            Need::Text => calls == 0 && others < usize::from(self.capacity.chat),
        }
    }
}
