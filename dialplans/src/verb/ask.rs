//! `ask`: a question with choices.
//!
//! ```text
//! ask topic "Sales or support?" timeout 7s retries 2 {
//!   voice file "menu"
//!   sales   key 1 words "sales", "buy"
//!   support key 2 words "support", "does not work" label "Support"
//! }
//! on sales -> …
//! on support, none -> …
//! ```
//!
//! Callers press a key; after `timeout` without one, or after a key that is no choice, the question is put again, at most
//! `retries` times. In a chat the choices are buttons, and the name, the label, the key and the words of a choice can be
//! typed; a message that fits none puts the question again, silence for `text timeout` (10m unless told) ends it.
//!
//! Each choice is an outcome, and is kept in the session's context under the name of the question. `none`: nothing fitted.

use std::time::Duration;

use model::{Button, Instant};

use crate::api::{ChannelKind, Effect, Input};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Target;
use crate::verb::wording::Wording;
use crate::verb::{Event, Next, Shape, Waiting, Way};
use crate::words;

const NONE: &str = "none";
const TIMEOUT: Duration = Duration::from_secs(7);
const TEXT_TIMEOUT: Duration = Duration::from_secs(600);
const RETRIES: u8 = 1;
const MAX_RETRIES: i32 = 9;

#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub name: At<String>,
    wording: Wording,
    /// Where callers go when the question cannot be put to them.
    voice_instead: Option<Target>,
    choices: Vec<Choice>,
    timeout: Duration,
    text_timeout: Duration,
    retries: u8,
}

#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub name: At<String>,
    pub key: Option<At<char>>,
    pub words: Vec<At<String>>,
    pub label: Option<At<String>>,
}

/// A question that was put and is not answered.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Asking {
    /// How often it was put.
    tries: u8,
    /// The prompts are still being played.
    playing: bool,
    deadline: Option<Instant>,
}

