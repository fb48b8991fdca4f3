//! Where a request goes when a name says it: RFC 3263, as a state machine that asks for DNS records and is told them.
//!
//! | what | where |
//! |---|---|
//! | a host with or without a port, as a configuration or a URI names it | `destination` |
//! | NAPTR, SRV and addresses, in their turn | `search` |
//! | RFC 2782: which of several servers is asked first | `order` |
//!
//! Invariants: the number of questions is bounded, whatever the answers are; a search that was asked for TLS never gives a place
//! that is reached without it.

mod destination;
mod order;
mod search;

pub use destination::{BadDestination, Destination, DestinationHost};
pub(crate) use search::{Abilities, Place, Search, Wanted, usual_port};

use std::net::{Ipv4Addr, Ipv6Addr};

/// One question for the DNS. Names have no dot at their end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Question {
    Naptr(String),
    Srv(String),
    A(String),
    Aaaa(String),
}

/// What the DNS said. No such name, no such record and no answer at all are the same: nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
    A(Vec<Ipv4Addr>),
    Aaaa(Vec<Ipv6Addr>),
    Nothing,
}

/// RFC 3403 §4.1, without what SIP does not use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: String,
    /// Such as `SIP+D2U`.
    pub services: String,
    pub replacement: String,
}

/// RFC 2782
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    /// `.` or empty: this service is decidedly not there.
    pub target: String,
}
