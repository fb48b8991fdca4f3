//! Whom we listen to at all: how much one address may send, who is banned for wrong passwords or for looking around, who is let
//! through whatever others send in his name.
//!
//! Invariants: every table is bounded; what a spoofed datagram can cause is never more than that *strangers* of the address it names
//! are slowed down: carriers and flows that have proved a password are judged apart. A full ban needs wrong answers to a nonce that
//! was sent to that very address, or a connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use model::Instant;

use crate::api::{Hop, Transport};
use crate::glance::{Glance, Kind, Start};

mod bucket;
mod network;
mod table;

pub use bucket::Rate;
pub use network::{BadNetwork, Network};

pub(crate) use bucket::Bucket;
use table::Table;

/// Addresses that are remembered at once, and flows that are known.
const ADDRESSES: usize = 32_768;
const FLOWS: usize = 65_536;
const BANS: usize = 16_384;
/// A flow that has proved a password is known for this long after each proof: longer than any registration.
const KNOWN_FOR: Duration = Duration::from_secs(25 * 3_600);
/// A ban within this time of the one before is longer than that.
const GROWS_WITHIN: Duration = Duration::from_secs(24 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);
/// What still comes through from an address that was silenced on evidence that anybody could have forged.
const TRICKLE: Rate = Rate { per_second: 1, burst: 3 };

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Messages of all strangers of one address.
    pub strangers: Rate,
    /// Messages of one flow that has proved a password.
    pub known: Rate,
    /// Wrong passwords within `failures_within` that end in a ban.
    pub failures: u32,
    pub failures_within: Duration,
    /// OPTIONS by datagram that strangers of one address are answered in a minute: who only asks whether somebody is here is told
    /// nothing beyond that.
    pub questions: u32,
    /// Requests without credentials within `failures_within`, none of which came to anything, that silence an address.
    pub probes: u32,
    /// The first ban; each further one within a day is twice as long, up to `longest_ban`.
    pub ban: Duration,
    pub longest_ban: Duration,
    /// Parts of User-Agent that scanners show, in lower case.
    pub scanners: Vec<String>,
    /// Never limited, never banned.
    pub exempt: Vec<Network>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strangers: Rate { per_second: 50, burst: 300 },
            known: Rate { per_second: 100, burst: 1_000 },
            failures: 6,
            failures_within: Duration::from_secs(300),
            questions: 0,
            probes: 60,
            ban: Duration::from_secs(600),
            longest_ban: Duration::from_secs(24 * 3_600),
            scanners: SCANNERS.iter().map(|name| (*name).to_owned()).collect(),
            exempt: Vec::new(),
        }
    }
}

/// Tools that look for open servers and weak passwords, by what they call themselves.
pub const SCANNERS: &[&str] = &[
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipsak",
    "sundayddr",
    "vaxsipuseragent",
    "pplsip",
    "iwar",
    "siparmyknife",
    "smap",
];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    Pass,
    /// Thrown away without a word.
    Drop(Why),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Why {
    Banned,
    /// More than its share.
    Rate,
    Scanner,
    /// A stranger's OPTIONS.
    Question,
}

/// What an address was banned for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    WrongPassword,
    /// Many requests that asked for everything and proved nothing.
    Guessing,
    Scanner,
    /// An administrator.
    Manual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ban {
    /// One address, or the /64 that it stands for.
    pub address: IpAddr,
    pub reason: Reason,
    /// The address really is where the packets came from. Without it a trickle of requests still comes through.
    pub proven: bool,
    pub until: Instant,
    /// Which one within a day, from 1.
    pub times: u32,
}

/// What one address has done lately.
#[derive(Clone, Default, Debug)]
struct Source {
    bucket: Bucket,
    trickle: Bucket,
    failures: u32,
    failing_since: Instant,
    probes: u32,
    probing_since: Instant,
    questions: u32,
    asking_since: Instant,
}

#[derive(Clone, Debug)]
struct Flow {
    bucket: Bucket,
    until: Instant,
}

