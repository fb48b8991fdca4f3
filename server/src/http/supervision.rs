//! Supervisors in the calls of operators. The operator's own conferences are commands of his desk.

use axum::Json;
use axum::extract::State;
use model::{SessionId, Supervision};
use serde::Deserialize;
use session::api::{AgentCommand, Reply};
use utoipa::ToSchema;

use super::auth::SignedIn;
use super::body::{Body, Id};
use super::error::{ApiResult, ErrorBody};
use crate::app::App;
use crate::store::Role;

const MAY: [Role; 2] = [Role::Supervisor, Role::Admin];

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Supervise {
    mode: Supervision,
}

/// Comes into the call, or is in it in another manner from now on. My phone rings; who is in the call notices nothing of a monitor,
/// the operator alone hears a whisper, and all hear whoever barges in. For supervisors and administrators.
#[utoipa::path(put, path = "/api/v1/sessions/{id}/supervision", tag = "supervision", request_body = Supervise, responses(
    (status = 200, body = Reply), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn supervise(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(session): Id<SessionId>,
    Body(Supervise { mode }): Body<Supervise>,
) -> ApiResult<Json<Reply>> {
    give(&app, &signed_in, AgentCommand::Supervise { session, mode }).await
}

/// Leaves the call; nobody in it is disturbed.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/supervision", tag = "supervision", responses(
    (status = 200, body = Reply), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn leave(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(session): Id<SessionId>,
) -> ApiResult<Json<Reply>> {
    give(&app, &signed_in, AgentCommand::StopSupervising { session }).await
}

/// Serves the customer of the call in which I am as a supervisor; its operator is out of it and wraps up.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/take-over", tag = "supervision", responses(
    (status = 200, body = Reply), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn take_over(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(session): Id<SessionId>,
) -> ApiResult<Json<Reply>> {
    give(&app, &signed_in, AgentCommand::TakeOver { session }).await
}

async fn give(app: &App, signed_in: &SignedIn, command: AgentCommand) -> ApiResult<Json<Reply>> {
    signed_in.need(&MAY)?;
    Ok(Json(app.commands.agent(signed_in.user.id, command).await?))
}
