//! The engine's inbox, and those of the SIP stacks beside it: a queue each, in order of arrival, with a limit for each kind of sender.
//!
//! Invariants: what the engine itself waits for (media events, answers of the store, set-up) is never refused, so the parts
//! cannot wait for each other in a circle. Of what peers send, new work is refused first and at once, with 503: what belongs to
//! a call or a registration that exists still has room when nothing new has. Where many wait, no new request waits longer than the
//! guard's `max_wait`: what the engine has not taken by then is refused, and the engine never sees it. The repeat of a request
//! shares its fate: what the engine has taken is never refused here.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Instant;
use session::api::Input;
use sip_core::api::Hop;
use sip_core::glance::Kind;
use sip_core::shard::{Order, Placement, ShardId};

use crate::guard::Guard;

/// Most inputs that may wait before new SIP requests are refused, before registrations are, and before everything is: the
/// senders of what is dropped repeat it.
const NEW_PACKETS: usize = 8_192;
const REGISTERS: usize = 16_384;
const PACKETS: usize = 65_536;
/// Octets of SIP that may wait, likewise.
const NEW_OCTETS: usize = 32 << 20;
const OCTETS: usize = 128 << 20;
/// So few new requests that wait are no overload but a moment in which the machine had something else to do: they are given
/// `PATIENCE` times as long.
const FEW: usize = 64;
const PATIENCE: u32 = 4;
/// Requests whose repeats are recognised.
const REMEMBERED: usize = 16_384;
/// Most inputs of any kind that may wait before commands of visitors and operators are refused.
const COMMANDS: usize = 12_288;

/// Where a call goes to another stack and so many inputs wait for the engine, it would come to the engine too late.
const ENGINE_BEHIND: usize = 512;

/// The sending side. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// The engine's, and after it those of the other stacks.
    lanes: Arc<[Lane]>,
    placement: Placement,
    guard: Guard,
}

#[derive(Debug)]
struct Lane {
    sender: Sender<Item>,
    shared: Arc<Shared>,
}

/// The side of the thread that takes the inputs.
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
    /// For a stack beside the engine.
    Order(Order),
    TimedOut,
    /// Every sender is gone.
    Closed,
}

/// What stands in the queue.
enum Item {
    Input(Input),
    Order(Order),
    /// The place of a new request, which may have been refused since.
    New(u64),
    /// Nothing comes after it.
    Close,
}

/// A request that begins something, while it waits.
#[derive(Debug)]
struct New {
    since: Instant,
    mark: u64,
    hop: Hop,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    /// Of SIP.
    octets: AtomicUsize,
    next_new: AtomicU64,
    room: Mutex<Room>,
    refused: AtomicU64,
    /// Set while the store is too far behind for new work.
    held: AtomicBool,
}

/// The new requests.
#[derive(Debug, Default)]
struct Room {
    /// Those that wait, in order of arrival.
    new: BTreeMap<u64, New>,
    /// The latest of all, by what was sent: whether the engine has taken it.
    taken: BTreeMap<u64, bool>,
    order: VecDeque<u64>,
}

impl Room {
    fn enter(&mut self, number: u64, new: New) {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.taken.remove(&oldest);
        }
        self.order.push_back(new.mark);
        self.taken.insert(new.mark, false);
        self.new.insert(number, new);
    }

    fn take(&mut self, number: u64) -> Option<New> {
        let new = self.new.remove(&number)?;
        if let Some(taken) = self.taken.get_mut(&new.mark) {
            *taken = true;
        }
        Some(new)
    }

    /// The first that has waited too long.
    fn give_up(&mut self, now: Instant, max_wait: Duration) -> Option<New> {
        let most = if self.new.len() > FEW { max_wait } else { max_wait * PATIENCE };
        let (_, first) = self.new.first_key_value()?;
        if now.saturating_since(first.since) < most {
            return None;
        }
        let (_, new) = self.new.pop_first()?;
        self.taken.remove(&new.mark);
        Some(new)
    }
}

