//! SIP over WebSocket (RFC 7118): one message per frame, text or binary.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sip_core::api::{Hop, Transport};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};

use super::connections::{Outgoing, Registration};
use super::network::Shared;
use super::stream::{End, LINGER, MESSAGE_WITHIN, WRITE_WITHIN, deliver, report};
use super::tcp::next;
use super::tls::ServerTls;

/// A browser that is gone is noticed within [`PONG_WITHIN`]: its calls are then taken care of.
const PING_EVERY: Duration = Duration::from_secs(5);
const PONG_WITHIN: Duration = Duration::from_secs(15);

/// Handshakes of TLS and HTTP at once, on one listener.
const MAX_HANDSHAKES: usize = 1024;

/// RFC 7118 §4.1.
const SUBPROTOCOL: &str = "sip";

/// Answers the handshake, or refuses it: 400 without the subprotocol, 503 at a limit.
pub(super) fn accept(
    upgrade: WebSocketUpgrade,
    remote: SocketAddr,
    local: SocketAddr,
    transport: Transport,
    shared: Arc<Shared>,
) -> Response {
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the WebSocket subprotocol must be \"sip\" (RFC 7118)")
            .into_response();
    }
    let Some((registration, outgoing)) = shared.connections.register(transport, remote) else {
        shared.counters.refused.add();
        return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "30")], "too many connections")
            .into_response();
    };
    let hop = Hop { transport, local, remote, connection: Some(registration.id) };
    upgrade
        .max_message_size(shared.max_message)
        .max_frame_size(shared.max_message)
        .on_upgrade(move |socket| async move { run(socket, hop, registration, outgoing, &shared).await })
}

/// Accepts TLS for ever, and within it nothing but the handshake of [`accept`], whatever the path.
pub(super) async fn listen(
    listener: TcpListener,
    local: SocketAddr,
    tls: Arc<ServerTls>,
    shared: Arc<Shared>,
) {
    let places = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let Some((stream, remote)) = next(&listener, local).await else { continue };
        // A peer that is only shaking hands holds no connection of SIP yet.
        let Ok(place) = places.clone().try_acquire_owned() else {
            shared.counters.refused.add();
            continue;
        };
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                shared.counters.cut.add();
                return;
            };
            let service = service_fn(move |request: Request<Incoming>| {
                let shared = shared.clone();
                async move {
                    let (mut parts, _) = request.into_parts();
                    let answer = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
                        Ok(upgrade) => accept(upgrade, remote, local, Transport::Wss, shared),
                        Err(refusal) => refusal.into_response(),
                    };
                    Ok::<_, Infallible>(answer)
                }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(MESSAGE_WITHIN)
                .max_headers(100)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
            drop(place);
            if let Err(error) = served {
                tracing::debug!(%remote, %error, "a WebSocket handshake ended badly");
            }
        });
    }
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
