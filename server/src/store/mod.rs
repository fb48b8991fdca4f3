//! Everything durable: a SQLite file, or a PostgreSQL database. The journal has one writer (`writer.rs`) with a thread and a connection of
//! its own (`ledger/`); accounts are written by the API; reads go over a pool. Invariants: what was acknowledged or shown to anybody was
//! committed and synced first. The statements are the same for both databases.

mod accounts;
mod bindings;
mod customers;
mod flows;
mod journal;
mod ledger;
mod newcomers;
mod pool;
mod project;
mod queue;
mod read;
mod records;
mod resolve;
mod value;
mod writer;

use std::str::FromStr;

use crate::config::Database;
use pool::{Pool, query};

pub use accounts::{Device, Encryption, Role, SignIn, User, UserChange};
pub use customers::{CustomerRow, LinkedIdentity};
pub use flows::TaskRow;
pub use read::{Page, RecordingRow, SessionFilter, SessionHead, SessionRow};
pub use writer::{Backlog, Work, Writer, Written};

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    database: Database,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("database migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("journal: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("journal: {}", postgres_says(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("PostgreSQL does not answer")]
    Silent,
    #[error("cannot start the journal's thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Something in a table that we did not write like this.
    #[error("the database holds a bad {what}: {value}")]
    Corrupt { what: &'static str, value: String },
}

impl Store {
    /// Opens or creates the database and brings its tables up to date.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        Ok(Self { pool: Pool::open(database).await?, database: database.clone() })
    }

    /// A value kept under a name, made by `make` the first time.
    pub async fn setting(&self, name: &str, make: impl FnOnce() -> String) -> Result<String, StoreError> {
        query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(make())
            .execute(&self.pool)
            .await?;
        let row =
            query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(&self.pool).await?;
        Ok(row.get("value"))
    }

    /// Whether reading works at all.
    pub async fn is_alive(&self) -> bool {
        query("SELECT 1").fetch_one(&self.pool).await.is_ok()
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Its own words say only that there was an error.
fn postgres_says(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(says) => says.to_string(),
        None => error.to_string(),
    }
}

fn parse<T: FromStr>(what: &'static str, value: &str) -> Result<T, StoreError> {
    value.parse().map_err(|_| StoreError::Corrupt { what, value: value.to_owned() })
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, value: &str) -> Result<T, StoreError> {
    serde_json::from_str(value).map_err(|_| StoreError::Corrupt { what, value: value.to_owned() })
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our own types serialise")
}

/// The word that serde writes for a plain enum variant, as the tables keep it.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => unreachable!("only plain enum variants are stored as words"),
    }
}

fn from_word<T: serde::de::DeserializeOwned>(what: &'static str, word: &str) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word.to_owned()))
        .map_err(|_| StoreError::Corrupt { what, value: word.to_owned() })
}
