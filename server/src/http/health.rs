//! For load balancers and Prometheus.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::metrics;

pub async fn live() -> &'static str {
    "ok\n"
}

/// 503 while the server drains, or while it cannot keep what it is told.
pub async fn ready(State(app): State<App>) -> Response {
    if app.vitals.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if app.backlog.failures_in_a_row() > 0 || !app.store.is_alive().await {
        return (StatusCode::SERVICE_UNAVAILABLE, "the database fails\n").into_response();
    }
    "ok\n".into_response()
}

pub async fn metrics(State(app): State<App>) -> Response {
    let text = metrics::render(&app, &app.commands.trunks().await);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}
