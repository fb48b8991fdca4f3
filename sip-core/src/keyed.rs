//! Tables that are asked for what peers send, and never walked through: their order depends on a secret.

use std::collections::HashMap;
use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

use crate::random::Random;

pub(crate) type Keyed<K, V> = HashMap<K, V, Keys>;

/// Nobody can choose keys that fall together without knowing it.
#[derive(Clone, Debug)]
pub(crate) struct Keys(SipHasher13);

impl Keys {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self(SipHasher13::new_with_key(&random.bytes()))
    }
}

impl BuildHasher for Keys {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        self.0
    }
}
