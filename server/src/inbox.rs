//! The engine's inbox, and those of the SIP stacks beside it: a queue each, in order of arrival, with a limit for each kind of sender.
//!
//! Invariants: what the engine itself waits for (media events, answers of the store, set-up) is never refused, so the parts
//! cannot wait for each other in a circle. Of what peers send, new work is refused first and at once, with 503: what belongs to
//! a call or a registration that exists still has room when nothing new has. Where many wait, no new request waits longer than the
//! guard's `max_wait`: what the engine has not taken by then is refused, and the engine never sees it. The repeat of a request
//! shares its fate: what the engine has taken is never refused here. What another stack takes comes to the engine all the same, so
//! that it is refused, too, while the engine leaves its own inputs lying so long.

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

use crate::clock::Clock;
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

/// So many inputs that wait for the engine may be more than it can do in time; whether they are their age tells.
const ENGINE_BUSY: usize = 512;

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
    sender: Sender<(Instant, Item)>,
    clock: Clock,
    shared: Arc<Shared>,
}

/// The side of the thread that takes the inputs.
#[derive(Debug)]
pub struct Outlet {
    receiver: Receiver<(Instant, Item)>,
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
    /// No input that waits has been waiting since before this, in microseconds. What it says is old when nothing waits.
    oldest: AtomicU64,
    /// Of SIP.
    octets: AtomicUsize,
    next_new: AtomicU64,
    room: Mutex<Room>,
    refused: AtomicU64,
    /// Set while the store is too far behind for new work.
    held: AtomicBool,
    /// The set-up is done.
    begun: AtomicBool,
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
    let clock = guard.clock();
    let lane = |_| {
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        (Lane { sender, clock, shared: shared.clone() }, Outlet { receiver, shared })
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
            Input::Report(_)
            | Input::Media(_)
            | Input::Resolved { .. }
            | Input::Outside { .. }
            | Input::Admin(_) => self.engine().send(Item::Input(input)),
        }
    }

    /// What the engine wants of another stack; never refused. There is nobody to obey one for a stack that is not there.
    pub fn order(&self, shard: ShardId, order: Order) {
        if matches!(order, Order::Begin) {
            self.engine().shared.begun.store(true, Ordering::Relaxed);
        }
        let beside = usize::from(shard.0).checked_sub(1).and_then(|nth| self.lanes[1..].get(nth));
        if let Some(lane) = beside {
            // Refused only when the thread has stopped.
            let _ = lane.send(Item::Order(order));
        }
    }

    /// Lets the threads of the other stacks end when they have done what they were told.
    pub fn close_shards(&self) {
        for lane in &self.lanes[1..] {
            let _ = lane.send(Item::Close);
        }
    }

    /// Whether the engine would hear too late of a call that goes to another stack now.
    fn is_engine_behind(&self) -> bool {
        if self.may_report(ENGINE_BUSY) {
            return false;
        }
        let longest = self.engine().shared.longest_wait(self.guard.clock().instant());
        !self.may_report(NEW_PACKETS) || longest >= self.guard.max_wait()
    }

    /// Fewer than `most` inputs wait for the engine. Until it has begun the other stacks hold everything back themselves.
    fn may_report(&self, most: usize) -> bool {
        self.engine().waiting() < most || !self.engine().shared.begun.load(Ordering::Relaxed)
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
                let engine_has_time = shard == ShardId::HOME || !self.is_engine_behind();
                !self.is_held() && waiting < NEW_PACKETS && octets < NEW_OCTETS && engine_has_time
            }
            Kind::Register => waiting < REGISTERS && octets < NEW_OCTETS,
            Kind::Known => {
                // What comes of it the engine cannot refuse.
                let engine_has_room = shard == ShardId::HOME || self.may_report(PACKETS);
                waiting < PACKETS && octets < OCTETS && engine_has_room
            }
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
        self.send_at(self.clock.instant(), item)
    }

    fn send_at(&self, now: Instant, item: Item) -> Result<(), Refused> {
        if self.shared.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            self.shared.oldest.store(now.as_micros(), Ordering::Relaxed);
        }
        self.sender.send((now, item)).map_err(|_| {
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
        let (since, item) = match received {
            Ok(received) => received,
            Err(RecvTimeoutError::Timeout) => return Received::TimedOut,
            Err(RecvTimeoutError::Disconnected) => return Received::Closed,
        };
        // What comes behind it came later.
        self.shared.oldest.store(since.as_micros(), Ordering::Relaxed);
        self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
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
    /// How long the input that has waited longest may have waited.
    fn longest_wait(&self, now: Instant) -> Duration {
        match self.waiting.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            _ => now.saturating_since(Instant::from_micros(self.oldest.load(Ordering::Relaxed))),
        }
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sip_core::api::{ConnectionId, Transport};
    use sip_core::border::Limits;

    use super::*;

    type Sent = Arc<Mutex<Vec<String>>>;

    /// An inbox that nobody reads, with what was answered at the border.
    fn stuck(max_wait: Duration) -> (Inbox, Outlet, Sent) {
        let (inbox, mut outlets, sent) = spread(max_wait, 0);
        (inbox, outlets.remove(0), sent)
    }

    /// The same, with so many stacks beside the engine's.
    fn spread(max_wait: Duration, shards: u8) -> (Inbox, Vec<Outlet>, Sent) {
        let limits = Limits { exempt: vec!["127.0.0.0/8".parse().unwrap()], ..Limits::default() };
        let guard = Guard::new(limits, max_wait, Clock::start(), [3; 32]);
        let sent = Sent::default();
        let answers = sent.clone();
        guard.set_sender(move |_, bytes| {
            answers.lock().unwrap().push(String::from_utf8_lossy(&bytes).into_owned());
        });
        let (inbox, outlets) = inbox(guard, Placement::new(shards, [0; 32]));
        (inbox, outlets, sent)
    }

    /// Lets so much wait for the engine as reports of other stacks would be.
    fn keep_busy(inbox: &Inbox, inputs: usize) {
        let report = || Input::ConnectionClosed(ConnectionId(1));
        (0..inputs).for_each(|_| inbox.engine().send(Item::Input(report())).unwrap());
    }

    fn waiting(inbox: &Inbox) -> Vec<usize> {
        inbox.lanes.iter().map(Lane::waiting).collect()
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
    fn an_order_for_a_stack_that_is_not_there_goes_nowhere() {
        let (inbox, outlets, _) = spread(Duration::from_secs(3_600), 2);
        [0, 1, 2, 3, 16, 255].into_iter().for_each(|shard| inbox.order(ShardId(shard), Order::SetFull(true)));
        assert_eq!(waiting(&inbox), [0, 1, 1]);
        assert!(matches!(outlets[2].receive(None), Received::Order(Order::SetFull(true))));
    }

    #[test]
    fn what_runs_on_other_stacks_waits_while_the_engine_has_too_much_of_it() {
        let (inbox, outlets, sent) = spread(Duration::from_secs(3_600), 1);
        keep_busy(&inbox, PACKETS);
        assert!(offer(&inbox, "INFO", 1, ";tag=g9"), "what waits is the set-up");
        inbox.order(ShardId(1), Order::Begin);
        assert!(!offer(&inbox, "INFO", 2, ";tag=g9"), "it will come again");
        outlets[0].receive(None);
        assert!(offer(&inbox, "INFO", 2, ";tag=g9"), "there is room for one");
        assert_eq!((waiting(&inbox), inbox.refused()), (vec![PACKETS - 1, 3], 1));
        assert!(sent.lock().unwrap().is_empty());
    }

    #[test]
    fn nothing_is_refused_for_the_engine_before_it_has_begun() {
        let (inbox, _outlets, sent) = spread(Duration::ZERO, 1);
        keep_busy(&inbox, 2 * NEW_PACKETS);
        assert!(offer(&inbox, "INVITE", 1, ""));
        assert_eq!((sent.lock().unwrap().len(), waiting(&inbox)[1]), (0, 1), "the set-up waits there");
        inbox.order(ShardId(1), Order::Begin);
        assert!(offer(&inbox, "INVITE", 2, ""));
        assert_eq!((sent.lock().unwrap().len(), waiting(&inbox)[1]), (1, 2));
    }

    #[test]
    fn an_engine_with_much_to_do_is_behind_only_when_it_has_left_it_lying() {
        for (max_wait, refused) in [(Duration::from_secs(3_600), 0), (Duration::ZERO, 1)] {
            let (inbox, outlets, sent) = spread(max_wait, 1);
            inbox.order(ShardId(1), Order::Begin);
            keep_busy(&inbox, ENGINE_BUSY - 1);
            assert!(offer(&inbox, "INVITE", 1, ""));
            assert!(sent.lock().unwrap().is_empty(), "it is not much");
            keep_busy(&inbox, 1);
            assert!(offer(&inbox, "INVITE", 2, ""));
            assert_eq!(sent.lock().unwrap().len(), refused, "{max_wait:?}");
            // However fast it is: it is not to have more than so much.
            keep_busy(&inbox, NEW_PACKETS - ENGINE_BUSY);
            assert!(offer(&inbox, "INVITE", 3, ""));
            assert_eq!(sent.lock().unwrap().len(), refused + 1);
            while !outlets[0].is_empty() {
                outlets[0].receive(None);
            }
            assert!(offer(&inbox, "INVITE", 4, ""));
            assert_eq!(sent.lock().unwrap().len(), refused + 1, "it has caught up");
        }
    }

    #[test]
    fn nothing_that_waits_is_older_than_what_was_taken_last() {
        let (inbox, outlet, _) = stuck(Duration::ZERO);
        let at = |seconds: u64| Instant::ZERO + Duration::from_secs(seconds);
        let wait = || inbox.engine().shared.longest_wait(at(100)).as_secs();
        let come = |seconds| {
            let input = Input::ConnectionClosed(ConnectionId(1));
            inbox.engine().send_at(at(seconds), Item::Input(input)).unwrap();
        };
        assert_eq!(wait(), 0, "nothing waits");
        [10, 20, 30].into_iter().for_each(come);
        assert_eq!(wait(), 90);
        outlet.receive(None);
        outlet.receive(None);
        assert_eq!(wait(), 80);
        outlet.receive(None);
        assert_eq!(wait(), 0);
        come(95);
        assert_eq!(wait(), 5, "not since the one before it");
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