pub struct Border {
    limits: Limits,
    carriers: Vec<IpAddr>,
    sources: Table<IpAddr, Source>,
    flows: Table<(Transport, SocketAddr), Flow>,
    bans: BTreeMap<IpAddr, Ban>,
    fresh: Vec<Ban>,
}

impl Border {
    pub fn new(limits: Limits) -> Border {
        Border {
            limits,
            carriers: Vec::new(),
            sources: Table::new(ADDRESSES),
            flows: Table::new(FLOWS),
            bans: BTreeMap::new(),
            fresh: Vec::new(),
        }
    }

    /// Addresses of trunks: they are never banned, and their limits are their own.
    pub fn set_carriers(&mut self, carriers: Vec<IpAddr>) {
        self.carriers = carriers.iter().map(IpAddr::to_canonical).collect();
    }

    /// Whether this message is worth anybody's time.
    pub fn judge(&mut self, now: Instant, hop: Hop, glance: Option<&Glance<'_>>) -> Verdict {
        let ip = hop.remote.ip().to_canonical();
        if self.is_exempt(ip) {
            return Verdict::Pass;
        }
        if let Some(verdict) = self.judge_flow(now, hop, glance) {
            return verdict;
        }
        let address = whole(ip);
        let silenced = match self.ban(now, address) {
            Some(ban) if ban.proven => return Verdict::Drop(Why::Banned),
            ban => ban.is_some(),
        };
        if let Some(glance) = glance
            && self.is_scanner(glance.user_agent)
        {
            if !silenced {
                self.put_ban(now, address, Reason::Scanner, hop.transport != Transport::Udp);
            }
            return Verdict::Drop(Why::Scanner);
        }
        let source = self.sources.entry(address);
        if silenced {
            // Whoever forges the address of a phone cannot keep the phone from signing in.
            let hopeful = glance.is_some_and(|g| g.has_credentials || g.kind() == Kind::Register);
            return if hopeful && source.trickle.take(now, TRICKLE) {
                Verdict::Pass
            } else {
                Verdict::Drop(Why::Banned)
            };
        }
        if !source.bucket.take(now, self.limits.strangers) {
            return Verdict::Drop(Why::Rate);
        }
        let probing = match glance {
            Some(glance) => matches!(glance.kind(), Kind::New | Kind::Register) && !glance.has_credentials,
            None => true,
        };
        if probing {
            if now.saturating_since(source.probing_since) > self.limits.failures_within {
                (source.probing_since, source.probes) = (now, 0);
            }
            source.probes += 1;
            if source.probes > self.limits.probes {
                source.probes = 0;
                self.put_ban(now, address, Reason::Guessing, hop.transport != Transport::Udp);
                return Verdict::Drop(Why::Banned);
            }
        }
        let asks = glance
            .is_some_and(|glance| glance.start == Start::Request(b"OPTIONS") && glance.to_tag.is_none());
        // Whoever has a connection knows already that somebody is here.
        if asks && hop.transport == Transport::Udp {
            if source.questions == 0 || now.saturating_since(source.asking_since) > MINUTE {
                (source.asking_since, source.questions) = (now, 0);
            }
            source.questions = source.questions.saturating_add(1);
            if source.questions > self.limits.questions {
                return Verdict::Drop(Why::Question);
            }
        }
        Verdict::Pass
    }

    /// A password was right: this flow is known from now on.
    pub fn proved(&mut self, now: Instant, hop: Hop) {
        let ip = hop.remote.ip().to_canonical();
        if self.is_exempt(ip) {
            return;
        }
        self.sources.entry(whole(ip)).probes = 0;
        let flow = Flow { bucket: Bucket::default(), until: now + KNOWN_FOR };
        self.flows.entry_or((hop.transport, hop.remote), flow).until = now + KNOWN_FOR;
    }

