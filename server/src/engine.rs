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

use crate::app::Vitals;
use crate::clock::Clock;
use crate::commands::Commands;
use crate::inbox::{Inbox, Outlet, Received};
use crate::media::MediaHandle;
use crate::outside::Outside;
use crate::recording;
use crate::sip::SipPorts;
use crate::store::{Work, Writer};
use crate::tap::Tap;

/// How long the thread stays after a stop for recordings to be closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// So many inputs are handled, where they come that fast, before the media threads hear of what they are to do.
const MOST_UNSENT: usize = 16;

/// Where effects go.
#[derive(Debug)]
pub struct Ports {
    pub sip: SipPorts,
    pub inbox: Inbox,
    pub media: Arc<MediaHandle>,
    pub writer: Writer,
    pub vitals: Vitals,
    pub commands: Commands,
    pub tap: Tap,
    pub outside: Outside,
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
                Received::Order(_) => unreachable!("orders are for the stacks beside the engine"),
                Received::TimedOut => {}
                Received::Closed => return,
            }
        }
    }

    fn handle(&mut self, input: Input) {
        match &input {
            Input::Packet { hop, bytes } => self.ports.sip.heard(*hop, bytes),
            Input::Media(MediaEvent::RecordingEnded { recording, .. }) => {
                self.recordings.remove(recording);
                self.ports.vitals.recordings.ended(*recording);
            }
            Input::Media(MediaEvent::RecordingFailed { recording, why, .. }) => {
                self.recordings.remove(recording);
                self.ports.vitals.recordings.failed(*recording, self.clock.now().wall, why);
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
                Output::Sip(output) => self.ports.sip.carry_out(output),
                Output::Order { shard, order } => self.ports.inbox.order(shard, order),
                Output::SipCall { session, call_id } => self.ports.tap.trace.link(session, &call_id),
                Output::Sounded { trunk, quality } => self.ports.tap.sound.note(trunk, &quality),
                Output::Inspected { request, table } => self.ports.commands.inspected(request, table),
                Output::Trunks { request, states } => self.ports.commands.trunks_told(request, states),
                Output::Media(mut command) => {
                    if let MediaCommand::StartRecording { recording: id, file, .. } = &mut command {
                        self.recordings.insert(*id);
                        self.ports.vitals.recordings.started(*id);
                        *file = recording::file(&self.folder, file)
                            .expect("the engine names recordings below its prefix");
                    }
                    self.ports.media.send(command);
                }
                Output::Journal(record) => writer.write(Work::Journal(record)),
                Output::Outside { request, session, question } => {
                    self.ports.outside.ask(&self.ports.inbox, request, session, question);
                }
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

pub(crate) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("a thread that must not fail has panicked; the process ends");
            std::process::abort();
        }
    }
}
