//! `close "text" { voice file "bye" }`: says goodbye and ends the call or the chat. `close` alone ends it without a word.

use crate::api::{ChannelKind, Effect, Input};
use crate::check::Checker;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::verb::wording::Wording;
use crate::verb::{Event, Next, Waiting};

#[derive(Clone, Debug)]
pub(crate) struct Close {
    wording: Option<Wording>,
}

impl Close {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Close> {
        cursor.bump();
        let wording = match cursor.kind() {
            Kind::Text | Kind::Unterminated => Some(Wording::parse(cursor, "the goodbye between quotes")?),
            _ => None,
        };
        Ok(Close { wording })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.wording.iter().for_each(|wording| wording.check(checker, true));
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let said = self.wording.as_ref().and_then(|wording| wording.said(turn));
        let (text, prompts) = match said {
            Some((text, prompts)) => (Some(text), prompts),
            None => (None, Vec::new()),
        };
        let plays = turn.channel() == ChannelKind::Voice && !prompts.is_empty();
        if plays && turn.must_answer() {
            return Next::Wait(Waiting::Answered);
        }
        turn.put(Effect::Close { text, prompts });
        if plays { Next::Wait(Waiting::Played) } else { Self::end(turn) }
    }

    pub fn on_event(&self, waiting: Waiting, event: Event, turn: &mut Turn<'_>) -> Next<'static> {
        match event {
            Event::Input(Input::PlayingEnded) => Self::end(turn),
            Event::Input(_) | Event::Timeout => Next::Wait(waiting),
        }
    }

    fn end(turn: &mut Turn<'_>) -> Next<'static> {
        turn.trace("done");
        turn.put(Effect::Hangup);
        Next::Over
    }
}
