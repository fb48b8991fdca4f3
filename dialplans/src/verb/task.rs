//! `task callback queue support "Call {session.phone}" within 2h`: leaves work for people. It stands in the journal and in the
//! list of tasks; `callback` is the kind, a word that you choose. `queue` says whose work it is, the text what is to be done,
//! `within` how soon; all three may be left out. The flow goes on at once.

use std::time::Duration;

use model::QueueName;

use crate::api::{Effect, Task as Work};
use crate::check::Checker;
use crate::run::Turn;
use crate::source::At;
use crate::syntax::cursor::{Cursor, Parse};
use crate::syntax::lexer::Kind;
use crate::template::Template;
use crate::verb::Next;

const LONGEST_TEXT: usize = 1000;

#[derive(Clone, Debug)]
pub(crate) struct Task {
    kind: At<String>,
    queue: Option<At<String>>,
    text: Option<Template>,
    within: Option<Duration>,
}

impl Task {
    pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Task> {
        cursor.bump();
        let kind = cursor.word("what kind of task, such as `callback`")?;
        let mut task = Task { kind, queue: None, text: None, within: None };
        loop {
            // `queue` at the start of a line is the verb.
            if cursor.at_word("queue") && !cursor.starts_line() {
                cursor.bump();
                task.queue = Some(cursor.name("the name of a queue")?);
            } else if cursor.eat_word("within").is_some() {
                task.within = Some(cursor.duration()?.value);
            } else if matches!(cursor.kind(), Kind::Text | Kind::Unterminated) && task.text.is_none() {
                task.text = Some(cursor.template("what is to be done, between quotes")?);
            } else {
                return Ok(task);
            }
        }
    }

    pub fn check(&self, checker: &mut Checker<'_>) {
        self.queue.iter().for_each(|queue| checker.queue(queue));
        self.text.iter().for_each(|text| checker.template(text));
    }

    pub fn start(&self, turn: &mut Turn<'_>) -> Next<'static> {
        let text = self.text.as_ref().map(|text| text.render(&turn.scope())).unwrap_or_default();
        turn.put(Effect::Task(Work {
            kind: self.kind.value.clone(),
            queue: self.queue.as_ref().map(|queue| QueueName::new(&queue.value)),
            text: text.chars().take(LONGEST_TEXT).collect(),
            within: self.within,
        }));
        turn.trace(&self.kind.value);
        Next::Continue
    }
}
