//! Telephone numbers in URIs (RFC 3966; RFC 3261 §19.1.6 for those in the user part of a SIP URI).

use super::lex;
use super::params::Params;
use super::uri::{Scheme, Uri};

/// A number as it stands in a `tel:` URI, or in a SIP URI with `user=phone`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phone {
    /// Dial digits, `+` first when it is global; visual separators are gone, letters are upper case.
    pub number: String,
    /// Valid within this context only: a domain, or a global prefix such as `+49`. `None` for global numbers and for those of a SIP
    /// URI that gives none, where the host is the context.
    pub context: Option<String>,
    /// `;ext=`, without separators.
    pub extension: Option<String>,
}

impl Phone {
    /// Begins with `+` (E.164).
    pub fn is_global(&self) -> bool {
        self.number.starts_with('+')
    }

    /// A local number in the context of a global prefix is the global number that both make (RFC 3966 §5.1.5 allows it only where the
    /// dialling plan is known to be so: the caller decides).
    pub fn in_context(&self) -> Option<String> {
        match (&self.context, self.is_global()) {
            (_, true) => Some(self.number.clone()),
            (Some(prefix), false) if prefix.starts_with('+') => Some(format!("{prefix}{}", self.number)),
            (_, false) => None,
        }
    }
}

impl<'a> Uri<'a> {
    /// The telephone number that this URI is about; `None` when it is about none.
    pub fn phone(&self) -> Option<Phone> {
        match self.scheme() {
            Scheme::Tel => subscriber(self.raw_user()?, self.params()),
            Scheme::Sip | Scheme::Sips => {
                self.params().get("user").filter(|user| user.eq_ignore_ascii_case(b"phone"))?;
                let user = self.user()?;
                let semicolon = memchr::memchr(b';', &user).unwrap_or(user.len());
                subscriber(&user[..semicolon], Params::checked(&user[semicolon..]))
            }
            Scheme::Other => None,
        }
    }
}

/// Visual separators (RFC 3966 §5.1.1) do not count.
pub(crate) fn is_separator(c: u8) -> bool {
    matches!(c, b'-' | b'.' | b'(' | b')')
}

fn subscriber(number: &[u8], params: Params<'_>) -> Option<Phone> {
    let context = params.get("phone-context").map(|context| {
        let context = super::text(&lex::unescape(context));
        if context.starts_with('+') { digits(context.as_bytes()) } else { context.to_ascii_lowercase() }
    });
    let global = number.starts_with(b"+");
    let allowed = |c: &u8| match global {
        true => c.is_ascii_digit(),
        false => c.is_ascii_hexdigit() || matches!(c, b'*' | b'#'),
    };
    let dialled = number.strip_prefix(b"+").unwrap_or(number);
    let mut counted = dialled.iter().filter(|c| !is_separator(**c)).peekable();
    if counted.peek().is_none() || !counted.all(allowed) {
        return None;
    }
    Some(Phone {
        number: digits(number),
        context: context.filter(|_| !global),
        extension: params.get("ext").map(digits),
    })
}

fn digits(number: &[u8]) -> String {
    number.iter().filter(|c| !is_separator(**c)).map(|c| char::from(c.to_ascii_uppercase())).collect()
}
