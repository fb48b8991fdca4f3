//! Who is connected, and what each is sent. Invariant: a reader that falls behind is cut, never waited for; it connects again
//! and is shown everything whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use model::{AgentId, Entry, Timestamp, VisitorId};
use session::api::{AgentEvent, VisitorEvent};
use session::view::{DeskView, QueueStatus, SessionSummary};
use tokio::sync::mpsc;

/// Events that may wait for one socket.
const QUEUE: usize = 512;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    desks: BTreeMap<u64, Desk>,
    visitors: BTreeMap<VisitorId, Vec<(u64, mpsc::Sender<VisitorEvent>)>>,
    shown: BTreeMap<AgentId, (DeskView, Utf8Bytes)>,
    floor: Option<Floor>,
}

#[derive(Debug)]
struct Desk {
    agent: AgentId,
    /// Sees the entries of every session.
    supervisor: bool,
    sign_in: String,
    sender: mpsc::Sender<Utf8Bytes>,
}

/// One event stream of a console. It ends when the reader was too slow or was signed out.
#[derive(Debug)]
pub struct DeskSocket {
    pub id: u64,
    pub events: mpsc::Receiver<Utf8Bytes>,
}

#[derive(Debug)]
pub struct VisitorSocket {
    pub id: u64,
    pub events: mpsc::Receiver<VisitorEvent>,
}

impl Hub {
    /// The stream begins with the desk and the floor as they were shown last. `if_first` is called when no other stream of
    /// this operator was open; it and the closure of [`Hub::closed_for_good`] never cross.
    pub fn open_desk(
        &self,
        agent: AgentId,
        supervisor: bool,
        sign_in: &str,
        if_first: impl FnOnce(),
    ) -> DeskSocket {
        let (sender, events) = mpsc::channel(QUEUE);
        let mut inner = self.inner();
        if let Some((_, desk)) = inner.shown.get(&agent) {
            let _ = sender.try_send(desk.clone());
        }
        if let Some(floor) = &inner.floor {
            let _ =
                sender.try_send(if supervisor { json(&floor.whole()) } else { json(&floor.queues_only()) });
        }
        if !inner.has_desk(agent) {
            if_first();
        }
        let id = inner.next_id();
        inner.desks.insert(id, Desk { agent, supervisor, sign_in: sign_in.to_owned(), sender });
        DeskSocket { id, events }
    }

    pub fn close_desk(&self, id: u64) {
        self.inner().desks.remove(&id);
    }

    /// Calls `then` unless the operator has a stream.
    pub fn closed_for_good(&self, agent: AgentId, then: impl FnOnce()) {
        let inner = self.inner();
        if !inner.has_desk(agent) {
            then();
        }
    }

    pub fn has_sign_in(&self, sign_in: &str) -> bool {
        self.inner().desks.values().any(|desk| desk.sign_in == sign_in)
    }

    /// Ends every stream of the sign-in.
    pub fn cut_sign_in(&self, sign_in: &str) {
        self.inner().desks.retain(|_, desk| desk.sign_in != sign_in);
    }

    /// Ends every stream of the operator, such as when his roles changed.
    pub fn cut_agent(&self, agent: AgentId) {
        self.inner().desks.retain(|_, desk| desk.agent != agent);
    }

    pub fn open_visitor(&self, visitor: VisitorId) -> VisitorSocket {
        let (sender, events) = mpsc::channel(QUEUE);
        let mut inner = self.inner();
        let id = inner.next_id();
        inner.visitors.entry(visitor).or_default().push((id, sender));
        VisitorSocket { id, events }
    }

    /// True when it was the visitor's last.
    pub fn close_visitor(&self, visitor: VisitorId, id: u64) -> bool {
        let mut inner = self.inner();
        if let Some(sockets) = inner.visitors.get_mut(&visitor) {
            sockets.retain(|(socket, _)| *socket != id);
            if !sockets.is_empty() {
                return false;
            }
            inner.visitors.remove(&visitor);
        }
        true
    }

