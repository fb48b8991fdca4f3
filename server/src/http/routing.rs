//! Sessions that wait, given to an operator out of turn.

use axum::Json;
use axum::extract::State;
use model::{AgentId, SessionId};
use serde::Deserialize;
use session::api::{AgentCommand, Reply};
use utoipa::ToSchema;

use super::auth::SignedIn;
use super::body::{Body, Id};
use super::error::{ApiResult, ErrorBody};
use crate::app::App;
use crate::store::Role;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The operator who shall serve the customer.
    agent: AgentId,
}

/// Takes a session that waits in one of my queues, whatever its place: it is offered to me at once.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/pick", tag = "routing", responses(
    (status = 200, body = Reply), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn pick(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(session): Id<SessionId>,
) -> ApiResult<Json<Reply>> {
    signed_in.need(&[Role::Operator])?;
    Ok(Json(app.commands.agent(signed_in.user.id, AgentCommand::Pick { session }).await?))
}

/// Gives a session that waits to an operator: it is offered to him at once. For supervisors and administrators.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/push", tag = "routing", request_body = Push, responses(
    (status = 200, body = Reply), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn push(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(session): Id<SessionId>,
    Body(Push { agent }): Body<Push>,
) -> ApiResult<Json<Reply>> {
    signed_in.need(&[Role::Supervisor, Role::Admin])?;
    let command = AgentCommand::Push { session, to: agent };
    Ok(Json(app.commands.agent(signed_in.user.id, command).await?))
}
