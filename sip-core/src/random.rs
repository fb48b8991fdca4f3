//! Everything that must be hard to guess, from one seed.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

#[derive(Debug)]
pub(crate) struct Random(StdRng);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(StdRng::from_seed(seed))
    }

    /// 80 bits. RFC 3261 §19.3 asks for 32 at least.
    pub(crate) fn tag(&mut self) -> String {
        self.hex::<10>()
    }

    /// With the magic cookie of RFC 3261 §8.1.1.7.
    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.hex::<12>())
    }

    pub(crate) fn call_id(&mut self) -> String {
        self.hex::<16>()
    }

    /// First CSeq of a dialog: below 2^31 with much room left. RFC 3261 §8.1.1.5
    pub(crate) fn cseq(&mut self) -> u32 {
        self.0.random_range(1..0x1000_0000)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// Inclusive on both ends.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.random_range(low..=high)
    }

    fn hex<const N: usize>(&mut self) -> String {
        hex::encode(self.bytes::<N>())
    }
}
