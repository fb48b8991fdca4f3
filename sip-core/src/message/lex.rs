//! Characters and small scanners shared by all headers (RFC 3261 §25.1).
//!
//! A header value may still hold its folds: CR and LF occur in an indexed value only as part of a fold, so every
//! scanner here takes them for linear white space. Nothing here allocates, except where a fold or escape must go.

use std::borrow::Cow;

pub(crate) const TOKEN: u16 = 1;
pub(crate) const USER: u16 = 2;
pub(crate) const PASSWORD: u16 = 4;
pub(crate) const HOST: u16 = 8;
pub(crate) const PARAM: u16 = 16;
const HEADER: u16 = 32;
/// `word` of Call-ID, and the `@` between two of them.
pub(crate) const CALL_ID: u16 = 64;
/// What an unquoted header parameter value may hold; wider than the grammar, closed against every delimiter.
pub(crate) const VALUE: u16 = 128;
/// The same for a parameter's name: it ends at the equals sign, too.
pub(crate) const NAME: u16 = 256;

static CLASS: [u16; 256] = classes();

const fn mark(mut table: [u16; 256], set: &[u8], class: u16) -> [u16; 256] {
    let mut i = 0;
    while i < set.len() {
        table[set[i] as usize] |= class;
        i += 1;
    }
    table
}

const fn classes() -> [u16; 256] {
    let mut t = [0u16; 256];
    let mut i = 0;
    while i < 256 {
        let c = i as u8;
        if c.is_ascii_alphanumeric() {
            t[i] = TOKEN | USER | PASSWORD | HOST | PARAM | HEADER | CALL_ID | VALUE | NAME;
        } else if c >= 0x80 {
            // Not in the grammar, but Latin-1 and UTF-8 user names are seen in the field and must survive.
            t[i] = USER | PASSWORD | PARAM | HEADER | CALL_ID | VALUE | NAME;
        } else if c > b' ' && c < 0x7f {
            t[i] = VALUE | NAME;
        }
        i += 1;
    }
    t = mark(t, b"-.!%*_+`'~", TOKEN);
    // `%` is not in the URI sets: escapes are checked apart. `#` must be escaped, and in dial strings never is.
    t = mark(t, b"-_.!~*'()&=+$,;?/#", USER);
    t = mark(t, b"-_.!~*'()&=+$,#", PASSWORD);
    t = mark(t, b"-._", HOST);
    t = mark(t, b"-_.!~*'()[]/:&+$", PARAM);
    t = mark(t, b"-_.!~*'()[]/?:+$", HEADER);
    t = mark(t, b"-.!%*_+`'~()<>:\\\"/[]?{}@", CALL_ID);
    let mut out = b";,\"<>\\".len();
    while out > 0 {
        out -= 1;
        t[b";,\"<>\\"[out] as usize] &= !(VALUE | NAME);
    }
    t[b'=' as usize] &= !NAME;
    t
}

macro_rules! class_fn {
    ($($(#[$doc:meta])* $name:ident = $class:ident;)*) => { $(
        $(#[$doc])*
        #[inline]
        pub(crate) fn $name(c: u8) -> bool { CLASS[c as usize] & $class != 0 }
    )* };
}

class_fn! {
    is_token = TOKEN;
    is_user = USER;
    is_uri_header = HEADER;
}

/// How many of the first bytes are of the class.
#[inline]
pub(crate) fn length_of(bytes: &[u8], class: u16) -> usize {
    let of = |c: u8| CLASS[usize::from(c)];
    let (fours, _) = bytes.as_chunks::<4>();
    let mut length = 0;
    for &[a, b, c, d] in fours {
        if of(a) & of(b) & of(c) & of(d) & class == 0 {
            break;
        }
        length += 4;
    }
    while length < bytes.len() && of(bytes[length]) & class != 0 {
        length += 1;
    }
    length
}

/// Of the class throughout, and not empty.
#[inline]
pub(crate) fn all_of(bytes: &[u8], class: u16) -> bool {
    !bytes.is_empty() && length_of(bytes, class) == bytes.len()
}

#[inline]
pub(crate) fn is_lws(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n')
}

#[inline]
pub(crate) fn all(bytes: &[u8], class: impl Fn(u8) -> bool) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&c| class(c))
}

