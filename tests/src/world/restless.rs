//! Operators who do with their calls whatever a phone can do.

use std::time::Duration;

use model::{AgentId, Supervision};
use rand::RngExt;
use session::api::AgentCommand;
use session::view::Part;
use sip_core::api::{CallId, OutgoingCall, Target};

use super::people::{Operator, OperatorAct};
use super::{DOMAIN, Event, World};

impl World {
    /// Transfers that went well, and calls of operators that were answered.
    pub fn restlessness(&self) -> (usize, usize) {
        let done = |operator: &Operator| operator.told.iter().filter(|told| **told == (200, true)).count();
        let operators = self.operators.values();
        operators.fold((0, 0), |(sent, called), one| (sent + done(one), called + one.answered.len()))
    }

    /// At random: a blind transfer, a consultation with or without a transfer behind it, parking, or somebody else's customer.
    pub(super) fn transfers_somehow(&mut self, agent: AgentId, call: CallId) {
        if self.percent(25) {
            return self.meets_somehow(agent);
        }
        let colleague = format!("op{}", self.random.random_range(0..self.operators.len()));
        let slot = self.random.random_range(1..4);
        let number = format!("+7901{:07}", self.random.random_range(0..100));
        let (refer, dial) = match self.random.random_range(0..9) {
            0 => (Some(colleague), None),
            1 => (Some(number), None),
            2 => (Some("support".to_owned()), None),
            3 => (Some(format!("*50{slot}")), None),
            4 => (Some("park".to_owned()), None),
            5 => (None, Some(format!("*50{slot}"))),
            6 => (None, Some(format!("*8{colleague}"))),
            7 => (None, Some(number)),
            _ => (None, Some(colleague)),
        };
        if let Some(to) = refer {
            self.with_phone(agent, |stack, now| {
                stack.refer(now, call, &format!("sip:{to}@{DOMAIN}"), None);
            });
        }
        if let Some(number) = dial {
            self.dials(agent, call, number);
        }
    }

    /// At random: somebody is called into the conversation or put out of it, whom he consults joins, he leaves, or he comes into a
    /// colleague's call as a supervisor.
    pub(super) fn meets_somehow(&mut self, agent: AgentId) {
        let colleague = format!("op{}", self.random.random_range(0..self.operators.len()));
        let number = format!("+7901{:07}", self.random.random_range(0..100));
        let mode =
            [Supervision::Monitor, Supervision::Whisper, Supervision::Barge][self.random.random_range(0..3)];
        let his = |operator: &Operator| {
            let sessions = operator.desk.as_ref().map(|desk| desk.sessions.clone()).unwrap_or_default();
            sessions.into_iter().find(|session| session.legs.iter().any(|leg| leg.part == Part::Partner))
        };
        let own = self.operators.get(&agent).and_then(his);
        let others = self.operators.iter().filter(|(other, _)| **other != agent);
        let elsewhere: Vec<_> = others.filter_map(|(_, other)| his(other)).collect();
        let watched = self.operators.get(&agent).and_then(|one| one.desk.as_ref()?.supervising.as_ref());
        let watched = watched.map(|watched| watched.session);
        let command = if let Some(session) = watched {
            match self.random.random_range(0..4) {
                0 => AgentCommand::TakeOver { session },
                1 => AgentCommand::StopSupervising { session },
                _ => AgentCommand::Supervise { session, mode },
            }
        } else if let Some(session) = own {
            let guest = session.legs.iter().find(|leg| leg.part == Part::Guest).map(|leg| leg.leg);
            let session = session.session;
            match (self.random.random_range(0..8), guest) {
                (0, _) => AgentCommand::Conference { session },
                (1, Some(_)) => AgentCommand::LeaveConference { session },
                (2, Some(leg)) => AgentCommand::RemoveParty { session, leg },
                (3, Some(leg)) => AgentCommand::MuteParty { session, leg, muted: self.percent(50) },
                (4, _) => AgentCommand::AddParty { session, to: "support".to_owned() },
                (5, _) => AgentCommand::AddParty { session, to: number },
                _ => AgentCommand::AddParty { session, to: colleague },
            }
        } else if let Some(session) = elsewhere.first() {
            AgentCommand::Supervise { session: session.session, mode }
        } else {
            return;
        };
        self.meetings += 1;
        self.agent_says(agent, command);
        if self.percent(70) {
            let later = Duration::from_millis(self.random.random_range(100..10_000));
            self.schedule(self.now.instant + later, Event::Operator(agent, OperatorAct::Meet));
        }
        // Who talks to nobody looks at somebody else's call now and then.
        if self.percent(30) {
            let other = self.random.random_range(0..self.operators.len());
            let other = self.operators.keys().nth(other).copied();
            if let Some(other) = other {
                self.schedule(
                    self.now.instant + Duration::from_secs(1),
                    Event::Operator(other, OperatorAct::Meet),
                );
            }
        }
    }

    fn dials(&mut self, agent: AgentId, call: CallId, number: String) {
        let Some(operator) = self.operators.get(&agent).filter(|operator| operator.connection.is_some())
        else {
            return;
        };
        let own = OutgoingCall {
            target: Target::Trunk { name: "tandem".to_owned(), number },
            caller: operator.login.clone(),
            caller_name: None,
            identity: Default::default(),
            sdp: b"v=0 operator".to_vec(),
            headers: Vec::new(),
            ring_timeout: Duration::from_secs(30),
            silence: None,
            options: Default::default(),
        };
        let mut made = None;
        self.with_phone(agent, |stack, now| made = stack.invite(now, own).ok());
        let Some(own) = made else { return };
        let now = self.now.instant;
        if self.percent(60) {
            let (one, two) = if self.percent(50) { (call, own) } else { (own, call) };
            let later = Duration::from_millis(self.random.random_range(100..10_000));
            self.schedule(now + later, Event::Operator(agent, OperatorAct::Join { call: one, other: two }));
        }
        let end = Duration::from_millis(self.random.random_range(1_000..60_000));
        self.schedule(now + end, Event::Operator(agent, OperatorAct::HangUp { call: own }));
    }
}
