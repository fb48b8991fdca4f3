//! The one writer of the journal, a thread. It takes the engine's outputs in order, commits what has come together in one
//! transaction, and only then lets out what stood behind it. While the disk fails nothing is let out but who a caller is, which
//! shows him to nobody.
//!
//! How long work waits for its commit depends on who waits for it: see [`Urgency`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use model::{Evidence, Identity, Record};
use session::api::{AgentEvent, CustomerCard, Refusal, Reply, RequestId, VisitorEvent};
use sip_core::api::BindingChange;
use tokio::sync::oneshot;

use super::ledger::{Doubt, Ledger};
use super::newcomers::Newcomers;
use super::queue::{Queue, Sender};
use super::{Store, StoreError};
use crate::clock;
use crate::config::Database;

/// Most work in one transaction: bounds how long the first of a batch waits for the last.
const BATCH: usize = 2_048;
/// Commits are this far apart at least. Each writes every page that it touched and waits for the disk, so under load few large
/// ones cost a fraction of many small ones; what comes alone is committed at once.
const PACE: Duration = Duration::from_millis(4);
/// What nobody waits for is committed this long after it came, with what else has come by then.
const LEISURE: Duration = Duration::from_millis(20);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// The engine's outputs that are ordered by durability.
#[derive(Debug)]
pub enum Work {
    Journal(Record),
    Binding(BindingChange),
    Resolve {
        request: RequestId,
        identities: Vec<(Identity, Evidence)>,
        name: Option<String>,
    },
    Reply {
        request: RequestId,
        result: Result<Reply, Refusal>,
    },
    ToVisitor {
        visitor: model::VisitorId,
        event: VisitorEvent,
    },
    ToAgent {
        agent: Option<model::AgentId>,
        event: AgentEvent,
    },
    Drained,
    /// Answered when everything before it is durable and let out.
    Flush(oneshot::Sender<()>),
}

/// What is let out after the commit, in the order of the work.
#[derive(Debug)]
pub enum Written {
    Record(Record),
    Resolved { request: RequestId, customer: CustomerCard },
    Reply { request: RequestId, result: Result<Reply, Refusal> },
    ToVisitor { visitor: model::VisitorId, event: VisitorEvent },
    ToAgent { agent: Option<model::AgentId>, event: AgentEvent },
    Drained,
}

/// Who waits for the commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Urgency {
    /// Nobody: an entry behind which nothing stands.
    Leisurely,
    /// Somebody who is to be told of what stands before it.
    Soon,
    /// A contact that goes on with the answer, which mostly needs no commit.
    AtOnce,
}

impl Work {
    pub(super) fn urgency(&self) -> Urgency {
        match self {
            Self::Journal(_) | Self::Binding(_) => Urgency::Leisurely,
            Self::Reply { .. }
            | Self::ToVisitor { .. }
            | Self::ToAgent { .. }
            | Self::Drained
            | Self::Flush(_) => Urgency::Soon,
            Self::Resolve { .. } => Urgency::AtOnce,
        }
    }
}

/// The way to the writer. Never blocks; see [`Backlog`] for how far behind it is.
#[derive(Clone, Debug)]
pub struct Writer {
    sender: Sender,
    backlog: Backlog,
}

/// How much work waits, and whether the disk fails.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    waiting: AtomicUsize,
    failures_in_a_row: AtomicUsize,
}

impl Writer {
    /// Starts the writer on its own connection; `let_out` is called for everything, in order but for
    /// [`Written::Resolved`], which overtakes. The thread ends when the last
    /// [`Writer`] is gone and all is written.
    pub fn start(
        store: &Store,
        mut let_out: impl FnMut(Written) + Send + 'static,
    ) -> Result<(Writer, JoinHandle<()>), StoreError> {
        let (sender, queue) = Queue::new();
        let backlog = Backlog::default();
        let (database, counters) = (store.database.clone(), backlog.clone());
        let (opened, is_open) = mpsc::channel();
        // Opened by the thread itself: whoever starts it may be within a runtime, which nothing may wait in.
        let run = move || match Disk::open(&database) {
            Ok(disk) => {
                let _ = opened.send(Ok(()));
                let newcomers = Newcomers::default();
                let mut desk = Desk { queue, disk, backlog: counters, batch: Vec::new(), newcomers };
                while desk.work(&mut let_out) {}
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("journal".into()).spawn(run)?;
        is_open.recv().map_err(|_| StoreError::Silent)??;
        Ok((Writer { sender, backlog }, thread))
    }

    pub fn write(&self, work: Work) {
        self.backlog.0.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(work);
    }

    /// Returns when everything written so far is durable and let out.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.write(Work::Flush(done));
        let _ = flushed.await;
    }

    pub fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }
}

impl Backlog {
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Attempts that failed since the last success; 0 is healthy.
    pub fn failures_in_a_row(&self) -> usize {
        self.0.failures_in_a_row.load(Ordering::Relaxed)
    }
}

/// The thread's own side: what it has taken and not committed yet.
struct Desk {
    queue: Queue,
    disk: Disk,
    backlog: Backlog,
    batch: Vec<Work>,
    newcomers: Newcomers,
}

