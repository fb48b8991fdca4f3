//! Every status that the message layer and the validation pass give, each with what it must carry.

use model::{Cause, Side};

use super::solo::{CARRIER, PHONE, Request, Solo, text, udp, ws};
use crate::api::{Event, Output};
use crate::frame::{Frame, Framer};
use crate::message::{MAX_BODY, MAX_URI, Message, Name};

/// A request of a carrier that is refused at once: what it is, its change, the status, and a header that the answer carries.
type Row = (u16, &'static str, fn() -> Request, Option<(Name, &'static str)>);

fn invite(lines: &[&str]) -> Request {
    lines.iter().fold(Request::invite(), |request, line| request.with(line))
}

fn to(uri: &str) -> Request {
    let mut request = Request::invite();
    uri.clone_into(&mut request.uri);
    request
}

fn about(method: &'static str, lines: &[&str]) -> Request {
    lines.iter().fold(Request::new(method), |request, line| request.with(line))
}

const MULTIPART: &str = "--b\r\nContent-Type: application/x-novel\r\n\r\nx\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n";
const TAKES: &str = "application/sdp, multipart/mixed, multipart/alternative";

const ROWS: &[Row] = &[
    (
        400,
        "a Contact that is none",
        || {
            let mut request = Request::invite();
            request.extra = vec!["Contact: nobody".to_owned()];
            request
        },
        None,
    ),
    (400, "a Require that is no list", || invite(&["Require: a b"]), None),
    (400, "an Accept that is no list", || invite(&["Accept: sdp"]), None),
    (400, "a body without its type", || Request::invite().body("", "v=0"), None),
    (
        400,
        "a multipart that never ends",
        || Request::invite().body("multipart/mixed;boundary=b", "--b\r\n\r\nx"),
        None,
    ),
    (405, "a method for others", || Request::new("PUBLISH"), Some((Name::Allow, "INVITE, ACK, CANCEL, BYE"))),
    (406, "no answer is welcome", || invite(&["Accept: text/plain"]), None),
    (414, "a Request-URI without end", || to(&format!("sip:{}@tandem.example", "2".repeat(MAX_URI))), None),
    (
        415,
        "a body of an unknown type",
        || Request::invite().body("text/plain", "hello"),
        Some((Name::Accept, TAKES)),
    ),
    (
        415,
        "a body in an unknown coding",
        || invite(&["Content-Encoding: gzip"]),
        Some((Name::AcceptEncoding, "identity")),
    ),
    (
        415,
        "a part that must be understood",
        || Request::invite().body("multipart/mixed;boundary=b", MULTIPART),
        Some((Name::Accept, TAKES)),
    ),
    (416, "a scheme that nobody speaks", || to("mailto:bob@tandem.example"), None),
    (
        416,
        "the same for OPTIONS",
        || {
            let mut request = Request::new("OPTIONS");
            request.uri = "urn:x:1".to_owned();
            request
        },
        None,
    ),
    (
        420,
        "extensions that we do not have",
        || invite(&["Require: novel, 100novel"]),
        Some((Name::Unsupported, "novel, 100novel")),
    ),
    (
        420,
        "the same for OPTIONS",
        || about("OPTIONS", &["Require: novel"]),
        Some((Name::Unsupported, "novel")),
    ),
    (481, "a dialog that is not ours", || Request::new("BYE").to("<sip:200@tandem.example>;tag=gone"), None),
    (481, "an INVITE that is not ours to cancel", || Request::new("CANCEL"), None),
    (484, "a number that may be anybody's", || to("tel:200"), None),
    (
        493,
        "a body that only another can open",
        || Request::invite().body("application/pkcs7-mime;smime-type=enveloped-data", "x"),
        None,
    ),
    (
        493,
        "the same among parts",
        || Request::invite().body("multipart/encrypted;boundary=b", MULTIPART),
        None,
    ),
    (
        501,
        "a method that nobody knows",
        || Request::new("DANCE"),
        Some((Name::Allow, "INVITE, ACK, CANCEL, BYE")),
    ),
];

