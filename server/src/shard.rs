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

/// Most packets that wait for the set-up, and their octets; what is beyond its senders repeat.
const MOST_EARLY: usize = 16_384;
const MOST_EARLY_OCTETS: usize = 32 << 20;

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
        Runner { id, shard: Shard::new(config, id), clock, ports, early: Some(Early::default()) }
            .run(&outlet);
    })
}

struct Runner {
    id: ShardId,
    shard: Shard,
    clock: Clock,
    ports: Ports,
    /// What came before the set-up was done; `None` since.
    early: Option<Early>,
}

/// What waits for the set-up. All but packets comes once and is never thrown away.
#[derive(Default)]
struct Early {
    inputs: Vec<Input>,
    packets: usize,
    octets: usize,
}

impl Early {
    fn keep(&mut self, input: Input) {
        if let Input::Packet { bytes, .. } = &input {
            if self.packets >= MOST_EARLY || self.octets + bytes.len() > MOST_EARLY_OCTETS {
                return;
            }
            self.packets += 1;
            self.octets += bytes.len();
        }
        self.inputs.push(input);
    }
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
            Some(early) => early.keep(input),
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
            let early = self.early.take().unwrap_or_default();
            early.inputs.into_iter().for_each(|input| self.take(input));
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
            | Input::Outside { .. }
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

#[cfg(test)]
mod tests {
    use sip_core::api::{Answer, ConnectionId, Hop, LookupId, Transport};

    use super::*;

    fn packet(octets: usize) -> Input {
        let address = |text: &str| text.parse().unwrap();
        let (local, remote) = (address("127.0.0.1:5060"), address("127.0.0.1:5062"));
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        Input::Packet { hop, bytes: vec![b'x'; octets] }
    }

    /// What nobody says twice.
    fn once() -> [Input; 3] {
        let (connection, lookup) = (ConnectionId(1), LookupId(1));
        [
            Input::ConnectionOpened { connection, tls_names: Vec::new() },
            Input::ConnectionClosed(connection),
            Input::LookedUp { lookup, answer: Answer::Nothing },
        ]
    }

    #[test]
    fn so_many_packets_wait_for_the_set_up_and_everything_that_comes_once() {
        let mut early = Early::default();
        once().into_iter().for_each(|input| early.keep(input));
        (0..MOST_EARLY + 5).for_each(|_| early.keep(packet(1)));
        once().into_iter().for_each(|input| early.keep(input));
        let packets = early.inputs.iter().filter(|input| matches!(input, Input::Packet { .. })).count();
        assert_eq!((packets, early.inputs.len()), (MOST_EARLY, MOST_EARLY + 6));
        assert!(matches!(early.inputs.last(), Some(Input::LookedUp { .. })), "in their order");
    }

    #[test]
    fn so_many_octets_wait_for_the_set_up() {
        let mut early = Early::default();
        (0..3).for_each(|_| early.keep(packet(MOST_EARLY_OCTETS / 2)));
        early.keep(packet(1));
        once().into_iter().for_each(|input| early.keep(input));
        assert_eq!(early.inputs.len(), 2 + 3);
    }
}
