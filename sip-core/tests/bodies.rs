//! Bodies of several parts: which of them is meant, and what must not be passed over.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use sip_core::message::{BodyError, Message};

const SDP: &str = "application/sdp";
const MIXED: &str = "Content-Type: multipart/mixed;boundary=\"b 1\"";

/// An INVITE with these header lines and this body.
fn invite(lines: &str, body: &str) -> Message {
    let text = format!(
        "INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b>\r\n\
         Call-ID: c\r\nCSeq: 1 INVITE\r\n{lines}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.as_bytes()).unwrap()
}

#[track_caller]
fn sdp(lines: &str, body: &str) -> Result<Option<String>, BodyError> {
    let message = invite(lines, body);
    message.body_of(SDP).map(|body| body.map(|body| String::from_utf8(body.to_vec()).unwrap()))
}

fn found(body: &str) -> Result<Option<String>, BodyError> {
    Ok(Some(body.to_owned()))
}

#[test]
fn a_plain_body_is_the_one_that_its_type_names() {
    assert_eq!(sdp("c: Application/SDP;charset=x", "v=0"), found("v=0"));
    assert_eq!(sdp("Subject: x", ""), Ok(None));
    assert_eq!(sdp("Subject: x", "v=0"), Err(BodyError::NoContentType));
    assert_eq!(sdp("c: sdp", "v=0"), Err(BodyError::ContentType));
    assert_eq!(sdp("c: text/plain", "hello"), Err(BodyError::Unsupported));
    assert_eq!(sdp("c: text/plain\r\nContent-Disposition: render;handling=optional", "hello"), Ok(None));
    assert_eq!(sdp("c: application/sdp\r\ne: gzip", "v=0"), Err(BodyError::Unsupported));
    assert_eq!(sdp("c: application/sdp\r\nContent-Encoding: identity", "v=0"), found("v=0"));
    // RFC 3959: not the description of the session.
    assert_eq!(
        sdp("c: application/sdp\r\nContent-Disposition: early-session", "v=0"),
        Err(BodyError::Unsupported)
    );
    let encrypted = sdp("c: application/pkcs7-mime;smime-type=enveloped-data", "x");
    assert_eq!(encrypted, Err(BodyError::Undecipherable));
    let statuses =
        [BodyError::Multipart, BodyError::Unsupported, BodyError::Undecipherable].map(BodyError::status);
    assert_eq!(statuses, [400, 415, 493]);
}

#[test]
fn the_description_is_found_among_parts_that_need_not_be_understood() {
    let isup = "--b 1\r\nContent-Type: application/ISUP;version=itu\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x02\r\n";
    let part = "--b 1 \t\r\nc: application/sdp\r\nContent-Disposition:\r\n session;handling=required\r\n\r\nv=0\r\ns=-\r\n\r\n";
    let close = "--b 1--\r\nepilogue";
    for body in [
        format!("{isup}{part}{close}"),
        format!("preamble\r\n{part}{isup}{close}"),
        format!("\r\n{part}{close}"),
    ] {
        assert_eq!(sdp(MIXED, &body), found("v=0\r\ns=-\r\n"), "{body}");
    }
    let required = isup.replace(";handling=optional", "");
    assert_eq!(sdp(MIXED, &format!("{part}{required}{close}")), Err(BodyError::Unsupported));
    assert_eq!(sdp(MIXED, &format!("{isup}{close}")), Ok(None));
}

#[test]
fn parts_keep_their_bytes_and_headers() {
    let body = "--x\r\nContent-Type: text/plain\r\nContent-ID: <1@a>\r\n\r\na--x\r\n--xy\r\n\r\n--x\r\n\r\nno head\r\n--x\r\nc: image/png\r\n\r\n--x--";
    let message = invite("c: multipart/mixed;boundary=x", body);
    let parts = message.parts().unwrap();
    let bodies: Vec<_> = parts.iter().map(|part| part.body()).collect();
    assert_eq!(bodies, [&b"a--x\r\n--xy\r\n"[..], b"no head", b""]);
    assert_eq!(parts[0].header("content-id"), Some(&b"<1@a>"[..]));
    assert_eq!(parts[1].content_type().unwrap().media_type(), "text/plain");
    assert!(parts[2].content_type().unwrap().is("image/png"));
    assert_eq!(invite("c: text/plain", "one").parts().unwrap().len(), 1);
    assert_eq!(invite("c: text/plain", "").parts().unwrap().len(), 0);
}

#[test]
fn of_alternatives_the_last_understood_counts_and_of_related_parts_the_first() {
    let parts = "--x\r\nc: application/sdp\r\n\r\nv=0 old\r\n--x\r\nc: application/sdp\r\n\r\nv=0 new\r\n--x\r\nc: text/html\r\n\r\nh\r\n--x--\r\n";
    assert_eq!(sdp("c: multipart/alternative;boundary=x", parts), found("v=0 new"));
    assert_eq!(sdp("c: multipart/related;boundary=x", parts), found("v=0 old"));
    assert_eq!(sdp("c: multipart/signed;boundary=x", parts), found("v=0 old"));
    assert_eq!(sdp("c: multipart/encrypted;boundary=x", parts), Err(BodyError::Undecipherable));
    let html = "--x\r\nc: text/html\r\n\r\nh\r\n--x--\r\n";
    assert_eq!(sdp("c: multipart/alternative;boundary=x", html), Err(BodyError::Unsupported));
}

#[test]
fn a_multipart_in_a_multipart_is_opened_and_a_well_without_bottom_is_not() {
    let mut body = "--x0\r\nc: application/sdp\r\n\r\nv=0\r\n--x0--\r\n".to_owned();
    for depth in 1..4 {
        let inner = depth - 1;
        body =
            format!("--x{depth}\r\nc: multipart/mixed;boundary=x{inner}\r\n\r\n{body}\r\n--x{depth}--\r\n");
    }
    assert_eq!(sdp("c: multipart/mixed;boundary=x3", &body), found("v=0"));
    for depth in 4..6 {
        let inner = depth - 1;
        body =
            format!("--x{depth}\r\nc: multipart/mixed;boundary=x{inner}\r\n\r\n{body}\r\n--x{depth}--\r\n");
    }
    assert_eq!(sdp("c: multipart/mixed;boundary=x5", &body), Err(BodyError::Multipart));
}

#[test]
fn broken_multiparts_are_refused() {
    let long = "y".repeat(71);
    for (boundary, body) in [
        ("", "--\r\n\r\n----\r\n".to_owned()),
        (";boundary=", "--\r\n\r\n----\r\n".to_owned()),
        (";boundary=x", "no delimiter".to_owned()),
        (";boundary=x", "--x\r\nc: application/sdp\r\n\r\nv=0".to_owned()),
        (";boundary=x", "--x\r\nc: application/sdp\r\n\r\nv=0\r\n--x\r\n".to_owned()),
        (";boundary=x", "--x\r\nhead without end--x\r\n--x--".to_owned()),
        (&format!(";boundary={long}"), format!("--{long}\r\n\r\nv=0\r\n--{long}--\r\n")),
        (";boundary=x", format!("{}--x--", "--x\r\n\r\na\r\n".repeat(33))),
    ] {
        let got = sdp(&format!("c: multipart/mixed{boundary}"), &body);
        assert_eq!(got, Err(BodyError::Multipart), "{boundary:?} {body:?}");
    }
}
