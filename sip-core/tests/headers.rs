//! Typed headers beyond those that every message has: each from what peers write, and what is refused.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use sip_core::message::{
    Date, Diversion, Event, Message, Name, Reason, Refresher, Replaces, RetryAfter, SubState, Uri, Warning,
    escape_header, q850_of_status, reason, status_of_q850, warning,
};

/// A request with these header lines.
#[track_caller]
fn with(lines: &str) -> Message {
    let text = format!(
        "REFER sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example.com;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\n\
         To: <sip:b@example.com>\r\nCall-ID: c@example.com\r\nCSeq: 1 REFER\r\nMax-Forwards: 70\r\n{lines}\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::parse(text.as_bytes()) {
        Ok(message) => message,
        Err(error) => panic!("{error}: {lines}"),
    }
}

#[test]
fn every_compact_form_is_the_header_that_it_stands_for() {
    let known = [
        ("a", Name::AcceptContact, "*;audio"),
        ("b", Name::ReferredBy, "<sip:r@example.com>"),
        ("c", Name::ContentType, "application/sdp"),
        ("d", Name::RequestDisposition, "proxy"),
        ("e", Name::ContentEncoding, "identity"),
        ("j", Name::RejectContact, "*;video"),
        ("k", Name::Supported, "100rel"),
        ("m", Name::Contact, "<sip:m@example.com>"),
        ("o", Name::Event, "refer"),
        ("r", Name::ReferTo, "<sip:t@example.com>"),
        ("s", Name::Subject, "lunch"),
        ("u", Name::AllowEvents, "presence"),
        ("x", Name::SessionExpires, "1800"),
        ("y", Name::Identity, "abc"),
    ];
    for (letter, name, value) in known {
        for written in [letter.to_owned(), letter.to_uppercase()] {
            let message = with(&format!("{written} :\r\n\t{value}"));
            assert_eq!(message.header(name), Some(value.as_bytes()), "{written}");
            assert_eq!(message.extension(&written), Some(value.as_bytes()), "{written}");
        }
    }
    let message = Message::parse(
        b"OPTIONS sip:b SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:b>\r\ni: c\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n",
    );
    assert_eq!(message.unwrap().call_id(), b"c");
}

#[test]
fn session_timers_are_read_with_their_refresher() {
    let message = with("Session-Expires: 1800 ; Refresher=UAS;x=y\r\nMin-SE: 90;lr");
    let timer = message.session_expires().unwrap().unwrap();
    assert_eq!((timer.seconds, timer.refresher), (1800, Some(Refresher::Uas)));
    assert_eq!(message.min_se(), Ok(Some(90)));
    let plain = with("x: 4000000000");
    assert_eq!(plain.session_expires().unwrap().unwrap().refresher, None);
    assert_eq!(plain.min_se(), Ok(None));
    for bad in ["", "-1", "1800 seconds", "4294967296", "1800;refresher=me", "1800,90"] {
        let message =
            with(&format!("Session-Expires: {bad}\r\nMin-SE: {}", bad.replace(";refresher=me", ";")));
        assert_eq!(message.session_expires().unwrap_err().header, Name::SessionExpires, "{bad}");
        assert_eq!(message.min_se().unwrap_err().header, Name::MinSe, "{bad}");
    }
}

#[test]
fn rack_names_the_response_that_it_acknowledges() {
    let message = with("RAck: 776656 1 INVITE\r\nRSeq: 4294967295");
    let rack = message.rack().unwrap().unwrap();
    assert_eq!((rack.rseq, rack.cseq, rack.method), (776_656, 1, &b"INVITE"[..]));
    assert_eq!(message.rseq(), Ok(Some(u32::MAX)));
    assert_eq!(with("RAck: 1 \r\n 2\t INVITE").rack().unwrap().unwrap().cseq, 2);
    for bad in ["0 1 INVITE", "1 1", "1 2147483648 INVITE", "1 1 INVITE x", "INVITE 1 1", "11INVITE"] {
        assert!(with(&format!("RAck: {bad}")).rack().is_err(), "{bad}");
    }
    for bad in ["0", "4294967296", "x", ""] {
        assert!(with(&format!("RSeq: {bad}")).rseq().is_err(), "{bad}");
    }
}

