//! SIP, SIPS and tel URIs; others are kept as they are.

use std::borrow::Cow;
use std::fmt;

use super::error::SyntaxError;
use super::host::Host;
use super::lex::{self, Cursor};
use super::params::{MAX_PARAMS, Params};
use super::phone::is_separator;
use super::span::{HostAt, Span};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    Sip,
    Sips,
    /// RFC 3966: `user` is the number with its separators, `host` is absent.
    Tel,
    /// Anything else: only `raw` and `opaque` tell something.
    Other,
}

/// A checked URI that borrows from its message.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    raw: &'a [u8],
    scheme: Scheme,
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    host: Option<Host<'a>>,
    port: Option<u16>,
    params: Params<'a>,
    headers: &'a [u8],
}

impl<'a> Uri<'a> {
    /// The whole of `raw`, without angle brackets or white space (RFC 3261 §19.1.1, RFC 3966 §3, RFC 2396).
    pub fn parse(raw: &'a [u8]) -> Result<Uri<'a>, SyntaxError> {
        parse(raw).map_err(|()| SyntaxError("URI"))
    }

    /// Byte for byte as it came.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The scheme's name as written, without the colon.
    pub fn scheme_name(&self) -> &'a [u8] {
        &self.raw[..memchr::memchr(b':', self.raw).unwrap_or(0)]
    }

    /// What follows the scheme and colon.
    pub fn opaque(&self) -> &'a [u8] {
        &self.raw[self.scheme_name().len() + 1..]
    }

    /// With escapes as they came.
    pub fn raw_user(&self) -> Option<&'a [u8]> {
        self.user
    }

    /// Escapes undone. `None` when there is no user part.
    pub fn user(&self) -> Option<Cow<'a, [u8]>> {
        self.user.map(lex::unescape)
    }

    /// The unescaped user part as text, Latin-1 when it is no UTF-8; empty when there is none.
    pub fn user_text(&self) -> String {
        self.user().map(|user| super::text(&user)).unwrap_or_default()
    }

    /// Escapes undone.
    pub fn password(&self) -> Option<Cow<'a, [u8]>> {
        self.password.map(lex::unescape)
    }

    /// Always there for SIP and SIPS, never for others.
    pub fn host(&self) -> Option<Host<'a>> {
        self.host
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// `;transport=`, as written.
    pub fn transport(&self) -> Option<&'a [u8]> {
        self.params.get("transport")
    }

    /// Marks a loose router (RFC 3261 §16.4).
    pub fn is_loose_router(&self) -> bool {
        self.params.has("lr")
    }

    /// What follows `?`, as it came; empty when nothing does.
    pub fn raw_headers(&self) -> &'a [u8] {
        self.headers
    }

    /// Embedded headers, escapes undone.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'a, [u8]>, Cow<'a, [u8]>)> + use<'a> {
        pairs(self.headers).map(|(name, value)| (lex::unescape(name), lex::unescape(value)))
    }

    /// Without `?headers`: how a URI goes into a Request-URI.
    pub fn without_headers(&self) -> &'a [u8] {
        match self.headers {
            [] => self.raw,
            headers => &self.raw[..self.raw.len() - headers.len() - 1],
        }
    }

    /// RFC 3261 §19.1.4. URIs of other schemes compare byte for byte (the scheme in any case).
    pub fn same_as(&self, other: &Uri<'_>) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                same_escaped(self.user, other.user)
                    && same_escaped(self.password, other.password)
                    && self.host.zip(other.host).is_some_and(|(a, b)| a.same_as(&b))
                    && self.port == other.port
                    && params_match(self.params, other.params)
                    && params_match(other.params, self.params)
                    && headers_match(self.headers, other.headers)
            }
            Scheme::Tel => {
                digits(self.user.unwrap_or_default()).eq(digits(other.user.unwrap_or_default()))
                    && tel_params(self.params, other.params)
                    && tel_params(other.params, self.params)
            }
            Scheme::Other => {
                self.scheme_name().eq_ignore_ascii_case(other.scheme_name())
                    && self.opaque() == other.opaque()
            }
        }
    }
}

/// Where the parts of a checked URI stand in its message, so that nothing is parsed twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct UriAt {
    raw: Span,
    scheme: Scheme,
    user: Option<Span>,
    password: Option<Span>,
    host: Option<HostAt>,
    port: Option<u16>,
    params: Span,
    headers: Span,
}

