//! The torture messages of RFC 4475: what each must come to, and that none loses a byte.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use sip_core::message::{Contacts, Defect, Host, Message, Method, Name, ParseError, Scheme, Uri};

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rfc4475").join(format!("{name}.dat"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn valid(name: &str) -> Message {
    match Message::parse(&file(name)) {
        Ok(message) => message,
        Err(error) => panic!("{name} is refused: {error}"),
    }
}

#[track_caller]
fn refused(name: &str) -> ParseError {
    Message::parse(&file(name)).expect_err("is refused")
}

/// Refused, and answered with this status; gives the answer, which is itself a valid message.
#[track_caller]
fn answered(name: &str, defect: Defect, status: u16) -> Vec<u8> {
    let error = refused(name);
    assert_eq!(error.defect, defect);
    assert_eq!(error.defect.status(), status);
    let source: SocketAddr = "198.51.100.7:5062".parse().unwrap();
    let answerable = error.answerable.expect("can be answered");
    let answer = answerable.response(status, &error.defect.to_string(), source, "us").finish();
    assert!(answer.starts_with(format!("SIP/2.0 {status} ").as_bytes()));
    answer
}

fn sdp_body(message: &Message, length: usize) {
    assert!(message.content_type().unwrap().unwrap().is("application/sdp"));
    assert_eq!(message.body().len(), length);
    assert!(message.body().starts_with(b"v=0\r\n"));
}

fn only_contact(message: &Message) -> Uri<'_> {
    message.contact().unwrap().unwrap().uri()
}

#[test]
fn all_49_messages_are_here_and_those_accepted_keep_every_byte() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rfc4475");
    let mut files = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dat") {
            continue;
        }
        files += 1;
        let bytes = fs::read(&path).unwrap();
        let Ok(message) = Message::parse(&bytes) else { continue };
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "dblreq" {
            assert!(bytes.starts_with(message.bytes()) && bytes.len() > message.bytes().len());
        } else {
            assert_eq!(message.bytes(), bytes, "{name}");
        }
        let head: usize = message.headers().map(|header| header.name.len() + header.value.len()).sum();
        assert!(head + message.body().len() < bytes.len(), "{name}");
    }
    assert_eq!(files, 49);
}

// §3.1.1: valid messages

