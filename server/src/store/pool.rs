//! The readers' connections: one way to ask, whatever the database. Parameters are written `$1`, `$2`, ….

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::StoreError;
use super::value::{Row, Value};
use crate::config::Database;

/// Nobody waits longer for a connection, nor for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of one question to PostgreSQL, in its own words.
const STATEMENT_TIMEOUT: &str = "25s";

#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// One statement with its values.
#[derive(Debug)]
pub(super) struct Query<'a> {
    sql: &'static str,
    values: Vec<Value<'a>>,
}

pub(super) fn query<'a>(sql: &'static str) -> Query<'a> {
    Query { sql, values: Vec::new() }
}

/// As sqlx takes it for either database.
macro_rules! bound {
    ($query:expr) => {{
        let mut bound = sqlx::query($query.sql);
        for value in &$query.values {
            bound = match value {
                Value::Text(text) => {
                    bound.bind(text.as_deref().map(|text| Value::without_nul(text).into_owned()))
                }
                Value::Key(key) => bound.bind(key.as_str().to_owned()),
                Value::Number(number) => bound.bind(*number),
            };
        }
        bound
    }};
}

impl<'a> Query<'a> {
    pub fn bind(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// How many rows it changed.
    pub async fn execute(self, pool: &Pool) -> Result<u64, StoreError> {
        Ok(match pool {
            Pool::Sqlite(pool) => bound!(self).execute(pool).await?.rows_affected(),
            Pool::Postgres(pool) => bound!(self).execute(pool).await?.rows_affected(),
        })
    }

    pub async fn fetch_all(self, pool: &Pool) -> Result<Vec<Row>, StoreError> {
        Ok(match pool {
            Pool::Sqlite(pool) => bound!(self).fetch_all(pool).await?.into_iter().map(Row::Sqlite).collect(),
            Pool::Postgres(pool) => {
                bound!(self).fetch_all(pool).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    pub async fn fetch_optional(self, pool: &Pool) -> Result<Option<Row>, StoreError> {
        Ok(match pool {
            Pool::Sqlite(pool) => bound!(self).fetch_optional(pool).await?.map(Row::Sqlite),
            Pool::Postgres(pool) => bound!(self).fetch_optional(pool).await?.map(Row::Postgres),
        })
    }

    pub async fn fetch_one(self, pool: &Pool) -> Result<Row, StoreError> {
        Ok(match pool {
            Pool::Sqlite(pool) => Row::Sqlite(bound!(self).fetch_one(pool).await?),
            Pool::Postgres(pool) => Row::Postgres(bound!(self).fetch_one(pool).await?),
        })
    }
}

impl Pool {
    /// Opens or creates the database and brings its tables up to date.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        match database {
            Database::Sqlite(file) => {
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    // In WAL mode NORMAL may lose the last commits in a power failure; an acknowledged message must not be lost.
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(PATIENCE);
                let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
                sqlx::migrate!("migrations/sqlite").run(&pool).await?;
                Ok(Self::Sqlite(pool))
            }
            Database::Postgres(url) => {
                let options: PgConnectOptions = url.reveal().parse()?;
                let options =
                    options.application_name("tandem").options([("statement_timeout", STATEMENT_TIMEOUT)]);
                let pool = PgPoolOptions::new()
                    .max_connections(4)
                    .acquire_timeout(PATIENCE)
                    .connect_with(options)
                    .await?;
                sqlx::migrate!("migrations/postgres").run(&pool).await?;
                Ok(Self::Postgres(pool))
            }
        }
    }

    /// All of the statements or none; how many rows each of them changed.
    pub async fn together(&self, statements: Vec<Query<'_>>) -> Result<Vec<u64>, StoreError> {
        let mut changed = Vec::with_capacity(statements.len());
        match self {
            Self::Sqlite(pool) => {
                // Not a deferred transaction: taking the write lock later could fail half-way with SQLITE_BUSY.
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                for statement in statements {
                    changed.push(bound!(statement).execute(&mut *transaction).await?.rows_affected());
                }
                transaction.commit().await?;
            }
            Self::Postgres(pool) => {
                let mut transaction = pool.begin().await?;
                for statement in statements {
                    changed.push(bound!(statement).execute(&mut *transaction).await?.rows_affected());
                }
                transaction.commit().await?;
            }
        }
        Ok(changed)
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
