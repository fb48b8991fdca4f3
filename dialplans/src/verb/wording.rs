//! What is said to the customer, and how on which channel: shared by the verbs that speak.
//!
//! ```text
//! "Hello, {customer.name}!" { voice file "hello", "open-till-six" }
//! "See https://example.com" { voice skip }
//! "Listen"                  { voice file "listen"  text skip }
//! "Guten Tag"               { voice file "hello"  in en "Hello" }
//! ```
//!
//! On text channels the text is sent, in the language that `language` has chosen when there is one `in` it. On voice the
//! files are played, `hello-en` instead of `hello` when that exists for the language; a text without files cannot be said to
//! a caller, so it needs `voice skip` on purpose.

use crate::api::{ChannelKind, Effect, Input};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::{LANGUAGE, Turn};
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::template::Template;
use crate::verb::{Event, Next, Waiting};

#[derive(Clone, Debug)]
pub(crate) struct Wording {
    pub text: Template,
    voice: Option<Voice>,
    text_skipped: Option<Span>,
    /// The text in other languages.
    others: Vec<(At<String>, Template)>,
}

#[derive(Clone, Debug)]
enum Voice {
    Files(Vec<At<String>>),
    Skip(Span),
}

impl Wording {
    /// A text whose ways are still to be read.
    pub fn of(text: Template) -> Wording {
        Wording { text, voice: None, text_skipped: None, others: Vec::new() }
    }

    /// A text and, if there is one, the block of its ways.
    pub fn parse(cursor: &mut Cursor<'_>, what: &str) -> Parse<Wording> {
        let text = cursor.template(what)?;
        Wording::parse_block(cursor, text)
    }

    /// The block of its ways, if there is one.
    pub fn parse_block(cursor: &mut Cursor<'_>, text: Template) -> Parse<Wording> {
        let mut wording = Wording::of(text);
        if cursor.kind() == Kind::OpenBrace {
            cursor.verb_block(|c| match wording.parse_way(c)? {
                true => Ok(()),
                false => {
                    Err(c.expected("`voice file`, `voice skip`, `text skip`, `in` and a language, or `}`"))
                }
            })?;
        }
        Ok(wording)
    }

    /// Reads `voice file …`, `voice skip` or `text skip`, if one is next.
    pub fn parse_way(&mut self, cursor: &mut Cursor<'_>) -> Parse<bool> {
        let next = cursor.slice_after(1);
        if cursor.at_word("voice") && matches!(next, "file" | "skip") {
            let span = cursor.bump().to(cursor.bump());
            let voice = match next {
                "file" => Voice::Files(cursor.list(|c| c.text("the name of a prompt between quotes"))?),
                _ => Voice::Skip(span),
            };
            if self.voice.replace(voice).is_some() {
                cursor.problems.push(twice(span, "voice"));
            }
            Ok(true)
        } else if cursor.at_word("text") && next == "skip" {
            let span = cursor.bump().to(cursor.bump());
            if self.text_skipped.replace(span).is_some() {
                cursor.problems.push(twice(span, "text"));
            }
            Ok(true)
        } else if cursor.at_word("in") && cursor.kind_after(2) == Kind::Text {
            cursor.bump();
            let language = cursor.word("a language such as en")?;
            self.others.push((language, cursor.template("the text in this language between quotes")?));
            Ok(true)
        } else {
            Ok(false)
        }
    }

    /// `skippable`: callers may do without it.
    pub fn check(&self, checker: &mut Checker<'_>, skippable: bool) {
        checker.template(&self.text);
        self.others.iter().for_each(|(_, text)| checker.template(text));
        checker.unique("language", self.others.iter().map(|(name, _)| (name.value.clone(), name.span)));
        match &self.voice {
            Some(Voice::Files(files)) => files.iter().for_each(|file| checker.prompt(file)),
            Some(Voice::Skip(_)) => {}
            None if checker.on(ChannelKind::Voice) => checker.problem(
                Problem::error(
                    Code::MissingPrompt,
                    self.text.span,
                    "callers cannot hear this: it has no recording",
                )
                .hint(match skippable {
                    true => "add { voice file \"name\" }, or { voice skip } to say it in chats only",
                    false => "add `voice file \"name\"` to its block",
                }),
            ),
            None => {}
        }
    }

    /// Questions and goodbyes have to reach the customer on every channel.
    pub fn check_not_skipped(&self, checker: &mut Checker<'_>, what: &str) {
        let voice = match self.voice {
            Some(Voice::Skip(span)) => Some(span),
            Some(Voice::Files(_)) | None => None,
        };
        for span in voice.into_iter().chain(self.text_skipped) {
            let message = format!("{what} cannot be skipped");
            checker.problem(Problem::error(Code::WrongChannel, span, message));
        }
    }

    /// The text and the prompts; `None` when it is skipped on this channel.
    pub fn said(&self, turn: &Turn<'_>) -> Option<(String, Vec<String>)> {
        let prompts = match (turn.channel(), &self.voice) {
            (ChannelKind::Voice, Some(Voice::Files(files))) => {
                files.iter().map(|f| turn.in_his_language(&f.value)).collect()
            }
            (ChannelKind::Voice, Some(Voice::Skip(_)) | None) => return None,
            (ChannelKind::Text, _) if self.text_skipped.is_some() => return None,
            (ChannelKind::Text, _) => Vec::new(),
        };
        let language = turn.value(LANGUAGE).unwrap_or_default();
        let other = self.others.iter().find(|(name, _)| name.value == language).map(|(_, text)| text);
        Some((other.unwrap_or(&self.text).render(&turn.scope()), prompts))
    }
}

/// While something is played: its end goes on, and so does a key, which is kept for the next question.
pub(super) fn on_event(waiting: Waiting, event: Event, turn: &mut Turn<'_>) -> Next<'static> {
    match event {
        Event::Input(Input::PlayingEnded) => {
            turn.trace("done");
            Next::Continue
        }
        Event::Input(Input::Key(key)) => {
            turn.keep_key(key);
            turn.put(Effect::StopPlaying);
            turn.trace("cut short");
            Next::Continue
        }
        Event::Input(_) | Event::Timeout => Next::Wait(waiting),
    }
}

fn twice(span: Span, channel: &str) -> Problem {
    Problem::error(Code::DuplicateName, span, format!("it is said twice what to do on {channel}"))
}
