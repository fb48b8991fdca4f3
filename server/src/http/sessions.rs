use axum::Json;
use axum::extract::State;
use model::{CustomerId, Entry, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::SignedIn;
use super::body::{Id, Params};
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::store::{CustomerRow, Page, RecordingRow, SessionFilter, SessionHead, SessionRow};

const MAX_LIMIT: u32 = 500;

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenOrClosed {
    Open,
    Closed,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    customer: Option<CustomerId>,
    #[param(inline)]
    state: Option<OpenOrClosed>,
    /// 1 to 500; 100 when absent.
    limit: Option<u32>,
    /// Only sessions opened before this moment: the last row of the page before.
    before: Option<i64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntryQuery {
    /// Only entries with a greater `seq`.
    #[serde(default)]
    after: u64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CustomerQuery {
    /// Part of a name, number or address.
    #[serde(default)]
    q: String,
}

/// A session with its whole timeline.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct SessionDetail {
    #[serde(flatten)]
    pub session: SessionHead,
    pub entries: Vec<Entry>,
    pub recordings: Vec<RecordingRow>,
}

/// Sessions, the newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "history", params(SessionQuery), responses(
    (status = 200, body = Vec<SessionRow>)))]
pub async fn list(
    State(app): State<App>,
    _signed_in: SignedIn,
    Params(query): Params<SessionQuery>,
) -> ApiResult<Json<Vec<SessionRow>>> {
    let filter = SessionFilter {
        customer: query.customer,
        open: query.state.map(|state| match state {
            OpenOrClosed::Open => true,
            OpenOrClosed::Closed => false,
        }),
        page: page(query.limit, query.before)?,
    };
    Ok(Json(app.store.sessions(&filter).await?))
}

/// One session with its timeline and recordings.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "history", responses(
    (status = 200, body = SessionDetail), (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id<SessionId>,
) -> ApiResult<Json<SessionDetail>> {
    let session = app.store.session(id).await?.ok_or_else(|| ApiError::not_found("session"))?;
    let entries = app.store.entries(id, 0).await?;
    let agent = if signed_in.sees_all() { None } else { Some(signed_in.user.id) };
    let recordings = app.store.recordings(Some(id), agent, Page { limit: MAX_LIMIT, before: None }).await?;
    Ok(Json(SessionDetail { session: session.head, entries, recordings }))
}

/// The later part of a timeline.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/entries", tag = "history", params(EntryQuery), responses(
    (status = 200, body = Vec<Entry>), (status = 404, body = ErrorBody)))]
pub async fn entries(
    State(app): State<App>,
    _signed_in: SignedIn,
    Id(id): Id<SessionId>,
    Params(query): Params<EntryQuery>,
) -> ApiResult<Json<Vec<Entry>>> {
    app.store.session(id).await?.ok_or_else(|| ApiError::not_found("session"))?;
    Ok(Json(app.store.entries(id, query.after).await?))
}

/// Customers whose name, number or address holds the text.
#[utoipa::path(get, path = "/api/v1/customers", tag = "history", params(CustomerQuery), responses(
    (status = 200, body = Vec<CustomerRow>)))]
pub async fn customers(
    State(app): State<App>,
    _signed_in: SignedIn,
    Params(query): Params<CustomerQuery>,
) -> ApiResult<Json<Vec<CustomerRow>>> {
    Ok(Json(app.store.customers(query.q.trim()).await?))
}

/// One customer with his identities and sessions.
#[utoipa::path(get, path = "/api/v1/customers/{id}", tag = "history", responses(
    (status = 200, body = CustomerRow), (status = 404, body = ErrorBody)))]
pub async fn customer(
    State(app): State<App>,
    _signed_in: SignedIn,
    Id(id): Id<CustomerId>,
) -> ApiResult<Json<CustomerRow>> {
    app.store.customer(id).await?.map(Json).ok_or_else(|| ApiError::not_found("customer"))
}

pub fn page(limit: Option<u32>, before: Option<i64>) -> ApiResult<Page> {
    let limit = limit.unwrap_or(Page::default().limit);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(ApiError::field("limit", "out_of_range", format!("From 1 to {MAX_LIMIT}.")));
    }
    Ok(Page { limit, before: before.map(Timestamp::from_micros) })
}
