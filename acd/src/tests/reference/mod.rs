//! Random commands at virtual time against a plain model that looks at everybody each time: whatever the
//! ACD puts out must be allowed by the rules, and after each command nothing that the rules demand may be missing.

mod model;
mod run;

use ::model::{AgentStatus, Media, Medium, QueueName, Strategy as Order};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::testing::{not_ready, queue_config, seconds, skills};
use crate::{Capacity, Demand, Overflow, OverflowWhen, QueueConfig, Skill, Stage, Widen};
use run::Run;

const AGENTS: u8 = 5;
const SESSIONS: u8 = 12;
const QUEUES: [&str; 3] = ["support", "sales", "night"];
const MAX_WAITING: usize = 5;
const ORDERS: [Order; 5] =
    [Order::LongestIdle, Order::RoundRobin, Order::Linear, Order::FewestContacts, Order::LeastOccupied];

#[derive(Clone, Debug)]
enum Command {
    Enqueue {
        session: u8,
        queue: usize,
        priority: i32,
        media: Media,
        demand: Demand,
        /// Agent and patience in seconds.
        preferred: Option<(u8, u64)>,
    },
    SetMedia {
        session: u8,
        media: Media,
    },
    Remove {
        session: u8,
    },
    /// Of what rings at the agent; `stale` takes the oldest offer there ever was instead.
    Accept {
        agent: u8,
        stale: bool,
    },
    Decline {
        agent: u8,
    },
    Fail {
        agent: u8,
    },
    Finish {
        session: u8,
    },
    Release {
        session: u8,
    },
    EndWrapUp {
        agent: u8,
    },
    Assign {
        agent: u8,
        session: u8,
        media: Media,
    },
    Pick {
        agent: u8,
        session: u8,
    },
    SetAgent {
        agent: u8,
        queues: [bool; 3],
        capacity: Capacity,
        tech: u8,
        ru: u8,
    },
    RemoveAgent {
        agent: u8,
    },
    Status {
        agent: u8,
        status: AgentStatus,
    },
    Reachable {
        agent: u8,
        medium: Medium,
        reachable: bool,
    },
    SetQueues {
        queues: [bool; 3],
        /// The strategy of the first one.
        order: usize,
    },
    Pass {
        seconds: u64,
    },
}

fn command() -> impl Strategy<Value = Command> {
    use Command::*;
    let agent = || 0..AGENTS;
    let session = || 0..SESSIONS;
    let media = || {
        prop_oneof![
            4 => Just(Media::VOICE),
            6 => Just(Media::CHAT),
            2 => Just(Media { voice: true, chat: true }),
            1 => Just(Media::default()),
        ]
    };
    let medium = prop_oneof![Just(Medium::Voice), Just(Medium::Chat)];
    let status = prop_oneof![
        6 => Just(AgentStatus::Ready),
        1 => Just(AgentStatus::SignedOut),
        1 => Just(not_ready("lunch")),
    ];
    let preferred = prop::option::weighted(0.2, (agent(), 1..60u64));
    let capacity = (0..3u8, 0..4u8).prop_map(|(voice, chat)| Capacity { voice, chat });
    prop_oneof![
        12 => (session(), 0..3usize, -1..2i32, media(), demand(), preferred).prop_map(
            |(session, queue, priority, media, demand, preferred)| Enqueue {
                session, queue, priority, media, demand, preferred
            }
        ),
        3 => (session(), media()).prop_map(|(session, media)| SetMedia { session, media }),
        2 => session().prop_map(|session| Remove { session }),
        10 => (agent(), prop::bool::weighted(0.1)).prop_map(|(agent, stale)| Accept { agent, stale }),
        2 => agent().prop_map(|agent| Decline { agent }),
        2 => agent().prop_map(|agent| Fail { agent }),
        6 => session().prop_map(|session| Finish { session }),
        1 => session().prop_map(|session| Release { session }),
        4 => agent().prop_map(|agent| EndWrapUp { agent }),
        1 => (agent(), session(), media()).prop_map(|(agent, session, media)| Assign { agent, session, media }),
        1 => (agent(), session()).prop_map(|(agent, session)| Pick { agent, session }),
        2 => (agent(), any::<[bool; 3]>(), capacity, 0..4u8, 0..4u8)
            .prop_map(|(agent, queues, capacity, tech, ru)| SetAgent { agent, queues, capacity, tech, ru }),
        1 => agent().prop_map(|agent| RemoveAgent { agent }),
        8 => (agent(), status).prop_map(|(agent, status)| Status { agent, status }),
        3 => (agent(), medium, prop::bool::weighted(0.7))
            .prop_map(|(agent, medium, reachable)| Reachable { agent, medium, reachable }),
        1 => (any::<[bool; 3]>(), 0..5usize).prop_map(|(queues, order)| SetQueues { queues, order }),
        8 => (0..40u64).prop_map(|seconds| Pass { seconds }),
    ]
}

/// Mostly none.
fn demand() -> impl Strategy<Value = Demand> {
    let levels = (0..4u8, 0..4u8, 0..2u16, 5..60u64);
    let some = levels.prop_map(|(tech, ru, weight, after)| {
        let required: Vec<_> =
            [("tech", tech), ("ru", ru)].into_iter().filter(|(_, level)| *level > 0).collect();
        let stage = |after, widen| Stage { after: seconds(after), widen };
        Demand {
            required: skills(&required),
            preferred: [(Skill::new("ru"), weight)].into(),
            stages: vec![
                stage(after, Widen::To(Skill::new("tech"), 1)),
                stage(2 * after, Widen::To(Skill::new("ru"), 0)),
                stage(4 * after, Widen::All),
            ],
        }
    });
    prop_oneof![2 => Just(Demand::default()), 1 => some]
}

/// The queues differ in all that a queue can be.
fn config(number: usize, order: usize) -> QueueConfig {
    let [ring, accept, wrap_up] = [[20, 60, 30], [5, 8, 0], [10, 10, 7]][number];
    let to = |number: usize| Some(QueueName::new(QUEUES[number]));
    QueueConfig {
        ring_timeout: seconds(ring),
        accept_timeout: seconds(accept),
        wrap_up: seconds(wrap_up),
        max_waiting: MAX_WAITING,
        strategy: ORDERS[(number + order) % ORDERS.len()],
        ring: [1, 2, 1][number],
        ageing: [0, 1, 30][number],
        order: ["agent3", "agent1"].map(Into::into).into(),
        overflow: match number {
            0 => vec![Overflow { when: OverflowWhen::Waited(seconds(90)), to: to(1) }],
            1 => vec![
                Overflow { when: OverflowWhen::Longer(3), to: to(2) },
                Overflow { when: OverflowWhen::NoAgents, to: to(0) },
            ],
            _ => vec![Overflow { when: OverflowWhen::WouldWait(seconds(30)), to: None }],
        },
        ..queue_config(QUEUES[number])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold_and_everybody_is_served_in_the_end(commands in vec(command(), 1..250)) {
        let mut run = Run::new();
        for command in commands {
            run.apply(command);
        }
        run.serve_all();
    }
}
