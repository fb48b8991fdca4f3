//! The IPv6 torture messages of RFC 5118: what each must come to.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use sip_core::message::{Defect, Host, Message, Method, Name, Uri};

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rfc5118").join(format!("{name}.dat"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn valid(name: &str) -> Message {
    let bytes = file(name);
    let message = match Message::parse(&bytes) {
        Ok(message) => message,
        Err(error) => panic!("{name} is refused: {error}"),
    };
    assert_eq!(message.bytes(), bytes, "{name} keeps every byte");
    message
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn host_of(uri: Uri<'_>) -> IpAddr {
    uri.host().and_then(|host| host.ip()).unwrap()
}

#[test]
fn all_12_messages_are_here() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rfc5118");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(files.filter(|path| path.extension().is_some_and(|it| it == "dat")).count(), 12);
}

#[test]
fn an_ipv6_reference_stands_in_brackets() {
    let m = valid("ipv6-good");
    assert_eq!(
        (host_of(m.request_uri().unwrap()), m.request_uri().unwrap().port()),
        (ip("2001:db8::10"), None)
    );
    assert_eq!((m.via().host().ip(), m.via().port()), (Some(ip("2001:db8::9:1")), None));
    assert_eq!(host_of(m.contact().unwrap().unwrap().uri()), ip("2001:db8::1"));
}

#[test]
fn an_ipv6_address_without_brackets_is_answered_with_400() {
    let error = Message::parse(&file("ipv6-bad")).unwrap_err();
    assert_eq!((error.defect, error.defect.status()), (Defect::RequestUri, 400));
    let source: SocketAddr = "[2001:db8::9:1]:5060".parse().unwrap();
    let answer = error.answerable.unwrap().response(400, "Bad Request-URI", source, "us").finish();
    let answer = Message::parse(&answer).unwrap();
    assert_eq!((answer.status(), answer.via().host().ip()), (Some(400), Some(ip("2001:db8::9:1"))));
}

#[test]
fn a_port_inside_the_brackets_is_part_of_the_address() {
    let uri = valid("port-ambiguous");
    let uri = uri.request_uri().unwrap();
    assert_eq!((host_of(uri), uri.port()), (ip("2001:db8::10:5070"), None));
    let uri = valid("port-unambiguous");
    let uri = uri.request_uri().unwrap();
    assert_eq!((host_of(uri), uri.port()), (ip("2001:db8::10"), Some(5070)));
}

#[test]
fn received_is_read_with_and_without_brackets() {
    for (name, method) in
        [("via-received-param-with-delim", Method::Bye), ("via-received-param-no-delim", Method::Options)]
    {
        let m = valid(name);
        assert_eq!(*m.method(), method);
        assert_eq!(m.via().received(), Some(ip("2001:db8::9:255")), "{name}");
        assert!(m.via().unique_branch().is_some_and(|branch| branch.starts_with(b"z9hG4bKas3")), "{name}");
    }
}

#[test]
fn an_answer_writes_received_without_brackets() {
    let m = valid("ipv6-good");
    let source: SocketAddr = "[2001:db8::77]:5060".parse().unwrap();
    let answer = m.response(200, None, source, Some("us")).finish();
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.via().params().get("received"), Some(&b"2001:db8::77"[..]));
    assert_eq!(answer.via().received(), Some(ip("2001:db8::77")));
}

#[test]
fn addresses_of_both_kinds_live_in_one_message() {
    let m = valid("mult-ip-in-header");
    let hosts: Vec<_> = m.vias().unwrap().iter().map(|via| (via.host().ip().unwrap(), via.port())).collect();
    assert_eq!(
        hosts,
        [(ip("2001:db8::9:1"), Some(6050)), (ip("192.0.2.1"), None), (ip("2001:db8::9:255"), None)]
    );
    assert_eq!(m.vias().unwrap()[2].received(), Some(ip("192.0.2.200")));
    for (name, length) in [("ipv6-in-sdp", 251), ("mult-ip-in-sdp", 189)] {
        let m = valid(name);
        assert_eq!(m.body_of("application/sdp").unwrap().unwrap().len(), length, "{name}");
        assert_eq!(m.request_uri().unwrap().user_text(), "user");
        assert_eq!(host_of(m.to().uri()), ip("2001:db8::10"));
    }
}

#[test]
fn mapped_ipv4_addresses_are_addresses() {
    let m = valid("ipv4-mapped-ipv6");
    assert_eq!((m.via().host().ip(), m.via().port()), (Some(ip("::ffff:192.0.2.10")), Some(19823)));
    assert_eq!(host_of(m.contact().unwrap().unwrap().uri()), ip("::ffff:192.0.2.2"));
    assert_eq!(m.contact().unwrap().unwrap().display_text().as_deref(), Some("T. desk phone"));
}

#[test]
fn a_third_colon_before_an_embedded_ipv4_address_is_tolerated() {
    for name in ["ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"] {
        let m = valid(name);
        assert_eq!(host_of(m.request_uri().unwrap()), ip("2001:db8::192.0.2.1"), "{name}");
        assert_eq!(host_of(m.to().uri()), ip("2001:db8::192.0.2.1"), "{name}");
        assert_eq!(m.header(Name::MaxForwards), Some(&b"70"[..]), "{name}");
    }
    assert_eq!(Uri::parse(b"sip:[:::192.0.2.1]").unwrap().host(), Some(Host::Ip(ip("::192.0.2.1"))));
    for bad in [
        "[2001:db8:::10]",
        "[2001:db8::::192.0.2.1]",
        "[2001::1:::192.0.2.1]",
        "2001:db8:::192.0.2.1",
        "[::1",
        "[]",
    ] {
        assert!(Uri::parse(format!("sip:a@{bad}").as_bytes()).is_err(), "{bad}");
    }
}
