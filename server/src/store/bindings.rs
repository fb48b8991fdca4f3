//! Registered phones, kept for the next start.

use model::Timestamp;
use rusqlite::{Transaction, params};
use sip_core::api::{BindingChange, SavedBinding, Transport};
use sqlx::Row;

use super::ledger::execute;
use super::{Store, StoreError, from_json, parse, to_json};

impl Store {
    /// The phones whose registrations have not expired; the others are forgotten.
    pub async fn bindings(&self, now: Timestamp) -> Result<Vec<SavedBinding>, StoreError> {
        sqlx::query("DELETE FROM bindings WHERE expires_us <= $1")
            .bind(now.as_micros())
            .execute(&self.pool)
            .await?;
        let rows = sqlx::query("SELECT * FROM bindings ORDER BY aor, contact").fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let number = |what, value: i64| {
                    u32::try_from(value).map_err(|_| StoreError::Corrupt { what, value: value.to_string() })
                };
                Ok(SavedBinding {
                    aor: row.try_get("aor")?,
                    username: row.try_get("username")?,
                    contact: row.try_get("contact")?,
                    instance: row.try_get("instance")?,
                    reg_id: row
                        .try_get::<Option<i64>, _>("reg_id")?
                        .map(|id| number("reg-id", id))
                        .transpose()?,
                    q: u16::try_from(row.try_get::<i64, _>("q")?).unwrap_or(1000).min(1000),
                    path: from_json("path", row.try_get("path")?)?,
                    call_id: row.try_get("call_id")?,
                    cseq: number("CSeq", row.try_get("cseq")?)?,
                    transport: transport(row.try_get("transport")?)?,
                    local: parse("address", row.try_get("local")?)?,
                    remote: parse("address", row.try_get("remote")?)?,
                    user_agent: row.try_get("user_agent")?,
                    expires: Timestamp::from_micros(row.try_get("expires_us")?),
                })
            })
            .collect()
    }
}

pub(super) fn change(db: &Transaction<'_>, change: &BindingChange) -> rusqlite::Result<()> {
    match change {
        BindingChange::Put(saved) => put(db, saved),
        BindingChange::Gone { aor, contact } => {
            execute(db, "DELETE FROM bindings WHERE aor = $1 AND contact = $2", params![aor, contact])?;
            Ok(())
        }
    }
}

fn put(db: &Transaction<'_>, saved: &SavedBinding) -> rusqlite::Result<()> {
    let values = params![
        saved.aor,
        saved.contact,
        saved.username,
        saved.instance,
        saved.reg_id,
        saved.q,
        to_json(&saved.path),
        saved.call_id,
        saved.cseq,
        word(saved.transport),
        saved.local.to_string(),
        saved.remote.to_string(),
        saved.user_agent,
        saved.expires.as_micros(),
    ];
    execute(
        db,
        "INSERT OR REPLACE INTO bindings (aor, contact, username, instance, reg_id, q, path, call_id, cseq, \
         transport, local, remote, user_agent, expires_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        values,
    )?;
    Ok(())
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}

fn transport(word: &str) -> Result<Transport, StoreError> {
    match word {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls),
        "ws" => Ok(Transport::Ws),
        "wss" => Ok(Transport::Wss),
        other => Err(StoreError::Corrupt { what: "transport", value: other.to_owned() }),
    }
}
