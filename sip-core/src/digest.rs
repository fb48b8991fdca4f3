//! Digest authentication (RFC 7616 and RFC 8760, as RFC 3261 §22 uses it): MD5 and SHA-256; we ask for `qop=auth`, and answer
//! `auth-int` and the old kind without any, too.
//!
//! Nonces are signed, not stored: a flood of unauthenticated requests costs no memory. Only a nonce that somebody has used with the
//! right password gets a place in a bounded table, for its nonce count; when the table is full the oldest nonces go stale.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use md5::Md5;
use model::{Instant, Now};
use sha2::{Digest as _, Sha256};

use crate::message::{Credentials, Method, Uri};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Of a challenge or its answer. MD5 when none is named (RFC 7616 §3.3); `None` for what we do not speak, session variants too.
    pub fn of(credentials: &Credentials<'_>) -> Option<Algorithm> {
        let Some(name) = credentials.get("algorithm") else { return Some(Algorithm::Md5) };
        [Algorithm::Md5, Algorithm::Sha256]
            .into_iter()
            .find(|a| name.eq_ignore_ascii_case(a.as_str().as_bytes()))
    }

    /// Lower-case hex of the hash of the parts with colons between them.
    fn hash(self, parts: &[&[u8]]) -> String {
        let text = parts.join(&b':');
        match self {
            Algorithm::Md5 => hex(&Md5::digest(&text)),
            Algorithm::Sha256 => hex(&Sha256::digest(&text)),
        }
    }
}

/// What came of the credentials of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Accepted,
    /// The nonce is too old, or not ours, or not for this peer: challenge again with `stale`. The password was not looked at: whoever
    /// tries one shows with the nonce that our answers reach him.
    Stale,
    /// The password is right, the nonce count has been used: challenge again with `stale`.
    Replayed,
    /// Wrong password, or for another realm, with a nonce that was sent to this very peer.
    Wrong,
    /// A parameter is missing, malformed, or belongs to something that we did not offer, or the URI is not that of the request.
    Malformed,
}

/// Lower-case hex of H(username:realm:password): what is stored instead of a password.
pub fn ha1(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> String {
    algorithm.hash(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()])
}

/// One WWW-Authenticate (or Proxy-Authenticate) value.
pub fn challenge(algorithm: Algorithm, realm: &str, nonce: &str, stale: bool) -> String {
    let realm = quoted(realm);
    let stale = if stale { ", stale=true" } else { "" };
    format!(r#"Digest realm={realm}, nonce="{nonce}", algorithm={}, qop="auth"{stale}"#, algorithm.as_str())
}

/// What is asked with credentials.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a Method,
    pub uri: &'a str,
    /// Counts for `qop=auth-int` only.
    pub body: &'a [u8],
}

/// Who asks.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    pub username: &'a str,
    pub password: &'a str,
}

/// [`respond`] for a request whose body nobody asks about.
pub fn answer(
    challenge: &Credentials<'_>,
    method: &Method,
    uri: &str,
    username: &str,
    password: &str,
    cnonce: &str,
    count: u32,
) -> Option<String> {
    respond(challenge, &Request { method, uri, body: b"" }, &Login { username, password }, cnonce, count)
}

