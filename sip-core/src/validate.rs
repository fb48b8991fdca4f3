//! What a well-formed request must be before anybody acts on it. RFC 3261 §8.2
//!
//! | answer | decided by |
//! |---|---|
//! | 400, 413, 414, 505, 513 | [`Defect::status`](crate::message::Defect::status): the bytes themselves |
//! | 416, 484 | [`target`]: what the Request-URI is |
//! | 421 | [`demanded`]: what we insist on; a REGISTER with Path from who does not know Path |
//! | 400, 406, 415, 483, 493 | [`invite`]: an INVITE that would make a call |
//! | 405, 420, 481, 482, 501 | `receive`: method, Require, dialog, merged copies |
//! | 423 | `register` |
//! | 488, … | who is called: `Stack::reject`, `Stack::reject_offer` |
//! | 485 | never: a number or a user is one or none with us |

use crate::api::Hop;
use crate::message::{Message, Name, Scheme, Uri};
use crate::respond::{Refusal, SDP};

/// The Request-URI can be understood and names somebody. RFC 3261 §8.2.2.1
pub(crate) fn target(request: &Message, hop: Hop) -> Result<(), Refusal> {
    let Some(uri) = request.request_uri() else { return Ok(()) };
    match uri.scheme() {
        Scheme::Sip | Scheme::Tel => {}
        // RFC 5630 §3.1.3: it promises TLS on every hop.
        Scheme::Sips if hop.transport.is_secure() => {}
        Scheme::Sips | Scheme::Other => return Err(Refusal::new(416)),
    }
    // RFC 3966 §5.1.4: a local number without its context may be anybody's.
    let local = uri.scheme() == Scheme::Tel && uri.raw_user().is_some_and(|number| !number.starts_with(b"+"));
    if local && !uri.params().has("phone-context") {
        return Err(Refusal::new(484));
    }
    Ok(())
}

/// What an INVITE needs before it can make a call: its offer, if it has one, and where its dialog is to go.
pub(crate) fn invite(request: &Message) -> Result<(Option<Vec<u8>>, Uri<'_>), Refusal> {
    // A B2BUA sends it on, as a proxy would. RFC 3261 §16.3 item 3
    if request.max_forwards() == Some(0) {
        return Err(Refusal::new(483));
    }
    // RFC 3261 §8.1.1.8
    let contact = match request.contact() {
        Ok(Some(contact)) if contact.uri().is_sip() => contact.uri(),
        // RFC 2543 did not ask for one, and sent what followed to From (RFC 4475 §3.4.1).
        Ok(None) if is_rfc_2543(request) && request.from().uri().is_sip() => request.from().uri(),
        Ok(None) => return Err(Refusal::because(400, "Missing Contact Header")),
        Ok(Some(_)) | Err(_) => return Err(Refusal::because(400, "Bad Contact Header")),
    };
    if request.record_routes().is_err() {
        return Err(Refusal::because(400, "Bad Record-Route Header"));
    }
    // RFC 4475 §3.3.8: nothing that we could answer would be welcome.
    match request.accepts(SDP) {
        Ok(true) => {}
        Ok(false) => return Err(Refusal::new(406)),
        Err(_) => return Err(Refusal::because(400, "Bad Accept Header")),
    }
    Ok((sdp_of(request)?, contact))
}

/// RFC 3261 brought the tag of From and the branch of Via (§12.1.1, §8.1.1.7).
fn is_rfc_2543(request: &Message) -> bool {
    request.from_tag().is_none() && request.via().branch().is_none()
}

/// The session description that a message carries, alone or among other parts, if it carries anything. RFC 3261 §8.2.3
pub(crate) fn sdp_of(message: &Message) -> Result<Option<Vec<u8>>, Refusal> {
    match message.body_of(SDP) {
        Ok(body) => Ok(body.map(<[u8]>::to_vec)),
        Err(error) => Err(Refusal { status: error.status(), reason: error.reason() }),
    }
}

/// The first of these extensions that the sender does not say it has. RFC 3261 §21.4.15
pub(crate) fn demanded<'a>(request: &Message, extensions: &'a [String]) -> Option<&'a str> {
    let has = |extension: &str| {
        let names = |name| request.tokens(name).is_ok_and(|tokens| tokens.has(extension));
        names(Name::Supported) || names(Name::Require)
    };
    extensions.iter().map(String::as_str).find(|extension| !has(extension))
}
