//! Questions to the engine and their answers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{AgentId, SessionId, VisitorId};
use session::api::{AdminCommand, AgentCommand, Input, Refusal, Reply, RequestId, VisitorCommand};
use sip_core::api::TrunkState;
use sip_core::inspect::{Table, Topic};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::inbox::{Inbox, Refused};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Commands {
    inbox: Inbox,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Answer>>>,
    inspecting: Mutex<BTreeMap<u64, oneshot::Sender<Table>>>,
    trunks: Mutex<Trunks>,
}

#[derive(Debug, Default)]
struct Trunks {
    asking: BTreeMap<u64, oneshot::Sender<()>>,
    known: Vec<TrunkState>,
}

/// Whoever looks at figures does not wait longer for an engine that is busy.
const TRUNKS_WITHIN: Duration = Duration::from_millis(500);

pub type Answer = Result<Reply, Refusal>;

impl Commands {
    pub fn new(inbox: Inbox) -> Self {
        Self { inbox, shared: Arc::default() }
    }

    /// The command stands in the engine's inbox when this returns; the answer comes after it is durable.
    pub fn agent(
        &self,
        agent: AgentId,
        command: AgentCommand,
    ) -> impl Future<Output = Answer> + Send + use<> {
        answer(self.ask(move |request| Input::Agent { request, agent, command }))
    }

    /// By somebody who may do so in any session; as [`Commands::agent`].
    pub fn pause_recording(
        &self,
        session: SessionId,
        paused: bool,
        by: (AgentId, String),
    ) -> impl Future<Output = Answer> + Send + use<> {
        answer(
            self.ask(move |request| {
                Input::Admin(AdminCommand::PauseRecording { request, session, paused, by })
            }),
        )
    }

    /// As [`Commands::agent`].
    pub fn visitor(
        &self,
        visitor: VisitorId,
        command: VisitorCommand,
    ) -> impl Future<Output = Answer> + Send + use<> {
        answer(self.ask(move |request| Input::Visitor { request, visitor, command }))
    }

    pub fn admin(&self, command: AdminCommand) {
        // Refused only after the engine has stopped, when set-up means nothing any more.
        let _ = self.inbox.offer(Input::Admin(command));
    }

    /// What is alive in SIP; `None` when the engine has stopped.
    pub async fn inspect(&self, topic: Topic) -> Option<Table> {
        let request = RequestId(self.shared.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.inspecting().insert(request.0, sender);
        self.admin(AdminCommand::Inspect { request, topic });
        receiver.await.ok()
    }

    pub fn inspected(&self, request: RequestId, table: Table) {
        if let Some(waiting) = self.inspecting().remove(&request.0) {
            let _ = waiting.send(table);
        }
    }

    /// How the trunks do; as they did when last asked, while the engine does not answer.
    pub async fn trunks(&self) -> Vec<TrunkState> {
        let request = RequestId(self.shared.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.asked_for_trunks().asking.insert(request.0, sender);
        self.admin(AdminCommand::Trunks { request });
        let _ = timeout(TRUNKS_WITHIN, receiver).await;
        let mut trunks = self.asked_for_trunks();
        trunks.asking.remove(&request.0);
        trunks.known.clone()
    }

    pub fn trunks_told(&self, request: RequestId, states: Vec<TrunkState>) {
        let mut trunks = self.asked_for_trunks();
        trunks.known = states;
        if let Some(waiting) = trunks.asking.remove(&request.0) {
            let _ = waiting.send(());
        }
    }

    pub fn answered(&self, request: RequestId, answer: Answer) {
        if let Some(waiting) = self.waiting().remove(&request.0) {
            // Whoever asked may have gone.
            let _ = waiting.send(answer);
        }
    }

    fn ask(&self, input: impl FnOnce(RequestId) -> Input) -> Result<oneshot::Receiver<Answer>, Refused> {
        let request = RequestId(self.shared.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.waiting().insert(request.0, sender);
        match self.inbox.offer(input(request)) {
            Ok(()) => Ok(receiver),
            Err(Refused) => {
                self.waiting().remove(&request.0);
                Err(Refused)
            }
        }
    }

    fn inspecting(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Table>>> {
        self.shared.inspecting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked_for_trunks(&self) -> MutexGuard<'_, Trunks> {
        self.shared.trunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Answer>>> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(asked: Result<oneshot::Receiver<Answer>, Refused>) -> Answer {
    match asked {
        Ok(receiver) => receiver.await.unwrap_or_else(|_| Err(overloaded())),
        Err(Refused) => Err(overloaded()),
    }
}

fn overloaded() -> Refusal {
    Refusal {
        code: "overloaded",
        message: "Tandem cannot take this now. Please try again.".into(),
        field: None,
    }
}
