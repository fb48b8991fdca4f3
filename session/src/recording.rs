//! The recording of a session: one file from when the customer first talks to somebody (or the flow asks for it) to the end of his
//! call, whoever he talks to and wherever he waits.
//!
//! Invariants: a session has at most one recording that listens, beside those whose files are still being closed; a failed one ends
//! no call; a pause outlasts the recording that it was asked for, a restart and a merger, so that nothing is recorded that somebody
//! wanted silent.

use std::time::Duration;

use dialplans::api::RecordingAct;
use media::api::Command as MediaCommand;
use model::{AgentId, Author, Change, Now, RecordingId, SessionId};

use crate::api::{Output, RecordingFormat, Refusal};
use crate::chat::refusal_of;
use crate::engine::Engine;
use crate::leg::Leg;

/// What a session keeps about its recording.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// The one that listens.
    pub running: Option<RecordingId>,
    /// How many were told to end and have not said that their files are closed.
    pub closing: usize,
    pub paused: bool,
    /// Whether the flow wants this session recorded, whatever the configuration says.
    pub wanted: Option<bool>,
}

impl Engine {
    /// Begins the recording, if there is to be one and it does not run.
    pub(crate) fn record(&mut self, now: Now, id: SessionId) {
        let default = self.config.recording.enabled;
        let wanted = self.sessions.get(&id).is_some_and(|session| {
            let recording = &session.recording;
            let there = session.ended.is_none() && session.customer_voice().is_some_and(Leg::is_up);
            there && recording.running.is_none() && recording.wanted.unwrap_or(default)
        });
        if !wanted {
            return;
        }
        let recording = RecordingId::new(now.wall, self.random());
        let config = &self.config.recording;
        let extension = match config.format {
            RecordingFormat::Wav => "wav",
            RecordingFormat::Opus => "opus",
        };
        let file = format!("{}/{id}-{recording}.{extension}", config.folder);
        let channels = config.channels;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.recording.running = Some(recording);
        let paused = session.recording.paused;
        self.recordings.insert(recording, id);
        let path = file.clone().into();
        let start = MediaCommand::StartRecording { session: id, recording, file: path, channels };
        self.put(Output::Media(start));
        if paused {
            self.put(Output::Media(MediaCommand::PauseRecording { session: id, paused }));
        }
        self.journal(now, id, Change::RecordingStarted { recording, file });
    }

    /// The customer's call is over, or nobody wants it recorded any more.
    pub(crate) fn stop_recording(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.recording.running.take().is_some() {
            session.recording.closing += 1;
            self.put(Output::Media(MediaCommand::StopRecording { session: id }));
        }
    }

    pub(crate) fn recording_ended(&mut self, now: Now, recording: RecordingId, length: Duration) {
        if let Some(id) = self.recording_over(recording) {
            self.journal(now, id, Change::RecordingEnded { recording, millis: millis(length) });
            self.sweep_later(id);
        }
    }

    /// The alarm is the shell's business; the call goes on.
    pub(crate) fn recording_failed(&mut self, now: Now, recording: RecordingId, why: String, kept: Duration) {
        tracing::error!(%recording, why, "a recording has failed");
        if let Some(id) = self.recording_over(recording) {
            self.journal(now, id, Change::RecordingFailed { recording, why, millis: millis(kept) });
            self.sweep_later(id);
        }
    }

    fn recording_over(&mut self, recording: RecordingId) -> Option<SessionId> {
        let id = self.recordings.remove(&recording)?;
        if let Some(session) = self.sessions.get_mut(&id) {
            let running = &mut session.recording.running;
            if running.take_if(|running| *running == recording).is_none() {
                session.recording.closing -= 1;
            }
        }
        Some(id)
    }

    /// Silence instead of what is said, or sound again.
    pub(crate) fn pause_recording(&mut self, now: Now, id: SessionId, paused: bool, by: Author) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if std::mem::replace(&mut session.recording.paused, paused) == paused {
            return;
        }
        self.put(Output::Media(MediaCommand::PauseRecording { session: id, paused }));
        self.journal(now, id, Change::RecordingPaused { paused, by });
    }

    /// An operator or a supervisor wants silence, or sound again.
    pub(crate) fn pause_by(
        &mut self,
        now: Now,
        id: SessionId,
        paused: bool,
        (agent, name): (AgentId, String),
    ) -> Result<(), Refusal> {
        let session = self.sessions.get(&id).filter(|session| session.ended.is_none());
        let session = session.ok_or_else(|| refusal_of("session", "unknown_session", "It is over."))?;
        // A pause outlasts its recording, so it can be ended without one.
        if session.recording.running.is_none() && (paused || !session.recording.paused) {
            return Err(refusal_of("session", "not_recorded", "It is not being recorded."));
        }
        self.pause_recording(now, id, paused, Author::Agent { agent, name });
        Ok(())
    }

    pub(crate) fn flow_records(&mut self, now: Now, id: SessionId, act: RecordingAct) {
        match act {
            RecordingAct::Pause => self.pause_recording(now, id, true, Author::Flow),
            RecordingAct::Resume => self.pause_recording(now, id, false, Author::Flow),
            RecordingAct::Start | RecordingAct::Stop => {
                self.want_recording(now, id, act == RecordingAct::Start, Author::Flow);
            }
        }
    }

    fn want_recording(&mut self, now: Now, id: SessionId, wanted: bool, by: Author) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.recording.wanted.replace(wanted) != Some(wanted) {
            self.journal(now, id, Change::RecordingWanted { wanted, by });
        }
        if wanted { self.record(now, id) } else { self.stop_recording(id) }
    }

    /// What was wanted in a session that goes on in this one: whoever wants silence has it.
    pub(crate) fn merge_recording(&mut self, now: Now, id: SessionId, paused: bool, wanted: Option<bool>) {
        if paused {
            self.pause_recording(now, id, true, Author::System);
        }
        let own = self.sessions.get(&id).and_then(|session| session.recording.wanted);
        if let Some(wanted) = wanted.filter(|wanted| own.is_none() || !wanted) {
            self.want_recording(now, id, wanted, Author::System);
        }
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
