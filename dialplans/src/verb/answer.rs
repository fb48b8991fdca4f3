//! `answer`: takes the call. Every verb that speaks does so by itself, so it is only needed to answer earlier. A chat
//! needs no answer.

use crate::api::ChannelKind;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::verb::{Next, Waiting};

#[derive(Clone, Debug)]
pub(crate) struct Answer;

impl Answer {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Answer> {
        cursor.bump();
        Ok(Answer)
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        if turn.channel() == ChannelKind::Voice && turn.must_answer() {
            return Next::Wait(Waiting::Answered);
        }
        turn.trace("done");
        Next::Continue
    }
}
