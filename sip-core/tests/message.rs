//! What peers do to a parser beyond RFC 4475, and what the builders promise.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use std::net::SocketAddr;

use sip_core::message::{
    BuildError, Builder, Contacts, Defect, Host, MAX_HEADERS, Message, Method, Name, NameAddr, ParseError,
    Uri, Via, name_addr, sip_uri,
};

const HEAD: &str = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport\r\nFrom: <sip:a@h>;tag=f\r\nTo: <sip:b@h>\r\nCall-ID: c\r\n\
                    CSeq: 1 OPTIONS\r\n";

fn source() -> SocketAddr {
    "198.51.100.7:5062".parse().unwrap()
}

fn with(more: &str) -> Vec<u8> {
    format!("OPTIONS sip:b@h SIP/2.0\r\n{HEAD}{more}\r\n").into_bytes()
}

#[track_caller]
fn parsed(more: &str) -> Message {
    Message::parse(&with(more)).expect("is valid")
}

#[track_caller]
fn refused(bytes: &[u8]) -> ParseError {
    Message::parse(bytes).expect_err("is refused")
}

#[test]
fn a_request_may_follow_empty_lines_but_empty_lines_are_no_request() {
    let bytes = [b"\r\n\r\n".to_vec(), with("")].concat();
    assert_eq!(Message::parse(&bytes).unwrap().bytes(), with(""));
    assert_eq!(refused(b"\r\n\r\n").defect, Defect::Empty);
    assert_eq!(refused(b"").defect, Defect::Empty);
}

#[test]
fn the_sequence_number_stays_below_2_to_the_31() {
    let text = String::from_utf8(with("")).unwrap();
    let max = text.replace("CSeq: 1 ", "CSeq: 2147483647 ");
    assert_eq!(Message::parse(max.as_bytes()).unwrap().cseq().number, i32::MAX as u32);
    for bad in ["2147483648", "-1", "+1", "1.0", "0x1", "", "99999999999999999999999999"] {
        let text = text.replace("CSeq: 1 ", &format!("CSeq: {bad} "));
        assert_eq!(refused(text.as_bytes()).defect, Defect::Header(Name::CSeq), "{bad}");
    }
}

#[test]
fn content_length_is_digits_and_nothing_else() {
    for bad in ["-1", "+0", "0x0", "0 0", "0,0", "", "1e3", "18446744073709551616"] {
        let error = refused(&with(&format!("Content-Length: {bad}\r\n")));
        assert_eq!(error.defect, Defect::Header(Name::ContentLength), "{bad}");
        assert!(error.answerable.is_some());
    }
    assert_eq!(refused(&with("Content-Length: 1\r\n")).defect, Defect::ShortBody);
    let mut bytes = with("Content-Length: 2\r\n");
    bytes.extend(b"abc");
    assert_eq!(Message::parse(&bytes).unwrap().body(), b"ab");
    let mut bytes = with("");
    bytes.extend(b"abc");
    assert_eq!(Message::parse(&bytes).unwrap().body(), b"abc");
}

#[test]
fn ten_thousand_headers_are_refused_and_answered() {
    let error = refused(&with(&"A: b\r\n".repeat(10_000)));
    assert_eq!(error.defect, Defect::TooManyHeaders);
    assert!(error.answerable.is_some());
    let most = MAX_HEADERS - HEAD.lines().count();
    assert_eq!(parsed(&"A: b\r\n".repeat(most)).headers().count(), MAX_HEADERS);
    assert_eq!(refused(&with(&"A: b\r\n".repeat(most + 1))).defect, Defect::TooManyHeaders);
}

