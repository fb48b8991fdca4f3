//! `collect`: something that the customer keys in or writes.
//!
//! ```text
//! collect phone "Your number?" kind phone timeout 10s retries 2 { voice file "your-number" }
//! collect pin "Your PIN, then #" kind digits 4 to 6 secret { voice file "pin"  text -> call_us }
//! ```
//!
//! The kinds: `text` (the usual one in chats), `digits`, `number`, `phone`, `email`; behind it may stand how many digits or
//! characters there are to be. Callers press keys and end with `#`, or with a pause of four seconds, or with the last possible
//! digit; only `digits`, `number` and `phone` can be keyed in. What does not fit is asked for again, at most `retries` times.
//!
//! What was given is kept in the session's context under the name. Outcomes: `got` and `none`; without handlers the next
//! statement follows. With `secret` it is kept nowhere: the recording is silent while the keys are pressed, journal and
//! context never see the digits, and only `http` can send them on, as `secret.pin`; it goes with the session. A chat cannot
//! keep a secret (its messages stand in the journal), so it has to go elsewhere: `text -> state`.

use std::time::Duration;

use model::Instant;

use crate::api::{ChannelKind, Effect, Input, RecordingAct};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Target;
use crate::verb::ask;
use crate::verb::wording::Wording;
use crate::verb::{Event, Next, Shape, Waiting, Way};

const GOT: &str = "got";
const NONE: &str = "none";
const TIMEOUT: Duration = Duration::from_secs(10);
const TEXT_TIMEOUT: Duration = Duration::from_secs(600);
/// A caller who has stopped pressing keys for so long has said everything.
const BETWEEN_KEYS: Duration = Duration::from_secs(4);
const RETRIES: u8 = 1;
/// Longest values of each kind.
const LONGEST_TEXT: usize = 500;
const LONGEST_NUMBER: usize = 15;
const SHORTEST_PHONE: usize = 5;
const MOST_DIGITS: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value {
    Text,
    Digits,
    Number,
    Phone,
    Email,
}

const KINDS: [(&str, Value); 5] = [
    ("text", Value::Text),
    ("digits", Value::Digits),
    ("number", Value::Number),
    ("phone", Value::Phone),
    ("email", Value::Email),
];

#[derive(Clone, Debug)]
pub(crate) struct Collect {
    pub name: At<String>,
    wording: Wording,
    kind: Value,
    shortest: usize,
    longest: usize,
    secret: Option<Span>,
    timeout: Duration,
    text_timeout: Duration,
    retries: u8,
    voice_instead: Option<Target>,
    text_instead: Option<Target>,
}

/// What has come so far.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Collecting {
    tries: u8,
    playing: bool,
    deadline: Option<Instant>,
    keys: String,
    /// The recording was silenced for this.
    silenced: bool,
}

impl Collecting {
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

impl Collect {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Collect> {
        cursor.bump();
        let name = cursor.key_name("the name of the value")?;
        let text = cursor.template("the question between quotes")?;
        let mut collect = Collect {
            name,
            wording: Wording::of(text),
            kind: Value::Text,
            shortest: 1,
            longest: LONGEST_TEXT,
            secret: None,
            timeout: TIMEOUT,
            text_timeout: TEXT_TIMEOUT,
            retries: RETRIES,
            voice_instead: None,
            text_instead: None,
        };
        loop {
            if cursor.eat_word("kind").is_some() {
                collect.parse_kind(cursor)?;
            } else if cursor.eat_word("timeout").is_some() {
                collect.timeout = cursor.duration()?.value;
            } else if cursor.eat_word("retries").is_some() {
                collect.retries = ask::retries(cursor)?;
            } else if let Some(span) = cursor.eat_word("secret") {
                collect.secret = Some(span);
            } else {
                break;
            }
        }
        if cursor.kind() == Kind::OpenBrace {
            cursor.verb_block(|c| collect.parse_line(c))?;
        }
        Ok(collect)
    }

