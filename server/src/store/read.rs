//! What the console lists.

use model::{AgentId, AgentStatus, CustomerId, Ending, Media, RecordingId, SessionId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::pool::query;
use super::value::Row;
use super::{Store, StoreError, from_json, from_word, parse};

/// One session as lists show it.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SessionRow {
    #[serde(flatten)]
    pub head: SessionHead,
    /// How many recordings there are.
    pub recordings: i64,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SessionHead {
    pub session: SessionId,
    pub customer: CustomerName,
    pub opened: Timestamp,
    pub ended: Option<Timestamp>,
    /// Every medium it used.
    pub media: Media,
    /// Where it came in, such as `sip:+74950000000`.
    pub entry: String,
    pub queue: Option<String>,
    pub owner: Option<AgentName>,
    pub ending: Option<Ending>,
    pub disposition: Option<String>,
    pub note: Option<String>,
    pub merged_into: Option<SessionId>,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CustomerName {
    pub customer: CustomerId,
    pub name: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AgentName {
    pub agent: AgentId,
    pub name: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct RecordingRow {
    pub recording: RecordingId,
    pub session: SessionId,
    pub customer: CustomerName,
    pub file: String,
    /// Unknown while it runs, and for one that a crash cut.
    pub millis: Option<i64>,
    pub started: Timestamp,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct SessionFilter {
    pub customer: Option<CustomerId>,
    pub open: Option<bool>,
    pub page: Page,
}

/// The newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    pub limit: u32,
    pub before: Option<Timestamp>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 100, before: None }
    }
}

macro_rules! sessions {
    ($condition:literal $(,)?) => {
        concat!(
            "SELECT s.*, c.name AS customer_name, u.name AS owner_name, \
             (SELECT COUNT(*) FROM recordings r WHERE r.session_id = s.session_id) AS recordings \
             FROM sessions s LEFT JOIN customers c ON c.customer_id = s.customer_id \
             LEFT JOIN users u ON u.user_id = s.owner_id WHERE ",
            $condition
        )
    };
}

impl Store {
    pub async fn sessions(&self, filter: &SessionFilter) -> Result<Vec<SessionRow>, StoreError> {
        let sql = sessions!(
            "($1 IS NULL OR s.customer_id = $1) AND ($2 IS NULL OR ($2 = 1) = (s.ended_us IS NULL)) \
             AND ($3 IS NULL OR s.opened_us < $3) ORDER BY s.opened_us DESC, s.session_id DESC LIMIT $4",
        );
        let rows = query(sql)
            .bind(filter.customer.map(|customer| customer.to_string()))
            .bind(filter.open)
            .bind(filter.page.before.map(Timestamp::as_micros))
            .bind(filter.page.limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(session_row).collect()
    }

    pub async fn session(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let row = query(sessions!("s.session_id = $1"))
            .bind(session.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(session_row).transpose()
    }

    /// Whether the operator has ever owned the session.
    pub async fn took_part(&self, session: SessionId, agent: AgentId) -> Result<bool, StoreError> {
        let found = query("SELECT agent_id FROM session_agents WHERE session_id = $1 AND agent_id = $2")
            .bind(session.to_string())
            .bind(agent.to_string())
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// Recordings, the newest first: of one session, of the sessions of one operator, or all.
    pub async fn recordings(
        &self,
        session: Option<SessionId>,
        agent: Option<AgentId>,
        page: Page,
    ) -> Result<Vec<RecordingRow>, StoreError> {
        let rows = query(
            "SELECT r.*, s.customer_id, c.name AS customer_name FROM recordings r \
             JOIN sessions s ON s.session_id = r.session_id LEFT JOIN customers c ON c.customer_id = s.customer_id \
             WHERE ($1 IS NULL OR r.session_id = $1) AND ($2 IS NULL OR EXISTS (SELECT 1 FROM session_agents a \
             WHERE a.session_id = r.session_id AND a.agent_id = $2)) AND ($3 IS NULL OR r.started_us < $3) \
             ORDER BY r.started_us DESC LIMIT $4",
        )
        .bind(session.map(|session| session.to_string()))
        .bind(agent.map(|agent| agent.to_string()))
        .bind(page.before.map(Timestamp::as_micros))
        .bind(page.limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(recording_row).collect()
    }

    pub async fn recording(&self, recording: RecordingId) -> Result<Option<RecordingRow>, StoreError> {
        let row = query(
            "SELECT r.*, s.customer_id, c.name AS customer_name FROM recordings r \
             JOIN sessions s ON s.session_id = r.session_id LEFT JOIN customers c ON c.customer_id = s.customer_id \
             WHERE r.recording_id = $1",
        )
        .bind(recording.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(recording_row).transpose()
    }

    /// The last status that the journal has of every agent.
    pub async fn agent_statuses(&self) -> Result<Vec<(AgentId, AgentStatus, Timestamp)>, StoreError> {
        let rows = query(
            "SELECT agent_id, status, at_us FROM agent_status \
             WHERE seq IN (SELECT MAX(seq) FROM agent_status GROUP BY agent_id) ORDER BY agent_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    parse("agent id", row.get("agent_id"))?,
                    from_json("agent status", row.get("status"))?,
                    Timestamp::from_micros(row.get("at_us")),
                ))
            })
            .collect()
    }
}

fn session_row(row: &Row) -> Result<SessionRow, StoreError> {
    let owner: Option<String> = row.get("owner_id");
    let owner = owner
        .map(|agent| {
            let name: Option<String> = row.get("owner_name");
            Ok::<_, StoreError>(AgentName {
                agent: parse("agent id", &agent)?,
                name: name.unwrap_or_default(),
            })
        })
        .transpose()?;
    let cause: Option<String> = row.get("ending_cause");
    let ending = cause
        .map(|cause| {
            Ok::<_, StoreError>(Ending {
                cause: from_word("cause", &cause)?,
                by: from_word("side", row.get("ending_by"))?,
                sip_status: row
                    .get::<Option<i64>>("ending_status")
                    .and_then(|status| u16::try_from(status).ok()),
                q850: None,
            })
        })
        .transpose()?;
    let merged: Option<String> = row.get("merged_into");
    let head = SessionHead {
        session: parse("session id", row.get("session_id"))?,
        customer: customer_name(row)?,
        opened: Timestamp::from_micros(row.get("opened_us")),
        ended: row.get::<Option<i64>>("ended_us").map(Timestamp::from_micros),
        media: Media { voice: row.flag("voice"), chat: row.flag("chat") },
        entry: row.get("entry"),
        queue: row.get("queue"),
        owner,
        ending,
        disposition: row.get("disposition"),
        note: row.get("note"),
        merged_into: merged.map(|session| parse("session id", &session)).transpose()?,
    };
    Ok(SessionRow { head, recordings: row.get("recordings") })
}

fn recording_row(row: &Row) -> Result<RecordingRow, StoreError> {
    Ok(RecordingRow {
        recording: parse("recording id", row.get("recording_id"))?,
        session: parse("session id", row.get("session_id"))?,
        customer: customer_name(row)?,
        file: row.get("file"),
        millis: row.get("millis"),
        started: Timestamp::from_micros(row.get("started_us")),
    })
}

fn customer_name(row: &Row) -> Result<CustomerName, StoreError> {
    Ok(CustomerName {
        customer: parse("customer id", row.get("customer_id"))?,
        name: row.get("customer_name"),
    })
}
