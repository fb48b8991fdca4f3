//! The writer's own connection: one transaction for each batch, statements prepared once.
//!
//! Invariant: what is written, and in which order, is the same for every kind of database. Here parameters are written `?1`, `?2`, …:
//! SQLite numbers `$1` by its first appearance.

mod postgres;
mod sqlite;

use model::{Entry, Identity, Record};
use session::api::CustomerCard;

use super::newcomers::Newcomers;
use super::value::Value;
use super::writer::Work;
use super::{StoreError, bindings, project, resolve};
use crate::clock;
use crate::config::Database;

#[derive(Debug)]
pub(super) enum Ledger {
    Sqlite(sqlite::Connection),
    Postgres(Box<postgres::Connection>),
}

/// What the tables can be told within a transaction, or asked at any time.
pub(super) trait Tables {
    /// Changes something. Whether it could may turn out as late as at the commit.
    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StoreError>;
    fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Line>, StoreError>;
    /// Appends to the journal. Says of each entry whether it is new: the first of a number stands.
    fn append(&mut self, entries: &[&Entry]) -> Result<Vec<bool>, StoreError>;
}

/// One row.
#[derive(Debug)]
pub(super) struct Line(Vec<Cell>);

#[derive(Debug)]
enum Cell {
    Null,
    Text(String),
    Number(i64),
}

pub(super) use sqlite::each_row;

/// What is left of a commit of which nobody knows whether it took place.
#[derive(Debug, Default)]
pub(super) struct Doubt(postgres::Doubt);

impl Ledger {
    /// The tables must be there already.
    pub fn open(database: &Database) -> Result<Self, StoreError> {
        Ok(match database {
            Database::Sqlite(file) => Self::Sqlite(sqlite::Connection::open(file)?),
            Database::Postgres(url) => Self::Postgres(Box::new(postgres::Connection::open(url)?)),
        })
    }

    /// Who this is, by what is committed.
    pub fn find(&mut self, identity: &Identity) -> Result<Option<CustomerCard>, StoreError> {
        match self {
            Self::Sqlite(connection) => resolve::find(connection, identity),
            Self::Postgres(connection) => resolve::find(&mut connection.look(), identity),
        }
    }

    /// All of the batch, or nothing of it. Returns the customers found, in the order of the `Resolve`s.
    pub fn commit(
        &mut self,
        batch: &[Work],
        newcomers: &Newcomers,
        doubt: &mut Doubt,
    ) -> Result<Vec<CustomerCard>, StoreError> {
        match self {
            Self::Sqlite(connection) => connection.commit(|tables| write(tables, batch, newcomers)),
            Self::Postgres(connection) => {
                if connection.settle(&mut doubt.0)? {
                    // It took place; only what it found was not heard.
                    return connection.commit(&mut doubt.0, |tables| resolve_all(tables, batch));
                }
                connection.commit(&mut doubt.0, |tables| write(tables, batch, newcomers))
            }
        }
    }
}

fn write(
    tables: &mut dyn Tables,
    batch: &[Work],
    newcomers: &Newcomers,
) -> Result<Vec<CustomerCard>, StoreError> {
    let entries: Vec<&Entry> = batch
        .iter()
        .filter_map(|work| match work {
            Work::Journal(Record::Session(entry)) => Some(entry),
            _ => None,
        })
        .collect();
    let mut is_new = tables.append(&entries)?.into_iter();
    for newcomer in newcomers.all() {
        resolve::welcome(tables, newcomer)?;
    }
    let mut cards = Vec::new();
    for work in batch {
        match work {
            Work::Journal(Record::Session(entry)) => {
                if is_new.next() == Some(true) {
                    project::project(tables, entry)?;
                } else {
                    let Entry { session, seq, .. } = entry;
                    tracing::error!(%session, seq, "a journal entry came twice; the first one stands");
                }
            }
            Work::Journal(Record::Agent(change)) => project::agent_changed(tables, change)?,
            Work::Binding(change) => bindings::change(tables, change)?,
            Work::Resolve { request: _, identities, name } => {
                cards.push(resolve::resolve(tables, clock::wall(), identities, name.as_deref())?);
            }
            Work::Reply { .. }
            | Work::ToVisitor { .. }
            | Work::ToAgent { .. }
            | Work::Drained
            | Work::Flush(_) => {}
        }
    }
    Ok(cards)
}

fn resolve_all(tables: &mut dyn Tables, batch: &[Work]) -> Result<Vec<CustomerCard>, StoreError> {
    let mut cards = Vec::new();
    for work in batch {
        if let Work::Resolve { request: _, identities, name } = work {
            cards.push(resolve::resolve(tables, clock::wall(), identities, name.as_deref())?);
        }
    }
    Ok(cards)
}

impl Line {
    pub fn text(&self, column: usize) -> Result<&str, StoreError> {
        match self.0.get(column) {
            Some(Cell::Text(text)) => Ok(text),
            other => Err(StoreError::Corrupt { what: "text", value: format!("{other:?}") }),
        }
    }

    pub fn maybe_text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Cell::Text(text)) => Some(text),
            Some(Cell::Null | Cell::Number(_)) | None => None,
        }
    }

    pub fn number(&self, column: usize) -> Result<i64, StoreError> {
        match self.0.get(column) {
            Some(Cell::Number(number)) => Ok(*number),
            other => Err(StoreError::Corrupt { what: "number", value: format!("{other:?}") }),
        }
    }
}
