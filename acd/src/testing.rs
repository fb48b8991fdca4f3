//! What the tests build on: a small centre at virtual time.

use std::time::Duration;

use model::{
    AgentId, AgentStatus, Instant, Media, Medium, Now, OfferId, OfferOutcome, QueueName, SessionId, Side,
    Timestamp,
};

use crate::{Acd, AgentConfig, Blend, Capacity, Item, Output, QueueConfig, Skill, Skills};

pub(crate) fn agent_id(number: u8) -> AgentId {
    AgentId::new(Timestamp::from_micros(0), [number; 10])
}

pub(crate) fn session_id(number: u8) -> SessionId {
    SessionId::new(Timestamp::from_micros(0), [number; 10])
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn queue_config(name: &str) -> QueueConfig {
    QueueConfig { accept_timeout: seconds(60), max_waiting: 100, ..QueueConfig::new(QueueName::new(name)) }
}

/// One call or three chats.
pub(crate) fn agent_config(number: u8, queues: &[&str]) -> AgentConfig {
    AgentConfig {
        agent: agent_id(number),
        name: format!("agent{number}").into(),
        queues: queues.iter().map(|name| QueueName::new(name)).collect(),
        capacity: Capacity { voice: 1, chat: 3 },
        blend: Blend::default(),
        skills: Skills::new(),
    }
}

/// Such as `[("tech", 3), ("ru", 1)]`.
pub(crate) fn skills(levels: &[(&str, u8)]) -> Skills {
    levels.iter().map(|(name, level)| (Skill::new(name), *level)).collect()
}

pub(crate) fn not_ready(reason: &str) -> AgentStatus {
    AgentStatus::NotReady { reason: reason.into() }
}

/// An ACD with the queues `support` and `sales`, its clock, and what it put out and nobody looked at yet.
pub(crate) struct Centre {
    pub(crate) acd: Acd,
    pub(crate) now: Now,
}

impl Centre {
    pub(crate) fn new() -> Self {
        let now = Now::new(Instant::from_micros(1_000_000), Timestamp::from_micros(1_700_000_000_000_000));
        let mut acd = Acd::new([7; 32]);
        acd.set_queues(now, vec![queue_config("support"), queue_config("sales")]);
        Self { acd, now }
    }

    /// An agent for one call or three chats who serves `support`, signed out and not reachable.
    pub(crate) fn known(&mut self, number: u8) -> AgentId {
        self.serves(number, &["support"])
    }

    /// A new agent, or other queues for the one there is.
    pub(crate) fn serves(&mut self, number: u8, queues: &[&str]) -> AgentId {
        self.acd.set_agent(self.now, agent_config(number, queues));
        agent_id(number)
    }

    /// Serves `support`, ready, reachable by everything.
    pub(crate) fn ready(&mut self, number: u8) -> AgentId {
        let agent = self.known(number);
        self.come(agent);
        agent
    }

    pub(crate) fn come(&mut self, agent: AgentId) {
        self.acd.set_reachable(self.now, agent, Medium::Voice, true);
        self.acd.set_reachable(self.now, agent, Medium::Chat, true);
        self.status(agent, AgentStatus::Ready);
    }

    pub(crate) fn status(&mut self, agent: AgentId, status: AgentStatus) {
        self.acd.set_status(self.now, agent, status, Side::Agent);
    }

    pub(crate) fn call(&mut self, number: u8) -> SessionId {
        self.waits("support", number, 0, Media::VOICE)
    }

    pub(crate) fn chat(&mut self, number: u8) -> SessionId {
        self.waits("support", number, 0, Media::CHAT)
    }

    pub(crate) fn waits(&mut self, queue: &str, number: u8, priority: i32, media: Media) -> SessionId {
        self.acd.enqueue(self.now, self.item(queue, number, priority, media)).expect("there is room");
        session_id(number)
    }

    pub(crate) fn item(&self, queue: &str, number: u8, priority: i32, media: Media) -> Item {
        Item::new(session_id(number), QueueName::new(queue), priority, media, self.now.instant)
    }

    /// Lets the time pass, waking the ACD when it wants to be.
    pub(crate) fn pass(&mut self, by: Duration) {
        let end = self.now.after(by);
        while let Some(at) = self.acd.poll_timeout().filter(|at| *at <= end.instant) {
            self.now = self.now.after(at - self.now.instant);
            self.acd.handle_timeout(self.now);
        }
        self.now = end;
    }

    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.acd.poll_output()).collect()
    }

    /// The offers made since the last look, without the rest.
    pub(crate) fn offers(&mut self) -> Vec<(AgentId, SessionId)> {
        let offer = |output| match output {
            Output::Offer { agent, session, .. } => Some((agent, session)),
            Output::OfferEnded { .. }
            | Output::Overflow { .. }
            | Output::Overflowed { .. }
            | Output::AgentStatus { .. }
            | Output::WrapUpStarted { .. }
            | Output::WrapUpEnded { .. } => None,
        };
        self.outputs().into_iter().filter_map(offer).collect()
    }

    /// The offer that rings at this agent.
    pub(crate) fn ringing(&self, agent: AgentId) -> Option<OfferId> {
        self.acd.agent(agent)?.offers.first().map(|(offer, _)| *offer)
    }

    pub(crate) fn accept(&mut self, agent: AgentId) {
        let offer = self.ringing(agent).expect("something rings");
        assert!(self.acd.accept(self.now, offer));
    }

    /// Gives the agent a session that he talks with.
    pub(crate) fn talks(&mut self, agent: AgentId, number: u8, media: Media) -> SessionId {
        let session = self.waits("support", number, 0, media);
        self.accept(agent);
        self.outputs();
        session
    }

    pub(crate) fn state(&self, agent: AgentId) -> AgentStatus {
        self.acd.agent(agent).expect("he is known").status
    }

    /// How the offers ended since the last look, without the rest.
    pub(crate) fn endings(&mut self) -> Vec<(AgentId, SessionId, OfferOutcome)> {
        let ending = |output| match output {
            Output::OfferEnded { agent, session, outcome, .. } => Some((agent, session, outcome)),
            Output::Offer { .. }
            | Output::Overflow { .. }
            | Output::Overflowed { .. }
            | Output::AgentStatus { .. }
            | Output::WrapUpStarted { .. }
            | Output::WrapUpEnded { .. } => None,
        };
        self.outputs().into_iter().filter_map(ending).collect()
    }
}
