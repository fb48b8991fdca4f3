//! Operators who do with their calls whatever a phone can do.

use std::time::Duration;

use model::AgentId;
use rand::RngExt;
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
