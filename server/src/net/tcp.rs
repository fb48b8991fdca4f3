//! TCP streams, accepted and opened.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use session::api::Input;
use sip_core::api::{Hop, Transport};
use sip_core::frame::{Frame, Framer, PONG};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connections::{Outgoing, Registration};
use super::network::Shared;
use super::stream::{End, LINGER, MESSAGE_WITHIN, WRITE_WITHIN, deliver, report};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Accepts for ever.
pub(super) async fn accept(listener: TcpListener, local: SocketAddr, shared: Arc<Shared>) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: trying again at once would only burn the processor.
                tracing::warn!(%local, %error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some((registration, outgoing)) = shared.connections.register(Transport::Tcp, remote) else {
            shared.counters.refused.add();
            continue;
        };
        let hop = Hop { transport: Transport::Tcp, local, remote, connection: Some(registration.id) };
        let shared = shared.clone();
        tokio::spawn(async move { run(stream, hop, Opened::ByPeer, registration, outgoing, &shared).await });
    }
}

/// Connects to `hop.remote` and carries what is queued already.
pub(super) async fn open(hop: Hop, registration: Registration, outgoing: Outgoing, shared: Arc<Shared>) {
    match timeout(CONNECT_WITHIN, TcpStream::connect(hop.remote)).await {
        Ok(Ok(stream)) => {
            let hop = Hop { connection: Some(registration.id), ..hop };
            run(stream, hop, Opened::ByUs, registration, outgoing, &shared).await;
        }
        Ok(Err(_)) | Err(_) => {
            tracing::debug!(remote = %hop.remote, "cannot connect");
            drop(registration);
            let _ = shared.inbox.offer(Input::Unreachable(hop));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opened {
    ByPeer,
    ByUs,
}

async fn run(
    stream: TcpStream,
    hop: Hop,
    opened: Opened,
    registration: Registration,
    outgoing: Outgoing,
    shared: &Shared,
) {
    // SIP messages are small and each is written whole; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let mut writing = std::pin::pin!(write(writer, outgoing));
    let end = tokio::select! {
        end = read(reader, hop, opened, shared) => {
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

async fn read(mut reader: OwnedReadHalf, hop: Hop, opened: Opened, shared: &Shared) -> End {
    let mut framer = Framer::new();
    let mut buffer = vec![0; 16 * 1024];
    // A peer that connects to us has something to say. Pings prove nothing until it has said it.
    let mut spoken = opened == Opened::ByUs;
    let mut deadline = (!spoken).then(|| Instant::now() + MESSAGE_WITHIN);
    loop {
        let until = deadline.unwrap_or_else(|| Instant::now() + shared.idle_timeout);
        let length = match timeout_at(until, reader.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return End::Gone,
            Ok(Ok(length)) => length,
            Err(_) => return End::Silent,
        };
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

/// Writes what is queued, until the queue is closed and empty.
async fn write(mut writer: OwnedWriteHalf, mut outgoing: Outgoing) -> End {
    while let Some(bytes) = outgoing.recv().await {
        match timeout(WRITE_WITHIN, writer.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::NotReading,
        }
    }
    let _ = timeout(WRITE_WITHIN, writer.shutdown()).await;
    End::Closed
}