impl Asking {
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Ask {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Ask> {
        cursor.bump();
        let name = cursor.key_name("the name of the question")?;
        let mut ask = Self::parse_head(cursor, name)?;
        if cursor.kind() != Kind::OpenBrace {
            return Err(cursor.expected("`timeout`, `retries` or `{` and the choices"));
        }
        cursor.verb_block(|c| ask.parse_line(c))?;
        Ok(ask)
    }

    /// The question of another verb, which has its choices.
    pub(super) fn parse_fixed(
        cursor: &mut Cursor<'_>,
        name: At<String>,
        mut head: impl FnMut(&mut Cursor<'_>) -> Parse<Vec<Choice>>,
        own: bool,
    ) -> Parse<Ask> {
        let mut ask = Self::parse_head(cursor, name)?;
        let choices = head(cursor)?;
        ask.parse_options(cursor)?;
        if cursor.kind() == Kind::OpenBrace {
            cursor.verb_block(|c| ask.parse_line(c))?;
        }
        if !own && let Some(choice) = ask.choices.first() {
            let message = format!("there is no choice `{}` to be made here", choice.name.value);
            return Err(cursor.fail(Problem::error(Code::Syntax, choice.name.span, message)));
        }
        for choice in choices {
            if !ask.choices.iter().any(|own| own.name.value == choice.name.value) {
                ask.choices.push(choice);
            }
        }
        Ok(ask)
    }

    fn parse_head(cursor: &mut Cursor<'_>, name: At<String>) -> Parse<Ask> {
        let text = cursor.template("the question between quotes")?;
        let mut ask = Ask {
            name,
            wording: Wording::of(text),
            voice_instead: None,
            choices: Vec::new(),
            timeout: TIMEOUT,
            text_timeout: TEXT_TIMEOUT,
            retries: RETRIES,
        };
        ask.parse_options(cursor)?;
        Ok(ask)
    }

    fn parse_options(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        loop {
            if cursor.eat_word("timeout").is_some() {
                self.timeout = cursor.duration()?.value;
            } else if cursor.eat_word("retries").is_some() {
                self.retries = retries(cursor)?;
            } else {
                return Ok(());
            }
        }
    }

    fn parse_line(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        if self.wording.parse_way(cursor)? {
            return Ok(());
        }
        if cursor.at_word("voice") && cursor.kind_after(1) == Kind::Arrow {
            cursor.bump();
            self.voice_instead = Some(cursor.target()?);
            return Ok(());
        }
        if cursor.at_word("text") && cursor.slice_after(1) == "timeout" {
            cursor.bump();
            cursor.bump();
            self.text_timeout = cursor.duration()?.value;
            return Ok(());
        }
        let name = cursor.word("a choice, such as: sales key 1 words \"sales\"")?;
        if !matches!(cursor.slice(), "key" | "words" | "label" | "}") && !cursor.starts_line() {
            return Err(cursor.expected("`key`, `words` or `label`"));
        }
        let mut choice = Choice { name, key: None, words: Vec::new(), label: None };
        loop {
            if cursor.eat_word("key").is_some() {
                choice.key = Some(key(cursor)?);
            } else if cursor.eat_word("words").is_some() {
                choice.words = cursor.list(|c| c.text("words between quotes"))?;
            } else if cursor.eat_word("label").is_some() {
                choice.label = Some(cursor.text("the text of the button between quotes")?);
            } else {
                break;
            }
        }
        self.choices.push(choice);
        Ok(())
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        if self.voice_instead.is_some() {
            checker.template(&self.wording.text);
        } else {
            self.wording.check(checker, false);
        }
        self.wording.check_not_skipped(checker, "a question");
        if self.choices.is_empty() {
            let message = format!("the question `{}` has no choices", self.name.value);
            checker.problem(Problem::error(Code::Syntax, self.name.span, message));
        }
        for choice in &self.choices {
            if matches!(choice.name.value.as_str(), NONE | "voice" | "text") {
                let message = format!("a choice cannot be named `{}`", choice.name.value);
                checker.problem(Problem::error(Code::BadName, choice.name.span, message));
            }
            if choice.key.is_none() && self.voice_instead.is_none() && checker.on(ChannelKind::Voice) {
                let message = format!("callers cannot choose `{}`: it has no key", choice.name.value);
                checker.problem(
                    Problem::error(Code::WrongChannel, choice.name.span, message)
                        .hint("add `key` and a digit"),
                );
            }
        }
        checker.unique("choice", self.choices.iter().map(|c| (c.name.value.clone(), c.name.span)));
        let keys = self.choices.iter().filter_map(|c| c.key.as_ref());
        checker.unique("key", keys.map(|key| (key.value.to_string(), key.span)));
        let words = self.choices.iter().flat_map(|c| c.words.iter());
        checker.unique("word", words.map(|word| (words::normal(&word.value), word.span)));
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        if let (ChannelKind::Voice, Some(target)) = (channel, &self.voice_instead) {
            return Shape { jumps: vec![Way { to: target, waits: false }], ..Shape::default() };
        }
        let outcomes = self.choices.iter().map(|c| c.name.value.as_str()).chain([NONE]);
        Shape { outcomes: outcomes.map(|to| Way { to, waits: true }).collect(), ..Shape::default() }
    }

    /// The names of the choices.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.names().map(|name| name.value.as_str())
    }

    pub fn names(&self) -> impl Iterator<Item = &At<String>> {
        self.choices.iter().map(|choice| &choice.name)
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.voice_instead.iter().collect()
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        if turn.channel() == ChannelKind::Voice {
            if let Some(target) = &self.voice_instead {
                turn.trace("went on instead");
                return Next::Goto(&target.value);
            }
            // Keys pressed while the flow was still talking answer the question before it is put.
            if let Some(choice) = turn.take_keys().first().and_then(|key| self.by_key(*key)) {
                return self.chosen(choice, turn);
            }
            if turn.must_answer() {
                return Next::Wait(Waiting::Answered);
            }
        }
        self.put(0, turn)
    }

    pub fn on_event<'p>(&'p self, mut asking: Asking, event: Event, turn: &mut Turn<'_>) -> Next<'p> {
        match (event, turn.channel()) {
            (Event::Input(Input::PlayingEnded), ChannelKind::Voice) if asking.playing => {
                asking.playing = false;
                asking.deadline = Some(turn.now.instant + self.timeout);
                Next::Wait(Waiting::Asking(asking))
            }
            (Event::Input(Input::Key(key)), ChannelKind::Voice) => {
                if asking.playing {
                    turn.put(Effect::StopPlaying);
                }
                match self.by_key(key) {
                    Some(choice) => self.chosen(choice, turn),
                    None => self.put_again(&asking, turn),
                }
            }
            (Event::Input(Input::Text(text)), ChannelKind::Text) => match self.by_text(&text) {
                Some(choice) => self.chosen(choice, turn),
                None => self.put_again(&asking, turn),
            },
            (Event::Timeout, ChannelKind::Voice) => self.put_again(&asking, turn),
            (Event::Timeout, ChannelKind::Text) => Next::Outcome(NONE),
            (Event::Input(_), _) => Next::Wait(Waiting::Asking(asking)),
        }
    }

    fn put_again<'p>(&'p self, asking: &Asking, turn: &mut Turn<'_>) -> Next<'p> {
        if asking.tries > self.retries { Next::Outcome(NONE) } else { self.put(asking.tries, turn) }
    }

    fn put<'p>(&'p self, tries: u8, turn: &mut Turn<'_>) -> Next<'p> {
        let (text, prompts) = self.wording.said(turn).unwrap_or_default();
        let (playing, deadline, buttons) = match turn.channel() {
            ChannelKind::Voice if prompts.is_empty() => {
                (false, Some(turn.now.instant + self.timeout), Vec::new())
            }
            ChannelKind::Voice => (true, None, Vec::new()),
            ChannelKind::Text => (false, Some(turn.now.instant + self.text_timeout), self.buttons()),
        };
        turn.put(Effect::Ask { text, prompts, buttons });
        Next::Wait(Waiting::Asking(Asking { tries: tries + 1, playing, deadline }))
    }

    fn chosen<'p>(&'p self, choice: &'p Choice, turn: &mut Turn<'_>) -> Next<'p> {
        turn.set(&self.name.value, choice.name.value.clone());
        Next::Outcome(&choice.name.value)
    }

    fn by_key(&self, key: char) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.key.as_ref().is_some_and(|k| k.value == key))
    }

    fn by_text(&self, text: &str) -> Option<&Choice> {
        // `*` and `#` are no words.
        if let [key] = text.trim().chars().collect::<Vec<_>>()[..]
            && let Some(choice) = self.by_key(key)
        {
            return Some(choice);
        }
        let labels = self.choices.iter().enumerate().map(|(i, choice)| (i, choice.name.value.as_str()));
        let labels = labels.chain(
            self.choices
                .iter()
                .enumerate()
                .filter_map(|(i, c)| c.label.as_ref().map(|label| (i, label.value.as_str()))),
        );
        let words = self
            .choices
            .iter()
            .enumerate()
            .flat_map(|(i, c)| c.words.iter().map(move |w| (i, w.value.as_str())));
        words::choose(text, labels.chain(words)).and_then(|i| self.choices.get(i))
    }

    fn buttons(&self) -> Vec<Button> {
        self.choices
            .iter()
            .map(|choice| Button { choice: choice.name.value.clone(), label: choice.label() })
            .collect()
    }
}

