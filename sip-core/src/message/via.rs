//! Via (RFC 3261 §20.42, RFC 3581).

use std::net::IpAddr;

use super::error::SyntaxError;
use super::host::Host;
use super::lex::{self, Cursor};
use super::params::{self, Params};
use super::span::{HostAt, Span};

/// What a branch made after RFC 3261 begins with (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    raw: &'a [u8],
    transport: &'a [u8],
    sent_by: &'a [u8],
    host: Host<'a>,
    port: Option<u16>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// One value, not a list.
    pub fn parse(raw: &'a [u8]) -> Result<Via<'a>, SyntaxError> {
        parse(lex::trim(raw)).map_err(|()| SyntaxError("Via"))
    }

    /// Byte for byte as it came, folds included.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// As written: `UDP`, `TCP`, `TLS`, `WS`, ….
    pub fn transport(&self) -> &'a [u8] {
        self.transport
    }

    /// Host and port as written, for transaction keys (§17.2.3).
    pub fn sent_by(&self) -> &'a [u8] {
        self.sent_by
    }

    pub fn host(&self) -> Host<'a> {
        self.host
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    pub fn params(&self) -> Params<'a> {
        self.params
    }

    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, if it identifies a transaction by itself: it has the cookie and something after it (§17.2.3, RFC 4475 §3.2.1).
    pub fn unique_branch(&self) -> Option<&'a [u8]> {
        let cookie = MAGIC_COOKIE.len();
        self.branch()
            .filter(|b| b.len() > cookie && b[..cookie].eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()))
    }

    pub fn received(&self) -> Option<IpAddr> {
        let text = std::str::from_utf8(self.params.get("received")?).ok()?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Outer `None`: not asked for. Inner `None`: asked for and not filled in yet.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(lex::number)
    }
}

/// Where the parts of a checked Via stand in its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViaAt {
    raw: Span,
    transport: Span,
    sent_by: Span,
    host: HostAt,
    port: Option<u16>,
    params: Span,
}

impl ViaAt {
    pub(super) fn of(via: &Via<'_>, message: &[u8]) -> ViaAt {
        ViaAt {
            raw: Span::of(via.raw, message),
            transport: Span::of(via.transport, message),
            sent_by: Span::of(via.sent_by, message),
            host: HostAt::of(via.host, message),
            port: via.port,
            params: Span::of(via.params.raw(), message),
        }
    }

    pub(super) fn on<'a>(&self, message: &'a [u8]) -> Via<'a> {
        Via {
            raw: self.raw.on(message),
            transport: self.transport.on(message),
            sent_by: self.sent_by.on(message),
            host: self.host.on(message),
            port: self.port,
            params: Params::checked(self.params.on(message)),
        }
    }
}

fn parse(raw: &[u8]) -> Result<Via<'_>, ()> {
    let mut at = Cursor::new(raw);
    if raw.starts_with(b"SIP/2.0/") {
        at.at = b"SIP/2.0/".len();
    } else {
        let name = at.token().ok_or(())?;
        slash(&mut at)?;
        let version = at.token().ok_or(())?;
        slash(&mut at)?;
        if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" {
            return Err(());
        }
    }
    at.skip_lws();
    let transport = at.token().ok_or(())?;
    if !at.peek().is_some_and(lex::is_lws) {
        return Err(());
    }
    at.skip_lws();
    let start = at.at;
    let host = Host::read(&mut at)?;
    let mut end = at.at;
    at.skip_lws();
    let mut port = None;
    if at.eat(b':') {
        at.skip_lws();
        port = Some(lex::number(at.run(|c| c.is_ascii_digit())).ok_or(())?);
        end = at.at;
    }
    let sent_by = &raw[start..end];
    let params = params::to_end(&mut at)?;
    Ok(Via { raw, transport, sent_by, host, port, params })
}

fn slash(at: &mut Cursor<'_>) -> Result<(), ()> {
    at.skip_lws();
    let found = at.eat(b'/');
    at.skip_lws();
    if found { Ok(()) } else { Err(()) }
}
