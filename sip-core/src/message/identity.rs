//! Who called whom by way of whom: Privacy (RFC 3323), Diversion (RFC 5806), History-Info (RFC 7044).
//!
//! P-Asserted-Identity and P-Preferred-Identity (RFC 3325) are plain [`Message::addresses`].

use std::borrow::Cow;

use super::lex;
use super::name_addr::NameAddr;
use super::uri::Uri;
use super::{HeaderError, Message, Name, Tokens};

/// One forwarding, the latest first.
#[derive(Clone, Copy, Debug)]
pub struct Diversion<'a> {
    address: NameAddr<'a>,
}

/// One target that a request had, the first one first.
#[derive(Clone, Copy, Debug)]
pub struct HistoryInfo<'a> {
    address: NameAddr<'a>,
}

impl<'a> Diversion<'a> {
    /// Who forwarded.
    pub fn address(&self) -> NameAddr<'a> {
        self.address
    }

    pub fn uri(&self) -> Uri<'a> {
        self.address.uri()
    }

    /// `user-busy`, `no-answer`, `unconditional`, ….
    pub fn reason(&self) -> Option<Cow<'a, [u8]>> {
        self.address.params().unquoted("reason")
    }

    /// How many forwardings this value stands for: 1 when it does not say.
    pub fn counter(&self) -> u32 {
        self.address.params().get("counter").and_then(lex::number).unwrap_or(1)
    }

    /// `full`, `name`, `uri` or `off`.
    pub fn privacy(&self) -> Option<Cow<'a, [u8]>> {
        self.address.params().unquoted("privacy")
    }
}

impl<'a> HistoryInfo<'a> {
    pub fn address(&self) -> NameAddr<'a> {
        self.address
    }

    pub fn uri(&self) -> Uri<'a> {
        self.address.uri()
    }

    /// `1.1.2`: where it stands in the tree of targets.
    pub fn index(&self) -> &'a [u8] {
        self.address.params().get("index").unwrap_or_default()
    }

    /// Why this target was left, for [`Reason::parse`](super::Reason::parse): the Reason header in its URI, unescaped.
    pub fn reason(&self) -> Option<Cow<'a, [u8]>> {
        self.embedded(b"Reason")
    }

    /// The Privacy header in its URI, unescaped.
    pub fn privacy(&self) -> Option<Cow<'a, [u8]>> {
        self.embedded(b"Privacy")
    }

    fn embedded(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        self.uri().headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Message {
    /// The priv-values: `id`, `user`, `header`, `session`, `history`, `none`, `critical`. They are parted by `;` (RFC 3323 §4.2);
    /// some write commas.
    pub fn privacy(&self) -> Result<Tokens<'_>, HeaderError> {
        let values = self.values(Name::Privacy).flat_map(|value| value.split(|&c| c == b';')).map(lex::trim);
        let tokens: Vec<_> = values.filter(|value| !value.is_empty()).collect();
        match tokens.iter().all(|token| lex::all(token, lex::is_token)) {
            true => Ok(Tokens(tokens)),
            false => Err(HeaderError { header: Name::Privacy }),
        }
    }

    /// The latest forwarding first.
    pub fn diversions(&self) -> Result<Vec<Diversion<'_>>, HeaderError> {
        self.each(Name::Diversion, |value| NameAddr::parse(value).ok().map(|address| Diversion { address }))
    }

    /// In their order. An entry without an index is an error (RFC 7044 §5).
    pub fn history_info(&self) -> Result<Vec<HistoryInfo<'_>>, HeaderError> {
        self.each(Name::HistoryInfo, |value| {
            let entry = HistoryInfo { address: NameAddr::parse(value).ok()? };
            let dotted =
                |index: &[u8]| index.split(|&c| c == b'.').all(|part| lex::all(part, |c| c.is_ascii_digit()));
            dotted(entry.index()).then_some(entry)
        })
    }
}
