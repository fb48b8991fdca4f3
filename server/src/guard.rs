//! The border of SIP: every message of a peer passes here before it may wait for the engine. What it decides is
//! `sip_core::border`; this is its place among the threads, its log line and its figures.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sip_core::api::{DestinationHost, Hop, Trunk};
use sip_core::border::{Ban, Border, Limits, Reason, Verdict, Why};
use sip_core::frame::PONG;
use sip_core::glance::{self, Kind};

use crate::clock::{self, Clock};

/// When those whom there was no room for may try again, in seconds.
const RETRY_AFTER: u32 = 10;

/// Sends one message.
type Send = Box<dyn Fn(Hop, Arc<[u8]>) + std::marker::Send + Sync>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Parts>);

struct Parts {
    clock: Clock,
    /// A new request that waited this long for the engine is refused.
    max_wait: Duration,
    /// Makes the tags of refusals.
    secret: [u8; 32],
    border: Mutex<Border>,
    send: OnceLock<Send>,
    figures: Counters,
}

#[derive(Default)]
struct Counters {
    banned: AtomicU64,
    rate: AtomicU64,
    scanner: AtomicU64,
    question: AtomicU64,
    refused: AtomicU64,
    bans: Mutex<BTreeMap<Reason, u64>>,
}

/// What the border has done since the start, for `/metrics`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Messages of banned addresses, thrown away.
    pub banned: u64,
    /// Messages beyond their sender's share, thrown away.
    pub rate: u64,
    /// Messages of scanners, thrown away.
    pub scanner: u64,
    /// Strangers' OPTIONS, thrown away.
    pub question: u64,
    /// New requests answered 503 because the engine was behind.
    pub refused: u64,
    /// Bans ever made.
    pub bans: BTreeMap<Reason, u64>,
    /// Bans in force.
    pub in_force: usize,
}

/// A ban as it is shown: its end on the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    pub ban: Ban,
    pub until: model::Timestamp,
}

impl Guard {
    pub fn new(limits: Limits, max_wait: Duration, clock: Clock, secret: [u8; 32]) -> Self {
        Self(Arc::new(Parts {
            clock,
            max_wait,
            secret,
            border: Mutex::new(Border::new(limits)),
            send: OnceLock::new(),
            figures: Counters::default(),
        }))
    }

    /// How refusals get out, once there is a network.
    pub fn set_sender(&self, send: impl Fn(Hop, Arc<[u8]>) + std::marker::Send + Sync + 'static) {
        let _ = self.0.send.set(Box::new(send));
    }

    /// Those who are known by their address.
    pub fn set_trunks(&self, trunks: &[Trunk]) {
        let sources = trunks.iter().flat_map(|trunk| trunk.sources.iter().copied());
        let destinations = trunks.iter().filter_map(|trunk| match trunk.destination.host {
            DestinationHost::Ip(address) => Some(address),
            // Whatever a name leads to is not known by its address.
            DestinationHost::Name(_) => None,
        });
        self.border().set_carriers(sources.chain(destinations).collect());
    }

    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    pub fn max_wait(&self) -> Duration {
        self.0.max_wait
    }

    /// `None`: it is to be thrown away without a word.
    pub fn admit(&self, hop: Hop, bytes: &[u8]) -> Option<Kind> {
        // The answer to a ping of ours, which only a connection brings that we opened: it says nothing against the peer.
        if hop.connection.is_some() && bytes == PONG {
            return Some(Kind::Known);
        }
        let glance = glance::glance(bytes);
        let (verdict, ban) = {
            let mut border = self.border();
            (border.judge(self.0.clock.instant(), hop, glance.as_ref()), border.poll_ban())
        };
        if let Some(ban) = ban {
            self.tell(ban);
        }
        let figures = &self.0.figures;
        let counter = match verdict {
            Verdict::Pass => return Some(glance.map_or(Kind::Other, |glance| glance.kind())),
            Verdict::Drop(Why::Banned) => &figures.banned,
            Verdict::Drop(Why::Rate) => &figures.rate,
            Verdict::Drop(Why::Scanner) => &figures.scanner,
            Verdict::Drop(Why::Question) => &figures.question,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Answers a new request that there is no room for.
    pub fn refuse(&self, hop: Hop, bytes: &[u8]) {
        self.0.figures.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(send) = self.0.send.get()
            && let Some((to, answer)) = glance::refuse_new(hop, bytes, &self.0.secret, RETRY_AFTER)
        {
            send(to, answer.into());
        }
    }

    /// Whoever sends from here has proved a password.
    pub fn proved(&self, hop: Hop) {
        self.border().proved(self.0.clock.instant(), hop);
    }

    /// A wrong answer to a nonce that was sent to this very address.
    pub fn failed(&self, hop: Hop) {
        let ban = {
            let mut border = self.border();
            border.failed(self.0.clock.instant(), hop);
            border.poll_ban()
        };
        if let Some(ban) = ban {
            self.tell(ban);
        }
    }

    /// By address.
    pub fn bans(&self) -> Vec<Shown> {
        let now = self.0.clock.instant();
        self.border().bans(now).map(|ban| self.shown(*ban)).collect()
    }

    /// False: the address is a trunk's or exempt.
    pub fn ban(&self, address: IpAddr, span: Duration) -> bool {
        let until = self.0.clock.instant() + span;
        let done = self.border().ban_by_hand(address, until);
        if done {
            self.tell(Ban { address, reason: Reason::Manual, proven: true, until, times: 1 });
        }
        done
    }

    /// False: there was none.
    pub fn lift(&self, address: IpAddr) -> bool {
        let lifted = self.border().lift(self.0.clock.instant(), address);
        if lifted {
            tracing::info!("sip ban lifted address={address}");
        }
        lifted
    }

    /// To be called now and then.
    pub fn tidy(&self) {
        self.border().tidy(self.0.clock.instant());
    }

    pub fn figures(&self) -> Figures {
        let counters = &self.0.figures;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            banned: get(&counters.banned),
            rate: get(&counters.rate),
            scanner: get(&counters.scanner),
            question: get(&counters.question),
            refused: get(&counters.refused),
            bans: counters.bans.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            in_force: self.border().bans(self.0.clock.instant()).count(),
        }
    }

    /// The line that fail2ban reads (`config/fail2ban`): its form does not change.
    fn tell(&self, ban: Ban) {
        *self.0.figures.bans.lock().unwrap_or_else(PoisonError::into_inner).entry(ban.reason).or_default() +=
            1;
        let until = clock::rfc3339(self.shown(ban).until);
        let (address, reason) = (ban.address, reason(ban.reason));
        let proven = if ban.proven { "yes" } else { "no" };
        tracing::warn!("sip ban address={address} reason={reason} proven={proven} until={until}");
    }

    fn shown(&self, ban: Ban) -> Shown {
        Shown { ban, until: clock::wall() + self.0.clock.until(ban.until) }
    }

    fn border(&self) -> MutexGuard<'_, Border> {
        self.0.border.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::WrongPassword => "wrong_password",
        Reason::Guessing => "guessing",
        Reason::Scanner => "scanner",
        Reason::Manual => "manual",
    }
}