#[test]
fn oversize_messages_and_headers_are_refused_and_answered() {
    let mut bytes = with("");
    bytes.resize(70_000, b'x');
    let error = refused(&bytes);
    assert_eq!((error.defect, error.defect.status()), (Defect::TooLarge, 513));
    assert!(error.answerable.is_some());
    for long in [format!("X: {}\r\n", "y".repeat(9_000)), format!("{}: y\r\n", "X".repeat(300))] {
        let error = refused(&with(&long));
        assert_eq!(error.defect, Defect::HeaderTooLong);
        assert!(error.answerable.is_some());
    }
}

#[test]
fn lone_carriage_returns_and_line_feeds_are_refused_and_never_copied() {
    let text = String::from_utf8(with("")).unwrap();
    for broken in [
        text.replace("\r\n", "\n"),
        text.replace("tag=f\r\n", "tag=f\n"),
        text.replace("<sip:b@h>\r\n", "<sip:b@h>\rX-Injected: 1\r\n"),
        text.replace("OPTIONS sip", "OPTIONS\rsip").replace("OPTIONS\rsip", "OPTIONS sip:\r"),
    ] {
        let error = refused(broken.as_bytes());
        assert_eq!(error.defect, Defect::LineEnding);
        let answer = error.answerable.unwrap().response(400, "Bad Line Ending", source(), "us").finish();
        let answer = String::from_utf8(answer).unwrap();
        assert!(!answer.replace("\r\n", "").contains(['\r', '\n']), "{answer:?}");
        assert!(!answer.contains("\nX-Injected"), "{answer:?}");
    }
}

#[test]
fn nulls_survive_where_they_may_stand_and_are_refused_elsewhere() {
    assert_eq!(parsed("X-Raw: a\0b\r\n").extension("x-raw"), Some(&b"a\0b"[..]));
    for (from, to, name) in [
        ("192.0.2.1:", "192.0.2\0.1:", Name::Via),
        ("<sip:a@h>", "<sip:a\0@h>", Name::From),
        ("Call-ID: c", "Call-ID: c\0", Name::CallId),
    ] {
        let text = String::from_utf8(with("")).unwrap().replace(from, to);
        assert_eq!(refused(text.as_bytes()).defect, Defect::Header(name));
    }
}

