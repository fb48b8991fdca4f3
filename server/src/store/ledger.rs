//! The writer's own connection to SQLite: one thread, one transaction for each batch, statements prepared once.
//!
//! Invariant: the rest of the writer knows nothing of SQLite; another kind of database needs another `commit`.

use std::path::Path;
use std::time::Duration;

use model::Identity;
use rusqlite::{Connection, Params, Transaction, TransactionBehavior};
use session::api::CustomerCard;
use uuid::Uuid;

use super::newcomers::Newcomers;
use super::writer::Work;
use super::{StoreError, bindings, project, resolve};
use crate::clock;

const BUSY: Duration = Duration::from_secs(10);
/// Every statement of the writer stays prepared.
const STATEMENTS: usize = 96;
/// Pages of the write-ahead log before it is copied into the file: the more, the less often one page is copied again and again.
const CHECKPOINT: u32 = 4_000;

#[derive(Debug)]
pub(super) struct Ledger(Connection);

impl Ledger {
    /// The tables must be there already.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let db = Connection::open(file)?;
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        // In WAL mode NORMAL may lose the last commits in a power failure; an acknowledged message must not be lost.
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
        Ok(Self(db))
    }

    /// Who this is, by what is committed.
    pub fn find(&self, identity: &Identity) -> Result<Option<CustomerCard>, StoreError> {
        resolve::find(&self.0, identity)
    }

    /// All of the batch, or nothing of it. Returns the customers found, in the order of the `Resolve`s.
    pub fn commit(&mut self, batch: &[Work], newcomers: &Newcomers) -> Result<Vec<CustomerCard>, StoreError> {
        // Not a deferred transaction: taking the write lock later could fail half-way with SQLITE_BUSY.
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut cards = Vec::new();
        for newcomer in newcomers.all() {
            resolve::welcome(&transaction, newcomer)?;
        }
        for work in batch {
            match work {
                Work::Journal(record) => project::append(&transaction, record)?,
                Work::Binding(change) => bindings::change(&transaction, change)?,
                Work::Resolve { request: _, identities, name } => {
                    cards.push(resolve::resolve(&transaction, clock::wall(), identities, name.as_deref())?);
                }
                Work::Reply { .. }
                | Work::ToVisitor { .. }
                | Work::ToAgent { .. }
                | Work::Drained
                | Work::Flush(_) => {}
            }
        }
        transaction.commit()?;
        Ok(cards)
    }
}

/// Runs a statement that gives no rows; says how many it changed.
pub(super) fn execute(db: &Transaction<'_>, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(values)
}

/// A UUID as the tables keep it, without a `String` of its own.
pub(super) struct Key([u8; uuid::fmt::Hyphenated::LENGTH]);

impl Key {
    pub fn new(id: Uuid) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        id.hyphenated().encode_lower(&mut text);
        Self(text)
    }
}

impl rusqlite::ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(rusqlite::types::ValueRef::Text(&self.0)))
    }
}
