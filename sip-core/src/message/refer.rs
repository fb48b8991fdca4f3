//! Refer-To (RFC 3515 §2.1) and Referred-By (RFC 3892).

use std::borrow::Cow;

use super::uri::Uri;
use super::{HeaderError, Message, Name, NameAddr};

/// Whom to call, how, and instead of which dialog.
#[derive(Clone, Copy, Debug)]
pub struct ReferTo<'a> {
    address: NameAddr<'a>,
}

impl<'a> ReferTo<'a> {
    pub fn address(&self) -> NameAddr<'a> {
        self.address
    }

    pub fn uri(&self) -> Uri<'a> {
        self.address.uri()
    }

    /// The URI's `method` parameter: `INVITE` when it has none (RFC 3515 §2.1).
    pub fn method(&self) -> &'a [u8] {
        match self.uri().params().get("method") {
            None | Some([]) => b"INVITE",
            Some(method) => method,
        }
    }

    /// A header that the URI wants in the request, unescaped; the first of that name, in any case.
    pub fn header(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.uri()
            .headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The dialog to be replaced (attended transfer): for [`Replaces::parse`](super::Replaces::parse).
    pub fn replaces(&self) -> Option<Cow<'a, [u8]>> {
        self.header("Replaces")
    }
}

impl Message {
    /// Exactly one makes a REFER (RFC 3515 §2.4.2): two are an error here, none is the caller's to refuse.
    pub fn refer_to(&self) -> Result<Option<ReferTo<'_>>, HeaderError> {
        self.address(Name::ReferTo).map(|address| address.map(|address| ReferTo { address }))
    }

    /// Who sent the referrer; its `cid` parameter points at a token in the body.
    pub fn referred_by(&self) -> Result<Option<NameAddr<'_>>, HeaderError> {
        self.address(Name::ReferredBy)
    }
}
