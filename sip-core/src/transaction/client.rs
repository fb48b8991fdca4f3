//! Client transaction of every method but INVITE. RFC 3261 §17.1.2

use std::sync::Arc;
use std::time::Duration;

use super::{Fired, Heard, Io, TransactionId, is_reliable, unless_reliable};
use crate::api::Hop;
use crate::timer::{GIVE_UP, T1, T2, T4, Timer};

#[derive(Debug)]
pub(crate) struct Client {
    id: TransactionId,
    hop: Hop,
    request: Arc<[u8]>,
    state: State,
    interval: Duration,
}

#[derive(Debug)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

impl Client {
    pub(crate) fn start(id: TransactionId, hop: Hop, request: Arc<[u8]>, io: &mut Io<'_>) -> Self {
        io.transmit(hop, &request);
        if !is_reliable(hop.transport) {
            io.arm(Timer::E(id), T1);
        }
        io.arm(Timer::F(id), GIVE_UP);
        Self { id, hop, request, state: State::Trying, interval: T1 }
    }

    pub(crate) fn on_response(&mut self, status: u16, io: &mut Io<'_>) -> Heard {
        match self.state {
            State::Trying | State::Proceeding if status < 200 => {
                self.state = State::Proceeding;
                Heard::Pass
            }
            State::Trying | State::Proceeding => {
                io.disarm(Timer::E(self.id));
                io.disarm(Timer::F(self.id));
                let linger = unless_reliable(self.hop.transport, T4);
                if linger.is_zero() {
                    self.state = State::Terminated;
                } else {
                    io.arm(Timer::K(self.id), linger);
                    self.state = State::Completed;
                }
                Heard::Pass
            }
            State::Completed | State::Terminated => Heard::Absorbed,
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, io: &mut Io<'_>) -> Fired {
        match (&self.state, timer) {
            (State::Trying | State::Proceeding, Timer::E(_)) => {
                io.transmit(self.hop, &self.request);
                // RFC 3261 §17.1.2.2: once somebody is at work, every T2 is enough.
                let proceeding = matches!(self.state, State::Proceeding);
                self.interval = if proceeding { T2 } else { (self.interval * 2).min(T2) };
                io.arm(Timer::E(self.id), self.interval);
                Fired::Nothing
            }
            (State::Trying | State::Proceeding, Timer::F(_)) => {
                self.stop(io);
                Fired::TimedOut
            }
            (State::Completed, Timer::K(_)) => {
                self.stop(io);
                Fired::Nothing
            }
            _ => Fired::Nothing,
        }
    }

    /// Ends it at once, such as when the transport failed.
    pub(crate) fn stop(&mut self, io: &mut Io<'_>) {
        for timer in [Timer::E, Timer::F, Timer::K] {
            io.disarm(timer(self.id));
        }
        self.state = State::Terminated;
    }

    /// Whether no final answer has come yet.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Terminated)
    }

    pub(crate) fn hop(&self) -> Hop {
        self.hop
    }

    pub(crate) fn request(&self) -> &Arc<[u8]> {
        &self.request
    }
}
