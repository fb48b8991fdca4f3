//! `"Display" <uri>;params`: From, To, Contact, Route, Record-Route, P-Asserted-Identity, Refer-To and their kin.

use std::borrow::Cow;

use super::error::SyntaxError;
use super::lex::{self, Cursor};
use super::params::{self, Params};
use super::span::Span;
use super::uri::{Uri, UriAt};

#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    raw: &'a [u8],
    display: &'a [u8],
    uri: Uri<'a>,
    params: Params<'a>,
}

/// The values of all Contact lines.
#[derive(Clone, Debug)]
pub enum Contacts<'a> {
    /// `Contact: *` (RFC 3261 §10.2.2); it stands alone.
    Any,
    /// Empty when there is no Contact.
    List(Vec<NameAddr<'a>>),
}

impl<'a> NameAddr<'a> {
    /// One value, with or without angle brackets (RFC 3261 §20.10).
    pub fn parse(raw: &'a [u8]) -> Result<NameAddr<'a>, SyntaxError> {
        parse(lex::trim(raw)).map_err(|()| SyntaxError("name-addr"))
    }

    /// Byte for byte as it came, folds included.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Without quotes and escapes; `None` when there is none or it is empty.
    pub fn display_name(&self) -> Option<Cow<'a, [u8]>> {
        let name = lex::unquote(self.display);
        (!name.is_empty()).then_some(name)
    }

    /// The display name as text, Latin-1 when it is no UTF-8.
    pub fn display_text(&self) -> Option<String> {
        self.display_name().map(|name| super::text(&name))
    }

    pub fn uri(&self) -> Uri<'a> {
        self.uri
    }

    /// The header's parameters, not those inside the URI.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// `None` also when it is empty.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// Preference in thousandths, 0 to 1000; `None` when absent or malformed.
    pub fn q(&self) -> Option<u16> {
        qvalue(self.params.get("q")?)
    }

    /// Seconds; `None` when absent or malformed (RFC 3261 §10.2.1.1 then asks for the default).
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.params.get("expires")?)
    }
}

/// Where the parts of a checked From or To stand in its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameAddrAt {
    raw: Span,
    display: Span,
    uri: UriAt,
    params: Span,
    tag: Option<Span>,
}

impl NameAddrAt {
    pub(super) fn of(party: &NameAddr<'_>, message: &[u8]) -> NameAddrAt {
        NameAddrAt {
            raw: Span::of(party.raw, message),
            display: Span::of(party.display, message),
            uri: UriAt::of(&party.uri, message),
            params: Span::of(party.params.raw(), message),
            tag: party.tag().map(|tag| Span::of(tag, message)),
        }
    }

    pub(super) fn on<'a>(&self, message: &'a [u8]) -> NameAddr<'a> {
        NameAddr {
            raw: self.raw.on(message),
            display: self.display.on(message),
            uri: self.uri.on(message),
            params: Params::checked(self.params.on(message)),
        }
    }

    pub(super) fn tag<'a>(&self, message: &'a [u8]) -> Option<&'a [u8]> {
        self.tag.map(|tag| tag.on(message))
    }
}

fn parse(raw: &[u8]) -> Result<NameAddr<'_>, ()> {
    let mut at = Cursor::new(raw);
    let display = display(&mut at)?;
    let uri = if at.eat(b'<') {
        let rest = at.rest();
        let end = memchr::memchr(b'>', rest).ok_or(())?;
        at.at += end + 1;
        let inside = &rest[..end];
        Uri::parse(inside).map_err(drop)?
    } else {
        // RFC 3261 §20: without brackets, what follows `;` belongs to the header, and `,` and `?` may not occur.
        let bare = at.run(|c| !lex::is_lws(c) && c != b';');
        if memchr::memchr2(b'?', b',', bare).is_some() {
            return Err(());
        }
        Uri::parse(bare).map_err(drop)?
    };
    let params = params::to_end(&mut at)?;
    Ok(NameAddr { raw, display, uri, params })
}

/// Up to the `<`. Empty, with the cursor back at the start, when the value is a bare URI.
fn display<'a>(at: &mut Cursor<'a>) -> Result<&'a [u8], ()> {
    if at.peek() == Some(b'"') {
        let quoted = at.quoted().ok_or(())?;
        at.skip_lws();
        return if at.peek() == Some(b'<') { Ok(quoted) } else { Err(()) };
    }
    let start = at.at;
    // Bytes above ASCII are not in the grammar of an unquoted name, and are common in the field.
    let name = at.run(|c| lex::is_token(c) || lex::is_lws(c) || c >= 0x80);
    if at.peek() == Some(b'<') {
        return Ok(lex::trim(name));
    }
    at.at = start;
    Ok(b"")
}

/// `0[.ddd]` or `1[.000]` as thousandths; the digit before the dot is forgotten by some.
pub(crate) fn qvalue(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    if text.is_empty() || whole.len() > 1 || fraction.len() > 3 || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mut q = match whole {
        b"" | b"0" => 0,
        b"1" => 1000,
        _ => return None,
    };
    let mut unit = 100;
    for c in fraction {
        if !c.is_ascii_digit() {
            return None;
        }
        q += u16::from(c - b'0') * unit;
        unit /= 10;
    }
    (q <= 1000).then_some(q)
}

/// A display name as a quoted string; control characters become spaces.
pub fn quote(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for c in text.bytes() {
        match c {
            b'"' | b'\\' => out.extend([b'\\', c]),
            c if c.is_ascii_control() => out.push(b' '),
            c => out.push(c),
        }
    }
    out.push(b'"');
    out
}

/// `"Display" <uri>;tag=…`, ready for a header.
pub fn name_addr(display: Option<&str>, uri: &[u8], tag: Option<&str>) -> Vec<u8> {
    let mut out = match display.filter(|name| !name.is_empty()) {
        Some(name) => {
            let mut quoted = quote(name);
            quoted.push(b' ');
            quoted
        }
        None => Vec::new(),
    };
    out.push(b'<');
    out.extend(uri);
    out.push(b'>');
    if let Some(tag) = tag {
        out.extend(b";tag=");
        out.extend(tag.bytes());
    }
    out
}
