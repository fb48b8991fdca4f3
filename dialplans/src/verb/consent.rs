//! `consent recording "May we record this call?" { voice file "may-we-record" }`: asks for a permission and keeps the answer.
//!
//! The answers are `yes` (key 1) and `no` (key 2); the block may give them other keys, words and labels, as in `ask`. What was
//! answered stands in the journal with its time, and in the session's context as `consent_recording` = `given` or `refused`;
//! who says nothing has refused. Outcomes: `given`, `refused`. A refused `recording` keeps the session from being recorded at
//! all; what it may be called otherwise is up to the flow.

use crate::api::{ChannelKind, Effect, RecordingAct};
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::tree::Target;
use crate::verb::ask::{Ask, Asking, Choice};
use crate::verb::{Event, Next, Shape, Way};

const GIVEN: &str = "given";
const REFUSED: &str = "refused";
const RECORDING: &str = "recording";
const YES: &str = "yes";
const NO: &str = "no";

#[derive(Clone, Debug)]
pub(crate) struct Consent {
    what: At<String>,
    key: String,
    ask: Ask,
}

impl Consent {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Consent> {
        cursor.bump();
        let what = cursor.key_name("what is asked for, such as `recording`")?;
        let question = At::new(format!("consent_{}", what.value), what.span);
        let span = what.span;
        let choice = |name: &str, key| Choice {
            name: At::new(name.to_owned(), span),
            key: Some(At::new(key, span)),
            words: Vec::new(),
            label: None,
        };
        let ask = Ask::parse_fixed(cursor, question, |_| Ok(vec![choice(YES, '1'), choice(NO, '2')]), true)?;
        if let Some(other) = ask.names().find(|name| !matches!(name.value.as_str(), YES | NO)) {
            let message = format!("the answers are `yes` and `no`, not `{}`", other.value);
            let problem = Problem::error(Code::BadName, other.span, message);
            return Err(cursor.fail(problem));
        }
        Ok(Consent { key: format!("consent_{}", what.value), what, ask })
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.ask.check(checker);
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        let inner = self.ask.shape(channel);
        let outcomes = match inner.outcomes.is_empty() {
            true => Vec::new(),
            false => [GIVEN, REFUSED].map(|to| Way { to, waits: true }).into(),
        };
        Shape { outcomes, ..inner }
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.ask.targets()
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        let next = self.ask.start(turn);
        self.decided(next, turn)
    }

    pub fn on_event<'p>(&'p self, asking: Asking, event: Event, turn: &mut Turn<'_>) -> Next<'p> {
        let next = self.ask.on_event(asking, event, turn);
        self.decided(next, turn)
    }

    fn decided<'p>(&self, next: Next<'p>, turn: &mut Turn<'_>) -> Next<'p> {
        let Next::Outcome(answer) = next else { return next };
        let outcome = if answer == YES { GIVEN } else { REFUSED };
        turn.set(&self.key, outcome.to_owned());
        let no_recording = outcome == REFUSED && self.what.value == RECORDING;
        if no_recording && turn.channel() == ChannelKind::Voice {
            turn.put(Effect::Record(RecordingAct::Stop));
        }
        Next::Outcome(outcome)
    }
}
