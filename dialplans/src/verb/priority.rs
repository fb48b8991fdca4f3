//! `priority 5`: this session is more urgent (or, below zero, less) than others: the number is added to the priority of every
//! `queue` that follows, within -100 to 100. The last `priority` counts.

use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::verb::Next;

const MOST: i32 = 100;

#[derive(Clone, Debug)]
pub(crate) struct Priority {
    value: i32,
}

impl Priority {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Priority> {
        cursor.bump();
        let value = cursor.integer("a number from -100 to 100")?;
        if value.value.abs() > MOST {
            let problem = Problem::error(Code::BadNumber, value.span, "a priority must be from -100 to 100");
            return Err(cursor.fail(problem));
        }
        Ok(Priority { value: value.value })
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        turn.set_priority(self.value);
        turn.trace(&self.value.to_string());
        Next::Continue
    }
}
