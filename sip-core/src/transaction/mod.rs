//! The four transaction machines of RFC 3261 §17 with the Accepted state of RFC 6026, and the table
//! that finds the machine for a message.

mod client;
mod invite_client;
mod invite_server;
mod server;
mod table;

pub(crate) use client::Client;
pub(crate) use invite_client::InviteClient;
pub(crate) use invite_server::{AckFor, InviteServer};
pub(crate) use server::Server;
pub(crate) use table::{ClientKey, MergeKey, Owner, ServerKey, Transactions};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::Instant;

use crate::api::{Hop, Output, Transport};
use crate::timer::{Timer, Timers};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TransactionId(pub(crate) u64);

/// What a machine may touch while it handles one input.
pub(crate) struct Io<'a> {
    pub(crate) now: Instant,
    pub(crate) timers: &'a mut Timers,
    pub(crate) output: &'a mut VecDeque<Output>,
}

impl Io<'_> {
    pub(crate) fn transmit(&mut self, hop: Hop, bytes: &Arc<[u8]>) {
        self.output.push_back(Output::Transmit { hop, bytes: Arc::clone(bytes) });
    }

    pub(crate) fn arm(&mut self, timer: Timer, after: Duration) {
        self.timers.arm(timer, self.now + after);
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.timers.disarm(timer);
    }
}

/// What became of a response that a client machine was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// The user shall see it.
    Pass,
    /// A repeat, or nothing that this state waits for.
    Absorbed,
}

/// What a timer did to a client machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fired {
    Nothing,
    /// Nobody answered; the machine is over.
    TimedOut,
}

pub(crate) fn is_reliable(transport: Transport) -> bool {
    transport.is_stream()
}

/// `after`, or nothing on a transport that neither loses nor repeats.
fn unless_reliable(transport: Transport, after: Duration) -> Duration {
    if is_reliable(transport) { Duration::ZERO } else { after }
}
