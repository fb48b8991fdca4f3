//! Digest authentication, with the vectors of RFC 7616 §3.9.1.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use model::{Instant, Now, Timestamp};
use sip_core::digest::{Algorithm, Nonces, Verdict, answer, challenge, ha1};
use sip_core::message::{Credentials, Method, Uri};

const REALM: &str = "tandem.example";
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const LIFETIME: Duration = Duration::from_secs(300);

fn at(seconds: u64) -> Now {
    Now::new(Instant::from_micros(seconds * 1_000_000), Timestamp(0))
}

fn nonces() -> Nonces {
    Nonces::new([7; 32], LIFETIME, 4)
}

struct Try<'a> {
    algorithm: Algorithm,
    password: &'a str,
    uri: &'a str,
    count: u32,
}

const GOOD: Try<'_> =
    Try { algorithm: Algorithm::Sha256, password: "secret", uri: "sip:tandem.example", count: 1 };

fn authorization(nonce: &str, with: &Try<'_>) -> String {
    let challenge = challenge(with.algorithm, REALM, nonce, false);
    let challenge = Credentials::parse(challenge.as_bytes()).unwrap();
    answer(&challenge, &Method::Register, with.uri, "alice", with.password, "c\"nonce", with.count).unwrap()
}

fn judge(nonces: &mut Nonces, now: Now, authorization: &str) -> Verdict {
    let credentials = Credentials::parse(authorization.as_bytes()).unwrap();
    let uri = Uri::parse(b"sip:tandem.example").unwrap();
    let (md5, sha256) =
        (ha1(Algorithm::Md5, "alice", REALM, "secret"), ha1(Algorithm::Sha256, "alice", REALM, "secret"));
    nonces.verify(now, PEER, &credentials, REALM, &Method::Register, &uri, &md5, &sha256)
}

#[test]
fn answers_match_the_vectors_of_rfc_7616() {
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let challenge = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let challenge = Credentials::parse(challenge.as_bytes()).unwrap();
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let get = Method::Other((*b"GET").into());
        let text =
            answer(&challenge, &get, "/dir/index.html", "Mufasa", "Circle of Life", cnonce, 1).unwrap();
        let text = Credentials::parse(text.as_bytes()).unwrap();
        assert_eq!(text.get("response").unwrap(), response.as_bytes());
        assert_eq!(text.get("nc").unwrap(), &b"00000001"[..]);
        assert_eq!(text.get("opaque").unwrap(), &b"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"[..]);
    }
}

#[test]
fn what_we_do_not_speak_is_not_answered() {
    for bad in [
        "Basic realm=\"x\"",
        "Digest realm=\"x\"",
        "Digest realm=\"x\", nonce=\"n\", algorithm=SHA-512-256",
        "Digest realm=\"x\", nonce=\"n\", algorithm=MD5-sess",
        "Digest realm=\"x\", nonce=\"n\", qop=\"token\"",
    ] {
        let challenge = Credentials::parse(bad.as_bytes()).unwrap();
        assert_eq!(answer(&challenge, &Method::Register, "sip:h", "a", "p", "c", 1), None, "{bad}");
    }
}

#[test]
fn the_right_password_is_accepted_in_both_algorithms() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut nonces = nonces();
        let nonce = nonces.issue(at(0), PEER);
        let text = authorization(&nonce, &Try { algorithm, ..GOOD });
        assert_eq!(judge(&mut nonces, at(1), &text), Verdict::Accepted);
    }
}

#[test]
fn a_wrong_password_is_refused_and_leaves_no_trace() {
    let mut nonces = nonces();
    let nonce = nonces.issue(at(0), PEER);
    let text = authorization(&nonce, &Try { password: "guess", ..GOOD });
    assert_eq!(judge(&mut nonces, at(1), &text), Verdict::Wrong);
    assert!(nonces.is_empty());
    let text = authorization(&nonce, &GOOD);
    assert_eq!(judge(&mut nonces, at(1), &text), Verdict::Accepted);
}

#[test]
fn a_nonce_is_good_only_for_the_address_that_it_was_sent_to_and_without_one_no_password_is_looked_at() {
    let mut nonces = nonces();
    let elsewhere = nonces.issue(at(0), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 8)));
    for password in ["secret", "guess"] {
        let text = authorization(&elsewhere, &Try { password, ..GOOD });
        assert_eq!(judge(&mut nonces, at(1), &text), Verdict::Stale);
    }
    // The same address, written as IPv6.
    let mapped = nonces.issue(at(0), IpAddr::V6(Ipv4Addr::new(203, 0, 113, 7).to_ipv6_mapped()));
    assert_eq!(judge(&mut nonces, at(1), &authorization(&mapped, &GOOD)), Verdict::Accepted);
}