    /// `None`: everybody with a console.
    pub fn to_agent(&self, agent: Option<AgentId>, event: AgentEvent) {
        if let AgentEvent::Floor { queues, sessions } = event {
            return self.show_floor(Floor { queues, sessions });
        }
        let text = json(&event);
        let mut inner = self.inner();
        // Supervisors are sent every entry when it is written; this one would be its repeat.
        let is_entry = matches!(event, AgentEvent::Entry { .. });
        inner.desks.retain(|_, desk| {
            let meant = agent.is_none_or(|agent| agent == desk.agent);
            !meant || (is_entry && desk.supervisor) || desk.sender.try_send(text.clone()).is_ok()
        });
        match event {
            AgentEvent::Desk { desk } => {
                inner.shown.insert(desk.agent, (desk, text));
            }
            AgentEvent::Floor { .. } | AgentEvent::Entry { .. } | AgentEvent::Typing { .. } => {}
        }
    }

    /// Everybody sees the queues; whose customers are being served is for supervisors.
    fn show_floor(&self, floor: Floor) {
        let mut inner = self.inner();
        // With many calls this is a long text, so it is not written for nobody.
        if !inner.desks.is_empty() {
            let (whole, queues_only) = (json(&floor.whole()), json(&floor.queues_only()));
            inner.desks.retain(|_, desk| {
                let text = if desk.supervisor { &whole } else { &queues_only };
                desk.sender.try_send(text.clone()).is_ok()
            });
        }
        inner.floor = Some(floor);
    }

    /// Shows a written entry to supervisors.
    pub fn entry_written(&self, entry: &Entry) {
        let mut inner = self.inner();
        if !inner.desks.values().any(|desk| desk.supervisor) {
            return;
        }
        let text = json(&AgentEvent::Entry { entry: entry.clone() });
        inner.desks.retain(|_, desk| !desk.supervisor || desk.sender.try_send(text.clone()).is_ok());
    }

    pub fn to_visitor(&self, visitor: VisitorId, event: VisitorEvent) {
        let mut inner = self.inner();
        let Some(sockets) = inner.visitors.get_mut(&visitor) else { return };
        // A cut socket stays listed until its task closes it, so that the last one can be told.
        for (_, sender) in sockets.iter_mut() {
            if sender.try_send(event.clone()).is_err() {
                let (closed, _) = mpsc::channel(1);
                *sender = closed;
            }
        }
    }

    /// The desk as it was shown last.
    pub fn desk(&self, agent: AgentId) -> Option<DeskView> {
        self.inner().shown.get(&agent).map(|(desk, _)| desk.clone())
    }

    /// Status and its start of every desk that was shown.
    pub fn statuses(&self) -> BTreeMap<AgentId, (model::AgentStatus, Timestamp)> {
        let inner = self.inner();
        inner.shown.iter().map(|(agent, (desk, _))| (*agent, (desk.status.clone(), desk.since))).collect()
    }

    pub fn queues(&self) -> Option<Vec<QueueStatus>> {
        self.inner().floor.as_ref().map(|floor| floor.queues.clone())
    }

    pub fn forget(&self, agent: AgentId) {
        self.inner().shown.remove(&agent);
    }

    /// Open console streams and visitors.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.desks.len(), inner.visitors.len())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn has_desk(&self, agent: AgentId) -> bool {
        self.desks.values().any(|desk| desk.agent == agent)
    }

    fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// The floor as it was shown last.
#[derive(Debug)]
struct Floor {
    queues: Vec<QueueStatus>,
    sessions: Vec<SessionSummary>,
}

impl Floor {
    fn whole(&self) -> AgentEvent {
        AgentEvent::Floor { queues: self.queues.clone(), sessions: self.sessions.clone() }
    }

    fn queues_only(&self) -> AgentEvent {
        AgentEvent::Floor { queues: self.queues.clone(), sessions: Vec::new() }
    }
}

fn json(event: &AgentEvent) -> Utf8Bytes {
    serde_json::to_string(event).expect("events are plain data with text keys").into()
}
