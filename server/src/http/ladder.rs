//! The SIP messages of a call, for supervisors and administrators, and the bans of SIP.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::SignedIn;
use super::body::{Body, Id};
use super::error::{ApiError, ApiResult, ErrorBody};
use crate::app::App;
use crate::control::summary;
use crate::guard;
use crate::store::Role;
use crate::tap::{self, Noted};

/// Longest ban by hand, in seconds.
const LONGEST: u64 = 30 * 86_400;

/// The SIP messages of a call, in order of time. Credentials are starred out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Ladder {
    pub messages: Vec<LadderMessage>,
    /// Messages that were seen and not kept.
    pub left_out: usize,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LadderMessage {
    pub at: Timestamp,
    /// `in` or `out`.
    pub direction: &'static str,
    /// `udp`, `tcp`, `ws`, ….
    pub transport: String,
    pub local: String,
    pub remote: String,
    pub call_id: String,
    /// Such as `INVITE` or `180 INVITE`.
    pub summary: String,
    pub text: String,
}

/// An address whose SIP is thrown away.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct BanRow {
    pub address: String,
    /// `wrong_password`, `scanner`, `guessing` or `manual`.
    pub reason: &'static str,
    /// Whether the packets really came from there. Without it registrations still come through slowly.
    pub proven: bool,
    pub until: Timestamp,
    /// Which ban within a day.
    pub times: u32,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBan {
    /// An IPv4 address, or an IPv6 one that stands for its /64.
    address: String,
    /// From 1 to 2592000.
    seconds: u64,
}

/// The ladder of a session's calls, or of one call by its Call-ID.
#[utoipa::path(get, path = "/api/v1/calls/{id}/ladder", tag = "sip", responses(
    (status = 200, body = Ladder), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id<String>,
) -> ApiResult<Json<Ladder>> {
    let (messages, left_out) = find(&app, &signed_in, &id)?;
    let messages = messages.iter().map(LadderMessage::from).collect();
    Ok(Json(Ladder { messages, left_out }))
}

/// The same as a capture file for Wireshark: every message as a datagram, whatever carried it.
#[utoipa::path(get, path = "/api/v1/calls/{id}/ladder.pcap", tag = "sip", responses(
    (status = 200, content_type = "application/vnd.tcpdump.pcap", body = [u8]), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
pub async fn pcap(State(app): State<App>, signed_in: SignedIn, Id(id): Id<String>) -> ApiResult<Response> {
    let (messages, _) = find(&app, &signed_in, &id)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.tcpdump.pcap")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"call.pcap\"")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, tap::pcap(&messages)).into_response())
}

/// The bans of SIP that are in force.
#[utoipa::path(get, path = "/api/v1/sip/bans", tag = "sip", responses(
    (status = 200, body = Vec<BanRow>), (status = 403, body = ErrorBody)))]
pub async fn bans(State(app): State<App>, signed_in: SignedIn) -> ApiResult<Json<Vec<BanRow>>> {
    signed_in.need(&[Role::Supervisor, Role::Admin])?;
    let rows = app.guard.bans().into_iter().map(|shown| BanRow {
        address: shown.ban.address.to_string(),
        reason: guard::reason(shown.ban.reason),
        proven: shown.ban.proven,
        until: shown.until,
        times: shown.ban.times,
    });
    Ok(Json(rows.collect()))
}

/// Bans an address by hand.
#[utoipa::path(post, path = "/api/v1/sip/bans", tag = "sip", request_body = NewBan, responses(
    (status = 204), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn ban(
    State(app): State<App>,
    signed_in: SignedIn,
    Body(given): Body<NewBan>,
) -> ApiResult<StatusCode> {
    signed_in.need(&[Role::Admin])?;
    let address = address(&given.address)?;
    if !(1..=LONGEST).contains(&given.seconds) {
        return Err(ApiError::field("seconds", "out_of_range", format!("From 1 to {LONGEST}.")));
    }
    if app.guard.ban(address, Duration::from_secs(given.seconds)) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::new(StatusCode::CONFLICT, "exempt", "The address is a trunk's, or exempt."))
}

/// Lifts a ban.
#[utoipa::path(delete, path = "/api/v1/sip/bans/{address}", tag = "sip", responses(
    (status = 204), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn lift(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(given): Id<String>,
) -> ApiResult<StatusCode> {
    signed_in.need(&[Role::Admin])?;
    let address = address(&given)?;
    if app.guard.lift(address) { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found("ban")) }
}

fn find(app: &App, signed_in: &SignedIn, id: &str) -> ApiResult<(Vec<Noted>, usize)> {
    signed_in.need(&[Role::Supervisor, Role::Admin])?;
    let of_session = id.parse::<SessionId>().ok().and_then(|session| app.tap.trace.of_session(session));
    of_session.or_else(|| app.tap.trace.of_call(id.as_bytes())).ok_or_else(|| ApiError::not_found("call"))
}

fn address(text: &str) -> ApiResult<IpAddr> {
    text.parse().map_err(|_| ApiError::field("address", "bad_value", "Not an IP address."))
}

impl From<&Noted> for LadderMessage {
    fn from(noted: &Noted) -> Self {
        Self {
            at: noted.at,
            direction: noted.way.as_str(),
            transport: format!("{:?}", noted.hop.transport).to_lowercase(),
            local: noted.hop.local.to_string(),
            remote: noted.hop.remote.to_string(),
            call_id: String::from_utf8_lossy(&noted.call_id).into_owned(),
            summary: summary(&noted.bytes),
            text: String::from_utf8_lossy(&noted.bytes).into_owned(),
        }
    }
}
