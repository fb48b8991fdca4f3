//! What holds for any bytes at all. The property tests, the replay of the fuzzing corpora and the fuzz targets in `../../fuzz` share it.

#![allow(dead_code)] // each of them takes what it needs

use std::net::SocketAddr;

use sip_core::frame::{Frame, Framer};
use sip_core::message::{
    Credentials, Event, Message, Name, NameAddr, Reason, Replaces, RetryAfter, Uri, UriBuf, Via, Warning,
    escape_header, sip_uri,
};

pub fn source() -> SocketAddr {
    "[2001:db8::7]:5062".parse().expect("an address")
}

/// Everything that can be asked of a datagram; gives whether it is a message.
pub fn message(bytes: &[u8]) -> bool {
    match Message::parse(bytes) {
        Ok(message) => {
            assert!(bytes.windows(message.bytes().len()).any(|window| window == message.bytes()));
            read_everything(&message);
            if message.is_request() {
                let answer = message
                    .response(200, None, source(), Some("us"))
                    .copy(&message, Name::RecordRoute)
                    .finish();
                // Only what came near a limit may grow over it.
                let Ok(answer) = Message::parse_stream(&answer) else {
                    assert!(bytes.len() > 8000, "an answer to a valid request is valid");
                    return true;
                };
                assert_eq!(answer.via().branch(), message.via().branch());
                assert_eq!(answer.call_id(), message.call_id());
                assert_eq!(answer.cseq(), message.cseq());
                assert_eq!(answer.from_tag(), message.from_tag());
                assert!(answer.to_tag().is_some());
            }
            true
        }
        Err(error) => {
            if let Some(answerable) = error.answerable {
                let answer = answerable
                    .response(error.defect.status(), &error.defect.to_string(), source(), "us")
                    .finish();
                assert_clean_head(&answer);
            }
            false
        }
    }
}

fn read_everything(message: &Message) {
    let _ = (message.request_uri().map(|uri| uri.user_text()), message.status(), message.reason());
    let _ = (message.via().received(), message.via().rport(), message.vias());
    let _ = (message.from().display_text(), message.to().uri().same_as(&message.from().uri()));
    let _ = (message.max_forwards(), message.expires(), message.min_expires(), message.min_se());
    let _ = (message.contacts(), message.routes(), message.record_routes(), message.content_type());
    let _ = (message.session_expires(), message.rseq(), message.rack(), message.reasons());
    let _ = (message.event(), message.subscription_state(), message.privacy(), message.warnings());
    let _ = (message.date(), message.timestamp(), message.retry_after(), message.mime_version());
    let _ = (message.accepts("application/sdp"), message.content_disposition(), message.referred_by());
    if let Ok(Some(replaces)) = message.replaces() {
        assert_eq!(Replaces::parse(&replaces.to_bytes()).as_ref(), Ok(&replaces));
    }
    if let Ok(Some(refer_to)) = message.refer_to() {
        let _ = (refer_to.method(), refer_to.replaces().map(|value| Replaces::parse(&value).is_ok()));
    }
    for diversion in message.diversions().unwrap_or_default() {
        let _ = (diversion.reason(), diversion.counter(), diversion.privacy());
    }
    for entry in message.history_info().unwrap_or_default() {
        let _ = (entry.privacy(), entry.reason().map(|value| Reason::parse(&value).is_ok()));
    }
    for part in message.parts().unwrap_or_default() {
        let _ = (part.content_type(), part.disposition(), part.header("content-id"));
        assert!(part.body().len() <= message.body().len());
    }
    let _ = message.body_of("application/sdp");
    for header in message.headers() {
        assert!(!header.name.is_empty());
        if header.id != Name::Other {
            assert_eq!(Name::of(header.name), header.id);
        }
        let name = header.id;
        let _ = (message.addresses(name), message.address(name), message.tokens(name), message.text(name));
        let _ = (message.weighted(name), message.credentials(name).count());
    }
}

