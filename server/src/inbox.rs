//! The engine's inbox: one queue, in order of arrival, with a limit for each kind of sender.
//!
//! Invariant: what peers and people send is refused when the engine is behind; what the engine itself waits for (media
//! events, answers of the store, set-up) never is, so the parts cannot wait for each other in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use session::api::Input;

/// Most SIP packets that may wait; more are dropped, and their senders retransmit.
const PACKETS: usize = 8_192;
/// Most inputs of any kind that may wait before commands of visitors and operators are refused.
const COMMANDS: usize = 12_288;

/// The sending side. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    sender: Sender<Input>,
    shared: Arc<Shared>,
}

/// The engine thread's side.
#[derive(Debug)]
pub struct Outlet {
    receiver: Receiver<Input>,
    shared: Arc<Shared>,
}

/// The inbox had no room, or the engine has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the engine is not taking this now")]
pub struct Refused;

/// What [`Outlet::receive`] came back with.
pub enum Received {
    Input(Input),
    TimedOut,
    /// Every sender is gone.
    Closed,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    refused: AtomicU64,
    /// Set while the store is too far behind for new work.
    held: AtomicBool,
}

pub fn inbox() -> (Inbox, Outlet) {
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::new(Shared::default());
    (Inbox { sender, shared: shared.clone() }, Outlet { receiver, shared })
}

impl Inbox {
    /// Never blocks. Refused inputs are counted.
    pub fn offer(&self, input: Input) -> Result<(), Refused> {
        let limit = match &input {
            Input::Packet { .. } => PACKETS,
            Input::Visitor { .. } | Input::Agent { .. } => COMMANDS,
            Input::ConnectionOpened { .. }
            | Input::LookedUp { .. }
            | Input::ConnectionClosed(_)
            | Input::Unreachable(_)
            | Input::Media(_)
            | Input::Resolved { .. }
            | Input::Admin(_) => usize::MAX,
        };
        let limited = limit != usize::MAX;
        let behind = self.shared.waiting.load(Ordering::Relaxed) >= limit;
        if limited && (behind || self.shared.held.load(Ordering::Relaxed)) {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refused);
        }
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(input).map_err(|_| {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            Refused
        })
    }

    /// Inputs refused since the start.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Inputs waiting now.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// While held, packets and commands are refused: the journal cannot be written and must not grow without end.
    pub fn hold(&self, held: bool) {
        self.shared.held.store(held, Ordering::Relaxed);
    }
}

impl Outlet {
    /// Waits for the next input, at most this long; `None` waits for ever.
    pub fn receive(&self, timeout: Option<Duration>) -> Received {
        let received = match timeout {
            Some(timeout) => self.receiver.recv_timeout(timeout),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(input) => {
                self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                Received::Input(input)
            }
            Err(RecvTimeoutError::Timeout) => Received::TimedOut,
            Err(RecvTimeoutError::Disconnected) => Received::Closed,
        }
    }
}
