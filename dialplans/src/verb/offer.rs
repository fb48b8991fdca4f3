//! A callback that is offered to whoever waits, within `queue`:
//!
//! ```text
//! offer callback after 2m key 1 words "call me" say "Press 1 and we call you when it is your turn" { voice file "callback" }
//! ```
//!
//! From that time on the key, or a message with the words, asks for it: the outcome `callback`. The place in the queue stays, also when
//! the flow ends after that. Nobody is promised a call whose number we do not know or do not call: he waits on.

use std::time::Duration;

use model::Instant;

use crate::api::{Effect, Input};
use crate::check::Checker;
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::verb::wording::Wording;
use crate::words;

pub(super) const CALLBACK: &str = "callback";
/// A voice that says nothing at once would offer nothing.
const AT_ONCE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Offer {
    after: Duration,
    key: Option<At<char>>,
    words: Vec<At<String>>,
    wording: Wording,
}

impl Offer {
    /// After `offer`.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Offer> {
        cursor.expect_word("callback")?;
        let mut after = AT_ONCE;
        let (mut key, mut words) = (None, Vec::new());
        loop {
            if cursor.eat_word("after").is_some() {
                after = cursor.duration()?.value;
            } else if cursor.eat_word("key").is_some() {
                key = Some(super::key(cursor)?);
            } else if cursor.eat_word("words").is_some() {
                words = cursor.list(|c| c.text("words between quotes"))?;
            } else {
                break;
            }
        }
        cursor.expect_word("say")?;
        let wording = Wording::parse(cursor, "how it is offered between quotes")?;
        Ok(Offer { after, key, words, wording })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.wording.check(checker, true);
        checker.unique("word", self.words.iter().map(|word| (words::normal(&word.value), word.span)));
    }

    /// When it is said to one who waits since then.
    pub fn due(&self, since: Instant) -> Instant {
        since + self.after
    }

    pub fn put(&self, turn: &mut Turn<'_>) {
        if let Some((text, prompts)) = self.wording.said(turn) {
            turn.put(Effect::Announce { text, prompts });
        }
    }

    /// Whether he asks for it.
    pub fn is_asked_for(&self, input: &Input) -> bool {
        let by_key = |key: char| self.key.as_ref().is_some_and(|own| own.value == key);
        match input {
            Input::Key(key) => by_key(*key),
            Input::Text(text) => {
                let typed: Vec<char> = text.trim().chars().collect();
                let words = self.words.iter().map(|word| ((), word.value.as_str()));
                matches!(typed[..], [key] if by_key(key)) || words::choose(text, words).is_some()
            }
            _ => false,
        }
    }
}