#[test]
fn replaces_needs_one_tag_of_each_side() {
    let message =
        with("Replaces: 98732@sip.example.com\r\n ;from-tag=r33th4x0r\r\n ;to-tag=ff87ff;early-only");
    let replaces = message.replaces().unwrap().unwrap();
    assert_eq!(replaces.call_id, b"98732@sip.example.com");
    assert_eq!((&replaces.to_tag[..], &replaces.from_tag[..]), (&b"ff87ff"[..], &b"r33th4x0r"[..]));
    assert!(replaces.early_only);
    assert_eq!(replaces.to_bytes(), b"98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r;early-only");
    for bad in [
        "",
        "a@b;to-tag=1",
        "a@b;from-tag=1",
        "a@b;to-tag=1;from-tag=2;to-tag=3",
        "a@b;to-tag=;from-tag=2",
        "a@b,c@d;to-tag=1;from-tag=2",
        ";to-tag=1;from-tag=2",
    ] {
        assert!(with(&format!("Replaces: {bad}")).replaces().is_err(), "{bad}");
    }
}

#[test]
fn refer_to_carries_method_and_replaced_dialog() {
    let dialog = b"c@d;to-tag=7;from-tag=6".as_slice();
    let escaped = String::from_utf8(escape_header(dialog)).unwrap();
    assert_eq!(escaped, "c%40d%3Bto-tag%3D7%3Bfrom-tag%3D6");
    let message = with(&format!(
        "Refer-To: \"Bob\" <sip:bob@example.com;method=SUBSCRIBE?Replaces={escaped}&Require=replaces>\r\nb: <sip:anna@example.com>;cid=\"1@x\""
    ));
    let refer_to = message.refer_to().unwrap().unwrap();
    assert_eq!(refer_to.method(), b"SUBSCRIBE");
    let value = refer_to.replaces().unwrap();
    assert_eq!(Replaces::parse(&value).unwrap().to_tag, &b"7"[..]);
    assert_eq!(refer_to.header("require").as_deref(), Some(&b"replaces"[..]));
    assert_eq!(refer_to.uri().without_headers(), b"sip:bob@example.com;method=SUBSCRIBE");
    assert_eq!(message.referred_by().unwrap().unwrap().uri().raw(), b"sip:anna@example.com");
    let plain = with("r: tel:+15550100");
    assert_eq!(plain.refer_to().unwrap().unwrap().method(), b"INVITE");
    assert_eq!(plain.refer_to().unwrap().unwrap().uri().phone().unwrap().number, "+15550100");
    assert!(with("Refer-To: <sip:a@b>, <sip:c@d>").refer_to().is_err());
    assert!(with("").refer_to().unwrap().is_none());
}

#[test]
fn reasons_tell_isdn_causes_and_sip_statuses_apart() {
    let message =
        with("Reason: SIP ;cause=600;text=\"Busy, \\\"everywhere\\\"\"\r\nReason: q.850;cause=17,X;cause=y");
    let reasons = message.reasons().unwrap();
    assert_eq!((reasons[0].sip_status(), reasons[0].q850_cause()), (Some(600), None));
    assert_eq!(reasons[0].text().as_deref(), Some(&b"Busy, \"everywhere\""[..]));
    assert_eq!((reasons[1].sip_status(), reasons[1].q850_cause()), (None, Some(17)));
    assert_eq!((reasons[2].cause, reasons[2].text()), (None, None));
    assert_eq!(Reason::parse(b"Q.850;cause=200").unwrap().q850_cause(), None);
    assert_eq!(
        reason("SIP", 200, Some("Call \"completed\"")),
        b"SIP;cause=200;text=\"Call \\\"completed\\\"\""
    );
    assert_eq!(reason("Q.850", 16, None), b"Q.850;cause=16");
    assert!(with("Reason: ;cause=1").reasons().is_err());
}

