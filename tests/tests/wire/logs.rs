//! Whatever peers write, the log stays readable, and says nothing that would let its reader in.

use std::fs;

use e2e::lab::Tandem;
use e2e::lab::sip::{Request, Udp};
use serde_json::json;
use sip_core::digest::Algorithm;

/// All that we say ourselves; of others what they say of failures.
const CONFIG: &str = "[log]\nfilter = \"info,server=trace,session=trace,sip_core=trace,media=trace,acd=trace,dialplans=trace\"\n";
const FORGED: &str = "2026-11-22T00:00:00.000000Z  INFO forged: all is well";
const METHODS: [&str; 8] =
    ["INVITE", "REGISTER", "MESSAGE", "SUBSCRIBE", "OPTIONS", "BYE", "NOTIFY", "CANCEL"];
const HEADERS: [&str; 24] = [
    "User-Agent",
    "Subject",
    "Contact",
    "P-Asserted-Identity",
    "Diversion",
    "History-Info",
    "Authorization",
    "Proxy-Authorization",
    "Route",
    "Record-Route",
    "Path",
    "Require",
    "Supported",
    "Expires",
    "Event",
    "Accept",
    "Content-Type",
    "Reason",
    "Replaces",
    "Referred-By",
    "Max-Forwards",
    "Content-Length",
    "Warning",
    "X-Tandem-Hops",
];

/// What a value may bring along, before and behind something innocent.
fn nasty() -> Vec<String> {
    vec![
        "\u{1b}[2J\u{1b}[31mred\u{7}\u{8}".to_owned(),
        "a\0b\u{1}c".to_owned(),
        format!("x\n{FORGED}"),
        format!("x\r{FORGED}"),
        format!("x\r\n {FORGED}"),
        "\"\u{1b}]0;owned\u{7}\" <sip:\u{1b}[31m@carrier.example>".to_owned(),
        "\u{9b}31m\u{202e}gnp.exe".to_owned(),
        r#"Digest username="anna", realm="127.0.0.1", nonce="top-secret-nonce", uri="sip:127.0.0.1", response="0123456789abcdef0123456789abcdef", opaque="hunter2-in-the-clear""#.to_owned(),
    ]
}

fn request(method: &str, own: &str, number: usize, from: &str, header: &str, value: &str) -> Vec<u8> {
    format!(
        "{method} sip:+74950000000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKlog{number};rport\r\n\
         From: {from}<sip:+79001112233@127.0.0.1>;tag={number}\r\nTo: <sip:+74950000000@127.0.0.1>\r\nCall-ID: log-{number}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:log@{own}>\r\n{header}: {value}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn logs_carry_no_credentials_and_no_raw_control_characters() {
    let tandem = Tandem::start(CONFIG);
    // 127.0.0.1 is the demo's carrier; the other one is nobody.
    for from in ["127.0.0.1", "127.0.0.9"] {
        let peer = Udp::new(tandem.sip, from);
        let own = peer.address().to_string();
        let mut number = 0;
        for method in METHODS {
            for header in HEADERS {
                for value in nasty() {
                    number += 1;
                    peer.send(&request(method, &own, number, "", header, &value));
                }
            }
            for value in nasty() {
                number += 1;
                peer.send(&request(method, &own, number, &format!("\"{value}\" "), "Subject", "x"));
            }
            // In step with the server, which would drop what it cannot take.
            let options = peer.ask(&Request::new("OPTIONS", &format!("sip:{}", tandem.sip)));
            assert!(options.is_some(), "{from} {method}: {}", tandem.log());
        }
    }
    // A phone that signs in, rightly and wrongly, under a name that does not like terminals.
    let phone = Udp::new(tandem.sip, "127.0.0.9");
    let mut proofs = Vec::new();
    for password in ["demo-desk1", "guessed-password"] {
        let answer = phone.challenge("desk1", Algorithm::Md5).expect("a challenge").answer(password, 1);
        let mut registration = phone.registration("boris", Some(&answer));
        registration.extra += "User-Agent: \u{1b}[31mPhone\u{1b}[0m\r\n";
        let status = phone.ask(&registration).map(|(status, _)| status);
        assert_eq!(status, Some(if password == "demo-desk1" { 200 } else { 403 }));
        for part in ["nonce", "response", "cnonce"] {
            let (_, rest) = answer.split_once(&format!("{part}=\"")).expect("it is there");
            proofs.push(rest.split('"').next().expect("a value").to_owned());
        }
    }
    // The same at the door of the console.
    for login in ["anna", "\u{1b}[2J\nnobody", FORGED] {
        let refused = ureq::post(format!("http://{}/api/v1/login", tandem.http))
            .header("X-Tandem", "1")
            .send_json(json!({ "login": login, "password": "hunter2-in-the-clear" }));
        assert!(refused.is_err(), "{login}");
    }
    let anna = tandem.sign_in("anna");
    let log = fs::read(tandem.folder.path().join("tandem.log")).expect("a log");
    let text = String::from_utf8_lossy(&log);
    assert!(text.contains("malformed SIP") && text.contains("a sign-in was refused"), "{text}");
    let raw: Vec<&str> = text
        .lines()
        .filter(|line| {
            line.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}'))
                || line.starts_with(FORGED)
        })
        .collect();
    assert!(raw.is_empty(), "{raw:?}");
    let cookie = anna.cookie.split('=').nth(1).expect("a cookie").to_owned();
    proofs.push(cookie);
    let secrets = [
        "top-secret-nonce",
        "0123456789abcdef0123456789abcdef",
        "hunter2",
        "guessed-password",
        "Digest username",
    ];
    for secret in secrets.into_iter().chain(proofs.iter().map(String::as_str)) {
        let told: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{secret:?} is in the log: {told:?}");
    }
    // Only where the demo says how its own phones sign in.
    let told = text.lines().filter(|line| line.contains("demo-desk1")).count();
    assert_eq!(told, 1, "{text}");
}
