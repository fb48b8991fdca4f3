//! Header names, their compact forms and their order in what we write.

/// The headers that this crate knows by name. Anything else is `Other` and found with [`Message::extension`](super::Message::extension).
///
/// The order of the variants is the order in which a [`Builder`](super::Builder) writes them (RFC 3261 §7.3.1 wants what routing
/// needs first).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Name {
    Via,
    Route,
    RecordRoute,
    MaxForwards,
    MaxBreadth,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    Path,
    ServiceRoute,
    Expires,
    MinExpires,
    SessionExpires,
    MinSe,
    Require,
    ProxyRequire,
    Supported,
    Unsupported,
    Allow,
    AllowEvents,
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    AcceptContact,
    RejectContact,
    RequestDisposition,
    Event,
    SubscriptionState,
    RSeq,
    RAck,
    ReferTo,
    ReferredBy,
    ReferSub,
    Replaces,
    Join,
    TargetDialog,
    PAssertedIdentity,
    PPreferredIdentity,
    Identity,
    Privacy,
    Diversion,
    HistoryInfo,
    Reason,
    Authorization,
    ProxyAuthorization,
    WwwAuthenticate,
    ProxyAuthenticate,
    AuthenticationInfo,
    FlowTimer,
    SipEtag,
    SipIfMatch,
    Date,
    Timestamp,
    RetryAfter,
    Warning,
    AlertInfo,
    CallInfo,
    ErrorInfo,
    InReplyTo,
    ReplyTo,
    Subject,
    Organization,
    Priority,
    UserAgent,
    Server,
    Other,
    MimeVersion,
    ContentDisposition,
    ContentEncoding,
    ContentLanguage,
    ContentType,
    ContentLength,
}

const NAMES: [(Name, &str); 73] = {
    use Name::*;
    [
        (Via, "Via"),
        (Route, "Route"),
        (RecordRoute, "Record-Route"),
        (MaxForwards, "Max-Forwards"),
        (MaxBreadth, "Max-Breadth"),
        (From, "From"),
        (To, "To"),
        (CallId, "Call-ID"),
        (CSeq, "CSeq"),
        (Contact, "Contact"),
        (Path, "Path"),
        (ServiceRoute, "Service-Route"),
        (Expires, "Expires"),
        (MinExpires, "Min-Expires"),
        (SessionExpires, "Session-Expires"),
        (MinSe, "Min-SE"),
        (Require, "Require"),
        (ProxyRequire, "Proxy-Require"),
        (Supported, "Supported"),
        (Unsupported, "Unsupported"),
        (Allow, "Allow"),
        (AllowEvents, "Allow-Events"),
        (Accept, "Accept"),
        (AcceptEncoding, "Accept-Encoding"),
        (AcceptLanguage, "Accept-Language"),
        (AcceptContact, "Accept-Contact"),
        (RejectContact, "Reject-Contact"),
        (RequestDisposition, "Request-Disposition"),
        (Event, "Event"),
        (SubscriptionState, "Subscription-State"),
        (RSeq, "RSeq"),
        (RAck, "RAck"),
        (ReferTo, "Refer-To"),
        (ReferredBy, "Referred-By"),
        (ReferSub, "Refer-Sub"),
        (Replaces, "Replaces"),
        (Join, "Join"),
        (TargetDialog, "Target-Dialog"),
        (PAssertedIdentity, "P-Asserted-Identity"),
        (PPreferredIdentity, "P-Preferred-Identity"),
        (Identity, "Identity"),
        (Privacy, "Privacy"),
        (Diversion, "Diversion"),
        (HistoryInfo, "History-Info"),
        (Reason, "Reason"),
        (Authorization, "Authorization"),
        (ProxyAuthorization, "Proxy-Authorization"),
        (WwwAuthenticate, "WWW-Authenticate"),
        (ProxyAuthenticate, "Proxy-Authenticate"),
        (AuthenticationInfo, "Authentication-Info"),
        (FlowTimer, "Flow-Timer"),
        (SipEtag, "SIP-ETag"),
        (SipIfMatch, "SIP-If-Match"),
        (Date, "Date"),
        (Timestamp, "Timestamp"),
        (RetryAfter, "Retry-After"),
        (Warning, "Warning"),
        (AlertInfo, "Alert-Info"),
        (CallInfo, "Call-Info"),
        (ErrorInfo, "Error-Info"),
        (InReplyTo, "In-Reply-To"),
        (ReplyTo, "Reply-To"),
        (Subject, "Subject"),
        (Organization, "Organization"),
        (Priority, "Priority"),
        (UserAgent, "User-Agent"),
        (Server, "Server"),
        (MimeVersion, "MIME-Version"),
        (ContentDisposition, "Content-Disposition"),
        (ContentEncoding, "Content-Encoding"),
        (ContentLanguage, "Content-Language"),
        (ContentType, "Content-Type"),
        (ContentLength, "Content-Length"),
    ]
};

