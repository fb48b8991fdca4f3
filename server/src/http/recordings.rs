use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use model::{RecordingId, SessionId};
use serde::Deserialize;
use session::api::Reply;
use tower_http::services::ServeFile;
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::auth::SignedIn;
use super::body::{Body, Id, Params};
use super::error::{ApiError, ApiResult, ErrorBody};
use super::sessions::page;
use crate::app::App;
use crate::recording::{self, Alarm, Peaks};
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

/// The WAV or Ogg Opus file; ranges are supported.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/audio", tag = "history", responses(
    (status = 200, content_type = "audio/wav", body = [u8]), (status = 206), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
pub async fn audio(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id<RecordingId>,
    request: Request,
) -> ApiResult<Response> {
    let (row, path) = may_hear(&app, &signed_in, id).await?;
    let served = ServeFile::new(path).try_call(request).await;
    let mut response =
        served.map_err(|_| ApiError::not_found("file"))?.map(axum::body::Body::new).into_response();
    if response.status() == axum::http::StatusCode::NOT_FOUND {
        return Err(ApiError::not_found("file"));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(recording::media_type(&row.file)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// How loud each party was over the length of an ended recording.
#[utoipa::path(get, path = "/api/v1/recordings/{id}/peaks", tag = "history", responses(
    (status = 200, body = Peaks), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn peaks(
    State(web): State<Web>,
    signed_in: SignedIn,
    Id(id): Id<RecordingId>,
) -> ApiResult<Json<Peaks>> {
    let (row, path) = may_hear(&web.app, &signed_in, id).await?;
    if row.millis.is_none() {
        return Err(ApiError::not_found("ended recording"));
    }
    let peaks = web.waveforms.of(id, path).await;
    let peaks = peaks.map_err(|error| {
        tracing::warn!(recording = %id, %error, "a recording cannot be read");
        ApiError::not_found("file")
    })?;
    Ok(Json(Peaks::clone(&peaks)))
}

/// Whether recordings fail just now; for supervisors and administrators.
#[utoipa::path(get, path = "/api/v1/recordings/alarm", tag = "history", responses(
    (status = 200, body = Option<Alarm>), (status = 403, body = ErrorBody)))]
pub async fn alarm(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<Option<Alarm>>> {
    if !signed_in.sees_all() {
        return Err(ApiError::forbidden());
    }
    Ok(Json(app.vitals.recordings.alarm()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    paused: bool,
}

/// A supervisor pauses the recording of a running session, or lets it go on: what is said in between is silence in the file. (Operators
/// do so at their desk.)
#[utoipa::path(post, path = "/api/v1/sessions/{id}/recording", tag = "floor", request_body = Pause, responses(
    (status = 200, body = Reply), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn pause(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(session): Id<SessionId>,
    Body(Pause { paused }): Body<Pause>,
) -> ApiResult<Json<Reply>> {
    if !signed_in.sees_all() {
        return Err(ApiError::forbidden());
    }
    let by = (signed_in.user.id, signed_in.user.name.clone());
    Ok(Json(app.commands.pause_recording(session, paused, by).await?))
}

/// The recording, if he may hear it: supervisors all, operators those of their own sessions.
async fn may_hear(app: &App, signed_in: &SignedIn, id: RecordingId) -> ApiResult<(RecordingRow, PathBuf)> {
    let row = app.store.recording(id).await?.ok_or_else(|| ApiError::not_found("recording"))?;
    if !signed_in.sees_all() && !app.store.took_part(row.session, signed_in.user.id).await? {
        return Err(ApiError::forbidden());
    }
    let path = recording::file(&app.config.recording.folder, Path::new(&row.file));
    Ok((row, path.ok_or_else(|| ApiError::not_found("recording"))?))
}
