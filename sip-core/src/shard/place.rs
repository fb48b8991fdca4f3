//! Which stack a message is for.
//!
//! What a stack makes up itself (its tags and branches) begins with its mark, so what belongs to one of its calls finds it without a
//! table. What begins a call, and what is about such a request alone, goes by its Call-ID; the Call-IDs of our own calls are made up so
//! that they lead to the same stack.

use std::hash::{BuildHasher, Hasher};

use crate::api::{CallId, LookupId};
use crate::glance::{Start, glance};
use crate::keyed::Keys;
use crate::message::{MAGIC_COOKIE, Replaces};
use crate::random::Random;

/// Most stacks beside the first.
pub const MOST_SHARDS: u8 = 16;

/// One of the stacks: 0 is the first, which the registrar and the carriers are with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u8);

impl ShardId {
    pub const HOME: ShardId = ShardId(0);
    /// Ids that a stack gives have its own number in their highest octet.
    const SHIFT: u32 = 56;

    /// What its tags and branches begin with: no digit of hex.
    pub(crate) fn mark(self) -> Option<char> {
        self.0.checked_sub(1).map(|n| char::from(b'g' + n))
    }

    /// One of so many stacks beside the first: peers write what they like.
    fn of_mark(text: &[u8], shards: u8) -> Option<ShardId> {
        let n = text.first()?.checked_sub(b'g').filter(|n| *n < shards.min(MOST_SHARDS))?;
        Some(ShardId(n + 1))
    }

    /// The stack that a tag was made up by, as far as it shows, where there are `shards` beside the first.
    pub(crate) fn of_tag(tag: &[u8], shards: u8) -> ShardId {
        ShardId::of_mark(tag, shards).unwrap_or(ShardId::HOME)
    }

    /// Below its first id.
    pub(crate) fn base(self) -> u64 {
        u64::from(self.0) << ShardId::SHIFT
    }

    fn of_number(number: u64) -> ShardId {
        ShardId(u8::try_from(number >> ShardId::SHIFT).unwrap_or(0))
    }
}

impl CallId {
    pub fn shard(self) -> ShardId {
        ShardId::of_number(self.0)
    }
}

impl LookupId {
    /// Whose question it is.
    pub fn shard(self) -> ShardId {
        ShardId::of_number(self.0)
    }
}

/// Such as `7`, or `2/7` where there are several stacks.
impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shard = self.shard();
        if shard != ShardId::HOME {
            write!(f, "{}/", shard.0)?;
        }
        write!(f, "{}", self.0 & ((1 << ShardId::SHIFT) - 1))
    }
}

/// Knows where each message goes.
#[derive(Clone, Debug)]
pub struct Placement {
    shards: u8,
    keys: Keys,
}

impl Placement {
    /// `shards` stacks beside the first, at most [`MOST_SHARDS`]. Nobody who does not know the seed can choose Call-IDs that fall together.
    pub fn new(shards: u8, seed: [u8; 32]) -> Placement {
        Placement { shards: shards.min(MOST_SHARDS), keys: Keys::new(&mut Random::new(seed)) }
    }

    pub fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (1..=self.shards).map(ShardId)
    }

    /// Everything that is no business of a call is for the first stack.
    pub fn of_message(&self, bytes: &[u8]) -> ShardId {
        if self.shards == 0 {
            return ShardId::HOME;
        }
        let Some(glance) = glance(bytes) else { return ShardId::HOME };
        let mark = match glance.start {
            Start::Response(_) => glance.branch.strip_prefix(MAGIC_COOKIE.as_bytes()).unwrap_or_default(),
            Start::Request(_) => glance.to_tag.unwrap_or_default(),
        };
        let marked = ShardId::of_mark(mark, self.shards);
        match (marked, glance.start) {
            (Some(shard), _) => shard,
            // The ACK of a refusal that left nothing behind has a tag without a mark.
            (None, Start::Request(b"INVITE" | b"ACK" | b"CANCEL")) => self.of_call_id(glance.call_id),
            (None, Start::Request(_) | Start::Response(_)) => ShardId::HOME,
        }
    }

    /// Whose call a Replaces value names: the tag in it is ours. Never a stack that is not there.
    pub(crate) fn of_replaces(&self, value: &[u8]) -> ShardId {
        Replaces::parse(value)
            .map_or(ShardId::HOME, |replaces| ShardId::of_tag(&replaces.to_tag, self.shards))
    }

    pub(crate) fn of_call_id(&self, call_id: &[u8]) -> ShardId {
        let mut hasher = self.keys.build_hasher();
        hasher.write(call_id);
        let shards = u64::from(self.shards);
        let nth = hasher.finish().checked_rem(shards).map_or(0, |nth| nth + 1);
        ShardId(u8::try_from(nth).expect("no more than there are shards"))
    }
}
