//! `say "text" { voice file "name" }`: says something and goes on. See [`super::wording`] for the block.

use crate::api::{ChannelKind, Effect};
use crate::check::Checker;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::verb::wording::Wording;
use crate::verb::{Next, Waiting};

#[derive(Clone, Debug)]
pub(crate) struct Say {
    wording: Wording,
}

impl Say {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Say> {
        cursor.bump();
        Wording::parse(cursor, "what to say between quotes").map(|wording| Say { wording })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.wording.check(checker, true);
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let Some((text, prompts)) = self.wording.said(turn) else {
            turn.trace("skipped");
            return Next::Continue;
        };
        match turn.channel() {
            ChannelKind::Voice => {
                if turn.must_answer() {
                    return Next::Wait(Waiting::Answered);
                }
                turn.put(Effect::Say { text, prompts });
                Next::Wait(Waiting::Played)
            }
            ChannelKind::Text => {
                turn.put(Effect::Say { text, prompts });
                turn.trace("done");
                Next::Continue
            }
        }
    }
}
