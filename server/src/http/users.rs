//! User accounts, for administrators.

use acd::api::Capacity;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{AgentId, QueueName};
use serde::{Deserialize, Serialize};
use session::api::Routing;
use utoipa::ToSchema;

use super::auth::SignedIn;
use super::body::{Body, Id};
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::clock;
use crate::secret::{Ha1, hash_password};
use crate::store::{Device, Encryption, Role, SignIn, User, UserChange};

const LOCALES: [&str; 2] = ["ru", "en"];

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct UserRow {
    pub id: AgentId,
    pub login: String,
    pub name: String,
    pub roles: Vec<Role>,
    pub queues: Vec<QueueName>,
    pub capacity: CapacityBody,
    pub locale: String,
    pub encryption: Encryption,
    pub routing: Routing,
    /// Digest usernames of his desk phones. The address to register is always his login.
    pub sip_usernames: Vec<String>,
}

/// This many calls, or this many chats.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityBody {
    pub voice: u8,
    pub chat: u8,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 32 of a–z, 0–9, `.`, `_` and `-`; also the SIP user.
    login: String,
    name: String,
    /// 8 to 256 bytes. Without one the user cannot sign in.
    password: Option<String>,
    roles: Vec<Role>,
    #[serde(default)]
    queues: Vec<QueueName>,
    capacity: Option<CapacityBody>,
    locale: Option<String>,
    #[serde(default)]
    encryption: Encryption,
    #[serde(default)]
    routing: Routing,
    /// For a desk phone with the login as its username.
    sip_password: Option<String>,
}

/// What is absent stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    name: Option<String>,
    password: Option<String>,
    roles: Option<Vec<Role>>,
    queues: Option<Vec<QueueName>>,
    capacity: Option<CapacityBody>,
    locale: Option<String>,
    encryption: Option<Encryption>,
    routing: Option<Routing>,
    sip_password: Option<String>,
}

#[utoipa::path(get, path = "/api/v1/users", tag = "users", responses((status = 200, body = Vec<UserRow>)))]
pub async fn list(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<Vec<UserRow>>> {
    signed_in.need(&[Role::Admin])?;
    let devices = app.store.devices().await?;
    let users = app.store.users().await?;
    Ok(Json(users.into_iter().map(|user| row(user, &devices)).collect()))
}

#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser, responses(
    (status = 201, body = UserRow), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    signed_in: SignedIn,
    Body(new): Body<NewUser>,
) -> ApiResult<(StatusCode, Json<UserRow>)> {
    signed_in.need(&[Role::Admin])?;
    let login = new.login.trim().to_lowercase();
    if !is_login(&login) {
        let message = "1 to 32 of a–z, 0–9, `.`, `_` and `-`.";
        return Err(ApiError::field("login", "bad_value", message));
    }
    let patch = UserPatch {
        name: Some(new.name),
        password: new.password,
        roles: Some(new.roles),
        queues: Some(new.queues),
        capacity: new.capacity,
        locale: new.locale,
        encryption: Some(new.encryption),
        routing: Some(new.routing),
        sip_password: new.sip_password,
    };
    check(&app, &patch)?;
    let at = clock::wall();
    let user = User {
        id: AgentId::new(at, rand::random()),
        login,
        name: patch.name.unwrap_or_default().trim().to_owned(),
        password_hash: hashed(patch.password).await,
        roles: patch.roles.unwrap_or_default(),
        queues: patch.queues.unwrap_or_default(),
        capacity: patch.capacity.map_or(Capacity { voice: 1, chat: 3 }, Into::into),
        locale: patch.locale.unwrap_or_else(|| LOCALES[0].to_owned()),
        encryption: patch.encryption.unwrap_or_default(),
        routing: patch.routing.unwrap_or_default(),
    };
    if !app.store.add_user(&user, at).await? {
        let mut error = ApiError::field("login", "taken", "There is a user with this sign-in name.");
        error.set_status(StatusCode::CONFLICT);
        return Err(error);
    }
    app.set_agent(&user);
    set_sip_password(&app, &user, patch.sip_password).await?;
    tracing::info!(login = user.login, by = signed_in.user.login, "a user was added");
    let devices = app.store.devices().await?;
    Ok((StatusCode::CREATED, Json(row(user, &devices))))
}

