use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use session::api::{AgentCommand, Reply};
use session::view::DeskView;

use super::auth::SignedIn;
use super::body::Body;
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::store::Role;

/// The desk as it was shown last.
#[utoipa::path(get, path = "/api/v1/desk", tag = "desk", responses(
    (status = 200, body = DeskView), (status = 404, body = ErrorBody)))]
pub async fn show(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<DeskView>> {
    app.hub.desk(signed_in.user.id).map(Json).ok_or_else(|| ApiError::not_found("desk"))
}

/// Gives a command. Answered when what follows from it is durable.
#[utoipa::path(post, path = "/api/v1/desk", tag = "desk", request_body = AgentCommand, responses(
    (status = 200, body = Reply), (status = 409, body = ErrorBody)))]
pub async fn command(
    State(app): State<App>,
    signed_in: SignedIn,
    Body(command): Body<AgentCommand>,
) -> ApiResult<Json<Reply>> {
    if matches!(command, AgentCommand::SetStatus { .. }) && !signed_in.user.is(Role::Operator) {
        let message = "Only operators are ready or not: nothing is offered to you.";
        return Err(ApiError::new(StatusCode::CONFLICT, "no_operator", message));
    }
    Ok(Json(app.commands.agent(signed_in.user.id, command).await?))
}
