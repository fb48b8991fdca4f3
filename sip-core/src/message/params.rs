//! Parameters: `;name=value` after a header's value or in a URI.

use std::borrow::Cow;

use super::lex::{self, Cursor};

/// More of them in one place are malformed: comparing parameters is quadratic.
pub(crate) const MAX_PARAMS: usize = 64;

/// Checked when it was made; iterating allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Params<'a> {
    raw: &'a [u8],
}

impl<'a> Params<'a> {
    /// `raw` begins with `;` or is empty, and was checked.
    pub(crate) fn checked(raw: &'a [u8]) -> Self {
        Self { raw }
    }

    /// From the first `;` on, or empty.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Names and raw values in order; a flag has no value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut at = Cursor::new(self.raw);
        std::iter::from_fn(move || next(&mut at).ok().flatten())
    }

    /// Names in any case (RFC 3261 §7.3.1).
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The raw value: quotes and escapes still on. A flag gives an empty slice; the first of several wins.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.find(name).map(|value| value.unwrap_or_default())
    }

    /// Without quotes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.get(name).map(lex::unquote)
    }

    fn find(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }
}

/// The parameters at the cursor, up to its end; the cursor stands where they stop.
pub(crate) fn scan<'a>(at: &mut Cursor<'a>) -> Result<Params<'a>, ()> {
    at.skip_lws();
    let start = at.at;
    let mut end = start;
    let mut count = 0;
    while next(at)?.is_some() {
        end = at.at;
        count += 1;
        if count > MAX_PARAMS {
            return Err(());
        }
    }
    Ok(Params { raw: &at.bytes[start..end] })
}

/// The same, when nothing may follow them.
pub(crate) fn to_end<'a>(at: &mut Cursor<'a>) -> Result<Params<'a>, ()> {
    let params = scan(at)?;
    at.skip_lws();
    if at.done() { Ok(params) } else { Err(()) }
}

/// `token *(;name=value)` and nothing else: the shape of many headers.
pub(crate) fn token(raw: &[u8]) -> Result<(&[u8], Params<'_>), ()> {
    let mut at = Cursor::new(lex::trim(raw));
    let token = at.token().ok_or(())?;
    Ok((token, to_end(&mut at)?))
}

/// `delta-seconds *(;name=value)` and nothing else.
pub(crate) fn seconds(raw: &[u8]) -> Result<(u32, Params<'_>), ()> {
    let mut at = Cursor::new(lex::trim(raw));
    let seconds = lex::number(at.run(|c| c.is_ascii_digit())).ok_or(())?;
    Ok((seconds, to_end(&mut at)?))
}

/// A name and its raw value, if it has one.
type Param<'a> = (&'a [u8], Option<&'a [u8]>);

/// The next `;name[=value]` with the white space around it.
fn next<'a>(at: &mut Cursor<'a>) -> Result<Option<Param<'a>>, ()> {
    at.skip_lws();
    if !at.eat(b';') {
        return Ok(None);
    }
    at.skip_lws();
    let name = at.run_of(lex::NAME);
    if name.is_empty() {
        return Err(());
    }
    let after = at.at;
    at.skip_lws();
    if !at.eat(b'=') {
        at.at = after;
        return Ok(Some((name, None)));
    }
    at.skip_lws();
    let value = match at.peek() {
        Some(b'"') => at.quoted().ok_or(())?,
        _ => at.run_of(lex::VALUE),
    };
    Ok(Some((name, Some(value))))
}
