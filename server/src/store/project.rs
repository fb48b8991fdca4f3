//! The tables that follow from the journal. Invariant: nothing here fails because of what a record says, only because of
//! the disk, so a failed batch can be tried again as a whole.

use model::{Author, Change, Entry, Evidence, Identity, Medium, Message, Party, Record, Timestamp};
use rusqlite::{ToSql, Transaction, params};

use super::ledger::{Key, execute};
use super::resolve::{Link, link};
use super::{to_json, word};

type Db<'a> = Transaction<'a>;
type Result<T = ()> = rusqlite::Result<T>;

/// Appends the record and brings every table up to it.
pub fn append(db: &Db<'_>, record: &Record) -> Result {
    match record {
        Record::Session(entry) => append_entry(db, entry),
        Record::Agent(change) => {
            execute(
                db,
                "INSERT INTO agent_status (agent_id, at_us, status, set_by) VALUES (?1, ?2, ?3, ?4)",
                params![
                    Key::new(change.agent.0),
                    change.at.as_micros(),
                    to_json(&change.status),
                    word(&change.by)
                ],
            )?;
            Ok(())
        }
    }
}

fn append_entry(db: &Db<'_>, entry: &Entry) -> Result {
    let inserted = execute(
        db,
        "INSERT INTO journal (session_id, seq, at_us, change) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![Key::new(entry.session.0), seq(entry), entry.at.as_micros(), to_json(&entry.change)],
    )?;
    if inserted == 0 {
        tracing::error!(session = %entry.session, seq = entry.seq, "a journal entry came twice; the first one stands");
        return Ok(());
    }
    project(db, entry)
}

fn project(db: &Db<'_>, entry: &Entry) -> Result {
    let session = &Key::new(entry.session.0);
    let at = entry.at;
    match &entry.change {
        Change::SessionOpened { customer, entry, medium } => {
            execute(
                db,
                "INSERT INTO sessions (session_id, customer_id, entry, state, voice, chat, opened_us) \
                 VALUES (?1, ?2, ?3, 'flow', ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                params![
                    session,
                    Key::new(customer.0),
                    entry,
                    *medium == Medium::Voice,
                    *medium == Medium::Chat,
                    at.as_micros()
                ],
            )?;
        }
        Change::IdentityLinked { customer, identity, evidence } => {
            let how = Link { customer: *customer, evidence: *evidence, session: Some(entry.session), at };
            relink(db, identity, how)?;
        }
        Change::CustomerChanged { customer } => {
            set(
                db,
                "UPDATE sessions SET customer_id = ?2 WHERE session_id = ?1",
                session,
                Key::new(customer.0),
            )?;
        }
        Change::CustomerNamed { customer, name } => {
            set(db, "UPDATE customers SET name = ?2 WHERE customer_id = ?1", &Key::new(customer.0), name)?;
        }
        Change::LegOpened { leg, medium, party, address } => {
            let opened = Opened { leg: Key::new(leg.0), medium: *medium, party, address, at };
            leg_opened(db, session, opened)?;
        }
        Change::LegRinging { leg } => {
            moment(db, "UPDATE legs SET ringing_us = ?2 WHERE leg_id = ?1", Key::new(leg.0), at)?;
        }
        Change::LegAnswered { leg } => {
            moment(db, "UPDATE legs SET answered_us = ?2 WHERE leg_id = ?1", Key::new(leg.0), at)?;
        }
        Change::LegEnded { leg, ending } => {
            execute(
                db,
                "UPDATE legs SET ended_us = ?2, ending_cause = ?3, ending_by = ?4, ending_status = ?5 WHERE leg_id = ?1",
                params![
                    Key::new(leg.0),
                    at.as_micros(),
                    word(&ending.cause),
                    word(&ending.by),
                    ending.sip_status
                ],
            )?;
        }
        Change::Message { message } => message_said(db, entry, message)?,
        Change::Queued { queue, .. } => {
            set(
                db,
                "UPDATE sessions SET queue = ?2, state = 'waiting' WHERE session_id = ?1",
                session,
                &queue.0,
            )?;
        }
        Change::Dequeued { queue: _, why: _ } => {
            state(db, session, "flow", Some("waiting"))?;
        }
        Change::Offered { .. } => state(db, session, "offered", None)?,
        Change::OfferEnded { offer: _, agent: _, outcome: _ } => {
            state(db, session, "waiting", Some("offered"))?;
        }
        Change::OwnerChanged { agent: Some(agent) } => {
            let agent = Key::new(agent.0);
            set(
                db,
                "UPDATE sessions SET owner_id = ?2, state = 'active' WHERE session_id = ?1",
                session,
                &agent,
            )?;
            set(
                db,
                "INSERT INTO session_agents (session_id, agent_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                session,
                &agent,
            )?;
        }
        // An ended session keeps its last owner: it is his work.
        Change::OwnerChanged { agent: None } => {
            execute(
                db,
                "UPDATE sessions SET owner_id = NULL, state = 'waiting' WHERE session_id = ?1 AND ended_us IS NULL",
                params![session],
            )?;
        }
        Change::RecordingStarted { recording, file } => {
            execute(
                db,
                "INSERT INTO recordings (recording_id, session_id, file, started_us) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO NOTHING",
                params![Key::new(recording.0), session, file, at.as_micros()],
            )?;
        }
        Change::RecordingEnded { recording, millis }
        | Change::RecordingFailed { recording, millis, why: _ } => {
            execute(
                db,
                "UPDATE recordings SET millis = ?2 WHERE recording_id = ?1",
                params![Key::new(recording.0), i64::try_from(*millis).unwrap_or(i64::MAX)],
            )?;
        }
        Change::WrapUpStarted { agent: _ } => state(db, session, "wrap_up", None)?,
        Change::WrapUpEnded { agent: _, disposition, note } => {
            execute(
                db,
                "UPDATE sessions SET disposition = COALESCE(?2, disposition), note = COALESCE(?3, note), \
                 state = CASE WHEN ended_us IS NULL THEN state ELSE 'closed' END WHERE session_id = ?1",
                params![session, disposition, note],
            )?;
        }
        Change::MergedInto { session: other } => {
            set(
                db,
                "UPDATE sessions SET merged_into = ?2 WHERE session_id = ?1",
                session,
                Key::new(other.0),
            )?;
        }
        Change::SessionEnded { ending } => {
            execute(
                db,
                "UPDATE sessions SET ended_us = ?2, ending_cause = ?3, ending_by = ?4, ending_status = ?5, \
                 state = CASE state WHEN 'wrap_up' THEN state ELSE 'closed' END WHERE session_id = ?1",
                params![session, at.as_micros(), word(&ending.cause), word(&ending.by), ending.sip_status],
            )?;
        }
        // He waits, whatever became of his leg.
        Change::CallbackPromised { .. } | Change::CallbackTried { reached: false, again: Some(_) } => {
            state(db, session, "waiting", None)?;
        }
        // The timeline shows these from the journal itself.
        Change::CallbackTried { .. }
        | Change::CallbackWithdrawn
        | Change::RecordingPaused { .. }
        | Change::RecordingWanted { .. }
        | Change::LegHeld { .. }
        | Change::LegMuted { .. }
        | Change::LegTrouble { .. }
        | Change::LegQuality { .. }
        | Change::Delivered { .. }
        | Change::Read { .. }
        | Change::Step { .. }
        | Change::ContextSet { .. }
        | Change::Parked { .. }
        | Change::SetAside { .. }
        | Change::Supervised { .. }
        | Change::Escalated { .. } => {}
    }
    Ok(())
}

