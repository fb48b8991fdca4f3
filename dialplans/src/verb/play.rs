//! `play "name", "name"`: plays prompts to a caller. In a chat there is nothing to hear, so a flow that serves chats says
//! what to do instead: `play "jingle" { text skip }`, `{ text say "…" }` or `{ text -> state }`.

use crate::api::{ChannelKind, Effect};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Target;
use crate::template::Template;
use crate::verb::{Next, Shape, Waiting, Way};

#[derive(Clone, Debug)]
pub(crate) struct Play {
    files: Vec<At<String>>,
    instead: Option<Instead>,
}

/// What happens on text channels.
#[derive(Clone, Debug)]
enum Instead {
    Skip,
    Say(Template),
    Goto(Target),
}

impl Play {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Play> {
        cursor.bump();
        let files = cursor.list(|c| c.text("the name of a prompt between quotes"))?;
        let mut instead = None;
        if cursor.eat(Kind::OpenBrace).is_some() {
            cursor.expect_word("text")?;
            instead = Some(match cursor.slice() {
                "skip" => {
                    cursor.bump();
                    Instead::Skip
                }
                "say" => {
                    cursor.bump();
                    Instead::Say(cursor.template("what to say between quotes")?)
                }
                "->" => Instead::Goto(cursor.target()?),
                _ => return Err(cursor.expected("`skip`, `say` or `->`")),
            });
            cursor.expect(Kind::CloseBrace, "`}`")?;
        }
        Ok(Play { files, instead })
    }

    pub fn check(&self, checker: &mut Checker<'_>, at: Span) {
        self.files.iter().for_each(|file| checker.prompt(file));
        match &self.instead {
            Some(Instead::Say(text)) => checker.template(text),
            Some(Instead::Skip | Instead::Goto(_)) => {}
            None if checker.on(ChannelKind::Text) => checker.problem(
                Problem::error(Code::WrongChannel, at, "nothing can be played in a chat")
                    .hint("add { text skip }, { text say \"…\" } or { text -> state }"),
            ),
            None => {}
        }
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        match (channel, &self.instead) {
            (ChannelKind::Text, Some(Instead::Goto(target))) => {
                Shape { jumps: vec![Way { to: target, waits: false }], goes_on: false, ..Shape::default() }
            }
            _ => Shape::PLAIN,
        }
    }

    pub fn targets(&self) -> Vec<&Target> {
        match &self.instead {
            Some(Instead::Goto(target)) => vec![target],
            Some(Instead::Skip | Instead::Say(_)) | None => Vec::new(),
        }
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        if turn.channel() == ChannelKind::Voice {
            if turn.must_answer() {
                return Next::Wait(Waiting::Answered);
            }
            turn.put(Effect::Play {
                prompts: self.files.iter().map(|f| turn.in_his_language(&f.value)).collect(),
            });
            return Next::Wait(Waiting::Played);
        }
        match &self.instead {
            Some(Instead::Say(text)) => {
                let text = text.render(&turn.scope());
                turn.put(Effect::Say { text, prompts: Vec::new() });
                turn.trace("said instead");
                Next::Continue
            }
            Some(Instead::Goto(target)) => {
                turn.trace("went on instead");
                Next::Goto(&target.value)
            }
            Some(Instead::Skip) | None => {
                turn.trace("skipped");
                Next::Continue
            }
        }
    }
}
