//! INVITE client transaction. RFC 3261 §17.1.1, RFC 6026 §7.2

use std::sync::Arc;
use std::time::Duration;

use super::{Fired, Heard, Io, TransactionId, is_reliable, unless_reliable};
use crate::api::Hop;
use crate::timer::{GIVE_UP, T1, TIMER_D, Timer};

#[derive(Debug)]
pub(crate) struct InviteClient {
    id: TransactionId,
    hop: Hop,
    request: Arc<[u8]>,
    state: State,
    interval: Duration,
}

#[derive(Debug)]
enum State {
    Calling,
    Proceeding,
    Completed { ack: Option<Arc<[u8]>> },
    Accepted,
    Terminated,
}

impl InviteClient {
    pub(crate) fn start(id: TransactionId, hop: Hop, request: Arc<[u8]>, io: &mut Io<'_>) -> Self {
        io.transmit(hop, &request);
        if !is_reliable(hop.transport) {
            io.arm(Timer::A(id), T1);
        }
        io.arm(Timer::B(id), GIVE_UP);
        Self { id, hop, request, state: State::Calling, interval: T1 }
    }

    /// `ack` makes the ACK that belongs to a refusal, if it can. RFC 3261 §17.1.1.3
    pub(crate) fn on_response(
        &mut self,
        status: u16,
        ack: impl FnOnce() -> Option<Arc<[u8]>>,
        io: &mut Io<'_>,
    ) -> Heard {
        match &self.state {
            State::Calling | State::Proceeding => {
                io.disarm(Timer::A(self.id));
                io.disarm(Timer::B(self.id));
                match status {
                    100..=199 => self.state = State::Proceeding,
                    200..=299 => {
                        io.disarm(Timer::Cancelled(self.id));
                        io.arm(Timer::M(self.id), GIVE_UP);
                        self.state = State::Accepted;
                    }
                    _ => self.complete(ack(), io),
                }
                Heard::Pass
            }
            State::Completed { ack } => {
                if let (300.., Some(ack)) = (status, ack) {
                    io.transmit(self.hop, ack);
                }
                Heard::Absorbed
            }
            State::Accepted if (200..300).contains(&status) => Heard::Pass,
            State::Accepted | State::Terminated => Heard::Absorbed,
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer, io: &mut Io<'_>) -> Fired {
        match (&self.state, timer) {
            (State::Calling, Timer::A(_)) => {
                io.transmit(self.hop, &self.request);
                self.interval *= 2;
                io.arm(Timer::A(self.id), self.interval);
                Fired::Nothing
            }
            (State::Calling, Timer::B(_)) | (State::Calling | State::Proceeding, Timer::Cancelled(_)) => {
                self.stop(io);
                Fired::TimedOut
            }
            (State::Completed { .. }, Timer::D(_)) | (State::Accepted, Timer::M(_)) => {
                self.stop(io);
                Fired::Nothing
            }
            _ => Fired::Nothing,
        }
    }

    /// Ends it at once, such as when the transport failed.
    pub(crate) fn stop(&mut self, io: &mut Io<'_>) {
        for timer in [Timer::A, Timer::B, Timer::D, Timer::M, Timer::Cancelled] {
            io.disarm(timer(self.id));
        }
        self.state = State::Terminated;
    }

    /// A CANCEL may be sent only now. RFC 3261 §9.1
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// Whether no final answer has come yet.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding)
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

    fn complete(&mut self, ack: Option<Arc<[u8]>>, io: &mut Io<'_>) {
        io.disarm(Timer::Cancelled(self.id));
        if let Some(ack) = &ack {
            io.transmit(self.hop, ack);
        }
        let linger = unless_reliable(self.hop.transport, TIMER_D);
        if linger.is_zero() {
            self.state = State::Terminated;
        } else {
            io.arm(Timer::D(self.id), linger);
            self.state = State::Completed { ack };
        }
    }
}