/// What a customer merely says about himself never takes an identity away from another customer.
fn relink(db: &Db<'_>, identity: &Identity, how: Link) -> Result {
    let proven = match how.evidence {
        Evidence::Stated => false,
        Evidence::Origin | Evidence::Code | Evidence::Token => true,
    };
    link(db, identity, how, proven)
}

struct Opened<'a> {
    leg: Key,
    medium: Medium,
    party: &'a Party,
    address: &'a str,
    at: Timestamp,
}

fn leg_opened(db: &Db<'_>, session: &Key, opened: Opened<'_>) -> Result {
    let (party, agent) = match opened.party {
        Party::Customer => ("customer", None),
        Party::Agent { agent } => ("agent", Some(Key::new(agent.0))),
        Party::External => ("external", None),
    };
    execute(
        db,
        "INSERT INTO legs (leg_id, session_id, medium, party, agent_id, address, opened_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        params![
            opened.leg,
            session,
            word(&opened.medium),
            party,
            agent,
            opened.address,
            opened.at.as_micros()
        ],
    )?;
    let used = match opened.medium {
        Medium::Voice => "UPDATE sessions SET voice = 1 WHERE session_id = ?1 AND voice = 0",
        Medium::Chat => "UPDATE sessions SET chat = 1 WHERE session_id = ?1 AND chat = 0",
    };
    execute(db, used, params![session])?;
    Ok(())
}

fn message_said(db: &Db<'_>, entry: &Entry, message: &Message) -> Result {
    let author = match &message.author {
        Author::Customer => "customer".to_owned(),
        Author::Agent { agent, name: _ } => agent.to_string(),
        Author::Flow => "flow".to_owned(),
        Author::System => "system".to_owned(),
    };
    execute(
        db,
        "INSERT INTO messages (session_id, seq, at_us, author, external_id, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT DO NOTHING",
        params![
            Key::new(entry.session.0),
            seq(entry),
            entry.at.as_micros(),
            author,
            &message.external_id,
            to_json(message)
        ],
    )?;
    Ok(())
}

fn state(db: &Db<'_>, session: &Key, to: &'static str, only_from: Option<&str>) -> Result {
    execute(
        db,
        "UPDATE sessions SET state = ?2 WHERE session_id = ?1 AND (?3 IS NULL OR state = ?3)",
        params![session, to, only_from],
    )?;
    Ok(())
}

fn set(db: &Db<'_>, sql: &'static str, key: &Key, value: impl ToSql) -> Result {
    execute(db, sql, params![key, value])?;
    Ok(())
}

fn moment(db: &Db<'_>, sql: &'static str, key: Key, at: Timestamp) -> Result {
    execute(db, sql, params![key, at.as_micros()])?;
    Ok(())
}

fn seq(entry: &Entry) -> i64 {
    i64::try_from(entry.seq).expect("no session has this many entries")
}
