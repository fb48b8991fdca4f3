//! How fast the ACD decides who gets what: a centre at work, alone in memory, small and large. A decision is an offer: an agent becomes
//! free, the next session for him is found among all that waits in his queues, and he is reserved for it.

use std::collections::VecDeque;
use std::time::Duration;

use acd::api::{AgentConfig, Blend, Capacity, Item, Output, QueueConfig};
use acd::{Acd, Demand, Skill};
use anyhow::Result;
use model::{
    AgentId, AgentStatus, Instant, Media, Medium, Now, OfferId, QueueName, SessionId, Side, Timestamp,
};

use crate::process::own;
use crate::{beside_limit, row};

/// Decisions that are measured.
const STEPS: u32 = 500_000;
/// What one decision may take with the small centre, in microseconds: 500,000 in a second.
const LIMIT: f64 = 2.0;
/// How much more it may be with the large one.
const GROWTH: f64 = 2.0;

pub fn run() -> Result<()> {
    let [small, large] = [SMALL, LARGE].map(micros);
    beside_limit("a decision of the ACD, 1,000 agents, 20 queues, us", LIMIT, small);
    row("  10,000 agents, 500 queues, 100,000 waiting", "us", small, large, Some(GROWTH));
    Ok(())
}

/// CPU of one decision.
fn micros(size: Size) -> f64 {
    let mut centre = Centre::new(size);
    let (cpu, before) = (own(), centre.decisions);
    for _ in 0..STEPS {
        centre.step();
    }
    (own() - cpu).as_secs_f64() * 1e6 / (centre.decisions - before).max(1) as f64
}

/// How large a centre is.
#[derive(Clone, Copy)]
struct Size {
    agents: u32,
    queues: u32,
    waiting: u32,
}

const SMALL: Size = Size { agents: 1_000, queues: 20, waiting: 1_000 };
const LARGE: Size = Size { agents: 10_000, queues: 500, waiting: 100_000 };

/// Queues that each agent serves.
const SERVED: u32 = 3;

/// A centre in which everybody is asked for something, and so many wait.
struct Centre {
    acd: Acd,
    size: Size,
    now: Now,
    names: Vec<QueueName>,
    sessions: u64,
    ringing: VecDeque<(OfferId, SessionId)>,
    decisions: u64,
}

fn bytes(kind: u8, number: u64) -> [u8; 10] {
    let mut bytes = [kind; 10];
    bytes[2..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes
}

impl Centre {
    fn new(size: Size) -> Self {
        let now =
            Now::new(Instant::from_micros(1_000_000_000), Timestamp::from_micros(1_790_000_000_000_000));
        let names: Vec<QueueName> =
            (0..size.queues).map(|number| QueueName::new(&format!("queue{number}"))).collect();
        let config = |name: &QueueName| QueueConfig {
            wrap_up: Duration::ZERO,
            max_waiting: 1_000_000,
            ..QueueConfig::new(name.clone())
        };
        let mut acd = Acd::new([1; 32]);
        acd.set_queues(now, names.iter().map(config).collect());
        for number in 0..size.agents {
            let agent = AgentId::new(now.wall, bytes(1, number.into()));
            let mine = (0..SERVED).map(|step| (number + step * 7) % size.queues);
            acd.set_agent(
                now,
                AgentConfig {
                    agent,
                    name: format!("agent{number}").into(),
                    queues: mine.map(|queue| names[queue as usize].clone()).collect(),
                    capacity: Capacity { voice: 1, chat: 3 },
                    blend: Blend::default(),
                    skills: [(Skill::new("tech"), (number % 10 + 1) as u8)].into(),
                },
            );
            acd.set_reachable(now, agent, Medium::Voice, true);
            acd.set_status(now, agent, AgentStatus::Ready, Side::Agent);
        }
        let ringing = VecDeque::new();
        let mut centre = Self { acd, size, now, names, sessions: 0, ringing, decisions: 0 };
        for _ in 0..size.agents + size.waiting {
            centre.comes();
        }
        centre
    }

    /// One in four asks for a skill.
    fn comes(&mut self) {
        self.sessions += 1;
        self.now = self.now.after(Duration::from_micros(10));
        let session = SessionId::new(self.now.wall, bytes(2, self.sessions));
        let queue = self.names[(self.sessions % u64::from(self.size.queues)) as usize].clone();
        let mut item = Item::new(session, queue, 0, Media::VOICE, self.now.instant);
        if self.sessions.is_multiple_of(4) {
            item.demand = Demand { required: [(Skill::new("tech"), 1)].into(), ..Demand::default() };
        }
        // There is room for all.
        let _ = self.acd.enqueue(self.now, item);
        self.look();
    }

    fn look(&mut self) {
        while let Some(output) = self.acd.poll_output() {
            if let Output::Offer { offer, session, .. } = output {
                self.decisions += 1;
                self.ringing.push_back((offer, session));
            }
        }
    }

    /// Somebody accepts, his call ends, he is asked for the next one; and somebody new comes.
    fn step(&mut self) {
        if let Some((offer, session)) = self.ringing.pop_front() {
            self.acd.accept(self.now, offer);
            self.acd.finish(self.now, session);
            self.look();
        }
        self.comes();
    }
}