impl UriAt {
    pub(super) fn of(uri: &Uri<'_>, message: &[u8]) -> UriAt {
        UriAt {
            raw: Span::of(uri.raw, message),
            scheme: uri.scheme,
            user: uri.user.map(|user| Span::of(user, message)),
            password: uri.password.map(|password| Span::of(password, message)),
            host: uri.host.map(|host| HostAt::of(host, message)),
            port: uri.port,
            params: Span::of(uri.params.raw(), message),
            headers: Span::of(uri.headers, message),
        }
    }

    pub(super) fn on<'a>(&self, message: &'a [u8]) -> Uri<'a> {
        Uri {
            raw: self.raw.on(message),
            scheme: self.scheme,
            user: self.user.map(|user| user.on(message)),
            password: self.password.map(|password| password.on(message)),
            host: self.host.map(|host| host.on(message)),
            port: self.port,
            params: Params::checked(self.params.on(message)),
            headers: self.headers.on(message),
        }
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.raw))
    }
}

/// A URI that owns its bytes, for what outlives a message (remote targets, route sets).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UriBuf(Box<[u8]>);

impl UriBuf {
    pub fn parse(raw: &[u8]) -> Result<UriBuf, SyntaxError> {
        Uri::parse(raw).map(UriBuf::from)
    }

    pub fn get(&self) -> Uri<'_> {
        Uri::parse(&self.0).expect("checked when it was made")
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Uri<'_>> for UriBuf {
    fn from(uri: Uri<'_>) -> UriBuf {
        UriBuf(uri.raw.into())
    }
}

/// `sip:user@host`, with whatever is not allowed in the user part escaped. `host` may carry a port and parameters and is ours, not
/// a peer's.
pub fn sip_uri(user: Option<&str>, host: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + user.map_or(0, str::len) + host.len());
    out.extend(b"sip:");
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        escape_user(user.as_bytes(), &mut out);
        out.push(b'@');
    }
    out.extend(host.bytes().filter(|c| !c.is_ascii_control() && *c != b' '));
    out
}

/// Escapes what `user` does not allow, and every `%`.
pub(crate) fn escape_user(user: &[u8], out: &mut Vec<u8>) {
    escape(user, |c| c < 0x80 && lex::is_user(c) && c != b'#', out);
}

fn escape(bytes: &[u8], allowed: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &c in bytes {
        if allowed(c) {
            out.push(c);
        } else {
            out.extend([b'%', HEX[usize::from(c >> 4)], HEX[usize::from(c & 15)]]);
        }
    }
}

/// A header's value as it stands in a URI after `?name=`: everything but letters, digits and `-_.!~*'()` is escaped.
pub fn escape_header(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 16);
    escape(value, |c| c.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&c), &mut out);
    out
}

fn parse(raw: &[u8]) -> Result<Uri<'_>, ()> {
    if let [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', rest @ ..] = raw {
        return parse_sip(raw, Scheme::Sip, rest);
    }
    let colon = memchr::memchr(b':', raw).ok_or(())?;
    let (name, rest) = (&raw[..colon], &raw[colon + 1..]);
    let scheme = match name.len() {
        4 if name.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        3 if name.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    match scheme {
        Scheme::Sip | Scheme::Sips => parse_sip(raw, scheme, rest),
        Scheme::Tel => parse_tel(raw, rest),
        Scheme::Other => {
            let well_named = name.first().is_some_and(u8::is_ascii_alphabetic)
                && name.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
            let clean = !rest.is_empty()
                && rest.iter().all(|&c| c > b' ' && c != 0x7f && !matches!(c, b'<' | b'>' | b'"'));
            if !well_named || !clean {
                return Err(());
            }
            Ok(Uri { headers: b"", ..bare(raw, scheme) })
        }
    }
}

fn bare(raw: &[u8], scheme: Scheme) -> Uri<'_> {
    Uri {
        raw,
        scheme,
        user: None,
        password: None,
        host: None,
        port: None,
        params: Params::default(),
        headers: b"",
    }
}

fn parse_sip<'a>(raw: &'a [u8], scheme: Scheme, rest: &'a [u8]) -> Result<Uri<'a>, ()> {
    // No part but the user's end may hold a bare `@`, and the user part may hold `;` and `?`: so it comes off first.
    let mut at = Cursor::new(rest);
    let user = at.run_escaped(lex::USER);
    let password = at.eat(b':').then(|| at.run_escaped(lex::PASSWORD));
    let (user, password) = if at.eat(b'@') && !user.is_empty() {
        (Some(user), password)
    } else if memchr::memchr(b'@', rest).is_some() {
        return Err(());
    } else {
        at = Cursor::new(rest);
        (None, None)
    };
    let (host, port) = Host::read_with_port(&mut at)?;
    let params = uri_params(&mut at)?;
    let headers = match at.rest() {
        [] => &b""[..],
        [b'?', headers @ ..] if pairs_are_valid(headers) => headers,
        _ => return Err(()),
    };
    Ok(Uri { raw, scheme, user, password, host: Some(host), port, params, headers })
}