    /// A wrong answer to a nonce that was sent to this address.
    pub fn failed(&mut self, now: Instant, hop: Hop) {
        let ip = hop.remote.ip().to_canonical();
        if self.is_exempt(ip) {
            return;
        }
        let address = whole(ip);
        let source = self.sources.entry(address);
        if now.saturating_since(source.failing_since) > self.limits.failures_within {
            (source.failing_since, source.failures) = (now, 0);
        }
        source.failures += 1;
        if source.failures >= self.limits.failures {
            source.failures = 0;
            // Whoever guesses passwords from a flow loses what he proved on it before.
            self.flows.remove(&(hop.transport, hop.remote));
            self.put_ban(now, address, Reason::WrongPassword, true);
        }
    }

    /// By hand. False: the address is exempt.
    pub fn ban_by_hand(&mut self, address: IpAddr, until: Instant) -> bool {
        let address = address.to_canonical();
        if self.is_exempt(address) {
            return false;
        }
        let address = whole(address);
        self.insert(Ban { address, reason: Reason::Manual, proven: true, until, times: 1 });
        true
    }

    /// False: there was none.
    pub fn lift(&mut self, now: Instant, address: IpAddr) -> bool {
        let address = whole(address.to_canonical());
        self.sources.remove(&address);
        self.bans.remove(&address).is_some_and(|ban| ban.until > now)
    }

    /// Forgets bans that are over and make no further one longer; to be called now and then.
    pub fn tidy(&mut self, now: Instant) {
        self.bans.retain(|_, ban| {
            ban.until > now || (ban.proven && now.saturating_since(ban.until) < GROWS_WITHIN)
        });
    }

    /// Those in force, by address.
    pub fn bans(&self, now: Instant) -> impl Iterator<Item = &Ban> + use<'_> {
        self.bans.values().filter(move |ban| ban.until > now)
    }

    /// The next ban that nobody has been told of.
    pub fn poll_ban(&mut self) -> Option<Ban> {
        self.fresh.pop()
    }

    fn judge_flow(&mut self, now: Instant, hop: Hop, glance: Option<&Glance<'_>>) -> Option<Verdict> {
        let key = (hop.transport, hop.remote);
        let flow = self.flows.get(&key)?;
        if flow.until <= now {
            self.flows.remove(&key);
            return None;
        }
        let within = flow.bucket.take(now, self.limits.known);
        // What runs already is not cut by a flood in its name.
        let runs = glance.is_some_and(|glance| glance.kind() == Kind::Known);
        Some(if within || runs { Verdict::Pass } else { Verdict::Drop(Why::Rate) })
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.carriers.contains(&ip) || self.limits.exempt.iter().any(|network| network.contains(ip))
    }

    fn is_scanner(&self, agent: &[u8]) -> bool {
        !agent.is_empty()
            && self.limits.scanners.iter().any(|name| {
                let name = name.as_bytes();
                agent.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name))
            })
    }

    fn ban(&self, now: Instant, address: IpAddr) -> Option<Ban> {
        self.bans.get(&address).copied().filter(|ban| ban.until > now)
    }

    fn put_ban(&mut self, now: Instant, address: IpAddr, reason: Reason, proven: bool) {
        let before = self.bans.get(&address).filter(|ban| now.saturating_since(ban.until) < GROWS_WITHIN);
        // What can be forged does not make anything longer.
        let times = if proven { 1 + before.filter(|ban| ban.proven).map_or(0, |ban| ban.times) } else { 1 };
        let longer = self.limits.ban.saturating_mul(1_u32 << (times - 1).min(20));
        let until = now + longer.min(self.limits.longest_ban);
        let ban = Ban { address, reason, proven, until, times };
        if self.insert(ban) {
            self.fresh.push(ban);
        }
    }

    /// False: there is no room for a ban that may be forged.
    fn insert(&mut self, ban: Ban) -> bool {
        if self.bans.len() >= BANS && !self.bans.contains_key(&ban.address) {
            if !ban.proven {
                return false;
            }
            // The one that ends first. Real addresses are scarce: this is rare.
            let first = self.bans.values().min_by_key(|ban| ban.until).map(|ban| ban.address);
            first.map(|address| self.bans.remove(&address));
        }
        self.bans.insert(ban.address, ban);
        true
    }
}

/// What is judged as one: an IPv4 address, the /64 of an IPv6 one.
fn whole(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests;
