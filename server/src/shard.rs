//! The threads of the SIP stacks beside the engine's.

use std::thread::{self, JoinHandle};

use model::Now;
use session::api::Input;
use sip_core::api::Config;
use sip_core::shard::{Order, Shard, ShardId, ShardOutput};

use crate::app::Vitals;
use crate::clock::Clock;
use crate::engine::AbortOnPanic;
use crate::inbox::{Inbox, Outlet, Received};
use crate::sip::SipPorts;

/// Most inputs that wait for the set-up; what is beyond its senders repeat.
const MOST_EARLY: usize = 16_384;

/// What one thread works with.
pub struct Ports {
    pub sip: SipPorts,
    /// Where the engine is told.
    pub inbox: Inbox,
    pub vitals: Vitals,
}

/// Starts one thread. It ends when its lane of the inbox is closed; a panic ends the process, as the engine's does.
pub fn spawn(
    id: ShardId,
    config: Config,
    clock: Clock,
    outlet: Outlet,
    ports: Ports,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("sip-{}", id.0)).spawn(move || {
        let _guard = AbortOnPanic;
        Runner { id, shard: Shard::new(config, id), clock, ports, early: Some(Vec::new()) }.run(&outlet);
    })
}

struct Runner {
    id: ShardId,
    shard: Shard,
    clock: Clock,
    ports: Ports,
    /// What came before the set-up was done; `None` since.
    early: Option<Vec<Input>>,
}

impl Runner {
    fn run(mut self, outlet: &Outlet) {
        loop {
            let now = self.clock.now();
            if self.shard.poll_timeout().is_some_and(|at| at <= now.instant) {
                self.shard.handle_timeout(now);
                self.pass_on();
            }
            if outlet.is_empty() {
                self.ports.vitals.set_shard_counts(self.id, self.shard.counts());
            }
            let wake = self.shard.poll_timeout();
            match outlet.receive(wake.map(|at| self.clock.until(at))) {
                Received::Input(input) => self.take(input),
                Received::Order(order) => self.obey(order),
                Received::TimedOut => {}
                Received::Closed => return,
            }
        }
    }

    fn take(&mut self, input: Input) {
        match &mut self.early {
            Some(early) if early.len() < MOST_EARLY => early.push(input),
            Some(_) => {}
            None => {
                self.handle(self.clock.now(), input);
                self.pass_on();
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let begins = matches!(order, Order::Begin);
        self.shard.handle_order(self.clock.now(), order);
        self.pass_on();
        if begins {
            self.early.take().into_iter().flatten().for_each(|input| self.take(input));
        }
    }

    fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Packet { hop, bytes } => {
                self.ports.sip.heard(hop, &bytes);
                self.shard.handle_packet(now, hop, &bytes);
            }
            Input::ConnectionOpened { connection, tls_names } => {
                self.shard.handle_connection_opened(connection, tls_names);
            }
            Input::ConnectionClosed(connection) => self.shard.handle_connection_closed(now, connection),
            Input::Unreachable(hop) => self.shard.handle_unreachable(now, hop),
            Input::LookedUp { lookup, answer } => self.shard.handle_answer(now, lookup, answer),
            Input::Report(_)
            | Input::Media(_)
            | Input::Resolved { .. }
            | Input::Visitor { .. }
            | Input::Agent { .. }
            | Input::Admin(_) => unreachable!("the inbox puts these into the engine's lane"),
        }
    }

    fn pass_on(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                ShardOutput::Shell(output) => self.ports.sip.carry_out(output),
                // Refused only when the engine has stopped.
                ShardOutput::Report(report) => drop(self.ports.inbox.offer(Input::Report(report))),
            }
        }
    }
}
