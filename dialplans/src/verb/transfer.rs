//! `transfer "+74951234567"` or `transfer operator anna`: hands the call to a number or to an operator. Outcome `failed`
//! when nobody there took it; otherwise the flow is over. A chat cannot be transferred in this way, so a flow that serves
//! chats says where they go: `transfer "+7…" { text -> state }`.

use crate::api::{ChannelKind, Effect, Input, TransferTarget};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::file::wrong_number;
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Target;
use crate::verb::{Event, Next, Shape, Waiting, Way};

const FAILED: &str = "failed";

#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    to: At<TransferTarget>,
    instead: Option<Target>,
}

impl Transfer {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Transfer> {
        cursor.bump();
        let to = if cursor.eat_word("operator").is_some() {
            let name = cursor.name("the login of an operator")?;
            At::new(TransferTarget::Agent(name.value), name.span)
        } else if cursor.kind() == Kind::Text {
            let number = cursor.text("a number")?;
            cursor.problems.extend(wrong_number(&number));
            At::new(TransferTarget::Number(number.value), number.span)
        } else {
            return Err(cursor.expected("a number between quotes, or `operator` and a login"));
        };
        let mut instead = None;
        if cursor.eat(Kind::OpenBrace).is_some() {
            cursor.expect_word("text")?;
            instead = Some(cursor.target()?);
            cursor.expect(Kind::CloseBrace, "`}`")?;
        }
        Ok(Transfer { to, instead })
    }

    pub fn check(&self, checker: &mut Checker<'_>, at: Span) {
        match &self.to.value {
            TransferTarget::Agent(login) => checker.operator(login, self.to.span),
            TransferTarget::Number(_) => {}
        }
        if self.instead.is_none() && checker.on(ChannelKind::Text) {
            checker.problem(
                Problem::error(Code::WrongChannel, at, "a chat cannot be transferred")
                    .hint("say where chats go: add { text -> state }"),
            );
        }
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        match (channel, &self.instead) {
            (ChannelKind::Text, Some(target)) => {
                Shape { jumps: vec![Way { to: target, waits: false }], ..Shape::default() }
            }
            (ChannelKind::Voice | ChannelKind::Text, _) => {
                let waits = channel == ChannelKind::Voice;
                Shape { outcomes: vec![Way { to: FAILED, waits }], ..Shape::default() }
            }
        }
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.instead.iter().collect()
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        match (turn.channel(), &self.instead) {
            (ChannelKind::Voice, _) => {
                // Who is not answered yet hears what comes from there, and is answered when somebody takes the call.
                turn.put(Effect::Transfer { to: self.to.value.clone() });
                Next::Wait(Waiting::Transferred)
            }
            (ChannelKind::Text, Some(target)) => {
                turn.trace("went on instead");
                Next::Goto(&target.value)
            }
            (ChannelKind::Text, None) => Next::Outcome(FAILED),
        }
    }

    pub fn on_event(&self, waiting: Waiting, event: Event, turn: &mut Turn<'_>) -> Next<'static> {
        match event {
            Event::Input(Input::TransferEnded { connected: true }) => {
                turn.trace("connected");
                Next::Over
            }
            Event::Input(Input::TransferEnded { connected: false }) => Next::Outcome(FAILED),
            Event::Input(_) | Event::Timeout => Next::Wait(waiting),
        }
    }
}
