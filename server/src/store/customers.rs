use model::{CustomerId, Evidence, Identity, Timestamp, VisitorId};
use serde::Serialize;
use utoipa::ToSchema;

use super::pool::{Pool, query};
use super::{SessionFilter, SessionRow, Store, StoreError, from_word, parse};

/// A customer with all that is known of him.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CustomerRow {
    pub customer: CustomerId,
    pub name: Option<String>,
    pub identities: Vec<LinkedIdentity>,
    pub sessions: Vec<SessionRow>,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LinkedIdentity {
    pub identity: Identity,
    pub evidence: Evidence,
    pub linked: Timestamp,
}

/// `None`: there is no such customer.
async fn name(db: &Pool, customer: CustomerId) -> Result<Option<Option<String>>, StoreError> {
    let row = query("SELECT name FROM customers WHERE customer_id = $1")
        .bind(customer.to_string())
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| row.get("name")))
}

impl Store {
    pub async fn customer(&self, customer: CustomerId) -> Result<Option<CustomerRow>, StoreError> {
        let Some(name) = name(&self.pool, customer).await? else { return Ok(None) };
        let identities = linked(&self.pool, customer).await?;
        let filter = SessionFilter { customer: Some(customer), ..SessionFilter::default() };
        let sessions = self.sessions(&filter).await?;
        Ok(Some(CustomerRow { customer, name, identities, sessions }))
    }

    /// Customers whose name or identity holds the text; the newest first, fifty at most. Without sessions.
    pub async fn customers(&self, text: &str) -> Result<Vec<CustomerRow>, StoreError> {
        let pattern = format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        let rows = query(
            "SELECT customer_id, name FROM customers c WHERE LOWER(name) LIKE LOWER($1) ESCAPE '\\' OR EXISTS (\
             SELECT 1 FROM identities i WHERE i.customer_id = c.customer_id AND i.ended_us IS NULL \
             AND i.kind <> 'visitor' AND LOWER(i.value) LIKE LOWER($1) ESCAPE '\\') ORDER BY created_us DESC LIMIT 50",
        )
        .bind(pattern)
        .fetch_all(&self.pool)
        .await?;
        let mut customers = Vec::with_capacity(rows.len());
        for row in rows {
            let customer = parse("customer id", row.get("customer_id"))?;
            let identities = linked(&self.pool, customer).await?;
            customers.push(CustomerRow { customer, name: row.get("name"), identities, sessions: Vec::new() });
        }
        Ok(customers)
    }
}

async fn linked(db: &Pool, customer: CustomerId) -> Result<Vec<LinkedIdentity>, StoreError> {
    let rows = query(
        "SELECT kind, value, evidence, linked_us FROM identities \
         WHERE customer_id = $1 AND ended_us IS NULL ORDER BY linked_us, kind, value",
    )
    .bind(customer.to_string())
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(LinkedIdentity {
                identity: identity(row.get("kind"), row.get("value"))?,
                evidence: from_word("evidence", row.get("evidence"))?,
                linked: Timestamp::from_micros(row.get("linked_us")),
            })
        })
        .collect()
}

pub(super) fn columns(identity: &Identity) -> (&'static str, String) {
    match identity {
        Identity::Phone(number) => ("phone", number.clone()),
        Identity::Email(address) => ("email", address.clone()),
        Identity::Visitor(visitor) => ("visitor", visitor.to_string()),
    }
}

pub(super) fn identity(kind: &str, value: &str) -> Result<Identity, StoreError> {
    match kind {
        "phone" => Ok(Identity::Phone(value.to_owned())),
        "email" => Ok(Identity::Email(value.to_owned())),
        "visitor" => Ok(Identity::Visitor(parse::<VisitorId>("visitor id", value)?)),
        _ => Err(StoreError::Corrupt { what: "kind of identity", value: kind.to_owned() }),
    }
}
