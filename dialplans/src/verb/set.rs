//! `set name = expression`: puts a value into the session's context, where flows read it as `session.name` and operators
//! see it. Values are texts.

use crate::check::Checker;
use crate::expr::Expr;
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::verb::Next;

#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub name: At<String>,
    value: Expr,
}

impl Set {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Set> {
        cursor.bump();
        let name = cursor.key_name("the name of a value")?;
        cursor.expect(Kind::Equals, "`=`")?;
        let value = cursor.expression("a value, such as \"text\" or customer.name")?;
        Ok(Set { name, value })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        checker.expression(&self.value);
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        match self.value.text(&turn.scope()) {
            Ok(value) => {
                turn.trace(&format!("{} = {value}", self.name.value));
                turn.set(&self.name.value, value);
            }
            Err(error) => turn.trace(&format!("error: {error}")),
        }
        Next::Continue
    }
}