#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", request_body = UserPatch, responses(
    (status = 200, body = UserRow), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn change(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id<AgentId>,
    Body(patch): Body<UserPatch>,
) -> ApiResult<Json<UserRow>> {
    signed_in.need(&[Role::Admin])?;
    check(&app, &patch)?;
    if id == signed_in.user.id && patch.roles.as_ref().is_some_and(|roles| !roles.contains(&Role::Admin)) {
        return Err(ApiError::field("roles", "own_role", "You cannot take the admin role from yourself."));
    }
    let roles_change = patch.roles.is_some();
    let change = UserChange {
        name: patch.name.map(|name| name.trim().to_owned()),
        password_hash: hashed(patch.password).await,
        roles: patch.roles,
        queues: patch.queues,
        capacity: patch.capacity.map(Into::into),
        locale: patch.locale,
        encryption: patch.encryption,
        routing: patch.routing,
    };
    let user = app.store.change_user(id, &change).await?.ok_or_else(|| ApiError::not_found("user"))?;
    set_sip_password(&app, &user, patch.sip_password).await?;
    let (sign_ins, devices) = (app.store.sign_ins().await?, app.store.devices().await?);
    app.user_changed(&user, &sign_ins, &devices);
    if change.password_hash.is_some() {
        // Whoever knew the old password is out.
        let his = |sign_in: &&SignIn| sign_in.user == id && sign_in.token_hash != signed_in.sign_in;
        for sign_in in sign_ins.iter().filter(his) {
            app.end_sign_in(&user.login, &sign_in.token_hash).await?;
        }
    }
    if roles_change {
        app.hub.cut_agent(id);
    }
    tracing::info!(login = user.login, by = signed_in.user.login, "a user was changed");
    Ok(Json(row(user, &devices)))
}

#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", responses(
    (status = 204), (status = 404, body = ErrorBody)))]
pub async fn remove(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id<AgentId>,
) -> ApiResult<StatusCode> {
    signed_in.need(&[Role::Admin])?;
    if id == signed_in.user.id {
        return Err(ApiError::new(StatusCode::CONFLICT, "own_account", "You cannot remove yourself."));
    }
    let user = app.store.user(id).await?.ok_or_else(|| ApiError::not_found("user"))?;
    let (sign_ins, devices) = (app.store.sign_ins().await?, app.store.devices().await?);
    app.store.remove_user(id, clock::wall()).await?;
    app.user_removed(&user, &sign_ins, &devices);
    tracing::info!(login = user.login, by = signed_in.user.login, "a user was removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Sign-in names are SIP user names, too.
pub fn is_login(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

fn check(app: &App, patch: &UserPatch) -> ApiResult<()> {
    if let Some(problem) = patch.routing.as_ref().and_then(Routing::problem) {
        return Err(ApiError::field("routing", "bad_value", problem));
    }
    if let Some(name) = &patch.name
        && (name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control))
    {
        return Err(ApiError::field("name", "bad_value", "1 to 100 characters on one line."));
    }
    for (field, password) in [("password", &patch.password), ("sip_password", &patch.sip_password)] {
        if let Some(password) = password
            && !(8..=256).contains(&password.len())
        {
            return Err(ApiError::field(field, "bad_value", "8 to 256 bytes."));
        }
    }
    if patch.roles.as_ref().is_some_and(Vec::is_empty) {
        return Err(ApiError::field("roles", "missing", "At least one role."));
    }
    let queues = app.queues();
    let known = |name: &QueueName| queues.iter().any(|queue| queue.name == *name);
    if let Some(unknown) = patch.queues.iter().flatten().find(|name| !known(name)) {
        return Err(ApiError::field("queues", "unknown_queue", format!("There is no queue `{unknown}`.")));
    }
    if let Some(CapacityBody { voice, chat }) = patch.capacity
        && (voice > 1 || chat > 20)
    {
        return Err(ApiError::field("capacity", "out_of_range", "At most 1 call, or 20 chats."));
    }
    if let Some(locale) = &patch.locale
        && !LOCALES.contains(&locale.as_str())
    {
        return Err(ApiError::field("locale", "unknown_locale", format!("One of: {}.", LOCALES.join(", "))));
    }
    Ok(())
}

async fn hashed(password: Option<String>) -> Option<String> {
    let password = password?;
    tokio::task::spawn_blocking(move || hash_password(&password)).await.ok()
}

async fn set_sip_password(app: &App, user: &User, password: Option<String>) -> ApiResult<()> {
    let Some(password) = password else { return Ok(()) };
    let realm = app.config.sip.domain.clone();
    let ha1 = Ha1::new(&user.login, &realm, &password);
    let device = Device {
        username: user.login.clone(),
        user: user.id,
        realm,
        ha1_md5: ha1.md5,
        ha1_sha256: ha1.sha256,
    };
    app.store.set_device(&device).await?;
    if user.has_phone() {
        app.open_device(user, &device);
    }
    Ok(())
}

fn row(user: User, devices: &[Device]) -> UserRow {
    let mine = devices.iter().filter(|device| device.user == user.id);
    UserRow {
        id: user.id,
        sip_usernames: mine.map(|device| device.username.clone()).collect(),
        login: user.login,
        name: user.name,
        roles: user.roles,
        queues: user.queues,
        capacity: CapacityBody { voice: user.capacity.voice, chat: user.capacity.chat },
        locale: user.locale,
        encryption: user.encryption,
        routing: user.routing,
    }
}

impl From<CapacityBody> for Capacity {
    fn from(body: CapacityBody) -> Self {
        Self { voice: body.voice, chat: body.chat }
    }
}
