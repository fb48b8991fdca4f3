//! What is known about a carrier before anything was said to it. All of it comes from the configuration.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::api::Transport;
use crate::locate::Destination;
use crate::trunk::numbers::NumberFormat;

/// A carrier. It is trusted by its source address; our own calls through it go to its destination.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    pub name: String,
    pub sources: Vec<IpAddr>,
    /// Its certificate, when it was verified, names it as well as an address does.
    pub tls_name: Option<String>,
    /// Where our own calls through it go. A name is looked up for each call (RFC 3263).
    pub destination: Destination,
    /// `None`: what the DNS says, or else UDP.
    pub transport: Option<Transport>,
    /// The one of our listeners that its calls leave from; `None`: any that fits.
    pub listener: Option<String>,
    /// It sits behind a NAT: it is spoken to where it speaks from, whatever its Contact says.
    pub nat: bool,
    /// Host part of the URIs that we write to it, such as `sip.carrier.example`; the destination when absent.
    pub domain: Option<String>,
    /// What its challenges are answered with. Without it none is answered.
    pub account: Option<Account>,
    /// We register with it. Needs an account.
    pub registration: Option<Registration>,
    /// It is asked with OPTIONS whether it is alive.
    pub health: Option<HealthCheck>,
    pub limits: Limits,
    pub place: Place,
    pub numbers: NumberFormat,
    pub identity: IdentityRules,
}

impl Trunk {
    /// A carrier by its address and nothing more: no account, no limits, numbers as they are.
    pub fn new(
        name: &str,
        sources: Vec<IpAddr>,
        destination: impl Into<Destination>,
        transport: impl Into<Option<Transport>>,
    ) -> Trunk {
        Trunk {
            name: name.to_owned(),
            sources,
            tls_name: None,
            destination: destination.into(),
            transport: transport.into(),
            listener: None,
            nat: false,
            domain: None,
            account: None,
            registration: None,
            health: None,
            limits: Limits::default(),
            place: Place::default(),
            numbers: NumberFormat::default(),
            identity: IdentityRules::default(),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub username: String,
    pub password: Secret,
    /// Only challenges for this realm are answered; for any when absent.
    pub realm: Option<String>,
}

/// What no log and no error may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// User part of the address of record.
    pub user: String,
    /// What we ask for; the carrier may grant less, or ask for more (423).
    pub expires: Duration,
}

/// OPTIONS at an interval. RFC 3261 §11
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthCheck {
    pub interval: Duration,
    /// So many failures in a row and the trunk is down.
    pub down_after: u32,
    /// So many answers in a row and it is up again.
    pub up_after: u32,
}

/// Beyond these we do not call through the trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Calls at once, both ways.
    pub calls: Option<u32>,
    pub calls_per_second: Option<u32>,
}

/// Where the trunk stands among those that lead to the same numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// A name that routes may say instead of the trunk's own.
    pub group: Option<String>,
    /// The lowest is tried first.
    pub priority: u32,
    /// Of those of equal priority, how often this one comes first. 0: only when there is no other.
    pub weight: u32,
}

impl Default for Place {
    fn default() -> Place {
        Place { group: None, priority: 0, weight: 1 }
    }
}

/// How callers are named to the carrier, and whether its word about them counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdentityRules {
    /// P-Asserted-Identity and Diversion of its calls are believed. RFC 3325
    pub trusted: bool,
    /// P-Asserted-Identity is written into ours, also when the caller is withheld.
    pub assert: bool,
    /// From carries the account's user, and who calls stands in P-Asserted-Identity alone.
    pub from_account: bool,
}

impl Default for IdentityRules {
    fn default() -> IdentityRules {
        IdentityRules { trusted: true, assert: false, from_account: false }
    }
}
