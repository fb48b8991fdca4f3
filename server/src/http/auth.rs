//! Signing in and who is asking. The cookie is a random token; only its hash is kept.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, FromRef, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use model::{AgentId, AgentStatus};
use serde::{Deserialize, Serialize};
use session::api::AgentCommand;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::Web;
use super::body::Body;
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::clock;
use crate::secret;
use crate::store::{Role, User};

const COOKIE: &str = "tandem_session";
const CSRF_HEADER: &str = "x-tandem";
/// A use of the sign-in is noted at most this often: each note is a write.
const NOTE_EVERY: Duration = Duration::from_secs(60);
const MAX_LOGIN: usize = 64;
const MAX_PASSWORD: usize = 256;

/// Slows down guessing of passwords.
#[derive(Debug)]
pub struct Guard {
    accounts: DefaultKeyedRateLimiter<(String, IpAddr)>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    /// Verifying a password takes a core for a while; not all cores at once.
    verifying: Semaphore,
}

/// The user who makes the request. State-changing requests without the CSRF header do not get here.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub sign_in: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    login: String,
    password: String,
}

/// Who is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Me {
    pub agent: AgentId,
    pub login: String,
    pub name: String,
    pub roles: Vec<Role>,
    pub locale: String,
}

impl Default for Guard {
    fn default() -> Self {
        let burst = |count| NonZeroU32::new(count).expect("not zero");
        let slow = Quota::with_period(Duration::from_secs(10)).expect("not zero");
        Self {
            accounts: RateLimiter::keyed(slow.allow_burst(burst(10))),
            addresses: RateLimiter::keyed(Quota::per_second(burst(1)).allow_burst(burst(60))),
            verifying: Semaphore::new(2),
        }
    }
}

impl Guard {
    fn check(&self, login: &str, address: IpAddr) -> ApiResult<()> {
        let allowed = self.addresses.check_key(&address).is_ok()
            && self.accounts.check_key(&(login.to_owned(), address)).is_ok();
        if allowed {
            return Ok(());
        }
        let message = "Too many attempts. Please wait a little.";
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message))
    }

    /// Forgets keys that are at rest; to be called now and then.
    pub fn tidy(&self) {
        self.accounts.retain_recent();
        self.addresses.retain_recent();
    }
}

impl From<&User> for Me {
    fn from(user: &User) -> Self {
        Self {
            agent: user.id,
            login: user.login.clone(),
            name: user.name.clone(),
            roles: user.roles.clone(),
            locale: user.locale.clone(),
        }
    }
}

impl SignedIn {
    pub fn need(&self, roles: &[Role]) -> ApiResult<()> {
        if roles.iter().any(|role| self.user.is(*role)) { Ok(()) } else { Err(ApiError::forbidden()) }
    }

    /// Supervisors and administrators see what others did.
    pub fn sees_all(&self) -> bool {
        self.user.is(Role::Supervisor) || self.user.is(Role::Admin)
    }
}

impl<S> FromRequestParts<S> for SignedIn
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let app = App::from_ref(state);
        let token = token(&parts.headers).ok_or_else(ApiError::unauthenticated)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            check_csrf(&parts.headers)?;
        }
        let found = app.store.sign_in(&secret::token_hash(&token)).await?;
        let Some(sign_in) = found.filter(|sign_in| !app.is_expired(sign_in)) else {
            return Err(ApiError::unauthenticated());
        };
        let user = app.store.user(sign_in.user).await?.ok_or_else(ApiError::unauthenticated)?;
        let now = clock::wall();
        if now.saturating_since(sign_in.used) > NOTE_EVERY {
            app.store.use_sign_in(&sign_in.token_hash, now).await?;
        }
        Ok(Self { user, sign_in: sign_in.token_hash })
    }
}

