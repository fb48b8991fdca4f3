//! User accounts, their sign-ins and desk phones, and the visitors of the chat. Secrets are stored hashed.

use acd::api::Capacity;
use model::{AgentId, QueueName, Timestamp, VisitorId};
use serde::{Deserialize, Serialize};
use session::api::Routing;
use utoipa::ToSchema;

use super::pool::query;
use super::value::Row;
use super::{Store, StoreError, from_json, parse, to_json};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Operator,
    Supervisor,
    Admin,
}

/// Whether the calls of somebody's desk phones are encrypted (SRTP): never, when the phone asks for it, when it can, always, always
/// with keys by DTLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    Refused,
    #[default]
    Accepted,
    Offered,
    Required,
    RequiredDtls,
}

impl From<Encryption> for media::api::Encryption {
    fn from(encryption: Encryption) -> Self {
        match encryption {
            Encryption::Refused => Self::Refused,
            Encryption::Accepted => Self::Accepted,
            Encryption::Offered => Self::Offered,
            Encryption::Required => Self::Required,
            Encryption::RequiredDtls => Self::RequiredDtls,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub id: AgentId,
    pub login: String,
    pub name: String,
    /// PHC string of argon2id; without one the user cannot sign in.
    pub password_hash: Option<String>,
    pub roles: Vec<Role>,
    pub queues: Vec<QueueName>,
    pub capacity: Capacity,
    pub locale: String,
    pub encryption: Encryption,
    pub routing: Routing,
}

/// What an administrator changes; `None` leaves it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserChange {
    pub name: Option<String>,
    pub password_hash: Option<String>,
    pub roles: Option<Vec<Role>>,
    pub queues: Option<Vec<QueueName>>,
    pub capacity: Option<Capacity>,
    pub locale: Option<String>,
    pub encryption: Option<Encryption>,
    pub routing: Option<Routing>,
}

/// The digest account of a desk phone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    pub username: String,
    pub user: AgentId,
    pub realm: String,
    pub ha1_md5: String,
    pub ha1_sha256: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignIn {
    pub token_hash: String,
    pub user: AgentId,
    pub used: Timestamp,
}

impl User {
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Operators serve customers on it; supervisors and administrators come into their calls.
    pub fn has_phone(&self) -> bool {
        [Role::Operator, Role::Supervisor, Role::Admin].iter().any(|role| self.is(*role))
    }
}

impl Store {
    /// False when the login is taken.
    pub async fn add_user(&self, user: &User, at: Timestamp) -> Result<bool, StoreError> {
        let inserted = query(
            "INSERT INTO users (user_id, login, name, password_hash, roles, queues, voice_capacity, chat_capacity, \
             locale, encryption, created_us, routing) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
        )
        .bind(user.id.to_string())
        .bind(&user.login)
        .bind(&user.name)
        .bind(&user.password_hash)
        .bind(to_json(&user.roles))
        .bind(to_json(&user.queues))
        .bind(user.capacity.voice)
        .bind(user.capacity.chat)
        .bind(&user.locale)
        .bind(to_json(&user.encryption))
        .bind(at.as_micros())
        .bind(to_json(&user.routing))
        .execute(&self.pool)
        .await?;
        Ok(inserted > 0)
    }

    /// The user as he is after the change; `None` when there is no such user.
    pub async fn change_user(&self, id: AgentId, change: &UserChange) -> Result<Option<User>, StoreError> {
        query(
            "UPDATE users SET name = COALESCE($2, name), password_hash = COALESCE($3, password_hash), \
             roles = COALESCE($4, roles), queues = COALESCE($5, queues), voice_capacity = COALESCE($6, voice_capacity), \
             chat_capacity = COALESCE($7, chat_capacity), locale = COALESCE($8, locale), \
             encryption = COALESCE($9, encryption), routing = COALESCE($10, routing) \
             WHERE user_id = $1 AND removed_us IS NULL",
        )
        .bind(id.to_string())
        .bind(&change.name)
        .bind(&change.password_hash)
        .bind(change.roles.as_ref().map(to_json))
        .bind(change.queues.as_ref().map(to_json))
        .bind(change.capacity.map(|capacity| capacity.voice))
        .bind(change.capacity.map(|capacity| capacity.chat))
        .bind(&change.locale)
        .bind(change.encryption.as_ref().map(to_json))
        .bind(change.routing.as_ref().map(to_json))
        .execute(&self.pool)
        .await?;
        self.user(id).await
    }

