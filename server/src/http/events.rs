//! The console's event stream.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use model::AgentId;
use session::api::AgentCommand;
use tokio::time::{Instant, MissedTickBehavior};

use super::auth::{SignedIn, check_same_origin};
use super::error::ApiResult;
use crate::app::App;
use crate::hub::DeskSocket;

const PING_EVERY: Duration = Duration::from_secs(5);
/// Silence after which the browser is taken for dead.
const DEAD_AFTER: Duration = Duration::from_secs(15);
/// How long after the last stream the desk counts as open: a reload takes less.
const DESK_LINGERS: Duration = Duration::from_secs(2);
const MAX_FRAME: usize = 1_024;

/// Upgrades to a WebSocket that carries `AgentEvent` JSON: first the desk and the floor, then what happens.
#[utoipa::path(get, path = "/api/v1/events", tag = "desk", responses((status = 101, body = session::api::AgentEvent)))]
pub async fn events(
    State(app): State<App>,
    signed_in: SignedIn,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> ApiResult<Response> {
    check_same_origin(&app, &headers)?;
    Ok(upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .on_upgrade(move |socket| serve(app, signed_in, socket)))
}

async fn serve(app: App, signed_in: SignedIn, socket: WebSocket) {
    let agent = signed_in.user.id;
    let has_phone = signed_in.user.has_phone();
    let opened = || {
        if has_phone {
            // Its answer says nothing that the desk event does not.
            drop(app.commands.agent(agent, AgentCommand::DeskOpened));
        }
    };
    let stream = app.hub.open_desk(agent, signed_in.sees_all(), &signed_in.sign_in, opened);
    let id = stream.id;
    pump(socket, stream).await;
    app.hub.close_desk(id);
    if has_phone {
        tokio::spawn(close_later(app, agent));
    }
}

async fn close_later(app: App, agent: AgentId) {
    tokio::time::sleep(DESK_LINGERS).await;
    app.hub.closed_for_good(agent, || drop(app.commands.agent(agent, AgentCommand::DeskClosed)));
}

async fn pump(mut socket: WebSocket, mut stream: DeskSocket) {
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let sent = tokio::select! {
            event = stream.events.recv() => match event {
                Some(event) => socket.send(Message::Text(event)).await,
                None => {
                    let reason = CloseFrame { code: close_code::AGAIN, reason: "connect again".into() };
                    let _ = socket.send(Message::Close(Some(reason))).await;
                    return;
                }
            },
            message = socket.recv() => match message {
                None | Some(Err(_)) | Some(Ok(Message::Close(_))) => return,
                // Whatever it says, it is alive.
                Some(Ok(_)) => { heard = Instant::now(); Ok(()) }
            },
            _ = ping.tick() => {
                if heard.elapsed() > DEAD_AFTER {
                    return;
                }
                socket.send(Message::Ping(Default::default())).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}