/// The same for a request and its repeats, which are alike to the octet. RFC 3261 §17.1.1.2
fn mark_of(hop: Hop, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (hop, bytes).hash(&mut hasher);
    hasher.finish()
}

/// The engine's outlet is the first; after it those of the other stacks.
pub fn inbox(guard: Guard, placement: Placement) -> (Inbox, Vec<Outlet>) {
    let lane = |_| {
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        (Lane { sender, shared: shared.clone() }, Outlet { receiver, shared })
    };
    let (lanes, outlets): (Vec<_>, Vec<_>) = (0..=placement.shards().count()).map(lane).unzip();
    (Inbox { lanes: lanes.into(), placement, guard }, outlets)
}

impl Inbox {
    /// Never blocks. Refused inputs are counted. A packet that the guard keeps out, or answers itself, is taken as well.
    pub fn offer(&self, input: Input) -> Result<(), Refused> {
        match input {
            Input::Packet { hop, bytes } => self.offer_packet(hop, bytes),
            Input::Visitor { .. } | Input::Agent { .. } => {
                let engine = self.engine();
                if engine.waiting() >= COMMANDS || self.is_held() {
                    return self.refuse();
                }
                engine.send(Item::Input(input))
            }
            Input::ConnectionOpened { connection, tls_names } => {
                self.tell_all(|| Input::ConnectionOpened { connection, tls_names: tls_names.clone() })
            }
            Input::ConnectionClosed(connection) => self.tell_all(|| Input::ConnectionClosed(connection)),
            Input::Unreachable(hop) => self.tell_all(|| Input::Unreachable(hop)),
            Input::LookedUp { lookup, .. } => self.lane(lookup.shard()).send(Item::Input(input)),
            Input::Report(_) | Input::Media(_) | Input::Resolved { .. } | Input::Admin(_) => {
                self.engine().send(Item::Input(input))
            }
        }
    }

    /// What the engine wants of another stack; never refused.
    pub fn order(&self, shard: ShardId, order: Order) {
        // Refused only when the thread has stopped.
        let _ = self.lane(shard).send(Item::Order(order));
    }

    /// Lets the threads of the other stacks end when they have done what they were told.
    pub fn close_shards(&self) {
        for lane in &self.lanes[1..] {
            let _ = lane.send(Item::Close);
        }
    }

    fn engine(&self) -> &Lane {
        &self.lanes[0]
    }

    fn lane(&self, shard: ShardId) -> &Lane {
        self.lanes.get(usize::from(shard.0)).unwrap_or(self.engine())
    }

    fn tell_all(&self, input: impl Fn() -> Input) -> Result<(), Refused> {
        self.lanes.iter().try_for_each(|lane| lane.send(Item::Input(input())))
    }