fn parse_tel<'a>(raw: &'a [u8], rest: &'a [u8]) -> Result<Uri<'a>, ()> {
    let semicolon = memchr::memchr(b';', rest).unwrap_or(rest.len());
    let number = &rest[..semicolon];
    // RFC 3966 §3: a global number is made of digits, a local one of dial digits; one of them at least.
    let (global, dialled) = match number.strip_prefix(b"+") {
        Some(dialled) => (true, dialled),
        None => (false, number),
    };
    let is_digit = |c: u8| match global {
        true => c.is_ascii_digit(),
        false => c.is_ascii_hexdigit() || matches!(c, b'*' | b'#'),
    };
    if !dialled.iter().all(|&c| is_digit(c) || is_separator(c)) || dialled.iter().all(|&c| is_separator(c)) {
        return Err(());
    }
    let mut at = Cursor { bytes: rest, at: semicolon };
    let params = uri_params(&mut at)?;
    if !at.done() {
        return Err(());
    }
    Ok(Uri { user: Some(number), params, ..bare(raw, Scheme::Tel) })
}

/// `*( ";" pname [ "=" pvalue ] )` with escapes, no white space; the cursor stands where they stop.
fn uri_params<'a>(at: &mut Cursor<'a>) -> Result<Params<'a>, ()> {
    let start = at.at;
    let mut count = 0;
    while at.eat(b';') {
        count += 1;
        if count > MAX_PARAMS || at.run_escaped(lex::PARAM).is_empty() {
            return Err(());
        }
        // A value may hold further equals signs.
        while at.eat(b'=') {
            at.run_escaped(lex::PARAM);
        }
    }
    Ok(Params::checked(&at.bytes[start..at.at]))
}

fn pairs(raw: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    raw.split(|&c| c == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut at = Cursor::new(pair);
        let name = at.run(|c| c != b'=');
        at.eat(b'=');
        (name, at.rest())
    })
}

fn pairs_are_valid(raw: &[u8]) -> bool {
    raw.split(|&c| c == b'&').enumerate().all(|(index, pair)| match memchr::memchr(b'=', pair) {
        Some(at) => {
            index < MAX_PARAMS
                && at > 0
                && lex::all_escaped(&pair[..at], lex::is_uri_header)
                && lex::all_escaped(&pair[at + 1..], |c| {
                    lex::is_uri_header(c) || c == b'=' || c == b';' || c == b','
                })
        }
        None => false,
    })
}

fn same_escaped(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a == b || lex::unescape(a) == lex::unescape(b),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// What both have must be the same; these few must be in both or in neither.
fn params_match(a: Params<'_>, b: Params<'_>) -> bool {
    const BOTH_OR_NEITHER: [&[u8]; 5] = [b"transport", b"user", b"ttl", b"method", b"maddr"];
    let same = |a: &[u8], b: &[u8]| {
        a.eq_ignore_ascii_case(b) || lex::unescape(a).eq_ignore_ascii_case(&lex::unescape(b))
    };
    a.iter().all(|(name, value)| {
        let mut others = b.iter().filter(|(known, _)| same(known, name)).map(|(_, value)| value).peekable();
        match others.peek() {
            Some(_) => others.any(|other| same(value.unwrap_or_default(), other.unwrap_or_default())),
            None => !BOTH_OR_NEITHER.iter().any(|known| known.eq_ignore_ascii_case(name)),
        }
    })
}

fn headers_match(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let one_way = |a, b| {
        pairs(a).all(|(name, value)| {
            let (name, value) = (lex::unescape(name), lex::unescape(value));
            pairs(b).any(|(n, v)| lex::unescape(n).eq_ignore_ascii_case(&name) && lex::unescape(v) == value)
        })
    };
    one_way(a, b) && one_way(b, a)
}

/// RFC 3966 §4: visual separators do not count.
fn digits(number: &[u8]) -> impl Iterator<Item = u8> {
    number.iter().filter(|c| !is_separator(**c)).map(u8::to_ascii_lowercase)
}

fn tel_params(a: Params<'_>, b: Params<'_>) -> bool {
    a.iter().all(|(name, value)| {
        b.iter().any(|(n, v)| {
            n.eq_ignore_ascii_case(name)
                && v.unwrap_or_default().eq_ignore_ascii_case(value.unwrap_or_default())
        })
    })
}
