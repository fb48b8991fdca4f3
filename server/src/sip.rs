//! What a SIP stack wants of the world, done: by the engine's thread for its own stack, by each other stack's thread for that.

use std::time::Duration;

use model::Instant;
use sip_core::api::{Hop, Output, Rejection};

use crate::app::Vitals;
use crate::clock::Clock;
use crate::guard::Guard;
use crate::metrics::reason;
use crate::net::Network;
use crate::store::{Work, Writer};
use crate::tap::{Tap, Way};

/// Lines about malformed SIP in one second.
const REJECTION_LINES: u32 = 5;

#[derive(Debug)]
pub struct SipPorts {
    clock: Clock,
    network: Network,
    guard: Guard,
    tap: Tap,
    vitals: Vitals,
    writer: Writer,
    rejections: RejectionLog,
}

impl SipPorts {
    pub fn new(
        clock: Clock,
        network: Network,
        guard: Guard,
        tap: Tap,
        vitals: Vitals,
        writer: Writer,
    ) -> SipPorts {
        SipPorts { clock, network, guard, tap, vitals, writer, rejections: RejectionLog::default() }
    }

    /// A message is about to be handled.
    pub fn heard(&self, hop: Hop, bytes: &[u8]) {
        self.tap.note(self.clock.now(), Way::In, hop, bytes);
    }

    pub fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit { hop, bytes } => {
                self.tap.note(self.clock.now(), Way::Out, hop, &bytes);
                self.network.transmit(hop, bytes);
            }
            Output::CloseConnection(connection) => self.network.close(connection),
            Output::Watch { connection, silence } => self.network.watch(connection, silence),
            Output::Authenticated { hop } => self.guard.proved(hop),
            Output::Lookup { lookup, question } => self.network.look_up(lookup, question),
            Output::Expect { remote, name } => self.network.expect(remote, name),
            Output::Binding(change) => self.writer.write(Work::Binding(change)),
            Output::Rejected { hop, why } => {
                if why == Rejection::WrongPassword {
                    self.guard.failed(hop);
                }
                let count = self.vitals.rejected(why);
                self.rejections.note(self.clock.instant(), hop, why, count);
            }
            Output::Event(event) => unreachable!("what happens to calls is for the engine: {event:?}"),
        }
    }
}

/// Logs what peers do wrong, a few lines a second at most: whoever floods us must not fill the disk.
#[derive(Default, Debug)]
struct RejectionLog {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl RejectionLog {
    fn note(&mut self, now: Instant, hop: Hop, why: Rejection, count: u64) {
        let malformed = match why {
            Rejection::Unparsable | Rejection::BadRequest => true,
            Rejection::Unauthenticated
            | Rejection::WrongPassword
            | Rejection::Forbidden
            | Rejection::NotFound
            | Rejection::Limit
            | Rejection::StrayResponse
            | Rejection::StrayAck
            | Rejection::Overload => false,
        };
        if !malformed {
            tracing::debug!(remote = %hop.remote, transport = ?hop.transport, reason = reason(why), "SIP refused");
            return;
        }
        if now.saturating_since(self.since) >= Duration::from_secs(1) {
            if self.left_out > 0 {
                tracing::warn!(left_out = self.left_out, "more malformed SIP was not logged one by one");
            }
            *self = Self { since: now, lines: 0, left_out: 0 };
        }
        if self.lines >= REJECTION_LINES {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        tracing::warn!(remote = %hop.remote, transport = ?hop.transport, reason = reason(why), count, "malformed SIP");
    }
}
