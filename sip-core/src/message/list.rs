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

fn comma(bytes: &[u8]) -> usize {
    // Most values hold neither quotes nor brackets nor a comma.
    let Some(mut i) = memchr::memchr3(b',', b'"', b'<', bytes) else { return bytes.len() };
    let mut in_quotes = false;
    let mut in_brackets = false;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' if in_quotes => i += 1,
            b'"' if !in_brackets => in_quotes = !in_quotes,
            b'<' if !in_quotes => in_brackets = true,
            b'>' if !in_quotes => in_brackets = false,
            b',' if !in_quotes && !in_brackets => return i,
            _ => {}
        }
        i += 1;
    }
    bytes.len()
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