    fn offer_packet(&self, hop: Hop, bytes: Vec<u8>) -> Result<(), Refused> {
        let Some(kind) = self.guard.admit(hop, &bytes) else { return Ok(()) };
        let shard = self.placement.of_message(&bytes);
        let lane = self.lane(shard);
        let (waiting, octets) = (lane.waiting(), lane.shared.octets.load(Ordering::Relaxed) + bytes.len());
        let has_room = match kind {
            Kind::New | Kind::Other => {
                let engine_has_time = shard == ShardId::HOME || self.engine().waiting() < ENGINE_BEHIND;
                !self.is_held() && waiting < NEW_PACKETS && octets < NEW_OCTETS && engine_has_time
            }
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
        lane.shared.octets.fetch_add(bytes.len(), Ordering::Relaxed);
        if kind != Kind::New {
            return lane.send(Item::Input(Input::Packet { hop, bytes }));
        }
        let (number, mark) = (lane.shared.next_new.fetch_add(1, Ordering::Relaxed), mark_of(hop, &bytes));
        let mut room = lane.shared.room();
        match room.taken.get(&mark) {
            // A repeat of what is under way.
            Some(true) => {
                drop(room);
                lane.send(Item::Input(Input::Packet { hop, bytes }))
            }
            // A repeat of what waits.
            Some(false) => {
                lane.shared.octets.fetch_sub(bytes.len(), Ordering::Relaxed);
                Ok(())
            }
            None => {
                room.enter(number, New { since: self.guard.clock().instant(), mark, hop, bytes });
                drop(room);
                lane.send(Item::New(number))
            }
        }
    }

    /// Refuses the new requests that have waited too long; to be called every few milliseconds.
    pub fn refuse_overdue(&self) {
        let now = self.guard.clock().instant();
        for lane in &*self.lanes {
            loop {
                let overdue = lane.shared.room().give_up(now, self.guard.max_wait());
                let Some(new) = overdue else { break };
                lane.shared.octets.fetch_sub(new.bytes.len(), Ordering::Relaxed);
                self.guard.refuse(new.hop, &new.bytes);
            }
        }
    }

    fn refuse(&self) -> Result<(), Refused> {
        self.engine().shared.refused.fetch_add(1, Ordering::Relaxed);
        Err(Refused)
    }

    fn is_held(&self) -> bool {
        self.engine().shared.held.load(Ordering::Relaxed)
    }

    /// Inputs refused since the start.
    pub fn refused(&self) -> u64 {
        self.engine().shared.refused.load(Ordering::Relaxed)
    }

    /// Inputs waiting now, for the engine and for the stacks beside it.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(Lane::waiting).sum()
    }

    /// While held, new requests and commands are refused: the journal cannot be written and must not grow without end.
    pub fn hold(&self, held: bool) {
        self.engine().shared.held.store(held, Ordering::Relaxed);
    }
}

impl Lane {
    fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    fn send(&self, item: Item) -> Result<(), Refused> {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(item).map_err(|_| {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            Refused
        })
    }
}

