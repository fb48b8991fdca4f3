//! `hangup`: ends the call or the chat without a word. A call that was not answered yet is refused.

use crate::api::Effect;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::verb::Next;

#[derive(Clone, Debug)]
pub(crate) struct Hangup;

impl Hangup {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Hangup> {
        cursor.bump();
        Ok(Hangup)
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        turn.trace("done");
        turn.put(Effect::Hangup);
        Next::Over
    }
}
