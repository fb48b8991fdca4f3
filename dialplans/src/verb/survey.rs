//! `survey csat "How was it, from 1 to 5?" scale 1 to 5 { voice file "csat" }`: a question that is answered by a number.
//!
//! Callers press the key, chats have a button for each number. The answer is kept in the session's context under the name of
//! the question, so it stands in the journal. Outcomes: `answered`, `none`. The block, `timeout` and `retries` are those of
//! `ask`. Without `scale` it is 1 to 5; the numbers are 0 to 9, so that one key says each.

use crate::api::ChannelKind;
use crate::check::Checker;
use crate::diagnostic::{Code, Problem};
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::tree::Target;
use crate::verb::ask::{Ask, Asking, Choice};
use crate::verb::{Event, Next, Shape, Way};

const ANSWERED: &str = "answered";
const NONE: &str = "none";

#[derive(Clone, Debug)]
pub(crate) struct Survey {
    pub name: At<String>,
    ask: Ask,
}

impl Survey {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Survey> {
        cursor.bump();
        let name = cursor.key_name("the name of the question")?;
        let place = name.span;
        let numbers = |cursor: &mut Cursor<'_>| {
            let (mut first, mut last, mut span) = (1, 5, place);
            if cursor.eat_word("scale").is_some() {
                let low = cursor.integer("the lowest number")?;
                cursor.expect_word("to")?;
                let high = cursor.integer("the highest number")?;
                (first, last, span) = (low.value, high.value, low.span.to(high.span));
            }
            let keys = first..=last;
            let valid = first >= 0 && last <= 9 && first < last;
            if !valid {
                let problem =
                    Problem::error(Code::BadNumber, span, "a scale goes from a number to a higher one")
                        .hint("the numbers are 0 to 9, one key for each");
                return Err(cursor.fail(problem));
            }
            let digits = keys.filter_map(|n| char::from_digit(n.unsigned_abs(), 10));
            Ok(digits
                .map(|digit| Choice {
                    name: At::new(digit.to_string(), span),
                    key: Some(At::new(digit, span)),
                    words: Vec::new(),
                    label: None,
                })
                .collect())
        };
        let ask = Ask::parse_fixed(cursor, name.clone(), numbers, false)?;
        Ok(Survey { name, ask })
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.ask.check(checker);
    }

    pub fn shape(&self, channel: ChannelKind) -> Shape<'_> {
        let inner = self.ask.shape(channel);
        let outcomes = match inner.outcomes.is_empty() {
            true => Vec::new(),
            false => [ANSWERED, NONE].map(|to| Way { to, waits: true }).into(),
        };
        Shape { outcomes, ..inner }
    }

    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.ask.values()
    }

    pub fn targets(&self) -> Vec<&Target> {
        self.ask.targets()
    }

    pub fn start<'p>(&'p self, turn: &mut Turn<'_>) -> Next<'p> {
        answered(self.ask.start(turn))
    }

    pub fn on_event<'p>(&'p self, asking: Asking, event: Event, turn: &mut Turn<'_>) -> Next<'p> {
        answered(self.ask.on_event(asking, event, turn))
    }
}

fn answered(next: Next<'_>) -> Next<'_> {
    match next {
        Next::Outcome(NONE) => Next::Outcome(NONE),
        Next::Outcome(_) => Next::Outcome(ANSWERED),
        other => other,
    }
}