/// Every byte is of the class, or part of a `%HH` escape. Empty is fine.
#[inline]
pub(crate) fn all_escaped(bytes: &[u8], class: impl Fn(u8) -> bool) -> bool {
    let mut i = 0;
    while i < bytes.len() {
        let c = bytes[i];
        if class(c) {
            i += 1;
        } else if c == b'%'
            && bytes.get(i + 1).is_some_and(u8::is_ascii_hexdigit)
            && bytes.get(i + 2).is_some_and(u8::is_ascii_hexdigit)
        {
            i += 3;
        } else {
            return false;
        }
    }
    true
}

#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_lws(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_lws(*last)
    {
        bytes = rest;
    }
    bytes
}

/// A decimal number of digits only that fits.
pub(crate) fn number<T: TryFrom<u64>>(bytes: &[u8]) -> Option<T> {
    if bytes.is_empty() {
        return None;
    }
    let mut n: u64 = 0;
    for &c in bytes {
        if !c.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(c - b'0'))?;
    }
    T::try_from(n).ok()
}

/// Folds become single spaces (RFC 3261 §7.3.1).
pub(crate) fn unfold(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        if matches!(bytes[i], b'\r' | b'\n') {
            while out.last().is_some_and(|&c| is_lws(c)) {
                out.pop();
            }
            while i < bytes.len() && is_lws(bytes[i]) {
                i += 1;
            }
            out.push(b' ');
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    Cow::Owned(out)
}

/// `%HH` escapes undone; a broken escape stays as it is.
pub(crate) fn unescape(bytes: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let hex = |i: usize| bytes.get(i).and_then(|&c| (c as char).to_digit(16)).map(|d| d as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match (bytes[i], hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                i += 3;
            }
            (c, _, _) => {
                out.push(c);
                i += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// What a value means: a quoted string without its quotes, backslashes and folds; anything else as it is.
pub(crate) fn unquote(bytes: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = bytes else { return unfold(bytes) };
    let inner = match unfold(inner) {
        Cow::Borrowed(inner) if memchr::memchr(b'\\', inner).is_none() => return Cow::Borrowed(inner),
        inner => inner,
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&c) = bytes.next() {
        match c {
            b'\\' => out.extend(bytes.next()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Walks through one header value.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub fn done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub fn skip_lws(&mut self) {
        while self.peek().is_some_and(is_lws) {
            self.at += 1;
        }
    }

    #[inline]
    pub fn eat(&mut self, c: u8) -> bool {
        let hit = self.peek() == Some(c);
        self.at += usize::from(hit);
        hit
    }

    /// The longest run of what the function takes; may be empty.
    #[inline]
    pub fn run(&mut self, class: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|&c| !class(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The longest run of one of the classes of this file; may be empty.
    #[inline]
    pub fn run_of(&mut self, class: u16) -> &'a [u8] {
        let rest = self.rest();
        let length = length_of(rest, class);
        self.at += length;
        &rest[..length]
    }

    /// The same, with `%HH` escapes in it.
    #[inline]
    pub fn run_escaped(&mut self, class: u16) -> &'a [u8] {
        let start = self.at;
        loop {
            self.run_of(class);
            match self.rest() {
                [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => self.at += 3,
                _ => return &self.bytes[start..self.at],
            }
        }
    }

    /// `None` when there is no token here.
    #[inline]
    pub fn token(&mut self) -> Option<&'a [u8]> {
        let token = self.run_of(TOKEN);
        (!token.is_empty()).then_some(token)
    }

    /// A quoted string with its quotes; `None` when it does not begin here or never ends.
    pub fn quoted(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        if !self.eat(b'"') {
            return None;
        }
        loop {
            self.at += memchr::memchr2(b'"', b'\\', self.bytes.get(self.at..)?)?;
            match self.bytes[self.at] {
                b'"' => {
                    self.at += 1;
                    return Some(&self.bytes[start..self.at]);
                }
                _ => self.at += 2,
            }
        }
    }

    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at.min(self.bytes.len())..]
    }
}
