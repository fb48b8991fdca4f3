//! How many calls a user may begin, and where to: a stolen password must not cost a fortune.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Instant, Now};

use crate::api::{CallId, UserLimits};
use crate::border::{Bucket, Rate};
use crate::shard::ShardId;
use crate::stack::Stack;

const DAY: Duration = Duration::from_secs(86_400);

/// By address of record; only those of our own users, so it is as bounded as they are.
#[derive(Default)]
pub(crate) struct Quota {
    pub(crate) limits: UserLimits,
    users: BTreeMap<String, Used>,
}

#[derive(Default)]
struct Used {
    /// Some may have ended since.
    calls: Vec<CallId>,
    bucket: Bucket,
    day: Instant,
    today: u32,
}

/// Why a user's call is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    Destination,
    /// So many calls at once, in a second or in a day.
    Calls,
}

impl Stack {
    /// Most calls of one user, and where they may not go. At the start there is no limit.
    pub fn set_user_limits(&mut self, limits: UserLimits) {
        self.quota.limits = limits;
    }

    /// Whether nobody may call this number, as far as it is written like this.
    pub fn denies(&self, number: &str) -> bool {
        self.quota.limits.denied.iter().any(|prefix| number.starts_with(prefix.as_str()))
    }

    /// Whether this user may call there now; counted as a call when he may.
    pub(crate) fn spend(&mut self, now: Now, aor: &str, called: &str) -> Result<(), Over> {
        if self.denies(called) {
            return Err(Over::Destination);
        }
        let Quota { limits, users } = &mut self.quota;
        let used = users.entry(aor.to_owned()).or_default();
        let calls = &self.calls;
        // Those of other stacks are told of as they end.
        used.calls.retain(|id| id.shard() != ShardId::HOME || calls.get(*id).is_some_and(|call| !call.ended));
        if limits.calls > 0 && used.calls.len() >= limits.calls {
            return Err(Over::Calls);
        }
        if now.instant.saturating_since(used.day) >= DAY {
            (used.day, used.today) = (now.instant, 0);
        }
        if limits.per_day > 0 && used.today >= limits.per_day {
            return Err(Over::Calls);
        }
        let rate = Rate { per_second: limits.per_second, burst: limits.per_second };
        if !used.bucket.take(now.instant, rate) {
            return Err(Over::Calls);
        }
        used.today += 1;
        Ok(())
    }

    /// Counts a call that a user makes by asking us for it, as with a REFER; else what he is answered. Its calls are then told of with
    /// [`Stack::spent_on`].
    pub fn charge(&mut self, now: Now, aor: &str, called: &str) -> Result<(), u16> {
        self.spend(now, aor, called).map_err(|over| match over {
            Over::Destination => 403,
            Over::Calls => 503,
        })
    }

    /// A call for which he was charged: one of his, until it ends.
    pub fn spent_on(&mut self, aor: &str, call: CallId) {
        if let Some(used) = self.quota.users.get_mut(aor) {
            used.calls.push(call);
        }
    }

    /// A call of his on another stack has ended.
    pub(crate) fn spent_call_ended(&mut self, aor: &str, call: CallId) {
        if let Some(used) = self.quota.users.get_mut(aor) {
            used.calls.retain(|id| *id != call);
        }
    }
}