    /// `digits`, `digits 4`, `digits 4 to 6`.
    fn parse_kind(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        let word = cursor.name("what is collected: text, digits, number, phone or email")?;
        let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word.value) else {
            let message = format!("`{}` cannot be collected", word.value);
            let problem = Problem::error(Code::BadName, word.span, message);
            return Err(cursor.fail(problem.suggest(&word.value, KINDS.iter().map(|(name, _)| *name))));
        };
        self.kind = *kind;
        (self.shortest, self.longest) = match kind {
            Value::Text | Value::Email => (1, LONGEST_TEXT),
            Value::Digits => (1, MOST_DIGITS),
            Value::Number => (1, LONGEST_NUMBER),
            Value::Phone => (SHORTEST_PHONE, LONGEST_NUMBER),
        };
        if cursor.kind() != Kind::Number || cursor.starts_line() {
            return Ok(());
        }
        let least = cursor.integer("how many there are to be")?;
        let most = match cursor.eat_word("to") {
            Some(_) => cursor.integer("how many there are to be at most")?,
            None => least.clone(),
        };
        let span = least.span.to(most.span);
        match (usize::try_from(least.value), usize::try_from(most.value)) {
            (Ok(least), Ok(most)) if least >= 1 && least <= most && most <= self.longest => {
                (self.shortest, self.longest) = (least, most);
                Ok(())
            }
            _ => {
                let message = format!("there can be from 1 to {}, the smaller number first", self.longest);
                Err(cursor.fail(Problem::error(Code::BadNumber, span, message)))
            }
        }
    }

    fn parse_line(&mut self, cursor: &mut Cursor<'_>) -> Parse<()> {
        if self.wording.parse_way(cursor)? {
            return Ok(());
        }
        if matches!(cursor.slice(), "voice" | "text") && cursor.kind_after(1) == Kind::Arrow {
            let slot = match cursor.slice() {
                "voice" => &mut self.voice_instead,
                _ => &mut self.text_instead,
            };
            cursor.bump();
            *slot = Some(cursor.target()?);
            return Ok(());
        }
        if cursor.at_word("text") && cursor.slice_after(1) == "timeout" {
            cursor.bump();
            cursor.bump();
            self.text_timeout = cursor.duration()?.value;
            return Ok(());
        }
        Err(cursor.expected("`voice file`, `voice ->`, `text ->`, `text timeout` or `}`"))
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        if self.voice_instead.is_some() {
            checker.template(&self.wording.text);
        } else {
            self.wording.check(checker, false);
            let keyed = matches!(self.kind, Value::Digits | Value::Number | Value::Phone);
            if !keyed && checker.on(ChannelKind::Voice) {
                checker.problem(
                    Problem::error(Code::WrongChannel, self.name.span, "callers cannot key this in")
                        .hint("say what it is: kind digits, number or phone; or where callers go: { voice -> state }"),
                );
            }
        }
        self.wording.check_not_skipped(checker, "a question");
        if let Some(span) = self.secret
            && self.text_instead.is_none()
            && checker.on(ChannelKind::Text)
        {
            checker.problem(
                Problem::error(
                    Code::WrongChannel,
                    span,
                    "a chat cannot keep a secret: its messages are kept",
                )
                .hint("say where chats go: add text -> state to the block"),
            );
        }
    }

    /// The context key that it fills.
    pub fn sets(&self) -> Option<&str> {
        self.secret.is_none().then_some(self.name.value.as_str())
    }

    pub fn hides(&self) -> Option<&str> {
        self.secret.map(|_| self.name.value.as_str())
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        match self.instead(channel) {
            Some(target) => Shape { jumps: vec![Way { to: target, waits: false }], ..Shape::default() },
            None => {
                Shape { outcomes: [GOT, NONE].map(|to| Way { to, waits: true }).into(), ..Shape::default() }
            }
        }
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.voice_instead.iter().chain(&self.text_instead).collect()
    }

    fn instead(&self, channel: ChannelKind) -> Option<&Target> {
        match channel {
            ChannelKind::Voice => self.voice_instead.as_ref(),
            ChannelKind::Text => self.text_instead.as_ref(),
        }
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        if let Some(target) = self.instead(turn.channel()) {
            turn.trace("went on instead");
            return Next::Goto(&target.value);
        }
        let voice = turn.channel() == ChannelKind::Voice;
        if voice && turn.must_answer() {
            return Next::Wait(Waiting::Answered);
        }
        let silenced = voice && self.secret.is_some() && !turn.is_paused();
        if silenced {
            turn.put(Effect::Record(RecordingAct::Pause));
        }
        let early: String = if voice { turn.take_keys().into_iter().collect() } else { String::new() };
        let mut collecting =
            Collecting { tries: 0, playing: false, deadline: None, keys: String::new(), silenced };
        for key in early.chars() {
            if self.takes(&mut collecting, key) {
                return self.judge(collecting, turn);
            }
        }
        if !collecting.keys.is_empty() {
            collecting.deadline = Some(turn.now.instant + BETWEEN_KEYS);
            return Next::Wait(Waiting::Collecting(collecting));
        }
        self.put(collecting, turn)
    }