/// Signs in; sets the cookie.
#[utoipa::path(post, path = "/api/v1/login", tag = "sign-in", request_body = Login, responses(
    (status = 200, body = Me), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn login(
    State(web): State<Web>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Body(given): Body<Login>,
) -> ApiResult<Response> {
    check_csrf(&headers)?;
    if given.login.chars().count() > MAX_LOGIN {
        return Err(ApiError::field("login", "too_long", format!("At most {MAX_LOGIN} characters.")));
    }
    if given.password.len() > MAX_PASSWORD {
        return Err(ApiError::field("password", "too_long", format!("At most {MAX_PASSWORD} bytes.")));
    }
    let login = given.login.trim().to_lowercase();
    web.guard.check(&login, peer.ip())?;
    let app = &web.app;
    let user = app.store.user_by_login(&login).await?;
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let verified = {
        let _turn = web.guard.verifying.acquire().await.map_err(|_| ApiError::unauthenticated())?;
        tokio::task::spawn_blocking(move || secret::verify_password(&given.password, hash.as_deref()))
            .await
            .unwrap_or(false)
    };
    let Some(user) = user.filter(|_| verified) else {
        tracing::warn!(login, address = %peer.ip(), "a sign-in was refused");
        let message = "The sign-in name or the password is wrong.";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", message));
    };
    let token = secret::new_token();
    let sign_in = secret::token_hash(&token);
    app.store.add_sign_in(&sign_in, user.id, clock::wall()).await?;
    tracing::info!(login, address = %peer.ip(), "signed in");
    let cookie = cookie(app, &token, app.config.http.sign_in_lifetime);
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::from(&user))).into_response())
}

/// Signs out everywhere the same cookie is used.
#[utoipa::path(post, path = "/api/v1/logout", tag = "sign-in", responses((status = 204), (status = 401, body = ErrorBody)))]
pub async fn logout(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Response> {
    app.end_sign_in(&signed_in.user.login, &signed_in.sign_in).await?;
    let user = &signed_in.user;
    let elsewhere = app.store.sign_ins().await?.iter().any(|sign_in| sign_in.user == user.id);
    if user.is(Role::Operator) && !elsewhere {
        // Whoever went home is offered nothing, not even on the desk phone that stays registered.
        let gone = AgentCommand::SetStatus { status: AgentStatus::SignedOut };
        if let Err(refusal) = app.commands.agent(user.id, gone).await {
            tracing::warn!(?refusal, login = user.login, "a signed-out operator could not be set signed out");
        }
    }
    let cookie = cookie(&app, "", Duration::ZERO);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/me", tag = "sign-in", responses((status = 200, body = Me), (status = 401, body = ErrorBody)))]
pub async fn me(signed_in: SignedIn) -> Json<Me> {
    Json(Me::from(&signed_in.user))
}

/// Refuses a page of another site: a browser sends the cookie along, but no foreign page may set the header, and a
/// WebSocket of one carries its own Origin.
pub fn check_same_origin(app: &App, headers: &HeaderMap) -> ApiResult<()> {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else {
        return Ok(());
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let same_host = origin.split_once("://").is_some_and(|(_, origin_host)| origin_host == host);
    if same_host || origin == app.public_url {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_origin", "This is not for pages of other sites."))
}

fn check_csrf(headers: &HeaderMap) -> ApiResult<()> {
    if headers.contains_key(CSRF_HEADER) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "csrf",
        "Requests that change something need the header X-Tandem: 1.",
    ))
}

fn token(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::COOKIE).iter().find_map(|value| {
        value.to_str().ok()?.split(';').find_map(|pair| {
            let (name, token) = pair.trim().split_once('=')?;
            (name == COOKIE && !token.is_empty()).then(|| token.to_owned())
        })
    })
}

fn cookie(app: &App, token: &str, lifetime: Duration) -> HeaderValue {
    let secure = if app.public_url.starts_with("https:") { "; Secure" } else { "" };
    let text = format!(
        "{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}",
        lifetime.as_secs()
    );
    HeaderValue::from_str(&text).expect("hex and fixed text")
}
