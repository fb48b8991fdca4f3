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
    Event,
    SubscriptionState,
    RSeq,
    RAck,
    ReferTo,
    ReferredBy,
    Replaces,
    PAssertedIdentity,
    PPreferredIdentity,
    Privacy,
    Diversion,
    HistoryInfo,
    Reason,
    Authorization,
    ProxyAuthorization,
    WwwAuthenticate,
    ProxyAuthenticate,
    AuthenticationInfo,
    Date,
    RetryAfter,
    Warning,
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

const NAMES: [(Name, &str); 56] = {
    use Name::*;
    [
        (Via, "Via"),
        (Route, "Route"),
        (RecordRoute, "Record-Route"),
        (MaxForwards, "Max-Forwards"),
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
        (Event, "Event"),
        (SubscriptionState, "Subscription-State"),
        (RSeq, "RSeq"),
        (RAck, "RAck"),
        (ReferTo, "Refer-To"),
        (ReferredBy, "Referred-By"),
        (Replaces, "Replaces"),
        (PAssertedIdentity, "P-Asserted-Identity"),
        (PPreferredIdentity, "P-Preferred-Identity"),
        (Privacy, "Privacy"),
        (Diversion, "Diversion"),
        (HistoryInfo, "History-Info"),
        (Reason, "Reason"),
        (Authorization, "Authorization"),
        (ProxyAuthorization, "Proxy-Authorization"),
        (WwwAuthenticate, "WWW-Authenticate"),
        (ProxyAuthenticate, "Proxy-Authenticate"),
        (AuthenticationInfo, "Authentication-Info"),
        (Date, "Date"),
        (RetryAfter, "Retry-After"),
        (Warning, "Warning"),
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
        if let &[c] = name {
            return compact(c);
        }
        // A candidate list by length and first letter keeps the comparison count at one or two.
        let start = BY_LENGTH.get(name.len()).copied().unwrap_or(NAMES.len() as u8) as usize;
        let first = name.first().map(u8::to_ascii_lowercase);
        for &index in &ORDER[start.min(NAMES.len())..] {
            let (id, known) = NAMES[index as usize];
            if known.len() != name.len() {
                break;
            }
            if known.as_bytes()[0].to_ascii_lowercase() == first.unwrap_or(0)
                && known.as_bytes().eq_ignore_ascii_case(name)
            {
                return id;
            }
        }
        Name::Other
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
                | Name::ReferTo
                | Name::Replaces
                | Name::ContentType
                | Name::ContentLength
        )
    }
}

/// Indices into `NAMES`, ordered by length of name.
const ORDER: [u8; NAMES.len()] = {
    let mut order = [0u8; NAMES.len()];
    let mut at = 0;
    let mut length = 0;
    while length <= LONGEST {
        let mut i = 0;
        while i < NAMES.len() {
            if NAMES[i].1.len() == length {
                order[at] = i as u8;
                at += 1;
            }
            i += 1;
        }
        length += 1;
    }
    order
};

const LONGEST: usize = 20;

/// Where in `ORDER` names of a length begin.
const BY_LENGTH: [u8; LONGEST + 1] = {
    let mut starts = [0u8; LONGEST + 1];
    let mut length = 0;
    while length <= LONGEST {
        let mut i = 0;
        let mut shorter = 0;
        while i < NAMES.len() {
            if NAMES[i].1.len() < length {
                shorter += 1;
            }
            i += 1;
        }
        starts[length] = shorter;
        length += 1;
    }
    starts
};

fn compact(c: u8) -> Name {
    match c.to_ascii_lowercase() {
        b'b' => Name::ReferredBy,
        b'c' => Name::ContentType,
        b'e' => Name::ContentEncoding,
        b'f' => Name::From,
        b'i' => Name::CallId,
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
            ["", "Q", "y", "Viz", "X-Tandem-Offer", "Content-Lengthy", "a-name-that-is-longer-than-any-known"]
        {
            assert_eq!(Name::of(name.as_bytes()), Name::Other, "{name}");
        }
    }
}