#[test]
fn wsinv_is_read_through_its_folds_and_white_space() {
    let m = valid("wsinv");
    assert_eq!(*m.method(), Method::Invite);
    let uri = m.request_uri().unwrap();
    assert_eq!(
        (uri.user_text().as_str(), uri.host().unwrap()),
        ("vivekg", Host::Name(b"chair-dnrc.example.com"))
    );
    assert_eq!(uri.params().get("unknownparam"), Some(&b""[..]));
    assert_eq!(m.to().uri().raw(), b"sip:vivekg@chair-dnrc.example.com");
    assert_eq!(m.to_tag(), Some(&b"1918181833n"[..]));
    assert_eq!(m.from().display_text().as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(m.from_tag(), Some(&b"98asjd8"[..]));
    assert_eq!(m.max_forwards(), Some(68));
    assert_eq!(m.call_id(), b"wsinv.ndaksdj@192.0.2.1");
    assert_eq!((m.cseq().number, m.cseq().method), (9, &Method::Invite));
    assert_eq!(m.header(Name::Subject), Some(&b""[..]));
    assert_eq!(
        m.extension("newfangledheader"),
        Some(&b"newfangled value\r\n continued newfangled value"[..])
    );
    assert_eq!(m.extension("UnknownHeaderWithUnusualValue"), Some(&b";;,,;;,;"[..]));
    let routes = m.routes().unwrap();
    assert_eq!(routes.len(), 1);
    assert!(routes[0].uri().is_loose_router());
    assert_eq!(routes[0].uri().params().get("unknownwith"), Some(&b"value"[..]));
    assert!(routes[0].uri().params().has("unknown-no-value"));
    let vias = m.vias().unwrap();
    let seen: Vec<_> =
        vias.iter().map(|via| (via.transport(), via.sent_by(), via.branch().unwrap())).collect();
    assert_eq!(
        seen,
        [
            (&b"UDP"[..], &b"192.0.2.2"[..], &b"390skdjuw"[..]),
            (b"TCP", b"spindle.example.com", b"z9hG4bK9ikj8"),
            (b"UDP", b"192.168.255.111", b"z9hG4bK30239"),
        ]
    );
    assert_eq!(m.via().unique_branch(), None);
    let contact = m.contact().unwrap().unwrap();
    assert_eq!(contact.display_text().as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.params().get("newparam"), Some(&b"newvalue"[..]));
    assert_eq!(contact.params().get("secondparam"), Some(&b""[..]));
    assert_eq!(contact.q(), Some(330));
    sdp_body(&m, 150);
}

#[test]
fn intmeth_keeps_every_unusual_character() {
    let m = valid("intmeth");
    let method: &[u8] = b"!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(*m.method(), Method::Other(method.into()));
    assert_eq!(m.cseq().number, 139_122_385);
    let uri = m.request_uri().unwrap();
    assert_eq!(uri.raw_user(), Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
    assert_eq!(uri.password().as_deref(), Some(&b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"[..]));
    assert_eq!(uri.host(), Some(Host::Name(b"example.com")));
    assert_eq!(m.via().unique_branch(), Some(&b"z9hG4bK-.!%66*_+`'~"[..]));
    assert_eq!(m.to().display_name().as_deref(), Some(&b"BEL:\x07 NUL:\x00 DEL:\x7f"[..]));
    assert_eq!(m.from().display_text().as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(m.from().uri().raw(), b"sip:mundane@example.com");
    assert_eq!(m.from().params().unquoted("fromParam''~+*_!.-%").as_deref(), Some("работающий".as_bytes()));
    assert_eq!(m.from_tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(m.call_id(), b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!(m.max_forwards(), Some(255));
    assert_eq!(m.extension("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電".as_bytes()));
}

#[test]
fn esc01_undoes_escapes_only_where_they_are_escapes() {
    let m = valid("esc01");
    let uri = m.request_uri().unwrap();
    assert_eq!(uri.raw_user(), Some(&b"sips%3Auser%40example.com"[..]));
    assert_eq!(uri.user_text(), "sips:user@example.com");
    assert_eq!(uri.host(), Some(Host::Name(b"example.net")));
    assert!(m.to().uri().same_as(&Uri::parse(b"sip:user@example.com").unwrap()));
    assert_eq!(m.from().uri().user_text(), "I have spaces");
    assert_eq!(m.call_id(), b"esc01.239409asdfakjkn23onasd0-3234");
    let contact = only_contact(&m);
    assert_eq!(contact.user_text(), "caller");
    assert!(contact.same_as(&Uri::parse(b"sip:caller@host5.example.net;lr;name=value%2541").unwrap()));
    sdp_body(&m, 150);
}

#[test]
fn escnull_tells_users_with_different_nulls_apart() {
    let m = valid("escnull");
    assert_eq!(m.to().uri().user().as_deref(), Some(&b"null-\0-null"[..]));
    let Contacts::List(contacts) = m.contacts().unwrap() else { panic!("no list") };
    let users: Vec<_> = contacts.iter().map(|c| c.uri().user().unwrap().into_owned()).collect();
    assert_eq!(users, [b"\0".to_vec(), b"\0\0".to_vec()]);
    assert!(!contacts[0].uri().same_as(&contacts[1].uri()));
}

#[test]
fn esc02_takes_a_percent_sign_for_itself_outside_uris() {
    let m = valid("esc02");
    assert_eq!(*m.method(), Method::Other((*b"RE%47IST%45R").into()));
    assert_eq!(m.to().display_text().as_deref(), Some("%Z%45"));
    assert_eq!(m.via().branch(), Some(&b"z9hG4bK209%fzsnel234"[..]));
    let Contacts::List(contacts) = m.contacts().unwrap() else { panic!("no list") };
    let users: Vec<_> = contacts.iter().map(|c| c.uri().user_text()).collect();
    assert_eq!(users, ["alias1", "alias3"]);
    assert_eq!(m.extension("C%6Fntact"), Some(&b"<sip:alias2@host2.example.com>"[..]));
}

#[test]
fn lwsdisp_needs_no_space_before_the_bracket() {
    let m = valid("lwsdisp");
    assert_eq!(m.from().display_text().as_deref(), Some("caller"));
    assert_eq!(m.from_tag(), Some(&b"323"[..]));
}

#[test]
fn longreq_is_read_whatever_its_lengths() {
    let m = valid("longreq");
    assert_eq!(m.vias().unwrap().len(), 34);
    assert_eq!(m.via().sent_by(), b"sip33.example.com");
    let last = m.vias().unwrap()[33];
    assert_eq!(last.received(), Some("192.0.2.5".parse().unwrap()));
    assert_eq!(last.branch().unwrap().len(), "very".len() + 50 * 4 + "branchvalue".len());
    assert_eq!(m.to().uri().port(), Some(6000));
    assert_eq!(m.to().uri().params().iter().count(), 3);
    assert_eq!(m.from_tag().unwrap().len(), 155);
    assert_eq!(only_contact(&m).host(), Some(Host::Name(b"host5.example.net")));
    sdp_body(&m, 150);
}

#[test]
fn dblreq_ends_where_its_content_length_says() {
    let m = valid("dblreq");
    assert_eq!(*m.method(), Method::Register);
    assert_eq!(m.body(), b"");
    assert!(m.bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
    assert_eq!(m.call_id(), b"dblreq.0ha0isndaksdj99sdfafnl3lk233412");
}

#[test]
fn semiuri_has_its_semicolon_in_the_user_part() {
    let m = valid("semiuri");
    let uri = m.request_uri().unwrap();
    assert_eq!(uri.user_text(), "user;par=u@example.net");
    assert!(uri.params().is_empty());
    let accept: Vec<_> = m.values(Name::Accept).collect();
    assert_eq!(accept.len(), 6);
    assert_eq!(accept[5], b"message/sipfrag");
}

#[test]
fn transports_known_and_unknown_are_read() {
    let m = valid("transports");
    let vias = m.vias().unwrap();
    let names: Vec<_> = vias.iter().map(|via| via.transport()).collect();
    assert_eq!(names, [&b"UDP"[..], b"SCTP", b"TLS", b"UNKNOWN", b"TCP"]);
    assert_eq!(m.call_id(), b"transports.kijh4akdnaqjkwendsasfdj");
}

#[test]
fn mpart01_keeps_its_binary_body() {
    let m = valid("mpart01");
    assert_eq!(*m.method(), Method::Message);
    let kind = m.content_type().unwrap().unwrap();
    assert!(kind.is("multipart/mixed"));
    assert_eq!(kind.params().get("boundary"), Some(&b"7a9cbec02ceef655"[..]));
    assert_eq!(m.body().len(), 553);
    assert!(m.body().contains(&0));
    assert_eq!(m.via().rport(), Some(None));
    assert_eq!(m.extension("identity").unwrap().last(), Some(&b'='));
}

#[test]
fn unreason_and_noreason_keep_their_phrases() {
    let m = valid("unreason");
    assert_eq!(m.status(), Some(200));
    assert_eq!(m.reason(), Some("= 2**3 * 5**2 но сто девяносто девять - простое".as_bytes()));
    sdp_body(&m, 154);
    let m = valid("noreason");
    assert_eq!((m.status(), m.reason()), (Some(100), Some(&b""[..])));
}

// §3.1.2: invalid messages

#[test]
fn badinv01_with_stray_separators_gets_400() {
    let answer = answered("badinv01", Defect::Header(Name::Via), 400);
    assert!(answer.starts_with(b"SIP/2.0 400 Bad Via Header\r\nVia: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n"));
}

#[test]
fn clerr_with_a_body_cut_short_gets_400() {
    answered("clerr", Defect::ShortBody, 400);
}

#[test]
fn ncl_with_a_negative_length_gets_400() {
    answered("ncl", Defect::Header(Name::ContentLength), 400);
}

#[test]
fn scalar02_with_numbers_out_of_range_gets_400() {
    answered("scalar02", Defect::Header(Name::CSeq), 400);
    // The others would be found too, each by its own accessor.
    let text = String::from_utf8(file("scalar02")).unwrap().replace("36893488147419103232", "1");
    let error = Message::parse(text.as_bytes()).unwrap_err();
    assert_eq!(error.defect, Defect::Header(Name::MaxForwards));
    let m = Message::parse(text.replace("Max-Forwards: 300", "Max-Forwards: 70").as_bytes()).unwrap();
    assert_eq!(m.expires().unwrap_err().header, Name::Expires);
    assert_eq!(m.contact().unwrap().unwrap().expires(), None);
}

#[test]
fn scalarlg_and_bigcode_responses_are_thrown_away() {
    let error = refused("scalarlg");
    assert_eq!(error.defect, Defect::Header(Name::CSeq));
    assert!(error.answerable.is_none());
    let error = refused("bigcode");
    assert_eq!(error.defect, Defect::StatusCode);
    assert!(error.answerable.is_none());
}

#[test]
fn quotbal_with_an_open_quote_gets_400() {
    let answer = answered("quotbal", Defect::Header(Name::To), 400);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("\r\nTo: \"Mr. J. User <sip:j.user@example.com>\r\n"));
    assert!(answer.contains(";branch=z9hG4bKkdjuw39234;received=198.51.100.7\r\n"));
}

#[test]
fn request_uris_with_brackets_blanks_or_headers_get_400() {
    for name in ["ltgtruri", "lwsruri", "lwsstart", "escruri"] {
        answered(name, Defect::RequestUri, 400);
    }
    answered("trws", Defect::StartLine, 400);
}

#[test]
fn baddate_is_accepted_because_nobody_reads_the_date() {
    // The RFC lets a receiver that does not care ignore it.
    let m = valid("baddate");
    assert_eq!(m.text(Name::Date).as_deref(), Some("Fri, 01 Jan 2010 16:00:00 EST"));
}

#[test]
fn regbadct_is_refused_when_its_contact_is_read() {
    let m = valid("regbadct");
    let error = m.contacts().unwrap_err();
    assert_eq!(error.header, Name::Contact);
    assert_eq!(error.to_string(), "Bad Contact Header");
}

#[test]
fn badaspec_and_baddn_get_400() {
    answered("badaspec", Defect::Header(Name::To), 400);
    answered("baddn", Defect::Header(Name::From), 400);
}

#[test]
fn badvers_gets_505() {
    let answer = answered("badvers", Defect::Version, 505);
    assert!(answer.starts_with(b"SIP/2.0 505 Version Not Supported\r\n"));
}

#[test]
fn mismatched_methods_get_400_and_unknown_ones_501() {
    answered("mismatch01", Defect::MethodMismatch, 400);
    answered("mismatch02", Defect::UnknownMethod, 501);
}

// §3.2: transaction layer semantics

#[test]
fn badbranch_has_no_branch_that_identifies_it() {
    let m = valid("badbranch");
    assert_eq!(m.via().branch(), Some(&b"z9hG4bK"[..]));
    assert_eq!(m.via().unique_branch(), None);
}

// §3.3: application layer semantics

#[test]
fn insuf_gets_400_with_what_it_has() {
    let answer = answered("insuf", Defect::Missing(Name::From), 400);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with(
        "SIP/2.0 400 Missing From Header\r\nVia: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf"
    ));
    assert!(answer.contains("\r\nCSeq: 193942 INVITE\r\n"));
    assert!(!answer.contains("Call-ID"));
}

#[test]
fn unknown_schemes_survive_as_opaque_uris() {
    let m = valid("unkscm");
    let uri = m.request_uri().unwrap();
    assert_eq!(
        (uri.scheme(), uri.scheme_name(), uri.opaque()),
        (Scheme::Other, &b"nobodyKnowsThisScheme"[..], &b"totallyopaquecontent"[..])
    );
    let m = valid("novelsc");
    assert_eq!(m.request_uri().unwrap().raw(), b"soap.beep://192.0.2.103:3002");
    let m = valid("unksm2");
    assert_eq!(m.to().uri().raw(), b"isbn:2983792873");
    assert_eq!(m.from().uri().opaque(), b"//www.example.com");
    assert_eq!(m.from_tag(), Some(&b"3234233"[..]));
    assert_eq!(only_contact(&m).scheme_name(), b"name");
}

#[test]
fn bext01_lists_what_it_requires() {
    let m = valid("bext01");
    let required = m.tokens(Name::Require).unwrap();
    assert!(required.has("NothingSupportsThis"));
    assert_eq!(required.iter().count(), 2);
    assert_eq!(m.tokens(Name::ProxyRequire).unwrap().iter().count(), 2);
}

#[test]
fn invut_and_sdp01_keep_what_only_the_user_agent_can_judge() {
    let m = valid("invut");
    assert_eq!(m.content_type().unwrap().unwrap().media_type(), "application/unknownformat");
    assert_eq!(m.body().len(), 40);
    let m = valid("sdp01");
    assert_eq!(m.header(Name::Accept), Some(&b"text/nobodyKnowsThis"[..]));
    sdp_body(&m, 150);
}

#[test]
fn regaut01_has_credentials_of_an_unknown_scheme() {
    let m = valid("regaut01");
    let credentials = m.credentials(Name::Authorization).next().unwrap();
    assert!(!credentials.is_digest());
    assert_eq!(credentials.scheme(), b"NoOneKnowsThisScheme");
    assert_eq!(credentials.raw("opaque-data"), Some(&b"here"[..]));
}

#[test]
fn multi01_and_mcl01_with_repeated_headers_get_400() {
    let answer = answered("multi01", Defect::Repeated(Name::CSeq), 400);
    let answer = String::from_utf8(answer).unwrap();
    for header in ["\r\nFrom:", "\r\nTo:", "\r\nCall-ID:", "\r\nCSeq:"] {
        assert_eq!(answer.matches(header).count(), 1, "{header}");
    }
    answered("mcl01", Defect::Repeated(Name::ContentLength), 400);
}

#[test]
fn bcast_shows_a_second_via_that_is_not_ours() {
    let m = valid("bcast");
    assert_eq!(m.vias().unwrap().len(), 2);
    assert_eq!(m.vias().unwrap()[1].host().ip(), Some("255.255.255.255".parse().unwrap()));
}

#[test]
fn zeromf_has_no_hops_left() {
    assert_eq!(valid("zeromf").max_forwards(), Some(0));
}

#[test]
fn cparam01_and_cparam02_put_the_parameter_where_it_belongs() {
    let m = valid("cparam01");
    let contact = m.contact().unwrap().unwrap();
    assert!(contact.params().has("unknownparam") && !contact.uri().params().has("unknownparam"));
    let m = valid("cparam02");
    let contact = m.contact().unwrap().unwrap();
    assert!(!contact.params().has("unknownparam") && contact.uri().params().has("unknownparam"));
}

#[test]
fn regescrt_keeps_the_escaped_header_with_its_uri() {
    let m = valid("regescrt");
    let uri = only_contact(&m);
    assert_eq!(uri.raw_headers(), b"Route=%3Csip:sip.example.com%3E");
    let headers: Vec<_> = uri.headers().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    assert_eq!(headers, [(b"Route".to_vec(), b"<sip:sip.example.com>".to_vec())]);
    assert_eq!(uri.without_headers(), b"sip:user@example.com");
}

// §3.4: backward compatibility

#[test]
fn inv2543_is_read_though_it_lacks_what_rfc_3261_brought() {
    let m = valid("inv2543");
    assert_eq!((m.via().branch(), m.from_tag(), m.max_forwards()), (None, None, None));
    assert_eq!(m.to().uri().raw(), b"sip:+16505552222@ss1.example.net");
    assert_eq!(m.to().params().get("user"), Some(&b"phone"[..]));
    assert_eq!(m.record_routes().unwrap()[0].uri().params().get("maddr"), Some(&b"ss1.example.com"[..]));
    sdp_body(&m, 105);
    // On a stream nobody could tell where it ends.
    let error = Message::parse_stream(&file("inv2543")).unwrap_err();
    assert_eq!(error.defect, Defect::Missing(Name::ContentLength));
}
