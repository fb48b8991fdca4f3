//! What TCP and WebSocket have in common: how a message gets into the inbox, and how long a stream may take for what.

use std::time::Duration;

use session::api::Input;
use sip_core::api::{ConnectionId, Hop};
use tokio::time::{Instant, sleep};

use crate::inbox::Inbox;

/// The first message must be complete within this time of connecting, and any later one within this time of its first byte.
pub(super) const MESSAGE_WITHIN: Duration = Duration::from_secs(10);

/// A peer that takes no byte for this long is cut.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// After a broken stream: time for the answer, if there is one, to be written.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// The engine's inbox may be full for this long before the stream is given up.
const INBOX_WITHIN: Duration = Duration::from_secs(10);
const INBOX_PAUSE: Duration = Duration::from_millis(10);

/// Why a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The peer closed it or the network did.
    Gone,
    /// The engine asked for it.
    Closed,
    /// Nothing for too long: no first message, an unfinished one, or silence.
    Silent,
    /// The peer does not read.
    NotReading,
    /// Bytes that no message can begin with, or too many of them.
    Malformed,
    /// The engine was full for too long.
    Overload,
}

impl End {
    /// Whether it was our doing against the peer's will.
    pub fn is_cut(self) -> bool {
        match self {
            Self::Gone | Self::Closed => false,
            Self::Silent | Self::NotReading | Self::Malformed | Self::Overload => true,
        }
    }
}

/// Hands on one message. While the engine is behind nothing more is read, which is what slows the peer down.
pub(super) async fn deliver(inbox: &Inbox, hop: Hop, bytes: Vec<u8>) -> Result<(), End> {
    let give_up = Instant::now() + INBOX_WITHIN;
    let mut bytes = bytes;
    loop {
        let copy = bytes.clone();
        if inbox.offer(Input::Packet { hop, bytes }).is_ok() {
            return Ok(());
        }
        if Instant::now() >= give_up {
            return Err(End::Overload);
        }
        bytes = copy;
        sleep(INBOX_PAUSE).await;
    }
}

/// Tells the engine and the log.
pub(super) fn report(inbox: &Inbox, id: ConnectionId, hop: Hop, end: End) {
    tracing::debug!(connection = id.0, remote = %hop.remote, transport = ?hop.transport, ?end, "a SIP stream ended");
    // This kind of input is never refused; only a stopped engine does not want it.
    let _ = inbox.offer(Input::ConnectionClosed(id));
}
