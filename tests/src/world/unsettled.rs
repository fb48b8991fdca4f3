//! Operators and administrators who change something at the worst moment: while it rings.

use std::collections::BTreeMap;

use acd::QueueConfig;
use model::{AgentId, AgentStatus, QueueName, Strategy};
use rand::RngExt;
use session::api::{AdminCommand, AgentCommand, AgentSetup, QueueRule, Routing};

use super::people::OperatorAct;
use super::{Event, World, support};

const STRATEGIES: [Strategy; 5] = [
    Strategy::LongestIdle,
    Strategy::RoundRobin,
    Strategy::FewestContacts,
    Strategy::LeastOccupied,
    Strategy::Linear,
];

impl World {
    /// Every call asks for a skill, which all operators have until they lose it.
    pub fn calls_ask_for_skills(&mut self) {
        let when = dialplans::Condition::parse("channel.kind == 'voice'").expect("it is valid");
        let required = [("tech".to_owned(), 1)].into();
        let rule = QueueRule { when, priority: 1, required, preferred: BTreeMap::new() };
        self.admin(AdminCommand::SetQueueRules([(QueueName::new("support"), vec![rule])].into()));
        for agent in self.operators.keys().copied().collect::<Vec<_>>() {
            self.set_up_operator(agent, true, true);
        }
        self.audit.ring = 2;
    }

    /// Something happens to one who is being asked, or to anybody: he pauses, signs out, loses his skill or his queue, or everything is
    /// configured anew. A second later it is as before.
    pub fn unsettles_somebody(&mut self) {
        let asked = self.audit.asked();
        let all: Vec<AgentId> = self.operators.keys().copied().collect();
        let from = if asked.is_empty() { all } else { asked };
        let agent = from[self.random.random_range(0..from.len())];
        match self.random.random_range(0..6) {
            0 => {
                let status = AgentStatus::NotReady { reason: "a moment".to_owned() };
                self.agent_says(agent, AgentCommand::SetStatus { status });
                let soon = self.now.instant + std::time::Duration::from_millis(500);
                self.schedule(soon, Event::Operator(agent, OperatorAct::Ready));
            }
            1 => self.operator_acts(agent, OperatorAct::Die),
            2 => self.set_up_operator(agent, false, true),
            3 => self.set_up_operator(agent, true, false),
            _ => self.reload_queues(),
        }
    }

    /// Another flow for the world's number and chat.
    pub fn set_flow(&mut self, text: &str) {
        let source = dialplans::api::Source { name: "flow.plan".to_owned(), text: text.to_owned() };
        let plan = match dialplans::compile(std::slice::from_ref(&source), &Self::names()) {
            Ok(plan) => plan,
            Err(diagnostics) => panic!("{}", dialplans::render(&diagnostics, &[source], false)),
        };
        self.admin(AdminCommand::SetPlan(std::sync::Arc::new(plan)));
    }

    /// The world's queue, changed.
    pub fn set_queue(&mut self, change: impl FnOnce(QueueConfig) -> QueueConfig) {
        let queue = change(support(1000));
        self.audit.ring = queue.ring.into();
        self.admin(AdminCommand::SetQueues(vec![queue]));
    }

    pub fn set_routing(&mut self, agent: AgentId, routing: Routing) {
        let Some(operator) = self.operators.get(&agent) else { return };
        let login = operator.login.clone();
        self.set_operator_up(agent, login, vec![QueueName::new("support")], routing);
    }

    /// All operators have their skill and their queue again.
    pub fn settle_everybody(&mut self) {
        for agent in self.operators.keys().copied().collect::<Vec<_>>() {
            self.set_up_operator(agent, true, true);
        }
    }

    /// Asserts that it resets nobody.
    fn reload_queues(&mut self) {
        let before = self.statuses();
        let strategy = STRATEGIES[self.random.random_range(0..STRATEGIES.len())];
        let ring = self.random.random_range(1..=2);
        let order = vec!["op1".into(), "op0".into()];
        self.admin(AdminCommand::SetQueues(vec![QueueConfig { strategy, ring, order, ..support(1000) }]));
        assert_eq!(self.statuses(), before, "a reload changes nobody's state");
    }

    fn statuses(&self) -> Vec<Option<(AgentStatus, usize)>> {
        let view = |operator: &super::Operator| {
            operator.desk.as_ref().map(|desk| (desk.status.clone(), desk.sessions.len()))
        };
        self.operators.values().map(view).collect()
    }

    fn set_up_operator(&mut self, agent: AgentId, skilled: bool, serves: bool) {
        let Some(operator) = self.operators.get(&agent) else { return };
        let login = operator.login.clone();
        let queues = if serves { vec![QueueName::new("support")] } else { Vec::new() };
        let skills = if skilled { [("tech".to_owned(), 1)].into() } else { BTreeMap::new() };
        self.set_operator_up(agent, login, queues, Routing { skills, ..Routing::default() });
    }

    fn set_operator_up(&mut self, agent: AgentId, login: String, queues: Vec<QueueName>, routing: Routing) {
        self.admin(AdminCommand::SetAgent(AgentSetup {
            agent,
            name: format!("Operator {login}"),
            login,
            queues,
            capacity: acd::Capacity { voice: 1, chat: 3 },
            routing,
            encryption: Default::default(),
        }));
    }
}
