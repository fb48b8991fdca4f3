//! Hosts: names, IPv4, IPv6 references.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lex;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    Name(&'a [u8]),
    Ip(IpAddr),
}

impl<'a> Host<'a> {
    /// Without a port; an IPv6 address stands in brackets.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Host<'a>, ()> {
        if let [b'[', inner @ .., b']'] = bytes {
            let text = std::str::from_utf8(inner).map_err(drop)?;
            return ipv6(text).map(|ip| Host::Ip(ip.into())).ok_or(());
        }
        if !lex::all(bytes, lex::is_host) {
            return Err(());
        }
        if bytes.last().is_some_and(u8::is_ascii_digit)
            && let Ok(text) = std::str::from_utf8(bytes)
            && let Ok(ip) = text.parse::<Ipv4Addr>()
        {
            return Ok(Host::Ip(ip.into()));
        }
        Ok(Host::Name(bytes))
    }

    /// `host [":" port]`, no white space.
    pub(crate) fn parse_with_port(bytes: &'a [u8]) -> Result<(Host<'a>, Option<u16>), ()> {
        let end = match bytes.first() {
            Some(b'[') => memchr::memchr(b']', bytes).ok_or(())? + 1,
            _ => memchr::memchr(b':', bytes).unwrap_or(bytes.len()),
        };
        let host = Host::parse(&bytes[..end])?;
        match &bytes[end..] {
            [] => Ok((host, None)),
            [b':', port @ ..] => Ok((host, Some(lex::number(port).ok_or(())?))),
            _ => Err(()),
        }
    }

    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::Ip(ip) => Some(*ip),
        }
    }

    /// Case does not matter in names; addresses compare as addresses.
    pub fn same_as(&self, other: &Host<'_>) -> bool {
        match (self, other) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::Ip(a), Host::Ip(b)) => a == b,
            (Host::Name(_), Host::Ip(_)) | (Host::Ip(_), Host::Name(_)) => false,
        }
    }
}

/// RFC 5118 §4.10: the grammar of RFC 3261 puts a third colon before an embedded IPv4 address, and nowhere else.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| {
        let (prefix, embedded) = text.split_once(":::")?;
        embedded.parse::<Ipv4Addr>().ok()?;
        format!("{prefix}::{embedded}").parse().ok()
    })
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(&String::from_utf8_lossy(name)),
            Host::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}
