//! The journal as statistics read it.

use std::collections::VecDeque;

use acd::statistics::Statistics;
use model::{AgentChange, Entry, Record, Timestamp};

use super::pool::query;
use super::{Store, StoreError, from_json, from_word, parse};

/// A wrap-up may be that much longer than its session.
const WRAP_UP_MICROS: i64 = 3_600_000_000;

impl Store {
    /// The latest that anything is known to have happened before this start.
    pub async fn last_sign_of_life(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = query(
            "SELECT (SELECT MAX(at_us) FROM agent_status) AS status, (SELECT MAX(opened_us) FROM sessions) AS opened, \
             (SELECT MAX(ended_us) FROM sessions) AS ended",
        )
        .fetch_one(&self.pool)
        .await?;
        let latest = ["status", "opened", "ended"].map(|column| row.get::<Option<i64>>(column));
        Ok(latest.into_iter().flatten().max().map(Timestamp::from_micros))
    }

    /// Adds everything that says something about the time from `from` to `to`, by time: sessions that were open in it, whole; what
    /// agents did in it, and how they were before.
    pub async fn count(
        &self,
        statistics: Statistics,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Statistics, StoreError> {
        let rows = query(
            "SELECT agent_id, at_us, status, set_by FROM agent_status WHERE (at_us >= $1 AND at_us < $2) \
             OR seq IN (SELECT MAX(seq) FROM agent_status WHERE at_us < $1 GROUP BY agent_id) ORDER BY seq",
        )
        .bind(from.as_micros())
        .bind(to.as_micros())
        .fetch_all(&self.pool)
        .await?;
        let mut statuses = VecDeque::with_capacity(rows.len());
        for row in rows {
            statuses.push_back(AgentChange {
                agent: parse("agent id", row.get("agent_id"))?,
                at: Timestamp::from_micros(row.get("at_us")),
                status: from_json("agent status", row.get("status"))?,
                by: from_word("side", row.get("set_by"))?,
            });
        }
        // What was said is most of the text, and counts nowhere.
        let sql = "SELECT j.session_id, j.seq, j.at_us, j.change FROM sessions s \
             JOIN journal j ON j.session_id = s.session_id \
             WHERE s.opened_us < ?2 AND (s.ended_us IS NULL OR s.ended_us >= ?1) AND j.at_us < ?2 \
             AND j.change NOT LIKE '{\"type\":\"message\"%' AND j.change NOT LIKE '{\"type\":\"step\"%' \
             ORDER BY j.at_us, j.session_id, j.seq";
        let values = vec![from.as_micros().saturating_sub(WRAP_UP_MICROS), to.as_micros()];
        let take = |(statistics, statuses): &mut (Statistics, VecDeque<AgentChange>), entry: Entry| {
            while let Some(change) = statuses.pop_front_if(|change| change.at <= entry.at) {
                statistics.add(&Record::Agent(change));
            }
            statistics.add(&Record::Session(entry));
        };
        let (mut statistics, statuses) = self.fold_entries(sql, values, (statistics, statuses), take).await?;
        for change in statuses {
            statistics.add(&Record::Agent(change));
        }
        Ok(statistics)
    }
}
