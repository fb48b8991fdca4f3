//! The tables that follow from the journal. Invariant: nothing here fails because of what a record says, only because of
//! the disk, so a failed batch can be tried again as a whole.

use model::{Author, Change, Entry, Evidence, Identity, Medium, Message, Party, Record, Timestamp};
use sqlx::SqliteConnection;

use super::customers::{Link, link};
use super::{to_json, word};

type Result<T = ()> = std::result::Result<T, sqlx::Error>;

/// Appends the record and brings every table up to it.
pub async fn append(db: &mut SqliteConnection, record: &Record) -> Result {
    match record {
        Record::Session(entry) => append_entry(db, entry).await,
        Record::Agent(change) => {
            sqlx::query("INSERT INTO agent_status (agent_id, at_us, status, set_by) VALUES ($1, $2, $3, $4)")
                .bind(change.agent.to_string())
                .bind(change.at.as_micros())
                .bind(to_json(&change.status))
                .bind(word(&change.by))
                .execute(db)
                .await?;
            Ok(())
        }
    }
}

async fn append_entry(db: &mut SqliteConnection, entry: &Entry) -> Result {
    let inserted = sqlx::query(
        "INSERT INTO journal (session_id, seq, at_us, change) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(entry.session.to_string())
    .bind(seq(entry))
    .bind(entry.at.as_micros())
    .bind(to_json(&entry.change))
    .execute(&mut *db)
    .await?;
    if inserted.rows_affected() == 0 {
        tracing::error!(session = %entry.session, seq = entry.seq, "a journal entry came twice; the first one stands");
        return Ok(());
    }
    project(db, entry).await
}

async fn project(db: &mut SqliteConnection, entry: &Entry) -> Result {
    let session = entry.session.to_string();
    let at = entry.at;
    match &entry.change {
        Change::SessionOpened { customer, entry, medium } => {
            sqlx::query(
                "INSERT INTO sessions (session_id, customer_id, entry, state, voice, chat, opened_us) \
                 VALUES ($1, $2, $3, 'flow', $4, $5, $6) ON CONFLICT DO NOTHING",
            )
            .bind(session)
            .bind(customer.to_string())
            .bind(entry)
            .bind(*medium == Medium::Voice)
            .bind(*medium == Medium::Chat)
            .bind(at.as_micros())
            .execute(db)
            .await?;
        }
        Change::IdentityLinked { customer, identity, evidence } => {
            let how = Link { customer: *customer, evidence: *evidence, session: Some(entry.session), at };
            relink(db, identity, how).await?;
        }
        Change::CustomerChanged { customer } => {
            set(
                db,
                "UPDATE sessions SET customer_id = $2 WHERE session_id = $1",
                &session,
                &customer.to_string(),
            )
            .await?;
        }
        Change::CustomerNamed { customer, name } => {
            set(db, "UPDATE customers SET name = $2 WHERE customer_id = $1", &customer.to_string(), name)
                .await?;
        }
        Change::LegOpened { leg, medium, party, address } => {
            let opened = Opened { leg: leg.to_string(), medium: *medium, party, address, at };
            leg_opened(db, &session, opened).await?;
        }
        Change::LegRinging { leg } => {
            moment(db, "UPDATE legs SET ringing_us = $2 WHERE leg_id = $1", &leg.to_string(), at).await?;
        }
        Change::LegAnswered { leg } => {
            moment(db, "UPDATE legs SET answered_us = $2 WHERE leg_id = $1", &leg.to_string(), at).await?;
        }
        Change::LegEnded { leg, ending } => {
            sqlx::query(
                "UPDATE legs SET ended_us = $2, ending_cause = $3, ending_by = $4, ending_status = $5 WHERE leg_id = $1",
            )
            .bind(leg.to_string())
            .bind(at.as_micros())
            .bind(word(&ending.cause))
            .bind(word(&ending.by))
            .bind(ending.sip_status)
            .execute(db)
            .await?;
        }
        Change::Message { message } => message_said(db, entry, message).await?,
        Change::Queued { queue, priority: _, since: _ } => {
            set(
                db,
                "UPDATE sessions SET queue = $2, state = 'waiting' WHERE session_id = $1",
                &session,
                &queue.0,
            )
            .await?;
        }
        Change::Dequeued { queue: _, why: _ } => {
            state(db, &session, "flow", Some("waiting")).await?;
        }
        Change::Offered { offer: _, agent: _, queue: _ } => state(db, &session, "offered", None).await?,
        Change::OfferEnded { offer: _, agent: _, outcome: _ } => {
            state(db, &session, "waiting", Some("offered")).await?;
        }
        Change::OwnerChanged { agent: Some(agent) } => {
            let agent = agent.to_string();
            set(
                db,
                "UPDATE sessions SET owner_id = $2, state = 'active' WHERE session_id = $1",
                &session,
                &agent,
            )
            .await?;
            set(
                db,
                "INSERT INTO session_agents (session_id, agent_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                &session,
                &agent,
            )
            .await?;
        }
        // An ended session keeps its last owner: it is his work.
        Change::OwnerChanged { agent: None } => {
            sqlx::query(
                "UPDATE sessions SET owner_id = NULL, state = 'waiting' WHERE session_id = $1 AND ended_us IS NULL",
            )
            .bind(session)
            .execute(db)
            .await?;
        }
        Change::RecordingStarted { recording, file } => {
            sqlx::query(
                "INSERT INTO recordings (recording_id, session_id, file, started_us) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(recording.to_string())
            .bind(session)
            .bind(file)
            .bind(at.as_micros())
            .execute(db)
            .await?;
        }
        Change::RecordingEnded { recording, millis } => {
            sqlx::query("UPDATE recordings SET millis = $2 WHERE recording_id = $1")
                .bind(recording.to_string())
                .bind(i64::try_from(*millis).unwrap_or(i64::MAX))
                .execute(db)
                .await?;
        }
        Change::WrapUpStarted { agent: _ } => state(db, &session, "wrap_up", None).await?,
        Change::WrapUpEnded { agent: _, disposition, note } => {
            sqlx::query(
                "UPDATE sessions SET disposition = COALESCE($2, disposition), note = COALESCE($3, note), \
                 state = CASE WHEN ended_us IS NULL THEN state ELSE 'closed' END WHERE session_id = $1",
            )
            .bind(session)
            .bind(disposition)
            .bind(note)
            .execute(db)
            .await?;
        }
        Change::MergedInto { session: other } => {
            set(
                db,
                "UPDATE sessions SET merged_into = $2 WHERE session_id = $1",
                &session,
                &other.to_string(),
            )
            .await?;
        }
        Change::SessionEnded { ending } => {
            sqlx::query(
                "UPDATE sessions SET ended_us = $2, ending_cause = $3, ending_by = $4, ending_status = $5, \
                 state = CASE state WHEN 'wrap_up' THEN state ELSE 'closed' END WHERE session_id = $1",
            )
            .bind(session)
            .bind(at.as_micros())
            .bind(word(&ending.cause))
            .bind(word(&ending.by))
            .bind(ending.sip_status)
            .execute(db)
            .await?;
        }
        // The timeline shows these from the journal itself.
        Change::LegHeld { .. }
        | Change::LegMuted { .. }
        | Change::Delivered { .. }
        | Change::Read { .. }
        | Change::Step { .. }
        | Change::ContextSet { .. }
        | Change::Escalated { .. } => {}
    }
    Ok(())
}

/// What a customer merely says about himself never takes an identity away from another customer.
async fn relink(db: &mut SqliteConnection, identity: &Identity, how: Link) -> Result {
    let proven = match how.evidence {
        Evidence::Stated => false,
        Evidence::Origin | Evidence::Code | Evidence::Token => true,
    };
    link(db, identity, how, proven).await
}

struct Opened<'a> {
    leg: String,
    medium: Medium,
    party: &'a Party,
    address: &'a str,
    at: Timestamp,
}

async fn leg_opened(db: &mut SqliteConnection, session: &str, opened: Opened<'_>) -> Result {
    let (party, agent) = match opened.party {
        Party::Customer => ("customer", None),
        Party::Agent { agent } => ("agent", Some(agent.to_string())),
        Party::External => ("external", None),
    };
    sqlx::query(
        "INSERT INTO legs (leg_id, session_id, medium, party, agent_id, address, opened_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(opened.leg)
    .bind(session)
    .bind(word(&opened.medium))
    .bind(party)
    .bind(agent)
    .bind(opened.address)
    .bind(opened.at.as_micros())
    .execute(&mut *db)
    .await?;
    let used = match opened.medium {
        Medium::Voice => "UPDATE sessions SET voice = 1 WHERE session_id = $1 AND voice = 0",
        Medium::Chat => "UPDATE sessions SET chat = 1 WHERE session_id = $1 AND chat = 0",
    };
    sqlx::query(used).bind(session).execute(db).await?;
    Ok(())
}

async fn message_said(db: &mut SqliteConnection, entry: &Entry, message: &Message) -> Result {
    let author = match &message.author {
        Author::Customer => "customer".to_owned(),
        Author::Agent { agent, name: _ } => agent.to_string(),
        Author::Flow => "flow".to_owned(),
        Author::System => "system".to_owned(),
    };
    sqlx::query(
        "INSERT INTO messages (session_id, seq, at_us, author, external_id, message) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT DO NOTHING",
    )
    .bind(entry.session.to_string())
    .bind(seq(entry))
    .bind(entry.at.as_micros())
    .bind(author)
    .bind(&message.external_id)
    .bind(to_json(message))
    .execute(db)
    .await?;
    Ok(())
}

async fn state(
    db: &mut SqliteConnection,
    session: &str,
    to: &'static str,
    only_from: Option<&str>,
) -> Result {
    sqlx::query("UPDATE sessions SET state = $2 WHERE session_id = $1 AND ($3 IS NULL OR state = $3)")
        .bind(session)
        .bind(to)
        .bind(only_from)
        .execute(db)
        .await?;
    Ok(())
}

async fn set(db: &mut SqliteConnection, sql: &'static str, key: &str, value: &str) -> Result {
    sqlx::query(sql).bind(key).bind(value).execute(db).await?;
    Ok(())
}

async fn moment(db: &mut SqliteConnection, sql: &'static str, key: &str, at: Timestamp) -> Result {
    sqlx::query(sql).bind(key).bind(at.as_micros()).execute(db).await?;
    Ok(())
}

fn seq(entry: &Entry) -> i64 {
    i64::try_from(entry.seq).expect("no session has this many entries")
}
