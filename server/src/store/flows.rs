//! What flows look up, leave for people and are switched by.

use std::collections::BTreeSet;

use dialplans::api::Found;
use model::{AgentId, Identity, SessionId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::customers::columns;
use super::pool::query;
use super::{Store, StoreError, from_json, parse, to_json};

const SWITCHES: &str = "dialplan switches";

/// Work that a flow has left for people.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct TaskRow {
    pub session: SessionId,
    /// Of the journal's entry.
    pub seq: i64,
    /// A word of the flow's author, such as `callback`.
    pub kind: String,
    pub queue: Option<String>,
    pub text: String,
    pub created: Timestamp,
    pub due: Option<Timestamp>,
    pub done: Option<Timestamp>,
    /// Who did it, by name.
    pub done_by: Option<String>,
}

impl Store {
    /// What is known of the customer who has this identity.
    pub async fn customer_of(&self, identity: &Identity) -> Result<Option<Found>, StoreError> {
        let (kind, value) = columns(identity);
        let found =
            query("SELECT customer_id FROM identities WHERE kind = $1 AND value = $2 AND ended_us IS NULL")
                .bind(kind)
                .bind(value)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = found else { return Ok(None) };
        let Some(known) = self.customer(parse("customer id", row.get("customer_id"))?).await? else {
            return Ok(None);
        };
        let first = |wanted: fn(&Identity) -> Option<&String>| {
            known.identities.iter().find_map(|link| wanted(&link.identity)).cloned()
        };
        Ok(Some(Found {
            phone: first(|identity| match identity {
                Identity::Phone(number) => Some(number),
                Identity::Email(_) | Identity::Visitor(_) => None,
            }),
            email: first(|identity| match identity {
                Identity::Email(address) => Some(address),
                Identity::Phone(_) | Identity::Visitor(_) => None,
            }),
            sessions: u32::try_from(known.sessions.len()).unwrap_or(u32::MAX),
            name: known.name,
        }))
    }

    /// Those that are open, or all; the oldest first, five hundred at most.
    pub async fn tasks(&self, done_too: bool) -> Result<Vec<TaskRow>, StoreError> {
        let rows = query(
            "SELECT t.session_id, t.seq, t.kind, t.queue, t.text, t.created_us, t.due_us, t.done_us, u.name AS done_by \
             FROM tasks t LEFT JOIN users u ON u.user_id = t.done_by \
             WHERE t.done_us IS NULL OR $1 = 1 ORDER BY t.created_us LIMIT 500",
        )
        .bind(i64::from(done_too))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let time = |name| row.get::<Option<i64>>(name).map(Timestamp::from_micros);
                Ok(TaskRow {
                    session: parse("session id", row.get("session_id"))?,
                    seq: row.get("seq"),
                    kind: row.get("kind"),
                    queue: row.get("queue"),
                    text: row.get("text"),
                    created: Timestamp::from_micros(row.get("created_us")),
                    due: time("due_us"),
                    done: time("done_us"),
                    done_by: row.get("done_by"),
                })
            })
            .collect()
    }

    /// Whether there was such a task to be done.
    pub async fn task_done(
        &self,
        (session, seq): (SessionId, i64),
        by: AgentId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = query(
            "UPDATE tasks SET done_us = $3, done_by = $4 WHERE session_id = $1 AND seq = $2 AND done_us IS NULL",
        )
        .bind(session.to_string())
        .bind(seq)
        .bind(at.as_micros())
        .bind(by.to_string())
        .execute(&self.pool)
        .await?;
        Ok(done > 0)
    }

    /// The switches for emergencies that are on.
    pub async fn switches(&self) -> Result<BTreeSet<String>, StoreError> {
        let text = self.setting(SWITCHES, || "[]".to_owned()).await?;
        from_json("switches", &text)
    }

    pub async fn set_switches(&self, on: &BTreeSet<String>) -> Result<(), StoreError> {
        query(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(SWITCHES)
        .bind(to_json(on))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
