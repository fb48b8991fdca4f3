//! `dial "+74951234567" timeout 20s`, `dial operator anna`: rings somebody for the caller, for a time, and goes on when nobody
//! takes it. What a value says is written as a template: `dial "{session.branch}"`.
//!
//! Who is there gets the call, and the flow is over. Outcomes: `busy`, `no_answer` and, for all other reasons and for those two
//! when they have no handler of their own, `failed`. The time is 30s unless told. A chat cannot be connected in this way, so a
//! flow that serves chats says where they go: `dial "+7…" { text -> state }`.

use std::time::Duration;

use model::Instant;

use crate::api::{ChannelKind, DialEnd, Effect, Input, TransferTarget};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::{At, Span};
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::file::wrong_number;
use crate::syntax::lexer::Kind;
use crate::syntax::tree::Target;
use crate::template::Template;
use crate::verb::{Event, Next, Shape, Waiting, Way};

pub(super) const FAILED: &str = "failed";
pub(super) const BUSY: &str = "busy";
pub(super) const NO_ANSWER: &str = "no_answer";
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Dial {
    to: Callee,
    timeout: Duration,
    instead: Option<Target>,
}

#[derive(Clone, Debug)]
enum Callee {
    Number(Template),
    Operator(At<String>),
}

impl Dial {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Dial> {
        cursor.bump();
        let to = if cursor.eat_word("operator").is_some() {
            Callee::Operator(cursor.name("the login of an operator")?)
        } else if matches!(cursor.kind(), Kind::Text | Kind::Unterminated) {
            let number = cursor.template("a number between quotes")?;
            if let Some(fixed) = number.fixed() {
                let problem = wrong_number(&At::new(fixed, number.span));
                cursor.problems.extend(problem);
            }
            Callee::Number(number)
        } else {
            return Err(cursor.expected("a number between quotes, or `operator` and a login"));
        };
        let mut dial = Dial { to, timeout: TIMEOUT, instead: None };
        if cursor.eat_word("timeout").is_some() {
            dial.timeout = cursor.duration()?.value;
        }
        if cursor.eat(Kind::OpenBrace).is_some() {
            cursor.expect_word("text")?;
            dial.instead = Some(cursor.target()?);
            cursor.expect(Kind::CloseBrace, "`}`")?;
        }
        Ok(dial)
    }

    pub fn check(&self, checker: &mut Checker<'_>, at: Span) {
        match &self.to {
            Callee::Number(number) => checker.template(number),
            Callee::Operator(login) => checker.operator(&login.value, login.span),
        }
        if self.instead.is_none() && checker.on(ChannelKind::Text) {
            checker.problem(
                Problem::error(Code::WrongChannel, at, "a chat cannot be connected to a phone")
                    .hint("say where chats go: add { text -> state }"),
            );
        }
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        match (channel, &self.instead) {
            (ChannelKind::Text, Some(target)) => {
                Shape { jumps: vec![Way { to: target, waits: false }], ..Shape::default() }
            }
            (ChannelKind::Text, None) => {
                Shape { outcomes: vec![Way { to: FAILED, waits: false }], ..Shape::default() }
            }
            (ChannelKind::Voice, _) => {
                let outcomes = [BUSY, NO_ANSWER, FAILED].map(|to| Way { to, waits: true });
                Shape { outcomes: outcomes.into(), ..Shape::default() }
            }
        }
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.instead.iter().collect()
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        match (turn.channel(), &self.instead) {
            (ChannelKind::Voice, _) => {
                let to = match &self.to {
                    Callee::Operator(login) => TransferTarget::Agent(login.value.clone()),
                    Callee::Number(number) => {
                        let number = number.render(&turn.scope());
                        if number.trim().is_empty() {
                            return Next::Outcome(FAILED);
                        }
                        TransferTarget::Number(number)
                    }
                };
                let until = turn.now.instant + self.timeout;
                turn.put(Effect::Transfer { to });
                Next::Wait(Waiting::Dialling(until))
            }
            (ChannelKind::Text, Some(target)) => {
                turn.trace("went on instead");
                Next::Goto(&target.value)
            }
            (ChannelKind::Text, None) => Next::Outcome(FAILED),
        }
    }

    pub fn on_event(&self, until: Instant, event: Event, turn: &mut Turn<'_>) -> Next<'static> {
        match event {
            Event::Input(Input::TransferEnded { connected: true }) => {
                turn.trace("connected");
                Next::Over
            }
            Event::Input(Input::TransferEnded { connected: false }) => {
                Next::Outcome(match turn.env().dialled {
                    Some(DialEnd::Busy) => BUSY,
                    Some(DialEnd::NoAnswer) => NO_ANSWER,
                    Some(DialEnd::Failed) | None => FAILED,
                })
            }
            Event::Timeout => {
                turn.put(Effect::CancelTransfer);
                Next::Outcome(NO_ANSWER)
            }
            Event::Input(_) => Next::Wait(Waiting::Dialling(until)),
        }
    }
}