/// One empty line at its end, and no CR or LF on its own.
pub fn assert_clean_head(bytes: &[u8]) {
    let text: String = bytes.iter().map(|c| char::from(*c)).collect();
    let head = text.strip_suffix("\r\n\r\n").expect("ends with an empty line");
    assert!(!head.contains("\r\n\r\n"));
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
}

/// A URI, or a header value that holds one.
pub fn uri(bytes: &[u8]) {
    if let Ok(uri) = Uri::parse(bytes) {
        assert_eq!(uri.raw(), bytes);
        assert!(uri.same_as(&uri), "{uri}");
        assert_eq!(UriBuf::from(uri).as_bytes(), bytes);
        let bare = Uri::parse(uri.without_headers()).expect("it was valid with its headers");
        assert!(bare.raw_headers().is_empty() || !bare.is_sip());
        let _ = (uri.password(), uri.headers().count(), uri.port(), uri.transport(), uri.is_loose_router());
        if let Some(phone) = uri.phone() {
            assert!(phone.number.bytes().any(|c| c != b'+'), "{uri}");
            assert_eq!(phone.is_global(), phone.in_context().as_deref() == Some(phone.number.as_str()));
        }
        // A user part that we read is one that we can write.
        if let Some(Ok(user)) = uri.user().map(|user| String::from_utf8(user.into_owned()))
            && uri.is_sip()
        {
            let written = sip_uri(Some(&user), "h.example");
            assert_eq!(Uri::parse(&written).expect("it is escaped").user_text(), user);
        }
        // A URI stands in any header between brackets, and as the value of an escaped header.
        let value = [b"<", bytes, b">"].concat();
        assert_eq!(NameAddr::parse(&value).expect("in brackets").uri().raw(), bytes);
        let holder = [b"sip:h?X=", &escape_header(&value)[..]].concat();
        let holder = Uri::parse(&holder).expect("it is escaped");
        assert_eq!(holder.headers().next().expect("one header").1, value);
    }
    let _ = NameAddr::parse(bytes).map(|address| (address.display_text(), address.q(), address.expires()));
    let _ = Via::parse(bytes).map(|via| (via.received(), via.rport(), via.port()));
    let _ = (Credentials::parse(bytes), Reason::parse(bytes), Event::parse(bytes));
    let _ = (Warning::parse(bytes), RetryAfter::parse(bytes), Replaces::parse(bytes));
}

/// A stream gives the same frames whole and byte by byte, and framer and parser agree on where each message ends: nothing can be
/// smuggled between the two.
pub fn stream(bytes: &[u8]) {
    let mut whole = Framer::new();
    whole.push(bytes);
    let frames: Vec<Frame> = std::iter::from_fn(|| whole.poll()).collect();
    let (mut framer, mut piecewise) = (Framer::new(), Vec::new());
    for byte in bytes {
        framer.push(std::slice::from_ref(byte));
        piecewise.extend(std::iter::from_fn(|| framer.poll()));
    }
    assert_eq!(piecewise, frames);
    for frame in &frames {
        match frame {
            Frame::Message(framed) => {
                if let Ok(message) = Message::parse_stream(framed) {
                    assert_eq!(message.bytes(), framed, "nothing is left over");
                }
            }
            Frame::Broken(head) => {
                assert!(Message::parse_stream(head).is_err(), "the parser refuses it, too")
            }
            Frame::Ping | Frame::Pong => {}
        }
    }
    if let Ok(message) = Message::parse_stream(bytes) {
        let first = frames.iter().find(|frame| **frame != Frame::Ping);
        assert_eq!(first, Some(&Frame::Message(message.bytes().to_vec())), "the framer finds it, too");
        let datagram = Message::parse(bytes).expect("what is whole in a stream is whole in a datagram");
        assert_eq!(datagram.bytes(), message.bytes());
    }
}
