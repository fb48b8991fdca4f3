//! Registered phones, kept for the next start.

use model::Timestamp;
use sip_core::api::{BindingChange, SavedBinding, Transport};

use super::ledger::Tables;
use super::pool::query;
use super::value::values;
use super::{Store, StoreError, from_json, parse, to_json};

impl Store {
    /// The phones whose registrations have not expired; the others are forgotten.
    pub async fn bindings(&self, now: Timestamp) -> Result<Vec<SavedBinding>, StoreError> {
        query("DELETE FROM bindings WHERE expires_us <= $1")
            .bind(now.as_micros())
            .execute(&self.pool)
            .await?;
        let rows = query("SELECT * FROM bindings ORDER BY aor, contact").fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let number = |what, value: i64| {
                    u32::try_from(value).map_err(|_| StoreError::Corrupt { what, value: value.to_string() })
                };
                Ok(SavedBinding {
                    aor: row.get("aor"),
                    username: row.get("username"),
                    contact: row.get("contact"),
                    instance: row.get("instance"),
                    reg_id: row.get::<Option<i64>>("reg_id").map(|id| number("reg-id", id)).transpose()?,
                    q: u16::try_from(row.get::<i64>("q")).unwrap_or(1000).min(1000),
                    path: from_json("path", row.get("path"))?,
                    call_id: row.get("call_id"),
                    cseq: number("CSeq", row.get("cseq"))?,
                    transport: transport(row.get("transport"))?,
                    local: parse("address", row.get("local"))?,
                    remote: parse("address", row.get("remote"))?,
                    user_agent: row.get("user_agent"),
                    expires: Timestamp::from_micros(row.get("expires_us")),
                })
            })
            .collect()
    }
}

pub(super) fn change(db: &mut dyn Tables, change: &BindingChange) -> Result<(), StoreError> {
    match change {
        BindingChange::Put(saved) => put(db, saved),
        BindingChange::Gone { aor, contact } => remove(db, aor, contact),
    }
}

fn remove(db: &mut dyn Tables, aor: &str, contact: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM bindings WHERE aor = ?1 AND contact = ?2", values![aor, contact])
}

/// A contact may be longer than what PostgreSQL's indexes take, so the table has none that would keep it from being there twice.
fn put(db: &mut dyn Tables, saved: &SavedBinding) -> Result<(), StoreError> {
    remove(db, &saved.aor, &saved.contact)?;
    db.execute(
        "INSERT INTO bindings (aor, contact, username, instance, reg_id, q, path, call_id, cseq, transport, \
         local, remote, user_agent, expires_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        values![
            &saved.aor,
            &saved.contact,
            &saved.username,
            &saved.instance,
            saved.reg_id,
            saved.q,
            to_json(&saved.path),
            &saved.call_id,
            saved.cseq,
            word(saved.transport),
            saved.local.to_string(),
            saved.remote.to_string(),
            &saved.user_agent,
            saved.expires.as_micros(),
        ],
    )
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