impl Name {
    /// Any case, long or compact form (RFC 3261 §7.3.3 and the extensions' own letters).
    pub fn of(name: &[u8]) -> Name {
        Name::spelled(name).0
    }

    /// The same, and whether it stands there as we write it.
    #[inline]
    pub(super) fn spelled(name: &[u8]) -> (Name, bool) {
        if let &[c] = name {
            return (compact(c), false);
        }
        let Some(slot) = slot(name) else { return (Name::Other, false) };
        let Some(&(id, known)) = NAMES.get(usize::from(TABLE[slot])) else { return (Name::Other, false) };
        if known.as_bytes() == name {
            (id, true)
        } else if known.as_bytes().eq_ignore_ascii_case(name) {
            (id, false)
        } else {
            (Name::Other, false)
        }
    }

    /// As we write it. `Other` has no spelling of its own and gives an empty string.
    pub const fn as_str(self) -> &'static str {
        let index = self as usize;
        let other = Name::Other as usize;
        if index < other {
            NAMES[index].1
        } else if index == other {
            ""
        } else {
            NAMES[index - 1].1
        }
    }

    /// At most one line may carry it, and with one value.
    pub(crate) const fn is_single(self) -> bool {
        matches!(
            self,
            Name::MaxForwards
                | Name::From
                | Name::To
                | Name::CallId
                | Name::CSeq
                | Name::Expires
                | Name::MinExpires
                | Name::SessionExpires
                | Name::MinSe
                | Name::Event
                | Name::RSeq
                | Name::RAck
                | Name::SubscriptionState
                | Name::ReferTo
                | Name::ReferredBy
                | Name::Replaces
                | Name::Join
                | Name::TargetDialog
                | Name::ContentDisposition
                | Name::ContentType
                | Name::ContentLength
        )
    }
}

/// Where a name stands in `TABLE`: by its length, first, middle and last letter, which tell all known names apart.
#[inline]
const fn slot(name: &[u8]) -> Option<usize> {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return None };
    let (first, last) = ((*first | 0x20) as usize, (*last | 0x20) as usize);
    let middle = (name[name.len() / 2] | 0x20) as usize;
    Some((name.len() + first * MIX.0 + middle * MIX.1 + last) % SLOTS)
}

const SLOTS: usize = 512;
const MIX: (usize, usize) = (7, 49);
const EMPTY: u8 = u8::MAX;

/// Indices into `NAMES`. Compiling fails when two names fall into one slot.
static TABLE: [u8; SLOTS] = {
    let mut table = [EMPTY; SLOTS];
    let mut i = 0;
    while i < NAMES.len() {
        let Some(slot) = slot(NAMES[i].1.as_bytes()) else { panic!("an empty name") };
        assert!(table[slot] == EMPTY, "two names share a slot: choose another MIX");
        table[slot] = i as u8;
        i += 1;
    }
    table
};

fn compact(c: u8) -> Name {
    match c.to_ascii_lowercase() {
        b'a' => Name::AcceptContact,
        b'b' => Name::ReferredBy,
        b'c' => Name::ContentType,
        b'd' => Name::RequestDisposition,
        b'e' => Name::ContentEncoding,
        b'f' => Name::From,
        b'i' => Name::CallId,
        b'j' => Name::RejectContact,
        b'k' => Name::Supported,
        b'l' => Name::ContentLength,
        b'm' => Name::Contact,
        b'o' => Name::Event,
        b'r' => Name::ReferTo,
        b's' => Name::Subject,
        b't' => Name::To,
        b'u' => Name::AllowEvents,
        b'v' => Name::Via,
        b'x' => Name::SessionExpires,
        b'y' => Name::Identity,
        _ => Name::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case() {
        for (id, name) in NAMES {
            assert_eq!(Name::of(name.as_bytes()), id);
            assert_eq!(Name::of(name.to_ascii_uppercase().as_bytes()), id);
            assert_eq!(Name::of(name.to_ascii_lowercase().as_bytes()), id);
            assert_eq!(id.as_str(), name);
        }
    }

    #[test]
    fn unknown_and_empty_names_are_other() {
        for name in
            ["", "Q", "n", "Viz", "X-Tandem-Offer", "Content-Lengthy", "a-name-that-is-longer-than-any-known"]
        {
            assert_eq!(Name::of(name.as_bytes()), Name::Other, "{name}");
        }
    }
}
