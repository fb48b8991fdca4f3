//! Properties of the message layer on bytes that nobody wrote by hand. A failing case is printed and replayed by proptest.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

mod checks;

use std::fs;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sip_core::frame::{Frame, Framer};
use sip_core::message::{Builder, Message, Method, Name, quote, sip_uri};

const NAMES: [Name; 12] = [
    Name::Route,
    Name::RecordRoute,
    Name::Contact,
    Name::Supported,
    Name::Require,
    Name::Allow,
    Name::PAssertedIdentity,
    Name::Diversion,
    Name::Accept,
    Name::ReferTo,
    Name::Authorization,
    Name::Subject,
];

fn corpus() -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rfc4475");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dat"));
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

const HEAD: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

const LINES: [&[u8]; 26] = [
    b"Content-Length: 4",
    b"Content-Length: 0",
    b"l:4",
    b"L \t: 004 ",
    b"cONTENT-lENGTH:\r\n\t4",
    b"Content-Length: 4\r\n ",
    b"Content-Length:\r\n \r\n 4\r\n \t",
    b"Content-Length: 4\r\n 0",
    b"Content-Length: 4, 4",
    b"Content-Length: +4",
    b"Content-Length: 4\x0c",
    b"Content-Length\x0c: 4",
    b"Content-Length: 4;a=b",
    b"Content-Length:",
    b"Content-Length: -1",
    b"Content-Length: 18446744073709551617",
    b"Content-Length 4",
    b" Content-Length: 2",
    b"\tl: 2",
    b"X: y\r\n Content-Length: 2",
    b"X: y\rContent-Length: 2",
    b"X: y\nContent-Length: 2",
    b"X: y\n\r\nContent-Length: 2",
    b"\0: y",
    b": y",
    b"Content-Length: 0\0",
];

const ENDS: [&[u8]; 6] = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" \r\n\r\n", b""];

#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let bits = [
        &b"\r\n"[..],
        b"\r",
        b"\n",
        b"\0",
        b",",
        b";",
        b"\"",
        b"<",
        b">",
        b"%",
        b"@",
        b":",
        b" ",
        b"\\",
        b"?",
        b"*",
        b"\r\n ",
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, c)| Change::Set(at, c)),
        (any::<Index>(), select(bits.to_vec())).prop_map(|(at, bit)| Change::Insert(at, bit.to_vec())),
        (any::<Index>(), 1usize..40).prop_map(|(at, n)| Change::Remove(at, n)),
        (any::<Index>(), 1usize..200).prop_map(|(at, n)| Change::Repeat(at, n)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Set(at, c) => {
            let at = at.index(bytes.len());
            bytes[at] = *c;
        }
        Change::Insert(at, more) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(at, n) => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + n).min(bytes.len()));
        }
        Change::Repeat(at, n) => {
            let at = at.index(bytes.len());
            let piece = bytes[at..(at + n).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        checks::message(&bytes);
        checks::uri(&bytes);
        checks::stream(&bytes);
    }

    #[test]
    fn arbitrary_text_of_separators_never_panics(text in r#"[a:;,"<>@%?&=\\ \[\]\r\n*./0-9]{0,60}"#) {
        checks::uri(text.as_bytes());
    }

    #[test]
    fn damaged_messages_never_panic(which in select(corpus()), changes in vec(change(), 1..8)) {
        let mut bytes = which;
        for change in &changes {
            apply(&mut bytes, change);
        }
        checks::message(&bytes);
        checks::stream(&bytes);
    }

    #[test]
    fn what_is_built_is_what_is_parsed(
        user in ".{1,20}",
        display in ".{1,20}",
        values in vec((select(NAMES.to_vec()), vec(any::<u8>(), 0..40)), 0..12),
        body in vec(any::<u8>(), 0..200),
    ) {
        let uri = sip_uri(Some(&user), "h.example:5070;transport=tcp");
        let mut builder = Builder::request(&Method::Message, &uri)
            .header(Name::Via, "SIP/2.0/TCP h;branch=z9hG4bKb")
            .header(Name::From, [&quote(&display)[..], b" <", &uri, b">;tag=t"].concat())
            .header(Name::To, "<sip:b@h>")
            .header(Name::CallId, "c")
            .header(Name::CSeq, "1 MESSAGE");
        for (name, value) in &values {
            if *name != Name::ReferTo {
                builder = builder.header(*name, value);
            }
        }
        let bytes = builder.body("text/plain", body.clone()).finish();
        let message = Message::parse_stream(&bytes).unwrap();
        prop_assert_eq!(message.bytes(), &bytes[..]);
        prop_assert_eq!(message.body(), &body[..]);
        prop_assert_eq!(message.request_uri().unwrap().user_text(), user.clone());
        prop_assert_eq!(message.from().uri().user_text(), user);
        let shown: String = display.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
        prop_assert_eq!(message.from().display_text().unwrap_or_default(), shown);
        for name in NAMES {
            let want: Vec<Vec<u8>> = values.iter().filter(|(n, _)| *n == name && name != Name::ReferTo).map(|(_, v)| cleaned(v)).collect();
            let got: Vec<Vec<u8>> = message.headers().filter(|h| h.id == name).map(|h| h.value.to_vec()).collect();
            prop_assert_eq!(got, want);
        }
    }

    /// The ways in which framers and parsers have been made to disagree elsewhere.
    #[test]
    fn framer_and_parser_agree_on_where_messages_end(
        messages in vec((vec(select(LINES.to_vec()), 0..6), select(ENDS.to_vec()), vec(any::<u8>(), 0..12)), 1..4),
        changes in vec(change(), 0..3),
    ) {
        let mut bytes = Vec::new();
        for (lines, end, body) in &messages {
            bytes.extend(HEAD);
            for line in lines {
                bytes.extend_from_slice(line);
                bytes.extend(b"\r\n");
            }
            bytes.extend_from_slice(end);
            bytes.extend(body);
        }
        for change in &changes {
            apply(&mut bytes, change);
        }
        checks::stream(&bytes);
    }

    #[test]
    fn a_stream_gives_the_same_messages_however_it_is_cut(
        whole in vec(select(corpus()), 1..5),
        cuts in vec(1usize..300, 1..60),
    ) {
        let stream = whole.concat();
        let mut at_once = Framer::new();
        at_once.push(&stream);
        let want: Vec<Frame> = std::iter::from_fn(|| at_once.poll()).collect();
        let (mut framer, mut got, mut rest) = (Framer::new(), Vec::new(), &stream[..]);
        for size in cuts.iter().cycle() {
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            framer.push(piece);
            got.extend(std::iter::from_fn(|| framer.poll()));
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, want);
    }
}

fn cleaned(value: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> =
        value.iter().map(|c| if matches!(c, b'\r' | b'\n' | 0) { b' ' } else { *c }).collect();
    let blank = |c: &u8| matches!(c, b' ' | b'\t');
    let start = spaced.iter().position(|c| !blank(c)).unwrap_or(spaced.len());
    let end = spaced.iter().rposition(|c| !blank(c)).map_or(start, |at| at + 1);
    spaced[start..end].to_vec()
}
