use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::SignedIn;
use super::error::{ApiResult, ErrorBody};
use crate::app::App;
use crate::store::Role;

/// How the console's softphone registers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SoftphoneAccount {
    pub uri: String,
    pub authorization_user: String,
    pub password: String,
    /// Path of SIP over WebSocket (RFC 7118) on this server.
    pub websocket: &'static str,
    pub realm: String,
}

/// The SIP account of this sign-in; the same for all tabs, gone after signing out.
#[utoipa::path(get, path = "/api/v1/softphone", tag = "desk", responses(
    (status = 200, body = SoftphoneAccount), (status = 403, body = ErrorBody)))]
pub async fn softphone(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<SoftphoneAccount>> {
    signed_in.need(&[Role::Operator, Role::Supervisor, Role::Admin])?;
    let account = app.open_softphone(&signed_in.user, &signed_in.sign_in);
    let domain = &app.config.sip.domain;
    Ok(Json(SoftphoneAccount {
        uri: format!("sip:{}@{domain}", signed_in.user.login),
        authorization_user: account.username,
        password: account.password,
        websocket: "/sip",
        realm: domain.clone(),
    }))
}