#[test]
fn isdn_causes_and_statuses_follow_the_tables_of_rfc_3398() {
    let from_isdn = [
        (1, 404),
        (2, 404),
        (3, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (20, 480),
        (21, 403),
        (22, 410),
        (23, 410),
        (26, 404),
        (27, 502),
        (28, 484),
        (29, 501),
        (31, 480),
        (34, 503),
        (38, 503),
        (41, 503),
        (42, 503),
        (47, 503),
        (55, 403),
        (57, 403),
        (58, 503),
        (65, 488),
        (70, 488),
        (79, 501),
        (87, 403),
        (88, 503),
        (102, 504),
        (111, 500),
        (127, 500),
    ];
    for (cause, status) in from_isdn {
        assert_eq!(status_of_q850(cause), status, "cause {cause}");
    }
    let to_isdn = [
        (400, 41),
        (401, 21),
        (402, 21),
        (403, 21),
        (404, 1),
        (405, 63),
        (406, 79),
        (407, 21),
        (408, 102),
        (410, 22),
        (413, 127),
        (414, 127),
        (415, 79),
        (416, 127),
        (420, 127),
        (421, 127),
        (423, 127),
        (480, 18),
        (481, 41),
        (482, 25),
        (483, 25),
        (484, 28),
        (485, 1),
        (486, 17),
        (500, 41),
        (501, 79),
        (502, 38),
        (503, 41),
        (504, 102),
        (505, 127),
        (513, 127),
        (600, 17),
        (603, 21),
        (604, 1),
    ];
    for (status, cause) in to_isdn {
        assert_eq!(q850_of_status(status), cause, "status {status}");
    }
}

#[test]
fn events_compare_by_package_and_id() {
    let message = with(
        "Event: refer;id=93809824;x=1\r\nSubscription-State: Terminated;reason=noresource;retry-after=60",
    );
    let event = message.event().unwrap().unwrap();
    assert_eq!((event.package, event.id()), (&b"refer"[..], Some(&b"93809824"[..])));
    assert!(event.same_as(&Event::parse(b"refer ; id=93809824").unwrap()));
    assert!(!event.same_as(&Event::parse(b"refer").unwrap()));
    let state = message.subscription_state().unwrap().unwrap();
    assert_eq!(
        (state.state, state.reason(), state.retry_after()),
        (SubState::Terminated, Some(&b"noresource"[..]), Some(60))
    );
    let active = with("Subscription-State: active;expires=3599");
    assert_eq!(active.subscription_state().unwrap().unwrap().expires(), Some(3599));
    let novel = with("Subscription-State: waiting");
    assert_eq!(novel.subscription_state().unwrap().unwrap().state, SubState::Other(b"waiting"));
    assert!(with("Event: two words").event().is_err());
    assert!(with("Subscription-State: ;reason=x").subscription_state().is_err());
}

#[test]
fn privacy_is_parted_by_semicolons_and_sometimes_by_commas() {
    let message = with("Privacy: Header; id ;critical\r\nPrivacy: user,history");
    let privacy = message.privacy().unwrap();
    for value in ["header", "id", "critical", "user", "history"] {
        assert!(privacy.has(value), "{value}");
    }
    assert!(!privacy.has("none"));
    assert!(with("").privacy().unwrap().is_empty());
    assert!(with("Privacy: i d").privacy().is_err());
}

#[test]
fn diversions_and_history_tell_who_forwarded_and_why() {
    let message = with(
        "Diversion: \"Anna\" <tel:+15550101>;reason=no-answer;counter=2;privacy=\"off\", <sip:b@x>;reason=\"user-busy\"\r\n\
         History-Info: <sip:bob@example.com>;index=1, <sip:b@x;cause=302?Reason=SIP%3Bcause%3D302&Privacy=history>;index=1.1;rc=1",
    );
    let diversions = message.diversions().unwrap();
    let seen = |it: &Diversion<'_>| (it.reason().unwrap().into_owned(), it.counter());
    assert_eq!(seen(&diversions[0]), (b"no-answer".to_vec(), 2));
    assert_eq!(seen(&diversions[1]), (b"user-busy".to_vec(), 1));
    assert_eq!(diversions[0].privacy().as_deref(), Some(&b"off"[..]));
    assert_eq!(diversions[0].uri().phone().unwrap().number, "+15550101");
    let history = message.history_info().unwrap();
    assert_eq!((history[0].index(), history[0].reason()), (&b"1"[..], None));
    assert_eq!(history[1].index(), b"1.1");
    let why = history[1].reason().unwrap();
    assert_eq!(Reason::parse(&why).unwrap().sip_status(), Some(302));
    assert_eq!(history[1].privacy().as_deref(), Some(&b"history"[..]));
    for bad in ["<sip:a@b>", "<sip:a@b>;index=", "<sip:a@b>;index=1..2", "<sip:a@b>;index=x"] {
        assert!(with(&format!("History-Info: {bad}")).history_info().is_err(), "{bad}");
    }
}

#[test]
fn accept_is_decided_by_its_most_precise_value() {
    let sdp = "application/sdp";
    assert_eq!(with("Subject: x").accepts(sdp), Ok(true));
    assert_eq!(with("Subject: x").accepts("text/plain"), Ok(false));
    assert_eq!(with("Accept:").accepts(sdp), Ok(false));
    assert_eq!(with("Accept: text/plain\r\nAccept: application/*;q=0.3").accepts(sdp), Ok(true));
    assert_eq!(with("Accept: */*, application/sdp;q=0").accepts(sdp), Ok(false));
    assert_eq!(with("Accept: application/*;q=0, */*").accepts(sdp), Ok(false));
    assert!(with("Accept: sdp").accepts(sdp).is_err());
    let message = with("Accept-Language: da, en-gb;q=0.8, *;q=0\r\nAccept-Encoding: gzip;q=1.0");
    let languages = message.weighted(Name::AcceptLanguage).unwrap();
    let seen: Vec<_> = languages.iter().map(|it| (it.token, it.q())).collect();
    assert_eq!(seen, [(&b"da"[..], 1000), (b"en-gb", 800), (b"*", 0)]);
    assert_eq!(message.weighted(Name::AcceptEncoding).unwrap()[0].q(), 1000);
}

#[test]
fn warnings_and_retry_after_are_read_and_written() {
    let message = with(
        "Warning: 307 isi.edu:5060 \"Session parameter 'foo', not \\\"understood\\\"\", 399 [2001:db8::1] \"b\"\r\nRetry-After: 120 (in a (long) meeting\\)) ;duration=60",
    );
    let warnings = message.warnings().unwrap();
    assert_eq!((warnings[0].code, warnings[0].agent), (307, &b"isi.edu:5060"[..]));
    assert_eq!(&warnings[0].text[..], b"Session parameter 'foo', not \"understood\"");
    assert_eq!(warnings[1].agent, b"[2001:db8::1]");
    let written = warning(304, "tandem.example", "no \"common\" codec");
    assert_eq!(&Warning::parse(&written).unwrap().text[..], b"no \"common\" codec");
    let retry = message.retry_after().unwrap().unwrap();
    assert_eq!((retry.seconds, retry.comment), (120, Some(&b"(in a (long) meeting\\))"[..])));
    assert_eq!(retry.params.get("duration"), Some(&b"60"[..]));
    for bad in ["", "soon", "5 (open", "5 x", "5;"] {
        assert!(RetryAfter::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in ["", "30 a \"b\"", "307 \"b\"", "307 a b", "307 a \"b\" c"] {
        assert!(Warning::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn dates_are_gmt_and_possible() {
    let message = with("Date: Sat, 13 Nov 2010\r\n 23:29:00 GMT\r\nTimestamp: 54.21 0.5");
    let date = message.date().unwrap().unwrap();
    assert_eq!(date, Date { year: 2010, month: 11, day: 13, hour: 23, minute: 29, second: 0 });
    assert_eq!(message.timestamp(), Ok(Some(&b"54.21"[..])));
    assert!(Date::parse(b"Thu, 29 Feb 2024 00:00:60 GMT").is_ok());
    for bad in [
        "Fri, 01 Jan 2010 16:00:00 EST",
        "Thu, 29 Feb 2023 00:00:00 GMT",
        "Thu, 1 Feb 2024 00:00:00 GMT",
        "Xxx, 01 Feb 2024 00:00:00 GMT",
        "Thu, 01 Feb 2024 24:00:00 GMT",
        "Thu, 01 Feb 2024 00:00 GMT",
        "Thu, 01 Feb 2024 00:00:00 GMT x",
        "",
    ] {
        assert!(Date::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    for bad in [".5", "x", "1.2.3", "1 y"] {
        assert!(with(&format!("Timestamp: {bad}")).timestamp().is_err(), "{bad}");
    }
}

#[test]
fn telephone_numbers_are_told_by_their_digits() {
    let phone = |uri: &str| Uri::parse(uri.as_bytes()).unwrap().phone();
    let global = phone("tel:+1-201-555.0123;ext=12-3").unwrap();
    assert!(global.is_global());
    assert_eq!(
        (global.number.as_str(), global.context, global.extension.as_deref()),
        ("+12015550123", None, Some("123"))
    );
    let local = phone("tel:7042;phone-context=Example.COM").unwrap();
    assert_eq!(
        (local.number.as_str(), local.context.as_deref(), local.is_global()),
        ("7042", Some("example.com"), false)
    );
    assert_eq!(local.in_context(), None);
    let prefixed = phone("tel:863-1234;phone-context=+1-914-555").unwrap();
    assert_eq!(prefixed.context.as_deref(), Some("+1914555"));
    assert_eq!(prefixed.in_context().as_deref(), Some("+19145558631234"));
    assert_eq!(phone("tel:*31#a;phone-context=x").unwrap().number, "*31#A");
    assert_eq!(phone("sip:+1(201)5550123@gw.example;user=phone").unwrap().number, "+12015550123");
    let inside = phone("sip:7042%3bphone-context=example.com@gw.example;user=phone").unwrap();
    assert_eq!((inside.number.as_str(), inside.context.as_deref()), ("7042", Some("example.com")));
    assert_eq!(
        phone("sip:7042;phone-context=+49@gw.example;user=phone").unwrap().in_context().as_deref(),
        Some("+497042")
    );
    for none in [
        "sip:+12015550123@gw.example",
        "sip:anna@gw.example;user=phone",
        "sip:gw.example;user=phone",
        "urn:x:1",
    ] {
        assert_eq!(phone(none), None, "{none}");
    }
    for bad in ["tel:", "tel:+", "tel:-", "tel:+1a", "tel:+*1", "tel:12x", "tel:1 2", "tel:+1;", "tel:+1;=a"]
    {
        assert!(Uri::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let same =
        |a: &str, b: &str| Uri::parse(a.as_bytes()).unwrap().same_as(&Uri::parse(b.as_bytes()).unwrap());
    assert!(same("tel:+1(201)555-0123", "TEL:+1.201.555.0123"));
    assert!(!same("tel:+12015550123", "tel:12015550123;phone-context=x"));
}

#[test]
fn other_headers_of_rfc_3261_are_read_by_their_shape() {
    let message = with(
        "Alert-Info: <http://www.example.com/sounds/moo.wav>;x=1\r\nCall-Info: <http://a/b.jpg> ;purpose=icon, <http://a/>;purpose=info\r\n\
         Error-Info: <sip:not-in-service@example.com>\r\nIn-Reply-To: 70710@saturn.example, 17320@s\r\nReply-To: Bob <sip:bob@biloxi.example>\r\n\
         MIME-Version: 1.0\r\nContent-Disposition: session;handling=optional\r\nContent-Language: en, fr\r\nPriority: urgent\r\n\
         Path: <sip:p1;lr>,<sip:p2;lr>\r\nService-Route: <sip:s;lr>\r\nP-Preferred-Identity: \"C\" <sip:c@d>\r\nP-Asserted-Identity: tel:+15550100, <sip:x@y>",
    );
    assert_eq!(message.addresses(Name::AlertInfo).unwrap().len(), 1);
    let infos = message.addresses(Name::CallInfo).unwrap();
    assert_eq!(infos[1].params().get("purpose"), Some(&b"info"[..]));
    assert_eq!(message.addresses(Name::ErrorInfo).unwrap()[0].uri().user_text(), "not-in-service");
    assert_eq!(message.values(Name::InReplyTo).count(), 2);
    assert_eq!(message.address(Name::ReplyTo).unwrap().unwrap().display_text().as_deref(), Some("Bob"));
    assert_eq!(message.mime_version(), Ok(Some((1, 0))));
    let disposition = message.content_disposition().unwrap().unwrap();
    assert!(disposition.is("SESSION") && disposition.is_optional());
    assert!(message.tokens(Name::ContentLanguage).unwrap().has("fr"));
    assert_eq!(message.addresses(Name::Path).unwrap().len(), 2);
    assert!(message.addresses(Name::ServiceRoute).unwrap()[0].uri().is_loose_router());
    assert_eq!(
        message.addresses(Name::PAssertedIdentity).unwrap()[0].uri().phone().unwrap().number,
        "+15550100"
    );
    assert_eq!(message.address(Name::PPreferredIdentity).unwrap().unwrap().uri().raw(), b"sip:c@d");
}