impl Choice {
    /// What stands on the button: the label, else the first words with a capital, else the name.
    fn label(&self) -> String {
        if let Some(label) = &self.label {
            return label.value.clone();
        }
        let text = self.words.first().unwrap_or(&self.name).value.as_str();
        let mut chars = text.chars();
        chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
    }
}

/// How often something is asked again.
pub(super) fn retries(cursor: &mut Cursor<'_>) -> Parse<u8> {
    let retries = cursor.integer("a number from 0 to 9")?;
    if !(0..=MAX_RETRIES).contains(&retries.value) {
        let message = "`retries` must be from 0 to 9";
        cursor.problems.push(Problem::error(Code::BadNumber, retries.span, message));
    }
    Ok(retries.value.clamp(0, MAX_RETRIES) as u8)
}

/// `0`–`9`, `*`, `#` or `A`–`D`.
pub(crate) fn key(cursor: &mut Cursor<'_>) -> Parse<At<char>> {
    let text = cursor.slice();
    let is_key = |c: &char| matches!(c, '0'..='9' | '*' | '#' | 'A'..='D');
    let mut chars = text.chars();
    match (cursor.kind(), chars.next().filter(is_key), chars.next()) {
        (Kind::Number | Kind::Star | Kind::Hash | Kind::Word, Some(key), None) => {
            Ok(At::new(key, cursor.bump()))
        }
        (Kind::Number | Kind::Word, ..) => {
            let span: Span = cursor.bump();
            Err(cursor.fail(
                Problem::error(Code::BadKey, span, format!("`{text}` is not a key"))
                    .hint("keys are 0 to 9, *, # and A to D, one for each choice"),
            ))
        }
        _ => Err(cursor.expected("a key: 0 to 9, * or #")),
    }
}
