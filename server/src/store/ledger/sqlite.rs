//! The journal in a SQLite file.

use std::path::Path;
use std::time::Duration;

use model::Entry;
use rusqlite::types::ValueRef;
use rusqlite::{OpenFlags, TransactionBehavior, params_from_iter};

use super::super::StoreError;
use super::super::to_json;
use super::super::value::{Key, Value};
use super::{Cell, Line, Tables};

const BUSY: Duration = Duration::from_secs(10);
/// Every statement of the writer stays prepared.
const STATEMENTS: usize = 96;
/// Pages of the write-ahead log before it is copied into the file: the more, the less often one page is copied again and again.
const CHECKPOINT: u32 = 4_000;

#[derive(Debug)]
pub(in super::super) struct Connection(rusqlite::Connection);

impl Connection {
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let db = rusqlite::Connection::open(file)?;
        db.busy_timeout(BUSY)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        // In WAL mode NORMAL may lose the last commits in a power failure; an acknowledged message must not be lost.
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
        Ok(Self(db))
    }

    pub fn commit<T>(
        &mut self,
        write: impl FnOnce(&mut dyn Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Not a deferred transaction: taking the write lock later could fail half-way with SQLITE_BUSY.
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut db: &rusqlite::Connection = &transaction;
        let done = write(&mut db)?;
        transaction.commit()?;
        Ok(done)
    }
}

/// Reads rows of two texts around two numbers (text, number, number, text) over a connection of its own.
pub(in super::super) fn each_row(
    file: &Path,
    sql: &str,
    values: &[i64],
    mut take: impl FnMut(&str, i64, i64, &str) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let db = rusqlite::Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(BUSY)?;
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let first = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        let last = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        take(first, row.get(1)?, row.get(2)?, last)?;
    }
    Ok(())
}

impl Tables for Connection {
    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StoreError> {
        Tables::execute(&mut &self.0, sql, values)
    }

    fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Line>, StoreError> {
        Tables::rows(&mut &self.0, sql, values)
    }

    fn append(&mut self, entries: &[&Entry]) -> Result<Vec<bool>, StoreError> {
        Tables::append(&mut &self.0, entries)
    }
}

impl Tables for &rusqlite::Connection {
    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StoreError> {
        self.prepare_cached(sql)?.execute(params_from_iter(values))?;
        Ok(())
    }

    fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Line>, StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            let cell = |column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Integer(number) => Cell::Number(number),
                    ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Null,
                })
            };
            lines.push(Line((0..columns).map(cell).collect::<Result<_, StoreError>>()?));
        }
        Ok(lines)
    }

    fn append(&mut self, entries: &[&Entry]) -> Result<Vec<bool>, StoreError> {
        let mut insert = self.prepare_cached(
            "INSERT INTO journal (session_id, seq, at_us, change) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?;
        entries
            .iter()
            .map(|entry| {
                let session = Value::Key(Key::new(entry.session.0));
                let (seq, at) = (super::super::project::seq(entry), entry.at.as_micros());
                Ok(insert.execute((session, seq, at, to_json(&entry.change)))? > 0)
            })
            .collect()
    }
}
