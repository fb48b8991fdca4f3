//! Whose an address is that a 3xx sends us to. RFC 3261 §8.1.3.4; whether it is followed is up to the owner.

use std::net::IpAddr;

use crate::locate::DestinationHost;
use crate::message::{Host, Scheme, Uri};
use crate::stack::Stack;
use crate::trunk::identity::dialled;

impl Stack {
    /// The user or number that a URI at our own domain or addresses names, or a `tel:` URI.
    pub fn user_at_home(&self, uri: &str) -> Option<String> {
        let uri = Uri::parse(uri.as_bytes()).ok()?;
        let at_home = match (uri.scheme(), uri.host()) {
            (Scheme::Tel, _) => true,
            (Scheme::Sip | Scheme::Sips, Some(host)) => {
                is(&host, &self.config.domain)
                    || self.config.listeners.iter().any(|listener| {
                        is_ip(&host, listener.local.ip()) || is(&host, host_of(&listener.advertised))
                    })
            }
            (Scheme::Sip | Scheme::Sips | Scheme::Other, _) => false,
        };
        Some(dialled(&uri)).filter(|user| at_home && !user.is_empty())
    }

    /// The number that a URI names, if it is at one of the trunk's own hosts.
    pub fn number_at_trunk(&self, trunk: &str, uri: &str) -> Option<String> {
        let trunk = &self.trunks.named(trunk)?.settings;
        let uri = Uri::parse(uri.as_bytes()).ok().filter(|uri| uri.is_sip())?;
        let host = uri.host()?;
        let its_own = trunk.domain.as_deref().is_some_and(|domain| is(&host, host_of(domain)))
            || match &trunk.destination.host {
                DestinationHost::Name(name) => is(&host, name),
                DestinationHost::Ip(ip) => is_ip(&host, *ip),
            }
            || trunk.sources.iter().any(|ip| is_ip(&host, *ip));
        let number = trunk.numbers.read(&dialled(&uri));
        Some(number).filter(|number| its_own && !number.is_empty())
    }
}

fn is(host: &Host<'_>, name: &str) -> bool {
    match host {
        Host::Name(host) => host.eq_ignore_ascii_case(name.as_bytes()),
        Host::Ip(ip) => name.trim_matches(['[', ']']).parse() == Ok(*ip),
    }
}

fn is_ip(host: &Host<'_>, ip: IpAddr) -> bool {
    matches!(host, Host::Ip(named) if named.to_canonical() == ip.to_canonical())
}

/// Without the port.
fn host_of(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
        Some(_) | None => text,
    }
}