/// The Authorization value that answers a challenge, for our own requests. `count` is 1 for the first use of its nonce.
///
/// `None` when the challenge is not Digest, lacks realm or nonce, or asks for an algorithm or protection that we do not speak.
pub fn respond(
    challenge: &Credentials<'_>,
    request: &Request<'_>,
    login: &Login<'_>,
    cnonce: &str,
    count: u32,
) -> Option<String> {
    if !challenge.is_digest() {
        return None;
    }
    let Request { method, uri, body } = *request;
    let algorithm = Algorithm::of(challenge)?;
    let text = |name| challenge.get(name).and_then(|value| String::from_utf8(value.into_owned()).ok());
    let (realm, nonce) = (text("realm")?, text("nonce")?);
    let ha1 = ha1(algorithm, login.username, &realm, login.password);
    let plain = || algorithm.hash(&[method.as_bytes(), uri.as_bytes()]);
    let count = format!("{count:08x}");
    let mut out = format!(
        "Digest username={}, realm={}, nonce={}, uri={}",
        quoted(login.username),
        quoted(&realm),
        quoted(&nonce),
        quoted(uri)
    );
    let response = match text("qop") {
        // RFC 2069, as RFC 3261 §22.4 still allows it.
        None => algorithm.hash(&[ha1.as_bytes(), nonce.as_bytes(), plain().as_bytes()]),
        Some(offer) => {
            let offers = |wanted: &str| offer.split(',').any(|qop| qop.trim().eq_ignore_ascii_case(wanted));
            let (qop, ha2) = if offers("auth") {
                ("auth", plain())
            } else if offers("auth-int") {
                let body = algorithm.hash(&[body]);
                ("auth-int", algorithm.hash(&[method.as_bytes(), uri.as_bytes(), body.as_bytes()]))
            } else {
                return None;
            };
            let _ = write!(out, ", qop={qop}, nc={count}, cnonce={}", quoted(cnonce));
            let parts = [&ha1, &nonce, &count, cnonce, qop, &ha2].map(str::as_bytes);
            algorithm.hash(&parts)
        }
    };
    let _ = write!(out, r#", response="{response}", algorithm={}"#, algorithm.as_str());
    if let Some(opaque) = text("opaque") {
        let _ = write!(out, ", opaque={}", quoted(&opaque));
    }
    Some(out)
}

/// Issues nonces and judges the answers to them.
#[derive(Clone, Debug)]
pub struct Nonces {
    secret: [u8; 32],
    lifetime: Duration,
    capacity: usize,
    issued: u64,
    /// Highest nonce count seen, by nonce; oldest first.
    used: BTreeMap<Stamp, u32>,
    /// What was pushed out of a full table: nonces up to here are stale, or their counts could start over.
    forgotten: Option<Stamp>,
}

/// When a nonce was made, and which of that instant it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Stamp {
    micros: u64,
    serial: u64,
}

impl Nonces {
    /// `secret` must not be guessable; `capacity` bounds the nonces in use at once and is at least 1.
    pub fn new(secret: [u8; 32], lifetime: Duration, capacity: usize) -> Nonces {
        Nonces {
            secret,
            lifetime,
            capacity: capacity.max(1),
            issued: 0,
            used: BTreeMap::new(),
            forgotten: None,
        }
    }

    /// A fresh nonce for whoever reads what is sent to this address. The same one may stand in the challenges for all algorithms of
    /// one answer.
    pub fn issue(&mut self, now: Now, peer: IpAddr) -> String {
        self.issued += 1;
        let stamp = Stamp { micros: now.instant.as_micros(), serial: self.issued };
        self.sign(stamp, peer)
    }

    /// Judges an Authorization (or Proxy-Authorization) value against stored hashes, in time that does not depend on them.
    ///
    /// `request_uri`: the credentials must be for the same user and host; port and parameters may differ, as they do in the field,
    /// and some phones leave the user out.
    /// The nonce count must grow with every use of a nonce (RFC 7616 §3.4); it is written down only when the password was right.
    #[expect(clippy::too_many_arguments, reason = "what a digest is made of; each has its own type or name")]
    pub fn verify(
        &mut self,
        now: Now,
        peer: IpAddr,
        credentials: &Credentials<'_>,
        realm: &str,
        method: &Method,
        request_uri: &Uri<'_>,
        ha1_md5: &str,
        ha1_sha256: &str,
    ) -> Verdict {
        let Some(answer) = Answer::read(credentials) else { return Verdict::Malformed };
        if !same_resource(&answer.uri, request_uri) {
            return Verdict::Malformed;
        }
        let ha1 = match answer.algorithm {
            Algorithm::Md5 => ha1_md5,
            Algorithm::Sha256 => ha1_sha256,
        };
        let Some(stamp) = self.check(now, peer, &answer.nonce) else { return Verdict::Stale };
        let expected = answer.expected(ha1, method);
        if !same(expected.as_bytes(), &answer.response) || answer.realm != realm.as_bytes() {
            return Verdict::Wrong;
        }
        match self.used.get_mut(&stamp) {
            Some(last) if answer.count <= *last => return Verdict::Replayed,
            Some(last) => *last = answer.count,
            None => {
                self.used.insert(stamp, answer.count);
                while self.used.len() > self.capacity {
                    self.forgotten = self.used.pop_first().map(|(stamp, _)| stamp);
                }
            }
        }
        Verdict::Accepted
    }

