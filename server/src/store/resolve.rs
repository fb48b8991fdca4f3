//! Whose contact this is, within the writer's transaction.

use model::{CustomerId, Evidence, Identity, SessionId, Timestamp};
use session::api::CustomerCard;

use super::customers::{columns, identity};
use super::ledger::Tables;
use super::newcomers::Newcomer;
use super::value::{Key, values};
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
    db: &mut dyn Tables,
    identity: &Identity,
    how: Link,
    take_over: bool,
) -> Result<(), StoreError> {
    let (kind, value) = columns(identity);
    let value = value.as_str();
    let customer = Key::new(how.customer.0);
    let evidence = word(&how.evidence);
    let evidence = evidence.as_str();
    if take_over {
        db.execute("UPDATE identities SET ended_us = ?4 WHERE kind = ?1 AND value = ?2 AND customer_id <> ?3 AND ended_us IS NULL",
            values![kind, value, customer, how.at.as_micros()],
        )?;
        db.execute("UPDATE identities SET evidence = ?4 \
             WHERE kind = ?1 AND value = ?2 AND customer_id = ?3 AND evidence = 'stated' AND ended_us IS NULL",
            values![kind, value, customer, evidence],
        )?;
    }
    db.execute(
        "INSERT INTO identities (kind, value, customer_id, evidence, session_id, linked_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        values![
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
    db: &mut dyn Tables,
    at: Timestamp,
    identities: &[(Identity, Evidence)],
    name: Option<&str>,
) -> Result<CustomerCard, StoreError> {
    let known = owner(db, identities)?;
    let customer = match known {
        Some(customer) => {
            if name.is_some() {
                db.execute(
                    "UPDATE customers SET name = ?2 WHERE customer_id = ?1 AND name IS NULL",
                    values![Key::new(customer.0), name],
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
pub(super) fn welcome(db: &mut dyn Tables, newcomer: &Newcomer) -> Result<(), StoreError> {
    let Newcomer { customer, name, identity, at } = newcomer;
    create(db, *customer, name.as_deref(), *at)?;
    if let Some((identity, evidence)) = identity {
        let how = Link { customer: *customer, evidence: *evidence, session: None, at: *at };
        link(db, identity, how, false)?;
    }
    Ok(())
}

fn create(
    db: &mut dyn Tables,
    customer: CustomerId,
    name: Option<&str>,
    at: Timestamp,
) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO customers (customer_id, name, created_us) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        values![Key::new(customer.0), name, at.as_micros()],
    )?;
    Ok(())
}

/// The customer of this identity, if he is known.
pub(super) fn find(db: &mut dyn Tables, identity: &Identity) -> Result<Option<CustomerCard>, StoreError> {
    let identity = [(identity.clone(), Evidence::Origin)];
    owner(db, &identity)?.map(|customer| card(db, customer)).transpose()
}

fn owner(db: &mut dyn Tables, identities: &[(Identity, Evidence)]) -> Result<Option<CustomerId>, StoreError> {
    for (identity, _) in identities {
        let (kind, value) = columns(identity);
        let found = db.rows(
            "SELECT customer_id FROM identities WHERE kind = ?1 AND value = ?2 AND ended_us IS NULL",
            values![kind, value],
        )?;
        if let Some(owner) = found.first() {
            return Ok(Some(parse("customer id", owner.text(0)?)?));
        }
    }
    Ok(None)
}

/// What the engine wants to know of a customer.
fn card(db: &mut dyn Tables, customer: CustomerId) -> Result<CustomerCard, StoreError> {
    let key = Key::new(customer.0);
    let found = db.rows(
        "SELECT (SELECT name FROM customers WHERE customer_id = ?1), \
         (SELECT COUNT(*) FROM sessions WHERE customer_id = ?1)",
        values![key],
    )?;
    let known = found.first();
    let name = known.and_then(|known| known.maybe_text(0)).map(str::to_owned);
    let earlier = known.map_or(Ok(0), |known| known.number(1))?;
    let identities = db.rows(
        "SELECT kind, value FROM identities WHERE customer_id = ?1 AND ended_us IS NULL \
         ORDER BY linked_us, kind, value",
        values![key],
    )?;
    Ok(CustomerCard {
        customer,
        name,
        identities: identities
            .iter()
            .map(|row| identity(row.text(0)?, row.text(1)?))
            .collect::<Result<_, StoreError>>()?,
        earlier_sessions: u32::try_from(earlier).unwrap_or(u32::MAX),
    })
}
