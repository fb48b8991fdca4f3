//! Reading the journal back: timelines, backlogs of chats, and the open sessions after a restart.

use model::{Entry, Message, SessionId, Timestamp, VisitorId};
use session::api::RestoredSession;

use super::customers::card;
use super::pool::query;
use super::value::Row;
use super::{Store, StoreError, from_json, parse};

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

    /// Every session that has not ended or has a recording without an end, the oldest first, for the engine to take up again.
    pub async fn open_sessions(&self) -> Result<Vec<RestoredSession>, StoreError> {
        let rows = query(
            "SELECT session_id, customer_id FROM sessions WHERE ended_us IS NULL OR state = 'wrap_up' \
             OR session_id IN (SELECT session_id FROM recordings WHERE millis IS NULL) ORDER BY opened_us, session_id",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut sessions = Vec::with_capacity(rows.len());
        for row in rows {
            let session = parse("session id", row.get("session_id"))?;
            let mut customer = card(&self.pool, parse("customer id", row.get("customer_id"))?).await?;
            // The session itself is among those counted.
            customer.earlier_sessions = customer.earlier_sessions.saturating_sub(1);
            let entries = self.entries(session, 0).await?;
            sessions.push(RestoredSession { customer, entries, recorded: Default::default() });
        }
        Ok(sessions)
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
