//! Accepting HTTP connections. Slow and half-open ones are cut, and there are never more than the limit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::net::ServerTls;

/// A request's head must be complete this long after the connection came or the last answer went.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
const MAX_CONNECTIONS: usize = 20_000;
/// Pause after a failed accept, such as when the process is out of file descriptors.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Serves, over TLS when there is a certificate, until the task is aborted. Connections that are open then are finished by themselves.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Arc<ServerTls>>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (router, tls) = (router.clone(), tls.clone());
                tokio::spawn(async move {
                    // Small answers and chat frames must not wait for each other.
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => connection(stream, peer, router).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => connection(stream, peer, router).await,
                            Err(error) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                        },
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(100)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "an HTTP connection ended badly");
    }
}
