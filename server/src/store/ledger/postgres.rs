//! The journal in PostgreSQL. A batch is three round trips, however much is in it: the entries go as one statement, and what follows
//! from them is sent without waiting for the answer to each.
//!
//! Invariants: nobody waits here longer than [`PATIENCE`] at a time. One server writes to a database: it holds an advisory lock.
//! A commit whose answer was not heard is looked up (`pg_xact_status`) before anything is written again.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::TryStreamExt;
use model::Entry;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, NoTls, Statement};

use super::super::StoreError;
use super::super::value::{Key, Value};
use super::super::{project, to_json};
use super::{Cell, Line, Tables};
use crate::config::PostgresUrl;

/// For the connection and for each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Any number; ours in every database.
const LOCK: i64 = 0x7461_6e64_656d;

#[derive(Debug)]
pub(in super::super) struct Connection {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    // Last: the client's end is told over it.
    runtime: Runtime,
}

/// The transaction whose end was not heard.
#[derive(Debug, Default)]
pub(super) struct Doubt(Option<String>);

/// The tables within a transaction, or outside of one for who only looks.
pub(super) struct Session<'a> {
    client: &'a Client,
    runtime: &'a Runtime,
    statements: &'a mut HashMap<&'static str, Statement>,
    /// Sent, and not answered yet; in order.
    sent: Vec<Sent<'a>>,
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;

impl Connection {
    pub fn open(url: &PostgresUrl) -> Result<Self, StoreError> {
        let mut config: tokio_postgres::Config = url.reveal().parse()?;
        config
            .application_name("tandem-journal")
            .connect_timeout(PATIENCE)
            .tcp_user_timeout(PATIENCE)
            .keepalives_idle(PATIENCE);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let opening = async {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::error!(%error, "the journal's connection to PostgreSQL has ended");
                    }
                });
                // A server that acknowledges what is not on its disk yet would make us do so.
                client
                    .batch_execute(
                        "SELECT set_config('synchronous_commit', 'on', false) \
                         WHERE current_setting('synchronous_commit') = 'off'; \
                         SET idle_in_transaction_session_timeout = '30s'; SET lock_timeout = '8s'",
                    )
                    .await?;
                client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
                Ok::<_, StoreError>(client)
            };
            tokio::time::timeout(PATIENCE, opening).await.map_err(|_| StoreError::Silent)?
        })?;
        Ok(Self { client, statements: HashMap::new(), runtime })
    }

    /// To read what is committed.
    pub(super) fn look(&mut self) -> Session<'_> {
        let Self { client, statements, runtime } = self;
        Session { client, runtime, statements, sent: Vec::new() }
    }

    /// Whether the transaction in doubt took place.
    pub(super) fn settle(&mut self, doubt: &mut Doubt) -> Result<bool, StoreError> {
        let Some(transaction) = &doubt.0 else { return Ok(false) };
        let sql = "SELECT pg_xact_status(CAST(CAST(?1 AS text) AS xid8))";
        let lines = self.look().rows(sql, &[Value::from(transaction)])?;
        let took_place = match lines.first().and_then(|line| line.maybe_text(0)) {
            Some("in progress") => return Err(StoreError::Silent),
            status => status == Some("committed"),
        };
        doubt.0 = None;
        Ok(took_place)
    }

    pub(super) fn commit<T>(
        &mut self,
        doubt: &mut Doubt,
        write: impl FnOnce(&mut dyn Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut session = self.look();
        let client = session.client;
        session.send(async move { client.batch_execute("BEGIN").await });
        let lines = session.rows("SELECT CAST(pg_current_xact_id() AS text)", &[])?;
        let transaction = lines.first().and_then(|line| line.maybe_text(0)).map(str::to_owned);
        let done = write(&mut session)?;
        // From here on it may take place.
        doubt.0 = transaction;
        session.send(async move { client.batch_execute("COMMIT").await });
        session.hear()?;
        doubt.0 = None;
        Ok(done)
    }
}

impl<'a> Session<'a> {
    fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        let answer = async { tokio::time::timeout(PATIENCE, answer).await };
        Ok(self.runtime.block_on(answer).map_err(|_| StoreError::Silent)??)
    }

    /// The order in which requests are polled first is the order in which they are sent.
    fn send(&mut self, request: impl Future<Output = Result<(), Error>> + 'a) {
        let mut request: Sent<'a> = Box::pin(request);
        match request.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            // It could not be sent; whoever waits for the others learns the same.
            Poll::Ready(ended) => self.sent.push(Box::pin(std::future::ready(ended))),
            Poll::Pending => self.sent.push(request),
        }
    }

    /// Until everything that was sent is answered.
    fn hear(&mut self) -> Result<(), StoreError> {
        let sent = std::mem::take(&mut self.sent);
        self.wait(async {
            // The first that failed says why; those behind it only that it did.
            for request in sent {
                request.await?;
            }
            Ok(())
        })
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(&sql.replace('?', "$")))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

impl Tables for Session<'_> {
    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<(), StoreError> {
        let statement = self.statement(sql)?;
        let client = self.client;
        let values: Vec<Value<'static>> = values.iter().map(Value::kept).collect();
        self.send(async move { client.execute_raw(&statement, values).await.map(drop) });
        Ok(())
    }

    fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Line>, StoreError> {
        let statement = self.statement(sql)?;
        let client = self.client;
        let mut answer =
            Box::pin(
                async move { client.query_raw(&statement, values).await?.try_collect::<Vec<_>>().await },
            );
        // Behind what was sent before, and without waiting for that first.
        let rows = match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(rows) => rows?,
            Poll::Pending => {
                self.hear()?;
                self.wait(answer)?
            }
        };
        rows.iter()
            .map(|row| {
                let cell = |(column, about): (usize, &tokio_postgres::Column)| {
                    Ok(match *about.type_() {
                        Type::INT8 => row.try_get::<_, Option<i64>>(column)?.map_or(Cell::Null, Cell::Number),
                        _ => row.try_get::<_, Option<String>>(column)?.map_or(Cell::Null, Cell::Text),
                    })
                };
                Ok(Line(row.columns().iter().enumerate().map(cell).collect::<Result<_, Error>>()?))
            })
            .collect()
    }

    fn append(&mut self, entries: &[&Entry]) -> Result<Vec<bool>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let statement = self.statement(
            "INSERT INTO journal (session_id, seq, at_us, change) SELECT * FROM UNNEST(CAST(?1 AS text[]), \
             CAST(?2 AS bigint[]), CAST(?3 AS bigint[]), CAST(?4 AS text[])) ON CONFLICT DO NOTHING \
             RETURNING session_id, seq",
        )?;
        let keys: Vec<Key> = entries.iter().map(|entry| Key::new(entry.session.0)).collect();
        let sessions: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let seqs: Vec<i64> = entries.iter().map(|entry| project::seq(entry)).collect();
        let times: Vec<i64> = entries.iter().map(|entry| entry.at.as_micros()).collect();
        let changes: Vec<String> = entries.iter().map(|entry| to_json(&entry.change)).collect();
        self.hear()?;
        let rows = self.wait(self.client.query(&statement, &[&sessions, &seqs, &times, &changes]))?;
        if rows.len() == entries.len() {
            return Ok(vec![true; rows.len()]);
        }
        let mut added: HashSet<(String, i64)> = HashSet::new();
        for row in &rows {
            added.insert((row.try_get(0)?, row.try_get(1)?));
        }
        // Of two with one number in one batch the first was added.
        Ok(sessions
            .iter()
            .zip(seqs)
            .map(|(session, seq)| added.remove(&((*session).to_owned(), seq)))
            .collect())
    }
}
