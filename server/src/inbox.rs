//! The engine's inbox: one queue, in order of arrival, with a limit for each kind of sender.
//!
//! Invariants: what the engine itself waits for (media events, answers of the store, set-up) is never refused, so the parts
//! cannot wait for each other in a circle. Of what peers send, new work is refused first and at once, with 503: what belongs to
//! a call or a registration that exists still has room when nothing new has. No new request waits longer than the guard's
//! `max_wait`: what the engine has not taken by then is refused, and the engine never sees it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Instant;
use session::api::Input;
use sip_core::api::Hop;
use sip_core::glance::Kind;

use crate::guard::Guard;

/// Most inputs that may wait before new SIP requests are refused, before registrations are, and before everything is: the
/// senders of what is dropped repeat it.
const NEW_PACKETS: usize = 8_192;
const REGISTERS: usize = 16_384;
const PACKETS: usize = 65_536;
/// Octets of SIP that may wait, likewise.
const NEW_OCTETS: usize = 32 << 20;
const OCTETS: usize = 128 << 20;
/// Most inputs of any kind that may wait before commands of visitors and operators are refused.
const COMMANDS: usize = 12_288;

/// The sending side. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    sender: Sender<Item>,
    shared: Arc<Shared>,
    guard: Guard,
}

/// The engine thread's side.
#[derive(Debug)]
pub struct Outlet {
    receiver: Receiver<Item>,
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

/// What stands in the queue.
enum Item {
    Input(Input),
    /// The place of a new request, which may have been refused since.
    New(u64),
}

/// A request that begins something, while it waits.
#[derive(Debug)]
struct New {
    since: Instant,
    hop: Hop,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    /// Of SIP.
    octets: AtomicUsize,
    next_new: AtomicU64,
    /// In order of arrival.
    new: Mutex<BTreeMap<u64, New>>,
    refused: AtomicU64,
    /// Set while the store is too far behind for new work.
    held: AtomicBool,
}

pub fn inbox(guard: Guard) -> (Inbox, Outlet) {
    let (sender, receiver) = mpsc::channel();
    let shared = Arc::new(Shared::default());
    (Inbox { sender, shared: shared.clone(), guard }, Outlet { receiver, shared })
}

impl Inbox {
    /// Never blocks. Refused inputs are counted. A packet that the guard keeps out, or answers itself, is taken as well.
    pub fn offer(&self, input: Input) -> Result<(), Refused> {
        let limit = match &input {
            Input::Packet { .. } => return self.offer_packet(input),
            Input::Visitor { .. } | Input::Agent { .. } => COMMANDS,
            Input::ConnectionClosed(_)
            | Input::Unreachable(_)
            | Input::Media(_)
            | Input::Resolved { .. }
            | Input::Admin(_) => usize::MAX,
        };
        let limited = limit != usize::MAX;
        let behind = self.waiting() >= limit;
        if limited && (behind || self.is_held()) {
            return self.refuse();
        }
        self.send(Item::Input(input))
    }

    fn offer_packet(&self, input: Input) -> Result<(), Refused> {
        let Input::Packet { hop, bytes } = input else { return self.offer(input) };
        let Some(kind) = self.guard.admit(hop, &bytes) else { return Ok(()) };
        let (waiting, octets) = (self.waiting(), self.shared.octets.load(Ordering::Relaxed) + bytes.len());
        let has_room = match kind {
            Kind::New | Kind::Other => !self.is_held() && waiting < NEW_PACKETS && octets < NEW_OCTETS,
            Kind::Register => waiting < REGISTERS && octets < NEW_OCTETS,
            Kind::Known => waiting < PACKETS && octets < OCTETS,
        };
        if !has_room {
            if kind == Kind::New {
                self.guard.refuse(hop, &bytes);
                return Ok(());
            }
            return self.refuse();
        }
        self.shared.octets.fetch_add(bytes.len(), Ordering::Relaxed);
        if kind != Kind::New {
            return self.send(Item::Input(Input::Packet { hop, bytes }));
        }
        let number = self.shared.next_new.fetch_add(1, Ordering::Relaxed);
        self.shared.new().insert(number, New { since: self.guard.clock().instant(), hop, bytes });
        self.send(Item::New(number))
    }

    /// Refuses the new requests that have waited too long; to be called every few milliseconds.
    pub fn refuse_overdue(&self) {
        let now = self.guard.clock().instant();
        loop {
            let overdue = {
                let mut new = self.shared.new();
                let late = |(_, new): (&u64, &New)| now.saturating_since(new.since) >= self.guard.max_wait();
                if new.first_key_value().is_some_and(late) { new.pop_first() } else { None }
            };
            let Some((_, new)) = overdue else { return };
            self.shared.octets.fetch_sub(new.bytes.len(), Ordering::Relaxed);
            self.guard.refuse(new.hop, &new.bytes);
        }
    }

    fn send(&self, item: Item) -> Result<(), Refused> {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(item).map_err(|_| {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            Refused
        })
    }

    fn refuse(&self) -> Result<(), Refused> {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        Err(Refused)
    }

    fn is_held(&self) -> bool {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// Inputs refused since the start.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Inputs waiting now.
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// While held, new requests and commands are refused: the journal cannot be written and must not grow without end.
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
        let item = match received {
            Ok(item) => item,
            Err(RecvTimeoutError::Timeout) => return Received::TimedOut,
            Err(RecvTimeoutError::Disconnected) => return Received::Closed,
        };
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        let input = match item {
            Item::Input(input) => input,
            Item::New(number) => match self.shared.new().remove(&number) {
                Some(New { hop, bytes, .. }) => Input::Packet { hop, bytes },
                // It was refused while it waited.
                None => return Received::TimedOut,
            },
        };
        if let Input::Packet { bytes, .. } = &input {
            self.shared.octets.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        Received::Input(input)
    }
}

impl Shared {
    fn new(&self) -> MutexGuard<'_, BTreeMap<u64, New>> {
        self.new.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
