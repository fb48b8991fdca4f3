//! A token bucket.

use model::Instant;

/// So many in a second on the whole, and so many at once. Zero in a second: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// Full at first.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Bucket {
    /// When it would be empty again if nothing more were taken: the virtual schedule of the generic cell rate algorithm.
    spent_until: Instant,
}

impl Bucket {
    /// False: it is empty.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        if rate.per_second == 0 {
            return true;
        }
        let one = 1_000_000 / u64::from(rate.per_second);
        let most = one * u64::from(rate.burst.max(1));
        let at = now.as_micros().max(self.spent_until.as_micros());
        if at + one - now.as_micros() > most {
            return false;
        }
        self.spent_until = Instant::from_micros(at + one);
        true
    }
}
