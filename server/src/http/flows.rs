//! What flows leave for people, and the switches that they look at.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use model::SessionId;
use serde::{Deserialize, Serialize};
use session::api::AdminCommand;
use utoipa::{IntoParams, ToSchema};

use super::auth::SignedIn;
use super::body::Body;
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::clock;
use crate::store::{Role, StoreError, TaskRow};

/// Switches that may be on at once.
const MOST_ON: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
pub struct TaskFilter {
    /// Those that are done, too.
    #[serde(default)]
    all: bool,
}

/// Open tasks, the oldest first.
#[utoipa::path(get, path = "/api/v1/tasks", tag = "tasks", params(TaskFilter), responses(
    (status = 200, body = Vec<TaskRow>)))]
pub async fn tasks(
    State(app): State<App>,
    signed_in: SignedIn,
    Query(filter): Query<TaskFilter>,
) -> ApiResult<Json<Vec<TaskRow>>> {
    signed_in.need(&[Role::Operator, Role::Supervisor, Role::Admin])?;
    Ok(Json(app.store.tasks(filter.all).await?))
}

/// Somebody has done it.
#[utoipa::path(post, path = "/api/v1/tasks/{session}/{seq}/done", tag = "tasks", responses(
    (status = 204), (status = 404, body = ErrorBody)))]
pub async fn task_done(
    State(app): State<App>,
    signed_in: SignedIn,
    Path((session, seq)): Path<(SessionId, i64)>,
) -> ApiResult<StatusCode> {
    signed_in.need(&[Role::Operator, Role::Supervisor, Role::Admin])?;
    match app.store.task_done((session, seq), signed_in.user.id, clock::wall()).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("task")),
    }
}

/// A switch for emergencies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SwitchRow {
    pub name: String,
    pub on: bool,
    /// The flows in force that look at it; none for one that was left on.
    pub flows: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchTo {
    on: bool,
}

#[utoipa::path(get, path = "/api/v1/dialplans/switches", tag = "dialplans", responses(
    (status = 200, body = Vec<SwitchRow>)))]
pub async fn switches(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<Vec<SwitchRow>>> {
    signed_in.need(&[Role::Supervisor, Role::Admin])?;
    Ok(Json(rows(&app).await?))
}

/// Turns it: at once for everybody who comes to it from now on.
#[utoipa::path(post, path = "/api/v1/dialplans/switches/{name}", tag = "dialplans", request_body = SwitchTo, responses(
    (status = 200, body = Vec<SwitchRow>), (status = 404, body = ErrorBody)))]
pub async fn turn_switch(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(name): Path<String>,
    Body(to): Body<SwitchTo>,
) -> ApiResult<Json<Vec<SwitchRow>>> {
    signed_in.need(&[Role::Supervisor, Role::Admin])?;
    match turn(&app, &name, to.on, &signed_in.user.login).await? {
        true => Ok(Json(rows(&app).await?)),
        false => Err(ApiError::not_found("switch")),
    }
}

/// Whether there is such a switch. It is kept before it counts.
pub async fn turn(app: &App, name: &str, on: bool, by: &str) -> Result<bool, StoreError> {
    let _one_at_a_time = app.plans.turning().await;
    let mut all = app.store.switches().await?;
    let known = app.plans.current().is_some_and(|loaded| loaded.plan.switches().contains_key(name));
    let possible = match on {
        true => known && all.len() < MOST_ON,
        false => known || all.contains(name),
    };
    if !possible {
        return Ok(false);
    }
    match on {
        true => all.insert(name.to_owned()),
        false => all.remove(name),
    };
    app.store.set_switches(&all).await?;
    tracing::warn!(switch = name, on, by, "a switch for emergencies was turned");
    app.commands.admin(AdminCommand::SetSwitches(all));
    Ok(true)
}

async fn rows(app: &App) -> ApiResult<Vec<SwitchRow>> {
    let on = app.store.switches().await?;
    let loaded = app.plans.current();
    let known = loaded.as_ref().map(|loaded| loaded.plan.switches()).unwrap_or_default();
    let names: BTreeSet<&str> = known.keys().copied().chain(on.iter().map(String::as_str)).collect();
    let rows = names.into_iter().map(|name| SwitchRow {
        name: name.to_owned(),
        on: on.contains(name),
        flows: known.get(name).into_iter().flatten().map(|flow| (*flow).to_owned()).collect(),
    });
    Ok(rows.collect())
}
