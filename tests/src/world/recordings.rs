//! What becomes of recordings: whoever pauses them, and what they die of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dialplans::api::Source;
use media::api::Event as MediaEvent;
use model::{AgentId, Change, Entry, RecordingId, SessionId};
use session::api::{AdminCommand, Input, Refusal, Reply, RequestId};

use super::World;

/// How long every recording is that a crash of the simulated server has cut.
pub const CUT_AFTER: Duration = Duration::from_secs(7);

impl World {
    /// The recording of the session that runs, and whether it is silent.
    pub fn recording(&self, session: SessionId) -> Option<(RecordingId, bool)> {
        self.media.recording(session)
    }

    /// The disk is full.
    pub fn recording_fails(&mut self, session: SessionId) {
        let Some(recording) = self.media.forget_recording(session) else { return };
        let (why, kept) = ("no space left on device".to_owned(), Duration::from_secs(3));
        self.engine.handle(self.now, Input::Media(MediaEvent::RecordingFailed { recording, why, kept }));
        self.drain();
    }

    /// The disk is slow from now on, and full in the end where this `fails`.
    pub fn files_close_late(&mut self, fails: bool) {
        self.media.late = Some(fails);
    }

    /// A supervisor, who has no desk.
    pub fn supervisor_pauses(
        &mut self,
        supervisor: AgentId,
        session: SessionId,
        paused: bool,
    ) -> Result<Reply, Refusal> {
        self.requests += 1;
        let request = RequestId(self.requests);
        let by = (supervisor, "Vera".to_owned());
        self.admin(AdminCommand::PauseRecording { request, session, paused, by });
        self.replies.remove(&request).expect("every question is answered")
    }

    /// Other flows than those of this world.
    pub fn set_flows(&mut self, flows: &str) {
        let source = Source::new("flows.plan", flows);
        let plan = dialplans::compile(&[source], &Self::names()).expect("good flows");
        self.admin(AdminCommand::SetPlan(Arc::new(plan)));
    }
}

/// Recordings that begin in a journal and do not end there.
pub(super) fn cut_recordings(entries: &[Entry]) -> BTreeMap<RecordingId, Duration> {
    let mut cut = BTreeMap::new();
    for entry in entries {
        match &entry.change {
            Change::RecordingStarted { recording, .. } => {
                cut.insert(*recording, CUT_AFTER);
            }
            Change::RecordingEnded { recording, .. } | Change::RecordingFailed { recording, .. } => {
                cut.remove(recording);
            }
            _ => {}
        }
    }
    cut
}