    /// Forgets nonces that have outlived their time.
    pub fn expire(&mut self, now: Now) {
        while let Some(oldest) = self.used.first_entry() {
            let made = Instant::from_micros(oldest.key().micros);
            if now.instant.saturating_since(made) <= self.lifetime {
                break;
            }
            oldest.remove();
        }
    }

    /// Nonces in use.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// The stamp of a nonce that we gave this peer and that is still good.
    fn check(&self, now: Now, peer: IpAddr, nonce: &[u8]) -> Option<Stamp> {
        let text = std::str::from_utf8(nonce.get(..32)?).ok()?;
        let stamp = Stamp {
            micros: u64::from_str_radix(&text[..16], 16).ok()?,
            serial: u64::from_str_radix(&text[16..], 16).ok()?,
        };
        let made = Instant::from_micros(stamp.micros);
        let good = same(self.sign(stamp, peer).as_bytes(), nonce)
            && now.instant.saturating_since(made) <= self.lifetime
            && self.forgotten.is_none_or(|forgotten| stamp > forgotten);
        good.then_some(stamp)
    }

    fn sign(&self, stamp: Stamp, peer: IpAddr) -> String {
        // The inputs have a fixed length, and the outcome is cut: neither extension nor ambiguity is possible.
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(stamp.micros.to_be_bytes());
        hash.update(stamp.serial.to_be_bytes());
        let peer = match peer.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        hash.update(peer.octets());
        let mut nonce = format!("{:016x}{:016x}", stamp.micros, stamp.serial);
        nonce.push_str(&hex(&hash.finalize()[..16]));
        nonce
    }
}

/// The parameters of an answer to our challenge.
struct Answer {
    algorithm: Algorithm,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    uri: Vec<u8>,
    cnonce: Vec<u8>,
    /// As it was written, for the hash.
    raw_count: Vec<u8>,
    count: u32,
    qop: Vec<u8>,
    response: Vec<u8>,
}

impl Answer {
    fn read(credentials: &Credentials<'_>) -> Option<Answer> {
        let get = |name| credentials.get(name).map(|value| value.into_owned());
        let raw_count = get("nc")?;
        let qop = get("qop")?;
        let hex_count = raw_count.len() == 8 && raw_count.iter().all(u8::is_ascii_hexdigit);
        if !credentials.is_digest() || !hex_count || !qop.eq_ignore_ascii_case(b"auth") {
            return None;
        }
        let count = u32::from_str_radix(std::str::from_utf8(&raw_count).ok()?, 16).ok().filter(|n| *n > 0)?;
        let mut response = get("response")?;
        response.make_ascii_lowercase();
        Some(Answer {
            algorithm: Algorithm::of(credentials)?,
            realm: get("realm")?,
            nonce: get("nonce")?,
            uri: get("uri")?,
            cnonce: get("cnonce")?,
            raw_count,
            count,
            qop,
            response,
        })
    }

    fn expected(&self, ha1: &str, method: &Method) -> String {
        let ha2 = self.algorithm.hash(&[method.as_bytes(), &self.uri]);
        let parts: [&[u8]; 6] =
            [ha1.as_bytes(), &self.nonce, &self.raw_count, &self.cnonce, &self.qop, ha2.as_bytes()];
        self.algorithm.hash(&parts)
    }
}

fn same_resource(claimed: &[u8], request_uri: &Uri<'_>) -> bool {
    if claimed == request_uri.raw() {
        return true;
    }
    let Ok(claimed) = Uri::parse(claimed) else { return false };
    match (claimed.host(), request_uri.host()) {
        (Some(a), Some(b)) => {
            a.same_as(&b) && (claimed.user().is_none() || claimed.user() == request_uri.user())
        }
        (None, _) | (_, None) => claimed.same_as(request_uri),
    }
}

/// Takes the same time wherever the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |acc, (a, b)| acc | (a ^ b))) == 0
}

fn quoted(text: &str) -> String {
    crate::message::text(&crate::message::quote(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
