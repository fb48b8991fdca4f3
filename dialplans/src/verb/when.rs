//! `when condition -> state`: goes to the state when the condition is true. A condition that cannot be worked out, because
//! a value is missing, is not true.

use cel::Value;

use crate::api::ChannelKind;
use crate::check::Checker;
use crate::expr::Expr;
use crate::run::Turn;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::tree::Target;
use crate::verb::{Next, Shape, Way};

#[derive(Clone, Debug)]
pub(crate) struct When {
    condition: Expr,
    pub target: Target,
}

impl When {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<When> {
        cursor.bump();
        let condition = cursor.expression("a condition, such as customer.name != \"\"")?;
        let target = cursor.target()?;
        Ok(When { condition, target })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        checker.condition(&self.condition);
    }

    /// A condition about nothing but the channel is decided here, so that each channel's way is checked on its own.
    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        let jumps = vec![Way { to: &self.target, waits: false }];
        match crate::check::known_on(&self.condition, channel) {
            Some(true) => Shape { jumps, goes_on: false, ..Shape::default() },
            Some(false) => Shape::PLAIN,
            None => Shape { jumps, goes_on: true, ..Shape::default() },
        }
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        let (outcome, next) = match self.condition.eval(&turn.scope()) {
            Ok(Value::Bool(true)) => ("yes".to_owned(), Next::Goto(self.target.value.as_str())),
            Ok(Value::Bool(false)) => ("no".to_owned(), Next::Continue),
            Ok(_) => ("no: the condition is neither true nor false".to_owned(), Next::Continue),
            Err(error) => (format!("no: {error}"), Next::Continue),
        };
        turn.trace(&outcome);
        next
    }
}
