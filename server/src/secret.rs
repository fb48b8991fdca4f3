//! Passwords, tokens and digest hashes. Nothing in here is ever logged.

use std::fmt;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

/// A bearer secret of 256 random bits, as hex.
pub fn new_token() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// How a token is kept: its SHA-256 as hex. Tokens are random, so no salt and no stretching are needed.
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Argon2id with the library's default cost, as a PHC string. Takes tens of milliseconds of a core: not for async tasks.
pub fn hash_password(password: &str) -> String {
    Argon2::default()
        .hash_password(password.as_bytes())
        .expect("a password of limited length can be hashed")
        .to_string()
}

/// A hash that no password is known for, of the cost of the others.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm8$5VTYVPBVQxbWUFPBs0zGEhVqvk0u0HKhFhB9aYr0e6I";

/// Takes the same time whether there is a hash or not.
pub fn verify_password(password: &str, hash: Option<&str>) -> bool {
    let is_somebody = hash.is_some();
    let Ok(hash) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() && is_somebody
}

/// Both HA1 of RFC 7616 §3.4.2, lower-case hex.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    pub md5: String,
    pub sha256: String,
}

impl Ha1 {
    pub fn new(username: &str, realm: &str, password: &str) -> Self {
        let text = format!("{username}:{realm}:{password}");
        Self {
            md5: hex::encode(Md5::digest(text.as_bytes())),
            sha256: hex::encode(Sha256::digest(text.as_bytes())),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// The server's own key: secrets that must be the same after a restart are derived from it instead of being stored.
#[derive(Clone)]
pub struct ServerKey([u8; 32]);

/// The softphone account of one sign-in.
#[derive(Clone, PartialEq, Eq)]
pub struct Softphone {
    pub username: String,
    pub password: String,
}

impl ServerKey {
    /// `None` when the text is not 32 bytes of hex.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::decode(text).ok()?.try_into().ok().map(Self)
    }

    pub fn softphone(&self, login: &str, sign_in: &str) -> Softphone {
        let name = self.derive("softphone name", sign_in);
        Softphone {
            username: format!("{login}~{}", hex::encode(&name[..4])),
            password: hex::encode(self.derive("softphone password", sign_in)),
        }
    }

    /// The seed of the engine's random numbers of one run.
    pub fn seed(&self) -> [u8; 32] {
        self.derive("engine seed", &new_token())
    }

    fn derive(&self, purpose: &str, of: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(of.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_verified_against_its_own_hash_only() {
        let hash = hash_password("open sesame");
        assert!(verify_password("open sesame", Some(&hash)));
        assert!(!verify_password("open sesame!", Some(&hash)));
        assert!(!verify_password("open sesame", None));
        assert!(!verify_password("open sesame", Some("nonsense")));
    }

    #[test]
    fn an_unknown_user_costs_a_real_verification() {
        let nobody = PasswordHash::new(NOBODY).expect("well-formed");
        let somebody = hash_password("x");
        let somebody = PasswordHash::new(&somebody).expect("well-formed");
        assert_eq!((nobody.algorithm, &nobody.params), (somebody.algorithm, &somebody.params));
    }

    #[test]
    fn digest_hashes_are_those_of_rfc_7616() {
        // RFC 7616 §3.9.1
        let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(ha1.md5, "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(ha1.sha256, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
    }

    #[test]
    fn a_softphone_is_the_same_after_a_restart_and_another_for_each_sign_in() {
        let key = ServerKey::from_hex(&"07".repeat(32)).expect("32 bytes");
        assert!(key.softphone("anna", "a") == key.softphone("anna", "a"));
        assert!(key.softphone("anna", "a").password != key.softphone("anna", "b").password);
        assert!(key.softphone("anna", "a").username != key.softphone("anna", "b").username);
    }
}
