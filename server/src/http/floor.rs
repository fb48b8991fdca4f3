//! Queues and operators.

use axum::Json;
use axum::extract::State;
use model::{AgentId, AgentStatus, QueueName, Timestamp};
use serde::Serialize;
use session::view::QueueStatus;
use utoipa::ToSchema;

use super::auth::SignedIn;
use super::error::ApiResult;
use crate::app::App;
use crate::store::{Role, User};

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AgentRow {
    pub agent: AgentId,
    pub name: String,
    pub login: String,
    pub status: AgentStatus,
    /// Since when; absent for one who never signed in.
    pub since: Option<Timestamp>,
    pub queues: Vec<QueueName>,
    /// He serves customers; else he is a supervisor or administrator, who comes into calls.
    pub operates: bool,
}

/// Every queue as it was shown last.
#[utoipa::path(get, path = "/api/v1/queues", tag = "floor", responses((status = 200, body = Vec<QueueStatus>)))]
pub async fn queues(State(app): State<App>, _signed_in: SignedIn) -> Json<Vec<QueueStatus>> {
    Json(statuses(&app))
}

/// Quiet until the engine has shown them.
pub fn statuses(app: &App) -> Vec<QueueStatus> {
    let quiet = |queue: &acd::api::QueueConfig| QueueStatus {
        name: queue.name.clone(),
        waiting: 0,
        longest_wait_seconds: 0,
        agents_ready: 0,
        estimated_wait_seconds: None,
        estimate_error_seconds: 0,
        estimates: 0,
    };
    app.hub.queues().unwrap_or_else(|| app.queues().iter().map(quiet).collect())
}

/// Everybody who has a phone, with his status.
#[utoipa::path(get, path = "/api/v1/agents", tag = "floor", responses((status = 200, body = Vec<AgentRow>)))]
pub async fn agents(State(app): State<App>, _signed_in: SignedIn) -> ApiResult<Json<Vec<AgentRow>>> {
    let statuses = app.hub.statuses();
    let users = app.store.users().await?;
    let rows = users.into_iter().filter(User::has_phone).map(|user| {
        let (status, since) = match statuses.get(&user.id) {
            Some((status, since)) => (status.clone(), Some(*since)),
            None => (AgentStatus::SignedOut, None),
        };
        let operates = user.is(Role::Operator);
        AgentRow {
            agent: user.id,
            name: user.name,
            login: user.login,
            status,
            since,
            queues: user.queues,
            operates,
        }
    });
    Ok(Json(rows.collect()))
}
