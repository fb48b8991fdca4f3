//! The one writer of the journal. It takes the engine's outputs in order, commits what has come together in one
//! transaction, and only then lets out what stood behind it. While the disk fails nothing is let out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::{Evidence, Identity, Record};
use session::api::{AgentEvent, CustomerCard, Refusal, Reply, RequestId, VisitorEvent};
use sip_core::api::BindingChange;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{mpsc, oneshot};

use super::{Store, StoreError, bindings, customers, project};
use crate::clock;

/// Most work in one transaction: bounds how long the first of a batch waits for the last.
const BATCH: usize = 512;
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

/// The way to the writer. Never blocks; see [`Backlog`] for how far behind it is.
#[derive(Clone, Debug)]
pub struct Writer {
    sender: mpsc::UnboundedSender<Work>,
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
    /// Starts the writer on its own connection; `let_out` is called for everything, in order.
    pub async fn start(
        store: &Store,
        mut let_out: impl FnMut(Written) + Send + 'static,
    ) -> Result<(Writer, tokio::task::JoinHandle<()>), StoreError> {
        let options = store.options.clone();
        let mut db = Some(options.connect().await?);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let backlog = Backlog::default();
        let counters = backlog.clone();
        let task = tokio::spawn(async move {
            let mut batch = Vec::new();
            while receiver.recv_many(&mut batch, BATCH).await > 0 {
                let count = batch.len();
                let cards = commit_patiently(&mut db, &options, &batch, &counters).await;
                for_each_written(batch.drain(..), cards, &mut let_out);
                counters.0.waiting.fetch_sub(count, Ordering::Relaxed);
            }
            if let Some(db) = db {
                // Errors on the way out change nothing: every commit was synced.
                let _ = db.close().await;
            }
        });
        Ok((Writer { sender, backlog }, task))
    }

    pub fn write(&self, work: Work) {
        self.backlog.0.waiting.fetch_add(1, Ordering::Relaxed);
        // The writer ends only when all senders are gone.
        let _ = self.sender.send(work);
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

/// Tries until the batch is committed. Returns the customers found, in the order of the `Resolve`s.
async fn commit_patiently(
    db: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
    batch: &[Work],
    backlog: &Backlog,
) -> Vec<CustomerCard> {
    if !batch.iter().any(|work| matches!(work, Work::Journal(_) | Work::Binding(_) | Work::Resolve { .. })) {
        return Vec::new();
    }
    let mut pause = FIRST_RETRY;
    loop {
        match try_commit(db, options, batch).await {
            Ok(cards) => {
                if backlog.0.failures_in_a_row.swap(0, Ordering::Relaxed) > 0 {
                    tracing::warn!("the journal can be written again");
                }
                return cards;
            }
            Err(error) => {
                // The connection's state is unknown after a failure; a new one starts clean.
                *db = None;
                let failures = backlog.0.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::error!(%error, failures, "ALARM: the journal cannot be written; nothing is acknowledged until it can");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_RETRY);
            }
        }
    }
}

async fn try_commit(
    db: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
    batch: &[Work],
) -> Result<Vec<CustomerCard>, StoreError> {
    if db.is_none() {
        *db = Some(options.connect().await?);
    }
    let connection = db.as_mut().expect("connected above");
    // Not a deferred transaction: taking the write lock later could fail half-way with SQLITE_BUSY.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut cards = Vec::new();
    for work in batch {
        match work {
            Work::Journal(record) => project::append(&mut transaction, record).await?,
            Work::Binding(change) => bindings::change(&mut transaction, change).await?,
            Work::Resolve { request: _, identities, name } => {
                let at = clock::wall();
                cards.push(customers::resolve(&mut transaction, at, identities, name.as_deref()).await?);
            }
            Work::Reply { .. }
            | Work::ToVisitor { .. }
            | Work::ToAgent { .. }
            | Work::Drained
            | Work::Flush(_) => {}
        }
    }
    transaction.commit().await?;
    Ok(cards)
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
