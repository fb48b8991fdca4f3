//! `-> state`: goes on in another state.

use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::tree::Target;
use crate::verb::{Next, Shape, Way};

#[derive(Clone, Debug)]
pub(crate) struct Goto {
    pub target: Target,
}

impl Goto {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Goto> {
        cursor.target().map(|target| Goto { target })
    }

    pub fn shape(&self) -> Shape<'_> {
        Shape { jumps: vec![Way { to: &self.target, waits: false }], ..Shape::default() }
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        turn.trace(&self.target.value);
        Next::Goto(&self.target.value)
    }
}
