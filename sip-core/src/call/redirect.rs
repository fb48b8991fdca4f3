//! Whose an address is that a 3xx or a REFER names. RFC 3261 §8.1.3.4; whether it is followed is up to the owner.

use std::net::IpAddr;

use crate::api::Hop;
use crate::locate::DestinationHost;
use crate::message::{Host, Message, Name, Scheme, Uri};
use crate::stack::Stack;
use crate::trunk::identity::dialled;

impl Stack {
    /// The user or number that a URI at our own domain or addresses names, or a `tel:` URI.
    pub fn user_at_home(&self, uri: &str) -> Option<String> {
        let uri = Uri::parse(uri.as_bytes()).ok()?;
        Some(dialled(&uri)).filter(|user| self.is_home(&uri) && !user.is_empty())
    }

    /// The same for a Refer-To. A phone may have been set up with another name of ours, such as that of a proxy before us: it comes to
    /// us at that address, and names itself by it.
    pub(crate) fn user_referred_to(&self, hop: Hop, request: &Message, uri: &Uri<'_>) -> Option<String> {
        let by = request.address(Name::ReferredBy).ok().flatten().map(|by| by.uri());
        let his_home = by.filter(Uri::is_sip).and_then(|by| by.host());
        let as_he_calls_us = uri.is_sip()
            && uri.host().is_some_and(|host| {
                is_ip(&host, hop.local.ip()) || his_home.is_some_and(|home| is_same(&host, &home))
            });
        let at_home = as_he_calls_us || self.is_home(uri);
        Some(dialled(uri)).filter(|user| at_home && !user.is_empty())
    }

    fn is_home(&self, uri: &Uri<'_>) -> bool {
        match (uri.scheme(), uri.host()) {
            (Scheme::Tel, _) => true,
            (Scheme::Sip | Scheme::Sips, Some(host)) => {
                is(&host, &self.config.domain)
                    || self.config.listeners.iter().any(|listener| {
                        is_ip(&host, listener.local.ip()) || is(&host, host_of(&listener.advertised))
                    })
            }
            (Scheme::Sip | Scheme::Sips | Scheme::Other, _) => false,
        }
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

fn is_same(one: &Host<'_>, other: &Host<'_>) -> bool {
    match (one, other) {
        (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
        (Host::Ip(_), Host::Ip(ip)) => is_ip(one, *ip),
        (Host::Name(_), Host::Ip(_)) | (Host::Ip(_), Host::Name(_)) => false,
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