#[test]
fn a_nonce_count_is_good_only_once_and_only_upwards() {
    let mut nonces = nonces();
    let nonce = nonces.issue(at(0), PEER);
    let with = |count| authorization(&nonce, &Try { count, ..GOOD });
    assert_eq!(judge(&mut nonces, at(1), &with(1)), Verdict::Accepted);
    assert_eq!(judge(&mut nonces, at(1), &with(1)), Verdict::Replayed);
    assert_eq!(judge(&mut nonces, at(1), &with(9)), Verdict::Accepted);
    assert_eq!(judge(&mut nonces, at(1), &with(8)), Verdict::Replayed);
    assert_eq!(judge(&mut nonces, at(1), &with(10)), Verdict::Accepted);
    assert_eq!(judge(&mut nonces, at(1), &with(0)), Verdict::Malformed);
}

#[test]
fn old_foreign_and_forged_nonces_are_stale() {
    let mut nonces = nonces();
    let nonce = nonces.issue(at(0), PEER);
    let text = authorization(&nonce, &GOOD);
    assert_eq!(judge(&mut nonces, at(301), &text), Verdict::Stale);
    assert_eq!(judge(&mut nonces, at(300), &text), Verdict::Accepted);
    let foreign = Nonces::new([8; 32], LIFETIME, 4).issue(at(0), PEER);
    let later = format!("{:016x}{}", 1_000_000, &nonce[16..]);
    for nonce in [
        foreign.as_str(),
        &later,
        "",
        "x",
        &nonce[..63],
        &format!("{nonce}0"),
        &nonce.to_uppercase(),
        "ééééééééééééééééééééé",
    ] {
        let text = authorization(nonce, &Try { count: 5, ..GOOD });
        assert_eq!(judge(&mut nonces, at(1), &text), Verdict::Stale, "{nonce}");
    }
}

#[test]
fn a_full_table_makes_the_oldest_nonces_stale_but_never_replayable() {
    let mut nonces = nonces();
    let issued: Vec<_> = (0..6).map(|n| nonces.issue(at(n), PEER)).collect();
    for nonce in &issued {
        let text = authorization(nonce, &GOOD);
        assert_eq!(judge(&mut nonces, at(6), &text), Verdict::Accepted);
    }
    assert_eq!(nonces.len(), 4);
    let outcomes: Vec<_> =
        issued.iter().map(|nonce| judge(&mut nonces, at(6), &authorization(nonce, &GOOD))).collect();
    use Verdict::{Replayed, Stale};
    assert_eq!(outcomes, [Stale, Stale, Replayed, Replayed, Replayed, Replayed]);
    nonces.expire(at(303));
    assert_eq!(nonces.len(), 3);
}

#[test]
fn two_nonces_of_one_instant_differ() {
    let mut nonces = nonces();
    assert_ne!(nonces.issue(at(0), PEER), nonces.issue(at(0), PEER));
}

#[test]
fn credentials_for_another_uri_realm_or_protection_are_refused() {
    let mut nonces = nonces();
    let nonce = nonces.issue(at(0), PEER);
    let other = authorization(&nonce, &Try { uri: "sip:bob@tandem.example", ..GOOD });
    assert_eq!(judge(&mut nonces, at(1), &other), Verdict::Malformed);
    let close = authorization(&nonce, &Try { uri: "sip:TANDEM.example:5060;transport=ws", ..GOOD });
    assert_eq!(judge(&mut nonces, at(1), &close), Verdict::Accepted);
    let good = authorization(&nonce, &Try { count: 2, ..GOOD });
    for (from, to, verdict) in [
        ("realm=\"tandem.example\"", "realm=\"x\"", Verdict::Wrong),
        ("qop=auth", "qop=auth-int", Verdict::Malformed),
        ("qop=auth, ", "", Verdict::Malformed),
        ("nc=00000002", "nc=2", Verdict::Malformed),
        ("algorithm=SHA-256", "algorithm=SHA-256-sess", Verdict::Malformed),
        ("algorithm=SHA-256", "algorithm=MD5", Verdict::Wrong),
        ("Digest ", "Basic ", Verdict::Malformed),
        ("Digest username=", "Digest x=", Verdict::Accepted),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        assert_eq!(judge(&mut nonces, at(1), &good.replace(from, to)), verdict, "{from} → {to}");
    }
}

#[test]
fn a_stale_challenge_says_so() {
    let text = challenge(Algorithm::Md5, "a\"b", "n", true);
    let parsed = Credentials::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.get("stale").unwrap(), &b"true"[..]);
    assert_eq!(parsed.get("realm").unwrap(), &b"a\"b"[..]);
    assert!(!challenge(Algorithm::Md5, "a", "n", false).contains("stale"));
}