#[test]
fn every_row_gets_its_status_and_leaves_nothing_behind() {
    for (status, what, request, carries) in ROWS {
        let mut solo = Solo::new();
        let answer = solo.ask(udp(CARRIER), &request());
        assert_eq!(answer.status(), Some(*status), "{what}: {}", text(&answer));
        if let Some((name, value)) = carries {
            let found = answer.text(*name).unwrap_or_default();
            assert!(found.starts_with(value), "{what}: {found:?}");
        }
        assert_eq!(solo.happened(), [], "{what}");
        assert_eq!(solo.stack.counts(), Default::default(), "{what}");
    }
}

/// What cannot be written as a request of the usual form: bytes, and the answer's first line.
#[test]
fn what_the_bytes_themselves_forbid_is_told_in_the_first_line() {
    let head = "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: x\r\n";
    let rows = [
        ("400 Bad CSeq Header", format!("OPTIONS sip:c SIP/2.0\r\n{head}CSeq: one OPTIONS\r\n\r\n")),
        ("400 CSeq Method Does Not Match", format!("OPTIONS sip:c SIP/2.0\r\n{head}CSeq: 1 INVITE\r\n\r\n")),
        ("400 Missing CSeq Header", format!("OPTIONS sip:c SIP/2.0\r\n{head}\r\n")),
        (
            "413 Request Entity Too Large",
            format!(
                "OPTIONS sip:c SIP/2.0\r\n{head}CSeq: 1 OPTIONS\r\nContent-Length: {}\r\n\r\n",
                MAX_BODY + 1
            ),
        ),
        (
            "483 Too Many Hops",
            format!(
                "INVITE sip:c SIP/2.0\r\n{head}CSeq: 1 INVITE\r\nMax-Forwards: 0\r\nContact: <sip:a@b>\r\n\r\n"
            ),
        ),
        ("505 Version Not Supported", format!("OPTIONS sip:c SIP/3.0\r\n{head}CSeq: 1 OPTIONS\r\n\r\n")),
        (
            "513 Message Too Large",
            format!(
                "OPTIONS sip:c SIP/2.0\r\n{head}CSeq: 1 OPTIONS\r\n{}\r\n",
                format!("X: {}\r\n", "x".repeat(5000)).repeat(4)
            ),
        ),
    ];
    for (line, bytes) in rows {
        let mut solo = Solo::new();
        solo.stack.handle_packet(solo.now, udp(CARRIER), bytes.as_bytes());
        // The answer repeats what was malformed, so it is not parsed here.
        let Some(Output::Transmit { bytes, .. }) = solo.stack.poll_output() else { panic!("{line}") };
        let answer = String::from_utf8_lossy(&bytes);
        assert!(answer.starts_with(&format!("SIP/2.0 {line}\r\n")), "{answer}");
        assert_eq!(solo.stack.counts(), Default::default(), "{line}");
    }
}

#[test]
fn what_a_stream_cannot_frame_is_answered_with_413_and_513() {
    let head = "OPTIONS sip:c SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";
    for (status, rest) in [
        (413, format!("l: {}\r\n\r\n", MAX_BODY + 1)),
        (513, format!("X: {}\r\n", "y".repeat(1000)).repeat(17)),
    ] {
        let mut framer = Framer::new();
        framer.push(format!("{head}{rest}").as_bytes());
        let Some(Frame::Broken(cut)) = framer.poll() else { panic!("{status}") };
        let error = Message::parse_stream(&cut).unwrap_err();
        assert_eq!(error.defect.status(), status);
        assert!(error.answerable.is_some(), "{status}");
    }
}