#[test]
fn a_malformed_ack_or_response_is_never_answered() {
    let ack = String::from_utf8(with("Content-Length: -1\r\n")).unwrap().replace("OPTIONS", "ACK");
    assert!(refused(ack.as_bytes()).answerable.is_none());
    let response = format!("SIP/2.0 200 OK\r\n{HEAD}Content-Length: 5\r\n\r\n");
    let error = refused(response.as_bytes());
    assert_eq!(error.defect, Defect::ShortBody);
    assert!(error.answerable.is_none());
    assert!(refused(b"OPTIONS sip:b@h SIP/2.0\r\nFrom: <sip:a@h>\r\n\r\n").answerable.is_none());
    assert!(refused(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").answerable.is_none());
}

#[test]
fn latin_1_names_survive_and_read_as_text() {
    let mut bytes = with("Subject: caf\u{fffd}\r\n");
    let at = bytes.windows(3).position(|w| w == "\u{fffd}".as_bytes()).unwrap();
    bytes.splice(at..at + 3, [0xe9]);
    let m = Message::parse(&bytes).unwrap();
    assert_eq!(m.header(Name::Subject), Some(&b"caf\xe9"[..]));
    assert_eq!(m.text(Name::Subject).as_deref(), Some("café"));
    assert_eq!(m.bytes(), bytes);
    let address = NameAddr::parse(b"J\xfcrgen <sip:j\xfc@h>").unwrap();
    assert_eq!(address.display_text().as_deref(), Some("Jürgen"));
    assert_eq!(address.uri().user_text(), "jü");
}

#[test]
fn values_split_at_commas_but_not_inside_quotes_or_brackets() {
    let m = parsed("Contact: \"a, b\" <sip:a,b@h;x=1>;q=0.5, <sip:c@h>\r\nm: sip:d@h;expires=60\r\n");
    let Contacts::List(list) = m.contacts().unwrap() else { panic!("no list") };
    let seen: Vec<_> = list.iter().map(|c| (c.uri().user_text(), c.q(), c.expires())).collect();
    assert_eq!(
        seen,
        [("a,b".into(), Some(500), None), ("c".into(), None, None), ("d".into(), None, Some(60))]
    );
    assert!(m.contact().is_err());
}

#[test]
fn the_star_contact_stands_alone() {
    assert!(matches!(parsed("Contact: *\r\n").contacts(), Ok(Contacts::Any)));
    assert!(parsed("Contact: *, <sip:a@h>\r\n").contacts().is_err());
    assert!(parsed("Contact: <sip:a@h>, *\r\n").contacts().is_err());
    assert!(parsed("Contact: *;q=1\r\n").contacts().is_err());
    assert!(matches!(parsed("").contacts(), Ok(Contacts::List(list)) if list.is_empty()));
}

#[test]
fn malformed_name_addrs_are_refused() {
    for bad in [
        "",
        "*",
        "sip:",
        "<sip:a@h",
        "sip:a@h>",
        "\"x <sip:a@h>",
        "\"x\" sip:a@h",
        "a@b <sip:a@h>",
        "<sip:a@h> x",
        "<sip:a@h>;",
        "<sip:a@h>;;x",
        "<sip:a@h>;=1",
        "sip:a@h?x=y",
        "sip:a@h, sip:b@h",
        "<<sip:a@h>>",
        "< sip:a@h>",
        "<sip:a@h >",
    ] {
        assert!(NameAddr::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let many = format!("<sip:a@h>{}", ";x".repeat(65));
    assert!(NameAddr::parse(many.as_bytes()).is_err());
}

#[test]
fn malformed_uris_are_refused() {
    for bad in [
        "",
        "sip",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@h:",
        "sip:a@h:65536",
        "sip:a@h:x",
        "sip:a b@h",
        "sip:%zz@h",
        "sip:%4@h",
        "sip:a@h;",
        "sip:a@h;;b",
        "sip:a@h;=b",
        "sip:a@h?",
        "sip:a@h?b",
        "sip:a@h?=b",
        "sip:[::1",
        "sip:[::g]",
        "sip:a@b@c",
        "sip::x@h",
        "tel:",
        "tel:+",
        "tel:+1x",
        "1a:x",
        ":x",
        "a:",
        "http://a b",
        "http://<a>",
        "sip:a@h\0",
        "sip:h\u{e9}",
    ] {
        assert!(Uri::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn uris_are_read_to_their_last_part() {
    let uri = Uri::parse(b"sips:alice:s%3ac@[2001:db8::1]:5061;transport=TCP;lr?Subject=a%20b&X=").unwrap();
    assert_eq!(uri.user_text(), "alice");
    assert_eq!(uri.password().as_deref(), Some(&b"s:c"[..]));
    assert_eq!(uri.host().unwrap().ip(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!((uri.port(), uri.transport(), uri.is_loose_router()), (Some(5061), Some(&b"TCP"[..]), true));
    assert_eq!(uri.without_headers(), b"sips:alice:s%3ac@[2001:db8::1]:5061;transport=TCP;lr");
    assert_eq!(uri.headers().count(), 2);
    let tel = Uri::parse(b"tel:+7(495)123-45-67;ext=12").unwrap();
    assert_eq!((tel.user_text().as_str(), tel.host()), ("+7(495)123-45-67", None));
}

/// RFC 3261 §19.1.4 gives most of these.
#[test]
fn uris_compare_as_the_standard_says() {
    let same = |a: &str, b: &str| {
        let (a, b) = (Uri::parse(a.as_bytes()).unwrap(), Uri::parse(b.as_bytes()).unwrap());
        assert_eq!(a.same_as(&b), b.same_as(&a), "{a} and {b} compare one way only");
        a.same_as(&b)
    };
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
        ("HTTP://x", "http://x"),
    ] {
        assert!(same(a, b), "{a} and {b}");
    }
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:a:x@h", "sip:a@h"),
        ("sip:h", "sip:a@h"),
        ("tel:+12015550123", "tel:12015550123"),
        ("tel:123;phone-context=a", "tel:123"),
        ("http://x", "http://X"),
    ] {
        assert!(!same(a, b), "{a} and {b}");
    }
}

#[test]
fn vias_are_read_with_ports_addresses_and_flags() {
    let via = Via::parse(b"SIP/2.0/WS [2001:db8::9]:7060;branch=z9hG4bKa;rport=5;received=2001:db8::2;alias")
        .unwrap();
    assert_eq!((via.host(), via.port()), (Host::Ip("2001:db8::9".parse().unwrap()), Some(7060)));
    assert_eq!((via.rport(), via.received()), (Some(Some(5)), Some("2001:db8::2".parse().unwrap())));
    assert!(via.params().has("ALIAS"));
    for bad in [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ",
        "SIP/2.0 h",
        "SIP/3.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:99999",
        "SIP/2.0/UDP h h",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDPh;branch=x",
    ] {
        assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_response_copies_what_it_must_and_fills_in_the_source() {
    let m = parsed(
        "Via: SIP/2.0/TCP second, SIP/2.0/TCP third;branch=1\r\nRecord-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\nTimestamp: 54\r\n",
    );
    let bytes = m
        .response(200, None, source(), Some("us"))
        .copy(&m, Name::RecordRoute)
        .body("application/sdp", *b"v=0\r\n")
        .finish();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "SIP/2.0 200 OK\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;received=198.51.100.7;rport=5062\r\n\
         Via: SIP/2.0/TCP second, SIP/2.0/TCP third;branch=1\r\n\
         Record-Route: <sip:p1;lr>\r\n\
         Record-Route: <sip:p2;lr>\r\n\
         From: <sip:a@h>;tag=f\r\n\
         To: <sip:b@h>;tag=us\r\n\
         Call-ID: c\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: 5\r\n\r\nv=0\r\n"
    );
    let trying = String::from_utf8(m.response(100, None, source(), None).finish()).unwrap();
    assert!(trying.contains("\r\nTimestamp: 54\r\n") && trying.contains("\r\nTo: <sip:b@h>\r\n"));
}

#[test]
fn received_is_ours_and_not_what_the_peer_claims() {
    let text = String::from_utf8(with("")).unwrap();
    for (via, want) in [
        ("SIP/2.0/UDP 198.51.100.7;branch=b", "SIP/2.0/UDP 198.51.100.7;branch=b"),
        ("SIP/2.0/UDP h;branch=b", "SIP/2.0/UDP h;branch=b;received=198.51.100.7"),
        ("SIP/2.0/UDP h;received=9.9.9.9;branch=b", "SIP/2.0/UDP h;branch=b;received=198.51.100.7"),
        (
            "SIP/2.0/UDP 198.51.100.7;rport=1;branch=b",
            "SIP/2.0/UDP 198.51.100.7;branch=b;received=198.51.100.7;rport=5062",
        ),
        ("SIP / 2.0 / UDP\r\n h ;\r\n branch=b", "SIP / 2.0 / UDP h;branch=b;received=198.51.100.7"),
    ] {
        let bytes = text.replace("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport", via);
        let answer = Message::parse(bytes.as_bytes()).unwrap().response(200, None, source(), None).finish();
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(String::from_utf8_lossy(answer.header(Name::Via).unwrap()), want);
    }
    let six: SocketAddr = "[2001:db8::2]:5060".parse().unwrap();
    let answer = parsed("").response(200, None, six, None).finish();
    assert_eq!(Message::parse(&answer).unwrap().via().received(), Some(six.ip()));
}

#[test]
fn a_tag_is_added_to_to_only_once() {
    let m = Message::parse(
        String::from_utf8(with("")).unwrap().replace("<sip:b@h>", "<sip:b@h>;tag=theirs").as_bytes(),
    )
    .unwrap();
    let answer = m.response(200, None, source(), Some("us")).finish();
    assert_eq!(Message::parse(&answer).unwrap().to_tag(), Some(&b"theirs"[..]));
}

#[test]
fn a_built_request_is_in_canonical_order_and_parses() {
    let bytes = Builder::request(&Method::Invite, b"sip:b@h")
        .body("application/sdp", *b"v=0\r\n")
        .header(Name::UserAgent, "Tandem")
        .header(Name::CSeq, "7 INVITE")
        .header(Name::CallId, "c@h")
        .header(Name::To, name_addr(None, b"sip:b@h", None))
        .header(Name::From, name_addr(Some("A \"B\" \\"), &sip_uri(Some("a b@c"), "h"), Some("t")))
        .header(Name::Via, "SIP/2.0/UDP h;branch=z9hG4bK1")
        .header(Name::MaxForwards, "70")
        .header_opt(Name::Subject, None::<&str>)
        .extension("X-Tandem-Offer", "1")
        .unwrap()
        .finish();
    let m = Message::parse_stream(&bytes).unwrap();
    let names: Vec<_> = m.headers().map(|header| String::from_utf8_lossy(header.name).into_owned()).collect();
    assert_eq!(
        names,
        [
            "Via",
            "Max-Forwards",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "User-Agent",
            "X-Tandem-Offer",
            "Content-Type",
            "Content-Length"
        ]
    );
    assert_eq!(m.from().display_text().as_deref(), Some("A \"B\" \\"));
    assert_eq!(m.from().uri().raw(), b"sip:a%20b%40c@h");
    assert_eq!(m.from().uri().user_text(), "a b@c");
    assert_eq!(m.body(), b"v=0\r\n");
}

#[test]
fn nobody_can_inject_a_header() {
    let bad = "x\r\nEvil: 1\n\0y";
    let bytes = Builder::response(200, Some(bad))
        .header(Name::Subject, bad)
        .header(Name::From, name_addr(Some(bad), &sip_uri(Some(bad), "h"), None))
        .body(bad, *b"b")
        .finish();
    let head = String::from_utf8(bytes).unwrap();
    assert!(!head.contains("\nEvil") && !head.contains('\0'));
    assert_eq!(head.matches("\r\n").count(), 6);
    let request = Builder::request(&Method::Bye, b"sip:a\r\nEvil: 1@h SIP/2.0").finish();
    assert!(request.starts_with(b"BYE sip:aEvil:1@hSIP/2.0 SIP/2.0\r\n"));
    let builder = Builder::response(200, None);
    assert_eq!(builder.clone().extension("X", bad).unwrap_err(), BuildError::Value);
    assert_eq!(builder.clone().extension("X Y", "1").unwrap_err(), BuildError::Name);
    assert_eq!(builder.clone().extension("", "1").unwrap_err(), BuildError::Name);
    assert_eq!(builder.clone().extension("l", "1").unwrap_err(), BuildError::Reserved(Name::ContentLength));
    assert_eq!(builder.extension("rOUTE", "1").unwrap_err(), BuildError::Reserved(Name::Route));
}

#[test]
fn an_error_names_its_header() {
    let m = parsed("Expires: soon\r\nRoute: nowhere\r\nRequire: a b\r\nContent-Type: text\r\n");
    assert_eq!(m.expires().unwrap_err().to_string(), "Bad Expires Header");
    assert_eq!(m.routes().unwrap_err().to_string(), "Bad Route Header");
    assert_eq!(m.tokens(Name::Require).unwrap_err().to_string(), "Bad Require Header");
    assert_eq!(m.content_type().unwrap_err().to_string(), "Bad Content-Type Header");
}
