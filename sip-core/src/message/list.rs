//! Headers with several values, in one line or in several lines (RFC 3261 §7.3.1).

use super::lex;

/// The values between the commas of one line, trimmed. Commas in quotes, in `<…>` and in comments do not count.
#[derive(Clone, Debug)]
pub(crate) struct Split<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Split<'a> {
    pub fn new(value: &'a [u8]) -> Self {
        Self { rest: Some(value) }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = comma(rest);
        self.rest = rest.get(end + 1..);
        Some(lex::trim(&rest[..end]))
    }
}

/// Where the first comma stands that parts values; the length when there is none.
fn comma(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(hit) = memchr::memchr3(b',', b'"', b'<', &bytes[at..]) {
        at += hit;
        let closed = match bytes[at] {
            b',' => return at,
            b'<' => bracket(&bytes[at..]),
            _ => quotes(&bytes[at..]),
        };
        match closed {
            Some(length) => at += length,
            None => break,
        }
    }
    bytes.len()
}

/// The length of the `"…"` at the start; `None` when it does not end.
fn quotes(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// The length of the `<…>` at the start; quotes mean nothing in it.
fn bracket(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'>', bytes).map(|end| end + 1)
}

/// Tokens such as option tags and methods, over all lines of a header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tokens<'a>(pub(crate) Vec<&'a [u8]>);

impl<'a> Tokens<'a> {
    /// In any case (option tags). Methods are case-sensitive: compare them with [`Tokens::iter`].
    pub fn has(&self, token: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(token.as_bytes()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