#[test]
fn a_caller_that_lacks_what_we_insist_on_gets_421_with_what_it_is() {
    let mut solo = Solo::new();
    solo.stack.set_demanded_extensions(vec!["timer".to_owned(), "100rel".to_owned()]);
    let bare = solo.ask(udp(CARRIER), &invite(&["Supported: timer"]));
    assert_eq!((bare.status(), bare.text(Name::Require).as_deref()), (Some(421), Some("100rel")));
    let able = solo.ask(udp(CARRIER), &invite(&["k: 100rel, Timer"]).call_id("able"));
    assert_eq!(able.status(), Some(100));
}

#[test]
fn browsers_are_not_asked_for_what_no_browser_has() {
    for (hop, status) in [(ws(PHONE, 5), 100), (udp(PHONE), 421)] {
        let mut solo = Solo::new();
        solo.stack.set_demanded_extensions(vec!["100rel".to_owned()]);
        let mut call = Request::new("INVITE").with("Contact: <sip:anna@203.0.113.7:5062>");
        call.body = Request::invite().body;
        let answer = solo.ask_as(hop, call, "anna", "secret");
        assert_eq!(answer.status(), Some(status), "{hop:?}");
    }
}

#[test]
fn a_registration_too_brief_gets_423_with_the_least_that_we_take() {
    let mut solo = Solo::with(|config| config.min_expires = std::time::Duration::from_secs(60));
    let request = Request::register("anna", "<sip:anna@203.0.113.7:5062>").with("Expires: 59");
    let answer = solo.ask_as(udp(PHONE), request, "anna", "secret");
    assert_eq!((answer.status(), answer.min_expires()), (Some(423), Ok(Some(60))));
}

#[test]
fn a_request_that_comes_by_two_ways_gets_482_the_second_time() {
    let mut solo = Solo::new();
    assert_eq!(solo.ask(udp(CARRIER), &Request::invite().branch("z9hG4bKone")).status(), Some(100));
    assert_eq!(solo.ask(udp(CARRIER), &Request::invite().branch("z9hG4bKtwo")).status(), Some(482));
}

#[test]
fn what_the_called_side_decides_is_told_with_the_reason_that_the_rfc_asks_for() {
    for (status, warns) in [(484, false), (485, false), (486, false), (488, true), (606, true)] {
        let mut solo = Solo::new();
        let call = solo.incoming().call;
        solo.stack.reject(solo.now, call, status, None);
        let answer = solo.only();
        assert_eq!(answer.status(), Some(status));
        let warnings = answer.warnings().unwrap();
        assert_eq!(warnings.iter().map(|it| it.code).collect::<Vec<_>>(), [305u16][usize::from(!warns)..]);
        let Event::Ended { ending, .. } = solo.event() else { panic!("{status}") };
        assert_eq!((ending.cause, ending.by), (Cause::Refused, Side::System));
    }
}

#[test]
fn a_call_of_rfc_2543_without_contact_is_taken() {
    let mut solo = Solo::new();
    let invite = "INVITE sip:200@tandem.example SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1:5060\r\nFrom: <sip:+15550100@198.51.100.1>\r\n\
                  To: <sip:200@tandem.example>\r\nCall-ID: old\r\nCSeq: 1 INVITE\r\n\r\n";
    solo.raw(udp(CARRIER), invite.as_bytes());
    assert_eq!(solo.only().status(), Some(100));
    assert!(matches!(solo.event(), Event::Incoming(_)));
}

#[test]
fn an_offer_among_other_parts_makes_a_call() {
    let mut solo = Solo::new();
    let body = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0 offer\r\n--b\r\nContent-Type: application/isup;version=x\r\n\
                Content-Disposition: signal;handling=optional\r\n\r\nx\r\n--b--\r\n";
    solo.ask(udp(CARRIER), &Request::invite().body("multipart/mixed;boundary=b", body));
    let Event::Incoming(call) = solo.event() else { panic!() };
    assert_eq!(call.sdp.as_deref(), Some(&b"v=0 offer"[..]));
}
