//! Whose contact this is, within the writer's transaction.

use model::{CustomerId, Evidence, Identity, SessionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use session::api::CustomerCard;

use super::customers::{columns, identity};
use super::ledger::{Key, execute};
use super::newcomers::Newcomer;
use super::{StoreError, parse, word};

/// How an identity comes to belong to a customer.
pub(super) struct Link {
    pub customer: CustomerId,
    pub evidence: Evidence,
    pub session: Option<SessionId>,
    pub at: Timestamp,
}

/// Links the identity, or strengthens its link to the same customer. A link to another customer is ended first when
/// `take_over`, and left as it is otherwise.
pub(super) fn link(
    db: &Transaction<'_>,
    identity: &Identity,
    how: Link,
    take_over: bool,
) -> rusqlite::Result<()> {
    let (kind, value) = columns(identity);
    let customer = Key::new(how.customer.0);
    let evidence = word(&how.evidence);
    if take_over {
        execute(
            db,
            "UPDATE identities SET ended_us = ?4 WHERE kind = ?1 AND value = ?2 AND customer_id <> ?3 AND ended_us IS NULL",
            params![kind, value, customer, how.at.as_micros()],
        )?;
        execute(
            db,
            "UPDATE identities SET evidence = ?4 \
             WHERE kind = ?1 AND value = ?2 AND customer_id = ?3 AND evidence = 'stated' AND ended_us IS NULL",
            params![kind, value, customer, evidence],
        )?;
    }
    execute(
        db,
        "INSERT INTO identities (kind, value, customer_id, evidence, session_id, linked_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        params![
            kind,
            value,
            customer,
            evidence,
            how.session.map(|session| Key::new(session.0)),
            how.at.as_micros()
        ],
    )?;
    Ok(())
}

/// The customer of these identities: of the first one that is known, or a new one. Those not known yet become his.
pub(super) fn resolve(
    db: &Transaction<'_>,
    at: Timestamp,
    identities: &[(Identity, Evidence)],
    name: Option<&str>,
) -> Result<CustomerCard, StoreError> {
    let known = owner(db, identities)?;
    let customer = match known {
        Some(customer) => {
            if name.is_some() {
                execute(
                    db,
                    "UPDATE customers SET name = ?2 WHERE customer_id = ?1 AND name IS NULL",
                    params![Key::new(customer.0), name],
                )?;
            }
            customer
        }
        None => {
            let customer = CustomerId::new(at, rand::random());
            create(db, customer, name, at)?;
            customer
        }
    };
    for (identity, evidence) in identities {
        let how = Link { customer, evidence: *evidence, session: None, at };
        link(db, identity, how, false)?;
    }
    match (known, identities) {
        // All that there is to know of him has just been written.
        (None, [] | [_]) => Ok(CustomerCard {
            customer,
            name: name.map(str::to_owned),
            identities: identities.iter().map(|(identity, _)| identity.clone()).collect(),
            earlier_sessions: 0,
        }),
        (Some(_), _) | (None, _) => card(db, customer),
    }
}

/// Writes down a customer of whom the engine has been told already.
pub(super) fn welcome(db: &Transaction<'_>, newcomer: &Newcomer) -> rusqlite::Result<()> {
    let Newcomer { customer, name, identity, at } = newcomer;
    create(db, *customer, name.as_deref(), *at)?;
    if let Some((identity, evidence)) = identity {
        let how = Link { customer: *customer, evidence: *evidence, session: None, at: *at };
        link(db, identity, how, false)?;
    }
    Ok(())
}

fn create(
    db: &Transaction<'_>,
    customer: CustomerId,
    name: Option<&str>,
    at: Timestamp,
) -> rusqlite::Result<()> {
    execute(
        db,
        "INSERT INTO customers (customer_id, name, created_us) VALUES (?1, ?2, ?3)",
        params![Key::new(customer.0), name, at.as_micros()],
    )?;
    Ok(())
}

/// The customer of this identity, if he is known.
pub(super) fn find(db: &Connection, identity: &Identity) -> Result<Option<CustomerCard>, StoreError> {
    let identity = [(identity.clone(), Evidence::Origin)];
    owner(db, &identity)?.map(|customer| card(db, customer)).transpose()
}

fn owner(db: &Connection, identities: &[(Identity, Evidence)]) -> Result<Option<CustomerId>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT customer_id FROM identities WHERE kind = ?1 AND value = ?2 AND ended_us IS NULL",
    )?;
    for (identity, _) in identities {
        let owner: Option<String> =
            select.query_row(columns(identity), |row| row.get("customer_id")).optional()?;
        if let Some(owner) = owner {
            return Ok(Some(parse("customer id", &owner)?));
        }
    }
    Ok(None)
}

/// What the engine wants to know of a customer.
fn card(db: &Connection, customer: CustomerId) -> Result<CustomerCard, StoreError> {
    let key = Key::new(customer.0);
    let name: Option<Option<String>> = db
        .prepare_cached("SELECT name FROM customers WHERE customer_id = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?;
    let earlier: u32 = db
        .prepare_cached("SELECT COUNT(*) FROM sessions WHERE customer_id = ?1")?
        .query_row([&key], |row| row.get(0))?;
    let mut select = db.prepare_cached(
        "SELECT kind, value FROM identities WHERE customer_id = ?1 AND ended_us IS NULL ORDER BY linked_us, kind, value",
    )?;
    let mut rows = select.query([&key])?;
    let mut identities = Vec::new();
    while let Some(row) = rows.next()? {
        identities.push(identity(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?);
    }
    Ok(CustomerCard { customer, name: name.flatten(), identities, earlier_sessions: earlier })
}
