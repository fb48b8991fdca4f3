//! The thread that owns the engine: one input at a time, the clocks read once for each, every effect passed on in order.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use media::api::{Command as MediaCommand, Event as MediaEvent};
use model::{Instant, RecordingId};
use session::Engine;
use session::api::{AdminCommand, Input, Output};
use sip_core::api::{Hop, Rejection};

use crate::app::Vitals;
use crate::clock::Clock;
use crate::commands::Commands;
use crate::guard::Guard;
use crate::inbox::{Outlet, Received};
use crate::media::MediaHandle;
use crate::metrics::reason;
use crate::net::Network;
use crate::recording;
use crate::store::{Work, Writer};
use crate::tap::{Tap, Way};

/// How long the thread stays after a stop for recordings to be closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// So many inputs are handled, where they come that fast, before the media threads hear of what they are to do.
const MOST_UNSENT: usize = 16;
/// Lines about malformed SIP in one second.
const REJECTION_LINES: u32 = 5;

/// Where effects go.
#[derive(Debug)]
pub struct Ports {
    pub network: Network,
    pub media: Arc<MediaHandle>,
    pub writer: Writer,
    pub vitals: Vitals,
    pub guard: Guard,
    pub commands: Commands,
    pub tap: Tap,
}

/// Starts the thread; recordings are written below `recordings`. It ends after `AdminCommand::Stop`, or when every sender of the inbox is gone; a panic of the engine
/// ends the process, for its state cannot be trusted any more and a supervisor starts it again from the journal.
pub fn spawn(
    config: session::api::Config,
    clock: Clock,
    outlet: Outlet,
    recordings: PathBuf,
    ports: Ports,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("engine".into()).spawn(move || {
        let _guard = AbortOnPanic;
        Runner {
            engine: Engine::new(clock.now(), config),
            clock,
            ports,
            folder: recordings,
            recordings: BTreeSet::new(),
            stopping: None,
            rejections: RejectionLog::default(),
            unsent: 0,
        }
        .run(&outlet);
    })
}

struct Runner {
    engine: Engine,
    clock: Clock,
    ports: Ports,
    folder: PathBuf,
    /// Started and not ended yet.
    recordings: BTreeSet<RecordingId>,
    /// Set by a stop: until when recordings are waited for.
    stopping: Option<Instant>,
    rejections: RejectionLog,
    /// Inputs handled since the media threads were woken.
    unsent: usize,
}

impl Runner {
    fn run(mut self, outlet: &Outlet) {
        loop {
            let now = self.clock.now();
            if self.engine.poll_timeout().is_some_and(|at| at <= now.instant) {
                self.engine.handle_timeout(now);
                self.pass_on();
            }
            if let Some(until) = self.stopping
                && (self.recordings.is_empty() || until <= now.instant)
            {
                return;
            }
            // What comes together is handed on together.
            if outlet.is_empty() || self.unsent >= MOST_UNSENT {
                self.ports.media.wake();
                self.ports.vitals.set_counts(self.engine.counts());
                self.unsent = 0;
            }
            let wake = self.engine.poll_timeout().into_iter().chain(self.stopping).min();
            match outlet.receive(wake.map(|at| self.clock.until(at))) {
                Received::Input(input) => self.handle(input),
                Received::TimedOut => {}
                Received::Closed => return,
            }
        }
    }

    fn handle(&mut self, input: Input) {
        match &input {
            Input::Packet { hop, bytes } => self.ports.tap.note(self.clock.now(), Way::In, *hop, bytes),
            Input::Media(MediaEvent::RecordingEnded { recording, .. }) => {
                self.recordings.remove(recording);
                self.ports.vitals.recordings.ended();
            }
            Input::Media(MediaEvent::RecordingFailed { recording, why, .. }) => {
                self.recordings.remove(recording);
                self.ports.vitals.recordings.failed(self.clock.now().wall, why);
            }
            Input::Admin(AdminCommand::Stop) => self.stopping = Some(self.clock.instant() + LAST_WORDS),
            _ => {}
        }
        self.engine.handle(self.clock.now(), input);
        self.unsent += 1;
        self.pass_on();
    }

    fn pass_on(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            let writer = &self.ports.writer;
            match output {
                Output::Transmit { hop, bytes } => {
                    self.ports.tap.note(self.clock.now(), Way::Out, hop, &bytes);
                    self.ports.network.transmit(hop, bytes);
                }
                Output::SipCall { session, call_id } => self.ports.tap.trace.link(session, &call_id),
                Output::Inspected { request, table } => self.ports.commands.inspected(request, table),
                Output::Trunks { request, states } => self.ports.commands.trunks_told(request, states),
                Output::CloseConnection(connection) => self.ports.network.close(connection),
                Output::Watch { connection, silence } => self.ports.network.watch(connection, silence),
                Output::SipAuthenticated { hop } => self.ports.guard.proved(hop),
                Output::Lookup { lookup, question } => self.ports.network.look_up(lookup, question),
                Output::Expect { remote, name } => self.ports.network.expect(remote, name),
                Output::SipRejected { hop, why } => {
                    if why == Rejection::WrongPassword {
                        self.ports.guard.failed(hop);
                    }
                    let count = self.ports.vitals.rejected(why);
                    self.rejections.note(self.clock.instant(), hop, why, count);
                }
                Output::Media(mut command) => {
                    if let MediaCommand::StartRecording { recording: id, file, .. } = &mut command {
                        self.recordings.insert(*id);
                        self.ports.vitals.recordings.started();
                        *file = recording::file(&self.folder, file)
                            .expect("the engine names recordings below its prefix");
                    }
                    self.ports.media.send(command);
                }
                Output::Binding(change) => writer.write(Work::Binding(change)),
                Output::Journal(record) => writer.write(Work::Journal(record)),
                Output::Resolve { request, identities, name } => {
                    writer.write(Work::Resolve { request, identities, name });
                }
                Output::Reply { request, result } => writer.write(Work::Reply { request, result }),
                Output::ToVisitor { visitor, event } => writer.write(Work::ToVisitor { visitor, event }),
                Output::ToAgent { agent, event } => writer.write(Work::ToAgent { agent, event }),
                Output::Drained => writer.write(Work::Drained),
            }
        }
    }
}

/// Logs what peers do wrong, a few lines a second at most: whoever floods us must not fill the disk.
#[derive(Default)]
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

struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the engine panicked; the process ends");
            std::process::abort();
        }
    }
}
