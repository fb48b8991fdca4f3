//! Where things stand in a message: what parsing has found once is kept as offsets, and read again without looking for it.

use std::net::IpAddr;
use std::ops::Range;

use super::host::Host;

/// Offsets fit in 16 bits: messages are at most [`MAX_MESSAGE`](super::MAX_MESSAGE) bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) end: u16,
}

impl Span {
    /// Of a part that was sliced from the message. An empty one may stand anywhere.
    #[inline]
    pub(super) fn of(part: &[u8], message: &[u8]) -> Span {
        if part.is_empty() {
            return Span::default();
        }
        let start = part.as_ptr().addr() - message.as_ptr().addr();
        Span { start: start as u16, end: (start + part.len()) as u16 }
    }

    #[inline]
    pub(super) fn range(self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }

    #[inline]
    pub(super) fn on(self, message: &[u8]) -> &[u8] {
        &message[self.range()]
    }
}

/// A [`Host`] by its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum HostAt {
    Name(Span),
    Ip(IpAddr),
}

impl HostAt {
    pub(super) fn of(host: Host<'_>, message: &[u8]) -> HostAt {
        match host {
            Host::Name(name) => HostAt::Name(Span::of(name, message)),
            Host::Ip(ip) => HostAt::Ip(ip),
        }
    }

    pub(super) fn on(self, message: &[u8]) -> Host<'_> {
        match self {
            HostAt::Name(name) => Host::Name(name.on(message)),
            HostAt::Ip(ip) => Host::Ip(ip),
        }
    }
}