    /// Takes the account, its sign-ins and its devices away; what it did stays. False when there is no such user.
    pub async fn remove_user(&self, id: AgentId, at: Timestamp) -> Result<bool, StoreError> {
        let key = id.to_string();
        let removed = query("UPDATE users SET removed_us = $2 WHERE user_id = $1 AND removed_us IS NULL")
            .bind(&key)
            .bind(at.as_micros());
        let sign_ins = query("DELETE FROM sign_ins WHERE user_id = $1").bind(&key);
        let devices = query("DELETE FROM devices WHERE user_id = $1").bind(&key);
        let changed = self.pool.together(vec![removed, sign_ins, devices]).await?;
        Ok(changed.first().is_some_and(|removed| *removed > 0))
    }

    pub async fn user(&self, id: AgentId) -> Result<Option<User>, StoreError> {
        let row = query("SELECT * FROM users WHERE user_id = $1 AND removed_us IS NULL")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(user).transpose()
    }

    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        let row = query("SELECT * FROM users WHERE login = $1 AND removed_us IS NULL")
            .bind(login)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(user).transpose()
    }

    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let rows = query("SELECT * FROM users WHERE removed_us IS NULL ORDER BY login")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(user).collect()
    }

    /// Replaces the account of the same username.
    pub async fn set_device(&self, device: &Device) -> Result<(), StoreError> {
        query(
            "INSERT INTO devices (username, user_id, realm, ha1_md5, ha1_sha256) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (username) DO UPDATE SET user_id = excluded.user_id, realm = excluded.realm, \
             ha1_md5 = excluded.ha1_md5, ha1_sha256 = excluded.ha1_sha256",
        )
        .bind(&device.username)
        .bind(device.user.to_string())
        .bind(&device.realm)
        .bind(&device.ha1_md5)
        .bind(&device.ha1_sha256)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let rows = query("SELECT * FROM devices ORDER BY username").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(Device {
                    username: row.get("username"),
                    user: parse("user id", row.get("user_id"))?,
                    realm: row.get("realm"),
                    ha1_md5: row.get("ha1_md5"),
                    ha1_sha256: row.get("ha1_sha256"),
                })
            })
            .collect()
    }

    pub async fn add_sign_in(&self, token_hash: &str, id: AgentId, at: Timestamp) -> Result<(), StoreError> {
        query("INSERT INTO sign_ins (token_hash, user_id, created_us, used_us) VALUES ($1, $2, $3, $3)")
            .bind(token_hash)
            .bind(id.to_string())
            .bind(at.as_micros())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn sign_in(&self, token_hash: &str) -> Result<Option<SignIn>, StoreError> {
        let row = query("SELECT token_hash, user_id, used_us FROM sign_ins WHERE token_hash = $1")
            .bind(token_hash)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(sign_in).transpose()
    }

    pub async fn sign_ins(&self) -> Result<Vec<SignIn>, StoreError> {
        let rows = query("SELECT token_hash, user_id, used_us FROM sign_ins ORDER BY token_hash")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(sign_in).collect()
    }

    pub async fn use_sign_in(&self, token_hash: &str, at: Timestamp) -> Result<(), StoreError> {
        query("UPDATE sign_ins SET used_us = $2 WHERE token_hash = $1")
            .bind(token_hash)
            .bind(at.as_micros())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn remove_sign_in(&self, token_hash: &str) -> Result<(), StoreError> {
        query("DELETE FROM sign_ins WHERE token_hash = $1").bind(token_hash).execute(&self.pool).await?;
        Ok(())
    }

    pub async fn add_visitor(
        &self,
        visitor: VisitorId,
        token_hash: &str,
        account: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        query("INSERT INTO visitors (visitor_id, token_hash, account, created_us) VALUES ($1, $2, $3, $4)")
            .bind(visitor.to_string())
            .bind(token_hash)
            .bind(account)
            .bind(at.as_micros())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn visitor(&self, token_hash: &str) -> Result<Option<VisitorId>, StoreError> {
        let row = query("SELECT visitor_id FROM visitors WHERE token_hash = $1")
            .bind(token_hash)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| parse("visitor id", row.get("visitor_id"))).transpose()
    }
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: parse("user id", row.get("user_id"))?,
        login: row.get("login"),
        name: row.get("name"),
        password_hash: row.get("password_hash"),
        roles: from_json("list of roles", row.get("roles"))?,
        queues: from_json("list of queues", row.get("queues"))?,
        capacity: Capacity { voice: capacity(row, "voice_capacity")?, chat: capacity(row, "chat_capacity")? },
        locale: row.get("locale"),
        encryption: from_json("rule of encryption", row.get("encryption"))?,
        routing: from_json("routing of a user", row.get("routing"))?,
    })
}

fn capacity<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T, StoreError> {
    let number: i64 = row.get(column);
    T::try_from(number).map_err(|_| StoreError::Corrupt { what: "capacity", value: number.to_string() })
}

fn sign_in(row: &Row) -> Result<SignIn, StoreError> {
    Ok(SignIn {
        token_hash: row.get("token_hash"),
        user: parse("user id", row.get("user_id"))?,
        used: Timestamp::from_micros(row.get("used_us")),
    })
}
