//! Who may register and call: the digest accounts. RFC 3261 §22, RFC 8760

use std::collections::BTreeMap;
use std::time::Duration;

use model::Now;
use sha2::{Digest as _, Sha256};

use crate::api::{Credential, Hop};
use crate::digest::{self, Algorithm, Nonces};
use crate::message::{Builder, Message, Name};
use crate::random::Random;

/// How long a nonce is good for. Clients get `stale=true` afterwards and go on without asking their user.
pub(crate) const NONCE_LIFETIME: Duration = Duration::from_secs(32);
/// Nonces in use at once.
const NONCES: usize = 16_384;

pub(crate) struct Auth {
    realm: String,
    secret: [u8; 32],
    credentials: BTreeMap<String, Credential>,
    /// How many credentials each address of record has.
    aors: BTreeMap<String, usize>,
    nonces: Nonces,
    /// What we challenge for, the preferred first. Either algorithm is taken in an answer.
    algorithms: Vec<Algorithm>,
    /// Stands in for the account that a stranger names, so that he learns nothing from our timing.
    nobody: Credential,
}

/// What a request's credentials are worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Accepted(Credential),
    Challenge { stale: bool },
    Forbidden,
    Malformed,
}

impl Auth {
    pub(crate) fn new(realm: &str, random: &mut Random) -> Self {
        let nobody = Credential {
            username: String::new(),
            aor: String::new(),
            ha1_md5: hex::encode(random.bytes::<16>()),
            ha1_sha256: hex::encode(random.bytes::<32>()),
            one_time: false,
        };
        Self {
            realm: realm.to_owned(),
            secret: random.bytes(),
            credentials: BTreeMap::new(),
            aors: BTreeMap::new(),
            nonces: Nonces::new(random.bytes(), NONCE_LIFETIME, NONCES),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nobody,
        }
    }

    pub(crate) fn set(&mut self, credential: Credential) {
        self.remove(&credential.username);
        *self.aors.entry(credential.aor.clone()).or_default() += 1;
        self.credentials.insert(credential.username.clone(), credential);
    }

    pub(crate) fn remove(&mut self, username: &str) {
        let Some(credential) = self.credentials.remove(username) else { return };
        if let Some(count) = self.aors.get_mut(&credential.aor) {
            *count -= 1;
            if *count == 0 {
                self.aors.remove(&credential.aor);
            }
        }
    }

    pub(crate) fn set_algorithms(&mut self, algorithms: Vec<Algorithm>) {
        self.algorithms = algorithms;
    }

    /// Whether this account exists and may register this address of record.
    pub(crate) fn knows(&self, username: &str, aor: &str) -> bool {
        self.credentials.get(username).is_some_and(|credential| credential.aor == aor && !credential.one_time)
    }

    /// Whether this account is used up with its first call; `None` when there is none of this name.
    pub(crate) fn is_one_time(&self, username: &str) -> Option<bool> {
        self.credentials.get(username).map(|credential| credential.one_time)
    }

    pub(crate) fn is_own_user(&self, aor: &str) -> bool {
        self.aors.contains_key(aor)
    }

    /// In use.
    pub(crate) fn nonces(&self) -> usize {
        self.nonces.len()
    }

    pub(crate) fn forget_stale(&mut self, now: Now) {
        self.nonces.expire(now);
    }

    /// One challenge per algorithm. RFC 8760 §2.4
    ///
    /// Phones in the field know MD5 alone and most take the first challenge, whatever it asks for, so MD5 stands first for them;
    /// browsers' stacks take the last, so it stands last for those. Whoever knows both looks at both.
    pub(crate) fn challenge(
        &mut self,
        now: Now,
        stale: bool,
        hop: Hop,
        request: &Message,
        mut answer: Builder,
    ) -> Builder {
        let nonce = self.nonces.issue(now, hop.remote.ip());
        let mut algorithms = self.algorithms.clone();
        algorithms.sort_by_key(|algorithm| (*algorithm == Algorithm::Md5) == hop.transport.is_websocket());
        if algorithms.contains(&Algorithm::Md5) && chokes_on_sha_256(request) {
            algorithms = vec![Algorithm::Md5];
        }
        for algorithm in algorithms {
            answer = answer
                .header(Name::WwwAuthenticate, digest::challenge(algorithm, &self.realm, &nonce, stale));
        }
        answer
    }

    /// A tag for answers that leave no transaction behind: the same for every copy of the request, and for its ACK.
    pub(crate) fn stateless_tag(&self, request: &Message) -> String {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        for part in [request.call_id(), b"\0", request.from_tag().unwrap_or_default()] {
            hash.update(part);
        }
        hex::encode(&hash.finalize()[..10])
    }

    pub(crate) fn check(&mut self, now: Now, hop: Hop, request: &Message) -> Verdict {
        let realm = self.realm.as_bytes();
        let ours = request
            .credentials(Name::Authorization)
            .find(|c| c.is_digest() && c.get("realm").is_some_and(|claimed| *claimed == *realm));
        let (Some(answer), Some(uri)) = (ours, request.request_uri()) else {
            return Verdict::Challenge { stale: false };
        };
        let username = answer.get("username").map(|name| crate::message::text(&name)).unwrap_or_default();
        let known = self.credentials.get(&username);
        let credential = known.unwrap_or(&self.nobody);
        let verdict = self.nonces.verify(
            now,
            hop.remote.ip(),
            &answer,
            &self.realm,
            request.method(),
            &uri,
            &credential.ha1_md5,
            &credential.ha1_sha256,
        );
        match (verdict, known) {
            (digest::Verdict::Accepted, Some(credential)) => Verdict::Accepted(credential.clone()),
            (digest::Verdict::Stale | digest::Verdict::Replayed, _) => Verdict::Challenge { stale: true },
            (digest::Verdict::Accepted, None) | (digest::Verdict::Wrong, _) => Verdict::Forbidden,
            (digest::Verdict::Malformed, _) => Verdict::Malformed,
        }
    }
}

/// Phones that give the whole response up when any of its challenges names an algorithm that they do not know.
fn chokes_on_sha_256(request: &Message) -> bool {
    let agent = request.header(Name::UserAgent).unwrap_or_default();
    [b"baresip v0.", b"baresip v1."].iter().any(|old| agent.starts_with(*old))
}
