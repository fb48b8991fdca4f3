//! INVITE server transaction. RFC 3261 §17.2.1, RFC 6026 §7.1

use std::sync::Arc;
use std::time::Duration;

use super::{Io, TransactionId, is_reliable, unless_reliable};
use crate::api::Hop;
use crate::timer::{GIVE_UP, T1, T2, T4, Timer};

#[derive(Debug)]
pub(crate) struct InviteServer {
    id: TransactionId,
    hop: Hop,
    state: State,
    interval: Duration,
}

#[derive(Debug)]
enum State {
    Proceeding { last: Option<Arc<[u8]>> },
    Completed { last: Arc<[u8]> },
    Confirmed,
    Accepted,
    Terminated,
}

/// Whom an ACK that matched the transaction was meant for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AckFor {
    /// It acknowledged a refusal.
    Transaction,
    /// It acknowledged a 2xx.
    User,
}

impl InviteServer {
    /// `hop` is where the answers go.
    pub(crate) fn start(id: TransactionId, hop: Hop) -> Self {
        Self { id, hop, state: State::Proceeding { last: None }, interval: T1 }
    }

    /// The request came again.
    pub(crate) fn on_repeat(&mut self, io: &mut Io<'_>) {
        match &self.state {
            State::Proceeding { last: Some(last) } | State::Completed { last } => io.transmit(self.hop, last),
            State::Proceeding { last: None } | State::Confirmed | State::Accepted | State::Terminated => {}
        }
    }

    pub(crate) fn respond(&mut self, status: u16, bytes: Arc<[u8]>, io: &mut Io<'_>) {
        let State::Proceeding { last } = &mut self.state else { return };
        io.transmit(self.hop, &bytes);
        match status {
            100..=199 => *last = Some(bytes),
            200..=299 => {
                io.arm(Timer::L(self.id), GIVE_UP);
                self.state = State::Accepted;
            }
            _ => {
                if !is_reliable(self.hop.transport) {
                    io.arm(Timer::G(self.id), T1);
                }
                io.arm(Timer::H(self.id), GIVE_UP);
                self.state = State::Completed { last: bytes };
            }
        }
    }

    pub(crate) fn on_ack(&mut self, io: &mut Io<'_>) -> AckFor {
        match &self.state {
            State::Completed { .. } => {
                io.disarm(Timer::G(self.id));
                io.disarm(Timer::H(self.id));
                let linger = unless_reliable(self.hop.transport, T4);
                if linger.is_zero() {
                    self.state = State::Terminated;
                } else {
                    io.arm(Timer::I(self.id), linger);
                    self.state = State::Confirmed;
                }
                AckFor::Transaction
            }
            State::Accepted => AckFor::User,
            State::Proceeding { .. } | State::Confirmed | State::Terminated => AckFor::Transaction,
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, io: &mut Io<'_>) {
        match (&self.state, timer) {
            (State::Completed { last }, Timer::G(_)) => {
                io.transmit(self.hop, last);
                self.interval = (self.interval * 2).min(T2);
                io.arm(Timer::G(self.id), self.interval);
            }
            (State::Completed { .. }, Timer::H(_))
            | (State::Confirmed, Timer::I(_))
            | (State::Accepted, Timer::L(_)) => self.stop(io),
            _ => {}
        }
    }

    /// Ends it at once, such as when its connection died.
    pub(crate) fn stop(&mut self, io: &mut Io<'_>) {
        for timer in [Timer::G, Timer::H, Timer::I, Timer::L] {
            io.disarm(timer(self.id));
        }
        self.state = State::Terminated;
    }

    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    pub(crate) fn hop(&self) -> Hop {
        self.hop
    }
}
