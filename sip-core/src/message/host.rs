//! Hosts: names, IPv4, IPv6 references.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lex::{self, Cursor};

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
        if lex::all_of(bytes, lex::HOST) { Ok(Host::named(bytes)) } else { Err(()) }
    }

    /// Of characters that a host may have.
    fn named(bytes: &'a [u8]) -> Host<'a> {
        match ipv4(bytes) {
            Some(ip) => Host::Ip(ip.into()),
            None => Host::Name(bytes),
        }
    }

    /// The host at the cursor, which stands behind it then.
    #[inline]
    pub(crate) fn read(at: &mut Cursor<'a>) -> Result<Host<'a>, ()> {
        if at.peek() == Some(b'[') {
            let start = at.at;
            at.run(|c| c != b']');
            at.eat(b']');
            return Host::parse(&at.bytes[start..at.at]);
        }
        let name = at.run_of(lex::HOST);
        if name.is_empty() { Err(()) } else { Ok(Host::named(name)) }
    }

    /// `host [":" port]` at the cursor, no white space.
    #[inline]
    pub(crate) fn read_with_port(at: &mut Cursor<'a>) -> Result<(Host<'a>, Option<u16>), ()> {
        let host = Host::read(at)?;
        if !at.eat(b':') {
            return Ok((host, None));
        }
        let port = lex::number(at.run(|c| c.is_ascii_digit())).ok_or(())?;
        Ok((host, Some(port)))
    }

    /// `host [":" port]` and nothing else.
    pub(crate) fn parse_with_port(bytes: &'a [u8]) -> Result<(Host<'a>, Option<u16>), ()> {
        let mut at = Cursor::new(bytes);
        let found = Host::read_with_port(&mut at)?;
        if at.done() { Ok(found) } else { Err(()) }
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

/// Four numbers without leading zeros; what looks like anything else is a name.
#[inline]
fn ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    if bytes.len() > "255.255.255.255".len() || !bytes.last()?.is_ascii_digit() {
        return None;
    }
    let (mut octets, mut part, mut digits) = ([0u8; 4], 0, 0);
    for &c in bytes {
        match c {
            b'0'..=b'9' if digits == 0 || octets[part] > 0 => {
                octets[part] = octets[part].checked_mul(10)?.checked_add(c - b'0')?;
                digits += 1;
            }
            b'.' if digits > 0 && part < 3 => (part, digits) = (part + 1, 0),
            _ => return None,
        }
    }
    (part == 3).then(|| octets.into())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ipv4_addresses_are_those_that_the_standard_library_reads(
            text in "[0-9]{1,3}(\\.[0-9]{0,3}){2,4}|[0-9.]{1,16}|(0|1|25[0-9]|00|09)(\\.(0|7|255|256|07)){3}"
        ) {
            prop_assert_eq!(ipv4(text.as_bytes()), text.parse::<Ipv4Addr>().ok());
        }
    }
}
