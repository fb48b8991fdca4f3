//! Everything that must be hard to guess, from one seed.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use sha2::{Digest as _, Sha256};

use crate::message::MAGIC_COOKIE;
use crate::shard::ShardId;

#[derive(Debug)]
pub(crate) struct Random {
    rng: StdRng,
    /// What tags and branches begin with.
    mark: Option<char>,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { rng: StdRng::from_seed(seed), mark: None }
    }

    /// For one of several stacks that have the same seed: none says what another does.
    pub(crate) fn of_shard(seed: [u8; 32], shard: ShardId) -> Self {
        let hash = Sha256::new().chain_update(seed).chain_update([shard.0]).finalize();
        Self { mark: shard.mark(), ..Self::new(hash.into()) }
    }

    /// 80 bits. RFC 3261 §19.3 asks for 32 at least.
    pub(crate) fn tag(&mut self) -> String {
        let hex = self.hex::<10>();
        self.marked("", hex)
    }

    /// With the magic cookie of RFC 3261 §8.1.1.7.
    pub(crate) fn branch(&mut self) -> String {
        let hex = self.hex::<12>();
        self.marked(MAGIC_COOKIE, hex)
    }

    fn marked(&self, start: &str, hex: String) -> String {
        match self.mark {
            Some(mark) => format!("{start}{mark}{hex}"),
            None if start.is_empty() => hex,
            None => format!("{start}{hex}"),
        }
    }

    pub(crate) fn call_id(&mut self) -> String {
        self.hex::<16>()
    }

    /// First CSeq of a dialog: below 2^31 with much room left. RFC 3261 §8.1.1.5
    pub(crate) fn cseq(&mut self) -> u32 {
        self.rng.random_range(1..0x1000_0000)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Inclusive on both ends.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.rng.random_range(low..=high)
    }

    fn hex<const N: usize>(&mut self) -> String {
        hex::encode(self.bytes::<N>())
    }
}
