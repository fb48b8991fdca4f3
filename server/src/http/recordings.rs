use std::path::Path;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::RecordingId;
use serde::Deserialize;
use tower_http::services::ServeFile;
use utoipa::IntoParams;

use super::auth::SignedIn;
use super::body::{Id, Params};
use super::error::{ApiError, ApiResult, ErrorBody};
use super::sessions::page;
use crate::app::App;
use crate::recording;
use crate::store::RecordingRow;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordingQuery {
    limit: Option<u32>,
    before: Option<i64>,
}

/// Recordings, the newest first: an operator's own sessions, or all for supervisors.
#[utoipa::path(get, path = "/api/v1/recordings", tag = "history", params(RecordingQuery), responses(
    (status = 200, body = Vec<RecordingRow>)))]
pub async fn list(
    State(app): State<App>,
    signed_in: SignedIn,
    Params(query): Params<RecordingQuery>,
) -> ApiResult<Json<Vec<RecordingRow>>> {
    let agent = if signed_in.sees_all() { None } else { Some(signed_in.user.id) };
    Ok(Json(app.store.recordings(None, agent, page(query.limit, query.before)?).await?))
}

/// The WAV; ranges are supported.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/audio", tag = "history", responses(
    (status = 200, content_type = "audio/wav", body = [u8]), (status = 206), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
pub async fn audio(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id<RecordingId>,
    request: Request,
) -> ApiResult<Response> {
    let row = app.store.recording(id).await?.ok_or_else(|| ApiError::not_found("recording"))?;
    if !signed_in.sees_all() && !app.store.took_part(row.session, signed_in.user.id).await? {
        return Err(ApiError::forbidden());
    }
    let path = recording::file(&app.config.recording.folder, Path::new(&row.file));
    let path = path.ok_or_else(|| ApiError::not_found("recording"))?;
    let served = ServeFile::new(path).try_call(request).await;
    let mut response = served.map_err(|_| ApiError::not_found("file"))?.map(Body::new).into_response();
    if response.status() == axum::http::StatusCode::NOT_FOUND {
        return Err(ApiError::not_found("file"));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}
