//! `emergency "fire" -> closed`: goes to the state while somebody has this switch on. `emergency -> closed` is the switch with
//! the name of the flow.
//!
//! A switch is turned by one press in the console, by `POST /api/v1/dialplans/switches/NAME` or by
//! `tandem dialplan emergency NAME on`; it holds for everybody who comes to this verb from then on, and survives a restart.

use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Target;
use crate::verb::{Next, Shape, Way};

#[derive(Clone, Debug)]
pub(crate) struct Emergency {
    /// `None`: the name of the flow.
    pub switch: Option<At<String>>,
    target: Target,
}

impl Emergency {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Emergency> {
        cursor.bump();
        let switch = match cursor.kind() {
            Kind::Text | Kind::Word => Some(cursor.name("the name of the switch")?),
            _ => None,
        };
        if let Some(switch) = &switch
            && !is_switch(&switch.value)
        {
            let message = format!("a switch cannot be named `{}`", switch.value);
            let problem = Problem::error(Code::BadName, switch.span, message);
            return Err(cursor.fail(problem.hint("use letters, digits, `-` and `_`, at most 40")));
        }
        let target = cursor.target()?;
        Ok(Emergency { switch, target })
    }

    pub fn shape(&self) -> Shape<'_> {
        Shape { jumps: vec![Way { to: &self.target, waits: false }], goes_on: true, ..Shape::default() }
    }

    pub fn targets(&self) -> Vec<&Target> {
        vec![&self.target]
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        let name = self.switch.as_ref().map_or(turn.flow_name(), |switch| &switch.value);
        if turn.env().switches.contains(name) {
            turn.trace("on");
            return Next::Goto(&self.target.value);
        }
        turn.trace("off");
        Next::Continue
    }
}

/// Whether a switch can have this name: names that fit into a path of the API as they stand.
pub fn is_switch(name: &str) -> bool {
    (1..=40).contains(&name.chars().count())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}
