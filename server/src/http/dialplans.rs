//! Dialplans: what is in force, checking a draft, loading anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dialplans::api::{Source, World};
use dialplans::{Diagnostic, Severity, TestReport};
use media::library::Library;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use session::api::AdminCommand;
use utoipa::ToSchema;

use super::auth::SignedIn;
use super::body::Body;
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::media::load_library;
use crate::plans::{self, PlansError};
use crate::store::Role;

const MAX_FILES: usize = 200;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    pub name: String,
    pub text: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct PlansInForce {
    /// SHA-256 of names and texts.
    pub version: String,
    pub files: Vec<PlanFile>,
    pub loaded_at: Timestamp,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    files: Vec<PlanFile>,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CheckReport {
    /// No errors, and no failing test.
    pub ok: bool,
    pub diagnostics: Vec<DiagnosticRow>,
    pub tests: TestCounts,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct DiagnosticRow {
    pub file: String,
    /// Lines and columns count from 1; the end is exclusive.
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
    /// `error` or `warning`.
    pub severity: &'static str,
    pub code: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct TestCounts {
    pub passed: usize,
    pub failed: usize,
    pub failures: Vec<TestFailure>,
}

#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct TestFailure {
    pub flow: String,
    pub test: String,
    pub diagnostic: DiagnosticRow,
    /// What the flow did, one line for each thing.
    pub trace: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Reloaded {
    pub version: String,
}

#[utoipa::path(get, path = "/api/v1/dialplans", tag = "dialplans", responses(
    (status = 200, body = PlansInForce), (status = 404, body = ErrorBody)))]
pub async fn show(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<PlansInForce>> {
    signed_in.need(&[Role::Admin, Role::Supervisor])?;
    let loaded = app.plans.current().ok_or_else(|| ApiError::not_found("dialplan"))?;
    let file = |source: &Source| PlanFile { name: source.name.clone(), text: source.text.clone() };
    Ok(Json(PlansInForce {
        version: loaded.plan.version().to_owned(),
        files: loaded.sources.iter().map(file).collect(),
        loaded_at: loaded.at,
    }))
}

/// Checks a draft and runs its tests; changes nothing.
#[utoipa::path(post, path = "/api/v1/dialplans/check", tag = "dialplans", request_body = Draft, responses(
    (status = 200, body = CheckReport)))]
pub async fn check(
    State(app): State<App>,
    signed_in: SignedIn,
    Body(draft): Body<Draft>,
) -> ApiResult<Json<CheckReport>> {
    signed_in.need(&[Role::Admin])?;
    if draft.files.len() > MAX_FILES {
        return Err(ApiError::field("files", "too_many", format!("At most {MAX_FILES} files.")));
    }
    let sources: Vec<Source> =
        draft.files.into_iter().map(|file| Source { name: file.name, text: file.text }).collect();
    let world = current_world(&app).await?;
    let report = tokio::task::spawn_blocking(move || check_sources(&sources, &world)).await;
    report.map(Json).map_err(|_| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "The check did not come to an end.")
    })
}

/// Loads the folder again. Running sessions keep the plan that they began with.
#[utoipa::path(post, path = "/api/v1/dialplans/reload", tag = "dialplans", responses(
    (status = 200, body = Reloaded), (status = 409, body = CheckReport)))]
pub async fn reload(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Response> {
    signed_in.need(&[Role::Admin])?;
    match reload_now(&app).await? {
        Ok(version) => {
            tracing::info!(version, by = signed_in.user.login, "the dialplans were loaded again");
            Ok(Json(Reloaded { version }).into_response())
        }
        Err(PlansError::Io { folder, source }) => {
            let message = format!("{} cannot be read: {source}", folder.display());
            Err(ApiError::new(StatusCode::CONFLICT, "unreadable", message))
        }
        Err(PlansError::Wrong { diagnostics, sources: _ }) => {
            let report = CheckReport {
                ok: false,
                diagnostics: diagnostics.iter().map(diagnostic_row).collect(),
                tests: TestCounts::default(),
            };
            Ok((StatusCode::CONFLICT, Json(report)).into_response())
        }
        Err(PlansError::TestsFail { report, sources: _ }) => {
            let report = CheckReport { ok: false, diagnostics: Vec::new(), tests: counts(&report) };
            Ok((StatusCode::CONFLICT, Json(report)).into_response())
        }
    }
}

/// Decodes the prompts and the music; what will not play is logged and left out.
pub async fn read_prompts(app: &App) -> Result<Arc<Library>, tokio::task::JoinError> {
    let prompts = app.config.prompts.clone();
    tokio::task::spawn_blocking(move || {
        let (library, problems) = load_library(&prompts.folder, &prompts.music);
        for problem in problems {
            tracing::error!("a prompt will not play: {problem}");
        }
        Arc::new(library)
    })
    .await
}

/// Loads prompts and dialplans and, when all is well, hands them to the media threads and the engine.
pub async fn reload_now(app: &App) -> ApiResult<Result<String, PlansError>> {
    // First: a plan may name prompts that are new.
    if let (Some(wires), Ok(library)) = (app.wires.get(), read_prompts(app).await)
        && let Some(media) = wires.media.upgrade()
    {
        media.set_library(library);
    }
    let world = current_world(app).await?;
    let keeper = app.clone();
    let loaded = tokio::task::spawn_blocking(move || keeper.plans.reload(&world)).await;
    let Ok(loaded) = loaded else {
        let message = "The dialplans could not be loaded.";
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message));
    };
    Ok(loaded.map(|loaded| {
        app.commands.admin(AdminCommand::SetPlan(Arc::clone(&loaded.plan)));
        loaded.plan.version().to_owned()
    }))
}

async fn current_world(app: &App) -> ApiResult<World> {
    let users = app.store.users().await?;
    let operators = users.into_iter().filter(|user| user.is(Role::Operator)).map(|user| user.login);
    Ok(plans::world(&app.config, &app.queues(), operators))
}

fn check_sources(sources: &[Source], world: &World) -> CheckReport {
    match dialplans::compile(sources, world) {
        Err(diagnostics) => CheckReport {
            ok: false,
            diagnostics: diagnostics.iter().map(diagnostic_row).collect(),
            tests: TestCounts::default(),
        },
        Ok(plan) => {
            let plan = Arc::new(plan);
            let tests = counts(&dialplans::run_tests(&plan));
            CheckReport {
                ok: tests.failed == 0,
                diagnostics: plan.warnings().iter().map(diagnostic_row).collect(),
                tests,
            }
        }
    }
}

fn counts(report: &TestReport) -> TestCounts {
    let failures: Vec<TestFailure> = report
        .results
        .iter()
        .filter_map(|result| {
            let failure = result.failure.as_ref()?;
            Some(TestFailure {
                flow: result.flow.clone(),
                test: result.name.clone(),
                diagnostic: diagnostic_row(failure),
                trace: result.trace.clone(),
            })
        })
        .collect();
    TestCounts { passed: report.results.len() - failures.len(), failed: failures.len(), failures }
}

fn diagnostic_row(diagnostic: &Diagnostic) -> DiagnosticRow {
    DiagnosticRow {
        file: diagnostic.source.clone(),
        line: diagnostic.line,
        column: diagnostic.column,
        end_line: diagnostic.end_line,
        end_column: diagnostic.end_column,
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        code: diagnostic.code.as_str().to_owned(),
        message: diagnostic.message.clone(),
        hint: diagnostic.hint.clone(),
    }
}
