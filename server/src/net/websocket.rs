//! SIP over WebSocket (RFC 7118): one message per frame, text or binary.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sip_core::api::{Hop, Transport};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};

use super::connections::{Outgoing, Registration};
use super::network::Shared;
use super::stream::{End, LINGER, MESSAGE_WITHIN, WRITE_WITHIN, deliver, report};

/// A browser that is gone is noticed within [`PONG_WITHIN`]: its calls are then taken care of.
const PING_EVERY: Duration = Duration::from_secs(5);
const PONG_WITHIN: Duration = Duration::from_secs(15);

/// RFC 7118 §4.1.
const SUBPROTOCOL: &str = "sip";

/// Answers the handshake, or refuses it: 400 without the subprotocol, 503 at a limit.
pub(super) fn accept(
    upgrade: WebSocketUpgrade,
    remote: SocketAddr,
    local: SocketAddr,
    shared: Arc<Shared>,
) -> Response {
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the WebSocket subprotocol must be \"sip\" (RFC 7118)")
            .into_response();
    }
    let Some((registration, outgoing)) = shared.connections.register(Transport::Ws, remote) else {
        shared.counters.refused.add();
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")], "too many connections")
            .into_response();
    };
    let hop = Hop { transport: Transport::Ws, local, remote, connection: Some(registration.id) };
    upgrade
        .max_message_size(shared.max_message)
        .max_frame_size(shared.max_message)
        .on_upgrade(move |socket| async move { run(socket, hop, registration, outgoing, &shared).await })
}

async fn run(socket: WebSocket, hop: Hop, registration: Registration, outgoing: Outgoing, shared: &Shared) {
    let (sink, stream) = socket.split();
    let mut writing = std::pin::pin!(write(sink, outgoing));
    let end = tokio::select! {
        end = read(stream, hop, shared) => {
            if end == End::Malformed {
                let _ = timeout(LINGER, &mut writing).await;
            }
            end
        }
        end = &mut writing => end,
    };
    if end.is_cut() {
        shared.counters.cut.add();
    }
    report(&shared.inbox, registration.id, hop, end);
}

async fn read(mut stream: SplitStream<WebSocket>, hop: Hop, shared: &Shared) -> End {
    let first = Instant::now() + MESSAGE_WITHIN;
    let mut spoken = false;
    loop {
        let alive = Instant::now() + PONG_WITHIN;
        let deadline = if spoken { alive } else { alive.min(first) };
        let message = match timeout_at(deadline, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            // Too large or malformed frames end in an error as well as a lost connection; the peer learns it by the close.
            Ok(Some(Err(_)) | None) => return End::Gone,
            Err(_) => return End::Silent,
        };
        let bytes = match message {
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Binary(bytes) => bytes.to_vec(),
            // Pings are answered by axum; both prove that the peer lives.
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return End::Gone,
        };
        // Keep-alives of clients that treat WebSocket like TCP (RFC 5626 §3.5.1).
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            if let Some(id) = hop.connection.filter(|_| !bytes.is_empty()) {
                shared.connections.send(id, Arc::from(sip_core::frame::PONG));
            }
            continue;
        }
        spoken = true;
        if let Err(end) = deliver(&shared.inbox, hop, bytes).await {
            return end;
        }
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut outgoing: Outgoing) -> End {
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            bytes = outgoing.recv() => match bytes {
                Some(bytes) => frame(&bytes),
                None => break,
            },
            _ = pings.tick() => Message::Ping(Default::default()),
        };
        match timeout(WRITE_WITHIN, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::NotReading,
        }
    }
    let _ = timeout(WRITE_WITHIN, sink.send(Message::Close(None))).await;
    End::Closed
}

/// Browsers' SIP libraries read text; a message that is not UTF-8 can only go as binary (RFC 7118 §4.2 allows both).
fn frame(bytes: &[u8]) -> Message {
    match std::str::from_utf8(bytes) {
        Ok(text) => Message::Text(text.into()),
        Err(_) => Message::Binary(bytes.to_vec().into()),
    }
}
