//! Reading the journal back: timelines, backlogs of chats, and the open sessions after a restart.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use model::{CustomerId, Entry, Message, SessionId, Timestamp, VisitorId};
use session::api::{CustomerCard, RestoredSession};

use super::customers::identity;
use super::pool::{Pool, query};
use super::value::Row;
use super::{Store, StoreError, from_json, ledger, parse};
use crate::config::Database;

/// Their ids; each part has an index of its own.
macro_rules! open_sessions {
    () => {
        "SELECT session_id FROM sessions WHERE ended_us IS NULL \
         UNION SELECT session_id FROM sessions WHERE state = 'wrap_up' \
         UNION SELECT session_id FROM recordings WHERE millis IS NULL"
    };
}

impl Store {
    /// The entries of a session with a `seq` above `after`, in order.
    pub async fn entries(&self, session: SessionId, after: u64) -> Result<Vec<Entry>, StoreError> {
        let rows = query(
            "SELECT session_id, seq, at_us, change FROM journal WHERE session_id = $1 AND seq > $2 ORDER BY seq",
        )
        .bind(session.to_string())
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(entry).collect()
    }

    /// The messages of a session with a `seq` above `after`, in order: what was said since the visitor is in it. What somebody
    /// else wrote there before is not his to read.
    pub async fn messages(
        &self,
        session: SessionId,
        visitor: VisitorId,
        after: u64,
    ) -> Result<Vec<(u64, Timestamp, Message)>, StoreError> {
        let rows = query(
            "SELECT seq, at_us, message FROM messages WHERE session_id = $1 AND seq > $2 AND at_us >= \
             (SELECT MIN(opened_us) FROM legs WHERE session_id = $1 AND medium = 'chat' AND address = $3) ORDER BY seq",
        )
        .bind(session.to_string())
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(visitor.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let message = from_json("message", row.get("message"))?;
                Ok((row.get::<i64>("seq") as u64, Timestamp::from_micros(row.get("at_us")), message))
            })
            .collect()
    }

    /// Every session that has not ended or has a recording without an end, the oldest first, for the engine to take up again. However
    /// many they are, the database is asked four times.
    pub async fn open_sessions(&self) -> Result<Vec<RestoredSession>, StoreError> {
        let rows = query(concat!(
            "SELECT session_id, customer_id FROM sessions WHERE session_id IN (",
            open_sessions!(),
            ") ORDER BY opened_us, session_id"
        ))
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let sql = concat!(
            "SELECT session_id, seq, at_us, change FROM journal WHERE session_id IN (",
            open_sessions!(),
            ") ORDER BY session_id, seq"
        );
        let take = |journals: &mut HashMap<SessionId, Vec<Entry>>, entry: Entry| {
            journals.entry(entry.session).or_default().push(entry);
        };
        let mut journals = self.fold_entries(sql, Vec::new(), HashMap::new(), take).await?;
        let cards = self.cards_of_open_sessions().await?;
        rows.iter()
            .map(|row| {
                let session = parse("session id", row.get("session_id"))?;
                let customer = parse("customer id", row.get("customer_id"))?;
                let unknown =
                    || CustomerCard { customer, name: None, identities: Vec::new(), earlier_sessions: 1 };
                let mut customer = cards.get(&customer).cloned().unwrap_or_else(unknown);
                // The session itself is among those counted.
                customer.earlier_sessions = customer.earlier_sessions.saturating_sub(1);
                let entries = journals.remove(&session).unwrap_or_default();
                Ok(RestoredSession { customer, entries, recorded: Default::default() })
            })
            .collect()
    }

    async fn cards_of_open_sessions(&self) -> Result<HashMap<CustomerId, CustomerCard>, StoreError> {
        let customers = query(concat!(
            "SELECT customer_id, name, (SELECT COUNT(*) FROM sessions s WHERE s.customer_id = c.customer_id) AS earlier \
             FROM customers c WHERE customer_id IN (SELECT customer_id FROM sessions WHERE session_id IN (",
            open_sessions!(),
            "))"
        ))
        .fetch_all(&self.pool)
        .await?;
        let mut cards = HashMap::with_capacity(customers.len());
        for row in customers {
            let customer = parse("customer id", row.get("customer_id"))?;
            let earlier_sessions = u32::try_from(row.get::<i64>("earlier")).unwrap_or(u32::MAX);
            let card =
                CustomerCard { customer, name: row.get("name"), identities: Vec::new(), earlier_sessions };
            cards.insert(customer, card);
        }
        let identities = query(concat!(
            "SELECT customer_id, kind, value FROM identities WHERE ended_us IS NULL AND customer_id IN \
             (SELECT customer_id FROM sessions WHERE session_id IN (",
            open_sessions!(),
            ")) ORDER BY linked_us, kind, value"
        ))
        .fetch_all(&self.pool)
        .await?;
        for row in identities {
            if let Some(card) = cards.get_mut(&parse("customer id", row.get("customer_id"))?) {
                card.identities.push(identity(row.get("kind"), row.get("value"))?);
            }
        }
        Ok(cards)
    }

    /// Takes every entry that the statement gives (`session_id`, `seq`, `at_us` and `change`; its parameters written `?1`, `?2`, …) in
    /// its order, without keeping them all.
    pub(super) async fn fold_entries<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: Vec<i64>,
        mut state: T,
        take: fn(&mut T, Entry),
    ) -> Result<T, StoreError> {
        match (&self.pool, &self.database) {
            (Pool::Postgres(pool), _) => {
                let mut bound = sqlx::query(sqlx::AssertSqlSafe(sql.replace('?', "$")));
                for value in values {
                    bound = bound.bind(value);
                }
                let mut rows = bound.fetch(pool);
                while let Some(row) = rows.try_next().await? {
                    take(&mut state, entry(&Row::Postgres(row))?);
                }
                Ok(state)
            }
            // sqlx hands on row by row from thread to thread, which costs more than all the rest of a start.
            (Pool::Sqlite(_), Database::Sqlite(file)) => {
                let file = file.clone();
                let read = move || {
                    ledger::each_row(&file, sql, &values, |session, seq, at, change| {
                        let (session, change) =
                            (parse("session id", session)?, from_json("journal entry", change)?);
                        let at = Timestamp::from_micros(at);
                        take(&mut state, Entry { session, seq: seq as u64, at, change });
                        Ok(())
                    })?;
                    Ok(state)
                };
                let done = tokio::task::spawn_blocking(read).await;
                done.map_err(|error| StoreError::Thread(std::io::Error::other(error)))?
            }
            (Pool::Sqlite(_), Database::Postgres(_)) => unreachable!("the pool is of the database"),
        }
    }
}

pub(super) fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        session: parse("session id", row.get("session_id"))?,
        seq: row.get::<i64>("seq") as u64,
        at: Timestamp::from_micros(row.get("at_us")),
        change: from_json("journal entry", row.get("change"))?,
    })
}
