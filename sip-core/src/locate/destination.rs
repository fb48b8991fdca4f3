use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::message::Host;

/// A host, and a port when one was named: `sip.example.org`, `192.0.2.7:5080`, `[2001:db8::7]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Destination {
    pub host: DestinationHost,
    pub port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DestinationHost {
    /// In lower case, without a dot at its end.
    Name(String),
    Ip(IpAddr),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("neither a host nor a host and port")]
pub struct BadDestination;

/// RFC 1035 §2.3.4
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

impl Destination {
    /// `None` for a name that DNS cannot hold.
    pub(crate) fn new(host: Host<'_>, port: Option<u16>) -> Option<Destination> {
        let host = match host {
            Host::Ip(ip) => DestinationHost::Ip(ip),
            Host::Name(name) => {
                let name = std::str::from_utf8(name).ok()?.trim_end_matches('.').to_ascii_lowercase();
                let fits = |label: &str| (1..=LONGEST_LABEL).contains(&label.len());
                if name.len() > LONGEST_NAME || !name.split('.').all(fits) {
                    return None;
                }
                DestinationHost::Name(name)
            }
        };
        Some(Destination { host, port })
    }
}

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Destination, BadDestination> {
        let port_ok = |port: Option<u16>| port != Some(0);
        let (host, port) = match text.parse::<IpAddr>() {
            // Without a port an IPv6 address may stand without brackets.
            Ok(ip) => (Host::Ip(ip), None),
            Err(_) => Host::parse_with_port(text.as_bytes()).map_err(|()| BadDestination)?,
        };
        Destination::new(host, port).filter(|found| port_ok(found.port)).ok_or(BadDestination)
    }
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Destination {
        Destination { host: DestinationHost::Ip(address.ip()), port: Some(address.port()) }
    }
}

impl fmt::Display for Destination {
    /// As it stands in a URI.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            DestinationHost::Name(name) => f.write_str(name)?,
            DestinationHost::Ip(ip) => Host::Ip(*ip).fmt(f)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_with_and_without_ports_and_written_as_uris_want_them() {
        for (text, written) in [
            ("SIP.Example.org.", "sip.example.org"),
            ("sip.example.org:5080", "sip.example.org:5080"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:5060", "192.0.2.7:5060"),
            ("2001:db8::7", "[2001:db8::7]"),
            ("[2001:db8::7]:5061", "[2001:db8::7]:5061"),
        ] {
            assert_eq!(text.parse::<Destination>().map(|found| found.to_string()).as_deref(), Ok(written));
        }
    }

    #[test]
    fn what_no_name_server_could_answer_is_no_destination() {
        let long = "a.".repeat(150);
        for text in ["", ":5060", "a..b", "a b", "sip:a", "a:0", "a:70000", "[::1", long.as_str()] {
            assert_eq!(text.parse::<Destination>(), Err(BadDestination), "{text}");
        }
    }
}