impl Outlet {
    /// Nothing waits just now.
    pub fn is_empty(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) == 0
    }

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
            Item::Order(order) => return Received::Order(order),
            Item::Close => return Received::Closed,
            Item::New(number) => match self.shared.room().take(number) {
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
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sip_core::api::Transport;
    use sip_core::border::Limits;

    use super::*;
    use crate::clock::Clock;

    type Sent = Arc<Mutex<Vec<String>>>;

    /// An inbox that nobody reads, with what was answered at the border.
    fn stuck(max_wait: Duration) -> (Inbox, Outlet, Sent) {
        let limits = Limits { exempt: vec!["127.0.0.0/8".parse().unwrap()], ..Limits::default() };
        let guard = Guard::new(limits, max_wait, Clock::start(), [3; 32]);
        let sent = Sent::default();
        let answers = sent.clone();
        guard.set_sender(move |_, bytes| {
            answers.lock().unwrap().push(String::from_utf8_lossy(&bytes).into_owned());
        });
        let (inbox, mut outlets) = inbox(guard, Placement::new(0, [0; 32]));
        (inbox, outlets.remove(0), sent)
    }

    fn offer(inbox: &Inbox, method: &str, call: usize, to: &str) -> bool {
        let address = |text: &str| text.parse().unwrap();
        let (local, remote) = (address("127.0.0.1:5060"), address("127.0.0.1:5062"));
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        let text = format!(
            "{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK{call}\r\nFrom: <sip:c@d>;tag=1\r\n\
             To: <sip:a@b>{to}\r\nCall-ID: call-{call}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        inbox.offer(Input::Packet { hop, bytes: text.into_bytes() }).is_ok()
    }

    fn take(outlet: &Outlet) -> Vec<String> {
        let mut taken = Vec::new();
        while outlet.shared.waiting.load(Ordering::Relaxed) > 0 {
            if let Received::Input(Input::Packet { bytes, .. }) = outlet.receive(Some(Duration::ZERO)) {
                taken.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        taken
    }

    #[test]
    fn who_waits_too_long_for_a_stuck_engine_is_answered_and_the_engine_never_sees_him() {
        let (inbox, outlet, sent) = stuck(Duration::ZERO);
        assert!(offer(&inbox, "INVITE", 1, "") && offer(&inbox, "BYE", 2, ";tag=9"));
        inbox.refuse_overdue();
        let answers = sent.lock().unwrap().clone();
        assert_eq!(answers.len(), 1);
        assert!(
            answers[0].starts_with("SIP/2.0 503 ") && answers[0].contains("Retry-After: "),
            "{answers:?}"
        );
        assert!(answers[0].contains("call-1"));
        let taken = take(&outlet);
        assert!(taken.len() == 1 && taken[0].starts_with("BYE "), "{taken:?}");
        assert_eq!(outlet.shared.octets.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_repeat_shares_the_fate_of_its_request() {
        let (inbox, outlet, sent) = stuck(Duration::ZERO);
        assert!(offer(&inbox, "INVITE", 1, "") && offer(&inbox, "INVITE", 1, ""));
        assert_eq!(take(&outlet).len(), 1, "while it waits a repeat is nothing new");
        assert!(offer(&inbox, "INVITE", 1, "") && offer(&inbox, "INVITE", 2, ""));
        inbox.refuse_overdue();
        let refused = sent.lock().unwrap().clone();
        assert!(refused.len() == 1 && refused[0].contains("call-2"), "the first is under way: {refused:?}");
        assert_eq!(take(&outlet).len(), 1, "the stack answers the repeat");
        assert_eq!(outlet.shared.octets.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn few_who_wait_are_no_overload() {
        let (inbox, _outlet, sent) = stuck(Duration::from_secs(3_600));
        let late = |inbox: &Inbox, hours: u64| {
            let now = inbox.guard.clock().instant() + Duration::from_secs(3_600 * hours);
            let mut room = inbox.engine().shared.room();
            std::iter::from_fn(|| room.give_up(now, inbox.guard.max_wait())).count()
        };
        (0..FEW).for_each(|call| assert!(offer(&inbox, "INVITE", call, "")));
        assert_eq!((late(&inbox, 2), sent.lock().unwrap().len()), (0, 0));
        assert!(offer(&inbox, "INVITE", FEW, ""));
        assert_eq!(late(&inbox, 2), 1, "one too many");
        assert_eq!(late(&inbox, 5), FEW);
    }

    #[test]
    fn at_four_times_the_limit_new_calls_get_503_and_everything_that_runs_gets_in() {
        let (inbox, outlet, sent) = stuck(Duration::from_secs(3_600));
        (0..4 * NEW_PACKETS).for_each(|call| assert!(offer(&inbox, "INVITE", call, "")));
        assert_eq!(sent.lock().unwrap().len(), 3 * NEW_PACKETS);
        for (method, to) in
            [("BYE", ";tag=9"), ("INVITE", ";tag=9"), ("ACK", ";tag=9"), ("CANCEL", ""), ("REGISTER", "")]
        {
            assert!(offer(&inbox, method, 1_000_000, to), "{method}");
        }
        assert_eq!(inbox.waiting(), NEW_PACKETS + 5);
        assert_eq!(take(&outlet).len(), NEW_PACKETS + 5);
    }

    #[test]
    fn while_the_store_is_behind_calls_can_still_end() {
        let (inbox, outlet, sent) = stuck(Duration::from_secs(3_600));
        inbox.hold(true);
        assert!(
            offer(&inbox, "INVITE", 1, "")
                && offer(&inbox, "BYE", 2, ";tag=9")
                && offer(&inbox, "REGISTER", 3, "")
        );
        assert_eq!((sent.lock().unwrap().len(), take(&outlet).len()), (1, 2));
    }
}