    pub fn on_event<'p>(&'p self, mut collecting: Collecting, event: Event, turn: &mut Turn<'_>) -> Next<'p> {
        match (event, turn.channel()) {
            (Event::Input(Input::PlayingEnded), ChannelKind::Voice) if collecting.playing => {
                collecting.playing = false;
                collecting.deadline = Some(turn.now.instant + self.timeout);
                Next::Wait(Waiting::Collecting(collecting))
            }
            (Event::Input(Input::Key(key)), ChannelKind::Voice) => {
                if std::mem::take(&mut collecting.playing) {
                    turn.put(Effect::StopPlaying);
                }
                if self.takes(&mut collecting, key) {
                    return self.judge(collecting, turn);
                }
                collecting.deadline = Some(turn.now.instant + BETWEEN_KEYS);
                Next::Wait(Waiting::Collecting(collecting))
            }
            (Event::Timeout, ChannelKind::Voice) => self.judge(collecting, turn),
            (Event::Input(Input::Text(text)), ChannelKind::Text) => {
                collecting.keys = text;
                self.judge(collecting, turn)
            }
            (Event::Timeout, ChannelKind::Text) => Next::Outcome(NONE),
            (Event::Input(_), _) => Next::Wait(Waiting::Collecting(collecting)),
        }
    }

    /// Keeps a key; whether it was the last one.
    fn takes(&self, collecting: &mut Collecting, key: char) -> bool {
        match key {
            '#' => true,
            '*' => {
                // Begin anew.
                collecting.keys.clear();
                false
            }
            key => {
                if key.is_ascii_digit() {
                    collecting.keys.push(key);
                }
                collecting.keys.len() >= self.longest
            }
        }
    }

    fn judge<'p>(&'p self, mut collecting: Collecting, turn: &mut Turn<'_>) -> Next<'p> {
        let given = std::mem::take(&mut collecting.keys);
        match self.valid(&given) {
            Some(value) => {
                self.speak_again(&collecting, turn);
                match self.secret {
                    Some(_) => turn.keep_secret(&self.name.value, value),
                    None => turn.set(&self.name.value, value),
                }
                Next::Outcome(GOT)
            }
            None if collecting.tries > self.retries => {
                self.speak_again(&collecting, turn);
                Next::Outcome(NONE)
            }
            None => self.put(collecting, turn),
        }
    }

    fn speak_again(&self, collecting: &Collecting, turn: &mut Turn<'_>) {
        if collecting.silenced {
            turn.put(Effect::Record(RecordingAct::Resume));
        }
    }

    fn put<'p>(&'p self, collecting: Collecting, turn: &mut Turn<'_>) -> Next<'p> {
        let (text, prompts) = self.wording.said(turn).unwrap_or_default();
        let (playing, deadline) = match turn.channel() {
            ChannelKind::Voice if prompts.is_empty() => (false, Some(turn.now.instant + self.timeout)),
            ChannelKind::Voice => (true, None),
            ChannelKind::Text => (false, Some(turn.now.instant + self.text_timeout)),
        };
        turn.put(Effect::Ask { text, prompts, buttons: Vec::new() });
        Next::Wait(Waiting::Collecting(Collecting {
            tries: collecting.tries.saturating_add(1),
            playing,
            deadline,
            keys: String::new(),
            silenced: collecting.silenced,
        }))
    }

    /// The value as it is kept.
    fn valid(&self, given: &str) -> Option<String> {
        let given = given.trim();
        let fits = |count: usize| (self.shortest..=self.longest).contains(&count);
        match self.kind {
            Value::Text => fits(given.chars().count()).then(|| given.to_owned()),
            Value::Digits => {
                let digits: String = given.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
                let sound = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
                (sound && fits(digits.len())).then_some(digits)
            }
            Value::Number => {
                let digits = given.strip_prefix('-').unwrap_or(given);
                let sound = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
                (sound && fits(digits.len())).then(|| given.to_owned())
            }
            Value::Phone => {
                let tidy: String =
                    given.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
                let digits = tidy.strip_prefix('+').unwrap_or(&tidy);
                let sound = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
                (sound && fits(digits.len())).then(|| tidy.clone())
            }
            Value::Email => {
                let (user, host) = given.rsplit_once('@')?;
                let plain =
                    |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
                let sound = plain(user) && plain(host) && host.contains('.') && !host.starts_with('.');
                (sound && !host.ends_with('.') && fits(given.chars().count())).then(|| given.to_owned())
            }
        }
    }
}
