//! The tables that follow from the journal. Invariant: nothing here fails because of what a record says, only because of
//! the disk, so a failed batch can be tried again as a whole.

use model::{AgentChange, Author, Change, Entry, Evidence, Identity, Medium, Message, Party, Timestamp};

use super::ledger::Tables;
use super::resolve::{Link, link};
use super::value::{Key, Value, values};
use super::{StoreError, to_json, word};

type Db<'a> = dyn Tables + 'a;
type Result = std::result::Result<(), StoreError>;

pub fn agent_changed(db: &mut Db<'_>, change: &AgentChange) -> Result {
    db.execute(
        "INSERT INTO agent_status (agent_id, at_us, status, set_by) VALUES (?1, ?2, ?3, ?4)",
        values![Key::new(change.agent.0), change.at.as_micros(), to_json(&change.status), word(&change.by)],
    )
}

/// Brings every table up to an entry that is new.
pub fn project(db: &mut Db<'_>, entry: &Entry) -> Result {
    let session = &Key::new(entry.session.0);
    let at = entry.at;
    match &entry.change {
        Change::SessionOpened { customer, entry, medium } => {
            db.execute(
                "INSERT INTO sessions (session_id, customer_id, entry, state, voice, chat, opened_us) \
                 VALUES (?1, ?2, ?3, 'flow', ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                values![
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
            db.execute("UPDATE legs SET ended_us = ?2, ending_cause = ?3, ending_by = ?4, ending_status = ?5 WHERE leg_id = ?1",
                values![
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
                &*queue.0,
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
                agent,
            )?;
            set(
                db,
                "INSERT INTO session_agents (session_id, agent_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                session,
                agent,
            )?;
        }
        // An ended session keeps its last owner: it is his work.
        Change::OwnerChanged { agent: None } => {
            db.execute("UPDATE sessions SET owner_id = NULL, state = 'waiting' WHERE session_id = ?1 AND ended_us IS NULL",
                values![session],
            )?;
        }
        Change::RecordingStarted { recording, file } => {
            db.execute(
                "INSERT INTO recordings (recording_id, session_id, file, started_us) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO NOTHING",
                values![Key::new(recording.0), session, file, at.as_micros()],
            )?;
        }
        Change::RecordingEnded { recording, millis }
        | Change::RecordingFailed { recording, millis, why: _ } => {
            db.execute(
                "UPDATE recordings SET millis = ?2 WHERE recording_id = ?1",
                values![Key::new(recording.0), i64::try_from(*millis).unwrap_or(i64::MAX)],
            )?;
        }
        Change::TaskLeft { kind, queue, text, due } => {
            db.execute(
                "INSERT INTO tasks (session_id, seq, kind, queue, text, created_us, due_us) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                values![
                    session,
                    i64::try_from(entry.seq).unwrap_or(i64::MAX),
                    kind,
                    queue.as_ref().map(|queue| &*queue.0),
                    text,
                    at.as_micros(),
                    due.map(Timestamp::as_micros)
                ],
            )?;
        }
        Change::WrapUpStarted { agent: _ } => state(db, session, "wrap_up", None)?,
        Change::WrapUpEnded { agent: _, disposition, note } => {
            db.execute(
                "UPDATE sessions SET disposition = COALESCE(?2, disposition), note = COALESCE(?3, note), \
                 state = CASE WHEN ended_us IS NULL THEN state ELSE 'closed' END WHERE session_id = ?1",
                values![session, disposition, note],
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
            db.execute(
                "UPDATE sessions SET ended_us = ?2, ending_cause = ?3, ending_by = ?4, ending_status = ?5, \
                 state = CASE state WHEN 'wrap_up' THEN state ELSE 'closed' END WHERE session_id = ?1",
                values![session, at.as_micros(), word(&ending.cause), word(&ending.by), ending.sip_status],
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
        | Change::Escalated { .. }
        | Change::Transferred { .. } => {}
    }
    Ok(())
}

/// What a customer merely says about himself never takes an identity away from another customer.
fn relink(db: &mut Db<'_>, identity: &Identity, how: Link) -> Result {
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

fn leg_opened(db: &mut Db<'_>, session: &Key, opened: Opened<'_>) -> Result {
    let (party, agent) = match opened.party {
        Party::Customer => ("customer", None),
        Party::Agent { agent } => ("agent", Some(Key::new(agent.0))),
        Party::External => ("external", None),
    };
    db.execute(
        "INSERT INTO legs (leg_id, session_id, medium, party, agent_id, address, opened_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        values![
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
    db.execute(used, values![session])?;
    Ok(())
}

fn message_said(db: &mut Db<'_>, entry: &Entry, message: &Message) -> Result {
    let author = match &message.author {
        Author::Customer => "customer".to_owned(),
        Author::Agent { agent, name: _ } => agent.to_string(),
        Author::Flow => "flow".to_owned(),
        Author::System => "system".to_owned(),
    };
    db.execute("INSERT INTO messages (session_id, seq, at_us, author, external_id, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT DO NOTHING",
        values![
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

fn state(db: &mut Db<'_>, session: &Key, to: &'static str, only_from: Option<&str>) -> Result {
    match only_from {
        None => db.execute("UPDATE sessions SET state = ?2 WHERE session_id = ?1", values![session, to]),
        Some(from) => db.execute(
            "UPDATE sessions SET state = ?2 WHERE session_id = ?1 AND state = ?3",
            values![session, to, from],
        ),
    }
}

fn set<'a>(db: &mut Db<'_>, sql: &'static str, key: &Key, value: impl Into<Value<'a>>) -> Result {
    db.execute(sql, &[Value::from(key), value.into()])?;
    Ok(())
}

fn moment(db: &mut Db<'_>, sql: &'static str, key: Key, at: Timestamp) -> Result {
    db.execute(sql, values![key, at.as_micros()])?;
    Ok(())
}

pub fn seq(entry: &Entry) -> i64 {
    i64::try_from(entry.seq).expect("no session has this many entries")
}
