//! TCP and TLS streams, accepted and opened.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use session::api::Input;
use sip_core::api::{Hop, Transport};
use sip_core::frame::{Frame, Framer, PONG};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connections::{Outgoing, Registration};
use super::network::Shared;
use super::sockets;
use super::stream::{End, LINGER, MESSAGE_WITHIN, WRITE_WITHIN, deliver, report};
use super::tls::{ServerTls, verified_names};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Accepts for ever; with `tls` there is a handshake first.
pub(super) async fn accept(
    listener: TcpListener,
    local: SocketAddr,
    tls: Option<Arc<ServerTls>>,
    shared: Arc<Shared>,
) {
    let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
    loop {
        let Some((stream, remote)) = next(&listener, local).await else { continue };
        let Some((registration, outgoing)) = shared.connections.register(transport, remote) else {
            shared.counters.refused.add();
            continue;
        };
        let hop = Hop { transport, local, remote, connection: Some(registration.id) };
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else {
                let (reader, writer) = stream.into_split();
                return run(reader, writer, hop, Opened::ByPeer, registration, outgoing, &shared).await;
            };
            match tls.accept(stream).await {
                Ok(stream) => {
                    let tls_names = verified_names(&stream);
                    if !tls_names.is_empty() {
                        let connection = registration.id;
                        let _ = shared.inbox.offer(Input::ConnectionOpened { connection, tls_names });
                    }
                    let (reader, writer) = split(stream);
                    run(reader, writer, hop, Opened::ByPeer, registration, outgoing, &shared).await;
                }
                Err(error) => {
                    tracing::debug!(%remote, %error, "a TLS handshake failed");
                    shared.counters.cut.add();
                }
            }
        });
    }
}

/// The next connection. `None` after a failure and a pause.
pub(super) async fn next(listener: &TcpListener, local: SocketAddr) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, remote)) => {
            sockets::prepare(&stream);
            Some((stream, remote))
        }
        Err(error) => {
            // Out of descriptors, most likely: trying again at once would only burn the processor.
            tracing::warn!(%local, %error, "cannot accept a connection");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Connects to `hop.remote` and carries what is queued already.
pub(super) async fn open(hop: Hop, registration: Registration, outgoing: Outgoing, shared: Arc<Shared>) {
    let named = Hop { connection: Some(registration.id), ..hop };
    let failed = |error: io::Error, registration: Registration| {
        tracing::debug!(remote = %hop.remote, %error, "cannot connect");
        drop(registration);
        let _ = shared.inbox.offer(Input::Unreachable(hop));
    };
    let stream = match connect(hop).await {
        Ok(stream) => stream,
        Err(error) => return failed(error, registration),
    };
    if hop.transport != Transport::Tls {
        let (reader, writer) = stream.into_split();
        return run(reader, writer, named, Opened::ByUs, registration, outgoing, &shared).await;
    }
    match shared.client_tls.connect(hop.remote, stream).await {
        Ok(stream) => {
            let (reader, writer) = split(stream);
            run(reader, writer, named, Opened::ByUs, registration, outgoing, &shared).await;
        }
        Err(error) => failed(error, registration),
    }
}

/// From the listener's own address, so that a machine with several is known by the right one.
async fn connect(hop: Hop) -> io::Result<TcpStream> {
    let socket = if hop.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let own = hop.local.ip();
    if !own.is_unspecified() && own.is_ipv4() == hop.remote.is_ipv4() {
        socket.bind(SocketAddr::new(own, 0))?;
    }
    let stream = timeout(CONNECT_WITHIN, socket.connect(hop.remote)).await??;
    sockets::prepare(&stream);
    Ok(stream)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    ByPeer,
    ByUs,
}

async fn run(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    hop: Hop,
    opened: Opened,
    registration: Registration,
    outgoing: Outgoing,
    shared: &Shared,
) {
    let mut writing = std::pin::pin!(write(writer, outgoing));
    let end = tokio::select! {
        end = read(reader, hop, opened, registration.silence.clone(), shared) => {
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

async fn read(
    mut reader: impl AsyncRead + Unpin,
    hop: Hop,
    opened: Opened,
    mut silence: watch::Receiver<Option<Duration>>,
    shared: &Shared,
) -> End {
    let mut framer = match opened {
        Opened::ByPeer => Framer::new(),
        Opened::ByUs => Framer::of_client(),
    };
    let mut buffer = vec![0; 16 * 1024];
    // A peer that connects to us has something to say. Pings prove nothing until it has said it.
    let mut spoken = opened == Opened::ByUs;
    let mut deadline = (!spoken).then(|| Instant::now() + MESSAGE_WITHIN);
    let mut heard = Instant::now();
    loop {
        let longest = silence.borrow_and_update().unwrap_or(shared.idle_timeout);
        let until = deadline.unwrap_or(heard + longest.min(shared.idle_timeout));
        let length = tokio::select! {
            read = timeout_at(until, reader.read(&mut buffer)) => match read {
                Ok(Ok(0) | Err(_)) => return End::Gone,
                Ok(Ok(length)) => length,
                Err(_) => return End::Silent,
            },
            // It may be silent for less long than before.
            Ok(()) = silence.changed() => continue,
        };
        heard = Instant::now();
        framer.push(&buffer[..length]);
        let mut whole = false;
        while let Some(frame) = framer.poll() {
            match frame {
                Frame::Message(bytes) if bytes.len() > shared.max_message => return End::Malformed,
                Frame::Message(bytes) => {
                    whole = true;
                    if let Err(end) = deliver(&shared.inbox, hop, bytes).await {
                        return end;
                    }
                }
                // RFC 5626 §3.5.1. It proves life only on a stream that has carried a message.
                Frame::Ping => {
                    if let Some(id) = hop.connection {
                        shared.connections.send(id, Arc::from(PONG));
                    }
                }
                // The stack knows what it has asked.
                Frame::Pong => {
                    if let Err(end) = deliver(&shared.inbox, hop, PONG.to_vec()).await {
                        return end;
                    }
                }
                Frame::Broken(head) => {
                    let _ = deliver(&shared.inbox, hop, head).await;
                    return End::Malformed;
                }
            }
        }
        spoken |= whole;
        if framer.is_idle() {
            deadline = deadline.filter(|_| !spoken);
        } else if whole || deadline.is_none() {
            deadline = Some(Instant::now() + MESSAGE_WITHIN);
        }
    }
}

/// Also out of the buffer that TLS has.
async fn write_whole(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Writes what is queued, until the queue is closed and empty.
async fn write(mut writer: impl AsyncWrite + Unpin, mut outgoing: Outgoing) -> End {
    while let Some(bytes) = outgoing.recv().await {
        match timeout(WRITE_WITHIN, write_whole(&mut writer, &bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::NotReading,
        }
    }
    let _ = timeout(WRITE_WITHIN, writer.shutdown()).await;
    End::Closed
}