impl Desk {
    /// Collects a batch, commits it and lets it out. False: there will be no more.
    fn work(&mut self, let_out: &mut impl FnMut(Written)) -> bool {
        let open = self.collect(let_out);
        let count = self.batch.len();
        let cards = self.disk.commit_patiently(&self.batch, &self.newcomers, &self.backlog);
        self.newcomers.forget();
        for_each_written(self.batch.drain(..), cards, let_out);
        self.backlog.0.waiting.fetch_sub(count, Ordering::Relaxed);
        open
    }

    /// Returns when the batch is due. False: all senders are gone, this is the last.
    fn collect(&mut self, let_out: &mut impl FnMut(Written)) -> bool {
        let mut due = None;
        let mut level = None;
        while self.batch.len() < BATCH && due.is_none_or(|due| Instant::now() < due) {
            let Some(taken) = self.queue.take(level, due, BATCH - self.batch.len()) else { return false };
            for work in taken {
                let Some((work, urgency)) = self.answer_at_once(work, let_out) else { continue };
                self.newcomers.heed(&work);
                let by = match urgency {
                    Urgency::Leisurely => Instant::now() + LEISURE,
                    Urgency::Soon | Urgency::AtOnce => self.disk.ready,
                };
                due = Some(due.map_or(by, |due: Instant| due.min(by)));
                level = level.max(Some(urgency));
                self.batch.push(work);
            }
            if due.is_none() && !self.newcomers.is_empty() {
                (due, level) = (Some(Instant::now() + LEISURE), Some(Urgency::Leisurely));
            }
        }
        true
    }

    /// Who a contact is, where nothing that waits could change the answer. What is left must be committed.
    fn answer_at_once(&mut self, work: Work, let_out: &mut impl FnMut(Written)) -> Option<(Work, Urgency)> {
        let urgency = work.urgency();
        let Work::Resolve { request, identities, name } = &work else { return Some((work, urgency)) };
        let ledger = self.disk.ledger.as_mut();
        match ledger
            .and_then(|ledger| self.newcomers.card(ledger, clock::wall(), identities, name.as_deref()))
        {
            Some(customer) => {
                let_out(Written::Resolved { request: *request, customer });
                self.backlog.0.waiting.fetch_sub(1, Ordering::Relaxed);
                None
            }
            None => Some((work, Urgency::Soon)),
        }
    }
}

/// The database, which may have to be opened again.
struct Disk {
    database: Database,
    ledger: Option<Ledger>,
    doubt: Doubt,
    /// When the next commit may begin.
    ready: Instant,
}

impl Disk {
    fn open(database: &Database) -> Result<Self, StoreError> {
        Ok(Self {
            database: database.clone(),
            ledger: Some(Ledger::open(database)?),
            doubt: Doubt::default(),
            ready: Instant::now(),
        })
    }

    /// Tries until the batch is committed. Returns the customers found, in the order of the `Resolve`s.
    fn commit_patiently(
        &mut self,
        batch: &[Work],
        newcomers: &Newcomers,
        backlog: &Backlog,
    ) -> Vec<CustomerCard> {
        let changes =
            |work: &Work| matches!(work, Work::Journal(_) | Work::Binding(_) | Work::Resolve { .. });
        if newcomers.is_empty() && !batch.iter().any(changes) {
            return Vec::new();
        }
        let mut pause = FIRST_RETRY;
        loop {
            self.ready = Instant::now() + PACE;
            match self.try_commit(batch, newcomers) {
                Ok(cards) => {
                    if backlog.0.failures_in_a_row.swap(0, Ordering::Relaxed) > 0 {
                        tracing::warn!("the journal can be written again");
                    }
                    return cards;
                }
                Err(error) => {
                    // The connection's state is unknown after a failure; a new one starts clean.
                    self.ledger = None;
                    let failures = backlog.0.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
                    tracing::error!(%error, failures, "ALARM: the journal cannot be written; nothing is acknowledged until it can");
                    thread::sleep(pause);
                    pause = (pause * 2).min(LAST_RETRY);
                }
            }
        }
    }

    fn try_commit(&mut self, batch: &[Work], newcomers: &Newcomers) -> Result<Vec<CustomerCard>, StoreError> {
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            none => none.insert(Ledger::open(&self.database)?),
        };
        ledger.commit(batch, newcomers, &mut self.doubt)
    }
}

fn for_each_written(
    batch: impl Iterator<Item = Work>,
    cards: Vec<CustomerCard>,
    let_out: &mut impl FnMut(Written),
) {
    let mut cards = cards.into_iter();
    for work in batch {
        match work {
            Work::Journal(record) => let_out(Written::Record(record)),
            Work::Resolve { request, identities: _, name: _ } => {
                let customer = cards.next().expect("one card for each Resolve of a committed batch");
                let_out(Written::Resolved { request, customer });
            }
            Work::Binding(_) => {}
            Work::Reply { request, result } => let_out(Written::Reply { request, result }),
            Work::ToVisitor { visitor, event } => let_out(Written::ToVisitor { visitor, event }),
            Work::ToAgent { agent, event } => let_out(Written::ToAgent { agent, event }),
            Work::Drained => let_out(Written::Drained),
            Work::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}
