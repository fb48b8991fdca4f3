//! Server transaction of every method but INVITE and ACK. RFC 3261 §17.2.2
//! Nothing here sends provisional answers: RFC 4320 forbids them early, and we answer at once.

use std::sync::Arc;

use super::{Io, TransactionId, unless_reliable};
use crate::api::Hop;
use crate::timer::{GIVE_UP, Timer};

#[derive(Debug)]
pub(crate) struct Server {
    id: TransactionId,
    hop: Hop,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying,
    Completed { last: Arc<[u8]> },
    Terminated,
}

impl Server {
    /// `hop` is where the answers go.
    pub(crate) fn start(id: TransactionId, hop: Hop) -> Self {
        Self { id, hop, state: State::Trying }
    }

    /// The request came again.
    pub(crate) fn on_repeat(&mut self, io: &mut Io<'_>) {
        match &self.state {
            State::Completed { last } => io.transmit(self.hop, last),
            State::Trying | State::Terminated => {}
        }
    }

    /// The final answer.
    pub(crate) fn respond(&mut self, bytes: Arc<[u8]>, io: &mut Io<'_>) {
        let State::Trying = self.state else { return };
        io.transmit(self.hop, &bytes);
        let linger = unless_reliable(self.hop.transport, GIVE_UP);
        if linger.is_zero() {
            self.state = State::Terminated;
        } else {
            io.arm(Timer::J(self.id), linger);
            self.state = State::Completed { last: bytes };
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, io: &mut Io<'_>) {
        if let (State::Completed { .. }, Timer::J(_)) = (&self.state, timer) {
            self.stop(io);
        }
    }

    /// Ends it at once, such as when its connection died.
    pub(crate) fn stop(&mut self, io: &mut Io<'_>) {
        io.disarm(Timer::J(self.id));
        self.state = State::Terminated;
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    pub(crate) fn hop(&self) -> Hop {
        self.hop
    }
}
