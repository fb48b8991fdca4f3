//! How much one agent does at once, of which kinds of work, and what may come to what. A session is one piece of work, however many
//! legs and media it has.

use std::time::Duration;

use model::Media;

/// A kind of work. A session with voice is a call, whatever else it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Work {
    Call,
    #[default]
    Chat,
    /// A messenger: it may wait longer than a chat.
    Message,
    Mail,
}

impl Work {
    pub const ALL: [Work; 4] = [Work::Call, Work::Chat, Work::Message, Work::Mail];

    /// `text` is what its text is. Without voice there is no call.
    pub(crate) fn of(media: Media, text: Work) -> Work {
        match text {
            Work::Call | Work::Chat | Work::Message | Work::Mail if media.voice => Work::Call,
            Work::Call | Work::Chat => Work::Chat,
            Work::Message => Work::Message,
            Work::Mail => Work::Mail,
        }
    }
}

/// How many calls, or how many chats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    pub voice: u8,
    pub chat: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PerWork<T> {
    pub call: T,
    pub chat: T,
    pub message: T,
    pub mail: T,
}

impl<T> PerWork<T> {
    pub fn of(&self, work: Work) -> &T {
        match work {
            Work::Call => &self.call,
            Work::Chat => &self.chat,
            Work::Message => &self.message,
            Work::Mail => &self.mail,
        }
    }

    pub fn of_mut(&mut self, work: Work) -> &mut T {
        match work {
            Work::Call => &mut self.call,
            Work::Chat => &mut self.chat,
            Work::Message => &mut self.message,
            Work::Mail => &mut self.mail,
        }
    }
}

/// A set of kinds of work.
pub type Works = PerWork<bool>;

/// What an agent does beside what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blend {
    /// How many of them at once.
    pub messages: u8,
    pub mail: u8,
    /// Most sessions of all kinds together.
    pub total: u8,
    /// So many of `total` are kept free for this kind.
    pub reserved: PerWork<u8>,
    /// By what he has in hand: which other kinds may come to it.
    pub joins: PerWork<Works>,
    /// He is given another kind than the last at most once in this time.
    pub switch_pause: Duration,
}

impl Default for Blend {
    /// Texts go with one another; a call interrupts mail; nothing interrupts a call.
    fn default() -> Self {
        let text = Works { call: false, chat: true, message: true, mail: true };
        Self {
            messages: 3,
            mail: 1,
            total: u8::MAX,
            reserved: PerWork::default(),
            joins: PerWork {
                call: Works::default(),
                chat: text,
                message: text,
                mail: Works { call: true, ..text },
            },
            switch_pause: Duration::ZERO,
        }
    }
}

/// How many sessions of each kind an agent has in hand.
pub(crate) type Held = PerWork<u8>;

impl Blend {
    /// Whether he may have one more of this kind.
    pub(crate) fn has_room(&self, capacity: Capacity, held: &Held, work: Work) -> bool {
        let most = match work {
            Work::Call => capacity.voice,
            Work::Chat => capacity.chat,
            Work::Message => self.messages,
            Work::Mail => self.mail,
        };
        let others = || Work::ALL.into_iter().filter(|other| *other != work);
        let joins = others().all(|other| *held.of(other) == 0 || *self.joins.of(other).of(work));
        let kept: u32 =
            others().map(|other| u32::from(self.reserved.of(other).saturating_sub(*held.of(other)))).sum();
        let all: u32 = Work::ALL.into_iter().map(|work| u32::from(*held.of(work))).sum();
        *held.of(work) < most && joins && all + kept < u32::from(self.total)
    }
}

/// What is needed of an agent to take a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Need {
    Voice,
    /// A call of somebody who also writes.
    Both,
    Chat,
    Message,
    Mail,
}

impl Need {
    pub(crate) const ALL: [Need; 5] = [Need::Voice, Need::Both, Need::Chat, Need::Message, Need::Mail];

    /// None when nobody could be reached on the customer's side either: there is nothing to serve.
    pub(crate) fn of(media: Media, text: Work) -> Option<Need> {
        match (media.voice, media.chat) {
            (true, false) => Some(Need::Voice),
            (true, true) => Some(Need::Both),
            (false, false) => None,
            (false, true) => Some(match Work::of(media, text) {
                Work::Call | Work::Chat => Need::Chat,
                Work::Message => Need::Message,
                Work::Mail => Need::Mail,
            }),
        }
    }

    pub(crate) fn work(self) -> Work {
        match self {
            Need::Voice | Need::Both => Work::Call,
            Need::Chat => Work::Chat,
            Need::Message => Work::Message,
            Need::Mail => Work::Mail,
        }
    }
}

/// Which needs somebody could serve, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Needs(u8);

impl Needs {
    pub(crate) fn insert(&mut self, need: Need) {
        self.0 |= 1 << need as u8;
    }

    pub(crate) fn has(self, need: Need) -> bool {
        self.0 & (1 << need as u8) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}
