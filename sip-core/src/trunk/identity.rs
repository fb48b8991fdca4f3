//! Who calls and whom the call was meant for, toward carriers and from them. RFC 3323, RFC 3325, RFC 5806, RFC 7044

use crate::api::Trunk;
use crate::message::{Builder, Host, Message, Name, NameAddr, Uri, name_addr, sip_uri, text};

/// What a call of ours says about its caller beyond his number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallIdentity {
    /// He does not want to be named to whom he calls.
    pub withheld: bool,
    /// The call was meant for somebody else and is sent on.
    pub diversion: Option<Diversion>,
}

/// Whom a call was meant for before it came here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diversion {
    pub number: String,
    /// Why it was sent on, such as `unconditional`, `user-busy`, `no-answer`.
    pub reason: String,
}

/// What somebody is called who is not named. RFC 3323 §4.1.1.3
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";
/// A reason is a token; longer ones are nobody's.
const LONGEST_REASON: usize = 32;

/// From of an INVITE, and the headers about its caller.
pub(crate) fn outgoing(
    trunk: Option<&Trunk>,
    home: &str,
    caller: &str,
    caller_name: Option<&str>,
    identity: &CallIdentity,
    tag: &str,
) -> (Vec<u8>, Vec<(Name, Vec<u8>)>) {
    let Some(trunk) = trunk else {
        return (name_addr(caller_name, &sip_uri(Some(caller), home), Some(tag)), Vec::new());
    };
    let mut more = Vec::new();
    let host = trunk.domain.as_deref().unwrap_or(home);
    let known = caller != "anonymous";
    let wire = trunk.numbers.spell(caller);
    let own = sip_uri(Some(&wire), host);
    let withheld = identity.withheld || !known;
    let account = trunk.account.as_ref().filter(|_| trunk.identity.from_account);
    let from = match account {
        _ if withheld => name_addr(Some("Anonymous"), ANONYMOUS.as_bytes(), Some(tag)),
        Some(account) => name_addr(caller_name, &sip_uri(Some(&account.username), host), Some(tag)),
        None => name_addr(caller_name, &own, Some(tag)),
    };
    if trunk.identity.assert && known {
        more.push((Name::PAssertedIdentity, name_addr(caller_name, &own, None)));
    }
    if withheld {
        more.push((Name::Privacy, b"id".to_vec()));
    }
    if let Some(Diversion { number, reason }) = &identity.diversion {
        let meant = sip_uri(Some(&trunk.numbers.spell(number)), host);
        let diversion = [b"<", &meant[..], b">;reason=", reason.as_bytes(), b";counter=1"].concat();
        more.push((Name::Diversion, diversion));
    }
    (from, more)
}

/// History-Info of a call that was sent on: whom it was meant for, then whom it goes to. RFC 7044 §5.1
pub(crate) fn history(
    request: Builder,
    trunk: &Trunk,
    home: &str,
    to: &[u8],
    diversion: &Diversion,
) -> Builder {
    let host = trunk.domain.as_deref().unwrap_or(home);
    let meant = sip_uri(Some(&trunk.numbers.spell(&diversion.number)), host);
    let cause = match diversion.reason.as_str() {
        "user-busy" => 486,
        "no-answer" => 408,
        "unavailable" => 503,
        _ => 302,
    };
    let first = [b"<", &meant[..], format!("?Reason=SIP%3Bcause%3D{cause}>;index=1").as_bytes()].concat();
    let second = [b"<", to, b">;index=1.1"].concat();
    request.header(Name::HistoryInfo, first).header(Name::HistoryInfo, second)
}

/// The number and name that a trusted carrier vouches for. RFC 3325 §9.1
pub(crate) fn asserted(request: &Message) -> Option<(String, Option<String>)> {
    let all = request.addresses(Name::PAssertedIdentity).ok()?;
    let first = all.first()?;
    let user = dialled(&first.uri());
    (!user.is_empty()).then(|| (user, first.display_text()))
}

/// He does not want the called to see his number. RFC 3323 §4.2
pub(crate) fn wants_privacy(request: &Message) -> bool {
    let asked = request.header(Name::Privacy).unwrap_or_default();
    asked.split(|c| *c == b';' || *c == b',').any(|value| {
        let value = value.trim_ascii();
        [b"id".as_slice(), b"user"].iter().any(|wanted| value.eq_ignore_ascii_case(wanted))
    })
}

/// From names nobody. RFC 3323 §4.1.1.3, RFC 3261 §8.1.1.3
pub(crate) fn is_anonymous(from: &Uri<'_>) -> bool {
    let nobody =
        |host: Host<'_>| matches!(host, Host::Name(name) if name.eq_ignore_ascii_case(b"anonymous.invalid"));
    from.user_text().eq_ignore_ascii_case("anonymous") || from.host().is_some_and(nobody)
}

/// Whom the call was meant for: the first who sent it on.
pub(crate) fn diversion_of(request: &Message, trunk: &Trunk) -> Option<Diversion> {
    let (number, reason) = by_diversion(request).or_else(|| by_history(request))?;
    Some(Diversion { number: trunk.numbers.read(&number), reason }).filter(|d| !d.number.is_empty())
}

fn by_diversion(request: &Message) -> Option<(String, String)> {
    // RFC 5806 §5: every diversion is added at the top, so the last is the first that happened.
    let all = request.addresses(Name::Diversion).ok()?;
    let first = all.last()?;
    let reason = first.params().unquoted("reason").map(|reason| text(&reason)).unwrap_or_default();
    let sound = !reason.is_empty()
        && reason.len() <= LONGEST_REASON
        && reason.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    Some((dialled(&first.uri()), if sound { reason } else { "unknown".to_owned() }))
}

fn by_history(request: &Message) -> Option<(String, String)> {
    let all = request.addresses(Name::HistoryInfo).ok()?;
    // One entry is only the target that the call was made to.
    if all.len() < 2 {
        return None;
    }
    let first: &NameAddr<'_> = all.first()?;
    let cause = first
        .uri()
        .headers()
        .find(|(name, _)| name.eq_ignore_ascii_case(b"Reason"))
        .map(|(_, value)| text(&value))
        .unwrap_or_default();
    let reason = if cause.contains("cause=486") {
        "user-busy"
    } else if cause.contains("cause=408") || cause.contains("cause=480") {
        "no-answer"
    } else if cause.contains("cause=302") {
        "unconditional"
    } else {
        "unknown"
    };
    Some((dialled(&first.uri()), reason.to_owned()))
}

/// The number alone, when the URI is about one (RFC 3261 §19.1.6), else its user part.
pub(crate) fn dialled(uri: &Uri<'_>) -> String {
    uri.phone().map_or_else(|| uri.user_text(), |phone| phone.number)
}
